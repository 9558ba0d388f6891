package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"sluice/connectors"
	"sluice/connectors/outgoing"
)

const sendInput = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "required": ["url"],
  "additionalProperties": false,
  "properties": {
    "url": {"type": "string", "title": "URL", "description": "an address that starts with http:// or https://", "minLength": 1, "examples": ["https://example.com/in"]},
    "method": {"type": "string", "title": "Method", "enum": ["POST", "PUT", "PATCH", "DELETE", "GET"], "default": "POST"},
    "body": {"title": "Body", "description": "Sent as JSON; text is sent as it is where a content type is given"},
    "file": ` + outgoing.FileSchema + `,
    "multipart": ` + outgoing.MultipartSchema + `,
    "contentType": {"type": "string", "title": "Content type", "examples": ["application/json", "text/plain"]},
    "headers": {"type": "object", "title": "Headers", "additionalProperties": {"type": ["string", "number", "boolean"]}}
  }
}`

func send(ctx context.Context, env connectors.Env, call connectors.Call) (connectors.Result, error) {
	const doing = "sending the webhook"
	q, err := request(ctx, env, call)
	if err != nil {
		e := *connectors.AsError(err)
		e.Message = doing + ": " + e.Message
		return connectors.Result{}, &e
	}
	q.Doing = doing
	answer, err := outgoing.Send(ctx, env.HTTP, q)
	if err != nil {
		return connectors.Result{HTTPStatus: answer.Status}, err
	}
	return connectors.Result{Output: answer.JSON(), HTTPStatus: answer.Status}, nil
}

func request(ctx context.Context, env connectors.Env, call connectors.Call) (outgoing.Request, error) {
	var in struct {
		URL         string          `json:"url"`
		Method      string          `json:"method"`
		Body        json.RawMessage `json:"body"`
		File        json.RawMessage `json:"file"`
		Multipart   json.RawMessage `json:"multipart"`
		ContentType string          `json:"contentType"`
		Headers     map[string]any  `json:"headers"`
	}
	decoder := json.NewDecoder(bytes.NewReader(call.Input))
	decoder.UseNumber()
	if err := decoder.Decode(&in); err != nil {
		return outgoing.Request{}, connectors.BadInput("the input cannot be read: %v", err)
	}
	u, err := outgoing.ParseURL(in.URL)
	if err != nil {
		return outgoing.Request{}, connectors.BadInput("url: %v", err)
	}
	fields := make(map[string]string, len(in.Headers))
	for name, value := range in.Headers {
		fields[name] = fmt.Sprint(value)
	}
	header, err := outgoing.Header(fields)
	if err != nil {
		return outgoing.Request{}, connectors.BadInput("headers: %v", err)
	}
	method := in.Method
	if method == "" {
		method = http.MethodPost
	}
	body, stream, contentType, err := outgoing.Payload{Body: in.Body, File: in.File, Multipart: in.Multipart, ContentType: in.ContentType}.Content(call)
	if err != nil {
		return outgoing.Request{}, err
	}
	if contentType != "" && header.Get("Content-Type") == "" {
		header.Set("Content-Type", contentType)
	}
	if call.IdempotencyKey != "" {
		header.Set("Idempotency-Key", call.IdempotencyKey)
	}

	q := outgoing.Request{Method: method, URL: u, Header: header, Body: body, Stream: stream}
	var known bool
	if q.Secrets, known, err = outgoing.Authorize(call.Credential, u, header); err != nil || known {
		return q, err
	}
	if stream != nil { // what is signed is read before the signature is sent
		if body, err = readSmall(ctx, stream); err != nil {
			return q, err
		}
		q.Body, q.Stream = body, nil
	}
	signed := delivery{
		id: call.IdempotencyKey, at: env.Clock(), method: method, url: u.String(), body: body,
	}
	switch {
	case call.Credential.Is("hmac"):
		q.Secrets, err = signed.hmac(header, call.Credential)
	case call.Credential.Is("standard-webhooks"):
		q.Secrets, err = signed.standard(header, call.Credential)
	default:
		err = connectors.BadCredential("credentials of type %s are for receiving: choose none, basic, apiKey, hmac or standard-webhooks", call.Credential.Type)
	}
	return q, err
}

// readSmall reads a stream that is to be signed.
func readSmall(ctx context.Context, s *outgoing.Stream) ([]byte, error) {
	const most = 10 << 20
	if s.Size > most {
		return nil, connectors.BadInput("file: %d bytes are too many to be signed: send at most %d, or without a signature", s.Size, most)
	}
	r, err := s.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil {
		return nil, &connectors.Error{Kind: connectors.KindInternal, Message: "reading the file: " + err.Error()}
	}
	return body, nil
}
