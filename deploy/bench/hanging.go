package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
)

// hanging measures what a flow with a hanging destination and 100,000 queued
// hooks does to 100 healthy flows beside it: how long after its hook a step's
// call arrives, before and while; and what the runner takes of memory.
const (
	hangingQueued  = 100_000
	hangingBeside  = 100 // healthy flows
	hangingRate    = 200 // of their hooks together, a second
	hangingGrowsBy = 200 // MB at most
)

// arrivals are how late calls came after their hooks.
type arrivals struct {
	mu   sync.Mutex
	late []time.Duration
}

func (a *arrivals) take() []time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	late := a.late
	a.late = nil
	return late
}

func hangings(ctx context.Context, s settings) ([]line, error) {
	var seen arrivals
	gone := make(chan struct{})
	url, stop, err := startHandler(func(c *fiber.Ctx) error {
		if c.Path() == "/hang" {
			select {
			case <-gone:
			case <-time.After(time.Minute):
			}
			return nil
		}
		var in struct{ At int64 }
		if json.Unmarshal(c.Body(), &in) == nil {
			seen.mu.Lock()
			seen.late = append(seen.late, time.Since(time.Unix(0, in.At)))
			seen.mu.Unlock()
		}
		c.Set("Content-Type", "application/json")
		return c.SendString(`{}`)
	})
	if err != nil {
		return nil, err
	}
	defer stop()
	defer close(gone)
	b, err := apache()
	if err != nil {
		return nil, err
	}
	defer b.close()
	documents := waitFlows()
	call := func(id, path string) {
		documents[id] = fmt.Sprintf(`{"kind":"Flow","id":%q,"trigger":{"uses":"webhook/receive"},"steps":[
			{"id":"call","uses":"webhook/send","input":{"url":%q,"body":"=body"},"timeout":"10s"}]}`, id, url+path)
	}
	call("hang", "/hang")
	healthy := make([]string, hangingBeside)
	for i := range healthy {
		healthy[i] = fmt.Sprint("healthy", i)
		call(healthy[i], "/")
	}
	r, err := startRunner(b, documents)
	if err != nil {
		return nil, err
	}
	defer func() { r.kill() }()
	if err := r.probe(ctx, b); err != nil {
		return nil, err
	}
	measure := func() ([]time.Duration, error) {
		for range 2 { // the first is to get warm
			seen.take()
			n := int(5*s.slice.Seconds()) * hangingRate
			if err := steadily(ctx, b, healthy, n); err != nil {
				return nil, err
			}
			time.Sleep(2 * time.Second)
		}
		return seen.take(), nil
	}
	quiet, err := measure()
	if err != nil {
		return nil, err
	}
	idle, err := r.residentAfterGC()
	if err != nil {
		return nil, err
	}
	if _, err := preloadHooks(ctx, b, []string{"hang"}, hangingQueued); err != nil {
		return nil, err
	}
	if err := r.until(ctx, 5*time.Minute, "all are queued", func(s standing) bool { return s.Open >= hangingQueued }); err != nil {
		return nil, err
	}
	r.peak = 0
	beside, err := measure()
	if err != nil {
		return nil, err
	}
	_ = r.until(ctx, time.Second, "", func(standing) bool { return true }) // for its peak
	peak := r.peak
	after, err := r.residentAfterGC()
	if err != nil {
		return nil, err
	}
	if len(quiet) == 0 || len(beside) == 0 {
		return nil, fmt.Errorf("%d calls came in quiet, and %d beside the flow that hangs", len(quiet), len(beside))
	}
	slices.Sort(quiet)
	slices.Sort(beside)
	p99 := func(l []time.Duration) []float64 { return []float64{millis(l[len(l)*99/100])} }
	const what = "100 flows beside one that hangs with 100,000 queued: "
	return []line{
		pair(what+"hook to call, p99", "ms", p99(beside), "without it", p99(quiet)),
		pair(what+"resident, growth after a GC", "MB", []float64{after - idle}, "at most", []float64{hangingGrowsBy}),
		pair(what+"resident, growth at most", "MB", []float64{peak - idle}, "at most", []float64{hangingGrowsBy}),
	}, nil
}

// steadily appends n hooks of flows in turns, at an even rate.
func steadily(ctx context.Context, b *broker, flows []string, n int) error {
	producer, err := producerOf(b)
	if err != nil {
		return err
	}
	defer producer.Close()
	began := time.Now()
	for i := range n {
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / hangingRate)))
		now := time.Now()
		flow := flows[i%len(flows)]
		h := schemas.Hook{ID: schemas.NewExecutionID(now, schemas.PartitionOf(flow, partitions)), Kind: schemas.KindHook, Flow: flow, Time: now,
			Method: "POST", ContentType: "application/json", Body: fmt.Appendf(nil, `{"At":%d}`, now.UnixNano())}
		r, err := h.Record()
		if err != nil {
			return err
		}
		r.Topic = schemas.DefaultTopics.Hooks()
		producer.Produce(ctx, r, func(*kgo.Record, error) {})
	}
	return producer.Flush(ctx)
}
