package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"sluice/connectors"
	"sluice/connectors/mapping"
)

func (c *Console) registerComponents(api huma.API) {
	huma.Register(api, op("list-components", http.MethodGet, "/components", "List connectors with their components, credential types and schemas", "components"), c.listComponents)
	evaluate := op("evaluate", http.MethodPost, "/evaluate", "Evaluate a JSONata expression", "components", 422)
	evaluate.MaxBodyBytes = maxInput
	huma.Register(api, evaluate, c.evaluate)
	try := op("try-step", http.MethodPost, "/try", "Run one step's component once; it really does what it does", "components", 404, 422)
	try.MaxBodyBytes = maxInput
	huma.Register(api, try, c.try)
}

// Component is one trigger or action.
type Component struct {
	Name            string          `json:"name"`
	Title           string          `json:"title"`
	Summary         string          `json:"summary,omitempty"`
	Trigger         bool            `json:"trigger"`
	Effect          string          `json:"effect" enum:"pure,idempotent,keyed,neither"`
	NeedsCredential bool            `json:"needsCredential"`
	Input           json.RawMessage `json:"input" doc:"JSON Schema 2020-12"`
	Output          json.RawMessage `json:"output" doc:"JSON Schema 2020-12"`
	Sample          json.RawMessage `json:"sample,omitempty" doc:"An output as the component would give it"`
}

// CredentialType is one way to prove who one is to a system.
type CredentialType struct {
	Name       string          `json:"name"`
	Title      string          `json:"title"`
	Summary    string          `json:"summary,omitempty"`
	Schema     json.RawMessage `json:"schema" doc:"JSON Schema 2020-12 of the values"`
	Verifiable bool            `json:"verifiable"`
}

// Connector is a system with its components.
type Connector struct {
	Name        string           `json:"name"`
	Title       string           `json:"title"`
	Summary     string           `json:"summary,omitempty"`
	Credentials []CredentialType `json:"credentials" nullable:"false"`
	Components  []Component      `json:"components" nullable:"false"`
}

type connectorList struct {
	Body struct {
		Items []Connector `json:"items" nullable:"false"`
	}
}

func (c *Console) listComponents(context.Context, *struct{}) (*connectorList, error) {
	out := &connectorList{}
	out.Body.Items = []Connector{}
	for _, connector := range c.opts.Components.All() {
		shown := Connector{Name: connector.Name, Title: connector.Title, Summary: connector.Summary, Credentials: []CredentialType{}, Components: []Component{}}
		for i := range connector.Credentials {
			t := &connector.Credentials[i]
			shown.Credentials = append(shown.Credentials, CredentialType{Name: t.Name, Title: t.Title, Summary: t.Summary, Schema: t.Schema, Verifiable: t.Verify != nil})
		}
		for i := range connector.Components {
			m := &connector.Components[i]
			component := Component{
				Name: m.Name, Title: m.Title, Summary: m.Summary, Trigger: m.Trigger, Effect: string(m.Effect),
				NeedsCredential: m.NeedsCredential, Input: m.Input, Output: m.Output,
			}
			if m.Sample != nil {
				component.Sample = m.Sample()
			}
			shown.Components = append(shown.Components, component)
		}
		out.Body.Items = append(out.Body.Items, shown)
	}
	return out, nil
}

type evaluateInput struct {
	Body struct {
		Expression string                     `json:"expression" doc:"JSONata, with or without the = that it has in a flow document"`
		Data       json.RawMessage            `json:"data,omitempty" doc:"What the expression is evaluated on"`
		Bindings   map[string]json.RawMessage `json:"bindings,omitempty" doc:"Variables, by name without the $"`
	}
}

// Evaluation is an expression's result, its absence, or its error.
type Evaluation struct {
	Result    json.RawMessage  `json:"result,omitempty"`
	Engine    string           `json:"engine,omitempty" enum:"compiled,official"`
	Undefined bool             `json:"undefined,omitempty"`
	Error     *ExpressionError `json:"error,omitempty"`
}

// ExpressionError is an error of JSONata, with its own code.
type ExpressionError struct {
	Code     string `json:"code"`
	Message  string `json:"message"`
	Position int    `json:"position" doc:"UTF-16 units up to the end of the token at fault; 0: not known"`
}

type evaluateOutput struct{ Body Evaluation }

func (c *Console) evaluate(ctx context.Context, in *evaluateInput) (*evaluateOutput, error) {
	out, err := Evaluate(ctx, c.opts.Mapping, in.Body.Expression, in.Body.Data, in.Body.Bindings)
	if err != nil {
		return nil, problem(http.StatusUnprocessableEntity, "", "%v", err)
	}
	return &evaluateOutput{*out}, nil
}

// Evaluate evaluates an expression on JSON data; no data is no input. What is
// wrong with the expression is part of the Evaluation; the error is about the
// data, or that of ctx.
func Evaluate(ctx context.Context, engine *mapping.Engine, expression string, data json.RawMessage, bindings map[string]json.RawMessage) (*Evaluation, error) {
	input := mapping.Undefined
	var err error
	if len(data) > 0 {
		if input, err = mapping.Decode(data); err != nil {
			return nil, err
		}
	}
	now := time.Now()
	ev := mapping.Eval{Now: now, Seed: uint64(now.UnixNano()), Bindings: map[string]mapping.Value{}}
	for name, raw := range bindings {
		if ev.Bindings[strings.TrimPrefix(name, "$")], err = mapping.Decode(raw); err != nil {
			return nil, err
		}
	}
	x, err := engine.Compile(strings.TrimPrefix(expression, "="))
	if err != nil {
		return evaluationError(err)
	}
	value, defined, err := x.Evaluate(ctx, input, ev)
	if err != nil {
		return evaluationError(err)
	}
	if !defined {
		return &Evaluation{Undefined: true}, nil
	}
	result, err := mapping.Encode(value)
	if err != nil {
		return nil, err
	}
	return &Evaluation{Result: result, Engine: x.Engine()}, nil
}

func evaluationError(err error) (*Evaluation, error) {
	if e, ok := errors.AsType[*mapping.Error](err); ok {
		return &Evaluation{Error: &ExpressionError{Code: e.Code, Message: e.Message, Position: e.Position}}, nil
	}
	return nil, err
}

type tryInput struct {
	Body struct {
		Uses       string          `json:"uses" doc:"The component, such as petstore/create-pet"`
		Credential string          `json:"credential,omitempty" doc:"The ID of a saved credential"`
		Input      json.RawMessage `json:"input,omitempty" doc:"Evaluated already: a string that begins with = is that string"`
		Timeout    string          `json:"timeout,omitempty" doc:"Such as 10s; at most, and by default, 30s"`
	}
}

// Trial is what running a step's component once gave.
type Trial struct {
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
	m, ok := c.opts.Components.Component(in.Body.Uses)
	if !ok || m.Trigger {
		return nil, problem(http.StatusNotFound, "GET /api/v1/components lists those there are", "there is no action %q", in.Body.Uses)
	}
	timeout := verifyTimeout
	if in.Body.Timeout != "" {
		d, err := time.ParseDuration(in.Body.Timeout)
		if err != nil || d <= 0 {
			return nil, problem(http.StatusUnprocessableEntity, "write a duration such as 10s", "the timeout is none")
		}
		timeout = min(timeout, d)
	}
	call := connectors.Call{Input: in.Body.Input, IdempotencyKey: "try-" + uuid.NewString(), Attempt: 1}
	if len(call.Input) == 0 {
		call.Input = json.RawMessage("{}")
	}
	if id := in.Body.Credential; id != "" {
		e, err := c.findCredential(id)
		if err != nil {
			return nil, err
		}
		if connector, _, _ := strings.Cut(m.Name, "/"); e.Uses != connector {
			return nil, problem(http.StatusUnprocessableEntity, "choose a credential of "+connector, "credential %s is for %s, not for %s", id, e.Uses, connector)
		}
		values := c.opts.Control.Secret(id)
		if owner, ok := c.opts.Components.Connector(e.Uses); ok {
			if kind, ok := owner.CredentialType(e.Type); ok {
				values = kind.Defaults(values)
			}
		}
		call.Credential = &connectors.Credential{Type: e.Type, Values: values}
	} else if m.NeedsCredential {
		return nil, problem(http.StatusUnprocessableEntity, "name a saved credential", "%s needs a credential", m.Name)
	}
	if err := m.CheckInput(call.Input); err != nil {
		return nil, problem(http.StatusUnprocessableEntity, "", "%v", err)
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	begin := time.Now()
	result, err := m.Do(limited, c.opts.Env, call)
	out := &tryOutput{Trial{Output: result.Output, HTTPStatus: result.HTTPStatus, DurationMs: milliseconds(time.Since(begin))}}
	if err != nil {
		e := connectors.AsError(err)
		out.Body.Output = nil
		out.Body.Error = &StepError{Kind: string(e.Kind), Message: e.Message}
		if e.HTTPStatus != 0 {
			out.Body.HTTPStatus = e.HTTPStatus
		}
	}
	return out, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
