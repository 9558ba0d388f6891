package runlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// lastFlush bounds the flush after the context has ended.
	lastFlush = 5 * time.Second
	// lookTimeout bounds the first question to Kafka.
	lookTimeout = 5 * time.Second
	// pollRecords bounds what one poll brings.
	pollRecords = 10_000
)

// session is one membership in the group, from joining to leaving.
type session struct {
	w      *Writer
	client *kgo.Client // the group's member
	admin  *kgo.Client // asks about topics; there before the first assignment is

	mu       sync.Mutex
	topicIDs map[string]string
	expected map[partition]int64 // the offset to be read next, where it is known
}

// session reads and writes until the context ends or the client is of no use
// any more.
func (w *Writer) session(ctx context.Context, wait *backoff) error {
	o := w.options
	admin, err := kgo.NewClient(o.Kafka...)
	if err != nil {
		return optionsError{fmt.Errorf("opening the Kafka client: %w", err)}
	}
	defer admin.Close()
	// A consumer would wait for the brokers and for missing topics without a word.
	asking, cancel := context.WithTimeout(ctx, lookTimeout)
	ids, err := topicIDsOf(asking, admin, o.topics())
	cancel()
	if err != nil {
		return err
	}
	s := &session{w: w, admin: admin, topicIDs: ids, expected: map[partition]int64{}}
	opts := append(readerOptions(o),
		kgo.ConsumeTopics(o.topics()...),
		kgo.ConsumerGroup(o.Group),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.AdjustFetchOffsetsFn(s.assigned),
		kgo.DisableAutoCommit(),
		// After how long another writer takes over from one that was killed.
		kgo.SessionTimeout(10*time.Second),
	)
	if o.Instance != "" {
		opts = append(opts, kgo.InstanceID(o.Instance))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return optionsError{fmt.Errorf("opening the Kafka client: %w", err)}
	}
	s.client = client

	reading, stop := context.WithCancel(ctx)
	fetches := make(chan kgo.Fetches)
	var reader sync.WaitGroup
	reader.Go(func() { read(reading, client, min(o.MaxRows, pollRecords), fetches) })
	defer func() {
		stop()
		client.CloseAllowingRebalance()
		reader.Wait()
	}()
	return s.loop(ctx, fetches, wait)
}

// readerOptions are those of every Kafka client here.
func readerOptions(o Options) []kgo.Opt {
	return append(append([]kgo.Opt{}, o.Kafka...),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // so that progress passes the commit markers, and a gap is a gap
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		// A partition that is assigned while a fetch waits for news of the others
		// is first asked for when that fetch has ended.
		kgo.FetchMaxWait(500*time.Millisecond),
		kgo.FetchMaxBytes(16<<20),
		kgo.FetchMaxPartitionBytes(4<<20),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
	)
}

// read hands over one poll at a time. While nobody takes it, Kafka is read no
// further.
func read(ctx context.Context, client *kgo.Client, most int, out chan<- kgo.Fetches) {
	for {
		f := client.PollRecords(ctx, most)
		if ctx.Err() != nil || f.IsClientClosed() {
			return
		}
		select {
		case out <- f:
		case <-ctx.Done():
			return
		}
	}
}

// loop fills one batch while the one before is being written.
func (s *session) loop(ctx context.Context, fetches <-chan kgo.Fetches, wait *backoff) error {
	var (
		filling = newBatch(&s.w.options, 0)
		written = make(chan *batch, 1)
		busy    bool
		pace    = pace{interval: s.w.options.Interval}
		timer   = time.NewTimer(time.Hour)
	)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer timer.Stop()
	defer s.w.metrics.pending(time.Time{})
	for {
		full := filling.rows() >= s.w.options.MaxRows || filling.bytes >= s.w.options.MaxBytes
		if !busy && len(filling.next) > 0 {
			if left := time.Until(pace.due(filling)); full || left <= 0 {
				pace.flushes(time.Now())
				b := filling
				filling, busy, full = newBatch(&s.w.options, 0), true, false
				go func() {
					if s.flush(ctx, b) {
						// For those who watch the group's lag. Nothing here reads
						// it, so that a lost commit does not matter.
						s.client.CommitOffsets(ctx, b.offsets(), nil)
					}
					written <- b
				}()
			} else {
				timer.Reset(left)
			}
		}
		in := fetches
		if full {
			in = nil
		}
		select {
		case f := <-in:
			if err := s.take(filling, f); err != nil {
				// What is held is read again from the progress of the last flush.
				cancel()
				if busy {
					<-written
				}
				return err
			}
			if filling.since.IsZero() && filling.rows() > 0 {
				filling.since = time.Now()
			}
			wait.reset()
			s.w.kafka.good(s.w.log)
			if !busy {
				s.w.metrics.pending(filling.oldest)
			}
		case b := <-written:
			busy = false
			s.w.metrics.pending(filling.oldest)
			if ctx.Err() != nil {
				s.last(b, filling)
				return nil
			}
		case <-timer.C:
		case <-ctx.Done():
			if busy {
				s.last(<-written, filling)
			} else {
				s.last(filling)
			}
			return nil
		}
	}
}

// take adds what a poll brought. Its error says that this client will not read
// a partition any more.
func (s *session) take(b *batch, f kgo.Fetches) error {
	var broken error
	f.EachError(func(topic string, number int32, err error) {
		var lost *kgo.ErrDataLoss
		var group *kgo.ErrGroupSession
		switch {
		case errors.As(err, &lost), errors.As(err, &group), errors.Is(err, context.Canceled):
			s.w.log.Debug("reading Kafka", "topic", topic, "partition", number, "err", err) // the client goes on by itself
		default:
			broken = fmt.Errorf("reading %s/%d: %w", topic, number, err)
		}
	})
	f.EachTopic(func(t kgo.FetchTopic) {
		for i := range t.Partitions {
			s.follow(t.Topic, &t.Partitions[i])
			for _, r := range t.Partitions[i].Records {
				if err := b.add(r); err != nil {
					s.w.poison(r, err)
				}
			}
		}
	})
	return broken
}

// poison passes by a record that cannot be decoded.
func (w *Writer) poison(r *kgo.Record, err error) {
	w.metrics.poisoned(w.options.Topics, r.Topic)
	w.log.Error("passing by a record that cannot be read", "topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "err", err)
	if w.options.OnPoison != nil {
		w.options.OnPoison(r, err)
	}
}

// flush writes a batch, insert by insert, each until ClickHouse has taken it. It
// reports whether all of it was written before the context ended.
func (s *session) flush(ctx context.Context, b *batch) bool {
	began := time.Now()
	ctx, span := startFlush(ctx, b)
	err := s.write(ctx, b, newBackoff())
	endFlush(span, b, began, err)
	if err != nil {
		return false
	}
	s.w.metrics.flushed(b, began)
	s.w.log.Debug("flushed", "steps", len(b.steps), "hooks", len(b.hooks), "executions", len(b.executions), "took", time.Since(began))
	return true
}

// write does a batch's stages in their order. With a backoff it repeats what
// failed; without one it gives up at the first error.
func (s *session) write(ctx context.Context, b *batch, wait *backoff) error {
	s.mu.Lock()
	stages := b.stages(s.topicIDs)
	s.mu.Unlock()
	for _, st := range stages {
		for {
			err := st.insert(ctx, s.w.options.ClickHouse)
			if err == nil {
				s.w.clickhouse.good(s.w.log)
				s.w.metrics.written(st.table, st.rows)
				break
			}
			if ctx.Err() != nil || wait == nil {
				return err
			}
			s.w.metrics.failures.Inc()
			s.w.clickhouse.bad(s.w.log, err)
			if !wait.sleep(ctx) {
				return err
			}
		}
		if wait != nil {
			wait.reset()
		}
	}
	return nil
}

// last writes what is held when the context has ended, if ClickHouse takes it
// at once. What it does not take is read again by whoever comes next.
func (s *session) last(batches ...*batch) {
	ctx, cancel := context.WithTimeout(context.Background(), lastFlush)
	defer cancel()
	for _, b := range batches {
		if len(b.next) == 0 {
			continue
		}
		if err := s.write(ctx, b, nil); err != nil {
			s.w.log.Debug("leaving the rest to the next start", "err", err)
			return
		}
		s.client.CommitOffsetsSync(ctx, b.offsets(), nil)
	}
}

// outage logs a change between good and bad once.
type outage struct {
	what string

	mu   sync.Mutex
	down bool
}

func (o *outage) bad(log *slog.Logger, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.down {
		o.down = true
		log.Warn("waiting for "+o.what+", then catching up", "err", err)
	}
}

func (o *outage) good(log *slog.Logger) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.down {
		o.down = false
		log.Info(o.what + " is back")
	}
}

// backoff is a wait that doubles from 100 ms to 5 s, with jitter.
type backoff struct{ next time.Duration }

const firstWait, longestWait = 100 * time.Millisecond, 5 * time.Second

func newBackoff() *backoff { return &backoff{firstWait} }

func (b *backoff) reset() { b.next = firstWait }

// sleep waits, and reports whether the context is still alive.
func (b *backoff) sleep(ctx context.Context) bool {
	timer := time.NewTimer(b.next/2 + rand.N(b.next/2))
	defer timer.Stop()
	b.next = min(2*b.next, longestWait)
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
