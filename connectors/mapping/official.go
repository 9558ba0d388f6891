package mapping

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/dop251/goja"
)

// official is one JavaScript runtime with the official evaluator in it. It
// belongs to one goroutine at a time.
type official struct {
	vm       *goja.Runtime
	limits   Limits
	compileJ goja.Callable
	treeJ    goja.Callable
	evalJ    goja.Callable
	options  *goja.Object

	expressions map[string]goja.Value

	deadline time.Time
	now      time.Time
	random   splitMix
	strings  int // characters the evaluation may still make
	cells    int // array elements the evaluation may still make
	joined   int // of the $join in progress

	spoilt bool
}

// maxExpressions is how many compiled expressions a runtime keeps.
const maxExpressions = 512

// callStack is the depth of JavaScript calls. The evaluator's own limit is
// reached first, except by its merge sort, which recurses once per element.
const callStack = 150_000

func newOfficial(limits Limits) (*official, error) {
	programs, err := loadOfficial()
	if err != nil {
		return nil, err
	}
	vm := goja.New()
	o := &official{vm: vm, limits: limits, expressions: map[string]goja.Value{}}
	vm.SetMaxCallStackSize(callStack)
	vm.SetTimeSource(func() time.Time { return o.now })
	vm.SetRandSource(func() float64 { return o.random.next() })
	for name, f := range map[string]func(goja.FunctionCall) goja.Value{
		"__string":   o.guardString,
		"__grown":    o.guardGrown,
		"__join":     o.guardJoin,
		"__sequence": o.guardSequence,
		"__btoa":     o.btoa,
		"__atob":     o.atob,
		"__indent":   o.indent,
		"__regex":    o.regex,
	} {
		if err := vm.Set(name, f); err != nil {
			return nil, fmt.Errorf("preparing the JavaScript runtime: %w", err)
		}
	}
	if _, err := vm.RunProgram(programs.library); err != nil {
		return nil, fmt.Errorf("loading jsonata.js: %w", err)
	}
	regex, err := vm.RunProgram(programs.regex)
	if err != nil {
		return nil, fmt.Errorf("preparing the JavaScript runtime: %w", err)
	}
	b, err := vm.RunProgram(programs.bridge)
	if err != nil {
		return nil, fmt.Errorf("loading the bridge to jsonata.js: %w", err)
	}
	functions := b.ToObject(vm)
	o.compileJ, _ = goja.AssertFunction(functions.Get("compile"))
	o.treeJ, _ = goja.AssertFunction(functions.Get("tree"))
	o.evalJ, _ = goja.AssertFunction(functions.Get("evaluate"))
	o.options = vm.NewObject()
	for name, n := range map[string]any{"stack": limits.Depth, "sequence": limits.Sequence, "RegexEngine": regex} {
		if err := o.options.Set(name, n); err != nil {
			return nil, fmt.Errorf("preparing the JavaScript runtime: %w", err)
		}
	}
	return o, nil
}

// compile returns the runtime's own compiled form of an expression.
func (o *official) compile(source string) (goja.Value, error) {
	if x, ok := o.expressions[source]; ok {
		return x, nil
	}
	x, err := o.compileJ(goja.Undefined(), o.vm.ToValue(source), o.options)
	if err != nil {
		return nil, o.failure(err)
	}
	if len(o.expressions) >= maxExpressions {
		clear(o.expressions)
	}
	o.expressions[source] = x
	return x, nil
}

// parse returns the syntax tree of an expression as JSON.
func (o *official) parse(source string) (tree string, err error) {
	err = o.guarded(context.Background(), func() error {
		x, err := o.compile(source)
		if err != nil {
			return err
		}
		t, err := o.treeJ(goja.Undefined(), x)
		if err != nil {
			return o.failure(err)
		}
		tree = t.String()
		return nil
	})
	return tree, err
}

func (o *official) evaluate(ctx context.Context, source string, input Value, ev Eval) (result Value, err error) {
	o.now = time.UnixMilli(int64(ev.millis())).UTC()
	o.random = splitMix{ev.Seed}
	err = o.guarded(ctx, func() error {
		x, err := o.compile(source)
		if err != nil {
			return err
		}
		in := importer{vm: o.vm}
		data := in.value(input)
		bindings := o.vm.NewObject()
		for name, v := range ev.Bindings {
			in.set(bindings, name, in.value(v))
		}
		began := time.Now()
		r, err := o.evalJ(goja.Undefined(), x, data, bindings)
		if err != nil {
			return o.failure(err)
		}
		if time.Since(began) >= regexTimeout && strings.Contains(source, "/") {
			// A match that ran out of time counts as none in the runtime:
			// the result cannot be trusted.
			return o.timeout()
		}
		out := exporter{digits: in.digits, left: o.limits.OutputBytes, limit: o.limits.OutputBytes, late: o.late}
		result, err = out.value(r, 0)
		return err
	})
	return result, err
}

// guarded runs f, which is interrupted when time is up or ctx is done.
func (o *official) guarded(ctx context.Context, f func() error) (err error) {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	o.strings = stringWorkFactor * o.limits.OutputBytes
	o.cells = sequenceWorkFactor * o.limits.Sequence
	o.deadline = time.Now().Add(o.limits.Timeout)
	timed, cancel := context.WithTimeout(ctx, o.limits.Timeout)
	stop := context.AfterFunc(timed, func() { o.vm.Interrupt(errInterrupted) })
	defer func() {
		interrupted := !stop()
		cancel()
		if r := recover(); r != nil {
			// A fault inside the runtime must not end the process: the
			// expression is a stranger's.
			o.spoilt = true
			err = &Error{Code: codeInternal, Message: fmt.Sprint("the JavaScript runtime failed: ", r)}
			return
		}
		if interrupted {
			o.spoilt = true
			if err == nil {
				return // it came too late
			}
			if ctx.Err() != nil {
				err = ctx.Err()
			}
		}
	}()
	return f()
}

var errInterrupted = errors.New("interrupted")

// late is asked by code that an interrupt does not reach.
func (o *official) late() error {
	if time.Now().After(o.deadline) {
		return o.timeout()
	}
	return nil
}

func (o *official) timeout() *Error {
	return (&Error{Code: codeTimeout, value: float64(o.limits.Timeout.Milliseconds())}).complete()
}

// failure turns what JavaScript threw into an Error.
func (o *official) failure(err error) error {
	var interrupted *goja.InterruptedError
	var overflow *goja.StackOverflowError
	var thrown *goja.Exception
	switch {
	case errors.As(err, &interrupted):
		o.spoilt = true
		return o.timeout()
	case errors.As(err, &overflow):
		o.spoilt = true
		return (&Error{Code: codeDepth}).complete()
	case errors.As(err, &thrown):
		return o.thrown(thrown)
	}
	return fmt.Errorf("evaluating: %w", err)
}

func (o *official) thrown(ex *goja.Exception) *Error {
	obj, ok := ex.Value().(*goja.Object)
	if !ok {
		return &Error{Code: "Error", Message: ex.Value().String()}
	}
	text := func(name string) string {
		if v := obj.Get(name); v != nil && !goja.IsUndefined(v) && !goja.IsNull(v) {
			return v.String()
		}
		return ""
	}
	e := &Error{Code: text("code"), Message: shortened(text("message")), Token: text("token")}
	if v := obj.Get("position"); v != nil {
		e.Position = int(v.ToInteger())
	}
	if e.Code == "" {
		e.Code = text("name")
	}
	return e
}

func (o *official) throw(code string, value int) {
	e := (&Error{Code: code, value: float64(value)}).complete()
	thrown := o.vm.NewObject()
	for name, v := range map[string]any{"code": e.Code, "message": e.Message, "value": value} {
		if err := thrown.Set(name, v); err != nil {
			panic(err)
		}
	}
	panic(thrown)
}

func count(v goja.Value) int {
	f := v.ToFloat()
	if !(f < math.MaxInt32) {
		return math.MaxInt32
	}
	return max(int(f), 0)
}

// guardString is asked before a string of so many characters is made.
func (o *official) guardString(call goja.FunctionCall) goja.Value {
	n := count(call.Argument(0))
	o.strings -= n
	if n > o.limits.OutputBytes || o.strings < 0 {
		o.throw(codeOutput, o.limits.OutputBytes)
	}
	return goja.Undefined()
}

// guardGrown is told of the length of a string that grows in a loop.
func (o *official) guardGrown(call goja.FunctionCall) goja.Value {
	if count(call.Argument(0)) > o.limits.OutputBytes {
		o.throw(codeOutput, o.limits.OutputBytes)
	}
	return goja.Undefined()
}

// guardJoin is told first of the number of strings and the length of their
// separator, then of the length of each.
func (o *official) guardJoin(call goja.FunctionCall) goja.Value {
	if n := count(call.Argument(0)); n > 0 {
		o.joined = n * count(call.Argument(1))
	} else {
		o.joined += count(call.Argument(1))
		o.strings -= count(call.Argument(1))
	}
	if o.joined > o.limits.OutputBytes || o.strings < 0 {
		o.throw(codeOutput, o.limits.OutputBytes)
	}
	return goja.Undefined()
}

// guardSequence is asked before an array of so many elements is made.
func (o *official) guardSequence(call goja.FunctionCall) goja.Value {
	n := count(call.Argument(0))
	o.cells -= n
	if n > o.limits.Sequence+1 || o.cells < 0 {
		o.throw(codeSequence, o.limits.Sequence)
	}
	return goja.Undefined()
}

func (o *official) btoa(call goja.FunctionCall) goja.Value {
	return o.vm.ToValue(binaryToBase64(call.Argument(0).String()))
}

func (o *official) atob(call goja.FunctionCall) goja.Value {
	return o.vm.ToValue(base64ToBinary(call.Argument(0).String()))
}

// indent is JSON.stringify's, by two spaces.
func (o *official) indent(call goja.FunctionCall) goja.Value {
	var b bytes.Buffer
	text := call.Argument(0)
	if err := json.Indent(&b, []byte(text.String()), "", "  "); err != nil {
		return text
	}
	return o.vm.ToValue(b.String())
}

// binaryToBase64 is Node's Buffer.from(s, 'binary').toString('base64'): the
// low byte of every UTF-16 unit counts.
func binaryToBase64(s string) string {
	units := utf16.Encode([]rune(s))
	b := make([]byte, len(units))
	for i, u := range units {
		b[i] = byte(u)
	}
	return base64.StdEncoding.EncodeToString(b)
}

// base64ToBinary is Node's Buffer.from(s, 'base64').toString('binary'): both
// alphabets, whatever is in neither is skipped, the first "=" ends it.
func base64ToBinary(s string) string {
	clean := make([]byte, 0, len(s))
	for i := 0; i < len(s) && s[i] != '='; i++ {
		switch c := s[i]; {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '+', c == '/':
			clean = append(clean, c)
		case c == '-':
			clean = append(clean, '+')
		case c == '_':
			clean = append(clean, '/')
		}
	}
	if len(clean)%4 == 1 {
		clean = clean[:len(clean)-1]
	}
	b := make([]byte, base64.RawStdEncoding.DecodedLen(len(clean)))
	n, _ := base64.RawStdEncoding.Decode(b, clean)
	runes := make([]rune, n)
	for i, c := range b[:n] {
		runes[i] = rune(c)
	}
	return string(runes)
}
