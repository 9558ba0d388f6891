package ingest

import (
	"bytes"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"
)

// header is one header of a request. Its memory is the request's or a
// scratch's.
type header struct{ name, value []byte }

// keptHeaders appends to list what a hook keeps of its headers: by name, names
// in lower case, several values of one name next to each other, without what
// authenticates (a signature is no secret and stays) and without what concerns
// one connection only (RFC 9110, section 7.6.1). The names are written to text.
func (l *lock) keptHeaders(h *fasthttp.RequestHeader, list []header, text []byte) ([]header, []byte) {
	connection := h.Peek(fasthttp.HeaderConnection)
	for key, value := range h.All() {
		from := len(text)
		for _, b := range key {
			if 'A' <= b && b <= 'Z' {
				b |= 0x20
			}
			text = append(text, b)
		}
		name := text[from:len(text):len(text)]
		if isHop(name) || isCredential(name) || isListed(connection, name) ||
			l.kind == "apiKey" && !l.query && bytes.EqualFold(name, []byte(l.name)) {
			text = text[:from]
			continue
		}
		list = append(list, header{name, value})
	}
	slices.SortStableFunc(list, func(a, b header) int { return bytes.Compare(a.name, b.name) })
	return list, text
}

func isHop(name []byte) bool {
	switch string(name) {
	case "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade":
		return true
	}
	return false
}

func isCredential(name []byte) bool {
	switch string(name) {
	case "authorization", "proxy-authorization", "cookie":
		return true
	}
	return false
}

// isListed reports whether Connection names a header as its own.
func isListed(connection, name []byte) bool {
	for len(connection) > 0 {
		var item []byte
		item, connection, _ = bytes.Cut(connection, []byte(","))
		if bytes.EqualFold(bytes.TrimSpace(item), name) {
			return true
		}
	}
	return false
}

// shownHeaders is what may be shown of a rejected request's headers. Its
// sender may have put the secret into the wrong one, so whatever could be one
// by its name is blotted out, and the rest is cut to a bounded length.
func (l *lock) shownHeaders(h *fasthttp.RequestHeader) map[string]string {
	const maxHeaders, maxValue = 40, 200
	list, _ := l.keptHeaders(h, nil, nil)
	shown := map[string]string{}
	for _, kept := range list {
		name, value := string(kept.name), kept.value
		switch {
		case len(shown) >= maxHeaders && name != "content-type" && !strings.Contains(name, "signature"):
			continue
		case looksSecret(name):
			shown[name] = "(removed)"
			continue
		}
		text := string(value)
		if before, ok := shown[name]; ok {
			text = before + ", " + text
		}
		if len(text) > maxValue {
			text = strings.ToValidUTF8(text[:maxValue], "") + "…"
		}
		shown[name] = text
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
