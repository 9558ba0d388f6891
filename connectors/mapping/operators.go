package mapping

import "math"

func (c *compiler) binary(s *syntax) node {
	if s.LHS == nil || s.RHS == nil {
		return c.fail()
	}
	op, position := s.text(), s.Position
	lhs, rhs := c.node(s.LHS), c.node(s.RHS)
	switch op {
	case "and", "or":
		return logical(op, position, lhs, rhs)
	case "=", "!=":
		if text, ok := constant(s.RHS); ok {
			return equalsText(lhs, text, op == "!=")
		}
	}
	apply, ok := map[string]func(*state, any, any) (any, *Error){
		"+":  arithmetic(func(a, b float64) float64 { return a + b }),
		"-":  arithmetic(func(a, b float64) float64 { return a - b }),
		"*":  arithmetic(func(a, b float64) float64 { return a * b }),
		"/":  arithmetic(func(a, b float64) float64 { return a / b }),
		"%":  arithmetic(math.Mod),
		"=":  equality(false),
		"!=": equality(true),
		"<":  comparison(func(order int) bool { return order < 0 }),
		"<=": comparison(func(order int) bool { return order <= 0 }),
		">":  comparison(func(order int) bool { return order > 0 }),
		">=": comparison(func(order int) bool { return order >= 0 }),
		"&":  concatenate,
		"..": span,
		"in": includes,
	}[op]
	if !ok {
		return c.fail()
	}
	return func(f *frame, in any) (any, *Error) {
		a, err := lhs(f, in)
		if err != nil {
			return nil, err
		}
		b, err := rhs(f, in)
		if err != nil {
			return nil, err
		}
		v, err := apply(f.state, a, b)
		if err != nil {
			return nil, err.placed(position, op)
		}
		return v, nil
	}
}

// placed says where an error is, over what was known.
func (e *Error) placed(position int, token string) *Error {
	if e == giveUp || e == errDone {
		return e
	}
	e.Position, e.Token = position, token
	return e
}

func logical(op string, position int, lhs, rhs node) node {
	return func(f *frame, in any) (any, *Error) {
		a, err := lhs(f, in)
		if err != nil {
			return nil, err
		}
		t, err := truth(a)
		if err == nil && t == (op == "and") {
			var b any
			if b, err = rhs(f, in); err == nil {
				t, err = truth(b)
			}
		}
		if err != nil {
			return nil, err.placed(position, op)
		}
		return t, nil
	}
}

func arithmetic(compute func(a, b float64) float64) func(*state, any, any) (any, *Error) {
	return func(_ *state, a, b any) (any, *Error) {
		x, okX, err := isNumber(a)
		if err != nil {
			return nil, err
		}
		if !okX && !isUndefined(a) {
			return nil, &Error{Code: "T2001", value: a}
		}
		y, okY, err := isNumber(b)
		if err != nil {
			return nil, err
		}
		if !okY && !isUndefined(b) {
			return nil, &Error{Code: "T2002", value: b}
		}
		if !okX || !okY {
			return undefined, nil
		}
		return compute(x, y), nil
	}
}

func equality(negate bool) func(*state, any, any) (any, *Error) {
	return func(s *state, a, b any) (any, *Error) {
		if isUndefined(a) || isUndefined(b) {
			return false, nil
		}
		same, err := s.equal(a, b, 0)
		return same != negate, err
	}
}

// equalsText is equality with a string literal.
func equalsText(lhs node, text string, negate bool) node {
	return func(f *frame, in any) (any, *Error) {
		v, err := lhs(f, in)
		if err != nil || isUndefined(v) {
			return false, err
		}
		s, ok := v.(string)
		return (ok && s == text) != negate, nil
	}
}

func comparison(holds func(order int) bool) func(*state, any, any) (any, *Error) {
	return func(_ *state, a, b any) (any, *Error) {
		x, xIs := numeric(a)
		y, yIs := numeric(b)
		s, sIs := a.(string)
		t, tIs := b.(string)
		switch {
		case !xIs && !sIs && !isUndefined(a), !yIs && !tIs && !isUndefined(b):
			return nil, &Error{Code: "T2010", value: a}
		case isUndefined(a) || isUndefined(b):
			return undefined, nil
		case xIs != yIs:
			return nil, &Error{Code: "T2009", value: a, value2: b}
		case sIs:
			return holds(compareStrings(s, t)), nil
		case math.IsNaN(x) || math.IsNaN(y):
			return false, nil
		case x < y:
			return holds(-1), nil
		case x > y:
			return holds(1), nil
		}
		return holds(0), nil
	}
}

func concatenate(s *state, a, b any) (any, *Error) {
	x, err := s.toString(a)
	if err != nil {
		return nil, err
	}
	y, err := s.toString(b)
	if err != nil {
		return nil, err
	}
	if err := s.makeString(len(x) + len(y)); err != nil {
		return nil, err
	}
	return x + y, nil
}

// span is the official evaluateRangeExpression.
func span(s *state, a, b any) (any, *Error) {
	from, okFrom := numeric(a)
	to, okTo := numeric(b)
	if whole := okFrom && from == math.Trunc(from) && !math.IsInf(from, 0); !whole && !isUndefined(a) {
		return nil, &Error{Code: "T2003", value: a}
	}
	if whole := okTo && to == math.Trunc(to) && !math.IsInf(to, 0); !whole && !isUndefined(b) {
		return nil, &Error{Code: "T2004", value: b}
	}
	if isUndefined(a) || isUndefined(b) || from > to {
		return undefined, nil
	}
	size := to - from + 1
	if size > 1e7 {
		return nil, &Error{Code: "D2014", value: size}
	}
	if size > float64(s.limits.Sequence) {
		return nil, &Error{Code: codeSequence, value: size}
	}
	if err := s.makeCells(int(size)); err != nil {
		return nil, err
	}
	items := make([]any, int(size))
	for i := range items {
		items[i] = from + float64(i)
	}
	return &list{items: items, sequence: true}, nil
}

func includes(s *state, a, b any) (any, *Error) {
	if isUndefined(a) || isUndefined(b) {
		return false, nil
	}
	items, ok := elements(b)
	if !ok {
		return identical(a, b), nil
	}
	for _, x := range items {
		if identical(a, x) {
			return true, nil
		}
	}
	return false, nil
}
