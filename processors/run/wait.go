package run

import (
	"encoding/json"
	"fmt"
	"time"

	"sluice/connectors"
	"sluice/connectors/mapping"
	"sluice/schemas"
	"sluice/schemas/records"
)

const (
	// longWait: the snapshot of an execution that waits longer has its hook in
	// it, because the topic hooks may have lost it by then.
	longWait = 24 * time.Hour
	// maxWaitInput is the largest input that a waiting step keeps for the record.
	maxWaitInput = 16 << 10
)

// Callbacks makes the URLs of steps that wait for a callback.
type Callbacks struct {
	Tokens *schemas.Tokens
	Base   string // scheme and host of the edge, as senders know it
}

// callbacks are the URLs that expressions see; nil where no step has one.
func (o *Options) callbacks(p *plan, id schemas.ExecutionID, key string) *mapping.Object {
	return o.Callbacks.of(p, id, o.lane(), key)
}

func (c *Callbacks) of(p *plan, id schemas.ExecutionID, lane, key string) *mapping.Object {
	if c == nil || c.Tokens == nil || len(p.waits) == 0 {
		return nil
	}
	urls := mapping.NewObject()
	for _, step := range p.waits {
		cb := schemas.Callback{Execution: id, Lane: lane, Flow: p.flow, Step: step.ID, Credential: step.Credential, Key: key}
		urls.Set(step.ID, c.Base+schemas.CallbackPath+cb.Token(c.Tokens))
	}
	return urls
}

// park makes an execution wait at a step. It is in the topic state meanwhile
// and takes no place; a timer, a callback or a called flow's end goes on with it.
func (s *session) park(e *execution, u unit, now time.Time, r result) {
	step, a := &e.plan.steps[u.step], r.attempt
	a.Duration = 0
	if len(a.Input) > maxWaitInput {
		a.Input = fmt.Appendf(nil, `{"notRecorded":"the input has %d bytes; a step that waits keeps %d"}`, len(a.Input), maxWaitInput)
	}
	if call := r.wait.Call; call != nil {
		child, failed := s.call(e, u, now, call)
		if failed != nil {
			a.Status = records.StepStatus_STEP_STATUS_FAILED
			a.Failure = &records.Failure{Kind: string(failed.Kind), Message: failed.Message, Step: step.ID}
			s.attempted(e, step, now, a, nil)
			return
		}
		a.Output = fmt.Appendf(nil, `{"execution":%q}`, child)
		if call.Detached {
			a.Status = records.StepStatus_STEP_STATUS_SUCCEEDED
			s.attempted(e, step, now, a, nil)
			return
		}
	}
	if r.wait.Callback {
		if early := e.x.Callbacks[step.ID]; early != nil {
			a.Status, a.Output = records.StepStatus_STEP_STATUS_SUCCEEDED, early
			s.attempted(e, step, now, a, nil)
			return
		}
	}
	a.Status = records.StepStatus_STEP_STATUS_WAITING
	if !r.wait.Until.IsZero() {
		a.RetryAt = max(r.wait.Until.UnixNano(), 1)
		s.timers.add(r.wait.Until, e, u)
	}
	if (a.RetryAt == 0 || r.wait.Until.Sub(now) > longWait) && e.x.StoredHook == nil && r.hook != nil {
		if stored, err := storeHook(r.hook.Hook); err == nil {
			e.x.StoredHook = stored
		}
	}
	s.metrics.attempt(a)
	s.record(e, now, &records.Event{Fact: &records.Event_Attempt{Attempt: a}})
}

// waitOver ends a wait whose time has come.
func (s *session) waitOver(e *execution, u unit) {
	step := &e.plan.steps[u.step]
	switch step.Uses {
	case schemas.WaitComponent:
		s.endWait(e, u, []byte(`{"timedOut":true}`), nil)
	case schemas.CallComponent:
		s.endWait(e, u, nil, &records.Failure{Kind: string(connectors.KindTimeout), Step: step.ID, Message: "the called flow has not ended in time"})
	default:
		output, _ := json.Marshal(map[string]string{"until": time.Unix(0, e.state(u).RetryAt).UTC().Format(time.RFC3339Nano)})
		s.endWait(e, u, output, nil)
	}
}

// endWait settles a step that waits, and goes on.
func (s *session) endWait(e *execution, u unit, output []byte, failure *records.Failure) {
	step, state, now := &e.plan.steps[u.step], e.state(u), time.Now()
	a := &records.Attempt{
		Step: step.ID, Name: step.Name, Uses: step.Uses, Number: state.Attempts + 1, Iteration: int32(max(u.iteration, 0)),
		Status: records.StepStatus_STEP_STATUS_SUCCEEDED, Input: state.Input, Output: output, Failure: failure,
		StartedAt: state.FirstAt, Duration: now.UnixNano() - state.FirstAt,
	}
	if failure != nil {
		a.Status = records.StepStatus_STEP_STATUS_FAILED
	}
	s.attempted(e, step, now, a, nil)
	s.afterwards(e)
}

// command does what a record asks of an execution that is there already.
func (s *session) command(p *partition, hook *schemas.Hook) {
	e := p.executions[hook.ID]
	if e != nil && !schemas.Open(e.x.Status) {
		e = nil
	}
	if hook.Kind == schemas.KindCallback {
		s.callback(e, hook)
		return
	}
	if e == nil {
		return // it has ended
	}
	switch hook.Kind {
	case schemas.KindCancel:
		s.cancel(e, time.Now())
	case schemas.KindReturn:
		var r schemas.Returned
		if json.Unmarshal(hook.Body, &r) == nil {
			s.returned(e, hook, r)
		}
	case schemas.KindResolve:
		var r schemas.Resolution
		if json.Unmarshal(hook.Body, &r) == nil && e.x.Status == records.ExecutionStatus_EXECUTION_STATUS_RUNNING {
			s.resolve(e, hook, r)
		}
	}
}

// callback takes a call of a callback URL: the first for its step counts, also
// when the step does not wait yet. The answer goes to the edge that has the
// caller on the line. It may go before the transaction: the record is durable,
// and whoever reads it again decides the same.
func (s *session) callback(e *execution, hook *schemas.Hook) {
	answer := func(status int, title string) {
		if hook.ReplyTo == "" || hook.Request.IsZero() {
			return
		}
		body, _ := json.Marshal(struct {
			Message   string `json:"message"`
			RequestID string `json:"requestId"`
		}{title, hook.ID.String()})
		reply := connectors.Reply{Status: status, ContentType: "application/json", Body: body}
		if status >= 400 {
			reply.ContentType = "application/problem+json"
			reply.Body, _ = json.Marshal(struct {
				Title     string `json:"title"`
				Status    int    `json:"status"`
				RequestID string `json:"requestId"`
			}{title, status, hook.Request.String()})
		}
		s.jobs.Go(func() { s.tryReply(hook.Request, "", hook.ReplyTo, reply) })
	}
	if e == nil {
		answer(410, "nothing waits for this callback any more")
		return
	}
	output, err := mapping.Encode(callbackOutput(hook))
	if err != nil {
		answer(400, "the body cannot be read")
		return
	}
	if !s.record(e, time.Now(), &records.Event{Fact: &records.Event_Callback{Callback: &records.Callback{Step: hook.Step, Output: output}}}) {
		answer(410, "this callback was called before, or its time is over")
		return
	}
	answer(200, "thank you")
	if e.x.Steps[hook.Step].GetStatus() != records.StepStatus_STEP_STATUS_WAITING {
		return // it came early, and is kept
	}
	if err := s.prepareResting(e); err != nil {
		return // found again when the execution goes on
	}
	if u, ok := e.unitOf(hook.Step, 0); ok {
		s.endWait(e, u, output, nil)
	}
}

// prepareResting is prepare for an execution that may be at rest.
func (s *session) prepareResting(e *execution) error {
	err := s.prepare(e)
	if !e.active {
		e.outputs = nil
	}
	return err
}

// callbackOutput is the output of a wait that was called: the request, in the
// form in which expressions see a hook.
func callbackOutput(hook *schemas.Hook) *mapping.Object {
	view := newScope(hook, false)
	output := mapping.NewObject()
	output.Set("timedOut", false)
	for _, name := range []string{"method", "query", "headers", "body"} {
		v, _ := view.Get(name)
		output.Set(name, v)
	}
	return output
}

// takeOverGiven puts on record what a retry from a step takes over.
func (s *session) takeOverGiven(e *execution) {
	if len(e.x.Given) == 0 {
		return
	}
	var given []schemas.Given
	if json.Unmarshal(e.x.Given, &given) != nil {
		return
	}
	e.x.Given = nil
	if s.prepare(e) != nil {
		return // goOn finds the same, and says so
	}
	for _, g := range given {
		event := &records.Given{Step: g.Step, Status: records.StepStatus_STEP_STATUS_SKIPPED}
		if g.Status == "succeeded" {
			event.Status, event.Output = records.StepStatus_STEP_STATUS_SUCCEEDED, g.Output
		}
		for i := range e.plan.steps {
			if step := &e.plan.steps[i]; step.ID == g.Step {
				event.Uses, event.Name = step.Uses, step.Name
				s.record(e, time.Now(), &records.Event{Fact: &records.Event_Given{Given: event}})
			}
		}
	}
	e.outputs = nil // to be read with these
}

// postpone puts an attempt off whose destination is failing. It reports false
// when it has been put off long enough: then it counts as an attempt.
func (s *session) postpone(e *execution, u unit, now time.Time, r result) bool {
	step, a, state := &e.plan.steps[u.step], r.attempt, e.state(u)
	if since := state.GetPostponedAt(); since != 0 && now.Sub(time.Unix(0, since)) > maxPostponed {
		return false
	}
	// Spread, so that they do not all come back at once.
	wait := time.Duration(float64(r.err.RetryAfter) * (1 + fraction(retryKey(e, step, u), int32(now.UnixMilli()))))
	at := now.Add(max(wait, 50*time.Millisecond))
	a.Status, a.Postponed, a.RetryAt = records.StepStatus_STEP_STATUS_RETRYING, true, at.UnixNano()
	s.timers.add(at, e, u)
	s.metrics.postponed.Inc()
	s.record(e, now, &records.Event{Fact: &records.Event_Attempt{Attempt: a}})
	return true
}

// maxPostponed is how long one attempt is put off at most.
const maxPostponed = 5 * time.Minute

func retryKey(e *execution, step *stepPlan, u unit) string {
	if u.iteration > 0 {
		return fmt.Sprint(e.id, step.ID, "/", u.iteration)
	}
	return e.id.String() + step.ID
}
