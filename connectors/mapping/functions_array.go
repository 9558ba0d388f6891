package mapping

import "math"

func appendFunction(f *frame, args []any) (any, *Error) {
	return appended(f.state, argument(args, 0), argument(args, 1))
}

func reverse(f *frame, args []any) (any, *Error) {
	items, ok := elements(argument(args, 0))
	if !ok || len(items) <= 1 {
		return argument(args, 0), nil
	}
	if err := f.makeCells(len(items)); err != nil {
		return nil, err
	}
	out := make([]any, len(items))
	for i, x := range items {
		out[len(items)-1-i] = x
	}
	return &list{items: out}, nil
}

// shuffle draws as the official one does.
func shuffle(f *frame, args []any) (any, *Error) {
	items, ok := elements(argument(args, 0))
	if !ok || len(items) <= 1 {
		return argument(args, 0), nil
	}
	if err := f.makeCells(len(items)); err != nil {
		return nil, err
	}
	out := make([]any, len(items))
	for i, x := range items {
		j := int(math.Floor(f.nextRandom() * float64(i+1)))
		if i != j {
			out[i] = out[j]
		}
		out[j] = x
	}
	return &list{items: out}, nil
}

func zip(f *frame, args []any) (any, *Error) {
	if len(args) == 0 {
		return nil, giveUp
	}
	columns := make([][]any, len(args))
	rows := math.MaxInt
	for i, a := range args {
		columns[i], _ = elements(a)
		rows = min(rows, len(columns[i]))
	}
	if err := f.makeCells(rows); err != nil {
		return nil, err
	}
	out := make([]any, rows)
	for i := range out {
		if err := f.makeCells(len(columns)); err != nil {
			return nil, err
		}
		row := make([]any, len(columns))
		for j := range columns {
			row[j] = columns[j][i]
		}
		out[i] = &list{items: row}
	}
	return &list{items: out}, nil
}

func distinct(f *frame, args []any) (any, *Error) {
	v := argument(args, 0)
	items, ok := elements(v)
	if !ok || len(items) <= 1 {
		return v, nil
	}
	out := &list{}
	if l, ok := v.(*list); ok {
		out.sequence = l.sequence
	}
	texts := map[string]bool{}
	numbers := map[float64]bool{}
	var others []any
	for _, x := range items {
		if err := f.tick(); err != nil {
			return nil, err
		}
		if s, ok := x.(string); ok {
			if texts[s] {
				continue
			}
			texts[s] = true
		} else if n, ok := numeric(x); ok {
			if numbers[n] {
				continue
			}
			numbers[n] = true
		} else {
			known := false
			for _, y := range others {
				var err *Error
				if known, err = f.equal(x, y, 0); err != nil {
					return nil, err
				}
				if known {
					break
				}
			}
			if known {
				continue
			}
			others = append(others, x)
		}
		if err := out.push(f.state, x); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// callback is the function argument at i.
func callback(args []any, i int) (*function, *Error) {
	if fn, ok := argument(args, i).(*function); ok {
		return fn, nil
	}
	return nil, giveUp
}

func mapFunction(f *frame, args []any) (any, *Error) {
	all := argument(args, 0)
	items, ok := elements(all)
	if !ok {
		return undefined, nil
	}
	fn, err := callback(args, 1)
	if err != nil {
		return nil, err
	}
	out := &list{sequence: true}
	for i, x := range items {
		v, err := f.item(fn, x, float64(i), all)
		if err != nil {
			return nil, err
		}
		if isUndefined(v) {
			continue
		}
		if err := out.push(f.state, v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func filter(f *frame, args []any) (any, *Error) {
	all := argument(args, 0)
	items, ok := elements(all)
	if !ok {
		return undefined, nil
	}
	fn, err := callback(args, 1)
	if err != nil {
		return nil, err
	}
	out := &list{sequence: true}
	for i, x := range items {
		v, err := f.item(fn, x, float64(i), all)
		if err != nil {
			return nil, err
		}
		t, err := truth(v)
		if err != nil {
			return nil, err
		}
		if t {
			if err := out.push(f.state, x); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func single(f *frame, args []any) (any, *Error) {
	all := argument(args, 0)
	items, ok := elements(all)
	if !ok {
		return undefined, nil
	}
	fn, _ := argument(args, 1).(*function)
	found := -1
	for i, x := range items {
		t := true
		if fn != nil {
			v, err := f.item(fn, x, float64(i), all)
			if err != nil {
				return nil, err
			}
			if t, err = truth(v); err != nil {
				return nil, err
			}
		}
		if !t {
			continue
		}
		if found >= 0 {
			return nil, &Error{Code: "D3138"}
		}
		found = i
	}
	if found < 0 {
		return nil, &Error{Code: "D3139"}
	}
	return items[found], nil
}

func reduce(f *frame, args []any) (any, *Error) {
	all := argument(args, 0)
	items, ok := elements(all)
	if !ok {
		return undefined, nil
	}
	fn, err := callback(args, 1)
	if err != nil {
		return nil, err
	}
	if fn.arity < 2 {
		return nil, &Error{Code: "D3050", index: 1}
	}
	result := argument(args, 2)
	start := 0
	if isUndefined(result) && len(items) > 0 {
		result, start = items[0], 1
	}
	for i := start; i < len(items); i++ {
		passed := []any{result, items[i], float64(i), all}
		if result, err = f.call(fn, passed[:min(fn.arity, 4)]...); err != nil {
			return nil, err
		}
	}
	return result, nil
}

func each(f *frame, args []any) (any, *Error) {
	out := &list{sequence: true}
	o, _ := argument(args, 0).(*Object)
	if o == nil {
		return out, nil
	}
	fn, err := callback(args, 1)
	if err != nil {
		return nil, err
	}
	for _, m := range o.ordered() {
		v, err := f.item(fn, m.value, m.key, o)
		if err != nil {
			return nil, err
		}
		if isUndefined(v) {
			continue
		}
		if err := out.push(f.state, v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func sift(f *frame, args []any) (any, *Error) {
	o, _ := argument(args, 0).(*Object)
	if o == nil {
		return undefined, nil
	}
	fn, err := callback(args, 1)
	if err != nil {
		return nil, err
	}
	out := &Object{built: true}
	for _, m := range o.ordered() {
		v, err := f.item(fn, m.value, m.key, o)
		if err != nil {
			return nil, err
		}
		t, err := truth(v)
		if err != nil {
			return nil, err
		}
		if t {
			out.add(m.key, m.value)
		}
	}
	if out.Len() == 0 {
		return undefined, nil
	}
	return out, nil
}

func sortFunction(f *frame, args []any) (any, *Error) {
	v := argument(args, 0)
	items, ok := elements(v)
	if !ok || len(items) <= 1 {
		return v, nil
	}
	if fn, ok := argument(args, 1).(*function); ok {
		return mergeSort(f.state, v, func(a, b any) (bool, *Error) {
			r, err := f.call(fn, a, b)
			return err == nil && scriptTruth(r), err
		})
	}
	numbers, texts := true, true
	for _, x := range items {
		_, isN, err := isNumber(x)
		if err != nil {
			return nil, err
		}
		_, isS := x.(string)
		numbers, texts = numbers && isN, texts && isS
	}
	switch {
	case numbers:
		return mergeSort(f.state, v, func(a, b any) (bool, *Error) {
			x, _ := numeric(a)
			y, _ := numeric(b)
			return x > y, nil
		})
	case texts:
		return mergeSort(f.state, v, func(a, b any) (bool, *Error) {
			return compareStrings(a.(string), b.(string)) > 0, nil
		})
	}
	return nil, &Error{Code: "D3070", index: 1}
}

// scriptTruth is what JavaScript itself takes for true.
func scriptTruth(v any) bool {
	switch v := v.(type) {
	case nil, *undefinedValue:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case float64, Number:
		n, _ := numeric(v)
		return n != 0 && !math.IsNaN(n)
	}
	return true
}
