package outgoing

import (
	"context"
	"net/http"
	"net/url"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// traced makes a client span and sends traceparent for requests that belong to a trace, and costs nothing for others.
//
// otelhttp writes the whole URL into the span. The path and query of a webhook are secrets, so it is shown a request
// without them, and untraced puts the URL back behind it.
type traced struct {
	plain, spans http.RoundTripper
}

func newTraced(next http.RoundTripper, provider trace.TracerProvider) *traced {
	options := []otelhttp.Option{
		otelhttp.WithPropagators(propagation.TraceContext{}), // no baggage: it would tell strangers what is in it
		otelhttp.WithMeterProvider(noop.NewMeterProvider()),  // the runner measures attempts
	}
	if provider != nil {
		options = append(options, otelhttp.WithTracerProvider(provider))
	}
	return &traced{plain: next, spans: otelhttp.NewTransport(restored{next}, options...)}
}

func (t *traced) RoundTrip(r *http.Request) (*http.Response, error) {
	if !trace.SpanContextFromContext(r.Context()).IsValid() {
		return t.plain.RoundTrip(r)
	}
	shown := r.WithContext(context.WithValue(r.Context(), urlKey{}, r.URL))
	shown.URL = &url.URL{Scheme: r.URL.Scheme, Host: r.URL.Host, Path: "/"}
	res, err := t.spans.RoundTrip(shown)
	if res != nil {
		res.Request = r
	}
	return res, err
}

type urlKey struct{}

type restored struct{ next http.RoundTripper }

func (t restored) RoundTrip(r *http.Request) (*http.Response, error) {
	if u, ok := r.Context().Value(urlKey{}).(*url.URL); ok {
		r = r.WithContext(r.Context())
		r.URL = u
	}
	return t.next.RoundTrip(r)
}
