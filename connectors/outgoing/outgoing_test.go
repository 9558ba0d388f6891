package outgoing

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-retryablehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"sluice/connectors"
)

func serve(t testing.TB, h http.HandlerFunc) string {
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

func client(t testing.TB, o Options) *http.Client {
	o.AllowLoopback = true
	c := New(o)
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func request(t testing.TB, method, address, body string, header ...string) Request {
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := Request{Doing: "asking", Method: method, URL: u, Header: http.Header{}}
	if body != "" {
		q.Body = []byte(body)
	}
	for i := 0; i < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	return q
}

func TestNothingThatMayHaveArrivedIsSentAgain(t *testing.T) {
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		var hits atomic.Int64
		address := serve(t, func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/cut" {
				hits.Add(1)
				if r.Header.Get("Idempotency-Key") != "k" {
					t.Error("the key was lost")
				}
				panic(http.ErrAbortHandler)
			}
		})
		c := client(t, Options{})
		// A kept connection is where net/http repeats a request of its own accord when it has an Idempotency-Key.
		if _, err := Send(t.Context(), c, request(t, "GET", address+"/warm", "")); err != nil {
			t.Fatal(err)
		}
		for _, body := range []string{"x", ""} {
			hits.Store(0)
			_, err := Send(t.Context(), c, request(t, method, address+"/cut", body, "Idempotency-Key", "k"))
			e := connectors.AsError(err)
			if e == nil || e.Kind != connectors.KindNetwork || !e.Sent {
				t.Errorf("%s: %+v", method, e)
			}
			if n := hits.Load(); n != 1 {
				t.Errorf("%s with body %q arrived %d times", method, body, n)
			}
		}
	}
}

// The first dial is refused, the next one finds the target: what a restarting target looks like.
func TestRefusedConnectionIsDialledAgain(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()

	bodies := make(chan string, 10)
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- string(body)
	})}
	defer func() { _ = server.Close() }()

	c := client(t, Options{})
	dialling := c.Transport.(*traced).plain.(*checked).next.(*retryablehttp.RoundTripper).Client
	refused := 0
	dialling.CheckRetry = func(ctx context.Context, res *http.Response, err error) (bool, error) {
		if err != nil {
			refused++
			again, err := net.Listen("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			go func() { _ = server.Serve(again) }()
		}
		return nothingSent(ctx, res, err)
	}
	if _, err := Send(t.Context(), c, request(t, "POST", "http://"+address, "payload")); err != nil {
		t.Fatal(err)
	}
	if body := <-bodies; body != "payload" || refused != 1 || len(bodies) != 0 {
		t.Errorf("body %q after %d refusals, %d more requests", body, refused, len(bodies))
	}
}

func TestRefusedForGoodSaysSoSoon(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	start := time.Now()
	_, err := Send(t.Context(), client(t, Options{}), request(t, "POST", closed.URL, "x"))
	e := connectors.AsError(err)
	if e == nil || e.Kind != connectors.KindNetwork || e.Sent || !strings.Contains(e.Message, "refused") {
		t.Errorf("%+v", e)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestErrorsHoldNoURLAndNoSecret(t *testing.T) {
	const secret = "s3cret/+ \"&"
	echo := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(400)
		_, _ = fmt.Fprintf(w, `{"message": %q}`, "bad "+r.URL.RawQuery+" "+secret)
	})
	closed := httptest.NewServer(nil)
	closed.Close()
	hang := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	badLocation := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://[bad?key="+url.QueryEscape(secret))
		w.WriteHeader(302)
	})
	badAnswer := serve(t, func(w http.ResponseWriter, r *http.Request) {
		conn, _, _ := w.(http.Hijacker).Hijack()
		_, _ = conn.Write([]byte("HTTP/1.1 nonsense\r\n\r\n"))
		_ = conn.Close()
	})
	for _, address := range []string{echo, closed.URL, hang, badLocation, badAnswer, "http://name.invalid", "http://10.0.0.1"} {
		q := request(t, "GET", address+"/path-of-secrets?key="+url.QueryEscape(secret), "")
		q.Secrets = []string{secret}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		_, err := Send(ctx, client(t, Options{}), q)
		cancel()
		if err == nil {
			t.Errorf("%s: no error", address)
			continue
		}
		text := fmt.Sprintf("%v %+v", err, err)
		for _, hidden := range []string{secret, url.QueryEscape(secret), "path-of-secrets", "key="} {
			if hidden == "key=" && address == echo {
				continue // the target's own words
			}
			if strings.Contains(text, hidden) {
				t.Errorf("%s: %q is in %s", address, hidden, text)
			}
		}
		if !strings.HasPrefix(text, "asking: "+strings.TrimPrefix(address, "http://")) {
			t.Errorf("the error does not say what was done, and to whom: %s", text)
		}
	}
}

func TestBlankHidesEverySpelling(t *testing.T) {
	secrets := []string{"abc", "abcdef", "a\"b c", ""}
	got := Blank(`abc abcdef a\"b c a"b c a%22b+c a%22b%20c YWJjZGVm end`, secrets)
	if diff := cmp.Diff("••• ••• ••• ••• ••• ••• ••• end", got); diff != "" {
		t.Error(diff)
	}
}

func TestMessageIsShortAndOnOneLine(t *testing.T) {
	for body, want := range map[string]string{
		`{"message": "no such\npet"}`:                       "no such pet",
		`{"error": {"message": "card declined"}}`:           "card declined",
		`{"title": "Bad", "detail": "the name is missing"}`: "the name is missing",
		`{"error": "invalid_grant"}`:                        "invalid_grant",
		`{"other": 1}`:                                      `{"other": 1}`,
		"<h1>Not\r\n\tfound</h1>":                           "<h1>Not found</h1>",
		"\x00\x01":                                          "",
		"":                                                  "",
	} {
		if diff := cmp.Diff(want, excerptOf([]byte(body), nil)); diff != "" {
			t.Errorf("%q: %s", body, diff)
		}
	}
	if long := short(strings.Repeat("é", 1000)); len(long) > 510 || !strings.HasSuffix(long, "é…") {
		t.Errorf("%d bytes", len(long))
	}
}

func TestAnswerOverTheLimitIsAnError(t *testing.T) {
	const limit = 1000
	c := client(t, Options{MaxResponse: limit})
	for name, h := range map[string]http.HandlerFunc{
		"announced": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, limit+1)) },
		"in chunks": func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			_, _ = w.Write(make([]byte, limit+1))
		},
		"compressed": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write(make([]byte, 10<<20))
			_ = z.Close()
		},
	} {
		_, err := Send(t.Context(), c, request(t, "POST", serve(t, h), "x"))
		e := connectors.AsError(err)
		if e == nil || e.Kind != connectors.KindHTTP || e.HTTPStatus != 200 || e.Retry != connectors.RetryNever || !e.Sent {
			t.Errorf("%s: %+v", name, e)
		}
	}
	exact := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		_, _ = w.Write(bytes.Repeat([]byte("a"), limit))
	})
	if a, err := Send(t.Context(), c, request(t, "GET", exact, "")); err != nil || len(a.Body) != limit {
		t.Errorf("exactly the limit: %d bytes, %v", len(a.Body), err)
	}
	wide := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("a", 10_000)) })
	if _, err := Send(t.Context(), client(t, Options{MaxResponseHeader: 1000}), request(t, "GET", wide, "")); err == nil {
		t.Error("a header over the limit is accepted")
	}
}

func TestAnswerCutShortIsANetworkError(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte("half"))
	})
	_, err := Send(t.Context(), client(t, Options{}), request(t, "POST", address, "x"))
	if e := connectors.AsError(err); e == nil || e.Kind != connectors.KindNetwork || !e.Sent || e.HTTPStatus != 200 {
		t.Errorf("%+v", e)
	}
}

func TestForgedHeadersAreRefused(t *testing.T) {
	address := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the request was sent") })
	for name, value := range map[string]string{"a": "b\r\nc: d", "b": "x\ny", "c": "x\x00", "d e": "f", "g\r\nh": "i", "": "j"} {
		q := request(t, "GET", address, "")
		q.Header[name] = []string{value}
		_, err := Send(t.Context(), client(t, Options{}), q)
		if e := connectors.AsError(err); e == nil || e.Kind != connectors.KindInput || e.Retry != connectors.RetryNever || e.Sent {
			t.Errorf("%q: %+v", name, e)
		}
	}
}

func TestTraceGoesOutAndTheSpanHidesThePath(t *testing.T) {
	var traceparent, baggage string
	address := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		traceparent, baggage = r.Header.Get("Traceparent"), r.Header.Get("Baggage")
		if r.URL.Path != "/secret-path" || r.URL.RawQuery != "key=secret-key" {
			t.Errorf("the URL arrived as %s", r.URL)
		}
	})
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	c := client(t, Options{TracerProvider: provider})

	ctx, parent := provider.Tracer("test").Start(t.Context(), "step")
	if _, err := Send(ctx, c, request(t, "POST", address+"/secret-path?key=secret-key", "x")); err != nil {
		t.Fatal(err)
	}
	parent.End()
	if id := parent.SpanContext().TraceID().String(); !strings.Contains(traceparent, id) || baggage != "" {
		t.Errorf("traceparent %q, baggage %q; want trace %s", traceparent, baggage, id)
	}
	if n := len(spans.GetSpans()); n != 2 {
		t.Errorf("%d spans, want the step's and the request's", n)
	}
	for _, span := range spans.GetSpans() {
		if text := fmt.Sprint(span.Name, span.Attributes, span.Events, span.Status); strings.Contains(text, "secret") {
			t.Errorf("the span holds the URL: %s", text)
		}
	}

	// Without a provider a trace that came in from outside still goes on.
	remote := trace.ContextWithRemoteSpanContext(t.Context(), parent.SpanContext())
	traceparent = ""
	if _, err := Send(remote, client(t, Options{}), request(t, "GET", address+"/secret-path?key=secret-key", "")); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(traceparent, parent.SpanContext().TraceID().String()) {
		t.Errorf("traceparent %q", traceparent)
	}
	traceparent = ""
	if _, err := Send(t.Context(), c, request(t, "GET", address+"/secret-path?key=secret-key", "")); err != nil || traceparent != "" {
		t.Errorf("without a trace: traceparent %q, %v", traceparent, err)
	}
}

func TestErrorsOfTheBareClientAreUnderstood(t *testing.T) {
	r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://10.0.0.1/?key=secret", nil)
	res, err := New(Options{}).Do(r)
	if err == nil {
		_ = res.Body.Close()
		t.Fatal("no error")
	}
	if e := ErrorOf(err); e.Kind != connectors.KindBlocked || strings.Contains(e.Error(), "secret") {
		t.Errorf("%+v", e)
	}
	if ErrorOf(nil) != nil {
		t.Error("no error became one")
	}
	if e := ErrorOf(&url.Error{Op: "Get", URL: "http://a/?secret", Err: errors.New("odd")}); e.Message != "odd" || !e.Sent {
		t.Errorf("%+v", e)
	}
}

func TestCertificateNobodyTrustsIsNamed(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	_, err := Send(t.Context(), client(t, Options{}), request(t, "POST", server.URL, "x"))
	if e := connectors.AsError(err); e == nil || e.Kind != connectors.KindNetwork || e.Sent || !strings.Contains(e.Message, "certificate is not trusted") {
		t.Errorf("%+v", e)
	}
	plain := serve(t, func(http.ResponseWriter, *http.Request) {})
	_, err = Send(t.Context(), client(t, Options{}), request(t, "POST", strings.Replace(plain, "http:", "https:", 1), "x"))
	if e := connectors.AsError(err); e == nil || e.Sent || !strings.Contains(e.Message, "check http or https") {
		t.Errorf("%+v", e)
	}
}

func TestRetryAfterIsRead(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                              0,
		"0":                             0,
		"7":                             7 * time.Second,
		" 7 ":                           7 * time.Second,
		"-7":                            0,
		"1.5":                           0,
		"soon":                          0,
		"999999999":                     24 * time.Hour,
		"99999999999999999999":          24 * time.Hour,
		"-99999999999999999999":         0,
		"Fri, 02 Jan 2026 03:04:35 GMT": 30 * time.Second,
		"Fri, 02 Jan 2026 03:04:00 GMT": 0,
		"Fri, 02 Jan 2099 03:04:00 GMT": 24 * time.Hour,
	} {
		if got := RetryAfter(value, now); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"7", "Fri, 02 Jan 2026 03:04:35 GMT", "-1", "99999999999999999999"} {
		f.Add(seed)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f.Fuzz(func(t *testing.T, value string) {
		if d := RetryAfter(value, now); d < 0 || d > 24*time.Hour {
			t.Errorf("%q: %v", value, d)
		}
	})
}

func TestURLsThatCannotBeRequestedAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "must start with http",
		"example.com":               "must start with http",
		"ftp://example.com":         "must start with http",
		"http://":                   "no host",
		"http:///path":              "no host",
		"http://:80":                "no host",
		"http://u:p4ss@example.com": "credential",
		"http://exa mple.com":       "cannot be read",
		"http://a/%zz":              "cannot be read",
		"http://a\r\nb":             "cannot be read",
	} {
		_, err := ParseURL(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "p4ss") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if u, err := ParseURL("https://example.com/a?b=c#d"); err != nil || u.String() != "https://example.com/a?b=c" {
		t.Errorf("%v, %v", u, err)
	}
}

func FuzzAnswerJSON(f *testing.F) {
	f.Add("application/json", []byte(`{"a":1.0}`))
	f.Add("text/plain", []byte("\xff"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		output := Answer{Status: 200, Header: http.Header{"Content-Type": {contentType}}, Body: body}.JSON()
		var back struct {
			Status *int
			Body   any
		}
		if err := json.Unmarshal(output, &back); err != nil || back.Status == nil {
			t.Errorf("%q: %v", output, err)
		}
	})
}

func BenchmarkSend(b *testing.B) {
	address := serve(b, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	c := client(b, Options{})
	q := request(b, "POST", address, strings.Repeat("x", 500), "Idempotency-Key", "k")
	b.Run("guarded", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Send(b.Context(), c, q); err != nil {
				b.Fatal(err)
			}
		}
	})
	bare := &http.Client{}
	b.Run("bare net/http", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			res, err := bare.Post(address, "text/plain", bytes.NewReader(q.Body))
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
	})
}
