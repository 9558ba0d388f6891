package console

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"sluice/schemas"
)

// Edge is what the console asks of the edge that is in its process.
type Edge interface {
	// Settle waits, briefly, until what the edge has refused so far can be read.
	Settle(ctx context.Context)
	// Accept makes a hook of a request that a flow has rejected, once its cause is
	// mended. The error is a *Problem where a person can do something about it.
	Accept(ctx context.Context, flow, request string) (schemas.ExecutionID, error)
}

// Rejected is a request that a flow did not take, without secrets.
type Rejected struct {
	ID      string            `json:"id" doc:"The request's ID, which its sender was told"`
	Time    time.Time         `json:"time"`
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Status  int               `json:"status" doc:"What its sender was answered"`
	Reason  string            `json:"reason" doc:"One of a few words, such as signature, timestamp or malformed"`
	Cause   string            `json:"cause" doc:"Why, for the flow's owner"`
	Headers map[string]string `json:"headers" doc:"Names in lower case, without secrets, cut"`
	Bytes   int64             `json:"bytes" doc:"Of its body"`
	// Kept reports whether the whole body was kept.
	Kept bool `json:"kept" doc:"Whether it can be accepted: its whole body was kept"`
	// Execution is what it became when it was accepted after all.
	Execution string `json:"execution,omitempty" doc:"The execution that it became when it was accepted after all"`
}

type rejectedList struct {
	Body struct {
		Items []Rejected `json:"items" nullable:"false"`
	}
}

type rejectedInput struct {
	ID      string `path:"id" doc:"The flow's ID"`
	Request string `path:"request" doc:"The rejected request's ID"`
}

func (c *Console) registerRejected(api huma.API) {
	huma.Register(api, op("list-rejected", http.MethodGet, "/flows/{id}/rejected", "List the last requests that a flow rejected within the day, newest first, with the cause and without secrets", "flows", 404, 503), c.listRejected)
	accept := op("accept-rejected", http.MethodPost, "/flows/{id}/rejected/{request}/accept", "Make a hook of a rejected request, once the cause is mended", "flows", 404, 409, 503)
	accept.DefaultStatus = http.StatusAccepted
	huma.Register(api, accept, c.acceptRejected)
}

// mostRejected is how many are listed.
const mostRejected = 50

func (c *Console) listRejected(ctx context.Context, in *flowInput) (*rejectedList, error) {
	f, err := c.find(in.ID)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, capturesTimeout)
	defer cancel()
	if c.opts.Edge != nil {
		c.opts.Edge.Settle(ctx)
	}
	reader, partition, err := c.captures(ctx, f.ID)
	if err != nil {
		return nil, err
	}
	captures, err := reader.Flow(ctx, f.ID, partition, 2*mostRejected, schemas.CaptureRejected, schemas.CaptureAccepted)
	if err != nil {
		return nil, c.kafkaError(err)
	}
	out := &rejectedList{}
	out.Body.Items = []Rejected{}
	became := map[string]string{}
	for _, r := range captures { // the newest first: that it was accepted comes before it
		if r.Kind == schemas.CaptureAccepted {
			became[r.ID] = r.Execution
			continue
		}
		if len(out.Body.Items) == mostRejected {
			break
		}
		if r.Shown == nil {
			r.Shown = map[string]string{}
		}
		out.Body.Items = append(out.Body.Items, Rejected{
			ID: r.ID, Time: r.At, Method: r.Method, Path: r.Path, Status: r.Status, Reason: r.Reason, Cause: r.Detail,
			Headers: r.Shown, Bytes: r.Size, Kept: r.Whole, Execution: became[r.ID],
		})
	}
	return out, nil
}

func (c *Console) acceptRejected(ctx context.Context, in *rejectedInput) (*commandOutput, error) {
	f, err := c.find(in.ID)
	if err != nil {
		return nil, err
	}
	if c.opts.Edge == nil || c.opts.Seal == nil {
		return nil, problem(http.StatusServiceUnavailable, "set SLUICE_SECRET_KEY", "this console cannot read what the edge keeps")
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	id, err := c.opts.Edge.Accept(ctx, f.ID, in.Request)
	if p, ok := errors.AsType[*Problem](err); ok {
		return nil, p
	}
	if err != nil {
		return nil, c.kafkaError(err)
	}
	return &commandOutput{Location: "/api/v1/executions/" + id.String(), Body: Accepted{ID: id.String()}}, nil
}
