package mapping

import (
	"encoding/json"
	"regexp"
	resyntax "regexp/syntax"
	"strings"
	"unicode/utf8"
)

// pattern is a regular expression of JavaScript that means the same to Go.
type pattern struct {
	re         *regexp.Regexp
	ignoreCase bool
	empty      bool // it can match the empty string
	groups     int
}

func (c *compiler) regex(s *syntax) node {
	var literal struct{ Source, Flags string }
	if json.Unmarshal(s.Value, &literal) != nil || literal.Source == "" {
		return c.fail()
	}
	p := translate(literal.Source, literal.Flags)
	if p == nil {
		return c.fail()
	}
	return func(*frame, any) (any, *Error) {
		return &function{pattern: p, arity: 2}, nil
	}
}

// translate returns nil for a pattern that is better left to JavaScript.
func translate(source, flags string) *pattern {
	if strings.Contains(flags, "m") && strings.ContainsAny(source, "^$") {
		return nil // JavaScript knows more ends of a line
	}
	if strings.Contains(flags, "i") && (!isASCII(source) || strings.Contains(source, `\u`) || strings.Contains(source, `\x`)) {
		return nil // it folds case differently
	}
	t := translator{src: source}
	if !t.pattern() {
		return nil
	}
	p := &pattern{ignoreCase: strings.Contains(flags, "i")}
	text := t.out.String()
	if p.ignoreCase {
		text = "(?i:" + text + ")"
	}
	parsed, err := resyntax.Parse(text, resyntax.Perl)
	if err != nil {
		return nil
	}
	if p.re, err = regexp.Compile(text); err != nil {
		return nil
	}
	p.empty = minLength(parsed) == 0
	p.groups = p.re.NumSubexp()
	return p
}

// fits reports whether the pattern means the same to both on this subject.
func (p *pattern) fits(subject string) bool {
	if isASCII(subject) {
		return true
	}
	// JavaScript folds case differently and sees two characters beyond
	// U+FFFF. What is not valid cannot be given to it at all.
	return !p.ignoreCase && !hasAstral(subject) && utf8.ValidString(subject)
}

func minLength(re *resyntax.Regexp) int {
	switch re.Op {
	case resyntax.OpLiteral:
		return len(re.Rune)
	case resyntax.OpCharClass, resyntax.OpAnyChar, resyntax.OpAnyCharNotNL:
		return 1
	case resyntax.OpCapture, resyntax.OpPlus:
		return minLength(re.Sub[0])
	case resyntax.OpRepeat:
		return re.Min * minLength(re.Sub[0])
	case resyntax.OpConcat:
		n := 0
		for _, sub := range re.Sub {
			n += minLength(sub)
		}
		return n
	case resyntax.OpAlternate:
		least := minLength(re.Sub[0])
		for _, sub := range re.Sub[1:] {
			least = min(least, minLength(sub))
		}
		return least
	}
	return 0
}

// translator rewrites a pattern of JavaScript, without the u flag, for Go. It
// refuses whatever is rare, or ambiguous between the two.
type translator struct {
	src string
	pos int
	out strings.Builder
}

const (
	// jsSpace is \s: white space and ends of lines.
	jsSpace = `\t\n\v\f\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}`
	// jsDot is what . does not match.
	jsDot = `[^\n\r\x{2028}\x{2029}]`
)

func (t *translator) peek() byte {
	if t.pos < len(t.src) {
		return t.src[t.pos]
	}
	return 0
}

// pattern reads alternatives up to the end.
func (t *translator) pattern() bool {
	_, ok := t.alternatives(0)
	return ok && t.pos == len(t.src)
}

// alternatives reads up to the end or a closing parenthesis. captures says
// whether there is a capturing group inside.
func (t *translator) alternatives(depth int) (captures, ok bool) {
	if depth > 50 {
		return false, false
	}
	for t.pos < len(t.src) && t.peek() != ')' {
		if t.peek() == '|' {
			t.out.WriteByte('|')
			t.pos++
			continue
		}
		c, ok := t.term(depth)
		if !ok {
			return false, false
		}
		captures = captures || c
	}
	return captures, true
}

func (t *translator) term(depth int) (captures, ok bool) {
	start := t.out.Len()
	switch c := t.peek(); c {
	case '^', '$':
		t.out.WriteByte(c)
		t.pos++
		return false, !strings.ContainsRune("*+?{", rune(t.peek()))
	case '.':
		t.out.WriteString(jsDot)
		t.pos++
	case '(':
		if captures, ok = t.group(depth); !ok {
			return false, false
		}
	case '[':
		if !t.class() {
			return false, false
		}
	case '\\':
		assertion, ok := t.escape(false)
		if !ok {
			return false, false
		}
		if assertion {
			return false, !strings.ContainsRune("*+?{", rune(t.peek()))
		}
	case '*', '+', '?', '{', '}', ']':
		return false, false
	default:
		r, size := utf8.DecodeRuneInString(t.src[t.pos:])
		if r > 0xffff || r == utf8.RuneError {
			return false, false
		}
		t.out.WriteString(regexp.QuoteMeta(t.src[t.pos : t.pos+size]))
		t.pos += size
	}
	return t.quantifier(captures, start)
}

func (t *translator) group(depth int) (captures, ok bool) {
	t.pos++
	captures = true
	t.out.WriteByte('(')
	if t.peek() == '?' {
		if !strings.HasPrefix(t.src[t.pos:], "?:") {
			return false, false
		}
		t.out.WriteString("?:")
		t.pos += 2
		captures = false
	}
	inside, ok := t.alternatives(depth + 1)
	if !ok || t.peek() != ')' {
		return false, false
	}
	t.out.WriteByte(')')
	t.pos++
	return captures || inside, true
}

// quantifier reads what may follow an atom. A group that captures is not to be
// repeated: JavaScript forgets its match at every turn, Go does not. Neither
// is what may be empty.
func (t *translator) quantifier(captures bool, start int) (bool, bool) {
	from := t.pos
	switch t.peek() {
	case '*', '+', '?':
		t.pos++
	case '{':
		end := strings.IndexByte(t.src[t.pos:], '}')
		if end < 0 || strings.Trim(t.src[t.pos+1:t.pos+end], "0123456789,") != "" ||
			t.src[t.pos+1]-'0' > 9 || strings.Count(t.src[t.pos:t.pos+end], ",") > 1 {
			return false, false
		}
		t.pos += end + 1
	default:
		return captures, true
	}
	quantifier := t.src[from:t.pos]
	if t.peek() == '?' {
		t.pos++
	}
	if captures && quantifier != "?" || strings.ContainsRune("*+?{", rune(t.peek())) {
		return false, false
	}
	atom := t.out.String()[start:]
	parsed, err := resyntax.Parse(atom, resyntax.Perl)
	if err != nil || minLength(parsed) == 0 {
		return false, false
	}
	t.out.WriteString(t.src[from:t.pos])
	return captures, true
}

// escape reads a backslash and what follows.
func (t *translator) escape(inClass bool) (assertion, ok bool) {
	t.pos++
	c := t.peek()
	t.pos++
	switch {
	case strings.IndexByte("dDwW", c) >= 0 && c != 0:
		t.out.WriteString(`\` + string(c))
	case c == 's' && inClass:
		t.out.WriteString(jsSpace)
	case c == 's':
		t.out.WriteString("[" + jsSpace + "]")
	case c == 'S' && !inClass:
		t.out.WriteString("[^" + jsSpace + "]")
	case c == 'b' && inClass:
		t.out.WriteString(`\x08`)
	case c == 'b' || c == 'B':
		t.out.WriteString(`\` + string(c))
		return true, !inClass
	case strings.IndexByte("tnrfv", c) >= 0 && c != 0:
		t.out.WriteString(`\` + string(c))
	case c == 'x' || c == 'u':
		return false, t.codePoint(c)
	case c > ' ' && c < utf8.RuneSelf && !isWord(c):
		t.out.WriteString(`\` + string(c))
	default:
		return false, false
	}
	return false, true
}

func (t *translator) codePoint(c byte) bool {
	n := 2
	if c == 'u' {
		n = 4
	}
	if t.pos+n > len(t.src) {
		return false
	}
	digits := t.src[t.pos : t.pos+n]
	if strings.Trim(strings.ToLower(digits), hexDigits) != "" ||
		n == 4 && strings.ToLower(digits) >= "d800" && strings.ToLower(digits) <= "dfff" {
		return false
	}
	t.out.WriteString(`\x{` + digits + `}`)
	t.pos += n
	return true
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

func (t *translator) class() bool {
	t.pos++
	t.out.WriteByte('[')
	if t.peek() == '^' {
		t.out.WriteByte('^')
		t.pos++
	}
	if t.peek() == ']' {
		return false
	}
	for first := true; ; first = false {
		switch c := t.peek(); {
		case t.pos >= len(t.src) || c == '[':
			return false
		case c == ']':
			t.out.WriteByte(']')
			t.pos++
			return true
		case c == '\\':
			wide := t.pos+1 < len(t.src) && strings.IndexByte("dDwWsS", t.src[t.pos+1]) >= 0
			if _, ok := t.escape(true); !ok {
				return false
			}
			// A class is no end of a range.
			if wide && t.peek() == '-' && t.pos+1 < len(t.src) && t.src[t.pos+1] != ']' {
				return false
			}
		case c == '-':
			next := byte(0)
			if t.pos+1 < len(t.src) {
				next = t.src[t.pos+1]
			}
			if next == '\\' && t.pos+2 < len(t.src) && strings.IndexByte("dDwWsS", t.src[t.pos+2]) >= 0 {
				return false
			}
			if first || next == ']' {
				t.out.WriteString(`\-`)
			} else {
				t.out.WriteByte('-')
			}
			t.pos++
		case c == '&' || c == '~' || c == ':' || c == '^':
			t.out.WriteString(`\` + string(c))
			t.pos++
		default:
			r, size := utf8.DecodeRuneInString(t.src[t.pos:])
			if r > 0xffff || r == utf8.RuneError {
				return false
			}
			t.out.WriteString(t.src[t.pos : t.pos+size])
			t.pos += size
		}
	}
}
