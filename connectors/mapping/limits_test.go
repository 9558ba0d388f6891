package mapping

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// bothEngines evaluates by both ways an expression can go.
var bothEngines = []struct {
	name string
	run  func(context.Context, *Expression, Value, Eval) (Value, bool, error)
}{
	{"default", func(ctx context.Context, x *Expression, in Value, ev Eval) (Value, bool, error) {
		return x.Evaluate(ctx, in, ev)
	}},
	{"official", func(ctx context.Context, x *Expression, in Value, ev Eval) (Value, bool, error) {
		return definedOr(x.evaluateOfficially(ctx, in, ev))
	}},
}

func mustCompile(t testing.TB, e *Engine, expr string) *Expression {
	t.Helper()
	x, err := e.Compile(expr)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	return x
}

func mustDecode(t testing.TB, s string) Value {
	t.Helper()
	v, err := Decode([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestBombsEndInAnErrorWithinTheTimeLimit(t *testing.T) {
	const timeout = 700 * time.Millisecond
	bombs := []struct {
		expr  string
		codes []string
	}{
		{`$pad("", 1000000000)`, []string{codeOutput}},
		{`$pad("x", -1000000000, "abc")`, []string{codeOutput}},
		{`$now("[Y0001,1000000000-1000000000]")`, []string{codeOutput}},
		{`[1..10000001]`, []string{"D2014"}},
		{`[1..10000000]`, []string{codeSequence}},
		{`[1..9000000].[1..9000000]`, []string{codeSequence}},
		{`[1..1000].[1..900000].[1..900000]`, []string{codeSequence, codeTimeout}},
		{`$map([1..1000], function($i) { [[1..900000]] })`, []string{codeSequence, codeTimeout}},
		{`$reduce([1..60], function($a, $i) { $a & $a }, "x")`, []string{codeOutput}},
		{`$reduce([1..60], function($a, $i) { $append($a, $a) }, [1])`, []string{codeSequence}},
		{`$reduce([1..60], function($a, $i) { [$a, $a] }, [1])`, []string{codeSequence, codeOutput, codeTimeout}},
		{`$string($reduce([1..60], function($a, $i) { [[$a], [$a]] }, [1]))`, []string{codeSequence, codeOutput, codeTimeout}},
		{`$reduce([1..60], function($a, $i) { {"l": $a, "r": $a} }, 1)`, []string{codeOutput, codeTimeout}},
		{`$reduce([1..60], function($a, $i) { $join([$a, $a]) }, "x")`, []string{codeOutput}},
		{`$reduce([1..60], function($a, $i) { $replace($a, "x", "xx") }, "x")`, []string{codeOutput, codeTimeout}},
		{`$reduce([1..60], function($a, $i) { $replace($a, /x/, "$0$0") }, "x")`, []string{codeOutput, codeSequence, codeTimeout}},
		{`$split($pad("", 16000000, "a,"), ",")`, []string{codeOutput, codeSequence, codeTimeout}},
		{`$split($pad("", 16000000, "a"), "")`, []string{codeSequence, codeTimeout}},
		{`$map([1..100000], function($i) { $pad("", 10000000) })`, []string{codeOutput, codeTimeout}},
		{`($f := function($n) { 1 + $f($n) }; $f(1))`, []string{codeDepth, codeTimeout}},
		{`($f := function($n) { $f($n) }; $f(1))`, []string{codeTimeout}},
		{`($f := function($n) { [$f($n), 1] }; $f(1))`, []string{codeDepth, codeTimeout}},
		{`$contains("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", /^(?=(a+)+$)/)`, []string{codeTimeout}},
		{`$match("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", /^(a+)+\1c$/)`, []string{codeTimeout}},
	}
	for _, way := range bothEngines {
		t.Run(way.name, func(t *testing.T) {
			engine := New(Limits{Timeout: timeout})
			for _, bomb := range bombs {
				x := mustCompile(t, engine, bomb.expr)
				began := time.Now()
				_, _, err := way.run(context.Background(), x, nil, Eval{})
				took := time.Since(began)
				var e *Error
				if !errors.As(err, &e) || !slices.Contains(append(bomb.codes, codeTimeout), e.Code) { // a slow machine meets the time limit first
					t.Errorf("%s: got %v, expected one of %v", bomb.expr, err, bomb.codes)
				}
				if took > timeout+5*time.Second {
					t.Errorf("%s: took %v", bomb.expr, took)
				}
				t.Logf("%-8s %6d ms %5d MB %s", e.code(), took.Milliseconds(), heapMB(), bomb.expr)
			}
		})
	}
}

func (e *Error) code() string {
	if e == nil {
		return ""
	}
	return e.Code
}

func heapMB() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapSys >> 20
}

func TestCancelledContextEndsTheEvaluation(t *testing.T) {
	engine := New(Limits{Timeout: time.Minute})
	x := mustCompile(t, engine, `($f := function($n) { $f($n) }; $f(1))`)
	for _, way := range bothEngines {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(20*time.Millisecond, cancel)
		if _, _, err := way.run(ctx, x, nil, Eval{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", way.name, err)
		}
	}
}

func TestEngineWorksOnAfterAnInterrupt(t *testing.T) {
	engine := New(Limits{Timeout: 50 * time.Millisecond, Runtimes: 1})
	loop := mustCompile(t, engine, `($f := function($n) { $f($n) }; $f(1))`)
	sum := mustCompile(t, engine, `$eval("1 + 1")`)
	for range 3 {
		if _, _, err := loop.Evaluate(context.Background(), nil, Eval{}); err == nil || !strings.HasPrefix(err.Error(), codeTimeout) {
			t.Errorf("got %v", err)
		}
		if v, _, err := sum.Evaluate(context.Background(), nil, Eval{}); err != nil || v != Number("2") {
			t.Errorf("got %v, %v", v, err)
		}
	}
}
