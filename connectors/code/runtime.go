package code

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"time"

	"github.com/dlclark/regexp2"
	"github.com/dop251/goja"

	"sluice/connectors"
)

// prelude takes away what reaches outside or makes much of little, before the script begins.
//
//go:embed prelude.js
var prelude string

var preludeProgram = sync.OnceValue(func() *goja.Program { return goja.MustCompile("prelude.js", prelude, true) })

func init() {
	// A regular expression that backtracks does not see an interrupt.
	if regexp2.DefaultMatchTimeout > time.Second {
		regexp2.DefaultMatchTimeout = time.Second
	}
}

const (
	callStack = 512
	// looking is how often a script's memory is looked at.
	looking = 2 * time.Millisecond
	// lingering is how long a script that was interrupted may take to notice.
	lingering = 100 * time.Millisecond
)

// places bounds the scripts that run at a time: memory is measured for the whole process, and few at a time makes the
// measure fair.
var places = make(chan struct{}, max(2, runtime.GOMAXPROCS(0)))

var (
	errTime   = errors.New("time")
	errMemory = errors.New("memory")
	errEnded  = errors.New("ended")
)

// execute runs a script in a runtime of its own. It returns when ctx ends or the time has passed, whatever the script does.
func execute(ctx context.Context, script string, input json.RawMessage, limit time.Duration, memory uint64) (json.RawMessage, error) {
	program, err := compiled(script)
	if err != nil {
		return nil, err
	}
	select {
	case places <- struct{}{}:
	case <-ctx.Done():
		return nil, connectors.AsError(ctx.Err())
	}
	vm := goja.New()
	done := make(chan struct{})
	var output json.RawMessage
	var failed error
	go func() {
		defer func() {
			if p := recover(); p != nil {
				failed = connectors.BadInput("running the script: %v", p)
			}
			close(done)
			<-places // a script that cannot be stopped keeps its place
		}()
		output, failed = evaluate(vm, program, input)
	}()
	reason := watch(ctx, vm, done, limit, memory)
	switch {
	case reason == nil && failed == nil:
		return output, nil
	case reason == nil:
		return nil, failure(failed)
	case errors.Is(reason, errMemory):
		return nil, connectors.BadInput("running the script: it takes more than %d MiB: make less at a time, or allow it more memory", memory>>20)
	case errors.Is(reason, errTime):
		return nil, &connectors.Error{Kind: connectors.KindTimeout, Retry: connectors.RetryNever, Message: fmt.Sprintf("running the script: it was not done within %s", limit)}
	}
	e := *connectors.AsError(ctx.Err())
	e.Sent = false
	return nil, &e
}

// watch waits for the script's end, or ends it and says why.
func watch(ctx context.Context, vm *goja.Runtime, done <-chan struct{}, limit time.Duration, memory uint64) error {
	over := time.NewTimer(limit)
	defer over.Stop()
	look := time.NewTicker(looking)
	defer look.Stop()
	begin := heap()
	stop := func(reason error) error {
		vm.Interrupt(reason)
		select {
		case <-done:
		case <-time.After(lingering):
		}
		return reason
	}
	for {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return stop(errEnded)
		case <-over.C:
			return stop(errTime)
		case <-look.C:
			if now := heap(); now > begin+memory {
				// Others' garbage counts too, until it is collected.
				runtime.GC()
				if now = heap(); now > begin+memory {
					return stop(errMemory)
				}
			} else if now < begin {
				begin = now
			}
		}
	}
}

func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func evaluate(vm *goja.Runtime, program *goja.Program, input json.RawMessage) (json.RawMessage, error) {
	vm.SetMaxCallStackSize(callStack)
	if _, err := vm.RunProgram(preludeProgram()); err != nil {
		return nil, err
	}
	made, err := vm.RunProgram(program)
	if err != nil {
		return nil, err
	}
	call, ok := goja.AssertFunction(made)
	if !ok {
		return nil, errors.New("the script is not the body of a function")
	}
	given, err := parse(vm, input)
	if err != nil {
		return nil, err
	}
	value, err := call(goja.Undefined(), given)
	if err != nil {
		return nil, err
	}
	if promise, ok := value.Export().(*goja.Promise); ok {
		switch promise.State() {
		case goja.PromiseStatePending:
			return nil, errors.New("its promise is never kept: there is nothing to wait for")
		case goja.PromiseStateRejected:
			return nil, fmt.Errorf("its promise was broken: %s", promise.Result())
		}
		value = promise.Result()
	}
	return stringify(vm, value)
}

func parse(vm *goja.Runtime, input json.RawMessage) (goja.Value, error) {
	parser, _ := goja.AssertFunction(vm.Get("JSON").ToObject(vm).Get("parse"))
	return parser(goja.Undefined(), vm.ToValue(string(exact(input))))
}

// exact writes numbers that JavaScript would round as texts, so that no digit is lost unseen.
func exact(input json.RawMessage) json.RawMessage {
	var out bytes.Buffer
	d := json.NewDecoder(bytes.NewReader(input))
	d.UseNumber()
	var v any
	changed := false
	if d.Decode(&v) != nil {
		return input
	}
	var walk func(v any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case json.Number:
			if rounds(v.String()) {
				changed = true
				return v.String()
			}
		case []any:
			for i := range v {
				v[i] = walk(v[i])
			}
		case map[string]any:
			for name := range v {
				v[name] = walk(v[name])
			}
		}
		return v
	}
	v = walk(v)
	if !changed {
		return input // with the order of its fields
	}
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return input
	}
	return out.Bytes()
}

// rounds reports whether a number of JSON is another one as a double, written as briefly as possible.
func rounds(number string) bool {
	if len(number) <= 15 && !strings.ContainsAny(number, "eE") {
		return false
	}
	if len(number) > 400 {
		return true
	}
	want, ok := new(big.Rat).SetString(number)
	if !ok {
		return true
	}
	f, err := json.Number(number).Float64()
	if err != nil {
		return true
	}
	have, ok := new(big.Rat).SetString(fmt.Sprint(f))
	return !ok || have.Cmp(want) != 0
}

func stringify(vm *goja.Runtime, value goja.Value) (json.RawMessage, error) {
	writer, _ := goja.AssertFunction(vm.Get("JSON").ToObject(vm).Get("stringify"))
	text, err := writer(goja.Undefined(), value)
	if err != nil {
		return nil, err
	}
	if goja.IsUndefined(text) {
		return json.RawMessage("null"), nil
	}
	written := text.String()
	if len(written) > mostOutput {
		return nil, fmt.Errorf("it returns %d bytes; a step may give %d", len(written), mostOutput)
	}
	return json.RawMessage(written), nil
}

// failure says what went wrong in a script, with its line.
func failure(err error) error {
	if e, ok := errors.AsType[*connectors.Error](err); ok {
		return e
	}
	text := err.Error()
	if thrown, ok := errors.AsType[*goja.Exception](err); ok {
		text = "it threw " + thrown.Value().String()
		for _, frame := range thrown.Stack() {
			if at := frame.Position(); frame.SrcName() == scriptName && at.Line > 0 {
				text += fmt.Sprintf(" (line %d, column %d)", at.Line, at.Column)
				break
			}
		}
	} else if _, ok := errors.AsType[*goja.StackOverflowError](err); ok {
		text = "it calls itself too deeply"
	}
	return connectors.BadInput("running the script: %s", cut(text))
}

func cut(text string) string {
	const most = 500
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

const scriptName = "script"

// programs keeps scripts compiled: a flow runs the same one again and again.
var programs = struct {
	sync.Mutex
	list map[string]*goja.Program
}{list: map[string]*goja.Program{}}

const mostPrograms = 256

func compiled(script string) (*goja.Program, error) {
	programs.Lock()
	p := programs.list[script]
	programs.Unlock()
	if p != nil {
		return p, nil
	}
	// The script stands in the first line, so that its lines are those of the person who wrote it.
	p, err := goja.Compile(scriptName, "(function (input) { 'use strict'; "+script+"\n})", true)
	if err != nil {
		return nil, connectors.BadInput("reading the script: %s", cut(strings.TrimPrefix(err.Error(), "SyntaxError: ")))
	}
	programs.Lock()
	defer programs.Unlock()
	if len(programs.list) >= mostPrograms {
		clear(programs.list)
	}
	programs.list[script] = p
	return p, nil
}
