package ingest

import (
	"bytes"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"
)

// preflightAge is how long, in seconds, a browser may remember a preflight's
// answer: soon enough for a change of the flow to be seen.
const preflightAge = "600"

// crossOrigin tells a browser what a page of an origin that the flow allows
// may send (Fetch, section 3.3, CORS protocol), and answers its preflight, which
// a browser sends without what authenticates; nil: it is no preflight. An origin
// authenticates nobody: the request itself has to show what every other has to.
func (f *flow) crossOrigin(http *fasthttp.RequestCtx) *greeting {
	if len(f.origins) == 0 {
		return nil
	}
	answer := &http.Response.Header
	answer.Add(fasthttp.HeaderVary, "Origin")
	origins := http.Request.Header.PeekAll(fasthttp.HeaderOrigin)
	if len(origins) != 1 || !f.allows(origins[0]) {
		return nil
	}
	allowed := string(origins[0])
	if slices.Contains(f.origins, "*") {
		allowed = "*"
	}
	answer.Set(fasthttp.HeaderAccessControlAllowOrigin, allowed)
	answer.Set(fasthttp.HeaderAccessControlExposeHeaders, "X-Request-Id, Location, Retry-After")
	if string(http.Method()) != fasthttp.MethodOptions || len(http.Request.Header.Peek(fasthttp.HeaderAccessControlRequestMethod)) == 0 {
		return nil
	}
	header := map[string]string{
		fasthttp.HeaderAccessControlAllowMethods: strings.Join(f.methods, ", "),
		fasthttp.HeaderAccessControlMaxAge:       preflightAge,
	}
	if names := http.Request.Header.Peek(fasthttp.HeaderAccessControlRequestHeaders); areNames(names) {
		header[fasthttp.HeaderAccessControlAllowHeaders] = string(names)
	}
	return &greeting{status: fasthttp.StatusNoContent, header: header}
}

func (f *flow) allows(origin []byte) bool {
	return slices.ContainsFunc(f.origins, func(o string) bool { return o == "*" || strings.EqualFold(o, string(origin)) })
}

// areNames reports whether text is a list of header names.
func areNames(text []byte) bool {
	const most = 1 << 10
	return len(text) > 0 && len(text) <= most &&
		len(bytes.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_, ")) == 0
}
