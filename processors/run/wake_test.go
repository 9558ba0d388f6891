package run

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/connectors"
	"sluice/schemas"
	"sluice/schemas/records"
)

// A timer fires by the time that has passed. If the wall clock was set back
// meanwhile, what it says is no reason to go on waiting: no timer is left.
func TestATimerThatFiresBeforeItsTimeOnTheWallGoesOn(t *testing.T) {
	p := &partition{executions: map[schemas.ExecutionID]*execution{}}
	s := &session{
		opts: Options{Catalog: newCatalog()}, metrics: newMetrics(prometheus.NewRegistry()),
		partitions: map[int32]*partition{0: p}, flows: map[string]*flowQueue{},
	}
	at := time.Now().Add(8 * time.Minute) // as the wall clock has it, set back by 8 minutes
	step := stepPlan{Step: &schemas.Step{ID: "nap", Uses: "flow/delay"}, component: &connectors.Component{Effect: connectors.Pure}}
	e := &execution{
		partition: p, busy: map[unit]context.CancelFunc{}, plan: &plan{steps: []stepPlan{step}},
		x: &records.Execution{FlowId: "pets", Status: records.ExecutionStatus_EXECUTION_STATUS_RUNNING, Steps: map[string]*records.StepState{
			"nap": {Status: records.StepStatus_STEP_STATUS_WAITING, RetryAt: at.UnixNano()},
		}},
	}
	u := unit{0, 0}
	s.wake(e, u, at.Add(-time.Second)) // one that was set before, for another time
	if got := e.x.Steps["nap"].Status; got != records.StepStatus_STEP_STATUS_WAITING {
		t.Fatalf("after a timer of before, it is %v", got)
	}
	s.wake(e, u, at)
	if got := e.x.Steps["nap"].Status; got != records.StepStatus_STEP_STATUS_SUCCEEDED {
		t.Errorf("after its timer, it is %v", got)
	}
}

// An intent that is handed over without its effect would be taken for an effect
// whose outcome nobody knows.
func TestAPartitionThatIsHandedOverGetsNoIntentAnyMore(t *testing.T) {
	for _, leaving := range []bool{false, true} {
		p := &partition{executions: map[schemas.ExecutionID]*execution{}, leaving: leaving}
		s := &session{
			opts: Options{Catalog: newCatalog()}, metrics: newMetrics(prometheus.NewRegistry()),
			partitions: map[int32]*partition{0: p}, flows: map[string]*flowQueue{},
		}
		u := unit{0, 0}
		step := stepPlan{Step: &schemas.Step{ID: "pay", Uses: "test/effect", OnUnknown: "fail"}, component: &connectors.Component{Effect: connectors.Keyed}}
		e := &execution{
			partition: p, busy: map[unit]context.CancelFunc{u: func() {}}, plan: &plan{steps: []stepPlan{step}, graph: &graph{nodes: []node{{id: "pay"}}}}, active: true,
			x: &records.Execution{FlowId: "pets", Status: records.ExecutionStatus_EXECUTION_STATUS_RUNNING},
		}
		s.applyResult(result{job: &job{session: s, ex: e, plan: e.plan, unit: u, dry: true, number: 1}, attempt: &records.Attempt{Step: "pay", Number: 1}})
		intended := e.x.Steps["pay"].GetStatus() == records.StepStatus_STEP_STATUS_UNKNOWN
		if intended == leaving {
			t.Errorf("leaving %v: intended %v", leaving, intended)
		}
	}
}
