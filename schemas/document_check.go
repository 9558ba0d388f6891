package schemas

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Checks is what a document's check has to know from other parts.
type Checks interface {
	// Component says whether there is a component of that name, such as
	// petstore/create-pet, and whether it is a trigger.
	Component(name string) (trigger, ok bool)
	// ComponentNames lists every component.
	ComponentNames() []string
	// CheckInput checks what is constant in a component's input. An InputFaults
	// (Schema.CheckConstants gives one) is put at its places in the document,
	// any other error at the input.
	CheckInput(component string, input json.RawMessage) error
	// Expression compiles an expression, given without the = it begins with.
	// An error may have a method Position() int: how many characters of src
	// stand before the fault.
	Expression(src string) error
	// Credential says whether there is a credential, and of which connector.
	Credential(id string) (uses string, ok bool)
}

// CredentialChecks is what a Checks may know besides.
type CredentialChecks interface {
	// CheckCredential checks a credential's type and values. Errors are as in
	// CheckInput, relative to the values, and must not hold a value.
	CheckCredential(uses, typ string, values map[string]string) error
}

// CredentialTypes is what a Checks may know besides.
type CredentialTypes interface {
	// CredentialType is a credential's type, such as github.
	CredentialType(id string) (typ string, ok bool)
}

// Check says what is wrong with a document that its schema cannot know:
// references, the graph, components, expressions, and what does not go together.
// It is empty when the document can be published. It reads nothing but what it
// is given, and does not change the document.
func (d *Document) Check(c Checks) Problems {
	check := &checker{d: d, c: c}
	switch {
	case d.Flow != nil:
		check.flow()
	case d.Credential != nil:
		check.credential()
	}
	return check.problems.sorted()
}

type checker struct {
	d        *Document
	c        Checks
	g        *graph
	problems Problems
}

func (c *checker) full() bool { return len(c.problems) >= maxProblems }

func (c *checker) add(p path, message, remedy string) {
	c.addAt(c.d.root.nearest(p), p, message, remedy)
}

func (c *checker) addAt(at place, p path, message, remedy string) {
	if !c.full() {
		c.problems = append(c.problems, newProblem(c.d.File, at, p, message, remedy))
	}
}

func (c *checker) flow() {
	flow := c.d.Flow
	c.g = newGraph(flow)
	if r := flow.Trigger.Respond; r != nil && r.When != "finished" {
		for _, p := range expressionsIn("trigger", "respond", "body")(c.d) {
			c.add(p, "an expression in respond.body is known when the execution has finished, and the sender is answered before", "write `when: finished` beside it, or a constant body")
		}
	}

	if r := time.Duration(flow.Retention); r != 0 && (r < time.Hour || r > MaxRetention) {
		c.add(path{}.member("retention"), fmt.Sprintf("the retention is %s, and history is kept between an hour and %s", r, MaxRetention), "write 720h or less, or leave it out")
	}
	if d := flow.Dedupe; d != nil && time.Duration(d.Window) > MaxDedupeWindow {
		c.add(path{}.member("dedupe").member("window"), fmt.Sprintf("the window is %s, and deliveries are remembered for %s at most", time.Duration(d.Window), MaxDedupeWindow), "write 168h or less")
	}

	c.dedupe()
	c.shards()

	trigger := path{}.member("trigger")
	c.component(trigger.member("uses"), flow.Trigger.Uses, true)
	c.hasCredential(trigger.member("credential"), flow.Trigger.Credential, flow.Trigger.Uses)
	c.settings(trigger, &flow.Trigger)
	everything := func(string) bool { return true }
	c.expressions(trigger.member("respond"), everything)
	nothing := func(string) bool { return false }
	c.expressions(path{}.member("dedupe").member("key"), nothing)
	c.expressions(path{}.member("order"), nothing)

	steps := path{}.member("steps")
	for i := range flow.Steps {
		c.step(steps.item(i), i)
	}
	for _, cycle := range c.g.cycles() {
		p := steps.item(cycle.step)
		if c.d.root.find(p.member("after")) != nil {
			p = p.member("after")
		}
		if len(cycle.names) == 2 {
			c.add(p, "the step comes after itself", "take it out of after")
			continue
		}
		c.add(p, "the steps form a cycle: "+strings.Join(cycle.names, " → "), "take one of them out of after")
	}
}

// dedupe wants a key, or a provider that gives one.
func (c *checker) dedupe() {
	d := c.d.Flow.Dedupe
	if d == nil || d.Key != "" && d.Preset == "" {
		return
	}
	p := path{}.member("dedupe")
	remedy := "write " + c.d.in.write("key", "=body.id") + ", or the provider as preset: " + strings.Join(DeliveryPresets(), ", ")
	switch {
	case d.Key != "":
		c.add(p.member("preset"), "there is a key, and a provider whose delivery ID is to be the key", "leave one of them out")
	case d.Preset != "":
	case c.d.Flow.Trigger.Credential == "":
		c.add(p, "the key is missing, and without a credential no provider is known whose delivery ID it could be", remedy)
	default:
		types, ok := c.c.(CredentialTypes)
		if !ok {
			return
		}
		kind, known := types.CredentialType(c.d.Flow.Trigger.Credential)
		if _, gives := DeliveryID(kind); known && !gives {
			c.add(p, "the key is missing, and senders with a credential of type "+kind+" give their deliveries no ID", remedy)
		}
	}
}

func (c *checker) step(p path, i int) {
	s := &c.d.Flow.Steps[i]
	if first := c.g.index[s.ID]; first != i {
		c.add(p.member("id"), fmt.Sprintf("there is another step %q, in line %d", s.ID, c.d.root.nearest(path{}.member("steps").item(first).member("id")).line),
			"give each step an ID of its own")
	}
	c.component(p.member("uses"), s.Uses, false)
	c.hasCredential(p.member("credential"), s.Credential, s.Uses)
	for j, id := range s.After {
		if _, ok := c.g.index[id]; !ok {
			c.add(p.member("after").item(j), fmt.Sprintf("there is no step %q", id), unknownRemedy(id, c.g.names()))
		}
	}
	if s.On == "failure" && len(c.g.parents[i]) == 0 {
		c.add(p.member("on"), "there is no step before this one that could fail", "leave it out, or say after which step it comes")
	}
	if s.Otherwise {
		c.otherwise(p.member("otherwise"), i)
	}
	if s.Each != "" && s.Uses == WaitComponent {
		c.add(p.member("each"), "a step that waits for a callback has one URL, and cannot run once per element", "call a flow that waits, with flow/call and each")
	}
	if s.Each == "" && s.Concurrency > 0 {
		c.add(p.member("concurrency"), "concurrency says how many elements of each run at once, and the step has no each", "leave it out, or add `each`")
	}
	upstream := sync.OnceValue(func() map[string]bool { return c.g.upstream(i) })
	for _, name := range []string{"when", "each", "input"} {
		c.expressions(p.member(name), func(id string) bool { return upstream()[id] })
	}
	c.input(p.member("input"), s)
}

// otherwise runs when no sibling did: it needs one that may not run.
func (c *checker) otherwise(p path, i int) {
	steps := c.d.Flow.Steps
	if steps[i].When != "" {
		c.add(p, "a step with a when cannot be the otherwise", "leave one of them out")
		return
	}
	for j := range steps {
		if j != i && steps[j].When != "" && c.g.siblings(i, j) {
			return
		}
	}
	c.add(p, "otherwise needs a sibling: a step with the same after and a when", "give the other branches the same after, and each a when")
}

func (c *checker) component(p path, name string, wantTrigger bool) {
	trigger, ok := c.c.Component(name)
	var fitting []string
	if !ok || trigger != wantTrigger {
		for _, n := range c.c.ComponentNames() {
			if t, ok := c.c.Component(n); ok && t == wantTrigger {
				fitting = append(fitting, n)
			}
		}
		slices.Sort(fitting)
	}
	word := "an action"
	if wantTrigger {
		word = "a trigger"
	}
	switch {
	case !ok:
		c.add(p, fmt.Sprintf("there is no component %q", name), unknownRemedy(name, fitting))
	case trigger && !wantTrigger:
		c.add(p, name+" is a trigger: it starts a flow and cannot be a step", "use "+word+": "+strings.Join(fitting, ", "))
	case !trigger && wantTrigger:
		c.add(p, name+" is an action: it cannot start a flow", "use "+word+": "+strings.Join(fitting, ", "))
	}
}

func (c *checker) hasCredential(p path, id, component string) {
	if id == "" {
		return
	}
	connector, _, _ := strings.Cut(component, "/")
	switch uses, ok := c.c.Credential(id); {
	case !ok:
		c.add(p, fmt.Sprintf("there is no credential %q", id), "apply a document of kind: Credential with this id, or correct it")
	case uses != connector:
		c.add(p, fmt.Sprintf("credential %q is for %s, not for %s", id, uses, connector), "use a credential of "+connector)
	}
}

func (c *checker) input(p path, s *Step) {
	n := c.d.root.find(p)
	if n != nil && n.isExpression() || c.full() {
		return
	}
	if trigger, ok := c.c.Component(s.Uses); !ok || trigger {
		return // said already
	}
	input := s.Input
	if len(input) == 0 {
		input = json.RawMessage("{}")
	}
	c.faults(p, n, c.c.CheckInput(s.Uses, input))
}

// settings checks those of a trigger. A webhook's are members of the trigger itself.
func (c *checker) settings(p path, t *Trigger) {
	if trigger, ok := c.c.Component(t.Uses); !ok || !trigger || c.full() {
		return
	}
	at := p.member("input")
	n := c.d.root.find(at)
	if t.Uses == "webhook/receive" {
		if n != nil {
			c.add(at, "a webhook has no input", "write its settings, such as methods, beside uses")
		}
		return
	}
	for _, name := range []string{"methods", "respond", "origins", "raw"} {
		if c.d.root.find(p.member(name)) != nil {
			c.add(p.member(name), name+" is a setting of webhook/receive", "leave it out")
		}
	}
	if n != nil && n.holdsExpression() {
		c.add(at, "a trigger's settings are constants: there is nothing yet that an expression could see", "write the value")
		return
	}
	input := t.Input
	if len(input) == 0 {
		input = json.RawMessage("{}")
	}
	c.faults(at, n, c.c.CheckInput(t.Uses, input))
}

// faults reports an error about a value: each fault at its place.
func (c *checker) faults(p path, n *node, err error) {
	if err == nil {
		return
	}
	faults, ok := errors.AsType[InputFaults](err)
	if !ok {
		c.add(p, err.Error(), "")
		return
	}
	for _, f := range faults {
		at := slices.Clone(p)
		if f.Pointer != "" {
			var location []string
			for part := range strings.SplitSeq(strings.TrimPrefix(f.Pointer, "/"), "/") {
				location = append(location, unescapePointer.Replace(part))
			}
			at = append(at, n.path(location)...)
		}
		c.addAt(c.d.faultPlace(fault{at: at, key: f.key}), at, f.Message, f.Remedy)
	}
}

// expressions compiles every expression in a value, and looks for the steps
// that each names: before says which have run by then.
func (c *checker) expressions(p path, before func(id string) bool) {
	if n := c.d.root.find(p); n != nil {
		c.walk(n, p, before)
	}
}

func (c *checker) walk(n *node, p path, before func(string) bool) {
	if c.full() {
		return
	}
	for _, m := range n.members {
		c.walk(m.value, p.member(m.name), before)
	}
	for i, item := range n.items {
		c.walk(item, p.item(i), before)
	}
	if !n.isExpression() {
		return
	}
	if err := c.c.Expression(n.text[1:]); err != nil {
		at := n.at
		var positioned interface{ Position() int }
		if errors.As(err, &positioned) {
			at = c.d.src.inside(n, 1+positioned.Position())
		}
		c.addAt(at, p, "the expression is wrong: "+err.Error(), "correct it; try it with sluice eval")
		return
	}
	for _, ref := range stepReferences(n.text) {
		switch _, ok := c.g.index[ref.name]; {
		case !ok:
			remedy := unknownRemedy(ref.name, c.g.names())
			for _, id := range c.g.ids {
				if strings.HasPrefix(id, ref.name+"-") && strings.HasPrefix(n.text[ref.end:], id[len(ref.name):]) {
					remedy = "a name with - is written steps.`" + id + "`"
				}
			}
			c.addAt(c.d.src.inside(n, ref.at), p, fmt.Sprintf("there is no step %q", ref.name), remedy)
		case len(p) > 1 && p[0].name == "steps" && c.d.root.find(p[:2].member("id")).text == ref.name:
			c.addAt(c.d.src.inside(n, ref.at), p, "a step cannot use its own output", "use a step that runs before")
		case !before(ref.name):
			c.addAt(c.d.src.inside(n, ref.at), p, fmt.Sprintf("step %q does not run before this is evaluated", ref.name),
				"say after: ["+ref.name+"], or use a step that runs before")
		}
	}
}

func (c *checker) credential() {
	doc := c.d.Credential
	connectors := map[string]bool{}
	var names []string
	for _, component := range c.c.ComponentNames() {
		connector, _, _ := strings.Cut(component, "/")
		if !connectors[connector] {
			connectors[connector] = true
			names = append(names, connector)
		}
	}
	if !connectors[doc.Uses] {
		slices.Sort(names)
		c.add(path{}.member("uses"), fmt.Sprintf("there is no connector %q", doc.Uses), unknownRemedy(doc.Uses, names))
		return
	}
	if more, ok := c.c.(CredentialChecks); ok {
		p := path{}.member("values")
		c.faults(p, c.d.root.find(p), more.CheckCredential(doc.Uses, doc.Type, doc.Values))
	}
}

// inFlow finds a member of the flow unless it has the one allowed value, as JSON.
func inFlow(allowed string, names ...string) func(*Document) []path {
	var p path
	for _, name := range names {
		p = p.member(name)
	}
	return func(d *Document) []path {
		if n := d.root.find(p); n == nil || string(n.json()) == allowed {
			return nil
		}
		return []path{p}
	}
}

// expressionsIn finds a member of the flow that holds an expression.
func expressionsIn(names ...string) func(*Document) []path {
	return func(d *Document) []path {
		found := inFlow("", names...)(d)
		if len(found) > 0 && !d.root.find(found[0]).holdsExpression() {
			return nil
		}
		return found
	}
}
