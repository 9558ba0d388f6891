package run

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"sluice/connectors/mapping"
	"sluice/schemas"
	"sluice/schemas/records"
)

// order is a flow's order made ready. The zero order keeps none.
type order struct {
	whole bool                // the whole flow is one lane
	key   *mapping.Expression // a lane per key
}

func newOrder(flow *schemas.Flow, engine *mapping.Engine) (order, error) {
	switch by, key := flow.OrderBy(); by {
	case "flow":
		return order{whole: true}, nil
	case "key":
		compiled, err := engine.Compile(strings.TrimPrefix(key, "="))
		if err != nil {
			return order{}, fmt.Errorf("order: reading its key: %w", err)
		}
		return order{key: compiled}, nil
	}
	return order{}, nil
}

// orderKey is the lane of a hook, as its snapshot has it: a hash of the flow
// and the key, or nothing where it is in no order, as a hook without a key is.
// name is the key for people. With a failure the hook must not be run.
func (s *session) orderKey(ctx context.Context, h *loadedHook) (key []byte, name string, failure *records.Failure) {
	version := s.opts.Catalog.Flow(h.Flow).Latest()
	if by, _ := version.Flow.OrderBy(); by == "none" || by == "" {
		return nil, "", nil
	}
	plan, err := s.planFor(h.Flow, version.Number)
	if err != nil {
		return nil, "", nil // it fails when it starts, and says why
	}
	text := []byte("flow")
	if plan.order.key != nil {
		if text, failure = evaluateKey(ctx, "order key", plan.order.key, h, plan.raw); text == nil {
			return nil, "", failure
		}
	}
	sum := keyHash(h.Flow, text)
	return sum[:], string(text[:min(len(text), maxOrderName)]), nil
}

// maxOrderName is how much of a key is shown, in bytes.
const maxOrderName = 200

// lanes are the open executions of a partition by their order key, each lane
// in the order of the hooks. The first of a lane may run; the others wait, in
// state like every other wait, until it has ended and that is durable. So a
// retry holds up its own key and no other.
type lanes map[laneKey][]schemas.ExecutionID

// laneKey is an execution's order key.
type laneKey [16]byte

func laneOf(key []byte) (laneKey, bool) {
	var k laneKey
	copy(k[:], key)
	return k, k != laneKey{}
}

// join puts an execution at the end of its lane and reports whether it may run.
func (l lanes) join(orderKey []byte, id schemas.ExecutionID) bool {
	key, ordered := laneOf(orderKey)
	if !ordered {
		return true
	}
	l[key] = append(l[key], id)
	return len(l[key]) == 1
}

// first reports whether an execution may run.
func (l lanes) first(e *execution) bool {
	key, ordered := laneOf(e.x.OrderKey)
	return !ordered || len(l[key]) > 0 && l[key][0] == e.id
}

// of is the order key of an execution in a lane; nil: it is in none.
func (l lanes) of(id schemas.ExecutionID) []byte {
	for key, lane := range l {
		if slices.Contains(lane, id) {
			return key[:]
		}
	}
	return nil
}

// leave takes an execution that has ended out of its lane, and returns the one
// that may run now, if that changed.
func (l lanes) leave(e *execution) (schemas.ExecutionID, bool) {
	key, ordered := laneOf(e.x.OrderKey)
	if !ordered {
		return schemas.ExecutionID{}, false
	}
	lane := l[key]
	at := slices.Index(lane, e.id)
	if at < 0 {
		return schemas.ExecutionID{}, false
	}
	if at > 0 { // it was cancelled while it waited
		l[key] = slices.Delete(lane, at, at+1)
		return schemas.ExecutionID{}, false
	}
	if lane = lane[1:]; len(lane) == 0 {
		delete(l, key)
		return schemas.ExecutionID{}, false
	}
	l[key] = lane
	return lane[0], true
}
