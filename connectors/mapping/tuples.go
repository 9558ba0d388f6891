package mapping

// tuple is an item of a path with the variables bound along the way.
type tuple struct {
	at   any // '@'
	vars []variable
}

func (t *tuple) set(name string, v any) {
	for i := range t.vars {
		if t.vars[i].name == name {
			t.vars[i].value = v
			return
		}
	}
	t.vars = append(t.vars, variable{name, v})
}

// extend returns a copy of t.
func (t *tuple) extend() *tuple {
	vars := make([]variable, len(t.vars), len(t.vars)+2)
	copy(vars, t.vars)
	return &tuple{t.at, vars}
}

// frameOf is createFrameFromTuple.
func (f *frame) frameOf(t *tuple) *frame {
	return &frame{state: f.state, parent: f, vars: t.vars[:len(t.vars):len(t.vars)]}
}

// evaluateTuples is the official evaluateTupleStep. before is nil when no step
// before made tuples.
func (st *step) evaluateTuples(f *frame, input any, before *list) (*list, *Error) {
	if st.sort != nil {
		return st.sortTuples(f, input, before)
	}
	var tuples []any
	if before != nil {
		tuples = before.items
	} else {
		items, ok := elements(input)
		if !ok {
			return nil, giveUp
		}
		tuples = make([]any, len(items))
		for i, x := range items {
			tuples[i] = &tuple{at: x}
		}
	}
	out := &list{sequence: true, tuples: true}
	for _, x := range tuples {
		if err := f.tick(); err != nil {
			return nil, err
		}
		t, ok := x.(*tuple)
		if !ok {
			return nil, giveUp
		}
		v, err := st.node(f.frameOf(t), t.at)
		if err != nil {
			return nil, err
		}
		if isUndefined(v) {
			continue
		}
		items, ok := elements(v)
		if !ok {
			items = []any{v}
		}
		l, ok := v.(*list)
		stream := ok && l.tuples
		for i, item := range items {
			next := t.extend()
			if stream {
				inner, ok := item.(*tuple)
				if !ok {
					return nil, giveUp
				}
				next.at = inner.at
				for _, v := range inner.vars {
					next.set(v.name, v.value)
				}
			} else {
				st.label(next, t, item, i)
			}
			if err := out.push(f.state, next); err != nil {
				return nil, err
			}
		}
	}
	if st.stages == nil {
		return out, nil
	}
	return asTuples(applyStages(f, st.stages, out))
}

func (st *step) label(next, from *tuple, item any, i int) {
	if st.focus != "" {
		next.set(st.focus, item)
	} else {
		next.at = item
	}
	if st.index != "" {
		next.set(st.index, float64(i))
	}
	if st.ancestor != "" {
		next.set(st.ancestor, from.at)
	}
}

func (st *step) sortTuples(f *frame, input any, before *list) (*list, *Error) {
	var out any
	if before != nil {
		sorted, err := st.sort.evaluate(f, before)
		if err != nil {
			return nil, err
		}
		out = sorted
	} else {
		sorted, err := st.sort.evaluate(f, input)
		if err != nil {
			return nil, err
		}
		items, _ := elements(sorted)
		l := &list{sequence: true, tuples: true}
		for i, x := range items {
			if err := l.push(f.state, &tuple{at: x, vars: []variable{{st.index, float64(i)}}}); err != nil {
				return nil, err
			}
		}
		out = l
	}
	if st.stages == nil {
		return asTuples(out, nil)
	}
	return asTuples(applyStages(f, st.stages, out))
}

func asTuples(v any, err *Error) (*list, *Error) {
	if err != nil {
		return nil, err
	}
	if l, ok := v.(*list); ok {
		return l, nil
	}
	return nil, giveUp
}
