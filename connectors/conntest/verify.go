package conntest

import (
	"context"
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
