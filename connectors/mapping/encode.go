package mapping

import (
	"fmt"
	"math"
	"unicode/utf8"
)

// Encode writes v as compact JSON.
func Encode(v Value) ([]byte, error) { return AppendJSON(make([]byte, 0, 64), v) }

// AppendJSON appends v to dst as compact JSON: keys in order, numbers with
// their digits, no escapes beyond those JSON asks for.
func AppendJSON(dst []byte, v Value) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		if v {
			return append(dst, "true"...), nil
		}
		return append(dst, "false"...), nil
	case Number:
		if v == "" {
			return nil, fmt.Errorf("encoding JSON: an empty number")
		}
		return append(dst, v...), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("encoding JSON: JSON has no number for %s", formatNumber(v))
		}
		return appendNumber(dst, v), nil
	case string:
		return appendString(dst, v), nil
	case []any:
		dst = append(dst, '[')
		for i, x := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			var err error
			if dst, err = AppendJSON(dst, x); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	case *Object:
		if v == nil {
			return append(dst, "null"...), nil
		}
		dst = append(dst, '{')
		for i := range v.members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, v.members[i].key)
			dst = append(dst, ':')
			var err error
			if dst, err = AppendJSON(dst, v.members[i].value); err != nil {
				return nil, err
			}
		}
		return append(dst, '}'), nil
	}
	x, err := FromGo(v)
	if err != nil {
		return nil, fmt.Errorf("encoding JSON: %w", err)
	}
	if isUndefined(x) {
		return append(dst, "null"...), nil
	}
	return AppendJSON(dst, x)
}

const hexDigits = "0123456789abcdef"

func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(dst, s[start:i]...)
				dst = append(dst, "\uFFFD"...)
				start = i + 1
			}
			i += size
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
