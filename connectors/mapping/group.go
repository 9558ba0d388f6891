package mapping

// pairs is an object constructor, or the group-by behind a path.
type pairs struct {
	keys     []node
	values   []node
	position int
	// literal holds the keys when all are distinct string literals.
	literal []string
}

func (c *compiler) pairs(s [][2]*syntax, position int) *pairs {
	p := &pairs{position: position}
	seen := map[string]bool{}
	literal := make([]string, 0, len(s))
	for _, pair := range s {
		if key, ok := constant(pair[0]); ok && !seen[key] && !reserved(key) {
			seen[key] = true
			literal = append(literal, key)
		}
		p.keys = append(p.keys, c.node(pair[0]))
		p.values = append(p.values, c.node(pair[1]))
	}
	if len(literal) == len(s) {
		p.literal = literal
	}
	return p
}

func (c *compiler) grouped(n node, p *pairs) node {
	return func(f *frame, in any) (any, *Error) {
		v, err := n(f, in)
		if err != nil {
			return nil, err
		}
		return p.evaluate(f, v)
	}
}

// reserved are the keys that mark functions in the official evaluator.
func reserved(key string) bool { return key == "_jsonata_lambda" || key == "_jsonata_function" }

// entry is one key of a group-by with what fell under it.
type entry struct {
	key  string
	pair int
	data any
	own  *list // data, once it is a list that nothing else holds
}

// evaluate is the official evaluateGroupExpression.
func (p *pairs) evaluate(f *frame, in any) (any, *Error) {
	var items []any
	tuples := false
	switch v := in.(type) {
	case *list:
		items, tuples = v.items, v.tuples
	case []any:
		items = v
	default:
		if p.literal != nil {
			return p.object(f, in)
		}
		items = []any{in}
	}
	if len(items) == 0 && !tuples {
		items = []any{undefined}
	}
	if len(items) == 1 && !tuples && p.literal != nil {
		return p.object(f, items[0])
	}
	entries, err := p.entries(f, items, tuples)
	if err != nil {
		return nil, err
	}
	o := &Object{built: true, members: make([]member, 0, len(entries))}
	for _, e := range entries {
		context, inner := e.data, f
		if tuples {
			t, err := reduceTuples(f.state, e.data)
			if err != nil {
				return nil, err
			}
			context, inner = t.at, f.frameOf(t)
		}
		v, err := p.values[e.pair](inner, context)
		if err != nil {
			return nil, err
		}
		if !isUndefined(v) {
			o.add(e.key, v)
		}
	}
	return o, nil
}

// object is the case of one item and keys that are literals.
func (p *pairs) object(f *frame, item any) (any, *Error) {
	if _, ok := item.(*tuple); ok {
		return nil, giveUp
	}
	o := &Object{built: true, members: make([]member, 0, len(p.literal))}
	for i, key := range p.literal {
		v, err := p.values[i](f, item)
		if err != nil {
			return nil, err
		}
		if !isUndefined(v) {
			o.add(key, v)
		}
	}
	return o, nil
}

func (p *pairs) entries(f *frame, items []any, tuples bool) ([]*entry, *Error) {
	var entries []*entry
	index := map[string]*entry{}
	for _, item := range items {
		if err := f.tick(); err != nil {
			return nil, err
		}
		context, inner := item, f
		t, isTuple := item.(*tuple)
		if isTuple != tuples {
			return nil, giveUp
		}
		if tuples {
			context, inner = t.at, f.frameOf(t)
		}
		for i := range p.keys {
			k, err := p.keys[i](inner, context)
			if err != nil {
				return nil, err
			}
			if isUndefined(k) {
				continue
			}
			key, ok := k.(string)
			if !ok {
				return nil, &Error{Code: "T1003", Position: p.position, value: k}
			}
			if reserved(key) {
				return nil, &Error{Code: "D1013", Position: p.position, value: key}
			}
			e := index[key]
			if e == nil {
				e = &entry{key: key, pair: i, data: item}
				index[key] = e
				entries = append(entries, e)
				continue
			}
			if e.pair != i {
				return nil, &Error{Code: "D1009", Position: p.position, value: key}
			}
			if err := e.append(f.state, item); err != nil {
				return nil, err
			}
		}
	}
	return entries, nil
}

// append is appended, without a copy per item.
func (e *entry) append(s *state, item any) *Error {
	if e.own == nil || isUndefined(item) {
		joined, err := appended(s, e.data, item)
		if err != nil {
			return err
		}
		if !isUndefined(item) && !isUndefined(e.data) {
			e.own = joined.(*list)
		}
		e.data = joined
		return nil
	}
	items, ok := elements(item)
	if !ok {
		items = []any{item}
	}
	if n := len(e.own.items) + len(items); n > s.limits.Sequence {
		return &Error{Code: codeSequence, value: float64(n)}
	}
	e.own.items = append(e.own.items, items...)
	return nil
}

// reduceTuples is the official reduceTupleStream.
func reduceTuples(s *state, v any) (*tuple, *Error) {
	if t, ok := v.(*tuple); ok {
		return t, nil
	}
	items, ok := elements(v)
	if !ok || len(items) == 0 {
		return nil, giveUp
	}
	var out *tuple
	for i, x := range items {
		t, ok := x.(*tuple)
		if !ok {
			return nil, giveUp
		}
		if i == 0 {
			out = t.extend()
			continue
		}
		var err *Error
		if out.at, err = appended(s, out.at, t.at); err != nil {
			return nil, err
		}
		for _, v := range t.vars {
			var before any = undefined
			for _, w := range out.vars {
				if w.name == v.name {
					before = w.value
				}
			}
			joined, err := appended(s, before, v.value)
			if err != nil {
				return nil, err
			}
			out.set(v.name, joined)
		}
	}
	return out, nil
}
