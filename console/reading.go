package console

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	joinTimeout = 10 * time.Second
	// lingering is how long Kafka is read on after the last one has left: whoever
	// changes a filter leaves and comes back.
	lingering = 5 * time.Second
)

// reading is Kafka read for all who want to know: it begins with the first of
// them, from the present end, and ends some time after the last has left.
type reading struct {
	kafka   []kgo.Opt
	topics  []string
	each    func(context.Context, *kgo.Record)
	log     *slog.Logger
	lingers time.Duration

	mu      sync.Mutex
	members int
	run     *readingRun // nil while nothing is read
}

type readingRun struct {
	stop  context.CancelFunc
	ready chan struct{} // closed once every later commit will be handed over, or err is set
	err   error
}

func newReading(kafka []kgo.Opt, log *slog.Logger, each func(context.Context, *kgo.Record), topics ...string) *reading {
	return &reading{kafka: kafka, topics: topics, each: each, log: log, lingers: lingering}
}

// join returns when whatever is committed from then on will be handed over. What
// it returns is called once, also after an error.
func (r *reading) join(ctx context.Context) (leave func(), err error) {
	r.mu.Lock()
	r.members++
	run := r.run
	if run == nil {
		background, stop := context.WithCancel(context.WithoutCancel(ctx))
		run = &readingRun{stop: stop, ready: make(chan struct{})}
		r.run = run
		go r.follow(background, run)
	}
	r.mu.Unlock()
	select {
	case <-run.ready:
		err = run.err
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	return r.leave, err
}

func (r *reading) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members--
	run := r.run
	if r.members > 0 || run == nil {
		return
	}
	time.AfterFunc(r.lingers, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.members == 0 && r.run == run {
			run.stop()
			r.run = nil
		}
	})
}

// follow reads until it is stopped. When it cannot begin, the next one who joins
// tries again.
func (r *reading) follow(ctx context.Context, run *readingRun) {
	client, err := r.begin(ctx)
	if err != nil {
		run.err = err
		r.mu.Lock()
		if r.run == run {
			r.run = nil
		}
		r.mu.Unlock()
		run.stop()
		close(run.ready)
		return
	}
	defer client.Close()
	close(run.ready)
	for {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return
		}
		fetches.EachError(func(topic string, _ int32, err error) {
			r.log.Warn("following what happens", "topic", topic, "error", err)
		})
		fetches.EachRecord(func(record *kgo.Record) { r.each(ctx, record) })
	}
}

// begin finds where each partition's committed records end now, and reads from there. From there, and
// not from the very end: a transaction that is still open lies between the two.
func (r *reading) begin(ctx context.Context) (*kgo.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	client, err := kgo.NewClient(append(slices.Clone(r.kafka),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{}),
		kgo.FetchMaxWait(250*time.Millisecond),
	)...)
	if err != nil {
		return nil, fmt.Errorf("configuring the live events' client: %w", err)
	}
	ends, err := kadm.NewClient(client).ListCommittedOffsets(ctx, r.topics...)
	if err == nil {
		err = ends.Error()
	}
	from := map[string]map[int32]kgo.Offset{}
	for _, topic := range r.topics {
		if err == nil && len(ends[topic]) == 0 {
			err = fmt.Errorf("there is no topic %s", topic)
		}
		from[topic] = map[int32]kgo.Offset{}
	}
	if err != nil {
		client.Close()
		return nil, fmt.Errorf("finding where what happens begins: %w", err)
	}
	ends.Each(func(o kadm.ListedOffset) {
		from[o.Topic][o.Partition] = kgo.NewOffset().At(o.Offset)
	})
	client.AddConsumePartitions(from)
	return client, nil
}
