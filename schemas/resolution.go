package schemas

import "encoding/json"

// Returned is the body of a KindReturn: how a called flow ended.
type Returned struct {
	Execution string          `json:"execution"`
	Status    string          `json:"status"`
	Output    json.RawMessage `json:"output"`
	Error     string          `json:"error,omitempty"`
}

// What a Resolution may say.
const (
	ResolveRetry     = "retry"
	ResolveSucceeded = "succeeded"
	ResolveFailed    = "failed"
)

// Resolution is the body of a KindResolve: what becomes of a step that is held
// for a person, waits, or waits for its next attempt.
type Resolution struct {
	As     string          `json:"as"`
	Output json.RawMessage `json:"output,omitempty"` // with succeeded; absent: null
	Reason string          `json:"reason,omitempty"` // with failed
}

// Given is a step's outcome that a retry takes over.
type Given struct {
	Step   string          `json:"step"`
	Status string          `json:"status"` // succeeded or skipped
	Output json.RawMessage `json:"output,omitempty"`
}
