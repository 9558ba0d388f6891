package connectors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// Problem is one place of a value that does not fit its schema.
type Problem struct {
	Pointer string `json:"pointer"` // RFC 6901, "" is the value itself
	Message string `json:"message"` // what would be right; never the value that was given
}

// InputError says what does not fit. Problems are in the order of their pointers and never empty.
type InputError struct {
	Subject  string // what was checked: "input"
	Problems []Problem
}

// Error names each place and what would be right there: "input.name: is required".
func (e *InputError) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i == 5 {
			fmt.Fprintf(&b, "; and %d more", len(e.Problems)-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(e.Subject)
		for part := range strings.SplitSeq(strings.TrimPrefix(p.Pointer, "/"), "/") {
			if part != "" {
				b.WriteByte('.')
				b.WriteString(unescape.Replace(part))
			}
		}
		b.WriteString(": ")
		b.WriteString(p.Message)
	}
	return b.String()
}

var (
	escape   = strings.NewReplacer("~", "~0", "/", "~1")
	unescape = strings.NewReplacer("~1", "/", "~0", "~")
)

// CheckInput says whether an evaluated input fits the component's Input schema. The error is an [*InputError], or says
// that the input is not JSON. The schema of a component taken from a [Set] is compiled already.
func (m *Component) CheckInput(input json.RawMessage) error {
	from := m.input
	if from == nil {
		from = &lazy{raw: m.Input}
	}
	s, err := from.schema()
	if err != nil {
		return fmt.Errorf("component %q: input schema: %w", m.Name, err)
	}
	if err := s.check(input, "input"); err != nil || m.Check == nil {
		return err
	}
	return m.Check(input)
}

// lazy compiles a schema when it is first asked for: a connector made from an OpenAPI document has a thousand, of which a
// flow uses one.
type lazy struct {
	raw  json.RawMessage
	once sync.Once
	made *schema
	err  error
}

func (l *lazy) schema() (*schema, error) {
	l.once.Do(func() { l.made, l.err = compile(l.raw) })
	return l.made, l.err
}

// Check says whether values fit the type's schema. The error is an [*InputError] and holds no value.
func (t *CredentialType) Check(values map[string]string) error {
	s := t.schema
	if s == nil {
		var err error
		if s, err = compile(t.Schema); err != nil {
			return fmt.Errorf("credential type %q: %w", t.Name, err)
		}
	}
	instance := make(map[string]any, len(values))
	for k, v := range values {
		instance[k] = v
	}
	return s.validate(instance, "credential")
}

// Secrets returns the names of the values that are never shown again, sorted.
func (t *CredentialType) Secrets() []string {
	var doc struct {
		Properties map[string]struct {
			WriteOnly bool `json:"writeOnly"`
		} `json:"properties"`
	}
	if json.Unmarshal(t.Schema, &doc) != nil {
		return nil
	}
	var names []string
	for name, p := range doc.Properties {
		if p.WriteOnly {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Defaults returns the values with the schema's defaults put where there is none. The given map is not changed.
func (t *CredentialType) Defaults(values map[string]string) map[string]string {
	defaults := t.defaults
	if t.schema == nil {
		defaults = defaultsOf(t.Schema)
	}
	full := make(map[string]string, len(values)+len(defaults))
	maps.Copy(full, values)
	for name, value := range defaults {
		if full[name] == "" {
			full[name] = value
		}
	}
	return full
}

func defaultsOf(schema json.RawMessage) map[string]string {
	var doc struct {
		Properties map[string]struct {
			Default *string `json:"default"`
		} `json:"properties"`
	}
	if json.Unmarshal(schema, &doc) != nil {
		return nil
	}
	defaults := map[string]string{}
	for name, p := range doc.Properties {
		if p.Default != nil {
			defaults[name] = *p.Default
		}
	}
	return defaults
}

// schema is a compiled JSON Schema and the document it came from, whose descriptions make the messages.
type schema struct {
	compiled *jsonschema.Schema
	doc      any
	open     bool // it asks for nothing: any JSON fits
}

// asksNothing says whether a schema only describes.
func asksNothing(doc any) bool {
	words, ok := doc.(map[string]any)
	for word := range words {
		ok = ok && slices.Contains([]string{"$schema", "$id", "$comment", "title", "description", "examples", "default"}, word)
	}
	return ok
}

const schemaURL = "mem:///schema.json"

func compile(raw json.RawMessage) (*schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("reading the schema: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(noLoader{}) // a schema never reads a file or the network
	c.AssertFormat()
	if err := c.AddResource(schemaURL, doc); err != nil {
		return nil, fmt.Errorf("reading the schema: %w", err)
	}
	compiled, err := c.Compile(schemaURL)
	if err != nil {
		return nil, fmt.Errorf("compiling the schema: %w", err)
	}
	return &schema{compiled: compiled, doc: doc, open: asksNothing(doc)}, nil
}

type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("the schema refers to %s: schemas stand alone", url)
}

// onlyText refuses a credential schema that is not an object of texts, since values are kept as text.
func (s *schema) onlyText() error {
	root, _ := s.doc.(map[string]any)
	if root["type"] != "object" {
		return errors.New(`the schema of a credential has "type": "object"`)
	}
	properties, _ := root["properties"].(map[string]any)
	for name, p := range properties {
		if property, _ := p.(map[string]any); property["type"] != "string" {
			return fmt.Errorf(`value %q: every value of a credential has "type": "string"`, name)
		}
	}
	return nil
}

func (s *schema) check(raw json.RawMessage, subject string) error {
	if s.open && json.Valid(raw) {
		return nil
	}
	var instance any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&instance); err != nil {
		return fmt.Errorf("%s is not JSON: %w", subject, err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return fmt.Errorf("%s is not JSON: something follows the value", subject)
	}
	if p := outsized(instance, ""); p != nil {
		return &InputError{Subject: subject, Problems: []Problem{*p}}
	}
	return s.validate(instance, subject)
}

func (s *schema) validate(instance any, subject string) error {
	err := s.compiled.Validate(instance)
	if err == nil {
		return nil
	}
	invalid, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return fmt.Errorf("checking %s: %w", subject, err)
	}
	problems := s.problems(invalid, nil)
	slices.SortStableFunc(problems, func(a, b Problem) int { return strings.Compare(a.Pointer, b.Pointer) })
	return &InputError{Subject: subject, Problems: slices.Compact(problems)}
}

// outsized finds a number that is too long to compute with: the validator turns numbers into fractions, and
// 1e999999999 would take all memory.
func outsized(v any, pointer string) *Problem {
	switch v := v.(type) {
	case json.Number:
		digits, exponent, _ := strings.Cut(strings.ToLower(v.String()), "e")
		if len(digits) > 4096 || len(strings.TrimLeft(exponent, "+-0")) > 3 {
			return &Problem{pointer, "the number is too large: at most 4,096 digits and an exponent below 1000"}
		}
	case []any:
		for i, item := range v {
			if p := outsized(item, fmt.Sprintf("%s/%d", pointer, i)); p != nil {
				return p
			}
		}
	case map[string]any:
		for k, item := range v {
			if p := outsized(item, pointer+"/"+escape.Replace(k)); p != nil {
				return p
			}
		}
	}
	return nil
}

var english = message.NewPrinter(language.English)

func (s *schema) problems(e *jsonschema.ValidationError, found []Problem) []Problem {
	pointer := ""
	for _, part := range e.InstanceLocation {
		pointer += "/" + escape.Replace(part)
	}
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		for _, name := range k.Missing {
			found = append(found, Problem{pointer + "/" + escape.Replace(name), "is required"})
		}
		return found
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			found = append(found, Problem{pointer + "/" + escape.Replace(name), s.unknown(e.SchemaURL)})
		}
		return found
	case *kind.Type:
		return append(found, Problem{pointer, "must be " + types(k.Want) + ", not " + types([]string{k.Got})})
	case *kind.Enum:
		return append(found, Problem{pointer, "must be one of " + choices(k.Want)})
	case *kind.Const:
		return append(found, Problem{pointer, "must be " + choices([]any{k.Want})})
	case *kind.MinLength:
		if k.Want == 1 {
			return append(found, Problem{pointer, "must not be empty"})
		}
	case *kind.Pattern:
		return append(found, Problem{pointer, s.wanted(e.SchemaURL, "has another form than "+k.Want)})
	case *kind.Format:
		return append(found, Problem{pointer, "must be a valid " + k.Want})
	case *kind.AnyOf, *kind.OneOf:
		// The branches contradict one another: the description says it better than all of them.
		if text := s.wanted(e.SchemaURL, ""); text != "" {
			return append(found, Problem{pointer, text})
		}
	}
	if len(e.Causes) == 0 {
		return append(found, Problem{pointer, e.ErrorKind.LocalizedString(english)})
	}
	for _, cause := range e.Causes {
		found = s.problems(cause, found)
	}
	return found
}

// wanted returns what the schema at the URL says of itself, by "x-want" ("a status such as 404") or else by its
// description, or fallback.
func (s *schema) wanted(url, fallback string) string {
	if node, ok := s.at(url); ok {
		if text, ok := node["x-want"].(string); ok && text != "" {
			return "must be " + text
		}
		if text, ok := node["description"].(string); ok && text != "" {
			return "must be: " + text
		}
	}
	return fallback
}

func (s *schema) unknown(url string) string {
	const text = "is not a known field"
	node, _ := s.at(url)
	properties, _ := node["properties"].(map[string]any)
	if len(properties) == 0 {
		return text
	}
	return text + "; known are " + strings.Join(slices.Sorted(maps.Keys(properties)), ", ")
}

func (s *schema) at(url string) (map[string]any, bool) {
	_, pointer, _ := strings.Cut(url, "#")
	node := s.doc
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if part == "" {
			continue
		}
		switch n := node.(type) {
		case map[string]any:
			node = n[unescape.Replace(part)]
		default:
			return nil, false
		}
	}
	m, ok := node.(map[string]any)
	return m, ok
}

func types(names []string) string {
	words := map[string]string{
		"string": "text", "number": "a number", "integer": "a whole number", "boolean": "true or false",
		"object": "an object", "array": "a list", "null": "null",
	}
	said := make([]string, len(names))
	for i, name := range names {
		said[i] = words[name]
	}
	return strings.Join(said, " or ")
}

func choices(values []any) string {
	said := make([]string, len(values))
	for i, v := range values {
		said[i] = fmt.Sprint(v)
	}
	return strings.Join(said, ", ")
}
