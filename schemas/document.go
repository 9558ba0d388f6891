package schemas

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	kindFlow       = "Flow"
	kindCredential = "Credential"
)

// Document is one YAML or JSON document of a file: a Flow or a Credential.
// It fits its JSON Schema; whether it makes sense is up to Check. It must not
// be changed.
type Document struct {
	File string
	Kind string // Flow or Credential
	// Flow is the document of kind Flow as written: defaults are not filled in.
	Flow *Flow
	// Credential is the document of kind Credential, ${ENV} replaced.
	Credential *CredentialDocument
	// JSON is the document as JSON: key order and digits as written, aliases
	// and merges resolved, ${ENV} in a credential's values replaced.
	JSON json.RawMessage

	root *node
	src  source
	in   syntax
}

// CredentialDocument is a document of kind Credential. Its values are secrets:
// they go to the topic secrets and nowhere else.
type CredentialDocument struct {
	Kind   string            `json:"kind"`
	ID     string            `json:"id"`
	Name   string            `json:"name,omitempty"`
	Uses   string            `json:"uses"` // the connector, such as petstore
	Type   string            `json:"type"` // such as basic
	Values map[string]string `json:"values,omitempty"`
}

// String keeps the values out of formatted text.
func (c *CredentialDocument) String() string { return "credential " + c.ID }

// GoString is String.
func (c *CredentialDocument) GoString() string { return c.String() }

// ReadDocuments reads every document of a YAML or JSON file (YAML may hold
// several, separated by ---) and checks each against its JSON Schema. A file
// that ends in .json is JSON, one in .yaml or .yml is YAML, any other is JSON
// when it begins with a brace.
//
// In a credential's values ${NAME} becomes what env has for NAME, and $${NAME}
// stays the text ${NAME}. With a nil env values stay as they are: a server
// must not hand its environment to whoever writes a document.
//
// Any error is a Problems, and then there are no documents. Credentials'
// values never appear in it.
func ReadDocuments(file string, data []byte, env func(name string) (string, bool)) ([]*Document, error) {
	r := &reader{file: file}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	r.src.lines = strings.Split(string(data), "\n")
	roots, in := r.read(data)
	if len(r.problems) == 0 && len(roots) == 0 {
		r.problem(place{1, 1}, nil, "there is no document", "begin with kind: Flow or kind: Credential")
	}
	var documents []*Document
	for _, root := range roots {
		if d := r.document(root, in, env); d != nil {
			documents = append(documents, d)
		}
	}
	if len(r.problems) > 0 {
		return nil, r.problems.sorted()
	}
	return documents, nil
}

// ReadFlow reads one flow, JSON or YAML, as the API takes it. Any error is a
// Problems.
func ReadFlow(data []byte) (*Document, error) {
	documents, err := ReadDocuments("", data, nil)
	if err != nil {
		return nil, err
	}
	if len(documents) > 1 {
		return nil, Problems{newProblem("", documents[1].root.at, nil, "want one flow, have several documents", "send them one by one")}
	}
	if d := documents[0]; d.Kind != kindFlow {
		return nil, Problems{newProblem("", d.root.nearest(path{{name: "kind"}}), path{{name: "kind"}}, "want Flow, have "+d.Kind, "send a document of kind: Flow")}
	}
	return documents[0], nil
}

// WithID is a flow's document with an ID, for one that came without. The
// document itself stays as it is.
func (d *Document) WithID(id string) *Document {
	root := *d.root
	root.members = slices.DeleteFunc(slices.Clone(d.root.members), func(m member) bool { return m.name == "id" })
	after := slices.IndexFunc(root.members, func(m member) bool { return m.name == "kind" }) + 1
	root.members = slices.Insert(root.members, after, member{"id", d.root.at, &node{kind: stringNode, at: d.root.at, text: id}})
	flow := *d.Flow
	flow.ID = id
	with := *d
	with.root, with.Flow, with.JSON = &root, &flow, root.json()
	return &with
}

func (r *reader) read(data []byte) (roots []*node, in syntax) {
	if len(data) > maxDocumentBytes {
		r.problem(place{1, 1}, nil, fmt.Sprintf("the file is larger than %d bytes", maxDocumentBytes), "split it")
		return nil, jsonSyntax
	}
	if !utf8.Valid(data) {
		for i, line := range r.src.lines {
			if !utf8.ValidString(line) {
				column := utf8.RuneCountInString(line[:strings.IndexRune(line, utf8.RuneError)]) + 1
				r.problem(place{i + 1, column}, nil, "the file is not UTF-8", "save it as UTF-8")
				return nil, jsonSyntax
			}
		}
	}
	switch strings.ToLower(filepath.Ext(r.file)) {
	case ".yaml", ".yml":
		return r.readYAML(data), yamlSyntax
	case ".json":
	default:
		if trimmed := bytes.TrimSpace(data); len(trimmed) == 0 || trimmed[0] != '{' {
			return r.readYAML(data), yamlSyntax
		}
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, jsonSyntax
	}
	if root := r.readJSON(data); root != nil {
		roots = append(roots, root)
	}
	return roots, jsonSyntax
}

// document checks one root and reads it; nil when it has problems.
func (r *reader) document(root *node, in syntax, env func(string) (string, bool)) *Document {
	if len(r.problems) > 0 && r.spent {
		return nil
	}
	before := len(r.problems)
	d := &Document{File: r.file, root: root, src: r.src, in: in}
	example := in.write("kind", `"Flow"`) + " or " + in.write("kind", `"Credential"`)
	kind := root.member("kind")
	switch {
	case root.kind != objectNode:
		r.problem(root.at, nil, "want a flow or a credential, have "+root.describe(in), "begin with "+example)
		return nil
	case kind == nil:
		r.problem(root.at, nil, "`kind` is missing", "begin with "+example)
		return nil
	case kind.value.kind == stringNode && kind.value.text == kindFlow:
		r.fits(d, flowSchema())
		r.whole(d, root, flowSchema().raw, nil)
	case kind.value.kind == stringNode && kind.value.text == kindCredential:
		r.fits(d, credentialSchema())
	default:
		remedy := "write " + example
		if meant := closest(kind.value.text, []string{kindFlow, kindCredential}); meant != "" {
			remedy = "did you mean `" + meant + "`?"
		}
		r.problem(kind.value.at, path{{name: "kind"}}, "want Flow or Credential, have "+kind.value.describe(in), remedy)
		return nil
	}
	d.Kind = kind.value.text
	if len(r.problems) == before && d.Kind == kindCredential && env != nil {
		r.environment(root, env)
	}
	if len(r.problems) > before {
		return nil
	}
	d.JSON = root.json()
	var err error
	if d.Kind == kindFlow {
		d.Flow = new(Flow)
		err = json.Unmarshal(d.JSON, d.Flow)
	} else {
		d.Credential = new(CredentialDocument)
		if err = json.Unmarshal(d.JSON, d.Credential); err != nil {
			err = fmt.Errorf("the values must be texts") // encoding/json's own error may hold one
		}
	}
	if err != nil {
		r.problem(root.at, nil, err.Error(), "see the JSON Schema of "+d.Kind)
		return nil
	}
	return d
}

// fits reports what does not fit the document's schema.
func (r *reader) fits(d *Document, s *Schema) {
	for _, f := range s.faults(d.root, faultStyle{syntax: d.in}) {
		r.problem(d.faultPlace(f), f.at, f.message, f.remedy)
	}
}

// faultPlace is the key's place when the key is wrong, else the value's.
func (d *Document) faultPlace(f fault) place {
	if f.key && len(f.at) > 0 {
		last := len(f.at) - 1
		if m := d.root.find(f.at[:last]).member(f.at[last].name); m != nil {
			return m.at
		}
	}
	return d.root.nearest(f.at)
}

// whole refuses 5.0 and 5e0 where the schema wants an integer: JSON Schema
// takes them for one, Go does not, and nobody means them.
func (r *reader) whole(d *Document, n *node, schema any, p path) {
	s := flowSchema().resolve(schema)
	if s == nil {
		return
	}
	if s["type"] == "integer" && n.kind == numberNode && strings.ContainsAny(n.text, ".eE") {
		r.problem(n.at, p, "want a whole number, have "+shorten(n.text), "write it without a point or an exponent")
	}
	properties, _ := s["properties"].(map[string]any)
	for _, m := range n.members {
		r.whole(d, m.value, properties[m.name], p.member(m.name))
	}
	for i, item := range n.items {
		r.whole(d, item, s["items"], p.item(i))
	}
}

var environmentVariable = regexp.MustCompile(`\$?\$\{[A-Za-z_][A-Za-z0-9_]*\}`)

// environment replaces ${NAME} in a credential's values.
func (r *reader) environment(root *node, env func(string) (string, bool)) {
	values := root.member("values")
	if values == nil {
		return
	}
	for i := range values.value.members {
		m := &values.value.members[i]
		replaced := environmentVariable.ReplaceAllStringFunc(m.value.text, func(ref string) string {
			if strings.HasPrefix(ref, "$$") {
				return ref[1:]
			}
			name := ref[2 : len(ref)-1]
			value, ok := env(name)
			if !ok {
				r.problem(m.value.at, path{{name: "values"}, {name: m.name}}, "the environment variable "+name+" is not set",
					"set it, or write $"+ref+" for the text itself")
			}
			return value
		})
		// A copy: with aliases the same value may stand in several places.
		n := *m.value
		n.text = replaced
		m.value = &n
	}
}
