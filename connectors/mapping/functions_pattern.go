package mapping

import (
	"math"
	"strconv"
	"strings"
)

// matcher returns the regular expression behind a function argument. A
// matcher that is not one is the official evaluator's.
func matcher(v any, subject string) (*pattern, *Error) {
	fn, ok := v.(*function)
	for ok && fn.wrapped != nil {
		fn = fn.wrapped
	}
	if !ok || fn.pattern == nil || !fn.pattern.fits(subject) {
		return nil, giveUp
	}
	return fn.pattern, nil
}

// all returns the places of at most limit matches; limit < 0 is all. A second
// match is not looked for where the pattern can match nothing.
func (p *pattern) all(f *frame, subject string, limit int) ([][]int, *Error) {
	if p.empty && limit != 1 {
		return nil, giveUp
	}
	if limit < 0 {
		limit = f.limits.Sequence + 1
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	found := p.re.FindAllStringSubmatchIndex(subject, limit)
	if err := f.makeCells(len(found)); err != nil {
		return nil, err
	}
	return found, nil
}

// limitOf is the optional limit of a function: -1 without.
func limitOf(v any, code string, index int) (int, *Error) {
	n, ok := numeric(v)
	switch {
	case !ok:
		return -1, nil
	case n < 0:
		return 0, &Error{Code: code, value: n, index: index}
	}
	return int(min(math.Ceil(n), math.MaxInt32)), nil
}

func contains(f *frame, args []any) (any, *Error) {
	s, ok := argument(args, 0).(string)
	token := argument(args, 1)
	if !ok || isUndefined(token) {
		return undefined, nil
	}
	if t, ok := token.(string); ok {
		return strings.Contains(s, t), nil
	}
	p, err := matcher(token, s)
	if err != nil {
		return nil, err
	}
	return p.re.MatchString(s), nil
}

func split(f *frame, args []any) (any, *Error) {
	s, ok := argument(args, 0).(string)
	if !ok {
		return undefined, nil
	}
	limit, err := limitOf(argument(args, 2), "D3020", 3)
	if err != nil {
		return nil, err
	}
	if n, ok := numeric(argument(args, 2)); ok && n != math.Trunc(n) {
		return nil, giveUp
	}
	out := &list{}
	if limit == 0 {
		return out, nil
	}
	if separator, ok := argument(args, 1).(string); ok {
		if separator == "" && hasAstral(s) {
			return nil, giveUp
		}
		n := strings.Count(s, separator) + 1
		if limit > 0 {
			n = min(n, limit)
		}
		if err := f.makeCells(n); err != nil {
			return nil, err
		}
		parts := strings.SplitN(s, separator, n+1)
		if limit > 0 {
			parts = parts[:min(len(parts), limit)]
		}
		out.items = make([]any, len(parts))
		for i, part := range parts {
			out.items[i] = part
		}
		return out, nil
	}
	p, err := matcher(argument(args, 1), s)
	if err != nil {
		return nil, err
	}
	found, err := p.all(f, s, limit)
	if err != nil {
		return nil, err
	}
	start := 0
	for _, at := range found {
		out.items = append(out.items, s[start:at[0]])
		start = at[1]
	}
	if limit < 0 || len(found) < limit {
		out.items = append(out.items, s[start:])
	}
	return out, nil
}

// units counts UTF-16 units up to places of a string that come in order.
type units struct {
	s     string
	ascii bool
	at, n int
}

func unitsOf(s string) *units { return &units{s: s, ascii: isASCII(s)} }

func (u *units) upTo(i int) float64 {
	if u.ascii {
		return float64(i)
	}
	u.n += utf16Length(u.s[u.at:i])
	u.at = i
	return float64(u.n)
}

// group is one captured group, undefined where it took no part.
func group(s string, at []int, i int) any {
	if at[2*i] < 0 {
		return undefined
	}
	return s[at[2*i]:at[2*i+1]]
}

func groups(s string, at []int) *list {
	out := &list{}
	for i := 1; i < len(at)/2; i++ {
		out.items = append(out.items, group(s, at, i))
	}
	return out
}

func matchFunction(f *frame, args []any) (any, *Error) {
	s, ok := argument(args, 0).(string)
	if !ok {
		return undefined, nil
	}
	limit, err := limitOf(argument(args, 2), "D3040", 3)
	if err != nil {
		return nil, err
	}
	out := &list{sequence: true}
	if limit == 0 {
		return out, nil
	}
	p, err := matcher(argument(args, 1), s)
	if err != nil {
		return nil, err
	}
	// The official one always looks for one more match than it takes.
	if p.empty {
		return nil, giveUp
	}
	found, err := p.all(f, s, limit)
	if err != nil {
		return nil, err
	}
	u := unitsOf(s)
	for _, at := range found {
		o := &Object{built: true, members: make([]member, 0, 3)}
		o.add("match", s[at[0]:at[1]])
		o.add("index", u.upTo(at[0]))
		o.add("groups", groups(s, at))
		if err := out.push(f.state, o); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func replace(f *frame, args []any) (any, *Error) {
	s, ok := argument(args, 0).(string)
	if !ok {
		return undefined, nil
	}
	if argument(args, 1) == any("") {
		return nil, &Error{Code: "D3010", value: "", index: 2}
	}
	limit, err := limitOf(argument(args, 3), "D3011", 4)
	if err != nil {
		return nil, err
	}
	with := argument(args, 2)
	text, isText := with.(string)
	if old, ok := argument(args, 1).(string); ok {
		if !isText {
			return nil, giveUp
		}
		n := strings.Count(s, old)
		if limit >= 0 {
			n = min(n, limit)
		}
		if size := float64(len(s)) + float64(n)*float64(len(text)-len(old)); size > float64(f.limits.OutputBytes) {
			return nil, &Error{Code: codeOutput, value: float64(f.limits.OutputBytes)}
		}
		if err := f.makeString(len(s) + n*(len(text)-len(old))); err != nil {
			return nil, err
		}
		return strings.Replace(s, old, text, n), nil
	}
	if limit == 0 {
		return s, nil
	}
	p, err := matcher(argument(args, 1), s)
	if err != nil {
		return nil, err
	}
	if p.empty {
		return nil, giveUp
	}
	found, err := p.all(f, s, limit)
	if err != nil {
		return nil, err
	}
	if isText && p.groups == 0 && strings.IndexByte(text, '$') < 0 {
		return f.substitute(s, found, func([]int) (string, *Error) { return text, nil })
	}
	if isText {
		return f.substitute(s, found, func(at []int) (string, *Error) {
			return expand(text, s, at, p.groups), nil
		})
	}
	fn, err := callback(args, 2)
	if err != nil {
		return nil, err
	}
	u := unitsOf(s)
	return f.substitute(s, found, func(at []int) (string, *Error) {
		o := &Object{built: true, members: make([]member, 0, 5)}
		o.add("match", s[at[0]:at[1]])
		o.add("start", u.upTo(at[0]))
		o.add("end", u.upTo(at[1]))
		o.add("groups", groups(s, at))
		o.add("next", &function{}) // calling it is left to the official evaluator
		v, err := f.call(fn, o)
		if err != nil {
			return "", err
		}
		text, ok := v.(string)
		if !ok {
			return "", &Error{Code: "D3012", value: v}
		}
		return text, nil
	})
}

// substitute replaces the found places of s.
func (f *frame) substitute(s string, found [][]int, with func(at []int) (string, *Error)) (any, *Error) {
	var b strings.Builder
	start := 0
	for _, at := range found {
		text, err := with(at)
		if err != nil {
			return nil, err
		}
		if b.Len()+at[0]-start+len(text) > f.limits.OutputBytes {
			return nil, &Error{Code: codeOutput, value: float64(f.limits.OutputBytes)}
		}
		b.WriteString(s[start:at[0]])
		b.WriteString(text)
		start = at[1]
		if err := f.tick(); err != nil {
			return nil, err
		}
	}
	b.WriteString(s[start:])
	return some(b.String(), f.makeString(b.Len()))
}

// expand puts the match and its groups in place of $0, $1 … in text.
func expand(text, s string, at []int, groups int) string {
	digits := 1
	if groups > 0 {
		digits = len(strconv.Itoa(groups))
	}
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(text, "$")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		text = after
		switch {
		case strings.HasPrefix(text, "$"):
			b.WriteByte('$')
			text = text[1:]
			continue
		case strings.HasPrefix(text, "0"):
			b.WriteString(s[at[0]:at[1]])
			text = text[1:]
			continue
		}
		n, ok := leadingInt(text, digits)
		if ok && digits > 1 && n > groups {
			n, ok = leadingInt(text, digits-1)
		}
		if !ok {
			b.WriteByte('$')
			continue
		}
		if n >= 1 && n <= groups {
			if v, ok := group(s, at, n).(string); ok {
				b.WriteString(v)
			}
		}
		text = text[len(strconv.Itoa(n)):]
	}
}

// leadingInt reads at most max digits.
func leadingInt(s string, most int) (int, bool) {
	n := 0
	for n < len(s) && n < most && s[n]-'0' <= 9 {
		n++
	}
	v, err := strconv.Atoi(s[:n])
	return v, err == nil
}
