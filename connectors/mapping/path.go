package mapping

// step is one step of a path.
type step struct {
	node     node
	stages   []stage
	tuple    bool
	focus    string // the variable of @
	index    string // the variable of #
	ancestor string // the label of a parent, %
	cons     bool
	sort     *ordering

	key string // of a plain name step
}

// stage is a predicate of a step, or the variable of a # behind one.
type stage struct {
	*predicate
	index string
}

type path struct {
	steps         []step
	keepSingleton bool
	tuple         bool // hands its tuples to the path around it
	group         *pairs
	fromVariable  bool // the first step is absolute
	names         bool // all steps but the first are plain names
}

func (c *compiler) path(s *syntax) (n node, single bool) {
	p := &path{
		keepSingleton: s.KeepSingletonArray,
		tuple:         s.Tuple,
		names:         true,
	}
	if len(s.Steps) == 0 {
		return c.fail(), true
	}
	for i, x := range s.Steps {
		st := c.step(x)
		if st.key == "" && i > 0 || st.stages != nil || st.sort != nil || st.tuple || st.cons && i == 0 {
			p.names = false
		}
		p.steps = append(p.steps, st)
	}
	first := s.Steps[0]
	p.fromVariable = first.Type == "variable"
	if s.Group != nil {
		p.group = c.pairs(s.Group.Pairs, s.Group.Position)
	}
	plain := p.names && !p.keepSingleton && p.group == nil && !p.tuple && !s.KeepArray
	if plain && (p.steps[0].key != "" || p.fromVariable) {
		if len(p.steps) == 1 && p.steps[0].key != "" {
			return p.single, false
		}
		return p.chain, false
	}
	return p.evaluate, false
}

// single evaluates a path of one name.
func (p *path) single(f *frame, in any) (any, *Error) {
	if o, ok := in.(*Object); ok && o != nil {
		i := o.find(p.steps[0].key)
		if i < 0 {
			return undefined, nil
		}
		if _, ok := o.members[i].value.(*list); !ok {
			return o.members[i].value, nil
		}
	}
	return p.evaluate(f, in)
}

// chain evaluates a path of names on objects, without sequences in between; it
// leaves to evaluate what meets an array.
func (p *path) chain(f *frame, in any) (any, *Error) {
	v := in
	i := 0
	if p.fromVariable {
		var err *Error
		if v, err = p.steps[0].node(f, in); err != nil {
			return nil, err
		}
		i = 1
	}
	for ; i < len(p.steps); i++ {
		o, ok := v.(*Object)
		if !ok || o == nil {
			if isArray(v) {
				return p.evaluate(f, in)
			}
			if _, ok := v.(*tuple); ok {
				return nil, giveUp
			}
			return undefined, nil
		}
		at := o.find(p.steps[i].key)
		if at < 0 {
			return undefined, nil
		}
		v = o.members[at].value
	}
	if _, ok := v.(*list); ok {
		return p.evaluate(f, in)
	}
	return v, nil
}

func (c *compiler) step(s *syntax) step {
	st := step{
		tuple: s.Tuple, focus: s.Focus, index: s.Index, cons: s.ConsArray,
	}
	if s.Ancestor != nil {
		st.ancestor = s.Ancestor.Label
	}
	for _, x := range s.Stages {
		switch x.Type {
		case "filter":
			st.stages = append(st.stages, stage{predicate: c.predicate(x.Expr)})
		case "index":
			st.stages = append(st.stages, stage{index: rawText(x.Value)})
		default:
			c.fail()
		}
	}
	if s.Type == "sort" {
		st.sort = c.ordering(s)
		return st
	}
	if s.Type == "name" && s.Predicate == nil && s.Group == nil && !s.KeepArray {
		st.key = s.text()
	}
	st.node = c.node(s)
	return st
}

// evaluate is the official evaluatePath.
func (p *path) evaluate(f *frame, in any) (any, *Error) {
	var input any = in
	if !isArray(in) || p.fromVariable {
		input = newSequence(in)
	}
	var result any = undefined
	var tuples *list
	streaming := false
	for i := range p.steps {
		st := &p.steps[i]
		streaming = streaming || st.tuple
		var err *Error
		switch {
		case i == 0 && st.cons:
			result, err = st.node(f, input)
		case streaming:
			tuples, err = st.evaluateTuples(f, input, tuples)
		default:
			result, err = st.evaluate(f, input, i == len(p.steps)-1)
		}
		if err != nil {
			return nil, err
		}
		if !streaming {
			items, ok := elements(result)
			if !ok && !isUndefined(result) && i < len(p.steps)-1 {
				// An array constructor with a predicate. JavaScript goes on
				// with whatever has a length.
				if _, ok := numeric(result); !ok {
					return nil, giveUp
				}
			} else if len(items) == 0 {
				break
			}
		}
		if st.focus == "" {
			input = result
		}
	}
	if streaming {
		if tuples == nil {
			return nil, giveUp
		}
		if p.tuple {
			result = tuples
		} else {
			out := &list{sequence: true}
			for _, x := range tuples.items {
				t, ok := x.(*tuple)
				if !ok {
					return nil, giveUp
				}
				if err := out.push(f.state, t.at); err != nil {
					return nil, err
				}
			}
			result = out
		}
	}
	if p.keepSingleton {
		switch l := result.(type) {
		case *list:
			if l.cons && !l.sequence {
				l = newSequence(l)
				result = l
			}
			l.keep = true
		case []any:
		default:
			return nil, giveUp
		}
	}
	if p.group != nil {
		if streaming {
			return p.group.evaluate(f, tuples)
		}
		return p.group.evaluate(f, result)
	}
	return result, nil
}

// evaluate is the official evaluateStep.
func (st *step) evaluate(f *frame, input any, last bool) (any, *Error) {
	if st.sort != nil {
		v, err := st.sort.evaluate(f, input)
		if err != nil || st.stages == nil {
			return v, err
		}
		return applyStages(f, st.stages, v)
	}
	items, _ := elements(input)
	out := &list{sequence: true}
	if n := len(items); n > 1 && n <= 64 {
		out.items = make([]any, 0, n)
	}
	// The only result of the last step, if it is an array of the data, is the
	// result as it is. So the first is kept back until there is a second.
	var first any
	results := 0
	for _, item := range items {
		if err := f.tick(); err != nil {
			return nil, err
		}
		v, err := st.node(f, item)
		if err != nil {
			return nil, err
		}
		for i := range st.stages {
			if v, err = st.stages[i].filter(f, v); err != nil {
				return nil, err
			}
		}
		if isUndefined(v) {
			continue
		}
		results++
		if results == 1 {
			first = v
			continue
		}
		if results == 2 {
			if err := out.flatten(f.state, first); err != nil {
				return nil, err
			}
		}
		if err := out.flatten(f.state, v); err != nil {
			return nil, err
		}
	}
	if results != 1 {
		return out, nil
	}
	if last {
		switch l := first.(type) {
		case []any:
			return l, nil
		case *list:
			if !l.sequence {
				return l, nil
			}
		}
	}
	return out, out.flatten(f.state, first)
}

// flatten appends v, or the items of v if it is an array.
func (l *list) flatten(s *state, v any) *Error {
	items, ok := elements(v)
	if x, isList := v.(*list); !ok || isList && x.cons {
		return l.push(s, v)
	}
	if len(l.items)+len(items) > s.limits.Sequence {
		return &Error{Code: codeSequence, value: float64(s.limits.Sequence)}
	}
	if err := s.makeCells(len(items)); err != nil {
		return err
	}
	l.items = append(l.items, items...)
	return nil
}

// applyStages is the official evaluateStages.
func applyStages(f *frame, stages []stage, v any) (any, *Error) {
	for _, st := range stages {
		if st.predicate != nil {
			var err *Error
			if v, err = st.filter(f, v); err != nil {
				return nil, err
			}
			continue
		}
		items, _ := elements(v)
		for i, x := range items {
			t, ok := x.(*tuple)
			if !ok {
				return nil, giveUp
			}
			t.set(st.index, float64(i))
		}
	}
	return v, nil
}
