package run

import (
	"container/heap"
	"context"
	"slices"
	"strings"
	"time"

	"sluice/connectors"
	"sluice/schemas"
	"sluice/schemas/records"
)

const (
	// backAhead is how many of a flow's queue are read back at once, and backEarly
	// how far from its head one may be asleep.
	backAhead = 256
	backEarly = 128
)

// burst is how many executions of a flow one cycle lets begin.
const burst = 256

// flowQueue holds the executions of a flow that want to go on, so that a flow
// never runs more than its share and a slow one delays no other. Those that wait
// for long are at rest meanwhile.
type flowQueue struct {
	active  int   // executions with a step in flight, or about to be
	begun   []ref // they have begun before, and go first
	waiting []ref // in the order they came
	reading bool  // hooks of its next ones are being read again
	pumped  int   // how many calls of pump are at it: what one begins may pump again
}

// ref names an execution, in memory or at rest.
type ref struct {
	p  *partition
	id schemas.ExecutionID
}

func (s *session) queueOf(flow string) *flowQueue {
	q := s.flows[flow]
	if q == nil {
		if q, s.spare = s.spare, nil; q == nil {
			q = &flowQueue{}
		}
		s.flows[flow] = q
	}
	return q
}

// done forgets a queue in which nothing is left. What has few hooks at a time
// needs one for each: it is used again.
func (s *session) done(flow string, q *flowQueue) {
	delete(s.flows, flow)
	*q = flowQueue{begun: q.begun, waiting: q.waiting}
	s.spare = q
}

// enqueue puts an execution that wants to go on at the end of its flow's queue.
func (s *session) enqueue(e *execution) {
	if e.queued || e.active {
		return
	}
	q := s.queueOf(e.x.FlowId)
	e.queued = true
	if e.x.Status != records.ExecutionStatus_EXECUTION_STATUS_WAITING {
		q.begun = append(q.begun, ref{e.partition, e.id})
		return
	}
	q.waiting = append(q.waiting, ref{e.partition, e.id})
}

// next takes the next execution that may go on out of a queue; nil: there is
// none, or it is being read back. A paused flow begins nothing; what has begun
// runs to its end.
func (s *session) next(q *flowQueue, paused bool) *execution {
	for {
		list := &q.begun
		if len(*list) == 0 {
			if list = &q.waiting; paused || len(*list) == 0 {
				return nil
			}
		}
		head := (*list)[0]
		e := head.p.executions[head.id]
		if e == nil && s.readQueued(*list, 0) || e != nil && e.unread() {
			return nil
		}
		(*list)[0] = ref{}
		if len(*list) > 1 {
			*list = (*list)[1:]
		} else if *list = (*list)[:0]; cap(*list) > 64 {
			*list = nil // it was long
		}
		if e == nil {
			continue // it has ended, or is another's
		}
		e.queued = false
		if len(*list) > backEarly {
			s.readQueued(*list, backEarly)
		}
		return e
	}
}

// readQueued reads back what stands in a queue, if that is at rest at some place
// of it, which it reports.
func (s *session) readQueued(list []ref, place int) bool {
	atRest := func(q ref) *rest {
		if s.partitions[q.p.number] != q.p {
			return nil
		}
		return q.p.rests.find(q.id)
	}
	r := atRest(list[place])
	if r == nil {
		return false
	}
	if r.flags&restLoading != 0 {
		return true
	}
	for _, q := range list[:min(len(list), place+backAhead)] {
		if r := atRest(q); r != nil {
			s.load(q.p, r, true)
		}
	}
	return true
}

// pump lets executions go on as far as the flow's share allows.
func (s *session) pump(flow string) {
	q, entry := s.flows[flow], s.opts.Catalog.Flow(flow)
	if q == nil || entry == nil {
		return
	}
	share := defaultConcurrency
	if v := entry.Latest(); v != nil && v.Flow.Concurrency > 0 {
		share = v.Flow.Concurrency
	}
	share = s.opts.share(share)
	q.pumped++
	for n := 0; q.active < share; n++ {
		if n == burst { // what is done in the loop takes no place: the others must have a turn
			s.unsettled(flow)
			q.pumped--
			return
		}
		mayBegin := entry.State != schemas.Paused && (len(q.waiting) == 0 || s.share == nil || s.share.open(flow, time.Now()))
		e := s.next(q, !mayBegin)
		if e == nil {
			break
		}
		if !schemas.Open(e.x.Status) || e.partition.leaving || !s.owns(e) {
			continue
		}
		e.active = true
		q.active++
		s.metrics.active.Inc()
		s.goOn(e)
	}
	q.pumped--
	s.readAhead(flow, q, entry.State == schemas.Paused)
	if q.pumped == 0 && q.active == 0 && len(q.begun) == 0 && len(q.waiting) == 0 {
		s.done(flow, q)
	}
}

// pumpAll fills the places that executions gave back.
func (s *session) pumpAll() {
	stale := s.stale
	s.stale = nil
	for flow := range stale {
		s.pump(flow)
	}
}

// unsettled has a flow pumped in the next cycle, which then comes at once.
func (s *session) unsettled(flow string) {
	if s.stale == nil {
		s.stale = map[string]bool{}
	}
	s.stale[flow] = true
}

// owns reports whether an execution is this session's, as it is in memory.
func (s *session) owns(e *execution) bool {
	return !e.gone && s.partitions[e.partition.number] == e.partition
}

// goOn begins an execution, or the retries that are due in it.
func (s *session) goOn(e *execution) {
	if e.x.Status == records.ExecutionStatus_EXECUTION_STATUS_WAITING {
		if s.replayStopped(e) {
			return
		}
		s.beginsReplay(e)
		s.record(e, time.Now(), startedEvent(s.versionOf(e)))
		s.takeOverGiven(e)
	}
	if err := s.prepare(e); err != nil {
		s.end(e, &records.Ended{Status: records.ExecutionStatus_EXECUTION_STATUS_FAILED,
			Failure: &records.Failure{Kind: string(connectors.KindInternal), Message: "this version cannot run here: " + err.Error()}})
		s.rest(e)
		return
	}
	s.beginDue(e)
	s.advance(e)
}

// beginDue begins what is due in an execution.
func (s *session) beginDue(e *execution) {
	due := e.due
	e.due = nil
	for _, u := range due {
		if e.busy[u] == nil && !schemas.Settled(e.state(u)) {
			s.begin(e, u)
		}
	}
}

// rest gives the flow's place back when nothing of the execution is in flight.
func (s *session) rest(e *execution) {
	if len(e.busy) > 0 {
		return
	}
	// Whatever it waits for, its memory is not needed until then.
	e.hook, e.outputs, e.elements = nil, nil, nil
	if !e.active {
		return
	}
	e.active = false
	s.metrics.active.Dec()
	if q := s.flows[e.x.FlowId]; q != nil {
		if q.active--; len(q.begun)+len(q.waiting) > 0 {
			s.unsettled(e.x.FlowId)
		}
	}
}

// credential opens a step's credential, which may take a request for a token. It is called by jobs.
func (s *session) credential(ctx context.Context, step *stepPlan) (*connectors.Credential, *connectors.Error) {
	if step.Credential == "" {
		if step.component.NeedsCredential {
			return nil, connectors.BadCredential("the step has no credential; choose one")
		}
		return nil, nil
	}
	entry, values := s.opts.Catalog.Credential(step.Credential), s.opts.Catalog.Secret(step.Credential)
	if entry == nil || values == nil {
		return nil, connectors.BadCredential("credential %s does not exist, or its values cannot be read; save it again", step.Credential)
	}
	credential, err := s.opts.OAuth.Open(ctx, s.opts.Components, step.Credential, entry.Uses, entry.Type, values)
	return credential, connectors.AsError(err)
}

// refused reports whether a credential whose token was refused (401) may be good when it is opened again. It is called by jobs.
func (s *session) refused(step *stepPlan, credential *connectors.Credential, err error) bool {
	uses, _, _ := strings.Cut(step.Uses, "/")
	return s.opts.OAuth.Refused(s.opts.Components, step.Credential, uses, credential, err)
}

// readHook reads a hook's record again, from the snapshot where it is there. It
// is called by jobs.
func (s *session) readHook(ctx context.Context, flow string, at *records.Pointer, stored *records.StoredHook) (*loadedHook, error) {
	if stored != nil {
		return restoreHook(flow, at, stored)
	}
	return readHook(ctx, s.reader, s.opts.Keys, s.opts.Topics.Prefix+at.Topic, at)
}

// watchCatalog wakes the loop when flows change: a resumed flow has executions
// to go on with.
func (s *session) watchCatalog() (stop func()) {
	ctx, cancel := context.WithCancel(s.jobCtx)
	s.jobs.Go(func() {
		for {
			changed := s.opts.Catalog.Changed()
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
			s.mu.Lock()
			for flow := range s.flows {
				s.pump(flow)
			}
			s.mu.Unlock()
			s.results.poke()
		}
	})
	return cancel
}

// timeoutOfAll is the timer of a whole execution.
var timeoutOfAll = unit{step: -1}

type timer struct {
	at time.Time
	e  *execution
	unit
}

// timers is a heap, the earliest first. A timer that is no longer wanted is
// recognised when it fires.
type timers []timer

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].at.Before(t[j].at) }
func (t timers) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }

// Push is for container/heap.
func (t *timers) Push(x any) { *t = append(*t, x.(timer)) }

// Pop is for container/heap.
func (t *timers) Pop() any {
	old := *t
	last := old[len(old)-1]
	old[len(old)-1] = timer{}
	*t = old[:len(old)-1]
	return last
}

func (t *timers) add(at time.Time, e *execution, u unit) {
	e.timers++
	heap.Push(t, timer{at, e, u})
}

// keep drops the timers of executions that are not wanted.
func (t *timers) keep(wanted func(*execution) bool) {
	*t = slices.DeleteFunc(*t, func(one timer) bool { return !wanted(one.e) })
	heap.Init(t)
}

func (t timers) next() (time.Time, bool) {
	if len(t) == 0 {
		return time.Time{}, false
	}
	return t[0].at, true
}

func (t *timers) fire(now time.Time, fn func(e *execution, u unit, at time.Time)) {
	for len(*t) > 0 && !(*t)[0].at.After(now) {
		due := heap.Pop(t).(timer)
		due.e.timers--
		fn(due.e, due.unit, due.at)
	}
}
