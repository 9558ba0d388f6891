package mapping

import "math"

// predicate is what stands in [ ] behind a step.
type predicate struct {
	number bool
	at     int // for a literal number
	node   node
}

func (c *compiler) predicate(s *syntax) *predicate {
	if s != nil && s.Type == "number" {
		var p predicate
		n := c.literal(s)
		if c.unsupported {
			return &p
		}
		v, _ := n(nil, nil)
		f := math.Floor(v.(float64))
		if math.Abs(f) > math.MaxInt32 {
			f = math.MaxInt32
		}
		return &predicate{number: true, at: int(f)}
	}
	return &predicate{node: c.node(s)}
}

func (c *compiler) predicated(n node, p *predicate) node {
	return func(f *frame, in any) (any, *Error) {
		v, err := n(f, in)
		if err != nil {
			return nil, err
		}
		return p.filter(f, v)
	}
}

// filter is the official evaluateFilter.
func (p *predicate) filter(f *frame, v any) (any, *Error) {
	out := &list{sequence: true}
	if l, ok := v.(*list); ok {
		out.tuples = l.tuples
	}
	items, ok := elements(v)
	if !ok {
		items = []any{v}
	}
	if p.number {
		at := p.at
		if at < 0 {
			at += len(items)
		}
		if at < 0 || at >= len(items) || isUndefined(items[at]) {
			return out, nil
		}
		if isArray(items[at]) {
			return items[at], nil
		}
		out.items = []any{items[at]}
		return out, nil
	}
	for i, item := range items {
		if err := f.tick(); err != nil {
			return nil, err
		}
		context, inner := item, f
		if t, ok := item.(*tuple); ok {
			if !out.tuples {
				return nil, giveUp
			}
			context, inner = t.at, f.frameOf(t)
		}
		r, err := p.node(inner, context)
		if err != nil {
			return nil, err
		}
		times, err := keeps(r, i, len(items))
		if err != nil {
			return nil, err
		}
		for range times {
			if err := out.push(f.state, item); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// keeps says how often the result of a predicate takes the item at index.
func keeps(r any, index, length int) (int, *Error) {
	n, ok, err := isNumber(r)
	if err != nil {
		return 0, err
	}
	if ok {
		return selects(n, index, length), nil
	}
	if items, ok := elements(r); ok {
		numbers, times := true, 0
		for _, x := range items {
			n, ok, err := isNumber(x)
			if err != nil {
				return 0, err
			}
			if !ok {
				numbers = false
				continue
			}
			times += selects(n, index, length)
		}
		if numbers {
			return times, nil
		}
	}
	t, err := truth(r)
	if t {
		return 1, err
	}
	return 0, err
}

func selects(n float64, index, length int) int {
	n = math.Floor(n)
	if n < 0 {
		n += float64(length)
	}
	if n == float64(index) {
		return 1
	}
	return 0
}
