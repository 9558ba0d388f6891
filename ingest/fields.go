package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strings"
)

// fields are what a scheme names of a body, by the scheme's names.
type fields map[string]string

// readFields reads what the scheme names of the body: the timestamp, the
// signature and the words of the template.
func (p *Proof) readFields() error {
	s := &p.v.scheme
	var names []string
	for _, name := range []string{s.SignatureField, s.TimestampField} {
		if name != "" {
			names = append(names, name)
		}
	}
	for _, part := range p.v.parts {
		if part.word == "field" {
			names = append(names, part.name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	contentType := ""
	if values := p.m.Header("Content-Type"); len(values) == 1 {
		contentType = string(values[0])
	}
	p.fields = bodyFields(p.whole, contentType, names)
	if s.SignatureField != "" {
		text, ok := p.fields[s.SignatureField]
		if !ok || text == "" {
			return &Unproven{ReasonSignatureMissing, "the body has no " + s.SignatureField}
		}
		if err := p.readSignatures([]byte(text)); err != nil {
			return err
		}
	}
	if s.TimestampField != "" {
		text, ok := p.fields[s.TimestampField]
		if !ok && !s.TimestampOptional {
			return &Unproven{ReasonSignatureMissing, "the body has no " + s.TimestampField}
		}
		if ok {
			p.timestamp = []byte(text)
		}
	}
	return nil
}

// bodyFields finds members of a JSON body by their dotted names; in a form,
// fields by the last word of the name. What is there twice, or is neither text
// nor a number, is not there.
func bodyFields(body []byte, contentType string, names []string) fields {
	found := fields{}
	kind, parameters, _ := mime.ParseMediaType(contentType)
	switch kind {
	case "application/x-www-form-urlencoded":
		if values, err := url.ParseQuery(string(body)); err == nil {
			for _, name := range names {
				if v := values[lastWord(name)]; len(v) == 1 {
					found[name] = v[0]
				}
			}
		}
		return found
	case "multipart/form-data":
		return multipartFields(body, parameters["boundary"], names)
	}
	for _, name := range names {
		if raw, err := member(body, name); err == nil {
			if text, ok := scalar(raw); ok {
				found[name] = text
			}
		}
	}
	return found
}

func lastWord(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// multipartFields reads the wanted fields of a multipart form, and no file.
func multipartFields(body []byte, boundary string, names []string) fields {
	const maxParts, maxField = 1000, 4 << 10
	found, twice := fields{}, map[string]bool{}
	if boundary == "" {
		return found
	}
	reader := multipart.NewReader(bytes.NewReader(body), boundary)
	for range maxParts {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fields{}
		}
		for _, name := range names {
			if part.FormName() != lastWord(name) {
				continue
			}
			text, err := io.ReadAll(io.LimitReader(part, maxField+1))
			_, before := found[name]
			if err != nil || len(text) > maxField || before || part.FileName() != "" {
				twice[name] = true
			}
			found[name] = string(text)
		}
	}
	for name := range twice {
		delete(found, name)
	}
	return found
}

// member is the JSON under a dotted name. Names are compared exactly, and one
// that is there twice is an error.
func member(raw json.RawMessage, name string) (json.RawMessage, error) {
	for word := range strings.SplitSeq(name, ".") {
		var err error
		if raw, err = child(raw, word); err != nil {
			return nil, err
		}
	}
	return raw, nil
}

var errNoMember = errors.New("no such member, or more than one")

func child(raw json.RawMessage, name string) (json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, errNoMember
	}
	var found json.RawMessage
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		if key == name {
			if found != nil {
				return nil, errNoMember
			}
			found = value
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) { // junk behind it
		return nil, errNoMember
	}
	if found == nil {
		return nil, errNoMember
	}
	return found, nil
}

// scalar is the text of a JSON string, or a number as it is written.
func scalar(raw json.RawMessage) (string, bool) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return "", false
	}
	if raw[0] == '"' {
		var text string
		err := json.Unmarshal(raw, &text)
		return text, err == nil
	}
	if raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9' {
		return string(raw), true
	}
	return "", false
}
