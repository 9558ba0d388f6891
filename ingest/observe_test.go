package ingest

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"sluice/schemas"
)

func TestMetricsCountHowRequestsEnded(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	w := start(t, func(o *Options) { o.Registerer = registry })
	w.run(t, "pets", schemas.Trigger{})
	w.send("POST", "/hook/pets", "12345")
	w.send("POST", "/hook/pets", "12345")
	w.send("POST", "/hook/pets", "{", "Content-Type: application/json")
	w.send("POST", "/hook/nobody", "")
	w.send("GET", "/", "")
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}

	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, m := range family.Metric {
			name := family.GetName()
			for _, label := range m.Label {
				name += " " + label.GetValue()
			}
			got[name] = m.Counter.GetValue() + m.Gauge.GetValue() + float64(m.Histogram.GetSampleCount())
		}
	}
	want := map[string]float64{
		"sluice_ingest_requests_total accepted 2xx": 2, "sluice_ingest_requests_total malformed 4xx": 1,
		"sluice_ingest_requests_total not_running 4xx": 1, "sluice_ingest_requests_total not_found 4xx": 1,
		"sluice_ingest_request_seconds accepted": 2, "sluice_ingest_request_seconds refused": 3,
		"sluice_ingest_body_bytes_total": 10, "sluice_ingest_buffered_records": 0, "sluice_ingest_buffered_bytes": 0,
		"sluice_ingest_refusing_partitions": 0, "sluice_ingest_connections": 0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

func TestTraceGoesOnFromSenderToRecord(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	w := start(t, nil)
	w.run(t, "pets", schemas.Trigger{})
	const sender = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

	// Without a provider the sender's own trace is handed on.
	w.send("POST", "/hook/pets", "", "Traceparent: "+sender)
	if got := w.stored()[0].TraceParent; got != sender {
		t.Errorf("without a provider: %q, want %q", got, sender)
	}

	otel.SetTracerProvider(provider)
	defer otel.SetTracerProvider(noop.NewTracerProvider())
	w = start(t, nil) // an edge takes the provider that there is when it is made
	w.run(t, "pets", schemas.Trigger{})
	w.send("POST", "/hook/pets", "", "Traceparent: "+sender)
	w.send("POST", "/hook/pets", "")
	w.send("POST", "/hook/pets", "", "Traceparent: junk")
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	ended := spans.Ended()
	if len(ended) != 3 {
		t.Fatalf("%d spans, want 3", len(ended))
	}
	hooks := w.stored()
	for i, span := range ended {
		if got := traceParent(trace.SpanFromContext(trace.ContextWithSpanContext(t.Context(), span.SpanContext()))); got != hooks[i].TraceParent {
			t.Errorf("hook %d has %q, its span is %q", i, hooks[i].TraceParent, got)
		}
	}
	if got := ended[0].Parent(); got.TraceID().String() != sender[3:35] || got.SpanID().String() != sender[36:52] {
		t.Errorf("the parent is %v, want the sender's", got)
	}
	if ended[1].Parent().IsValid() || ended[2].Parent().IsValid() {
		t.Error("a trace was made up")
	}
}

func TestNormalTrafficIsOneLineAtDebugWithoutSecrets(t *testing.T) {
	var lines lockedBuffer
	w := start(t, func(o *Options) {
		o.Logger = slog.New(slog.NewJSONHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	w.credential(t, "key", "apiKey", map[string]string{"in": "query", "name": "key", "value": "sesame"})
	w.run(t, "pets", schemas.Trigger{Credential: "key"})
	got := w.send("POST", "/hook/pets?key=sesame", "body")
	w.send("POST", "/hook/pets?key=sesamo", "body")
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	text := lines.String()
	if strings.Count(text, "\n") != 2 || !strings.Contains(text, got.header.Get("X-Request-Id")) || !strings.Contains(text, `"outcome":"accepted"`) || strings.Contains(text, "sesam") {
		t.Errorf("the log is %s", text)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestRateFillsUpEvenly(t *testing.T) {
	r := parseRate("3/s")
	now := time.Unix(1_700_000_000, 0)
	for i := range 3 {
		if wait := r.take(now); wait != 0 {
			t.Errorf("number %d waits %v", i, wait)
		}
	}
	wait := r.take(now)
	if wait <= 0 || wait > time.Second {
		t.Fatalf("the fourth waits %v", wait)
	}
	if r.take(now.Add(wait-1)) == 0 || r.take(now.Add(wait)) != 0 {
		t.Error("the wait is not what it was said to be")
	}
	for text, want := range map[string]time.Duration{"100/s": 10 * time.Millisecond, "600/m": 100 * time.Millisecond, "1/h": time.Hour} {
		if r := parseRate(text); r == nil || r.each != want {
			t.Errorf("%s: %+v, want %v each", text, r, want)
		}
	}
	for _, text := range []string{"", "0/s", "-1/s", "x/s", "1", "1/d"} {
		if r := parseRate(text); r != nil || r.take(now) != 0 {
			t.Errorf("%q is a rate: %+v", text, r)
		}
	}
}

func TestPublishingHandsOutNoFreshAllowance(t *testing.T) {
	w := start(t, nil)
	w.publish(t, "pets", schemas.Trigger{}, "1/h")
	w.change(t, schemas.Change{Type: schemas.FlowStarted, Flow: "pets"})
	for i, want := range []int{200, 429, 429, 200} {
		switch i {
		case 2:
			w.publish(t, "pets", schemas.Trigger{}, "1/h")
		case 3:
			w.publish(t, "pets", schemas.Trigger{}, "2/h")
		}
		if got := w.send("POST", "/hook/pets", ""); got.status != want {
			t.Errorf("number %d: %d, want %d", i, got.status, want)
		}
	}
}
