package stripe

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/connectors"
	"sluice/connectors/conntest"
	"sluice/connectors/outgoing"
)

func credential(target string) []*connectors.Credential {
	return []*connectors.Credential{{Type: "secretKey", Values: map[string]string{"secretKey": "sk_test_s3cret", "account": "acct_1", "baseUrl": target}}}
}

func TestContract(t *testing.T) {
	input := func(text string) func(string) json.RawMessage {
		return func(string) json.RawMessage { return json.RawMessage(text) }
	}
	answer := conntest.JSON(200, `{"id":"x_1","amount":9007199254740993}`)
	write := func(text string, bad ...string) conntest.Case {
		c := conntest.Case{Input: input(text), Digits: "9007199254740993", Credentials: credential, Answer: answer, AnswerDigits: "9007199254740993",
			Bad: []json.RawMessage{[]byte(`[]`), []byte(`nonsense`)}}
		for _, b := range bad {
			c.Bad = append(c.Bad, json.RawMessage(b))
		}
		return c
	}
	read := conntest.Case{Input: input(`{"id":"x_1"}`), Digits: "/x_1", Credentials: credential, Answer: answer, AnswerDigits: "9007199254740993",
		Bad: []json.RawMessage{[]byte(`{}`), []byte(`{"id":""}`), []byte(`{"id":".."}`)}}
	conntest.Run(t, Connector(), conntest.Options{
		Cases: map[string]conntest.Case{
			"stripe/create-customer":     write(`{"name":"Jenny","metadata":{"n":9007199254740993}}`, `{"nane":"x"}`),
			"stripe/create-payment":      write(`{"amount":9007199254740993,"currency":"usd"}`, `{}`, `{"amount":1.5,"currency":"usd"}`, `{"amount":1,"currency":"dollar"}`),
			"stripe/create-refund":       write(`{"payment_intent":"pi_1","amount":9007199254740993}`, `{}`, `{"amount":1}`),
			"stripe/create-invoice-item": write(`{"customer":"cus_1","amount":9007199254740993}`, `{}`),
			"stripe/get-customer":        read,
			"stripe/get-payment":         read,
			"stripe/list-customers": {
				Input: input(`{"created":{"gte":9007199254740993}}`), Digits: "created%5Bgte%5D=9007199254740993", Credentials: credential,
				Answer: conntest.JSON(200, `{"data":[{"id":"cus_1","n":9007199254740993}],"has_more":false}`), AnswerDigits: "9007199254740993",
				Bad: []json.RawMessage{[]byte(`{"limit":0}`)},
			},
		},
		Good: map[string]func(string) map[string]string{
			"secretKey": func(target string) map[string]string { return credential(target)[0].Values },
		},
	})
}

func do(t *testing.T, target *conntest.Destination, name, input string) (connectors.Result, error) {
	t.Helper()
	set, err := connectors.New(Connector())
	if err != nil {
		t.Fatal(err)
	}
	m, _ := set.Component(name)
	env := connectors.Env{HTTP: outgoing.New(outgoing.Options{AllowLoopback: true})}
	return m.Do(t.Context(), env, connectors.Call{Input: json.RawMessage(input), Credential: credential(target.URL)[0], IdempotencyKey: "key-1", Attempt: 1})
}

func TestAPaymentIsAFormWithIndices(t *testing.T) {
	target := conntest.NewDestination(t)
	target.Answer(conntest.JSON(200, `{"id":"pi_1"}`))
	if _, err := do(t, target, "stripe/create-payment", `{"amount":2000,"currency":"usd","confirm":true,"payment_method_types":["card","link"],"automatic_payment_methods":{"enabled":false},"metadata":{"a b":"1&2"}}`); err != nil {
		t.Fatal(err)
	}
	got := target.Received()[0]
	form, err := url.ParseQuery(string(got.Body))
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{
		"amount": {"2000"}, "currency": {"usd"}, "confirm": {"true"}, "payment_method_types[0]": {"card"}, "payment_method_types[1]": {"link"},
		"automatic_payment_methods[enabled]": {"false"}, "metadata[a b]": {"1&2"},
	}
	if diff := cmp.Diff(want, form); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/x-www-form-urlencoded", "Authorization": "Bearer sk_test_s3cret", "Stripe-Account": "acct_1", "Idempotency-Key": "key-1",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.Header.Get(name), want)
		}
	}
}

func TestCustomersAreReadPageByPage(t *testing.T) {
	target := conntest.NewDestination(t)
	target.Answer(conntest.JSON(200, `{"object":"list","data":[{"id":"cus_1"},{"id":"cus_2"}],"has_more":true}`))
	got, err := do(t, target, "stripe/list-customers", `{"limit":2,"starting_after":"cus_0"}`)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`{"items":[{"id":"cus_1"},{"id":"cus_2"}],"next":"cus_2"}`, string(got.Output)); diff != "" {
		t.Error(diff)
	}
	if got := target.Received()[0].Query; got != "limit=2&starting_after=cus_0" {
		t.Error(got)
	}
}

func TestADeclinedCardIsNotTriedAgainAndALockIs(t *testing.T) {
	target := conntest.NewDestination(t)
	target.Answer(conntest.JSON(402, `{"error":{"type":"card_error","code":"card_declined","decline_code":"insufficient_funds","message":"Your card has insufficient funds.","param":"payment_method"}}`))
	_, err := do(t, target, "stripe/create-payment", `{"amount":1,"currency":"usd"}`)
	e := connectors.AsError(err)
	if want := "create payment: Stripe refused: payment_method: Your card has insufficient funds. (card_declined) (insufficient_funds)"; e.Message != want || e.Retry != connectors.RetryNever || e.HTTPStatus != 402 {
		t.Errorf("got %d %v %q", e.HTTPStatus, e.Retry, e.Message)
	}

	locked := conntest.JSON(409, `{"error":{"type":"invalid_request_error","code":"lock_timeout","message":"This object cannot be accessed right now."}}`)
	target.Answer(withHeader("Stripe-Should-Retry", "true", locked))
	_, err = do(t, target, "stripe/create-payment", `{"amount":1,"currency":"usd"}`)
	e = connectors.AsError(err)
	if e.Retry != connectors.RetryByPolicy || e.HTTPStatus != 429 || e.RetryAfter != time.Second {
		t.Errorf("got %d %v %v", e.HTTPStatus, e.Retry, e.RetryAfter)
	}
}

func withHeader(name, value string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(name, value)
		next(w, r)
	}
}
