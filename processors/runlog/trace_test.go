package runlog

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

func TestAnExecutionsTraceReachesTheRunLog(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	before := otel.GetTracerProvider()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))
	t.Cleanup(func() { otel.SetTracerProvider(before) })
	onEngines(t, func(t *testing.T, url string) {
		k, conn := newKafka(t), openEngine(t, url)
		k.story(1)
		stop := start(t, k.options(conn))
		eventually(t, func() string {
			if n := len(spans.Ended()); n < 2 {
				return "no spans"
			}
			return ""
		})
		stop()
		var flush, inTrace sdktrace.ReadOnlySpan
		for _, s := range spans.Ended() {
			if s.Name() == "runlog flush" && len(s.Links()) > 0 {
				flush = s
			}
			if s.Name() == "runlog" && s.SpanContext().TraceID().String() == "0af7651916cd43dd8448eb211c80319c" {
				inTrace = s
			}
		}
		if flush == nil || inTrace == nil {
			t.Fatalf("spans of the flush and of the execution's trace: %v, %v", flush, inTrace)
		}
		if got := flush.Links()[0].SpanContext.SpanID().String(); got != "b7ad6b7169203331" {
			t.Errorf("the flush is linked to %s", got)
		}
		if got := inTrace.Parent().SpanID().String(); got != "b7ad6b7169203331" {
			t.Errorf("the execution's span is a child of %s", got)
		}
	})
}

func TestMetricsCountRows(t *testing.T) {
	onEngines(t, func(t *testing.T, url string) {
		k, conn := newKafka(t), openEngine(t, url)
		k.story(4)
		reg := prometheus.NewRegistry()
		o := k.options(conn)
		o.Registerer = reg
		stop := start(t, o)
		until(t, conn, 4, "SELECT count() FROM executions WHERE status = 'succeeded'")
		until(t, conn, 4, "SELECT count() FROM hooks")
		eventually(t, func() string {
			if progressOf(t, conn) != 12 {
				return "the last flush is not over"
			}
			return ""
		})
		eventually(t, func() string { // a flush that the end cuts short is written again, and its rows count twice
			if metricsOf(t, reg)["sluice_runlog_flushes_total"] < 1 {
				return "no flush is counted"
			}
			return ""
		})
		stop()
		got := metricsOf(t, reg)
		delete(got, "sluice_runlog_flushes_total")
		delete(got, "sluice_runlog_rows_total runlog_progress")
		delete(got, "sluice_runlog_rows_total runlog_marks")
		// A partition that moves in the middle is written again, and rows count as often as they are written.
		for table, least := range map[string]float64{"executions": 4, "hooks": 4, "steps": 12} {
			name := "sluice_runlog_rows_total runlog_" + table
			if n := got[name]; n < least || n > 2*least {
				t.Errorf("%v rows of %s; want %v, at most twice", n, table, least)
			}
			delete(got, name)
		}
		want := map[string]float64{
			"sluice_runlog_insert_failures_total": 0, "sluice_runlog_lag_seconds": 0, "sluice_runlog_holes_total": 0,
			"sluice_runlog_poison_total executions": 0, "sluice_runlog_poison_total hooks": 0, "sluice_runlog_poison_total replays": 0,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// metricsOf are the counters and gauges by name and label.
func metricsOf(t testing.TB, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			switch {
			case m.Counter != nil:
				got[name] = m.Counter.GetValue()
			case m.Gauge != nil:
				got[name] = m.Gauge.GetValue()
			}
		}
	}
	return got
}
