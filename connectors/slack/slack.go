// Package slack is the connector for Slack's Web API (docs.slack.dev/reference/methods) and its incoming webhooks.
//
// Slack answers 200 also where it refuses: {"ok": false, "error": "channel_not_found"}. Its limits come as 429 with
// Retry-After. Lists are read by a cursor, which is in response_metadata.next_cursor.
package slack

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"sluice/connectors"
	"sluice/connectors/outgoing"
	"sluice/connectors/rest"
)

// DefaultBaseURL is Slack's Web API.
const DefaultBaseURL = "https://slack.com/api"

var api = &rest.API{Title: "Slack", BaseURL: DefaultBaseURL, Authorize: rest.Bearer("token"), Judge: judge}

// Connector returns the slack connector.
func Connector() connectors.Connector {
	return connectors.Connector{
		Name:    "slack",
		Title:   "Slack",
		Summary: "Posts and changes messages, and finds channels and people.",
		Credentials: []connectors.CredentialType{
			{
				Name: "token", Title: "Bot token", Summary: "The token of an app, which begins with xoxb-.",
				Schema: rest.TokenSchema("token", "Bot token", DefaultBaseURL),
				Verify: api.Verify("token", "asking Slack who the token belongs to", "/auth.test"),
			},
			{
				Name: "webhook", Title: "Incoming webhook", Summary: "The URL that Slack gave for one channel; for slack/notify.",
				Schema: json.RawMessage(`{"type": "object", "required": ["url"], "additionalProperties": false, "properties": {
  "url": {"type": "string", "title": "Webhook URL", "description": "an address that starts with https://hooks.slack.com/", "pattern": "^https?://", "format": "password", "writeOnly": true}
}}`),
			},
		},
		Components: append(api.Components(
			rest.Action{
				Name: "slack/post-message", Title: "Post message", Summary: "Posts a message to a channel or a person.",
				Effect: connectors.Neither, Method: http.MethodPost, Path: "/chat.postMessage", Body: rest.JSON, Shape: saysSomething,
				Input: `{` + head + `"required": ["channel"], "properties": {` + channel + `, ` + message + `,
  "thread_ts": {"type": "string", "title": "Thread", "description": "the ts of the message that this one answers"},
  "reply_broadcast": {"type": "boolean", "title": "Also to the channel"},
  "unfurl_links": {"type": "boolean", "title": "Unfurl links"},
  "unfurl_media": {"type": "boolean", "title": "Unfurl media"},
  "metadata": {"type": "object", "title": "Metadata"}
}}`,
				Output: posted, Sample: samplePosted,
			},
			rest.Action{
				Name: "slack/update-message", Title: "Change message", Summary: "Replaces a message that the app posted.",
				Effect: connectors.Idempotent, Method: http.MethodPost, Path: "/chat.update", Body: rest.JSON, Shape: saysSomething,
				Input: `{` + head + `"required": ["channel", "ts"], "properties": {` + channel + `, ` + message + `,
  "ts": {"type": "string", "title": "Message", "description": "the ts of the message", "minLength": 1}
}}`,
				Output: posted, Sample: samplePosted,
			},
			rest.Action{
				Name: "slack/list-channels", Title: "List channels", Summary: "Reads a page of the channels.",
				Effect: connectors.Idempotent, Method: http.MethodGet, Path: "/conversations.list",
				Query: []string{"types", "exclude_archived", "limit", "cursor"}, Read: page("channels"),
				Input: `{` + head + `"properties": {
  "types": {"type": "string", "title": "Kinds", "description": "joined by commas", "examples": ["public_channel,private_channel"]},
  "exclude_archived": {"type": "boolean", "title": "Without archived ones"},
  "limit": {"type": "integer", "title": "Page size", "minimum": 1, "maximum": 999},
  "cursor": {"type": "string", "title": "Page", "description": "next of the page before"}
}}`,
				Output: `{"type": "object", "required": ["items"], "properties": {"items": {"type": "array", "title": "Channels", "items": {"type": "object", "properties": {
  "id": {"type": "string", "title": "ID"}, "name": {"type": "string", "title": "Name"}, "is_private": {"type": "boolean", "title": "Private"}}}}, "next": {"type": "string", "title": "Next page"}}}`,
				Sample: `{"items": [{"id": "C012AB3CD", "name": "general", "is_private": false}]}`,
			},
			rest.Action{
				Name: "slack/find-user", Title: "Find person by e-mail", Summary: "Reads the account of an e-mail address.",
				Effect: connectors.Idempotent, Method: http.MethodGet, Path: "/users.lookupByEmail", Query: []string{"email"},
				Input: `{` + head + `"required": ["email"], "properties": {"email": {"type": "string", "title": "E-mail", "format": "email"}}}`,
				Output: `{"type": "object", "required": ["ok"], "properties": {"ok": {"type": "boolean"}, "user": {"type": "object", "title": "Person", "properties": {
  "id": {"type": "string", "title": "ID"}, "name": {"type": "string", "title": "Name"}, "real_name": {"type": "string", "title": "Real name"}}}}}`,
				Sample: `{"ok": true, "user": {"id": "W012A3CDE", "name": "spengler", "real_name": "Egon Spengler"}}`,
			},
		), notify()),
	}
}

const (
	head    = `"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false, `
	channel = `"channel": {"type": "string", "title": "Channel", "description": "its ID, or a person's", "minLength": 1, "examples": ["C012AB3CD"]}`
	message = `
  "text": {"type": "string", "title": "Text", "description": "what notifications show; in mrkdwn", "maxLength": 40000},
  "blocks": {"type": "array", "title": "Blocks", "description": "Block Kit", "maxItems": 50},
  "attachments": {"type": "array", "title": "Attachments", "maxItems": 100}`
	posted       = `{"type": "object", "required": ["ok"], "properties": {"ok": {"type": "boolean"}, "channel": {"type": "string", "title": "Channel"}, "ts": {"type": "string", "title": "Message", "description": "its time, by which it is known"}, "message": {"type": "object", "title": "The message"}}}`
	samplePosted = `{"ok": true, "channel": "C012AB3CD", "ts": "1503435956.000247", "message": {"text": "Here's a message for you", "type": "message"}}`
)

func saysSomething(fields map[string]json.RawMessage) (any, error) {
	for _, name := range []string{"text", "blocks", "attachments"} {
		if value := string(fields[name]); value != "" && value != `""` && value != "[]" && value != "null" {
			return fields, nil
		}
	}
	return nil, errors.New("the message is empty: give text, blocks or attachments")
}

// page reads an answer as {"items": […], "next": cursor}.
func page(key string) func(outgoing.Answer) (json.RawMessage, error) {
	return func(a outgoing.Answer) (json.RawMessage, error) {
		var said struct {
			Metadata struct {
				Next string `json:"next_cursor"`
			} `json:"response_metadata"`
		}
		var holder map[string]json.RawMessage
		if err := errors.Join(json.Unmarshal(a.Body, &said), json.Unmarshal(a.Body, &holder)); err != nil {
			return nil, err
		}
		if holder[key] == nil {
			return nil, errors.New("the list is missing")
		}
		return json.Marshal(struct {
			Items json.RawMessage `json:"items"`
			Next  string          `json:"next,omitempty"`
		}{holder[key], said.Metadata.Next})
	}
}

// judge finds the refusals that come with 200, and says which of them pass by themselves.
func judge(a outgoing.Answer, failed *connectors.Error, _ time.Time) *connectors.Error {
	if failed != nil {
		return failed
	}
	var said struct {
		OK       *bool    `json:"ok"`
		Error    string   `json:"error"`
		Needed   string   `json:"needed"`
		Problems struct { // of blocks and arguments
			Messages []string `json:"messages"`
		} `json:"response_metadata"`
	}
	if json.Unmarshal(a.Body, &said) != nil || said.OK == nil || *said.OK {
		return nil
	}
	e := &connectors.Error{Kind: connectors.KindHTTP, HTTPStatus: a.Status, Sent: true, Retry: connectors.RetryNever}
	e.Message = "Slack refused: " + said.Error
	if said.Needed != "" {
		e.Message += ": the token needs the scope " + said.Needed
	}
	if len(said.Problems.Messages) > 0 {
		e.Message += ": " + strings.Join(said.Problems.Messages, "; ")
	}
	switch said.Error {
	case "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope", "no_permission":
		e.Kind = connectors.KindCredential
	case "ratelimited", "rate_limited":
		return rest.RateLimited(e, 30*time.Second)
	case "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org":
		e.Retry, e.HTTPStatus = connectors.RetryByPolicy, http.StatusServiceUnavailable // policies name it by this status
	}
	return e
}
