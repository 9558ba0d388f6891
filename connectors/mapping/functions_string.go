package mapping

import (
	"math"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

func stringFunction(f *frame, args []any) (any, *Error) {
	v := argument(args, 0)
	if isUndefined(v) {
		return undefined, nil
	}
	if pretty, _ := argument(args, 1).(bool); pretty {
		switch v.(type) {
		case *Object, []any, *list:
			return some(f.stringify(v, true))
		}
	}
	return some(f.toString(v))
}

// some makes a native function's result of a string.
func some(s string, err *Error) (any, *Error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// onString is a function of one string; undefined stays undefined.
func onString(convert func(string) string) nativeFunction {
	return func(f *frame, args []any) (any, *Error) {
		s, ok := argument(args, 0).(string)
		if !ok {
			return undefined, nil
		}
		if err := f.makeString(len(s)); err != nil {
			return nil, err
		}
		return convert(s), nil
	}
}

// sliceBounds are those of JavaScript's slice.
func sliceBounds(from, to float64, length int) (int, int) {
	bound := func(x float64) int {
		x = math.Trunc(x)
		if x < 0 {
			return int(max(x+float64(length), 0))
		}
		return int(min(x, float64(length)))
	}
	a, b := bound(from), bound(to)
	return a, max(a, b)
}

func substring(_ *frame, args []any) (any, *Error) {
	s, ok := argument(args, 0).(string)
	if !ok {
		return undefined, nil
	}
	start, ok := numeric(argument(args, 1))
	if !ok || math.IsNaN(start) {
		return nil, giveUp
	}
	size := utf8.RuneCountInString(s)
	if float64(size)+start < 0 {
		start = 0
	}
	end := float64(size)
	if n, ok := numeric(argument(args, 2)); ok {
		if n <= 0 {
			return "", nil
		}
		end = start + n
		if start < 0 {
			end = float64(size) + start + n
		}
	}
	from, to := sliceBounds(start, end, size)
	return runeSlice(s, from, to), nil
}

// runeSlice returns the characters from, up to but without to.
func runeSlice(s string, from, to int) string {
	if isASCII(s) {
		return s[from:to]
	}
	first, n := len(s), 0
	for i := range s {
		if n == from {
			first = i
		}
		if n == to {
			return s[first:i]
		}
		n++
	}
	return s[first:]
}

// twoStrings are the arguments of $substringBefore and $substringAfter.
func twoStrings(args []any) (s, chars string, err *Error) {
	s, _ = args[0].(string)
	chars, ok := argument(args, 1).(string)
	if !ok {
		return "", "", giveUp
	}
	return s, chars, nil
}

func substringBefore(_ *frame, args []any) (any, *Error) {
	if isUndefined(argument(args, 0)) {
		return undefined, nil
	}
	s, chars, err := twoStrings(args)
	if err != nil {
		return nil, err
	}
	before, _, _ := strings.Cut(s, chars)
	return before, nil
}

func substringAfter(_ *frame, args []any) (any, *Error) {
	if isUndefined(argument(args, 0)) {
		return undefined, nil
	}
	s, chars, err := twoStrings(args)
	if err != nil {
		return nil, err
	}
	if _, after, ok := strings.Cut(s, chars); ok {
		return after, nil
	}
	return s, nil
}

func lowercase(f *frame, args []any) (any, *Error) {
	s, ok := argument(args, 0).(string)
	switch {
	case !ok:
		return undefined, nil
	case isASCII(s):
		return strings.ToLower(s), nil
	case strings.ContainsRune(s, '\u0345'):
		return nil, giveUp
	}
	return some(cases.Lower(language.Und).String(s), f.makeString(len(s)))
}

func uppercase(f *frame, args []any) (any, *Error) {
	s, ok := argument(args, 0).(string)
	switch {
	case !ok:
		return undefined, nil
	case isASCII(s):
		return strings.ToUpper(s), nil
	}
	return some(cases.Upper(language.Und).String(s), f.makeString(len(s)))
}

func length(_ *frame, args []any) (any, *Error) {
	s, ok := argument(args, 0).(string)
	if !ok {
		return undefined, nil
	}
	return float64(runeCount(s)), nil
}

func trim(_ *frame, args []any) (any, *Error) {
	s, ok := argument(args, 0).(string)
	if !ok {
		return undefined, nil
	}
	words := strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' })
	return strings.Join(words, " "), nil
}

func pad(f *frame, args []any) (any, *Error) {
	s, ok := argument(args, 0).(string)
	if !ok {
		return undefined, nil
	}
	width, ok := numeric(argument(args, 1))
	if !ok || math.IsNaN(width) {
		return s, nil
	}
	with, _ := argument(args, 2).(string)
	if with == "" {
		with = " "
	}
	width = math.Trunc(width)
	missing := math.Abs(width) - float64(utf8.RuneCountInString(s))
	if missing <= 0 {
		return s, nil
	}
	if missing > float64(f.limits.OutputBytes) {
		return nil, &Error{Code: codeOutput, value: float64(f.limits.OutputBytes)}
	}
	n := int(missing)
	if err := f.makeString(len(s) + n); err != nil {
		return nil, err
	}
	each := utf8.RuneCountInString(with)
	padding := runeSlice(strings.Repeat(with, n/each+1), 0, n)
	if width > 0 {
		return s + padding, nil
	}
	return padding + s, nil
}

func join(f *frame, args []any) (any, *Error) {
	items, ok := elements(argument(args, 0))
	if !ok {
		return undefined, nil
	}
	separator, _ := argument(args, 1).(string)
	size := max(len(items)-1, 0) * len(separator)
	parts := make([]string, len(items))
	for i, x := range items {
		s, ok := x.(string)
		if !ok {
			return nil, giveUp
		}
		parts[i] = s
		size += len(s)
	}
	if err := f.makeString(size); err != nil {
		return nil, err
	}
	return strings.Join(parts, separator), nil
}

const (
	urlUnreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()"
	urlReserved   = ";/?:@&=+$,#"
)

// encodeURL is JavaScript's encodeURI and encodeURIComponent.
func encodeURL(s, keep string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(keep, s[i]) >= 0 {
			b.WriteByte(s[i])
			continue
		}
		const upper = "0123456789ABCDEF"
		b.WriteByte('%')
		b.WriteByte(upper[s[i]>>4])
		b.WriteByte(upper[s[i]&15])
	}
	return b.String()
}

// decodeURL is JavaScript's decodeURI and decodeURIComponent. The escapes of
// the characters in keep stay as they are.
func decodeURL(name, keep string) nativeFunction {
	return func(_ *frame, args []any) (any, *Error) {
		s, ok := argument(args, 0).(string)
		if !ok {
			return undefined, nil
		}
		malformed := &Error{Code: "D3140", value: s, extra: name}
		var b strings.Builder
		for i := 0; i < len(s); {
			if s[i] != '%' {
				b.WriteByte(s[i])
				i++
				continue
			}
			c, ok := percent(s, i)
			if !ok {
				return nil, malformed
			}
			if c < utf8.RuneSelf {
				if strings.IndexByte(keep, c) >= 0 {
					b.WriteString(s[i : i+3])
				} else {
					b.WriteByte(c)
				}
				i += 3
				continue
			}
			char := []byte{c}
			i += 3
			for !utf8.FullRune(char) {
				if c, ok = percent(s, i); !ok {
					return nil, malformed
				}
				char = append(char, c)
				i += 3
			}
			if r, size := utf8.DecodeRune(char); r == utf8.RuneError && size <= 1 || size != len(char) {
				return nil, malformed
			}
			b.Write(char)
		}
		return b.String(), nil
	}
}

func percent(s string, i int) (byte, bool) {
	if i+3 > len(s) || s[i] != '%' {
		return 0, false
	}
	hi := strings.IndexByte(hexDigits, s[i+1]|0x20)
	lo := strings.IndexByte(hexDigits, s[i+2]|0x20)
	if s[i+1] < '0' || s[i+2] < '0' || hi < 0 || lo < 0 {
		return 0, false
	}
	return byte(hi<<4 | lo), true
}
