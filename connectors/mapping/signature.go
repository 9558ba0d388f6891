package mapping

import "strings"

// symbols of a signature, by type of argument.
const (
	symString uint16 = 1 << iota
	symNumber
	symBool
	symNull
	symArray
	symObject
	symFunction
	symMissing
)

var symbolOf = map[byte]uint16{
	's': symString, 'n': symNumber, 'b': symBool, 'l': symNull,
	'a': symArray, 'o': symObject, 'f': symFunction, 'm': symMissing,
}

const (
	symJSON = symArray | symString | symNumber | symBool | symNull | symObject | symMissing
	symAny  = symJSON | symFunction
)

// parameter is one parameter of a signature.
type parameter struct {
	types    uint16
	optional bool // ? or -
	repeated bool // +
	context  bool // -: the context stands in
	array    bool // what is no array is made one
	subtype  string
}

// signature checks and completes the arguments of a function.
type signature struct {
	params []parameter
	simple bool // no parameter is repeated
}

// parseSignature reads a signature that the official parser has accepted. ok
// is false for what is not worth treating here.
func parseSignature(text string) (sig *signature, ok bool) {
	sig = &signature{simple: true}
	prev := func() *parameter {
		if len(sig.params) == 0 {
			return nil
		}
		return &sig.params[len(sig.params)-1]
	}
	modified := false
	for i := 1; i < len(text) && text[i] != ':' && (text[i] != '>' || i != len(text)-1); i++ {
		switch c := text[i]; c {
		case 's', 'n', 'b', 'l', 'o':
			sig.params = append(sig.params, parameter{types: symbolOf[c] | symMissing})
			modified = false
		case 'a':
			sig.params = append(sig.params, parameter{types: symAny, array: true})
			modified = false
		case 'f':
			sig.params = append(sig.params, parameter{types: symFunction})
			modified = false
		case 'j':
			sig.params = append(sig.params, parameter{types: symJSON})
			modified = false
		case 'x':
			sig.params = append(sig.params, parameter{types: symAny})
			modified = false
		case '-', '?', '+':
			p := prev()
			if p == nil || modified {
				return nil, false
			}
			modified = true
			p.optional, p.repeated, p.context = c != '+', c == '+', c == '-'
			sig.simple = sig.simple && c != '+'
		case '(':
			end := strings.IndexByte(text[i:], ')')
			if end < 0 {
				return nil, false
			}
			types := symMissing
			for _, t := range []byte(text[i+1 : i+end]) {
				if symbolOf[t] == 0 {
					return nil, false
				}
				types |= symbolOf[t]
			}
			sig.params = append(sig.params, parameter{types: types})
			modified = false
			i += end
		case '<':
			p := prev()
			end := closing(text, i)
			if p == nil || end < 0 {
				return nil, false
			}
			p.subtype = text[i+1 : end]
			i = end
		default:
			return nil, false
		}
	}
	return sig, true
}

func closing(text string, open int) int {
	depth := 0
	for i := open; i < len(text); i++ {
		switch text[i] {
		case '<':
			depth++
		case '>':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

func symbol(v any) uint16 {
	switch v := v.(type) {
	case nil:
		return symNull
	case string:
		return symString
	case float64, Number:
		return symNumber
	case bool:
		return symBool
	case []any, *list:
		return symArray
	case *Object:
		if v == nil {
			return symNull
		}
		return symObject
	case *tuple:
		return symObject
	case *function:
		return symFunction
	}
	return symMissing
}

// validate returns the arguments as the function is to get them.
func (sig *signature) validate(args []any, context any) ([]any, *Error) {
	if sig.simple && len(args) == len(sig.params) {
		fits, changes := true, false
		for i := range args {
			p := &sig.params[i]
			t := symbol(args[i])
			fits = fits && p.types&t != 0
			changes = changes || p.array && (t != symArray || p.subtype != "")
		}
		if fits {
			if !changes {
				return args, nil
			}
			return sig.complete(args, nil, context)
		}
	}
	counts := make([]int, len(sig.params))
	if !sig.match(args, 0, counts, true) {
		return nil, sig.mismatch(args)
	}
	return sig.complete(args, counts, context)
}

// match assigns the arguments to the parameters from the first on, greedily,
// as the official regular expression over their types does.
func (sig *signature) match(args []any, from int, counts []int, whole bool) bool {
	if from == len(counts) {
		return !whole || len(args) == 0
	}
	p := &sig.params[from]
	most := 1
	if p.repeated {
		most = len(args)
	}
	n := 0
	for n < most && n < len(args) && p.types&symbol(args[n]) != 0 {
		n++
	}
	least := 1
	if p.optional {
		least = 0
	}
	for ; n >= least; n-- {
		counts[from] = n
		if sig.match(args[n:], from+1, counts, whole) {
			return true
		}
	}
	return false
}

// mismatch names the argument that does not fit.
func (sig *signature) mismatch(args []any) *Error {
	good := 0
	for n := 1; n <= len(sig.params); n++ {
		counts := make([]int, n)
		if !sig.match(args, 0, counts, false) {
			break
		}
		good = 0
		for _, c := range counts {
			good += c
		}
	}
	e := &Error{Code: "T0410", index: good + 1, value: undefined}
	if good < len(args) {
		e.value = args[good]
	}
	return e
}

// complete fills in the context and makes arrays. counts says how many
// arguments each parameter has; nil means one each.
func (sig *signature) complete(args []any, counts []int, context any) ([]any, *Error) {
	out := make([]any, 0, max(len(args), len(sig.params)))
	at := 0
	for i := range sig.params {
		p := &sig.params[i]
		n := 1
		if counts != nil {
			n = counts[i]
		}
		if n == 0 {
			if p.context {
				if p.types&symbol(context) == 0 {
					return nil, &Error{Code: "T0411", value: context, index: at + 1}
				}
				out = append(out, context)
				continue
			}
			var v any = undefined
			if at < len(args) {
				v = args[at]
			}
			out = append(out, v)
			at++
			continue
		}
		for range n {
			v := argument(args, at)
			if p.array {
				var ok bool
				if v, ok = p.asArray(v, n); !ok {
					return nil, &Error{Code: "T0412", value: v, index: at + 1, extra: pluralOf[p.subtype]}
				}
			}
			out = append(out, v)
			at++
		}
	}
	return out, nil
}

var pluralOf = map[string]string{
	"a": "arrays", "b": "booleans", "f": "functions", "n": "numbers", "o": "objects", "s": "strings",
}

// asArray makes v the array that the parameter asks for. together is how many
// arguments the parameter has.
func (p *parameter) asArray(v any, together int) (any, bool) {
	t := symbol(v)
	if t == symMissing {
		return undefined, true
	}
	items, isArray := elements(v)
	if p.subtype != "" {
		if !isArray {
			if together != 1 || len(p.subtype) != 1 || symbolOf[p.subtype[0]] != t {
				return v, false
			}
		} else if len(items) > 0 {
			want := symbolOf[p.subtype[0]]
			for _, x := range items {
				if symbol(x) != want {
					return v, false
				}
			}
		}
	}
	if !isArray {
		return &list{items: []any{v}}, true
	}
	return v, true
}
