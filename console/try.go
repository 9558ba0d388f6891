package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"sluice/connectors"
	"sluice/connectors/mapping"
	"sluice/schemas"
)

func (c *Console) registerTry(api huma.API) {
	try := op("try-step", http.MethodPost, "/try", "Run one step once; it really does what it does", "components", 404, 422)
	try.Description = "Either name a component with its input, or a flow and one of its steps: then the component, credential and input are those of " +
		"the draft, unless given here. With a flow or a scope, strings of the input that begin with = are expressions, evaluated on the scope: " +
		"the one given here, or the samples of the draft. Retries are not made."
	try.MaxBodyBytes = maxInput
	huma.Register(api, try, c.try)
}

// TryRequest says what is to be run.
type TryRequest struct {
	Flow       string          `json:"flow,omitempty" doc:"A flow's ID, with step"`
	Step       string          `json:"step,omitempty" doc:"A step of the flow's draft"`
	Uses       string          `json:"uses,omitempty" doc:"The component, such as petstore/create-pet"`
	Credential string          `json:"credential,omitempty" doc:"The ID of a saved credential"`
	Input      json.RawMessage `json:"input,omitempty" doc:"Without flow and scope it is evaluated already: a string that begins with = is that string"`
	Scope      json.RawMessage `json:"scope,omitempty" doc:"What expressions see: body, query, headers, method, path, steps"`
	Timeout    string          `json:"timeout,omitempty" doc:"Such as 10s; at most, and by default, 30s"`
}

type tryInput struct{ Body TryRequest }

// Trial is what running a step's component once gave.
type Trial struct {
	Did        string          `json:"did" doc:"What was done, in words"`
	Effect     string          `json:"effect" enum:"pure,idempotent,keyed,neither" doc:"What it may have changed elsewhere"`
	Input      json.RawMessage `json:"input,omitempty" doc:"What the component was given"`
	Output     json.RawMessage `json:"output,omitempty"`
	HTTPStatus int             `json:"httpStatus,omitempty"`
	DurationMs float64         `json:"durationMs"`
	Error      *StepError      `json:"error,omitempty"`
}

// StepError is how an attempt failed.
type StepError struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

type tryOutput struct{ Body Trial }

func (c *Console) try(ctx context.Context, in *tryInput) (*tryOutput, error) {
	r := in.Body
	if err := c.fromDraft(&r); err != nil {
		return nil, err
	}
	if r.Uses == "" {
		return nil, problem(http.StatusUnprocessableEntity, `send {"uses": "petstore/create-pet", "input": …} or {"flow": "…", "step": "…"}`, "there is nothing to run")
	}
	m, ok := c.opts.Components.Component(r.Uses)
	if !ok || m.Trigger {
		return nil, problem(http.StatusNotFound, "GET /api/v1/components lists those there are", "there is no action %q", r.Uses)
	}
	timeout := verifyTimeout
	if r.Timeout != "" {
		d, err := time.ParseDuration(r.Timeout)
		if err != nil || d <= 0 {
			return nil, problem(http.StatusUnprocessableEntity, "write a duration such as 10s", "the timeout is none")
		}
		timeout = min(timeout, d)
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	call := connectors.Call{Input: r.Input, IdempotencyKey: "try-" + uuid.NewString(), Attempt: 1}
	if len(call.Input) == 0 {
		call.Input = json.RawMessage("{}")
	}
	var err error
	if len(r.Scope) > 0 {
		if call.Input, err = c.evaluated(limited, call.Input, r.Scope); err != nil {
			return nil, err
		}
	}
	if err := m.CheckInput(call.Input); err != nil {
		return nil, problem(http.StatusUnprocessableEntity, "map or fill in the fields named", "%v", err)
	}
	if call.Credential, err = c.openCredential(limited, m, r.Credential); err != nil {
		return nil, err
	}
	begin := time.Now()
	result, err := m.Do(limited, c.opts.Env, call)
	if connector, _, _ := strings.Cut(m.Name, "/"); c.opts.OAuth.Refused(c.opts.Components, r.Credential, connector, call.Credential, err) {
		if call.Credential, err = c.openCredential(limited, m, r.Credential); err != nil {
			return nil, err
		}
		result, err = m.Do(limited, c.opts.Env, call)
	}
	out := &tryOutput{Trial{Effect: string(m.Effect), Input: call.Input, Output: result.Output, HTTPStatus: result.HTTPStatus, DurationMs: milliseconds(time.Since(begin))}}
	if err != nil {
		e := connectors.AsError(err)
		out.Body.Output = nil
		out.Body.Error = &StepError{Kind: string(e.Kind), Message: e.Message}
		if errors.Is(limited.Err(), context.DeadlineExceeded) {
			out.Body.Error = &StepError{Kind: string(connectors.KindTimeout), Message: fmt.Sprintf("%s was not done within %s", m.Name, timeout)}
		}
		if e.HTTPStatus != 0 {
			out.Body.HTTPStatus = e.HTTPStatus
		}
	}
	out.Body.Did = did(m, &out.Body)
	return out, nil
}

// did says what a trial was, for somebody who did not write the component.
func did(m *connectors.Component, t *Trial) string {
	took := fmt.Sprintf("%.0f ms", t.DurationMs)
	what := "Ran " + m.Title + " once"
	if m.Effect != connectors.Pure {
		what += ", for real"
	}
	if t.HTTPStatus != 0 {
		took += fmt.Sprintf(", HTTP %d", t.HTTPStatus)
	}
	if t.Error != nil {
		return what + ". It failed after " + took + "."
	}
	return what + ". It took " + took + "."
}

// fromDraft fills in what a flow's step says where the request does not.
func (c *Console) fromDraft(r *TryRequest) error {
	if r.Flow == "" {
		return nil
	}
	f, err := c.find(r.Flow)
	if err != nil {
		return err
	}
	var document schemas.Flow
	if err := json.Unmarshal(current(f), &document); err != nil {
		return problem(http.StatusUnprocessableEntity, "", "the draft of flow %s cannot be read: %v", f.ID, err)
	}
	if len(r.Scope) == 0 {
		r.Scope = samplesScope(&document)
	}
	if r.Step == "" {
		return nil
	}
	for i := range document.Steps {
		s := &document.Steps[i]
		if s.ID != r.Step {
			continue
		}
		if r.Uses == "" {
			r.Uses = s.Uses
		}
		if r.Credential == "" {
			r.Credential = s.Credential
		}
		if len(r.Input) == 0 {
			r.Input = s.Input
		}
		return nil
	}
	if r.Uses != "" {
		return nil // a step that is not saved yet
	}
	return problem(http.StatusNotFound, "GET /api/v1/flows/"+f.ID+" shows them", "flow %s has no step %q", f.ID, r.Step)
}

// samplesScope is what expressions see of a flow's samples.
func samplesScope(f *schemas.Flow) json.RawMessage {
	type scope struct {
		Body    json.RawMessage            `json:"body"`
		Query   map[string]string          `json:"query"`
		Headers map[string]string          `json:"headers"`
		Method  string                     `json:"method"`
		Path    string                     `json:"path"`
		Files   []string                   `json:"files"`
		Steps   map[string]json.RawMessage `json:"steps"`
	}
	s := scope{Body: f.Trigger.Sample, Query: map[string]string{}, Headers: map[string]string{}, Method: http.MethodPost,
		Path: "/hook/" + f.ID, Files: []string{}, Steps: map[string]json.RawMessage{}}
	for i := range f.Steps {
		if sample := f.Steps[i].Sample; len(sample) > 0 {
			s.Steps[f.Steps[i].ID] = sample
		}
	}
	raw, _ := json.Marshal(s) // text and valid JSON: no error
	return raw
}

// evaluated is an input whose expressions were evaluated on a scope.
func (c *Console) evaluated(ctx context.Context, input, scope json.RawMessage) (json.RawMessage, error) {
	in, err := mapping.Decode(input)
	if err != nil {
		return nil, problem(http.StatusUnprocessableEntity, "", "the input: %v", err)
	}
	data, err := mapping.Decode(scope)
	if err != nil {
		return nil, problem(http.StatusUnprocessableEntity, "", "the scope: %v", err)
	}
	template, err := c.opts.Mapping.CompileTemplate(in)
	if err == nil {
		var value mapping.Value
		now := time.Now()
		if value, err = template.Evaluate(ctx, data, mapping.Eval{Now: now, Seed: uint64(now.UnixNano())}); err == nil {
			return mapping.Encode(value)
		}
	}
	return nil, problem(http.StatusUnprocessableEntity, "mend the expression; POST /api/v1/evaluate tries one", "the input: %v", err)
}
