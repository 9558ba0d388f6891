package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/deploy/bench/load"
	"sluice/deploy/local"
	"sluice/ingest"
	"sluice/schemas"
)

const (
	connections = 64
	partitions  = 12
	secret      = "a secret of the bench"
)

// kilobyte is a JSON body of 1 KB.
var kilobyte = fmt.Appendf(nil, `{"id":1,"text":"%s"}`, strings.Repeat("x", 1000))

// broker is a Kafka to measure on.
type broker struct {
	name  string
	addrs []string
	kafka []kgo.Opt
	close func()
	apart bool // a process of its own
}

// embedded is Kafka in this process, its data on disk.
func embedded() (*broker, error) {
	dir, err := os.MkdirTemp("", "sluice-bench-")
	if err != nil {
		return nil, err
	}
	k, err := local.StartKafka(local.KafkaOptions{DataDir: dir})
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return prepared("embedded Kafka", k.Addrs(), func() { k.Close(); os.RemoveAll(dir) })
}

// apache is one real broker.
func apache() (*broker, error) {
	dir, err := os.MkdirTemp("", "sluice-bench-")
	if err != nil {
		return nil, err
	}
	b, err := local.StartBrokers(local.BrokerOptions{Dir: dir, N: 1})
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	prepared, err := prepared("a real broker", b.Addrs(), func() { b.Close(); os.RemoveAll(dir) })
	if err == nil {
		prepared.apart = true
	}
	return prepared, err
}

func prepared(name string, addrs []string, stop func()) (*broker, error) {
	b := &broker{name: name, addrs: addrs, close: stop, kafka: []kgo.Opt{kgo.SeedBrokers(addrs...), kgo.MetadataMinAge(200 * time.Millisecond)}}
	client, err := kgo.NewClient(b.kafka...)
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		err = schemas.EnsureTopics(ctx, client, schemas.DefaultTopics, partitions, schemas.Replication{Factor: 1, MinInSync: 1})
		client.Close()
	}
	if err != nil {
		stop()
		return nil, err
	}
	return b, nil
}

// catalog has the flows of the bench; it never changes.
type catalog struct {
	flows  map[string]*schemas.FlowEntry
	fold   schemas.Catalog
	offset int64
}

func newCatalog(documents map[string]string) (*catalog, error) {
	c := &catalog{flows: map[string]*schemas.FlowEntry{}}
	apply := func(ch schemas.Change) bool {
		c.offset++
		return c.fold.Apply(c.offset-1, &ch)
	}
	apply(schemas.Change{Type: schemas.CredentialSaved, Credential: &schemas.Credential{ID: "hmac", Uses: "webhook", Type: "hmac"}})
	for id, doc := range documents {
		if !apply(schemas.Change{Type: schemas.FlowPublished, Flow: id, Document: json.RawMessage(doc)}) ||
			!apply(schemas.Change{Type: schemas.FlowStarted, Flow: id, Expect: c.fold.Flow(id).Revision}) {
			return nil, fmt.Errorf("flow %s cannot be started", id)
		}
		c.flows[id] = c.fold.Flow(id)
	}
	return c, nil
}

var values = map[string]string{"secret": secret, "algorithm": "sha256", "encoding": "hex", "header": "x-signature"}

func (c *catalog) Flow(id string) *schemas.FlowEntry             { return c.flows[id] }
func (c *catalog) Credential(id string) *schemas.CredentialEntry { return c.fold.Credential(id) }
func (c *catalog) Secret(id string) map[string]string            { return values }
func (c *catalog) Replay(string) *schemas.ReplayEntry            { return nil }
func (c *catalog) Offset() int64                                 { return c.offset }
func (c *catalog) WaitFor(context.Context, int64) error          { return nil }
func (c *catalog) Changed() <-chan struct{}                      { return nil }

// startEdge runs Sluice's edge in this process.
func startEdge(b *broker, c *catalog) (url string, stop func(), err error) {
	edge := ingest.New(ingest.Options{Addr: "127.0.0.1:0", Catalog: c, Kafka: b.kafka, Topics: schemas.DefaultTopics, Partitions: partitions,
		Logger: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- edge.Run(ctx) }()
	select {
	case err := <-done:
		cancel()
		return "", nil, err
	case <-edge.Ready():
	}
	return "http://" + edge.Addr().String(), func() { cancel(); <-done }, nil
}

// startHandler runs a Fiber handler.
func startHandler(handler fiber.Handler) (url string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Post("/*", handler)
	go app.Listener(l)
	return "http://" + l.Addr().String(), func() { app.ShutdownWithTimeout(time.Second) }, nil
}

var thanks = []byte(`{"requestId":"00000000-0000-7000-8000-000000000000","message":"thank you"}`)

func nothing(c *fiber.Ctx) error { return c.Send(thanks) }

// bareProduce is the least that an edge does: the body to Kafka, acks=all.
func bareProduce(client *kgo.Client) fiber.Handler {
	return func(c *fiber.Ctx) error {
		body := append([]byte(nil), c.Body()...)
		record := &kgo.Record{Topic: schemas.DefaultTopics.Hooks(), Partition: schemas.PartitionOf("open", partitions), Key: []byte("open"), Value: body}
		if err := client.ProduceSync(c.Context(), record).FirstErr(); err != nil {
			return err
		}
		return c.Send(thanks)
	}
}

func producerOf(b *broker) (*kgo.Client, error) {
	return kgo.NewClient(append(append([]kgo.Opt{}, b.kafka...), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
}

// edges measures intake against a handler that does nothing, and against the
// same handler with a bare produce.
func edges(ctx context.Context, s settings) ([]line, error) {
	var lines []line
	for _, start := range []func() (*broker, error){embedded, apache} {
		b, err := start()
		if err != nil {
			return nil, err
		}
		measured, err := edgesOn(ctx, s, b)
		b.close()
		if err != nil {
			return nil, err
		}
		lines = append(lines, measured...)
	}
	return lines, nil
}

func edgesOn(ctx context.Context, s settings, b *broker) ([]line, error) {
	const flow = `{"kind":"Flow","id":%q,"trigger":{"uses":"webhook/receive"%s},"steps":[]}`
	c, err := newCatalog(map[string]string{"open": fmt.Sprintf(flow, "open", ""), "signed": fmt.Sprintf(flow, "signed", `,"credential":"hmac"`)})
	if err != nil {
		return nil, err
	}
	edge, stopEdge, err := startEdge(b, c)
	if err != nil {
		return nil, err
	}
	defer stopEdge()
	client, err := producerOf(b)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	bare, stopBare, err := startHandler(bareProduce(client))
	if err != nil {
		return nil, err
	}
	defer stopBare()
	idle, stopIdle, err := startHandler(nothing)
	if err != nil {
		return nil, err
	}
	defer stopIdle()

	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(kilobyte)
	json := map[string]string{"Content-Type": "application/json"}
	targets := []load.Target{
		{URL: idle + "/", Body: kilobyte, Header: json},
		{URL: bare + "/hook/open", Body: kilobyte, Header: json},
		{URL: edge + "/hook/open", Body: kilobyte, Header: json},
		{URL: edge + "/hook/signed", Body: kilobyte, Header: map[string]string{"Content-Type": "application/json", "X-Signature": hex.EncodeToString(mac.Sum(nil))}},
	}
	rates := make([][]float64, len(targets))
	for round := -1; round < s.rounds && ctx.Err() == nil; round++ {
		for i, t := range targets {
			r, err := load.Closed(t, connections, s.slice)
			if err != nil {
				return nil, err
			}
			if r.Failed > 0 {
				return nil, fmt.Errorf("%d requests to %s failed", r.Failed, t.URL)
			}
			if round >= 0 { // the first round warms up
				rates[i] = append(rates[i], r.PerSecond())
			}
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	lines := []line{
		pair("edge on "+b.name+", No Auth, 1 KB", "hooks/s", rates[2], "Fiber + bare produce", rates[1]),
		pair("edge on "+b.name+", No Auth, 1 KB", "hooks/s", rates[2], "Fiber doing nothing", rates[0]),
		pair("edge on "+b.name+", HMAC SHA-256, 1 KB", "hooks/s", rates[3], "Fiber + bare produce", rates[1]),
	}
	// Latency at 70 % of what each can do, in an open loop.
	at := func(t load.Target, rate float64) (load.Result, error) { return load.Open(t, 0.7*rate, 2*s.slice, 256) }
	ours, err := at(targets[2], median(rates[2]))
	if err != nil {
		return nil, err
	}
	theirs, err := at(targets[1], median(rates[1]))
	if err != nil {
		return nil, err
	}
	for _, q := range []struct {
		name string
		q    float64
	}{{"p50", 0.5}, {"p99", 0.99}} {
		lines = append(lines, pair("edge on "+b.name+", "+q.name+" at 70 % load", "ms", []float64{millis(ours.Quantile(q.q))},
			"Fiber + bare produce", []float64{millis(theirs.Quantile(q.q))}))
	}
	return lines, nil
}
