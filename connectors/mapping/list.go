package mapping

import (
	"math"
	"strings"
	"unicode/utf8"
)

// list is an array that an evaluation made, with the marks the official
// evaluator puts on arrays. Arrays of the input are []any and have none.
type list struct {
	items    []any
	sequence bool // the result of a path or a function: unwrapped if single
	keep     bool // keepSingleton: not unwrapped
	cons     bool // made by [ ], not flattened into the path
	outer    bool // wraps an input that is an array
	tuples   bool // tupleStream: the items are *tuple

	finished []any // the Value made of it
}

// elements returns the items of an array.
func elements(v any) ([]any, bool) {
	switch v := v.(type) {
	case []any:
		return v, true
	case *list:
		return v.items, true
	}
	return nil, false
}

func isArray(v any) bool {
	_, ok := elements(v)
	return ok
}

func newSequence(items ...any) *list { return &list{items: items, sequence: true} }

// push appends to a sequence whose length the limits bound.
func (l *list) push(s *state, v any) *Error {
	if len(l.items) >= s.limits.Sequence {
		return &Error{Code: codeSequence, value: float64(s.limits.Sequence)}
	}
	l.items = append(l.items, v)
	return nil
}

// appended is the official append: undefined counts as nothing, an array as
// its items; the result is an array without marks, but for an operand that is
// returned as it is.
func appended(s *state, a, b any) (any, *Error) {
	if isUndefined(a) {
		return b, nil
	}
	if isUndefined(b) {
		return a, nil
	}
	left, ok := elements(a)
	if !ok {
		left = []any{a}
	}
	right, ok := elements(b)
	if !ok {
		right = []any{b}
	}
	n := len(left) + len(right)
	if n > s.limits.Sequence {
		return nil, &Error{Code: codeSequence, value: float64(n)}
	}
	if err := s.makeCells(n); err != nil {
		return nil, err
	}
	items := make([]any, 0, n)
	return &list{items: append(append(items, left...), right...)}, nil
}

// isNumber reports whether v is a number, and which. Infinite is an error
// wherever the official evaluator asks.
func isNumber(v any) (float64, bool, *Error) {
	switch v := v.(type) {
	case float64:
		if math.IsInf(v, 0) {
			return v, true, &Error{Code: "D1001", value: v}
		}
		return v, !math.IsNaN(v), nil
	case Number:
		f := parseNumber(v)
		if math.IsInf(f, 0) {
			return f, true, &Error{Code: "D1001", value: f}
		}
		return f, true, nil
	}
	return 0, false, nil
}

// numeric is the number v is to JavaScript's typeof.
func numeric(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case Number:
		return parseNumber(v), true
	}
	return 0, false
}

// truth is the official boolean(), with undefined as false.
func truth(v any) (bool, *Error) {
	for {
		items, ok := elements(v)
		if !ok {
			break
		}
		if len(items) == 1 {
			v = items[0]
			continue
		}
		for _, x := range items {
			if t, err := truth(x); t || err != nil {
				return t, err
			}
		}
		return false, nil
	}
	switch v := v.(type) {
	case bool:
		return v, nil
	case string:
		return v != "", nil
	case float64, Number:
		f, ok, err := isNumber(v)
		return ok && f != 0, err
	case *Object:
		return v.Len() > 0, nil
	}
	return false, nil
}

// equal is the official isDeepEqual.
func (s *state) equal(a, b any, depth int) (bool, *Error) {
	if depth > maxNesting {
		return false, &Error{Code: codeDepth}
	}
	if err := s.tick(); err != nil {
		return false, err
	}
	switch x := a.(type) {
	case nil:
		return b == nil, nil
	case string:
		y, ok := b.(string)
		return ok && x == y, nil
	case bool:
		y, ok := b.(bool)
		return ok && x == y, nil
	case float64, Number:
		f, _ := numeric(a)
		g, ok := numeric(b)
		return ok && f == g, nil
	case *undefinedValue:
		return isUndefined(b), nil
	case *Object:
		y, ok := b.(*Object)
		if !ok {
			return false, nil
		}
		return s.equalObjects(x, y, depth)
	case *function:
		y, ok := b.(*function)
		if ok && x != y {
			return false, giveUp
		}
		return ok, nil
	}
	left, ok := elements(a)
	right, okB := elements(b)
	if !ok || !okB || len(left) != len(right) {
		return false, nil
	}
	for i := range left {
		if same, err := s.equal(left[i], right[i], depth+1); !same || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (s *state) equalObjects(x, y *Object, depth int) (bool, *Error) {
	if x == y {
		return true, nil
	}
	if x.Len() != y.Len() {
		return false, nil
	}
	for i := range x.members {
		v, ok := y.Get(x.members[i].key)
		if !ok {
			return false, nil
		}
		if same, err := s.equal(x.members[i].value, v, depth+1); !same || err != nil {
			return false, err
		}
	}
	return true, nil
}

// identical is JavaScript's ===.
func identical(a, b any) bool {
	switch x := a.(type) {
	case float64, Number:
		f, _ := numeric(a)
		g, ok := numeric(b)
		return ok && f == g
	case []any:
		y, ok := b.([]any)
		return ok && len(x) == len(y) && len(x) > 0 && &x[0] == &y[0]
	}
	if _, ok := b.([]any); ok {
		return false
	}
	return a == b
}

// compareStrings orders strings as JavaScript does, by UTF-16 units.
func compareStrings(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] == b[i] {
			continue
		}
		if a[i] >= 0xee && b[i] >= 0xee {
			// Surrogates sort below U+E000, whereas their UTF-8 does not.
			if x, y := a[i] >= 0xf0, b[i] >= 0xf0; x != y {
				if x {
					return -1
				}
				return 1
			}
		}
		if a[i] < b[i] {
			return -1
		}
		return 1
	}
	return len(a) - len(b)
}

// utf16Length is the length of s to JavaScript.
func utf16Length(s string) int {
	n := 0
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			n++
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if n++; r > 0xffff {
			n++
		}
		i += size
	}
	return n
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// hasAstral reports whether s has characters that JavaScript sees as two.
func hasAstral(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 0xffff }) >= 0
}
