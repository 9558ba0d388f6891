package console

import (
	"testing"

	"sluice/schemas/records"
)

func TestBlockedKeysAreThoseWhoseFirstExecutionHoldsOthersUp(t *testing.T) {
	x := func(offset int64, key string, step *records.StepState) *records.Execution {
		e := &records.Execution{Id: make([]byte, 16), FlowId: "f", OrderKey: []byte(key), OrderName: key, Hook: &records.Pointer{Topic: "hooks", Offset: offset},
			Status: records.ExecutionStatus_EXECUTION_STATUS_RUNNING}
		e.Id[15] = byte(offset)
		if step != nil {
			e.Steps = map[string]*records.StepState{"done": {Status: records.StepStatus_STEP_STATUS_SUCCEEDED}, "tell": step}
		}
		return e
	}
	retrying := &records.StepState{Status: records.StepStatus_STEP_STATUS_RETRYING, RetryAt: 5, Failure: &records.Failure{Message: "answered 503"}}
	items := blockedKeys([]*records.Execution{
		x(9, "a", nil), x(3, "a", retrying), x(7, "a", nil), // the first of a holds two up
		x(4, "b", nil), // goes on
		x(5, "c", retrying),
	})
	if len(items) != 2 || items[0].Key != "a" || items[0].Waiting != 2 || items[0].Step != "tell" || items[0].StepState != "retrying" ||
		items[0].Error != "answered 503" || items[0].RetryAt == nil || items[0].Execution[34:] != "03" {
		t.Errorf("have %+v", items)
	}
	if len(items) == 2 && (items[1].Key != "c" || items[1].Waiting != 0) {
		t.Errorf("have %+v", items[1])
	}
}
