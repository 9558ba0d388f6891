package replay

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/schemas"
	"sluice/schemas/records"
)

const (
	succeeded = records.ExecutionStatus_EXECUTION_STATUS_SUCCEEDED
	failed    = records.ExecutionStatus_EXECUTION_STATUS_FAILED
	filtered  = records.ExecutionStatus_EXECUTION_STATUS_FILTERED
)

// before is an execution on record: shape (pure) and call (an effect).
func before(change func(x *recordedExecution)) *recordedExecution {
	x := &recordedExecution{status: "succeeded", steps: map[string]*recordedStep{
		"shape": {Uses: "mapper/map", Status: "succeeded", Input: json.RawMessage(`{"n":1}`), Output: json.RawMessage(`{"n":1}`)},
		"call":  {Uses: "webhook/send", Status: "succeeded", Input: json.RawMessage(`{"url":"u","body":{"a":1,"b":2.50}}`), Output: json.RawMessage(`{"status":200}`)},
	}}
	if change != nil {
		change(x)
	}
	return x
}

// after is the same, simulated.
func after(change func(s *schemas.Simulation)) *schemas.Simulation {
	s := &schemas.Simulation{Status: succeeded, Steps: []schemas.SimulatedStep{
		{Step: &schemas.Step{ID: "shape", Uses: "mapper/map"}, Status: records.StepStatus_STEP_STATUS_SUCCEEDED, Input: json.RawMessage(`{"n":1}`), Output: json.RawMessage(`{"n":1}`)},
		{Step: &schemas.Step{ID: "call", Uses: "webhook/send"}, Effect: true, Status: records.StepStatus_STEP_STATUS_SUCCEEDED, Source: onRecord,
			Input: json.RawMessage(`{"body":{"b":2.50,"a":1},"url":"u"}`), Output: json.RawMessage(`{"status":200}`)},
	}}
	if change != nil {
		change(s)
	}
	return s
}

func fails(s *schemas.Simulation, i int, message string) {
	s.Status = failed
	s.Failure = &records.Failure{Message: message, Step: s.Steps[i].Step.ID}
	s.Steps[i].Status, s.Steps[i].Failure, s.Steps[i].Output = records.StepStatus_STEP_STATUS_FAILED, s.Failure, nil
}

func isSend(uses string) bool { return uses != "mapper/map" }

func TestEachKindOfDifferenceIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		was  *recordedExecution
		now  *schemas.Simulation
		want []string
	}{
		"none: keys may have another order": {before(nil), after(nil), nil},
		"a number with other digits is another": {before(nil), after(func(s *schemas.Simulation) {
			s.Steps[1].Input = json.RawMessage(`{"body":{"a":1,"b":2.5},"url":"u"}`)
		}), []string{"effectAltered call"}},
		"output": {before(nil), after(func(s *schemas.Simulation) { s.Steps[0].Output = json.RawMessage(`{"n":2}`) }), []string{"output shape"}},
		"effect altered": {before(nil), after(func(s *schemas.Simulation) { s.Steps[1].Input = json.RawMessage(`{"url":"other"}`) }),
			[]string{"effectAltered call"}},
		"effect altered: another component with the same input": {before(nil), after(func(s *schemas.Simulation) { s.Steps[1].Step.Uses = "http/request" }),
			[]string{"effectAltered call"}},
		"effect added": {before(func(x *recordedExecution) { x.steps["call"] = &recordedStep{Uses: "webhook/send", Status: "skipped"} }), after(nil),
			[]string{"effectAdded call"}},
		"effect added: by a new step": {before(func(x *recordedExecution) { delete(x.steps, "call") }), after(nil), []string{"effectAdded call"}},
		"effect added: where a step had none": {before(func(x *recordedExecution) { x.steps["call"].Uses = "mapper/map" }), after(nil),
			[]string{"effectAdded call"}},
		"effect removed": {before(nil), after(func(s *schemas.Simulation) {
			s.Steps[1].Status, s.Steps[1].Input = records.StepStatus_STEP_STATUS_SKIPPED, nil
		}), []string{"effectRemoved call"}},
		"effect removed: with its step": {before(nil), after(func(s *schemas.Simulation) { s.Steps = s.Steps[:1] }), []string{"effectRemoved call"}},
		"effect removed: its step has none any more": {before(nil), after(func(s *schemas.Simulation) {
			s.Steps[1].Step.Uses, s.Steps[1].Effect = "mapper/map", false
		}), []string{"effectRemoved call"}},
		"branch": {before(func(x *recordedExecution) { x.steps["shape"].Status = "skipped" }), after(nil), []string{"branch shape"}},
		"branch: the other way round": {before(nil), after(func(s *schemas.Simulation) {
			s.Steps[0].Status = records.StepStatus_STEP_STATUS_SKIPPED
		}), []string{"branch shape"}},
		"branch: a filter at the end lets it pass": {before(func(x *recordedExecution) { x.status = "filtered" }), after(nil),
			[]string{"branch: filtered, would be succeeded"}},
		"branch: a filter at the end holds it up": {before(nil), after(func(s *schemas.Simulation) { s.Status = filtered }),
			[]string{"branch: succeeded, would be filtered"}},
		"new failure": {before(nil), after(func(s *schemas.Simulation) { fails(s, 0, "its input: no such thing\nat line 3"); s.Steps = s.Steps[:1] }),
			[]string{"effectRemoved call", "newFailure shape: its input: no such thing"}},
		"mended failure": {before(func(x *recordedExecution) {
			x.status, x.failure, x.failureStep = "failed", "wrong", "shape"
			x.steps["shape"].Status = "failed"
			delete(x.steps, "call")
		}), after(nil), []string{"effectAdded call", "mendedFailure shape: wrong"}},
		"other failure: at another step": {before(func(x *recordedExecution) {
			x.status, x.failure, x.failureStep = "failed", "answered 500", "call"
			x.steps["call"].Status = "failed"
		}), after(func(s *schemas.Simulation) { fails(s, 0, "wrong"); s.Steps = s.Steps[:1] }),
			[]string{"effectRemoved call", "otherFailure shape: wrong"}},
		"other failure: for another reason": {before(func(x *recordedExecution) {
			x.status, x.failure, x.failureStep = "failed", "no number", "shape"
			x.steps["shape"].Status = "failed"
			delete(x.steps, "call")
		}), after(func(s *schemas.Simulation) { fails(s, 0, "no text"); s.Steps = s.Steps[:1] }), []string{"otherFailure shape: no text"}},
		"none: it fails as it did": {before(func(x *recordedExecution) {
			x.status, x.failure, x.failureStep = "failed", "answered 500 after 3 attempts", "call"
			x.steps["call"].Status = "failed"
		}), after(func(s *schemas.Simulation) { fails(s, 1, "answered 500") }), nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := compare(c.was, c.now, isSend)
			var got []string
			for _, x := range d.Differences {
				got = append(got, x.Group)
				if !strings.HasPrefix(x.Group, x.Kind) {
					t.Errorf("the group %q is not of the kind %s", x.Group, x.Kind)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if (len(got) > 0 && !strings.Contains(got[0], ", would be")) != (len(d.Steps) > 0) {
				t.Errorf("%d steps side by side for %v", len(d.Steps), got)
			}
		})
	}
}

func TestASimulatedCallIsAnsweredFromTheRecord(t *testing.T) {
	was := &recordedStep{Uses: "webhook/send", Status: "succeeded", Input: json.RawMessage(`{"a":1}`), Output: json.RawMessage(`{"ok":true}`)}
	step := &schemas.Step{ID: "call", Uses: "webhook/send"}
	w := &whatIf{d: New(Options{}), r: &schemas.ReplayEntry{}}
	if a := w.answer(was, step, []byte(`{ "a": 1 }`)); a.Source != onRecord || string(a.Output) != `{"ok":true}` {
		t.Errorf("the same call: %+v", a)
	}
	if a := w.answer(was, step, []byte(`{"a":2}`)); a.Source != withRecorded || string(a.Output) != `{"ok":true}` {
		t.Errorf("another input: %+v", a)
	}
	bad := *was
	bad.Status, bad.Error, bad.http = "failed", "answered 500", 500
	if a := w.answer(&bad, step, []byte(`{"a":1}`)); a.Source != onRecord || a.Failure.GetHttpStatus() != 500 || a.Failure.GetStep() != "call" {
		t.Errorf("a call that failed: %+v", a)
	}
}
