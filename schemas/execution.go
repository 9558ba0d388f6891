package schemas

import (
	"fmt"

	"sluice/schemas/records"
)

// Open reports whether an execution may still change.
func Open(s records.ExecutionStatus) bool {
	return s == records.ExecutionStatus_EXECUTION_STATUS_WAITING || s == records.ExecutionStatus_EXECUTION_STATUS_RUNNING
}

// Settled reports whether a step, or one of its iterations, will not run again.
func Settled(s *records.StepState) bool {
	switch s.GetStatus() {
	case records.StepStatus_STEP_STATUS_SUCCEEDED, records.StepStatus_STEP_STATUS_FAILED, records.StepStatus_STEP_STATUS_SKIPPED,
		records.StepStatus_STEP_STATUS_CANCELLED, records.StepStatus_STEP_STATUS_FILTERED:
		return true
	}
	return false
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
		return foldAttempt(x, e.At, fact.Attempt)
	case *records.Event_Expanded:
		return foldExpanded(x, fact.Expanded)
	case *records.Event_Callback:
		return foldCallback(x, fact.Callback)
	case *records.Event_Given:
		g := fact.Given
		if x.Steps[g.Step] != nil || !Settled(&records.StepState{Status: g.Status}) {
			return false
		}
		s := step(x, g.Step)
		s.Status, s.Output, s.Failure = g.Status, g.Output, g.Failure
	case *records.Event_Skipped:
		if Settled(x.Steps[fact.Skipped.Step]) {
			return false
		}
		step(x, fact.Skipped.Step).Status = records.StepStatus_STEP_STATUS_SKIPPED
		delete(x.Callbacks, fact.Skipped.Step)
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

func foldAttempt(x *records.Execution, at int64, a *records.Attempt) bool {
	s := x.Steps[a.Step]
	if Settled(s) {
		return false
	}
	if s.GetStatus() != records.StepStatus_STEP_STATUS_RUNNING {
		if !attemptCounts(s, a) {
			return false
		}
		s = step(x, a.Step)
		takeAttempt(s, at, a)
		if Settled(s) {
			delete(x.Callbacks, a.Step)
		}
		return true
	}
	i := s.Iterations[a.Iteration]
	if a.Iteration < 0 || a.Iteration >= s.Count || Settled(i) || !attemptCounts(i, a) {
		return false
	}
	if i == nil {
		i = &records.StepState{}
		if s.Iterations == nil {
			s.Iterations = map[int32]*records.StepState{}
		}
		s.Iterations[a.Iteration] = i
	}
	takeAttempt(i, at, a)
	if Settled(i) {
		if s.Done++; s.Done == s.Count {
			join(s)
		}
	}
	return true
}

// attemptCounts says whether an attempt tells anything new of an unsettled step.
func attemptCounts(s *records.StepState, a *records.Attempt) bool {
	if s.GetAttempts() >= a.Number {
		return false
	}
	switch {
	case a.Postponed:
		return s.GetStatus() != records.StepStatus_STEP_STATUS_RETRYING || a.RetryAt > s.GetRetryAt()
	case a.Status == records.StepStatus_STEP_STATUS_WAITING:
		return s.GetStatus() != records.StepStatus_STEP_STATUS_WAITING
	case a.Status == records.StepStatus_STEP_STATUS_UNKNOWN:
		// Intended; or, with a failure, given up on by whoever took over.
		return s.GetStatus() != records.StepStatus_STEP_STATUS_UNKNOWN || s.Failure == nil && a.Failure != nil
	}
	return true
}

// takeAttempt folds an attempt in. One that has only begun (intended, parked)
// and one that was put off do not count as made.
func takeAttempt(s *records.StepState, at int64, a *records.Attempt) {
	if s.FirstAt == 0 {
		s.FirstAt = a.StartedAt
	}
	s.Status, s.Failure, s.RetryAt, s.Input = a.Status, a.Failure, a.RetryAt, nil
	switch {
	case a.Postponed:
		s.Status = records.StepStatus_STEP_STATUS_RETRYING
		if s.PostponedAt == 0 {
			s.PostponedAt = at
		}
		return
	case a.Status == records.StepStatus_STEP_STATUS_WAITING:
		s.Input = a.Input
		return
	case a.Status == records.StepStatus_STEP_STATUS_UNKNOWN:
		return
	}
	s.Attempts, s.PostponedAt = a.Number, 0
	if a.Status == records.StepStatus_STEP_STATUS_SUCCEEDED || a.Status == records.StepStatus_STEP_STATUS_FILTERED {
		s.Output = a.Output
	}
}

func foldExpanded(x *records.Execution, e *records.Expanded) bool {
	s := x.Steps[e.Step]
	if Settled(s) || s.GetStatus() == records.StepStatus_STEP_STATUS_RUNNING {
		return false
	}
	s = step(x, e.Step)
	s.Status, s.Count = records.StepStatus_STEP_STATUS_RUNNING, e.Count
	if e.Count <= 0 {
		join(s)
	}
	return true
}

// join settles a step whose elements have all settled. Its output is the list
// of theirs, in their order, with null where one failed.
func join(s *records.StepState) {
	output := []byte{'['}
	failed, first := int32(0), int32(0)
	for i := range s.Count {
		if i > 0 {
			output = append(output, ',')
		}
		one := s.Iterations[i]
		if one.GetStatus() == records.StepStatus_STEP_STATUS_SUCCEEDED && len(one.Output) > 0 {
			output = append(output, one.Output...)
			continue
		}
		output = append(output, "null"...)
		if one.GetStatus() == records.StepStatus_STEP_STATUS_FAILED || one.GetStatus() == records.StepStatus_STEP_STATUS_CANCELLED {
			if failed++; failed == 1 {
				first = i
			}
		}
	}
	s.Status, s.Output = records.StepStatus_STEP_STATUS_SUCCEEDED, append(output, ']')
	if failed > 0 {
		why := s.Iterations[first].GetFailure()
		s.Status = records.StepStatus_STEP_STATUS_FAILED
		s.Failure = &records.Failure{
			Kind: why.GetKind(), HttpStatus: why.GetHttpStatus(), Step: why.GetStep(),
			Message: fmt.Sprintf("%d of %d elements failed; the first, at index %d: %s", failed, s.Count, first, why.GetMessage()),
		}
	}
	s.Iterations, s.Done = nil, 0
}

func foldCallback(x *records.Execution, c *records.Callback) bool {
	if _, ok := x.Callbacks[c.Step]; ok || Settled(x.Steps[c.Step]) {
		return false
	}
	if x.Callbacks == nil {
		x.Callbacks = map[string][]byte{}
	}
	x.Callbacks[c.Step] = c.Output
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
	case records.StepStatus_STEP_STATUS_WAITING:
		return "waiting"
	case records.StepStatus_STEP_STATUS_RUNNING:
		return "running"
	case records.StepStatus_STEP_STATUS_FILTERED:
		return "filtered"
	case records.StepStatus_STEP_STATUS_UNKNOWN:
		return "unknown"
	}
	return "unspecified"
}
