package mapping

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// integerPicture is a picture of XPath's format-integer, analysed
// (XPath and XQuery Functions 3.1, section 4.6.1).
type integerPicture struct {
	primary   byte // '1' digits, 'a' letters, 'i' roman, 'w' words, 0 not known
	upper     bool
	title     bool
	ordinal   bool
	zero      rune // the digit zero
	mandatory int  // digits
	optional  int
	regular   int // distance of regular separators, 0 for others
	groups    []groupMark
	width     int // digits to parse, 0 for any number
	token     string
}

type groupMark struct {
	position int
	char     string
}

// decimalZeros are the zeros of the families of digits that pictures know.
var decimalZeros = []rune{0x30, 0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6, 0x0E50,
	0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900,
	0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10}

func parseIntegerPicture(picture string) (*integerPicture, *Error) {
	p := &integerPicture{primary: '1'}
	primary := picture
	if i := strings.LastIndexByte(picture, ';'); i >= 0 {
		primary = picture[:i]
		p.ordinal = strings.HasPrefix(picture[i+1:], "o")
	}
	switch primary {
	case "A", "I", "W":
		p.upper = true
		p.primary = primary[0] | 0x20
	case "a", "i", "w":
		p.primary = primary[0]
	case "Ww":
		p.primary, p.title = 'w', true
	default:
		if err := p.digits(primary); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// digits analyses a decimal digit pattern, from its end.
func (p *integerPicture) digits(pattern string) *Error {
	runes := []rune(pattern)
	place := 0
	for i := len(runes) - 1; i >= 0; i-- {
		r := runes[i]
		if zero, ok := zeroOf(r); ok {
			p.mandatory++
			place++
			if p.zero == 0 {
				p.zero = zero
			} else if p.zero != zero {
				return &Error{Code: "D3131", Message: "In a decimal digit pattern, all digits must be from the same decimal group"}
			}
		} else if r == '#' {
			place++
			p.optional++
		} else {
			p.groups = append(p.groups, groupMark{place, string(r)})
		}
	}
	if p.mandatory == 0 {
		p.primary, p.token, p.groups = 0, pattern, nil
		return nil
	}
	p.regular = regularDistance(p.groups)
	return nil
}

func zeroOf(r rune) (rune, bool) {
	for _, zero := range decimalZeros {
		if r >= zero && r <= zero+9 {
			return zero, true
		}
	}
	return 0, false
}

// regularDistance is the distance between separators that are all the same and
// evenly spaced, or 0.
func regularDistance(groups []groupMark) int {
	if len(groups) == 0 {
		return 0
	}
	positions := make([]int, len(groups))
	for i, g := range groups {
		if g.char != groups[0].char {
			return 0
		}
		positions[i] = g.position
	}
	return evenly(positions)
}

func evenly(positions []int) int {
	if len(positions) == 0 {
		return 0
	}
	factor := positions[0]
	for _, n := range positions[1:] {
		factor = gcd(factor, n)
	}
	for i := 1; i <= len(positions); i++ {
		found := false
		for _, n := range positions {
			found = found || n == i*factor
		}
		if !found {
			return 0
		}
	}
	return factor
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// format writes a whole number.
func (p *integerPicture) format(f *state, n float64) (string, *Error) {
	if math.IsNaN(n) || math.Abs(n) > 1e15 {
		return "", giveUp
	}
	v := int64(math.Abs(n))
	var text string
	switch p.primary {
	case 'a':
		text = letters(v, 'a')
		if p.upper {
			text = letters(v, 'A')
		}
	case 'i':
		if v > 100_000 {
			return "", giveUp
		}
		text = roman(v)
		if p.upper {
			text = strings.ToUpper(text)
		}
	case 'w':
		text = words(v, false, p.ordinal)
		switch {
		case p.upper:
			text = strings.ToUpper(text)
		case !p.title:
			text = strings.ToLower(text)
		}
	case '1':
		if err := f.makeString(max(p.mandatory, 0)); err != nil {
			return "", err
		}
		text = p.decimal(v)
	default:
		return "", (&Error{Code: "D3130", value: p.token}).stating("Formatting or parsing an integer as a sequence starting with {{value}} is not supported by this implementation")
	}
	if n < 0 {
		text = "-" + text
	}
	return text, nil
}

// stating gives the error its message, in which {{value}} stands for the value.
func (e *Error) stating(message string) *Error {
	e.Message = strings.ReplaceAll(message, "{{value}}", quoted(e.value))
	return e
}

func (p *integerPicture) decimal(v int64) string {
	text := strconv.FormatInt(v, 10)
	if n := p.mandatory - len(text); n > 0 {
		text = strings.Repeat("0", n) + text
	}
	runes := []rune(text)
	if p.zero != '0' {
		for i := range runes {
			runes[i] += p.zero - '0'
		}
	}
	insert := func(fromEnd int, mark string) {
		at := max(len(runes)-fromEnd, 0)
		runes = append(runes[:at:at], append([]rune(mark), runes[at:]...)...)
	}
	if p.regular > 0 {
		for i := (len(runes) - 1) / p.regular; i > 0; i-- {
			insert(i*p.regular, p.groups[0].char)
		}
	} else {
		for i := len(p.groups) - 1; i >= 0; i-- {
			insert(p.groups[i].position, p.groups[i].char)
		}
	}
	text = string(runes)
	if !p.ordinal {
		return text
	}
	suffix := map[byte]string{'1': "st", '2': "nd", '3': "rd"}[text[len(text)-1]]
	if suffix == "" || len(text) > 1 && text[len(text)-2] == '1' {
		suffix = "th"
	}
	return text + suffix
}

func letters(v int64, first byte) string {
	var out []byte
	for ; v > 0; v = (v - 1) / 26 {
		out = append([]byte{byte((v-1)%26) + first}, out...)
	}
	return string(out)
}

var romanNumerals = []struct {
	value int64
	text  string
}{{1000, "m"}, {900, "cm"}, {500, "d"}, {400, "cd"}, {100, "c"}, {90, "xc"}, {50, "l"}, {40, "xl"}, {10, "x"}, {9, "ix"}, {5, "v"}, {4, "iv"}, {1, "i"}}

func roman(v int64) string {
	var b strings.Builder
	for _, n := range romanNumerals {
		for ; v >= n.value; v -= n.value {
			b.WriteString(n.text)
		}
	}
	return b.String()
}

var (
	fewWords = []string{"Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten",
		"Eleven", "Twelve", "Thirteen", "Fourteen", "Fifteen", "Sixteen", "Seventeen", "Eighteen", "Nineteen"}
	ordinalWords = []string{"Zeroth", "First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth",
		"Eleventh", "Twelfth", "Thirteenth", "Fourteenth", "Fifteenth", "Sixteenth", "Seventeenth", "Eighteenth", "Nineteenth"}
	decadeWords    = []string{"Twenty", "Thirty", "Forty", "Fifty", "Sixty", "Seventy", "Eighty", "Ninety", "Hundred"}
	magnitudeWords = []string{"Thousand", "Million", "Billion", "Trillion"}
)

// words spells a number. more says that something stands before it.
func words(n int64, more, ordinal bool) string {
	before := func(s string) string {
		if more {
			return s
		}
		return ""
	}
	ending := func(text string, rest int64) string {
		switch {
		case rest > 0:
			return text + words(rest, true, ordinal)
		case ordinal:
			return text + "th"
		}
		return text
	}
	switch {
	case n <= 19 && ordinal:
		return before(" and ") + ordinalWords[n]
	case n <= 19:
		return before(" and ") + fewWords[n]
	case n < 100:
		text := before(" and ") + decadeWords[n/10-2]
		if rest := n % 10; rest > 0 {
			return text + "-" + words(rest, false, ordinal)
		}
		if ordinal {
			return text[:len(text)-1] + "ieth"
		}
		return text
	case n < 1000:
		return ending(before(", ")+fewWords[n/100]+" Hundred", n%100)
	}
	magnitude, factor := 1, int64(1000)
	for magnitude < len(magnitudeWords) && n/factor >= 1000 {
		magnitude++
		factor *= 1000
	}
	return ending(before(", ")+words(n/factor, false, false)+" "+magnitudeWords[magnitude-1], n%factor)
}

func formatInteger(f *frame, args []any) (any, *Error) {
	n, ok := numeric(argument(args, 0))
	if !ok {
		return undefined, nil
	}
	picture, ok := argument(args, 1).(string)
	if !ok {
		return nil, giveUp
	}
	p, err := parseIntegerPicture(picture)
	if err != nil {
		return nil, err
	}
	return some(p.format(f.state, math.Floor(n)))
}

func parseInteger(_ *frame, args []any) (any, *Error) {
	text, ok := argument(args, 0).(string)
	if !ok {
		return undefined, nil
	}
	picture, ok := argument(args, 1).(string)
	if !ok {
		return nil, giveUp
	}
	p, err := parseIntegerPicture(picture)
	if err != nil {
		return nil, err
	}
	if p.primary != '1' || p.zero != '0' || p.ordinal {
		return nil, giveUp
	}
	if p.regular > 0 {
		text = strings.ReplaceAll(text, ",", "")
	} else {
		for _, g := range p.groups {
			text = strings.ReplaceAll(text, g.char, "")
		}
	}
	n, err2 := strconv.ParseInt(text, 10, 64)
	if err2 != nil || utf8.RuneCountInString(text) > 15 {
		return nil, giveUp // parseInt takes what it can
	}
	return float64(n), nil
}
