package connectors

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Set is a checked collection of connectors: those it was made of, and those that [Set.Extend] put beside them while the
// program runs. It is safe for concurrent use. What it returns stays valid when it changes.
type Set struct {
	own     []Connector
	current atomic.Pointer[index]
	extend  sync.Mutex
	changes atomic.Int64
}

// Changes counts how often the set was extended: whoever keeps a component looks again when it differs.
func (s *Set) Changes() int64 { return s.changes.Load() }

// index is what readers see; it is replaced, never changed.
type index struct {
	list       []*Connector
	byName     map[string]*Connector
	components map[string]*Component
}

var (
	namePattern    = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	choicesPattern = regexp.MustCompile(`"x-choices"\s*:\s*true`)
)

// ValidName says whether a connector, or an action of one, may have this name: lower-case words joined by hyphens.
func ValidName(name string) bool { return namePattern.MatchString(name) }

// New checks the connectors and compiles their schemas. The error lists every fault there is, each with the name of the
// connector, credential type or component it is in.
func New(list ...Connector) (*Set, error) {
	x := newIndex(len(list))
	var faults []error
	for _, c := range list {
		faults = append(faults, x.add(c, true)...)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	s := &Set{own: slices.Clone(list)}
	s.current.Store(x)
	return s, nil
}

// Extend puts connectors beside those the set was made of, in place of the ones that an earlier Extend put there. Their
// schemas are compiled when they are first used. A faulty one, or one whose name is taken, is left out and named in the
// error; all others are there.
func (s *Set) Extend(more ...Connector) error {
	s.extend.Lock()
	defer s.extend.Unlock()
	x := newIndex(len(s.own) + len(more))
	old := s.current.Load()
	for i := range s.own {
		c := old.byName[s.own[i].Name]
		x.list = append(x.list, c)
		x.byName[c.Name] = c
		for j := range c.Components {
			x.components[c.Components[j].Name] = &c.Components[j]
		}
	}
	var faults []error
	for _, c := range more {
		alone := newIndex(1)
		found := alone.add(c, false)
		if x.byName[c.Name] != nil {
			found = append(found, fmt.Errorf("connector %q: there is one of that name already", c.Name))
		}
		if len(found) > 0 {
			faults = append(faults, found...)
			continue
		}
		x.list = append(x.list, alone.list...)
		x.byName[c.Name] = alone.list[0]
		for name, m := range alone.components {
			x.components[name] = m
		}
	}
	s.current.Store(x)
	s.changes.Add(1)
	return errors.Join(faults...)
}

// Builtin says whether the set was made with a connector of that name: it cannot be extended by another.
func (s *Set) Builtin(name string) bool {
	return slices.ContainsFunc(s.own, func(c Connector) bool { return c.Name == name })
}

func newIndex(size int) *index {
	return &index{byName: make(map[string]*Connector, size), components: map[string]*Component{}}
}

// add checks a connector and puts it in. compiled: its schemas are compiled now, and not when they are first used.
func (x *index) add(given Connector, compiled bool) (faults []error) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	c := &given
	c.Credentials = slices.Clone(c.Credentials)
	c.Components = slices.Clone(c.Components)

	if !namePattern.MatchString(c.Name) {
		fault("connector %q: a name is lower-case words joined by hyphens", c.Name)
	}
	if c.Title == "" {
		fault("connector %q: has no title", c.Name)
	}
	if x.byName[c.Name] != nil {
		fault("connector %q: is listed twice", c.Name)
	}
	x.list = append(x.list, c)
	x.byName[c.Name] = c

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
		t.defaults = defaultsOf(t.Schema)
		var err error
		if t.schema, err = compile(t.Schema); err != nil {
			fault("%s: %w", where, err)
		} else if err := t.schema.onlyText(); err != nil {
			fault("%s: %w", where, err)
		} else if t.OAuth != nil {
			if err := t.OAuth.check(t.Schema); err != nil {
				fault("%s: %w", where, err)
			}
		}
	}
	for j := range c.Components {
		for _, err := range x.addComponent(c, &c.Components[j], compiled) {
			fault("component %q: %w", c.Components[j].Name, err)
		}
	}
	return faults
}

func (x *index) addComponent(c *Connector, m *Component, compiled bool) (faults []error) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }

	owner, action, _ := strings.Cut(m.Name, "/")
	if owner != c.Name || !namePattern.MatchString(action) {
		fault("the name must be %s/ and lower-case words joined by hyphens", c.Name)
	}
	if x.components[m.Name] != nil {
		fault("is listed twice")
	}
	x.components[m.Name] = m
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
	if choicesPattern.Match(m.Input) != (m.Choices != nil) {
		fault(`a component has Choices where a field of its input has "x-choices": true, and nowhere else`)
	}
	m.input = &lazy{raw: m.Input}
	if !compiled {
		return faults
	}
	if _, err := m.input.schema(); err != nil {
		fault("input schema: %w", err)
	}
	output, err := compile(m.Output)
	if err != nil {
		fault("output schema: %w", err)
	} else if err := output.check(m.SampleOutput(), "sample"); err != nil && m.Sample != nil {
		fault("the sample does not fit the output schema: %w", err)
	} else if err != nil {
		fault("the sample made from the output schema does not fit it: give Sample, or examples: %w", err)
	}
	return faults
}

// All returns the connectors in the order they were given. The slice is the caller's.
func (s *Set) All() []*Connector { return slices.Clone(s.current.Load().list) }

// Connector returns the connector of that name ("petstore").
func (s *Set) Connector(name string) (*Connector, bool) {
	c, ok := s.current.Load().byName[name]
	return c, ok
}

// Component returns the component of that name ("petstore/create-pet").
func (s *Set) Component(name string) (*Component, bool) {
	m, ok := s.current.Load().components[name]
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
