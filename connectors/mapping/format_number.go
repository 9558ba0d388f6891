package mapping

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// numberSymbols are the properties of a decimal format (XPath and XQuery
// Functions 3.1, section 4.7.2), all of one character but the last three.
type numberSymbols struct {
	decimal, grouping, exponent, zero, digit, pattern rune
	minus, percent, perMille                          string
}

func numberSymbolsOf(options any) (numberSymbols, bool) {
	s := numberSymbols{'.', ',', 'e', '0', '#', ';', "-", "%", "‰"}
	o, ok := options.(*Object)
	if !ok || o == nil {
		return s, isUndefined(options)
	}
	for _, m := range o.members {
		text, ok := m.value.(string)
		if !ok || text == "" || hasAstral(text) {
			return s, false
		}
		single := []rune(text)
		target := map[string]*rune{"decimal-separator": &s.decimal, "grouping-separator": &s.grouping,
			"exponent-separator": &s.exponent, "zero-digit": &s.zero, "digit": &s.digit, "pattern-separator": &s.pattern}[m.key]
		switch {
		case target != nil && (len(single) != 1 || text == "$"):
			return s, false
		case target != nil:
			*target = single[0]
		case m.key == "minus-sign":
			s.minus = text
		case m.key == "percent":
			s.percent = text
		case m.key == "per-mille":
			s.perMille = text
		}
	}
	return s, true
}

func (s *numberSymbols) isDigit(r rune) bool { return r >= s.zero && r < s.zero+10 }

func (s *numberSymbols) isActive(r rune) bool {
	return s.isDigit(r) || r == s.decimal || r == s.exponent || r == s.grouping || r == s.digit || r == s.pattern
}

// subPicture is one half of a picture, taken apart as the official evaluator
// does it.
type subPicture struct {
	text, active, mantissa, integer, fraction, exponent []rune
	prefix, suffix                                      []rune
	hasExponent                                         bool
}

// substring is JavaScript's: bounds are clamped, and swapped when reversed.
func substringOf(r []rune, from, to int) []rune {
	from, to = min(max(from, 0), len(r)), min(max(to, 0), len(r))
	return r[min(from, to):max(from, to)]
}

func indexFrom(r []rune, c rune, from int) int {
	for i := max(from, 0); i < len(r); i++ {
		if r[i] == c {
			return i
		}
	}
	return -1
}

func (s *numberSymbols) split(text []rune) subPicture {
	p := subPicture{text: text}
	outer := func(r rune) bool { return s.isActive(r) && r != s.exponent }
	if i := slices.IndexFunc(text, outer); i >= 0 {
		p.prefix = text[:i]
		last := i
		for j := i; j < len(text); j++ {
			if outer(text[j]) {
				last = j
			}
		}
		p.suffix = text[last+1:]
	}
	p.active = substringOf(text, len(p.prefix), len(text)-len(p.suffix))
	p.mantissa = p.active
	if i := indexFrom(text, s.exponent, len(p.prefix)); i >= 0 && i <= len(text)-len(p.suffix) {
		p.mantissa = substringOf(p.active, 0, i)
		p.exponent = substringOf(p.active, i+1, len(p.active))
		p.hasExponent = true
	}
	p.integer, p.fraction = p.mantissa, p.suffix
	if i := slices.Index(p.mantissa, s.decimal); i >= 0 {
		p.integer, p.fraction = p.mantissa[:i], p.mantissa[i+1:]
	}
	return p
}

func countRunes(r []rune, f func(rune) bool) int {
	n := 0
	for _, c := range r {
		if f(c) {
			n++
		}
	}
	return n
}

// valid reports whether the picture is free of errors (section 4.7.3). Which
// error it has, the official evaluator says.
func (s *numberSymbols) valid(p *subPicture) bool {
	text := string(p.text)
	decimal := slices.Index(p.text, s.decimal)
	optional := slices.Index(p.integer, s.digit)
	lastOptional := -1
	for i, r := range p.fraction {
		if r == s.digit {
			lastOptional = i
		}
	}
	percents := strings.Count(text, s.percent) + strings.Count(text, s.perMille)
	switch {
	case countRunes(p.text, func(r rune) bool { return r == s.decimal }) > 1,
		percents > 1,
		countRunes(p.mantissa, func(r rune) bool { return s.isDigit(r) || r == s.digit }) == 0,
		countRunes(p.active, s.isActive) < len(p.active),
		decimal > 0 && p.text[decimal-1] == s.grouping,
		decimal >= 0 && decimal+1 < len(p.text) && p.text[decimal+1] == s.grouping,
		decimal < 0 && len(p.integer) > 0 && p.integer[len(p.integer)-1] == s.grouping,
		strings.Contains(text, string([]rune{s.grouping, s.grouping})),
		optional >= 0 && countRunes(p.integer[:optional], s.isDigit) > 0,
		lastOptional >= 0 && countRunes(p.fraction[lastOptional:], s.isDigit) > 0,
		p.hasExponent && len(p.exponent) > 0 && percents > 0,
		p.hasExponent && (len(p.exponent) == 0 || countRunes(p.exponent, s.isDigit) < len(p.exponent)):
		return false
	}
	return true
}

// numberFormat is an analysed picture (section 4.7.4).
type numberFormat struct {
	integerGroups, fractionGroups        []int
	regular                              int
	minInteger, minFraction, maxFraction int
	scale, minExponent                   int
	prefix, suffix                       string
	picture                              *subPicture
}

func (s *numberSymbols) groupPositions(p *subPicture, part []rune, toLeft bool) []int {
	var positions []int
	counted := func(r rune) bool { return s.isDigit(r) || r == s.digit }
	for at := slices.Index(part, s.grouping); at >= 0; at = indexFrom(p.integer, s.grouping, at+1) {
		side := substringOf(part, at, len(part))
		if toLeft {
			side = substringOf(part, 0, at)
		}
		positions = append(positions, countRunes(side, counted))
	}
	return positions
}

func (s *numberSymbols) analyse(p *subPicture) numberFormat {
	n := numberFormat{
		integerGroups:  s.groupPositions(p, p.integer, false),
		fractionGroups: s.groupPositions(p, p.fraction, true),
		minInteger:     countRunes(p.integer, s.isDigit),
		minFraction:    countRunes(p.fraction, s.isDigit),
		maxFraction:    countRunes(p.fraction, func(r rune) bool { return s.isDigit(r) || r == s.digit }),
		prefix:         string(p.prefix), suffix: string(p.suffix), picture: p,
	}
	n.regular = evenly(n.integerGroups)
	n.scale = n.minInteger
	if n.minInteger == 0 && n.maxFraction == 0 {
		if p.hasExponent {
			n.minFraction, n.maxFraction = 1, 1
		} else {
			n.minInteger = 1
		}
	}
	if p.hasExponent && n.minInteger == 0 && slices.Contains(p.integer, s.digit) {
		n.minInteger = 1
	}
	if n.minInteger == 0 && n.minFraction == 0 {
		n.minFraction = 1
	}
	if p.hasExponent {
		n.minExponent = countRunes(p.exponent, s.isDigit)
	}
	return n
}

// digits is JavaScript's toFixed in the digits of the format.
func (s *numberSymbols) digits(v float64, places int) []rune {
	out := []rune(strconv.FormatFloat(math.Abs(v), 'f', places, 64))
	for i, r := range out {
		if r >= '0' && r <= '9' {
			out[i] = s.zero + r - '0'
		}
	}
	return out
}

// sliceOf is JavaScript's slice: negative bounds count from the end.
func sliceOf(r []rune, from, to int) []rune {
	a, b := sliceBounds(float64(from), float64(to), len(r))
	return r[a:b]
}

func (s *numberSymbols) insertGrouping(r []rune, at int) []rune {
	head, tail := sliceOf(r, 0, at), sliceOf(r, at, len(r))
	return slices.Concat(head, []rune{s.grouping}, tail)
}

func formatNumberFunction(f *frame, args []any) (any, *Error) {
	value, ok := numeric(argument(args, 0))
	if !ok {
		return undefined, nil
	}
	picture, ok := argument(args, 1).(string)
	s, known := numberSymbolsOf(argument(args, 2))
	if !ok || !known || hasAstral(picture) || math.IsInf(value, 0) || math.IsNaN(value) || len(picture) > 1000 {
		return nil, giveUp
	}
	halves := strings.Split(picture, string(s.pattern))
	if len(halves) > 2 {
		return nil, giveUp
	}
	var formats []numberFormat
	for _, half := range halves {
		p := s.split([]rune(half))
		if !s.valid(&p) {
			return nil, giveUp
		}
		formats = append(formats, s.analyse(&p))
	}
	if len(formats) == 1 {
		negative := formats[0]
		negative.prefix = s.minus + negative.prefix
		formats = append(formats, negative)
	}
	format := &formats[0]
	if value < 0 {
		format = &formats[1]
	}
	return s.format(f.state, value, format)
}

// format is section 4.7.5.
func (s *numberSymbols) format(st *state, value float64, n *numberFormat) (any, *Error) {
	text := string(n.picture.text)
	if strings.Contains(text, s.percent) {
		value *= 100
	} else if strings.Contains(text, s.perMille) {
		value *= 1000
	}
	exponent := 0
	if n.minExponent > 0 && value != 0 {
		most, least := math.Pow(10, float64(n.scale)), math.Pow(10, float64(n.scale-1))
		for ; math.Abs(value) < least; exponent-- {
			value *= 10
		}
		for ; math.Abs(value) > most; exponent++ {
			value /= 10
		}
	}
	rounded := round(value, float64(n.maxFraction))
	if math.Abs(rounded) >= 1e21 || math.IsNaN(rounded) || n.maxFraction > 100 {
		return nil, giveUp
	}
	out := s.digits(rounded, n.maxFraction)
	if i := slices.Index(out, '.'); i < 0 {
		out = append(out, s.decimal)
	} else {
		out[i] = s.decimal
	}
	for len(out) > 0 && out[0] == s.zero {
		out = out[1:]
	}
	for len(out) > 0 && out[len(out)-1] == s.zero {
		out = out[:len(out)-1]
	}
	point := slices.Index(out, s.decimal)
	if point < 0 {
		return nil, giveUp
	}
	zeros := func(n int) []rune { return slices.Repeat([]rune{s.zero}, max(n, 0)) }
	out = slices.Concat(zeros(n.minInteger-point), out, zeros(n.minFraction-(len(out)-point-1)))
	point = slices.Index(out, s.decimal)
	if n.regular > 0 {
		for g := 1; g <= floorDiv(point-1, n.regular); g++ {
			out = s.insertGrouping(out, point-g*n.regular)
		}
	} else {
		for _, at := range n.integerGroups {
			out = s.insertGrouping(out, point-at)
			point++
		}
	}
	point = slices.Index(out, s.decimal)
	for _, at := range n.fractionGroups {
		out = s.insertGrouping(out, at+point+1)
	}
	point = slices.Index(out, s.decimal)
	if !slices.Contains(n.picture.text, s.decimal) || point == len(out)-1 {
		out = out[:len(out)-1]
	}
	result := n.prefix + string(out)
	if n.minExponent > 0 {
		e := s.digits(float64(exponent), 0)
		e = slices.Concat(zeros(n.minExponent-len(e)), e)
		result += string(s.exponent)
		if exponent < 0 {
			result += s.minus
		}
		result += string(e)
	}
	result += n.suffix
	return some(result, st.makeString(len(result)))
}
