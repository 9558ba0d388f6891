package console

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"sluice/schemas"
)

func (c *Console) registerVersions(api huma.API) {
	huma.Register(api, op("list-versions", http.MethodGet, "/flows/{id}/versions", "List a flow's published versions, newest first", "flows", 404), c.listVersions)
	huma.Register(api, op("get-version", http.MethodGet, "/flows/{id}/versions/{version}", "Show the document of a version", "flows", 404), c.getVersion)
	huma.Register(api, op("restore-version", http.MethodPost, "/flows/{id}/versions/{version}/restore", "Make a version's document the draft", "flows", 404, 409, 412, 503), c.restoreVersion)
	duplicate := op("duplicate-flow", http.MethodPost, "/flows/{id}/duplicate", "Make another flow of a flow's document, stopped and unpublished", "flows", 404, 409, 422, 503)
	duplicate.DefaultStatus = http.StatusCreated
	huma.Register(api, duplicate, c.duplicate)
}

// Version is a published version as the API lists it.
type Version struct {
	Version     int32           `json:"version"`
	PublishedAt time.Time       `json:"publishedAt"`
	Name        string          `json:"name,omitempty" doc:"The flow's name in it"`
	Note        string          `json:"note,omitempty" doc:"The flow's note in it"`
	Steps       int             `json:"steps" doc:"How many steps it has"`
	Document    json.RawMessage `json:"document,omitempty"`
}

type versionList struct {
	Body struct {
		Items []Version `json:"items" nullable:"false"`
	}
}

func (c *Console) listVersions(_ context.Context, in *flowInput) (*versionList, error) {
	f, err := c.find(in.ID)
	if err != nil {
		return nil, err
	}
	out := &versionList{}
	out.Body.Items = []Version{}
	for i := len(f.Versions) - 1; i >= 0; i-- {
		out.Body.Items = append(out.Body.Items, version(f.Versions[i]))
	}
	return out, nil
}

// version is a version without its document.
func version(v *schemas.FlowVersion) Version {
	shown := Version{Version: v.Number, PublishedAt: v.At}
	if v.Flow != nil {
		shown.Name, shown.Note, shown.Steps = v.Flow.Name, v.Flow.Note, len(v.Flow.Steps)
	}
	return shown
}

type versionInput struct {
	ID      string `path:"id" doc:"The flow's ID"`
	Version int32  `path:"version" minimum:"1"`
}

type versionOutput struct{ Body Version }

func (c *Console) findVersion(id string, number int32) (*schemas.FlowEntry, *schemas.FlowVersion, error) {
	f, err := c.find(id)
	if err != nil {
		return nil, nil, err
	}
	v := f.Version(number)
	if v == nil {
		return nil, nil, problem(http.StatusNotFound, "GET /api/v1/flows/"+f.ID+"/versions lists those there are", "flow %s has no version %d", f.ID, number)
	}
	return f, v, nil
}

func (c *Console) getVersion(_ context.Context, in *versionInput) (*versionOutput, error) {
	_, v, err := c.findVersion(in.ID, in.Version)
	if err != nil {
		return nil, err
	}
	shown := version(v)
	shown.Document = v.Document
	return &versionOutput{shown}, nil
}

type restoreInput struct {
	ID      string `path:"id" doc:"The flow's ID"`
	Version int32  `path:"version" minimum:"1"`
	IfMatch string `header:"If-Match" doc:"The ETag that the change is based on; without it the last writer wins"`
}

// restoreVersion replaces the draft. What was in it is in the control log, and
// nowhere a page could get it back from: pages ask first, or send If-Match.
func (c *Console) restoreVersion(ctx context.Context, in *restoreInput) (*flowOutput, error) {
	f, v, err := c.findVersion(in.ID, in.Version)
	if err != nil {
		return nil, err
	}
	if !matches(in.IfMatch, f.Revision) {
		return nil, changedSince(f)
	}
	if !sameJSON(current(f), v.Document) {
		if err := c.appendTo(ctx, schemas.Change{Type: schemas.FlowDrafted, Flow: f.ID, Expect: f.Revision, Document: v.Document}); err != nil {
			return nil, err
		}
	}
	return c.flowAnswer(c.opts.Control.Flow(f.ID)), nil
}

type duplicateInput struct {
	ID   string `path:"id" doc:"The flow's ID"`
	Body *struct {
		ID   string `json:"id,omitempty" doc:"Of the new flow; made when absent"`
		Name string `json:"name,omitempty" maxLength:"200" doc:"Of the new flow; the old one's with (copy) when absent"`
	}
}

func (c *Console) duplicate(ctx context.Context, in *duplicateInput) (*flowOutput, error) {
	f, err := c.find(in.ID)
	if err != nil {
		return nil, err
	}
	var id, name string
	if in.Body != nil {
		id, name = in.Body.ID, in.Body.Name
	}
	if name == "" {
		was := c.flow(f, false).Name
		if was == "" {
			was = f.ID
		}
		name = shortened(was, 200-len(" (copy)")) + " (copy)"
	}
	if id == "" {
		id = schemas.NewFlowID()
	}
	document, err := renamed(current(f), id, name)
	if err != nil {
		return nil, problem(http.StatusInternalServerError, "", "flow %s has a draft that cannot be read: %v", f.ID, err)
	}
	return c.createFlow(ctx, &documentInput{RawBody: document})
}

func shortened(s string, runes int) string {
	if r := []rune(s); len(r) > runes {
		return string(r[:runes])
	}
	return s
}
