// Package petstore is the connector for the Petstore API.
//
//	POST {base}/pet {name, status}          → the pet
//	GET  {base}/pet/{id}                    → the pet
//	GET  {base}/pet/findByStatus?status=... → pets
//	GET  {base}/user/me                     → who the key belongs to
package petstore

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sluice/connectors"
	"sluice/connectors/outgoing"
)

// DefaultBaseURL is where the demo Petstore of `sluice dev --demo` listens unless told otherwise.
const DefaultBaseURL = "http://127.0.0.1:8091/v2"

// Connector returns the petstore connector.
func Connector() connectors.Connector {
	return connectors.Connector{
		Name:    "petstore",
		Title:   "Petstore API",
		Summary: "Stores and finds pets.",
		Credentials: []connectors.CredentialType{{
			Name:   "apiKey",
			Title:  "API key",
			Schema: json.RawMessage(credentialSchema),
			Verify: verify,
		}},
		Components: []connectors.Component{
			{
				Name:            "petstore/create-pet",
				Title:           "Create pet",
				Summary:         "Stores a new pet.",
				Effect:          connectors.Keyed,
				NeedsCredential: true,
				Input:           json.RawMessage(createSchema),
				Output:          json.RawMessage(petSchema),
				Do:              create,
				Sample:          samplePet,
			},
			{
				Name:            "petstore/get-pet",
				Title:           "Get pet",
				Summary:         "Reads one pet by its ID.",
				Effect:          connectors.Idempotent,
				NeedsCredential: true,
				Input:           json.RawMessage(getSchema),
				Output:          json.RawMessage(petSchema),
				Do:              get,
				Sample:          samplePet,
			},
			{
				Name:            "petstore/find-by-status",
				Title:           "Find pets by status",
				Summary:         "Lists the pets of one status.",
				Effect:          connectors.Idempotent,
				NeedsCredential: true,
				Input:           json.RawMessage(findSchema),
				Output:          json.RawMessage(petsSchema),
				Do:              find,
				Sample:          func() json.RawMessage { return json.RawMessage(`[{"id": 1, "name": "Gromit", "status": "sold"}]`) },
			},
		},
	}
}

func samplePet() json.RawMessage {
	return json.RawMessage(`{"id": 1, "name": "Gromit", "status": "sold"}`)
}

const (
	credentialSchema = `{
  "type": "object", "required": ["apiKey"], "additionalProperties": false,
  "properties": {
    "apiKey": {"type": "string", "title": "API key", "minLength": 1, "format": "password", "writeOnly": true},
    "baseUrl": {"type": "string", "title": "Base URL", "description": "an address that starts with http:// or https://", "pattern": "^https?://", "default": "` + DefaultBaseURL + `"}
  }
}`

	status = `{"type": "string", "title": "Status", "description": "Available, Pending or Sold, in any case", "examples": ["Available", "Pending", "Sold"], "pattern": "^([Aa][Vv][Aa][Ii][Ll][Aa][Bb][Ll][Ee]|[Pp][Ee][Nn][Dd][Ii][Nn][Gg]|[Ss][Oo][Ll][Dd])$"}`

	createSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "required": ["name"], "additionalProperties": false,
  "properties": {
    "name": {"type": "string", "title": "Name", "minLength": 1},
    "status": ` + status + `
  }
}`

	getSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "required": ["id"], "additionalProperties": false,
  "properties": {
    "id": {"type": ["integer", "string"], "title": "ID", "description": "a whole number", "pattern": "^[0-9]+$", "minimum": 0}
  }
}`

	findSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "required": ["status"], "additionalProperties": false,
  "properties": {"status": ` + status + `}
}`

	petSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "title": "Pet", "required": ["id"],
  "properties": {
    "id": {"type": "integer", "title": "ID"},
    "name": {"type": "string", "title": "Name"},
    "status": {"type": "string", "title": "Status", "description": "In lower case"}
  }
}`

	petsSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "array", "title": "Pets", "items": {"type": "object", "required": ["id"], "properties": {
    "id": {"type": "integer", "title": "ID"},
    "name": {"type": "string", "title": "Name"},
    "status": {"type": "string", "title": "Status"}
  }}
}`
)

// verifying is the longest a verification may take.
const verifying = 30 * time.Second

func verify(ctx context.Context, env connectors.Env, values map[string]string) error {
	ctx, cancel := context.WithTimeout(ctx, verifying)
	defer cancel()
	c := &connectors.Credential{Type: "apiKey", Values: values}
	_, err := answered(send(ctx, env, c, outgoing.Request{
		Doing: "asking the Petstore who the API key belongs to", Method: http.MethodGet,
	}, "user", "me"))
	return err
}

func create(ctx context.Context, env connectors.Env, call connectors.Call) (connectors.Result, error) {
	const doing = "creating the pet"
	var in struct {
		Name   string `json:"name"`
		Status string `json:"status,omitempty"`
	}
	if err := json.Unmarshal(call.Input, &in); err != nil || in.Name == "" {
		return connectors.Result{}, connectors.BadInput("%s: the input needs a name, as text", doing)
	}
	in.Status = strings.ToLower(in.Status)
	body, err := json.Marshal(in)
	if err != nil {
		return connectors.Result{}, connectors.BadInput("%s: the input cannot be written as JSON", doing)
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if call.IdempotencyKey != "" {
		header.Set("Idempotency-Key", call.IdempotencyKey)
	}
	q := outgoing.Request{Doing: doing, Method: http.MethodPost, Header: header, Body: body}
	return answered(send(ctx, env, call.Credential, q, "pet"))
}

func get(ctx context.Context, env connectors.Env, call connectors.Call) (connectors.Result, error) {
	const doing = "getting the pet"
	var in struct {
		ID json.RawMessage `json:"id"`
	}
	if err := json.Unmarshal(call.Input, &in); err != nil {
		return connectors.Result{}, connectors.BadInput("%s: the input cannot be read: %v", doing, err)
	}
	id := strings.Trim(string(in.ID), `"`)
	if id == "" || strings.Trim(id, "0123456789") != "" {
		return connectors.Result{}, connectors.BadInput("%s: id: must be a whole number", doing)
	}
	return answered(send(ctx, env, call.Credential, outgoing.Request{Doing: doing, Method: http.MethodGet}, "pet", id))
}

func find(ctx context.Context, env connectors.Env, call connectors.Call) (connectors.Result, error) {
	const doing = "finding pets"
	var in struct {
		Status string `json:"status"`
	}
	if err := json.Unmarshal(call.Input, &in); err != nil || in.Status == "" {
		return connectors.Result{}, connectors.BadInput("%s: the input needs a status, as text", doing)
	}
	q := outgoing.Request{Doing: doing, Method: http.MethodGet, URL: &url.URL{
		RawQuery: url.Values{"status": {strings.ToLower(in.Status)}}.Encode(),
	}}
	return answered(send(ctx, env, call.Credential, q, "pet", "findByStatus"))
}

// send sends q to a path under the credential's base URL, with its key. q.URL holds at most the query.
func send(ctx context.Context, env connectors.Env, c *connectors.Credential, q outgoing.Request, path ...string) (outgoing.Answer, error) {
	key := c.Value("apiKey")
	if key == "" {
		return outgoing.Answer{}, connectors.BadCredential("%s: the credential has no API key: enter one", q.Doing)
	}
	address := c.Value("baseUrl")
	if address == "" {
		address = DefaultBaseURL
	}
	base, err := outgoing.ParseURL(address)
	if err != nil {
		return outgoing.Answer{}, connectors.BadCredential("%s: base URL: %v", q.Doing, err)
	}
	target := base.JoinPath(path...)
	target.RawQuery = ""
	if q.URL != nil {
		target.RawQuery = q.URL.RawQuery
	}
	q.URL = target
	if q.Header == nil {
		q.Header = http.Header{}
	}
	q.Header["Api-Key"] = []string{key}
	q.Header.Set("Accept", "application/json")
	q.Secrets = []string{key}
	return outgoing.Send(ctx, env.HTTP, q)
}

// answered makes the target's JSON the output, its digits kept.
func answered(a outgoing.Answer, err error) (connectors.Result, error) {
	if err != nil {
		return connectors.Result{HTTPStatus: a.Status}, err
	}
	body := bytes.TrimSpace(a.Body)
	if !json.Valid(body) {
		return connectors.Result{HTTPStatus: a.Status}, &connectors.Error{
			Kind: connectors.KindHTTP, HTTPStatus: a.Status, Retry: connectors.RetryNever, Sent: true,
			Message: "the Petstore answered with something that is not JSON: check the base URL of the credential",
		}
	}
	return connectors.Result{Output: lowerStatus(body), HTTPStatus: a.Status}, nil
}

// lowerStatus writes a pet's status in lower case, whatever case the server keeps. All other bytes of the pet stay.
func lowerStatus(body json.RawMessage) json.RawMessage {
	if body[0] == '[' {
		var pets []json.RawMessage
		if json.Unmarshal(body, &pets) != nil {
			return body
		}
		for i, pet := range pets {
			pets[i] = lowerStatus(pet)
		}
		list := append([]byte{'['}, bytes.Join(rawBytes(pets), []byte(","))...)
		return append(list, ']')
	}
	var pet map[string]json.RawMessage
	var status string
	if json.Unmarshal(body, &pet) != nil || json.Unmarshal(pet["status"], &status) != nil || status == strings.ToLower(status) {
		return body
	}
	pet["status"], _ = json.Marshal(strings.ToLower(status))
	changed, err := json.Marshal(pet)
	if err != nil {
		return body
	}
	return changed
}

func rawBytes(list []json.RawMessage) [][]byte {
	raw := make([][]byte, len(list))
	for i, item := range list {
		raw[i] = item
	}
	return raw
}
