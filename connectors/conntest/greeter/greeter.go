// Package greeter is the connector for the Greeter API, which does not exist: it is the example of WRITING.md.
//
//	POST {base}/greetings {to, language} → {id, text}
//	GET  {base}/languages                → {languages: [{code, name}]}
//	GET  {base}/me                       → who the token belongs to
package greeter

import (
	"context"
	"encoding/json"
	"net/http"

	"sluice/connectors"
	"sluice/connectors/outgoing"
)

// Connector returns the greeter connector.
func Connector() connectors.Connector {
	return connectors.Connector{
		Name:    "greeter",
		Title:   "Greeter",
		Summary: "Greets people in many languages.",
		Credentials: []connectors.CredentialType{{
			Name:   "token",
			Title:  "API token",
			Schema: json.RawMessage(tokenSchema),
			Verify: verify,
		}},
		Components: []connectors.Component{{
			Name:            "greeter/greet",
			Title:           "Greet somebody",
			Summary:         "Sends one greeting.",
			Effect:          connectors.Keyed,
			NeedsCredential: true,
			Input:           json.RawMessage(greetSchema),
			Output:          json.RawMessage(greetingSchema),
			Do:              greet,
			Choices:         choices,
		}},
	}
}

const (
	tokenSchema = `{
  "type": "object", "required": ["token"], "additionalProperties": false,
  "properties": {
    "token": {"type": "string", "title": "Token", "minLength": 1, "format": "password", "writeOnly": true},
    "baseUrl": {"type": "string", "title": "Base URL", "description": "an address that starts with http:// or https://", "pattern": "^https?://", "default": "https://api.greeter.example"}
  }
}`

	greetSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "required": ["to"], "additionalProperties": false,
  "properties": {
    "to": {"title": "To", "description": "a name, or the number of a customer", "type": ["string", "integer"], "minLength": 1},
    "language": {"type": "string", "title": "Language", "x-choices": true, "default": "en"}
  }
}`

	greetingSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "required": ["id"],
  "properties": {
    "id": {"type": "integer", "title": "ID", "examples": [4711]},
    "text": {"type": "string", "title": "Text", "examples": ["Good morning, Gromit"]}
  }
}`
)

func greet(ctx context.Context, env connectors.Env, call connectors.Call) (connectors.Result, error) {
	return outgoing.Call(ctx, env, request(call.Credential, outgoing.API{
		Doing: "greeting", Method: http.MethodPost, Path: []string{"greetings"}, Body: call.Input, Key: call.IdempotencyKey,
	}))
}

func verify(ctx context.Context, env connectors.Env, values map[string]string) error {
	_, err := outgoing.Call(ctx, env, request(&connectors.Credential{Type: "token", Values: values}, outgoing.API{
		Doing: "asking the Greeter who the token belongs to", Path: []string{"me"},
	}))
	return err
}

func choices(ctx context.Context, env connectors.Env, ask connectors.ChoicesCall) ([]connectors.Choice, error) {
	if ask.Field != "language" {
		return nil, connectors.BadInput("the field %q has no choices", ask.Field)
	}
	const doing = "asking the Greeter for its languages"
	result, err := outgoing.Call(ctx, env, request(ask.Credential, outgoing.API{Doing: doing, Path: []string{"languages"}}))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Languages []struct{ Code, Name string }
	}
	if err := json.Unmarshal(result.Output, &answer); err != nil {
		return nil, outgoing.Misread(doing, err)
	}
	found := make([]connectors.Choice, len(answer.Languages))
	for i, l := range answer.Languages {
		found[i] = connectors.TextChoice(l.Code, l.Name)
	}
	return found, nil
}

// request adds what every request to the Greeter has.
func request(c *connectors.Credential, a outgoing.API) outgoing.API {
	a.Base, a.BaseSetting = c.Value("baseUrl"), "base URL of the credential"
	a.Authorize = func(h http.Header) ([]string, error) {
		if c.Value("token") == "" {
			return nil, connectors.BadCredential("the credential has no token: enter one")
		}
		h.Set("Authorization", "Bearer "+c.Value("token"))
		return []string{c.Value("token")}, nil
	}
	return a
}
