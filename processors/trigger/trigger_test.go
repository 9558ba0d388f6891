package trigger

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/connectors"
	"sluice/connectors/all"
	"sluice/connectors/outgoing"
	"sluice/schemas"
)

// catalog is a control log that the test writes.
type catalog struct {
	flows   []*schemas.FlowEntry
	secret  map[string]string
	changed chan struct{}
}

func (c *catalog) Flows() []*schemas.FlowEntry { return c.flows }
func (c *catalog) Flow(string) *schemas.FlowEntry {
	return c.flows[0]
}
func (c *catalog) Credential(id string) *schemas.CredentialEntry {
	return &schemas.CredentialEntry{Credential: schemas.Credential{ID: id, Uses: "kafka", Type: "cluster"}, Revision: 1}
}
func (c *catalog) Secret(string) map[string]string { return c.secret }
func (c *catalog) Offset() int64                   { return 7 }
func (c *catalog) Changed() <-chan struct{}        { return c.changed }

func running(t *testing.T, id, trigger string) *schemas.FlowEntry {
	t.Helper()
	var c schemas.Catalog
	document := json.RawMessage(`{"kind":"Flow","id":"` + id + `","trigger":` + trigger + `,"steps":[]}`)
	c.Apply(0, &schemas.Change{Type: schemas.FlowPublished, Flow: id, Document: document})
	c.Apply(1, &schemas.Change{Type: schemas.FlowStarted, Flow: id, Expect: c.Flow(id).Revision})
	if c.Flow(id).State != schemas.Running {
		t.Fatal("the flow does not run")
	}
	return c.Flow(id)
}

type rig struct {
	kafka []kgo.Opt
	opts  Options
}

func newRig(t *testing.T, flows ...*schemas.FlowEntry) *rig {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	r := &rig{kafka: []kgo.Opt{kgo.SeedBrokers(fake.ListenAddrs()...), kgo.MetadataMinAge(10 * time.Millisecond)}}
	client, err := kgo.NewClient(r.kafka...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := schemas.EnsureTopics(t.Context(), client, schemas.DefaultTopics, 3, schemas.Replication{Factor: 1, MinInSync: 1}); err != nil {
		t.Fatal(err)
	}
	set, err := all.New()
	if err != nil {
		t.Fatal(err)
	}
	r.opts = Options{
		Kafka: r.kafka, Topics: schemas.DefaultTopics, Instance: "a", Partitions: 3, Components: set, Logger: slog.New(slog.DiscardHandler),
		Catalog: &catalog{flows: flows, changed: make(chan struct{}), secret: map[string]string{"brokers": strings.Join(fake.ListenAddrs(), ",")}},
		Env:     connectors.Env{Dial: outgoing.NewDial(outgoing.Options{AllowLoopback: true})},
	}
	return r
}

// start runs triggers under an instance's name, until the returned function is called.
func (r *rig) start(t *testing.T, instance string) (stop func()) {
	o := r.opts
	o.Instance = instance
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := New(o).Run(ctx); err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); done.Wait() })
	t.Cleanup(stop)
	return stop
}

// hooks follows the topic hooks.
func (r *rig) hooks(t *testing.T) func() *schemas.Hook {
	client, err := kgo.NewClient(append(r.kafka, kgo.ConsumeTopics(schemas.DefaultTopics.Hooks()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	var waiting []*kgo.Record
	return func() *schemas.Hook {
		for len(waiting) == 0 {
			waiting = client.PollFetches(ctx).Records()
			if ctx.Err() != nil {
				t.Fatal("no hook comes")
			}
		}
		h, err := schemas.ParseHook(waiting[0])
		if err != nil {
			t.Fatal(err)
		}
		waiting = waiting[1:]
		return h
	}
}

// TestATimeRunsOnceOverSeveralProcesses: two processes share the clock, and the one that keeps it is taken away again and
// again; each second comes once, and none is left out.
func TestATimeRunsOnceOverSeveralProcesses(t *testing.T) {
	r := newRig(t, running(t, "every", `{"uses":"schedule/cron","input":{"cron":"@every 1s"}}`))
	next := r.hooks(t)
	stopA, stopB := r.start(t, "a"), r.start(t, "b")
	seen := map[string]bool{}
	var last time.Time
	for i := range 8 {
		h := next()
		var body struct{ ScheduledAt time.Time }
		if err := json.Unmarshal(h.Body, &body); err != nil || h.Flow != "every" || h.Method != "SCHEDULE" || h.Control != 7 {
			t.Fatalf("%+v", h)
		}
		at := body.ScheduledAt.String()
		if seen[at] {
			t.Fatalf("%s came twice", at)
		}
		seen[at] = true
		if !last.IsZero() && body.ScheduledAt.Sub(last) != time.Second {
			t.Errorf("after %s came %s", last, body.ScheduledAt)
		}
		last = body.ScheduledAt
		switch i {
		case 2:
			stopA()
			stopA = r.start(t, "c")
		case 4:
			stopB()
			stopB = r.start(t, "d")
		}
	}
}

func TestWhatWasMissedIsMadeUpForOnceOrNotAtAll(t *testing.T) {
	for missed, want := range map[string]string{"once": "2025-01-01T10:00:00Z", "skip": ""} {
		e := *running(t, "hourly", `{"uses":"schedule/cron","input":{"cron":"0 * * * *","missed":"`+missed+`"}}`)
		e.ChangedAt = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
		triggers := New(Options{Catalog: &catalog{flows: []*schemas.FlowEntry{&e}}})
		due := triggers.due(time.Date(2025, 1, 1, 6, 30, 0, 0, time.UTC), time.Date(2025, 1, 1, 10, 30, 0, 0, time.UTC))
		got := ""
		for _, d := range due {
			got += d.at.Format(time.RFC3339)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", missed, got, want)
		}
		e.ChangedAt = time.Date(2025, 1, 1, 10, 15, 0, 0, time.UTC)
		if due := triggers.due(time.Date(2025, 1, 1, 6, 30, 0, 0, time.UTC), time.Date(2025, 1, 1, 10, 30, 0, 0, time.UTC)); len(due) != 0 {
			t.Errorf("what was due before it was started: %v", due)
		}
	}
}

func TestEachRecordOfATopicStartsTheFlow(t *testing.T) {
	r := newRig(t, running(t, "orders", `{"uses":"kafka/consume","credential":"k","input":{"topic":"orders","from":"earliest"}}`))
	producer, err := kgo.NewClient(r.kafka...)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	next := r.hooks(t)
	stop := r.start(t, "a")
	send := func(key, value string) {
		record := &kgo.Record{Topic: "orders", Key: []byte(key), Value: []byte(value), Headers: []kgo.RecordHeader{{Key: "Source", Value: []byte("shop")}}}
		if err := producer.ProduceSync(t.Context(), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	send("k1", `{"id":12345678901234567890}`)
	h := next()
	if string(h.Body) != `{"id":12345678901234567890}` || h.ContentType != "application/json" || h.Headers["kafka-key"] != "k1" ||
		h.Headers["source"] != "shop" || h.Headers["kafka-topic"] != "orders" || h.Headers["kafka-position"] == "" || h.Method != "KAFKA" {
		t.Errorf("%+v: %s", h, h.Body)
	}
	stop()
	send("k2", "plain text") // while nobody reads
	r.start(t, "b")
	if h := next(); string(h.Body) != "plain text" || h.ContentType != "text/plain" {
		t.Errorf("after a restart: %s", h.Body)
	}
}

func TestWhatStartsAFlowWithShardsIsPutOnItsShard(t *testing.T) {
	hot := running(t, "orders", `{"uses":"kafka/consume","credential":"k","input":{"topic":"orders","from":"earliest"}},"shards":9,"order":{"key":"=body.k"}`)
	r := newRig(t, hot)
	r.opts.Place = func(_ context.Context, v *schemas.FlowVersion, h *schemas.Hook, partitions int32) error {
		if v != hot.Published() || partitions != r.opts.Partitions || h.Headers["kafka-topic"] != "orders" {
			t.Errorf("placed for %v and %d partitions: %+v", v, partitions, h)
		}
		h.Put(len(h.Body)%v.Flow.Shards, v.Flow.Shards, partitions)
		return nil
	}
	producer, err := kgo.NewClient(r.kafka...)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	next := r.hooks(t)
	r.start(t, "a")
	for _, text := range []string{"1", "22", "333", "4444"} {
		if err := producer.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Value: []byte(text)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		h := next()
		if want := schemas.ShardKey("orders", len(text), 9); h.Shard != want || h.Partition != schemas.PartitionOf(want, 3) || h.Flow != "orders" {
			t.Errorf("%s of flow %s is on %q, partition %d; want %s", h.Body, h.Flow, h.Shard, h.Partition, want)
		}
	}
}
