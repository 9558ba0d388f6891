package x

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/connectors"
	"sluice/connectors/conntest"
	"sluice/connectors/outgoing"
)

func credentials(target string) []*connectors.Credential {
	return []*connectors.Credential{
		{Type: "oauth1", Values: map[string]string{
			"consumerKey": "app", "consumerSecret": "app s3cret&", "accessToken": "7-user", "accessTokenSecret": "user s3cret+", "baseUrl": target,
		}},
		{Type: "oauth2", Values: map[string]string{"clientId": "app", "clientSecret": "client s3cret", "accessToken": "oauth2-user-s3cret", "baseUrl": target}},
		{Type: "token", Values: map[string]string{"token": "oauth2-s3cret", "baseUrl": target}},
	}
}

func TestContract(t *testing.T) {
	input := func(text string) func(string) json.RawMessage {
		return func(string) json.RawMessage { return json.RawMessage(text) }
	}
	answer := conntest.JSON(200, `{"data":{"id":"1445880548472328192","n":9007199254740993}}`)
	conntest.Run(t, Connector(), conntest.Options{
		Cases: map[string]conntest.Case{
			"x/post-tweet": {
				Input: input(`{"text":"<3","quote_tweet_id":"1445880548472328192"}`), Digits: "1445880548472328192", Credentials: credentials,
				Answer: answer, AnswerDigits: "9007199254740993",
				Bad: []json.RawMessage{[]byte(`{}`), []byte(`{"text":""}`), []byte(`{"text":"a","quote_tweet_id":1445880548472328192}`), []byte(`[]`)},
			},
			"x/delete-tweet": {
				Input: input(`{"id":"1445880548472328192"}`), Digits: "/1445880548472328192", Credentials: credentials,
				Answer: answer, AnswerDigits: "9007199254740993", Bad: []json.RawMessage{[]byte(`{}`), []byte(`{"id":"../users"}`)},
			},
			"x/find-user": {
				Input: input(`{"username":"XDevelopers"}`), Digits: "/XDevelopers", Credentials: credentials,
				Answer: answer, AnswerDigits: "9007199254740993", Bad: []json.RawMessage{[]byte(`{}`), []byte(`{"username":"@x"}`)},
			},
		},
		Good: map[string]func(string) map[string]string{
			"oauth1": func(target string) map[string]string { return credentials(target)[0].Values },
			"oauth2": func(target string) map[string]string { return credentials(target)[1].Values },
			"token":  func(target string) map[string]string { return credentials(target)[2].Values },
		},
	})
}

// The signature is made again here from RFC 5849, sections 3.4.1 and 3.4.2, with what arrived.
func TestATweetIsSignedAsRFC5849Says(t *testing.T) {
	target := conntest.NewDestination(t)
	target.Answer(conntest.JSON(201, `{"data":{"id":"1","text":"Hello Ladies + Gentlemen"}}`))
	if _, err := do(t, target, time.Now()); err != nil {
		t.Fatal(err)
	}
	got := target.Received()[0]
	if diff := cmp.Diff(`{"text":"Hello Ladies + Gentlemen"}`, string(got.Body)); diff != "" {
		t.Error(diff)
	}
	fields := map[string]string{}
	for field := range strings.SplitSeq(strings.TrimPrefix(got.Header.Get("Authorization"), "OAuth "), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		decoded, err := url.PathUnescape(strings.Trim(value, `"`))
		if err != nil {
			t.Fatal(err)
		}
		fields[name] = decoded
	}
	signature := fields["oauth_signature"]
	delete(fields, "oauth_signature")
	if fields["oauth_consumer_key"] != "app" || fields["oauth_token"] != "7-user" || fields["oauth_signature_method"] != "HMAC-SHA1" || fields["oauth_nonce"] == "" {
		t.Errorf("the header says %v", fields)
	}
	escape := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	var parameters []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		parameters = append(parameters, escape(name)+"="+escape(fields[name]))
	}
	base := "POST&" + escape(target.URL+"/2/tweets") + "&" + escape(strings.Join(parameters, "&"))
	mac := hmac.New(sha1.New, []byte(escape("app s3cret&")+"&"+escape("user s3cret+")))
	mac.Write([]byte(base))
	if want := base64.StdEncoding.EncodeToString(mac.Sum(nil)); signature != want {
		t.Errorf("the signature is %s, want %s", signature, want)
	}
}

func TestALimitEndsAtATime(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	target := conntest.NewDestination(t)
	target.Answer(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Rate-Limit-Reset", strconv.FormatInt(now.Unix()+42, 10))
		w.WriteHeader(429)
		_, _ = w.Write([]byte(`{"title":"Too Many Requests","detail":"Too Many Requests","type":"about:blank","status":429}`))
	})
	_, err := do(t, target, now)
	if e := connectors.AsError(err); e.RetryAfter != 42*time.Second || e.HTTPStatus != 429 || e.Retry != connectors.RetryByPolicy {
		t.Errorf("got %d %v %v: %v", e.HTTPStatus, e.RetryAfter, e.Retry, e)
	}
}

func do(t *testing.T, target *conntest.Destination, now time.Time) (connectors.Result, error) {
	t.Helper()
	set, err := connectors.New(Connector())
	if err != nil {
		t.Fatal(err)
	}
	m, _ := set.Component("x/post-tweet")
	env := connectors.Env{HTTP: outgoing.New(outgoing.Options{AllowLoopback: true}), Now: func() time.Time { return now }}
	return m.Do(t.Context(), env, connectors.Call{Input: json.RawMessage(`{"text":"Hello Ladies + Gentlemen"}`), Credential: credentials(target.URL)[0], IdempotencyKey: "k", Attempt: 1})
}
