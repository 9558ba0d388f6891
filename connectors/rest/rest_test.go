package rest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/connectors"
	"sluice/connectors/outgoing"
)

func TestAnInputIsSpreadOverPathQueryAndBody(t *testing.T) {
	for name, c := range map[string]struct {
		action    Action
		lists     Lists
		input     string
		uri, body string
	}{
		"a path's places are one segment each": {
			Action{Path: "/a/{x}/{y}.json"}, Repeated, `{"x":"a/b?c#d","y":9007199254740993}`, "/v1/a/a%2Fb%3Fc%23d/9007199254740993.json", "",
		},
		"a value of the credential": {
			Action{Path: "/{@account}/{x}"}, Repeated, `{"x":"1"}`, "/v1/AC1/1", "",
		},
		"what a value holds is never a place": {
			Action{Path: "/{x}/{y}"}, Repeated, `{"x":"{@key}","y":"{x}"}`, "/v1/%7B@key%7D/%7Bx%7D", "",
		},
		"what is not in path or query is the body": {
			Action{Path: "/{x}", Query: []string{"q"}, Body: JSON}, Repeated, `{"x":"1","q":["a","b"],"z":1.50,"t":"<&>"}`, "/v1/1?q=a&q=b", `{"t":"<&>","z":1.50}`,
		},
		"an action without a body sends none": {
			Action{Path: "/x"}, Repeated, `{"z":1}`, "/v1/x", "",
		},
		"a form repeats lists": {
			Action{Path: "/x", Body: Form, As: map[string]string{"to": "To"}}, Repeated, `{"to":["a","b"],"n":null,"o":{"k":true}}`, "/v1/x", "To=a&To=b&o%5Bk%5D=true",
		},
		"or gives them indices": {
			Action{Path: "/x", Body: Form}, Indexed, `{"l":[{"a":1},{"a":2.0}]}`, "/v1/x", "l%5B0%5D%5Ba%5D=1&l%5B1%5D%5Ba%5D=2.0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var uri, body string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				content, _ := io.ReadAll(r.Body)
				uri, body = r.RequestURI, string(content)
				_, _ = w.Write([]byte("{}"))
			}))
			defer server.Close()
			api := &API{Title: "It", Lists: c.lists, Authorize: Bearer("key")}
			c.action.Title, c.action.Method = "Do it", http.MethodPost
			call := connectors.Call{Input: json.RawMessage(c.input), Credential: &connectors.Credential{Values: map[string]string{
				"key": "s3cret", "account": "AC1", "baseUrl": server.URL + "/v1",
			}}}
			env := connectors.Env{HTTP: outgoing.New(outgoing.Options{AllowLoopback: true})}
			if _, err := api.Component(c.action).Do(t.Context(), env, call); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{c.uri, c.body}, []string{uri, body}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAPlaceOfThePathIsNeverEmptyOrAWayUp(t *testing.T) {
	api := &API{Title: "It", BaseURL: "https://it.example", Authorize: Bearer("key")}
	m := api.Component(Action{Title: "Get", Path: "/a/{x}"})
	for _, input := range []string{`{}`, `{"x":""}`, `{"x":"."}`, `{"x":".."}`, `{"x":null}`, `{"x":[]}`, `{"x":{}}`, `{"x":true}`, `[]`, `null`, `1`} {
		_, err := m.Do(t.Context(), connectors.Env{}, connectors.Call{
			Input: json.RawMessage(input), Credential: &connectors.Credential{Values: map[string]string{"key": "k"}},
		})
		if e := connectors.AsError(err); e == nil || e.Kind != connectors.KindInput || e.Retry != connectors.RetryNever {
			t.Errorf("%s is taken: %v", input, err)
		}
	}
}

func TestTheNextPageIsInTheLinkHeader(t *testing.T) {
	for _, c := range []struct {
		links []string
		want  string
	}{
		{nil, ""},
		{[]string{`<https://a.example/?page=3>; rel="next", <https://a.example/?page=1>; rel="prev"`}, "3"},
		{[]string{`<https://a.example/?page=1>; rel="prev"`, `<https://a.example/?page=3>; title="x"; rel="next"`}, "3"},
		{[]string{`<https://a.example/?page=1>; rel="prev"`}, ""},
		{[]string{`https://a.example/?page=1; rel="next"`, `<%zz>; rel="next"`}, ""},
	} {
		if got := next(c.links, "page"); got != c.want {
			t.Errorf("%q: got %q, want %q", c.links, got, c.want)
		}
	}
}
