package ingest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
)

func TestShardsSpreadAFlowAndTheIDSaysWhere(t *testing.T) {
	f := &flow{shards: newShards("hot", 4, 12)}
	seen := map[string]int{}
	for range 400 {
		s := f.shard()
		seen[string(s.key)]++
		if s.partition != schemas.PartitionOf(string(s.key), 12) {
			t.Fatalf("%s is on partition %d, and Kafka's partitioner says %d", s.key, s.partition, schemas.PartitionOf(string(s.key), 12))
		}
	}
	for _, key := range []string{"hot#0", "hot#1", "hot#2", "hot#3"} {
		if seen[key] != 100 {
			t.Errorf("%s has %d of 400 hooks, want 100", key, seen[key])
		}
	}
	if one := newShards("cold", 0, 12); len(one) != 1 || string(one[0].key) != "cold" {
		t.Errorf("a flow without shards has %v", one)
	}
	hook := schemas.Hook{ID: schemas.NewExecutionID(schemas.ExecutionID{}.Time(), 3), Kind: schemas.KindHook, Flow: "hot"}
	record, err := hook.Record()
	if err != nil {
		t.Fatal(err)
	}
	record.Key = []byte("hot#3")
	parsed, err := schemas.ParseHook(&kgo.Record{Key: record.Key, Partition: 3, Headers: record.Headers})
	if err != nil || parsed.Flow != "hot" {
		t.Errorf("the hook of shard 3 is of flow %v, %v", parsed, err)
	}
}

// keyed runs a flow with shards and a key.
func (w *world) keyed(id string, rest schemas.Flow) {
	w.t.Helper()
	rest.Kind, rest.ID, rest.Trigger.Uses, rest.Shards = "Flow", id, "webhook/receive", 8
	document, err := json.Marshal(rest)
	if err != nil {
		w.t.Fatal(err)
	}
	w.change(w.t, schemas.Change{Type: schemas.FlowPublished, Flow: id, Document: document})
	w.change(w.t, schemas.Change{Type: schemas.FlowStarted, Flow: id})
}

// newest is the hook that came last.
func newest(hooks []*schemas.Hook) *schemas.Hook {
	return slices.MaxFunc(hooks, func(a, b *schemas.Hook) int { return cmp.Compare(a.ID.String(), b.ID.String()) })
}

func TestAHookGoesToTheShardThatIsFoundForTheRecordAsItIsRead(t *testing.T) {
	var mu sync.Mutex
	var looked []*schemas.Hook
	var fails error
	w, store := withBlobs(t, func(o *Options) {
		o.Place = func(_ context.Context, v *schemas.FlowVersion, h *schemas.Hook, partitions int32) error {
			mu.Lock()
			defer mu.Unlock()
			seen := *h
			seen.Body = bytes.Clone(h.Body)
			looked = append(looked, &seen)
			if h.Unkeyed = h.Headers["x-unkeyed"]; fails == nil {
				h.Put(5, v.Flow.Shards, partitions)
			}
			return fails
		}
	})
	w.keyed("hot", schemas.Flow{Order: map[string]any{"key": "=body.k"}})
	large := `{"k":"` + strings.Repeat("x", schemas.MaxInlineBody) + `"}`
	for i, body := range []string{`{"k":1}`, large} {
		sent := w.send("POST", "/hook/hot/more?a=b", body, "Content-Type: application/json", "X-Unkeyed: too slow")
		if sent.status != 200 {
			t.Fatalf("status %d: %s", sent.status, sent.body)
		}
		h := newest(w.stored())
		if h.Shard != "hot#5" || h.Partition != schemas.PartitionOf("hot#5", testPartitions) || h.ID.Partition() != h.Partition {
			t.Errorf("the hook %s is on %q, partition %d", h.ID, h.Shard, h.Partition)
		}
		if id := sent.header.Get("X-Request-Id"); id != h.ID.String() || !strings.Contains(sent.body, id) || h.Unkeyed != "too slow" {
			t.Errorf("the sender has %s and %s, the record %s; unkeyed: %q", id, sent.body, h.ID, h.Unkeyed)
		}
		at := looked[i]
		if at.Flow != "hot" || at.Path != "/hook/hot/more" || at.Query != "a=b" || at.Headers["x-unkeyed"] == "" || bodyOf(t, store, at) != body {
			t.Errorf("it was looked for in %+v", at)
		}
	}
	// What is refused pays for no key.
	if status := w.send("POST", "/hook/hot", `{"k":`, "Content-Type: application/json").status; status != 400 || len(looked) != 2 {
		t.Errorf("status %d, looked for %d keys", status, len(looked))
	}
	fails = errors.New("the store is away")
	if sent := w.send("POST", "/hook/hot", `{"k":1}`, "Content-Type: application/json"); sent.status != 503 || sent.header.Get("Retry-After") == "" {
		t.Errorf("status %d, Retry-After %q", sent.status, sent.header.Get("Retry-After"))
	}
	if n := len(w.stored()); n != 2 {
		t.Errorf("%d hooks are stored, want 2", n)
	}
	fails = nil
	w.keyed("cold", schemas.Flow{})
	before := len(looked)
	if status := w.send("POST", "/hook/cold", `{}`, "Content-Type: application/json").status; status != 200 || len(looked) != before {
		t.Errorf("status %d; a key was looked for where none is", status)
	}
}

func TestASenderThatWaitsIsAnsweredForTheHookOnItsShard(t *testing.T) {
	w := start(t, func(o *Options) {
		o.Place = func(_ context.Context, v *schemas.FlowVersion, h *schemas.Hook, partitions int32) error {
			h.Put(3, v.Flow.Shards, partitions)
			return nil
		}
	})
	w.keyed("hot", schemas.Flow{Dedupe: &schemas.Dedupe{Key: "=body.id"}, Trigger: schemas.Trigger{Respond: &schemas.Respond{When: "finished"}}})
	go func() {
		var hooks []*schemas.Hook
		for len(hooks) == 0 {
			hooks = w.stored()
		}
		to, err := schemas.ParseReplyTo(hooks[0].ReplyTo)
		if err != nil {
			t.Error(err)
		}
		reply := schemas.Reply{ID: hooks[0].ID, Status: 201, Body: []byte("done")}
		if err := w.edge.producer.client.ProduceSync(t.Context(), reply.Record("sluice.replies", to)).FirstErr(); err != nil {
			t.Error(err)
		}
	}()
	if sent := w.send("POST", "/hook/hot", `{"id":1}`, "Content-Type: application/json"); sent.status != 201 || sent.body != "done" {
		t.Errorf("status %d: %s", sent.status, sent.body)
	}
}
