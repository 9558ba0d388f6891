package main

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

func TestOneTraceFromTheEdgeToTheRunLog(t *testing.T) {
	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	var mu sync.Mutex
	var names []string
	otlp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		var req collector.ExportTraceServiceRequest
		if err := proto.Unmarshal(raw, &req); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, rs := range req.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					linked := slices.ContainsFunc(s.Links, func(l *tracepb.Span_Link) bool { return hex.EncodeToString(l.TraceId) == trace })
					if hex.EncodeToString(s.TraceId) == trace || linked {
						names = append(names, ss.Scope.GetName()+" "+s.Name)
					}
				}
			}
		}
	}))
	defer otlp.Close()
	var passedOn string
	destination := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		passedOn = r.Header.Get("traceparent")
		mu.Unlock()
	}))
	defer destination.Close()

	in := newInstallation(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+otlp.URL, "OTEL_BSP_SCHEDULE_DELAY=100")
	p := in.start(nil, "dev")
	p.ready()
	in.relay("relay", destination.URL)
	req, _ := http.NewRequest(http.MethodPost, "http://"+in.ingest+"/hook/relay", strings.NewReader(`{"n":1}`))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("traceparent", "00-"+trace+"-"+parent+"-01")
	resp, err := in.hookClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	in.until(15*time.Second, "spans of the edge, a step and the run log are of the sender's trace", func() bool {
		mu.Lock()
		defer mu.Unlock()
		has := func(scope string) bool {
			return slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, scope) })
		}
		return has("sluice/ingest") && has("sluice/run ") && has("sluice/runlog")
	})
	mu.Lock()
	if !strings.HasPrefix(passedOn, "00-"+trace+"-") || strings.Contains(passedOn, parent) {
		t.Errorf("the destination got traceparent %q, want the sender's trace and a span of its own", passedOn)
	}
	t.Log(names)
	mu.Unlock()
	in.until(5*time.Second, "the run log has the trace ID", func() bool {
		got := in.query("SELECT countIf(trace_id = '" + trace + "') FROM executions")
		return len(got) == 1 && got[0] == 1
	})
	p.stop()
}
