package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"sluice/connectors"
)

// replyInput is the schema of webhook/reply's settings.
const replyInput = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "additionalProperties": false,
  "properties": {
    "status": {"type": "integer", "title": "Status", "minimum": 200, "maximum": 999, "default": 200},
    "contentType": {"type": "string", "title": "Content type", "description": "application/json, or the file's own, when absent", "maxLength": 200},
    "headers": {"type": "object", "title": "Headers", "additionalProperties": {"type": "string"}},
    "body": {"title": "Body", "description": "Any JSON value; with a content type other than JSON, text as it is"},
    "file": {"title": "File", "description": "A file of the hook in place of a body, such as =files[0]; body is the hook's body as it came"}
  }
}`

const replyOutput = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "required": ["status", "delivered"],
  "properties": {
    "status": {"type": "integer", "title": "Status"},
    "delivered": {"type": "boolean", "title": "Delivered", "description": "false where no sender waits: a replay, or a retry"}
  }
}`

type replySettings struct {
	Status      int               `json:"status"`
	ContentType string            `json:"contentType"`
	Headers     map[string]string `json:"headers"`
	Body        json.RawMessage   `json:"body"`
	File        json.RawMessage   `json:"file"`
}

// reply answers the sender that waits, and lets the flow go on.
func reply(ctx context.Context, _ connectors.Env, call connectors.Call) (connectors.Result, error) {
	if err := ctx.Err(); err != nil {
		return connectors.Result{}, connectors.AsError(err)
	}
	settings := replySettings{Status: 200}
	if err := json.Unmarshal(call.Input, &settings); err != nil {
		return connectors.Result{}, connectors.BadInput("reading the reply: %s", err)
	}
	for name, value := range settings.Headers {
		if strings.ContainsAny(name+value, "\r\n\x00") || name == "" {
			return connectors.Result{}, connectors.BadInput("the header %q holds a line break or has no name", name)
		}
	}
	file, err := call.FileOf(settings.File)
	if err != nil {
		return connectors.Result{}, err
	}
	if settings.ContentType == "" {
		if settings.ContentType = "application/json"; file != nil {
			settings.ContentType = file.ContentType
		}
	}
	body := []byte(settings.Body)
	var text string
	if !strings.Contains(settings.ContentType, "json") && json.Unmarshal(settings.Body, &text) == nil {
		body = []byte(text)
	}
	delivered := false
	if call.Reply != nil {
		err := call.Reply(ctx, connectors.Reply{Status: settings.Status, ContentType: settings.ContentType, Headers: settings.Headers, Body: body, File: file})
		if err != nil {
			return connectors.Result{}, err
		}
		delivered = true
	}
	return connectors.Result{Output: fmt.Appendf(nil, `{"status": %d, "delivered": %t}`, settings.Status, delivered)}, nil
}
