package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"sluice/schemas"
	"sluice/schemas/records"
)

// maxEventBytes bounds one record of the topic executions; an execution that
// did more since the last commit writes several.
const maxEventBytes = 6 << 20

// recordOverhead is what is said of an execution beside its events, about.
const recordOverhead = 512

// A transaction is begun at once when there is little to write, so that an
// idle installation is quick. Under load it pays to gather: a small transaction
// costs as much as a large one.
const (
	small = 64                    // executions; a transaction with fewer is no load
	pace  = 20 * time.Millisecond // between the beginnings of two, under load
	// hurry is the pace when steps or lanes wait for the transaction.
	hurry = 5 * time.Millisecond
	// Where very much ends, what a transaction costs counts for more than when it
	// ends.
	large     = 500 // executions
	largePace = 50 * time.Millisecond
)

// flight is a transaction under way. The loop goes on meanwhile: what happens
// then is the next one's.
type flight struct {
	list        []passenger
	dead, marks []*kgo.Record
	began       time.Time
	written     int
	offsets     map[int32]int64
	done        chan struct{}
	err         error // read after done
}

func (f *flight) over() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// passenger is what a transaction says about an execution.
type passenger struct {
	e         *execution
	stands    records.ExecutionRecord // how it stands, without the events
	trace     string                  // its traceparent
	events    []*records.Event
	out       []*kgo.Record
	state     *kgo.Record // its snapshot
	ended     bool
	undurable bool
}

// commit begins a transaction of what happened since the last one: the events,
// the snapshots of what is still open (tombstones of what was), the dead
// letters, and the offsets. land has what follows.
func (s *session) commit(ctx context.Context, now time.Time) error {
	if s.flight != nil || !s.unwritten() || now.Before(s.due()) {
		return nil
	}
	f, recs, err := s.seal()
	if err != nil {
		return err
	}
	keys := s.opts.Keys
	offsets := s.moves()
	// The membership of now: should this runner lose its partitions and join
	// again, what it wrote for the old ones must be refused.
	member, generation := s.client.GroupMetadata()
	s.flight = f
	s.jobs.Go(func() {
		// The end of the process must not cut a transaction in two.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), transactionTimeout)
		defer cancel()
		happened, err := f.happened(s.opts.Topics.Executions(), keys)
		if err == nil {
			recs = append(happened, recs...)
			f.written = len(recs)
			err = s.transact(ctx, recs, offsets, member, generation)
		}
		f.err = err
		// In this order: whoever waits for done takes the note back, and one made
		// after that would keep the loop from waiting until the next transaction.
		s.results.land()
		close(f.done)
	})
	f.offsets = offsets
	return nil
}

// moves are the positions that the group does not have yet; at least one, see
// transact. All of them at every commit would be most of what a small
// transaction writes.
func (s *session) moves() map[int32]int64 {
	moved := map[int32]int64{}
	for n, p := range s.partitions {
		if p.position != p.committed {
			moved[n] = p.position
		}
	}
	if len(moved) == 0 {
		for n, p := range s.partitions {
			moved[n] = p.position
			break
		}
	}
	return moved
}

// unwritten reports whether there is something to write, and a right to.
func (s *session) unwritten() bool {
	return (len(s.touched) > 0 || s.moved) && len(s.partitions) > 0
}

// due is when the next transaction may begin.
func (s *session) due() time.Time {
	at := s.notBefore
	if g := s.opts.gathering(); s.lastSize >= g.small {
		next := s.lastBegan.Add(g.pace)
		if s.lastSize >= large {
			next = s.lastBegan.Add(largePace)
		}
		if s.awaited {
			next = s.lastBegan.Add(g.hurry)
		}
		if next.After(at) {
			at = next
		}
	}
	return at
}

// seal makes the records of the next transaction, at least one, and takes what
// they say off the list.
func (s *session) seal() (*flight, []*kgo.Record, error) {
	f := &flight{list: make([]passenger, 0, len(s.touched)), dead: s.dead, marks: s.marks, began: time.Now(), done: make(chan struct{})}
	recs := make([]*kgo.Record, 0, len(s.touched)+len(s.dead)+len(s.marks)+1)
	for _, e := range s.touched {
		if !s.owns(e) {
			continue
		}
		recs = append(recs, e.out...)
		f.list = f.list[:len(f.list)+1]
		p := &f.list[len(f.list)-1]
		p.e, p.events, p.out, p.ended, p.undurable, p.trace = e, e.events, e.out, !schemas.Open(e.x.Status), e.undurable, e.x.Traceparent
		stand(&p.stands, e.x)
		if !p.ended || e.stored {
			state := &kgo.Record{Topic: s.topics.state, Partition: e.partition.number, Key: e.id[:]}
			if p.state = state; !p.ended {
				s.markRest(e)
				var err error
				if state.Value, err = s.opts.Keys.SealState(e.x); err != nil {
					return nil, nil, fmt.Errorf("encoding the snapshot of execution %s: %w", e.id, err)
				}
			}
			recs = append(recs, state)
		}
	}
	recs = append(append(recs, s.dead...), s.marks...)
	if len(recs) == 0 && len(f.list) == 0 {
		// Only offsets moved, past a command for what has ended. See transact
		// for why there must be a record: a tombstone for nobody.
		for n := range s.partitions {
			recs = append(recs, &kgo.Record{Topic: s.topics.state, Partition: n, Key: make([]byte, 16)})
			break
		}
	}
	for i := range f.list {
		p := &f.list[i]
		p.e.aboard = true
		p.e.touched, p.e.events, p.e.out, p.e.undurable, p.e.landing = false, nil, nil, false, p.undurable
	}
	s.touched, s.dead, s.marks, s.moved = nil, nil, nil, false
	s.lastBegan, s.lastSize, s.awaited = f.began, len(f.list), false
	return f, recs, nil
}

// land takes note of a transaction that is over: what waited for it goes on.
// After a clean abort everything is to be written again, from memory.
func (s *session) land() error {
	f := s.flight
	s.flight = nil
	s.results.landed()
	if err := f.err; err != nil {
		if !errors.Is(err, errAborted) {
			return err
		}
		s.metrics.aborts.Inc()
		s.log.Warn("a transaction was aborted and is written again", "error", err)
		s.unseal(f)
		s.notBefore = time.Now().Add(abortPause)
		return nil
	}
	s.metrics.committed(f.written, time.Since(f.began))
	for n, at := range f.offsets {
		if p := s.partitions[n]; p != nil {
			p.committed = at
		}
	}
	for i := range f.list {
		p := &f.list[i]
		e := p.e
		e.landing, e.aboard = false, false
		if p.ended {
			s.metrics.ended(e.x)
			if e.stored {
				s.metrics.open.Dec()
			}
			delete(e.partition.executions, e.id)
			s.letGo(e)
			// Not before this is durable: or a crash would do this execution's
			// last effect again, after the next one's first.
			if next, ok := e.partition.lanes.leave(e); ok {
				s.proceedTo(ref{e.partition, next}, e.x.FlowId)
			}
			continue
		}
		e.noteSnapshot(p.state)
		if !e.stored {
			e.stored = true
			s.metrics.open.Inc()
		}
		if e.undurable {
			continue // more happened meanwhile: that is the next transaction's
		}
		held := e.held
		e.held = nil
		for _, u := range held {
			delete(e.busy, u)
			s.begin(e, u)
		}
		s.tire(e)
	}
	s.pumpAll()
	return nil
}

// unseal puts what a transaction would have said back, before what happened
// since.
func (s *session) unseal(f *flight) {
	for i := range f.list {
		p := &f.list[i]
		e := p.e
		e.events = append(p.events[:len(p.events):len(p.events)], e.events...)
		e.out = append(p.out[:len(p.out):len(p.out)], e.out...)
		e.undurable, e.landing, e.aboard = e.undurable || p.undurable, false, false
		s.touch(e)
	}
	s.dead = append(f.dead[:len(f.dead):len(f.dead)], s.dead...)
	s.marks = append(f.marks[:len(f.marks):len(f.marks)], s.marks...)
	s.moved = true
}

// await waits for the transaction under way, if there is one. It is for the
// rebalance callbacks and the end; the loop does not wait.
func (s *session) await() error {
	if s.flight == nil {
		return nil
	}
	<-s.flight.done
	return s.land()
}

// happened are the records of what all did: encoded beside the loop, for they
// are of what does not change any more.
func (f *flight) happened(topic string, keys *schemas.Keys) ([]*kgo.Record, error) {
	recs := make([]*kgo.Record, 0, len(f.list))
	var made makings
	for i := range f.list {
		p := &f.list[i]
		key := made.keep(append(made.room(len(p.stands.FlowId)), p.stands.FlowId...))
		for events := p.events; ; {
			n, size := fitting(events)
			p.stands.Events = events[:n]
			value, err := keys.SealEvents(made.room(size+recordOverhead), &p.stands)
			if err != nil {
				return nil, fmt.Errorf("encoding the events of execution %s: %w", p.e.id, err)
			}
			r := made.record()
			r.Topic, r.Partition, r.Key, r.Value, r.Headers = topic, p.e.partition.number, key, made.keep(value), traceHeaders(p.trace)
			recs = append(recs, r)
			if events = events[n:]; len(events) == 0 {
				break
			}
		}
	}
	return recs, nil
}

// stand sets how an execution stands.
func stand(r *records.ExecutionRecord, x *records.Execution) {
	r.ExecutionId, r.FlowId, r.Version, r.Status = x.Id, x.FlowId, x.Version, x.Status
	r.StartedAt, r.EndedAt, r.Failure, r.Hook = x.StartedAt, x.EndedAt, x.Failure, x.Hook
	r.ReplayOf, r.Replay, r.TraceId, r.Key = x.ReplayOf, x.Replay, traceID(x.Traceparent), x.Key
}

// fitting is how many of the events one record takes, at least one if there are
// any, and about how many bytes they are.
func fitting(events []*records.Event) (n, size int) {
	for n < len(events) {
		more := sizeOf(events[n])
		if n > 0 && size+more > maxEventBytes {
			break
		}
		size += more
		n++
	}
	return n, size
}

// sizeOf is about how many bytes an event takes, and no fewer.
func sizeOf(event *records.Event) int {
	const small = 256 // numbers, times and tags
	switch fact := event.Fact.(type) {
	case *records.Event_Started:
		return small
	case *records.Event_Attempt:
		a := fact.Attempt
		return small + len(a.Step) + len(a.Name) + len(a.Uses) + len(a.IdempotencyKey) + len(a.Input) + len(a.Output) +
			len(a.Failure.GetKind()) + len(a.Failure.GetMessage()) + len(a.Failure.GetStep())
	}
	return small + proto.Size(event)
}

func traceHeaders(traceparent string) []kgo.RecordHeader {
	if traceparent == "" {
		return nil
	}
	return []kgo.RecordHeader{{Key: "traceparent", Value: []byte(traceparent)}}
}
