package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
	"sluice/schemas/records"
)

// assigned takes partitions over: it reads what is open there, and goes on
// with it. franz-go calls it, and the two below, while the loop waits for
// records, and polls none of the partitions before it returns.
func (s *session) assigned(ctx context.Context, _ *kgo.Client, assigned map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	began := time.Now()
	open := 0
	for _, n := range assigned[s.opts.topic()] {
		if s.broken != nil {
			return
		}
		p, err := s.takeOver(ctx, n)
		if err != nil {
			s.broken = fmt.Errorf("taking over partition %d: %w", n, err)
			s.results.poke()
			return
		}
		open += len(p.executions)
	}
	s.pumpAll()
	s.log.Info("partitions assigned", "partitions", assigned[s.opts.topic()], "open", open, "took", time.Since(began))
	s.results.poke()
}

func (s *session) takeOver(ctx context.Context, number int32) (*partition, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if s.hooksID == [16]byte{} {
		topics, err := kadm.NewClient(s.client).ListTopics(ctx, s.opts.topic())
		if err == nil {
			err = topics.Error()
		}
		if err != nil {
			return nil, fmt.Errorf("finding the topic %s: %w", s.opts.topic(), err)
		}
		s.hooksID = topics[s.opts.topic()].ID
		s.partitionCount = int32(len(topics[s.opts.topic()].Partitions))
	}
	p := &partition{number: number, executions: map[schemas.ExecutionID]*execution{}, lanes: lanes{}}
	var err error
	// The offset first: it waits until the last owner's transaction is decided.
	if p.position, err = s.committedOffset(ctx, number); err != nil {
		return nil, err
	}
	snapshots, gone, err := s.readState(ctx, number)
	if err != nil {
		return nil, err
	}
	if p.deliveries = newDeliveries(); !s.opts.Replays { // what is replayed is no duplicate
		if p.deliveries, err = s.readDeliveries(ctx, number); err != nil {
			return nil, err
		}
	}
	s.partitions[number] = p
	for _, x := range snapshots {
		e := &execution{
			id: schemas.ExecutionIDFromBytes(x.Id), partition: p, x: x,
			busy: map[unit]context.CancelFunc{}, stored: true,
		}
		p.executions[e.id] = e
		s.metrics.open.Inc()
		if gone[e.id] {
			s.cancel(e, time.Now())
			continue
		}
		if p.lanes.join(e) {
			s.recover(e)
		}
	}
	return p, nil
}

// readState reads the snapshots of a partition, in the order of their hooks. Of
// those that are gone, because their keys were deleted, there is nothing but how
// they stood.
func (s *session) readState(ctx context.Context, number int32) (snapshots []*records.Execution, gone map[schemas.ExecutionID]bool, err error) {
	topic := s.opts.Topics.State()
	end, err := schemas.PartitionEnd(ctx, s.reader, topic, number)
	if err != nil {
		return nil, nil, err
	}
	latest := map[schemas.ExecutionID][]byte{}
	err = schemas.ReadPartition(ctx, s.reader, topic, number, 0, end, func(r *kgo.Record) bool {
		id := schemas.ExecutionIDFromBytes(r.Key)
		if r.Value == nil {
			delete(latest, id)
		} else {
			latest[id] = r.Value
		}
		return true
	})
	if err != nil {
		return nil, nil, err
	}
	snapshots, gone = make([]*records.Execution, 0, len(latest)), map[schemas.ExecutionID]bool{}
	for id, value := range latest {
		x, err := s.opts.Keys.OpenState(ctx, value)
		if err != nil && !errors.Is(err, schemas.ErrErased) {
			return nil, nil, fmt.Errorf("reading the snapshot of execution %s: %w", id, err)
		}
		if x.Hook.GetTopic() != s.opts.lane() {
			continue // the other lane's
		}
		if err != nil {
			gone[id] = true
		}
		snapshots = append(snapshots, x)
	}
	sortByHook(snapshots)
	return snapshots, gone, nil
}

// recover goes on with an execution that another session left open: waiting
// ones queue again, due retries and what was in flight go first, and timers
// are set for the rest.
func (s *session) recover(e *execution) {
	if e.x.Status == records.ExecutionStatus_EXECUTION_STATUS_RUNNING {
		if err := s.prepare(e); err == nil {
			s.settleIntents(e)
			parked := true
			e.units(func(u unit, state *records.StepState) {
				switch state.Status {
				case records.StepStatus_STEP_STATUS_RETRYING, records.StepStatus_STEP_STATUS_WAITING:
					if state.RetryAt > 0 {
						s.timers.add(time.Unix(0, state.RetryAt), e, u)
					}
				}
			})
			d := decide(e.plan.graph, e.x, func(int) bool { return false })
			for _, i := range d.each {
				if len(e.startable(i)) > 0 {
					parked = false
				}
			}
			e.outputs = nil
			if parked && len(d.run) == 0 && len(d.skip) == 0 && d.end == nil {
				return // it waits for a timer, a callback or a person
			}
		}
	}
	s.proceed(e)
}

// proceed queues an execution that nothing holds any more.
func (s *session) proceed(e *execution) {
	s.enqueue(e)
	s.unsettled(e.x.FlowId)
}

// revoked hands partitions over: nothing begins any more, what is in flight
// may finish for a bounded time, and one last transaction has it all.
func (s *session) revoked(_ context.Context, _ *kgo.Client, revoked map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	numbers := revoked[s.opts.topic()]
	if err := s.handOver(numbers); err != nil && s.broken == nil {
		s.broken = fmt.Errorf("handing over: %w", err)
	}
	s.log.Info("partitions handed over", "partitions", numbers)
}

// lost lets partitions go that another runner has already: whatever was not
// committed is not ours to write.
func (s *session) lost(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	numbers := lost[s.opts.topic()]
	// Not before the transaction under way is over: this runner joins the group
	// again after this, and none of the old partitions may be written then.
	if err := s.await(); err != nil && s.broken == nil {
		s.broken = err
	}
	s.drop(numbers)
	if len(numbers) > 0 {
		s.log.Warn("partitions lost: another runner has them", "partitions", numbers)
	}
}

// handOver drains partitions, commits, and drops them.
//
// A job may finish between the last transaction and drop: its result is
// thrown away, and the next owner repeats the effect under the same key. That
// is the one repetition that a bounded wait must allow.
//
// A session that ended badly writes nothing more: what its last transaction
// had to say is neither written nor in memory any more, and offsets past it
// would be. Leaving the group comes here as well.
func (s *session) handOver(numbers []int32) error {
	if s.broken != nil {
		s.drop(numbers)
		return s.broken
	}
	// What is held by this begins, and is drained: or an intent would be left
	// without its effect.
	if err := s.commitUntilDone(); err != nil {
		s.drop(numbers)
		return err
	}
	for _, n := range numbers {
		if p := s.partitions[n]; p != nil {
			p.leaving = true
		}
	}
	deadline := time.NewTimer(s.opts.DrainTimeout)
	defer deadline.Stop()
	for waiting := true; waiting && s.inFlight(numbers); {
		select {
		case <-s.results.bell:
			for _, r := range s.results.take() {
				s.applyResult(r)
			}
		case <-deadline.C:
			waiting = false
		}
	}
	err := s.commitUntilDone()
	s.drop(numbers)
	return err
}

// commitUntilDone writes what there is to write, and again what was aborted
// cleanly, a few times.
func (s *session) commitUntilDone() error {
	for range 3 {
		if err := s.await(); err != nil {
			return err
		}
		if !s.unwritten() {
			return nil
		}
		if err := s.commit(context.Background(), s.due()); err != nil {
			return err
		}
	}
	return s.await() // what is left, the next owner reads from Kafka
}

// inFlight reports whether a step of the partitions is being done.
func (s *session) inFlight(numbers []int32) bool {
	for _, n := range numbers {
		p := s.partitions[n]
		if p == nil {
			continue
		}
		for _, e := range p.executions {
			if len(e.busy) > len(e.held) {
				return true
			}
		}
	}
	return false
}

// drop forgets partitions, and cancels what is still in flight there.
func (s *session) drop(numbers []int32) {
	for _, n := range numbers {
		p := s.partitions[n]
		if p == nil {
			continue
		}
		delete(s.partitions, n)
		for _, e := range p.executions {
			for _, cancel := range e.busy {
				cancel()
			}
			clear(e.busy)
			e.alone = true // it holds nobody up in its flow's queue
			s.rest(e)
			if e.stored {
				s.metrics.open.Dec()
			}
		}
	}
	kept := s.touched[:0]
	for _, e := range s.touched {
		if s.owns(e) {
			kept = append(kept, e)
		}
	}
	clear(s.touched[len(kept):])
	s.touched = kept
	notOwned := func(r *kgo.Record) bool { return s.partitions[r.Partition] == nil }
	s.dead = slices.DeleteFunc(s.dead, notOwned)
	s.marks = slices.DeleteFunc(s.marks, notOwned)
}
