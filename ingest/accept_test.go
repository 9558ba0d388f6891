package ingest

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
)

// behind is an edge without a listener, as a process has it that takes no hooks.
func behind(t *testing.T, w *world, seal *schemas.Seal) *Edge {
	t.Helper()
	e := New(Options{Catalog: w.catalog, Partitions: testPartitions, Kafka: []kgo.Opt{kgo.SeedBrokers(w.kafka.ListenAddrs()...)}, Seal: seal, Logger: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.RunBehind(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-e.Ready()
	return e
}

func TestARejectedRequestIsAcceptedOnceItsCauseIsMended(t *testing.T) {
	w, _, reader := sampling(t)
	console := behind(t, w, reader.Seal) // in another process
	set := func(secret string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.secrets["hub"] = map[string]string{"secret": secret}
	}
	w.credential(t, "hub", "github", map[string]string{"secret": "mistyped"})
	w.run(t, "pets", schemas.Trigger{Credential: "hub"})
	body := `{"large":"` + strings.Repeat("x", 20<<10) + `"}`
	sent := w.send("POST", "/hook/pets/a%2Fb?x=1", body, "Content-Type: application/json", "X-Github-Delivery: 7",
		"X-Hub-Signature-256: sha256="+hex.EncodeToString(sum256("sesame", body)), "Authorization: Bearer topsecret")
	if sent.status != 401 {
		t.Fatalf("%d %s", sent.status, sent.body)
	}
	id := sent.header.Get("X-Request-Id")
	accept := func() (schemas.ExecutionID, error) { return console.Accept(t.Context(), "pets", id) }
	w.edge.Settle(t.Context())
	list, err := reader.Flow(t.Context(), "pets", schemas.PartitionOf("pets", testPartitions), 50, schemas.CaptureRejected)
	if err != nil || len(list) != 1 || list[0].ID != id || list[0].Reason != "signature" || !list[0].Whole {
		t.Fatalf("kept: %+v %v", list, err)
	}
	wants := func(status int, says string) {
		t.Helper()
		_, err := accept()
		u, ok := errors.AsType[*Unacceptable](err)
		if !ok || u.Status != status || !strings.Contains(u.Error(), says) || strings.Contains(u.Error(), "mistyped") {
			t.Errorf("%v, want %d %q", err, status, says)
		}
	}
	wants(409, "not mended")
	if err := console.Explain(t.Context(), "pets", id); err == nil || !strings.Contains(err.Error(), "not mended") {
		t.Errorf("explained as %v", err)
	}
	set("sesame")
	for range 2 { // a look makes no hook, however often
		if err := console.Explain(t.Context(), "pets", id); err != nil {
			t.Errorf("it would be taken, and is explained as %v", err)
		}
	}
	w.change(t, schemas.Change{Type: schemas.FlowStopped, Flow: "pets"})
	wants(409, "not running")
	w.change(t, schemas.Change{Type: schemas.FlowStarted, Flow: "pets"})
	became, err := accept()
	if err != nil {
		t.Fatal(err)
	}
	wants(409, became.String())
	if err := console.Explain(t.Context(), "pets", id); err == nil || !strings.Contains(err.Error(), became.String()) {
		t.Errorf("once it was accepted it is explained as %v", err)
	}
	hooks := w.stored()
	if len(hooks) != 1 {
		t.Fatalf("%d hooks are stored, want 1", len(hooks))
	}
	h := hooks[0]
	if h.ID != became || string(h.Body) != body || h.Path != "/hook/pets/a%2Fb" || h.Query != "x=1" || h.Headers["x-github-delivery"] != "7" ||
		h.ContentType != "application/json" || h.Headers["authorization"] != "" || time.Since(h.Time) > time.Minute {
		t.Errorf("the hook is %+v", h)
	}
	if _, err := console.Accept(t.Context(), "pets", schemas.NewExecutionID(time.Now(), 0).String()); err == nil {
		t.Error("a request that there never was is accepted")
	}
}

func TestEveryMendedCauseLetsItsRequestIn(t *testing.T) {
	w, _, reader := sampling(t)
	console := behind(t, w, reader.Seal)
	for _, c := range []struct {
		name           string
		before, after  schemas.Trigger
		method, body   string
		headers        []string
		status         int
		stays          bool
		values, mended map[string]string
		kind           string
	}{
		{name: "method", before: schemas.Trigger{Methods: []string{"POST"}}, after: schemas.Trigger{Methods: []string{"PUT"}}, method: "PUT", body: "x", status: 405},
		{name: "basic", kind: "basic", values: map[string]string{"username": "a", "password": "x"}, mended: map[string]string{"username": "a", "password": "b"},
			method: "POST", body: strings.Repeat("y", 30<<10), headers: []string{basic("a", "b")}, status: 401},
		{name: "get", kind: "apiKey", values: map[string]string{"in": "query", "name": "k", "value": "x"}, mended: map[string]string{"in": "query", "name": "k", "value": "b"},
			method: "GET", headers: nil, status: 401},
		{name: "nobroken", method: "POST", body: "{", headers: []string{"Content-Type: application/json"}, status: 400, stays: true},
	} {
		if c.kind != "" {
			w.credential(t, c.name, c.kind, c.values)
			c.before.Credential, c.after.Credential = c.name, c.name
		}
		w.run(t, c.name, c.before)
		sent := w.send(c.method, "/hook/"+c.name+"?k=b", c.body, c.headers...)
		if sent.status != c.status {
			t.Errorf("%s: %d, want %d", c.name, sent.status, c.status)
		}
		w.publish(t, c.name, c.after, "")
		if c.kind != "" {
			w.credential(t, c.name, c.kind, c.mended)
		}
		w.edge.Settle(t.Context())
		_, err := console.Accept(t.Context(), c.name, sent.header.Get("X-Request-Id"))
		if (err != nil) != c.stays {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if n := len(w.stored()); n != 3 {
		t.Errorf("%d hooks, want 3", n)
	}
	for _, h := range w.stored() {
		if h.Flow == "basic" && len(h.Body) != 30<<10 || h.Flow == "get" && h.Query != "" {
			t.Errorf("%s: %d bytes, query %q", h.Flow, len(h.Body), h.Query)
		}
	}
}

func TestAFloodOfRejectionsDoesNotFillTheTopic(t *testing.T) {
	w, _, reader := sampling(t)
	w.credential(t, "ada", "basic", map[string]string{"username": "ada", "password": "sesame"})
	w.run(t, "pets", schemas.Trigger{Credential: "ada"})
	for range 300 {
		w.send("POST", "/hook/pets", "x")
	}
	w.edge.Settle(t.Context())
	list, err := reader.Flow(t.Context(), "pets", schemas.PartitionOf("pets", testPartitions), 1000, schemas.CaptureRejected)
	if err != nil || len(list) < 50 || len(list) > 60 {
		t.Errorf("%d are kept of 300 at once (%v), want some 50", len(list), err)
	}
}
