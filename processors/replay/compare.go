package replay

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"sluice/connectors/mapping"
	"sluice/schemas"
	"sluice/schemas/records"
)

// Kinds of differences between what happened and what would happen.
const (
	newFailure    = "newFailure"    // it succeeded, and would fail
	mendedFailure = "mendedFailure" // it failed, and would succeed
	otherFailure  = "otherFailure"  // it failed, and would fail for another reason
	effectAdded   = "effectAdded"   // a call would go out that did not
	effectRemoved = "effectRemoved" // a call went out that would not
	effectAltered = "effectAltered" // the call would have another input, or be another component's
	otherBranch   = "branch"        // a step without effect would run that did not, or the other way round; or a filter would decide otherwise
	otherOutput   = "output"        // a step without effect would give another output
)

// recordedStep is the last attempt at a step, as the run log has it.
type recordedStep struct {
	Uses   string          `json:"-"`
	Status string          `json:"status"`
	Input  json.RawMessage `json:"input,omitempty"`
	Output json.RawMessage `json:"output,omitempty"`
	Error  string          `json:"error,omitempty"`
	kind   string
	http   int32
}

func (s *recordedStep) ran() bool { return s != nil && s.Status != "skipped" }

// recordedExecution is an execution, as the run log has it.
type recordedExecution struct {
	status, failure, failureStep string
	steps                        map[string]*recordedStep
}

// Difference is one thing that would be otherwise.
type Difference struct {
	Kind string `json:"kind"`
	Step string `json:"step,omitempty"`
	// Group is what executions with the same difference share.
	Group string `json:"group"`
}

// sides are a step as it was and as it would be.
type sides struct {
	Step string        `json:"step"`
	Was  *recordedStep `json:"was"`
	Now  *simulated    `json:"now"`
}

type simulated struct {
	Status string          `json:"status"`
	Input  json.RawMessage `json:"input,omitempty"`
	Output json.RawMessage `json:"output,omitempty"`
	Error  string          `json:"error,omitempty"`
	// Answered says where an effect's answer is from; "would call" where the
	// call is not on record.
	Answered string `json:"answered,omitempty"`
}

// detail is what the report keeps of an execution that would be otherwise.
type detail struct {
	Differences []Difference `json:"differences"`
	Steps       []sides      `json:"steps"`
	Error       string       `json:"error,omitempty"` // how it would fail
}

// compare says what would be otherwise. isEffect tells of a component that the
// new version does not use any more.
func compare(was *recordedExecution, now *schemas.Simulation, isEffect func(uses string) bool) detail {
	var d detail
	add := func(kind, step, more string) {
		group := strings.TrimSpace(kind + " " + step)
		if more != "" {
			group += ": " + shorten(more)
		}
		d.Differences = append(d.Differences, Difference{kind, step, group})
	}
	simulatedSteps := map[string]*schemas.SimulatedStep{}
	var order []string
	for i := range now.Steps {
		s := &now.Steps[i]
		simulatedSteps[s.Step.ID] = s
		order = append(order, s.Step.ID)
	}
	var gone []string
	for id := range was.steps {
		if simulatedSteps[id] == nil {
			gone = append(gone, id)
		}
	}
	slices.Sort(gone)
	for _, id := range append(order, gone...) {
		o, n := was.steps[id], simulatedSteps[id]
		kind := ""
		switch {
		case !o.ran() && !ran(n):
		case !o.ran():
			if kind = otherBranch; n.Effect {
				kind = effectAdded
			}
		case !ran(n):
			if kind = otherBranch; isEffect(o.Uses) {
				kind = effectRemoved
			}
		case o.Uses != n.Step.Uses && !isEffect(o.Uses) && n.Effect:
			kind = effectAdded
		case o.Uses != n.Step.Uses && isEffect(o.Uses) && !n.Effect:
			kind = effectRemoved
		case n.Effect && (o.Uses != n.Step.Uses || !sameJSON(o.Input, n.Input)):
			kind = effectAltered
		case !n.Effect && o.Status == "succeeded" && n.Failure == nil && !sameJSON(o.Output, n.Output):
			kind = otherOutput
		}
		if kind != "" {
			add(kind, id, "")
			d.Steps = append(d.Steps, side(id, o, n))
		}
	}
	if now.Failure != nil {
		d.Error = now.Failure.Message
	}
	step := now.Failure.GetStep()
	switch fails, failed := now.Status == records.ExecutionStatus_EXECUTION_STATUS_FAILED, was.status == "failed"; {
	case fails && !failed:
		add(newFailure, step, d.Error)
	case !fails && failed:
		add(mendedFailure, was.failureStep, was.failure)
	case fails && (step != was.failureStep || !answered(simulatedSteps[step]) && d.Error != was.failure):
		add(otherFailure, step, d.Error)
	case len(d.Differences) == 0 && (was.status == "filtered") != (now.Status == records.ExecutionStatus_EXECUTION_STATUS_FILTERED) && was.status != "cancelled":
		add(otherBranch, "", was.status+", would be "+schemas.StatusName(now.Status))
	}
	if step != "" && len(d.Differences) > 0 && !slices.ContainsFunc(d.Steps, func(s sides) bool { return s.Step == step }) {
		d.Steps = append(d.Steps, side(step, was.steps[step], simulatedSteps[step]))
	}
	return d
}

func ran(s *schemas.SimulatedStep) bool {
	return s != nil && s.Status != records.StepStatus_STEP_STATUS_SKIPPED
}

// answered reports whether an effect's answer was simulated: how that failed is
// on record, or made up.
func answered(s *schemas.SimulatedStep) bool { return s != nil && s.Source != "" }

func side(id string, o *recordedStep, n *schemas.SimulatedStep) sides {
	s := sides{Step: id, Was: o}
	if n != nil {
		s.Now = &simulated{Status: schemas.StepStatusName(n.Status), Input: n.Input, Output: n.Output, Error: n.Failure.GetMessage(), Answered: n.Source}
	}
	return s
}

// shorten makes a message of many alike: the first line, without its tail.
func shorten(message string) string {
	message, _, _ = strings.Cut(message, "\n")
	if runes := []rune(message); len(runes) > 120 {
		message = string(runes[:120]) + "…"
	}
	return message
}

// sameJSON reports whether two documents say the same, whatever the order of
// their keys. Numbers are the same when their digits are.
func sameJSON(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, err := mapping.Decode(a)
	y, err2 := mapping.Decode(b)
	return err == nil && err2 == nil && sameValue(x, y)
}

func sameValue(a, b mapping.Value) bool {
	switch a := a.(type) {
	case *mapping.Object:
		b, ok := b.(*mapping.Object)
		if !ok || a.Len() != b.Len() {
			return false
		}
		same := true
		a.Range(func(k string, v mapping.Value) bool {
			other, ok := b.Get(k)
			same = ok && sameValue(v, other)
			return same
		})
		return same
	case []mapping.Value:
		b, ok := b.([]mapping.Value)
		return ok && slices.EqualFunc(a, b, sameValue)
	}
	return a == b
}
