package run

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"sluice/connectors"
	"sluice/connectors/mapping"
	"sluice/schemas"
)

const (
	defaultStepTimeout = 30 * time.Second
	defaultConcurrency = 50
)

// plan is a published version made ready to run: expressions compiled,
// components found, defaults filled in. It never changes.
type plan struct {
	flow    string
	version int32
	graph   *graph
	steps   []stepPlan
	timeout time.Duration // of a whole execution; 0: none
	dedupe  *dedupe       // nil: every hook runs
	order   order
	raw     bool // the body is handed over as it came
	// about is what expressions see as execution, without what is each one's own.
	about *mapping.Object
	// What a waiting sender is answered when the execution ends.
	onSuccess, onFailure respond
	// waits are the steps that have a callback URL.
	waits []*stepPlan
}

type stepPlan struct {
	*schemas.Step
	component *connectors.Component
	when      *mapping.Expression // nil: unconditional
	each      *mapping.Expression // nil: it runs once
	input     *mapping.Template
	timeout   time.Duration
	retry     retryPolicy
	span      string // its name in a trace
	instant   bool   // it may be done in the loop: see inline.go
}

// effect: the step does something to another system, and so waits until the
// effects before it are durable.
func (s *stepPlan) effect() bool {
	// A reply says that what came before it is done: that must be durable.
	return s.component.Effect != connectors.Pure || s.Uses == schemas.ReplyComponent
}

// compiled reports whether no expression of the step needs the official
// evaluator from the outset.
func (s *stepPlan) compiled() bool {
	all := s.when == nil || s.when.Engine() == "compiled"
	s.input.Expressions(func(_ string, x *mapping.Expression) { all = all && x.Engine() == "compiled" })
	return all
}

// intends: a step whose effect may not simply be repeated after a crash has its
// intent on record before the effect begins.
func (s *stepPlan) intends() bool {
	return s.effect() && (s.OnUnknown == "fail" || s.OnUnknown == "hold")
}

// newPlan compiles a version. A version was checked when it was published, so
// that an error here means that this binary knows less than that one did.
func newPlan(id string, v *schemas.FlowVersion, set *connectors.Set, engine *mapping.Engine) (*plan, error) {
	p := &plan{flow: id, version: v.Number, graph: newGraph(v.Flow), timeout: time.Duration(v.Flow.Timeout), raw: v.Flow.Trigger.Raw}
	p.about = mapping.NewObjectOf(4)
	p.about.Set("id", nil)
	p.about.Set("flow", id)
	p.about.Set("version", mapping.Number(itoa(int64(v.Number))))
	p.about.Set("startedAt", nil)
	p.steps = make([]stepPlan, len(v.Flow.Steps))
	for i := range v.Flow.Steps {
		s := &v.Flow.Steps[i]
		sp := stepPlan{Step: s, timeout: time.Duration(s.Timeout), retry: newRetryPolicy(s.Retry)}
		if sp.timeout == 0 {
			sp.timeout = defaultStepTimeout
		}
		var ok bool
		if sp.component, ok = set.Component(s.Uses); !ok {
			return nil, fmt.Errorf("step %s: there is no component %s", s.ID, s.Uses)
		}
		var err error
		if s.When != "" {
			if sp.when, err = engine.Compile(strings.TrimPrefix(s.When, "=")); err != nil {
				return nil, fmt.Errorf("step %s: reading its condition: %w", s.ID, err)
			}
		}
		if s.Each != "" {
			if sp.each, err = engine.Compile(strings.TrimPrefix(s.Each, "=")); err != nil {
				return nil, fmt.Errorf("step %s: reading its each: %w", s.ID, err)
			}
		}
		input := json.RawMessage(`{}`)
		if len(bytes.TrimSpace(s.Input)) > 0 {
			input = s.Input
		}
		value, err := mapping.Decode(input)
		if err == nil {
			sp.input, err = engine.CompileTemplate(value)
		}
		if err != nil {
			return nil, fmt.Errorf("step %s: reading its input: %w", s.ID, err)
		}
		sp.span = "step " + s.Uses
		sp.instant = sp.component.Instant && !sp.effect() && sp.each == nil && s.Credential == "" && sp.compiled()
		p.steps[i] = sp
	}
	for i := range p.steps {
		if p.steps[i].Uses == schemas.WaitComponent {
			p.waits = append(p.waits, &p.steps[i])
		}
	}
	var err error
	if d := v.Flow.Dedupe; d != nil {
		p.dedupe = &dedupe{window: cmp.Or(time.Duration(d.Window), defaultDedupeWindow)}
		if key, ok := d.KeyExpression(""); ok { // otherwise the trigger's credential says
			if p.dedupe.key, err = engine.Compile(key); err != nil {
				return nil, fmt.Errorf("dedupe: reading its key: %w", err)
			}
		}
	}
	if p.order, err = newOrder(v.Flow, engine); err != nil {
		return nil, err
	}
	if p.onSuccess, p.onFailure, err = newResponds(v.Flow, engine); err != nil {
		return nil, err
	}
	return p, nil
}
