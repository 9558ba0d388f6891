package outgoing

import (
	"net/http"
	"net/url"
	"strings"

	"sluice/connectors"
)

// redirects returns the policy for redirects:
//
//   - GET and HEAD are followed, at most limit times. Towards another origin only the headers that say nothing about the
//     sender go along: an API key may be in a header of any name.
//   - A request with an effect is followed only where the method and body stay (307, 308) and the origin is the same, or
//     the same host by https. Anything else is left as the answer it is: turning a POST into a GET would lose the
//     payload and look like success.
//   - From https to http never.
//
// What is not followed comes back as a 3xx answer.
func redirects(limit int) func(*http.Request, []*http.Request) error {
	return func(r *http.Request, via []*http.Request) error {
		// The Referer net/http adds holds the whole last URL, its query included.
		r.Header.Del("Referer")
		first, last := via[0], via[len(via)-1]
		if limit < 0 {
			return http.ErrUseLastResponse
		}
		if len(via) > limit {
			return &connectors.Error{
				Kind: connectors.KindHTTP, HTTPStatus: statusOf(r.Response), Retry: connectors.RetryNever, Sent: true,
				Message: "redirected too often",
			}
		}
		if r.URL.Scheme != "http" && r.URL.Scheme != "https" || r.URL.User != nil ||
			last.URL.Scheme == "https" && r.URL.Scheme == "http" {
			return http.ErrUseLastResponse
		}
		if !safe(last.Method) {
			if r.Method != last.Method || !sameOrigin(last.URL, r.URL) && !upgraded(last.URL, r.URL) {
				return http.ErrUseLastResponse
			}
		}
		// Once away from the first origin the headers stay off, even on the way back: net/http copies them from the
		// first request for each hop.
		for _, earlier := range append(via[1:len(via):len(via)], r) {
			if !sameOrigin(first.URL, earlier.URL) && !upgraded(first.URL, earlier.URL) {
				keepHarmless(r.Header)
				break
			}
		}
		return nil
	}
}

func statusOf(r *http.Response) int {
	if r == nil {
		return 0
	}
	return r.StatusCode
}

func safe(method string) bool { return method == http.MethodGet || method == http.MethodHead }

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

// upgraded: the same host on the default ports, by https instead of http.
func upgraded(from, to *url.URL) bool {
	return from.Scheme == "http" && to.Scheme == "https" && strings.EqualFold(from.Hostname(), to.Hostname()) &&
		port(from) == "80" && port(to) == "443"
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}

func keepHarmless(h http.Header) {
	for name := range h {
		switch http.CanonicalHeaderKey(name) {
		case "Accept", "Accept-Language", "Accept-Encoding", "User-Agent", "Range", "If-Modified-Since", "If-None-Match":
		default:
			delete(h, name)
		}
	}
}
