package connectors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func action(name, input string) Component {
	return Component{
		Name: name, Title: "A", Effect: Pure, Input: json.RawMessage(input), Output: json.RawMessage(`{}`),
		Do: func(context.Context, Env, Call) (Result, error) { return Result{}, nil },
	}
}

func TestNewNamesEveryFault(t *testing.T) {
	do := action("x/y", `{}`).Do
	for name, c := range map[string]struct {
		list []Connector
		want string
	}{
		"bad name":          {[]Connector{{Name: "Pet Store", Title: "P"}}, `connector "Pet Store": a name is`},
		"no title":          {[]Connector{{Name: "a"}}, `has no title`},
		"twice":             {[]Connector{{Name: "a", Title: "A"}, {Name: "a", Title: "A"}}, `listed twice`},
		"foreign component": {[]Connector{{Name: "a", Title: "A", Components: []Component{action("b/c", `{}`)}}}, `component "b/c": the name must be a/`},
		"component twice":   {[]Connector{{Name: "a", Title: "A", Components: []Component{action("a/c", `{}`), action("a/c", `{}`)}}}, `component "a/c": is listed twice`},
		"bad schema":        {[]Connector{{Name: "a", Title: "A", Components: []Component{action("a/c", `{"type":"thing"}`)}}}, `component "a/c": input schema`},
		"schema elsewhere":  {[]Connector{{Name: "a", Title: "A", Components: []Component{action("a/c", `{"$ref":"https://example.com/s"}`)}}}, `schemas stand alone`},
		"schema on disk":    {[]Connector{{Name: "a", Title: "A", Components: []Component{action("a/c", `{"$ref":"file:///etc/passwd"}`)}}}, `schemas stand alone`},
		"no effect":         {[]Connector{{Name: "a", Title: "A", Components: []Component{{Name: "a/c", Title: "C", Do: do, Input: []byte(`{}`), Output: []byte(`{}`)}}}}, `effect ""`},
		"trigger with Do":   {[]Connector{{Name: "a", Title: "A", Components: []Component{{Name: "a/c", Title: "C", Effect: Pure, Trigger: true, Do: do, Input: []byte(`{}`), Output: []byte(`{}`)}}}}, `a trigger has none`},
		"sample":            {[]Connector{{Name: "a", Title: "A", Components: []Component{{Name: "a/c", Title: "C", Effect: Pure, Do: do, Input: []byte(`{}`), Output: []byte(`{"type":"object"}`), Sample: func() json.RawMessage { return []byte(`1`) }}}}}, `the sample does not fit`},
		"numbers in a credential": {[]Connector{{Name: "a", Title: "A", Credentials: []CredentialType{{Name: "c", Title: "C", Schema: []byte(`{"type":"object","properties":{"port":{"type":"integer"}}}`)}}}},
			`value "port": every value`},
		"type twice": {[]Connector{{Name: "a", Title: "A", Credentials: []CredentialType{{Name: "apiKey", Title: "C", Schema: []byte(`{"type":"object"}`)}, {Name: "api-key", Title: "C", Schema: []byte(`{"type":"object"}`)}}}},
			`names must be unique`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := New(c.list...); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestCheckInputNamesThePlaceAndWhatWouldBeRight(t *testing.T) {
	const schema = `{
	  "type": "object", "required": ["name"], "additionalProperties": false,
	  "properties": {
	    "name": {"type": "string", "minLength": 1},
	    "status": {"type": "string", "enum": ["Available", "Sold"]},
	    "case": {"description": "Sold in any case", "pattern": "^[Ss]"},
	    "want": {"description": "D", "x-want": "a word", "pattern": "^[a-z]+$"},
	    "size": {"type": "integer", "minimum": 1},
	    "tags": {"type": "array", "items": {"type": "string"}},
	    "a/b~c": {"type": "boolean"},
	    "expect": {"description": "a status or a class", "anyOf": [{"type": "integer"}, {"type": "string", "pattern": "xx$"}]}
	  }
	}`
	set, err := New(Connector{Name: "a", Title: "A", Components: []Component{action("a/b", schema)}})
	if err != nil {
		t.Fatal(err)
	}
	checked, _ := set.Component("a/b")
	loose := action("a/b", schema)
	for input, want := range map[string]string{
		`{"name":"a"}`: "",
		`{"name":"a","size":12345678901234567890}`: "",
		`{}`:                              "input.name: is required",
		`{"name":""}`:                     "input.name: must not be empty",
		`{"name":1}`:                      "input.name: must be text, not a number",
		`{"name":"a","status":"sold"}`:    "input.status: must be one of Available, Sold",
		`{"name":"a","case":"x"}`:         "input.case: must be: Sold in any case",
		`{"name":"a","want":"1"}`:         "input.want: must be a word",
		`{"name":"a","size":0}`:           "input.size: minimum: got 0, want 1",
		`{"name":"a","size":1.5}`:         "input.size: must be a whole number, not a number",
		`{"name":"a","tags":["a",null]}`:  "input.tags.1: must be text, not null",
		`{"name":"a","a/b~c":1}`:          "input.a/b~c: must be true or false, not a number",
		`{"name":"a","expect":true}`:      "input.expect: must be: a status or a class",
		`{"nam":"a"}`:                     "input.nam: is not a known field; known are a/b~c, case, expect, name, size, status, tags, want; input.name: is required",
		`[]`:                              "input: must be an object, not a list",
		`{"name":"a","size":1e999999999}`: "input.size: the number is too large: at most 4,096 digits and an exponent below 1000",
		`{"name":"a","size":` + strings.Repeat("9", 5000) + "}": "input.size: the number is too large: at most 4,096 digits and an exponent below 1000",
		`{"name":"a"} x`: "input is not JSON: something follows the value",
	} {
		for _, m := range []*Component{checked, &loose} {
			got := ""
			if err := m.CheckInput(json.RawMessage(input)); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%.60s: %s", input, diff)
			}
		}
	}

	problem, ok := errors.AsType[*InputError](checked.CheckInput(json.RawMessage(`{"name":"a","a/b~c":1}`)))
	if !ok || len(problem.Problems) != 1 || problem.Problems[0].Pointer != "/a~1b~0c" {
		t.Errorf("%+v", problem)
	}
}

func TestCredentialIsCheckedWithoutShowingItsValues(t *testing.T) {
	kind := CredentialType{Name: "k", Title: "K", Schema: json.RawMessage(`{
	  "type": "object", "required": ["key"], "additionalProperties": false,
	  "properties": {
	    "key": {"type": "string", "pattern": "^sk_", "writeOnly": true},
	    "url": {"type": "string", "default": "https://example.com"},
	    "old": {"type": "string", "writeOnly": true}
	  }
	}`)}
	err := kind.Check(map[string]string{"key": "s3cret"})
	if err == nil || strings.Contains(err.Error(), "s3cret") || !strings.HasPrefix(err.Error(), "credential.key: ") {
		t.Errorf("%v", err)
	}
	if diff := cmp.Diff([]string{"key", "old"}, kind.Secrets()); diff != "" {
		t.Error(diff)
	}
	given := map[string]string{"key": "sk_1"}
	if diff := cmp.Diff(map[string]string{"key": "sk_1", "url": "https://example.com"}, kind.Defaults(given)); diff != "" {
		t.Error(diff)
	}
	if len(given) != 1 {
		t.Error("Defaults changed the given values")
	}

	c := &Credential{Type: "k", Values: given}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, c); strings.Contains(text, "sk_1") {
			t.Errorf("%s shows the value: %s", verb, text)
		}
	}
	if text := fmt.Sprintf("%+v", Call{Credential: c}); strings.Contains(text, "sk_1") {
		t.Errorf("a call shows the value: %s", text)
	}
}

func TestCredentialTypesAreFoundInEverySpelling(t *testing.T) {
	c := Connector{Credentials: []CredentialType{{Name: "apiKey"}, {Name: "standard-webhooks"}}}
	for _, name := range []string{"apiKey", "api-key", "APIKEY", "standardWebhooks"} {
		if _, ok := c.CredentialType(name); !ok {
			t.Errorf("%s is not found", name)
		}
		credential := &Credential{Type: name}
		if !credential.Is("api-key") && !credential.Is("standard-webhooks") {
			t.Errorf("%s is of no type", name)
		}
	}
	if none := (*Credential)(nil); !none.Is("none") || none.Value("x") != "" {
		t.Error("no credential is not of type none")
	}
}

func TestAsErrorTellsWhatIsKnown(t *testing.T) {
	own := &Error{Kind: KindHTTP, HTTPStatus: 500, Message: "answered 500", RetryAfter: time.Second}
	for _, c := range []struct {
		err  error
		want Kind
	}{
		{own, KindHTTP},
		{fmt.Errorf("sending: %w", own), KindHTTP},
		{fmt.Errorf("waiting: %w", context.DeadlineExceeded), KindTimeout},
		{context.Canceled, KindCancelled},
		{errors.New("odd"), KindInternal},
	} {
		if got := AsError(c.err); got.Kind != c.want {
			t.Errorf("%v: %s", c.err, got.Kind)
		}
	}
	if AsError(nil) != nil {
		t.Error("no error became one")
	}
	hidden := &Error{Message: "shown", Cause: errors.New("hidden")}
	if text := fmt.Sprintf("%v %+v %#v %s", hidden, hidden, hidden, hidden); strings.Contains(text, "hidden") {
		t.Error(text)
	}
}
