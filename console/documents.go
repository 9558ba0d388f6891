package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf16"

	"sluice/connectors"
	"sluice/connectors/mapping"
	"sluice/schemas"
)

// Checks answers what a flow document's check asks (schemas.Checks): from the
// connectors and expressions of this program, and the credentials that
// Credentials knows.
type Checks struct {
	Components *connectors.Set
	Mapping    *mapping.Engine
	// Credentials says which connector a credential is of.
	Credentials func(id string) (uses string, ok bool)
	// Types says which type a credential is of; nil: not known.
	Types func(id string) (typ string, ok bool)
}

// Component reports whether there is a component, and whether it is a trigger.
func (c Checks) Component(name string) (trigger, ok bool) {
	m, ok := c.Components.Component(name)
	return ok && m.Trigger, ok
}

// ComponentNames lists every component, sorted.
func (c Checks) ComponentNames() []string {
	var names []string
	for _, connector := range c.Components.All() {
		for i := range connector.Components {
			names = append(names, connector.Components[i].Name)
		}
	}
	slices.Sort(names)
	return names
}

// CheckInput checks the parts of a step's input that are no expressions.
func (c Checks) CheckInput(component string, input json.RawMessage) error {
	m, ok := c.Components.Component(component)
	if !ok {
		return nil
	}
	s, err := schemas.CompileSchema(m.Input)
	if err != nil {
		return fmt.Errorf("component %q: %w", component, err)
	}
	if len(input) == 0 {
		input = json.RawMessage("{}")
	}
	if err := s.CheckConstants(input); err != nil || m.Check == nil || bytes.Contains(input, []byte(`"=`)) {
		return err // with an expression in it, it is checked when it is evaluated
	}
	return m.Check(input)
}

// Expression compiles an expression. Its error has a method Position.
func (c Checks) Expression(src string) error {
	_, err := c.Mapping.Compile(src)
	if e, ok := errors.AsType[*mapping.Error](err); ok && e.Position > 0 {
		return &expressionError{e, src}
	}
	return err
}

// expressionError says how many characters stand before the fault, where the
// engine says how many UTF-16 units end with it.
type expressionError struct {
	cause *mapping.Error
	src   string
}

func (e *expressionError) Position() int {
	units := utf16.Encode([]rune(e.src))
	end := min(e.cause.Position, len(units))
	start := max(0, end-len(utf16.Encode([]rune(e.cause.Token))))
	return len(utf16.Decode(units[:start]))
}

func (e *expressionError) Error() string { return e.cause.Error() }
func (e *expressionError) Unwrap() error { return e.cause }

// Credential says which connector a credential is of.
func (c Checks) Credential(id string) (string, bool) { return c.Credentials(id) }

// CredentialType says which type a credential is of (schemas.CredentialTypes).
func (c Checks) CredentialType(id string) (string, bool) {
	if c.Types == nil {
		return "", false
	}
	return c.Types(id)
}

// CheckDocuments checks documents that belong together: a flow may use a
// credential that comes with it. It returns everything that is wrong, with the
// places in the files the documents were read from.
func CheckDocuments(documents []*schemas.Document, checks Checks) schemas.Problems {
	brought, types := map[string]string{}, map[string]string{}
	for _, d := range documents {
		if d.Credential != nil {
			brought[d.Credential.ID], types[d.Credential.ID] = d.Credential.Uses, d.Credential.Type
		}
	}
	known, knownType := checks.Credentials, checks.CredentialType
	checks.Types = func(id string) (string, bool) {
		if typ, ok := types[id]; ok {
			return typ, true
		}
		return knownType(id)
	}
	checks.Credentials = func(id string) (string, bool) {
		if uses, ok := brought[id]; ok {
			return uses, true
		}
		return known(id)
	}
	var problems schemas.Problems
	seen := map[string]bool{}
	for _, d := range documents {
		id := ""
		if d.Flow != nil {
			id = d.Flow.ID
		} else if d.Credential != nil {
			id = d.Credential.ID
		}
		problems = append(problems, d.Check(checks)...)
		if id != "" && seen[d.Kind+" "+id] {
			problems = append(problems, schemas.Problem{File: d.File, Line: 1, Column: 1, Path: "id",
				Message: fmt.Sprintf("there are two documents of kind %s with the id %q", d.Kind, id), Remedy: "give each its own id"})
		}
		seen[d.Kind+" "+id] = true
	}
	return problems
}

// CheckCredential checks a credential's type and values (schemas.CredentialChecks).
func (c Checks) CheckCredential(uses, typ string, values map[string]string) error {
	connector, ok := c.Components.Connector(uses)
	if !ok {
		return fmt.Errorf("there is no connector %q", uses)
	}
	kind, ok := connector.CredentialType(typ)
	if !ok {
		var names []string
		for i := range connector.Credentials {
			names = append(names, connector.Credentials[i].Name)
		}
		if len(names) == 0 {
			return fmt.Errorf("%s takes no credential; leave it out", uses)
		}
		return fmt.Errorf("%s has no credential type %q; write one of %s", uses, typ, strings.Join(names, ", "))
	}
	err := kind.Check(kind.Defaults(values))
	wrong, ok := errors.AsType[*connectors.InputError](err)
	if !ok {
		return err
	}
	faults := make(schemas.InputFaults, len(wrong.Problems))
	for i, p := range wrong.Problems {
		faults[i] = schemas.InputFault{Pointer: p.Pointer, Message: p.Message}
	}
	return faults
}

// sameJSON reports whether two documents say the same, whatever their key order
// and spacing. Numbers are the same when their digits are.
func sameJSON(a, b json.RawMessage) bool {
	x, errX := canonical(a)
	y, errY := canonical(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func canonical(raw json.RawMessage) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return json.Marshal(v) // keys sorted
}

// uses lists the credentials that a flow names.
func uses(f *schemas.Flow) []string {
	set := map[string]bool{}
	if f.Trigger.Credential != "" {
		set[f.Trigger.Credential] = true
	}
	for i := range f.Steps {
		if id := f.Steps[i].Credential; id != "" {
			set[id] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}
