package console

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestSecretsAreInNoAnswerAndNoLog(t *testing.T) {
	s := newServer(t, nil)
	const secret = "tr0ub4dor-and-3"
	var said strings.Builder
	note := func(a answer) answer {
		said.Write(a.body)
		for name, values := range a.header {
			said.WriteString(name + strings.Join(values, ""))
		}
		return a
	}
	body := `{"id": "door", "uses": "webhook", "type": "basic", "values": {"username": "ann", "password": "` + secret + `"}}`
	note(s.must(201, "POST", "/api/v1/credentials", body))
	note(s.must(409, "POST", "/api/v1/credentials", body))
	note(s.must(200, "GET", "/api/v1/credentials", ""))
	note(s.must(200, "GET", "/api/v1/credentials/door", ""))
	note(s.must(200, "PUT", "/api/v1/credentials/door", body))
	note(s.must(200, "POST", "/api/v1/credentials/verify", `{"id": "door"}`))
	for _, wrong := range []string{
		strings.Replace(body, `"username": "ann"`, `"user": "ann"`, 1),
		strings.Replace(body, `"`+secret+`"`, `["`+secret+`"]`, 1),
		strings.Replace(body, `{"username"`, `"`+secret+`", {"username"`, 1),
		strings.Replace(body, `"webhook"`, `"weebhook"`, 1),
		strings.Replace(body, `"basic"`, `"basics"`, 1),
		`{"values": "` + secret + `"}`,
	} {
		note(s.must(422, "POST", "/api/v1/credentials", wrong))
		note(s.must(422, "POST", "/api/v1/credentials/verify", wrong))
		if a := note(s.do("PUT", "/api/v1/credentials/door", wrong)); a.status < 400 {
			t.Errorf("PUT of %s = %d", wrong, a.status)
		}
		note(s.must(422, "POST", "/api/v1/apply", "kind: Credential\n"+wrong, "Content-Type", "application/yaml"))
	}
	note(s.must(422, "POST", "/api/v1/evaluate", `{"expression": ["`+secret+`"]}`))
	note(s.must(422, "POST", "/api/v1/try", `{"uses": {"a": "`+secret+`"}}`))
	for _, path := range []string{"/", "/api/v1/flows", "/api/v1/components", "/api/v1/openapi.json", "/api/v1/doctor"} {
		note(s.must(200, "GET", path, ""))
	}
	if i := strings.Index(said.String(), secret); i >= 0 {
		t.Errorf("an answer holds the secret: …%s…", said.String()[max(0, i-200):i+len(secret)])
	}
	if strings.Contains(s.logs.String(), secret) {
		t.Error("a log line holds the secret")
	}
	equal(t, "the stored password", s.log.Secret("door")["password"], secret)
}

func TestACredentialKeepsItsValuesUnlessNewOnesCome(t *testing.T) {
	s := newServer(t, nil)
	made := s.must(201, "POST", "/api/v1/credentials", `{"uses": "petstore", "type": "apiKey", "values": {"apiKey": "k1"}}`)
	id := made.json(t, "id").(string)
	renamed := s.must(200, "PUT", "/api/v1/credentials/"+id, `{"name": "The store"}`, "If-Match", made.header.Get("ETag"))
	equal(t, "name", renamed.json(t, "name"), "The store")
	equal(t, "the key", s.log.Secret(id)["apiKey"], "k1")
	s.must(412, "PUT", "/api/v1/credentials/"+id, `{"values": {"apiKey": "k2"}}`, "If-Match", made.header.Get("ETag"))
	s.must(200, "PUT", "/api/v1/credentials/"+id, `{"values": {"apiKey": "k3"}}`)
	equal(t, "the key", s.log.Secret(id)["apiKey"], "k3")
	s.must(409, "PUT", "/api/v1/credentials/"+id, `{"uses": "webhook"}`)
	s.must(422, "PUT", "/api/v1/credentials/"+id, `{"values": {"apiKey": ""}}`)
	s.must(404, "PUT", "/api/v1/credentials/none", `{}`)
}

func TestACredentialInUseIsNotDeleted(t *testing.T) {
	s := newServer(t, nil)
	s.must(200, "POST", "/api/v1/apply?publish=true&start=true", applyYAML, "Content-Type", "application/yaml")
	equal(t, "usedBy", s.must(200, "GET", "/api/v1/credentials/store", "").json(t, "usedBy"), "[pets]")
	for _, command := range []string{"start", "pause"} {
		s.must(200, "POST", "/api/v1/flows/pets/"+command, "")
		a := s.must(409, "DELETE", "/api/v1/credentials/store", "")
		equal(t, "the flows in the way", a.json(t, "usedBy"), "[pets]")
	}
	s.must(200, "POST", "/api/v1/flows/pets/stop", "")
	s.must(204, "DELETE", "/api/v1/credentials/store", "")
	s.must(404, "GET", "/api/v1/credentials/store", "")
	if s.log.Secret("store") != nil {
		t.Error("its values are still there")
	}
}

func TestVerifyingSaysWhyNot(t *testing.T) {
	s := newServer(t, nil)
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("api-key") != "good" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"username": "ann"}`))
	}))
	defer store.Close()
	values := func(key string) string {
		return `{"id": "store", "uses": "petstore", "type": "apiKey", "values": {"apiKey": "` + key + `", "baseUrl": "` + store.URL + `"}}`
	}
	bad := s.must(200, "POST", "/api/v1/credentials/verify", values("bad"))
	equal(t, "verified", bad.json(t, "verified"), false)
	if reason, _ := bad.json(t, "reason").(string); !strings.Contains(reason, "401") {
		t.Errorf("the reason says %q", reason)
	}
	equal(t, "verified", s.must(200, "POST", "/api/v1/credentials/verify", values("good")).json(t, "verified"), true)

	s.must(201, "POST", "/api/v1/credentials", values("good"))
	equal(t, "verified before", s.must(200, "GET", "/api/v1/credentials/store", "").json(t, "verified"), nil)
	equal(t, "verified", s.must(200, "POST", "/api/v1/credentials/verify", `{"id": "store"}`).json(t, "verified"), true)
	if s.must(200, "GET", "/api/v1/credentials/store", "").json(t, "verified") == nil {
		t.Error("the success was not noted")
	}
	s.must(404, "POST", "/api/v1/credentials/verify", `{"id": "none"}`)
	unable := s.must(200, "POST", "/api/v1/credentials/verify", `{"uses": "webhook", "type": "none", "values": {}}`)
	equal(t, "supported", unable.json(t, "supported"), false)

	tried := s.must(200, "POST", "/api/v1/try", `{"uses": "petstore/get-pet", "credential": "store", "input": {"id": 7}}`)
	equal(t, "a trial's error", tried.json(t, "error"), nil)
	failed := s.must(200, "POST", "/api/v1/try", `{"uses": "http/request", "input": {"url": "http://127.0.0.1:1/"}}`)
	equal(t, "the kind of a trial's error", failed.json(t, "error", "kind"), "network")
	s.must(422, "POST", "/api/v1/try", `{"uses": "petstore/get-pet", "input": {"id": 7}}`)
	s.must(422, "POST", "/api/v1/try", `{"uses": "petstore/create-pet", "credential": "store", "input": {}}`)
	s.must(404, "POST", "/api/v1/try", `{"uses": "webhook/receive"}`)
}
