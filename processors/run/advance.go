package run

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sluice/connectors"
	"sluice/connectors/mapping"
	"sluice/schemas"
	"sluice/schemas/records"
)

// An execution's way: what happened is recorded, what may run now begins, and
// what an attempt came to is taken in, until it ends.

// record adds an event to what happened, and folds it in.
func (s *session) record(e *execution, at time.Time, event *records.Event) bool {
	event.At = at.UnixNano()
	if !schemas.Fold(e.x, event) {
		return false
	}
	if e.events == nil {
		e.events = make([]*records.Event, 0, 4) // begun, a step or two, ended
	}
	e.events = append(e.events, event)
	s.touch(e)
	return true
}

func (s *session) touch(e *execution) {
	if !e.touched {
		e.touched = true
		s.touched = append(s.touched, e)
	}
}

// prepare makes an execution ready to run: its plan, and the outputs it has.
func (s *session) prepare(e *execution) error {
	if e.plan == nil {
		plan, err := s.planOf(e.x)
		if err != nil {
			return err
		}
		e.plan = plan
		if plan.timeout > 0 {
			s.timers.add(time.Unix(0, e.x.StartedAt).Add(plan.timeout), e, timeoutOfAll)
		}
	}
	if e.outputs != nil {
		return nil
	}
	for i := range e.plan.steps {
		if err := e.addOutput(e.plan.steps[i].ID); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) planFor(flow string, version int32) (*plan, error) {
	if now := s.opts.Components.Changes(); now != s.planned {
		s.planned = now // a connector was imported anew
		clear(s.plans)
		clear(s.outran)
	}
	key := planKey{flow: flow, version: version}
	if p := s.plans[key]; p != nil {
		return p, nil
	}
	entry := s.opts.Catalog.Flow(flow)
	if entry == nil || entry.Version(version) == nil {
		return nil, fmt.Errorf("flow %s has no version %d", flow, version)
	}
	p, err := newPlan(flow, entry.Version(version), s.opts.Components, s.opts.Mapping)
	if err != nil {
		return nil, err
	}
	s.plans[key] = p
	return p, nil
}

// advance does what decide says until there is nothing to do at once.
func (s *session) advance(e *execution) {
	for {
		d := decide(e.plan.graph, e.x, e.stepBusy)
		for _, i := range d.skip {
			step := &e.plan.steps[i]
			s.record(e, time.Now(), &records.Event{Fact: &records.Event_Skipped{Skipped: &records.Skipped{Step: step.ID, Uses: step.Uses, Name: step.Name}}})
		}
		if len(d.skip) > 0 {
			continue
		}
		done := false
		for _, i := range d.run {
			done = s.begin(e, e.plan.first(i)) || done
		}
		for _, i := range d.each {
			s.beginElements(e, i)
		}
		if done {
			continue
		}
		if d.end != nil {
			s.end(e, d.end)
		}
		s.rest(e)
		return
	}
}

// begin starts the next attempt at a step or an element, or holds it until the
// effects before it are durable. It reports whether the attempt is done and
// folded in already: then there is more to decide.
func (s *session) begin(e *execution, u unit) (done bool) {
	step := &e.plan.steps[u.step]
	switch {
	case e.partition.leaving:
		return false // the next owner begins it
	case u.iteration >= 0 && step.each != nil && e.elements[u.step] == nil:
		// Its element is not in memory: that comes first, and then this.
		e.due = append(e.due, u)
		if all := (unit{u.step, expanding}); e.busy[all] == nil {
			s.launch(e, all, false)
		}
	case u.iteration == expanding:
		s.launch(e, u, false)
	case step.intends() && e.state(u).GetStatus() != records.StepStatus_STEP_STATUS_UNKNOWN:
		s.launch(e, u, true) // up to the effect: its intent comes first
	case (e.undurable || e.landing) && step.effect():
		s.hold(e, u)
	case step.instant && s.inline(e, u):
		return true
	default:
		s.launch(e, u, false)
	}
	return false
}

// hold keeps what is to begin until the next transaction is durable.
func (s *session) hold(e *execution, u unit) {
	s.awaited = s.awaited || e.undurable
	e.occupy(u, func() {}) // so that decide does not ask again
	e.held = append(e.held, u)
}

// jobOf is an attempt at a unit.
func (s *session) jobOf(e *execution, u unit) job {
	return job{
		session: s, ex: e, id: e.id, plan: e.plan, unit: u, number: e.state(u).GetAttempts() + 1,
		keysOf: e.keysOf(), hook: e.hook, pointer: e.x.Hook, stored: e.x.StoredHook, parent: e.x.Parent, key: e.x.Key,
		traceparent: e.x.Traceparent, replyTo: e.x.ReplyTo, startedAt: time.Unix(0, e.x.StartedAt),
		outputs: e.outputs[:len(e.outputs):len(e.outputs)],
	}
}

// launch starts a job. dry: it stops before the effect.
func (s *session) launch(e *execution, u unit, dry bool) {
	ctx, cancel := context.WithCancel(s.jobCtx)
	e.occupy(u, cancel)
	j := new(job)
	*j = s.jobOf(e, u)
	j.dry = dry
	if u.iteration >= 0 && e.plan.steps[u.step].each != nil {
		j.element = &element{e.elements[u.step][u.iteration], u.iteration}
	}
	s.metrics.inFlight.Inc()
	s.workers.do(&s.jobs, func() {
		defer cancel()
		r := j.run(ctx)
		s.metrics.inFlight.Dec()
		s.results.put(r)
	})
}

// applyResult folds an attempt's outcome in and goes on.
func (s *session) applyResult(r result) {
	if r.ahead != nil {
		s.haveRead(r.ahead)
		return
	}
	e, u := r.job.ex, r.job.unit
	if !s.owns(e) || e.busy[u] == nil {
		return // handed over, or cancelled while it was under way
	}
	delete(e.busy, u)
	if s.outcome(r) {
		s.advance(e)
	}
}

// outcome folds in what a job came to, and reports whether its execution is to
// go on at once.
func (s *session) outcome(r result) bool {
	e, u := r.job.ex, r.job.unit
	step := &e.plan.steps[u.step]
	if e.hook == nil {
		e.hook = r.hook
	}
	now := r.at // an attempt in the loop is over just now
	if !r.job.inline {
		now = time.Now()
	}
	switch {
	case r.skipped:
		s.record(e, now, &records.Event{Fact: &records.Event_Skipped{Skipped: &records.Skipped{Step: step.ID, Uses: step.Uses, Name: step.Name}}})
	case r.err != nil && r.err.Kind == connectors.KindCancelled && e.partition.leaving:
		return false // cut off by the end of this session: the next owner does it again
	case r.err == nil && r.job.dry && e.partition.leaving:
		return false // nor is it intended any more: the next owner would take it for begun
	case r.err != nil:
		s.attemptFailed(e, u, now, r)
	case u.iteration == expanding:
		s.expanded(e, u.step, now, r.elements)
	case r.job.dry:
		s.intend(e, u, now, r.attempt)
		return false
	case r.wait != nil:
		s.park(e, u, now, r)
	default:
		if r.filtered {
			r.attempt.Status = records.StepStatus_STEP_STATUS_FILTERED
		}
		s.attempted(e, step, now, r.attempt, r.output)
	}
	return true
}

// attempted puts an attempt that succeeded, or was given up, on record. value
// is its decoded output, where that is known.
func (s *session) attempted(e *execution, step *stepPlan, at time.Time, a *records.Attempt, value mapping.Value) {
	if a.Status == records.StepStatus_STEP_STATUS_SUCCEEDED && step.each != nil {
		e.checkSize(step, a)
	}
	e.undurable = e.undurable || step.effect() && !a.Postponed
	s.metrics.attempt(a)
	if !s.record(e, at, attemptEvent(a)) {
		return
	}
	if !e.active || !schemas.Settled(e.x.Steps[step.ID]) {
		return // what rests reads its outputs when it goes on
	}
	if step.each == nil && a.Status == records.StepStatus_STEP_STATUS_SUCCEEDED && value != nil {
		e.outputs = append(e.outputs, output{step.ID, value})
		return
	}
	_ = e.addOutput(step.ID) // joined from what was decoded before
}

// attemptFailed puts an attempt that failed on record, and says when the next
// one is due, if there is one.
func (s *session) attemptFailed(e *execution, u unit, now time.Time, r result) {
	step, a, state := &e.plan.steps[u.step], r.attempt, e.state(u)
	if u.iteration == expanding && state.GetStatus() == records.StepStatus_STEP_STATUS_RUNNING {
		// Its elements were known before; now they cannot be had again.
		s.fail(e, now, a.Failure)
		return
	}
	if r.err.Held && s.postpone(e, u, now, r) {
		return
	}
	first := state.GetFirstAt()
	if first == 0 {
		first = a.StartedAt
	}
	if wait, ok := step.retry.next(retryKey(e, step, u), a.Number, now.Sub(time.Unix(0, first)), r.err); ok {
		at := now.Add(wait)
		a.Status, a.RetryAt = records.StepStatus_STEP_STATUS_RETRYING, at.UnixNano()
		s.timers.add(at, e, u)
	}
	s.attempted(e, step, now, a, nil)
}

// wake is what a timer that was set for at does. The wall clock is not asked
// again: it may have been set back since, and nothing would fire a second time.
func (s *session) wake(e *execution, u unit, at time.Time) {
	if !s.owns(e) || !schemas.Open(e.x.Status) {
		return
	}
	if u == timeoutOfAll {
		s.fail(e, time.Now(), &records.Failure{Kind: string(connectors.KindTimeout),
			Message: fmt.Sprintf("the execution was not done within %s", e.plan.timeout)})
		return
	}
	state := e.state(u)
	if e.busy[u] != nil || state.GetRetryAt() == 0 || state.RetryAt > at.UnixNano() {
		return // it is in flight, or has a later timer
	}
	switch state.Status {
	case records.StepStatus_STEP_STATUS_RETRYING:
		s.goOnWith(e, u)
	case records.StepStatus_STEP_STATUS_WAITING:
		s.waitOver(e, u)
	}
}

// goOnWith begins a unit that is due, once the flow has a place.
func (s *session) goOnWith(e *execution, u unit) {
	if e.active { // another branch of it is in flight
		if s.begin(e, u) {
			s.advance(e)
		}
		return
	}
	e.due = append(e.due, u)
	s.proceedNow(e)
}

// proceedNow queues an execution that has a reason to go on.
func (s *session) proceedNow(e *execution) {
	s.enqueue(e)
	s.pump(e.x.FlowId)
}

// cancel ends an execution because somebody asked for it.
func (s *session) cancel(e *execution, at time.Time) {
	s.cutOff(e, at)
	s.end(e, &records.Ended{
		Status:  records.ExecutionStatus_EXECUTION_STATUS_CANCELLED,
		Failure: &records.Failure{Kind: string(connectors.KindCancelled), Message: s.whyCancelled(e)},
	})
	s.rest(e)
}

func (s *session) fail(e *execution, at time.Time, why *records.Failure) {
	s.cutOff(e, at)
	s.end(e, &records.Ended{Status: records.ExecutionStatus_EXECUTION_STATUS_FAILED, Failure: why})
	s.rest(e)
}

// cutOff cancels what is in flight and puts it on record at once: an effect
// that was begun is never left without a word.
func (s *session) cutOff(e *execution, at time.Time) {
	for u, cancel := range e.busy {
		cancel()
		delete(e.busy, u)
		step := &e.plan.steps[u.step]
		intended := e.state(u).GetStatus() == records.StepStatus_STEP_STATUS_UNKNOWN
		message := "cut off when the execution ended; it may have taken effect"
		switch {
		case u.iteration == expanding || !step.effect() || step.intends() && !intended:
			continue // it did nothing
		case slices.Contains(e.held, u):
			if !intended {
				continue
			}
			message = "the execution ended before this began"
		}
		s.record(e, at, &records.Event{Fact: &records.Event_Attempt{Attempt: &records.Attempt{
			Step: step.ID, Name: step.Name, Uses: step.Uses, Number: e.state(u).GetAttempts() + 1, Iteration: int32(u.iteration),
			Status: records.StepStatus_STEP_STATUS_CANCELLED, StartedAt: at.UnixNano(),
			IdempotencyKey: idempotencyKey(e.keysOf(), step.ID, u.iteration),
			Failure:        &records.Failure{Kind: string(connectors.KindCancelled), Message: message, Step: step.ID},
		}}})
	}
	e.held = nil
}

// end records how an execution ended; the first end wins.
func (s *session) end(e *execution, ended *records.Ended) {
	if !s.record(e, time.Now(), endedEvent(ended)) {
		return
	}
	s.awaited = s.awaited || len(e.x.OrderKey) > 0 // by the next of its lane
	if e.x.ReplyTo != "" {
		s.replyAtEnd(e)
	}
	if e.x.Parent != "" {
		s.returnToCaller(e)
	}
}
