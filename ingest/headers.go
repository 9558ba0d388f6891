package ingest

import (
	"bytes"
	"strings"

	"github.com/valyala/fasthttp"
)

// headerNames holds the headers that nearly every hook has, so that their
// lower-case names cost nothing.
var headerNames = map[string]string{
	"Accept": "accept", "Accept-Encoding": "accept-encoding", "Content-Length": "content-length",
	"Content-Type": "content-type", "Host": "host", "User-Agent": "user-agent", "Traceparent": "traceparent",
	"X-Forwarded-For": "x-forwarded-for", "X-Forwarded-Proto": "x-forwarded-proto", "X-Request-Id": "x-request-id",
	"X-Eio-Signature": "x-eio-signature", "X-Hub-Signature-256": "x-hub-signature-256",
	"X-Github-Delivery": "x-github-delivery", "X-Github-Event": "x-github-event",
	"Authorization": "authorization", "Cookie": "cookie", "Connection": "connection",
}

func lowerName(name []byte) string {
	if known, ok := headerNames[string(name)]; ok {
		return known
	}
	return strings.ToLower(string(name))
}

// keptHeaders is what a hook keeps of its headers: names in lower case,
// several values joined by ", ", without what authenticates (a signature is no
// secret and stays) and without what concerns one connection only (RFC 9110,
// section 7.6.1).
func (l *lock) keptHeaders(h *fasthttp.RequestHeader) map[string]string {
	kept := make(map[string]string, 8)
	for key, value := range h.All() {
		name := lowerName(key)
		if isHop(name) || isCredential(name) || l.kind == "apiKey" && !l.query && strings.EqualFold(name, l.name) {
			continue
		}
		if before, ok := kept[name]; ok {
			kept[name] = before + ", " + string(value)
			continue
		}
		kept[name] = string(value)
	}
	if connection := h.Peek(fasthttp.HeaderConnection); len(connection) > 0 {
		for name := range bytes.SplitSeq(connection, []byte(",")) {
			delete(kept, lowerName(bytes.TrimSpace(name)))
		}
	}
	return kept
}

func isHop(name string) bool {
	switch name {
	case "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade":
		return true
	}
	return false
}

func isCredential(name string) bool {
	return name == "authorization" || name == "proxy-authorization" || name == "cookie"
}

// shownHeaders is what may be shown of a rejected request's headers. Its
// sender may have put the secret into the wrong one, so whatever could be one
// by its name is blotted out, and the rest is cut to a bounded length.
func (l *lock) shownHeaders(h *fasthttp.RequestHeader) map[string]string {
	const maxHeaders, maxValue = 40, 200
	shown := l.keptHeaders(h)
	for name, value := range shown {
		switch {
		case len(shown) > maxHeaders && name != "content-type" && !strings.Contains(name, "signature"):
			delete(shown, name)
		case looksSecret(name):
			shown[name] = "(removed)"
		case len(value) > maxValue:
			shown[name] = strings.ToValidUTF8(value[:maxValue], "") + "…"
		}
	}
	return shown
}

func looksSecret(name string) bool {
	if strings.Contains(name, "signature") {
		return false
	}
	for _, word := range [...]string{"auth", "key", "secret", "token", "pass", "session", "credential", "jwt"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
