package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

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
	// Explain says why Accept would refuse a request; nil when it would not.
	Explain(ctx context.Context, flow, request string) error
}

// Rejected is a request that a flow did not take, without secrets.
type Rejected struct {
	ID      string            `json:"id" doc:"The request's ID, which its sender was told"`
	Flow    string            `json:"flow"`
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

// RejectedDetail is a rejected request whole, and what would become of it now.
type RejectedDetail struct {
	Rejected
	Query       string  `json:"query" doc:"Without secrets"`
	ContentType string  `json:"contentType"`
	From        string  `json:"from" doc:"The address that it came from"`
	Body        *string `json:"body" doc:"Its text without secrets; null when it was not kept, or is no text"`
	Now         struct {
		Accepted bool   `json:"accepted" doc:"Whether it would be taken by the flow and the credential as they are now"`
		Reason   string `json:"reason,omitempty" doc:"Why not"`
		Remedy   string `json:"remedy,omitempty"`
	} `json:"now"`
}

type rejectedOutput struct{ Body RejectedDetail }

type rejectedList struct {
	Body struct {
		Items []Rejected `json:"items" nullable:"false"`
	}
}

type allRejectedInput struct {
	Limit  int    `query:"limit" default:"50" minimum:"1" maximum:"200"`
	Cursor string `query:"cursor" doc:"The next of the page before"`
}

type allRejectedList struct {
	Body struct {
		Items []Rejected `json:"items" nullable:"false"`
		Next  string     `json:"next" doc:"The cursor of the next page, empty on the last one"`
	}
}

type rejectedInput struct {
	ID      string `path:"id" doc:"The flow's ID"`
	Request string `path:"request" doc:"The rejected request's ID"`
}

func (c *Console) registerRejected(api huma.API) {
	huma.Register(api, op("list-rejected", http.MethodGet, "/flows/{id}/rejected", "List the last requests that a flow rejected within the day, newest first, with the cause and without secrets", "flows", 404, 503), c.listRejected)
	huma.Register(api, op("list-all-rejected", http.MethodGet, "/rejected", "List the requests that any flow rejected within the day, newest first, with the cause and without secrets", "flows", 400, 503), c.listAllRejected)
	huma.Register(api, op("get-rejected", http.MethodGet, "/flows/{id}/rejected/{request}", "Show a rejected request with its body, without secrets, and what would become of it now", "flows", 404, 503), c.getRejected)
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
		out.Body.Items = append(out.Body.Items, rejectedView(r, became[r.ID]))
	}
	return out, nil
}

// listAllRejected is listRejected for all flows there are. A cursor is the time
// and the ID of the last one that was listed.
func (c *Console) listAllRejected(ctx context.Context, in *allRejectedInput) (*allRejectedList, error) {
	before, id := time.Now().Add(time.Hour), "" // an edge's clock may be ahead
	if in.Cursor != "" {
		at, last, ok := strings.Cut(in.Cursor, "_")
		nanoseconds, err := strconv.ParseInt(at, 10, 64)
		if !ok || err != nil {
			return nil, problem(http.StatusBadRequest, "use the `next` of the page before", "the cursor is none of this list")
		}
		before, id = time.Unix(0, nanoseconds), last
	}
	ctx, cancel := context.WithTimeout(ctx, capturesTimeout)
	defer cancel()
	if c.opts.Edge != nil {
		c.opts.Edge.Settle(ctx)
	}
	reader, partitions, err := c.allCaptures(ctx)
	if err != nil {
		return nil, err
	}
	captures, became, err := reader.Recent(ctx, partitions, before, id, in.Limit+1, func(flow string) bool {
		f := c.opts.Control.Flow(flow)
		return f != nil && !f.Deleted
	})
	if err != nil {
		return nil, c.kafkaError(err)
	}
	out := &allRejectedList{}
	out.Body.Items = []Rejected{}
	for _, r := range captures[:min(len(captures), in.Limit)] {
		out.Body.Items = append(out.Body.Items, rejectedView(r, became[r.ID]))
	}
	if len(captures) > in.Limit {
		last := captures[in.Limit-1]
		out.Body.Next = strconv.FormatInt(last.At.UnixNano(), 10) + "_" + last.ID
	}
	return out, nil
}

func rejectedView(r *schemas.Capture, became string) Rejected {
	if r.Shown == nil {
		r.Shown = map[string]string{}
	}
	return Rejected{
		ID: r.ID, Flow: r.Flow, Time: r.At, Method: r.Method, Path: r.Path, Status: r.Status, Reason: r.Reason, Cause: r.Detail,
		Headers: r.Shown, Bytes: r.Size, Kept: r.Whole, Execution: became,
	}
}

func (c *Console) getRejected(ctx context.Context, in *rejectedInput) (*rejectedOutput, error) {
	f, err := c.find(in.ID)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, capturesTimeout)
	defer cancel()
	reader, partition, err := c.captures(ctx, f.ID)
	if err != nil {
		return nil, err
	}
	captures, err := reader.Flow(ctx, f.ID, partition, 10_000, schemas.CaptureRejected, schemas.CaptureAccepted)
	if err != nil {
		return nil, c.kafkaError(err)
	}
	var r *schemas.Capture
	became := ""
	for _, x := range captures {
		switch {
		case x.ID != in.Request:
		case x.Kind == schemas.CaptureAccepted:
			became = x.Execution
		default:
			r = x
		}
	}
	if r == nil {
		return nil, problem(http.StatusNotFound, "they are kept for a day", "flow %s has no rejected request %s", f.ID, in.Request)
	}
	secrets := c.secretsOf(f, r)
	out := &rejectedOutput{RejectedDetail{
		Rejected: rejectedView(r, became), Query: withoutSecrets("application/x-www-form-urlencoded", r.Query, secrets), ContentType: r.ContentType, From: r.From,
	}}
	if r.Whole && utf8.Valid(r.Body) {
		text := withoutSecrets(r.ContentType, string(r.Body), secrets)
		out.Body.Body = &text
	}
	switch {
	case c.opts.Edge == nil:
		out.Body.Now.Reason = "this process has no edge to ask"
	default:
		err := c.opts.Edge.Explain(ctx, f.ID, r.ID)
		out.Body.Now.Accepted = err == nil
		if p, ok := errors.AsType[*Problem](err); ok {
			out.Body.Now.Reason, out.Body.Now.Remedy = p.Detail, p.Remedy
		} else if err != nil {
			return nil, c.kafkaError(err)
		}
	}
	return out, nil
}

// secretsOf are the texts that must not be shown of a rejected request: the
// values of the flow's credential, and those of the headers that are not shown.
func (c *Console) secretsOf(f *schemas.FlowEntry, r *schemas.Capture) []string {
	secrets := []string{}
	var document schemas.Flow
	if json.Unmarshal(current(f), &document) == nil && document.Trigger.Credential != "" {
		for _, value := range c.opts.Control.Secret(document.Trigger.Credential) {
			secrets = append(secrets, value)
		}
	}
	for _, h := range r.Headers {
		if shown, ok := r.Shown[strings.ToLower(h[0])]; !ok || shown == "(removed)" {
			secrets = append(secrets, h[1])
			if _, token, found := strings.Cut(h[1], " "); found { // Bearer …
				secrets = append(secrets, token)
			}
		}
	}
	return slices.DeleteFunc(secrets, func(s string) bool { return len(s) < leastSecret })
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
