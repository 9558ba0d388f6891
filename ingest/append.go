package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
)

// recordOverhead is room in a record for all that is not the body.
const recordOverhead = 128 << 10

// answerMargin is what a sender waits longer than DeliveryTimeout for a broker
// that says nothing at all.
const answerMargin = 200 * time.Millisecond

// probeEvery is how often a hook may try a partition that did not answer.
const probeEvery = 250 * time.Millisecond

// producer appends hooks to Kafka and knows which partitions cannot be
// appended to.
//
// After a delivery has failed, its partition's breaker is open: hooks are
// refused at once, except that every 250 ms one of them is let through and
// tries. The first that is acknowledged closes the breaker. A breaker is one
// partition's, so that a lost leader refuses only its own flows.
//
// A hook that is answered with 503 because Kafka said nothing in time is not
// tried again; but a broker that took it and could not say so has it all the
// same. Then it is executed although its sender was told to come again: at
// least once, never lost. A flow's dedupe is the remedy.
type producer struct {
	client     *kgo.Client
	topic      string
	patience   time.Duration
	breakers   []breaker
	deliveries sync.Pool
	log        *slog.Logger

	clock atomic.Int64 // Unix nanoseconds, every watchEvery
	mu    sync.Mutex
	all   []weak.Pointer[delivery] // that the pool has made
}

// breaker of one partition: 0 is closed; otherwise the time (Unix
// nanoseconds) when the next hook may try.
type breaker struct{ tryAt atomic.Int64 }

func newProducer(o *Options) (*producer, error) {
	client, err := kgo.NewClient(append(append([]kgo.Opt{}, o.Kafka...),
		kgo.RequiredAcks(kgo.AllISRAcks()), // idempotent, by franz-go's default
		kgo.ProducerLinger(0),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(schemas.MaxRecordBytes),
		kgo.MaxBufferedRecords(o.MaxBufferedRecords),
		kgo.MaxBufferedBytes(o.MaxBufferedBytes),
		kgo.RecordDeliveryTimeout(o.DeliveryTimeout),
		// Without this a record that was sent once is tried until it succeeds,
		// long after its sender had a 503.
		kgo.AllowIdempotentProduceCancellation(),
		kgo.ProduceRequestTimeout(o.DeliveryTimeout),
		kgo.RequestTimeoutOverhead(2*time.Second),
		kgo.DialTimeout(2*time.Second),
		kgo.RetryBackoffFn(func(tries int) time.Duration { return min(time.Duration(tries)*50*time.Millisecond, probeEvery) }),
		kgo.MetadataMinAge(probeEvery),
	)...)
	if err != nil {
		return nil, fmt.Errorf("configuring the edge's Kafka client: %w", err)
	}
	p := &producer{
		client:   client,
		topic:    o.Topics.Hooks(),
		patience: o.DeliveryTimeout + answerMargin,
		breakers: make([]breaker, o.Partitions),
		log:      o.Logger,
	}
	p.clock.Store(time.Now().UnixNano())
	p.deliveries.New = func() any { return p.newDelivery() }
	return p, nil
}

// delivery is a hook's record on its way, in memory that is used again. It
// goes back to the pool only when no one else can hold it: when it was never
// given to Kafka's client, or when Kafka has acknowledged it.
type delivery struct {
	record  kgo.Record
	headers []kgo.RecordHeader
	body    []byte
	text    []byte   // of the headers' values
	list    []header // of the request
	names   []byte   // of list

	outcome chan error // holds one, so that nobody waits for a sender that left
	// due is when the watcher gives up on Kafka's client, 0 when nobody waits.
	// A timer of its own for each delivery took a fiftieth of the edge's time.
	due     atomic.Int64
	promise func(*kgo.Record, error)
	lent    bool // to Kafka's client
}

// maxKept is the largest body whose memory is used again.
const maxKept = 64 << 10

func (p *producer) delivery() *delivery { return p.deliveries.Get().(*delivery) }

// release takes a delivery back, if nobody else can hold it.
func (p *producer) release(d *delivery) {
	if d == nil || d.lent {
		return
	}
	if cap(d.body) > maxKept {
		d.body = nil
	}
	if cap(d.text) > maxKept {
		d.text = nil
	}
	p.deliveries.Put(d)
}

func (p *producer) newDelivery() *delivery {
	d := &delivery{outcome: make(chan error, 1)}
	d.promise = func(r *kgo.Record, err error) {
		if err == nil {
			p.close(r.Partition)
		}
		d.outcome <- err
	}
	p.mu.Lock()
	p.all = append(p.all, weak.Make(d))
	p.mu.Unlock()
	return d
}

// errSilent ends the wait for a broker that says nothing at all.
var errSilent = errors.New("no answer from Kafka in time")

// watch gives up on deliveries that take too long, until done is closed.
func (p *producer) watch(done <-chan struct{}) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			p.clock.Store(now.UnixNano())
			p.expire(now.UnixNano())
		case <-done:
			return
		}
	}
}

func (p *producer) expire(now int64) {
	p.mu.Lock()
	p.all = slices.DeleteFunc(p.all, func(w weak.Pointer[delivery]) bool { return w.Value() == nil })
	all := slices.Clone(p.all)
	p.mu.Unlock()
	for _, w := range all {
		d := w.Value()
		if d == nil {
			continue
		}
		// Whoever takes due away decides: after the watcher did, one errSilent
		// comes, and wait receives it, whatever else it received before.
		if due := d.due.Load(); due != 0 && now >= due && d.due.CompareAndSwap(due, 0) {
			d.outcome <- errSilent
		}
	}
}

// wait is what became of a delivery that was given to Kafka's client.
func (d *delivery) wait() error {
	err := <-d.outcome
	if err != errSilent && d.due.Swap(0) == 0 {
		<-d.outcome
	}
	return err
}

// append gives a delivery's record to Kafka. Nil: every in-sync replica has it.
func (p *producer) append(d *delivery) *refusal {
	partition := d.record.Partition
	if !p.mayTry(partition) {
		return unavailable
	}
	d.record.Topic = p.topic
	d.lent = true
	d.due.Store(p.clock.Load() + int64(p.patience))
	p.client.TryProduce(context.Background(), &d.record, d.promise)
	err := d.wait()
	d.lent = err != nil
	return p.outcome(partition, err)
}

func (p *producer) outcome(partition int32, err error) *refusal {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kgo.ErrMaxBuffered):
		return buffersFull
	case errors.Is(err, kerr.MessageTooLarge):
		return tooLargeForKafka
	}
	p.open(partition, err)
	return unavailable
}

func (p *producer) mayTry(partition int32) bool {
	b := &p.breakers[partition]
	at := b.tryAt.Load()
	if at == 0 {
		return true
	}
	now := time.Now()
	// Whoever moves the time on is the one that tries.
	return now.UnixNano() >= at && b.tryAt.CompareAndSwap(at, now.Add(probeEvery).UnixNano())
}

func (p *producer) open(partition int32, err error) {
	if p.breakers[partition].tryAt.Swap(time.Now().Add(probeEvery).UnixNano()) == 0 {
		p.log.Warn("appending hooks: Kafka does not take them, senders get 503", "topic", p.topic, "partition", partition, "error", err)
	}
}

func (p *producer) close(partition int32) {
	if b := &p.breakers[partition]; b.tryAt.Load() != 0 && b.tryAt.Swap(0) != 0 {
		p.log.Info("appending hooks: Kafka takes them again", "topic", p.topic, "partition", partition)
	}
}

// refusing counts the partitions that hooks cannot be appended to.
func (p *producer) refusing() int {
	n := 0
	for i := range p.breakers {
		if p.breakers[i].tryAt.Load() != 0 {
			n++
		}
	}
	return n
}
