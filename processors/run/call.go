package run

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/connectors"
	"sluice/schemas"
	"sluice/schemas/records"
)

// A call of another flow is a hook in that flow's partition, written in the
// transaction that has the caller waiting; its end is a command to the caller,
// written in the transaction that has the end. So both happen exactly once.

// maxCallDepth ends a flow that calls itself for ever.
const maxCallDepth = 16

// call makes the hook of a called flow, and returns its execution's ID.
func (s *session) call(e *execution, u unit, now time.Time, c *connectors.FlowCall) (schemas.ExecutionID, *connectors.Error) {
	entry := s.opts.Catalog.Flow(c.Flow)
	if entry == nil || entry.Deleted || entry.Published() == nil {
		return schemas.ExecutionID{}, connectors.BadInput("there is no published flow %q to call", c.Flow)
	}
	if entry.State != schemas.Running && entry.State != schemas.Paused {
		return schemas.ExecutionID{}, connectors.BadInput("flow %q is stopped: start it, and retry", c.Flow)
	}
	step := e.plan.steps[u.step]
	parent := schemas.Parent{Execution: e.id, Lane: s.opts.lane(), Flow: e.x.FlowId, Step: step.ID, Iteration: max(u.iteration, 0), Depth: 1, Detached: c.Detached}
	if above, err := schemas.ParseParent(e.x.Parent); err == nil {
		parent.Depth = above.Depth + 1
	}
	if parent.Depth > maxCallDepth {
		return schemas.ExecutionID{}, connectors.BadInput("calls of flows stand %d deep: a flow seems to call itself", maxCallDepth)
	}
	body := []byte(c.Body)
	if len(body) == 0 {
		body = []byte("null")
	}
	h := &schemas.Hook{
		ID: schemas.NewExecutionID(now, schemas.PartitionOf(c.Flow, s.partitionCount)), Kind: schemas.KindHook, Flow: c.Flow, Time: now,
		Method: "POST", Path: "/hook/" + c.Flow, ContentType: "application/json", Body: body,
		Control: s.opts.Catalog.Offset(), TraceParent: e.x.Traceparent, Parent: parent.String(),
	}
	if v := entry.Published(); v.Flow.Shards > 1 {
		if err := s.opts.shards.Place(s.jobCtx, v, h, s.partitionCount); err != nil {
			return schemas.ExecutionID{}, connectors.BadInput("calling flow %q: %s", c.Flow, err)
		}
	}
	r, err := s.sealedRecord(h, e.x.Key != "" || entry.Published().Flow.Erasable)
	if err != nil {
		return schemas.ExecutionID{}, connectors.BadInput("calling flow %q: %s", c.Flow, err)
	}
	r.Topic = s.opts.topic()
	e.out = append(e.out, r)
	return h.ID, nil
}

// returnToCaller tells the execution that called this one how it ended.
func (s *session) returnToCaller(e *execution) {
	parent, err := schemas.ParseParent(e.x.Parent)
	if err != nil || parent.Detached {
		return
	}
	r := schemas.Returned{Execution: e.id.String(), Status: schemas.StatusName(e.x.Status), Error: e.x.Failure.GetMessage(), Output: json.RawMessage("null")}
	if e.plan != nil {
		// A flow's output is that of its last step that has one.
		for i := range e.plan.steps {
			state := e.x.Steps[e.plan.steps[i].ID]
			if state.GetStatus() == records.StepStatus_STEP_STATUS_SUCCEEDED && len(state.Output) > 0 {
				r.Output = state.Output
			}
		}
	}
	record, err := s.returnRecord(parent, r, e.x.Key)
	if err != nil {
		s.log.Error("telling a caller how its flow ended", "execution", e.id.String(), "error", err)
		return
	}
	e.out = append(e.out, record)
}

// refuseCaller tells a caller that the flow it called cannot run.
func (s *session) refuseCaller(hook *schemas.Hook) {
	parent, err := schemas.ParseParent(hook.Parent)
	if err != nil || parent.Detached {
		return
	}
	r := schemas.Returned{Execution: hook.ID.String(), Status: "failed", Error: "the flow does not exist any more", Output: json.RawMessage("null")}
	if record, err := s.returnRecord(parent, r, ""); err == nil {
		s.dead = append(s.dead, record)
	}
}

// returnRecord is sealed with the key of the execution that ended.
func (s *session) returnRecord(parent schemas.Parent, r schemas.Returned, key string) (*kgo.Record, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encoding how a flow ended: %w", err)
	}
	h := &schemas.Hook{
		ID: parent.Execution, Kind: schemas.KindReturn, Flow: parent.Flow, Time: time.Now(),
		Step: parent.Step, Iteration: parent.Iteration, Body: body, Key: key,
	}
	if h, err = s.opts.Keys.SealHook(h); err != nil {
		return nil, err
	}
	record, err := h.Record()
	if err != nil {
		return nil, err
	}
	record.Topic = s.opts.Topics.Prefix + parent.Lane
	return record, nil
}

// returned goes on with a step whose called flow has ended.
func (s *session) returned(e *execution, hook *schemas.Hook, r schemas.Returned) {
	if err := s.prepareResting(e); err != nil {
		return
	}
	u, ok := e.unitOf(hook.Step, hook.Iteration)
	if !ok || e.state(u).GetStatus() != records.StepStatus_STEP_STATUS_WAITING {
		return // its time was over before
	}
	if r.Status == "failed" || r.Status == "cancelled" {
		s.endWait(e, u, nil, &records.Failure{Kind: string(connectors.KindFlow), Step: hook.Step,
			Message: fmt.Sprintf("the called flow %s (execution %s): %s", r.Status, r.Execution, r.Error)})
		return
	}
	output, err := json.Marshal(struct {
		Execution string          `json:"execution"`
		Status    string          `json:"status"`
		Output    json.RawMessage `json:"output"`
	}{r.Execution, r.Status, r.Output})
	if err == nil && len(output) > maxOutput {
		why := tooLarge(len(output))
		s.endWait(e, u, nil, &records.Failure{Kind: string(why.Kind), Message: why.Message, Step: hook.Step})
		return
	}
	s.endWait(e, u, output, nil)
}
