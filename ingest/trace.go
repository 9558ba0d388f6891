package ingest

import (
	"context"
	"encoding/hex"

	"github.com/valyala/fasthttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// startSpan begins the server's span of a request, as a child of the sender's
// when it names one. Without a tracer provider it costs next to nothing, and a
// sender's trace is still handed on.
func (e *Edge) startSpan(r *request) {
	ctx := context.Background()
	if len(r.http.Request.Header.Peek("Traceparent")) > 0 {
		ctx = propagation.TraceContext{}.Extract(ctx, carrier{&r.http.Request.Header})
	}
	_, r.trace = e.tracer.Start(ctx, "hook", asServer...)
}

var asServer = []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer)}

func (e *Edge) endSpan(r *request, status int) {
	if r.trace.IsRecording() {
		r.trace.SetAttributes(
			attribute.String("http.request.method", string(r.http.Method())),
			attribute.String("http.route", "/hook/{flow}"),
			attribute.Int("http.response.status_code", status),
			attribute.String("sluice.execution", r.id.String()),
			attribute.Int("http.request.body.size", r.size()),
		)
		if r.flow != nil {
			r.trace.SetAttributes(attribute.String("sluice.flow", r.flow.entry.ID))
		}
		if status >= 500 {
			r.trace.SetStatus(codes.Error, "")
		}
	}
	r.trace.End()
}

// traceParent writes a span's context as W3C Trace Context has it, or "".
func traceParent(span trace.Span) string {
	sc := span.SpanContext()
	if !sc.IsValid() {
		return ""
	}
	traceID, spanID := sc.TraceID(), sc.SpanID()
	b := make([]byte, 0, 55)
	b = append(b, "00-"...)
	b = hex.AppendEncode(b, traceID[:])
	b = append(b, '-')
	b = hex.AppendEncode(b, spanID[:])
	if sc.IsSampled() {
		return string(append(b, "-01"...))
	}
	return string(append(b, "-00"...))
}

// carrier reads a request's headers for OpenTelemetry.
type carrier struct{ header *fasthttp.RequestHeader }

// Get reads a header's first value.
func (c carrier) Get(key string) string { return string(c.header.Peek(key)) }

// Set is not used: the edge only reads.
func (carrier) Set(string, string) {}

// Keys is not used by the W3C propagator.
func (carrier) Keys() []string { return nil }
