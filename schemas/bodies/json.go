package bodies

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"sync"
	"unicode/utf8"
)

// checkJSON checks one JSON text (RFC 8259) of any kind of value, or one per
// line, in UTF-8, without reading it into anything: numbers keep their digits.
// Names that come twice in an object are refused, since readers disagree on
// which of them counts. The text is what is given, and then what from has.
func checkJSON(text []byte, from io.Reader, kind Kind, limits Limits) (*Fault, error) {
	c := checks.Get().(*jsonCheck)
	defer c.release()
	c.text, c.from, c.kind, c.limits = text, from, kind, limits
	if from != nil {
		if c.window == nil {
			c.window = make([]byte, 0, 32<<10)
		}
		c.text = c.window[:0]
	}
	ok := c.whole()
	if c.err != nil || ok {
		return nil, c.err
	}
	return c.place.after(c.text[:min(c.at, len(c.text))]).fault(kind, c.what), nil
}

var checks = sync.Pool{New: func() any { return &jsonCheck{pin: -1} }}

// seed makes hashes of names that no sender can foresee.
var seed = maphash.MakeSeed()

// jsonCheck is a position in a JSON text. It keeps its own stack of open
// braces, so that depth costs a byte and not a call.
type jsonCheck struct {
	text   []byte // what is at hand, from place on
	place  place
	from   io.Reader // of more text; nil: there is none
	err    error     // from's
	window []byte    // memory for text that is read
	pin    int       // text from here on is kept at hand; -1: none is

	at      int
	what    string
	kind    Kind
	limits  Limits
	values  int
	open    []byte        // '{' or '['
	objects []objectNames // of the open objects
	names   []uint64      // hashes of the names in them, one object after the other
}

// objectNames are the names of an open object: names[from:], or in seen once
// there are many.
type objectNames struct {
	from int
	seen map[uint64]struct{}
}

// manyNames is from when on an object's names are looked up and not compared.
const manyNames = 24

func (c *jsonCheck) release() {
	if cap(c.window) > 64<<10 {
		c.window = nil
	}
	if cap(c.names) > 4<<10 || cap(c.objects) > 4<<10 {
		c.names, c.objects = nil, nil
	}
	clear(c.objects[:cap(c.objects)])
	*c = jsonCheck{window: c.window, pin: -1, open: c.open[:0], objects: c.objects[:0], names: c.names[:0]}
	checks.Put(c)
}

func (c *jsonCheck) fail(format string, args ...any) bool {
	c.what = format
	if len(args) > 0 {
		c.what = fmt.Sprintf(format, args...)
	}
	return false
}

// ended reports whether the text ends here. If not, a byte is at hand.
func (c *jsonCheck) ended() bool { return c.at >= len(c.text) && !c.more() }

// more reads on. What was checked is let go of.
func (c *jsonCheck) more() bool {
	if c.from == nil || c.err != nil {
		return false
	}
	done := c.at
	if c.pin >= 0 {
		done = c.pin
		c.pin = 0
	}
	c.place = c.place.after(c.text[:done])
	c.at -= done
	n := copy(c.text, c.text[done:])
	c.text = c.text[:n]
	if len(c.text) == cap(c.text) {
		c.text = slices.Grow(c.text, cap(c.text))
	}
	for range 100 {
		read, err := c.from.Read(c.text[len(c.text):cap(c.text)])
		c.text = c.text[:len(c.text)+read]
		c.window = c.text[:0]
		if err != nil {
			c.from = nil
			if err != io.EOF {
				c.err = err
				return false
			}
		}
		if read > 0 || err != nil {
			return read > 0
		}
	}
	c.err = io.ErrNoProgress
	return false
}

// peek skips white space; 0 is the end (or a NUL, which no rule accepts).
func (c *jsonCheck) peek() byte {
	for !c.ended() {
		b := c.text[c.at]
		if b != ' ' && b != '\n' && b != '\r' && b != '\t' {
			return b
		}
		c.at++
	}
	return 0
}

// unexpected says what was wanted instead of what is here.
func (c *jsonCheck) unexpected(wanted string) bool {
	if c.ended() {
		return c.fail("it ends where %s is wanted", wanted)
	}
	c.hold(utf8.UTFMax)
	if c.at == 0 && c.place == (place{}) && len(c.text) > 2 && string(c.text[:3]) == "\ufeff" {
		return c.fail("a byte order mark: JSON begins without one")
	}
	r, size := utf8.DecodeRune(c.text[c.at:])
	if r == utf8.RuneError && size <= 1 {
		return c.fail("not UTF-8 where %s is wanted", wanted)
	}
	return c.fail("%q where %s is wanted", r, wanted)
}

// hold brings n bytes to hand, or all there are.
func (c *jsonCheck) hold(n int) {
	for at := c.at; len(c.text)-c.at < n; {
		pinned := c.pin
		if pinned < 0 {
			c.pin = at
		}
		was := c.pin
		c.at = len(c.text)
		grown := c.more()
		c.at = at - (was - c.pin)
		at = c.at
		if pinned < 0 {
			c.pin = -1
		}
		if !grown {
			return
		}
	}
}

// whole checks the one text, or all lines.
func (c *jsonCheck) whole() bool {
	if c.kind != Lines {
		if !c.document() {
			return false
		}
		if c.peek(); !c.ended() {
			return c.unexpected("the end")
		}
		return c.err == nil
	}
	for {
		if c.peek(); c.ended() {
			return c.err == nil
		}
		if !c.document() || !c.lineEnd() {
			return false
		}
	}
}

// lineEnd checks that nothing follows a text on its line.
func (c *jsonCheck) lineEnd() bool {
	for !c.ended() {
		switch c.text[c.at] {
		case '\n':
			return true
		case ' ', '\t', '\r':
			c.at++
		default:
			return c.unexpected("the end of the line")
		}
	}
	return true
}

// document checks one value with all that is in it.
func (c *jsonCheck) document() bool {
	for {
		// A value is wanted here.
		if c.values++; c.values > c.limits.Values {
			return c.fail("more than %d values", c.limits.Values)
		}
		switch b := c.peek(); {
		case b == '{' || b == '[':
			if len(c.open) == c.limits.Depth {
				return c.fail("nested deeper than %d", c.limits.Depth)
			}
			c.open = append(c.open, b)
			c.at++
			if b == '{' {
				c.objects = append(c.objects, objectNames{from: len(c.names)})
				if c.peek() == '}' {
					break
				}
				if !c.key("a name or }") {
					return false
				}
				continue
			}
			if c.peek() == ']' {
				break
			}
			continue
		default:
			if !c.scalar(b) {
				return false
			}
		}
		// A value has ended, or a brace is about to be closed.
		for again := true; again; {
			if len(c.open) == 0 {
				return true
			}
			inObject := c.open[len(c.open)-1] == '{'
			switch b := c.peek(); {
			case b == '}' && inObject:
				last := len(c.objects) - 1
				c.names = c.names[:c.objects[last].from]
				c.objects[last].seen = nil
				c.objects = c.objects[:last]
				c.open = c.open[:len(c.open)-1]
				c.at++
			case b == ']' && !inObject:
				c.open = c.open[:len(c.open)-1]
				c.at++
			case b == ',':
				c.at++
				if inObject {
					c.peek()
					if !c.key("a name") {
						return false
					}
				}
				again = false
			case inObject:
				return c.unexpected("a comma or }")
			default:
				return c.unexpected("a comma or ]")
			}
		}
	}
}

func (c *jsonCheck) key(wanted string) bool {
	if c.peek() != '"' {
		return c.unexpected(wanted)
	}
	c.pin = c.at
	escaped, ok := c.str()
	if !ok {
		return false
	}
	if !c.newName(c.text[c.pin:c.at], escaped) {
		c.at = c.pin
		return c.fail("the same name a second time in its object")
	}
	c.pin = -1
	if c.peek() != ':' {
		return c.unexpected("a colon")
	}
	c.at++
	return true
}

// newName reports whether a name, given in its quotation marks, is the first
// of its kind in the innermost object. Hashes are compared: of 64 bits and a
// seed that no sender knows, so that equal hashes are equal names.
func (c *jsonCheck) newName(quoted []byte, escaped bool) bool {
	name := quoted[1 : len(quoted)-1]
	if escaped {
		var text string
		if json.Unmarshal(quoted, &text) == nil { // it has been checked
			name = []byte(text)
		}
	}
	hash := maphash.Bytes(seed, name)
	o := &c.objects[len(c.objects)-1]
	if o.seen != nil {
		if _, twice := o.seen[hash]; twice {
			return false
		}
		o.seen[hash] = struct{}{}
		return true
	}
	names := c.names[o.from:]
	if slices.Contains(names, hash) {
		return false
	}
	c.names = append(c.names, hash)
	if len(names) >= manyNames {
		o.seen = make(map[uint64]struct{}, 4*manyNames)
		for _, n := range c.names[o.from:] {
			o.seen[n] = struct{}{}
		}
	}
	return true
}

func (c *jsonCheck) scalar(b byte) bool {
	switch {
	case b == '"':
		_, ok := c.str()
		return ok
	case b == '-' || '0' <= b && b <= '9':
		return c.number()
	case b == 't':
		return c.word("true")
	case b == 'f':
		return c.word("false")
	case b == 'n':
		return c.word("null")
	}
	return c.unexpected("a value")
}

func (c *jsonCheck) word(word string) bool {
	for i := range len(word) {
		if c.ended() || c.text[c.at] != word[i] {
			return c.unexpected(word)
		}
		c.at++
	}
	return true
}

func (c *jsonCheck) digits() bool {
	any := false
	for !c.ended() && '0' <= c.text[c.at] && c.text[c.at] <= '9' {
		c.at++
		any = true
	}
	return any || c.unexpected("a digit")
}

func (c *jsonCheck) is(b byte) bool { return !c.ended() && c.text[c.at] == b }

func (c *jsonCheck) number() bool {
	if c.is('-') {
		c.at++
	}
	if c.is('0') {
		c.at++
	} else if !c.digits() {
		return false
	}
	if c.is('.') {
		c.at++
		if !c.digits() {
			return false
		}
	}
	if c.is('e') || c.is('E') {
		c.at++
		if c.is('+') || c.is('-') {
			c.at++
		}
		return c.digits()
	}
	return true
}

// plain marks the bytes that a string may hold as they are.
var plain = func() (table [256]bool) {
	for b := 0x20; b < utf8.RuneSelf; b++ {
		table[b] = b != '"' && b != '\\'
	}
	return table
}()

// allPlain looks at eight bytes at once: none has its high bit set, is below
// 0x20, a quotation mark or a backslash. A byte after one that is not plain may
// be misjudged, which the byte-wise loop puts right.
func allPlain(w uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote, backslash := w^ones*'"', w^ones*'\\'
	return (w|(w-ones*0x20)|(quote-ones)|(backslash-ones))&highs == 0
}

// str checks a string, and says whether an escape is in it.
func (c *jsonCheck) str() (escaped, ok bool) {
	c.at++
	for {
		text, i := c.text, c.at
		for i+8 <= len(text) && allPlain(binary.LittleEndian.Uint64(text[i:])) {
			i += 8
		}
		for i < len(text) && plain[text[i]] {
			i++
		}
		if c.at = i; i == len(text) {
			if c.more() {
				continue
			}
			return escaped, c.fail("it ends within a string")
		}
		switch b := text[i]; {
		case b == '"':
			c.at++
			return escaped, true
		case b == '\\':
			escaped = true
			if !c.escape() {
				return escaped, false
			}
		case b < 0x20:
			return escaped, c.fail("a control character in a string: write it as \\u%04x", b)
		default:
			if len(text)-i < utf8.UTFMax {
				c.hold(utf8.UTFMax)
			}
			r, size := utf8.DecodeRune(c.text[c.at:])
			if r == utf8.RuneError && size <= 1 {
				return escaped, c.fail("not UTF-8")
			}
			c.at += size
		}
	}
}

func (c *jsonCheck) escape() bool {
	c.at++
	if c.ended() {
		return c.fail("it ends within a string")
	}
	switch c.text[c.at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		c.at++
		return true
	case 'u':
		c.at++
		for range 4 {
			if c.ended() || !isHex(c.text[c.at]) {
				return c.unexpected("a hexadecimal digit")
			}
			c.at++
		}
		return true
	}
	return c.unexpected(`one of "\/bfnrtu`)
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

// eachLine calls each with every JSON text of lines that have been checked.
func eachLine(lines []byte, limits Limits, each func(text []byte) error) error {
	c := checks.Get().(*jsonCheck)
	defer c.release()
	c.text, c.kind, c.limits = lines, Lines, limits
	for {
		if c.peek(); c.ended() {
			return nil
		}
		from := c.at
		if !c.document() || !c.lineEnd() {
			return errors.New("reading lines of JSON: " + c.what)
		}
		if err := each(lines[from:c.at]); err != nil {
			return err
		}
	}
}
