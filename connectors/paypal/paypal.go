// Package paypal is the connector for PayPal's REST API (developer.paypal.com/docs/api).
//
// The app's ID and secret get a token by client credentials. A POST is repeated safely with the same PayPal-Request-Id, which
// PayPal keeps for 6 hours at least (orders) and 45 days (payments). Errors are {"name", "message", "details": [{"field", "issue",
// "description"}], "debug_id"}.
package paypal

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"sluice/connectors"
	"sluice/connectors/outgoing"
	"sluice/connectors/rest"
)

// DefaultBaseURL is PayPal's live API; the sandbox is https://api-m.sandbox.paypal.com.
const DefaultBaseURL = "https://api-m.paypal.com"

var api = &rest.API{
	Title: "PayPal", BaseURL: DefaultBaseURL, KeyHeader: "PayPal-Request-Id",
	Header:    map[string]string{"Prefer": "return=representation"},
	Authorize: rest.OAuth2, Judge: judge,
}

// Connector returns the paypal connector.
func Connector() connectors.Connector {
	return connectors.Connector{
		Name:    "paypal",
		Title:   "PayPal",
		Summary: "Orders, captures, refunds and payouts.",
		Credentials: []connectors.CredentialType{{
			Name: "client", Title: "Client ID and secret", Summary: "Of an app in PayPal's developer dashboard.",
			Schema: json.RawMessage(`{"type": "object", "required": ["clientId", "clientSecret"], "additionalProperties": false, "properties": {
  "clientId": {"type": "string", "title": "Client ID", "minLength": 1},
  "clientSecret": {"type": "string", "title": "Client secret", "minLength": 1, "format": "password", "writeOnly": true},
  "baseUrl": {"type": "string", "title": "Live or sandbox", "description": "an address that starts with http:// or https://", "pattern": "^https?://", "default": "` + DefaultBaseURL + `", "examples": ["` + DefaultBaseURL + `", "https://api-m.sandbox.paypal.com"]}
}}`),
			OAuth:  &connectors.OAuth{Grant: connectors.ClientCredentials, TokenURL: "{baseUrl}/v1/oauth2/token", Basic: true},
			Verify: api.Verify("client", "asking PayPal what the app may do", "/v1/notifications/webhooks-event-types"),
		}},
		Components: api.Components(
			rest.Action{
				Name: "paypal/create-order", Title: "Create order", Summary: "Makes an order that a buyer can approve.",
				Effect: connectors.Keyed, Method: http.MethodPost, Path: "/v2/checkout/orders", Body: rest.JSON,
				Input: `{` + head + `"required": ["intent", "purchase_units"], "properties": {
  "intent": {"type": "string", "title": "Intent", "enum": ["CAPTURE", "AUTHORIZE"]},
  "purchase_units": {"type": "array", "title": "What is bought", "minItems": 1, "maxItems": 10, "items": {"type": "object", "required": ["amount"], "properties": {"amount": ` + money + `, "description": {"type": "string", "title": "Description"}, "reference_id": {"type": "string", "title": "Reference"}, "custom_id": {"type": "string", "title": "Own ID"}, "invoice_id": {"type": "string", "title": "Invoice"}}}},
  "payment_source": {"type": "object", "title": "How it is paid"}
}}`,
				Output: order, Sample: sampleOrder,
			},
			rest.Action{
				Name: "paypal/get-order", Title: "Get order", Summary: "Reads one order.",
				Effect: connectors.Idempotent, Method: http.MethodGet, Path: "/v2/checkout/orders/{id}",
				Input:  `{` + head + `"required": ["id"], "properties": {` + id("Order") + `}}`,
				Output: order, Sample: sampleOrder,
			},
			rest.Action{
				Name: "paypal/capture-order", Title: "Capture order", Summary: "Takes the money of an approved order.",
				Effect: connectors.Keyed, Method: http.MethodPost, Path: "/v2/checkout/orders/{id}/capture", Body: rest.JSON,
				Input:  `{` + head + `"required": ["id"], "properties": {` + id("Order") + `, "payment_source": {"type": "object", "title": "How it is paid"}}}`,
				Output: order, Sample: `{"id": "5O190127TN364715T", "status": "COMPLETED"}`,
			},
			rest.Action{
				Name: "paypal/refund-capture", Title: "Refund", Summary: "Gives a captured payment back, whole or in part.",
				Effect: connectors.Keyed, Method: http.MethodPost, Path: "/v2/payments/captures/{id}/refund", Body: rest.JSON,
				Input: `{` + head + `"required": ["id"], "properties": {` + id("Capture") + `,
  "amount": ` + money + `,
  "invoice_id": {"type": "string", "title": "Invoice"},
  "note_to_payer": {"type": "string", "title": "Note to the buyer", "maxLength": 255}
}}`,
				Output: `{"type": "object", "title": "Refund", "required": ["id"], "properties": {"id": {"type": "string", "title": "ID"}, "status": {"type": "string", "title": "Status"}}}`,
				Sample: `{"id": "1JU08902781691411", "status": "COMPLETED"}`,
			},
			rest.Action{
				Name: "paypal/create-payout", Title: "Pay out", Summary: "Sends money to one or many receivers.",
				Effect: connectors.Keyed, Method: http.MethodPost, Path: "/v1/payments/payouts", Body: rest.JSON,
				Input: `{` + head + `"required": ["sender_batch_header", "items"], "properties": {
  "sender_batch_header": {"type": "object", "title": "Batch", "required": ["sender_batch_id"], "properties": {"sender_batch_id": {"type": "string", "title": "Batch ID", "description": "PayPal refuses a second batch of the same ID within 30 days", "minLength": 1}, "email_subject": {"type": "string", "title": "Subject"}, "email_message": {"type": "string", "title": "Message"}}},
  "items": {"type": "array", "title": "Receivers", "minItems": 1, "maxItems": 15000, "items": {"type": "object", "required": ["amount", "receiver"], "properties": {"recipient_type": {"type": "string", "title": "Known by", "enum": ["EMAIL", "PHONE", "PAYPAL_ID", "USER_HANDLE"]}, "receiver": {"type": "string", "title": "Receiver"}, "amount": {"type": "object", "required": ["value", "currency"], "properties": {"value": {"type": "string", "title": "Amount"}, "currency": {"type": "string", "title": "Currency"}}}, "note": {"type": "string", "title": "Note"}, "sender_item_id": {"type": "string", "title": "Item ID"}}}}
}}`,
				Output: `{"type": "object", "required": ["batch_header"], "properties": {"batch_header": {"type": "object", "title": "Batch", "properties": {"payout_batch_id": {"type": "string", "title": "ID"}, "batch_status": {"type": "string", "title": "Status"}}}}}`,
				Sample: `{"batch_header": {"payout_batch_id": "5UXD2E8A7EBQJ", "batch_status": "PENDING"}}`,
			},
		),
	}
}

const (
	head  = `"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false, `
	money = `{"type": "object", "title": "Amount", "required": ["currency_code", "value"], "properties": {
  "currency_code": {"type": "string", "title": "Currency", "description": "three letters", "pattern": "^[A-Z]{3}$", "examples": ["EUR"]},
  "value": {"type": "string", "title": "Value", "description": "an amount as text, such as 10.00", "pattern": "^-?[0-9]+(\\.[0-9]+)?$", "examples": ["10.00"]}}}`
	order = `{"type": "object", "title": "Order", "required": ["id"], "properties": {"id": {"type": "string", "title": "ID"}, "status": {"type": "string", "title": "Status"},
  "links": {"type": "array", "title": "Links", "items": {"type": "object", "properties": {"href": {"type": "string"}, "rel": {"type": "string"}}}}}}`
	sampleOrder = `{"id": "5O190127TN364715T", "status": "CREATED", "links": [{"href": "https://www.paypal.com/checkoutnow?token=5O190127TN364715T", "rel": "approve"}]}`
)

func id(of string) string {
	return `"id": {"type": "string", "title": "` + of + `", "description": "its ID", "pattern": "^[A-Za-z0-9-]+$"}`
}

// judge gives PayPal's reason with the places it is about, and says which refusals pass by themselves.
func judge(a outgoing.Answer, failed *connectors.Error, _ time.Time) *connectors.Error {
	if failed == nil {
		return nil
	}
	var said struct {
		Name        string `json:"name"`
		Message     string `json:"message"`
		Description string `json:"error_description"` // of the token's endpoint and of 401
		DebugID     string `json:"debug_id"`
		Details     []struct {
			Field, Issue, Description string
		} `json:"details"`
	}
	if json.Unmarshal(a.Body, &said) != nil || said.Message+said.Description == "" {
		return failed
	}
	e := *failed
	reasons := []string{}
	for _, d := range said.Details {
		reason := d.Description
		if reason == "" {
			reason = strings.ToLower(strings.ReplaceAll(d.Issue, "_", " "))
		}
		if d.Field != "" {
			reason = d.Field + ": " + reason
		}
		reasons = append(reasons, reason)
	}
	if len(reasons) == 0 {
		reasons = append(reasons, said.Message+said.Description)
	}
	e.Message = "PayPal refused: " + strings.Join(reasons, "; ")
	if said.DebugID != "" {
		e.Message += " (debug ID " + said.DebugID + ")"
	}
	if a.Status == http.StatusConflict && said.Name == "RESOURCE_CONFLICT" { // the same request is being worked on
		return rest.RateLimited(&e, max(e.RetryAfter, time.Second))
	}
	return &e
}
