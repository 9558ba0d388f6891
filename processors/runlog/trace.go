package runlog

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// maxTraces bounds the spans and links of one flush.
const maxTraces = 128

func tracer() trace.Tracer { return otel.Tracer("sluice/runlog") }

// traceOf is the sampled or unsampled parent that a record's header names.
func traceOf(r *kgo.Record) trace.SpanContext {
	for _, h := range r.Headers {
		if h.Key == "traceparent" {
			return parseTraceParent(string(h.Value))
		}
	}
	return trace.SpanContext{}
}

func parseTraceParent(v string) trace.SpanContext {
	if v == "" {
		return trace.SpanContext{}
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": v})
	return trace.SpanContextFromContext(ctx)
}

func traceIDOf(traceparent string) string {
	if sc := parseTraceParent(traceparent); sc.HasTraceID() {
		return sc.TraceID().String()
	}
	return ""
}

// startFlush begins a flush's span, linked to the traces it makes visible.
func startFlush(ctx context.Context, b *batch) (context.Context, trace.Span) {
	links := make([]trace.Link, len(b.traces))
	for i, parent := range b.traces {
		links[i].SpanContext = parent
	}
	return tracer().Start(ctx, "runlog flush", trace.WithNewRoot(), trace.WithLinks(links...), trace.WithAttributes(
		attribute.Int("sluice.rows.steps", len(b.steps)),
		attribute.Int("sluice.rows.hooks", len(b.hooks)),
		attribute.Int("sluice.rows.executions", len(b.executions)),
	))
}

// endFlush ends it, and says in every execution's own trace when it was there
// to be seen.
func endFlush(span trace.Span, b *batch, began time.Time, err error) {
	defer span.End()
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
		return
	}
	for _, parent := range b.traces {
		_, s := tracer().Start(trace.ContextWithRemoteSpanContext(context.Background(), parent), "runlog",
			trace.WithTimestamp(began), trace.WithLinks(trace.Link{SpanContext: span.SpanContext()}))
		s.End()
	}
}
