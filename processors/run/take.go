package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
	"sluice/schemas/records"
)

// take turns one record into an execution, or a command into its effect.
func (s *session) take(ctx context.Context, given *polled) error {
	r := given.record
	p := s.partitions[r.Partition]
	if p == nil || r.Offset < p.position {
		return fmt.Errorf("polled %s/%d at offset %d, which this runner does not own", r.Topic, r.Partition, r.Offset)
	}
	hook, err := s.open(ctx, given)
	erased := errors.Is(err, schemas.ErrErased)
	if (err == nil || erased) && hook.Kind != schemas.KindHook {
		if at := p.rests.find(hook.ID); at != nil {
			s.load(p, at, false)
			return errAtRest
		}
	}
	p.position, s.moved = r.Offset+1, true
	if err != nil && !erased {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.deadletter(r, err)
		return nil
	}
	if hook.Control > s.opts.Catalog.Offset() {
		// The sender's edge knew more of the flows than we do yet.
		if err := s.opts.Catalog.WaitFor(ctx, hook.Control); err != nil {
			return err
		}
	}
	if hook.Kind != schemas.KindHook {
		if !erased || hook.Kind == schemas.KindCancel {
			s.command(p, hook)
		}
		return nil
	}
	if !s.opts.Replays {
		now := time.Now()
		s.opts.Live.taken(now.Sub(hook.Time), now)
	}
	entry := s.opts.Catalog.Flow(hook.Flow)
	if entry == nil || entry.Latest() == nil {
		s.deadletter(r, fmt.Errorf("flow %s was never published", hook.Flow))
		s.refuseCaller(hook)
		return nil
	}
	if p.executions[hook.ID] != nil || p.rests.find(hook.ID) != nil {
		return nil // the edge's producer repeated itself
	}
	e := newExecution(p, given.hook, s.opts.lane())
	p.executions[e.id] = e
	s.touch(e)
	if erased {
		s.cancel(e, time.Now())
		return nil
	}
	whole, done, err := s.opts.store.withBody(ctx, entry.Latest().Flow, e.hook)
	if err != nil {
		return err
	}
	defer done()
	failure := unkeyed(hook)
	if failure == nil {
		var first schemas.ExecutionID
		var isDuplicate bool
		if first, isDuplicate, failure = s.duplicate(ctx, p, whole, given); isDuplicate {
			s.endDuplicate(e, first)
			return nil
		}
	}
	if failure == nil {
		e.x.OrderKey, e.x.OrderName, failure = s.orderKey(ctx, whole)
	}
	if failure != nil {
		s.fail(e, time.Now(), failure)
		return nil
	}
	if p.lanes.join(e.x.OrderKey, e.id) {
		s.enqueue(e)
		s.pump(e.x.FlowId)
	}
	if e.hook != nil && !e.active && schemas.Open(e.x.Status) {
		e.hook.Body = bytes.Clone(e.hook.Body) // or a hook that waits would keep the whole batch in memory
	}
	return nil
}

// newExecution is the execution that a hook starts.
func newExecution(p *partition, hook *loadedHook, lane string) *execution {
	// What lives as long as the execution, in one piece.
	all := new(struct {
		e    execution
		x    records.Execution
		hook records.Pointer
	})
	e, x := &all.e, &all.x
	e.id, e.partition, e.at, e.hook, e.x = hook.ID, p, -1, hook, x
	all.hook.Topic, all.hook.Partition, all.hook.Offset = lane, hook.Partition, hook.Offset
	x.Id, x.FlowId, x.Status, x.Hook = e.id[:], hook.Flow, records.ExecutionStatus_EXECUTION_STATUS_WAITING, &all.hook
	x.StartedAt, x.Traceparent, x.ReplyTo, x.Parent = hook.Time.UnixNano(), hook.TraceParent, hook.ReplyTo, hook.Parent
	x.Replay, x.PinnedVersion, x.Given, x.Key = hook.Replay, hook.Version, hook.Given, hook.Key
	if !hook.ReplayOf.IsZero() {
		x.ReplayOf = bytes.Clone(hook.ReplayOf[:])
	}
	if !hook.KeysOf.IsZero() {
		x.KeysOf = bytes.Clone(hook.KeysOf[:])
	}
	return e
}

func (s *session) deadletter(r *kgo.Record, why error) {
	s.metrics.deadletters.Inc()
	s.log.Error("a record goes to the dead letters", "topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "reason", why)
	headers := append(r.Headers[:len(r.Headers):len(r.Headers)],
		kgo.RecordHeader{Key: "sluice_reason", Value: []byte(why.Error())},
		kgo.RecordHeader{Key: "sluice_offset", Value: []byte(itoa(r.Offset))})
	s.dead = append(s.dead, &kgo.Record{
		Topic: s.opts.Topics.Deadletters(), Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: headers,
	})
}
