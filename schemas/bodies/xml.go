package bodies

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// readXML reads a document to its end: well-formed, one root, no DOCTYPE
// (entities can make a small document large, or read files), bounded depth. Its
// view is made when there is a maker: an object with the root's name. An
// element is its text; with attributes or elements in it an object, where _attr
// holds the attributes, _ the text, and elements of one name are an array. A
// colon in a name is a hyphen in the view.
//
// decoded: the text is UTF-8 already, whatever the document says of itself.
func readXML(r io.Reader, decoded bool, limits Limits, make *Maker) (any, *Fault, error) {
	reader := &failing{r: r}
	buffered := bufio.NewReader(reader)
	if mark, _ := buffered.Peek(2); !decoded && (string(mark) == "\xfe\xff" || string(mark) == "\xff\xfe") {
		decoded = true
		buffered = bufio.NewReader(transform.NewReader(buffered, unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewDecoder()))
	}
	x := &xmlReader{tags: &tags{Reader: buffered}, limits: limits, make: make}
	x.decoder = xml.NewDecoder(x.tags)
	x.decoder.CharsetReader = func(label string, input io.Reader) (io.Reader, error) {
		if decoded {
			return input, nil
		}
		e, err := charset(strings.ToLower(label))
		if err != nil || e == nil {
			return input, err
		}
		x.tags = &tags{Reader: bufio.NewReader(e.NewDecoder().Reader(input))}
		return x.tags, nil
	}
	for {
		done, what := x.next()
		switch {
		case reader.err != nil:
			return nil, nil, reader.err
		case what != "":
			return nil, &Fault{Kind: XML, Line: x.line, Column: x.column, What: what}, nil
		case done:
			return x.root, nil, nil
		}
	}
}

// failing keeps the error of its reader, which the decoder would make one of syntax.
type failing struct {
	r   io.Reader
	err error
}

func (f *failing) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

// maxAttributes is how many attributes an element may have.
const maxAttributes = 10_000

var errAttributes = errors.New("too many attributes")

// tags hands out bytes, and fails within a tag that has too many attributes:
// the decoder would collect all of them before anybody could count.
type tags struct {
	*bufio.Reader
	opened bool // the decoder has read the < of the next token already
	at     int  // bytes of the token so far
	markup bool // it begins with <
	tag    bool
	signs  int // = in the tag
}

// token says that the next byte is of the next token; after text its < was read.
func (t *tags) token(afterText bool) {
	t.opened, t.at, t.markup, t.tag, t.signs = afterText, 0, afterText, afterText, 0
}

func (t *tags) ReadByte() (byte, error) {
	b, err := t.Reader.ReadByte()
	if err != nil {
		return b, err
	}
	t.at++
	switch {
	case t.at == 1 && !t.opened:
		t.markup = b == '<'
		t.tag = t.markup
	case t.at == 1 || t.at == 2 && !t.opened:
		t.tag = t.tag && b != '!' // a comment, or CDATA, may hold anything
	case b == '=' && t.tag:
		if t.signs++; t.signs > maxAttributes {
			return 0, errAttributes
		}
	}
	return b, nil
}

type xmlReader struct {
	decoder      *xml.Decoder
	tags         *tags // what the decoder reads
	text         bool  // the last token was text
	limits       Limits
	make         *Maker
	tokens       int
	open         []element
	rooted       bool
	root         any
	line, column int // of the last token's beginning, or of a syntax error
}

// element is an element that is open. object and text are of its view.
type element struct {
	name     xml.Name
	object   Object // nil: neither attributes nor elements so far
	children bool
	text     []byte
}

// next reads a token; what says what is wrong.
func (x *xmlReader) next() (done bool, what string) {
	x.line, x.column = x.decoder.InputPos()
	x.tags.token(x.text)
	token, err := x.decoder.RawToken()
	_, text := token.(xml.CharData)
	x.text = text && !x.tags.markup // CDATA ends by itself
	if errors.Is(err, errAttributes) {
		return false, fmt.Sprintf("an element with more than %d attributes", maxAttributes)
	}
	if err == io.EOF {
		switch {
		case len(x.open) > 0:
			return false, "it ends within an element"
		case !x.rooted:
			return false, "no root element"
		}
		return true, ""
	}
	if err != nil {
		x.line, x.column = x.decoder.InputPos()
		x.column = max(1, x.column) // it is 0 where the decoder has put a line's end back
		var syntax *xml.SyntaxError
		if errors.As(err, &syntax) {
			return false, syntax.Msg
		}
		return false, "its encoding is not known here"
	}
	if x.tokens++; x.tokens > x.limits.Values {
		return false, fmt.Sprintf("more than %d tokens", x.limits.Values)
	}
	switch t := token.(type) {
	case xml.StartElement:
		return false, x.begin(t)
	case xml.EndElement:
		return false, x.end(t)
	case xml.Directive:
		return false, "DOCTYPE and other declarations are not accepted"
	case xml.CharData:
		if len(x.open) == 0 {
			if text := bytes.TrimPrefix(t, []byte("\ufeff")); len(bytes.TrimSpace(text)) > 0 {
				return false, "text outside of the root element"
			}
			return false, ""
		}
		if last := &x.open[len(x.open)-1]; x.make != nil {
			last.text = append(last.text, t...)
		}
	}
	return false, ""
}

func (x *xmlReader) begin(t xml.StartElement) (what string) {
	switch {
	case len(x.open) == x.limits.Depth:
		return fmt.Sprintf("nested deeper than %d", x.limits.Depth)
	case len(x.open) == 0 && x.rooted:
		return "a second root element"
	}
	x.rooted = true
	if x.tokens += len(t.Attr); x.tokens > x.limits.Values {
		return fmt.Sprintf("more than %d tokens", x.limits.Values)
	}
	if twice(t.Attr) {
		return "the same attribute a second time in its element"
	}
	e := element{name: t.Name}
	if x.make != nil && len(t.Attr) > 0 {
		attributes := x.make.Object()
		for _, a := range t.Attr {
			attributes.Set(nameOf(a.Name), a.Value)
		}
		e.object = x.make.Object()
		e.object.Set("_attr", attributes)
	}
	x.open = append(x.open, e)
	return ""
}

func twice(attributes []xml.Attr) bool {
	if len(attributes) <= manyNames {
		for i, a := range attributes {
			if slices.ContainsFunc(attributes[:i], func(b xml.Attr) bool { return a.Name == b.Name }) {
				return true
			}
		}
		return false
	}
	seen := make(map[xml.Name]bool, len(attributes))
	for _, a := range attributes {
		if seen[a.Name] {
			return true
		}
		seen[a.Name] = true
	}
	return false
}

func (x *xmlReader) end(t xml.EndElement) (what string) {
	if len(x.open) == 0 || x.open[len(x.open)-1].name != t.Name {
		x.line, x.column = x.decoder.InputPos()
		return "the end of an element that is not open here"
	}
	e := &x.open[len(x.open)-1]
	var value any
	if x.make != nil {
		value = e.value()
	}
	name := e.name
	x.open = x.open[:len(x.open)-1]
	if x.make == nil {
		return ""
	}
	var parent Object
	if len(x.open) == 0 {
		parent = x.make.Object()
		x.root = parent
	} else {
		p := &x.open[len(x.open)-1]
		if p.object == nil {
			p.object = x.make.Object()
		}
		p.children = true
		parent = p.object
	}
	add(parent, nameOf(name), value)
	return ""
}

func (e *element) value() any {
	if e.object == nil {
		return string(e.text)
	}
	text := e.text
	if e.children { // the space between elements is layout
		text = bytes.TrimSpace(text)
	}
	if len(bytes.TrimSpace(text)) > 0 {
		e.object.Set("_", string(text))
	}
	return e.object
}

// add sets a value; a second one of a name makes an array. No value is an
// array itself.
func add(o Object, name string, value any) {
	switch before, there := o.Get(name); list := before.(type) {
	case []any:
		o.Set(name, append(list, value))
	default:
		if there {
			value = []any{before, value}
		}
		o.Set(name, value)
	}
}

func nameOf(n xml.Name) string {
	name := n.Local
	if n.Space != "" {
		name = n.Space + ":" + n.Local
	}
	return strings.ReplaceAll(name, ":", "-")
}
