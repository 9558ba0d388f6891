package twilio

import (
	"encoding/json"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/connectors"
	"sluice/connectors/conntest"
	"sluice/connectors/outgoing"
)

const sid = "AC0123456789abcdef0123456789abcdef"

func credentials(target string) []*connectors.Credential {
	return []*connectors.Credential{
		{Type: "authToken", Values: map[string]string{"accountSid": sid, "authToken": "s3cret-token", "baseUrl": target}},
		{Type: "apiKey", Values: map[string]string{"accountSid": sid, "keySid": "SK0123456789abcdef0123456789abcdef", "keySecret": "s3cret-key", "baseUrl": target}},
	}
}

func TestContract(t *testing.T) {
	input := func(text string) func(string) json.RawMessage {
		return func(string) json.RawMessage { return json.RawMessage(text) }
	}
	answer := conntest.JSON(201, `{"sid":"SM1","n":9007199254740993}`)
	answer200 := conntest.JSON(200, `{"sid":"SM1","n":9007199254740993}`)
	conntest.Run(t, Connector(), conntest.Options{
		Cases: map[string]conntest.Case{
			"twilio/send-message": {
				Input: input(`{"to":"+15558675310","from":"+15017122661","body":"9007199254740993"}`), Digits: "9007199254740993",
				Credentials: credentials, Answer: answer, AnswerDigits: "9007199254740993",
				Bad: []json.RawMessage{[]byte(`{}`), []byte(`{"to":"+1"}`), []byte(`{"to":"","from":"+1","body":"x"}`), []byte(`[]`)},
			},
			"twilio/get-message": {
				Input: input(`{"sid":"SM90071992547409930000000000000000"}`), Digits: "9007199254740993", Credentials: credentials, Answer: answer200, AnswerDigits: "9007199254740993",
				Bad: []json.RawMessage{[]byte(`{}`), []byte(`{"sid":"../../x"}`)},
			},
			"twilio/make-call": {
				Input: input(`{"to":"+15558675310","from":"+15017122661","twiml":"<Response><Say>9007199254740993</Say></Response>"}`), Digits: "9007199254740993",
				Credentials: credentials, Answer: answer, AnswerDigits: "9007199254740993",
				Bad: []json.RawMessage{[]byte(`{"to":"+1","from":"+1"}`)},
			},
		},
		Good: map[string]func(string) map[string]string{
			"authToken": func(target string) map[string]string { return credentials(target)[0].Values },
			"apiKey":    func(target string) map[string]string { return credentials(target)[1].Values },
		},
	})
}

func TestAMessageIsAFormOfTheAccount(t *testing.T) {
	target := conntest.NewDestination(t)
	target.Answer(conntest.JSON(201, `{"sid":"SM1"}`))
	if _, err := do(t, target, `{"to":"whatsapp:+15558675310","messagingServiceSid":"MG1","body":"ä&b","mediaUrl":["https://a.example/1","https://a.example/2"]}`); err != nil {
		t.Fatal(err)
	}
	got := target.Received()[0]
	form, err := url.ParseQuery(string(got.Body))
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{"To": {"whatsapp:+15558675310"}, "MessagingServiceSid": {"MG1"}, "Body": {"ä&b"}, "MediaUrl": {"https://a.example/1", "https://a.example/2"}}
	if diff := cmp.Diff(want, form); diff != "" {
		t.Error(diff)
	}
	if got.Path != "/2010-04-01/Accounts/"+sid+"/Messages.json" || got.Header.Get("Authorization") != "Basic QUMwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjpzM2NyZXQtdG9rZW4=" {
		t.Errorf("%s %s", got.Path, got.Header.Get("Authorization"))
	}
}

func TestTwiliosReasonIsSaidAndAFullQueueIsTriedAgain(t *testing.T) {
	target := conntest.NewDestination(t)
	target.Answer(conntest.JSON(400, `{"code":21211,"message":"Invalid 'To' Phone Number: +1555","more_info":"https://www.twilio.com/docs/errors/21211","status":400}`))
	_, err := do(t, target, `{"to":"+1555","from":"+1","body":"x"}`)
	e := connectors.AsError(err)
	if want := "send message: Twilio refused: Invalid 'To' Phone Number: +1555 (21211, https://www.twilio.com/docs/errors/21211)"; e.Message != want || e.HTTPStatus != 400 {
		t.Errorf("got %q", e.Message)
	}
	target.Answer(conntest.JSON(400, `{"code":21611,"message":"This 'From' number has exceeded the maximum number of queued messages","status":400}`))
	_, err = do(t, target, `{"to":"+1555","from":"+1","body":"x"}`)
	if e := connectors.AsError(err); e.HTTPStatus != 429 || e.RetryAfter != 5*time.Second || e.Retry != connectors.RetryByPolicy {
		t.Errorf("got %d %v %v", e.HTTPStatus, e.RetryAfter, e.Retry)
	}
}

func do(t *testing.T, target *conntest.Destination, input string) (connectors.Result, error) {
	t.Helper()
	set, err := connectors.New(Connector())
	if err != nil {
		t.Fatal(err)
	}
	m, _ := set.Component("twilio/send-message")
	env := connectors.Env{HTTP: outgoing.New(outgoing.Options{AllowLoopback: true})}
	return m.Do(t.Context(), env, connectors.Call{Input: json.RawMessage(input), Credential: credentials(target.URL)[0], IdempotencyKey: "k", Attempt: 1})
}
