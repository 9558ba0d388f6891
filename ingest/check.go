package ingest

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/valyala/fasthttp"
	"golang.org/x/text/encoding/htmlindex"
)

// checkBody checks that a body is what its content type says. The raw bytes
// are kept whatever they are; parsing is the reader's own view of them. No body
// at all is right for every type.
func checkBody(h *fasthttp.RequestHeader, body []byte, maxDepth int) *refusal {
	if len(body) == 0 {
		return nil
	}
	media := h.ContentType()
	if i := bytes.IndexByte(media, ';'); i >= 0 {
		media = media[:i]
	}
	media = bytes.TrimSpace(media)
	switch {
	case isMedia(media, "application/json", "+json") || bytes.EqualFold(media, []byte("text/json")):
		if at, what := checkJSON(body, maxDepth); what != "" {
			return malformed("JSON", body, at, what)
		}
	case isMedia(media, "application/xml", "+xml") || bytes.EqualFold(media, []byte("text/xml")):
		if at, what := checkXML(body, maxDepth); what != "" {
			return malformed("XML", body, at, what)
		}
	case bytes.EqualFold(media, []byte("application/x-www-form-urlencoded")):
		if at := checkForm(body); at >= 0 {
			what := "% is not followed by two hexadecimal digits"
			if body[0] == '{' || body[0] == '[' {
				what += "; if this is JSON, send it with Content-Type: application/json"
			}
			return malformed("form", body, at, what)
		}
	}
	return nil
}

func isMedia(media []byte, name, suffix string) bool {
	return bytes.EqualFold(media, []byte(name)) ||
		len(media) > len(suffix) && bytes.EqualFold(media[len(media)-len(suffix):], []byte(suffix))
}

// malformed names the place by line and column, both from 1; the column counts
// characters.
func malformed(kind string, body []byte, at int, what string) *refusal {
	before := body[:min(at, len(body))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return &refusal{
		status: 400, reason: ReasonMalformed, line: line, column: column,
		detail: fmt.Sprintf("malformed %s at line %d, column %d: %s", kind, line, column, what),
	}
}

// checkForm is the place of the first broken escape, or -1.
func checkForm(body []byte) int {
	for i := 0; i < len(body); i++ {
		if body[i] == '%' {
			if i+2 >= len(body) || !isHex(body[i+1]) || !isHex(body[i+2]) {
				return i
			}
			i += 2
		}
	}
	return -1
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

// checkXML reads a document to its end: well-formed, one root, no DOCTYPE
// (entities can make a small document large, or read files), bounded depth.
// what is "" when all is well.
func checkXML(body []byte, maxDepth int) (at int, what string) {
	decoder := xml.NewDecoder(bytes.NewReader(body))
	decoder.CharsetReader = func(label string, input io.Reader) (io.Reader, error) {
		charset, err := htmlindex.Get(label)
		if err != nil {
			return nil, errors.New("its encoding is not known here")
		}
		return charset.NewDecoder().Reader(input), nil
	}
	depth, roots := 0, 0
	for {
		before := int(decoder.InputOffset())
		token, err := decoder.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			var syntax *xml.SyntaxError
			if errors.As(err, &syntax) {
				return int(decoder.InputOffset()), syntax.Msg
			}
			return int(decoder.InputOffset()), "its encoding is not known here"
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return before, fmt.Sprintf("nested deeper than %d", maxDepth)
			}
			if depth == 1 {
				roots++
			}
			if roots > 1 {
				return before, "a second root element"
			}
		case xml.EndElement:
			depth--
		case xml.Directive:
			return before, "DOCTYPE and other declarations are not accepted"
		case xml.CharData:
			if text := bytes.TrimPrefix(t, []byte("\ufeff")); depth == 0 && len(bytes.TrimSpace(text)) > 0 {
				return before, "text outside of the root element"
			}
		}
	}
	if roots == 0 {
		return len(body), "no root element"
	}
	return 0, ""
}
