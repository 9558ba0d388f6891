package run

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/connectors"
	"sluice/schemas"
)

// many appends n hooks of a flow at once.
func (r *rig) many(flow, body string, n int) []schemas.ExecutionID {
	r.t.Helper()
	ids := make([]schemas.ExecutionID, n)
	batch := make([]*kgo.Record, n)
	for i := range ids {
		now := time.Now()
		h := schemas.Hook{
			ID: schemas.NewExecutionID(now, schemas.PartitionOf(flow, rigPartitions)), Kind: schemas.KindHook, Flow: flow,
			Time: now, Method: "POST", Path: "/hook/" + flow, ContentType: "application/json", Body: []byte(body),
			Control: r.catalog.Offset(),
		}
		record, err := h.Record()
		if err != nil {
			r.t.Fatal(err)
		}
		record.Topic = schemas.DefaultTopics.Hooks()
		ids[i], batch[i] = h.ID, record
	}
	if err := r.client.ProduceSync(r.t.Context(), batch...).FirstErr(); err != nil {
		r.t.Fatal(err)
	}
	return ids
}

// gauge is a metric's value.
func gauge(m prometheus.Collector) int {
	registry := prometheus.NewRegistry()
	registry.MustRegister(m)
	families, err := registry.Gather()
	if err != nil || len(families) != 1 || len(families[0].GetMetric()) != 1 {
		return -1
	}
	v := families[0].GetMetric()[0]
	return int(v.GetGauge().GetValue() + v.GetCounter().GetValue())
}

func within(t *testing.T, limit time.Duration, what string, cond func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !cond() {
		if time.Since(began) > limit {
			t.Fatalf("waited %v in vain until %s", limit, what)
		}
		time.Sleep(2 * time.Millisecond) // the metric has no signal
	}
	return time.Since(began)
}

// inUse is the memory in use after a collection.
func inUse() int {
	runtime.GC()
	runtime.GC() // what finalizers let go of
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// 50,000 waits on one partition; a million are measured by deploy/bench.
func TestManyWaitsTakeLittleMemoryAndAreTakenOverSoon(t *testing.T) {
	// Each, in bytes, beside the buffers of what is in flight. As whole objects
	// they took 2,400.
	const n, most, buffers = 50_000, 300, 16 << 20
	r := newRig(t)
	r.publish("pets", `"concurrency":500,"steps":[{"id":"answer","uses":"webhook/wait","input":{"timeout":"1h"}},{"id":"tell","uses":"test/effect","input":"=steps.answer.body"}]`)
	options := r.options("a")
	options.restBytes = 1 << 20
	without := inUse()
	first := New(options)
	stop := r.startRunner(first)
	r.send("none", `{}`) // to the dead letters, when it works
	within(t, time.Minute, "it works", func() bool { return gauge(first.metrics.deadletters) == 1 })
	idle := inUse() - without
	ids := r.many("pets", `{"n":1}`, n)
	within(t, 2*time.Minute, "all wait", func() bool {
		return gauge(first.metrics.open) == n && gauge(first.metrics.active) == 0
	})
	stop()

	before := inUse()
	second := New(options)
	defer r.startRunner(second)()
	took := within(t, time.Minute, "they are taken over", func() bool { return gauge(second.metrics.open) == n })
	each := 0
	for i := range 20 { // what is in flight at one instant is not what a wait takes
		if now := (inUse() - before - idle - buffers) / n; i == 0 || now < each {
			each = now
		}
		if each <= most {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Logf("%d waits taken over in %v, %d bytes each beside the buffers; an idle runner takes %d", n, took.Round(time.Millisecond), each, idle)
	if each > most {
		t.Errorf("a wait takes %d bytes, want %d at most", each, most)
	}
	if limit := 60 * time.Second * n / 1_000_000; took > limit {
		t.Errorf("the takeover took %v, want %v at most", took, limit)
	}

	for i := range 90 { // from all over
		id := ids[i*n/90]
		h := &schemas.Hook{ID: id, Kind: schemas.KindCallback, Flow: "pets", Time: time.Now(), Step: "answer", Method: "POST", ContentType: "application/json", Body: []byte(`{"ok":true}`)}
		if i%3 == 0 {
			h = &schemas.Hook{ID: id, Kind: schemas.KindCancel, Flow: "pets", Time: time.Now()}
		}
		r.append(h)
	}
	ended := func(status string) int { return gauge(second.metrics.executions.WithLabelValues(status)) }
	within(t, 2*time.Minute, "those that were called or cancelled have ended", func() bool { return ended("succeeded") == 60 && ended("cancelled") == 30 })
	if open := gauge(second.metrics.open); open != n-90 {
		t.Errorf("%d are open, want %d", open, n-90)
	}
}

// One flow's destination hangs with thousands of hooks queued; the calls of the
// flows beside it come as soon as before. deploy/bench has 100,000.
func TestFlowsBesideOneThatHangsStartAsSoon(t *testing.T) {
	const queued, flows, hooks = 10_000, 20, 300
	r := newRig(t)
	for i := range flows {
		r.publish(fmt.Sprint("healthy", i), `"steps":[{"id":"call","uses":"test/effect","input":{"at":"=body.at"}}]`)
	}
	r.publish("hangs", `"steps":[{"id":"call","uses":"test/effect","input":"hang"}]`)
	var mu sync.Mutex
	var late []time.Duration
	r.do = func(ctx context.Context, call connectors.Call) (connectors.Result, error) {
		if string(call.Input) == `"hang"` {
			<-ctx.Done()
			return connectors.Result{}, connectors.AsError(ctx.Err())
		}
		var in struct{ At string }
		if err := json.Unmarshal(call.Input, &in); err != nil {
			return connectors.Result{}, err
		}
		at, err := time.Parse(time.RFC3339Nano, in.At)
		mu.Lock()
		late = append(late, time.Since(at))
		mu.Unlock()
		return connectors.Result{Output: call.Input, HTTPStatus: 200}, err
	}
	runner := New(r.options("a"))
	r.startRunner(runner)
	measure := func() time.Duration {
		t.Helper()
		mu.Lock()
		late = nil
		mu.Unlock()
		count := func() int {
			mu.Lock()
			defer mu.Unlock()
			return len(late)
		}
		for i := range hooks {
			r.send(fmt.Sprint("healthy", i%flows), fmt.Sprintf(`{"at":%q}`, time.Now().Format(time.RFC3339Nano)))
		}
		within(t, time.Minute, "all calls came", func() bool { return count() == hooks })
		slices.Sort(late)
		return late[hooks*99/100]
	}
	measure() // to get warm
	quiet := measure()
	before := inUse()
	r.many("hangs", `{}`, queued)
	within(t, time.Minute, "all are queued", func() bool { return gauge(runner.metrics.open) >= queued })
	beside := measure()
	grown := inUse() - before
	t.Logf("p99 %v, and %v beside the flow that hangs; %d MB more in use, the broker's included", quiet, beside, grown>>20)
	// The slack is for a machine that does something else as well.
	if limit := 2*quiet + 50*time.Millisecond; beside > limit {
		t.Errorf("the calls come %v late at p99, want %v at most", beside, limit)
	}
	if limit := (defaultRestBytes + 32<<20) * 2; grown > limit {
		t.Errorf("%d MB more are in use, want %d at most", grown>>20, limit>>20)
	}
}
