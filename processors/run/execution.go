package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/connectors/mapping"
	"sluice/schemas"
	"sluice/schemas/records"
)

// execution is an open execution as its owner holds it. Only the session's
// loop touches it; jobs get what they need by value or immutable.
type execution struct {
	id        schemas.ExecutionID
	partition *partition
	// x is the fold of all that happened, durable or not.
	x    *records.Execution
	plan *plan // nil until it starts
	// hook is nil while its body is not in memory; jobs read it by the pointer then.
	hook *loadedHook
	// outputs are the decoded outputs of the steps that succeeded. A job gets a
	// copy of the slice header; the elements never change.
	outputs []output
	busy    map[unit]context.CancelFunc // what is in flight
	// elements are those of its steps with each, while it is in memory.
	elements map[int][]mapping.Value

	// What the next transaction has to say about it.
	events []*records.Event
	// touched: it stands in the session's list of what to write.
	touched bool
	// stored: its last snapshot is in the topic state, so that its end needs a tombstone.
	stored bool
	// undurable: an effect's outcome is among events, so that no effect may begin.
	undurable bool
	// landing: one is in the transaction under way.
	landing bool
	held    []unit        // what waits for the transaction
	out     []*kgo.Record // for other executions: calls of flows, and what a caller waits for

	due    []unit // what is to begin again
	active bool   // counts against its flow's concurrency
	queued bool   // stands in its flow's queue
	alone  bool   // its hook was not found by reading ahead: its job reads it, or says why not

	// What sleep.go keeps of it.
	at     int64 // offset of its last snapshot; below 0: not known
	size   int   // of that snapshot, in bytes
	weight int   // what it counts for among session.drowsy; 0: it is not there
	aboard bool  // it is in the transaction under way
	timers int   // of it in session.timers
	gone   bool  // it has ended, or sleeps: this form of it is no longer the execution
}

// keysOf is the execution that its effects' idempotency keys are made of.
func (e *execution) keysOf() schemas.ExecutionID {
	if len(e.x.KeysOf) > 0 {
		return schemas.ExecutionIDFromBytes(e.x.KeysOf)
	}
	return e.id
}

// occupy takes note that a unit is in flight.
func (e *execution) occupy(u unit, cancel context.CancelFunc) {
	if e.busy == nil {
		e.busy = map[unit]context.CancelFunc{}
	}
	e.busy[u] = cancel
}

// The events of nearly every execution, each in one piece of memory.

func startedEvent(version int32) *records.Event {
	all := new(struct {
		event   records.Event
		fact    records.Event_Started
		started records.Started
	})
	all.started.Version, all.fact.Started, all.event.Fact = version, &all.started, &all.fact
	return &all.event
}

func attemptEvent(a *records.Attempt) *records.Event {
	all := new(struct {
		event records.Event
		fact  records.Event_Attempt
	})
	all.fact.Attempt, all.event.Fact = a, &all.fact
	return &all.event
}

func endedEvent(ended *records.Ended) *records.Event {
	all := new(struct {
		event records.Event
		fact  records.Event_Ended
	})
	all.fact.Ended, all.event.Fact = ended, &all.fact
	return &all.event
}

type output struct {
	step  string
	value mapping.Value
}

// loadedHook is a hook in memory and its parsed view, made once by the first
// job that needs it.
type loadedHook struct {
	*schemas.Hook
	parsed, raw hookView
}

type hookView struct {
	once  sync.Once
	scope *mapping.Object
}

// view is what the hook brings into scope, its body parsed or, of a flow that
// wants that, as it came; it must not be changed. A large body is in it after
// store.open.
func (h *loadedHook) view(raw bool) *mapping.Object {
	v := &h.parsed
	if raw {
		v = &h.raw
	}
	v.once.Do(func() { v.scope = newScope(h.Hook, raw) })
	return v.scope
}

// idempotencyKey is the same for every attempt at a step of an execution, and
// for no other: design, section 4.
func idempotencyKey(id schemas.ExecutionID, step string, iteration int) string {
	sum := sha256.Sum256([]byte(id.String() + "/" + step + "/" + strconv.Itoa(iteration)))
	return hex.EncodeToString(sum[:16])
}

// seed makes $random the same in every attempt.
func seed(id schemas.ExecutionID) uint64 {
	var s uint64
	for _, b := range id[8:] {
		s = s<<8 | uint64(b)
	}
	return s
}

// traceID is the trace-id of a W3C traceparent, or empty.
func traceID(traceparent string) string {
	if traceparent == "" {
		return ""
	}
	parts := strings.Split(traceparent, "-")
	if len(parts) < 4 || len(parts[1]) != 32 {
		return ""
	}
	return parts[1]
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
