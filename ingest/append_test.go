package ingest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/schemas"
)

// refused sends a hook that has to get a 503 with Retry-After in time.
func (w *world) refused(flow string, within time.Duration) {
	w.t.Helper()
	began := time.Now()
	got := w.send("POST", "/hook/"+flow, "")
	if took := time.Since(began); got.status != 503 || got.header.Get("Retry-After") == "" || took > within {
		w.t.Errorf("%s: %d after %v with Retry-After %q, want 503 within %v", flow, got.status, took, got.header.Get("Retry-After"), within)
	}
}

// recovers sends hooks until one is accepted, and counts that one.
func (w *world) recovers(flow string) int {
	w.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); {
		if w.send("POST", "/hook/"+flow, "").status == 200 {
			return 1
		}
	}
	w.t.Fatalf("%s: no hook was accepted again", flow)
	return 0
}

// silence makes Kafka say nothing to produce requests until it is ended.
func (w *world) silence() (end func()) {
	var ended atomic.Bool
	w.kafka.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		if ended.Load() {
			w.kafka.DropControl()
			return nil, nil, false
		}
		w.kafka.KeepControl()
		return nil, nil, true
	})
	return func() { ended.Store(true) }
}

func TestSilentKafkaIs503WithinTwoSecondsThenAtOnceAndItRecovers(t *testing.T) {
	w := start(t, nil)
	w.run(t, "pets", schemas.Trigger{})
	accepted := w.recovers("pets")
	end := w.silence()
	w.refused("pets", 2*time.Second)
	w.refused("pets", 100*time.Millisecond)
	end()
	accepted += w.recovers("pets")
	for range 20 {
		accepted += w.recovers("pets")
	}
	// What was refused while Kafka was silent is not appended when it speaks again.
	if n := len(w.stored()); n != accepted {
		t.Errorf("%d hooks are stored, %d were accepted", n, accepted)
	}
	if n := w.edge.producer.refusing(); n != 0 {
		t.Errorf("%d partitions are still refused", n)
	}
}

func TestManySendersOfASilentKafkaAreAllAnsweredInTime(t *testing.T) {
	w := start(t, nil)
	w.run(t, "pets", schemas.Trigger{})
	w.recovers("pets")
	end := w.silence()
	var senders sync.WaitGroup
	for range 50 {
		senders.Go(func() { w.refused("pets", 2*time.Second) })
	}
	senders.Wait()
	end()
	w.recovers("pets")
}

func TestKafkaGoneIs503AndItRecoversByItself(t *testing.T) {
	data := t.TempDir()
	kafka := kafkaAt(t, 0, data)
	w := startOn(t, kafka, nil)
	w.run(t, "pets", schemas.Trigger{})
	accepted := w.recovers("pets")
	port := portOf(t, kafka)
	kafka.Close()
	w.refused("pets", 2*time.Second)
	w.refused("pets", 100*time.Millisecond)
	w.kafka = kafkaAt(t, port, data)
	accepted += w.recovers("pets")
	if n := len(w.stored()); n != accepted {
		t.Errorf("%d hooks are stored, %d were accepted", n, accepted)
	}
}

func TestEdgeStartsWithoutKafka(t *testing.T) {
	data := t.TempDir()
	kafka := kafkaAt(t, 0, data)
	address, port := kafka.ListenAddrs()[0], portOf(t, kafka)
	w := startOn(t, kafka, func(o *Options) {
		kafka.Close()
		o.Kafka = []kgo.Opt{kgo.SeedBrokers(address)}
	})
	w.run(t, "pets", schemas.Trigger{})
	w.refused("pets", 2*time.Second)
	w.refused("pets", 100*time.Millisecond)
	w.kafka = kafkaAt(t, port, data)
	w.recovers("pets")
}

// kafkaAt starts a Kafka that keeps its data, on a port or on a free one.
func kafkaAt(t *testing.T, port int, data string) *kfake.Cluster {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port), kfake.DataDir(data), kfake.SeedTopics(testPartitions, "sluice.hooks"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

func portOf(t *testing.T, cluster *kfake.Cluster) int {
	t.Helper()
	address, err := net.ResolveTCPAddr("tcp", cluster.ListenAddrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	return address.Port
}

func TestPartitionWithTooFewReplicasRefusesOnlyItsOwnFlows(t *testing.T) {
	w := start(t, nil)
	w.run(t, "pets", schemas.Trigger{})
	other := "other"
	for i := 0; schemas.PartitionOf(other, testPartitions) == schemas.PartitionOf("pets", testPartitions); i++ {
		other = fmt.Sprint("other", i)
	}
	w.run(t, other, schemas.Trigger{})
	w.recovers("pets")
	fault := w.kafka.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Topic: "sluice.hooks", Partitions: []int32{schemas.PartitionOf("pets", testPartitions)},
		Err: kerr.NotEnoughReplicas, Count: -1,
	})
	w.refused("pets", 2*time.Second)
	if got := w.send("POST", "/hook/"+other, ""); got.status != 200 {
		t.Errorf("the other partition's flow: %d", got.status)
	}
	fault.Remove()
	w.recovers("pets")
}

func TestRecordThatKafkaFindsTooLargeIs413AndNotAnOutage(t *testing.T) {
	w := start(t, nil)
	w.run(t, "pets", schemas.Trigger{})
	w.recovers("pets")
	w.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.MessageTooLarge})
	if got := w.send("POST", "/hook/pets", "x"); got.status != 413 {
		t.Errorf("answer %d, want 413", got.status)
	}
	if got := w.send("POST", "/hook/pets", "x"); got.status != 200 {
		t.Errorf("the next one: %d", got.status)
	}
}

func TestLargestBodyIsAccepted(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	if err := cluster.CreateTopic("sluice.hooks", testPartitions, map[string]string{"max.message.bytes": fmt.Sprint(schemas.MaxRecordBytes)}); err != nil {
		t.Fatal(err)
	}
	w := startOn(t, cluster, func(o *Options) { o.MaxBody = schemas.MaxRecordBytes - recordOverhead })
	w.run(t, "pets", schemas.Trigger{})
	body := make([]byte, schemas.MaxRecordBytes-recordOverhead)
	for i, x := 0, uint32(1); i < len(body); i++ { // nothing that compression would make small
		x = x*1664525 + 1013904223
		body[i] = byte(x >> 24)
	}
	if got := w.send("POST", "/hook/pets", string(body), "Content-Type: application/octet-stream"); got.status != 200 {
		t.Fatalf("answer %d %s", got.status, got.body)
	}
	if hooks := w.stored(); len(hooks) != 1 || string(hooks[0].Body) != string(body) {
		t.Error("the body is not stored as it came")
	}
}

func TestFullBuffersAre503(t *testing.T) {
	w := start(t, func(o *Options) { o.MaxBufferedRecords = 1 })
	w.run(t, "pets", schemas.Trigger{})
	w.recovers("pets")
	reached, release := make(chan struct{}), make(chan struct{})
	w.kafka.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		w.kafka.DropControl()
		close(reached)
		w.kafka.SleepControl(func() { <-release })
		return nil, nil, false
	})
	first := make(chan int)
	go func() { first <- w.send("POST", "/hook/pets", "").status }()
	<-reached
	got := w.send("POST", "/hook/pets", "")
	if got.status != 503 || got.header.Get("Retry-After") != "1" {
		t.Errorf("the second: %d %s", got.status, got.body)
	}
	close(release)
	if status := <-first; status != 200 {
		t.Errorf("the first: %d", status)
	}
	if got := w.send("POST", "/hook/pets", ""); got.status != 200 {
		t.Errorf("full buffers opened the breaker: %d", got.status)
	}
}

func TestBodiesBeingReadAreBounded(t *testing.T) {
	w := start(t, func(o *Options) { o.MaxBufferedBytes = 256 << 10 })
	w.run(t, "pets", schemas.Trigger{})
	body, writer := io.Pipe()
	request, err := http.NewRequest("POST", w.url+"/hook/pets", body)
	if err != nil {
		t.Fatal(err)
	}
	slow := make(chan reply)
	go func() { slow <- w.do(request) }()
	if _, err := writer.Write(make([]byte, 200<<10)); err != nil {
		t.Fatal(err)
	}
	// The edge has read nearly all of it once the budget holds the next power of two.
	for w.edge.bodies.used.Load() < 200<<10 {
		time.Sleep(time.Millisecond)
	}
	if got := w.send("POST", "/hook/pets", strings.Repeat("x", 60<<10)); got.status != 503 {
		t.Errorf("beside it: %d, want 503", got.status)
	}
	writer.Close()
	if got := <-slow; got.status != 200 {
		t.Errorf("the large one: %d %s", got.status, got.body)
	}
	if got := w.send("POST", "/hook/pets", strings.Repeat("x", 60<<10)); got.status != 200 {
		t.Errorf("after it: %d", got.status)
	}
}

func TestSlowSendersAreCutOff(t *testing.T) {
	w := start(t, func(o *Options) { o.ReadTimeout, o.IdleTimeout = 50*time.Millisecond, 50*time.Millisecond })
	w.run(t, "pets", schemas.Trigger{})
	for name, test := range map[string]struct{ sent, answer string }{
		"headers": {"POST /hook/pets HTTP/1.1\r\nHost: x\r\nX-Slow: ", "HTTP/1.1 408 "},
		"body":    {"POST /hook/pets HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx", "HTTP/1.1 408 "},
		"idle":    {"POST /hook/pets HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 "},
	} {
		if answer := w.raw(test.sent); !strings.HasPrefix(answer, test.answer) || strings.Count(answer, "HTTP/1.1") != 1 {
			t.Errorf("%s: %q, want %s", name, answer, test.answer)
		}
	}
	if n := len(w.stored()); n != 1 {
		t.Errorf("%d hooks are stored, want 1", n)
	}
}

func TestEndingLetsRequestsInFlightFinish(t *testing.T) {
	w := start(t, nil)
	w.run(t, "pets", schemas.Trigger{})
	w.recovers("pets")
	reached, release := make(chan struct{}), make(chan struct{})
	w.kafka.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		w.kafka.DropControl()
		close(reached)
		w.kafka.SleepControl(func() { <-release })
		return nil, nil, false
	})
	inFlight := make(chan int)
	go func() { inFlight <- w.send("POST", "/hook/pets", "last").status }()
	<-reached
	ended := make(chan error)
	go func() { ended <- w.stop() }()
	// The listener is closed first.
	for {
		c, err := net.Dial("tcp", w.edge.Addr().String())
		if err != nil {
			break
		}
		c.Close()
	}
	close(release)
	if status := <-inFlight; status != 200 {
		t.Errorf("the request in flight: %d, want 200", status)
	}
	if err := <-ended; err != nil {
		t.Errorf("ending: %v", err)
	}
	if hooks := w.stored(); len(hooks) != 2 {
		t.Errorf("%d hooks are stored, want 2", len(hooks))
	}
}

func TestEndingIsBounded(t *testing.T) {
	w := start(t, func(o *Options) { o.DrainTimeout = 100 * time.Millisecond })
	w.run(t, "pets", schemas.Trigger{})
	c, err := net.Dial("tcp", w.edge.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "POST /hook/pets HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx")
	if err := w.stop(); err != nil {
		t.Errorf("ending: %v", err)
	}
	if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(c); err != nil {
		if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
			t.Error("the connection is still open")
		}
	}
}

func TestStartingSaysWhatIsMissing(t *testing.T) {
	for want, options := range map[string]Options{
		"Catalog":    {Partitions: 1},
		"Partitions": {Catalog: &catalog{}},
		"MaxBody":    {Catalog: &catalog{}, Partitions: 1, MaxBody: 1 << 30},
		"listening":  {Catalog: &catalog{}, Partitions: 1, Addr: "nowhere:-1"},
	} {
		if err := New(options).Run(context.Background()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want one that names %s", err, want)
		}
	}
}
