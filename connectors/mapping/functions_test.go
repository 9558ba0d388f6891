package mapping

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// agreeing evaluates generated expressions both ways, and demands that at
// least one in four is evaluated by compiled code.
func agreeing(t *testing.T, generate func(t *rapid.T) (expr string, input Value)) {
	t.Helper()
	engine := New(Limits{Timeout: 5 * time.Second, OutputBytes: 1 << 20})
	tried, evaluated := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		expr, input := generate(t)
		diff, ok := compare(engine, expr, input, Eval{Now: time.UnixMilli(1718971234567), Seed: 3})
		tried++
		if ok {
			evaluated++
		}
		if diff != "" {
			data, _ := Encode(input)
			t.Fatalf("%s\non %s\n(-official +compiled):\n%s", expr, data, diff)
		}
	})
	if evaluated*4 < tried {
		t.Errorf("only %d of %d expressions were evaluated both ways", evaluated, tried)
	}
	t.Logf("%d of %d expressions were evaluated both ways", evaluated, tried)
}

func TestDatesAreFormattedAsTheOfficialOnesAre(t *testing.T) {
	components := []string{"[Y]", "[Y0001]", "[Y,2-2]", "[Y,*-2]", "[Y01]", "[YI]", "[Yw]", "[M]", "[M01]", "[MNn]", "[MN,3-3]", "[Mn]", "[MI]", "[Ma]", "[D]", "[D01]", "[D1o]", "[Dwo]", "[DWw]", "[d]",
		"[d001]", "[F]", "[FNn,3-3]", "[F1]", "[W]", "[W01]", "[w]", "[X]", "[X0001]", "[x]", "[xNn]", "[H]", "[H01]", "[h]", "[P]", "[PN]", "[m]", "[m1]", "[s]", "[f]", "[f001]", "[Z]", "[Z0]", "[Z0101]", "[Z01:01t]", "[z]",
		"[C]", "[E]", "[D#1]", "[Y9,999,*]", "[Y#,##0]"}
	agreeing(t, func(t *rapid.T) (string, Value) {
		var picture strings.Builder
		for range rapid.IntRange(1, 5).Draw(t, "parts") {
			picture.WriteString(rapid.SampledFrom(components).Draw(t, "component"))
			picture.WriteString(rapid.SampledFrom([]string{"-", "/", " ", "", "T", "]]", "[["}).Draw(t, "literal"))
		}
		zone := rapid.SampledFrom([]string{"", `, "+0100"`, `, "-0530"`, `, "0000"`, `, "+14"`, `, "+0545"`}).Draw(t, "zone")
		millis := rapid.Int64Range(-2e12, 4e12).Draw(t, "millis")
		return fmt.Sprintf("$fromMillis(%d, %q%s)", millis, picture.String(), zone), nil
	})
}

func TestDatesAreParsedAsTheOfficialOnesAre(t *testing.T) {
	pictures := []string{"[Y0001]-[M01]-[D01]", "[Y]-[M]-[D]T[H]:[m]:[s]", "[D1o] [MNn] [Y]", "[D]/[M]/[Y] [h]:[m] [P]", "[Y][M01][D01]", "[Y0001][d001]", "[H01]:[m01]:[s01].[f001]", "[M]-[D]",
		"[Y0001]-[M01]-[D01] [H01]:[m01] [Z]", "[FNn], [D] [MNn,3-3] [Y]", "[Y0001]-[M01]-[D01]T[H01]:[m01]:[s01][Z0101]", "[Y]", "[Y,2-2]/[M]", "[h] [P]", "[D] [H]"}
	agreeing(t, func(t *rapid.T) (string, Value) {
		picture := rapid.SampledFrom(pictures).Draw(t, "picture")
		millis := rapid.Int64Range(0, 4e12).Draw(t, "millis")
		written := rapid.SampledFrom([]string{picture, picture, picture, pictures[0]}).Draw(t, "written")
		return fmt.Sprintf("$toMillis($fromMillis(%d, %q, \"+0230\"), %q)", millis, written, picture), nil
	})
}

func TestISOTimesAreParsedAsTheOfficialOnesAre(t *testing.T) {
	agreeing(t, func(t *rapid.T) (string, Value) {
		pick := func(options ...string) string { return rapid.SampledFrom(options).Draw(t, "part") }
		date := fmt.Sprintf("%04d-%02d-%02d", rapid.IntRange(0, 9999).Draw(t, "y"), rapid.IntRange(1, 12).Draw(t, "m"), rapid.IntRange(1, 31).Draw(t, "d"))
		clock := fmt.Sprintf("T%02d:%02d:%02d", rapid.IntRange(0, 23).Draw(t, "h"), rapid.IntRange(0, 59).Draw(t, "min"), rapid.IntRange(0, 60).Draw(t, "s"))
		return fmt.Sprintf("$toMillis(%q)", date+pick("", clock, clock, clock+".1", clock+".12", clock+".123", clock+".123456", clock+".")+pick("", "Z", "Z", "+01:00", "-0530", "+1:00", "z")), nil
	})
}

func TestNumbersAreFormattedAsTheOfficialOnesAre(t *testing.T) {
	agreeing(t, func(t *rapid.T) (string, Value) {
		number := rapid.OneOf(rapid.Float64Range(-1e7, 1e7), rapid.Float64Range(-1, 1), rapid.Float64(), rapid.SampledFrom([]float64{0, 0.5, 1.5, 2.5, -0.5, 1e15, 123456789, 0.001, 99.995, 1e21})).Draw(t, "number")
		n := Number(formatNumber(number))
		switch rapid.IntRange(0, 6).Draw(t, "function") {
		case 0:
			return "$round($, " + strconv.Itoa(rapid.IntRange(-5, 8).Draw(t, "places")) + ")", n
		case 1:
			return "$formatBase($, " + strconv.Itoa(rapid.IntRange(1, 37).Draw(t, "radix")) + ")", n
		case 2:
			return "$formatInteger($, " + rapid.SampledFrom([]string{`"w"`, `"W"`, `"Ww;o"`, `"i"`, `"I"`, `"a"`, `"A"`, `"000"`, `"#,##0"`, `"0;o"`, `"1'1'1"`, `"#0.0,0"`, `"٠٠"`}).Draw(t, "picture") + ")", Number(strconv.Itoa(int(rapid.Int32Range(-3000, 99999999).Draw(t, "n"))))
		case 3:
			return "$string($)", n
		case 4:
			return "[$floor($), $ceil($), $abs($), $round($), -$, $ * 3, $ / 7, $ % 3]", n
		}
		var picture strings.Builder
		for range rapid.IntRange(1, 9).Draw(t, "length") {
			picture.WriteString(rapid.SampledFrom([]string{"#", "#", "0", "0", "0", ",", ".", "%", "e", ";", "$", "9", "-", "‰"}).Draw(t, "char"))
		}
		options := rapid.SampledFrom([]string{"", "", `, {"decimal-separator": ",", "grouping-separator": "."}`, `, {"zero-digit": "٠"}`, `, {"minus-sign": "−", "percent": "pc"}`}).Draw(t, "options")
		return fmt.Sprintf("$formatNumber($, %q%s)", picture.String(), options), n
	})
}

func TestRegularExpressionsMatchAsTheOfficialOnesDo(t *testing.T) {
	agreeing(t, func(t *rapid.T) (string, Value) {
		var build func(depth int) string
		build = func(depth int) string {
			var b strings.Builder
			for range rapid.IntRange(1, 3).Draw(t, "terms") {
				atoms := []string{"a", "b", "c", "1", ".", "[ab]", "[^a]", "[a-c1]", `\d`, `\w`, `\s`, `\W`, `\b`, "^", "$", "ä", `\.`, `\/`, "-", " ", `[\s-]`, `[\d.]`, `\u0061`, `\x62`, `[\]a]`, `[-a]`, `[a\-c]`, "(?=a)", `\D`, `[^\d]`}
				atom := rapid.SampledFrom(atoms).Draw(t, "atom")
				if depth < 2 && rapid.IntRange(0, 4).Draw(t, "group") == 0 {
					atom = rapid.SampledFrom([]string{"(", "(?:"}).Draw(t, "open") + build(depth+1) + rapid.SampledFrom([]string{"", "", "|" + build(depth+1)}).Draw(t, "or") + ")"
				}
				b.WriteString(atom + rapid.SampledFrom([]string{"", "", "", "", "*", "+", "?", "{2}", "{1,2}", "+?", "*?"}).Draw(t, "times"))
			}
			return b.String()
		}
		pattern := "/" + build(0) + "/" + rapid.SampledFrom([]string{"", "", "i", "m"}).Draw(t, "flags")
		subject := rapid.StringOfN(rapid.SampledFrom([]rune("aabbc1 .-ABäÄ\n]/ſ😀")), 0, 12, -1).Draw(t, "subject")
		use := rapid.SampledFrom([]string{"$match($, %s)", "$match($, %s, 1)", "$contains($, %s)", "$split($, %s)", "$split($, %s, 2)", `$replace($, %s, "<$0$1>")`, `$replace($, %s, "-", 2)`,
			`$replace($, %s, function($m) { $m.match & $m.start & $m.end & $join($m.groups[$type($) = "string"], ",") })`}).Draw(t, "use")
		return fmt.Sprintf(use, pattern), subject
	})
}

func TestStringFunctionsWorkAsTheOfficialOnesDo(t *testing.T) {
	agreeing(t, func(t *rapid.T) (string, Value) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("abAB 12\t\n,%äß😀İΣς\u2028é\"\\")), 0, 10, -1).Draw(t, "text")
		n := rapid.SampledFrom([]string{"0", "1", "-1", "2", "-3", "2.5", "-0.5", "20", "1e9"}).Draw(t, "n")
		m := rapid.SampledFrom([]string{"0", "1", "-1", "2", "3.7", "100"}).Draw(t, "m")
		return rapid.SampledFrom([]string{
			"$length($)", "$uppercase($)", "$lowercase($)", "$trim($)", "$substring($, " + n + ")", "$substring($, " + n + ", " + m + ")", "$pad($, " + m + ")", "$pad($, -" + m + `, "xy")`, "$pad($, " + m + `, "😀é")`,
			"$encodeUrl($)", "$encodeUrlComponent($)", "$decodeUrlComponent($encodeUrlComponent($))", "$decodeUrl($encodeUrlComponent($))", "$decodeUrl($)", "$decodeUrlComponent($)", "$base64encode($)", "$base64decode($)", "$base64decode($base64encode($))",
			`$split($, "")`, `$split($, "a")`, `$split($, " ", ` + m + ")", `$substringBefore($, "b")`, `$substringAfter($, "é")`, `$replace($, "a", "$0b")`, `$replace($, "a", "bb", ` + m + ")", "$string([$])", "$string({$: $}, true)", "$number($)",
			`$ < "a"`, `$ >= "\u00e9"`, `$sort([$, "b", "\uffee", "z😀", "a"])`, `$contains($, "1")`, `$join([$, "x", $], ", ")`, "$eval($)", `$distinct([$, "a", $])`, "$ & 1", "$type($)", `$ in ["a", "b"]`,
		}).Draw(t, "expr"), text
	})
}
