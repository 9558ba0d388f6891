// Package shopify is the connector for Shopify's GraphQL Admin API (shopify.dev/docs/api/admin-graphql).
//
// Everything is a POST of a query. What is wrong stands in the 200's `errors` (syntax, access, THROTTLED), or in the
// `userErrors` of a mutation. A throttled request says what it costs and how fast the bucket fills.
package shopify

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strings"
	"time"

	"sluice/connectors"
	"sluice/connectors/outgoing"
	"sluice/connectors/rest"
)

// Version is the API version that is asked for unless the credential says otherwise.
const Version = "2026-07"

var api = &rest.API{
	Title: "Shopify", Defaults: map[string]string{"version": Version},
	Authorize: rest.InHeader("X-Shopify-Access-Token", "accessToken"), Judge: judge,
}

// Connector returns the shopify connector.
func Connector() connectors.Connector {
	return connectors.Connector{
		Name:    "shopify",
		Title:   "Shopify",
		Summary: "Orders, products, customers, and any query of the Admin API.",
		Credentials: []connectors.CredentialType{{
			Name: "accessToken", Title: "Admin API access token", Summary: "The token of an app that is installed in the shop.",
			Schema: json.RawMessage(`{"type": "object", "required": ["baseUrl", "accessToken"], "additionalProperties": false, "properties": {
  "baseUrl": {"type": "string", "title": "Shop", "description": "the shop's address, such as https://NAME.myshopify.com", "pattern": "^https?://", "examples": ["https://my-shop.myshopify.com"]},
  "accessToken": {"type": "string", "title": "Access token", "minLength": 1, "format": "password", "writeOnly": true},
  "version": {"type": "string", "title": "API version", "pattern": "^([0-9]{4}-[0-9]{2}|unstable)$", "description": "a quarter such as ` + Version + `", "default": "` + Version + `"}
}}`),
			Verify: api.Verify("accessToken", "asking Shopify for the shop", "/admin/api/{@version}/shop.json"),
		}},
		Components: api.Components(
			graphql(rest.Action{
				Name: "shopify/graphql", Title: "Run a query", Summary: "Runs a query or mutation of the GraphQL Admin API.",
				Effect: connectors.Neither,
				Input: `{` + head + `"required": ["query"], "properties": {
  "query": {"type": "string", "title": "Query", "minLength": 1, "examples": ["{ shop { name } }"]},
  "variables": {"type": "object", "title": "Variables"}
}}`,
				Output: `{"title": "The data of the answer"}`,
				Sample: `{"shop": {"name": "My shop"}}`,
			}, "", ""),
			graphql(rest.Action{
				Name: "shopify/get-order", Title: "Get order", Summary: "Reads one order.",
				Effect: connectors.Idempotent,
				Input:  byID("order", "gid://shopify/Order/148977776"),
				Output: `{"type": ["object", "null"], "title": "Order", "properties": {"id": {"type": "string", "title": "ID"}, "name": {"type": "string", "title": "Number"}, "email": {"type": ["string", "null"], "title": "E-mail"}, "displayFinancialStatus": {"type": ["string", "null"], "title": "Payment"}, "displayFulfillmentStatus": {"type": "string", "title": "Fulfilment"}}}`,
				Sample: `{"id": "gid://shopify/Order/148977776", "name": "#1001", "email": "bob@example.com", "displayFinancialStatus": "PAID", "displayFulfillmentStatus": "UNFULFILLED"}`,
			}, `query($id: ID!) { order(id: $id) { id name email note tags createdAt displayFinancialStatus displayFulfillmentStatus totalPriceSet { shopMoney { amount currencyCode } } customer { id email displayName } lineItems(first: 100) { nodes { id title quantity sku } } } }`, "order"),
			graphql(rest.Action{
				Name: "shopify/list-orders", Title: "List orders", Summary: "Reads a page of orders, the newest first.",
				Effect: connectors.Idempotent, Read: page("orders"),
				Input: `{` + head + `"properties": {
  "query": {"type": "string", "title": "Filter", "description": "in Shopify's search syntax", "examples": ["financial_status:paid"]},
  "first": {"type": "integer", "title": "Page size", "minimum": 1, "maximum": 250, "default": 50},
  "after": {"type": "string", "title": "Page", "description": "next of the page before"}
}}`,
				Output: `{"type": "object", "required": ["items"], "properties": {"items": {"type": "array", "title": "Orders"}, "next": {"type": "string", "title": "Next page"}}}`,
				Sample: `{"items": [{"id": "gid://shopify/Order/148977776", "name": "#1001"}], "next": "eyJsYXN0X2lkIjoxNDg5Nzc3NzZ9"}`,
			}, `query($query: String, $first: Int = 50, $after: String) { orders(first: $first, after: $after, query: $query, sortKey: CREATED_AT, reverse: true) { nodes { id name email createdAt displayFinancialStatus displayFulfillmentStatus totalPriceSet { shopMoney { amount currencyCode } } } pageInfo { hasNextPage endCursor } } }`, "orders"),
			graphql(rest.Action{
				Name: "shopify/add-tags", Title: "Add tags", Summary: "Tags an order, a product or a customer.",
				Effect: connectors.Idempotent,
				Input: `{` + head + `"required": ["id", "tags"], "properties": {
  ` + id("object", "gid://shopify/Order/148977776") + `,
  "tags": {"type": "array", "title": "Tags", "minItems": 1, "items": {"type": "string"}}
}}`,
				Output: `{"title": "What was tagged"}`,
				Sample: `{"node": {"id": "gid://shopify/Order/148977776"}, "userErrors": []}`,
			}, `mutation($id: ID!, $tags: [String!]!) { tagsAdd(id: $id, tags: $tags) { node { id } userErrors { field message } } }`, "tagsAdd"),
			graphql(rest.Action{
				Name: "shopify/create-product", Title: "Create product", Summary: "Adds a product.",
				Effect: connectors.Neither,
				Input: `{` + head + `"required": ["product"], "properties": {
  "product": {"type": "object", "title": "Product", "required": ["title"], "properties": {
    "title": {"type": "string", "title": "Title", "minLength": 1}, "descriptionHtml": {"type": "string", "title": "Description"},
    "vendor": {"type": "string", "title": "Vendor"}, "productType": {"type": "string", "title": "Type"},
    "status": {"type": "string", "title": "Status", "enum": ["ACTIVE", "ARCHIVED", "DRAFT"]}, "tags": {"type": "array", "title": "Tags", "items": {"type": "string"}}}}
}}`,
				Output: `{"title": "The product"}`,
				Sample: `{"product": {"id": "gid://shopify/Product/108828309", "title": "Helmet", "status": "DRAFT"}, "userErrors": []}`,
			}, `mutation($product: ProductCreateInput!) { productCreate(product: $product) { product { id title handle status } userErrors { field message } } }`, "productCreate"),
		),
	}
}

const head = `"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false, `

func id(of, example string) string {
	return `"id": {"type": "string", "title": "ID", "description": "a global ID of the ` + of + `, which starts with gid://shopify/", "pattern": "^gid://shopify/", "examples": ["` + example + `"]}`
}

func byID(of, example string) string {
	return `{` + head + `"required": ["id"], "properties": {` + id(of, example) + `}}`
}

// graphql makes an action of a document; the input's fields are its variables. An action without a document takes it
// from the input. result is the field of the data that is the output.
func graphql(a rest.Action, document, result string) rest.Action {
	a.Method, a.Path, a.Body = http.MethodPost, "/admin/api/{@version}/graphql.json", rest.JSON
	if document != "" {
		a.Shape = func(fields map[string]json.RawMessage) (any, error) {
			return map[string]any{"query": document, "variables": fields}, nil
		}
	}
	if a.Read == nil {
		a.Read = func(answer outgoing.Answer) (json.RawMessage, error) { return dataOf(answer, result) }
	}
	return a
}

func dataOf(a outgoing.Answer, field string) (json.RawMessage, error) {
	var said struct {
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(a.Body, &said); err != nil {
		return nil, err
	}
	if len(said.Data) == 0 {
		return nil, errors.New("the data is missing")
	}
	if field == "" {
		return said.Data, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(said.Data, &fields); err != nil {
		return nil, err
	}
	if len(fields[field]) == 0 {
		return nil, errors.New("the data is missing")
	}
	return fields[field], nil
}

// page reads a connection as {"items": […], "next": cursor}.
func page(field string) func(outgoing.Answer) (json.RawMessage, error) {
	return func(a outgoing.Answer) (json.RawMessage, error) {
		data, err := dataOf(a, field)
		if err != nil {
			return nil, err
		}
		var list struct {
			Nodes    json.RawMessage `json:"nodes"`
			PageInfo struct {
				HasNextPage bool   `json:"hasNextPage"`
				EndCursor   string `json:"endCursor"`
			} `json:"pageInfo"`
		}
		if err := json.Unmarshal(data, &list); err != nil || list.Nodes == nil {
			return nil, errors.New("the list is missing")
		}
		if !list.PageInfo.HasNextPage {
			list.PageInfo.EndCursor = ""
		}
		return json.Marshal(struct {
			Items json.RawMessage `json:"items"`
			Next  string          `json:"next,omitempty"`
		}{list.Nodes, list.PageInfo.EndCursor})
	}
}

type problem struct {
	Message string
	Field   []string

	Extensions struct {
		Code string
		Cost float64
	}
}

// judge finds what is wrong in an answer of 200.
func judge(a outgoing.Answer, failed *connectors.Error, _ time.Time) *connectors.Error {
	var said struct {
		Errors     json.RawMessage `json:"errors"`
		Data       map[string]json.RawMessage
		Extensions struct {
			Cost struct {
				Requested float64 `json:"requestedQueryCost"`
				Throttle  struct {
					Available float64 `json:"currentlyAvailable"`
					Restore   float64 `json:"restoreRate"`
				} `json:"throttleStatus"`
			}
		}
	}
	if json.Unmarshal(a.Body, &said) != nil {
		return failed
	}
	if failed != nil {
		var text string // {"errors": "[API] Invalid API key or access token"}
		if json.Unmarshal(said.Errors, &text) == nil && text != "" {
			e := *failed
			e.Message = "Shopify refused: " + text
			return &e
		}
		return failed
	}
	e := &connectors.Error{Kind: connectors.KindHTTP, HTTPStatus: a.Status, Sent: true, Retry: connectors.RetryNever}
	var problems []problem
	if json.Unmarshal(said.Errors, &problems) == nil && len(problems) > 0 {
		e.Message = "Shopify refused: " + words(problems)
		switch problems[0].Extensions.Code {
		case "THROTTLED":
			cost := said.Extensions.Cost
			wait := time.Second
			if cost.Throttle.Restore > 0 {
				seconds := math.Ceil((cost.Requested - cost.Throttle.Available) / cost.Throttle.Restore)
				wait = max(wait, time.Duration(seconds)*time.Second)
			}
			return rest.RateLimited(e, wait)
		case "ACCESS_DENIED":
			e.Kind = connectors.KindCredential
		case "INTERNAL_SERVER_ERROR":
			e.Retry, e.HTTPStatus = connectors.RetryByPolicy, http.StatusInternalServerError
		}
		return e
	}
	for _, result := range said.Data {
		var mutation struct {
			UserErrors []problem `json:"userErrors"`
		}
		if json.Unmarshal(result, &mutation) == nil && len(mutation.UserErrors) > 0 {
			e.HTTPStatus = http.StatusUnprocessableEntity
			e.Message = "Shopify refused: " + words(mutation.UserErrors)
			return e
		}
	}
	return nil
}

func words(problems []problem) string {
	said := make([]string, len(problems))
	for i, p := range problems {
		said[i] = p.Message
		if len(p.Field) > 0 {
			said[i] = strings.Join(p.Field, ".") + ": " + p.Message
		}
	}
	return strings.Join(said, "; ")
}
