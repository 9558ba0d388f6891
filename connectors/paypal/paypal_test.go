package paypal

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/connectors"
	"sluice/connectors/conntest"
	"sluice/connectors/outgoing"
)

// credential is as package oauth opens it: with a token.
func credential(target string) []*connectors.Credential {
	return []*connectors.Credential{{Type: "client", Values: map[string]string{
		"clientId": "app", "clientSecret": "app-s3cret", "accessToken": "A21AAF-s3cret", "baseUrl": target,
	}}}
}

func TestContract(t *testing.T) {
	answer := conntest.JSON(200, `{"id":"5O190127TN364715T","n":9007199254740993}`)
	single := func(input, digits string, bad ...string) conntest.Case {
		c := conntest.Case{
			Input: func(string) json.RawMessage { return json.RawMessage(input) }, Digits: digits,
			Credentials: credential, Answer: answer, AnswerDigits: "9007199254740993", Bad: []json.RawMessage{[]byte(`{}`), []byte(`[]`)},
			Key: func(r conntest.Received) string { return r.Header.Get("PayPal-Request-Id") },
		}
		for _, b := range bad {
			c.Bad = append(c.Bad, json.RawMessage(b))
		}
		return c
	}
	const amount = `{"currency_code":"EUR","value":"9007199254740993.00"}`
	payout := single(`{"sender_batch_header":{"sender_batch_id":"b1"},"items":[{"receiver":"a@example.com","amount":{"value":"9007199254740993","currency":"EUR"}}]}`, "9007199254740993")
	payout.Answer = conntest.JSON(201, `{"batch_header":{"payout_batch_id":"5","n":9007199254740993}}`)
	conntest.Run(t, Connector(), conntest.Options{
		Cases: map[string]conntest.Case{
			"paypal/create-order": single(`{"intent":"CAPTURE","purchase_units":[{"amount":`+amount+`}]}`, "9007199254740993",
				`{"intent":"CAPTURE","purchase_units":[]}`, `{"intent":"CAPTURE","purchase_units":[{"amount":{"currency_code":"EUR","value":10}}]}`),
			"paypal/get-order":      single(`{"id":"9007199254740993"}`, "/9007199254740993", `{"id":"../x"}`),
			"paypal/capture-order":  single(`{"id":"9007199254740993"}`, "/9007199254740993/capture", `{"id":""}`),
			"paypal/refund-capture": single(`{"id":"1","amount":`+amount+`}`, "9007199254740993", `{"id":"1","amount":{"currency_code":"euro","value":"1"}}`),
			"paypal/create-payout":  payout,
		},
		Good: map[string]func(string) map[string]string{"client": func(target string) map[string]string { return credential(target)[0].Values }},
	})
}

func TestPayPalsReasonNamesThePlaceAndALockIsTriedAgain(t *testing.T) {
	target := conntest.NewDestination(t)
	do := func() *connectors.Error {
		t.Helper()
		set, err := connectors.New(Connector())
		if err != nil {
			t.Fatal(err)
		}
		m, _ := set.Component("paypal/capture-order")
		env := connectors.Env{HTTP: outgoing.New(outgoing.Options{AllowLoopback: true})}
		_, err = m.Do(t.Context(), env, connectors.Call{Input: json.RawMessage(`{"id":"5O1"}`), Credential: credential(target.URL)[0], IdempotencyKey: "k", Attempt: 1})
		return connectors.AsError(err)
	}
	target.Answer(conntest.JSON(422, `{"name":"UNPROCESSABLE_ENTITY","message":"The requested action could not be performed.","debug_id":"90957fca61718","details":[{"issue":"ORDER_NOT_APPROVED","description":"Payer has not yet approved the Order for payment."},{"field":"/id","issue":"INVALID_PARAMETER"}]}`))
	e := do()
	if diff := cmp.Diff("capture order: PayPal refused: Payer has not yet approved the Order for payment.; /id: invalid parameter (debug ID 90957fca61718)", e.Message); diff != "" {
		t.Error(diff)
	}
	target.Answer(conntest.JSON(409, `{"name":"RESOURCE_CONFLICT","message":"A previous request is in progress."}`))
	if e := do(); e.HTTPStatus != 429 || e.RetryAfter != time.Second || e.Retry != connectors.RetryByPolicy {
		t.Errorf("got %d %v %v", e.HTTPStatus, e.RetryAfter, e.Retry)
	}
	first := target.Received()[0]
	for name, want := range map[string]string{"Authorization": "Bearer A21AAF-s3cret", "Paypal-Request-Id": "k", "Prefer": "return=representation"} {
		if first.Header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, first.Header.Get(name), want)
		}
	}
}
