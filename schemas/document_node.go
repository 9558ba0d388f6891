package schemas

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a document, so that a small file cannot take all memory or time.
const (
	maxDocumentBytes  = 2 << 20 // of a file, and of what its aliases expand to
	maxDocumentValues = 100_000
	maxDocumentDepth  = 200
	maxNumberLength   = 400 // digits of a number, and its exponent
)

// place is where something is in a file: from 1, columns in characters.
type place struct{ line, column int }

// segment is one part of the way to a value: a member's name or an index.
type segment struct {
	name string
	list bool
}

type path []segment

func (p path) member(name string) path { return append(p[:len(p):len(p)], segment{name: name}) }
func (p path) item(i int) path {
	return append(p[:len(p):len(p)], segment{name: strconv.Itoa(i), list: true})
}

var escapePointer = strings.NewReplacer("~", "~0", "/", "~1")

// pointer is the path as in RFC 6901, without the first slash.
func (p path) pointer() string {
	parts := make([]string, len(p))
	for i, s := range p {
		parts[i] = escapePointer.Replace(s.name)
	}
	return strings.Join(parts, "/")
}

// String is the path as a person says it: steps[1].retry.attempts.
func (p path) String() string {
	var b strings.Builder
	for _, s := range p {
		switch {
		case s.list:
			b.WriteString("[" + s.name + "]")
		case b.Len() > 0:
			b.WriteString("." + s.name)
		default:
			b.WriteString(s.name)
		}
	}
	return b.String()
}

type nodeKind byte

const (
	objectNode nodeKind = iota
	arrayNode
	stringNode
	numberNode
	boolNode
	nullNode
)

// node is a value of a document, and where it is. Both syntaxes become nodes.
type node struct {
	kind    nodeKind
	at      place
	text    string // a string's text; a number, true or false as written
	members []member
	items   []*node
	// quoted and block say how the text of a string stands in the file, for
	// the place of a character in it.
	quoted, block bool
	literal       bool // begins with =, and is no expression
}

type member struct {
	name  string
	at    place
	value *node
}

func (n *node) member(name string) *member {
	if n == nil {
		return nil
	}
	for i := range n.members {
		if n.members[i].name == name {
			return &n.members[i]
		}
	}
	return nil
}

// find follows a path; nil when there is nothing.
func (n *node) find(p path) *node {
	for _, s := range p {
		switch {
		case n == nil:
			return nil
		case n.kind == arrayNode:
			i, err := strconv.Atoi(s.name)
			if err != nil || i < 0 || i >= len(n.items) {
				return nil
			}
			n = n.items[i]
		default:
			m := n.member(s.name)
			if m == nil {
				return nil
			}
			n = m.value
		}
	}
	return n
}

// nearest is the place of what a path names, or of what is nearest above it.
func (n *node) nearest(p path) place {
	for {
		if found := n.find(p); found != nil {
			return found.at
		}
		if len(p) == 0 {
			return place{1, 1}
		}
		p = p[:len(p)-1]
	}
}

// path says which parts of a location are indices.
func (n *node) path(location []string) path {
	p := make(path, 0, len(location))
	for _, name := range location {
		list := n != nil && n.kind == arrayNode
		p = append(p, segment{name, list})
		n = n.find(path{{name, list}})
	}
	return p
}

func (n *node) isExpression() bool {
	return n.kind == stringNode && !n.literal && strings.HasPrefix(n.text, "=")
}

// holdsExpression reports whether the value depends on an execution.
func (n *node) holdsExpression() bool {
	if n.isExpression() {
		return true
	}
	for _, m := range n.members {
		if m.value.holdsExpression() {
			return true
		}
	}
	for _, item := range n.items {
		if item.holdsExpression() {
			return true
		}
	}
	return false
}

// value is what a JSON Schema validator takes.
func (n *node) value() any {
	switch n.kind {
	case objectNode:
		object := make(map[string]any, len(n.members))
		for _, m := range n.members {
			object[m.name] = m.value.value()
		}
		return object
	case arrayNode:
		array := make([]any, len(n.items))
		for i, item := range n.items {
			array[i] = item.value()
		}
		return array
	case stringNode:
		return n.text
	case numberNode:
		return json.Number(n.text)
	case boolNode:
		return n.text == "true"
	}
	return nil
}

// json writes the value with its key order and digits, without white space.
func (n *node) json() json.RawMessage {
	var b bytes.Buffer
	n.write(&b)
	return b.Bytes()
}

func (n *node) write(b *bytes.Buffer) {
	switch n.kind {
	case objectNode:
		b.WriteByte('{')
		for i, m := range n.members {
			if i > 0 {
				b.WriteByte(',')
			}
			writeString(b, m.name)
			b.WriteByte(':')
			m.value.write(b)
		}
		b.WriteByte('}')
	case arrayNode:
		b.WriteByte('[')
		for i, item := range n.items {
			if i > 0 {
				b.WriteByte(',')
			}
			item.write(b)
		}
		b.WriteByte(']')
	case stringNode:
		writeString(b, n.text)
	case nullNode:
		b.WriteString("null")
	default:
		b.WriteString(n.text)
	}
}

func writeString(b *bytes.Buffer, s string) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string and a buffer: cannot fail
	b.Truncate(b.Len() - 1)
}

// describe says what a value is, for a person; long texts are cut.
func (n *node) describe(in syntax) string {
	switch n.kind {
	case objectNode:
		return in.object()
	case arrayNode:
		return "a list"
	case nullNode:
		return "nothing"
	case stringNode:
		return strconv.Quote(shorten(n.text))
	}
	return shorten(n.text)
}

func shorten(s string) string {
	if utf8.RuneCountInString(s) <= 40 {
		return s
	}
	return string([]rune(s)[:37]) + "..."
}

// source is a file's lines, for places inside a text.
type source struct{ lines []string }

// inside is the place of a character of a string's text. Where the text does
// not stand in the file as it is (escapes, folded lines), it is the string's.
func (s source) inside(n *node, offset int) place {
	before := []rune(n.text)
	before = before[:min(max(offset, 0), len(before))]
	lines := strings.Split(n.text, "\n")
	row := strings.Count(string(before), "\n")
	column := len(before)
	for i := range before {
		if before[i] == '\n' {
			column = len(before) - i - 1
		}
	}
	if n.block {
		if line, ok := s.line(n.at.line + 1 + row); ok && strings.HasSuffix(line, lines[row]) {
			indent := utf8.RuneCountInString(line) - utf8.RuneCountInString(lines[row])
			return place{n.at.line + 1 + row, indent + column + 1}
		}
		return n.at
	}
	line, ok := s.line(n.at.line)
	start := n.at.column - 1
	if n.quoted {
		start++
	}
	runes := []rune(line)
	if !ok || len(lines) > 1 || start > len(runes) || !strings.HasPrefix(string(runes[start:]), n.text) {
		return n.at
	}
	return place{n.at.line, start + column + 1}
}

func (s source) line(number int) (string, bool) {
	if number < 1 || number > len(s.lines) {
		return "", false
	}
	return strings.TrimSuffix(s.lines[number-1], "\r"), true
}
