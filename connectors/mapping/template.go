package mapping

import (
	"context"
	"errors"
	"strconv"
	"strings"
)

// Template is a compiled JSON value in which every string that starts with "="
// is an expression. It is safe for concurrent use.
type Template struct {
	root part
}

// TemplateError says which expression of a template is at fault.
type TemplateError struct {
	// Pointer is the place inside the template (RFC 6901), "" for the whole.
	Pointer string
	// Err is the expression's error; its position counts behind the "=".
	Err *Error
}

func (e *TemplateError) Error() string {
	if e.Pointer == "" {
		return e.Err.Error()
	}
	return e.Pointer + ": " + e.Err.Error()
}

// Unwrap returns the expression's error.
func (e *TemplateError) Unwrap() error { return e.Err }

// part is one value of a template. Exactly one of its kinds holds: an
// expression, an object with expressions inside, an array with expressions
// inside, or a constant.
type part struct {
	pointer    string
	expression *Expression
	members    []templateMember
	items      []part
	constant   Value
}

type templateMember struct {
	key string
	part
}

func (p *part) isConstant() bool {
	return p.expression == nil && p.members == nil && p.items == nil
}

// CompileTemplate compiles v, a Value or what FromGo makes one of (a decoded
// YAML document). Of strings, "=…" is an expression, "\=…" the text "=…", any
// other itself. An expression at fault is reported as a [*TemplateError].
func (e *Engine) CompileTemplate(v Value) (*Template, error) {
	v, err := FromGo(v)
	if err != nil {
		return nil, err
	}
	root, err := e.compilePart(v, "")
	if err != nil {
		return nil, err
	}
	return &Template{root}, nil
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

func (e *Engine) compilePart(v Value, pointer string) (part, error) {
	switch v := v.(type) {
	case string:
		switch {
		case strings.HasPrefix(v, "="):
			x, err := e.Compile(v[1:])
			if err != nil {
				return part{}, atPointer(pointer, err)
			}
			return part{pointer: pointer, expression: x}, nil
		case strings.HasPrefix(v, `\=`):
			return part{constant: v[1:]}, nil
		}
	case []any:
		items := make([]part, len(v))
		constant := true
		for i, x := range v {
			p, err := e.compilePart(x, pointer+"/"+strconv.Itoa(i))
			if err != nil {
				return part{}, err
			}
			items[i] = p
			constant = constant && p.isConstant()
		}
		if !constant {
			return part{pointer: pointer, items: items}, nil
		}
		values := make([]any, len(items))
		for i := range items {
			values[i] = items[i].constant
		}
		return part{constant: values}, nil
	case *Object:
		members := make([]templateMember, 0, v.Len())
		constant := true
		for _, m := range v.members {
			p, err := e.compilePart(m.value, pointer+"/"+pointerEscape.Replace(m.key))
			if err != nil {
				return part{}, err
			}
			members = append(members, templateMember{m.key, p})
			constant = constant && p.isConstant()
		}
		if !constant {
			return part{pointer: pointer, members: members}, nil
		}
		o := NewObject()
		for i := range members {
			o.Set(members[i].key, members[i].constant)
		}
		return part{constant: o}, nil
	}
	return part{constant: v}, nil
}

func atPointer(pointer string, err error) error {
	var e *Error
	if errors.As(err, &e) {
		return &TemplateError{pointer, e}
	}
	return err
}

// Constant reports whether the template holds no expression.
func (t *Template) Constant() bool { return t.root.isConstant() }

// Expressions calls f for every expression of the template, in order, with its
// place (RFC 6901).
func (t *Template) Expressions(f func(pointer string, x *Expression)) { t.root.expressions(f) }

func (p *part) expressions(f func(string, *Expression)) {
	if p.expression != nil {
		f(p.pointer, p.expression)
	}
	for i := range p.members {
		p.members[i].expressions(f)
	}
	for i := range p.items {
		p.items[i].expressions(f)
	}
}

// Evaluate evaluates every expression on scope. An expression without a result
// leaves its member out of an object, is null in an array, and nil for the
// whole. The result may share parts of scope and of the template. An
// expression at fault is reported as a [*TemplateError].
func (t *Template) Evaluate(ctx context.Context, scope Value, ev Eval) (Value, error) {
	v, _, err := t.root.evaluate(ctx, scope, ev)
	return v, err
}

func (p *part) evaluate(ctx context.Context, scope Value, ev Eval) (Value, bool, error) {
	switch {
	case p.expression != nil:
		v, defined, err := p.expression.Evaluate(ctx, scope, ev)
		if err != nil {
			return nil, false, atPointer(p.pointer, err)
		}
		return v, defined, nil
	case p.members != nil:
		o := &Object{members: make([]member, 0, len(p.members))}
		for i := range p.members {
			m := &p.members[i]
			v, defined, err := m.evaluate(ctx, scope, ev)
			if err != nil {
				return nil, false, err
			}
			if defined {
				o.add(m.key, v)
			}
		}
		return o, true, nil
	case p.items != nil:
		items := make([]any, len(p.items))
		for i := range p.items {
			v, _, err := p.items[i].evaluate(ctx, scope, ev)
			if err != nil {
				return nil, false, err
			}
			items[i] = v
		}
		return items, true, nil
	}
	return p.constant, true, nil
}
