package ingest

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"
)

// site is where the edge stands: what senders call it, and whom it believes.
type site struct {
	public       string         // scheme, host and path prefix that senders know; empty: what they sent
	trusted      []netip.Prefix // peers whose forwarded headers are believed
	certificates *Certificates
}

func (o *Options) site() *site {
	return &site{strings.TrimRight(o.PublicURL, "/"), o.TrustedProxies, o.Certificates}
}

// url is the URL as the sender called it, path and query byte for byte.
func (s *site) url(http *fasthttp.RequestCtx) string {
	target := string(http.RequestURI())
	if !strings.HasPrefix(target, "/") { // the absolute form (RFC 9112, section 3.2.2)
		if _, rest, ok := strings.Cut(target, "://"); ok {
			target = "/"
			if i := strings.IndexByte(rest, '/'); i >= 0 {
				target = rest[i:]
			}
		}
	}
	if s.public != "" {
		return s.public + target
	}
	scheme, host := "http", string(http.Request.Header.Host())
	if http.IsTLS() {
		scheme = "https"
	}
	if peer, ok := netip.AddrFromSlice(http.RemoteIP()); ok && s.trusts(peer.Unmap()) {
		proto, forwardedHost := forwarded(http.Request.Header.PeekAll, s.trusts)
		if proto != "" {
			scheme = proto
		}
		if forwardedHost != "" {
			host = forwardedHost
		}
	}
	return scheme + "://" + host + target
}

func (s *site) trusts(peer netip.Addr) bool {
	return slices.ContainsFunc(s.trusted, func(p netip.Prefix) bool { return p.Contains(peer) })
}

// forwarded is the scheme and the host that the outermost proxy of ours was
// called by; empty where it does not say. X-Forwarded-Proto and -Host are read
// before Forwarded (RFC 7239): of what several proxies appended, the last is of
// the nearest.
func forwarded(header func(string) [][]byte, trusts func(netip.Addr) bool) (proto, host string) {
	proto, host = last(header(fasthttp.HeaderXForwardedProto)), last(header(fasthttp.HeaderXForwardedHost))
	if proto == "" && host == "" {
		elements := splitQuoted(string(bytes.Join(header(fasthttp.HeaderForwarded), []byte(","))), ',')
		for _, element := range slices.Backward(elements) {
			var from string
			proto, host = "", ""
			for _, pair := range splitQuoted(element, ';') {
				name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
				switch strings.ToLower(name) {
				case "proto":
					proto = unquote(value)
				case "host":
					host = unquote(value)
				case "for":
					from = unquote(value)
				}
			}
			if peer, ok := nodeAddress(from); !ok || !trusts(peer) {
				break // what stands further left is a stranger's
			}
		}
	}
	if proto = strings.ToLower(proto); proto != "http" && proto != "https" {
		proto = ""
	}
	if !isHost(host) {
		host = ""
	}
	return proto, host
}

func last(values [][]byte) string {
	if len(values) == 0 {
		return ""
	}
	value := values[len(values)-1]
	return string(bytes.TrimSpace(value[bytes.LastIndexByte(value, ',')+1:]))
}

// splitQuoted cuts at a separator that stands outside of quotes.
func splitQuoted(text string, separator byte) []string {
	var list []string
	from, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quoted:
			i++
		case text[i] == '"':
			quoted = !quoted
		case text[i] == separator && !quoted:
			list = append(list, text[from:i])
			from = i + 1
		}
	}
	return append(list, text[from:])
}

func unquote(value string) string {
	value = strings.TrimSpace(value)
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return value
	}
	var b strings.Builder
	value = value[1 : len(value)-1]
	for i := 0; i < len(value); i++ {
		if value[i] == '\\' && i+1 < len(value) {
			i++
		}
		b.WriteByte(value[i])
	}
	return b.String()
}

// nodeAddress reads a node of RFC 7239, section 6.
func nodeAddress(node string) (netip.Addr, bool) {
	if at, err := netip.ParseAddrPort(node); err == nil {
		return at.Addr().Unmap(), true
	}
	address, err := netip.ParseAddr(strings.Trim(node, "[]"))
	return address.Unmap(), err == nil
}

// isHost reports whether text may be a host with or without its port.
func isHost(text string) bool {
	const most = 260
	return text != "" && len(text) <= most && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]") == ""
}
