// Package outgoing is how every connector speaks HTTP: one client with a guard on the addresses it dials, limits on what
// comes back, and errors that hold no secret.
//
// The layers of the client, outermost first:
//
//	http.Client    redirects (redirect.go)
//	traced         a span and the traceparent header, when there is a trace
//	checked        refuses bad headers, limits the answer, maps errors to *connectors.Error
//	retryablehttp  dials again where no connection came about, and in no other case
//	once           keeps net/http from repeating a request of its own accord
//	http.Transport dials through the guard (guard.go)
package outgoing

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"go.opentelemetry.io/otel/trace"

	"sluice/connectors"
)

// Options of a client. The zero value is right for production: public addresses only, no proxy.
type Options struct {
	// AllowLoopback lets requests reach 127.0.0.0/8 and ::1, for development.
	AllowLoopback bool
	// Allow lists networks inside which requests may go although the guard would refuse them.
	Allow []Allowed
	// Proxy is used for every request when set. The proxy then resolves the names, so it must guard them: the client can
	// still refuse only addresses written as such in the URL. The environment's proxy settings are never used.
	Proxy *url.URL

	MaxResponse       int64         // bytes of an answer's body after decompression; 0: 10 MiB
	MaxResponseHeader int64         // bytes of an answer's header; 0: 256 KiB
	MaxRedirects      int           // 0: 5; negative: none
	DialTimeout       time.Duration // of one connection, TLS not included; 0: 5 s
	MaxConnsPerHost   int           // 0: no limit
	UserAgent         string        // ""; "Sluice"

	// TracerProvider makes the spans; nil: the global one.
	TracerProvider trace.TracerProvider
}

// Allowed is a network the guard lets through. No ports means all ports.
type Allowed struct {
	Prefix netip.Prefix
	Ports  []uint16
}

// ParseAllowed reads "10.0.0.0/8", "10.1.2.3", "10.1.2.3:8080", "10.0.0.0/8:8080" or "[fd00::/8]:443".
func ParseAllowed(text string) (Allowed, error) { return parseAllowed(text) }

const (
	defaultMaxResponse = 10 << 20
	dialRetries        = 2
)

// New returns a guarded client. It is safe for concurrent use, meant to be shared by everything in the process, and has
// no overall timeout: the context of each request ends it.
//
// Errors of its Do wrap a *connectors.Error; the text http.Client puts around it holds the URL, so take the error out
// with [ErrorOf] before showing it. [Send] does so.
func New(o Options) *http.Client {
	if o.MaxResponse == 0 {
		o.MaxResponse = defaultMaxResponse
	}
	if o.MaxResponseHeader == 0 {
		o.MaxResponseHeader = 256 << 10
	}
	if o.MaxRedirects == 0 {
		o.MaxRedirects = 5
	}
	if o.DialTimeout == 0 {
		o.DialTimeout = 5 * time.Second
	}
	if o.UserAgent == "" {
		o.UserAgent = "Sluice"
	}

	guard := newGuard(o)
	dialer := &net.Dialer{Timeout: o.DialTimeout, KeepAlive: 30 * time.Second}
	transport := &http.Transport{
		MaxIdleConns:           4096,
		MaxIdleConnsPerHost:    256,
		MaxConnsPerHost:        o.MaxConnsPerHost,
		IdleConnTimeout:        60 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: o.MaxResponseHeader,
		ForceAttemptHTTP2:      true,
	}
	if o.Proxy != nil {
		transport.Proxy = http.ProxyURL(o.Proxy) // the operator chose its address: no guard on the dial
	} else {
		dialer.Control = guard.control
	}
	transport.DialContext = dialer.DialContext

	dialling := &retryablehttp.Client{
		HTTPClient: &http.Client{
			Transport:     once{transport},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		RetryMax:     dialRetries,
		RetryWaitMin: 50 * time.Millisecond,
		RetryWaitMax: 250 * time.Millisecond,
		CheckRetry:   nothingSent,
		Backoff: func(low, high time.Duration, try int, _ *http.Response) time.Duration {
			wait := min(low<<try, high)
			return wait/2 + rand.N(wait/2+1)
		},
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	inner := &checked{
		next:        &retryablehttp.RoundTripper{Client: dialling},
		maxResponse: o.MaxResponse,
		userAgent:   o.UserAgent,
	}
	if o.Proxy != nil {
		inner.guard = guard
	}
	return &http.Client{
		Transport:     newTraced(inner, o.TracerProvider),
		CheckRedirect: redirects(o.MaxRedirects),
	}
}

// NewDial returns the guarded dialler for protocols other than HTTP: databases, mail, brokers. It resolves the name itself
// and judges the address it is about to dial, each time, so that a name that changes its address gains nothing. Its errors
// wrap a *connectors.Error.
func NewDial(o Options) connectors.Dial {
	if o.DialTimeout == 0 {
		o.DialTimeout = 5 * time.Second
	}
	dialer := &net.Dialer{Timeout: o.DialTimeout, KeepAlive: 30 * time.Second, Control: newGuard(o).control}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if network != "tcp" && network != "tcp4" && network != "tcp6" {
			return nil, mapped(&blockedError{address: network, class: "not TCP"}, false)
		}
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, mapped(err, false)
		}
		return conn, nil
	}
}

// nothingSent is the one case in which the client tries again: no connection came about, so no byte of the request left.
// A timeout is not repeated, since the step's own time runs; a blocked address never changes its mind.
func nothingSent(ctx context.Context, _ *http.Response, err error) (bool, error) {
	if err == nil || ctx.Err() != nil {
		return false, nil
	}
	if _, blocked := errors.AsType[*blockedError](err); blocked {
		return false, nil
	}
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial" && !op.Timeout() && !notFound(err), nil
}

func notFound(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && dns.IsNotFound
}

// once keeps net/http from repeating a request on its own. It repeats what it calls replayable when a kept-alive
// connection dies under it: GET and HEAD, which is harmless, and anything with an Idempotency-Key header, which may by
// then have had its effect. It finds that header by its canonical spelling, so the header goes out in lower case;
// HTTP does not mind. Requests of which no byte was written are still sent again on a new connection.
type once struct{ next http.RoundTripper }

func (o once) RoundTrip(r *http.Request) (*http.Response, error) {
	var changed http.Header
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		if values, ok := r.Header[name]; ok {
			if changed == nil {
				changed = r.Header.Clone()
			}
			delete(changed, name)
			changed[lower[name]] = values
		}
	}
	if changed != nil {
		clone := *r
		clone.Header = changed
		r = &clone
	}
	return o.next.RoundTrip(r)
}

var lower = map[string]string{"Idempotency-Key": "idempotency-key", "X-Idempotency-Key": "x-idempotency-key"}

// ParseURL reads the URL of a request: http or https, with a host, without user and password. The error is for the
// author of the flow and does not repeat the URL.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return nil, fmt.Errorf("the URL cannot be read: %w", err)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("the URL must start with http:// or https://")
	case u.Hostname() == "":
		return nil, errors.New("the URL has no host")
	case u.User != nil:
		return nil, errors.New("the URL holds a user or password: put them into a credential")
	}
	u.Fragment = ""
	return u, nil
}
