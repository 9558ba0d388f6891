package mapping

// transform compiles | pattern | update, delete |.
func (c *compiler) transform(s *syntax) node {
	if c.bound["clone"] {
		return c.fail()
	}
	// The parts run when the function does, in the scope of its definition.
	level := c.level
	c.level = 0
	t := &transformer{pattern: c.node(s.Pattern), update: c.node(s.Update), updateAt: s.Update.Position}
	if s.Delete != nil {
		t.remove, t.removeAt = c.node(s.Delete), s.Delete.Position
	}
	c.level = level
	sig, _ := parseSignature("<(oa):o>")
	return func(f *frame, _ any) (any, *Error) {
		if _, ok := f.ev.Bindings["clone"]; ok {
			return nil, giveUp
		}
		return &function{
			arity: 1, sig: sig,
			native: func(_ *frame, args []any) (any, *Error) { return t.apply(f, argument(args, 0)) },
		}, nil
	}
}

type transformer struct {
	pattern, update, remove node
	updateAt, removeAt      int
}

func (t *transformer) apply(f *frame, v any) (any, *Error) {
	if isUndefined(v) {
		return undefined, nil
	}
	result, err := f.clone(v, 0)
	if err != nil {
		return nil, err
	}
	matches, err := t.pattern(f, result)
	if err != nil {
		return nil, err
	}
	if isUndefined(matches) {
		return result, nil
	}
	items, ok := elements(matches)
	if !ok {
		items = []any{matches}
	}
	for _, m := range items {
		if err := f.tick(); err != nil {
			return nil, err
		}
		if err := t.change(f, m); err != nil {
			return nil, err
		}
	}
	return result, nil
}

func (t *transformer) change(f *frame, m any) *Error {
	update, err := t.update(f, m)
	if err != nil {
		return err
	}
	target, isObject := m.(*Object)
	if isObject && !target.built {
		return giveUp // not of the clone: a change would reach the input
	}
	if !isUndefined(update) {
		u, ok := update.(*Object)
		if !ok || u == nil {
			if _, isFunction := update.(*function); isFunction {
				return giveUp
			}
			return &Error{Code: "T2011", Position: t.updateAt, value: update}
		}
		if !isObject {
			return giveUp
		}
		for _, x := range u.ordered() {
			target.Set(x.key, x.value)
		}
	}
	if t.remove == nil {
		return nil
	}
	deletions, err := t.remove(f, m)
	if err != nil || isUndefined(deletions) {
		return err
	}
	names, ok := elements(deletions)
	if !ok {
		names = []any{deletions}
	}
	for _, name := range names {
		if _, ok := name.(string); !ok {
			return &Error{Code: "T2012", Position: t.removeAt, value: deletions}
		}
	}
	for _, name := range names {
		if isObject {
			target.Delete(name.(string))
		} else if isArray(m) {
			return giveUp
		}
	}
	return nil
}

// clone is the official $clone, through the JSON of $string: numbers that are
// not whole come out with 15 significant digits.
func (f *frame) clone(v any, depth int) (any, *Error) {
	if depth > maxNesting {
		return nil, &Error{Code: codeDepth}
	}
	if err := f.tick(); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case float64:
		_, ok, err := isNumber(v)
		if err != nil || !ok {
			return nil, err
		}
		return toPrecision15(v), nil
	case Number:
		if isDigits(v) {
			return v, nil
		}
		n, _, err := isNumber(v)
		if r := toPrecision15(n); r != n {
			return r, err
		}
		return v, err
	case *undefinedValue:
		return nil, nil
	case *function:
		return "", nil
	case *tuple:
		return nil, giveUp
	case *Object:
		if v == nil {
			return nil, nil
		}
		if err := f.makeCells(len(v.members)); err != nil {
			return nil, err
		}
		o := &Object{built: true, members: make([]member, 0, len(v.members))}
		for i := range v.members {
			if isUndefined(v.members[i].value) {
				continue
			}
			x, err := f.clone(v.members[i].value, depth+1)
			if err != nil {
				return nil, err
			}
			o.add(v.members[i].key, x)
		}
		return o, nil
	}
	if l, ok := v.(*list); ok && l.outer && depth == 0 {
		return f.clone(l.items[0], depth)
	}
	items, ok := elements(v)
	if !ok {
		return v, nil
	}
	if err := f.makeCells(len(items)); err != nil {
		return nil, err
	}
	out := &list{items: make([]any, len(items))}
	for i, x := range items {
		c, err := f.clone(x, depth+1)
		if err != nil {
			return nil, err
		}
		out.items[i] = c
	}
	return out, nil
}
