// Package stripe is the connector for Stripe's API (docs.stripe.com/api).
//
// Requests are forms whose lists carry indices. Stripe honours the Idempotency-Key for 24 hours at least, so every action that
// creates is keyed. Lists are read by starting_after, the ID of the last object of the page before. Errors are
// {"error": {"type", "code", "param", "message"}}; 409 means that the same key is just being worked on.
package stripe

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"sluice/connectors"
	"sluice/connectors/outgoing"
	"sluice/connectors/rest"
)

// DefaultBaseURL is Stripe's API.
const DefaultBaseURL = "https://api.stripe.com"

var api = &rest.API{
	Title: "Stripe", BaseURL: DefaultBaseURL, Authorize: authorize, Lists: rest.Indexed, Judge: judge,
}

// Connector returns the stripe connector.
func Connector() connectors.Connector {
	return connectors.Connector{
		Name:    "stripe",
		Title:   "Stripe",
		Summary: "Customers, payments, refunds and invoices.",
		Credentials: []connectors.CredentialType{{
			Name: "secretKey", Title: "Secret key", Summary: "Begins with sk_ or rk_; a restricted key is enough.",
			Schema: json.RawMessage(`{"type": "object", "required": ["secretKey"], "additionalProperties": false, "properties": {
  "secretKey": {"type": "string", "title": "Secret key", "minLength": 1, "format": "password", "writeOnly": true},
  "account": {"type": "string", "title": "Connected account", "description": "acts for this account of a platform", "examples": ["acct_1032D82eZvKYlo2C"]},
  "version": {"type": "string", "title": "API version", "description": "the account's own where empty", "examples": ["2025-09-30.clover"]},
  ` + rest.BaseURL(DefaultBaseURL) + `}}`),
			Verify: api.Verify("secretKey", "asking Stripe what the key may do", "/v1/balance"),
		}},
		Components: api.Components(
			rest.Action{
				Name: "stripe/create-customer", Title: "Create customer", Summary: "Stores a customer.",
				Effect: connectors.Keyed, Method: http.MethodPost, Path: "/v1/customers", Body: rest.Form,
				Input: `{` + head + `"properties": {
  "email": {"type": "string", "title": "E-mail", "maxLength": 512},
  "name": {"type": "string", "title": "Name", "maxLength": 256},
  "phone": {"type": "string", "title": "Telephone", "maxLength": 20},
  "description": {"type": "string", "title": "Description"},
  "address": {"type": "object", "title": "Address"},
  "payment_method": {"type": "string", "title": "Payment method"},
  ` + metadata + `}}`,
				Output: object("customer", `"email": {"type": ["string", "null"], "title": "E-mail"}, "name": {"type": ["string", "null"], "title": "Name"}`),
				Sample: `{"id": "cus_NffrFeUfNV2Hib", "object": "customer", "email": "jenny@example.com", "name": "Jenny Rosen"}`,
			},
			rest.Action{
				Name: "stripe/get-customer", Title: "Get customer", Summary: "Reads one customer.",
				Effect: connectors.Idempotent, Method: http.MethodGet, Path: "/v1/customers/{id}",
				Input:  byID("cus_NffrFeUfNV2Hib"),
				Output: object("customer", `"email": {"type": ["string", "null"], "title": "E-mail"}, "name": {"type": ["string", "null"], "title": "Name"}, "deleted": {"type": "boolean", "title": "Deleted"}`),
				Sample: `{"id": "cus_NffrFeUfNV2Hib", "object": "customer", "email": "jenny@example.com", "name": "Jenny Rosen"}`,
			},
			rest.Action{
				Name: "stripe/list-customers", Title: "List customers", Summary: "Reads a page of customers, the newest first.",
				Effect: connectors.Idempotent, Method: http.MethodGet, Path: "/v1/customers",
				Query: []string{"email", "limit", "starting_after", "created"}, Read: page,
				Input: `{` + head + `"properties": {
  "email": {"type": "string", "title": "E-mail", "description": "of exactly this address"},
  "created": {"type": "object", "title": "Created", "description": "gt, gte, lt, lte in Unix seconds"},
  ` + paging + `}}`,
				Output: listOf("Customers"),
				Sample: `{"items": [{"id": "cus_NffrFeUfNV2Hib", "object": "customer", "email": "jenny@example.com"}], "next": "cus_NffrFeUfNV2Hib"}`,
			},
			rest.Action{
				Name: "stripe/create-payment", Title: "Create payment", Summary: "Makes a payment intent.",
				Effect: connectors.Keyed, Method: http.MethodPost, Path: "/v1/payment_intents", Body: rest.Form,
				Input: `{` + head + `"required": ["amount", "currency"], "properties": {
  "amount": {"type": "integer", "title": "Amount", "description": "in the smallest unit of the currency: cents", "minimum": 1},
  ` + currency + `,
  "customer": {"type": "string", "title": "Customer"},
  "description": {"type": "string", "title": "Description"},
  "payment_method": {"type": "string", "title": "Payment method"},
  "payment_method_types": {"type": "array", "title": "Kinds of payment", "items": {"type": "string"}},
  "automatic_payment_methods": {"type": "object", "title": "Automatic payment methods"},
  "confirm": {"type": "boolean", "title": "Pay at once"},
  "off_session": {"type": "boolean", "title": "Without the customer"},
  "receipt_email": {"type": "string", "title": "Receipt to"},
  ` + metadata + `}}`,
				Output: object("payment_intent", `"amount": {"type": "integer", "title": "Amount"}, "currency": {"type": "string", "title": "Currency"}, "status": {"type": "string", "title": "Status"}`),
				Sample: `{"id": "pi_3MtwBwLkdIwHu7ix28a3tqPa", "object": "payment_intent", "amount": 2000, "currency": "usd", "status": "requires_payment_method"}`,
			},
			rest.Action{
				Name: "stripe/get-payment", Title: "Get payment", Summary: "Reads one payment intent.",
				Effect: connectors.Idempotent, Method: http.MethodGet, Path: "/v1/payment_intents/{id}",
				Input:  byID("pi_3MtwBwLkdIwHu7ix28a3tqPa"),
				Output: object("payment_intent", `"amount": {"type": "integer", "title": "Amount"}, "currency": {"type": "string", "title": "Currency"}, "status": {"type": "string", "title": "Status"}`),
				Sample: `{"id": "pi_3MtwBwLkdIwHu7ix28a3tqPa", "object": "payment_intent", "amount": 2000, "currency": "usd", "status": "succeeded"}`,
			},
			rest.Action{
				Name: "stripe/create-refund", Title: "Refund payment", Summary: "Gives a payment back, whole or in part.",
				Effect: connectors.Keyed, Method: http.MethodPost, Path: "/v1/refunds", Body: rest.Form,
				Input: `{` + head + `"properties": {
  "payment_intent": {"type": "string", "title": "Payment", "description": "a payment intent, or give a charge"},
  "charge": {"type": "string", "title": "Charge"},
  "amount": {"type": "integer", "title": "Amount", "description": "the whole where empty", "minimum": 1},
  "reason": {"type": "string", "title": "Reason", "enum": ["duplicate", "fraudulent", "requested_by_customer"]},
  ` + metadata + `}, "anyOf": [{"required": ["payment_intent"]}, {"required": ["charge"]}]}`,
				Output: object("refund", `"amount": {"type": "integer", "title": "Amount"}, "status": {"type": ["string", "null"], "title": "Status"}`),
				Sample: `{"id": "re_1Nispe2eZvKYlo2Cd31jOCgZ", "object": "refund", "amount": 1000, "status": "succeeded"}`,
			},
			rest.Action{
				Name: "stripe/create-invoice-item", Title: "Add to the next invoice", Summary: "Adds a line to a customer's next invoice.",
				Effect: connectors.Keyed, Method: http.MethodPost, Path: "/v1/invoiceitems", Body: rest.Form,
				Input: `{` + head + `"required": ["customer"], "properties": {
  "customer": {"type": "string", "title": "Customer", "minLength": 1},
  "amount": {"type": "integer", "title": "Amount", "description": "in the smallest unit of the currency"},
  ` + currency + `,
  "description": {"type": "string", "title": "Description"},
  "invoice": {"type": "string", "title": "Invoice", "description": "a draft that it goes on"},
  ` + metadata + `}}`,
				Output: object("invoiceitem", `"amount": {"type": "integer", "title": "Amount"}`),
				Sample: `{"id": "ii_1MtGUtLkdIwHu7ixBYwjAM00", "object": "invoiceitem", "amount": 1099}`,
			},
		),
	}
}

const (
	head     = `"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false, `
	metadata = `"metadata": {"type": "object", "title": "Metadata", "description": "at most 50 texts", "maxProperties": 50, "additionalProperties": {"type": ["string", "number", "boolean"]}}`
	currency = `"currency": {"type": "string", "title": "Currency", "description": "three letters", "pattern": "^[A-Za-z]{3}$", "examples": ["usd"]}`
	paging   = `"limit": {"type": "integer", "title": "Page size", "minimum": 1, "maximum": 100},
  "starting_after": {"type": "string", "title": "Page", "description": "next of the page before"}`
)

func byID(example string) string {
	return `{` + head + `"required": ["id"], "properties": {"id": {"type": "string", "title": "ID", "minLength": 1, "examples": ["` + example + `"]}}}`
}

func object(kind, properties string) string {
	return `{"type": "object", "title": "` + kind + `", "required": ["id"], "properties": {"id": {"type": "string", "title": "ID"}, ` + properties + `}}`
}

func listOf(title string) string {
	return `{"type": "object", "required": ["items"], "properties": {"items": {"type": "array", "title": "` + title + `"}, "next": {"type": "string", "title": "Next page"}}}`
}

func authorize(c *connectors.Credential, method string, u *url.URL, h http.Header) ([]string, error) {
	if account := c.Value("account"); account != "" {
		h.Set("Stripe-Account", account)
	}
	if version := c.Value("version"); version != "" {
		h.Set("Stripe-Version", version)
	}
	return rest.Bearer("secretKey")(c, method, u, h)
}

// page reads a list as {"items": […], "next": ID of the last}, without next on the last page.
func page(a outgoing.Answer) (json.RawMessage, error) {
	var list struct {
		Data    []json.RawMessage `json:"data"`
		HasMore bool              `json:"has_more"`
	}
	if err := json.Unmarshal(a.Body, &list); err != nil {
		return nil, err
	}
	if list.Data == nil {
		return nil, errors.New("the list is missing")
	}
	var last struct {
		ID string `json:"id"`
	}
	if list.HasMore && len(list.Data) > 0 {
		if err := json.Unmarshal(list.Data[len(list.Data)-1], &last); err != nil {
			return nil, err
		}
	}
	return json.Marshal(struct {
		Items []json.RawMessage `json:"items"`
		Next  string            `json:"next,omitempty"`
	}{list.Data, last.ID})
}

// judge gives Stripe's reason with the parameter it is about, and obeys Stripe-Should-Retry.
func judge(a outgoing.Answer, failed *connectors.Error, _ time.Time) *connectors.Error {
	if failed == nil {
		return nil
	}
	e := *failed
	var said struct {
		Error struct {
			Type, Code, Param, Message string
			DeclineCode                string `json:"decline_code"`
		} `json:"error"`
	}
	if json.Unmarshal(a.Body, &said) == nil && said.Error.Message != "" {
		e.Message = "Stripe refused: "
		if said.Error.Param != "" {
			e.Message += said.Error.Param + ": "
		}
		e.Message += said.Error.Message
		for _, word := range []string{said.Error.Code, said.Error.DeclineCode} {
			if word != "" {
				e.Message += " (" + word + ")"
			}
		}
	}
	if a.Header.Get("Stripe-Should-Retry") == "false" || said.Error.Type == "card_error" || said.Error.Type == "idempotency_error" {
		e.Retry = connectors.RetryNever
	}
	if a.Status == http.StatusConflict && a.Header.Get("Stripe-Should-Retry") == "true" {
		return rest.RateLimited(&e, max(e.RetryAfter, time.Second))
	}
	return &e
}
