// Package http is the connector for any system that speaks HTTP: one component, http/request.
package http

import (
	"context"
	"encoding/json"
	"fmt"
	nethttp "net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/connectors"
	"sluice/connectors/outgoing"
)

// Connector returns the http connector.
func Connector() connectors.Connector {
	return connectors.Connector{
		Name:    "http",
		Title:   "HTTP",
		Summary: "Sends requests to any HTTP API.",
		Credentials: []connectors.CredentialType{
			{Name: "none", Title: "No Auth", Schema: json.RawMessage(outgoing.NoneSchema)},
			{Name: "basic", Title: "Basic Auth", Schema: json.RawMessage(outgoing.BasicSchema)},
			{Name: "bearer", Title: "Bearer token", Schema: json.RawMessage(outgoing.BearerSchema)},
			{Name: "apiKey", Title: "API Key Auth", Schema: json.RawMessage(outgoing.APIKeySchema)},
			outgoing.OAuth2(),
			outgoing.OAuth2Client(),
		},
		Components: []connectors.Component{{
			Name:    "http/request",
			Title:   "HTTP request",
			Summary: "Sends a request and gives its answer. An answer that is not expected is an error.",
			// The key goes out with every request, but whether this target honours it is not known.
			Effect: connectors.Neither,
			Input:  json.RawMessage(inputSchema),
			Output: json.RawMessage(outgoing.AnswerSchema),
			Do:     request,
			Sample: func() json.RawMessage {
				return json.RawMessage(`{"status": 200, "headers": {"content-type": "application/json"}, "body": {"ok": true}}`)
			},
		}},
	}
}

const inputSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "required": ["url"],
  "additionalProperties": false,
  "properties": {
    "method": {"type": "string", "title": "Method", "enum": ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"], "default": "GET"},
    "url": {"type": "string", "title": "URL", "description": "an address that starts with http:// or https://", "minLength": 1, "examples": ["https://api.example.com/things"]},
    "query": {"type": "object", "title": "Query", "description": "Added to the URL's own; lists repeat the name"},
    "headers": {"type": "object", "title": "Headers", "additionalProperties": {"type": ["string", "number", "boolean"]}},
    "body": {"title": "Body", "description": "Sent as JSON unless the content type says otherwise"},
    "file": ` + outgoing.FileSchema + `,
    "multipart": ` + outgoing.MultipartSchema + `,
    "contentType": {"type": "string", "title": "Content type", "description": "With one, text is sent as it is, and application/x-www-form-urlencoded makes a form of an object", "examples": ["application/json", "application/x-www-form-urlencoded", "text/plain"]},
    "timeout": {"type": "string", "title": "Timeout", "description": "a time such as 10s or 500ms; never longer than the step's", "pattern": "^[0-9]{1,6}(ms|s|m)$", "examples": ["10s"]},
    "expect": {
      "type": "array", "title": "Expected statuses", "description": "Any other is an error", "default": ["2xx"],
      "items": {"description": "a status such as 404, or a class such as 2xx", "anyOf": [{"type": "integer", "minimum": 100, "maximum": 999}, {"type": "string", "pattern": "^([1-9]xx|[1-9][0-9][0-9])$"}]}
    }
  }
}`

type input struct {
	Method      string          `json:"method"`
	URL         string          `json:"url"`
	Query       json.RawMessage `json:"query"`
	Headers     map[string]any  `json:"headers"`
	Body        json.RawMessage `json:"body"`
	File        json.RawMessage `json:"file"`
	Multipart   json.RawMessage `json:"multipart"`
	ContentType string          `json:"contentType"`
	Timeout     string          `json:"timeout"`
	Expect      []any           `json:"expect"`
}

func request(ctx context.Context, env connectors.Env, call connectors.Call) (connectors.Result, error) {
	const doing = "sending the request"
	var in input
	decoder := json.NewDecoder(strings.NewReader(string(call.Input)))
	decoder.UseNumber()
	if err := decoder.Decode(&in); err != nil {
		return connectors.Result{}, connectors.BadInput("%s: the input cannot be read: %v", doing, err)
	}
	q, err := in.request(call)
	if err != nil {
		e := *connectors.AsError(err)
		e.Message = doing + ": " + e.Message
		return connectors.Result{}, &e
	}
	q.Doing = doing
	if in.Timeout != "" {
		limit, err := time.ParseDuration(in.Timeout)
		if err != nil || limit <= 0 {
			return connectors.Result{}, connectors.BadInput("%s: timeout: write a time such as 10s", doing)
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	answer, err := outgoing.Send(ctx, env.HTTP, q)
	if err != nil {
		return connectors.Result{HTTPStatus: answer.Status}, err
	}
	return connectors.Result{Output: answer.JSON(), HTTPStatus: answer.Status}, nil
}

func (in input) request(call connectors.Call) (outgoing.Request, error) {
	u, err := outgoing.ParseURL(in.URL)
	if err != nil {
		return outgoing.Request{}, connectors.BadInput("url: %v", err)
	}
	if len(in.Query) > 0 && string(in.Query) != "null" {
		added, err := outgoing.Query(in.Query)
		if err != nil {
			return outgoing.Request{}, connectors.BadInput("query: %v", err)
		}
		q := u.Query()
		for name, values := range added {
			q[name] = values
		}
		u.RawQuery = q.Encode()
	}
	fields := make(map[string]string, len(in.Headers))
	for name, value := range in.Headers {
		fields[name] = fmt.Sprint(value)
	}
	header, err := outgoing.Header(fields)
	if err != nil {
		return outgoing.Request{}, connectors.BadInput("headers: %v", err)
	}
	body, stream, contentType, err := outgoing.Payload{Body: in.Body, File: in.File, Multipart: in.Multipart, ContentType: in.ContentType}.Content(call)
	if err != nil {
		return outgoing.Request{}, err
	}
	if contentType != "" && header.Get("Content-Type") == "" {
		header.Set("Content-Type", contentType)
	}
	method := in.Method
	if method == "" {
		method = nethttp.MethodGet
	}
	if method != nethttp.MethodGet && method != nethttp.MethodHead && header.Get("Idempotency-Key") == "" && call.IdempotencyKey != "" {
		header.Set("Idempotency-Key", call.IdempotencyKey)
	}
	secrets, known, err := outgoing.Authorize(call.Credential, u, header)
	if err != nil {
		return outgoing.Request{}, err
	}
	if !known {
		return outgoing.Request{}, connectors.BadCredential("credentials of type %s cannot be used here: choose basic, bearer, apiKey or oauth2", call.Credential.Type)
	}
	expect, err := expected(in.Expect)
	if err != nil {
		return outgoing.Request{}, err
	}
	return outgoing.Request{Method: method, URL: u, Header: header, Body: body, Stream: stream, Secrets: secrets, Expect: expect}, nil
}

// expected reads statuses (404) and classes of them ("2xx"). Nothing means 2xx.
func expected(list []any) (func(int) bool, error) {
	if len(list) == 0 {
		return nil, nil
	}
	said := make([]string, len(list))
	for i, v := range list {
		said[i] = fmt.Sprint(v)
		digits := strings.TrimSuffix(said[i], "xx")
		if n, err := strconv.Atoi(digits); err != nil || len(said[i]) != 3 || n < 1 {
			return nil, connectors.BadInput("expect: write a status such as 404 or a class such as 2xx")
		}
	}
	return func(status int) bool {
		text := strconv.Itoa(status)
		return slices.Contains(said, text) || slices.Contains(said, text[:1]+"xx")
	}, nil
}
