package schemas

import (
	"sluice/schemas/records"
)

// Open reports whether an execution may still change.
func Open(s records.ExecutionStatus) bool {
	return s == records.ExecutionStatus_EXECUTION_STATUS_WAITING || s == records.ExecutionStatus_EXECUTION_STATUS_RUNNING
}

// Settled reports whether a step will not run again.
func Settled(s *records.StepState) bool {
	return s != nil && s.Status != records.StepStatus_STEP_STATUS_UNSPECIFIED && s.Status != records.StepStatus_STEP_STATUS_RETRYING
}

// Fold turns an execution into the one after an event. It changes x in place,
// needs no clock, and may be given the same event twice: ended is ended, a
// settled step stays as it is, and an attempt counts once. It reports whether
// the event changed anything.
func Fold(x *records.Execution, e *records.Event) bool {
	if !Open(x.Status) {
		return false
	}
	switch fact := e.Fact.(type) {
	case *records.Event_Started:
		if x.Status == records.ExecutionStatus_EXECUTION_STATUS_RUNNING {
			return false
		}
		x.Status = records.ExecutionStatus_EXECUTION_STATUS_RUNNING
		x.Version = fact.Started.Version
	case *records.Event_Attempt:
		return foldAttempt(x, fact.Attempt)
	case *records.Event_Skipped:
		if Settled(x.Steps[fact.Skipped.Step]) {
			return false
		}
		step(x, fact.Skipped.Step).Status = records.StepStatus_STEP_STATUS_SKIPPED
	case *records.Event_Ended:
		if Open(fact.Ended.Status) || fact.Ended.Status == records.ExecutionStatus_EXECUTION_STATUS_UNSPECIFIED {
			return false // no end at all
		}
		x.Status = fact.Ended.Status
		x.Failure = fact.Ended.Failure
		x.EndedAt = e.At
	default:
		return false // of a later kind
	}
	return true
}

func foldAttempt(x *records.Execution, a *records.Attempt) bool {
	if s := x.Steps[a.Step]; Settled(s) || s.GetAttempts() >= a.Number {
		return false
	}
	s := step(x, a.Step)
	if s.FirstAt == 0 {
		s.FirstAt = a.StartedAt
	}
	s.Status, s.Attempts, s.Failure, s.RetryAt = a.Status, a.Number, a.Failure, a.RetryAt
	if a.Status == records.StepStatus_STEP_STATUS_SUCCEEDED {
		s.Output = a.Output
	}
	return true
}

func step(x *records.Execution, id string) *records.StepState {
	if x.Steps == nil {
		x.Steps = map[string]*records.StepState{}
	}
	s := x.Steps[id]
	if s == nil {
		s = &records.StepState{}
		x.Steps[id] = s
	}
	return s
}

// StatusName is the word for a status in the API, the run log and the pages.
func StatusName(s records.ExecutionStatus) string {
	switch s {
	case records.ExecutionStatus_EXECUTION_STATUS_WAITING:
		return "waiting"
	case records.ExecutionStatus_EXECUTION_STATUS_RUNNING:
		return "running"
	case records.ExecutionStatus_EXECUTION_STATUS_SUCCEEDED:
		return "succeeded"
	case records.ExecutionStatus_EXECUTION_STATUS_FAILED:
		return "failed"
	case records.ExecutionStatus_EXECUTION_STATUS_CANCELLED:
		return "cancelled"
	case records.ExecutionStatus_EXECUTION_STATUS_DUPLICATE:
		return "duplicate"
	case records.ExecutionStatus_EXECUTION_STATUS_FILTERED:
		return "filtered"
	}
	return "unknown"
}

// StepStatusName is the word for a step's or an attempt's status.
func StepStatusName(s records.StepStatus) string {
	switch s {
	case records.StepStatus_STEP_STATUS_RETRYING:
		return "retrying"
	case records.StepStatus_STEP_STATUS_SUCCEEDED:
		return "succeeded"
	case records.StepStatus_STEP_STATUS_FAILED:
		return "failed"
	case records.StepStatus_STEP_STATUS_SKIPPED:
		return "skipped"
	case records.StepStatus_STEP_STATUS_CANCELLED:
		return "cancelled"
	}
	return "unknown"
}
