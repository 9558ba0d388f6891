package mapping

import "math"

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

func (c *compiler) name(key string) node {
	return func(f *frame, in any) (any, *Error) { return lookup(f.state, in, key) }
}

// lookup is the official lookup: in an array it collects from all items.
func lookup(s *state, in any, key string) (any, *Error) {
	switch in := in.(type) {
	case *Object:
		if in == nil {
			return undefined, nil
		}
		if i := in.find(key); i >= 0 {
			return in.members[i].value, nil
		}
		return undefined, nil
	case []any, *list:
		out := &list{sequence: true}
		return out, lookupAll(s, out, in, key, 0)
	case *tuple:
		return nil, giveUp
	}
	return undefined, nil
}

func lookupAll(s *state, out *list, in any, key string, depth int) *Error {
	if depth > maxNesting {
		return &Error{Code: codeDepth}
	}
	items, _ := elements(in)
	for _, item := range items {
		if err := s.tick(); err != nil {
			return err
		}
		if isArray(item) {
			if err := lookupAll(s, out, item, key, depth+1); err != nil {
				return err
			}
			continue
		}
		v, err := lookup(s, item, key)
		if err != nil {
			return err
		}
		if isUndefined(v) {
			continue
		}
		if found, ok := elements(v); ok {
			for _, x := range found {
				if err := out.push(s, x); err != nil {
					return err
				}
			}
		} else if err := out.push(s, v); err != nil {
			return err
		}
	}
	return nil
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

// wildcard is the official evaluateWildcard.
func wildcard(f *frame, in any) (any, *Error) {
	if l, ok := in.(*list); ok && l.outer && len(l.items) > 0 {
		in = l.items[0]
	}
	out := &list{sequence: true}
	add := func(v any) *Error {
		if !isArray(v) {
			return out.push(f.state, v)
		}
		// Joined with an array, the result is no sequence any more.
		flat := &list{}
		if err := flattenDeep(f.state, flat, v, 0); err != nil {
			return err
		}
		joined, err := appended(f.state, out, flat)
		if err == nil {
			out = joined.(*list)
		}
		return err
	}
	switch in := in.(type) {
	case *Object:
		if in == nil {
			return out, nil
		}
		for _, m := range in.ordered() {
			if err := add(m.value); err != nil {
				return nil, err
			}
		}
	case []any:
		for _, x := range in {
			if err := add(x); err != nil {
				return nil, err
			}
		}
	case *list:
		if in.sequence {
			return nil, giveUp // its marks would count as members
		}
		for _, x := range in.items {
			if err := add(x); err != nil {
				return nil, err
			}
		}
	case *tuple:
		return nil, giveUp
	}
	return out, nil
}

func flattenDeep(s *state, out *list, v any, depth int) *Error {
	if depth > maxNesting {
		return &Error{Code: codeDepth}
	}
	items, ok := elements(v)
	if !ok {
		return out.push(s, v)
	}
	for _, x := range items {
		if err := s.tick(); err != nil {
			return err
		}
		if err := flattenDeep(s, out, x, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// descendants is the official evaluateDescendants.
func descendants(f *frame, in any) (any, *Error) {
	if isUndefined(in) {
		return undefined, nil
	}
	out := &list{sequence: true}
	if err := addDescendants(f.state, out, in, 0); err != nil {
		return nil, err
	}
	if len(out.items) == 1 {
		return out.items[0], nil
	}
	return out, nil
}

func addDescendants(s *state, out *list, v any, depth int) *Error {
	if depth > maxNesting {
		return &Error{Code: codeDepth}
	}
	if err := s.tick(); err != nil {
		return err
	}
	items, ok := elements(v)
	if !ok {
		if err := out.push(s, v); err != nil {
			return err
		}
	}
	for _, x := range items {
		if err := addDescendants(s, out, x, depth+1); err != nil {
			return err
		}
	}
	switch o := v.(type) {
	case *Object:
		if o == nil {
			return nil
		}
		for _, m := range o.ordered() {
			if err := addDescendants(s, out, m.value, depth+1); err != nil {
				return err
			}
		}
	case *tuple:
		return giveUp
	}
	return nil
}
