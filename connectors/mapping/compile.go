package mapping

import (
	"encoding/json"
	"regexp"
	"strconv"
)

// compiler turns syntax into closures. What it does not know it marks as
// unsupported; the expression is then the official evaluator's.
type compiler struct {
	bound       map[string]bool // names that the expression gives to variables
	level       int             // nesting within the root or the body of a function
	unsupported bool
}

// loneSurrogate finds string escapes that a Go string cannot hold.
var loneSurrogate = regexp.MustCompile(`\\u[dD][89a-fA-F]`)

// compileTree returns nil for what only the official evaluator can do.
func compileTree(source, tree string) *program {
	if loneSurrogate.MatchString(source) {
		return nil
	}
	s, err := parseTree(tree)
	if err != nil {
		return nil
	}
	c := &compiler{bound: map[string]bool{}}
	s.walk(c.collect)
	root := c.node(s)
	if c.unsupported {
		return nil
	}
	return &program{root}
}

// collect notes the names of variables.
func (c *compiler) collect(s *syntax) {
	switch s.Type {
	case "bind":
		c.bound[s.LHS.text()] = true
	case "lambda":
		for _, a := range s.Arguments {
			c.bound[a.text()] = true
		}
	}
	for _, name := range []string{s.Focus, s.Index} {
		if name != "" {
			c.bound[name] = true
		}
	}
	for _, stage := range s.Stages {
		if stage.Type == "index" {
			c.bound[rawText(stage.Value)] = true
		}
	}
}

func (c *compiler) fail() node {
	c.unsupported = true
	return func(*frame, any) (any, *Error) { return nil, giveUp }
}

// node compiles what the official evaluate() does with a node.
func (c *compiler) node(s *syntax) node {
	if s == nil || s.Type == "error" {
		return c.fail()
	}
	c.level++
	defer func() { c.level-- }()

	n, single := c.plainNode(s)
	for _, p := range s.Predicate {
		n, single = c.predicated(n, c.predicate(p.Expr)), false
	}
	if s.Group != nil && s.Type != "path" {
		n, single = c.grouped(n, c.pairs(s.Group.Pairs, s.Group.Position)), true
	}
	if single && !s.KeepArray {
		return n
	}
	return unwrapped(n, s.KeepArray)
}

// unwrapped ends the evaluation of a node whose result may be a sequence.
func unwrapped(n node, keepArray bool) node {
	return func(f *frame, in any) (any, *Error) {
		v, err := n(f, in)
		if l, ok := v.(*list); ok && err == nil {
			return unwrap(l, keepArray), nil
		}
		return v, err
	}
}

func unwrap(l *list, keepArray bool) any {
	if !l.sequence || l.tuples {
		return l
	}
	if keepArray {
		l.keep = true
	}
	switch {
	case len(l.items) == 0:
		return undefined
	case len(l.items) == 1 && !l.keep:
		return l.items[0]
	}
	return l
}

// plainNode compiles a node without its predicates. single: its result is
// never a sequence that is to be unwrapped.
func (c *compiler) plainNode(s *syntax) (n node, single bool) {
	switch s.Type {
	case "path":
		return c.path(s)
	case "binary":
		return c.binary(s), s.text() != ".."
	case "unary":
		return c.unary(s)
	case "name":
		return c.name(s.text()), false
	case "string", "number", "value":
		return c.literal(s), true
	case "wildcard":
		return wildcard, false
	case "descendant":
		return descendants, false
	case "parent":
		if s.Slot == nil {
			return c.fail(), true
		}
		return c.dynamicVariable(s.Slot.Label), false
	case "condition":
		return c.condition(s), true
	case "block":
		return c.block(s), true
	case "bind":
		return c.bindTo(s.LHS.text(), c.node(s.RHS)), true
	case "regex":
		return c.regex(s), true
	case "function":
		return c.call(s, nil), false
	case "variable":
		return c.variable(s.text()), false
	case "lambda":
		return c.lambda(s), true
	case "partial":
		return c.partial(s), true
	case "apply":
		return c.apply(s), false
	case "transform":
		return c.transform(s), true
	}
	return c.fail(), true
}

func (c *compiler) literal(s *syntax) node {
	var v any
	switch s.Type {
	case "string":
		v = s.text()
	case "number":
		f, err := strconv.ParseFloat(string(s.Value), 64)
		if err != nil {
			return c.fail()
		}
		v = f
	default:
		if err := json.Unmarshal(s.Value, &v); err != nil {
			return c.fail()
		}
	}
	return func(*frame, any) (any, *Error) { return v, nil }
}

// constant is the string a node always evaluates to.
func constant(s *syntax) (string, bool) {
	if s == nil || s.Type != "string" || s.Predicate != nil || s.Group != nil {
		return "", false
	}
	return s.text(), true
}

func (c *compiler) variable(name string) node {
	switch name {
	case "":
		return contextVariable
	case "$":
		if !c.bound["$"] {
			return func(f *frame, _ any) (any, *Error) { return f.root, nil }
		}
		return c.fail()
	}
	if c.bound[name] {
		return c.dynamicVariable(name)
	}
	native := builtins[name]
	if native == nil && officialOnly[name] {
		return c.fail()
	}
	var value any = undefined
	if native != nil {
		value = native
	}
	return func(f *frame, _ any) (any, *Error) {
		if len(f.ev.Bindings) > 0 {
			if v, ok := f.ev.Bindings[name]; ok {
				return v, nil
			}
		}
		return value, nil
	}
}

func contextVariable(_ *frame, in any) (any, *Error) {
	if l, ok := in.(*list); ok && l.outer {
		return l.items[0], nil
	}
	return in, nil
}

// dynamicVariable looks a name up through the scopes.
func (c *compiler) dynamicVariable(name string) node {
	native := builtins[name]
	if native == nil && officialOnly[name] {
		return c.fail()
	}
	return func(f *frame, _ any) (any, *Error) {
		if v, ok := f.lookup(name); ok {
			return v, nil
		}
		if v, ok := f.ev.Bindings[name]; ok {
			return v, nil
		}
		if native != nil {
			return native, nil
		}
		return undefined, nil
	}
}

func (c *compiler) bindTo(name string, value node) node {
	return func(f *frame, in any) (any, *Error) {
		v, err := value(f, in)
		if err == nil {
			f.bind(name, v)
		}
		return v, err
	}
}

func (c *compiler) condition(s *syntax) node {
	condition, then := c.node(s.Condition), c.node(s.Then)
	otherwise := node(func(*frame, any) (any, *Error) { return undefined, nil })
	if s.Else != nil {
		otherwise = c.node(s.Else)
	}
	return func(f *frame, in any) (any, *Error) {
		v, err := condition(f, in)
		if err != nil {
			return nil, err
		}
		t, err := truth(v)
		if err != nil {
			return nil, err
		}
		if t {
			return then(f, in)
		}
		return otherwise(f, in)
	}
}

func (c *compiler) block(s *syntax) node {
	parts := make([]node, len(s.Expressions))
	for i, x := range s.Expressions {
		parts[i] = c.node(x)
	}
	// Only a binding makes the scope of a block observable.
	binds := false
	s.walk(func(x *syntax) { binds = binds || x.Type == "bind" })
	if len(parts) == 1 && !binds {
		return parts[0]
	}
	return func(f *frame, in any) (any, *Error) {
		if binds {
			f = f.inner()
		}
		var v any = undefined
		for _, p := range parts {
			var err *Error
			if v, err = p(f, in); err != nil {
				return nil, err
			}
		}
		return v, nil
	}
}

func (c *compiler) unary(s *syntax) (n node, single bool) {
	switch s.text() {
	case "-":
		return c.negation(s), true
	case "[":
		return c.array(s), true
	case "{":
		pairs := c.pairs(s.Pairs, s.Position)
		return func(f *frame, in any) (any, *Error) { return pairs.evaluate(f, in) }, true
	}
	return c.fail(), true
}

func (c *compiler) negation(s *syntax) node {
	operand := c.node(s.Expression)
	position := s.Position
	return func(f *frame, in any) (any, *Error) {
		v, err := operand(f, in)
		if err != nil || isUndefined(v) {
			return v, err
		}
		n, ok, err := isNumber(v)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, &Error{Code: "D1002", Position: position, Token: "-", value: v}
		}
		return -n, nil
	}
}

func (c *compiler) array(s *syntax) node {
	type element struct {
		node
		nested bool // pushed as it is, an array constructor
	}
	parts := make([]element, len(s.Expressions))
	for i, x := range s.Expressions {
		parts[i] = element{c.node(x), x.text() == "["}
	}
	cons := s.ConsArray
	return func(f *frame, in any) (any, *Error) {
		l := &list{cons: cons}
		if len(parts) > 0 {
			l.items = make([]any, 0, len(parts))
		}
		for _, p := range parts {
			v, err := p.node(f, in)
			if err != nil {
				return nil, err
			}
			if isUndefined(v) {
				continue
			}
			items, ok := elements(v)
			if p.nested || !ok {
				if !p.nested && len(l.items) >= f.limits.Sequence {
					return nil, &Error{Code: codeSequence, value: float64(len(l.items) + 1)}
				}
				l.items = append(l.items, v)
				continue
			}
			if n := len(l.items) + len(items); n > f.limits.Sequence {
				return nil, &Error{Code: codeSequence, value: float64(n)}
			}
			if err := f.makeCells(len(items)); err != nil {
				return nil, err
			}
			l.items = append(l.items, items...)
		}
		return l, nil
	}
}
