package ingest

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
)

// record writes the request as a record of the topic hooks into the delivery's
// own memory: what schemas.Hook.Record makes, which at the edge's rate would
// cost a fifth of all the time, most of it in collecting what it allocates.
// Tests hold the two together.
func (e *Edge) record(r *request, d *delivery) {
	d.text = d.text[:0]
	headers := d.headers[:0]
	add := func(key string, value []byte) {
		if len(value) > 0 {
			headers = append(headers, kgo.RecordHeader{Key: key, Value: value})
		}
	}
	// Text that grows moves; what was cut from it before stays where it was.
	keep := func(value []byte) []byte {
		from := len(d.text)
		d.text = append(d.text, value...)
		return d.text[from:len(d.text):len(d.text)]
	}
	from := 0
	cut := func() []byte { return d.text[from:len(d.text):len(d.text)] }
	request := &r.http.Request

	add("ce_specversion", specVersion)
	d.text = append(d.text, r.idText...)
	add("ce_id", cut())
	add("ce_type", kindHook)
	add("ce_source", r.flow.source)
	from = len(d.text)
	d.text = r.began.UTC().AppendFormat(d.text, time.RFC3339Nano)
	add("ce_time", cut())
	add("content-type", keep(request.Header.ContentType()))
	add("ce_method", keep(request.Header.Method()))
	add("ce_path", keep(request.URI().PathOriginal()))
	add("ce_query", keep(r.flow.lock.withoutKey(request.URI().QueryString())))

	d.list, d.names = r.flow.lock.keptHeaders(&request.Header, d.list[:0], d.names[:0])
	if r.upload != nil && r.upload.encoded { // the body is kept decoded
		d.list = slices.DeleteFunc(d.list, func(h header) bool {
			return string(h.name) == "content-encoding" || string(h.name) == "content-length"
		})
	}
	if len(d.list) > 0 {
		from = len(d.text)
		d.text = appendHeaders(d.text, d.list)
		add("ce_httpheaders", cut())
	}
	for _, part := range []struct {
		header string
		value  any
		there  bool
	}{{"ce_bodyref", r.ref, r.ref != nil}, {"ce_files", r.files(), len(r.files()) > 0}} {
		if part.there {
			text, _ := json.Marshal(part.value) // text and numbers: cannot fail
			add(part.header, text)
		}
	}
	// The log may have moved on since the flow was looked up; it is never
	// behind what the flow and its credential say of themselves.
	from = len(d.text)
	d.text = strconv.AppendInt(d.text, max(e.options.Catalog.Offset(), r.flow.revision), 10)
	add("ce_control", cut())
	add("ce_unkeyed", keep([]byte(r.unkey)))
	if r.waiter != nil {
		add("ce_replyto", e.replies.place)
	}
	if parent := traceParent(r.trace); parent != "" {
		from = len(d.text)
		d.text = append(d.text, parent...)
		add("ce_traceparent", cut())
		add("traceparent", cut())
	}

	d.headers = headers
	d.record = kgo.Record{
		Key:       r.shard.key,
		Value:     r.body,
		Headers:   headers,
		Partition: r.id.Partition(),
		Timestamp: r.began,
	}
}

var specVersion, kindHook = []byte("1.0"), []byte(schemas.KindHook)

// appendHeaders writes a JSON object of sorted headers; several values of one
// name are joined by ", ".
func appendHeaders(text []byte, list []header) []byte {
	text = append(text, '{')
	for i, h := range list {
		if i > 0 && bytes.Equal(list[i-1].name, h.name) {
			text = append(text[:len(text)-1], ", "...) // over the closing quote
		} else {
			if i > 0 {
				text = append(text, ',')
			}
			text = append(text, '"')
			text = appendEscaped(text, h.name)
			text = append(text, `":"`...)
		}
		text = append(appendEscaped(text, h.value), '"')
	}
	return append(text, '}')
}

// appendEscaped writes text as it stands in a JSON string; what is not UTF-8
// becomes U+FFFD.
func appendEscaped(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		b := text[i]
		switch {
		case b >= 0x20 && b < utf8.RuneSelf && b != '"' && b != '\\':
			dst = append(dst, b)
		case b == '"' || b == '\\':
			dst = append(dst, '\\', b)
		case b < utf8.RuneSelf:
			const digits = "0123456789abcdef"
			dst = append(dst, '\\', 'u', '0', '0', digits[b>>4], digits[b&15])
		default:
			r, size := utf8.DecodeRune(text[i:])
			dst = utf8.AppendRune(dst, r)
			i += size
			continue
		}
		i++
	}
	return dst
}
