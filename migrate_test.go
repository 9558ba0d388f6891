package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
)

func TestTheTopicsGrowOnceNothingIsOpen(t *testing.T) {
	const from, to = 3, 7
	release := make(chan struct{})
	var hits counting
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-release
		hits.mu.Lock()
		hits.bodies = append(hits.bodies, r.URL.Path)
		hits.mu.Unlock()
	}))
	defer target.Close()
	in, c := clustered(t)
	in.env = append(in.env, fmt.Sprintf("SLUICE_KAFKA_PARTITIONS=%d", from))
	in.must("topics")
	var flows, documents []string
	for i := range 6 {
		flow := fmt.Sprintf("pets-%d", i)
		flows = append(flows, flow)
		documents = append(documents, fmt.Sprintf("---\nkind: Flow\nid: %s\ntrigger: {uses: webhook/receive}\ndedupe: {key: =body.event, window: 24h}\nsteps:\n  - {id: call, uses: webhook/send, input: {url: %s/%s, body: {}}}\n", flow, target.URL, flow))
	}
	// A flow with shards: its deliveries go where their keys say, before and after.
	const hot, events = "hot", 8
	documents = append(documents, fmt.Sprintf("---\nkind: Flow\nid: %s\ntrigger: {uses: webhook/receive}\nshards: 4\ndedupe: {key: =body.event, window: 24h}\nsteps:\n  - {id: call, uses: webhook/send, input: {url: %s/%s, body: {}}}\n", hot, target.URL, hot))
	p := in.start(nil, "serve")
	p.ready()
	in.apply(strings.Join(documents, ""))
	first := map[string]string{}
	partitions := map[string]int32{}
	for i := range events {
		in.until(30*time.Second, "the flow with shards accepts", func() bool {
			id, _, _ := in.send(hot, fmt.Sprintf(`{"event":%d}`, i))
			if parsed, err := schemas.ParseExecutionID(id); err == nil {
				partitions[id] = parsed.Partition()
			}
			return id != ""
		})
	}
	for _, flow := range flows {
		in.until(30*time.Second, flow+" accepts", func() bool {
			id, status, _ := in.send(flow, `{"event":"e"}`)
			first[flow] = id
			return status >= 200 && status < 300
		})
	}
	migrate := func(more ...string) (string, int) {
		return in.sluice(append([]string{"topics", "migrate", "--partitions", fmt.Sprint(to)}, more...)...)
	}
	if out, code := migrate(); code != 1 || !strings.Contains(out, "stop every Sluice process") {
		t.Errorf("with a process at work: exit status %d, %q", code, out)
	}
	in.until(30*time.Second, "the hooks are taken", func() bool { return len(in.list(flows[5])) == 1 })
	p.kill()
	if out, code := migrate(); code != 1 || !strings.Contains(out, "executions are open") {
		t.Errorf("with open executions: exit status %d, %q", code, out)
	}
	close(release)
	p = in.start(nil, "serve")
	p.ready()
	for _, flow := range flows {
		in.succeeded(first[flow])
	}
	seen := map[int32]bool{}
	for id, partition := range partitions {
		in.succeeded(id)
		seen[partition] = true
	}
	if len(seen) < 2 {
		t.Errorf("the flow with shards is on partitions %v: the test shows nothing", seen)
	}
	p.stop()

	client, err := kgo.NewClient(kgo.SeedBrokers(c.brokers.Addrs()...), kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	count := func() int32 {
		n, err := schemas.PartitionsOf(t.Context(), admin, schemas.DefaultTopics)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if out, code := migrate("--dry-run"); code != 0 || !strings.Contains(out, "sluice.hooks would grow from 3 to 7") || !strings.Contains(out, "delivery keys would be copied") || count() != from {
		t.Errorf("a dry run: exit status %d, %d partitions, %q", code, count(), out)
	}
	if out, code := in.sluice("topics", "migrate", "--partitions", "2"); code != 1 || !strings.Contains(out, "can only grow") {
		t.Errorf("fewer partitions: exit status %d, %q", code, out)
	}
	// A run that was killed after its first topics: serve refuses, and the next run goes on.
	for _, topic := range []string{schemas.DefaultTopics.Replays(), schemas.DefaultTopics.Dedupe()} {
		if _, err := admin.UpdatePartitions(t.Context(), to, topic); err != nil {
			t.Fatal(err)
		}
	}
	in.until(10*time.Second, "serve refuses to start", func() bool {
		out, code := in.sluice("topics", "--check")
		return code == 1 && strings.Contains(out, "sluice topics migrate")
	})
	if out, code := migrate(); code != 0 || count() != to {
		t.Fatalf("exit status %d, %d partitions, %q", code, count(), out)
	}
	if out, code := migrate(); code != 0 || !strings.Contains(out, "nothing to do") {
		t.Errorf("a second run: exit status %d, %q", code, out)
	}
	if out, code := in.sluice("topics"); code != 1 || !strings.Contains(out, "it has 7 partitions, and 3 are configured") {
		t.Errorf("with the old number configured: exit status %d, %q", code, out)
	}

	p = in.start(nil, "serve")
	p.ready()
	moved := 0
	for _, flow := range flows {
		if schemas.PartitionOf(flow, from) != schemas.PartitionOf(flow, to) {
			moved++
		}
		again, status, _ := in.send(flow, `{"event":"e"}`)
		if status < 200 || status > 299 {
			t.Fatalf("%s: status %d after the migration", flow, status)
		}
		id, err := schemas.ParseExecutionID(again)
		if err != nil || id.Partition() != schemas.PartitionOf(flow, to) {
			t.Errorf("%s runs on partition %d, want %d (%v)", flow, id.Partition(), schemas.PartitionOf(flow, to), err)
		}
		in.until(30*time.Second, flow+"'s second delivery is a duplicate", func() bool {
			for _, x := range in.list(flow) {
				if x.ID == again {
					if x.Status == "succeeded" {
						t.Fatalf("%s: a delivery from before the migration ran again", flow)
					}
					return x.Status == "duplicate"
				}
			}
			return false
		})
		other, _, _ := in.send(flow, `{"event":"other"}`)
		in.succeeded(other)
		in.must("retry", first[flow]) // on the partition that its ID names
	}
	if moved == 0 {
		t.Fatal("no flow moved: the test shows nothing")
	}
	for i := range events {
		again, _, _ := in.send(hot, fmt.Sprintf(`{"event":%d}`, i))
		in.until(30*time.Second, "a delivery to a shard that moved is a duplicate", func() bool {
			var x shown
			if out, code := in.sluice("execution", again, "--output", "json"); code != 0 || json.Unmarshal([]byte(out), &x) != nil {
				return false
			}
			if x.Status == "succeeded" {
				t.Fatalf("event %d ran again", i)
			}
			return x.Status == "duplicate"
		})
	}
	in.until(30*time.Second, "what ended before is retried", func() bool {
		hits.mu.Lock()
		defer hits.mu.Unlock()
		return len(hits.bodies) >= 3*len(flows)+events
	})
	p.stop()
}
