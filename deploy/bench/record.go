package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/connectors"
	"sluice/connectors/all"
	"sluice/connectors/mapping"
	"sluice/connectors/outgoing"
	"sluice/processors/run"
	"sluice/schemas"
)

// recordPaths measures the record path on both brokers.
func recordPaths(ctx context.Context, s settings) ([]line, error) {
	var lines []line
	for _, start := range []func() (*broker, error){embedded, apache} {
		b, err := start()
		if err != nil {
			return nil, err
		}
		measured, err := recordPathOn(ctx, s, b)
		b.close()
		if err != nil {
			return nil, err
		}
		lines = append(lines, measured...)
	}
	return lines, nil
}

// recordPathOn measures hook → map → end, with nothing that waits: what it
// costs to record. The hooks are there before the clock starts. The reference
// is a loop that reads the same hooks and writes three records for each, in
// transactions with the offsets.
func recordPathOn(ctx context.Context, s settings, b *broker) ([]line, error) {
	documents := map[string]string{}
	flows := make([]string, partitions)
	for i := range flows {
		flows[i] = fmt.Sprint("record", i)
		documents[flows[i]] = fmt.Sprintf(`{"kind":"Flow","id":%q,"concurrency":500,"dedupe":{"key":"=headers.\"x-delivery\""},"trigger":{"uses":"webhook/receive"},"steps":[
			{"id":"map","uses":"mapper/map","input":{"id":"=body.id","size":"=$length(body.text)"}}]}`, flows[i])
	}
	c, err := newCatalog(documents)
	if err != nil {
		return nil, err
	}
	set, err := all.New()
	if err != nil {
		return nil, err
	}
	n := 10 * max(s.hooks, 20_000) // many transactions, and many fetches
	ours := func() (float64, float64, error) {
		if err := preload(ctx, b, schemas.DefaultTopics.Hooks(), flows, n); err != nil {
			return 0, 0, err
		}
		registry := prometheus.NewRegistry()
		runner := run.New(run.Options{Kafka: b.kafka, Topics: schemas.DefaultTopics, Instance: "record", Catalog: c, Components: set,
			Mapping: mapping.New(mapping.Limits{}), Logger: slog.New(slog.DiscardHandler), Registry: registry,
			Env: connectors.Env{HTTP: outgoing.New(outgoing.Options{AllowLoopback: true})}})
		runCtx, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- runner.Run(runCtx) }()
		defer func() { stop(); <-done }()
		return clocked(ctx, n, func() (int, error) { return ended(registry) })
	}
	theirs := func() (float64, float64, error) {
		if err := preload(ctx, b, schemas.DefaultTopics.Replays(), flows, n); err != nil {
			return 0, 0, err
		}
		return threeRecords(ctx, b, n)
	}
	var a, z, aCPU, zCPU []float64
	for round := range s.rounds {
		x, xCPU, err := ours()
		if err != nil {
			return nil, fmt.Errorf("round %d: %w", round, err)
		}
		y, yCPU, err := theirs()
		if err != nil {
			return nil, fmt.Errorf("round %d of the reference: %w", round, err)
		}
		a, z, aCPU, zCPU = append(a, x), append(z, y), append(aCPU, xCPU), append(zCPU, yCPU)
	}
	const reference = "a bare loop, 3 records in a transaction"
	lines := []line{pair("hook → map → end, deduped, on "+b.name, "executions/s", a, reference, z)}
	if b.apart {
		lines = append(lines, pair("hook → map → end, CPU of the runner", "µs", aCPU, reference, zCPU))
	}
	return lines, nil
}

// preload appends n hooks of 1 KB, of all flows in turns.
func preload(ctx context.Context, b *broker, topic string, flows []string, n int) error {
	producer, err := producerOf(b)
	if err != nil {
		return err
	}
	defer producer.Close()
	failed := make(chan error, 1)
	random := rand.New(rand.NewPCG(uint64(n), 0)) // the same each time
	for i := range n {
		flow, now := flows[i%len(flows)], time.Now()
		h := schemas.Hook{ID: schemas.NewExecutionID(now, schemas.PartitionOf(flow, partitions)), Kind: schemas.KindHook, Flow: flow, Time: now,
			Method: "POST", Path: "/hook/" + flow, ContentType: "application/json", Body: bodyOf(i, random),
			Headers: map[string]string{"x-delivery": fmt.Sprint(now.UnixNano(), "-", i)}}
		r, err := h.Record()
		if err != nil {
			return err
		}
		r.Topic = topic
		producer.Produce(ctx, r, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	if err := producer.Flush(ctx); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// bodyOf is a body of 1 KB that is no other's: what is always the same, Kafka's
// clients compress to nothing.
func bodyOf(i int, random *rand.Rand) []byte {
	body := fmt.Appendf(make([]byte, 0, 1024), `{"id":%d,"text":"`, i)
	for len(body) < 1000 {
		for bits := random.Uint64(); bits > 0; bits >>= 6 {
			body = append(body, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"[bits&63])
		}
	}
	return append(body, `"}`...)
}

// clocked waits until count is n, and says how many a second there were after
// the first twentieth: not the start, but the way. cpu is what this process
// took for one, in µs.
func clocked(ctx context.Context, n int, count func() (int, error)) (rate, cpu float64, err error) {
	var from time.Time
	var used time.Duration
	first := 0
	for began := time.Now(); ; time.Sleep(2 * time.Millisecond) {
		have, err := count()
		if err != nil {
			return 0, 0, err
		}
		if from.IsZero() && have >= n/20 {
			from, first, used = time.Now(), have, processCPU()
		}
		if have >= n {
			done := float64(have - first)
			return done / time.Since(from).Seconds(), float64((processCPU() - used).Microseconds()) / done, nil
		}
		if time.Since(began) > 2*time.Minute || ctx.Err() != nil {
			return 0, 0, fmt.Errorf("%d of %d were done within %v", have, n, time.Since(began).Round(time.Second))
		}
	}
}

// processCPU is the CPU time that this process has taken.
func processCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// ended is how many executions the runner's own metric counts.
func ended(registry *prometheus.Registry) (int, error) {
	families, err := registry.Gather()
	if err != nil {
		return 0, err
	}
	n := 0
	for _, f := range families {
		if f.GetName() == "sluice_run_executions_total" {
			for _, m := range f.GetMetric() {
				n += int(m.GetCounter().GetValue())
			}
		}
	}
	return n, nil
}

// threeRecords is the bare loop: it reads committed hooks, writes three records
// for each on their partition, and commits them with the offsets every 50 ms.
// They have the sizes of ours: what happened, a delivery to remember, and a
// tombstone. It fetches as much at once as ours: what is in memory when the
// clock starts is not counted.
func threeRecords(ctx context.Context, b *broker, n int) (rate, cpu float64, err error) {
	session, err := kgo.NewGroupTransactSession(append(append([]kgo.Opt{}, b.kafka...), kgo.ConsumeTopics(schemas.DefaultTopics.Replays()),
		kgo.ConsumerGroup("three"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.TransactionalID("three"),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxBytes(16<<20), kgo.ProducerLinger(0),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		return 0, 0, err
	}
	defer session.Close()
	have := 0
	return clocked(ctx, n, func() (int, error) {
		pollCtx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		fetches := session.PollRecords(pollCtx, 2000)
		if fetches.NumRecords() == 0 {
			return have, nil
		}
		if err := session.Begin(); err != nil {
			return have, err
		}
		polled := 0
		for until := time.Now().Add(50 * time.Millisecond); ; {
			fetches.EachRecord(func(r *kgo.Record) {
				id := r.Headers[1].Value // ce_id, as text: no two are alike, as in ours
				event := append(append(append(make([]byte, 0, eventBytes), id...), r.Value[:32]...), eventText...)
				session.Produce(ctx, &kgo.Record{Topic: schemas.DefaultTopics.Deadletters(), Partition: r.Partition, Key: r.Key, Value: event}, nil)
				session.Produce(ctx, &kgo.Record{Topic: schemas.DefaultTopics.Captures(), Partition: r.Partition, Key: slices.Concat(r.Key, id[:16]), Value: id[:24]}, nil)
				session.Produce(ctx, &kgo.Record{Topic: schemas.DefaultTopics.Replies(), Partition: r.Partition, Key: id[20:]}, nil)
			})
			polled += fetches.NumRecords()
			left := time.Until(until)
			if left <= 0 || have+polled >= n {
				break
			}
			pollCtx, cancel := context.WithTimeout(ctx, left)
			fetches = session.PollRecords(pollCtx, 2000)
			cancel()
		}
		committed, err := session.End(ctx, kgo.TryCommit)
		if err != nil {
			return have, err
		}
		if committed {
			have += polled
		}
		return have, nil
	})
}

// eventBytes is the size of the record of an execution with one step, and
// eventText the part of it that is the same in each.
const eventBytes = 250

var eventText = bytes.Repeat([]byte("a step, what it uses, and so on; "), 6)[:eventBytes-36-32]
