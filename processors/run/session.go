package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel"

	"sluice/connectors"
	"sluice/connectors/mapping"
	"sluice/schemas"
	"sluice/schemas/records"
)

// clockLook is how long the loop sleeps at most while something has a time.
const clockLook = 5 * time.Second

// maxPoll is how many records one cycle takes. More wait in the client.
const maxPoll = 500

// session is one membership in the consumer group, one transactional producer
// and the loop over both. mu is held by the loop except while it waits for
// records, and by the rebalance callbacks, which come only then: franz-go
// blocks rebalances from the return of a poll until AllowRebalance.
type session struct {
	opts    Options
	log     *slog.Logger
	metrics *metrics
	client  *kgo.Client
	// reader reads places of the log: on the consumer's own connection such a
	// request would wait until the long poll before it is answered.
	reader *kgo.Client
	// places reads snapshots of what was at rest, which hooks being read again
	// must not hold up.
	places          *kgo.Client
	group           string
	transactionalID string
	instance        string
	hooksID         [16]byte
	partitionCount  int32 // of every topic that has executions

	mu         sync.Mutex
	partitions map[int32]*partition
	flows      map[string]*flowQueue
	plans      map[planKey]*plan
	planned    int64 // of which changes of the components
	outran     map[*stepPlan]outran
	traced     bool     // spans go somewhere
	polled     []polled // room for what a poll gives
	leash      leashed  // of the attempt in the loop,
	inlined    job      // and that attempt
	timers     timers
	touched    []*execution
	dead       []*kgo.Record // dead letters to write
	marks      []*kgo.Record // deliveries to remember
	nextSweep  time.Time
	moved      bool // a position moved since the last transaction
	flight     *flight
	lastBegan  time.Time // of the last transaction
	lastSize   int       // executions in it
	awaited    bool      // something waits for the next one
	broken     error
	notBefore  time.Time       // when to try again after an abort
	stale      map[string]bool // flows with a place given back
	share      *share          // of the lane of replays; nil in the live one
	sleep      sleepers

	deliveryIDs map[string]*mapping.Expression // of schemas.DeliveryID, by their text

	jobs    sync.WaitGroup
	workers workers
	jobCtx  context.Context
	stop    context.CancelFunc
	results results
}

type planKey struct {
	flow    string
	version int32
	replay  string // of a draft that a replay carries with it
}

// partition is an owned partition of hooks, and its namesakes.
type partition struct {
	number     int32
	position   int64 // of the next hook to be polled
	executions map[schemas.ExecutionID]*execution
	rests      rests // open as well
	deliveries *deliveries
	lanes      lanes
	// inbox are polled records that wait until the execution that the first one
	// is for has been read back.
	inbox    []*kgo.Record
	paused   bool  // nothing more is fetched until the inbox is empty
	stateEnd int64 // after the last snapshot that this session wrote
	leaving  bool  // it is being handed over: nothing begins any more
}

// results is where jobs leave what they came to, and what wakes the loop.
type results struct {
	mu    sync.Mutex
	list  []result
	back  []readBack
	reads int                // that ended, of which back is
	wake  context.CancelFunc // ends the poll that the loop is in, or nil
	bell  chan struct{}      // for a drain, which does not poll
	over  bool               // the transaction under way is
}

func (r *results) put(v result) {
	r.mu.Lock()
	r.list = append(r.list, v)
	wake := r.wake
	r.mu.Unlock()
	if wake != nil {
		wake()
	}
	select {
	case r.bell <- struct{}{}:
	default:
	}
}

// land says that the transaction under way is over, and wakes the loop.
func (r *results) land() {
	r.mu.Lock()
	r.over = true
	r.mu.Unlock()
	r.poke()
}

func (r *results) landed() {
	r.mu.Lock()
	r.over = false
	r.mu.Unlock()
}

func (r *results) take() []result {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.list
	r.list = nil
	return list
}

// poke wakes the loop without a result.
func (r *results) poke() {
	r.mu.Lock()
	wake := r.wake
	r.mu.Unlock()
	if wake != nil {
		wake()
	}
}

// arm makes wake the way to end the coming poll; it reports false when there
// is something to do at once.
func (r *results) arm(wake context.CancelFunc) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wake = wake
	return len(r.list) == 0 && len(r.back) == 0 && !r.over
}

func newSession(opts Options, m *metrics) (*session, error) {
	s := &session{
		opts: opts, log: opts.Logger, metrics: m,
		group:           opts.group(),
		transactionalID: opts.group() + "." + opts.Instance,
		instance:        opts.Instance,
		partitions:      map[int32]*partition{}, flows: map[string]*flowQueue{}, plans: map[planKey]*plan{},
		results: results{bell: make(chan struct{}, 1)}, workers: workers{next: make(chan func())},
	}
	if opts.Replays {
		s.share = newShare(opts.Live)
	}
	s.jobCtx, s.stop = context.WithCancel(context.Background())
	// What cannot be flushed is the stand-in that otel has until it is set up.
	_, s.traced = otel.GetTracerProvider().(interface{ ForceFlush(context.Context) error })
	reader, err := kgo.NewClient(append(opts.Kafka, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0),
		kgo.ProducerBatchMaxBytes(schemas.MaxRecordBytes-1024))...)
	if err != nil {
		return nil, fmt.Errorf("configuring the runner's client: %w", err)
	}
	s.reader = reader
	if s.places, err = kgo.NewClient(opts.Kafka...); err != nil {
		reader.Close()
		return nil, fmt.Errorf("configuring the runner's client: %w", err)
	}
	// Partitions may be assigned before NewClient has returned: that waits.
	s.mu.Lock()
	defer s.mu.Unlock()
	client, err := kgo.NewClient(append(opts.Kafka,
		kgo.ConsumerGroup(s.group),
		kgo.InstanceID(s.instance),
		kgo.ConsumeTopics(opts.topic()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(opts.SessionTimeout),
		kgo.HeartbeatInterval(opts.SessionTimeout/5),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(500*time.Millisecond),
		kgo.FetchMaxBytes(16<<20), // franz-go raises it for a single larger record
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(s.assigned),
		kgo.OnPartitionsRevoked(s.revoked),
		kgo.OnPartitionsLost(s.lost),
		kgo.TransactionalID(s.transactionalID),
		kgo.TransactionTimeout(transactionTimeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0),
		kgo.ProducerBatchMaxBytes(schemas.MaxRecordBytes-1024),
		kgo.MaxBufferedRecords(1<<20), // a transaction's records are counted before they are produced
	)...)
	if err != nil {
		s.places.Close()
		reader.Close()
		return nil, fmt.Errorf("configuring the runner's client: %w", err)
	}
	s.client = client
	return s, nil
}

func (s *session) close() {
	s.stop()
	s.jobs.Wait()
	s.client.CloseAllowingRebalance() // which may assign partitions once more
	s.jobs.Wait()
	s.workers.end()
	s.reader.Close()
	s.places.Close()
}

// run is the one loop: poll what is there, run it, commit. A transaction runs
// beside it, and the loop takes note of its end.
func (s *session) run(ctx context.Context) error {
	// The producer's ID first: taking it aborts what a killed predecessor of
	// the same name left open, and whoever reads state waits for that.
	if _, _, err := s.client.ProducerID(ctx); err != nil {
		return fmt.Errorf("taking the producer's ID: %w", err)
	}
	stopWatching := s.watchCatalog()
	defer stopWatching()
	for {
		fetches := s.poll(ctx)
		s.mu.Lock()
		err := s.cycle(ctx, fetches)
		if err == nil && ctx.Err() != nil {
			err = s.handOver(slices.Collect(maps.Keys(s.partitions)))
			s.mu.Unlock()
			s.client.AllowRebalance()
			return err
		}
		if err != nil {
			s.broken = err // nothing more is written, see handOver
		}
		s.mu.Unlock()
		s.client.AllowRebalance()
		if err != nil {
			return err
		}
	}
}

// poll waits for records, a result, a timer or the end. Results never wait
// for records, nor records for results.
func (s *session) poll(ctx context.Context) kgo.Fetches {
	pollCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	wait := s.results.arm(cancel)
	defer s.results.arm(nil)
	s.mu.Lock()
	until, hasTimer := s.nextTimer()
	if at, held := s.share.opens(); held && (!hasTimer || at.Before(until)) {
		until, hasTimer = at, true
	}
	if s.flight == nil && s.unwritten() {
		if due := s.due(); !hasTimer || due.Before(until) {
			until, hasTimer = due, true
		}
	}
	wait = wait && s.broken == nil && len(s.stale) == 0 && (!hasTimer || until.After(time.Now()))
	if limit := time.Now().Add(clockLook); hasTimer && until.After(limit) {
		until = limit // what was recovered goes by the wall clock, which may be set meanwhile
	}
	s.mu.Unlock()
	if hasTimer {
		var cancelUntil context.CancelFunc
		pollCtx, cancelUntil = context.WithDeadline(pollCtx, until)
		defer cancelUntil()
	}
	if !wait {
		// Not a context that has ended: that would return nothing, and records
		// would starve while there are results.
		//lint:ignore SA1012 with nil, franz-go returns what is buffered, at once
		return s.client.PollRecords(nil, maxPoll)
	}
	return s.client.PollRecords(pollCtx, maxPoll)
}

// cycle does what there is to do, and commits it.
func (s *session) cycle(ctx context.Context, fetches kgo.Fetches) error {
	if s.broken != nil {
		return s.broken
	}
	var failed error
	fetches.EachError(func(topic string, p int32, err error) {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return
		}
		if errors.Is(err, kgo.ErrClientClosed) {
			failed = err
			return
		}
		s.log.Warn("polling hooks", "topic", topic, "partition", p, "error", err)
	})
	if failed != nil {
		return failed
	}
	if err := s.awake(ctx); err != nil {
		return err
	}
	polled := s.readAll(fetches)
	for i := range polled {
		if err := s.receive(ctx, &polled[i]); err != nil {
			return err
		}
	}
	clear(polled)
	if s.flight != nil && s.flight.over() {
		if err := s.land(); err != nil {
			return err
		}
	}
	for _, r := range s.results.take() {
		s.applyResult(r)
	}
	now := time.Now()
	s.timers.fire(now, s.wake)
	s.wakeRests(now)
	s.sweep(now)
	for _, flow := range s.share.release(now) {
		s.pump(flow)
	}
	s.pumpAll()
	s.tireWoken()
	s.readRests()
	return s.commit(ctx, now)
}

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
		s.opts.Live.taken(time.Since(hook.Time))
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
	e := &execution{
		id: hook.ID, partition: p, at: -1, hook: given.hook, busy: map[unit]context.CancelFunc{},
		x: &records.Execution{
			Id: hook.ID[:], FlowId: hook.Flow, Status: records.ExecutionStatus_EXECUTION_STATUS_WAITING,
			StartedAt: hook.Time.UnixNano(), Traceparent: hook.TraceParent, ReplyTo: hook.ReplyTo,
			Hook:   &records.Pointer{Topic: s.opts.lane(), Partition: r.Partition, Offset: r.Offset},
			Replay: hook.Replay, PinnedVersion: hook.Version, Parent: hook.Parent, Given: hook.Given, Key: hook.Key,
		},
	}
	if !hook.ReplayOf.IsZero() {
		e.x.ReplayOf = hook.ReplayOf[:]
	}
	if !hook.KeysOf.IsZero() {
		e.x.KeysOf = hook.KeysOf[:]
	}
	p.executions[e.id] = e
	s.touch(e)
	if erased {
		s.cancel(e, time.Now())
		return nil
	}
	whole, done, err := s.withBody(ctx, entry, e.hook)
	if err != nil {
		return err
	}
	defer done()
	first, isDuplicate, failure := s.duplicate(ctx, p, whole, given)
	if isDuplicate {
		s.endDuplicate(e, first)
		return nil
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

// record adds an event to what happened, and folds it in.
func (s *session) record(e *execution, at time.Time, event *records.Event) bool {
	event.At = at.UnixNano()
	if !schemas.Fold(e.x, event) {
		return false
	}
	e.events = append(e.events, event)
	s.touch(e)
	return true
}

func (s *session) touch(e *execution) {
	if !e.touched {
		e.touched = true
		s.touched = append(s.touched, e)
	}
}

// prepare makes an execution ready to run: its plan, and the outputs it has.
func (s *session) prepare(e *execution) error {
	if e.plan == nil {
		plan, err := s.planOf(e.x)
		if err != nil {
			return err
		}
		e.plan = plan
		if plan.timeout > 0 {
			s.timers.add(time.Unix(0, e.x.StartedAt).Add(plan.timeout), e, timeoutOfAll)
		}
	}
	if e.outputs != nil {
		return nil
	}
	for i := range e.plan.steps {
		if err := e.addOutput(e.plan.steps[i].ID); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) planFor(flow string, version int32) (*plan, error) {
	if now := s.opts.Components.Changes(); now != s.planned {
		s.planned = now // a connector was imported anew
		clear(s.plans)
		clear(s.outran)
	}
	key := planKey{flow: flow, version: version}
	if p := s.plans[key]; p != nil {
		return p, nil
	}
	entry := s.opts.Catalog.Flow(flow)
	if entry == nil || entry.Version(version) == nil {
		return nil, fmt.Errorf("flow %s has no version %d", flow, version)
	}
	p, err := newPlan(flow, entry.Version(version), s.opts.Components, s.opts.Mapping)
	if err != nil {
		return nil, err
	}
	s.plans[key] = p
	return p, nil
}

// advance does what decide says until there is nothing to do at once.
func (s *session) advance(e *execution) {
	for {
		d := decide(e.plan.graph, e.x, e.stepBusy)
		for _, i := range d.skip {
			step := &e.plan.steps[i]
			s.record(e, time.Now(), &records.Event{Fact: &records.Event_Skipped{Skipped: &records.Skipped{Step: step.ID, Uses: step.Uses, Name: step.Name}}})
		}
		if len(d.skip) > 0 {
			continue
		}
		done := false
		for _, i := range d.run {
			done = s.begin(e, e.plan.first(i)) || done
		}
		for _, i := range d.each {
			s.beginElements(e, i)
		}
		if done {
			continue
		}
		if d.end != nil {
			s.end(e, d.end)
		}
		s.rest(e)
		return
	}
}

// begin starts the next attempt at a step or an element, or holds it until the
// effects before it are durable. It reports whether the attempt is done and
// folded in already: then there is more to decide.
func (s *session) begin(e *execution, u unit) (done bool) {
	step := &e.plan.steps[u.step]
	switch {
	case e.partition.leaving:
		return false // the next owner begins it
	case u.iteration >= 0 && step.each != nil && e.elements[u.step] == nil:
		// Its element is not in memory: that comes first, and then this.
		e.due = append(e.due, u)
		if all := (unit{u.step, expanding}); e.busy[all] == nil {
			s.launch(e, all, false)
		}
	case u.iteration == expanding:
		s.launch(e, u, false)
	case step.intends() && e.state(u).GetStatus() != records.StepStatus_STEP_STATUS_UNKNOWN:
		s.launch(e, u, true) // up to the effect: its intent comes first
	case (e.undurable || e.landing) && step.effect():
		s.hold(e, u)
	case step.instant && s.inline(e, u):
		return true
	default:
		s.launch(e, u, false)
	}
	return false
}

// hold keeps what is to begin until the next transaction is durable.
func (s *session) hold(e *execution, u unit) {
	s.awaited = s.awaited || e.undurable
	e.busy[u] = func() {} // so that decide does not ask again
	e.held = append(e.held, u)
}

// jobOf is an attempt at a unit.
func (s *session) jobOf(e *execution, u unit) job {
	return job{
		session: s, ex: e, id: e.id, plan: e.plan, unit: u, number: e.state(u).GetAttempts() + 1,
		keysOf: e.keysOf(), hook: e.hook, pointer: e.x.Hook, stored: e.x.StoredHook, parent: e.x.Parent, key: e.x.Key,
		traceparent: e.x.Traceparent, replyTo: e.x.ReplyTo, startedAt: time.Unix(0, e.x.StartedAt),
		outputs: e.outputs[:len(e.outputs):len(e.outputs)],
	}
}

// launch starts a job. dry: it stops before the effect.
func (s *session) launch(e *execution, u unit, dry bool) {
	ctx, cancel := context.WithCancel(s.jobCtx)
	e.busy[u] = cancel
	j := new(job)
	*j = s.jobOf(e, u)
	j.dry = dry
	if u.iteration >= 0 && e.plan.steps[u.step].each != nil {
		j.element = &element{e.elements[u.step][u.iteration], u.iteration}
	}
	s.metrics.inFlight.Inc()
	s.workers.do(&s.jobs, func() {
		defer cancel()
		r := j.run(ctx)
		s.metrics.inFlight.Dec()
		s.results.put(r)
	})
}

// applyResult folds an attempt's outcome in and goes on.
func (s *session) applyResult(r result) {
	if r.ahead != nil {
		s.haveRead(r.ahead)
		return
	}
	e, u := r.job.ex, r.job.unit
	if !s.owns(e) || e.busy[u] == nil {
		return // handed over, or cancelled while it was under way
	}
	delete(e.busy, u)
	if s.outcome(r) {
		s.advance(e)
	}
}

// outcome folds in what a job came to, and reports whether its execution is to
// go on at once.
func (s *session) outcome(r result) bool {
	e, u := r.job.ex, r.job.unit
	step := &e.plan.steps[u.step]
	if e.hook == nil {
		e.hook = r.hook
	}
	now := time.Now()
	switch {
	case r.skipped:
		s.record(e, now, &records.Event{Fact: &records.Event_Skipped{Skipped: &records.Skipped{Step: step.ID, Uses: step.Uses, Name: step.Name}}})
	case r.err != nil && r.err.Kind == connectors.KindCancelled && e.partition.leaving:
		return false // cut off by the end of this session: the next owner does it again
	case r.err == nil && r.job.dry && e.partition.leaving:
		return false // nor is it intended any more: the next owner would take it for begun
	case r.err != nil:
		s.attemptFailed(e, u, now, r)
	case u.iteration == expanding:
		s.expanded(e, u.step, now, r.elements)
	case r.job.dry:
		s.intend(e, u, now, r.attempt)
		return false
	case r.wait != nil:
		s.park(e, u, now, r)
	default:
		if r.filtered {
			r.attempt.Status = records.StepStatus_STEP_STATUS_FILTERED
		}
		s.attempted(e, step, now, r.attempt, r.output)
	}
	return true
}

// attempted puts an attempt that succeeded, or was given up, on record. value
// is its decoded output, where that is known.
func (s *session) attempted(e *execution, step *stepPlan, at time.Time, a *records.Attempt, value mapping.Value) {
	if a.Status == records.StepStatus_STEP_STATUS_SUCCEEDED && step.each != nil {
		e.checkSize(step, a)
	}
	e.undurable = e.undurable || step.effect() && !a.Postponed
	s.metrics.attempt(a)
	if !s.record(e, at, &records.Event{Fact: &records.Event_Attempt{Attempt: a}}) {
		return
	}
	if !e.active || !schemas.Settled(e.x.Steps[step.ID]) {
		return // what rests reads its outputs when it goes on
	}
	if step.each == nil && a.Status == records.StepStatus_STEP_STATUS_SUCCEEDED && value != nil {
		e.outputs = append(e.outputs, output{step.ID, value})
		return
	}
	_ = e.addOutput(step.ID) // joined from what was decoded before
}

// attemptFailed puts an attempt that failed on record, and says when the next
// one is due, if there is one.
func (s *session) attemptFailed(e *execution, u unit, now time.Time, r result) {
	step, a, state := &e.plan.steps[u.step], r.attempt, e.state(u)
	if u.iteration == expanding && state.GetStatus() == records.StepStatus_STEP_STATUS_RUNNING {
		// Its elements were known before; now they cannot be had again.
		s.fail(e, now, a.Failure)
		return
	}
	if r.err.Held && s.postpone(e, u, now, r) {
		return
	}
	first := state.GetFirstAt()
	if first == 0 {
		first = a.StartedAt
	}
	if wait, ok := step.retry.next(retryKey(e, step, u), a.Number, now.Sub(time.Unix(0, first)), r.err); ok {
		at := now.Add(wait)
		a.Status, a.RetryAt = records.StepStatus_STEP_STATUS_RETRYING, at.UnixNano()
		s.timers.add(at, e, u)
	}
	s.attempted(e, step, now, a, nil)
}

// wake is what a timer that was set for at does. The wall clock is not asked
// again: it may have been set back since, and nothing would fire a second time.
func (s *session) wake(e *execution, u unit, at time.Time) {
	if !s.owns(e) || !schemas.Open(e.x.Status) {
		return
	}
	if u == timeoutOfAll {
		s.fail(e, time.Now(), &records.Failure{Kind: string(connectors.KindTimeout),
			Message: fmt.Sprintf("the execution was not done within %s", e.plan.timeout)})
		return
	}
	state := e.state(u)
	if e.busy[u] != nil || state.GetRetryAt() == 0 || state.RetryAt > at.UnixNano() {
		return // it is in flight, or has a later timer
	}
	switch state.Status {
	case records.StepStatus_STEP_STATUS_RETRYING:
		s.goOnWith(e, u)
	case records.StepStatus_STEP_STATUS_WAITING:
		s.waitOver(e, u)
	}
}

// goOnWith begins a unit that is due, once the flow has a place.
func (s *session) goOnWith(e *execution, u unit) {
	if e.active { // another branch of it is in flight
		if s.begin(e, u) {
			s.advance(e)
		}
		return
	}
	e.due = append(e.due, u)
	s.proceedNow(e)
}

// proceedNow queues an execution that has a reason to go on.
func (s *session) proceedNow(e *execution) {
	s.enqueue(e)
	s.pump(e.x.FlowId)
}

// cancel ends an execution because somebody asked for it.
func (s *session) cancel(e *execution, at time.Time) {
	s.cutOff(e, at)
	s.end(e, &records.Ended{
		Status:  records.ExecutionStatus_EXECUTION_STATUS_CANCELLED,
		Failure: &records.Failure{Kind: string(connectors.KindCancelled), Message: s.whyCancelled(e)},
	})
	s.rest(e)
}

func (s *session) fail(e *execution, at time.Time, why *records.Failure) {
	s.cutOff(e, at)
	s.end(e, &records.Ended{Status: records.ExecutionStatus_EXECUTION_STATUS_FAILED, Failure: why})
	s.rest(e)
}

// cutOff cancels what is in flight and puts it on record at once: an effect
// that was begun is never left without a word.
func (s *session) cutOff(e *execution, at time.Time) {
	for u, cancel := range e.busy {
		cancel()
		delete(e.busy, u)
		step := &e.plan.steps[u.step]
		intended := e.state(u).GetStatus() == records.StepStatus_STEP_STATUS_UNKNOWN
		message := "cut off when the execution ended; it may have taken effect"
		switch {
		case u.iteration == expanding || !step.effect() || step.intends() && !intended:
			continue // it did nothing
		case slices.Contains(e.held, u):
			if !intended {
				continue
			}
			message = "the execution ended before this began"
		}
		s.record(e, at, &records.Event{Fact: &records.Event_Attempt{Attempt: &records.Attempt{
			Step: step.ID, Name: step.Name, Uses: step.Uses, Number: e.state(u).GetAttempts() + 1, Iteration: int32(u.iteration),
			Status: records.StepStatus_STEP_STATUS_CANCELLED, StartedAt: at.UnixNano(),
			IdempotencyKey: idempotencyKey(e.keysOf(), step.ID, u.iteration),
			Failure:        &records.Failure{Kind: string(connectors.KindCancelled), Message: message, Step: step.ID},
		}}})
	}
	e.held = nil
}

// end records how an execution ended; the first end wins.
func (s *session) end(e *execution, ended *records.Ended) {
	if !s.record(e, time.Now(), &records.Event{Fact: &records.Event_Ended{Ended: ended}}) {
		return
	}
	s.awaited = s.awaited || len(e.x.OrderKey) > 0 // by the next of its lane
	if e.x.ReplyTo != "" {
		s.replyAtEnd(e)
	}
	if e.x.Parent != "" {
		s.returnToCaller(e)
	}
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
