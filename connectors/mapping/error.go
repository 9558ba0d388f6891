package mapping

import (
	"fmt"
	"strconv"
	"strings"
)

// Error is an error of an expression, with JSONata's own code: S0xxx for its
// syntax, T and D for its evaluation. An exception of JavaScript itself, which
// has no such code, carries its name (TypeError, RangeError) instead.
//
// The limits of an evaluation have the official codes D1011 (depth), D1012
// (time) and D2015 (length of a sequence), and one of our own, D2016 (size of
// strings and of the result).
type Error struct {
	Code    string
	Message string
	// Position counts UTF-16 units from the start of the expression (without
	// the "=" of a flow document), to just behind the token. 0: not known.
	Position int
	// Token is the operator or function the error is about, if any.
	Token string

	value  any // what {{value}} in the message stands for
	value2 any
	index  int
	extra  string
}

func (e *Error) Error() string {
	if e.Position > 0 {
		return fmt.Sprintf("%s at %d: %s", e.Code, e.Position, e.Message)
	}
	return e.Code + ": " + e.Message
}

// Limited reports whether an evaluation ended because of its limits or of a fault
// of the evaluator, and so says nothing of what the expression gives.
func (e *Error) Limited() bool {
	switch e.Code {
	case codeDepth, codeTimeout, codeSequence, codeOutput, codeInternal:
		return true
	}
	return false
}

const (
	codeInternal = "InternalError"
	codeDepth    = "D1011"
	codeTimeout  = "D1012"
	codeSequence = "D2015"
	codeOutput   = "D2016"
)

// messages are the official texts of the errors that compiled expressions
// raise, by code.
var messages = map[string]string{
	"T0410":      "Argument {{index}} of function {{token}} does not match function signature",
	"T0411":      "Context value is not a compatible type with argument {{index}} of function {{token}}",
	"T0412":      "Argument {{index}} of function {{token}} must be an array of {{type}}",
	"D1001":      "Number out of range: {{value}}",
	"D1002":      "Cannot negate a non-numeric value: {{value}}",
	"T1003":      "Key in object structure must evaluate to a string; got: {{value}}",
	"D1004":      "Regular expression matches zero length string",
	"T1005":      "Attempted to invoke a non-function. Did you mean ${{{token}}}?",
	"T1006":      "Attempted to invoke a non-function",
	"T1007":      "Attempted to partially apply a non-function. Did you mean ${{{token}}}?",
	"T1008":      "Attempted to partially apply a non-function",
	"D1009":      "Multiple key definitions evaluate to same key: {{value}}",
	codeDepth:    "Stack overflow. Check for non-terminating recursive function.  Consider rewriting as tail-recursive",
	codeTimeout:  "Evaluation timeout after {{value}} milliseconds. Check for infinite loop",
	"D1013":      "Object property names starting with _jsonata_ are reserved for internal use: {{value}}",
	"T2001":      "The left side of the {{token}} operator must evaluate to a number",
	"T2002":      "The right side of the {{token}} operator must evaluate to a number",
	"T2003":      "The left side of the range operator (..) must evaluate to an integer",
	"T2004":      "The right side of the range operator (..) must evaluate to an integer",
	"T2006":      "The right side of the function application operator ~> must be a function",
	"T2007":      "Type mismatch when comparing values {{value}} and {{value2}} in order-by clause",
	"T2008":      "The expressions within an order-by clause must evaluate to numeric or string values",
	"T2009":      "The values {{value}} and {{value2}} either side of operator {{token}} must be of the same data type",
	"T2010":      "The expressions either side of operator {{token}} must evaluate to numeric or string values",
	"T2011":      "The insert/update clause of the transform expression must evaluate to an object: {{value}}",
	"T2012":      "The delete clause of the transform expression must evaluate to a string or array of strings: {{value}}",
	"T2013":      "The transform expression clones the input object using the $clone() function.  This has been overridden in the current scope by a non-function.",
	"D2014":      "The size of the sequence allocated by the range operator (..) must not exceed 1e7.  Attempted to allocate {{value}}.",
	codeSequence: "The maximum sequence length of {{value}} was exceeded.",
	codeOutput:   "The maximum output size of {{value}} bytes was exceeded.",
	"D3001":      "Attempting to invoke string function on Infinity or NaN",
	"D3010":      "Second argument of replace function cannot be an empty string",
	"D3011":      "Fourth argument of replace function must evaluate to a positive number",
	"D3012":      "Attempted to replace a matched string with a non-string value",
	"D3020":      "Third argument of split function must evaluate to a positive number",
	"D3030":      "Unable to cast value to a number: {{value}}",
	"D3040":      "Third argument of match function must evaluate to a positive number",
	"D3050":      "The second argument of reduce function must be a function with at least two arguments",
	"D3060":      "The sqrt function cannot be applied to a negative number: {{value}}",
	"D3061":      "The power function has resulted in a value that cannot be represented as a JSON number: base={{value}}, exponent={{exp}}",
	"D3070":      "The single argument form of the sort function can only be applied to an array of strings or an array of numbers.  Use the second argument to specify a comparison function",
	"D3100":      "The radix of the formatBase function must be between 2 and 36.  It was given {{value}}",
	"D3110":      "The argument of the toMillis function must be an ISO 8601 formatted timestamp. Given {{value}}",
	"D3138":      "The $single() function expected exactly 1 matching result.  Instead it matched more.",
	"D3139":      "The $single() function expected exactly 1 matching result.  Instead it matched 0.",
	"D3140":      "Malformed URL passed to ${{{functionName}}}(): {{value}}",
}

// complete fills the message of the error from the catalogue, as the official
// evaluator does when the error leaves it.
func (e *Error) complete() *Error {
	template, ok := messages[e.Code]
	if !ok || e.Message != "" {
		return e
	}
	e.Message = shortened(strings.NewReplacer(
		"{{{token}}}", e.Token,
		"{{{functionName}}}", e.extra,
		"{{token}}", quoted(e.Token),
		"{{value}}", quoted(e.value),
		"{{value2}}", quoted(e.value2),
		"{{exp}}", quoted(e.value2),
		"{{type}}", quoted(e.extra),
		"{{index}}", strconv.Itoa(e.index),
	).Replace(template))
	return e
}

// quoted is the JSON of a value in a message; of a large one its beginning.
func quoted(v any) string {
	if isUndefined(v) {
		return "undefined"
	}
	w := stringer{limit: 4 << 10, exact: true}
	_ = w.value(v, 0) // what could not be written is left out
	return string(w.buf)
}

// shortened bounds a message: the data in it may be of any size.
func shortened(message string) string {
	const longest = 500
	if len(message) <= longest {
		return message
	}
	return strings.ToValidUTF8(message[:longest], "") + "…"
}
