package conntest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"sluice/connectors"
	"sluice/connectors/outgoing"
)

func verify(t *testing.T, c *connectors.Connector, name string, good func(string) map[string]string) {
	kind, ok := c.CredentialType(name)
	if !ok || kind.Verify == nil {
		t.Fatalf("%s cannot be verified", name)
	}
	target := NewDestination(t)
	env := connectors.Env{HTTP: outgoing.New(outgoing.Options{AllowLoopback: true})}
	t.Cleanup(env.HTTP.CloseIdleConnections)
	values := good(target.URL)
	if err := kind.Verify(t.Context(), env, values); err != nil {
		t.Errorf("good values are refused: %v", err)
	}
	for _, r := range target.Received() {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			t.Errorf("verifying sent a %s: it must have no effect", r.Method)
		}
	}

	target.Fault(1, JSON(http.StatusUnauthorized, `{"message":"the-reason-given"}`))
	err := kind.Verify(t.Context(), env, values)
	if err == nil || !strings.Contains(err.Error(), "the-reason-given") {
		t.Errorf("bad values: the error does not give the provider's reason: %v", err)
	}
	for _, secret := range kind.Secrets() {
		if v := values[secret]; v != "" && err != nil && strings.Contains(err.Error(), v) {
			t.Errorf("the secret %s is in the error", secret)
		}
	}

	target.Reset()
	target.Fault(1, Hang)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- kind.Verify(ctx, env, values) }()
	<-target.Arrived()
	cancel()
	if err := within(t, ended); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled verification returned %v", err)
	}
}

// Choices ask for the values of one field.
type Choices struct {
	// Ask returns the question for a target's base URL; its Field is filled in.
	Ask func(target string) connectors.ChoicesCall
	// Answer is how a healthy target answers, with one value at least.
	Answer http.HandlerFunc
	// Secrets that must be in no error.
	Secrets []string
}

func choices(t *testing.T, m *connectors.Component, asked map[string]Choices) {
	for _, field := range fieldsWithChoices(t, m.Input) {
		if _, ok := asked[field]; !ok {
			t.Errorf("the field %s has choices and nothing that asks for them here", field)
		}
	}
	for field, c := range asked {
		t.Run(field, func(t *testing.T) {
			target := NewDestination(t)
			target.Answer(c.Answer)
			env := connectors.Env{HTTP: outgoing.New(outgoing.Options{AllowLoopback: true})}
			t.Cleanup(env.HTTP.CloseIdleConnections)
			ask := c.Ask(target.URL)
			ask.Field = field
			got, err := m.Choices(t.Context(), env, ask)
			if err != nil || len(got) == 0 {
				t.Fatalf("%d choices, %v", len(got), err)
			}
			for _, choice := range got {
				if !json.Valid(choice.Value) || choice.Label == "" {
					t.Errorf("a choice without a value or a label: %+v", choice)
				}
			}
			for _, r := range target.Received() {
				if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Header.Get("Idempotency-Key") != "" {
					t.Errorf("asking for choices sent a %s with a key: it must have no effect", r.Method)
				}
			}
			target.Fault(1, JSON(http.StatusForbidden, `{"message":"the-reason-given"}`))
			_, err = m.Choices(t.Context(), env, ask)
			if e := connectors.AsError(err); e == nil || !strings.Contains(e.Error(), "the-reason-given") {
				t.Errorf("the error does not give the system's reason: %v", err)
			}
			for _, secret := range c.Secrets {
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Error("a secret is in the error")
				}
			}
			target.Fault(1, Hang)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			for len(target.Arrived()) > 0 {
				<-target.Arrived()
			}
			ended := make(chan error, 1)
			go func() {
				_, err := m.Choices(ctx, env, ask)
				ended <- err
			}()
			<-target.Arrived()
			cancel()
			if err := within(t, ended); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled choices returned %v", err)
			}
			if got, err := m.Choices(t.Context(), env, connectors.ChoicesCall{Field: "no-such-field", Input: ask.Input, Credential: ask.Credential}); err == nil {
				t.Errorf("a field that has no choices has %d", len(got))
			}
		})
	}
}

// fieldsWithChoices lists the fields of an input schema that carry "x-choices", those within others by their path.
func fieldsWithChoices(t *testing.T, schema json.RawMessage) []string {
	type node struct {
		Choices    bool `json:"x-choices"`
		Properties map[string]json.RawMessage
	}
	var found []string
	var walk func(raw json.RawMessage, path string)
	walk = func(raw json.RawMessage, path string) {
		var n node
		if err := json.Unmarshal(raw, &n); err != nil {
			return // a schema may be true
		}
		if n.Choices {
			found = append(found, path)
		}
		for name, inner := range n.Properties {
			walk(inner, strings.TrimPrefix(path+"."+name, "."))
		}
	}
	walk(schema, "")
	if len(found) == 0 {
		t.Error("the component has Choices, and none of its fields has them")
	}
	return found
}
