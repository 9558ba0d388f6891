package schemas

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

//go:embed flow.schema.json
var flowSchemaJSON []byte

//go:embed credential.schema.json
var credentialSchemaJSON []byte

// FlowSchema is the JSON Schema (2020-12) of a document of kind Flow.
func FlowSchema() json.RawMessage { return slices.Clone(flowSchemaJSON) }

// CredentialSchema is the JSON Schema (2020-12) of a document of kind Credential.
func CredentialSchema() json.RawMessage { return slices.Clone(credentialSchemaJSON) }

var (
	flowSchema       = sync.OnceValue(func() *Schema { return mustCompile(flowSchemaJSON) })
	credentialSchema = sync.OnceValue(func() *Schema { return mustCompile(credentialSchemaJSON) })
)

func mustCompile(raw []byte) *Schema {
	s, err := CompileSchema(raw)
	if err != nil {
		panic(err) // embedded, and compiled by every test
	}
	return s
}

// Schema is a compiled JSON Schema (2020-12). It never changes and is safe for
// concurrent use.
type Schema struct {
	compiled *jsonschema.Schema
	raw      any // where titles, examples and x-want are
}

const schemaLocation = "mem:///schema.json"

// CompileSchema compiles a schema that stands alone. Formats are asserted;
// besides the standard's there is go-duration, such as 10s. The keyword x-want
// says in words what is wanted; it begins messages.
func CompileSchema(raw json.RawMessage) (*Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("reading a JSON Schema: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(noLoader{})
	c.RegisterFormat(&jsonschema.Format{Name: "go-duration", Validate: validateDuration})
	c.AssertFormat()
	// Its own $id would hide the location that faults refer to.
	if object, ok := doc.(map[string]any); ok {
		delete(object, "$id")
	}
	if err := c.AddResource(schemaLocation, doc); err != nil {
		return nil, fmt.Errorf("reading a JSON Schema: %w", err)
	}
	compiled, err := c.Compile(schemaLocation)
	if err != nil {
		return nil, fmt.Errorf("compiling a JSON Schema: %w", err)
	}
	return &Schema{compiled, doc}, nil
}

type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("loading %s: a schema stands alone", url)
}

func validateDuration(v any) error {
	s, ok := v.(string)
	if !ok {
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return err
	}
	if d < 0 {
		return errors.New("negative")
	}
	return nil
}

// InputFault is one place of an input that does not fit its component.
type InputFault struct {
	// Pointer is a JSON pointer (RFC 6901) into the input; what it names may be missing.
	Pointer string
	Message string // what is wrong
	Remedy  string // what would be right; may be empty
	key     bool   // the member's name is what is wrong
}

// InputFaults is the error of a checked input, in the order of the pointers.
type InputFaults []InputFault

// Error names each place and what is wrong there.
func (f InputFaults) Error() string {
	parts := make([]string, len(f))
	for i := range f {
		parts[i] = f[i].Pointer + ": " + f[i].Message
	}
	return strings.Join(parts, "; ")
}

// CheckConstants checks what is known of an input before it is evaluated:
// strings that begin with = are expressions and fit anything. Any error is an
// InputFaults, unless the input is no JSON.
func (s *Schema) CheckConstants(input json.RawMessage) error {
	r := &reader{}
	root := r.readJSON(input)
	if len(r.problems) > 0 {
		return fmt.Errorf("reading the input: %w", r.problems)
	}
	unescapeLiterals(root)
	var found InputFaults
	for _, f := range s.faults(root, faultStyle{expressions: true}) {
		pointer := ""
		if len(f.at) > 0 {
			pointer = "/" + f.at.pointer()
		}
		found = append(found, InputFault{pointer, f.message, f.remedy, f.key})
	}
	if len(found) == 0 {
		return nil
	}
	return found
}

// unescapeLiterals reads \= as the = that it stands for.
func unescapeLiterals(n *node) {
	for _, m := range n.members {
		unescapeLiterals(m.value)
	}
	for _, item := range n.items {
		unescapeLiterals(item)
	}
	if n.kind == stringNode && strings.HasPrefix(n.text, `\=`) {
		n.text, n.literal = n.text[1:], true
	}
}

// fault is one place that does not fit a schema.
type fault struct {
	at              path
	key             bool // the member's name is wrong, not its value
	message, remedy string
}

// faultStyle says how to speak about a document.
type faultStyle struct {
	syntax syntax
	// expressions says that a string that begins with = fits anything.
	expressions bool
}

func (s *Schema) faults(root *node, style faultStyle) []fault {
	err := s.compiled.Validate(root.value())
	if err == nil {
		return nil
	}
	invalid, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return []fault{{message: err.Error()}}
	}
	f := &faultFinder{schema: s, root: root, style: style}
	f.visit(invalid, nil)
	slices.SortStableFunc(f.found, func(a, b fault) int {
		return strings.Compare(a.at.pointer()+a.message, b.at.pointer()+b.message)
	})
	return f.found
}

type faultFinder struct {
	schema *Schema
	root   *node
	style  faultStyle
	found  []fault
}

// visit turns the leaves of the validator's error into faults. outer is the
// schema that referred to the failing one, of the same value: its examples and
// words fit better.
func (f *faultFinder) visit(e *jsonschema.ValidationError, outer map[string]any) {
	if len(f.found) >= maxProblems {
		return
	}
	at := f.root.path(e.InstanceLocation)
	n := f.root.find(at)
	schema := f.schema.at(e.SchemaURL)
	switch k := e.ErrorKind.(type) {
	case *kind.Reference, *kind.Schema, *kind.Group, *kind.AllOf:
		if _, ok := k.(*kind.Reference); ok {
			outer = schema
		}
		for _, cause := range e.Causes {
			if len(cause.InstanceLocation) == len(at) {
				f.visit(cause, outer)
			} else {
				f.visit(cause, nil)
			}
		}
		return
	case *kind.Required:
		for _, name := range k.Missing {
			remedy := "add " + name
			if example := f.schema.example(f.schema.property(schema, name)); example != "" {
				remedy = "add " + f.style.syntax.write(name, example)
			}
			f.add(at, "`"+name+"` is missing", remedy)
		}
		return
	case *kind.AdditionalProperties:
		properties, _ := schema["properties"].(map[string]any)
		known := slices.Sorted(maps.Keys(properties))
		slices.Sort(k.Properties)
		for _, name := range k.Properties[:min(len(k.Properties), maxProblems)] {
			f.found = append(f.found, fault{at.member(name), true, "unknown field", unknownRemedy(name, known)})
		}
		return
	case *kind.PropertyNames:
		f.found = append(f.found, fault{at.member(k.Property), true, "want another name", "name it as the schema says"})
		return
	case *kind.UniqueItems:
		f.add(at.item(k.Duplicates[1]), "the entry is there twice", "keep one of them")
		return
	case *kind.AnyOf, *kind.OneOf:
		if f.style.expressions && n != nil && n.holdsExpression() {
			return
		}
		if branch := meant(e, len(at)); branch != nil {
			f.visit(branch, nil)
			return
		}
	}
	if f.style.expressions && n != nil && n.isExpression() {
		return
	}
	want := f.schema.want(schema, f.style.syntax, kindIs[*kind.Type](e))
	if words, ok := outer["x-want"].(string); ok {
		want = words
	}
	if want == "" {
		f.add(at, e.ErrorKind.LocalizedString(message.NewPrinter(language.English)), "")
		return
	}
	text := "want " + want
	if n != nil && !f.secret(at) {
		text += ", have " + n.describe(f.style.syntax)
	}
	f.add(at, text, f.remedy(at, n, schema, outer))
}

func (f *faultFinder) add(at path, message, remedy string) {
	f.found = append(f.found, fault{at, false, message, remedy})
}

// secret reports whether a value must not be repeated.
func (f *faultFinder) secret(at path) bool {
	return f.schema == credentialSchema() && len(at) > 0 && at[0].name == "values"
}

func (f *faultFinder) remedy(at path, n *node, schema, outer map[string]any) string {
	if f.secret(at) || n == nil {
		return ""
	}
	name, in := "", f.style.syntax
	for _, s := range slices.Backward(at) {
		if !s.list {
			name = s.name
			break
		}
	}
	item := len(at) > 0 && at[len(at)-1].list
	if n.kind == stringNode {
		if meant := closest(n.text, f.schema.choices(schema)); meant != "" {
			return "did you mean `" + meant + "`?"
		}
		_, enumerated := schema["enum"]
		switch t := schema["type"]; {
		case enumerated || item || in == anySyntax:
		case t == "array":
			return "write " + in.write(name, "["+in.value(string(n.json()))+"]")
		case f.schema.format(schema) == "expression" && n.text != "" && !n.isExpression():
			return "write " + in.write(name, compact("="+n.text))
		case (t == "integer" && !strings.ContainsAny(n.text, ".eE") || t == "number") && jsonNumber.MatchString(n.text):
			return "write " + in.write(name, n.text)
		}
	}
	if schema["type"] == "string" && schema["pattern"] == nil && (n.kind == numberNode || n.kind == boolNode) {
		return "write it in quotes"
	}
	example := cmp.Or(f.schema.example(outer), f.schema.example(schema))
	switch {
	case schema["type"] == "boolean":
		example = "true"
	case example == "":
		return ""
	}
	if item || name == "" {
		return "such as " + in.value(example)
	}
	return "write " + in.write(name, example)
}

func kindIs[K jsonschema.ErrorKind](e *jsonschema.ValidationError) bool {
	_, ok := e.ErrorKind.(K)
	return ok
}

// meant is the one branch of an anyOf that the value was meant for: the only
// one that it does not miss as a whole. Nil when there is no such branch.
func meant(e *jsonschema.ValidationError, depth int) *jsonschema.ValidationError {
	var found *jsonschema.ValidationError
	for _, branch := range e.Causes {
		leaf := branch
		for kindIs[*kind.Reference](leaf) && len(leaf.Causes) == 1 {
			leaf = leaf.Causes[0]
		}
		switch leaf.ErrorKind.(type) {
		case *kind.Type, *kind.Enum, *kind.Const, *kind.Pattern:
			if len(leaf.InstanceLocation) == depth {
				continue
			}
		}
		if found != nil {
			return nil
		}
		found = branch
	}
	return found
}

func unknownRemedy(name string, known []string) string {
	if meant := closest(name, known); meant != "" {
		return "did you mean `" + meant + "`?"
	}
	if len(known) == 0 {
		return "leave it out"
	}
	return "known here are " + strings.Join(known, ", ")
}
