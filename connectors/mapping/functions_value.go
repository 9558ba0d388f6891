package mapping

func boolean(_ *frame, args []any) (any, *Error) {
	v := argument(args, 0)
	if isUndefined(v) {
		return undefined, nil
	}
	return flag(truth(v))
}

func not(_ *frame, args []any) (any, *Error) {
	v := argument(args, 0)
	if isUndefined(v) {
		return undefined, nil
	}
	t, err := truth(v)
	return flag(!t, err)
}

func flag(b bool, err *Error) (any, *Error) {
	if err != nil {
		return nil, err
	}
	return b, nil
}

func exists(_ *frame, args []any) (any, *Error) { return !isUndefined(argument(args, 0)), nil }

func typeOf(_ *frame, args []any) (any, *Error) {
	v := argument(args, 0)
	switch v.(type) {
	case *undefinedValue:
		return undefined, nil
	case nil:
		return "null", nil
	case float64, Number:
		if _, ok, err := isNumber(v); err != nil || !ok {
			return "object", err
		}
		return "number", nil
	case string:
		return "string", nil
	case bool:
		return "boolean", nil
	case []any, *list:
		return "array", nil
	case *function:
		return "function", nil
	}
	return "object", nil
}

func raise(_ *frame, args []any) (any, *Error) {
	message, _ := argument(args, 0).(string)
	if message == "" {
		message = "$error() function evaluated"
	}
	return nil, &Error{Code: "D3137", Message: shortened(message)}
}

func assert(_ *frame, args []any) (any, *Error) {
	if ok, _ := argument(args, 0).(bool); ok {
		return undefined, nil
	}
	message, _ := argument(args, 1).(string)
	if message == "" {
		message = "$assert() statement failed"
	}
	return nil, &Error{Code: "D3141", Message: shortened(message)}
}

func keys(f *frame, args []any) (any, *Error) {
	out := &list{sequence: true}
	merged := &Object{}
	var collect func(v any, depth int) *Error
	collect = func(v any, depth int) *Error {
		if depth > maxNesting {
			return &Error{Code: codeDepth}
		}
		switch v := v.(type) {
		case *tuple:
			return giveUp
		case *Object:
			if v == nil {
				return nil
			}
			for _, m := range v.ordered() {
				if err := f.tick(); err != nil {
					return err
				}
				merged.Set(m.key, true)
			}
			return nil
		}
		items, _ := elements(v)
		for _, x := range items {
			if err := f.tick(); err != nil {
				return err
			}
			if err := collect(x, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	if err := collect(argument(args, 0), 0); err != nil {
		return nil, err
	}
	for _, m := range merged.ordered() {
		if err := out.push(f.state, m.key); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func lookupFunction(f *frame, args []any) (any, *Error) {
	key, ok := argument(args, 1).(string)
	if !ok {
		return nil, giveUp
	}
	return lookup(f.state, argument(args, 0), key)
}

func spread(f *frame, args []any) (any, *Error) { return spreadValue(f.state, argument(args, 0), 0) }

func spreadValue(s *state, v any, depth int) (any, *Error) {
	if depth > maxNesting {
		return nil, &Error{Code: codeDepth}
	}
	out := &list{sequence: true}
	switch v := v.(type) {
	case *tuple:
		return nil, giveUp
	case *Object:
		if v == nil {
			return nil, nil
		}
		for _, m := range v.ordered() {
			if err := out.push(s, &Object{built: true, members: []member{m}}); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	items, ok := elements(v)
	if !ok {
		return v, nil
	}
	for _, x := range items {
		if err := s.tick(); err != nil {
			return nil, err
		}
		parts, err := spreadValue(s, x, depth+1)
		if err != nil {
			return nil, err
		}
		if isUndefined(parts) {
			continue
		}
		more, ok := elements(parts)
		if !ok {
			more = []any{parts}
		}
		// Joined, the result is no sequence any more.
		out.sequence = false
		if n := len(out.items) + len(more); n > s.limits.Sequence {
			return nil, &Error{Code: codeSequence, value: float64(n)}
		}
		out.items = append(out.items, more...)
	}
	return out, nil
}

func merge(f *frame, args []any) (any, *Error) {
	items, ok := elements(argument(args, 0))
	if !ok {
		return undefined, nil
	}
	o := &Object{built: true}
	for _, x := range items {
		source, ok := x.(*Object)
		if !ok {
			return nil, giveUp
		}
		for _, m := range source.ordered() {
			if err := f.tick(); err != nil {
				return nil, err
			}
			o.Set(m.key, m.value)
		}
	}
	return o, nil
}

func cloneFunction(f *frame, args []any) (any, *Error) {
	v := argument(args, 0)
	if isUndefined(v) {
		return undefined, nil
	}
	return f.clone(v, 0)
}
