package github

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/connectors"
	"sluice/connectors/conntest"
	"sluice/connectors/outgoing"
)

const token = "ghp_s3cret/+token"

func credential(target string) []*connectors.Credential {
	return []*connectors.Credential{{Type: "token", Values: map[string]string{"token": token, "baseUrl": target + "/api/v3"}}}
}

func TestContract(t *testing.T) {
	input := func(text string) func(string) json.RawMessage {
		return func(string) json.RawMessage { return json.RawMessage(text) }
	}
	bad := []json.RawMessage{
		[]byte(`{}`), []byte(`[]`), []byte(`nonsense`), []byte(`{"owner":"o","repo":"../x","number":1,"title":"t","body":"b","workflow":"w","ref":"r"}`),
		[]byte(`{"owner":"..","repo":"r","number":1,"title":"t","body":"b","workflow":"w","ref":"r"}`),
		[]byte(`{"owner":"o","repo":"..","number":1,"title":"t","body":"b","workflow":"w","ref":"r"}`),
	}
	answer := conntest.JSON(200, `{"id":9007199254740993,"number":9007199254740993}`)
	conntest.Run(t, Connector(), conntest.Options{
		Cases: map[string]conntest.Case{
			"github/create-issue": {
				Input: input(`{"owner":"o","repo":"r","title":"t","milestone":9007199254740993}`), Digits: "9007199254740993",
				Credentials: credential, Answer: answer, AnswerDigits: "9007199254740993", Bad: bad,
			},
			"github/update-issue": {
				Input: input(`{"owner":"o","repo":"r","number":9007199254740993,"state":"closed"}`), Digits: "/9007199254740993",
				Credentials: credential, Answer: answer, AnswerDigits: "9007199254740993", Bad: bad,
			},
			"github/get-issue": {
				Input: input(`{"owner":"o","repo":"r","number":9007199254740993}`), Digits: "/9007199254740993",
				Credentials: credential, Answer: answer, AnswerDigits: "9007199254740993", Bad: bad,
			},
			"github/list-issues": {
				Input: input(`{"owner":"o","repo":"r","page":9007199254740993}`), Digits: "page=9007199254740993",
				Credentials: credential, Answer: conntest.JSON(200, `[{"number":9007199254740993}]`), AnswerDigits: "9007199254740993", Bad: bad,
			},
			"github/create-comment": {
				Input: input(`{"owner":"o","repo":"r","number":9007199254740993,"body":"hello"}`), Digits: "/9007199254740993",
				Credentials: credential, Answer: answer, AnswerDigits: "9007199254740993", Bad: bad,
			},
			"github/dispatch-workflow": {
				Input: input(`{"owner":"o","repo":"r","workflow":9007199254740993,"ref":"main"}`), Digits: "/9007199254740993",
				Credentials: credential, Bad: bad,
			},
		},
		Good: map[string]func(string) map[string]string{
			"token": func(target string) map[string]string { return credential(target)[0].Values },
		},
	})
}

func do(t *testing.T, target *conntest.Destination, name, input string, now time.Time) (connectors.Result, error) {
	t.Helper()
	set, err := connectors.New(Connector())
	if err != nil {
		t.Fatal(err)
	}
	m, _ := set.Component(name)
	env := connectors.Env{HTTP: outgoing.New(outgoing.Options{AllowLoopback: true}), Now: func() time.Time { return now }}
	return m.Do(t.Context(), env, connectors.Call{Input: json.RawMessage(input), Credential: credential(target.URL)[0], IdempotencyKey: "k", Attempt: 1})
}

func TestARequestIsAsGitHubDocumentsIt(t *testing.T) {
	target := conntest.NewDestination(t)
	target.Answer(conntest.JSON(201, `{"number":1}`))
	if _, err := do(t, target, "github/create-issue", `{"owner":"octo cat","repo":"Hello-World","title":"<b>","labels":["bug"]}`, time.Now()); err != nil {
		t.Fatal(err)
	}
	got := target.Received()[0]
	if got.Method != "POST" || got.Path != "/api/v3/repos/octo cat/Hello-World/issues" {
		t.Errorf("%s %s", got.Method, got.Path)
	}
	if diff := cmp.Diff(`{"labels":["bug"],"title":"<b>"}`, string(got.Body)); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]string{
		"Authorization": "Bearer " + token, "Accept": "application/vnd.github+json", "X-Github-Api-Version": "2022-11-28", "Content-Type": "application/json",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.Header.Get(name), want)
		}
	}
}

func TestPagesFollowTheLinkHeader(t *testing.T) {
	target := conntest.NewDestination(t)
	target.Answer(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("page") != "3" {
			w.Header().Set("Link", `<https://api.github.com/repositories/1/issues?page=1>; rel="prev", <https://api.github.com/repositories/1/issues?page=3&per_page=1>; rel="next"`)
		}
		_, _ = w.Write([]byte(`[{"number":1}]`))
	})
	for page, want := range map[string]string{"2": `{"items":[{"number":1}],"next":"3"}`, "3": `{"items":[{"number":1}]}`} {
		got, err := do(t, target, "github/list-issues", `{"owner":"o","repo":"r","page":"`+page+`"}`, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got.Output)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestALimitIsWaitedFor(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for name, c := range map[string]struct {
		status           int
		header           map[string]string
		body             string
		status2, seconds int
	}{
		"the hour's limit":          {403, map[string]string{"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": strconv.FormatInt(now.Unix()+90, 10)}, `{"message":"API rate limit exceeded"}`, 429, 90},
		"a burst":                   {403, map[string]string{"Retry-After": "30"}, `{"message":"You have exceeded a secondary rate limit"}`, 429, 30},
		"a burst that says no time": {429, nil, `{"message":"You have exceeded a secondary rate limit"}`, 429, 60},
		"no right to do this":       {403, map[string]string{"X-Ratelimit-Remaining": "4999"}, `{"message":"Resource not accessible by personal access token"}`, 403, 0},
	} {
		t.Run(name, func(t *testing.T) {
			target := conntest.NewDestination(t)
			target.Answer(func(w http.ResponseWriter, _ *http.Request) {
				for k, v := range c.header {
					w.Header().Set(k, v)
				}
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			})
			_, err := do(t, target, "github/get-issue", `{"owner":"o","repo":"r","number":1}`, now)
			e := connectors.AsError(err)
			if e == nil || e.HTTPStatus != c.status2 || e.RetryAfter != time.Duration(c.seconds)*time.Second || e.Retry != connectors.RetryByPolicy {
				t.Errorf("got %v, %+v", err, e)
			}
			if n := strings.Count(err.Error(), "get issue"); n != 1 {
				t.Errorf("the error names the action %d times: %v", n, err)
			}
		})
	}
}

func TestWhatIsWrongWithAnIssueIsSaid(t *testing.T) {
	target := conntest.NewDestination(t)
	target.Answer(conntest.JSON(422, `{"message":"Validation Failed","errors":[{"resource":"Issue","field":"title","code":"missing_field"},{"message":"`+token+` is odd"}]}`))
	_, err := do(t, target, "github/create-issue", `{"owner":"o","repo":"r","title":"t"}`, time.Now())
	e := connectors.AsError(err)
	if want := "create issue: Validation Failed: title missing field; ••• is odd"; e.Message != want || e.Retry != connectors.RetryNever {
		t.Errorf("got %q (%v), want %q", e.Message, e.Retry, want)
	}
}
