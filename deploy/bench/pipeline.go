package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/connectors"
	"sluice/connectors/all"
	"sluice/connectors/mapping"
	"sluice/connectors/outgoing"
	"sluice/deploy/bench/load"
	"sluice/processors/run"
	"sluice/schemas"
)

// destination counts calls.
type destination struct {
	url   string
	calls atomic.Int64
	stop  func()
}

func newDestination() (*destination, error) {
	d := &destination{}
	url, stop, err := startHandler(func(c *fiber.Ctx) error {
		d.calls.Add(1)
		c.Set("Content-Type", "application/json")
		return c.SendString(`{"ok":true}`)
	})
	d.url, d.stop = url, stop
	return d, err
}

// until waits for n calls, and says how long it took since began.
func (d *destination) until(ctx context.Context, n int64, began time.Time) (time.Duration, error) {
	for d.calls.Load() < n {
		if time.Since(began) > 2*time.Minute || ctx.Err() != nil {
			return 0, fmt.Errorf("%d of %d calls came within %v", d.calls.Load(), n, time.Since(began).Round(time.Second))
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(began), nil
}

// pipelines measures hook → map → HTTP call, against a bare pipeline of the
// same parts without any of Sluice's guarantees.
func pipelines(ctx context.Context, s settings) ([]line, error) {
	var lines []line
	for _, start := range []func() (*broker, error){embedded, apache} {
		b, err := start()
		if err != nil {
			return nil, err
		}
		measured, err := pipelinesOn(ctx, s, b)
		b.close()
		if err != nil {
			return nil, err
		}
		lines = append(lines, measured...)
	}
	return lines, nil
}

func pipelinesOn(ctx context.Context, s settings, b *broker) ([]line, error) {
	d, err := newDestination()
	if err != nil {
		return nil, err
	}
	defer d.stop()
	documents := map[string]string{}
	flows := make([]string, partitions) // a flow for each partition, or nearly
	for i := range flows {
		flows[i] = fmt.Sprint("flow", i)
		documents[flows[i]] = fmt.Sprintf(`{"kind":"Flow","id":%q,"concurrency":200,"dedupe":{"key":"=headers.\"x-delivery\""},"trigger":{"uses":"webhook/receive"},"steps":[
			{"id":"map","uses":"mapper/map","input":{"id":"=body.id","size":"=$length(body.text)"}},
			{"id":"call","uses":"webhook/send","input":{"url":%q,"body":"=steps.map"}}]}`, flows[i], d.url+"/")
	}
	c, err := newCatalog(documents)
	if err != nil {
		return nil, err
	}
	set, err := all.New()
	if err != nil {
		return nil, err
	}
	edge, stopEdge, err := startEdge(b, c)
	if err != nil {
		return nil, err
	}
	defer stopEdge()
	runCtx, stopRun := context.WithCancel(context.Background())
	runner := run.New(run.Options{Kafka: b.kafka, Topics: schemas.DefaultTopics, Instance: "bench", Catalog: c, Components: set,
		Mapping: mapping.New(mapping.Limits{}), Logger: slog.New(slog.DiscardHandler),
		Env: connectors.Env{HTTP: outgoing.New(outgoing.Options{AllowLoopback: true})}})
	done := make(chan error, 1)
	go func() { done <- runner.Run(runCtx) }()
	defer func() { stopRun(); <-done }()

	bare, stopBare, err := startBare(b, d.url)
	if err != nil {
		return nil, err
	}
	defer stopBare()

	measure := func(url func(flow string) string, hooks int) (float64, error) {
		before := d.calls.Load()
		began := time.Now()
		var wg sync.WaitGroup
		errs := make(chan error, len(flows))
		for _, f := range flows {
			wg.Go(func() {
				r, err := load.Count(load.Target{URL: url(f), Body: kilobyte, Header: map[string]string{"Content-Type": "application/json"}, Numbered: "X-Delivery"}, 8, hooks/len(flows))
				if err == nil && r.Failed > 0 {
					err = fmt.Errorf("%d hooks failed", r.Failed)
				}
				errs <- err
			})
		}
		wg.Wait()
		for range flows {
			if err := <-errs; err != nil {
				return 0, err
			}
		}
		n := int64(hooks / len(flows) * len(flows))
		took, err := d.until(ctx, before+n, began)
		return float64(n) / took.Seconds(), err
	}
	var ours, theirs []float64
	for round := -1; round < s.rounds; round++ {
		hooks := s.hooks
		if round < 0 {
			hooks = s.hooks / 4
		}
		a, err := measure(func(f string) string { return edge + "/hook/" + f }, hooks)
		if err != nil {
			return nil, err
		}
		z, err := measure(func(f string) string { return bare + "/" + f }, hooks)
		if err != nil {
			return nil, err
		}
		if round >= 0 {
			ours, theirs = append(ours, a), append(theirs, z)
		}
	}
	return []line{pair("hook → map → HTTP call, deduped, on "+b.name, "executions/s", ours, "a bare Go pipeline", theirs)}, nil
}

// startBare is the same work by hand: Fiber and produce; consume, the same
// call, produce one event. No state, no retries, no run log.
func startBare(b *broker, destination string) (url string, stop func(), err error) {
	producer, err := producerOf(b)
	if err != nil {
		return "", nil, err
	}
	topic := schemas.DefaultTopics.Replays() // has nothing else here
	consumer, err := kgo.NewClient(append(append([]kgo.Opt{}, b.kafka...), kgo.ConsumeTopics(topic), kgo.ConsumerGroup("bare"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(500*time.Millisecond))...)
	if err != nil {
		producer.Close()
		return "", nil, err
	}
	url, stopHandler, err := startHandler(func(c *fiber.Ctx) error {
		flow := string(c.Body()[:0]) + c.Path()[1:]
		record := &kgo.Record{Topic: topic, Partition: schemas.PartitionOf(flow, partitions), Key: []byte(flow), Value: append([]byte(nil), c.Body()...)}
		if err := producer.ProduceSync(c.Context(), record).FirstErr(); err != nil {
			return err
		}
		return c.Send(thanks)
	})
	if err != nil {
		producer.Close()
		consumer.Close()
		return "", nil, err
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256, DialContext: (&net.Dialer{}).DialContext}}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		slots := make(chan struct{}, 200)
		for ctx.Err() == nil {
			fetches := consumer.PollRecords(ctx, 2000)
			fetches.EachRecord(func(r *kgo.Record) {
				slots <- struct{}{}
				wg.Go(func() {
					defer func() { <-slots }()
					call(client, destination, r.Value)
					producer.Produce(ctx, &kgo.Record{Topic: schemas.DefaultTopics.Deadletters(), Partition: r.Partition, Key: r.Key, Value: r.Value}, nil)
				})
			})
		}
	})
	return url, func() {
		stopHandler()
		cancel()
		wg.Wait()
		consumer.Close()
		producer.Close()
	}, nil
}

func call(client *http.Client, url string, event []byte) {
	scope, err := mapping.Decode(event)
	if err != nil {
		return
	}
	object := scope.(*mapping.Object)
	id, _ := object.Get("id")
	text, _ := object.Get("text")
	body := fmt.Appendf(nil, `{"id":%s,"size":%d}`, id, len(text.(string)))
	resp, err := client.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		return
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
}
