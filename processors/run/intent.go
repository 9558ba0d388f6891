package run

import (
	"time"

	"sluice/connectors"
	"sluice/schemas"
	"sluice/schemas/records"
)

// A step whose effect must not simply be repeated (onUnknown fail or hold) goes
// in two parts: what is about to be done is put on record, and only when that
// is durable is it done. So whoever finds an intent without an outcome knows
// that the effect may have happened, and that a step without an intent has not.

// intend puts an intent on record. The effect begins when it is durable.
func (s *session) intend(e *execution, u unit, at time.Time, a *records.Attempt) {
	a.Status, a.Output = records.StepStatus_STEP_STATUS_UNKNOWN, nil
	if !s.record(e, at, &records.Event{Fact: &records.Event_Attempt{Attempt: a}}) {
		s.advance(e)
		return
	}
	e.undurable = true
	s.hold(e, u)
}

// settleIntents says what the intents of another session come to, whose
// outcomes it took with it.
func (s *session) settleIntents(e *execution) {
	now := time.Now()
	type found struct {
		u     unit
		state *records.StepState
	}
	var intents []found
	e.units(func(u unit, state *records.StepState) {
		if state.Status == records.StepStatus_STEP_STATUS_UNKNOWN && state.Failure == nil {
			intents = append(intents, found{u, state})
		}
	})
	for _, f := range intents {
		step := &e.plan.steps[f.u.step]
		a := &records.Attempt{
			Step: step.ID, Name: step.Name, Uses: step.Uses, Number: f.state.Attempts + 1, Iteration: int32(max(f.u.iteration, 0)),
			Status: records.StepStatus_STEP_STATUS_FAILED, StartedAt: f.state.FirstAt, Input: f.state.Input,
			IdempotencyKey: idempotencyKey(e.keysOf(), step.ID, max(f.u.iteration, 0)),
			Failure: &records.Failure{Kind: string(connectors.KindUnknown), Step: step.ID,
				Message: "the runner was cut off in the middle of this: whether it took effect is not known"},
		}
		if step.OnUnknown == "hold" {
			a.Status = records.StepStatus_STEP_STATUS_UNKNOWN
			a.Failure.Message += "; find out, and resolve the step as succeeded, failed or to be tried again"
		}
		s.metrics.attempt(a)
		s.record(e, now, &records.Event{Fact: &records.Event_Attempt{Attempt: a}})
	}
}

// resolve does what a person decided about a step.
func (s *session) resolve(e *execution, hook *schemas.Hook, r schemas.Resolution) {
	if err := s.prepare(e); err != nil {
		return
	}
	if !e.active {
		e.outputs = nil // it rests
	}
	u, ok := e.unitOf(hook.Step, hook.Iteration)
	if !ok {
		return
	}
	state := e.state(u)
	switch state.GetStatus() {
	case records.StepStatus_STEP_STATUS_UNKNOWN, records.StepStatus_STEP_STATUS_RETRYING, records.StepStatus_STEP_STATUS_WAITING:
	default:
		return // it is settled, or in flight
	}
	if e.busy[u] != nil {
		return
	}
	now := time.Now()
	step := &e.plan.steps[u.step]
	a := &records.Attempt{
		Step: step.ID, Name: step.Name, Uses: step.Uses, Number: state.Attempts + 1, Iteration: int32(max(u.iteration, 0)),
		StartedAt: now.UnixNano(), Input: state.Input,
	}
	switch r.As {
	case schemas.ResolveRetry:
		if state.Status == records.StepStatus_STEP_STATUS_WAITING {
			return // it is not tried, it waits
		}
		// Due at once. It does not count: the attempt that follows does.
		a.Status, a.Postponed, a.RetryAt = records.StepStatus_STEP_STATUS_RETRYING, true, max(now.UnixNano(), state.RetryAt+1)
		s.record(e, now, &records.Event{Fact: &records.Event_Attempt{Attempt: a}})
		s.goOnWith(e, u)
		return
	case schemas.ResolveSucceeded:
		a.Status, a.Output = records.StepStatus_STEP_STATUS_SUCCEEDED, r.Output
		if len(a.Output) == 0 {
			a.Output = []byte("null")
		}
	case schemas.ResolveFailed:
		a.Status = records.StepStatus_STEP_STATUS_FAILED
		a.Failure = &records.Failure{Kind: string(connectors.KindUnknown), Step: step.ID, Message: "marked as failed by a person"}
		if r.Reason != "" {
			a.Failure.Message += ": " + r.Reason
		}
	default:
		return
	}
	s.attempted(e, step, now, a, nil)
	s.afterwards(e)
}

// unitOf finds a unit by the names that people have for it.
func (e *execution) unitOf(step string, iteration int) (unit, bool) {
	for i := range e.plan.steps {
		if e.plan.steps[i].ID != step {
			continue
		}
		state := e.x.Steps[step]
		if state.GetStatus() == records.StepStatus_STEP_STATUS_RUNNING {
			return unit{i, iteration}, iteration >= 0 && int32(iteration) < state.Count
		}
		return e.plan.first(i), true
	}
	return unit{}, false
}

// afterwards goes on with an execution whose step was settled from outside.
func (s *session) afterwards(e *execution) {
	if e.active {
		s.advance(e)
		return
	}
	s.proceedNow(e)
}
