package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
	"sluice/schemas/records"
)

// An execution rests while nothing of it is in flight: it waits for a time, for
// a callback, for its turn in its flow or in its lane. Those that rest the
// longest are put to sleep: what is kept is a rest, and all else is read back
// from the topic state when a time, a command or their turn comes. Waking up is
// the same as being taken over from another session (recover).
//
// Kafka keeps a snapshot at its offset until it is overwritten, and only the
// partition's owner writes it: so the offset of the last one is good for as long
// as the execution sleeps.

const (
	// defaultRestBytes is what executions at rest may take of memory. Short waits
	// stay within it, and are not read back.
	defaultRestBytes = 32 << 20
	// restOverhead is what an execution takes in memory beside its snapshot's content.
	restOverhead = 2 << 10
	// maxReads and maxReadBack bound what is read back at once.
	maxReads    = 4
	maxReadBack = 256
	// maxLoading is how many executions whose time has come are read back at once:
	// a herd of a million takes its time, and no memory.
	maxLoading = 2 * maxReads * maxReadBack
	// wakeEarly: those that are due this soon are read with one that is due now,
	// because they were often written together.
	wakeEarly = 500 * time.Millisecond
	// maxTouched is how many executions may have something to write before no more
	// are read back.
	maxTouched = 20_000
)

// errAtRest says that a record is for an execution that must be read back first.
var errAtRest = errors.New("the execution is at rest")

// sleepers are what a session keeps of those at rest beside partition.rests.
type sleepers struct {
	drowsy  []*execution // in memory, those that have rested the longest first
	bytes   int          // what they take
	woken   []*execution // in this cycle
	stale   int          // timers of those that sleep, at least
	wanted  []wanted     // to be read back
	reads   int          // under way
	loading int          // wanted, or being read
	// names are the flows of those that sleep.
	names  []string
	nameOf map[string]uint32
}

type wanted struct {
	ref
	at   int64
	turn bool // its turn is near, and it will need its hook
}

// readBack is what came of a reading.
type readBack struct {
	wanted
	x     *records.Execution
	size  int // of the snapshot
	hook  *loadedHook
	later bool // its hook is not read yet
	gone  bool // its key was deleted meanwhile
	err   error
}

// restable reports whether an execution may be put to sleep.
func (s *session) restable(e *execution) bool {
	return e.stored && e.at >= 0 && !e.touched && !e.aboard && !e.landing && !e.active &&
		len(e.busy) == 0 && len(e.out) == 0 && len(e.events) == 0 && !e.partition.leaving &&
		schemas.Open(e.x.Status) && s.owns(e) && e.partition.executions[e.id] == e && !e.hurried() &&
		(e.queued || e.x.Status == records.ExecutionStatus_EXECUTION_STATUS_WAITING || s.parked(e))
}

// hurried reports whether something of an execution is to be tried now although
// its snapshot says later: a person wants it so, and only memory knows.
func (e *execution) hurried() bool {
	return slices.ContainsFunc(e.due, func(u unit) bool { return e.state(u).GetRetryAt() > time.Now().UnixNano() })
}

// hurry makes due what was being tried, or about to be, although its time had
// not come, when a snapshot was written: that it did not rest then says so. A
// breaker's wait may be cut short by it, which the breaker makes good.
func (e *execution) hurry(now time.Time) {
	if e.x.WakeAt != 0 {
		return
	}
	e.units(func(u unit, state *records.StepState) {
		if state.Status == records.StepStatus_STEP_STATUS_RETRYING && state.PostponedAt != 0 && state.RetryAt > now.UnixNano() {
			e.due = append(e.due, u)
		}
	})
}

// parked reports whether a running execution of which nothing is in flight
// waits for a timer, a callback or a person, and for nothing else.
func (s *session) parked(e *execution) bool {
	if e.plan == nil {
		return false
	}
	d := decide(e.plan.graph, e.x, func(int) bool { return false })
	for _, i := range d.each {
		if len(e.startable(i)) > 0 {
			return false
		}
	}
	return len(d.run) == 0 && len(d.skip) == 0 && d.end == nil
}

// wakeAt is when a timer of an execution fires next, Unix nanoseconds; 0: none
// will. What has fired and waits for a place does not count.
func (e *execution) wakeAt() int64 {
	if e.plan == nil || e.x.Status != records.ExecutionStatus_EXECUTION_STATUS_RUNNING {
		return 0
	}
	wake := int64(0)
	if e.plan.timeout > 0 {
		wake = e.x.StartedAt + int64(e.plan.timeout)
	}
	e.units(func(u unit, state *records.StepState) {
		switch state.Status {
		case records.StepStatus_STEP_STATUS_RETRYING, records.StepStatus_STEP_STATUS_WAITING:
			if at := state.RetryAt; at > 0 && (wake == 0 || at < wake) && !slices.Contains(e.due, u) {
				wake = at
			}
		}
	})
	return wake
}

// markRest says in a snapshot that is about to be written whether the execution
// rests, so that a takeover need not look at it.
func (s *session) markRest(e *execution) {
	e.x.WakeAt = 0
	if e.active || e.queued || len(e.busy) > 0 || len(e.due) > 0 || e.partition.leaving ||
		e.x.Status != records.ExecutionStatus_EXECUTION_STATUS_RUNNING || !s.parked(e) {
		return
	}
	if e.x.WakeAt = e.wakeAt(); e.x.WakeAt == 0 {
		e.x.WakeAt = -1
	}
}

// noteSnapshot keeps where the snapshot that was written is. A broker that took
// a batch twice may not say.
func (e *execution) noteSnapshot(r *kgo.Record) {
	e.size = len(r.Value)
	if e.at = r.Offset; r.Offset < e.partition.stateEnd {
		e.at = -1
		return
	}
	e.partition.stateEnd = r.Offset + 1
}

// tire puts an execution that rests among those that are put to sleep when there
// are too many.
func (s *session) tire(e *execution) {
	if e.weight > 0 || !s.restable(e) {
		return
	}
	e.weight = restOverhead + 2*e.size
	if e.hook != nil {
		e.weight += restOverhead + 3*len(e.hook.Body)
	}
	z := &s.sleep
	z.drowsy, z.bytes = append(z.drowsy, e), z.bytes+e.weight
	for z.bytes > s.opts.restBytes && len(z.drowsy) > 0 {
		oldest := z.drowsy[0]
		z.drowsy[0] = nil
		z.drowsy = z.drowsy[1:]
		z.bytes -= oldest.weight
		if oldest.weight = 0; s.restable(oldest) {
			s.putToSleep(oldest)
		}
	}
}

// putToSleep turns an execution into its compact form.
func (s *session) putToSleep(e *execution) {
	p := e.partition
	r := p.rests.put(e.id)
	r.at, r.flow = e.at, s.flowNumber(e.x.FlowId)
	if e.queued {
		r.flags |= restQueued
	}
	if e.x.Status != records.ExecutionStatus_EXECUTION_STATUS_WAITING {
		r.flags |= restBegun
	}
	p.rests.wakeAt(r, e.wakeAt())
	delete(p.executions, e.id)
	s.letGo(e)
}

// letGo says that this form of an execution is no longer used. Its timers would
// keep it in memory until they fire.
func (s *session) letGo(e *execution) {
	e.gone = true
	if s.sleep.stale += e.timers; s.sleep.stale > 1024+len(s.timers)/2 {
		s.sleep.stale = 0
		s.timers.keep(s.owns)
	}
}

func (s *session) flowNumber(name string) uint32 {
	z := &s.sleep
	n, ok := z.nameOf[name]
	if !ok {
		if z.nameOf == nil {
			z.nameOf = map[string]uint32{}
		}
		n = uint32(len(z.names))
		z.names, z.nameOf[name] = append(z.names, name), n
	}
	return n
}

// load has an execution read back. turn: its turn is near.
func (s *session) load(p *partition, r *rest, turn bool) {
	if r.flags&restLoading != 0 {
		return
	}
	r.flags |= restLoading
	s.sleep.loading++
	s.sleep.wanted = append(s.sleep.wanted, wanted{ref{p, r.id}, r.at, turn})
}

// nextTimer is when the loop has to wake up by itself.
func (s *session) nextTimer() (time.Time, bool) {
	until, ok := s.timers.next()
	if !s.mayWake() {
		return until, ok // what is under way wakes it
	}
	for _, p := range s.partitions {
		if at, has := p.rests.next(); has && (!ok || at.Before(until)) {
			until, ok = at, true
		}
	}
	return until, ok
}

// mayWake reports whether more may be read back because their time has come.
func (s *session) mayWake() bool {
	return s.sleep.loading < maxLoading && len(s.touched) < maxTouched
}

// wakeRests has those read back whose time has come.
func (s *session) wakeRests(now time.Time) {
	for _, p := range s.partitions {
		if at, ok := p.rests.next(); !ok || at.After(now) {
			continue
		}
		for s.mayWake() && !p.leaving {
			r := p.rests.due(now.Add(wakeEarly))
			if r == nil {
				break
			}
			s.load(p, r, false)
		}
	}
}

// readRests reads back what is wanted, beside the loop.
func (s *session) readRests() {
	z := &s.sleep
	for z.reads < maxReads && len(z.wanted) > 0 {
		n := min(len(z.wanted), maxReadBack)
		batch := slices.Clone(z.wanted[:n])
		if z.wanted = z.wanted[n:]; len(z.wanted) == 0 {
			z.wanted = nil
		}
		z.reads++
		s.jobs.Go(func() { s.results.putBack(s.readBatch(batch)) })
	}
}

// readBatch reads snapshots by their places, and the hooks of those that will
// need them: many that stand side by side in the log are one request.
func (s *session) readBatch(batch []wanted) []readBack {
	byPartition := map[int32][]wanted{}
	for _, w := range batch {
		byPartition[w.p.number] = append(byPartition[w.p.number], w)
	}
	back := make([]readBack, 0, len(batch))
	for number, list := range byPartition {
		found, err := s.readSnapshots(number, list)
		of := len(back)
		for _, w := range list {
			value := found[w.id]
			one := readBack{wanted: w, size: len(value), err: err}
			switch {
			case one.err != nil:
			case value == nil:
				one.err = fmt.Errorf("the snapshot of execution %s is not in %s/%d", w.id, s.opts.Topics.State(), number)
			default:
				x, err := s.opts.Keys.OpenState(s.jobCtx, value)
				one.x = x
				if one.gone = errors.Is(err, schemas.ErrErased); err != nil && !one.gone {
					one.err = fmt.Errorf("reading the snapshot of execution %s: %w", w.id, err)
				}
			}
			back = append(back, one)
		}
		s.readHooks(number, back[of:])
	}
	return back
}

// readHooks reads the hooks of those whose turn is near. What is not found is
// read again by the step that needs it, which says why it cannot be had; what
// would be too much for once is read when its turn is nearer (ahead.go).
func (s *session) readHooks(number int32, back []readBack) {
	of := map[int64]*readBack{}
	for i := range back {
		if b := &back[i]; b.err == nil && b.turn && !b.gone && b.x.StoredHook == nil && b.x.Hook != nil {
			of[b.x.Hook.Offset] = b
		}
	}
	if len(of) == 0 {
		return
	}
	size := 0
	_ = schemas.ReadAt(s.jobCtx, s.places, s.opts.topic(), number, slices.Sorted(maps.Keys(of)), func(r *kgo.Record) {
		b := of[r.Offset]
		if size += len(r.Value); size > aheadBytes && size > len(r.Value) {
			b.later = true
			return
		}
		r.Value = bytes.Clone(r.Value) // or it would keep the whole batch in memory
		if hook, err := s.parse(s.jobCtx, r); err == nil && hook.ID == b.id {
			b.hook = &loadedHook{Hook: hook}
		}
	})
}

func (s *session) readSnapshots(number int32, list []wanted) (map[schemas.ExecutionID][]byte, error) {
	topic := s.opts.Topics.State()
	found := make(map[schemas.ExecutionID][]byte, len(list))
	of := make(map[int64]schemas.ExecutionID, len(list))
	var offsets []int64
	for _, w := range list {
		of[w.at] = w.id
		offsets = append(offsets, w.at)
	}
	slices.Sort(offsets)
	err := schemas.ReadAt(s.jobCtx, s.places, topic, number, offsets, func(r *kgo.Record) {
		if id := schemas.ExecutionIDFromBytes(r.Key); id == of[r.Offset] && r.Value != nil {
			found[id] = r.Value
		}
	})
	if err != nil || len(found) == len(list) {
		return found, err
	}
	// Not where it was said to be: the whole partition has it in any case.
	missing := map[schemas.ExecutionID]bool{}
	for _, w := range list {
		missing[w.id] = found[w.id] == nil
	}
	end, err := schemas.PartitionEnd(s.jobCtx, s.places, topic, number)
	if err != nil {
		return nil, err
	}
	s.log.Warn("snapshots are not where they were written; reading the whole partition", "topic", topic, "partition", number, "missing", len(list)-len(found))
	err = schemas.ReadPartition(s.jobCtx, s.places, topic, number, 0, end, func(r *kgo.Record) bool {
		if id := schemas.ExecutionIDFromBytes(r.Key); missing[id] {
			found[id] = r.Value
		}
		return true
	})
	return found, err
}

func (r *results) putBack(back []readBack) {
	r.mu.Lock()
	r.back = append(r.back, back...)
	r.reads++
	r.mu.Unlock()
	r.poke()
}

func (r *results) takeBack() (back []readBack, reads int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	back, reads = r.back, r.reads
	r.back, r.reads = nil, 0
	return back, reads
}

// awake goes on with what has been read back, and with the records that waited
// for it.
func (s *session) awake(ctx context.Context) error {
	back, reads := s.results.takeBack()
	s.sleep.reads -= reads
	for _, b := range back {
		s.sleep.loading--
		if s.partitions[b.p.number] != b.p {
			continue // another's by now
		}
		if b.err != nil {
			return fmt.Errorf("reading an execution at rest: %w", b.err)
		}
		s.wakeUp(b)
	}
	for _, p := range s.partitions {
		if err := s.takeInbox(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// wakeUp turns a compact execution into a whole one, as it was.
func (s *session) wakeUp(b readBack) {
	r := b.p.rests.find(b.id)
	if r == nil || r.flags&restLoading == 0 {
		return
	}
	e := &execution{
		id: b.id, partition: b.p, x: b.x, hook: b.hook, alone: b.turn && b.hook == nil && !b.later, stored: true,
		at: b.at, size: b.size, queued: r.flags&restQueued != 0,
	}
	b.p.rests.remove(b.id)
	b.p.executions[e.id] = e
	if b.gone {
		e.x.OrderKey = b.p.lanes.of(e.id) // was sealed as well; the next of its lane waits for it
		s.cancel(e, time.Now())
		return
	}
	if e.x.Status == records.ExecutionStatus_EXECUTION_STATUS_RUNNING && b.p.lanes.first(e) && !b.p.leaving {
		s.recover(e)
	}
	if e.queued {
		s.unsettled(e.x.FlowId)
	}
	s.sleep.woken = append(s.sleep.woken, e)
}

// tireWoken lets those that were woken up rest again, once what they were woken
// up for has been done.
func (s *session) tireWoken() {
	woken := s.sleep.woken
	s.sleep.woken = nil
	for _, e := range woken {
		s.tire(e)
	}
}

// proceedTo queues an execution that nothing holds any more, in memory or not.
func (s *session) proceedTo(to ref, flow string) {
	if e := to.p.executions[to.id]; e != nil {
		s.proceed(e)
		return
	}
	r := to.p.rests.find(to.id)
	switch {
	case r == nil || r.flags&restQueued != 0:
	case r.flags&restBegun != 0:
		s.load(to.p, r, true)
	default:
		r.flags |= restQueued
		q := s.queueOf(flow)
		q.waiting = append(q.waiting, to)
		s.unsettled(flow)
	}
}

// receive takes a polled record, unless it has to wait: the records of a
// partition are taken in their order, and its position is behind the last that
// was taken. What happens to other partitions, and what is in flight, goes on.
func (s *session) receive(ctx context.Context, given *polled) error {
	r := given.record
	p := s.partitions[r.Partition]
	if p == nil || len(p.inbox) == 0 {
		err := s.take(ctx, given)
		if p == nil || !errors.Is(err, errAtRest) {
			return err
		}
	} else if given.err == nil && given.hook.Kind != schemas.KindHook {
		if at := p.rests.find(given.hook.ID); at != nil {
			s.load(p, at, false) // it will be wanted soon
		}
	}
	p.inbox = append(p.inbox, r)
	if len(p.inbox) >= maxPoll && !p.paused {
		p.paused = true
		s.client.PauseFetchPartitions(map[string][]int32{s.opts.topic(): {p.number}})
	}
	return nil
}

func (s *session) takeInbox(ctx context.Context, p *partition) error {
	for len(p.inbox) > 0 {
		given := polled{record: p.inbox[0]} // anew: to open a hook changes it
		s.read(&given)
		err := s.take(ctx, &given)
		if errors.Is(err, errAtRest) {
			return nil
		}
		if err != nil {
			return err
		}
		p.inbox[0] = nil
		p.inbox = p.inbox[1:]
	}
	p.inbox = nil
	s.fetchAgain(p)
	return nil
}

func (s *session) fetchAgain(p *partition) {
	if p.paused {
		p.paused = false
		s.client.ResumeFetchPartitions(map[string][]int32{s.opts.topic(): {p.number}})
	}
}
