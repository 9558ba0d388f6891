package run

import (
	"fmt"
	"time"

	"sluice/connectors"
	"sluice/schemas"
	"sluice/schemas/records"
)

// A lane is a topic of hooks with a consumer group of its own: the live hooks,
// or those that a replay sends again. Both lanes of a partition write the same
// topics; in state, each finds its own by the topic of an execution's hook.

// replayShare is the part of a flow's concurrency that its replays have,
// beside what live hooks have.
const replayShare = 4

func (o *Options) topic() string {
	if o.Replays {
		return o.Topics.Replays()
	}
	return o.Topics.Hooks()
}

// lane is the topic's name without the prefix, as pointers have it.
func (o *Options) lane() string {
	if o.Replays {
		return "replays"
	}
	return "hooks"
}

func (o *Options) group() string {
	if o.Replays {
		return o.Topics.Prefix + "replay"
	}
	return o.Topics.Prefix + "run"
}

func (o *Options) share(concurrency int) int {
	if o.Replays {
		return max(1, concurrency/replayShare)
	}
	return concurrency
}

// gathering is how a lane's transactions are spaced.
type gathering struct {
	small       int // executions; fewer are written at once
	pace, hurry time.Duration
}

// gathering: a replay is in no hurry, and each transaction takes of the broker,
// and of those who read what it wrote, what live hooks want.
func (o *Options) gathering() gathering {
	if o.Replays {
		return gathering{small: 1, pace: 250 * time.Millisecond, hurry: 50 * time.Millisecond}
	}
	return gathering{small, pace, hurry}
}

// versionOf is the version that an execution starts on: the one its replay
// asks for, 0 where the replay carries a draft, or the one that is published.
func (s *session) versionOf(e *execution) int32 {
	if e.x.PinnedVersion > 0 {
		return e.x.PinnedVersion
	}
	if r := s.replay(e.x); r != nil && r.Flow != nil {
		return 0
	}
	return s.opts.Catalog.Flow(e.x.FlowId).Latest().Number
}

func (s *session) replay(x *records.Execution) *schemas.ReplayEntry {
	if x.Replay == "" {
		return nil
	}
	return s.opts.Catalog.Replay(x.Replay)
}

// planOf is the plan that an execution runs on.
func (s *session) planOf(x *records.Execution) (*plan, error) {
	r := s.replay(x)
	if x.Version != 0 || r == nil || r.Flow == nil {
		return s.planFor(x.FlowId, x.Version)
	}
	key := planKey{flow: x.FlowId, replay: r.ID}
	if p := s.plans[key]; p != nil {
		return p, nil
	}
	p, err := newPlan(x.FlowId, &schemas.FlowVersion{Document: r.Document, Flow: r.Flow}, s.opts.Components, s.opts.Mapping)
	if err != nil {
		return nil, fmt.Errorf("the draft of replay %s: %w", r.ID, err)
	}
	s.plans[key] = p
	return p, nil
}

// replayStopped ends an execution that has not begun and whose replay was
// stopped meanwhile.
func (s *session) replayStopped(e *execution) bool {
	r := s.replay(e.x)
	if r == nil || !r.Stopped() {
		return false
	}
	s.end(e, &records.Ended{
		Status:  records.ExecutionStatus_EXECUTION_STATUS_CANCELLED,
		Failure: &records.Failure{Kind: string(connectors.KindCancelled), Message: fmt.Sprintf("its replay was %s at %s", r.State, r.ChangedAt.UTC().Format(time.RFC3339))},
	})
	s.rest(e)
	return true
}

// room is how many records the loop may poll, -1 for all that there are: in the
// lane of replays, no more than executions may begin.
func (s *session) room(now time.Time) int {
	if s.share == nil {
		return -1
	}
	return s.share.room(now, maxPoll)
}

// beginsReplay takes note that an execution of a replay begins.
func (s *session) beginsReplay(e *execution) {
	if s.share == nil {
		return
	}
	rate := 0.0
	if r := s.replay(e.x); r != nil {
		rate = r.Rate
	}
	s.share.began(rate, time.Now())
}
