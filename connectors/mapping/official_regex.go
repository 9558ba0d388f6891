package mapping

import (
	"slices"

	"github.com/dop251/goja"
)

// The runtime's own regular expressions backtrack, cannot be interrupted, and
// miss matches (`a|[^a]a` does not find "a" when a search is resumed). So
// those that Go can do in the same meaning are done by Go, through the
// evaluator's option RegexEngine.

// regexEngine is the RegExp that the evaluator is given.
const regexEngine = `
(function (value) {
	var own = new RegExp(value);
	var find = value instanceof RegExp ? __regex(value.source, value.flags) : undefined;
	if (!find) {
		return own;
	}
	this.lastIndex = 0;
	this.exec = function (str) {
		var found = find(str, this.lastIndex);
		if (found === undefined) {
			own.lastIndex = this.lastIndex;
			found = own.exec(str);
			this.lastIndex = own.lastIndex;
			return found;
		}
		this.lastIndex = found ? found.end : 0;
		return found;
	};
})
`

// finder is one regular expression with the matches of its latest subject.
type finder struct {
	vm       *goja.Runtime
	pattern  *pattern
	most     int
	subject  string
	searched bool
	complete bool // found holds all matches, not just the first
	found    [][]int
	ends     []float64 // in UTF-16 units, as starts
	starts   []float64
}

// regex returns the function that finds, or undefined where Go cannot.
func (o *official) regex(call goja.FunctionCall) goja.Value {
	p := translate(call.Argument(0).String(), call.Argument(1).String())
	if p == nil {
		return goja.Undefined()
	}
	f := &finder{vm: o.vm, pattern: p, most: o.limits.Sequence + 1}
	return o.vm.ToValue(f.find)
}

// find returns the match at or after a place: null for none, undefined where
// the runtime has to look itself.
func (f *finder) find(call goja.FunctionCall) goja.Value {
	text, ok := call.Argument(0).(goja.String)
	if !ok {
		return goja.Undefined()
	}
	subject, from := text.String(), call.Argument(1).ToFloat()
	if !f.searched || subject != f.subject {
		if from != 0 || !f.pattern.fits(subject) {
			return goja.Undefined()
		}
		f.subject, f.searched, f.complete = subject, true, false
		f.search(1)
	}
	i := 0
	if from != 0 {
		if f.pattern.empty {
			return goja.Undefined()
		}
		if !f.complete {
			f.search(f.most)
			f.complete = true
		}
		var ended bool
		if i, ended = slices.BinarySearch(f.ends, from); !ended {
			return goja.Undefined() // not where a search of ours has ended
		}
		i++
	}
	if i >= len(f.found) {
		return goja.Null()
	}
	at := f.found[i]
	groups := make([]any, len(at)/2)
	for g := range groups {
		if groups[g] = group(f.subject, at, g); isUndefined(groups[g]) {
			groups[g] = goja.Undefined()
		}
	}
	match := f.vm.NewArray(groups...)
	_ = match.Set("index", f.starts[i])
	_ = match.Set("end", f.ends[i])
	return match
}

func (f *finder) search(n int) {
	f.found = f.pattern.re.FindAllStringSubmatchIndex(f.subject, n)
	f.starts, f.ends = nil, nil
	u := unitsOf(f.subject)
	for _, at := range f.found {
		f.starts = append(f.starts, u.upTo(at[0]))
		f.ends = append(f.ends, u.upTo(at[1]))
	}
}
