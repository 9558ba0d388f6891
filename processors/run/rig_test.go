package run

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"sluice/connectors"
	"sluice/connectors/flow"
	"sluice/connectors/mapper"
	"sluice/connectors/mapping"
	"sluice/connectors/webhook"
	"sluice/schemas"
	"sluice/schemas/records"
)

// rig is a broker (kfake speaks Kafka's protocol), a catalog in memory, and a
// connector whose one effect the test decides.
type rig struct {
	t       *testing.T
	fake    *kfake.Cluster
	kafka   []kgo.Opt
	client  *kgo.Client
	catalog *catalog
	set     *connectors.Set

	mu    sync.Mutex
	calls []connectors.Call
	// asleep: what rests is put to sleep at once, and read back each time.
	asleep bool
	do     func(ctx context.Context, call connectors.Call) (connectors.Result, error)
	keys   *schemas.Keys // nil: no flow is erasable
}

const rigPartitions = 3

var allAsleep = flag.Bool("asleep", false, "in all tests, put what rests to sleep at once")

func newRig(t *testing.T) *rig {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0", "group.min.session.timeout.ms": "100"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	r := &rig{t: t, fake: fake, kafka: []kgo.Opt{kgo.SeedBrokers(fake.ListenAddrs()...), kgo.MetadataMinAge(20 * time.Millisecond)}, catalog: newCatalog()}
	if r.client, err = kgo.NewClient(append(r.kafka, kgo.RecordPartitioner(kgo.ManualPartitioner()))...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.client.Close)
	err = schemas.EnsureTopics(t.Context(), r.client, schemas.DefaultTopics, rigPartitions, schemas.Replication{Factor: 1, MinInSync: 1})
	if err != nil {
		t.Fatal(err)
	}
	any := json.RawMessage(`{}`)
	r.set, err = connectors.New(
		connectors.Connector{Name: "test", Title: "Test", Components: []connectors.Component{
			{Name: "test/effect", Title: "Effect", Effect: connectors.Keyed, Input: any, Output: any, Do: r.effect},
			{Name: "test/pure", Title: "Pure", Effect: connectors.Pure, Input: any, Output: any,
				Do: func(_ context.Context, _ connectors.Env, c connectors.Call) (connectors.Result, error) {
					return connectors.Result{Output: c.Input}, nil
				}},
		}},
		flow.Connector(), mapper.Connector(), webhook.Connector(),
	)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) effect(ctx context.Context, _ connectors.Env, call connectors.Call) (connectors.Result, error) {
	r.mu.Lock()
	r.calls = append(r.calls, call)
	do := r.do
	r.mu.Unlock()
	if do == nil {
		return connectors.Result{Output: call.Input, HTTPStatus: 200}, nil
	}
	return do(ctx, call)
}

func (r *rig) made() []connectors.Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]connectors.Call(nil), r.calls...)
}

func (r *rig) options(instance string) Options {
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	tokens, err := schemas.NewTokens("a secret key of the tests")
	if err != nil {
		r.t.Fatal(err)
	}
	restBytes := 0
	if r.asleep || *allAsleep {
		restBytes = 1
	}
	return Options{
		restBytes: restBytes,
		Callbacks: &Callbacks{Tokens: tokens, Base: "https://hooks.example.com"},
		Kafka:     r.kafka, Topics: schemas.DefaultTopics, Instance: instance, Catalog: r.catalog,
		Components: r.set, Mapping: mapping.New(mapping.Limits{}), Logger: log, DrainTimeout: time.Second, Keys: r.keys,
	}
}

// start runs a runner until the test ends, or until stop.
func (r *rig) start(instance string) (stop func()) {
	r.t.Helper()
	return r.startRunner(New(r.options(instance)))
}

func (r *rig) startRunner(runner *Runner) (stop func()) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- runner.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
	})
	r.t.Cleanup(stop)
	return stop
}

// kill runs a session that ends as a killed process does: nothing is handed over.
func (r *rig) startToKill(instance string) (kill func()) {
	r.t.Helper()
	s, err := newSession(r.options(instance).withDefaults(), newMetrics(prometheus.NewRegistry()))
	if err != nil {
		r.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.run(context.Background()) // its client is closed under it
	}()
	return func() {
		s.client.CloseAllowingRebalance()
		s.stop()
		<-done
		s.jobs.Wait()
		s.workers.end()
		s.reader.Close()
		s.places.Close()
	}
}

// publish makes a flow of the steps and starts it.
func (r *rig) publish(id, rest string) {
	r.t.Helper()
	doc := fmt.Sprintf(`{"kind":"Flow","id":%q,"trigger":{"uses":"webhook/receive"},%s}`, id, rest)
	r.catalog.change(schemas.Change{Type: schemas.FlowPublished, Flow: id, Document: json.RawMessage(doc)})
	if r.catalog.Flow(id).State != schemas.Running {
		r.catalog.change(schemas.Change{Type: schemas.FlowStarted, Flow: id})
	}
}

// send appends a hook as the edge does.
func (r *rig) send(flow, body string) schemas.ExecutionID {
	r.t.Helper()
	now := time.Now()
	h := schemas.Hook{
		ID: schemas.NewExecutionID(now, schemas.PartitionOf(flow, rigPartitions)), Kind: schemas.KindHook, Flow: flow,
		Time: now, Method: "POST", Path: "/hook/" + flow, ContentType: "application/json", Body: []byte(body),
		Control: r.catalog.Offset(),
	}
	r.append(&h)
	return h.ID
}

func (r *rig) append(h *schemas.Hook) {
	r.t.Helper()
	record, err := h.Record()
	if err != nil {
		r.t.Fatal(err)
	}
	record.Topic = schemas.DefaultTopics.Hooks()
	if err := r.client.ProduceSync(r.t.Context(), record).FirstErr(); err != nil {
		r.t.Fatal(err)
	}
}

// history is what the topic executions says, committed, by execution.
type history map[schemas.ExecutionID]*story

type story struct {
	last   *records.ExecutionRecord
	events []*records.Event
	ended  int
}

func (s *story) attempts(step string) []*records.Attempt {
	var found []*records.Attempt
	for _, e := range s.events {
		if a := e.GetAttempt(); a != nil && a.Step == step {
			found = append(found, a)
		}
	}
	return found
}

func (r *rig) history() history {
	r.t.Helper()
	h := history{}
	r.read(schemas.DefaultTopics.Executions(), func(record *kgo.Record) {
		x := new(records.ExecutionRecord)
		if err := proto.Unmarshal(record.Value, x); err != nil {
			r.t.Fatal(err)
		}
		_ = r.keys.OpenEvents(r.t.Context(), x) // of what was erased there is how it stands
		id := schemas.ExecutionIDFromBytes(x.ExecutionId)
		s := h[id]
		if s == nil {
			s = &story{}
			h[id] = s
		}
		s.last = x
		s.events = append(s.events, x.Events...)
		for _, e := range x.Events {
			if e.GetEnded() != nil {
				s.ended++
			}
		}
	})
	return h
}

// read reads a topic's committed records.
func (r *rig) read(topic string, fn func(*kgo.Record)) {
	r.t.Helper()
	ends, err := kadm.NewClient(r.client).ListCommittedOffsets(r.t.Context(), topic)
	if err != nil {
		r.t.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) {
		err := schemas.ReadPartition(r.t.Context(), r.client, topic, o.Partition, 0, o.Offset, func(record *kgo.Record) bool {
			fn(record)
			return true
		})
		if err != nil {
			r.t.Fatal(err)
		}
	})
}

// open is how many executions the topic state holds.
func (r *rig) open() int {
	r.t.Helper()
	open := map[string]bool{}
	r.read(schemas.DefaultTopics.State(), func(record *kgo.Record) {
		if record.Value == nil {
			delete(open, string(record.Key))
		} else {
			open[string(record.Key)] = true
		}
	})
	return len(open)
}

// until waits for a condition of the history.
func (r *rig) until(what string, cond func(history) bool) history {
	r.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		h := r.history()
		if cond(h) {
			return h
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("waited in vain until %s; %d executions", what, len(h))
		}
		time.Sleep(10 * time.Millisecond) // the broker has no signal for this
	}
}

// ended waits until n executions have ended, and checks that none did twice.
func (r *rig) ended(n int) history {
	r.t.Helper()
	h := r.until(fmt.Sprintf("%d executions have ended", n), func(h history) bool {
		ended := 0
		for _, s := range h {
			if s.ended > 0 {
				ended++
			}
		}
		return ended >= n
	})
	for id, s := range h {
		if s.ended > 1 {
			r.t.Errorf("execution %s ended %d times", id, s.ended)
		}
	}
	return h
}

func want(t *testing.T, s *story, status records.ExecutionStatus) {
	t.Helper()
	if s == nil {
		t.Fatal("there is no such execution")
	}
	if s.last.Status != status {
		t.Errorf("status = %v (%v), want %v", s.last.Status, s.last.Failure, status)
	}
}

// catalog is a control log in memory, folded by the same code.
type catalog struct {
	mu      sync.Mutex
	fold    schemas.Catalog
	offset  int64
	changed chan struct{}
}

func newCatalog() *catalog { return &catalog{changed: make(chan struct{})} }

func (c *catalog) change(ch schemas.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.fold.Flow(ch.Flow); f != nil && ch.Flow != "" {
		ch.Expect = f.Revision
	}
	if !c.fold.Apply(c.offset, &ch) {
		panic("the change " + ch.Type + " makes no sense")
	}
	c.offset++
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *catalog) Flow(id string) *schemas.FlowEntry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fold.Flow(id)
}

func (c *catalog) Credential(id string) *schemas.CredentialEntry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fold.Credential(id)
}

func (c *catalog) Secret(string) map[string]string { return nil }
func (c *catalog) Replay(id string) *schemas.ReplayEntry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fold.Replay(id)
}

func (c *catalog) Offset() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offset
}

func (c *catalog) WaitFor(ctx context.Context, offset int64) error {
	for c.Offset() < offset {
		select {
		case <-c.Changed():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (c *catalog) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}
