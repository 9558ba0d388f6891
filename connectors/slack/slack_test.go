package slack

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/connectors"
	"sluice/connectors/conntest"
	"sluice/connectors/outgoing"
)

func bot(target string) []*connectors.Credential {
	return []*connectors.Credential{{Type: "token", Values: map[string]string{"token": "xoxb-s3cret/+1", "baseUrl": target + "/api"}}}
}

func hook(target string) []*connectors.Credential {
	return []*connectors.Credential{{Type: "webhook", Values: map[string]string{"url": target + "/services/T000/B000/s3cretXXX"}}}
}

func input(text string) func(string) json.RawMessage {
	return func(string) json.RawMessage { return json.RawMessage(text) }
}

func TestContract(t *testing.T) {
	answer := conntest.JSON(200, `{"ok":true,"channel":"C1","ts":"1.1","n":9007199254740993}`)
	conntest.Run(t, Connector(), conntest.Options{
		Cases: map[string]conntest.Case{
			"slack/post-message": {
				Input: input(`{"channel":"C1","text":"hi","metadata":{"n":9007199254740993}}`), Digits: "9007199254740993",
				Credentials: bot, Answer: answer, AnswerDigits: "9007199254740993",
				Bad: []json.RawMessage{[]byte(`{}`), []byte(`{"channel":"C1"}`), []byte(`{"channel":"C1","text":""}`), []byte(`{"channel":"C1","blocks":[]}`), []byte(`[]`)},
			},
			"slack/update-message": {
				Input: input(`{"channel":"C1","ts":"1.1","blocks":[{"n":9007199254740993}]}`), Digits: "9007199254740993",
				Credentials: bot, Answer: answer, AnswerDigits: "9007199254740993",
				Bad: []json.RawMessage{[]byte(`{"channel":"C1","ts":"1.1"}`), []byte(`{"channel":"C1","text":"x"}`)},
			},
			"slack/list-channels": {
				Input: input(`{"limit":10}`), Digits: "limit=10", Credentials: bot,
				Answer: conntest.JSON(200, `{"ok":true,"channels":[{"id":"C1","n":9007199254740993}]}`), AnswerDigits: "9007199254740993",
				Bad: []json.RawMessage{[]byte(`{"limit":0}`)},
			},
			"slack/find-user": {
				Input: input(`{"email":"a+b@example.com"}`), Digits: "email=a%2Bb%40example.com", Credentials: bot, Answer: answer, AnswerDigits: "9007199254740993",
				Bad: []json.RawMessage{[]byte(`{}`), []byte(`{"email":"nobody"}`)},
			},
			"slack/notify": {
				Input: input(`{"text":"hi","blocks":[{"n":9007199254740993}]}`), Digits: "9007199254740993", Credentials: hook,
				Answer: func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) },
				Bad:    []json.RawMessage{[]byte(`{}`), []byte(`{"text":""}`)},
			},
		},
		Good: map[string]func(string) map[string]string{
			"token": func(target string) map[string]string { return bot(target)[0].Values },
		},
	})
}

func TestARefusalWith200IsAnError(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		want   connectors.Error
	}{
		"an unknown channel": {`{"ok":false,"error":"channel_not_found"}`,
			connectors.Error{Kind: connectors.KindHTTP, HTTPStatus: 200, Retry: connectors.RetryNever, Message: "post message: Slack refused: channel_not_found"}},
		"a revoked token": {`{"ok":false,"error":"token_revoked"}`,
			connectors.Error{Kind: connectors.KindCredential, HTTPStatus: 200, Retry: connectors.RetryNever, Message: "post message: Slack refused: token_revoked"}},
		"a scope that is missing": {`{"ok":false,"error":"missing_scope","needed":"chat:write"}`,
			connectors.Error{Kind: connectors.KindCredential, HTTPStatus: 200, Retry: connectors.RetryNever, Message: "post message: Slack refused: missing_scope: the token needs the scope chat:write"}},
		"blocks that are wrong": {`{"ok":false,"error":"invalid_blocks","response_metadata":{"messages":["[ERROR] missing field: type [json-pointer:/blocks/0]"]}}`,
			connectors.Error{Kind: connectors.KindHTTP, HTTPStatus: 200, Retry: connectors.RetryNever, Message: "post message: Slack refused: invalid_blocks: [ERROR] missing field: type [json-pointer:/blocks/0]"}},
		"a limit": {`{"ok":false,"error":"ratelimited"}`,
			connectors.Error{Kind: connectors.KindHTTP, HTTPStatus: 429, RetryAfter: 30 * time.Second, Message: "post message: Slack refused: ratelimited"}},
		"a fault of Slack's": {`{"ok":false,"error":"internal_error"}`,
			connectors.Error{Kind: connectors.KindHTTP, HTTPStatus: 503, Message: "post message: Slack refused: internal_error"}},
	} {
		t.Run(name, func(t *testing.T) {
			target := conntest.NewDestination(t)
			target.Answer(conntest.JSON(200, c.answer))
			_, err := do(t, bot(target.URL)[0], "slack/post-message", `{"channel":"C1","text":"hi"}`)
			if err == nil {
				t.Fatal("no error")
			}
			got := *connectors.AsError(err)
			c.want.Sent = true
			if got.Kind != c.want.Kind || got.HTTPStatus != c.want.HTTPStatus || got.Retry != c.want.Retry || got.RetryAfter != c.want.RetryAfter || got.Message != c.want.Message || !got.Sent {
				t.Errorf("got %s %d %v %v %q", got.Kind, got.HTTPStatus, got.Retry, got.RetryAfter, got.Message)
			}
		})
	}
}

func TestChannelsAreReadByACursor(t *testing.T) {
	target := conntest.NewDestination(t)
	target.Answer(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("cursor") == "" {
			_, _ = w.Write([]byte(`{"ok":true,"channels":[{"id":"C1"}],"response_metadata":{"next_cursor":"dGVhbTpDMDYxRkE1UEI="}}`))
			return
		}
		_, _ = w.Write([]byte(`{"ok":true,"channels":[{"id":"C2"}],"response_metadata":{"next_cursor":""}}`))
	})
	first, err := do(t, bot(target.URL)[0], "slack/list-channels", `{}`)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`{"items":[{"id":"C1"}],"next":"dGVhbTpDMDYxRkE1UEI="}`, string(first.Output)); diff != "" {
		t.Error(diff)
	}
	last, err := do(t, bot(target.URL)[0], "slack/list-channels", `{"cursor":"dGVhbTpDMDYxRkE1UEI="}`)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`{"items":[{"id":"C2"}]}`, string(last.Output)); diff != "" {
		t.Error(diff)
	}
}

func TestATokenIsNoWebhook(t *testing.T) {
	target := conntest.NewDestination(t)
	for name, credential := range map[string]*connectors.Credential{"slack/notify": bot(target.URL)[0], "slack/post-message": hook(target.URL)[0]} {
		_, err := do(t, credential, name, `{"channel":"C1","text":"hi"}`)
		if e := connectors.AsError(err); e == nil || e.Kind != connectors.KindCredential || e.Sent {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(target.Received()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func do(t *testing.T, credential *connectors.Credential, name, input string) (connectors.Result, error) {
	t.Helper()
	set, err := connectors.New(Connector())
	if err != nil {
		t.Fatal(err)
	}
	m, _ := set.Component(name)
	env := connectors.Env{HTTP: outgoing.New(outgoing.Options{AllowLoopback: true})}
	return m.Do(t.Context(), env, connectors.Call{Input: json.RawMessage(input), Credential: credential, IdempotencyKey: "k", Attempt: 1})
}
