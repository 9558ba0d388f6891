package outgoing

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/net/http/httpguts"

	"sluice/connectors"
)

// checked refuses requests that would forge headers, limits what comes back and turns errors into *connectors.Error.
type checked struct {
	next        http.RoundTripper
	guard       *guard // only with a proxy: without one the dialler guards
	maxResponse int64
	userAgent   string
}

func (c *checked) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := checkHeader(r.Header); err != nil {
		closeBody(r)
		return nil, err
	}
	if c.guard != nil {
		if err := c.guard.literal(r); err != nil {
			closeBody(r)
			return nil, mapped(err, false)
		}
	}

	var connected atomic.Bool
	ctx := httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	out := r.WithContext(ctx)
	if out.Header.Get("User-Agent") == "" {
		out.Header = out.Header.Clone()
		out.Header.Set("User-Agent", c.userAgent)
	}
	res, err := c.next.RoundTrip(out)
	if err != nil {
		if res != nil {
			_ = res.Body.Close()
		}
		return nil, mapped(err, connected.Load())
	}
	res.Request = r
	if res.ContentLength > c.maxResponse && r.Method != http.MethodHead {
		_ = res.Body.Close()
		return nil, tooLarge(res.StatusCode, c.maxResponse)
	}
	res.Body = &limitedBody{body: res.Body, status: res.StatusCode, limit: c.maxResponse, left: c.maxResponse}
	return res, nil
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

func checkHeader(h http.Header) error {
	for name, values := range h {
		if !httpguts.ValidHeaderFieldName(name) {
			return connectors.BadInput("a header name holds characters that are not allowed there: %q", name)
		}
		for _, v := range values {
			if !httpguts.ValidHeaderFieldValue(v) {
				return connectors.BadInput("the header %s holds a line break or another control character: remove it", name)
			}
		}
	}
	return nil
}

// limitedBody fails where an answer is longer than the limit, counted after decompression.
type limitedBody struct {
	body        io.ReadCloser
	status      int
	limit, left int64
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, tooLarge(b.status, b.limit)
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // one more than allowed, to tell the end from an overrun
	}
	n, err := b.body.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return n - 1, tooLarge(b.status, b.limit)
	}
	if err != nil && err != io.EOF {
		e := mapped(err, true)
		e.HTTPStatus = b.status
		return n, e
	}
	return n, err
}

func (b *limitedBody) Close() error { return b.body.Close() }

func tooLarge(status int, limit int64) *connectors.Error {
	return &connectors.Error{
		Kind: connectors.KindHTTP, HTTPStatus: status, Retry: connectors.RetryNever, Sent: true,
		Message: fmt.Sprintf("the answer is larger than the limit of %d bytes", limit),
	}
}

// ErrorOf returns what an error of the client means, without the URL that http.Client puts into its text. It returns nil
// for nil.
func ErrorOf(err error) *connectors.Error {
	if err == nil {
		return nil
	}
	return mapped(err, true)
}

// mapped says what an error of net/http means. connected: a connection was there, so the request may have been sent.
func mapped(err error, connected bool) *connectors.Error {
	if e, ok := errors.AsType[*connectors.Error](err); ok {
		return e
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // the URL may hold a secret
	}
	e := &connectors.Error{Kind: connectors.KindNetwork, Sent: connected, Cause: err}
	if blocked, ok := errors.AsType[*blockedError](err); ok {
		e.Kind, e.Retry, e.Sent, e.Message = connectors.KindBlocked, connectors.RetryNever, false, blocked.Error()
		return e
	}
	var netErr net.Error
	switch {
	case errors.Is(err, context.Canceled):
		e.Kind, e.Message = connectors.KindCancelled, "cancelled"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		e.Kind, e.Message = connectors.KindTimeout, "no connection in time"
		if connected {
			e.Message = "no complete answer in time"
		}
	default:
		e.Message = reason(err)
	}
	return e
}

// reason says in plain words why a target could not be reached. It never holds a URL.
func reason(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return "no such host: " + dns.Name
		}
		return "the name " + dns.Name + " could not be resolved"
	}
	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the certificate is not trusted: " + certificate.Err.Error()
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the certificate is not trusted: " + e.Error()
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return "the target does not speak TLS: check http or https"
	}
	if alert, ok := errors.AsType[tls.AlertError](err); ok {
		return "the target refused the TLS handshake: " + alert.Error()
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the target broke the connection"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the target closed the connection before its answer was complete"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "the target's network cannot be reached"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op + ": " + op.Err.Error()
	}
	// What is left are net/http's own words about a malformed or outsized answer. A Location it could not follow is
	// quoted in them.
	text := err.Error()
	if strings.Contains(text, "://") {
		return "the answer could not be read"
	}
	return text
}
