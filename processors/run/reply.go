package run

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"sluice/connectors"
	"sluice/connectors/mapping"
	"sluice/schemas"
	"sluice/schemas/records"
)

// replyPatience is how long a reply is tried: longer than senders wait.
const replyPatience = 30 * time.Second

// respond is a flow's schemas.Respond made ready.
type respond struct {
	status      int
	contentType string
	body        *mapping.Template // nil: the usual body
}

func newResponds(flow *schemas.Flow, engine *mapping.Engine) (onSuccess, onFailure respond, err error) {
	given := flow.Trigger.Respond
	if given == nil {
		given = &schemas.Respond{}
	}
	if given.When != "finished" {
		given = &schemas.Respond{OnFailure: given.OnFailure} // the edge's own business
	}
	if onSuccess, err = newRespond(given, 200, engine); err != nil {
		return onSuccess, onFailure, fmt.Errorf("respond: %w", err)
	}
	failed := given.OnFailure
	if failed == nil {
		failed = &schemas.Respond{}
	}
	if onFailure, err = newRespond(failed, 500, engine); err != nil {
		return onSuccess, onFailure, fmt.Errorf("respond.onFailure: %w", err)
	}
	return onSuccess, onFailure, nil
}

func newRespond(r *schemas.Respond, status int, engine *mapping.Engine) (respond, error) {
	made := respond{status: status, contentType: r.ContentType}
	if r.Status != 0 {
		made.status = r.Status
	}
	if len(bytes.TrimSpace(r.Body)) == 0 {
		return made, nil
	}
	value, err := mapping.Decode(r.Body)
	if err != nil {
		return made, err
	}
	made.body, err = engine.CompileTemplate(value)
	return made, err
}

// replyAtEnd answers the sender that waits for an execution's end, unless a
// step has answered it.
func (s *session) replyAtEnd(e *execution) {
	failed := e.x.Status != records.ExecutionStatus_EXECUTION_STATUS_SUCCEEDED && e.x.Status != records.ExecutionStatus_EXECUTION_STATUS_FILTERED
	if e.plan == nil { // it ended before it began
		s.jobs.Go(func() { s.tryReply(e.id, "", e.x.ReplyTo, usualReply(e.id, respond{status: 500}, e.x.Failure)) })
		return
	}
	for i := range e.plan.steps {
		step := &e.plan.steps[i]
		if step.Uses == schemas.ReplyComponent && e.x.Steps[step.ID].GetStatus() == records.StepStatus_STEP_STATUS_SUCCEEDED {
			return
		}
	}
	id, plan, hook, pointer, stored, failure, to, key := e.id, e.plan, e.hook, e.x.Hook, e.x.StoredHook, e.x.Failure, e.x.ReplyTo, e.x.Key
	outputs := e.outputs[:len(e.outputs):len(e.outputs)]
	startedAt := time.Unix(0, e.x.StartedAt)
	s.jobs.Go(func() {
		r := plan.onSuccess
		if failed {
			r = plan.onFailure
		}
		if r.body == nil {
			s.tryReply(id, "", to, usualReply(id, r, failure))
			return
		}
		reply, err := s.evaluateReply(id, key, r, plan, hook, pointer, stored, outputs, startedAt)
		if err != nil {
			reply = usualReply(id, respond{status: 500}, &records.Failure{Message: "making the answer: " + err.Error()})
		}
		s.tryReply(id, key, to, reply)
	})
}

func (s *session) evaluateReply(id schemas.ExecutionID, key string, r respond, plan *plan, hook *loadedHook, at *records.Pointer, stored *records.StoredHook, outputs []output, startedAt time.Time) (connectors.Reply, error) {
	ctx, cancel := context.WithTimeout(s.jobCtx, replyPatience)
	defer cancel()
	reply := connectors.Reply{Status: r.status, ContentType: r.contentType}
	if hook == nil {
		var err error
		if hook, err = s.readHook(ctx, plan.flow, at, stored); err != nil {
			return reply, err
		}
	}
	hook, done, err := s.opts.store.open(ctx, hook, plan.raw)
	if err != nil {
		return reply, err
	}
	defer done()
	value, err := r.body.Evaluate(ctx, scopeOf(hook, plan, outputs, s.opts.callbacks(plan, id, key), nil), mapping.Eval{Now: startedAt, Seed: seed(id)})
	if err != nil {
		return reply, err
	}
	text, isText := value.(string)
	if !isText {
		if reply.ContentType == "" {
			reply.ContentType = "application/json"
		}
		reply.Body, err = mapping.Encode(value)
		return reply, err
	}
	// Text is sent as it is: it may be JSON already.
	reply.Body = []byte(text)
	if reply.ContentType == "" {
		reply.ContentType = "text/plain; charset=utf-8"
		if json.Valid(reply.Body) {
			reply.ContentType = "application/json"
		}
	}
	return reply, nil
}

// usualReply is the answer of a flow that says nothing of its own.
func usualReply(id schemas.ExecutionID, r respond, failure *records.Failure) connectors.Reply {
	answer := struct {
		RequestID string `json:"requestId"`
		Message   string `json:"message"`
		Step      string `json:"step,omitempty"`
	}{RequestID: id.String(), Message: "thank you"}
	if failure != nil {
		answer.Message, answer.Step = "the execution failed", failure.Step
		if failure.Kind == string(connectors.KindCancelled) {
			answer.Message = "the execution was cancelled"
		}
	}
	body, _ := json.Marshal(answer) // text alone: cannot fail
	contentType := r.contentType
	if contentType == "" {
		contentType = "application/json"
	}
	return connectors.Reply{Status: r.status, ContentType: contentType, Body: body}
}

func (s *session) tryReply(id schemas.ExecutionID, key, to string, r connectors.Reply) {
	ctx, cancel := context.WithTimeout(context.Background(), replyPatience)
	defer cancel()
	if err := s.sendReply(ctx, id, key, to, r); err != nil {
		s.log.Warn("a sender waits in vain", "execution", id.String(), "error", err)
	}
}

// sendReply writes to the topic replies at once, outside every transaction:
// a sender should not wait for one. key seals it, or is empty. Called by jobs.
func (s *session) sendReply(ctx context.Context, id schemas.ExecutionID, key, to string, r connectors.Reply) error {
	place, err := schemas.ParseReplyTo(to)
	if err != nil {
		return &connectors.Error{Kind: connectors.KindInternal, Retry: connectors.RetryNever, Message: err.Error()}
	}
	reply := schemas.Reply{ID: id, Status: r.Status, ContentType: r.ContentType, Headers: r.Headers, Body: r.Body, Key: key}
	if f := r.File; f != nil && f.Blob != nil {
		reply.BodyRef = f.Blob // the edge reads it
	} else if f != nil {
		content, err := f.Open(ctx)
		if err != nil {
			return err
		}
		if reply.Body, err = io.ReadAll(content); err != nil {
			return &connectors.Error{Kind: connectors.KindInternal, Message: "reading the file: " + err.Error()}
		}
	}
	if err := s.opts.Keys.SealReply(&reply); err != nil {
		return &connectors.Error{Kind: connectors.KindInternal, Retry: connectors.RetryNever, Message: err.Error()}
	}
	if err := s.reader.ProduceSync(ctx, reply.Record(s.opts.Topics.Replies(), place)).FirstErr(); err != nil {
		return &connectors.Error{Kind: connectors.KindNetwork, Sent: true, Message: "handing the reply to the edge: " + err.Error()}
	}
	return nil
}
