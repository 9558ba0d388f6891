package mapping

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxNesting is the depth of arrays and objects that Decode accepts.
const maxNesting = 5000

// sharedUpTo is the size up to which the strings of a document share its
// memory. A larger document's strings are copied, so that one small string
// does not keep the whole alive.
const sharedUpTo = 64 << 10

// Decode reads one JSON document (RFC 8259). Numbers keep their digits,
// objects the order of their keys; of a repeated key the last value counts, in
// the place of the first. Invalid UTF-8 and lone surrogates become U+FFFD.
// An error names the byte offset. The result does not refer to b.
func Decode(b []byte) (Value, error) {
	d := decoder{src: string(b), share: len(b) <= sharedUpTo}
	d.space()
	v, err := d.value(0)
	if err != nil {
		return nil, err
	}
	d.space()
	if d.pos < len(d.src) {
		return nil, d.fail("nothing more")
	}
	return v, nil
}

type decoder struct {
	src   string
	pos   int
	share bool
	stack []any // elements of the arrays being read
}

var errNesting = errors.New("decoding JSON: nested too deeply")

func (d *decoder) fail(expected string) error {
	if d.pos >= len(d.src) {
		return fmt.Errorf("decoding JSON: it ends at byte %d, expected %s", d.pos, expected)
	}
	r, _ := utf8.DecodeRuneInString(d.src[d.pos:])
	return fmt.Errorf("decoding JSON: %q at byte %d, expected %s", r, d.pos, expected)
}

func (d *decoder) space() {
	for d.pos < len(d.src) {
		switch d.src[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

func (d *decoder) value(depth int) (Value, error) {
	if depth > maxNesting {
		return nil, errNesting
	}
	if d.pos >= len(d.src) {
		return nil, d.fail("a value")
	}
	switch c := d.src[d.pos]; c {
	case '{':
		return d.object(depth)
	case '[':
		return d.array(depth)
	case '"':
		return d.string()
	case 't':
		return true, d.literal("true")
	case 'f':
		return false, d.literal("false")
	case 'n':
		return nil, d.literal("null")
	default:
		if c == '-' || c-'0' <= 9 {
			return d.number()
		}
	}
	return nil, d.fail("a value")
}

func (d *decoder) literal(word string) error {
	if len(d.src)-d.pos < len(word) || d.src[d.pos:d.pos+len(word)] != word {
		return d.fail(word)
	}
	d.pos += len(word)
	return nil
}

func (d *decoder) object(depth int) (Value, error) {
	d.pos++
	d.space()
	if d.pos < len(d.src) && d.src[d.pos] == '}' {
		d.pos++
		return &Object{}, nil
	}
	o := NewObjectOf(4)
	for {
		if d.pos >= len(d.src) || d.src[d.pos] != '"' {
			return nil, d.fail("a key in double quotes")
		}
		key, err := d.string()
		if err != nil {
			return nil, err
		}
		d.space()
		if d.pos >= len(d.src) || d.src[d.pos] != ':' {
			return nil, d.fail("':'")
		}
		d.pos++
		d.space()
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		o.Set(key, v)
		d.space()
		if d.pos >= len(d.src) {
			return nil, d.fail("',' or '}'")
		}
		switch d.src[d.pos] {
		case ',':
			d.pos++
			d.space()
		case '}':
			d.pos++
			return o, nil
		default:
			return nil, d.fail("',' or '}'")
		}
	}
}

func (d *decoder) array(depth int) (Value, error) {
	d.pos++
	d.space()
	if d.pos < len(d.src) && d.src[d.pos] == ']' {
		d.pos++
		return []any{}, nil
	}
	base := len(d.stack)
	for {
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		d.stack = append(d.stack, v)
		d.space()
		if d.pos >= len(d.src) {
			return nil, d.fail("',' or ']'")
		}
		switch d.src[d.pos] {
		case ',':
			d.pos++
			d.space()
		case ']':
			d.pos++
			out := make([]any, len(d.stack)-base)
			copy(out, d.stack[base:])
			clear(d.stack[base:])
			d.stack = d.stack[:base]
			return out, nil
		default:
			return nil, d.fail("',' or ']'")
		}
	}
}

func (d *decoder) number() (Value, error) {
	start := d.pos
	if d.src[d.pos] == '-' {
		d.pos++
	}
	if d.pos < len(d.src) && d.src[d.pos] == '0' {
		d.pos++
	} else if err := d.digits(); err != nil {
		return nil, err
	}
	if d.pos < len(d.src) && d.src[d.pos] == '.' {
		d.pos++
		if err := d.digits(); err != nil {
			return nil, err
		}
	}
	if d.pos < len(d.src) && d.src[d.pos]|0x20 == 'e' {
		d.pos++
		if d.pos < len(d.src) && (d.src[d.pos] == '+' || d.src[d.pos] == '-') {
			d.pos++
		}
		if err := d.digits(); err != nil {
			return nil, err
		}
	}
	return Number(d.take(start, d.pos)), nil
}

func (d *decoder) digits() error {
	start := d.pos
	for d.pos < len(d.src) && d.src[d.pos]-'0' <= 9 {
		d.pos++
	}
	if d.pos == start {
		return d.fail("a digit")
	}
	return nil
}

func (d *decoder) take(from, to int) string {
	if d.share {
		return d.src[from:to]
	}
	return string([]byte(d.src[from:to]))
}

func (d *decoder) string() (string, error) {
	d.pos++
	start := d.pos
	d.pos += plainPrefix(d.src[start:])
	for d.pos < len(d.src) {
		c := d.src[d.pos]
		switch {
		case c == '"':
			s := d.take(start, d.pos)
			d.pos++
			return s, nil
		case c == '\\' || c >= utf8.RuneSelf:
			return d.longString(start)
		case c < ' ':
			return "", d.fail("an escape in place of the control character")
		}
		d.pos++
	}
	return "", d.fail("the closing '\"'")
}

// plainPrefix is how many bytes at the beginning of s, in eights, need no look:
// ASCII, no control character, no quote and no backslash.
func plainPrefix(s string) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; len(s)-n >= 8; n += 8 {
		w := eight(s[n:])
		quote, slash := w^ones*'"', w^ones*'\\'
		// A byte less than 0x20, or 0 after the exclusive or, borrows its high bit.
		if (w|(w-ones*' ')|(quote-ones)|(slash-ones))&high != 0 {
			break
		}
	}
	return n
}

// eight are the first eight bytes of s, which has as many: one load.
func eight(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// runeCount is utf8.RuneCountInString, sooner where s begins with ASCII.
func runeCount(s string) int {
	n := 0
	for len(s)-n >= 8 && eight(s[n:])&0x8080808080808080 == 0 {
		n += 8
	}
	return n + utf8.RuneCountInString(s[n:])
}

// longString reads on from the first byte that is not plain ASCII.
func (d *decoder) longString(start int) (string, error) {
	buf := make([]byte, 0, d.pos-start+32)
	buf = append(buf, d.src[start:d.pos]...)
	for d.pos < len(d.src) {
		c := d.src[d.pos]
		switch {
		case c == '"':
			d.pos++
			return string(buf), nil
		case c == '\\':
			var err error
			if buf, err = d.escape(buf); err != nil {
				return "", err
			}
		case c < ' ':
			return "", d.fail("an escape in place of the control character")
		case c < utf8.RuneSelf:
			buf = append(buf, c)
			d.pos++
		default:
			r, size := utf8.DecodeRuneInString(d.src[d.pos:])
			buf = utf8.AppendRune(buf, r)
			d.pos += size
		}
	}
	return "", d.fail("the closing '\"'")
}

func (d *decoder) escape(buf []byte) ([]byte, error) {
	d.pos++
	if d.pos >= len(d.src) {
		return nil, d.fail("an escape")
	}
	c := d.src[d.pos]
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		r, err := d.hex4()
		if err != nil {
			return nil, err
		}
		if utf16.IsSurrogate(r) && d.pos+1 < len(d.src) && d.src[d.pos] == '\\' && d.src[d.pos+1] == 'u' {
			at := d.pos
			d.pos++
			low, err := d.hex4()
			if err != nil {
				return nil, err
			}
			if joined := utf16.DecodeRune(r, low); joined != utf8.RuneError {
				return utf8.AppendRune(buf, joined), nil
			}
			d.pos = at
		}
		return utf8.AppendRune(buf, r), nil
	default:
		return nil, d.fail("one of \"\\/bfnrtu after a backslash")
	}
	d.pos++
	return append(buf, c), nil
}

func (d *decoder) hex4() (rune, error) {
	d.pos++ // the u
	if d.pos+4 > len(d.src) {
		d.pos = len(d.src)
		return 0, d.fail("four hex digits")
	}
	n, err := strconv.ParseUint(d.src[d.pos:d.pos+4], 16, 16)
	if err != nil || n > math.MaxUint16 {
		return 0, d.fail("four hex digits")
	}
	d.pos += 4
	return rune(n), nil
}
