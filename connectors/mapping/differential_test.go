package mapping

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// outcome is all that can be seen of an evaluation.
type outcome struct {
	Result   any
	Code     string
	Message  string
	Position int
	Token    string
}

func outcomeOf(v Value, defined bool, err error) outcome {
	if err != nil {
		e, ok := err.(*Error)
		if !ok {
			return outcome{Code: err.Error()}
		}
		return outcome{Code: e.Code, Message: e.Message, Position: e.Position, Token: e.Token}
	}
	if !defined {
		v = Undefined
	}
	return outcome{Result: plain(v, false)}
}

// compare evaluates in both ways and returns the difference. evaluated is
// false when the compiled way hands over or there is none.
func compare(engine *Engine, expr string, input Value, ev Eval) (diff string, evaluated bool) {
	x, err := engine.Compile(expr)
	if err != nil || x.program == nil {
		return "", false
	}
	v, err := x.program.run(context.Background(), &engine.limits, input, ev)
	if err == errNotCompiled {
		return "", false
	}
	got := outcomeOf(definedOr(v, err))
	want := outcomeOf(definedOr(x.evaluateOfficially(context.Background(), input, ev)))
	for _, code := range []string{codeTimeout, codeDepth} {
		// Where a limit strikes is not the same to the last step.
		if got.Code == code || want.Code == code {
			return "", false
		}
	}
	if got.Position == 0 || got.Token == "" || passesNative.MatchString(expr) {
		// The official evaluator keeps the place of the latest call in the
		// function itself, across evaluations: what is called by another
		// function reports a place that may have nothing to do with it.
		want.Position, want.Token, want.Message = got.Position, got.Token, got.Message
	}
	return cmp.Diff(want, got), true
}

// passesNative finds native functions that are not called by name, and
// calls in functions.
var passesNative = regexp.MustCompile(`function|\$[a-zA-Z]{3,}\s*(?:[^a-zA-Z(]|\(\?|$)|~>`)

// grammar makes expressions.
type grammar struct {
	t     *rapid.T
	depth int
}

func (g *grammar) pick(options ...string) string {
	return rapid.SampledFrom(options).Draw(g.t, "pick")
}

var grammarKeys = []string{"a", "b", "c", "d", "id", "name", "items", "1", "10"}

func (g *grammar) key() string {
	k := rapid.SampledFrom(grammarKeys).Draw(g.t, "key")
	if k[0] <= '9' {
		return "`" + k + "`"
	}
	return k
}

func (g *grammar) leaf() string {
	switch rapid.IntRange(0, 9).Draw(g.t, "leaf") {
	case 0:
		return g.pick("0", "1", "2", "-1", "3.5", "0.1", "1e3", "100000000000000000000")
	case 1:
		return g.pick(`"x"`, `"abc"`, `""`, `"1"`, `"2018-01-02"`, `"ünï😀"`, `"a,b;c"`)
	case 2:
		return g.pick("true", "false", "null", "[]", "{}", "nothing")
	case 3:
		return g.pick("$", "$$", "$x", "$y", "*", "**", "$i")
	}
	return g.key()
}

// expr makes an expression that may stand anywhere.
func (g *grammar) expr() string {
	if g.depth > 5 || rapid.IntRange(0, 4).Draw(g.t, "stop") == 0 {
		return g.leaf()
	}
	g.depth++
	defer func() { g.depth-- }()
	e := g.expr
	switch rapid.IntRange(0, 24).Draw(g.t, "kind") {
	case 0, 1, 2, 3:
		return g.path()
	case 4:
		return "(" + e() + g.pick(" + ", " - ", " * ", " / ", " % ", " & ", " & ", " in ") + e() + ")"
	case 5:
		return "(" + e() + g.pick(" = ", " != ", " < ", " <= ", " > ", " >= ", " and ", " or ", " ?: ", " ?? ") + e() + ")"
	case 6:
		return "[" + e() + ", " + e() + "]"
	case 7:
		return g.pick("[1..3]", "[0..2, 7]", "["+e()+"]", "["+e()+".."+e()+"]")
	case 8:
		return `{"k": ` + e() + `, "l": ` + e() + `}`
	case 9:
		return "{" + e() + ": " + e() + "}"
	case 10:
		return g.path() + "{" + g.pick("a", "name", "$string(a)", `"all"`, "$type($)") + ": " + e() + "}"
	case 11:
		return "(" + e() + " ? " + e() + " : " + e() + ")"
	case 12:
		return "($x := " + e() + "; $y := " + e() + "; " + e() + ")"
	case 13:
		return "-(" + e() + ")"
	case 14:
		return g.path() + "^(" + g.pick("", ">", "<") + e() + g.pick("", ", >"+g.key()) + ")"
	case 15, 16, 17, 18, 19:
		return g.call()
	case 20:
		return e() + " ~> " + g.pick("$sum()", "$string", "$uppercase ~> $length", "$count()", "$map(function($v){$v})", "|a|{\"z\": 1}|", "|$|{\"z\":1},\"a\"|", "|**|{\"z\":b}|")
	case 21:
		return "(" + e() + ")" + g.predicate()
	case 22:
		return "(" + g.fn() + ")(" + e() + ", " + e() + ")"
	case 23:
		return "($f := " + g.fn() + "; $f(" + e() + "))"
	}
	return g.path() + g.pick("#$i", "@$x") + g.pick("", g.predicate()) + "." + g.pick(g.key(), `{"i": $i, "x": $x, "k": `+g.key()+`}`, "(%)."+g.key(), "[$i, $x]", "$string($i)")
}

func (g *grammar) predicate() string {
	return "[" + g.pick("0", "-1", "1", "$", "true", g.key(), g.key()+" = "+g.leaf(), "[0,1]", "$ > 1", g.expr()) + "]"
}

func (g *grammar) path() string {
	var b strings.Builder
	b.WriteString(g.pick(g.key(), g.key(), g.key(), "$", "$$", "("+g.leaf()+")", "*", "**", "["+g.leaf()+", "+g.leaf()+"]"))
	for range rapid.IntRange(0, 3).Draw(g.t, "steps") {
		switch rapid.IntRange(0, 12).Draw(g.t, "step") {
		case 0, 1, 2, 3, 4:
			b.WriteString("." + g.key())
		case 5, 6:
			b.WriteString(g.predicate())
		case 7:
			b.WriteString("[]")
		case 8:
			b.WriteString("." + g.pick("*", "**", "$", "%", "%."+g.key()))
		case 9:
			b.WriteString(".(" + g.expr() + ")")
		case 10:
			b.WriteString(".[" + g.expr() + "]")
		case 11:
			b.WriteString(`.{"p": ` + g.expr() + "}")
		case 12:
			b.WriteString("^(" + g.pick("", ">") + g.key() + ")")
		}
	}
	return b.String()
}

func (g *grammar) fn() string {
	return g.pick(
		"function($v){$v}", "function($v, $i){$i}", "function($v, $i, $a){$count($a)}",
		"function($v){"+g.expr()+"}", "function($x, $y){"+g.expr()+"}",
		"function($v)<n:n>{$v + 1}", "function($v)<s-:s>{$v}", "function($v)<a<n>:n>{$sum($v)}",
		"$string", "$boolean", "$exists", "$type", "$uppercase", "$length", "$not", "$sum", "$append(?, 1)", "$substring(?, 1, ?)",
		"function($v){$v ~> $string}", "function($v){$type($v) = \"array\" ? $count($v) : $string($v)}",
	)
}

func (g *grammar) call() string {
	e := g.expr
	one := []string{"sum", "count", "max", "min", "average", "string", "length", "uppercase", "lowercase", "trim",
		"number", "floor", "ceil", "round", "abs", "sqrt", "boolean", "not", "exists", "type", "keys", "spread",
		"merge", "reverse", "distinct", "sort", "clone", "base64encode", "encodeUrlComponent", "decodeUrl", "join",
		"toMillis", "fromMillis", "formatBase", "shuffle", "zip"}
	switch rapid.IntRange(0, 11).Draw(g.t, "call") {
	case 0, 1, 2:
		return "$" + rapid.SampledFrom(one).Draw(g.t, "fn") + "(" + e() + ")"
	case 3:
		return "$" + rapid.SampledFrom(one).Draw(g.t, "fn") + "()"
	case 4:
		return "$" + g.pick("map", "filter", "each", "sift", "single", "reduce", "sort") + "(" + e() + ", " + g.fn() + ")"
	case 5:
		return "$reduce(" + e() + ", function($x, $y){" + e() + "}, " + e() + ")"
	case 6:
		return "$" + g.pick("append", "lookup", "zip", "power", "round", "contains", "split", "substringBefore", "substringAfter", "formatBase", "join", "pad", "string") + "(" + e() + ", " + e() + ")"
	case 7:
		return "$substring(" + e() + ", " + g.pick("0", "1", "-2", "2.5", e()) + g.pick("", ", 1", ", "+e()) + ")"
	case 8:
		return "$" + g.pick("match", "contains", "split") + "(" + e() + ", " + g.regex() + ")"
	case 9:
		return "$replace(" + e() + ", " + g.pick(`"a"`, g.regex()) + ", " + g.pick(`"z"`, `"[$0]"`, `"$1$2$$"`, `function($m){$m.match & $m.start & $m.groups[0]}`) + g.pick("", ", 1") + ")"
	case 10:
		return g.pick("$now()", "$millis()", "$random()", "$error("+e()+")", "$assert("+e()+", \"m\")")
	}
	return "$" + g.pick("string", "pad", "number", "formatNumber", "formatInteger") + "(" + e() + ", " + g.pick("3", "-5", `"x"`, "true", `"#,##0.00"`, `"w"`, `"000"`) + ")"
}

func (g *grammar) regex() string {
	return g.pick("/a/", "/[a-z]+/", "/(a)(b)?/", "/b/i", `/\d+/`, `/[^,;]/`, `/^a/`, `/c$/`, `/a|b/`, `/,|;/`, `/(\w)(\w)/`, `/x?/`, `/(?=a)/`, `/\s*[,;]\s*/`)
}

func genData(t *rapid.T, depth int) Value {
	kind := rapid.IntRange(0, 9).Draw(t, "data")
	if depth > 3 && kind > 4 {
		kind -= 5
	}
	switch kind {
	case 0, 1:
		return Number(rapid.SampledFrom([]string{"0", "1", "2", "-3", "1.5", "0.1", "1e21", "1e-7", "123456789", "0.30000000000000004"}).Draw(t, "number"))
	case 2, 3:
		return rapid.SampledFrom([]string{"", "a", "abc", "b,a;c", "1", "2.50", "ÄÖ é", "😀b", "2020-02-29T12:34:56.789Z", "  x  y "}).Draw(t, "text")
	case 4:
		return rapid.SampledFrom([]any{nil, true, false}).Draw(t, "word")
	case 5, 6:
		items := make([]any, rapid.IntRange(0, 4).Draw(t, "length"))
		for i := range items {
			items[i] = genData(t, depth+1)
		}
		return items
	}
	o := NewObject()
	for range rapid.IntRange(0, 5).Draw(t, "members") {
		o.Set(rapid.SampledFrom(grammarKeys).Draw(t, "key"), genData(t, depth+1))
	}
	return o
}

func TestCompiledAndOfficialAgree(t *testing.T) {
	engine := New(Limits{Timeout: 2 * time.Second, Sequence: 2000, OutputBytes: 1 << 20, Depth: 300})
	tried, evaluated := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		g := &grammar{t: t}
		expr := g.expr()
		input := genData(t, 0)
		if rapid.IntRange(0, 3).Draw(t, "events") == 0 {
			input = eventLike
		}
		ev := Eval{Now: time.UnixMilli(1590000000123), Seed: 7, Bindings: map[string]Value{"y": "why"}}
		diff, ok := compare(engine, expr, input, ev)
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

// eventLike has arrays of objects, as most events have.
var eventLike = func() Value {
	v, err := Decode([]byte(`{"id": 7, "name": "abc", "a": [{"a": 1, "b": {"c": [1, 2, 3], "d": "x"}, "name": "b"}, {"a": 2, "b": {"c": [], "d": "y"}, "name": "a"},
		{"a": 2, "b": {"c": [4], "d": "x"}}], "b": {"a": {"a": [{"b": [{"c": 1}, {"c": 2}]}, {"b": [{"c": 3}]}]}, "10": "ten", "1": "one"}, "items": [5, 3, 9, 1], "c": "b,a;c", "d": [[1, 2], [3, [4, 5]]]}`))
	if err != nil {
		panic(err)
	}
	return v
}()

func FuzzCompiledAndOfficialAgree(f *testing.F) {
	for _, c := range readSuite(f) {
		if len(c.expr) < 200 && c.bindings != nil {
			f.Add(c.expr, `{"a": [{"b": 1}, {"b": [2, null]}], "Account": {"Order": []}}`)
		}
	}
	engine := New(Limits{Timeout: 2 * time.Second, Sequence: 2000, OutputBytes: 1 << 20, Depth: 300})
	f.Fuzz(func(t *testing.T, expr, data string) {
		input, err := Decode([]byte(data))
		if err != nil || len(expr) > 500 {
			return
		}
		diff, _ := compare(engine, expr, input, Eval{Seed: 1})
		if diff != "" {
			t.Errorf("%s\non %s\n(-official +compiled):\n%s", expr, data, diff)
		}
	})
}
