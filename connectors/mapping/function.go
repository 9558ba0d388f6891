package mapping

// function is a function value. One of native, lambda, partial, wrapped,
// pattern and chain says which kind.
type function struct {
	name  string // of a native one
	sig   *signature
	arity int // how many arguments a higher-order function passes

	native func(f *frame, args []any) (any, *Error)
	params int // of a native one, for partial application; 0: not possible

	lambda  *lambda
	env     *frame
	in      any
	applied bool // a lambda with some of its arguments

	partial *function // a native one with some of its arguments
	given   []any

	// wrapped is a function that was passed as an argument: it is called
	// without a context.
	wrapped *function

	pattern *pattern // a regular expression

	chain *[2]*function // f ~> g

	// last is the latest call of a lambda. Errors are reported there.
	last *callSite
}

type lambda struct {
	params []string
	body   node
}

// placeholder is the ? of a partial application.
var placeholder = &undefinedValue{}

// callSite is where a function is called, for errors.
type callSite struct {
	name     string
	position int
}

// thunk is a call in the tail position of a function, left to the caller.
type thunk struct {
	call *call
	f    *frame
	in   any
}

// call is a function invocation.
type call struct {
	site      callSite
	procedure node
	args      []node
	level     int
	path      string // the name that was called without a $
}

func (c *compiler) invocation(s *syntax) *call {
	k := &call{site: callSite{s.Procedure.text(), s.Position}, level: c.level}
	if s.Procedure.Type == "path" && len(s.Procedure.Steps) > 0 {
		k.path = s.Procedure.Steps[0].text()
		k.site.name = k.path
	}
	k.procedure = c.node(s.Procedure)
	for _, a := range s.Arguments {
		k.args = append(k.args, c.node(a))
	}
	return k
}

// call compiles a function invocation. first, if any, is the left side of ~>.
func (c *compiler) call(s *syntax, first node) node {
	k := c.invocation(s)
	return func(f *frame, in any) (any, *Error) {
		base := len(f.args)
		if first != nil {
			v, err := first(f, in)
			if err != nil {
				return nil, err
			}
			f.args = append(f.args, v)
		}
		proc, err := k.procedure(f, in)
		if err != nil {
			return nil, err
		}
		if isUndefined(proc) && k.path != "" && f.known(k.path) {
			return nil, &Error{Code: "T1005", Position: k.site.position, Token: k.path}
		}
		for _, a := range k.args {
			v, err := a(f, in)
			if err != nil {
				return nil, err
			}
			if fn, ok := v.(*function); ok {
				v = &function{wrapped: fn, arity: fn.arity}
			}
			f.args = append(f.args, v)
		}
		f.depth += k.level
		v, err := f.apply(proc, f.args[base:len(f.args):len(f.args)], in, &k.site)
		f.depth -= k.level
		f.args = f.args[:base]
		if err != nil && err != giveUp && err != errDone {
			if err.Position == 0 {
				err.Position = k.site.position
			}
			if err.Token == "" {
				err.Token = k.site.name
			}
		}
		return v, err
	}
}

// known reports whether a variable has a value that JavaScript takes for true.
func (f *frame) known(name string) bool {
	v, ok := f.lookup(name)
	if !ok {
		v, ok = f.ev.Bindings[name]
	}
	if !ok {
		return builtins[name] != nil || officialOnly[name]
	}
	switch v := v.(type) {
	case nil, *undefinedValue:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case float64, Number:
		n, _ := numeric(v)
		return n != 0 && n == n
	}
	return true
}

// apply is the official apply: it runs calls in tail position in a loop.
func (f *frame) apply(proc any, args []any, context any, site *callSite) (any, *Error) {
	v, err := f.applyOnce(proc, args, context, site)
	for err == nil {
		t, ok := v.(*thunk)
		if !ok {
			break
		}
		if err := f.tick(); err != nil {
			return nil, err
		}
		next, err := t.call.procedure(t.f, t.in)
		if err != nil {
			return nil, err
		}
		if _, ok := next.(*function); !ok {
			return nil, giveUp
		}
		args := make([]any, len(t.call.args))
		for i, a := range t.call.args {
			if args[i], err = a(t.f, t.in); err != nil {
				return nil, err
			}
			// Here the official evaluator passes functions as they are, and
			// what takes one finds these lacking.
			if fn, ok := args[i].(*function); ok && (fn.native != nil || fn.partial != nil || fn.applied) {
				return nil, giveUp
			}
		}
		if v, err = f.applyOnce(next, args, context, &t.call.site); err != nil {
			return nil, err
		}
	}
	return v, err
}

// applyOnce is the official applyInner. site is nil where a higher-order
// function calls.
func (f *frame) applyOnce(proc any, args []any, context any, site *callSite) (any, *Error) {
	fn, ok := proc.(*function)
	if !ok {
		if proc == nil {
			return nil, giveUp
		}
		return nil, &Error{Code: "T1006"}
	}
	if site != nil && fn.lambda != nil {
		fn.last = site
	}
	v, err := f.applyFunction(fn, args, context)
	if err == nil || err == giveUp || err == errDone {
		return v, err
	}
	at := site
	if fn.lambda != nil {
		at = fn.last
	}
	if at != nil && fn.wrapped == nil {
		if err.Token == "" {
			err.Token = at.name
		}
		if at.position != 0 {
			err.Position = at.position
		}
	}
	return nil, err
}

func (f *frame) applyFunction(fn *function, args []any, context any) (any, *Error) {
	if fn.sig != nil {
		var err *Error
		if args, err = fn.sig.validate(args, context); err != nil {
			return nil, err
		}
	}
	switch {
	case fn.native != nil:
		return fn.native(f, args)
	case fn.lambda != nil:
		return f.applyLambda(fn, args)
	case fn.wrapped != nil:
		return f.apply(fn.wrapped, args, nil, nil)
	case fn.partial != nil:
		return f.applyPartial(fn, args)
	case fn.chain != nil:
		v, err := f.apply(fn.chain[0], []any{argument(args, 0)}, nil, nil)
		if err != nil {
			return nil, err
		}
		return f.apply(fn.chain[1], []any{v}, nil, nil)
	}
	return nil, giveUp // a regular expression, called like a function
}

func (f *frame) applyLambda(fn *function, args []any) (any, *Error) {
	if err := f.tick(); err != nil {
		return nil, err
	}
	if f.depth+1 > f.limits.Depth {
		return nil, &Error{Code: codeDepth}
	}
	inner := &frame{state: f.state, parent: fn.env}
	if n := len(fn.lambda.params); n > 0 {
		inner.vars = make([]variable, 0, n)
		for i, name := range fn.lambda.params {
			inner.bind(name, argument(args, i))
		}
	}
	return fn.lambda.body(inner, fn.in)
}

// applyPartial calls a native function with the arguments given before and the
// rest. The official evaluator does not check these; where that would matter,
// it has to do it.
func (f *frame) applyPartial(fn *function, rest []any) (any, *Error) {
	args := make([]any, len(fn.given))
	for i, v := range fn.given {
		if v == any(placeholder) {
			v = argument(rest, 0)
			rest = rest[min(1, len(rest)):]
		}
		args[i] = v
	}
	for len(args) > 0 && isUndefined(args[len(args)-1]) {
		args = args[:len(args)-1]
	}
	if fn.partial.sig != nil {
		checked, err := fn.partial.sig.validate(args, undefined)
		if err != nil {
			return nil, giveUp
		}
		for i := range checked {
			if i < len(args) && symbol(checked[i]) != symbol(args[i]) || i >= len(args) && !isUndefined(checked[i]) {
				return nil, giveUp
			}
		}
	}
	return fn.partial.native(f, args)
}

func argument(args []any, i int) any {
	if i < len(args) {
		return args[i]
	}
	return undefined
}

// call calls a function that was given as an argument.
func (f *frame) call(fn *function, args ...any) (any, *Error) {
	if err := f.tick(); err != nil {
		return nil, err
	}
	return f.apply(fn, args, nil, nil)
}

// item calls fn for one item of a collection, with its place and the
// collection if fn has parameters for them.
func (f *frame) item(fn *function, v, place, all any) (any, *Error) {
	switch {
	case fn.arity >= 3:
		return f.call(fn, v, place, all)
	case fn.arity == 2:
		return f.call(fn, v, place)
	}
	return f.call(fn, v)
}

func (c *compiler) lambda(s *syntax) node {
	if s.Thunk {
		// The official evaluator places errors of such a call at the name.
		k := c.invocation(s.Body)
		k.site = callSite{"", s.Body.Procedure.Position}
		if s.Body.Procedure.Type == "variable" {
			k.site.name = s.Body.Procedure.text()
		}
		return func(f *frame, in any) (any, *Error) {
			return &thunk{k, f, in}, nil
		}
	}
	l := &lambda{}
	for _, a := range s.Arguments {
		l.params = append(l.params, a.text())
	}
	var sig *signature
	if s.Signature != "" {
		var ok bool
		if sig, ok = parseSignature(s.Signature); !ok {
			return c.fail()
		}
	}
	level := c.level
	c.level = 0
	l.body = c.node(s.Body)
	c.level = level
	return func(f *frame, in any) (any, *Error) {
		return &function{lambda: l, sig: sig, arity: len(l.params), env: f, in: in}, nil
	}
}

func (c *compiler) partial(s *syntax) node {
	k := &call{site: callSite{s.Procedure.text(), s.Position}}
	if s.Procedure.Type == "path" && len(s.Procedure.Steps) > 0 {
		k.path = s.Procedure.Steps[0].text()
		k.site.name = k.path
	}
	k.procedure = c.node(s.Procedure)
	for _, a := range s.Arguments {
		if a.Type == "operator" && a.text() == "?" {
			k.args = append(k.args, nil)
			continue
		}
		k.args = append(k.args, c.node(a))
	}
	return func(f *frame, in any) (any, *Error) {
		args := make([]any, len(k.args))
		for i, a := range k.args {
			if a == nil {
				args[i] = placeholder
				continue
			}
			var err *Error
			if args[i], err = a(f, in); err != nil {
				return nil, err
			}
		}
		proc, err := k.procedure(f, in)
		if err != nil {
			return nil, err
		}
		return f.partially(proc, args, k)
	}
}

func (f *frame) partially(proc any, args []any, k *call) (any, *Error) {
	fn, ok := proc.(*function)
	switch {
	case !ok && isUndefined(proc) && k.path != "" && f.known(k.path):
		return nil, &Error{Code: "T1007", Position: k.site.position, Token: k.path}
	case !ok:
		return nil, &Error{Code: "T1008", Position: k.site.position, Token: k.site.name}
	case fn.lambda != nil:
		inner := &frame{state: f.state, parent: fn.env}
		l := &lambda{body: fn.lambda.body}
		for i, name := range fn.lambda.params {
			if v := argument(args, i); v == any(placeholder) {
				l.params = append(l.params, name)
			} else {
				inner.bind(name, v)
			}
		}
		return &function{lambda: l, arity: len(l.params), env: inner, in: fn.in, applied: true}, nil
	case fn.partial != nil:
		given := make([]any, len(fn.given))
		open, at := 0, 0
		for i, v := range fn.given {
			if v == any(placeholder) {
				v = argument(args, at)
				at++
			}
			if given[i] = v; v == any(placeholder) {
				open++
			}
		}
		return &function{partial: fn.partial, given: given, arity: open}, nil
	case fn.native != nil && fn.params > 0:
		given := make([]any, fn.params)
		open := 0
		for i := range given {
			if given[i] = argument(args, i); given[i] == any(placeholder) {
				open++
			}
		}
		return &function{partial: fn, given: given, arity: open}, nil
	}
	return nil, giveUp
}

func (c *compiler) apply(s *syntax) node {
	if s.LHS == nil || s.RHS == nil {
		return c.fail()
	}
	lhs := c.node(s.LHS)
	if s.RHS.Type == "function" {
		return c.call(s.RHS, lhs)
	}
	rhs := c.node(s.RHS)
	position := s.Position
	return func(f *frame, in any) (any, *Error) {
		v, err := lhs(f, in)
		if err != nil {
			return nil, err
		}
		r, err := rhs(f, in)
		if err != nil {
			return nil, err
		}
		fn, ok := r.(*function)
		if !ok {
			return nil, &Error{Code: "T2006", Position: position, value: r}
		}
		if first, ok := v.(*function); ok {
			return &function{chain: &[2]*function{first, fn}, arity: 1}, nil
		}
		if v, err = f.apply(fn, []any{v}, nil, nil); err != nil && err.Position == 0 && err != giveUp && err != errDone {
			err.Position = position
		}
		return v, err
	}
}
