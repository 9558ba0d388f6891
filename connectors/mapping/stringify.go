package mapping

import (
	"math"
	"strconv"
)

// stringer writes a value as $string does: JSON, numbers to 15 significant
// digits, functions as "".
type stringer struct {
	buf    []byte
	indent bool
	exact  bool // numbers as JSON.stringify writes them
	limit  int  // bytes; past it, writing stops
}

// errUnbounded is what a stringer past its limit returns.
var errUnbounded = &Error{Code: codeOutput}

func (s *stringer) value(v any, depth int) *Error {
	if len(s.buf) > s.limit || depth > maxNesting {
		return errUnbounded
	}
	switch v := v.(type) {
	case nil, *undefinedValue:
		s.buf = append(s.buf, "null"...)
	case bool:
		s.buf = strconv.AppendBool(s.buf, v)
	case string:
		s.buf = appendString(s.buf, v)
	case Number:
		if s.exact && !isDigits(v) {
			return s.value(parseNumber(v), depth)
		}
		if f := parseNumber(v); math.IsInf(f, 0) {
			return &Error{Code: "D1001", value: f}
		}
		s.buf = append(s.buf, numberText(v)...)
	case float64:
		switch {
		case math.IsInf(v, 0) && !s.exact:
			return &Error{Code: "D1001", value: v}
		case math.IsInf(v, 0) || math.IsNaN(v):
			s.buf = append(s.buf, "null"...)
		case s.exact:
			s.buf = appendNumber(s.buf, v)
		default:
			s.buf = appendNumber(s.buf, toPrecision15(v))
		}
	case []any:
		return s.array(v, depth)
	case *list:
		if v.outer && depth == 0 {
			return s.value(v.items[0], 0)
		}
		return s.array(v.items, depth)
	case *function:
		s.buf = append(s.buf, `""`...)
	case *tuple, *thunk:
		return giveUp
	case *Object:
		if v == nil {
			s.buf = append(s.buf, "null"...)
			return nil
		}
		return s.object(v, depth)
	}
	return nil
}

func (s *stringer) array(items []any, depth int) *Error {
	s.buf = append(s.buf, '[')
	for i, x := range items {
		if i > 0 {
			s.buf = append(s.buf, ',')
		}
		s.line(depth + 1)
		if err := s.value(x, depth+1); err != nil {
			return err
		}
	}
	if len(items) > 0 {
		s.line(depth)
	}
	s.buf = append(s.buf, ']')
	return nil
}

func (s *stringer) object(o *Object, depth int) *Error {
	s.buf = append(s.buf, '{')
	first := true
	members := o.ordered()
	for i := range members {
		m := &members[i]
		if isUndefined(m.value) {
			continue
		}
		if !first {
			s.buf = append(s.buf, ',')
		}
		first = false
		s.line(depth + 1)
		s.buf = append(appendString(s.buf, m.key), ':')
		if s.indent {
			s.buf = append(s.buf, ' ')
		}
		if err := s.value(m.value, depth+1); err != nil {
			return err
		}
	}
	if !first {
		s.line(depth)
	}
	s.buf = append(s.buf, '}')
	return nil
}

func (s *stringer) line(depth int) {
	if !s.indent {
		return
	}
	s.buf = append(s.buf, '\n')
	for range depth {
		s.buf = append(s.buf, "  "...)
	}
}

// toString is the official $string, with "" for undefined.
func (s *state) toString(v any) (string, *Error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case *undefinedValue, *function:
		return "", nil
	case Number, float64:
		f, _ := numeric(v)
		if math.IsInf(f, 0) || math.IsNaN(f) {
			return "", &Error{Code: "D3001", value: v}
		}
		if n, ok := v.(Number); ok {
			return numberText(n), nil
		}
		return formatNumber(toPrecision15(f)), nil
	}
	return s.stringify(v, false)
}

func (s *state) stringify(v any, indent bool) (string, *Error) {
	w := stringer{indent: indent, limit: s.limits.OutputBytes}
	err := w.value(v, 0)
	if err == nil {
		err = s.makeString(len(w.buf))
	}
	if err == errUnbounded {
		err = &Error{Code: codeOutput, value: float64(s.limits.OutputBytes)}
	}
	return string(w.buf), err
}
