package mapping

// ordering is an order-by clause.
type ordering struct {
	terms    []orderTerm
	position int
}

type orderTerm struct {
	node       node
	descending bool
}

func (c *compiler) ordering(s *syntax) *ordering {
	o := &ordering{position: s.Position}
	for _, t := range s.Terms {
		o.terms = append(o.terms, orderTerm{c.node(t.Expression), t.Descending})
	}
	return o
}

// evaluate is the official evaluateSortExpression.
func (o *ordering) evaluate(f *frame, in any) (any, *Error) {
	l, ok := in.(*list)
	tuples := ok && l.tuples
	return mergeSort(f.state, in, func(a, b any) (bool, *Error) {
		for _, term := range o.terms {
			x, err := term.of(f, a, tuples)
			if err != nil {
				return false, err
			}
			y, err := term.of(f, b, tuples)
			if err != nil {
				return false, err
			}
			order, err := o.compare(x, y)
			if err != nil {
				return false, err
			}
			if order == 0 {
				continue
			}
			// What is undefined comes last in either direction.
			if term.descending && !isUndefined(x) && !isUndefined(y) {
				order = -order
			}
			return order > 0, nil
		}
		return false, nil
	})
}

func (t orderTerm) of(f *frame, item any, tuples bool) (any, *Error) {
	if x, ok := item.(*tuple); ok {
		if !tuples {
			return nil, giveUp
		}
		return t.node(f.frameOf(x), x.at)
	}
	return t.node(f, item)
}

func (o *ordering) compare(a, b any) (int, *Error) {
	switch {
	case isUndefined(a) && isUndefined(b):
		return 0, nil
	case isUndefined(a):
		return 1, nil
	case isUndefined(b):
		return -1, nil
	}
	x, xIs := numeric(a)
	y, yIs := numeric(b)
	s, sIs := a.(string)
	t, tIs := b.(string)
	switch {
	case !xIs && !sIs:
		return 0, &Error{Code: "T2008", Position: o.position, value: a}
	case !yIs && !tIs:
		return 0, &Error{Code: "T2008", Position: o.position, value: b}
	case xIs != yIs:
		return 0, &Error{Code: "T2007", Position: o.position, value: a, value2: b}
	case sIs:
		return compareStrings(s, t), nil
	case x == y:
		return 0, nil
	case x < y:
		return -1, nil
	}
	return 1, nil
}

// mergeSort is the official sort: it asks for the same comparisons in the same
// order. after reports whether its first operand belongs behind its second.
func mergeSort(s *state, in any, after func(a, b any) (bool, *Error)) (any, *Error) {
	items, _ := elements(in)
	if len(items) <= 1 {
		return in, nil
	}
	if err := s.makeCells(len(items)); err != nil {
		return nil, err
	}
	work := make([]any, len(items))
	copy(work, items)
	if err := mergeHalves(s, work, make([]any, len(items)), after); err != nil {
		return nil, err
	}
	return &list{items: work}, nil
}

func mergeHalves(s *state, items, space []any, after func(a, b any) (bool, *Error)) *Error {
	if len(items) <= 1 {
		return nil
	}
	middle := len(items) / 2
	if err := mergeHalves(s, items[:middle], space[:middle], after); err != nil {
		return err
	}
	if err := mergeHalves(s, items[middle:], space[middle:], after); err != nil {
		return err
	}
	left, right := space[:middle], space[middle:]
	copy(space, items)
	for i := 0; len(left) > 0 && len(right) > 0; i++ {
		if err := s.tick(); err != nil {
			return err
		}
		swap, err := after(left[0], right[0])
		if err != nil {
			return err
		}
		if swap {
			items[i], right = right[0], right[1:]
		} else {
			items[i], left = left[0], left[1:]
		}
	}
	rest := left
	if len(left) == 0 {
		rest = right
	}
	copy(items[len(items)-len(rest):], rest)
	return nil
}
