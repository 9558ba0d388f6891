package run

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"sluice/connectors"
	"sluice/connectors/mapping"
	"sluice/schemas"
	"sluice/schemas/blobs"
	"sluice/schemas/records"
)

// Simulator says what a flow would do with a hook, without doing it: the same
// plan, decisions and expressions as a real execution, with effects answered by
// the caller. It never opens a credential, and what it runs has no HTTP client.
// It is safe for concurrent use.
type Simulator struct {
	plan      *plan
	store     *store
	callbacks *Callbacks
}

// NewSimulator compiles a version of a flow. callbacks make the same URLs as in
// the execution that is simulated; nil: there are none.
func NewSimulator(flow string, v *schemas.FlowVersion, set *connectors.Set, engine *mapping.Engine, callbacks *Callbacks) (*Simulator, error) {
	p, err := newPlan(flow, v, set, engine)
	if err != nil {
		return nil, err
	}
	return &Simulator{p, newStore(nil, viewBytes), callbacks}, nil
}

// Reads has the simulator read large bodies from a store.
func (s *Simulator) Reads(b blobs.Store) *Simulator {
	s.store = newStore(b, viewBytes)
	return s
}

// Simulate simulates one execution. answer is asked for every effect, and for
// what a step would wait for (a callback, a called flow), with the step's
// checked input; a delay is passed over. The second and later elements of a step
// with each are asked for as ID[1], ID[2], and so on. Time and randomness are the
// hook's own, so that what ran before on the same expressions gives the same
// again. The error is ctx's.
func (s *Simulator) Simulate(ctx context.Context, hook *schemas.Hook, answer func(step *schemas.Step, input []byte) schemas.Answer) (*schemas.Simulation, error) {
	loaded, closed, err := s.store.open(ctx, &loadedHook{Hook: hook}, s.plan.raw)
	if err != nil {
		return nil, fmt.Errorf("simulating execution %s: %w", hook.ID, err)
	}
	defer closed()
	x := &records.Execution{Id: hook.ID[:], FlowId: hook.Flow, Status: records.ExecutionStatus_EXECUTION_STATUS_RUNNING, Version: s.plan.version}
	done := make(map[int][]schemas.SimulatedStep, len(s.plan.steps))
	var outputs []output
	for schemas.Open(x.Status) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		d := decide(s.plan.graph, x, func(int) bool { return false })
		for _, i := range d.skip {
			s.skip(x, done, i)
		}
		for _, i := range d.run {
			plan := &s.plan.steps[i]
			tried, joined := s.step(ctx, loaded, outputs, plan, answer)
			if joined == nil {
				s.skip(x, done, i)
				continue
			}
			done[i] = tried
			schemas.Fold(x, &records.Event{Fact: &records.Event_Attempt{Attempt: joined}})
			if state := x.Steps[plan.ID]; joined.Status == records.StepStatus_STEP_STATUS_SUCCEEDED {
				value, err := mapping.Decode(state.Output)
				if err != nil {
					return nil, fmt.Errorf("simulating step %s: %w", plan.ID, err)
				}
				outputs = append(outputs, output{plan.ID, value})
			}
		}
		if d.end == nil && len(d.skip) == 0 && len(d.run) == 0 {
			return nil, fmt.Errorf("simulating execution %s: it neither goes on nor ends", hook.ID)
		}
		if d.end != nil {
			schemas.Fold(x, &records.Event{Fact: &records.Event_Ended{Ended: d.end}})
		}
	}
	out := &schemas.Simulation{Status: x.Status, Failure: x.Failure}
	for i := range s.plan.steps {
		out.Steps = append(out.Steps, done[i]...)
	}
	return out, nil
}

func (s *Simulator) skip(x *records.Execution, done map[int][]schemas.SimulatedStep, i int) {
	step := &s.plan.steps[i]
	done[i] = []schemas.SimulatedStep{{Step: step.Step, Effect: step.effect(), Status: records.StepStatus_STEP_STATUS_SKIPPED}}
	schemas.Fold(x, &records.Event{Fact: &records.Event_Skipped{Skipped: &records.Skipped{Step: step.ID}}})
}

// step does what jobs do, up to the effects: what was tried, once or for each
// element, and what the step comes to; nil where it is skipped.
func (s *Simulator) step(ctx context.Context, hook *loadedHook, outputs []output, step *stepPlan,
	answer func(*schemas.Step, []byte) schemas.Answer) (tried []schemas.SimulatedStep, joined *records.Attempt) {
	callbacks := s.callbacks.of(s.plan, hook.ID, "hooks", hook.Key)
	scope := scopeOf(hook, s.plan, outputs, callbacks, nil)
	ev := mapping.Eval{Now: hook.Time, Seed: seed(hook.ID)}
	fail := func(e *connectors.Error) ([]schemas.SimulatedStep, *records.Attempt) {
		out := schemas.SimulatedStep{Step: step.Step, Effect: step.effect()}
		simulatedFailure(&out, step, e)
		return []schemas.SimulatedStep{out}, attemptOf(&out)
	}
	if step.when != nil {
		v, defined, err := step.when.Evaluate(ctx, scope, ev)
		if err != nil {
			return fail(expressionError("its condition", err))
		}
		if !defined || !truthy(v) {
			return nil, nil
		}
	}
	if step.each == nil {
		out := s.once(ctx, hook, scope, ev, step, step.Step, answer)
		return []schemas.SimulatedStep{out}, attemptOf(&out)
	}
	elements, wrong := elementsOf(ctx, step, scope, ev)
	if wrong != nil {
		return fail(wrong)
	}
	// The same fold as a real execution's joins them.
	x := &records.Execution{Status: records.ExecutionStatus_EXECUTION_STATUS_RUNNING}
	schemas.Fold(x, &records.Event{Fact: &records.Event_Expanded{Expanded: &records.Expanded{Step: step.ID, Count: int32(len(elements))}}})
	for n, item := range elements {
		named := step.Step
		if n > 0 {
			copied := *step.Step
			copied.ID = fmt.Sprintf("%s[%d]", step.ID, n)
			named = &copied
		}
		out := s.once(ctx, hook, scopeOf(hook, s.plan, outputs, callbacks, &element{item, n}), ev, step, named, answer)
		tried = append(tried, out)
		a := attemptOf(&out)
		a.Step, a.Iteration = step.ID, int32(n)
		schemas.Fold(x, &records.Event{Fact: &records.Event_Attempt{Attempt: a}})
	}
	state := x.Steps[step.ID]
	return tried, &records.Attempt{Step: step.ID, Number: 1, Status: state.Status, Output: state.Output, Failure: state.Failure}
}

func attemptOf(s *schemas.SimulatedStep) *records.Attempt {
	return &records.Attempt{Step: s.Step.ID, Number: 1, Status: s.Status, Output: s.Output, Failure: s.Failure}
}

func simulatedFailure(out *schemas.SimulatedStep, step *stepPlan, e *connectors.Error) {
	out.Status = records.StepStatus_STEP_STATUS_FAILED
	out.Failure = &records.Failure{Kind: string(e.Kind), Message: e.Message, HttpStatus: int32(e.HTTPStatus), Step: step.ID}
}

// once does what a job does, up to the effect. named is the step under the name
// that the answer is asked by.
func (s *Simulator) once(ctx context.Context, hook *loadedHook, scope *mapping.Object, ev mapping.Eval, step *stepPlan, named *schemas.Step,
	answer func(*schemas.Step, []byte) schemas.Answer) (out schemas.SimulatedStep) {
	out = schemas.SimulatedStep{Step: named, Effect: step.effect(), Status: records.StepStatus_STEP_STATUS_SUCCEEDED}
	v, err := step.input.Evaluate(ctx, scope, ev)
	if err == nil {
		out.Input, err = mapping.Encode(v)
	}
	if err != nil {
		simulatedFailure(&out, step, expressionError("its input", err))
		return out
	}
	if err := step.component.CheckInput(out.Input); err != nil {
		simulatedFailure(&out, step, connectors.AsError(connectors.BadInput("%s", err)))
		return out
	}
	asks := out.Effect
	if !asks {
		ctx, cancel := context.WithTimeout(ctx, step.timeout)
		defer cancel()
		clock := func() time.Time { return hook.Time }
		result, err := step.component.Do(ctx, connectors.Env{Now: clock}, connectors.Call{Input: out.Input, Attempt: 1, File: func(ref string) (*connectors.File, error) { return s.store.file(hook.Hook, ref) }})
		switch {
		case err != nil:
			simulatedFailure(&out, step, connectors.AsError(err))
			return out
		case result.Filtered:
			out.Status = records.StepStatus_STEP_STATUS_FILTERED
		case result.Wait != nil:
			asks = result.Wait.Callback || result.Wait.Call != nil
			result.Output, _ = json.Marshal(map[string]string{"until": result.Wait.Until.UTC().Format(time.RFC3339Nano)})
			// A delay began some time after its hook, and nobody knows when this
			// one would: the same delay ends when it did.
			if !asks {
				if a := answer(named, recorded(out.Input)); a.Source == schemas.FromRecord && a.Failure == nil {
					result.Output = a.Output
				}
			}
		}
		out.Output = result.Output
	}
	out.Input = recorded(out.Input)
	if asks {
		a := answer(named, out.Input)
		out.Source = a.Source
		if a.Failure != nil {
			out.Status, out.Output, out.Failure = records.StepStatus_STEP_STATUS_FAILED, nil, a.Failure
			return out
		}
		out.Output = a.Output
	}
	if len(out.Output) == 0 {
		out.Output = json.RawMessage("null")
	}
	if !json.Valid(out.Output) {
		simulatedFailure(&out, step, &connectors.Error{Kind: connectors.KindInternal, Message: "the output is not JSON"})
		out.Output = nil
	}
	return out
}
