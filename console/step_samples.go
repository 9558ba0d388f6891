package console

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"sluice/connectors"
)

func (c *Console) registerStepSamples(api huma.API) {
	save := op("save-sample", http.MethodPut, "/flows/{id}/samples/{step}", "Keep a sample of the trigger or a step in the flow's draft", "flows", 404, 409, 412, 422, 503)
	save.MaxBodyBytes = maxDocument
	huma.Register(api, save, c.saveSample)
	documented(api, http.MethodPut, "/flows/{id}/samples/{step}", &huma.Schema{Description: "Any JSON"}, mediaJSON)
	generate := op("generate-sample", http.MethodPost, "/samples/generate", "Make a sample that fits a JSON Schema", "components", 404, 422)
	generate.MaxBodyBytes = maxDocument
	huma.Register(api, generate, c.generateSample)
}

// triggerSample is what the trigger is called among the samples.
const triggerSample = "trigger"

type saveSampleInput struct {
	ID      string `path:"id" doc:"The flow's ID"`
	Step    string `path:"step" doc:"trigger, or a step's ID"`
	IfMatch string `header:"If-Match" doc:"The ETag that the change is based on; without it the last writer wins"`
	RawBody []byte `contentType:"application/octet-stream"`
}

func (c *Console) saveSample(ctx context.Context, in *saveSampleInput) (*flowOutput, error) {
	f, err := c.find(in.ID)
	if err != nil {
		return nil, err
	}
	if !json.Valid(in.RawBody) {
		return nil, problem(http.StatusUnprocessableEntity, "send the sample as JSON", "the sample is not JSON")
	}
	document, found, err := withSample(current(f), in.Step, in.RawBody)
	if err != nil {
		return nil, problem(http.StatusUnprocessableEntity, "save a draft by PUT /api/v1/flows/"+f.ID, "the draft cannot be read: %v", err)
	}
	if !found {
		return nil, problem(http.StatusNotFound, "write trigger, or the ID of one of its steps", "flow %s has no step %q", f.ID, in.Step)
	}
	return c.saveDraft(ctx, &draftInput{ID: f.ID, IfMatch: in.IfMatch, RawBody: document})
}

type generateInput struct {
	Body struct {
		Schema    json.RawMessage `json:"schema,omitempty" doc:"A JSON Schema"`
		Component string          `json:"component,omitempty" doc:"In place of a schema, a component, such as petstore/create-pet: a sample of its output"`
	}
}

type generatedSample struct {
	Body struct {
		Sample json.RawMessage `json:"sample"`
	}
}

func (c *Console) generateSample(_ context.Context, in *generateInput) (*generatedSample, error) {
	out := &generatedSample{}
	if in.Body.Component != "" {
		m, ok := c.opts.Components.Component(in.Body.Component)
		if !ok {
			return nil, problem(http.StatusNotFound, "GET /api/v1/components lists those there are", "there is no component %q", in.Body.Component)
		}
		out.Body.Sample = m.SampleOutput()
		return out, nil
	}
	var schema map[string]json.RawMessage
	if json.Unmarshal(in.Body.Schema, &schema) != nil {
		return nil, problem(http.StatusUnprocessableEntity, `send {"schema": …} with a JSON Schema, an object, or {"component": "connector/action"}`, "there is no schema to make a sample of")
	}
	out.Body.Sample = connectors.SampleOf(in.Body.Schema)
	return out, nil
}
