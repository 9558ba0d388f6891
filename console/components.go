package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"sluice/connectors"
	"sluice/connectors/mapping"
)

func (c *Console) registerComponents(api huma.API) {
	huma.Register(api, op("list-components", http.MethodGet, "/components", "List connectors with their components, credential types and schemas", "components"), c.listComponents)
	huma.Register(api, op("get-component", http.MethodGet, "/components/{connector}/{action}", "Show one component with its schemas", "components", 404), c.getComponent)
	huma.Register(api, op("component-choices", http.MethodPost, "/components/{connector}/{action}/choices", "Ask the system which values a field of the input can have now, for at most 30 s", "components", 404, 422, 502), c.choices)
	named := op("component-choices-by-name", http.MethodPost, "/components/{name}/choices", "The same, with the component's whole name as one part of the path: petstore%2Fcreate-pet", "components", 404, 422, 502)
	huma.Register(api, named, c.choicesByName)
	huma.Register(api, op("make-sample", http.MethodPost, "/components/sample", "Make a sample from a JSON Schema, or from a component's", "components", 404, 422), c.makeSample)
	evaluate := op("evaluate", http.MethodPost, "/evaluate", "Evaluate a JSONata expression", "components", 422)
	evaluate.MaxBodyBytes = maxInput
	huma.Register(api, evaluate, c.evaluate)
	c.registerTry(api)
}

// Component is one trigger or action.
type Component struct {
	Name            string          `json:"name"`
	Title           string          `json:"title"`
	Summary         string          `json:"summary,omitempty"`
	Trigger         bool            `json:"trigger"`
	Effect          string          `json:"effect" enum:"pure,idempotent,keyed,neither"`
	NeedsCredential bool            `json:"needsCredential"`
	Input           json.RawMessage `json:"input,omitempty" doc:"JSON Schema 2020-12. The list leaves it out for imported connectors: ask for the component, or for its connector"`
	Output          json.RawMessage `json:"output,omitempty" doc:"JSON Schema 2020-12"`
	Choices         bool            `json:"choices,omitempty" doc:"Fields of the input with x-choices have values that the system is asked for"`
	Sample          json.RawMessage `json:"sample,omitempty" doc:"An output as the component would give it"`
}

// CredentialType is one way to prove who one is to a system.
type CredentialType struct {
	Name       string          `json:"name"`
	Title      string          `json:"title"`
	Summary    string          `json:"summary,omitempty"`
	Schema     json.RawMessage `json:"schema" doc:"JSON Schema 2020-12 of the values"`
	Verifiable bool            `json:"verifiable"`
	// OAuth says how an access token is got; absent for types without one.
	OAuth *OAuthType `json:"oauth,omitempty"`
}

// OAuthType is how a credential type gets its tokens.
type OAuthType struct {
	Grant  string   `json:"grant" enum:"authorization_code,client_credentials" doc:"authorization_code: a person agrees in the browser, POST /credentials/{id}/authorize begins it"`
	Scopes []string `json:"scopes,omitempty"`
}

// Connector is a system with its components.
type Connector struct {
	Name        string           `json:"name"`
	Title       string           `json:"title"`
	Summary     string           `json:"summary,omitempty"`
	Imported    bool             `json:"imported,omitempty" doc:"Made from a document by POST /components/import"`
	Source      string           `json:"source,omitempty" doc:"Where an imported one is from"`
	Credentials []CredentialType `json:"credentials" nullable:"false"`
	Components  []Component      `json:"components" nullable:"false"`
}

type connectorList struct {
	Body struct {
		Items []Connector `json:"items" nullable:"false"`
	}
}

type componentsInput struct {
	Connector string `query:"connector" doc:"Only this connector, with all its schemas"`
}

func (c *Console) listComponents(_ context.Context, in *componentsInput) (*connectorList, error) {
	out := &connectorList{}
	out.Body.Items = []Connector{}
	for _, connector := range c.opts.Components.All() {
		if in.Connector != "" && in.Connector != connector.Name {
			continue
		}
		whole := in.Connector != "" || c.opts.Components.Builtin(connector.Name)
		shown := Connector{Name: connector.Name, Title: connector.Title, Summary: connector.Summary, Imported: !c.opts.Components.Builtin(connector.Name), Credentials: []CredentialType{}, Components: []Component{}}
		if e := c.opts.Control.Connector(connector.Name); e != nil {
			shown.Imported, shown.Source = true, e.Source
		}
		for i := range connector.Credentials {
			t := &connector.Credentials[i]
			kind := CredentialType{Name: t.Name, Title: t.Title, Summary: t.Summary, Schema: t.Schema, Verifiable: t.Verify != nil}
			if t.OAuth != nil {
				kind.OAuth = &OAuthType{Grant: string(t.OAuth.Grant), Scopes: t.OAuth.Scopes}
			}
			shown.Credentials = append(shown.Credentials, kind)
		}
		for i := range connector.Components {
			shown.Components = append(shown.Components, component(&connector.Components[i], whole))
		}
		out.Body.Items = append(out.Body.Items, shown)
	}
	return out, nil
}

func component(m *connectors.Component, whole bool) Component {
	shown := Component{
		Name: m.Name, Title: m.Title, Summary: m.Summary, Trigger: m.Trigger, Effect: string(m.Effect),
		NeedsCredential: m.NeedsCredential, Choices: m.Choices != nil,
	}
	if whole {
		shown.Input, shown.Output, shown.Sample = m.Input, m.Output, m.SampleOutput()
	}
	return shown
}

type componentInput struct {
	Connector string `path:"connector"`
	Action    string `path:"action"`
}

type componentOutput struct{ Body Component }

func (c *Console) findComponent(name string) (*connectors.Component, error) {
	if m, ok := c.opts.Components.Component(name); ok {
		return m, nil
	}
	return nil, problem(http.StatusNotFound, "GET /api/v1/components lists those there are", "there is no component %q", name)
}

func (c *Console) getComponent(_ context.Context, in *componentInput) (*componentOutput, error) {
	m, err := c.findComponent(in.Connector + "/" + in.Action)
	if err != nil {
		return nil, err
	}
	return &componentOutput{component(m, true)}, nil
}

type choicesBody struct {
	Field      string          `json:"field" doc:"A field of the input whose schema carries x-choices; a.b is b within a"`
	Credential string          `json:"credential,omitempty" doc:"The ID of a saved credential"`
	Input      json.RawMessage `json:"input,omitempty" doc:"What is filled in so far, without expressions"`
	Search     string          `json:"search,omitempty" doc:"What was typed; the system may search by it"`
}

type choicesInput struct {
	Connector string `path:"connector"`
	Action    string `path:"action"`
	Body      choicesBody
}

type choicesByNameInput struct {
	Name string `path:"name"`
	Body choicesBody
}

type choicesOutput struct {
	Body struct {
		Items []connectors.Choice `json:"items" nullable:"false"`
	}
}

func (c *Console) choicesByName(ctx context.Context, in *choicesByNameInput) (*choicesOutput, error) {
	connector, action, _ := strings.Cut(in.Name, "/")
	return c.choices(ctx, &choicesInput{Connector: connector, Action: action, Body: in.Body})
}

// choices ends early when the client goes away.
func (c *Console) choices(ctx context.Context, in *choicesInput) (*choicesOutput, error) {
	m, err := c.findComponent(in.Connector + "/" + in.Action)
	if err != nil {
		return nil, err
	}
	if m.Choices == nil {
		return nil, problem(http.StatusNotFound, "write the value", "%s has no field whose values can be asked for", m.Name)
	}
	limited, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	ask := connectors.ChoicesCall{Field: in.Body.Field, Input: in.Body.Input, Search: in.Body.Search}
	if len(ask.Input) == 0 || !json.Valid(ask.Input) {
		ask.Input = json.RawMessage("{}")
	}
	if ask.Credential, err = c.openCredential(limited, m, in.Body.Credential); err != nil {
		return nil, err
	}
	found, err := m.Choices(limited, c.opts.Env, ask)
	if err != nil {
		e := connectors.AsError(err)
		status := http.StatusBadGateway
		if e.Kind == connectors.KindInput || e.Kind == connectors.KindCredential {
			status = http.StatusUnprocessableEntity
		}
		return nil, problem(status, "", "%s", e.Message)
	}
	out := &choicesOutput{}
	out.Body.Items = append([]connectors.Choice{}, found...)
	return out, nil
}

// openCredential opens a saved credential for a component; id may be empty where it needs none.
func (c *Console) openCredential(ctx context.Context, m *connectors.Component, id string) (*connectors.Credential, error) {
	if id == "" {
		if m.NeedsCredential {
			return nil, problem(http.StatusUnprocessableEntity, "name a saved credential", "%s needs a credential", m.Name)
		}
		return nil, nil
	}
	e, err := c.findCredential(id)
	if err != nil {
		return nil, err
	}
	if connector, _, _ := strings.Cut(m.Name, "/"); e.Uses != connector {
		return nil, problem(http.StatusUnprocessableEntity, "choose a credential of "+connector, "credential %s is for %s, not for %s", id, e.Uses, connector)
	}
	credential, err := c.opts.OAuth.Open(ctx, c.opts.Components, e.ID, e.Uses, e.Type, c.opts.Control.Secret(id))
	if err != nil {
		return nil, problem(http.StatusUnprocessableEntity, "", "%s", connectors.AsError(err).Message)
	}
	return credential, nil
}

type samplingInput struct {
	Body struct {
		Schema json.RawMessage `json:"schema,omitempty" doc:"A JSON Schema"`
		Uses   string          `json:"uses,omitempty" doc:"In place of a schema: a component, such as petstore/create-pet"`
		Of     string          `json:"of,omitempty" enum:"output,input" default:"output" doc:"Which schema of the component"`
	}
}

type samplingOutput struct {
	Body struct {
		Sample json.RawMessage `json:"sample"`
	}
}

func (c *Console) makeSample(_ context.Context, in *samplingInput) (*samplingOutput, error) {
	out := &samplingOutput{}
	switch {
	case in.Body.Uses != "":
		m, err := c.findComponent(in.Body.Uses)
		if err != nil {
			return nil, err
		}
		if out.Body.Sample = m.SampleOutput(); in.Body.Of == "input" {
			out.Body.Sample = m.SampleInput()
		}
	case len(in.Body.Schema) > 0:
		out.Body.Sample = connectors.SampleOf(in.Body.Schema)
	default:
		return nil, problem(http.StatusUnprocessableEntity, `send {"schema": {…}} or {"uses": "petstore/create-pet"}`, "there is nothing to make a sample of")
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

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
