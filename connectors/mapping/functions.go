package mapping

// officialOnly are the functions that only the official evaluator has.
var officialOnly = map[string]bool{
	"eval": true,
}

type nativeFunction = func(f *frame, args []any) (any, *Error)

// builtins are the functions of the language, with the signatures of the
// official evaluator. arity is how many arguments a higher-order function
// passes to one; params how many it names, for partial application.
var builtins = func() map[string]*function {
	all := map[string]*function{}
	def := func(name, signature string, arity int, native nativeFunction) {
		sig, ok := parseSignature(signature)
		if !ok {
			panic("mapping: signature of $" + name)
		}
		all[name] = &function{name: name, sig: sig, arity: arity, params: arity, native: native}
	}

	def("sum", "<a<n>:n>", 1, sum)
	def("count", "<a:n>", 1, countOf)
	def("max", "<a<n>:n>", 1, extreme(func(a, b float64) bool { return a > b }))
	def("min", "<a<n>:n>", 1, extreme(func(a, b float64) bool { return a < b }))
	def("average", "<a<n>:n>", 1, average)
	def("number", "<(nsb)-:n>", 1, toNumber)
	def("floor", "<n-:n>", 1, onNumber(floor))
	def("ceil", "<n-:n>", 1, onNumber(ceil))
	def("abs", "<n-:n>", 1, onNumber(abs))
	def("round", "<n-n?:n>", 2, roundFunction)
	def("sqrt", "<n-:n>", 1, squareRoot)
	def("power", "<n-n:n>", 2, power)
	def("random", "<:n>", 0, random)
	def("formatBase", "<n-n?:s>", 2, formatBase)
	def("formatNumber", "<n-so?:s>", 3, formatNumberFunction)

	def("string", "<x-b?:s>", 1, stringFunction)
	all["string"].params = 0 // its second parameter has a default
	def("substring", "<s-nn?:s>", 3, substring)
	def("substringBefore", "<s-s:s>", 2, substringBefore)
	def("substringAfter", "<s-s:s>", 2, substringAfter)
	def("lowercase", "<s-:s>", 1, lowercase)
	def("uppercase", "<s-:s>", 1, uppercase)
	def("length", "<s-:n>", 1, length)
	def("trim", "<s-:s>", 1, trim)
	def("pad", "<s-ns?:s>", 3, pad)
	def("join", "<a<s>s?:s>", 2, join)
	def("base64encode", "<s-:s>", 1, onString(binaryToBase64))
	def("base64decode", "<s-:s>", 1, onString(base64ToBinary))
	def("encodeUrlComponent", "<s-:s>", 1, onString(func(s string) string { return encodeURL(s, urlUnreserved) }))
	def("encodeUrl", "<s-:s>", 1, onString(func(s string) string { return encodeURL(s, urlUnreserved+urlReserved) }))
	def("decodeUrlComponent", "<s-:s>", 1, decodeURL("decodeUrlComponent", ""))
	def("decodeUrl", "<s-:s>", 1, decodeURL("decodeUrl", urlReserved))

	def("match", "<s-f<s:o>n?:a<o>>", 3, matchFunction)
	def("contains", "<s-(sf):b>", 2, contains)
	def("replace", "<s-(sf)(sf)n?:s>", 4, replace)
	def("split", "<s-(sf)n?:a<s>>", 3, split)

	def("boolean", "<x-:b>", 1, boolean)
	def("not", "<x-:b>", 1, not)
	def("exists", "<x:b>", 1, exists)
	def("type", "<x:s>", 1, typeOf)
	def("error", "<s?:x>", 1, raise)
	def("assert", "<bs?:x>", 2, assert)

	def("map", "<af>", 2, mapFunction)
	def("filter", "<af>", 2, filter)
	def("single", "<af?>", 2, single)
	def("reduce", "<afj?:j>", 3, reduce)
	def("sift", "<o-f?:o>", 2, sift)
	def("each", "<o-f:a>", 2, each)
	def("sort", "<af?:a>", 2, sortFunction)

	def("zip", "<a+>", 0, zip)
	def("append", "<xx:a>", 2, appendFunction)
	def("reverse", "<a:a>", 1, reverse)
	def("shuffle", "<a:a>", 1, shuffle)
	def("distinct", "<x:x>", 1, distinct)
	def("keys", "<x-:a<s>>", 1, keys)
	def("lookup", "<x-s:x>", 2, lookupFunction)
	def("spread", "<x-:a<o>>", 1, spread)
	def("merge", "<a<o>:o>", 1, merge)
	def("clone", "<(oa)-:o>", 1, cloneFunction)

	def("now", "<s?s?:s>", 2, now)
	def("millis", "<:n>", 0, millis)
	def("toMillis", "<s-s?:n>", 2, toMillis)
	def("fromMillis", "<n-s?s?:s>", 3, fromMillis)
	def("formatInteger", "<n-s:s>", 2, formatInteger)
	def("parseInteger", "<s-s:n>", 2, parseInteger)
	return all
}()
