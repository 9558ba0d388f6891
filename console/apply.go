package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"sluice/schemas"
)

// Applied is what an apply did with one document.
type Applied struct {
	Kind string `json:"kind" enum:"Flow,Credential"`
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	// Result is what happened to the flow's draft, or to the credential.
	Result string `json:"result" enum:"created,updated,unchanged"`
	// Version is a flow's published version, 0 when none is.
	Version int32             `json:"version,omitempty"`
	State   schemas.FlowState `json:"state,omitempty"`
	HookURL string            `json:"hookUrl,omitempty"`
}

type applyInput struct {
	Publish bool   `query:"publish" doc:"Publish every flow whose document differs from its published version"`
	Start   bool   `query:"start" doc:"Start every flow"`
	RawBody []byte `contentType:"application/octet-stream"`
}

type applyOutput struct {
	Body struct {
		Items []Applied `json:"items" nullable:"false"`
	}
}

type checkOutput struct {
	Body struct {
		Problems schemas.Problems `json:"problems" nullable:"false" doc:"Empty when nothing is wrong"`
		Storable bool             `json:"storable" doc:"Whether it may be saved as a draft, wrong as it is"`
	}
}

// check is apply's check alone: what is wrong is the answer, not an error.
func (c *Console) check(_ context.Context, in *documentInput) (*checkOutput, error) {
	out := &checkOutput{}
	out.Body.Problems = schemas.Problems{}
	documents, err := schemas.ReadDocuments("", bytes.Clone(in.RawBody), nil)
	if problems, ok := errors.AsType[schemas.Problems](err); ok {
		out.Body.Problems = problems
		return out, nil
	}
	if err != nil {
		return nil, documentError(err)
	}
	out.Body.Storable = true
	out.Body.Problems = append(out.Body.Problems, CheckDocuments(documents, c.checks())...)
	return out, nil
}

func (c *Console) registerApply(api huma.API) {
	check := op("check", http.MethodPost, "/check", "Say what is wrong with a file of documents, and where; nothing is changed", "flows", 422)
	check.MaxBodyBytes = maxDocument
	huma.Register(api, check, c.check)
	documented(api, http.MethodPost, "/check", &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Description: "As for apply."}, mediaJSON, mediaYAML)
	o := op("apply", http.MethodPost, "/apply", "Create or change flows and credentials as a file of documents says; nothing changes when any is wrong", "flows", 409, 422, 503)
	o.MaxBodyBytes = maxDocument
	huma.Register(api, o, c.apply)
	documented(api, http.MethodPost, "/apply", &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true,
		Description: "One document, or a YAML stream of several separated by ---, each of kind Flow or Credential."}, mediaJSON, mediaYAML)
}

// apply checks everything before it changes anything. Credentials come before
// the flows that use them. Applied twice, it changes nothing the second time.
func (c *Console) apply(ctx context.Context, in *applyInput) (*applyOutput, error) {
	documents, err := schemas.ReadDocuments("", bytes.Clone(in.RawBody), nil)
	if err != nil {
		return nil, documentError(err)
	}
	c.writing.Lock()
	defer c.writing.Unlock()

	problems := CheckDocuments(documents, c.checks())
	targets := make([]target, len(documents))
	for i, d := range documents {
		if d.Flow == nil {
			continue
		}
		t, err := c.target(d)
		if err != nil {
			problems = append(problems, *err)
			continue
		}
		if in.Start && !in.Publish && (t.entry == nil || t.entry.Published() == nil) {
			problems = append(problems, schemas.Problem{Line: 1, Column: 1, Path: "id",
				Message: fmt.Sprintf("flow %s cannot start: it was never published", t.id), Remedy: "publish it too (--publish)"})
		}
		targets[i] = t
	}
	if len(problems) > 0 {
		return nil, wrongDocument(problems)
	}

	results := make([]Applied, len(documents))
	for i, d := range documents {
		if d.Credential != nil {
			if results[i], err = c.applyCredential(ctx, d.Credential); err != nil {
				return nil, partly(err, results)
			}
		}
	}
	for i, d := range documents {
		if d.Flow != nil {
			if results[i], err = c.applyFlow(ctx, targets[i], in.Publish, in.Start); err != nil {
				return nil, partly(err, results)
			}
		}
	}
	out := &applyOutput{}
	out.Body.Items = results
	return out, nil
}

// partly says in an error which documents were applied before it.
func partly(err error, results []Applied) error {
	p, ok := errors.AsType[*Problem](err)
	if !ok {
		return err
	}
	for _, r := range results {
		if r.Result != "" {
			p.Remedy = "apply the file again: what was applied already stays as it is (" + p.Remedy + ")"
			break
		}
	}
	return p
}

// target is the flow that a document is of.
type target struct {
	id       string
	document json.RawMessage
	entry    *schemas.FlowEntry // nil: to be created
}

// target finds the flow of a document: by its ID, or, without one, by its name,
// so that applying a file again finds the flow it made.
func (c *Console) target(d *schemas.Document) (target, *schemas.Problem) {
	if id := d.Flow.ID; id != "" {
		t := target{id: id, document: d.JSON}
		if f := c.opts.Control.Flow(id); f != nil && !f.Deleted {
			t.entry = f
		}
		return t, nil
	}
	var found []*schemas.FlowEntry
	for _, f := range c.opts.Control.Flows() {
		if d.Flow.Name != "" && c.flow(f, false).Name == d.Flow.Name {
			found = append(found, f)
		}
	}
	switch len(found) {
	case 0:
		id := schemas.NewFlowID()
		return target{id: id, document: d.WithID(id).JSON}, nil
	case 1:
		return target{id: found[0].ID, document: d.WithID(found[0].ID).JSON, entry: found[0]}, nil
	}
	return target{}, &schemas.Problem{Line: 1, Column: 1, Path: "name",
		Message: fmt.Sprintf("the document has no id, and %d flows have the name %q", len(found), d.Flow.Name), Remedy: "add the id of the one that is meant"}
}

func (c *Console) applyFlow(ctx context.Context, t target, publish, start bool) (Applied, error) {
	result, revision := "unchanged", int64(0)
	if t.entry != nil {
		revision = t.entry.Revision
	}
	if t.entry == nil || !sameJSON(current(t.entry), t.document) {
		if result = "updated"; t.entry == nil {
			result = "created"
		}
		if err := c.append(ctx, schemas.Change{Type: schemas.FlowDrafted, Flow: t.id, Expect: revision, Document: t.document}); err != nil {
			return Applied{}, err
		}
	}
	f := c.opts.Control.Flow(t.id)
	if publish && hasDraft(f) {
		if err := c.append(ctx, schemas.Change{Type: schemas.FlowPublished, Flow: t.id, Expect: f.Revision, Document: f.Draft}); err != nil {
			return Applied{}, err
		}
		f = c.opts.Control.Flow(t.id)
	}
	if start && f.State != schemas.Running {
		if err := c.append(ctx, schemas.Change{Type: schemas.FlowStarted, Flow: t.id, Expect: f.Revision}); err != nil {
			return Applied{}, err
		}
		f = c.opts.Control.Flow(t.id)
	}
	shown := c.flow(f, false)
	return Applied{Kind: "Flow", ID: f.ID, Name: shown.Name, Result: result, Version: shown.Version, State: f.State, HookURL: shown.HookURL}, nil
}

func (c *Console) applyCredential(ctx context.Context, d *schemas.CredentialDocument) (Applied, error) {
	out := Applied{Kind: "Credential", ID: d.ID, Name: d.Name, Result: "unchanged"}
	revision := int64(0)
	old := c.opts.Control.Credential(d.ID)
	if old != nil {
		revision = old.Revision
		if old.Name == d.Name && old.Uses == d.Uses && old.Type == d.Type && maps.Equal(c.opts.Control.Secret(d.ID), d.Values) {
			return out, nil
		}
	}
	if out.Result = "updated"; old == nil {
		out.Result = "created"
	}
	return out, c.saveCredential(ctx, schemas.Credential{ID: d.ID, Name: d.Name, Uses: d.Uses, Type: d.Type}, d.Values, revision)
}
