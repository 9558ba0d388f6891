package schemas

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"sluice/schemas/records"
)

var closedStatuses = []records.ExecutionStatus{
	records.ExecutionStatus_EXECUTION_STATUS_SUCCEEDED, records.ExecutionStatus_EXECUTION_STATUS_FAILED, records.ExecutionStatus_EXECUTION_STATUS_CANCELLED,
	records.ExecutionStatus_EXECUTION_STATUS_DUPLICATE, records.ExecutionStatus_EXECUTION_STATUS_FILTERED,
}

func drawEvent(t *rapid.T) *records.Event {
	e := &records.Event{At: rapid.Int64Range(1, 1<<60).Draw(t, "at")}
	step := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "step")
	failure := &records.Failure{Kind: rapid.SampledFrom([]string{"http", "network"}).Draw(t, "kind"), Step: step}
	switch rapid.IntRange(0, 11).Draw(t, "fact") {
	case 0:
		e.Fact = &records.Event_Started{Started: &records.Started{Version: rapid.Int32Range(1, 5).Draw(t, "version")}}
	case 1:
		e.Fact = &records.Event_Ended{Ended: &records.Ended{Status: rapid.SampledFrom(closedStatuses).Draw(t, "status"), Failure: failure}}
	case 2:
		e.Fact = &records.Event_Skipped{Skipped: &records.Skipped{Step: step}}
	case 3:
		e.Fact = &records.Event_Expanded{Expanded: &records.Expanded{Step: step, Count: rapid.Int32Range(0, 3).Draw(t, "count")}}
	case 4:
		e.Fact = &records.Event_Callback{Callback: &records.Callback{Step: step, Output: []byte(`{"timedOut":false}`)}}
	case 5:
		e.Fact = &records.Event_Given{Given: &records.Given{Step: step, Status: rapid.SampledFrom([]records.StepStatus{
			records.StepStatus_STEP_STATUS_SUCCEEDED, records.StepStatus_STEP_STATUS_SKIPPED, records.StepStatus_STEP_STATUS_RUNNING,
		}).Draw(t, "given"), Output: []byte(`1`)}}
	default:
		e.Fact = &records.Event_Attempt{Attempt: &records.Attempt{
			Step: step, Number: rapid.Int32Range(1, 4).Draw(t, "number"), StartedAt: rapid.Int64Range(1, 1<<60).Draw(t, "started"),
			Status: rapid.SampledFrom([]records.StepStatus{
				records.StepStatus_STEP_STATUS_RETRYING, records.StepStatus_STEP_STATUS_SUCCEEDED, records.StepStatus_STEP_STATUS_FAILED, records.StepStatus_STEP_STATUS_CANCELLED,
				records.StepStatus_STEP_STATUS_WAITING, records.StepStatus_STEP_STATUS_UNKNOWN, records.StepStatus_STEP_STATUS_FILTERED,
			}).Draw(t, "attempt"),
			Iteration: rapid.Int32Range(-1, 3).Draw(t, "iteration"), Postponed: rapid.IntRange(0, 5).Draw(t, "postponed") == 0,
			Output: []byte(`{"id":1}`), Failure: failure, RetryAt: rapid.Int64Range(0, 1<<60).Draw(t, "retry"),
		}}
	}
	return e
}

func drawEvents(t *rapid.T) []*records.Event {
	return rapid.SliceOfN(rapid.Custom(drawEvent), 0, 30).Draw(t, "events")
}

func newExecution() *records.Execution {
	return &records.Execution{Id: make([]byte, 16), FlowId: "pets", Status: records.ExecutionStatus_EXECUTION_STATUS_WAITING, StartedAt: 1}
}

func same(t *rapid.T, what string, want, have *records.Execution) {
	if diff := cmp.Diff(want, have, protocmp.Transform()); diff != "" {
		t.Fatalf("%s\n%s", what, diff)
	}
}

func TestAnEventFoldedTwiceCountsOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := newExecution()
		for _, e := range drawEvents(t) {
			Fold(x, e)
			once := proto.CloneOf(x)
			if Fold(x, e) {
				t.Fatalf("the second time reports a change: %v", e)
			}
			same(t, "the second time changed the execution", once, x)
		}
	})
}

func TestFoldReportsWhetherAnythingChanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := newExecution()
		for _, e := range drawEvents(t) {
			before := proto.CloneOf(x)
			if changed := Fold(x, e); changed == proto.Equal(before, x) {
				t.Fatalf("reports %v for %v", changed, e)
			}
		}
	})
}

func TestAnEndedExecutionStaysAsItEnded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := newExecution()
		for _, e := range drawEvents(t) {
			Fold(x, e)
		}
		Fold(x, &records.Event{At: 5, Fact: &records.Event_Ended{Ended: &records.Ended{Status: rapid.SampledFrom(closedStatuses).Draw(t, "status")}}})
		ended := proto.CloneOf(x)
		if Open(x.Status) {
			t.Fatal("the execution is still open")
		}
		for _, e := range drawEvents(t) {
			if Fold(x, e) {
				t.Fatalf("reports a change for %v", e)
			}
		}
		same(t, "an ended execution changed", ended, x)
	})
}

func TestASettledStepStaysAsItIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := newExecution()
		for _, e := range drawEvents(t) {
			settled := map[string]*records.StepState{}
			for id, s := range x.Steps {
				if Settled(s) {
					settled[id] = proto.CloneOf(s)
				}
			}
			Fold(x, e)
			for id, s := range settled {
				if !proto.Equal(s, x.Steps[id]) {
					t.Fatalf("step %s was settled as %v and became %v", id, s, x.Steps[id])
				}
			}
		}
	})
}

func TestAttemptsNeverGoBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := newExecution()
		for _, e := range drawEvents(t) {
			before := x.Steps[e.GetAttempt().GetStep()].GetAttempts()
			Fold(x, e)
			if after := x.Steps[e.GetAttempt().GetStep()].GetAttempts(); after < before {
				t.Fatalf("attempts went from %d to %d", before, after)
			}
		}
	})
}

func TestAnEventOfALaterKindChangesNothing(t *testing.T) {
	x := newExecution()
	before := proto.CloneOf(x)
	if Fold(x, &records.Event{At: 5}) {
		t.Error("reports a change for an event without a fact that it knows")
	}
	if !proto.Equal(before, x) {
		t.Errorf("have %v", x)
	}
}

func TestEveryStatusHasAWord(t *testing.T) {
	seen := map[string]bool{}
	for n := range records.ExecutionStatus_name {
		if name := StatusName(records.ExecutionStatus(n)); seen[name] || (name == "unknown") != (n == 0) {
			t.Errorf("status %d is %q", n, name)
		} else {
			seen[name] = true
		}
	}
	clear(seen)
	for n := range records.StepStatus_name {
		if name := StepStatusName(records.StepStatus(n)); seen[name] || (name == "unspecified") != (n == 0) {
			t.Errorf("step status %d is %q", n, name)
		} else {
			seen[name] = true
		}
	}
}

// recorded is a file of testdata/fold: an execution, what happened, and the
// execution after that, all as protojson. The console's fold reads the same.
type recorded struct {
	Says      string            `json:"says"`
	Execution json.RawMessage   `json:"execution"`
	Events    []json.RawMessage `json:"events"`
	Expected  json.RawMessage   `json:"expected"`
}

func TestRecordedFactsFoldIntoTheExpectedExecution(t *testing.T) {
	files, err := filepath.Glob("testdata/fold/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("want recorded facts in testdata/fold", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var r recorded
			d := json.NewDecoder(bytes.NewReader(data))
			d.DisallowUnknownFields()
			if err := d.Decode(&r); err != nil {
				t.Fatal(err)
			}
			x, want := new(records.Execution), new(records.Execution)
			if err := protojson.Unmarshal(r.Execution, x); err != nil {
				t.Fatal(err)
			}
			for _, raw := range r.Events {
				e := new(records.Event)
				if err := protojson.Unmarshal(raw, e); err != nil {
					t.Fatal(err)
				}
				Fold(x, e)
			}
			if err := protojson.Unmarshal(r.Expected, want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, x, protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
