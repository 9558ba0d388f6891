package rest

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAnInputIsSpreadOverPathQueryAndBody(t *testing.T) {
	for name, c := range map[string]struct {
		action            Action
		lists             Lists
		input             string
		path, query, body string
	}{
		"a path's places are one segment each": {
			Action{Title: "A", Path: "/a/{x}/{y}"}, Repeated, `{"x":"a/b?c#d","y":9007199254740993}`, "/a/a%2Fb%3Fc%23d/9007199254740993", "", "",
		},
		"the credential's places stay for later": {
			Action{Title: "A", Path: "/{@sid}/{x}"}, Repeated, `{"x":"{@sid}"}`, "/{@sid}/%7B@sid%7D", "", "",
		},
		"what is not in path or query is the body": {
			Action{Title: "A", Path: "/{x}", Query: []string{"q"}, Body: JSON}, Repeated, `{"x":"1","q":["a","b"],"z":1.50,"t":"<&>"}`, "/1", "q=a&q=b", `{"t":"<&>","z":1.50}`,
		},
		"an action without a body sends none": {
			Action{Title: "A", Path: "/"}, Repeated, `{"z":1}`, "/", "", "",
		},
		"a form repeats lists": {
			Action{Title: "A", Body: Form, As: map[string]string{"to": "To"}}, Repeated, `{"to":["a","b"],"n":null,"o":{"k":true}}`, "", "", "To=a&To=b&o%5Bk%5D=true",
		},
		"or gives them indices": {
			Action{Title: "A", Body: Form}, Indexed, `{"l":[{"a":1},{"a":2.0}]}`, "", "", "l%5B0%5D%5Ba%5D=1&l%5B1%5D%5Ba%5D=2.0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := c.action.request(c.lists, json.RawMessage(c.input))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{c.path, c.query, c.body}, []string{r.path, r.query.Encode(), string(r.body)}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAPlaceOfThePathIsNeverEmptyOrAWayUp(t *testing.T) {
	a := Action{Title: "Get", Path: "/a/{x}"}
	for _, input := range []string{`{}`, `{"x":""}`, `{"x":"."}`, `{"x":".."}`, `{"x":null}`, `{"x":[]}`, `{"x":{}}`, `{"x":true}`, `[]`, `null`, `1`} {
		if r, err := a.request(Repeated, json.RawMessage(input)); err == nil {
			t.Errorf("%s is taken: %s", input, r.path)
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
