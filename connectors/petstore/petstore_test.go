package petstore

import (
	"encoding/json"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/connectors"
	"sluice/connectors/conntest"
	"sluice/connectors/outgoing"
	"sluice/connectors/petstore/demo"
)

func TestContract(t *testing.T) {
	credential := func(target string) []*connectors.Credential {
		return []*connectors.Credential{{Type: "apiKey", Values: map[string]string{"apiKey": "s3cret-k&y/+1", "baseUrl": target + "/v2"}}}
	}
	input := func(text string) func(string) json.RawMessage {
		return func(string) json.RawMessage { return json.RawMessage(text) }
	}
	pet := conntest.JSON(200, `{"id":9007199254740993,"name":"Gromit","status":"sold"}`)
	conntest.Run(t, Connector(), conntest.Options{
		Cases: map[string]conntest.Case{
			"petstore/create-pet": {
				Input: input(`{"name":"Gromit","status":"Sold"}`), Credentials: credential,
				Answer: pet, AnswerDigits: "9007199254740993",
				Bad: []json.RawMessage{
					[]byte(`{}`), []byte(`{"name":""}`), []byte(`{"name":1}`), []byte(`{"name":null}`), []byte(`{"name":"a","status":"dead"}`),
					[]byte(`{"name":"a","staus":"sold"}`), []byte(`[]`), []byte(`nonsense`), []byte(`{"name":1e999999999}`),
				},
			},
			"petstore/get-pet": {
				Input: input(`{"id":9007199254740993}`), Digits: "9007199254740993", Credentials: credential,
				Answer: pet, AnswerDigits: "9007199254740993",
				Bad: []json.RawMessage{[]byte(`{}`), []byte(`{"id":-1}`), []byte(`{"id":1.5}`), []byte(`{"id":"../user"}`), []byte(`{"id":1e3}`)},
			},
			"petstore/find-by-status": {
				Input: input(`{"status":"PENDING"}`), Digits: "status=pending", Credentials: credential,
				Answer: conntest.JSON(200, `[{"id":9007199254740993,"name":"Gromit","status":"PENDING"}]`), AnswerDigits: "9007199254740993",
				Bad: []json.RawMessage{[]byte(`{}`), []byte(`{"status":"x"}`)},
			},
		},
		Good: map[string]func(string) map[string]string{
			"apiKey": func(target string) map[string]string { return credential(target)[0].Values },
		},
	})
}

func TestCreatedPetIsFoundAndTheSameKeyGivesTheSamePet(t *testing.T) {
	store, err := demo.Open(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	server := httptest.NewServer(store)
	defer server.Close()

	set, err := connectors.New(Connector())
	if err != nil {
		t.Fatal(err)
	}
	env := connectors.Env{HTTP: outgoing.New(outgoing.Options{AllowLoopback: true})}
	credential := &connectors.Credential{Type: "api-key", Values: map[string]string{"apiKey": demo.DefaultAPIKey, "baseUrl": server.URL + "/v2/"}}
	do := func(name, input, key string) string {
		t.Helper()
		m, _ := set.Component(name)
		result, err := m.Do(t.Context(), env, connectors.Call{Input: json.RawMessage(input), Credential: credential, IdempotencyKey: key, Attempt: 1})
		if err != nil {
			t.Fatal(err)
		}
		return string(result.Output)
	}
	pet := `{"id":1,"name":"Gromit","status":"sold"}`
	for _, got := range []string{
		do("petstore/create-pet", `{"name":"Gromit","status":"Sold"}`, "a"),
		do("petstore/create-pet", `{"name":"Gromit","status":"Sold"}`, "a"),
		do("petstore/get-pet", `{"id":1}`, ""),
		do("petstore/get-pet", `{"id":"1"}`, ""),
	} {
		if diff := cmp.Diff(pet, got); diff != "" {
			t.Error(diff)
		}
	}
	if diff := cmp.Diff("["+pet+"]", do("petstore/find-by-status", `{"status":"SOLD"}`, "")); diff != "" {
		t.Error(diff)
	}

	kind := Connector().Credentials[0]
	if err := kind.Verify(t.Context(), env, credential.Values); err != nil {
		t.Error(err)
	}
	err = kind.Verify(t.Context(), env, map[string]string{"apiKey": "wrong", "baseUrl": server.URL + "/v2"})
	if err == nil {
		t.Fatal("a wrong key is verified")
	}
	if e := connectors.AsError(err); e.Kind != connectors.KindCredential || e.HTTPStatus != 401 {
		t.Errorf("a wrong key: %s %d", e.Kind, e.HTTPStatus)
	}
}
