package connectors

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Set is a checked collection of connectors with their schemas compiled. It never changes and is safe for concurrent use.
type Set struct {
	list       []Connector
	byName     map[string]*Connector
	components map[string]*Component
}

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// New checks the connectors and compiles their schemas. The error lists every fault there is, each with the name of the
// connector, credential type or component it is in.
func New(list ...Connector) (*Set, error) {
	s := &Set{
		list:       make([]Connector, len(list)),
		byName:     make(map[string]*Connector, len(list)),
		components: make(map[string]*Component),
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }

	for i, given := range list {
		s.list[i] = given
		c := &s.list[i]
		c.Credentials = slices.Clone(c.Credentials)
		c.Components = slices.Clone(c.Components)

		if !namePattern.MatchString(c.Name) {
			fault("connector %q: a name is lower-case words joined by hyphens", c.Name)
		}
		if c.Title == "" {
			fault("connector %q: has no title", c.Name)
		}
		if s.byName[c.Name] != nil {
			fault("connector %q: is listed twice", c.Name)
		}
		s.byName[c.Name] = c

		seen := map[string]bool{}
		for j := range c.Credentials {
			t := &c.Credentials[j]
			where := fmt.Sprintf("connector %q: credential type %q", c.Name, t.Name)
			key := strings.ToLower(strings.ReplaceAll(t.Name, "-", ""))
			if key == "" || seen[key] {
				fault("%s: names must be unique and not empty", where)
			}
			seen[key] = true
			if t.Title == "" {
				fault("%s: has no title", where)
			}
			var err error
			if t.schema, err = compile(t.Schema); err != nil {
				fault("%s: %w", where, err)
			} else if err := t.schema.onlyText(); err != nil {
				fault("%s: %w", where, err)
			}
		}
		for j := range c.Components {
			for _, err := range s.add(c, &c.Components[j]) {
				fault("component %q: %w", c.Components[j].Name, err)
			}
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return s, nil
}

func (s *Set) add(c *Connector, m *Component) (faults []error) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }

	owner, action, _ := strings.Cut(m.Name, "/")
	if owner != c.Name || !namePattern.MatchString(action) {
		fault("the name must be %s/ and lower-case words joined by hyphens", c.Name)
	}
	if s.components[m.Name] != nil {
		fault("is listed twice")
	}
	s.components[m.Name] = m
	if m.Title == "" {
		fault("has no title")
	}
	switch m.Effect {
	case Pure, Idempotent, Keyed, Neither:
	default:
		fault("effect %q is none of pure, idempotent, keyed, neither", m.Effect)
	}
	if m.Trigger != (m.Do == nil) {
		fault("an action has Do, a trigger has none")
	}
	if m.NeedsCredential && len(c.Credentials) == 0 {
		fault("needs a credential, and its connector has no credential type")
	}
	var err error
	if m.input, err = compile(m.Input); err != nil {
		fault("input schema: %w", err)
	}
	output, err := compile(m.Output)
	if err != nil {
		fault("output schema: %w", err)
	} else if m.Sample != nil {
		if err := output.check(m.Sample(), "sample"); err != nil {
			fault("the sample does not fit the output schema: %w", err)
		}
	}
	return faults
}

// All returns the connectors in the order they were given. The slice is the caller's.
func (s *Set) All() []*Connector {
	all := make([]*Connector, len(s.list))
	for i := range s.list {
		all[i] = &s.list[i]
	}
	return all
}

// Connector returns the connector of that name ("petstore").
func (s *Set) Connector(name string) (*Connector, bool) {
	c, ok := s.byName[name]
	return c, ok
}

// Component returns the component of that name ("petstore/create-pet").
func (s *Set) Component(name string) (*Component, bool) {
	m, ok := s.components[name]
	return m, ok
}

// CredentialType returns the connector's credential type of that name. "apiKey", "api-key" and "APIKEY" are one name.
func (c *Connector) CredentialType(name string) (*CredentialType, bool) {
	for i := range c.Credentials {
		if sameType(c.Credentials[i].Name, name) {
			return &c.Credentials[i], true
		}
	}
	return nil, false
}

func sameType(a, b string) bool {
	return strings.EqualFold(strings.ReplaceAll(a, "-", ""), strings.ReplaceAll(b, "-", ""))
}
