package mapping

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"runtime"
	"sync"
	"time"

	"github.com/dlclark/regexp2/v2"
)

// Engine compiles and evaluates expressions. It is safe for concurrent use.
// It starts nothing until the first expression is compiled.
type Engine struct {
	limits Limits

	slots chan struct{} // one per runtime that may exist
	mu    sync.Mutex
	idle  []*official
}

// regexTimeout bounds one match of a regular expression that backtracks: the
// library takes it from a variable of its own, and a JavaScript runtime cannot
// be interrupted inside a match.
const regexTimeout = time.Second

var limitBacktracking = sync.OnceFunc(func() {
	if regexp2.DefaultMatchTimeout > regexTimeout {
		regexp2.DefaultMatchTimeout = regexTimeout
	}
})

// New returns an engine whose every evaluation is held to limits.
func New(limits Limits) *Engine {
	limitBacktracking()
	limits.Timeout = cmp.Or(limits.Timeout, 2*time.Second)
	limits.Depth = cmp.Or(limits.Depth, 3000)
	limits.Sequence = cmp.Or(limits.Sequence, 1_000_000)
	limits.OutputBytes = cmp.Or(limits.OutputBytes, 16<<20)
	limits.Runtimes = cmp.Or(limits.Runtimes, 2*runtime.GOMAXPROCS(0))
	return &Engine{limits: limits, slots: make(chan struct{}, limits.Runtimes)}
}

// Limits returns what every evaluation is held to, defaults filled in.
func (e *Engine) Limits() Limits { return e.limits }

// acquire waits for a JavaScript runtime. The caller gives it back by release.
func (e *Engine) acquire(ctx context.Context) (*official, error) {
	select {
	case e.slots <- struct{}{}:
	default:
		select {
		case e.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	e.mu.Lock()
	if n := len(e.idle); n > 0 {
		rt := e.idle[n-1]
		e.idle = e.idle[:n-1]
		e.mu.Unlock()
		return rt, nil
	}
	e.mu.Unlock()
	rt, err := newOfficial(e.limits)
	if err != nil {
		<-e.slots
		return nil, err
	}
	return rt, nil
}

// release gives a runtime back; one that was interrupted is thrown away,
// because an interrupt may leave it in any state.
func (e *Engine) release(rt *official) {
	if !rt.spoilt {
		e.mu.Lock()
		e.idle = append(e.idle, rt)
		e.mu.Unlock()
	}
	<-e.slots
}

// Compile reads an expression (without the "=" of flow documents). The error
// is an [*Error] when the expression is at fault.
func (e *Engine) Compile(expr string) (*Expression, error) {
	rt, err := e.acquire(context.Background())
	if err != nil {
		return nil, err
	}
	defer e.release(rt)
	tree, err := rt.parse(expr)
	if err != nil {
		return nil, err
	}
	return &Expression{engine: e, source: expr, program: compileTree(expr, tree)}, nil
}

// Eval holds what an evaluation depends on besides its input.
type Eval struct {
	// Now is what $now and $millis give, to the millisecond. Zero: the epoch.
	Now time.Time
	// Seed determines $random and $shuffle.
	Seed uint64
	// Bindings are variables of the expression, by name without the "$".
	Bindings map[string]Value
	// CompiledOnly refuses, with [ErrNotCompiled], what the official evaluator
	// would have to do: it takes a millisecond at least.
	CompiledOnly bool
}

// ErrNotCompiled says that an expression, or what it met in its input, is for
// the official evaluator, and that Eval.CompiledOnly asked not to use it.
var ErrNotCompiled = errNotCompiled

func (ev Eval) millis() float64 {
	if ev.Now.IsZero() {
		return 0
	}
	return float64(ev.Now.UnixMilli())
}

// Expression is a compiled expression. It is safe for concurrent use.
type Expression struct {
	engine  *Engine
	source  string
	program *program // nil: the official evaluator has it
}

// Source returns the text the expression was compiled from.
func (x *Expression) Source() string { return x.source }

// Engine says what evaluates the expression: "compiled" or "official".
func (x *Expression) Engine() string {
	if x.program != nil {
		return "compiled"
	}
	return "official"
}

// Evaluate evaluates the expression on input, which is not changed; the result
// may share parts of it. defined is false when the expression has no result,
// or a function as its result; a function inside the result is left out of
// objects and null in arrays. An error is an [*Error] when the expression or
// a limit is at fault, else that of ctx.
//
// As a convenience the input and the bindings themselves, but nothing inside
// an Object or a []any, may also be what FromGo takes.
func (x *Expression) Evaluate(ctx context.Context, input Value, ev Eval) (result Value, defined bool, err error) {
	if input, ev.Bindings, err = ownValues(input, ev.Bindings); err != nil {
		return nil, false, err
	}
	if x.program != nil {
		result, err = x.program.evaluate(ctx, &x.engine.limits, input, ev)
		if err != errNotCompiled {
			return definedOr(result, err)
		}
	}
	if ev.CompiledOnly {
		return nil, false, ErrNotCompiled
	}
	return definedOr(x.evaluateOfficially(ctx, input, ev))
}

// ownValues brings what is no Value into form, without changing the map.
func ownValues(input Value, bindings map[string]Value) (Value, map[string]Value, error) {
	var err error
	if !isValue(input) {
		if input, err = FromGo(input); err != nil {
			return nil, nil, fmt.Errorf("reading the input: %w", err)
		}
	}
	copied := false
	for name, v := range bindings {
		if isValue(v) {
			continue
		}
		if !copied {
			bindings, copied = maps.Clone(bindings), true
		}
		if bindings[name], err = FromGo(v); err != nil {
			return nil, nil, fmt.Errorf("reading the binding %s: %w", name, err)
		}
	}
	return input, bindings, nil
}

func isValue(v any) bool {
	switch v := v.(type) {
	case nil, bool, string, Number, []any, *undefinedValue:
		return true
	case *Object:
		return v != nil
	}
	return false
}

func definedOr(result Value, err error) (Value, bool, error) {
	if err != nil || isUndefined(result) {
		return nil, false, err
	}
	return result, true, nil
}

func (x *Expression) evaluateOfficially(ctx context.Context, input Value, ev Eval) (Value, error) {
	rt, err := x.engine.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer x.engine.release(rt)
	return rt.evaluate(ctx, x.source, input, ev)
}

// splitMix is the generator behind $random (Steele, Lea, Flood 2014).
type splitMix struct{ state uint64 }

// next returns a number in [0, 1) with 53 random bits.
func (s *splitMix) next() float64 {
	s.state += 0x9e3779b97f4a7c15
	z := s.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	return math.Ldexp(float64(z>>11), -53)
}
