package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestEveryPathOfTheContractIsThere(t *testing.T) {
	s := newServer(t, nil)
	a := s.must(200, "GET", "/api/v1/openapi.json", "")
	var document struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string `json:"operationId"`
			Responses   map[string]json.RawMessage
		}
	}
	if err := json.Unmarshal(a.body, &document); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(document.OpenAPI, "3.1") {
		t.Errorf("openapi = %q, want 3.1", document.OpenAPI)
	}
	for _, want := range []string{
		"GET /flows", "POST /flows", "GET /flows/{id}", "PUT /flows/{id}", "DELETE /flows/{id}",
		"POST /flows/{id}/publish", "POST /flows/{id}/start", "POST /flows/{id}/pause", "POST /flows/{id}/resume", "POST /flows/{id}/stop",
		"GET /flows/{id}/versions", "GET /flows/{id}/versions/{version}", "GET /flows/{id}/samples",
		"POST /apply", "GET /credentials", "POST /credentials", "GET /credentials/{id}", "PUT /credentials/{id}", "DELETE /credentials/{id}",
		"POST /credentials/verify", "GET /components", "POST /evaluate", "POST /try",
		"GET /executions", "GET /executions/{id}", "POST /executions/{id}/retry", "POST /executions/{id}/cancel",
		"POST /query", "GET /stats", "GET /accounting", "GET /live", "GET /doctor",
	} {
		method, path, _ := strings.Cut(want, " ")
		operation, ok := document.Paths["/api/v1"+path][strings.ToLower(method)]
		if !ok || operation.OperationID == "" || len(operation.Responses) == 0 {
			t.Errorf("%s is not described", want)
		}
	}
	for _, path := range []string{"/livez", "/readyz", "/"} {
		s.must(200, "GET", path, "")
	}
}

func TestTheOpenAPIDocumentIsWhole(t *testing.T) {
	s := newServer(t, nil)
	var document map[string]any
	if err := json.Unmarshal(s.must(200, "GET", "/api/v1/openapi.json", "").body, &document); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	var walk func(v any, at string)
	walk = func(v any, at string) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				node := any(document)
				for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
					m, _ := node.(map[string]any)
					node = m[part]
				}
				if node == nil {
					t.Errorf("%s refers to %s, which is not there", at, ref)
				}
			}
			if id, ok := v["operationId"].(string); ok {
				if seen[id] {
					t.Errorf("two operations are called %s", id)
				}
				seen[id] = true
				var declared []string
				parameters, _ := v["parameters"].([]any)
				for _, p := range parameters {
					if m := p.(map[string]any); m["in"] == "path" {
						declared = append(declared, m["name"].(string))
					}
				}
				for part := range strings.SplitSeq(at, "/") {
					if name, ok := strings.CutPrefix(part, "{"); ok && !slices.Contains(declared, strings.TrimSuffix(name, "}")) {
						t.Errorf("%s does not declare its parameter %s", id, part)
					}
				}
			}
			for name, item := range v {
				walk(item, at+"/"+name)
			}
		case []any:
			for _, item := range v {
				walk(item, at)
			}
		}
	}
	walk(document, "")
	if len(seen) < 30 {
		t.Errorf("%d operations, want at least 30", len(seen))
	}
}

func TestTheTokenIsDemanded(t *testing.T) {
	registry := prometheus.NewRegistry()
	s := newServer(t, func(o *Options) { o.Token, o.Gatherer = "t0ken", registry })
	s.must(201, "POST", "/api/v1/flows", petsYAML, "Content-Type", "application/yaml")
	for _, header := range []string{"", "Bearer", "Bearer ", "Bearer wrong", "Basic t0ken", "t0ken", "Bearer t0ken2"} {
		a := s.must(401, "GET", "/api/v1/flows", "", "Authorization", header)
		if a.header.Get("WWW-Authenticate") == "" {
			t.Error("a 401 without WWW-Authenticate")
		}
		s.must(401, "GET", "/api/v1/openapi.json", "", "Authorization", header)
		s.must(401, "DELETE", "/api/v1/flows/pets", "", "Authorization", header)
		s.must(200, "GET", "/", "", "Authorization", header) // the page holds nothing; what it asks for is demanded
	}
	s.must(200, "GET", "/api/v1/flows", "", "Authorization", "bearer t0ken")
	for _, path := range []string{"/livez", "/readyz", "/metrics"} {
		s.must(200, "GET", path, "", "Authorization", "")
	}
}

func TestOtherSitesPagesAreKeptAway(t *testing.T) {
	s := newServer(t, nil)
	s.must(403, "POST", "/api/v1/flows", petsYAML, "Content-Type", "text/plain", "Sec-Fetch-Site", "cross-site")
	s.must(403, "POST", "/api/v1/flows", petsYAML, "Content-Type", "text/plain", "Origin", "https://evil.example")
	s.must(421, "GET", "/api/v1/flows", "", "Host", "rebound.evil.example")
	s.must(200, "GET", "/api/v1/flows", "", "Host", "localhost:8090")
	equal(t, "changes in the control log", s.log.Offset(), 0)
}

func TestErrorsAreProblems(t *testing.T) {
	s := newServer(t, nil)
	a := s.must(404, "GET", "/api/v1/nothing", "")
	equal(t, "status", a.json(t, "status"), 404)
	b := s.must(405, "PATCH", "/api/v1/flows", "")
	if !strings.Contains(b.header.Get("Allow"), "POST") {
		t.Errorf("Allow = %q", b.header.Get("Allow"))
	}
	s.must(422, "GET", "/api/v1/executions?limit=100000", "")
	s.must(422, "GET", "/api/v1/executions?status=lost", "")
	s.must(415, "POST", "/api/v1/evaluate", "expression=1", "Content-Type", "application/x-www-form-urlencoded")
	s.must(422, "POST", "/api/v1/evaluate", "{}")
}

func TestEvaluateAnswersAsTheContractSays(t *testing.T) {
	s := newServer(t, nil)
	for _, c := range []struct{ body, want string }{
		{`{"expression": "a.b", "data": {"a": {"b": 12345678901234567890}}}`, `{"result":12345678901234567890,"engine":"compiled"}`},
		{`{"expression": "=a", "data": {"a": null}}`, `{"result":null,"engine":"compiled"}`},
		{`{"expression": "$x & 'y'", "data": {}, "bindings": {"x": "z"}}`, `{"result":"zy","engine":"compiled"}`},
		{`{"expression": "nothing", "data": {}}`, `{"undefined":true}`},
		{`{"expression": "1 + 1"}`, `{"result":2,"engine":"compiled"}`},
	} {
		a := s.must(200, "POST", "/api/v1/evaluate", c.body)
		equal(t, c.body, strings.TrimSpace(string(a.body)), c.want)
	}
	a := s.must(200, "POST", "/api/v1/evaluate", `{"expression": "a.(", "data": {}}`)
	equal(t, "code", a.json(t, "error", "code"), "S0203")
	if position, _ := a.json(t, "error", "position").(json.Number); position == "" {
		t.Errorf("no position in %s", a.body)
	}
	b := s.must(200, "POST", "/api/v1/evaluate", `{"expression": "1 + 'a'"}`)
	equal(t, "code", b.json(t, "error", "code"), "T2002")
}

func TestComponentsComeWithTheirSchemas(t *testing.T) {
	s := newServer(t, nil)
	a := s.must(200, "GET", "/api/v1/components", "")
	found := false
	list, _ := a.json(t, "items").([]any)
	for i := range list {
		if a.json(t, "items", i, "name") == "petstore" {
			found = true
			equal(t, "a component", a.json(t, "items", i, "components", 0, "name"), "petstore/create-pet")
			equal(t, "its input's type", a.json(t, "items", i, "components", 0, "input", "type"), "object")
			equal(t, "its credential type", a.json(t, "items", i, "credentials", 0, "name"), "apiKey")
		}
	}
	if !found {
		t.Errorf("there is no petstore in %s", a.body)
	}
}

func TestDoctorSaysWhatToDo(t *testing.T) {
	broken := false
	s := newServer(t, func(o *Options) {
		o.Health = []HealthCheck{
			{Name: "kafka", Check: func(context.Context) error { return nil }, Remedy: "start Kafka"},
			{Name: "clickhouse", Optional: true, Remedy: "start ClickHouse", Check: func(context.Context) error {
				if broken {
					return errors.New("connection refused")
				}
				return nil
			}},
		}
	})
	equal(t, "ok", s.must(200, "GET", "/api/v1/doctor", "").json(t, "ok"), true)
	broken = true
	a := s.must(200, "GET", "/api/v1/doctor", "")
	equal(t, "ok", a.json(t, "ok"), false)
	equal(t, "the remedy", a.json(t, "checks", 1, "remedy"), "start ClickHouse")
	equal(t, "the remedy of what is well", a.json(t, "checks", 0, "remedy"), nil)
	s.must(200, "GET", "/readyz", "") // ready without what is optional
}

func TestNotReadyWithoutWhatIsNeeded(t *testing.T) {
	s := newServer(t, func(o *Options) {
		o.Health = []HealthCheck{{Name: "kafka", Check: func(context.Context) error { return errors.New("no broker") }, Remedy: "start Kafka"}}
	})
	equal(t, "status of /readyz", s.do(http.MethodGet, "/readyz", "").status, 503)
	equal(t, "status of /livez", s.do(http.MethodGet, "/livez", "").status, 200)
}

func TestTheRestGoesOnWithoutClickHouse(t *testing.T) {
	s := newServer(t, func(o *Options) { o.ClickHouse, o.SQL = away(t), away(t) })
	const id = "0192f5d2-7c3a-7b1e-9f00-5a2b3c4d0001"
	for _, path := range []string{"/api/v1/executions", "/api/v1/executions/" + id, "/api/v1/stats"} {
		a := s.must(503, "GET", path, "")
		if remedy, _ := a.json(t, "remedy").(string); !strings.Contains(remedy, "ClickHouse") {
			t.Errorf("%s: the remedy says %q", path, remedy)
		}
	}
	s.must(503, "POST", "/api/v1/query", `{"sql": "SELECT 1"}`)
	s.must(503, "POST", "/api/v1/executions/"+id+"/retry", "")
	s.must(503, "POST", "/api/v1/executions/"+id+"/cancel", "")
	s.must(200, "POST", "/api/v1/apply?publish=true&start=true", petsYAML, "Content-Type", "application/yaml")
	s.must(200, "POST", "/api/v1/flows/pets/stop", "")
}
