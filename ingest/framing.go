package ingest

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

var (
	smuggled = &refusal{status: 400, reason: ReasonBadRequest, detail: "the request has both Content-Length and Transfer-Encoding"}

	badName     = &refusal{status: 400, reason: ReasonBadRequest, detail: "a header's name ends in white space, or a header goes on in a second line"}
	badHost     = &refusal{status: 400, reason: ReasonBadRequest, detail: "the request has no Host, or more than one"}
	badCoding   = &refusal{status: 400, reason: ReasonBadRequest, detail: "Transfer-Encoding is something else than chunked, once, in HTTP/1.1"}
	badExpect   = &refusal{status: 417, reason: ReasonBadRequest, detail: "Expect is something else than 100-continue"}
	badProtocol = &refusal{status: 505, reason: ReasonBadRequest, detail: "only HTTP/1 is spoken here"}
)

// framing refuses a request that another server on its way may have cut
// elsewhere than this one: so requests are smuggled past what checks them (RFC
// 9112, sections 3.2, 5.1, 5.2, 6.1 and 6.3). fasthttp is more lenient than that.
func framing(h *fasthttp.RequestHeader) *refusal {
	protocol := h.Protocol()
	if !bytes.HasPrefix(protocol, []byte("HTTP/1.")) {
		return badProtocol
	}
	old := string(protocol) != "HTTP/1.1"
	hosts, codings, lengths := 0, 0, 0
	for rest := h.RawHeaders(); len(rest) > 0; {
		line := rest
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line, rest = rest[:i], rest[i+1:]
		} else {
			rest = nil
		}
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 {
			if len(line) > 0 && isBlank(line[0]) {
				return badName
			}
			continue // the end, or what fasthttp has refused
		}
		if isBlank(line[0]) || isBlank(line[colon-1]) {
			return badName
		}
		name := line[:colon]
		switch len(name) { // most names are none of these, and cost next to nothing
		case len("host"):
			if bytes.EqualFold(name, []byte("host")) {
				hosts++
			}
		case len("expect"):
			if bytes.EqualFold(name, []byte("expect")) && !bytes.EqualFold(bytes.TrimSpace(line[colon+1:]), []byte("100-continue")) {
				return badExpect
			}
		case len("content-length"):
			if bytes.EqualFold(name, []byte("content-length")) {
				lengths++
			}
		case len("transfer-encoding"):
			if !bytes.EqualFold(name, []byte("transfer-encoding")) {
				continue
			}
			if codings++; codings > 1 || old || !bytes.EqualFold(bytes.TrimSpace(line[colon+1:]), []byte("chunked")) {
				return badCoding
			}
		}
	}
	switch {
	case hosts > 1 || hosts == 0 && !old:
		return badHost
	case codings > 0 && lengths > 0:
		return smuggled
	}
	return nil
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' }
