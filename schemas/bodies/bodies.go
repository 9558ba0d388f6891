// Package bodies reads what senders send: JSON, lines of JSON, XML, forms,
// multipart and text. The edge checks with it, the runner makes its view with
// it, by the same code and the same limits: what the edge let in can be read.
//
// A body is kept as its raw bytes, whatever it is; what is here is a view.
package bodies

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// Kind is how a body is read.
type Kind uint8

// The kinds.
const (
	File      Kind = iota // any type that is none of these: not read at all
	JSON                  // RFC 8259
	Lines                 // a JSON text per line
	XML                   // XML 1.0 without a document type
	Form                  // application/x-www-form-urlencoded
	Text                  // text/*
	Multipart             // fields and files (RFC 7578)
	Unknown               // no type is given: JSON if it is that, else text, else a file
)

// String names the kind for a person.
func (k Kind) String() string {
	return [...]string{"file", "JSON", "NDJSON", "XML", "form", "text", "multipart", "body"}[k]
}

// Type is a content type, read.
type Type struct {
	Kind     Kind
	Media    string // in lower case, without parameters
	charset  string // the body's encoding; empty: UTF-8, or what the body says itself
	boundary string // of a multipart body
}

// Limits bound what a body may cost its reader.
type Limits struct {
	Depth  int // of objects, arrays and elements within each other
	Values int // of members, elements, tokens and fields altogether
}

// DefaultLimits are those of the edge and the runner.
var DefaultLimits = Limits{Depth: 512, Values: 1_000_000}

// Fault is what is wrong with a body, and where: line and column from 1, the
// column in characters. It quotes nothing of the body but a single character.
type Fault struct {
	Kind         Kind
	Line, Column int
	What         string
}

// Error says all of it.
func (f *Fault) Error() string {
	return fmt.Sprintf("malformed %s at line %d, column %d: %s", f.Kind, f.Line, f.Column, f.What)
}

// TypeOf reads a content type. A malformed one is as good as its media type.
// The error is of a charset that is not known.
func TypeOf(contentType string) (Type, error) {
	switch contentType { // most are one of these
	case "application/json", "application/json; charset=utf-8", "application/json;charset=utf-8", "application/json; charset=UTF-8", "application/json;charset=UTF-8":
		return Type{Kind: JSON, Media: "application/json"}, nil
	case "application/x-www-form-urlencoded":
		return Type{Kind: Form, Media: contentType}, nil
	}
	media, parameters, err := mime.ParseMediaType(contentType)
	if err != nil {
		media, _, _ = strings.Cut(contentType, ";")
		media = strings.ToLower(strings.TrimSpace(media))
	}
	t := Type{Media: media, boundary: parameters["boundary"]}
	major, minor, _ := strings.Cut(media, "/")
	switch {
	case media == "":
		t.Kind = Unknown
	case media == "application/json", media == "text/json", strings.HasSuffix(minor, "+json"):
		t.Kind = JSON
	case media == "application/x-ndjson", media == "application/ndjson", media == "application/jsonl", media == "application/x-jsonlines", media == "application/jsonlines":
		t.Kind = Lines
	case media == "application/xml", media == "text/xml", strings.HasSuffix(minor, "+xml"):
		t.Kind = XML
	case media == "application/x-www-form-urlencoded":
		t.Kind = Form
	case media == "multipart/form-data", media == "multipart/mixed", media == "multipart/related":
		t.Kind = Multipart
	case major == "text":
		t.Kind = Text
	}
	if t.Kind == File || t.Kind == Multipart {
		return t, nil
	}
	if t.charset = strings.ToLower(strings.TrimSpace(parameters["charset"])); t.charset == "utf-8" || t.charset == "utf8" || t.charset == "us-ascii" {
		t.charset = ""
	}
	if _, err := charset(t.charset); err != nil {
		return t, err
	}
	return t, nil
}

// charset is an encoding by its name; nil is UTF-8.
func charset(name string) (encoding.Encoding, error) {
	switch name {
	case "", "utf-8", "utf8", "us-ascii":
		return nil, nil
	case "utf-16", "utf16": // big-endian where the body does not say (RFC 2781)
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM), nil
	}
	e, err := htmlindex.Get(name)
	if err != nil {
		return nil, fmt.Errorf("the charset %q is not known here: send it in UTF-8", name)
	}
	if canonical, _ := htmlindex.Name(e); canonical == "replacement" { // which decodes to nothing, for what is not safe to decode
		return nil, fmt.Errorf("the charset %q is not accepted: send it in UTF-8", name)
	}
	return e, nil
}

// text is the body in UTF-8. A form's bytes are percent-encoded, and decoded
// before their charset matters.
func (t Type) text(r io.Reader) io.Reader {
	if t.Kind == Form {
		return r
	}
	if e, _ := charset(t.charset); e != nil { // TypeOf has refused what is not known
		return transform.NewReader(r, e.NewDecoder())
	}
	return r
}

// Check reads a body to its end, or to where it is wrong, without keeping any
// of it. The error is the reader's. A multipart body is read by ReadParts.
func (t Type) Check(r io.Reader, limits Limits) (*Fault, error) {
	switch t.Kind {
	case JSON, Lines:
		return checkJSON(nil, t.text(r), t.Kind, limits)
	case XML:
		_, fault, err := readXML(t.text(r), t.charset != "", limits, nil)
		return fault, err
	case Form:
		return t.readForm(r, limits, nil)
	}
	_, err := io.Copy(io.Discard, r)
	return nil, err
}

// CheckBytes is Check for a body in memory.
func (t Type) CheckBytes(body []byte, limits Limits) *Fault {
	switch {
	case len(body) == 0:
		return nil // no body is right for every type
	case (t.Kind == JSON || t.Kind == Lines) && t.charset == "":
		fault, _ := checkJSON(body, nil, t.Kind, limits)
		return fault
	}
	fault, err := t.Check(bytes.NewReader(body), limits)
	if fault != nil && t.Kind == XML && t.charset == "" {
		fault.Column = characters(body, fault.Line, fault.Column)
	}
	if err != nil && fault == nil {
		fault = &Fault{Kind: t.Kind, Line: 1, Column: 1, What: err.Error()}
	}
	return fault
}

// place is a position in a text.
type place struct{ line, column int } // from 0

// after is the place after text. Columns are counted in characters.
func (p place) after(text []byte) place {
	if n := bytes.Count(text, []byte("\n")); n > 0 {
		p.line += n
		p.column = 0
		text = text[bytes.LastIndexByte(text, '\n')+1:]
	}
	for _, b := range text {
		if b&0xc0 != 0x80 { // not the continuation of a character
			p.column++
		}
	}
	return p
}

// characters is a column in characters that was counted in bytes.
func characters(text []byte, line, column int) int {
	for ; line > 1; line-- {
		text = text[bytes.IndexByte(text, '\n')+1:]
	}
	return place{}.after(text[:max(0, min(column-1, len(text)))]).column + 1
}

func (p place) fault(k Kind, what string) *Fault {
	return &Fault{Kind: k, Line: p.line + 1, Column: p.column + 1, What: what}
}

// decoded is text in UTF-8, whatever it was: what has no charset and is no
// UTF-8 is taken for windows-1252, as browsers do.
func decoded(text []byte, e encoding.Encoding) string {
	if e == nil {
		if utf8.Valid(text) {
			return string(bytes.TrimPrefix(text, []byte("\ufeff")))
		}
		e, _ = htmlindex.Get("windows-1252")
	}
	b, err := e.NewDecoder().Bytes(text)
	if err != nil {
		return strings.ToValidUTF8(string(text), "\ufffd")
	}
	return strings.TrimPrefix(string(b), "\ufeff")
}
