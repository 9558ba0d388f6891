package schemas

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// reader turns a file into nodes and collects what is wrong with it.
type reader struct {
	file     string
	src      source
	problems Problems
	values   int // of the document
	bytes    int
	spent    bool   // a limit was passed and reported
	alias    *place // the outermost one that is being read
}

func (r *reader) problem(at place, p path, message, remedy string) {
	r.problems = append(r.problems, newProblem(r.file, at, p, message, remedy))
}

// spend counts a value against the limits and reports whether it still fits.
func (r *reader) spend(at place, size, depth int) bool {
	if r.alias != nil {
		at = *r.alias
	}
	r.values++
	r.bytes += size
	switch {
	case r.spent:
		return false
	case r.values > maxDocumentValues || r.bytes > maxDocumentBytes:
		r.problem(at, nil, fmt.Sprintf("the document is too large: more than %d values or %d bytes, aliases included", maxDocumentValues, maxDocumentBytes),
			"split it, or keep the data outside of the flow")
	case depth > maxDocumentDepth:
		r.problem(at, nil, fmt.Sprintf("the document is nested deeper than %d levels", maxDocumentDepth), "make it flatter; does an alias contain itself?")
	default:
		return true
	}
	r.spent = true
	return false
}

// readYAML reads every document of a file; empty ones are passed over.
func (r *reader) readYAML(data []byte) []*node {
	var roots []*node
	d := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var n yaml.Node
		err := d.Decode(&n)
		if errors.Is(err, io.EOF) {
			return roots
		}
		if err != nil {
			r.yamlSyntax(data)
			return nil
		}
		if n.Kind != yaml.DocumentNode || len(n.Content) != 1 || isEmpty(n.Content[0]) {
			continue
		}
		r.values, r.bytes, r.spent = 0, 0, false
		roots = append(roots, r.yamlValue(n.Content[0], nil, yamlKind(n.Content[0]) == kindCredential))
	}
}

func isEmpty(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Style == 0 && n.Value == ""
}

// yamlKind looks for the document's kind ahead of everything, because a
// credential's values are read in another way: as text, and never repeated.
func yamlKind(n *yaml.Node) string {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if k, v := aliased(n.Content[i]), aliased(n.Content[i+1]); k.Value == "kind" {
			return v.Value
		}
	}
	return ""
}

func aliased(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line \d+: )?`)

// yamlFault is what is wrong with YAML, without its line; "" when nothing is.
func yamlFault(data []byte) string {
	d := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var n yaml.Node
		err := d.Decode(&n)
		if errors.Is(err, io.EOF) {
			return ""
		}
		if err != nil {
			fault := yamlLine.ReplaceAllString(strings.ReplaceAll(err.Error(), "\n", " "), "")
			if strings.Contains(fault, "unknown anchor") {
				// The name may be a secret that was written without quotes.
				return "an alias refers to an anchor that is not there"
			}
			return fault
		}
	}
}

// yamlSyntax reports a syntax error. yaml has no column for it, and for its
// line often that of what the error is in; so the place is looked for: the
// first line, and the first character of it, with which the error is there.
func (r *reader) yamlSyntax(data []byte) {
	fault := yamlFault(data)
	ends := []int{0} // of each line, its break included
	for i, b := range data {
		if b == '\n' {
			ends = append(ends, i+1)
		}
	}
	if ends[len(ends)-1] < len(data) {
		ends = append(ends, len(data))
	}
	wrong := func(end int) bool { return yamlFault(data[:end]) == fault }
	line := max(1, sort.Search(len(ends)-1, func(n int) bool { return wrong(ends[n]) }))
	text := data[ends[line-1]:ends[line]]
	column := max(1, sort.Search(len(text), func(n int) bool { return wrong(ends[line-1] + n) }))
	at := place{line, utf8.RuneCount(text[:column])}

	remedy := "check the indentation and the quotes here and in the line above"
	switch {
	case strings.Contains(fault, "an alias refers"):
		remedy = "write a text that begins with * in quotes"
	case strings.Contains(fault, "mapping values are not allowed"):
		remedy = `write a text that holds ": " in quotes, as in '=...', or check the indentation`
	case strings.Contains(fault, "cannot start any token"):
		remedy = "indent by spaces, not tabs, and write a text that begins with @ or ` in quotes"
	case strings.Contains(fault, "did not find expected"), strings.Contains(fault, "could not find expected"), strings.Contains(fault, "end of stream"):
		remedy = "check the indentation, and that every quote and bracket is closed"
	}
	r.problem(at, nil, "not YAML: "+fault, remedy)
}

func (r *reader) yamlValue(n *yaml.Node, p path, credential bool) *node {
	at := place{n.Line, n.Column}
	if n.Kind == yaml.AliasNode {
		if !r.spend(at, 0, len(p)) {
			return &node{kind: nullNode, at: at}
		}
		if r.alias == nil {
			r.alias = &at
			defer func() { r.alias = nil }()
		}
		return r.yamlValue(n.Alias, p, credential)
	}
	out := &node{kind: nullNode, at: at}
	if !r.spend(at, len(n.Value), len(p)) {
		return out
	}
	switch {
	case n.Kind == yaml.MappingNode && (n.Tag == "!!map" || n.Tag == ""):
		out.kind = objectNode
		r.yamlMembers(out, n, p, credential)
	case n.Kind == yaml.SequenceNode && (n.Tag == "!!seq" || n.Tag == ""):
		out.kind = arrayNode
		for i, item := range n.Content {
			out.items = append(out.items, r.yamlValue(item, p.item(i), credential))
		}
	case n.Kind == yaml.ScalarNode:
		r.yamlScalar(out, n, p, credential && len(p) > 0 && p[0].name == "values")
	default:
		r.problem(at, p, "tag "+n.Tag+" is not supported", "leave the tag out")
	}
	return out
}

// yamlMembers fills an object. Merge keys (<<) are resolved as in YAML 1.1:
// what the mapping says itself wins, then the earlier of the merged ones.
func (r *reader) yamlMembers(out *node, n *yaml.Node, p path, credential bool) {
	seen := map[string]place{} // own keys, so that a merge does not add them
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := aliased(n.Content[i])
		at := place{n.Content[i].Line, n.Content[i].Column}
		if key.Kind != yaml.ScalarNode {
			r.problem(at, p, "a key must be a text", "write the key as plain text")
			continue
		}
		if key.Tag == "!!merge" {
			continue
		}
		if first, ok := seen[key.Value]; ok {
			r.problem(at, p.member(key.Value), fmt.Sprintf("the key is there twice, first in line %d", first.line), "keep one of them")
			continue
		}
		seen[key.Value] = at
	}
	done := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := aliased(n.Content[i])
		at := place{n.Content[i].Line, n.Content[i].Column}
		switch {
		case key.Kind != yaml.ScalarNode:
		case key.Tag == "!!merge":
			r.yamlMerge(out, n.Content[i+1], p, credential, func(name string) bool {
				if _, own := seen[name]; own || done[name] {
					return false
				}
				done[name] = true
				return true
			})
		case seen[key.Value] == at && !done[key.Value]:
			done[key.Value] = true
			r.bytes += len(key.Value)
			out.members = append(out.members, member{key.Value, at, r.yamlValue(n.Content[i+1], p.member(key.Value), credential)})
		}
	}
}

func (r *reader) yamlMerge(out *node, n *yaml.Node, p path, credential bool, take func(string) bool) {
	sources := []*yaml.Node{n}
	if list := aliased(n); list.Kind == yaml.SequenceNode {
		sources = list.Content
	}
	for _, s := range sources {
		if aliased(s).Kind != yaml.MappingNode {
			r.problem(place{s.Line, s.Column}, p, "<< merges a mapping", "write <<: *anchor, where the anchor is on a mapping")
			continue
		}
		for _, m := range r.yamlValue(s, p, credential).members {
			if take(m.name) {
				out.members = append(out.members, m)
			}
		}
	}
}

// jsonNumber is RFC 8259, section 6.
var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

func (r *reader) yamlScalar(out *node, n *yaml.Node, p path, secret bool) {
	out.kind, out.text = stringNode, n.Value
	out.quoted = n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0
	out.block = n.Style&yaml.LiteralStyle != 0
	if out.quoted || n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		if n.Style&yaml.TaggedStyle != 0 && n.Tag != "!!str" && !secret {
			r.problem(out.at, p, "tag "+n.Tag+" is not supported on a text", "leave the tag or the quotes out")
		}
		return
	}
	if n.Style&yaml.TaggedStyle != 0 {
		switch n.Tag {
		case "!!str", "!!timestamp":
			return
		case "!!int", "!!float", "!!bool", "!!null":
		default:
			if !secret {
				r.problem(out.at, p, "tag "+n.Tag+" is not supported", "leave the tag out, or write a text that begins with ! in quotes")
			} else {
				r.problem(out.at, p, "a tag is not supported here", "write a text that begins with ! in quotes")
			}
			return
		}
	}
	switch n.Value {
	case "", "~", "null", "Null", "NULL":
		out.kind, out.text = nullNode, ""
		return
	}
	if secret {
		return // 0123, true and 1e3 are what was typed
	}
	switch n.Value {
	case "true", "True", "TRUE", "false", "False", "FALSE":
		out.kind, out.text = boolNode, strings.ToLower(n.Value)
		return
	}
	if jsonNumber.MatchString(n.Value) {
		out.kind = numberNode
		r.number(out, p)
		return
	}
	// What is left of YAML's numbers has more than one reading: 010 is 8 or
	// 10, a postal code or a phone number; none of them is in JSON.
	if n.Tag == "!!int" || n.Tag == "!!float" {
		remedy := "write it in quotes if it is a text, or with decimal digits only if it is a number"
		if strings.Contains(strings.ToLower(n.Value), "n") {
			remedy = "write it in quotes if it is a text; JSON has no such number"
		}
		r.problem(out.at, p, "want a number as in JSON, have "+shorten(n.Value), remedy)
	}
}

// number refuses what nobody can compute with: the validator turns numbers
// into fractions, and 1e999999999 would take all memory.
func (r *reader) number(n *node, p path) {
	digits, exponent, _ := strings.Cut(strings.ToLower(n.text), "e")
	size, err := strconv.Atoi("0" + strings.TrimLeft(exponent, "+-0"))
	if len(digits) > maxNumberLength || err != nil || size > maxNumberLength {
		r.problem(n.at, p, fmt.Sprintf("the number has more than %d digits", maxNumberLength), "write it in quotes")
		n.kind, n.text = nullNode, ""
	}
}
