package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"sluice/connectors"
	"sluice/connectors/mapping"
	"sluice/schemas"
	"sluice/schemas/records"
)

const (
	// maxOutput is the largest output of a step: it travels in every snapshot.
	maxOutput = 4 << 20
	// maxRecorded is the largest input that the run log keeps whole.
	maxRecorded = 1 << 20
)

var (
	tracer     = otel.Tracer("sluice/run")
	propagator = propagation.TraceContext{}
)

// job is one attempt at one step. It runs on a goroutine of its own, or in the
// loop (inline.go), and shares nothing with the loop that changes.
type job struct {
	session *session
	ex      *execution // for handing the result back; not read
	id      schemas.ExecutionID
	keysOf  schemas.ExecutionID
	plan    *plan
	unit    unit
	element *element // nil: the step runs once
	dry     bool     // it stops before the effect
	number  int32
	hook    *loadedHook
	pointer *records.Pointer
	stored  *records.StoredHook // nil: the hook is where pointer says
	parent  string
	key     string // of the execution, or empty
	// traceparent is the hook's.
	traceparent string
	replyTo     string    // empty: no sender waits
	startedAt   time.Time // of the execution
	outputs     []output
	inline      bool      // it is done in the loop,
	began       time.Time // since then
}

// result is what a job came to.
type result struct {
	job     *job
	ahead   *ahead      // in place of a job
	hook    *loadedHook // read by the job, when it had to
	skipped bool        // its condition is not true
	// elements are those that the step runs for, never nil, of a job that expands.
	elements []mapping.Value
	attempt  *records.Attempt
	output   mapping.Value
	wait     *connectors.Wait // the step is to be parked
	filtered bool             // the step lets nothing pass
	// notCompiled: an expression is for the official evaluator, which an attempt in the loop does not use.
	notCompiled bool
	err         *connectors.Error
	at          time.Time // when it was over
}

func (j *job) run(ctx context.Context) (r result) {
	step := &j.plan.steps[j.unit.step]
	began := j.began
	if !j.inline {
		began = time.Now()
	}
	r = result{job: j, hook: j.hook}
	a := &records.Attempt{
		Step: step.ID, Name: step.Name, Uses: step.Uses, Number: j.number, StartedAt: began.UnixNano(),
		Iteration: int32(max(j.unit.iteration, 0)),
	}
	if step.effect() {
		a.IdempotencyKey = idempotencyKey(j.keysOf, step.ID, max(j.unit.iteration, 0))
	}
	if j.traceparent != "" && !(j.inline && !j.session.traced) {
		ctx = propagator.Extract(ctx, propagation.MapCarrier{"traceparent": j.traceparent})
	}
	span := trace.SpanFromContext(ctx)
	if j.session.traced {
		ctx, span = tracer.Start(ctx, step.span)
		defer span.End()
	}
	if span.IsRecording() {
		span.SetAttributes(
			attribute.String("sluice.flow", j.plan.flow), attribute.String("sluice.execution", j.id.String()),
			attribute.String("sluice.step", step.ID), attribute.Int("sluice.attempt", int(j.number)))
	}
	defer func() {
		if p := recover(); p != nil {
			j.session.log.Error("a step panicked", "uses", step.Uses, "panic", p, "stack", string(debug.Stack()))
			r.err = &connectors.Error{Kind: connectors.KindInternal, Message: "the component failed inside; the log has the details", Retry: connectors.RetryNever}
		}
		r.at = time.Now()
		a.Duration = int64(r.at.Sub(began))
		a.Status = records.StepStatus_STEP_STATUS_SUCCEEDED
		if r.err != nil {
			a.Status = records.StepStatus_STEP_STATUS_FAILED
			a.Failure = &records.Failure{Kind: string(r.err.Kind), Message: r.err.Message, HttpStatus: int32(r.err.HTTPStatus), Step: step.ID}
			a.HttpStatus = int32(r.err.HTTPStatus)
			span.SetStatus(codes.Error, r.err.Message)
		}
		r.attempt = a
	}()

	if r.hook == nil {
		hook, err := j.session.readHook(ctx, j.plan.flow, j.pointer, j.stored)
		if err != nil {
			r.err = &connectors.Error{Kind: connectors.KindInternal, Message: err.Error()}
			return r
		}
		r.hook = hook
	}
	opened, done, err := j.session.opts.store.open(ctx, r.hook, j.plan.raw)
	if err != nil {
		r.err = connectors.AsError(err)
		return r
	}
	defer done()
	scope := scopeOf(opened, j.plan, j.outputs, j.session.opts.callbacks(j.plan, j.id, j.key), j.element)
	ev := mapping.Eval{Now: j.startedAt, Seed: seed(j.id), CompiledOnly: j.inline}
	if step.when != nil && j.element == nil {
		v, defined, err := step.when.Evaluate(ctx, scope, ev)
		if err != nil {
			r.err, r.notCompiled = expressionError("its condition", err), notCompiled(err)
			return r
		}
		if !defined || !truthy(v) {
			r.skipped = true
			return r
		}
	}
	if j.unit.iteration == expanding {
		r.elements, r.err = elementsOf(ctx, step, scope, ev)
		return r
	}
	v, err := step.input.Evaluate(ctx, scope, ev)
	if err != nil {
		r.err, r.notCompiled = expressionError("its input", err), notCompiled(err)
		return r
	}
	input, err := mapping.Encode(v)
	if err != nil {
		r.err = expressionError("its input", err)
		return r
	}
	a.Input = recorded(input)
	if j.dry {
		if err := step.component.CheckInput(input); err != nil {
			r.err = connectors.AsError(connectors.BadInput("%s", err))
		}
		return r
	}
	j.do(ctx, step, input, v, r.hook, a, &r)
	return r
}

// do checks the input, opens the credential, and has the component run. value is
// the input decoded.
func (j *job) do(ctx context.Context, step *stepPlan, input json.RawMessage, value mapping.Value, hook *loadedHook, a *records.Attempt, r *result) {
	if err := step.component.CheckInput(input); err != nil {
		r.err = connectors.AsError(connectors.BadInput("%s", err))
		return
	}
	if step.effect() {
		if err := j.session.lease.wait(ctx); err != nil {
			r.err = connectors.AsError(err)
			return
		}
	}
	if !j.inline { // there the leash is shorter than any timeout
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, step.timeout, context.DeadlineExceeded)
		defer cancel()
	}
	var credential *connectors.Credential
	if step.Uses != schemas.WaitComponent && !j.inline { // there it is what a caller has to show, to the edge
		if credential, r.err = j.session.credential(ctx, step); r.err != nil {
			return
		}
	}
	call := connectors.Call{Input: input, Credential: credential, IdempotencyKey: a.IdempotencyKey, Attempt: int(j.number)}
	if !j.inline {
		call.File = func(ref string) (*connectors.File, error) { return j.session.opts.store.file(hook.Hook, ref) }
	}
	if j.replyTo != "" && !j.inline {
		call.Reply = func(ctx context.Context, r connectors.Reply) error {
			return j.session.sendReply(ctx, j.id, j.key, j.replyTo, r)
		}
	}
	result, err := step.component.Do(ctx, j.session.opts.Env, call)
	if err != nil && j.session.refused(step, credential, err) {
		// The system no longer takes the token, and so did nothing: once more, with another one.
		var failed *connectors.Error
		if call.Credential, failed = j.session.credential(ctx, step); failed == nil {
			result, err = step.component.Do(ctx, j.session.opts.Env, call)
		}
	}
	a.HttpStatus = int32(result.HTTPStatus)
	if err != nil {
		e := connectors.AsError(err)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			timedOut := *e
			timedOut.Kind, timedOut.Message = connectors.KindTimeout, fmt.Sprintf("%s was not done within %s", step.Uses, step.timeout)
			e = &timedOut
		}
		r.err = e
		return
	}
	if r.wait, r.filtered = result.Wait, result.Filtered; r.wait != nil {
		return
	}
	if len(result.Output) > maxOutput {
		r.err = tooLarge(len(result.Output))
		return
	}
	if len(result.Output) == 0 {
		result.Output = json.RawMessage("null")
	}
	if j.inline && bytes.Equal(result.Output, input) { // as a mapper gives it: it need not be read again
		a.Output, r.output = result.Output, value
		return
	}
	v, err := mapping.Decode(result.Output)
	if err != nil {
		r.err = &connectors.Error{Kind: connectors.KindInternal, Retry: connectors.RetryNever, Sent: true,
			Message: "the output is not JSON: " + err.Error()}
		return
	}
	a.Output, r.output = result.Output, v
}

func tooLarge(bytes int) *connectors.Error {
	return &connectors.Error{Kind: connectors.KindInternal, Retry: connectors.RetryNever, Sent: true,
		Message: fmt.Sprintf("the output has %d bytes, a step may give %d; ask for less of it", bytes, maxOutput)}
}

// scopeOf is what expressions see: the hook's view, the execution, the outputs
// so far, the callback URLs if there are any, and the element if there is one.
func scopeOf(hook *loadedHook, p *plan, outputs []output, callbacks *mapping.Object, of *element) *mapping.Object {
	steps := mapping.NewObjectOf(len(outputs))
	for _, o := range outputs {
		steps.Set(o.step, o.value)
	}
	scope := hook.view(p.raw).Copy(5)
	execution := p.about.Copy(0)
	execution.Set("id", hook.ID.String())
	execution.Set("startedAt", hook.Time.UTC().Format(time.RFC3339Nano))
	scope.Set("execution", execution)
	scope.Set("steps", steps)
	if callbacks != nil {
		scope.Set("callbacks", callbacks)
	}
	if of != nil {
		scope.Set("item", of.item)
		scope.Set("index", mapping.Number(itoa(int64(of.index))))
	}
	return scope
}

func expressionError(of string, err error) *connectors.Error {
	if ctxErr := connectors.AsError(err); ctxErr.Kind == connectors.KindCancelled || ctxErr.Kind == connectors.KindTimeout {
		return ctxErr
	}
	return &connectors.Error{Kind: "expression", Retry: connectors.RetryNever, Message: "evaluating " + of + ": " + err.Error()}
}

// recorded is an input as the run log keeps it: whole, or said to be too long.
func recorded(input []byte) []byte {
	if len(input) <= maxRecorded {
		return input
	}
	return fmt.Appendf(nil, `{"notRecorded":"the input has %d bytes; inputs over %d are not kept"}`, len(input), maxRecorded)
}

// truthy is JSONata's $boolean for what a condition gives.
func truthy(v mapping.Value) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case mapping.Number:
		f, err := v.Float64()
		return err != nil || f != 0 // what is too large for a float is not 0
	case []mapping.Value:
		for _, item := range v {
			if truthy(item) {
				return true
			}
		}
		return false
	case *mapping.Object:
		return v.Len() > 0
	}
	return true
}
