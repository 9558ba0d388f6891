// Package webhook is the connector for webhooks: webhook/receive starts a flow, webhook/send calls a URL in its middle.
package webhook

import (
	"encoding/json"

	"sluice/connectors"
	"sluice/connectors/outgoing"
)

// Connector returns the webhook connector. Its credentials serve both ways: the edge checks them on what comes in,
// webhook/send applies none, basic, apiKey, hmac and standard-webhooks to what goes out.
func Connector() connectors.Connector {
	return connectors.Connector{
		Name:        "webhook",
		Title:       "Webhook",
		Summary:     "Receives webhooks from any system, and sends them.",
		Credentials: credentials(),
		Components: []connectors.Component{
			{
				Name:    "webhook/receive",
				Title:   "Webhook",
				Summary: "Starts the flow for each HTTP request to its URL.",
				Trigger: true,
				Effect:  connectors.Pure,
				Input:   json.RawMessage(receiveSettings),
				Output:  json.RawMessage(envelopeSchema),
				Sample: func() json.RawMessage {
					return json.RawMessage(`{"method": "POST", "path": "", "query": {}, "headers": {"content-type": "application/json"}, "body": {"petname": "Gromit", "petstatus": "Sold"}, "files": []}`)
				},
			},
			{
				Name:    "webhook/send",
				Title:   "Send a webhook",
				Summary: "Calls a URL, signed where the credential asks for it. An answer other than 2xx is an error.",
				Effect:  connectors.Keyed,
				Input:   json.RawMessage(sendInput),
				Output:  json.RawMessage(outgoing.AnswerSchema),
				Do:      send,
				Sample: func() json.RawMessage {
					return json.RawMessage(`{"status": 200, "headers": {"content-type": "application/json"}, "body": {"ok": true}}`)
				},
			},
			{
				Name:    "webhook/wait",
				Title:   "Wait for a callback",
				Summary: "Parks the execution until its callback URL (callbacks.STEP, known from the start) is called, once, or a time is over.",
				Effect:  connectors.Pure,
				Input:   json.RawMessage(waitInput),
				Output:  json.RawMessage(waitOutput),
				Do:      wait,
				Sample: func() json.RawMessage {
					return json.RawMessage(`{"timedOut": false, "method": "POST", "query": {}, "headers": {"content-type": "application/json"}, "body": {"approved": true}}`)
				},
			},
			{
				Name:    "webhook/reply",
				Title:   "Answer the webhook",
				Summary: "Answers the sender that waits at the flow's webhook; the steps after it go on.",
				Effect:  connectors.Pure,
				Input:   json.RawMessage(replyInput),
				Output:  json.RawMessage(replyOutput),
				Do:      reply,
				Sample:  func() json.RawMessage { return json.RawMessage(`{"status": 200, "delivered": true}`) },
			},
		},
	}
}

const receiveSettings = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "properties": {
    "methods": {"type": "array", "title": "Methods", "description": "Requests by any other method are refused", "uniqueItems": true, "minItems": 1, "default": ["POST", "GET"], "items": {"type": "string", "enum": ["GET", "POST", "PUT", "PATCH", "DELETE"]}},
    "raw": {"type": "boolean", "title": "Raw", "description": "The body is handed over as it came, not parsed", "default": false},
    "respond": {
      "type": "object", "title": "Answer", "description": "What the sender gets; by default at once, with the request's ID", "additionalProperties": false,
      "properties": {
        "when": {"type": "string", "title": "When", "enum": ["accepted", "finished"], "default": "accepted", "description": "accepted answers at once, finished waits for the end of the execution"},
        "status": {"type": "integer", "title": "Status", "minimum": 200, "maximum": 999, "default": 200},
        "headers": {"type": "object", "title": "Headers", "additionalProperties": {"type": "string"}},
        "contentType": {"type": "string", "title": "Content type", "default": "application/json"},
        "body": {"title": "Body", "description": "A value, or an expression over the flow's steps"},
        "onFailure": {
          "type": "object", "title": "When the execution fails", "additionalProperties": false,
          "properties": {
            "status": {"type": "integer", "title": "Status", "minimum": 200, "maximum": 999, "default": 500},
            "contentType": {"type": "string", "title": "Content type", "default": "application/json"},
            "body": {"title": "Body"}
          }
        }
      }
    },
    "replyTimeout": {"type": "string", "title": "Reply timeout", "description": "a time such as 25s: how long a sender waits before it gets 202 and a URL for the result", "pattern": "^[0-9]{1,6}(ms|s|m)$", "default": "25s"}
  }
}`

const envelopeSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "required": ["body", "query", "headers", "method", "path"],
  "properties": {
    "body": {"title": "Body", "description": "JSON, XML or a form as a value; other text as text"},
    "query": {"type": "object", "title": "Query"},
    "headers": {"type": "object", "title": "Headers", "description": "Names in lower case, without those that authenticate"},
    "method": {"type": "string", "title": "Method"},
    "path": {"type": "string", "title": "Path", "description": "What follows the flow's ID in the URL"},
    "files": {"type": ["array", "object"], "title": "Files"}
  }
}`
