package console

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"sluice/schemas"
	"sluice/schemas/control"
)

// Flow is a flow as the API shows it.
type Flow struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	State    schemas.FlowState `json:"state" enum:"stopped,running,paused"`
	Revision int64             `json:"revision" doc:"Grows with every change; the ETag"`
	Version  int32             `json:"version" doc:"The published version, 0 when none is"`
	HasDraft bool              `json:"hasDraft" doc:"Whether the draft says something else than the published version"`
	HookURL  string            `json:"hookUrl"`
	Trigger  string            `json:"trigger" doc:"The trigger's component"`
	Steps    int               `json:"steps" doc:"How many steps it has"`
	// Draft is the flow document being worked on.
	Draft     json.RawMessage `json:"draft,omitempty"`
	CreatedAt time.Time       `json:"createdAt"`
	ChangedAt time.Time       `json:"changedAt"`
	// Rejected are the last requests that the edge turned away, where it is known.
	Rejected any `json:"rejected,omitempty"`
}

// current is the document that a flow's next version would have: its draft, or
// what is published.
func current(f *schemas.FlowEntry) json.RawMessage {
	if f.Draft != nil {
		return f.Draft
	}
	if v := f.Published(); v != nil {
		return v.Document
	}
	return nil
}

// hasDraft reports whether publishing would change anything.
func hasDraft(f *schemas.FlowEntry) bool {
	v := f.Published()
	return f.Draft != nil && (v == nil || !sameJSON(f.Draft, v.Document))
}

func (c *Console) flow(f *schemas.FlowEntry, whole bool) *Flow {
	out := &Flow{
		ID: f.ID, State: f.State, Revision: f.Revision, HookURL: c.hookURL(f.ID),
		HasDraft: hasDraft(f), CreatedAt: f.CreatedAt, ChangedAt: f.ChangedAt,
	}
	var document schemas.Flow
	_ = json.Unmarshal(current(f), &document) // what can be read of it
	out.Name, out.Trigger, out.Steps = document.Name, document.Trigger.Uses, len(document.Steps)
	if v := f.Published(); v != nil {
		out.Version = v.Number
	}
	if whole {
		out.Draft = f.Draft
		if c.opts.Rejected != nil {
			out.Rejected = c.opts.Rejected(f.ID)
		}
	}
	return out
}

type flowOutput struct {
	Status   int
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     *Flow
}

func (c *Console) flowAnswer(f *schemas.FlowEntry) *flowOutput {
	return &flowOutput{Status: http.StatusOK, ETag: etag(f.Revision), Body: c.flow(f, true)}
}

func etag(revision int64) string { return strconv.Quote(strconv.FormatInt(revision, 10)) }

type flowInput struct {
	ID string `path:"id" doc:"The flow's ID"`
}

func (c *Console) registerFlows(api huma.API) {
	huma.Register(api, op("list-flows", http.MethodGet, "/flows", "List flows", "flows"), c.listFlows)
	create := op("create-flow", http.MethodPost, "/flows", "Create a flow from its document", "flows", 409, 422, 503)
	create.DefaultStatus, create.MaxBodyBytes = http.StatusCreated, maxDocument
	huma.Register(api, create, c.createFlow)
	huma.Register(api, op("get-flow", http.MethodGet, "/flows/{id}", "Show a flow with its draft", "flows", 404), c.getFlow)
	draft := op("save-draft", http.MethodPut, "/flows/{id}", "Save a flow's draft", "flows", 404, 412, 422, 503)
	draft.MaxBodyBytes = maxDocument
	huma.Register(api, draft, c.saveDraft)
	remove := op("delete-flow", http.MethodDelete, "/flows/{id}", "Delete a stopped flow; what it accepted is still finished", "flows", 404, 409, 503)
	remove.DefaultStatus = http.StatusNoContent
	huma.Register(api, remove, c.deleteFlow)
	for _, command := range []struct {
		name, summary string
		run           func(context.Context, *flowInput) (*flowOutput, error)
	}{
		{"publish", "Check the draft and make it the version that new hooks run on", c.publish},
		{"start", "Take hooks", c.move(schemas.FlowStarted)},
		{"pause", "Take hooks and hold them", c.move(schemas.FlowPaused)},
		{"resume", "Run what was held", c.move(schemas.FlowResumed)},
		{"stop", "Take no more hooks; what was accepted is still finished", c.move(schemas.FlowStopped)},
	} {
		huma.Register(api, op(command.name+"-flow", http.MethodPost, "/flows/{id}/"+command.name, command.summary, "flows", 404, 409, 422, 503), command.run)
	}
	c.registerVersions(api)
	c.registerSamples(api)
	c.registerStepSamples(api)

	document := &huma.Schema{Type: huma.TypeObject, Title: "Flow document", Description: "See GET /api/v1/schemas/flow.json", AdditionalProperties: true}
	documented(api, http.MethodPost, "/flows", document, mediaJSON, mediaYAML)
	documented(api, http.MethodPut, "/flows/{id}", document, mediaJSON, mediaYAML)
	huma.Register(api, op("flow-schema", http.MethodGet, "/schemas/flow.json", "The JSON Schema of flow documents", "flows"),
		func(context.Context, *struct{}) (*rawOutput, error) {
			return &rawOutput{ContentType: "application/schema+json", Body: schemas.FlowSchema()}, nil
		})
	huma.Register(api, op("credential-schema", http.MethodGet, "/schemas/credential.json", "The JSON Schema of credential documents", "credentials"),
		func(context.Context, *struct{}) (*rawOutput, error) {
			return &rawOutput{ContentType: "application/schema+json", Body: schemas.CredentialSchema()}, nil
		})
}

type rawOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

type flowList struct {
	Body struct {
		Items []*Flow `json:"items" nullable:"false"`
	}
}

func (c *Console) listFlows(context.Context, *struct{}) (*flowList, error) {
	out := &flowList{}
	out.Body.Items = []*Flow{}
	for _, f := range c.opts.Control.Flows() {
		out.Body.Items = append(out.Body.Items, c.flow(f, false))
	}
	return out, nil
}

// find is the flow with an ID, if it exists and is not deleted.
func (c *Console) find(id string) (*schemas.FlowEntry, error) {
	if f := c.opts.Control.Flow(id); f != nil && !f.Deleted {
		return f, nil
	}
	return nil, problem(http.StatusNotFound, "GET /api/v1/flows lists those there are", "there is no flow %q", id)
}

type documentInput struct {
	RawBody []byte `contentType:"application/octet-stream"`
}

func (c *Console) createFlow(ctx context.Context, in *documentInput) (*flowOutput, error) {
	d, err := schemas.ReadFlow(bytes.Clone(in.RawBody))
	if err != nil {
		return nil, documentError(err)
	}
	id, document := d.Flow.ID, d.JSON
	if id == "" {
		id = schemas.NewFlowID()
		document = d.WithID(id).JSON
	}
	if f := c.opts.Control.Flow(id); f != nil && !f.Deleted {
		return nil, problem(http.StatusConflict, "change it by PUT /api/v1/flows/"+id+", or give this one another id", "there is a flow %q already", id)
	}
	if err := c.append(ctx, schemas.Change{Type: schemas.FlowDrafted, Flow: id, Document: document}); err != nil {
		return nil, err
	}
	out := c.flowAnswer(c.opts.Control.Flow(id))
	out.Status, out.Location = http.StatusCreated, "/api/v1/flows/"+id
	return out, nil
}

// append writes a change that nothing else may come before.
func (c *Console) append(ctx context.Context, ch schemas.Change) error {
	_, err := c.appended(ctx, ch)
	return err
}

// appended is append that says the revision of what was changed.
func (c *Console) appended(ctx context.Context, ch schemas.Change) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	revision, err := c.opts.Control.Append(ctx, ch)
	switch {
	case errors.Is(err, control.ErrConflict):
		return 0, problem(http.StatusConflict, "read it again and repeat the change", "somebody else changed it at the same time")
	case err != nil:
		return 0, c.kafkaError(err)
	}
	return revision, nil
}

// appendTo is append for a flow that exists: a conflict says how it stands now.
func (c *Console) appendTo(ctx context.Context, ch schemas.Change) error {
	err := c.append(ctx, ch)
	if p, ok := errors.AsType[*Problem](err); ok && p.Status == http.StatusConflict {
		if f := c.opts.Control.Flow(ch.Flow); f != nil && !f.Deleted {
			p.Revision = f.Revision
		}
	}
	return err
}

// changedSince answers a change that was made from something older.
func changedSince(f *schemas.FlowEntry) *Problem {
	p := problem(http.StatusPreconditionFailed, "read it again and repeat the change", "flow %s was changed since: its ETag is %s now", f.ID, etag(f.Revision))
	p.Revision = f.Revision
	return p
}

func (c *Console) getFlow(_ context.Context, in *flowInput) (*flowOutput, error) {
	f, err := c.find(in.ID)
	if err != nil {
		return nil, err
	}
	return c.flowAnswer(f), nil
}

type draftInput struct {
	ID      string `path:"id" doc:"The flow's ID"`
	IfMatch string `header:"If-Match" doc:"The ETag that the change is based on; without it the last writer wins"`
	RawBody []byte `contentType:"application/octet-stream"`
}

func (c *Console) saveDraft(ctx context.Context, in *draftInput) (*flowOutput, error) {
	f, err := c.find(in.ID)
	if err != nil {
		return nil, err
	}
	if !matches(in.IfMatch, f.Revision) {
		return nil, changedSince(f)
	}
	d, err := schemas.ReadFlow(bytes.Clone(in.RawBody))
	if err != nil {
		return nil, documentError(err)
	}
	document := d.JSON
	switch d.Flow.ID {
	case f.ID:
	case "":
		document = d.WithID(f.ID).JSON
	default:
		return nil, problem(http.StatusUnprocessableEntity, "leave the id out, or create the other flow by POST /api/v1/flows",
			"the document is of flow %q, not of %q", d.Flow.ID, f.ID)
	}
	if now := current(f); now == nil || !sameJSON(now, document) {
		if err := c.appendTo(ctx, schemas.Change{Type: schemas.FlowDrafted, Flow: f.ID, Expect: f.Revision, Document: document}); err != nil {
			return nil, err
		}
	}
	return c.flowAnswer(c.opts.Control.Flow(f.ID)), nil
}

type deleteInput struct {
	ID string `path:"id" doc:"The flow's ID"`
	// Confirm is what a person typed; a page asks for it, a program need not.
	Confirm string `query:"confirm" doc:"The flow's name, or its ID where it has none: when given, nothing is deleted unless it is right"`
}

func (c *Console) deleteFlow(ctx context.Context, in *deleteInput) (*struct{}, error) {
	f, err := c.find(in.ID)
	if err != nil {
		return nil, err
	}
	if name := c.flow(f, false).Name; in.Confirm != "" && in.Confirm != f.ID && in.Confirm != name {
		return nil, problem(http.StatusConflict, "write its name as it is: "+strconv.Quote(cmp.Or(name, f.ID)), "flow %s has another name than %q", f.ID, in.Confirm)
	}
	if f.State != schemas.Stopped {
		return nil, problem(http.StatusConflict, "stop it first: POST /api/v1/flows/"+f.ID+"/stop", "flow %s is %s", f.ID, f.State)
	}
	return nil, c.append(ctx, schemas.Change{Type: schemas.FlowDeleted, Flow: f.ID, Expect: f.Revision})
}

func (c *Console) checks() Checks {
	return Checks{
		Components: c.opts.Components, Mapping: c.opts.Mapping,
		Credentials: func(id string) (string, bool) {
			if e := c.opts.Control.Credential(id); e != nil {
				return e.Uses, true
			}
			return "", false
		},
		Types: func(id string) (string, bool) {
			if e := c.opts.Control.Credential(id); e != nil {
				return e.Type, true
			}
			return "", false
		},
	}
}

func (c *Console) publish(ctx context.Context, in *flowInput) (*flowOutput, error) {
	f, err := c.find(in.ID)
	if err != nil {
		return nil, err
	}
	if !hasDraft(f) {
		if f.Published() == nil {
			return nil, problem(http.StatusConflict, "save a draft by PUT /api/v1/flows/"+f.ID, "flow %s has no draft", f.ID)
		}
		return c.flowAnswer(f), nil
	}
	documents, err := schemas.ReadDocuments("", f.Draft, nil)
	if err != nil {
		return nil, documentError(err)
	}
	if wrong := CheckDocuments(documents, c.checks()); len(wrong) > 0 {
		return nil, wrongDocument(wrong)
	}
	if err := c.append(ctx, schemas.Change{Type: schemas.FlowPublished, Flow: f.ID, Expect: f.Revision, Document: f.Draft}); err != nil {
		return nil, err
	}
	return c.flowAnswer(c.opts.Control.Flow(f.ID)), nil
}

// step is what a start, pause, resume or stop makes of a flow: whether there is
// anything to change, and why it cannot be, if so.
func step(f *schemas.FlowEntry, change string) (changes bool, refusal *Problem) {
	refused := func(remedy, why string) *Problem {
		return problem(http.StatusConflict, remedy, "flow %s %s", f.ID, why)
	}
	switch change {
	case schemas.FlowStarted:
		if f.Published() == nil {
			return false, refused("publish it first: POST /api/v1/flows/"+f.ID+"/publish", "was never published")
		}
		return f.State != schemas.Running, nil
	case schemas.FlowPaused:
		if f.State == schemas.Stopped {
			return false, refused("start it first", "is stopped")
		}
		return f.State == schemas.Running, nil
	case schemas.FlowResumed:
		if f.State == schemas.Stopped {
			return false, refused("start it instead", "is stopped")
		}
		return f.State == schemas.Paused, nil
	default: // FlowStopped
		return f.State != schemas.Stopped, nil
	}
}

// move makes the handler of start, pause, resume or stop. What is so already
// stays so, with 200.
func (c *Console) move(change string) func(context.Context, *flowInput) (*flowOutput, error) {
	return func(ctx context.Context, in *flowInput) (*flowOutput, error) {
		var lost error
		for range 5 { // the change says nothing about the document: another one's in between does no harm
			f, err := c.find(in.ID)
			if err != nil {
				return nil, err
			}
			changes, refusal := step(f, change)
			if refusal != nil {
				return nil, refusal
			}
			if !changes {
				return c.flowAnswer(f), nil
			}
			lost = c.append(ctx, schemas.Change{Type: change, Flow: f.ID, Expect: f.Revision})
			if lost == nil {
				return c.flowAnswer(c.opts.Control.Flow(f.ID)), nil
			}
			if p, ok := errors.AsType[*Problem](lost); !ok || p.Status != http.StatusConflict {
				return nil, lost
			}
		}
		return nil, lost
	}
}
