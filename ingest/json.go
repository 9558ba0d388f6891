package ingest

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// checkJSON checks one JSON text (RFC 8259) of any kind of value, in UTF-8 and
// nested no deeper than maxDepth, without reading it into anything: numbers
// keep their digits. what is "" when all is well, or says what is wrong at the
// byte at, without quoting the text.
func checkJSON(text []byte, maxDepth int) (at int, what string) {
	c := jsonCheck{text: text, maxDepth: maxDepth}
	c.document()
	return c.at, c.what
}

// jsonCheck is a position in a JSON text. It keeps its own stack of open
// braces, so that depth costs a byte and not a call.
type jsonCheck struct {
	text     []byte
	at       int
	what     string
	open     []byte // '{' or '['
	maxDepth int
}

func (c *jsonCheck) fail(format string, args ...any) bool {
	c.what = fmt.Sprintf(format, args...)
	return false
}

// peek skips white space; 0 is the end (or a NUL, which no rule accepts).
func (c *jsonCheck) peek() byte {
	for ; c.at < len(c.text); c.at++ {
		if b := c.text[c.at]; b != ' ' && b != '\n' && b != '\r' && b != '\t' {
			return b
		}
	}
	return 0
}

// unexpected says what was wanted instead of what is here.
func (c *jsonCheck) unexpected(wanted string) bool {
	switch {
	case c.at >= len(c.text):
		return c.fail("it ends where %s is wanted", wanted)
	case c.at == 0 && len(c.text) > 2 && string(c.text[:3]) == "\ufeff":
		return c.fail("a byte order mark: JSON begins without one")
	}
	r, size := utf8.DecodeRune(c.text[c.at:])
	if r == utf8.RuneError && size <= 1 {
		return c.fail("not UTF-8 where %s is wanted", wanted)
	}
	return c.fail("%q where %s is wanted", r, wanted)
}

func (c *jsonCheck) document() bool {
	for {
		// A value is wanted here.
		switch b := c.peek(); {
		case b == '{' || b == '[':
			if len(c.open) == c.maxDepth {
				return c.fail("nested deeper than %d", c.maxDepth)
			}
			c.open = append(c.open, b)
			c.at++
			if b == '{' {
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
				if c.peek(); c.at < len(c.text) {
					return c.unexpected("the end")
				}
				return true
			}
			inObject := c.open[len(c.open)-1] == '{'
			switch b := c.peek(); {
			case b == '}' && inObject, b == ']' && !inObject:
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
	if !c.str() {
		return false
	}
	if c.peek() != ':' {
		return c.unexpected("a colon")
	}
	c.at++
	return true
}

func (c *jsonCheck) scalar(b byte) bool {
	switch {
	case b == '"':
		return c.str()
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
		if c.at >= len(c.text) || c.text[c.at] != word[i] {
			return c.unexpected(word)
		}
		c.at++
	}
	return true
}

func (c *jsonCheck) digits() bool {
	from := c.at
	for c.at < len(c.text) && '0' <= c.text[c.at] && c.text[c.at] <= '9' {
		c.at++
	}
	return c.at > from || c.unexpected("a digit")
}

func (c *jsonCheck) is(b byte) bool { return c.at < len(c.text) && c.text[c.at] == b }

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

func (c *jsonCheck) str() bool {
	text := c.text
	i := c.at + 1
	for {
		for i+8 <= len(text) && allPlain(binary.LittleEndian.Uint64(text[i:])) {
			i += 8
		}
		for i < len(text) && plain[text[i]] {
			i++
		}
		c.at = i
		if i == len(text) {
			return c.fail("it ends within a string")
		}
		switch b := text[i]; {
		case b == '"':
			c.at++
			return true
		case b == '\\':
			if !c.escape() {
				return false
			}
			i = c.at
		case b < 0x20:
			return c.fail("a control character in a string: write it as \\u%04x", b)
		default:
			r, size := utf8.DecodeRune(text[i:])
			if r == utf8.RuneError && size == 1 {
				return c.fail("not UTF-8")
			}
			i += size
		}
	}
}

func (c *jsonCheck) escape() bool {
	c.at++
	if c.at == len(c.text) {
		return c.fail("it ends within a string")
	}
	switch c.text[c.at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		c.at++
		return true
	case 'u':
		c.at++
		for range 4 {
			if c.at >= len(c.text) || !isHex(c.text[c.at]) {
				return c.unexpected("a hexadecimal digit")
			}
			c.at++
		}
		return true
	}
	return c.unexpected(`one of "\/bfnrtu`)
}
