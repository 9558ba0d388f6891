package console

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const mapped = `kind: Flow
id: mapped
name: Mapped
trigger: {uses: webhook/receive, sample: {petname: Gromit, big: 12345678901234567890}}
steps:
  - {id: shape, uses: mapper/map, input: {output: {name: =body.petname, big: =body.big}}}
  - {id: after, uses: mapper/map, input: {output: {of: =steps.shape.name}}}
`

func TestAVersionIsRestoredAsADraft(t *testing.T) {
	s := newServer(t, nil)
	s.must(200, "POST", "/api/v1/apply?publish=true", mapped, "Content-Type", "application/yaml")
	s.must(200, "POST", "/api/v1/apply?publish=true", strings.Replace(mapped, "name: Mapped", "name: Renamed", 1), "Content-Type", "application/yaml")
	old := s.must(200, "GET", "/api/v1/flows/mapped", "").header.Get("ETag")
	a := s.must(200, "POST", "/api/v1/flows/mapped/versions/1/restore", "")
	equal(t, "the draft's name", a.json(t, "draft", "name"), "Mapped")
	equal(t, "the published version", a.json(t, "version"), 2)
	late := s.must(412, "POST", "/api/v1/flows/mapped/versions/2/restore", "", "If-Match", old)
	equal(t, "the other's revision", late.json(t, "revision"), a.json(t, "revision"))
	s.must(404, "POST", "/api/v1/flows/mapped/versions/3/restore", "")
	equal(t, "versions", s.must(200, "POST", "/api/v1/flows/mapped/publish", "").json(t, "version"), 3)
}

func TestASaveOnAnOlderDraftSaysWhatThereIsNow(t *testing.T) {
	s := newServer(t, nil)
	s.must(200, "POST", "/api/v1/apply", mapped, "Content-Type", "application/yaml")
	mine := s.must(200, "GET", "/api/v1/flows/mapped", "")
	others := s.must(200, "PUT", "/api/v1/flows/mapped", strings.Replace(mapped, "Mapped", "Theirs", 1), "If-Match", mine.header.Get("ETag"), "Content-Type", "application/yaml")
	conflict := s.must(412, "PUT", "/api/v1/flows/mapped", strings.Replace(mapped, "Mapped", "Mine", 1), "If-Match", mine.header.Get("ETag"), "Content-Type", "application/yaml")
	equal(t, "the other's revision", conflict.json(t, "revision"), others.json(t, "revision"))
	equal(t, "the name kept", s.must(200, "GET", "/api/v1/flows/mapped", "").json(t, "name"), "Theirs")
}

func TestADuplicateIsAnotherFlowThatSaysTheSame(t *testing.T) {
	s := newServer(t, nil)
	s.must(200, "POST", "/api/v1/apply?publish=true&start=true", mapped, "Content-Type", "application/yaml")
	a := s.must(201, "POST", "/api/v1/flows/mapped/duplicate", "")
	equal(t, "name", a.json(t, "name"), "Mapped (copy)")
	equal(t, "state", a.json(t, "state"), "stopped")
	equal(t, "version", a.json(t, "version"), 0)
	equal(t, "digits of the sample", a.json(t, "draft", "trigger", "sample", "big"), "12345678901234567890")
	b := s.must(201, "POST", "/api/v1/flows/mapped/duplicate", `{"id": "twin", "name": "Twin"}`)
	equal(t, "id and name", b.json(t, "id").(string)+" "+b.json(t, "name").(string), "twin Twin")
	s.must(409, "POST", "/api/v1/flows/mapped/duplicate", `{"id": "twin"}`)
	s.must(422, "POST", "/api/v1/flows/mapped/duplicate", `{"id": "no/id"}`)
	s.must(404, "POST", "/api/v1/flows/nothing/duplicate", "")
}

func TestADeleteMayBeConfirmedByName(t *testing.T) {
	s := newServer(t, nil)
	s.must(200, "POST", "/api/v1/apply", mapped, "Content-Type", "application/yaml")
	s.must(409, "DELETE", "/api/v1/flows/mapped?confirm=Something", "")
	s.must(204, "DELETE", "/api/v1/flows/mapped?confirm=Mapped", "")
	s.must(404, "GET", "/api/v1/flows/mapped", "")
}

func TestSamplesAreKeptInTheDraft(t *testing.T) {
	s := newServer(t, nil)
	s.must(200, "POST", "/api/v1/apply", mapped, "Content-Type", "application/yaml")
	s.must(200, "PUT", "/api/v1/flows/mapped/samples/shape", `{"name": "Gromit", "big": 1.50}`)
	s.must(200, "PUT", "/api/v1/flows/mapped/samples/trigger", `{"petname": "Wallace"}`)
	a := s.must(200, "GET", "/api/v1/flows/mapped/samples", "")
	equal(t, "samples", a.json(t, "items"), "[map[data:map[petname:Wallace] step:trigger] map[data:map[big:1.50 name:Gromit] step:shape]]")
	s.must(404, "PUT", "/api/v1/flows/mapped/samples/nothing", `{}`)
	s.must(422, "PUT", "/api/v1/flows/mapped/samples/shape", `{`)
	s.must(200, "POST", "/api/v1/flows/mapped/publish", "")
}

func TestASampleIsMadeOfASchema(t *testing.T) {
	s := newServer(t, nil)
	schema := `{"type": "object", "properties": {
		"name": {"type": "string", "examples": ["Gromit"]}, "status": {"enum": ["available", "sold"]}, "age": {"type": "integer", "minimum": 3},
		"tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}}, "born": {"type": "string", "format": "date"}, "kept": {"type": "boolean"},
		"owner": {"allOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"b": {"const": 2.0}}}]}, "self": {"$ref": "#"}},
		"$defs": {"tag": {"type": "object", "properties": {"id": {"type": "string"}}}}}`
	a := s.must(200, "POST", "/api/v1/samples/generate", `{"schema": `+schema+`}`)
	for path, want := range map[string]string{"name": "Gromit", "status": "available", "age": "3", "tags": "[map[id:text]]", "born": "2025-01-31", "kept": "true", "owner": "map[a:text b:2.0]"} {
		equal(t, path, a.json(t, "sample", path), want)
	}
	equal(t, "a component's", s.must(200, "POST", "/api/v1/samples/generate", `{"component": "petstore/create-pet"}`).json(t, "sample", "name") != nil, true)
	s.must(422, "POST", "/api/v1/samples/generate", `{"schema": 5}`)
	s.must(422, "POST", "/api/v1/samples/generate", `{}`)
	s.must(404, "POST", "/api/v1/samples/generate", `{"component": "no/such"}`)
}

func TestAStepIsTriedOnSamples(t *testing.T) {
	s := newServer(t, nil)
	s.must(200, "POST", "/api/v1/apply", mapped, "Content-Type", "application/yaml")
	a := s.must(200, "POST", "/api/v1/try", `{"flow": "mapped", "step": "shape"}`)
	equal(t, "its input", a.json(t, "input", "output"), "map[big:12345678901234567890 name:Gromit]")
	if said, _ := a.json(t, "did").(string); !strings.HasPrefix(said, "Ran ") {
		t.Errorf("it says it did %q", said)
	}
	own := s.must(200, "POST", "/api/v1/try", `{"uses": "mapper/map", "input": {"output": {"x": "=body.a + 1"}}, "scope": {"body": {"a": 41}}}`)
	equal(t, "the input on a scope of its own", own.json(t, "input", "output", "x"), 42)
	plain := s.must(200, "POST", "/api/v1/try", `{"uses": "mapper/map", "input": {"output": {"x": "=body.a"}}}`)
	equal(t, "without a scope", plain.json(t, "input", "output", "x"), "=body.a")
	s.must(422, "POST", "/api/v1/try", `{"uses": "mapper/map", "input": {"output": "=("}, "scope": {}}`)
	s.must(422, "POST", "/api/v1/try", `{}`)
	s.must(404, "POST", "/api/v1/try", `{"flow": "mapped", "step": "nothing"}`)
}

func TestATrialReallyRunsAndEndsInTime(t *testing.T) {
	s := newServer(t, nil)
	calls := make(chan string, 1)
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-r.Context().Done()
			return
		}
		calls <- r.Method
	}))
	defer target.Close()
	body, _ := json.Marshal(map[string]any{"uses": "webhook/send", "input": map[string]any{"url": target.URL, "body": map[string]any{}}})
	a := s.must(200, "POST", "/api/v1/try", string(body))
	equal(t, "the call", <-calls, "POST")
	if said, _ := a.json(t, "did").(string); !strings.Contains(said, "for real") || !strings.Contains(said, "HTTP 200") {
		t.Errorf("it says it did %q", said)
	}
	slow, _ := json.Marshal(map[string]any{"uses": "webhook/send", "input": map[string]any{"url": target.URL + "/slow"}, "timeout": "50ms"})
	equal(t, "the end of a slow one", s.must(200, "POST", "/api/v1/try", string(slow)).json(t, "error", "kind"), "timeout")
}

func TestASecretIsRotatedWithBothValid(t *testing.T) {
	s := newServer(t, nil)
	s.must(201, "POST", "/api/v1/credentials", `{"id": "hook", "uses": "webhook", "type": "hmac", "values": {"secret": "one", "header": "x-sign"}}`)
	a := s.must(200, "POST", "/api/v1/credentials/hook/rotate", `{"values": {"secret": "two"}}`)
	equal(t, "rotating", a.json(t, "rotating"), true)
	equal(t, "values", s.log.Secret("hook"), "map[header:x-sign previousSecret:one secret:two]")
	s.must(409, "POST", "/api/v1/credentials/hook/rotate", `{"values": {"secret": "two"}}`)
	s.must(422, "POST", "/api/v1/credentials/hook/rotate", `{"values": {}}`)
	s.must(422, "POST", "/api/v1/credentials/hook/rotate", `{"values": {"previousSecret": "x"}}`)
	equal(t, "the end", s.must(200, "DELETE", "/api/v1/credentials/hook/previous", "").json(t, "rotating"), false)
	equal(t, "values after it", s.log.Secret("hook"), "map[header:x-sign secret:two]")
	if strings.Contains(s.logs.String(), "two") {
		t.Error("the log has the secret")
	}
}

func TestACheckSaysWhereADocumentIsWrongAndChangesNothing(t *testing.T) {
	s := newServer(t, nil)
	ok := s.must(200, "POST", "/api/v1/check", mapped, "Content-Type", "application/yaml")
	equal(t, "what is wrong", ok.json(t, "problems"), []any{})
	bad := s.must(200, "POST", "/api/v1/check", strings.Replace(mapped, "=body.petname", "=body.(", 1), "Content-Type", "application/yaml")
	problems := bad.json(t, "problems").([]any)
	equal(t, "problems", len(problems), 1)
	equal(t, "whether it may be a draft", bad.json(t, "storable"), true)
	equal(t, "the line", problems[0].(map[string]any)["line"], 6)
	none := s.must(200, "POST", "/api/v1/check", "kind: Flow\ntrigger: [", "Content-Type", "application/yaml")
	if len(none.json(t, "problems").([]any)) == 0 {
		t.Error("a text that is no YAML is right")
	}
	equal(t, "whether that may be a draft", none.json(t, "storable"), false)
	s.must(404, "GET", "/api/v1/flows/mapped", "")
}
