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
	plan  *plan
	store *store
}

// NewSimulator compiles a version of a flow.
func NewSimulator(flow string, v *schemas.FlowVersion, set *connectors.Set, engine *mapping.Engine) (*Simulator, error) {
	p, err := newPlan(flow, v, set, engine)
	if err != nil {
		return nil, err
	}
	return &Simulator{p, newStore(nil)}, nil
}

// Reads has the simulator read large bodies from a store.
func (s *Simulator) Reads(b blobs.Store) *Simulator {
	s.store = newStore(b)
	return s
}

// Run simulates one execution. answer is asked for every effect, with the
// step's checked input. Time and randomness are the hook's own, so that what
// ran before on the same expressions gives the same again. The error is ctx's.
func (s *Simulator) Simulate(ctx context.Context, hook *schemas.Hook, answer func(step *schemas.Step, input []byte) schemas.Answer) (*schemas.Simulation, error) {
	loaded, closed, err := s.store.open(ctx, &loadedHook{Hook: hook}, s.plan.raw)
	if err != nil {
		return nil, fmt.Errorf("simulating execution %s: %w", hook.ID, err)
	}
	defer closed()
	x := &records.Execution{Id: hook.ID[:], FlowId: hook.Flow, Status: records.ExecutionStatus_EXECUTION_STATUS_RUNNING, Version: s.plan.version}
	done := make(map[int]schemas.SimulatedStep, len(s.plan.steps))
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
			step, value, skipped := s.step(ctx, loaded, outputs, &s.plan.steps[i], answer)
			if skipped {
				s.skip(x, done, i)
				continue
			}
			done[i] = step
			a := &records.Attempt{Step: step.Step.ID, Number: 1, Status: step.Status, Output: step.Output, Failure: step.Failure}
			schemas.Fold(x, &records.Event{Fact: &records.Event_Attempt{Attempt: a}})
			if step.Failure == nil {
				outputs = append(outputs, output{step.Step.ID, value})
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
		if step, ok := done[i]; ok {
			out.Steps = append(out.Steps, step)
		}
	}
	return out, nil
}

func (s *Simulator) skip(x *records.Execution, done map[int]schemas.SimulatedStep, i int) {
	step := &s.plan.steps[i]
	done[i] = schemas.SimulatedStep{Step: step.Step, Effect: step.effect(), Status: records.StepStatus_STEP_STATUS_SKIPPED}
	schemas.Fold(x, &records.Event{Fact: &records.Event_Skipped{Skipped: &records.Skipped{Step: step.ID}}})
}

// step does what a job does, up to the effect.
func (s *Simulator) step(ctx context.Context, hook *loadedHook, outputs []output, step *stepPlan,
	answer func(*schemas.Step, []byte) schemas.Answer) (out schemas.SimulatedStep, value mapping.Value, skipped bool) {
	out = schemas.SimulatedStep{Step: step.Step, Effect: step.effect(), Status: records.StepStatus_STEP_STATUS_SUCCEEDED}
	fail := func(e *connectors.Error) (schemas.SimulatedStep, mapping.Value, bool) {
		out.Status = records.StepStatus_STEP_STATUS_FAILED
		out.Failure = &records.Failure{Kind: string(e.Kind), Message: e.Message, HttpStatus: int32(e.HTTPStatus), Step: step.ID}
		return out, nil, false
	}
	scope := scopeOf(hook, s.plan, outputs)
	ev := mapping.Eval{Now: hook.Time, Seed: seed(hook.ID)}
	if step.when != nil {
		v, defined, err := step.when.Evaluate(ctx, scope, ev)
		if err != nil {
			return fail(expressionError("its condition", err))
		}
		if !defined || !truthy(v) {
			return out, nil, true
		}
	}
	v, err := step.input.Evaluate(ctx, scope, ev)
	if err == nil {
		out.Input, err = mapping.Encode(v)
	}
	if err != nil {
		return fail(expressionError("its input", err))
	}
	if err := step.component.CheckInput(out.Input); err != nil {
		return fail(connectors.AsError(connectors.BadInput("%s", err)))
	}
	if out.Effect {
		a := answer(step.Step, recorded(out.Input))
		out.Input, out.Source = recorded(out.Input), a.Source
		if a.Failure != nil {
			out.Status, out.Failure = records.StepStatus_STEP_STATUS_FAILED, a.Failure
			return out, nil, false
		}
		out.Output = a.Output
	} else {
		ctx, cancel := context.WithTimeout(ctx, step.timeout)
		defer cancel()
		clock := func() time.Time { return hook.Time }
		result, err := step.component.Do(ctx, connectors.Env{Now: clock}, connectors.Call{Input: out.Input, Attempt: 1, File: func(ref string) (*connectors.File, error) { return s.store.file(hook.Hook, ref) }})
		if err != nil {
			return fail(connectors.AsError(err))
		}
		out.Input, out.Output = recorded(out.Input), result.Output
	}
	if len(out.Output) == 0 {
		out.Output = json.RawMessage("null")
	}
	if value, err = mapping.Decode(out.Output); err != nil {
		return fail(&connectors.Error{Kind: connectors.KindInternal, Message: "the output is not JSON: " + err.Error()})
	}
	return out, value, false
}
