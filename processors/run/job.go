package run

import (
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

// job is one attempt at one step. It runs on a goroutine of its own and shares
// nothing with the loop that changes.
type job struct {
	session *session
	ex      *execution // for handing the result back; not read
	id      schemas.ExecutionID
	keysOf  schemas.ExecutionID
	plan    *plan
	index   int
	number  int32
	hook    *loadedHook
	pointer *records.Pointer
	// traceparent is the hook's.
	traceparent string
	replyTo     string    // empty: no sender waits
	startedAt   time.Time // of the execution
	outputs     []output
}

// result is what a job came to.
type result struct {
	job     *job
	hook    *loadedHook // read by the job, when it had to
	skipped bool        // its condition is not true
	attempt *records.Attempt
	output  mapping.Value
	err     *connectors.Error
}

func (j *job) run(ctx context.Context) (r result) {
	step := &j.plan.steps[j.index]
	began := time.Now()
	r = result{job: j, hook: j.hook}
	a := &records.Attempt{
		Step: step.ID, Name: step.Name, Uses: step.Uses, Number: j.number, StartedAt: began.UnixNano(),
	}
	if step.effect() {
		a.IdempotencyKey = idempotencyKey(j.keysOf, step.ID, 0)
	}
	ctx = propagator.Extract(ctx, propagation.MapCarrier{"traceparent": j.traceparent})
	ctx, span := tracer.Start(ctx, "step "+step.Uses, trace.WithAttributes(
		attribute.String("sluice.flow", j.plan.flow), attribute.String("sluice.execution", j.id.String()),
		attribute.String("sluice.step", step.ID), attribute.Int("sluice.attempt", int(j.number))))
	defer func() {
		if p := recover(); p != nil {
			j.session.log.Error("a step panicked", "uses", step.Uses, "panic", p, "stack", string(debug.Stack()))
			r.err = &connectors.Error{Kind: connectors.KindInternal, Message: "the component failed inside; the log has the details", Retry: connectors.RetryNever}
		}
		a.Duration = int64(time.Since(began))
		a.Status = records.StepStatus_STEP_STATUS_SUCCEEDED
		if r.err != nil {
			a.Status = records.StepStatus_STEP_STATUS_FAILED
			a.Failure = &records.Failure{Kind: string(r.err.Kind), Message: r.err.Message, HttpStatus: int32(r.err.HTTPStatus), Step: step.ID}
			a.HttpStatus = int32(r.err.HTTPStatus)
			span.SetStatus(codes.Error, r.err.Message)
		}
		r.attempt = a
		span.End()
	}()

	if r.hook == nil {
		hook, err := j.session.readHook(ctx, j.pointer)
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
	scope := scopeOf(opened, j.plan, j.outputs)
	ev := mapping.Eval{Now: j.startedAt, Seed: seed(j.id)}
	if step.when != nil {
		v, defined, err := step.when.Evaluate(ctx, scope, ev)
		if err != nil {
			r.err = expressionError("its condition", err)
			return r
		}
		if !defined || !truthy(v) {
			r.skipped = true
			return r
		}
	}
	v, err := step.input.Evaluate(ctx, scope, ev)
	if err != nil {
		r.err = expressionError("its input", err)
		return r
	}
	input, err := mapping.Encode(v)
	if err != nil {
		r.err = expressionError("its input", err)
		return r
	}
	a.Input = recorded(input)
	r.output, r.err = j.do(ctx, step, input, r.hook, a)
	return r
}

// do checks the input, opens the credential, and has the component run.
func (j *job) do(ctx context.Context, step *stepPlan, input json.RawMessage, hook *loadedHook, a *records.Attempt) (mapping.Value, *connectors.Error) {
	if err := step.component.CheckInput(input); err != nil {
		return nil, connectors.AsError(connectors.BadInput("%s", err))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, step.timeout, context.DeadlineExceeded)
	defer cancel()
	credential, failed := j.session.credential(ctx, step)
	if failed != nil {
		return nil, failed
	}
	call := connectors.Call{Input: input, Credential: credential, IdempotencyKey: a.IdempotencyKey, Attempt: int(j.number)}
	call.File = func(ref string) (*connectors.File, error) { return j.session.opts.store.file(hook.Hook, ref) }
	if j.replyTo != "" {
		call.Reply = func(ctx context.Context, r connectors.Reply) error {
			return j.session.sendReply(ctx, j.id, j.replyTo, r)
		}
	}
	result, err := step.component.Do(ctx, j.session.opts.Env, call)
	if j.session.refused(step, credential, err) {
		// The system no longer takes the token, and so did nothing: once more, with another one.
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
		return nil, e
	}
	if len(result.Output) > maxOutput {
		return nil, &connectors.Error{Kind: connectors.KindInternal, Retry: connectors.RetryNever, Sent: true,
			Message: fmt.Sprintf("the output has %d bytes, a step may give %d; ask for less of it", len(result.Output), maxOutput)}
	}
	if len(result.Output) == 0 {
		result.Output = json.RawMessage("null")
	}
	v, err := mapping.Decode(result.Output)
	if err != nil {
		return nil, &connectors.Error{Kind: connectors.KindInternal, Retry: connectors.RetryNever, Sent: true,
			Message: "the output is not JSON: " + err.Error()}
	}
	a.Output = result.Output
	return v, nil
}

// scopeOf is what expressions see: the hook's view, the execution, and the
// outputs so far.
func scopeOf(hook *loadedHook, p *plan, outputs []output) *mapping.Object {
	steps := mapping.NewObject()
	for _, o := range outputs {
		steps.Set(o.step, o.value)
	}
	scope := mapping.NewObject()
	hook.view(p.raw).Range(func(k string, v mapping.Value) bool {
		scope.Set(k, v)
		return true
	})
	execution := mapping.NewObject()
	execution.Set("id", hook.ID.String())
	execution.Set("flow", p.flow)
	execution.Set("version", mapping.Number(itoa(int64(p.version))))
	execution.Set("startedAt", hook.Time.UTC().Format(time.RFC3339Nano))
	scope.Set("execution", execution)
	scope.Set("steps", steps)
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
