package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
)

// catalog is the fold of changes that a test makes.
type catalog struct {
	mu      sync.RWMutex
	fold    schemas.Catalog
	secrets map[string]map[string]string
	offset  int64
}

func (c *catalog) Flow(id string) *schemas.FlowEntry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.fold.Flow(id)
}

func (c *catalog) Credential(id string) *schemas.CredentialEntry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.fold.Credential(id)
}

func (c *catalog) Secret(id string) map[string]string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.secrets[id]
}

func (c *catalog) Offset() int64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.offset
}

func (c *catalog) change(t testing.TB, ch schemas.Change) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.fold.Flow(ch.Flow); ch.Flow != "" && f != nil && !f.Deleted {
		ch.Expect = f.Revision
	}
	if ch.Credential != nil {
		if e := c.fold.Credential(ch.Credential.ID); e != nil {
			ch.Expect = e.Revision
		}
	}
	ch.At = time.Unix(1_700_000_000, 0)
	if !c.fold.Apply(c.offset, &ch) {
		t.Fatalf("the change %s was not applied", ch.Type)
	}
	c.offset++
}

// publish makes a version of a flow from its trigger and more of its document.
func (c *catalog) publish(t testing.TB, id string, trigger schemas.Trigger, rate string) {
	t.Helper()
	if trigger.Uses == "" {
		trigger.Uses = "webhook/receive"
	}
	document, err := json.Marshal(schemas.Flow{Kind: "Flow", ID: id, Trigger: trigger, Rate: rate})
	if err != nil {
		t.Fatal(err)
	}
	c.change(t, schemas.Change{Type: schemas.FlowPublished, Flow: id, Document: document})
}

// run publishes and starts a flow.
func (c *catalog) run(t testing.TB, id string, trigger schemas.Trigger) {
	t.Helper()
	c.publish(t, id, trigger, "")
	c.change(t, schemas.Change{Type: schemas.FlowStarted, Flow: id})
}

// credential saves a credential of the connector webhook.
func (c *catalog) credential(t testing.TB, id, kind string, values map[string]string) {
	t.Helper()
	c.change(t, schemas.Change{Type: schemas.CredentialSaved, Credential: &schemas.Credential{ID: id, Uses: "webhook", Type: kind}})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.secrets == nil {
		c.secrets = map[string]map[string]string{}
	}
	c.secrets[id] = values
}

const testPartitions = 4

// world is an edge in front of a Kafka of its own.
type world struct {
	*catalog
	t       testing.TB
	edge    *Edge
	kafka   *kfake.Cluster
	url     string
	stop    func() error // ends the edge gracefully; may be called often
	stopped chan struct{}
}

func start(t testing.TB, change func(*Options)) *world {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(testPartitions, "sluice.hooks", "sluice.replies", "sluice.captures"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return startOn(t, cluster, change)
}

func startOn(t testing.TB, cluster *kfake.Cluster, change func(*Options)) *world {
	t.Helper()
	w := &world{catalog: &catalog{}, t: t, kafka: cluster, stopped: make(chan struct{})}
	options := Options{
		Addr: "127.0.0.1:0", Catalog: w.catalog, Partitions: testPartitions,
		Kafka:  []kgo.Opt{kgo.SeedBrokers(cluster.ListenAddrs()...)},
		Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&options)
	}
	w.edge = New(options)
	ctx, cancel := context.WithCancel(context.Background())
	var ended error
	go func() {
		ended = w.edge.Run(ctx)
		close(w.stopped)
	}()
	w.stop = func() error {
		cancel()
		<-w.stopped
		return ended
	}
	t.Cleanup(func() {
		if err := w.stop(); err != nil {
			t.Errorf("ending the edge: %v", err)
		}
	})
	select {
	case <-w.edge.Ready():
	case <-w.stopped:
		t.Fatalf("the edge did not start: %v", ended)
	}
	w.url = "http://" + w.edge.Addr().String()
	return w
}

// reply is an answer, read.
type reply struct {
	status  int
	header  http.Header
	body    string
	problem struct {
		Type, Title, Detail string
		Status              int
		RequestID           string
		Line, Column        int
	}
}

// send sends a request; headers are "Name: value".
func (w *world) send(method, path, body string, headers ...string) reply {
	w.t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	request, err := http.NewRequest(method, w.url+path, content)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		request.Header.Add(name, value)
	}
	return w.do(request)
}

func (w *world) do(request *http.Request) reply {
	w.t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	r := reply{status: response.StatusCode, header: response.Header, body: string(text)}
	if response.Header.Get("Content-Type") == "application/problem+json" && request.Method != "HEAD" {
		if err := json.Unmarshal(text, &r.problem); err != nil {
			w.t.Fatalf("reading the problem %s: %v", text, err)
		}
	}
	return r
}

// raw sends bytes and reads all that comes back until the edge closes.
func (w *world) raw(text string) string {
	w.t.Helper()
	c, err := net.Dial("tcp", w.edge.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		w.t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		w.t.Fatal(err)
	}
	var answer bytes.Buffer
	if _, err := io.Copy(&answer, c); err != nil {
		w.t.Fatalf("reading the answer: %v (so far %q)", err, answer.String())
	}
	return answer.String()
}

// stored reads all that has been appended to the topic hooks.
func (w *world) stored() []*schemas.Hook {
	w.t.Helper()
	var hooks []*schemas.Hook
	client, err := kgo.NewClient(kgo.SeedBrokers(w.kafka.ListenAddrs()...), kgo.ConsumeTopics("sluice.hooks"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	want := 0
	for partition := range int32(testPartitions) {
		if info := w.kafka.PartitionInfo("sluice.hooks", partition); info != nil {
			want += int(info.HighWatermark)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for len(hooks) < want {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			w.t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			h, err := schemas.ParseHook(r)
			if err != nil {
				w.t.Fatal(err)
			}
			hooks = append(hooks, h)
		})
	}
	return hooks
}
