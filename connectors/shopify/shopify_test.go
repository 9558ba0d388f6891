package shopify

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/connectors"
	"sluice/connectors/conntest"
	"sluice/connectors/outgoing"
)

func credential(target string) []*connectors.Credential {
	return []*connectors.Credential{{Type: "accessToken", Values: map[string]string{"accessToken": "shpat_s3cret", "baseUrl": target}}}
}

func TestContract(t *testing.T) {
	input := func(text string) func(string) json.RawMessage {
		return func(string) json.RawMessage { return json.RawMessage(text) }
	}
	order := `{"id":"gid://shopify/Order/9007199254740993"}`
	conntest.Run(t, Connector(), conntest.Options{
		Cases: map[string]conntest.Case{
			"shopify/graphql": {
				Input: input(`{"query":"{ shop { name } }","variables":{"n":9007199254740993}}`), Digits: "9007199254740993", Credentials: credential,
				Answer: conntest.JSON(200, `{"data":{"n":9007199254740993}}`), AnswerDigits: "9007199254740993",
				Bad: []json.RawMessage{[]byte(`{}`), []byte(`{"query":""}`), []byte(`[]`)},
			},
			"shopify/get-order": {
				Input: input(order), Digits: "9007199254740993", Credentials: credential,
				Answer: conntest.JSON(200, `{"data":{"order":`+order+`}}`), AnswerDigits: "9007199254740993",
				Bad: []json.RawMessage{[]byte(`{}`), []byte(`{"id":"1"}`)},
			},
			"shopify/list-orders": {
				Input: input(`{"query":"id:9007199254740993"}`), Digits: "9007199254740993", Credentials: credential,
				Answer: conntest.JSON(200, `{"data":{"orders":{"nodes":[`+order+`],"pageInfo":{"hasNextPage":true,"endCursor":"c"}}}}`), AnswerDigits: "9007199254740993",
				Bad: []json.RawMessage{[]byte(`{"first":0}`), []byte(`{"first":251}`)},
			},
			"shopify/add-tags": {
				Input: input(`{"id":"gid://shopify/Order/9007199254740993","tags":["a"]}`), Digits: "9007199254740993", Credentials: credential,
				Answer: conntest.JSON(200, `{"data":{"tagsAdd":{"node":`+order+`,"userErrors":[]}}}`), AnswerDigits: "9007199254740993",
				Bad: []json.RawMessage{[]byte(`{"id":"gid://shopify/Order/1"}`), []byte(`{"id":"gid://shopify/Order/1","tags":[]}`)},
			},
			"shopify/create-product": {
				Input: input(`{"product":{"title":"9007199254740993"}}`), Digits: "9007199254740993", Credentials: credential,
				Answer: conntest.JSON(200, `{"data":{"productCreate":{"product":`+order+`,"userErrors":[]}}}`), AnswerDigits: "9007199254740993",
				Bad: []json.RawMessage{[]byte(`{}`), []byte(`{"product":{}}`)},
			},
		},
		Good: map[string]func(string) map[string]string{
			"accessToken": func(target string) map[string]string { return credential(target)[0].Values },
		},
	})
}

func do(t *testing.T, answer, name, input string) (connectors.Result, *connectors.Error, conntest.Received) {
	t.Helper()
	target := conntest.NewDestination(t)
	target.Answer(conntest.JSON(200, answer))
	set, err := connectors.New(Connector())
	if err != nil {
		t.Fatal(err)
	}
	m, _ := set.Component(name)
	env := connectors.Env{HTTP: outgoing.New(outgoing.Options{AllowLoopback: true})}
	result, err := m.Do(t.Context(), env, connectors.Call{Input: json.RawMessage(input), Credential: credential(target.URL)[0], IdempotencyKey: "k", Attempt: 1})
	return result, connectors.AsError(err), target.Received()[0]
}

func TestAQueryGoesToTheVersionWithItsVariables(t *testing.T) {
	result, err, got := do(t, `{"data":{"orders":{"nodes":[{"id":"1"}],"pageInfo":{"hasNextPage":false,"endCursor":"c"}}}}`, "shopify/list-orders", `{"first":10}`)
	if err != nil {
		t.Fatal(err)
	}
	if got.Method != "POST" || got.Path != "/admin/api/"+Version+"/graphql.json" || got.Header.Get("X-Shopify-Access-Token") != "shpat_s3cret" {
		t.Errorf("%s %s %v", got.Method, got.Path, got.Header)
	}
	var body struct {
		Query     string
		Variables map[string]any
	}
	if err := json.Unmarshal(got.Body, &body); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"first": 10.0}, body.Variables); diff != "" || !strings.HasPrefix(body.Query, "query(") {
		t.Error(diff, body.Query)
	}
	if diff := cmp.Diff(`{"items":[{"id":"1"}]}`, string(result.Output)); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsWrongInAnAnswerOf200IsAnError(t *testing.T) {
	for name, c := range map[string]struct {
		answer, message string
		kind            connectors.Kind
		status          int
		retry           connectors.Retry
		after           time.Duration
	}{
		"a throttled query": {
			`{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}],"extensions":{"cost":{"requestedQueryCost":202,"throttleStatus":{"maximumAvailable":1000.0,"currentlyAvailable":2,"restoreRate":50.0}}}}`,
			"add tags: Shopify refused: Throttled", connectors.KindHTTP, 429, connectors.RetryByPolicy, 4 * time.Second,
		},
		"no access": {
			`{"errors":[{"message":"Access denied for order field.","extensions":{"code":"ACCESS_DENIED"}}]}`,
			"add tags: Shopify refused: Access denied for order field.", connectors.KindCredential, 200, connectors.RetryNever, 0,
		},
		"an error of the user's": {
			`{"data":{"tagsAdd":{"node":null,"userErrors":[{"field":["id"],"message":"Order does not exist"}]}}}`,
			"add tags: Shopify refused: id: Order does not exist", connectors.KindHTTP, 422, connectors.RetryNever, 0,
		},
		"a fault of Shopify's": {
			`{"errors":[{"message":"Internal error","extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}`,
			"add tags: Shopify refused: Internal error", connectors.KindHTTP, 500, connectors.RetryByPolicy, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, e, _ := do(t, c.answer, "shopify/add-tags", `{"id":"gid://shopify/Order/1","tags":["a"]}`)
			if e == nil || e.Message != c.message || e.Kind != c.kind || e.HTTPStatus != c.status || e.Retry != c.retry || e.RetryAfter != c.after || !e.Sent {
				t.Errorf("got %#v %+v", e, *e)
			}
		})
	}
}
