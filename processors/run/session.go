package run

import (
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

	"sluice/schemas"
)

// clockLook is how long the loop sleeps at most while something has a time.
const clockLook = 5 * time.Second

// over is a context that has ended.
var over = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// maxPoll is how many records one cycle takes. More wait in session.fetched.
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
	topics          struct{ state, dedupe string }

	mu         sync.Mutex
	partitions map[int32]*partition
	flows      map[string]*flowQueue
	spare      *flowQueue // empty, to be used again
	plans      map[planKey]*plan
	planned    int64 // of which changes of the components
	outran     map[*stepPlan]outran
	traced     bool // spans go somewhere
	// fetched are records that were polled and not taken yet, in their order. All
	// that the client has is polled at once, because only then does it fetch again:
	// the next records come while these are taken. A partition that is given away
	// leaves none behind (drop).
	fetched   []*kgo.Record
	polled    []polled // room for what a cycle takes of them
	leash     leashed  // of the attempt in the loop,
	inlined   job      // and that attempt
	timers    timers
	touched   []*execution
	dead      []*kgo.Record // dead letters to write
	marks     []*kgo.Record // deliveries to remember
	makings   makings       // of marks
	nextSweep time.Time
	moved     bool // a position moved since the last transaction
	flight    *flight
	lastBegan time.Time // of the last transaction
	lastSize  int       // executions in it
	awaited   bool      // something waits for the next one
	broken    error
	notBefore time.Time       // when to try again after an abort
	stale     map[string]bool // flows with a place given back
	share     *share          // of the lane of replays; nil in the live one
	sleep     sleepers
	lease     *lease

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
	committed  int64 // position as this session last committed it; -1: it has not
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

func newSession(opts Options, m *metrics) (*session, error) {
	s := &session{
		opts: opts, log: opts.Logger, metrics: m,
		group:           opts.group(),
		transactionalID: opts.group() + "." + opts.Instance,
		instance:        opts.Instance,
		partitions:      map[int32]*partition{}, flows: map[string]*flowQueue{}, plans: map[planKey]*plan{},
		results: results{bell: make(chan struct{}, 1)}, workers: workers{next: make(chan func())},
		lease: newLease(opts.SessionTimeout),
	}
	s.topics.state, s.topics.dedupe = opts.Topics.State(), opts.Topics.Dedupe()
	if opts.Replays {
		s.share = newShare(opts.Live)
	} else {
		opts.Live.watch(time.Now())
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
	s.jobs.Go(func() { s.keepLease(s.jobCtx) })
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
	if len(s.fetched) > 0 {
		s.mu.Unlock()
		return s.client.PollRecords(over, maxPoll) // see below
	}
	until, hasTimer := s.nextTimer()
	room := s.room(time.Now())
	if at, closed := s.share.opens(room == 0); closed && (!hasTimer || at.Before(until)) {
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
	if room == 0 {
		// What may not begin is better off in the topic: taken, it would be written
		// down as waiting, and then again.
		if wait {
			<-pollCtx.Done()
		}
		return s.client.PollRecords(over, maxPoll) // none, and blocks rebalances like any other
	}
	if !wait {
		// Not a context that has ended: that would return nothing, and records
		// would starve while there are results.
		//lint:ignore SA1012 with nil, franz-go returns what is buffered, at once
		return s.client.PollRecords(nil, room)
	}
	return s.client.PollRecords(pollCtx, room)
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
	fetches.EachRecord(func(r *kgo.Record) { s.fetched = append(s.fetched, r) })
	polled := s.readAll(s.fetched[:min(len(s.fetched), maxPoll)])
	clear(s.fetched[:len(polled)])
	if s.fetched = s.fetched[len(polled):]; len(s.fetched) == 0 {
		s.fetched = nil
	}
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
