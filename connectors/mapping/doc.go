// Package mapping evaluates the JSONata expressions of flow documents.
//
// A string that starts with "=" is an expression, "\=" is a literal "=", any
// other value is itself ([Engine.CompileTemplate]).
//
// The semantics are those of the official jsonata 2.2.2, whose parser reads
// every expression. What its syntax tree holds is compiled to Go closures; an
// expression that uses something the compiler does not know, and an evaluation
// that meets a value the closures cannot treat in the official way, is run by
// the official evaluator itself, inside a JavaScript runtime.
// [Expression.Engine] says which of the two an expression has.
//
// Evaluation is a pure function of expression, input and [Eval]: $now,
// $millis, $random and $shuffle depend on nothing else, so that a replay gives
// the same result.
//
// # Numbers
//
// A number that only passes through keeps the digits it was written with.
// $string, "&" and $clone keep those of whole numbers, and round others to 15
// significant digits as the official ones do. Arithmetic is that of JavaScript, in 64-bit floating point, and its results
// are written as JavaScript writes them. In the official evaluator numbers are
// 64-bit throughout: one that needs more digits is still written with its own
// digits when it comes out equal to what went in, unless two numbers of the
// input fall on the same 64-bit value. 1.50 comes out as 1.5 there.
//
// # Where the official evaluator differs from its own JavaScript
//
// It runs synchronously here. Elements of one array constructor, and members
// of one object constructor, are evaluated in order, so that a variable bound
// in one is seen by the next; in JavaScript they interleave. A group-by on an
// empty array of the input leaves the input as it is.
// Regular expressions that Go's regexp takes in the same meaning are run by
// it, in linear time; others backtrack and are stopped after a second.
// A string is UTF-8 outside: a lone surrogate becomes U+FFFD.
package mapping
