package mapping

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
