package mapping

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"

	"github.com/dop251/goja"
)

//go:embed jsonata/jsonata.js
var jsonataSource string

// edit is one change to the official source at load. It must apply as often
// as it says, so that another version of the source cannot pass unnoticed.
type edit struct {
	old, new string
	times    int
}

// synchronous removes what makes the evaluator asynchronous; nothing it runs
// here is. It is faster so by a third, and needs no event loop.
var synchronous = []edit{
	{"async function", "function", 43},
	{"async (", "(", 3},
	{"await ", "", 105},
	{"Promise.all(", "(", 2},
	// Hooks for debuggers, looked up through all scopes at every node.
	{"environment.lookup(Symbol.for('jsonata.__evaluate_entry'))", "undefined", 1},
	{"environment.lookup(Symbol.for('jsonata.__evaluate_exit'))", "undefined", 1},
	{"enclosingEnvironment.lookup(Symbol.for('jsonata.__createFrame_push'))", "undefined", 1},
}

// guarded asks for leave before memory is allocated in one step, in code that
// an interrupt cannot reach.
var guarded = []edit{
	{
		"var padding = (new Array(padLength + 1)).join(char);",
		"__string(padLength * char.length); var padding = char.repeat(padLength);", 1,
	},
	{
		"var padding = (new Array(padLength + 1)).join('0');",
		"__string(padLength); var padding = '0'.repeat(padLength);", 1,
	},
	{
		"result = lstr.concat(rstr);",
		"__string(lstr.length + rstr.length); result = lstr.concat(rstr);", 1,
	},
	{
		"return strs.join(separator);",
		"__join(strs.length, separator.length); strs.forEach(function (s) { __join(0, s.length); }); return strs.join(separator);", 1,
	},
	{
		"result += replacement;",
		"result += replacement; __grown(result.length);", 1,
	},
	{
		"result += replacedWith;",
		"result += replacedWith; __grown(result.length);", 1,
	},
	{
		"result = str.split(separator, limit);",
		"__sequence(Math.min(str.length / Math.max(separator.length, 1), limit || Infinity)); result = str.split(separator, limit);", 1,
	},
	{
		"result = new Array(size);",
		"__sequence(size); result = new Array(size);", 1,
	},
	{
		"return arg1.concat(arg2);",
		"__sequence(size); return arg1.concat(arg2);", 1,
	},
	{
		"substitute += submatch;",
		"substitute += submatch; __grown(substitute.length);", 1,
	},
	{
		"substitute += regexMatch.match;",
		"substitute += regexMatch.match; __grown(substitute.length);", 1,
	},
}

// corrected mends two faults that are not JSONata's: a group-by on an empty
// array put an element into the input, which belongs to others here; and the
// runtime's JSON.stringify indents wrongly behind an empty array.
var corrected = []edit{
	{"input.push(undefined);", "input = [undefined];", 1},
	{"}, space);", "}); if (space) { str = __indent(str); }", 1},
}

// prelude stands for what the evaluator takes from Node.js.
const prelude = `
var global = {Buffer: {from: function (s, encoding) {
	return {toString: function (to) { return encoding === 'binary' ? __btoa(s) : __atob(s); }};
}}};
`

// bridge is the only code of ours that runs in the runtime: it turns an
// expression into its syntax tree as JSON, and calls the evaluator.
const bridge = `
(function () {
	return {
		compile: function (source, options) { return global.jsonata(source, options); },
		tree: function (expression) {
			return JSON.stringify(expression.ast(), function (key, value) {
				if (value instanceof RegExp) {
					return {source: value.source, flags: value.flags};
				}
				if (key === 'signature' && value && value.definition) {
					// A copy made through JSON has lost its function.
					return typeof value.validate === 'function' ? value.definition : '(lost)';
				}
				if (key === 'seekingParent') {
					return undefined;
				}
				if (value && Array.isArray(value.lhs)) {
					return Object.assign({}, value, {pairs: value.lhs, lhs: undefined});
				}
				return value;
			});
		},
		evaluate: function (expression, input, bindings) {
			return expression.evaluate(input, bindings);
		}
	};
})()
`

func edited(source string, edits []edit) (string, error) {
	for _, e := range edits {
		if n := strings.Count(source, e.old); n != e.times {
			return "", fmt.Errorf("adapting jsonata.js: %q occurs %d times, expected %d", e.old, n, e.times)
		}
		source = strings.ReplaceAll(source, e.old, e.new)
	}
	return source, nil
}

type officialPrograms struct{ library, regex, bridge *goja.Program }

// loadOfficial compiles the official source, once per process: its programs
// are shared by all runtimes.
var loadOfficial = sync.OnceValues(func() (officialPrograms, error) {
	source, err := edited(jsonataSource, synchronous)
	if err != nil {
		return officialPrograms{}, err
	}
	if source, err = edited(source, guarded); err != nil {
		return officialPrograms{}, err
	}
	if source, err = edited(source, corrected); err != nil {
		return officialPrograms{}, err
	}
	library, err := goja.Compile("jsonata.js", prelude+source, false)
	if err != nil {
		return officialPrograms{}, fmt.Errorf("compiling jsonata.js: %w", err)
	}
	regex, err := goja.Compile("regex.js", regexEngine, true)
	if err != nil {
		return officialPrograms{}, fmt.Errorf("compiling the regular expressions of jsonata.js: %w", err)
	}
	b, err := goja.Compile("bridge.js", bridge, true)
	if err != nil {
		return officialPrograms{}, fmt.Errorf("compiling the bridge to jsonata.js: %w", err)
	}
	return officialPrograms{library, regex, b}, nil
})
