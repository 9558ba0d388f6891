package mapping

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var background = context.Background()

// evaluateText evaluates on JSON and returns JSON, "undefined" for no result.
func evaluateText(t testing.TB, x *Expression, input string, ev Eval, run func(context.Context, *Expression, Value, Eval) (Value, bool, error)) string {
	t.Helper()
	v, defined, err := run(background, x, mustDecode(t, input), ev)
	if err != nil {
		return err.Error()
	}
	if !defined {
		return "undefined"
	}
	b, err := Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestNumbersThatPassThroughKeepTheirDigits(t *testing.T) {
	engine := New(Limits{})
	for _, c := range []struct{ expr, input, compiled, official string }{
		{`$`, `12345678901234567890`, `12345678901234567890`, `12345678901234567890`},
		{`a`, `{"a": 1.50}`, `1.50`, `1.5`},
		{`{"x": a.b, "y": [a.b]}`, `{"a": {"b": 0.12345678901234567890123}}`, `{"x":0.12345678901234567890123,"y":[0.12345678901234567890123]}`, `{"x":0.12345678901234567890123,"y":[0.12345678901234567890123]}`},
		{`a[0].id`, `{"a": [{"id": 9007199254740993}]}`, `9007199254740993`, `9007199254740993`},
		{`$max(a)`, `{"a": [1, 9007199254740993]}`, `9007199254740993`, `9007199254740993`},
		{`$sort(a)`, `{"a": [2.0, 1.0]}`, `[1.0,2.0]`, `[1,2]`},
		{`a^(id).id`, `{"a": [{"id": 9007199254740995}, {"id": 9007199254740993}]}`, `[9007199254740993,9007199254740995]`, `[9007199254740993,9007199254740995]`},
		{`$merge([a, {"b": 1}])`, `{"a": {"id": 1e2}}`, `{"id":1e2,"b":1}`, `{"id":100,"b":1}`},
		{`$ ~> |a|{"n": 1}|`, `{"a": {"id": 12345678901234567890}}`, `{"a":{"id":12345678901234567890,"n":1}}`, ``},
		{`"id-" & a`, `{"a": 12345678901234567890}`, `"id-12345678901234567890"`, ``},
		{`a + 0`, `{"a": 1.50}`, `1.5`, `1.5`},
		{`a + 1`, `{"a": 0.1}`, `1.1`, `1.1`},
		{`a * 3`, `{"a": 0.1}`, `0.30000000000000004`, `0.30000000000000004`},
		{`a = 9007199254740992`, `{"a": 9007199254740993}`, `true`, `true`},
		{`a - 0`, `{"a": -0.0}`, `0`, `0`},
	} {
		x := mustCompile(t, engine, c.expr)
		if got := evaluateText(t, x, c.input, Eval{}, bothEngines[0].run); got != c.compiled || x.Engine() != "compiled" {
			t.Errorf("%s, %s: got %s, expected %s", c.expr, x.Engine(), got, c.compiled)
		}
		if got := evaluateText(t, x, c.input, Eval{}, bothEngines[1].run); got != c.official && c.official != "" {
			t.Errorf("%s, officially: got %s, expected %s", c.expr, got, c.official)
		}
	}
}

func TestTheSameEvalGivesTheSameResult(t *testing.T) {
	engine := New(Limits{})
	x := mustCompile(t, engine, `[$now(), $millis(), $random(), $random(), $shuffle([1..9]), $now("[Y]-[M01]", "+0200")]`)
	ev := Eval{Now: time.Date(2024, 2, 29, 23, 30, 0, 123456789, time.FixedZone("", 3600)), Seed: 42}
	var results []string
	for _, way := range bothEngines {
		for range 3 {
			results = append(results, evaluateText(t, x, `null`, ev, way.run))
		}
	}
	const want = `["2024-02-29T22:30:00.123Z",1709245800123,0.7415648787718233,0.1599103928769201,`
	for _, r := range results {
		if r != results[0] || len(r) < len(want) || r[:len(want)] != want {
			t.Errorf("got %s", r)
		}
	}
	other := evaluateText(t, x, `null`, Eval{Now: ev.Now, Seed: 43}, bothEngines[0].run)
	if other == results[0] {
		t.Error("another seed gives the same result")
	}
	if got := evaluateText(t, mustCompile(t, engine, `$now()`), `null`, Eval{}, bothEngines[0].run); got != `"1970-01-01T00:00:00.000Z"` {
		t.Errorf("without a time: got %s", got)
	}
}

func TestCompileErrorsHaveCodeAndPosition(t *testing.T) {
	engine := New(Limits{})
	for expr, want := range map[string]Error{
		`"abc`:       {Code: "S0101", Position: 4},
		`a + `:       {Code: "S0207", Position: 4},
		`a[`:         {Code: "S0203", Position: 2},
		`{"a" 1}`:    {Code: "S0202", Position: 6, Token: "1"},
		`$x := := 1`: {Code: "S0211", Position: 8, Token: ":="},
		`a.%.%.%`:    {Code: "S0217"},
	} {
		_, err := engine.Compile(expr)
		var e *Error
		if !errors.As(err, &e) || e.Code != want.Code || want.Position != 0 && e.Position != want.Position || want.Token != "" && e.Token != want.Token || e.Message == "" {
			t.Errorf("%s: got %#v, expected %#v", expr, e, want)
		}
	}
}

func TestEvaluationErrorsHaveCodePositionAndMessage(t *testing.T) {
	engine := New(Limits{})
	for _, way := range bothEngines {
		for expr, want := range map[string]string{
			`a + "x"`:                         `T2002 at 3: The right side of the "+" operator must evaluate to a number`,
			`$error("no " & b)`:               `D3137 at 7: no way`,
			`$uppercase(1)`:                   `T0410 at 11: Argument 1 of function "uppercase" does not match function signature`,
			`foo()`:                           `T1006 at 4: Attempted to invoke a non-function`,
			`sum(a)`:                          `T1005 at 4: Attempted to invoke a non-function. Did you mean $sum?`,
			`{"a": 1, b: 2, "way": 3}`:        `D1009 at 1: Multiple key definitions evaluate to same key: "way"`,
			`a ~> 5`:                          `T2006 at 4: The right side of the function application operator ~> must be a function`,
			`-b`:                              `D1002 at 1: Cannot negate a non-numeric value: "way"`,
			`1/0`:                             `D1001: Number out of range: null`,
			`$toMillis("x")`:                  `D3110 at 10: The argument of the toMillis function must be an ISO 8601 formatted timestamp. Given "x"`,
			`$formatNumber(1, "0;0;0")`:       `D3080 at 14: The picture string must only contain a maximum of two sub-pictures`,
			`a < b`:                           `T2009 at 3: The values 5 and "way" either side of operator "<" must be of the same data type`,
			`$reduce([1,2], function($x){1})`: `D3050 at 8: The second argument of reduce function must be a function with at least two arguments`,
		} {
			got := evaluateText(t, mustCompile(t, engine, expr), `{"a": 5, "b": "way"}`, Eval{}, way.run)
			if got != want {
				t.Errorf("%s, %s:\ngot      %s\nexpected %s", way.name, expr, got, want)
			}
		}
	}
}

func TestFunctionsAreNoResult(t *testing.T) {
	engine := New(Limits{})
	for _, way := range bothEngines {
		for expr, want := range map[string]string{
			`$sum`: "undefined", `function($x){$x}`: "undefined", `/a/`: "undefined", `[1, $sum]`: `[1,null]`, `{"a": $sum, "b": 1}`: `{"b":1}`,
			`$sum ~> $string`: "undefined", `$substring(?, 1)`: "undefined",
		} {
			if got := evaluateText(t, mustCompile(t, engine, expr), `{}`, Eval{}, way.run); got != want {
				t.Errorf("%s, %s: got %s, expected %s", way.name, expr, got, want)
			}
		}
	}
}

func TestInputsAndBindingsAreNotChanged(t *testing.T) {
	engine := New(Limits{})
	const doc = `{"a":[{"b":1},{"b":2}],"e":[],"o":{"10":1,"2":[3]}}`
	for _, expr := range []string{
		`$ ~> |a|{"b": 5, "c": $$}, "x"|`, `e{"x": 1}`, `[e{"x": 1}, e]`, `$merge([o, {"10": 2}])`, `$sort(a, function($l, $r){$l.b < $r.b})`, `$append(a, 1)`,
		`a[]`, `o.*`, `$y ~> |a|{},"b"|`, `$reverse(a)`, `a#$i.{"i": $i}`, `$clone(a) ~> |$|{"b":0}|`,
	} {
		for _, way := range bothEngines {
			input := mustDecode(t, doc)
			if _, _, err := way.run(background, mustCompile(t, engine, expr), input, Eval{Bindings: map[string]Value{"y": input}}); err != nil {
				t.Errorf("%s, %s: %v", way.name, expr, err)
			}
			if b, _ := Encode(input); string(b) != doc {
				t.Errorf("%s, %s: the input is now %s", way.name, expr, b)
			}
		}
	}
}

func TestResultsCanBeInputsWhileOthersReadThem(t *testing.T) {
	engine := New(Limits{Runtimes: 2})
	first := mustCompile(t, engine, `{"list": items.{"n": n * 2, "s": $string(n)}, "sum": $sum(items.n), "all": $}`)
	second := mustCompile(t, engine, `{"total": sum + $sum(list.n), "names": list.s, "again": all.items[n > 1]}`)
	third := mustCompile(t, engine, `$eval("list[0].n + sum")`)
	v, _, err := first.Evaluate(background, mustDecode(t, `{"items": [{"n": 1.5}, {"n": 2}]}`), Eval{})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				r, _, err := second.Evaluate(background, v, Eval{})
				b, _ := Encode(r)
				if want := `{"total":10.5,"names":["1.5","2"],"again":[{"n":1.5},{"n":2}]}`; err != nil || string(b) != want {
					t.Errorf("got %s, %v", b, err)
				}
				if r, _, err := third.Evaluate(background, v, Eval{}); err != nil || r != Number("6.5") {
					t.Errorf("got %v, %v", r, err)
				}
			}
		})
	}
	all.Wait()
}

func TestUndefinedInputAndBindings(t *testing.T) {
	engine := New(Limits{})
	x := mustCompile(t, engine, `[$exists($), $exists($$), $exists($a), $type($b)]`)
	for _, way := range bothEngines {
		v, _, err := way.run(background, x, Undefined, Eval{Bindings: map[string]Value{"a": Undefined, "b": nil}})
		if diff := cmp.Diff([]any{false, false, false, "null"}, v); err != nil || diff != "" {
			t.Errorf("%s: %v %s", way.name, err, diff)
		}
	}
}

func TestInputAndBindingsMayBePlainGoValues(t *testing.T) {
	engine := New(Limits{})
	x := mustCompile(t, engine, `a.b + $i`)
	bindings := map[string]Value{"i": 2}
	v, _, err := x.Evaluate(background, map[string]any{"a": map[string]int{"b": 40}}, Eval{Bindings: bindings})
	if err != nil || v != Number("42") || bindings["i"] != 2 {
		t.Errorf("got %v, %v, %v", v, err, bindings)
	}
	if _, _, err := x.Evaluate(background, nil, Eval{Bindings: map[string]Value{"c": make(chan int)}}); err == nil {
		t.Error("a channel was taken")
	}
}

func TestEngineSaysWhatEvaluates(t *testing.T) {
	engine := New(Limits{})
	for expr, want := range map[string]string{
		`a.b[c > 1]{"x": $sum(y)}`: "compiled", `$eval("1")`: "official", `$match(a, /(?=x)/)`: "official", `a ~> /x+/i`: "compiled", `"\ud800"`: "official",
	} {
		x := mustCompile(t, engine, expr)
		if x.Engine() != want || x.Source() != expr {
			t.Errorf("%s: %s, expected %s", expr, x.Engine(), want)
		}
	}
}

func TestTemplateEvaluatesItsExpressionsOnly(t *testing.T) {
	engine := New(Limits{})
	v := map[string]any{
		"plain": "text", "literal": `\=1+1`, "sum": "=a + 1", "gone": "=nothing", "null": "=null", "list": []any{"=a", "=nothing", 3, map[string]any{"deep": "=b.c"}}, "constant": []any{1, "x"},
	}
	tmpl, err := engine.CompileTemplate(v)
	if err != nil {
		t.Fatal(err)
	}
	got, err := tmpl.Evaluate(background, mustDecode(t, `{"a": 1, "b": {"c": [1.0]}}`), Eval{})
	if err != nil {
		t.Fatal(err)
	}
	b, _ := Encode(got)
	if want := `{"constant":[1,"x"],"list":[1,null,3,{"deep":[1.0]}],"literal":"=1+1","null":null,"plain":"text","sum":2}`; string(b) != want {
		t.Errorf("got      %s\nexpected %s", b, want)
	}
	var places []string
	tmpl.Expressions(func(pointer string, x *Expression) { places = append(places, pointer+" "+x.Source()) })
	if diff := cmp.Diff([]string{"/gone nothing", "/list/0 a", "/list/1 nothing", "/list/3/deep b.c", "/null null", "/sum a + 1"}, places); diff != "" {
		t.Error(diff)
	}
	if tmpl.Constant() {
		t.Error("it is no constant")
	}
}

func TestTemplateOfOneExpressionOrConstant(t *testing.T) {
	engine := New(Limits{})
	for _, c := range []struct {
		in       any
		want     Value
		constant bool
	}{
		{"=a", Number("1"), false}, {"=nothing", nil, false}, {"a", "a", true}, {`\=a`, "=a", true}, {`\\=a`, `\\=a`, true}, {nil, nil, true}, {[]any{}, []any{}, true}, {7, Number("7"), true},
	} {
		tmpl, err := engine.CompileTemplate(c.in)
		if err != nil {
			t.Fatal(err)
		}
		v, err := tmpl.Evaluate(background, mustDecode(t, `{"a": 1}`), Eval{})
		if diff := cmp.Diff(c.want, v); err != nil || diff != "" || tmpl.Constant() != c.constant {
			t.Errorf("%v: %v, constant %v\n%s", c.in, err, tmpl.Constant(), diff)
		}
	}
}

func TestTemplateErrorsNameThePlace(t *testing.T) {
	engine := New(Limits{})
	_, err := engine.CompileTemplate(map[string]any{"a/b": []any{1, map[string]any{"~": "=1 +"}}})
	var at *TemplateError
	if !errors.As(err, &at) || at.Pointer != "/a~1b/1/~0" || at.Err.Code != "S0207" || at.Err.Position != 3 {
		t.Errorf("got %v", err)
	}
	tmpl, err := engine.CompileTemplate(map[string]any{"x": "=a + 'b'"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = tmpl.Evaluate(background, mustDecode(t, `{"a": 1}`), Eval{})
	if !errors.As(err, &at) || at.Pointer != "/x" || at.Err.Code != "T2002" || fmt.Sprint(err) != `/x: T2002 at 3: The right side of the "+" operator must evaluate to a number` {
		t.Errorf("got %v", err)
	}
}
