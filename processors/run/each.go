package run

import (
	"context"
	"fmt"
	"time"

	"sluice/connectors"
	"sluice/connectors/mapping"
	"sluice/schemas"
	"sluice/schemas/records"
)

// unit is what is attempted: a step, or one element of a step with each.
type unit struct{ step, iteration int }

// expanding is the iteration that finds out for which elements a step runs.
const expanding = -1

// element is what each brings into scope.
type element struct {
	item  mapping.Value
	index int
}

// first is what a step begins with.
func (p *plan) first(step int) unit {
	if p.steps[step].each != nil {
		return unit{step, expanding}
	}
	return unit{step: step}
}

// state is how a unit stands; nil: it has not begun.
func (e *execution) state(u unit) *records.StepState {
	s := e.x.Steps[e.plan.steps[u.step].ID]
	if s.GetStatus() == records.StepStatus_STEP_STATUS_RUNNING && u.iteration >= 0 {
		return s.Iterations[int32(u.iteration)]
	}
	return s
}

// units calls fn with every unit that has begun and not settled.
func (e *execution) units(fn func(unit, *records.StepState)) {
	for i := range e.plan.steps {
		s := e.x.Steps[e.plan.steps[i].ID]
		switch {
		case s == nil || schemas.Settled(s):
		case s.Status != records.StepStatus_STEP_STATUS_RUNNING:
			fn(e.plan.first(i), s)
		default:
			for n, one := range s.Iterations {
				if !schemas.Settled(one) {
					fn(unit{i, int(n)}, one)
				}
			}
		}
	}
}

func (e *execution) stepBusy(step int) bool {
	for u := range e.busy {
		if u.step == step {
			return true
		}
	}
	return false
}

// elementsOf evaluates a step's each. A single value is a list of one, as
// everywhere in JSONata; nothing, and null, is an empty list.
func elementsOf(ctx context.Context, step *stepPlan, scope *mapping.Object, ev mapping.Eval) ([]mapping.Value, *connectors.Error) {
	v, defined, err := step.each.Evaluate(ctx, scope, ev)
	if err != nil {
		return nil, expressionError("its each", err)
	}
	if !defined || v == nil {
		return []mapping.Value{}, nil
	}
	list, ok := v.([]mapping.Value)
	if !ok {
		list = []mapping.Value{v}
	}
	if len(list) > schemas.MaxElements {
		return nil, connectors.BadInput("each gives %d elements, a step may have %d; split the list before it is sent", len(list), schemas.MaxElements)
	}
	if list == nil {
		list = []mapping.Value{}
	}
	return list, nil
}

// expanded takes a step's elements in, for the first time or after they were
// out of memory.
func (s *session) expanded(e *execution, i int, at time.Time, elements []mapping.Value) {
	step := &e.plan.steps[i]
	if e.elements == nil {
		e.elements = map[int][]mapping.Value{}
	}
	e.elements[i] = elements
	state := e.x.Steps[step.ID]
	if state.GetStatus() != records.StepStatus_STEP_STATUS_RUNNING {
		s.record(e, at, &records.Event{Fact: &records.Event_Expanded{Expanded: &records.Expanded{
			Step: step.ID, Count: int32(len(elements)), Uses: step.Uses, Name: step.Name}}})
		if len(elements) == 0 {
			_ = e.addOutput(step.ID) // [] can be decoded
		}
	} else if int(state.Count) != len(elements) {
		s.fail(e, at, &records.Failure{Kind: string(connectors.KindInternal), Step: step.ID,
			Message: fmt.Sprintf("each gave %d elements when the step began, and gives %d now", state.Count, len(elements))})
		return
	}
	s.beginDue(e)
}

// startable are the elements of a step that may begin now, in their order: as
// many as its concurrency leaves room for. An element that waits for its next
// attempt keeps its place, so that a concurrency of 1 keeps the order.
func (e *execution) startable(i int) []unit {
	step := &e.plan.steps[i]
	state := e.x.Steps[step.ID]
	room := step.Concurrency
	if room == 0 {
		room = schemas.DefaultEach
	}
	begun := func(n int32) bool {
		return state.Iterations[n] != nil || e.busy[unit{i, int(n)}] != nil
	}
	for _, one := range state.Iterations {
		if !schemas.Settled(one) {
			room--
		}
	}
	for u := range e.busy {
		if u.step == i && u.iteration >= 0 && state.Iterations[int32(u.iteration)] == nil {
			room--
		}
	}
	var free []unit
	for n := int32(0); n < state.Count && len(free) < room; n++ {
		if !begun(n) {
			free = append(free, unit{i, int(n)})
		}
	}
	return free
}

// beginElements begins as many elements of a step as there is room for.
func (s *session) beginElements(e *execution, i int) {
	if e.elements[i] == nil {
		if all := (unit{i, expanding}); e.busy[all] == nil && len(e.startable(i)) > 0 {
			s.begin(e, all)
		}
		return
	}
	for _, u := range e.startable(i) {
		s.begin(e, u)
	}
}

// checkSize turns a success into a failure when the step's outputs together
// would be larger than a step's output may be.
func (e *execution) checkSize(step *stepPlan, a *records.Attempt) {
	size := len(a.Output)
	for _, one := range e.x.Steps[step.ID].GetIterations() {
		size += len(one.Output)
	}
	if size > maxOutput {
		why := tooLarge(size)
		a.Status, a.Output = records.StepStatus_STEP_STATUS_FAILED, nil
		a.Failure = &records.Failure{Kind: string(why.Kind), Message: why.Message, Step: step.ID}
	}
}

// addOutput decodes a settled step's output for the steps after it.
func (e *execution) addOutput(step string) error {
	state := e.x.Steps[step]
	if !schemas.Settled(state) || len(state.Output) == 0 {
		return nil
	}
	value, err := mapping.Decode(state.Output)
	if err != nil {
		return fmt.Errorf("reading the output of step %s: %w", step, err)
	}
	e.outputs = append(e.outputs, output{step, value})
	return nil
}
