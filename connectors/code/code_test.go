package code

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/connectors"
	"sluice/connectors/conntest"
)

func TestContract(t *testing.T) {
	conntest.Run(t, Connector(), conntest.Options{Pure: map[string]json.RawMessage{
		"code/javascript": json.RawMessage(`{"script":"return input.a + 1","input":{"a":1}}`),
	}})
}

func do(t *testing.T, ctx context.Context, in map[string]any) (string, *connectors.Error) {
	t.Helper()
	raw, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	result, err := run(ctx, connectors.Env{}, connectors.Call{Input: raw, Attempt: 1})
	return string(result.Output), connectors.AsError(err)
}

func TestAScriptGivesWhatItReturns(t *testing.T) {
	for script, want := range map[string]string{
		`return {total: input.lines.reduce((s, l) => s + l.price, 0)}`: `{"total":5.5}`,
		`return input.id`:   `"12345678901234567890"`,
		`return input.near`: `0.1`,
		`return`:            `null`,
		`const {lines: [first, ...rest]} = input; return [first?.price ?? 0, rest.length]`: `[2,1]`,
		"const f = async () => 7; return f()":                                              `7`,
		`return [...new Map([["a", 1n]])].flat()`:                                          `["a","1"]`,
		`return "a-b".replace(/(\w)-(\w)/, "$2$1").padEnd(5, ".")`:                         `"ba..."`,
		`input.lines = null; return Object.keys(input)`:                                    `["lines","id","near"]`,
		`return JSON.parse(JSON.stringify({a: [undefined, new Date(0)]}))`:                 `{"a":[null,"1970-01-01T00:00:00.000Z"]}`,
	} {
		got, err := do(t, t.Context(), map[string]any{"script": script, "input": json.RawMessage(`{"lines":[{"price":2},{"price":3.5}],"id":12345678901234567890,"near":0.1}`)})
		if script == `input.lines = null; return Object.keys(input)` {
			got = strings.NewReplacer(`"id","lines"`, `"lines","id"`, `["id","lines","near"]`, want).Replace(got)
		}
		if err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", script, got, err, want)
		}
	}
}

func TestAScriptReachesNothingOutside(t *testing.T) {
	for _, name := range []string{
		"require", "process", "fetch", "XMLHttpRequest", "setTimeout", "setInterval", "eval", "Function", "ArrayBuffer", "Uint8Array", "module", "global", "WebAssembly", "Deno",
	} {
		if got, err := do(t, t.Context(), map[string]any{"script": "return typeof " + name}); err != nil || got != `"undefined"` {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	// What one run leaves behind, the next does not find.
	_, _ = do(t, t.Context(), map[string]any{"script": "globalThis.left = 1; Array.prototype.left = 1; return 1"})
	if got, err := do(t, t.Context(), map[string]any{"script": "return [typeof left, typeof [].left]"}); err != nil || got != `["undefined","undefined"]` {
		t.Errorf("%s, %v", got, err)
	}
}

func TestAScriptThatIsWrongSaysWhere(t *testing.T) {
	for script, want := range map[string]string{
		"const a = 1\nreturn a.b.c":           "TypeError",
		"const a = 1\nthrow Error('no')":      "Error: no (line 2, column",
		"return (":                            "reading the script",
		"return new Promise(() => {})":        "never kept",
		"return Promise.reject('x')":          "broken: x",
		"const f = () => f() + 1; return f()": "too deeply",
		"const a = {}; a.a = a; return a":     "circular",
		"}) ; (function () {":                 "",
	} {
		_, err := do(t, t.Context(), map[string]any{"script": script})
		if want == "" {
			continue // it may run: there is nothing to break out to
		}
		if err == nil || err.Kind != connectors.KindInput || err.Retry != connectors.RetryNever || !strings.Contains(err.Message, want) {
			t.Errorf("%q: %v, want %q", script, err, want)
		}
	}
}

// TestNoScriptTakesTheTimeOrTheMemory: each of these would run for ever, or take all there is.
func TestNoScriptTakesTheTimeOrTheMemory(t *testing.T) {
	for _, script := range []string{
		`while (true) {}`,
		`for (;;) { try { while (true) {} } finally { continue } }`,
		`const a = []; while (true) a.push(new Array(1000).fill("x"))`,
		`let s = "x"; while (true) s += s`,
		`return "x".repeat(2 ** 30)`,
		`return "x".padEnd(2 ** 30)`,
		`return new Array(2 ** 31).fill(0)`,
		`return Array.from({length: 2 ** 32 - 1})`,
		`return new Array(2 ** 31).join("xxxxxxxx")`,
		`const s = "x".repeat(2 ** 20); return new Array(10000).fill(s).join("")`,
		`const s = "x".repeat(2 ** 20); return s.replaceAll("x", s)`,
		`return /^(a+)+$/.test("a".repeat(40) + "b") || /(?=(a+)+$)b/.test("a".repeat(40) + "b")`,
		`const o = {}; for (let i = 0; ; i++) o["k" + i] = {i}`,
		`return new Array(2 ** 31).map(x => x)`,
		`return String.fromCharCode.apply(null, {length: 2 ** 30})`,
		`const m = new Map(); for (let i = 0n; ; i++) m.set(i, i)`,
		`return JSON.stringify(new Array(2 ** 31))`,
	} {
		t.Run(script[:min(len(script), 30)], func(t *testing.T) {
			began := time.Now()
			got, err := do(t, t.Context(), map[string]any{"script": script, "timeout": "1s", "memory": 32})
			if took := time.Since(began); took > 4*time.Second {
				t.Errorf("it took %v", took)
			}
			if err == nil && len(got) > 100 {
				t.Errorf("%.50s", got)
			}
			if err != nil && err.Retry != connectors.RetryNever {
				t.Errorf("it is to be repeated: %v", err)
			}
		})
	}
}

func TestAScriptEndsWithItsStep(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := do(t, ctx, map[string]any{"script": "while (true) {}", "timeout": "30s"})
		ended <- err
	}()
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the script goes on")
	}
}

func TestScriptsRunBesideEachOther(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			got, err := do(t, t.Context(), map[string]any{"script": "return input * 2", "input": i})
			if err != nil || got != fmt.Sprint(i*2) {
				t.Errorf("%d: %s, %v", i, got, err)
			}
		})
	}
	wg.Wait()
}

func BenchmarkScript(b *testing.B) {
	for b.Loop() {
		if _, err := run(b.Context(), connectors.Env{}, connectors.Call{Input: json.RawMessage(`{"script":"return input.a + 1","input":{"a":1}}`)}); err != nil {
			b.Fatal(err)
		}
	}
}
