package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
	"sluice/schemas/records"
)

// manyOpen is how many executions a takeover reads before it is worth a pause
// to give the memory of it back to the system: at a million it is some 0.2 s.
const manyOpen = 50_000

// assigned takes partitions over: it reads what is open there, and goes on
// with it. franz-go calls it, and the two below, while the loop waits for
// records, and polls none of the partitions before it returns.
func (s *session) assigned(ctx context.Context, _ *kgo.Client, assigned map[string][]int32) {
	s.lease.ask()
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
		open += p.rests.len()
	}
	s.pumpAll()
	s.readRests()
	if open > manyOpen {
		debug.FreeOSMemory() // what reading them took is several times what they take
	}
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
	p := &partition{number: number, committed: -1, executions: map[schemas.ExecutionID]*execution{}, lanes: lanes{}}
	var err error
	// The offset first: it waits until the last owner's transaction is decided.
	if p.position, err = s.committedOffset(ctx, number); err != nil {
		return nil, err
	}
	arrivals, err := s.readState(ctx, p)
	if err != nil {
		return nil, err
	}
	if p.deliveries = newDeliveries(); !s.opts.Replays { // what is replayed is no duplicate
		if p.deliveries, err = s.readDeliveries(ctx, number); err != nil {
			return nil, err
		}
	}
	s.partitions[number] = p
	s.metrics.open.Add(float64(p.rests.len()))
	s.arrive(p, arrivals)
	return p, nil
}

// arrival is an execution that a takeover has more to do for than to note when
// it wakes up.
type arrival struct {
	id   schemas.ExecutionID
	hook int64 // offset
	lane laneKey
	idle bool // it waits for a time, a callback or a person
	gone bool // its key was deleted: there is nothing of it but how it stood
}

// readState notes what is open in a partition, each in its compact form: a
// partition may hold a million.
func (s *session) readState(ctx context.Context, p *partition) (map[schemas.ExecutionID]arrival, error) {
	topic := s.opts.Topics.State()
	end, err := schemas.PartitionEnd(ctx, s.places, topic, p.number)
	if err != nil {
		return nil, err
	}
	arrivals, wakes := map[schemas.ExecutionID]arrival{}, false
	var bad error
	err = schemas.ReadPartition(ctx, s.places, topic, p.number, 0, end, func(r *kgo.Record) bool {
		id := schemas.ExecutionIDFromBytes(r.Key)
		if r.Value == nil {
			p.rests.remove(id)
			delete(arrivals, id)
			return true
		}
		x, err := scanSnapshot(r.Value)
		if err != nil {
			bad = fmt.Errorf("reading the snapshot of execution %s: %w", id, err)
			return false
		}
		if string(x.lane) != s.opts.lane() {
			return true // the other lane's
		}
		gone := false
		if x.sealed {
			whole, err := s.opts.Keys.OpenState(ctx, r.Value)
			if gone = errors.Is(err, schemas.ErrErased); err != nil && !gone {
				bad = fmt.Errorf("reading the snapshot of execution %s: %w", id, err)
				return false
			}
			x.orderKey, x.wakeAt = whole.OrderKey, whole.WakeAt
		}
		one := p.rests.put(id)
		one.at, one.flow, one.flags, one.wake = r.Offset, s.flowNumber(string(x.flow)), 0, max(x.wakeAt, 0)
		wakes = wakes || one.wake > 0
		begun := x.status != records.ExecutionStatus_EXECUTION_STATUS_WAITING
		if begun {
			one.flags |= restBegun
		}
		if idle := begun && x.wakeAt != 0; !idle || gone || len(x.orderKey) > 0 {
			lane, _ := laneOf(x.orderKey)
			arrivals[id] = arrival{id, x.hook, lane, idle, gone}
		} else {
			delete(arrivals, id)
		}
		return true
	})
	if err = errors.Join(bad, err); err != nil {
		return nil, err
	}
	if wakes {
		p.rests.heapify()
	}
	p.stateEnd = end
	return arrivals, nil
}

// arrive queues what waits for a place, in the order of the hooks, and has what
// was in flight read back.
func (s *session) arrive(p *partition, arrivals map[schemas.ExecutionID]arrival) {
	list := slices.SortedFunc(maps.Values(arrivals), func(a, b arrival) int { return cmp.Compare(a.hook, b.hook) })
	for _, a := range list {
		if a.gone {
			s.load(p, p.rests.find(a.id), false) // it is cancelled then
			continue
		}
		if first := p.lanes.join(a.lane[:], a.id); !first || a.idle {
			continue
		}
		r := p.rests.find(a.id)
		s.proceedTo(ref{p, a.id}, s.sleep.names[r.flow])
	}
}

// recover goes on with an execution that another session left open: waiting
// ones queue again, due retries and what was in flight go first, and timers
// are set for the rest.
func (s *session) recover(e *execution) {
	if e.x.Status == records.ExecutionStatus_EXECUTION_STATUS_RUNNING {
		if err := s.prepare(e); err == nil {
			s.settleIntents(e)
			e.units(func(u unit, state *records.StepState) {
				switch state.Status {
				case records.StepStatus_STEP_STATUS_RETRYING, records.StepStatus_STEP_STATUS_WAITING:
					if state.RetryAt > 0 {
						s.timers.add(time.Unix(0, state.RetryAt), e, u)
					}
				}
			})
			e.outputs = nil
			if s.parked(e) {
				if e.hurry(time.Now()); len(e.due) == 0 {
					return // it waits for a timer, a callback or a person
				}
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
		s.fetchAgain(p)
		s.metrics.open.Sub(float64(p.rests.len()))
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
	s.sleep.drowsy, s.sleep.bytes = stillOwned(s, s.sleep.drowsy)
	for _, q := range s.flows {
		elsewhere := func(r ref) bool { return s.partitions[r.p.number] != r.p }
		q.begun, q.waiting = slices.DeleteFunc(q.begun, elsewhere), slices.DeleteFunc(q.waiting, elsewhere)
	}
	s.timers.keep(s.owns)
	s.sleep.stale = 0
	notOwned := func(r *kgo.Record) bool { return s.partitions[r.Partition] == nil }
	s.fetched = slices.DeleteFunc(s.fetched, notOwned)
	s.dead = slices.DeleteFunc(s.dead, notOwned)
	s.marks = slices.DeleteFunc(s.marks, notOwned)
}

// stillOwned are those of the drowsy that are left, and what they weigh.
func stillOwned(s *session, drowsy []*execution) (kept []*execution, bytes int) {
	for _, e := range drowsy {
		if s.owns(e) {
			kept, bytes = append(kept, e), bytes+e.weight
		}
	}
	return kept, bytes
}
