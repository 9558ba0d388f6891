package mapping

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"
)

// errNotCompiled says that an evaluation met something that only the official
// evaluator treats in the official way.
var errNotCompiled = errors.New("not compiled")

// giveUp is errNotCompiled on its way out of the closures.
var giveUp = &Error{Code: "(official)"}

// node evaluates one part of an expression. in is the context value.
type node func(f *frame, in any) (any, *Error)

// program is a compiled expression.
type program struct {
	root node
}

// state is what all frames of one evaluation share.
type state struct {
	ctx      context.Context
	limits   *Limits
	ev       Eval
	root     any // $$
	random   splitMix
	depth    int // nesting of evaluations, as the official evaluator counts it
	ticks    int
	deadline time.Time
	strings  int   // bytes the evaluation may still make
	cells    int   // array elements the evaluation may still make
	args     []any // arguments of the calls in progress

	top frame
}

type variable struct {
	name  string
	value any
}

// frame is a scope of variables.
type frame struct {
	*state
	parent *frame
	vars   []variable
}

func (f *frame) bind(name string, v any) {
	for i := range f.vars {
		if f.vars[i].name == name {
			f.vars[i].value = v
			return
		}
	}
	f.vars = append(f.vars, variable{name, v})
}

func (f *frame) lookup(name string) (any, bool) {
	for ; f != nil; f = f.parent {
		for i := range f.vars {
			if f.vars[i].name == name {
				return f.vars[i].value, true
			}
		}
	}
	return nil, false
}

func (f *frame) inner() *frame { return &frame{state: f.state, parent: f} }

const ticksPerCheck = 1024

// tick is called once per step of every loop.
func (s *state) tick() *Error {
	s.ticks++
	if s.ticks%ticksPerCheck == 0 {
		return s.check()
	}
	return nil
}

func (s *state) check() *Error {
	now := time.Now()
	switch {
	case s.ctx.Err() != nil:
		return errDone
	case s.deadline.IsZero():
		s.deadline = now.Add(s.limits.Timeout)
	case now.After(s.deadline):
		return &Error{Code: codeTimeout, value: float64(s.limits.Timeout.Milliseconds())}
	}
	return nil
}

// errDone stands for the error of the context.
var errDone = &Error{Code: "(done)"}

// makeString is asked before a string of n bytes is made.
func (s *state) makeString(n int) *Error {
	s.strings -= n
	if n > s.limits.OutputBytes || s.strings < 0 {
		return &Error{Code: codeOutput, value: float64(s.limits.OutputBytes)}
	}
	return nil
}

// makeCells is asked before an array of n elements is made.
func (s *state) makeCells(n int) *Error {
	s.cells -= n
	if n > s.limits.Sequence || s.cells < 0 {
		return &Error{Code: codeSequence, value: float64(s.limits.Sequence)}
	}
	// A large array takes time that no tick sees.
	if s.ticks += n / 16; n/16 > ticksPerCheck {
		return s.check()
	}
	return nil
}

func (s *state) nextRandom() float64 { return s.random.next() }

// keptArguments is the most room for arguments that is kept.
const keptArguments = 1024

// states are kept for the next evaluation: nothing of a result refers to one.
var states = sync.Pool{New: func() any { return new(state) }}

// evaluate returns undefined for no result, and errNotCompiled where the
// official evaluator has to do it.
func (p *program) evaluate(ctx context.Context, limits *Limits, input Value, ev Eval) (v Value, err error) {
	defer func() {
		if r := recover(); r != nil {
			// A fault of ours in a stranger's expression must not end the
			// process, and the official evaluator may well have the answer.
			v, err = nil, errNotCompiled
		}
	}()
	return p.run(ctx, limits, input, ev)
}

func (p *program) run(ctx context.Context, limits *Limits, input Value, ev Eval) (Value, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := states.Get().(*state)
	*s = state{
		ctx: ctx, limits: limits, ev: ev, root: input, random: splitMix{ev.Seed},
		strings: stringWorkFactor * limits.OutputBytes,
		cells:   sequenceWorkFactor * limits.Sequence,
		args:    s.args[:0],
	}
	s.top.state = s
	if items, ok := input.([]any); ok {
		input = &list{items: []any{items}, sequence: true, outer: true}
	}
	v, err := p.root(&s.top, input)
	if err == nil {
		v, err = s.result(v)
	}
	clear(s.args[:cap(s.args)])
	if cap(s.args) > keptArguments {
		s.args = nil
	}
	*s = state{args: s.args[:0]}
	states.Put(s)
	switch err {
	case nil:
		return v, nil
	case giveUp:
		return nil, errNotCompiled
	case errDone:
		return nil, ctx.Err()
	}
	return nil, err.complete()
}

// freeReferences is how often a result may refer to values that are not its
// own before its size is counted.
const freeReferences = 16

// finisher turns what closures make into a Value.
type finisher struct {
	limit      int
	references int
}

// result turns what the closures returned into a Value, or undefined.
func (s *state) result(v any) (any, *Error) {
	fin := finisher{limit: s.limits.OutputBytes}
	v, err := fin.value(v, 0)
	if err != nil {
		return nil, err
	}
	if fin.references > freeReferences || s.strings < (stringWorkFactor-1)*s.limits.OutputBytes {
		if left := sizeWithin(v, s.limits.OutputBytes); left < 0 {
			return nil, &Error{Code: codeOutput, value: float64(s.limits.OutputBytes)}
		}
	}
	return v, nil
}

func (fin *finisher) value(v any, depth int) (any, *Error) {
	if depth > maxNesting {
		return nil, &Error{Code: codeDepth}
	}
	switch v := v.(type) {
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return nil, &Error{Code: "D1001", value: v}
		}
		return Number(formatNumber(v)), nil
	case []any:
		fin.references++
	case *function:
		return undefined, nil
	case *Object:
		fin.references++
		if v != nil && v.built {
			return v, fin.object(v, depth)
		}
	case *list:
		fin.references++
		if v.finished == nil {
			v.finished = v.items
			if v.items == nil {
				v.finished = []any{}
			}
			for i, x := range v.items {
				x, err := fin.value(x, depth+1)
				if err != nil {
					return nil, err
				}
				if isUndefined(x) {
					x = nil
				}
				v.items[i] = x
			}
		}
		return v.finished, nil
	case *tuple, *thunk:
		return nil, giveUp
	}
	return v, nil
}

func (fin *finisher) object(o *Object, depth int) *Error {
	o.built = false
	for i := 0; i < len(o.members); i++ {
		x, err := fin.value(o.members[i].value, depth+1)
		if err != nil {
			return err
		}
		if isUndefined(x) {
			o.Delete(o.members[i].key)
			i--
			continue
		}
		o.members[i].value = x
	}
	return nil
}

// sizeWithin returns what is left of n bytes when v is written, or less than
// zero.
func sizeWithin(v any, n int) int {
	switch v := v.(type) {
	case string:
		return n - len(v) - 2
	case Number:
		return n - len(v)
	case []any:
		n -= 2 + len(v)
		for i := 0; i < len(v) && n >= 0; i++ {
			n = sizeWithin(v[i], n)
		}
		return n
	case *Object:
		n -= 2
		for i := 0; i < v.Len() && n >= 0; i++ {
			n = sizeWithin(v.members[i].value, n-len(v.members[i].key)-4)
		}
		return n
	}
	return n - 4
}
