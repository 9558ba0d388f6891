package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sluice/connectors"
	"sluice/connectors/outgoing"
)

const notes = `{"openapi":"3.1.0","info":{"title":"Notes"},"servers":[{"url":"/v1"}],
  "components":{"securitySchemes":{"key":{"type":"apiKey","in":"header","name":"x-key"}}},"security":[{"key":[]}],
  "paths":{"/notes":{"post":{"operationId":"createNote","requestBody":{"required":true,"content":{"application/json":{"schema":{"type":"object","required":["text"],"properties":{"text":{"type":"string"}}}}}},
    "responses":{"201":{"content":{"application/json":{"schema":{"type":"object","properties":{"id":{"type":"integer"}}}}}}}},
  "trace":{"responses":{}}}}}`

// TestAServiceIsAConnectorInAMinute imports a document, applies a flow that uses it, and runs a step.
func TestAServiceIsAConnectorInAMinute(t *testing.T) {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/openapi.json":
			fmt.Fprint(w, notes)
		case r.URL.Path == "/v1/notes" && r.Header.Get("X-Key") == "s3cret-key":
			w.WriteHeader(201)
			fmt.Fprint(w, `{"id":7}`)
		default:
			w.WriteHeader(404)
		}
	}))
	t.Cleanup(service.Close)
	s := newServer(t, nil)

	var made Imported
	s.must(201, "POST", "/api/v1/components/import", `{"url":"`+service.URL+`/openapi.json?key=hidden"}`).into(t, &made)
	equal(t, "connector", made.Connector, "notes")
	equal(t, "base URL", made.BaseURL, service.URL+"/v1")
	equal(t, "components", strings.Join(made.Components, " "), "notes/create-note")
	equal(t, "credentials", strings.Join(made.Credentials, " "), "key")
	if len(made.LeftOut) != 1 || made.LeftOut[0].Operation != "TRACE /notes" {
		t.Errorf("left out: %v", made.LeftOut)
	}
	listed := s.must(200, "GET", "/api/v1/components", "")
	if !strings.Contains(string(listed.body), `"source":"`+service.URL+`/openapi.json"`) || strings.Contains(string(listed.body), "hidden") {
		t.Error("the list does not say where it is from, or says too much")
	}
	one := s.must(200, "GET", "/api/v1/components?connector=notes", "")
	if !strings.Contains(string(one.body), `"required":["text"]`) {
		t.Errorf("the schema is missing: %s", one.body)
	}

	s.must(201, "POST", "/api/v1/credentials", `{"id":"mine","uses":"notes","type":"key","values":{"apiKey":"s3cret-key"}}`)
	tried := s.must(200, "POST", "/api/v1/try", `{"uses":"notes/create-note","credential":"mine","input":{"body":{"text":"a"}}}`)
	var trial Trial
	tried.into(t, &trial)
	if trial.HTTPStatus != 201 || string(trial.Output) != `{"id":7}` {
		t.Errorf("a trial: %s", tried.body)
	}
	flow := `{"kind":"Flow","id":"n","name":"n","trigger":{"uses":"webhook/receive"},"steps":[{"id":"note","uses":"notes/create-note","credential":"mine","input":{"body":{"text":"=body.a"}}}]}`
	s.must(422, "POST", "/api/v1/apply", strings.Replace(flow, `"text":"=body.a"`, `"txt":1`, 1), "Content-Type", "application/json")
	s.must(200, "POST", "/api/v1/apply?publish=true", flow, "Content-Type", "application/json")

	a := s.must(409, "DELETE", "/api/v1/components/notes", "")
	if !strings.Contains(string(a.body), `"usedBy":["n"]`) {
		t.Errorf("%s", a.body)
	}
	s.must(204, "DELETE", "/api/v1/flows/n", "")
	s.must(409, "DELETE", "/api/v1/components/notes", "")
	s.must(204, "DELETE", "/api/v1/credentials/mine", "")
	s.must(204, "DELETE", "/api/v1/components/notes", "")
	s.must(404, "DELETE", "/api/v1/components/notes", "")
	s.must(404, "GET", "/api/v1/components/notes/create-note", "")
}

func TestAnImportIsReplacedAndRefused(t *testing.T) {
	s := newServer(t, nil)
	document, _ := json.Marshal(notes)
	a := s.must(201, "POST", "/api/v1/components/import?name=jot&source=notes.json", notes)
	if a.json(t, "warnings", 0) == nil || a.json(t, "connector") != "jot" {
		t.Errorf("a document that does not say where its service is: %s", a.body)
	}
	a = s.must(200, "POST", "/api/v1/components/import", `{"name":"jot","baseUrl":"https://notes.example/v1","document":`+string(document)+`}`)
	equal(t, "base URL", a.json(t, "baseUrl"), "https://notes.example/v1")
	equal(t, "result", a.json(t, "result"), "updated")
	s.must(201, "POST", "/api/v1/components/import", "openapi: 3.0.0\ninfo: {title: In YAML}\nservers: [{url: 'https://x.example'}]\npaths: {/a: {get: {responses: {}}}}\n")
	for body, status := range map[string]int{
		``: 400, `{}`: 422, `{"openapi":"2"}`: 422, `{"url":"file:///etc/passwd"}`: 422, `{"document":"not one"}`: 422,
		`{"name":"Petstore!","document":` + notes + `}`: 422, `{"name":"petstore","document":` + notes + `}`: 409, `{"name":"a","baseUrl":"ftp://x","document":` + notes + `}`: 422,
	} {
		s.must(status, "POST", "/api/v1/components/import", body)
	}
	s.must(409, "DELETE", "/api/v1/components/petstore", "")
}

func TestADocumentIsReadThroughTheGuard(t *testing.T) {
	reached := false
	service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	t.Cleanup(service.Close)
	s := newServer(t, func(o *Options) { o.Env = connectors.Env{HTTP: outgoing.New(outgoing.Options{})} })
	a := s.must(422, "POST", "/api/v1/components/import", `{"url":"`+service.URL+`/openapi.json"}`)
	if reached || !strings.Contains(string(a.body), "blocked") {
		t.Errorf("reached %v: %s", reached, a.body)
	}
}
