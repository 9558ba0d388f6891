package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

var quotedCharacter = regexp.MustCompile(`invalid character '(?:\\.[^']*|[^'])+' `)

// readJSON reads one strict JSON value (RFC 8259); nil when it is none.
func (r *reader) readJSON(data []byte) *node {
	var raw json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		at := len(data)
		message := err.Error()
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			at = int(syntax.Offset)
			if !strings.Contains(message, "unexpected end") {
				at--
			}
		}
		// The character itself may be one of a secret without quotes.
		message = quotedCharacter.ReplaceAllString(message, "unexpected character ")
		t := &tokens{data: data, line: 1, column: 1}
		t.move(at)
		r.problem(place{t.line, t.column}, nil, "not JSON: "+message, "check commas, quotes and brackets here and just before")
		return nil
	}
	t := &tokens{data: data, line: 1, column: 1, d: json.NewDecoder(bytes.NewReader(data))}
	t.d.UseNumber()
	return r.jsonValue(t, nil, bytes.Contains(data, []byte(`"Credential"`)) && jsonKind(data) == kindCredential)
}

func jsonKind(data []byte) string {
	var d struct{ Kind any }
	_ = json.Unmarshal(data, &d) // a wrong type leaves Kind empty, and is reported later
	kind, _ := d.Kind.(string)
	return kind
}

// tokens reads JSON's tokens with their places.
type tokens struct {
	data         []byte
	d            *json.Decoder
	offset       int
	line, column int
}

// move goes on to an offset, counting lines and characters.
func (t *tokens) move(offset int) {
	for t.offset < offset && t.offset < len(t.data) {
		r, size := utf8.DecodeRune(t.data[t.offset:])
		t.offset += size
		if r == '\n' {
			t.line, t.column = t.line+1, 1
		} else {
			t.column++
		}
	}
}

// next is the next token and where it begins.
func (t *tokens) next() (json.Token, place) {
	start := t.offset
	for start < len(t.data) && strings.IndexByte(" \t\r\n,:", t.data[start]) >= 0 {
		start++
	}
	t.move(start)
	at := place{t.line, t.column}
	token, err := t.d.Token()
	if err != nil {
		token = nil // not after Unmarshal took it
	}
	t.move(int(t.d.InputOffset()))
	return token, at
}

func (r *reader) jsonValue(t *tokens, p path, credential bool) *node {
	token, at := t.next()
	return r.jsonToken(t, token, at, p, credential)
}

func (r *reader) jsonToken(t *tokens, token json.Token, at place, p path, credential bool) *node {
	out := &node{kind: nullNode, at: at}
	secret := credential && len(p) > 0 && p[0].name == "values"
	switch v := token.(type) {
	case string:
		out.kind, out.text, out.quoted = stringNode, v, true
	case json.Number:
		out.kind, out.text = numberNode, v.String()
		if secret {
			out.kind = stringNode
		} else {
			r.number(out, p)
		}
	case bool:
		out.kind, out.text = boolNode, fmt.Sprint(v)
		if secret {
			out.kind = stringNode
		}
	case json.Delim:
		if !r.spend(at, 0, len(p)) {
			return out // the rest is not read: what is wrong has been said
		}
		if v == '[' {
			out.kind = arrayNode
			for i := 0; t.d.More() && !r.spent; i++ {
				out.items = append(out.items, r.jsonValue(t, p.item(i), credential))
			}
		} else {
			out.kind = objectNode
			r.jsonMembers(t, out, p, credential)
		}
		t.next()
		return out
	}
	r.spend(at, len(out.text), len(p))
	return out
}

func (r *reader) jsonMembers(t *tokens, out *node, p path, credential bool) {
	seen := map[string]place{}
	for t.d.More() && !r.spent {
		key, at := t.next()
		name, ok := key.(string)
		if !ok {
			return
		}
		r.bytes += len(name)
		value := r.jsonValue(t, p.member(name), credential)
		if first, ok := seen[name]; ok {
			r.problem(at, p.member(name), fmt.Sprintf("the key is there twice, first in line %d", first.line), "keep one of them")
			continue
		}
		seen[name] = at
		out.members = append(out.members, member{name, at, value})
	}
}
