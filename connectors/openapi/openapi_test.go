package openapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/connectors"
	"sluice/connectors/conntest"
	"sluice/connectors/outgoing"
)

func read(t *testing.T, document string, o Options) *Definition {
	t.Helper()
	d, err := Read([]byte(document), o)
	if err != nil {
		t.Fatal(err)
	}
	// What is kept is all that a process has.
	packed, err := d.Pack()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Unpack(packed)
	if err != nil {
		t.Fatal(err)
	}
	again.LeftOut, again.Warnings = d.LeftOut, d.Warnings
	if diff := cmp.Diff(d, again); diff != "" {
		t.Errorf("packed and unpacked it differs: %s", diff)
	}
	return again
}

func TestADocumentBecomesAConnector(t *testing.T) {
	d := read(t, shop, Options{})
	if d.Name != "the-shop-api" || d.Title != "The Shop API" || d.Summary != "Sells things." || d.BaseURL != "https://eu.shop.example/v2" {
		t.Errorf("%s, %s, %s, %s", d.Name, d.Title, d.Summary, d.BaseURL)
	}
	c := d.Connector()
	set, err := connectors.New()
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Extend(c); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range c.Components {
		line := m.Name + " " + string(m.Effect)
		if m.NeedsCredential {
			line += " secured"
		}
		got = append(got, line)
	}
	if diff := cmp.Diff([]string{
		"the-shop-api/post-files neither secured", "the-shop-api/post-orders neither", "the-shop-api/things-create-thing keyed secured",
		"the-shop-api/get-thing idempotent secured", "the-shop-api/get-thing-2 idempotent secured",
	}, sorted(got, []string{"post-files", "post-orders", "things-create", "get-thing ", "get-thing-2"})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]LeftOut{
		{"GET /locked", "it wants the security scheme cert, which cannot be used here"},
		{"GET /lost", "a parameter refers to something that is not in the document"},
		{"TRACE /things/{id}", "TRACE requests are not sent"},
		{"GET /up/../etc", "its path leads up by dots"},
	}, d.LeftOut); diff != "" {
		t.Error(diff)
	}
	var types []string
	for _, ct := range c.Credentials {
		types = append(types, ct.Name)
	}
	if diff := cmp.Diff([]string{"first", "key", "second", "sign-in", "sign-in-oauth2-client", "sign-in-bearer", "none", "first-and-second"}, types); diff != "" {
		t.Error(diff)
	}
	oauth, _ := c.CredentialType("sign-in")
	if values := oauth.Defaults(nil); values["authorizationUrl"] != "https://eu.shop.example/authorize" || oauth.OAuth == nil {
		t.Errorf("%v", values)
	}
}

func sorted(lines, order []string) []string {
	var out []string
	for _, o := range order {
		for _, l := range lines {
			if strings.Contains(l+" ", o) && !(o == "get-thing " && strings.Contains(l, "get-thing-2")) {
				out = append(out, l)
			}
		}
	}
	return out
}

func TestSchemasAreThoseOfJSONSchema(t *testing.T) {
	d := read(t, shop, Options{})
	set, _ := connectors.New()
	if err := set.Extend(d.Connector()); err != nil {
		t.Fatal(err)
	}
	m, _ := set.Component("the-shop-api/things-create-thing")
	for input, want := range map[string]string{
		`{"body":{"name":"a","price":null,"parent":{"name":"b"}}}`: "",
		`{"body":{"name":"a","price":0}}`:                          "price",
		`{"body":{"id":1}}`:                                        "input.body.name: is required",
		`{"body":{"name":"a","parent":{"parent":{}}}}`:             "input.body.parent.name: is required",
		`{}`:                          "input.body: is required",
		`{"body":{"name":"a"},"x":1}`: "input.x: is not a known field",
	} {
		err := m.CheckInput(json.RawMessage(input))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", input, err)
		}
	}
	if err := m.CheckInput(m.SampleInput()); err != nil {
		t.Errorf("the sample %s does not fit: %v", m.SampleInput(), err)
	}
}

func TestRequestsAreWrittenAsTheDocumentSays(t *testing.T) {
	d := read(t, shop, Options{})
	target := conntest.NewDestination(t)
	env := connectors.Env{HTTP: outgoing.New(outgoing.Options{AllowLoopback: true})}
	defer env.HTTP.CloseIdleConnections()
	set, _ := connectors.New()
	_ = set.Extend(d.Connector())
	do := func(name, typ string, values map[string]string, input string) (conntest.Received, connectors.Result) {
		t.Helper()
		target.Reset()
		m, ok := set.Component("the-shop-api/" + name)
		if !ok {
			t.Fatalf("there is no %s", name)
		}
		values["baseUrl"] = target.URL + "/v2"
		result, err := m.Do(t.Context(), env, connectors.Call{Input: json.RawMessage(input), IdempotencyKey: "the-key", Attempt: 1, Credential: &connectors.Credential{Type: typ, Values: values}})
		if err != nil {
			t.Fatal(err)
		}
		return target.Received()[0], result
	}
	r, _ := do("get-thing", "key", map[string]string{"apiKey": "k3y"}, `{"id":12345678901234567890,"query_id":"q","fields":["a","b c"],"filter":{"a":{"b":[1]}},"near":{"x":1},"X-Trace":"t","lang":"en"}`)
	if r.Path != "/v2/things/12345678901234567890" || r.Query != "fields=a%2Cb+c&filter%5Ba%5D%5Bb%5D%5B0%5D=1&id=q&near=%7B%22x%22%3A1%7D" ||
		r.Header.Get("X-Shop-Key") != "k3y" || r.Header.Get("X-Trace") != "t" || r.Header.Get("Cookie") != "lang=en" {
		t.Errorf("%s?%s %v", r.Path, r.Query, r.Header)
	}
	if r, _ = do("get-thing-2", "sign-in", map[string]string{"accessToken": "tok"}, `{"id":1}`); r.Method != "DELETE" || r.Header.Get("Authorization") != "Bearer tok" {
		t.Errorf("%s %v", r.Method, r.Header)
	}
	if r, _ = do("things-create-thing", "key", map[string]string{"apiKey": "k3y"}, `{"body":{"name":"a","price":1.50}}`); r.Header.Get("Idempotency-Key") != "the-key" || string(r.Body) != `{"name":"a","price":1.50}` {
		t.Errorf("%s %v", r.Body, r.Header)
	}
	target.Answer(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/csv")
		_, _ = w.Write([]byte("a,b\n"))
	})
	r, result := do("post-orders", "none", map[string]string{}, `{"body":{"items":[{"sku":"x"}],"expand":["a"],"tags":["t","u"]}}`)
	if string(r.Body) != "expand%5B0%5D=a&items%5B0%5D%5Bsku%5D=x&tags=t&tags=u" || string(result.Output) != `"a,b\n"` {
		t.Errorf("%s gave %s", r.Body, result.Output)
	}
	r, _ = do("post-files", "first-and-second", map[string]string{"firstApiKey": "k1", "secondUsername": "u", "secondPassword": "p"}, `{"body":{"note":"hi","photo":{"base64":"AAEC","filename":"p\".png","contentType":"image/png"}}}`)
	if r.Query != "a=k1" || !strings.HasPrefix(r.Header.Get("Authorization"), "Basic ") ||
		!strings.Contains(string(r.Body), "form-data; name=\"photo\"; filename=\"p\\\".png\"\r\nContent-Type: image/png\r\n\r\n\x00\x01\x02\r\n") {
		t.Errorf("%s?%s: %q", r.Path, r.Query, r.Body)
	}
	for input, want := range map[string]string{
		`{"id":".."}`:                    "dots alone",
		`{"id":1,"X-Trace":"a\r\nb: c"}`: "line break",
	} {
		m, _ := set.Component("the-shop-api/get-thing")
		_, err := m.Do(t.Context(), env, connectors.Call{Input: json.RawMessage(input), Credential: &connectors.Credential{Type: "key", Values: map[string]string{"apiKey": "k", "baseUrl": target.URL}}})
		if e := connectors.AsError(err); e == nil || e.Kind != connectors.KindInput || !strings.Contains(e.Message, want) {
			t.Errorf("%s: %v", input, err)
		}
	}
}

// TestContract holds an imported connector to what every connector promises.
func TestContract(t *testing.T) {
	d := read(t, `{"openapi":"3.0.3","info":{"title":"Notes"},"servers":[{"url":"https://notes.example"}],
	  "components":{"securitySchemes":{"key":{"type":"apiKey","in":"header","name":"x-key"},"login":{"type":"http","scheme":"basic"},"inQuery":{"type":"apiKey","in":"query","name":"k"}}},
	  "security":[{"key":[]},{"login":[]},{"inQuery":[]}],
	  "paths":{"/notes/{id}":{"get":{"operationId":"get","parameters":[{"name":"id","in":"path","required":true,"schema":{"type":"integer"}}],"responses":{"200":{"description":"x"}}}},
	    "/notes":{"post":{"operationId":"create","parameters":[{"name":"Idempotency-Key","in":"header","schema":{"type":"string"}}],"requestBody":{"required":true,"content":{"application/json":{"schema":{"type":"object","required":["text"],"properties":{"text":{"type":["string","integer"]}}}}}},"responses":{"201":{"description":"x"}}}}}}`, Options{})
	credentials := func(target string) []*connectors.Credential {
		return []*connectors.Credential{
			{Type: "key", Values: map[string]string{"apiKey": "s3cret-key", "baseUrl": target}},
			{Type: "login", Values: map[string]string{"username": "ann", "password": "s3cret-word", "baseUrl": target}},
			{Type: "in-query", Values: map[string]string{"apiKey": "s3cret-query", "baseUrl": target}},
		}
	}
	conntest.Run(t, d.Connector(), conntest.Options{Cases: map[string]conntest.Case{
		"notes/get": {
			Input: func(string) json.RawMessage { return json.RawMessage(`{"id":12345678901234567890}`) }, Digits: "12345678901234567890",
			Bad: []json.RawMessage{[]byte(`{}`), []byte(`{"id":"a/b"}`)}, Credentials: credentials,
			Answer: conntest.JSON(200, `{"id":98765432109876543210}`), AnswerDigits: "98765432109876543210",
		},
		"notes/create": {
			Input: func(string) json.RawMessage { return json.RawMessage(`{"body":{"text":12345678901234567890}}`) }, Digits: "12345678901234567890",
			Bad: []json.RawMessage{[]byte(`{}`), []byte(`{"body":{}}`)}, Credentials: credentials,
		},
	}})
}

func TestSwagger2IsReadToo(t *testing.T) {
	d := read(t, `{"swagger":"2.0","info":{"title":"Old"},"host":"old.example","basePath":"/api","schemes":["http","https"],"consumes":["application/x-www-form-urlencoded"],
	  "securityDefinitions":{"k":{"type":"apiKey","in":"query","name":"k"}},
	  "paths":{"/say":{"post":{"operationId":"chat_postMessage","security":[{"k":[]}],"parameters":[{"name":"text","in":"formData","type":"string","required":true},{"name":"ids","in":"query","type":"array","items":{"type":"integer"},"collectionFormat":"pipes"}],"responses":{"200":{"schema":{"$ref":"#/definitions/Said"}}}}}},
	  "definitions":{"Said":{"type":"object","required":["ok"],"properties":{"ok":{"type":"boolean"}}}}}`, Options{})
	o := d.Operations[0]
	if d.BaseURL != "https://old.example/api" || o.Name != "chat-post-message" || o.Body.ContentType != "application/x-www-form-urlencoded" || o.Parameters[0].Style != "pipeDelimited" {
		t.Errorf("%+v", o)
	}
	if c := d.Connector(); string(c.Components[0].SampleOutput()) != `{"ok":true}` {
		t.Errorf("sample %s", c.Components[0].SampleOutput())
	}
}

func TestWhatIsNoDocumentIsRefusedInTime(t *testing.T) {
	bomb := "openapi: 3.0.0\na: &a [x,x,x,x,x,x,x,x,x]\n"
	for i, c := 0, "abcdefghij"; i < len(c)-1; i++ {
		bomb += string(c[i+1]) + ": &" + string(c[i+1]) + " [" + strings.TrimSuffix(strings.Repeat("*"+string(c[i])+",", 9), ",") + "]\n"
	}
	for name, c := range map[string]struct{ document, want string }{
		"empty":         {"", "empty"},
		"a list":        {"[1]", "not an object"},
		"another thing": {`{"kind":"Flow"}`, "no OpenAPI document"},
		"version 4":     {`{"openapi":"4.0.0"}`, "4.0.0"},
		"no operations": {`{"openapi":"3.0.0","info":{"title":"x"},"paths":{}}`, "no operations"},
		"no name":       {`{"openapi":"3.0.0","info":{"title":"???"},"paths":{}}`, "give one"},
		"cut off":       {`{"openapi":"3.0.0","info":`, "cannot be read"},
		"a bomb":        {bomb, "too large"},
		"deep":          {`{"openapi":"3.0.0","x":` + strings.Repeat("[", 100_000), "cannot be read"},
		"in a circle":   {`{"openapi":"3.0.0","info":{"title":"x"},"paths":{"/a":{"$ref":"#/paths/~1a"}}}`, "no operations"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read([]byte(c.document), Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add(shop)
	f.Add(`{"swagger":"2.0","info":{"title":"x"},"paths":{"/a":{"get":{"responses":{}}}}}`)
	f.Add(`{"openapi":"3.1.0","info":{"title":"x"},"paths":{"/a":{"get":{"parameters":[null,{"in":"path"}],"requestBody":{"content":{"x":null}},"responses":{"200":{"content":{"application/json":{"schema":{"type":["a",1],"allOf":[],"items":[1]}}}}}}}}}`)
	f.Fuzz(func(t *testing.T, document string) {
		watch := time.AfterFunc(5*time.Second, func() { panic("it takes too long") })
		defer watch.Stop()
		d, err := Read([]byte(document), Options{Name: "x"})
		if err != nil {
			return
		}
		set, err := connectors.New()
		if err != nil {
			t.Fatal(err)
		}
		c := d.Connector()
		if err := set.Extend(c); err != nil {
			t.Fatalf("%v", err)
		}
		for i := range c.Components {
			m, _ := set.Component(c.Components[i].Name)
			if err := m.CheckInput(m.SampleInput()); err != nil && strings.Contains(err.Error(), "schema") {
				t.Fatal(err)
			}
		}
	})
}
