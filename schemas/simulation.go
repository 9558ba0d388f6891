package schemas

import (
	"encoding/json"

	"sluice/schemas/records"
)

// FromRecord is the source of an answer that the same step got for the same
// input.
const FromRecord = "recorded"

// Answer is what an effect that is only simulated comes back with.
type Answer struct {
	Output  json.RawMessage
	Failure *records.Failure // nil: it succeeds with Output
	// Source says where the answer is from, such as FromRecord.
	Source string
}

// Simulation is an execution that did not happen.
type Simulation struct {
	Status  records.ExecutionStatus
	Failure *records.Failure
	Steps   []SimulatedStep // those that were settled, in the flow's order
}

// SimulatedStep is a step of a Simulation.
type SimulatedStep struct {
	Step   *Step
	Effect bool // it would do something to another system
	Status records.StepStatus
	Input  json.RawMessage // nil where it did not come so far
	Output json.RawMessage
	// Failure is why it failed.
	Failure *records.Failure
	Source  string // of the answer; empty for what was run
}
