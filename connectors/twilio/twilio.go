// Package twilio is the connector for Twilio's API of 2010-04-01 (twilio.com/docs/usage/api).
//
// Requests are forms with names in capitals. Errors are {"code", "message", "more_info", "status"}. Twilio knows no
// idempotency key: a message that was sent twice is two messages, so a step that must not repeat one sets onUnknown.
package twilio

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"sluice/connectors"
	"sluice/connectors/outgoing"
	"sluice/connectors/rest"
)

// DefaultBaseURL is Twilio's API in the region US1.
const DefaultBaseURL = "https://api.twilio.com"

var api = &rest.API{Title: "Twilio", BaseURL: DefaultBaseURL, Authorize: authorize, Judge: judge}

// Connector returns the twilio connector.
func Connector() connectors.Connector {
	return connectors.Connector{
		Name:    "twilio",
		Title:   "Twilio",
		Summary: "Sends text messages and makes calls.",
		Credentials: []connectors.CredentialType{
			{
				Name: "authToken", Title: "Account SID and auth token",
				Schema: json.RawMessage(`{"type": "object", "required": ["accountSid", "authToken"], "additionalProperties": false, "properties": {` + account + `,
  "authToken": {"type": "string", "title": "Auth token", "minLength": 1, "format": "password", "writeOnly": true},
  ` + rest.BaseURL(DefaultBaseURL) + `}}`),
				Verify: api.Verify("authToken", "asking Twilio for the account", "/2010-04-01/Accounts/{@accountSid}.json"),
			},
			{
				Name: "apiKey", Title: "API key", Summary: "A key of the account, which can be revoked alone.",
				Schema: json.RawMessage(`{"type": "object", "required": ["accountSid", "keySid", "keySecret"], "additionalProperties": false, "properties": {` + account + `,
  "keySid": {"type": "string", "title": "Key SID", "description": "SK and 32 hexadecimal digits", "pattern": "^SK[0-9a-fA-F]{32}$"},
  "keySecret": {"type": "string", "title": "Key secret", "minLength": 1, "format": "password", "writeOnly": true},
  ` + rest.BaseURL(DefaultBaseURL) + `}}`),
				Verify: api.Verify("apiKey", "asking Twilio for the account's messages", "/2010-04-01/Accounts/{@accountSid}/Messages.json"),
			},
		},
		Components: api.Components(
			rest.Action{
				Name: "twilio/send-message", Title: "Send message", Summary: "Sends an SMS, MMS or WhatsApp message.",
				Effect: connectors.Neither, Method: http.MethodPost, Path: "/2010-04-01/Accounts/{@accountSid}/Messages.json", Body: rest.Form,
				As: map[string]string{
					"to": "To", "from": "From", "body": "Body", "mediaUrl": "MediaUrl", "messagingServiceSid": "MessagingServiceSid",
					"statusCallback": "StatusCallback", "contentSid": "ContentSid", "contentVariables": "ContentVariables", "sendAt": "SendAt", "scheduleType": "ScheduleType",
				},
				Input: `{` + head + `"required": ["to"], "properties": {
  ` + number("to", "To") + `,
  ` + number("from", "From") + `,
  "messagingServiceSid": {"type": "string", "title": "Messaging service", "description": "in place of a number"},
  "body": {"type": "string", "title": "Text", "maxLength": 1600},
  "mediaUrl": {"type": "array", "title": "Media", "items": {"type": "string", "format": "uri"}, "maxItems": 10},
  "contentSid": {"type": "string", "title": "Content template"},
  "contentVariables": {"type": "string", "title": "Variables of the template", "description": "JSON as text"},
  "statusCallback": {"type": "string", "title": "Status callback", "format": "uri"},
  "sendAt": {"type": "string", "title": "Send at", "format": "date-time"},
  "scheduleType": {"type": "string", "title": "Schedule", "enum": ["fixed"]}
}, "anyOf": [{"required": ["from"]}, {"required": ["messagingServiceSid"]}], "description": "an object with from or messagingServiceSid"}`,
				Output: `{"type": "object", "required": ["sid"], "properties": {"sid": {"type": "string", "title": "SID"}, "status": {"type": "string", "title": "Status"}, "to": {"type": "string", "title": "To"}, "body": {"type": ["string", "null"], "title": "Text"}}}`,
				Sample: `{"sid": "SM00000000000000000000000000000000", "status": "queued", "to": "+15558675310", "body": "Hi there"}`,
			},
			rest.Action{
				Name: "twilio/get-message", Title: "Get message", Summary: "Reads a message and what became of it.",
				Effect: connectors.Idempotent, Method: http.MethodGet, Path: "/2010-04-01/Accounts/{@accountSid}/Messages/{sid}.json",
				Input:  `{` + head + `"required": ["sid"], "properties": {"sid": {"type": "string", "title": "SID", "description": "SM or MM and 32 hexadecimal digits", "pattern": "^(SM|MM)[0-9a-fA-F]{32}$"}}}`,
				Output: `{"type": "object", "required": ["sid"], "properties": {"sid": {"type": "string", "title": "SID"}, "status": {"type": "string", "title": "Status"}, "error_code": {"type": ["integer", "null"], "title": "Error"}}}`,
				Sample: `{"sid": "SM00000000000000000000000000000000", "status": "delivered", "error_code": null}`,
			},
			rest.Action{
				Name: "twilio/make-call", Title: "Make call", Summary: "Calls a number and follows TwiML.",
				Effect: connectors.Neither, Method: http.MethodPost, Path: "/2010-04-01/Accounts/{@accountSid}/Calls.json", Body: rest.Form,
				As: map[string]string{"to": "To", "from": "From", "url": "Url", "twiml": "Twiml", "statusCallback": "StatusCallback"},
				Input: `{` + head + `"required": ["to", "from"], "properties": {
  ` + number("to", "To") + `,
  ` + number("from", "From") + `,
  "url": {"type": "string", "title": "TwiML at", "format": "uri"},
  "twiml": {"type": "string", "title": "TwiML", "description": "in place of a URL", "maxLength": 4000},
  "statusCallback": {"type": "string", "title": "Status callback", "format": "uri"}
}, "anyOf": [{"required": ["url"]}, {"required": ["twiml"]}], "description": "an object with url or twiml"}`,
				Output: `{"type": "object", "required": ["sid"], "properties": {"sid": {"type": "string", "title": "SID"}, "status": {"type": "string", "title": "Status"}}}`,
				Sample: `{"sid": "CA00000000000000000000000000000000", "status": "queued"}`,
			},
		),
	}
}

const (
	head    = `"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false, `
	account = `
  "accountSid": {"type": "string", "title": "Account SID", "description": "AC and 32 hexadecimal digits", "pattern": "^AC[0-9a-fA-F]{32}$"}`
)

func number(name, title string) string {
	return fmt.Sprintf(`%q: {"type": "string", "title": %q, "description": "a number with its country such as +15558675310, or whatsapp:+15558675310", "minLength": 1, "examples": ["+15558675310"]}`, name, title)
}

func authorize(c *connectors.Credential, method string, u *url.URL, h http.Header) ([]string, error) {
	if c.Is("apiKey") {
		return rest.Basic("keySid", "keySecret")(c, method, u, h)
	}
	return rest.Basic("accountSid", "authToken")(c, method, u, h)
}

// passing are the codes of errors that pass by themselves although their status does not say so: the queue of a number
// is full, or too many requests run at once.
var passing = map[int]bool{14107: true, 20429: true, 21611: true}

func judge(a outgoing.Answer, failed *connectors.Error, _ time.Time) *connectors.Error {
	if failed == nil {
		return nil
	}
	var said struct {
		Code     int    `json:"code"`
		Message  string `json:"message"`
		MoreInfo string `json:"more_info"`
	}
	if json.Unmarshal(a.Body, &said) != nil || said.Message == "" {
		return failed
	}
	e := *failed
	e.Message = "Twilio refused: " + said.Message
	if said.Code != 0 {
		e.Message += fmt.Sprintf(" (%d", said.Code)
		if u, err := url.Parse(said.MoreInfo); err == nil && u.Scheme == "https" {
			e.Message += ", " + said.MoreInfo
		}
		e.Message += ")"
	}
	if passing[said.Code] {
		return rest.RateLimited(&e, max(e.RetryAfter, 5*time.Second))
	}
	return &e
}
