package http

import (
	"context"
	"encoding/json"
	"errors"
	nethttp "net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/connectors"
	"sluice/connectors/conntest"
	"sluice/connectors/outgoing"
)

func TestContract(t *testing.T) {
	conntest.Run(t, Connector(), conntest.Options{Cases: map[string]conntest.Case{
		"http/request": {
			Input: func(target string) json.RawMessage {
				return json.RawMessage(`{"method":"POST","url":"` + target + `/in?a=1","body":{"id":12345678901234567890123}}`)
			},
			Digits: "12345678901234567890123",
			Answer: conntest.JSON(200, `{"id":98765432109876543210}`), AnswerDigits: "98765432109876543210",
			Credentials: func(string) []*connectors.Credential {
				return []*connectors.Credential{
					nil,
					{Type: "none"},
					{Type: "basic", Values: map[string]string{"username": "wallace", "password": "s3cret \"pass\""}},
					{Type: "bearer", Values: map[string]string{"token": "s3cret-token"}},
					{Type: "apiKey", Values: map[string]string{"name": "x-key", "value": "s3cret/value="}},
					{Type: "api-key", Values: map[string]string{"in": "query", "name": "key", "value": "s3cret/va lue="}},
				}
			},
			Bad: []json.RawMessage{
				[]byte(`{}`), []byte(`{"url":""}`), []byte(`{"url":"ftp://example.com"}`), []byte(`{"url":"http://"}`),
				[]byte(`{"url":"http://user:pass@example.com"}`), []byte(`{"url":"http://example.com","method":"BREW"}`),
				[]byte(`{"url":"http://example.com","headers":{"a":"b\r\nc: d"}}`),
				[]byte(`{"url":"http://example.com","headers":{"a\nb":"c"}}`),
				[]byte(`{"url":"http://example.com","headers":{"Host":"internal"}}`),
				[]byte(`{"url":"http://example.com","headers":{"transfer-encoding":"chunked"}}`),
				[]byte(`{"url":"http://example.com","headers":{"a":"1","A":"2"}}`),
				[]byte(`{"url":"http://example.com","timeout":"soon"}`), []byte(`{"url":"http://example.com","timeout":"0s"}`),
				[]byte(`{"url":"http://example.com","expect":["ok"]}`), []byte(`{"url":"http://example.com","contentType":";"," body":1}`),
			},
		},
	}})
}

func do(t *testing.T, ctx context.Context, input string) (connectors.Result, error) {
	t.Helper()
	set, err := connectors.New(Connector())
	if err != nil {
		t.Fatal(err)
	}
	m, _ := set.Component("http/request")
	if err := m.CheckInput(json.RawMessage(input)); err != nil {
		t.Fatal(err)
	}
	env := connectors.Env{HTTP: outgoing.New(outgoing.Options{AllowLoopback: true})}
	defer env.HTTP.CloseIdleConnections()
	return m.Do(ctx, env, connectors.Call{Input: json.RawMessage(input), IdempotencyKey: "key", Attempt: 1})
}

func TestRequestIsSentAsWritten(t *testing.T) {
	type sent struct{ Method, Query, ContentType, Key, Body string }
	for name, c := range map[string]struct {
		input string
		want  sent
	}{
		"a GET has no key":     {`"query":{"b":[1,2.50,true],"c":null,"d":{"e":"f g"}}`, sent{"GET", "a=1&b=1&b=2.50&b=true&d%5Be%5D=f+g", "", "", ""}},
		"the query replaces":   {`"query":{"a":12345678901234567890}`, sent{"GET", "a=12345678901234567890", "", "", ""}},
		"json":                 {`"method":"PUT","body":{"n":1.0}`, sent{"PUT", "a=1", "application/json", "key", `{"n":1.0}`}},
		"text without a type":  {`"method":"POST","body":"hi"`, sent{"POST", "a=1", "application/json", "key", `"hi"`}},
		"text":                 {`"method":"POST","body":"h\u00e9","contentType":"text/plain"`, sent{"POST", "a=1", "text/plain", "key", "hé"}},
		"form":                 {`"method":"POST","body":{"a":{"b":1},"c":["x","y"]},"contentType":"application/x-www-form-urlencoded"`, sent{"POST", "a=1", "application/x-www-form-urlencoded", "key", "a%5Bb%5D=1&c=x&c=y"}},
		"null is a JSON value": {`"method":"POST","body":null`, sent{"POST", "a=1", "application/json", "key", "null"}},
		"the header wins":      {`"method":"POST","body":{},"headers":{"content-type":"application/x","idempotency-key":"mine"}`, sent{"POST", "a=1", "application/x", "mine", "{}"}},
		"false is a value":     {`"method":"DELETE","body":false`, sent{"DELETE", "a=1", "application/json", "key", "false"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := conntest.NewDestination(t)
			if _, err := do(t, t.Context(), `{"url":"`+d.URL+`?a=1",`+c.input+`}`); err != nil {
				t.Fatal(err)
			}
			r := d.Received()[0]
			got := sent{r.Method, r.Query, r.Header.Get("Content-Type"), r.Header.Get("Idempotency-Key"), string(r.Body)}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHeadersKeepTheirDigits(t *testing.T) {
	d := conntest.NewDestination(t)
	if _, err := do(t, t.Context(), `{"url":"`+d.URL+`","headers":{"x-id":12345678901234567890123,"x-on":true}}`); err != nil {
		t.Fatal(err)
	}
	if h := d.Received()[0].Header; h.Get("X-Id") != "12345678901234567890123" || h.Get("X-On") != "true" {
		t.Errorf("%v", h)
	}
}

func TestAnswerIsReadByItsType(t *testing.T) {
	for name, c := range map[string]struct{ contentType, body, want string }{
		"json":         {"application/json; charset=utf-8", ` {"n": 1.10}`, `"body":{"n":1.10}`},
		"problem":      {"application/problem+json", `{}`, `"body":{}`},
		"broken json":  {"application/json", `{`, `"body":"{"`},
		"text":         {"text/plain", `<a>&`, `"body":"<a>&"`},
		"byte order":   {"application/json", "\xef\xbb\xbf[]", `"body":[]`},
		"bytes":        {"image/png", "\xff\x00", `"body":"/wA=","bodyEncoding":"base64"`},
		"broken UTF-8": {"application/json", "\"\xff\"", `"body":"Iv8i","bodyEncoding":"base64"`},
		"nothing":      {"application/json", "", `"body":null`},
	} {
		t.Run(name, func(t *testing.T) {
			d := conntest.NewDestination(t)
			d.Answer(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
				w.Header().Set("Content-Type", c.contentType)
				_, _ = w.Write([]byte(c.body))
			})
			result, err := do(t, t.Context(), `{"url":"`+d.URL+`"}`)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(result.Output), c.want) || !json.Valid(result.Output) {
				t.Errorf("%s does not hold %s", result.Output, c.want)
			}
		})
	}
}

func TestExpectedStatusesAreNoError(t *testing.T) {
	for _, c := range []struct {
		expect string
		status int
		ok     bool
	}{
		{`[]`, 204, true}, {`[]`, 404, false}, {`[404]`, 404, true}, {`["404"]`, 404, true}, {`[404]`, 200, false},
		{`["2xx", 404]`, 201, true}, {`["5xx"]`, 503, true}, {`["5xx"]`, 404, false}, {`[303]`, 303, true},
	} {
		d := conntest.NewDestination(t)
		d.Answer(func(w nethttp.ResponseWriter, _ *nethttp.Request) { w.WriteHeader(c.status) })
		result, err := do(t, t.Context(), `{"method":"POST","url":"`+d.URL+`","expect":`+c.expect+`}`)
		if (err == nil) != c.ok || result.HTTPStatus != c.status {
			t.Errorf("expect %s, answer %d: status %d, %v", c.expect, c.status, result.HTTPStatus, err)
		}
	}
}

func TestOwnTimeoutIsATimeoutOfTheStep(t *testing.T) {
	d := conntest.NewDestination(t)
	d.Answer(conntest.Hang)
	_, err := do(t, t.Context(), `{"url":"`+d.URL+`","timeout":"20ms"}`)
	if e := connectors.AsError(err); e == nil || e.Kind != connectors.KindTimeout || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestReceivingCredentialIsRefused(t *testing.T) {
	d := conntest.NewDestination(t)
	_, err := Connector().Components[0].Do(t.Context(), connectors.Env{}, connectors.Call{
		Input: json.RawMessage(`{"url":"` + d.URL + `"}`), Credential: &connectors.Credential{Type: "hmac"},
	})
	if e := connectors.AsError(err); e == nil || e.Kind != connectors.KindCredential {
		t.Errorf("%v", err)
	}
}
