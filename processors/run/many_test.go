package run

import (
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

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
