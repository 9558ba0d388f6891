package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/connectors"
	"sluice/connectors/mapping"
	"sluice/schemas"
	"sluice/schemas/blobs"
)

// placed puts a hook of a flow on its shard, as the edge does.
func (r *rig) placed(s *Shards, h *schemas.Hook) *schemas.Hook {
	r.t.Helper()
	h.Kind, h.Method, h.Path, h.Time, h.Control = schemas.KindHook, "POST", "/hook/"+h.Flow, time.Now(), r.catalog.Offset()
	if h.ContentType == "" {
		h.ContentType = "application/json"
	}
	h.ID = schemas.NewExecutionID(h.Time, 0)
	if err := s.Place(r.t.Context(), r.catalog.Flow(h.Flow).Published(), h, rigPartitions); err != nil {
		r.t.Fatal(err)
	}
	return h
}

func (r *rig) shards() *Shards {
	return NewShards(r.catalog, mapping.New(mapping.Limits{Timeout: 100 * time.Millisecond}), nil)
}

func TestAShardIsChosenByTheKeyThatKeepsHooksTogether(t *testing.T) {
	r := newRig(t)
	r.catalog.change(schemas.Change{Type: schemas.CredentialSaved, Credential: &schemas.Credential{ID: "gh", Uses: "webhook", Type: "github"}})
	const steps = `,"shards":8,"steps":[{"id":"do","uses":"test/effect"}]`
	for id, rest := range map[string]string{
		"even":   `"concurrency":9`,
		"dedupe": `"dedupe":{"key":"=body.id"}`,
		"preset": `"dedupe":{"preset":"stripe"}`,
		"order":  `"order":{"key":"=body.k"}`,
		"both":   `"order":{"key":"=body.k"},"dedupe":{"key":"={\"k\": body.k, \"id\": body.id}"}`,
		"header": `"order":{"key":"=headers.\"x-k\""}`,
	} {
		r.publish(id, rest+steps)
	}
	doc := `{"kind":"Flow","id":"github","trigger":{"uses":"webhook/receive","credential":"gh"},"dedupe":{}` + steps + `}`
	r.catalog.change(schemas.Change{Type: schemas.FlowPublished, Flow: "github", Document: json.RawMessage(doc)})

	s := r.shards()
	shards := func(hook func(i int) *schemas.Hook) map[string]bool {
		seen := map[string]bool{}
		for i := range 64 {
			h := r.placed(s, hook(i))
			if h.Unkeyed != "" {
				t.Fatalf("unkeyed: %s", h.Unkeyed)
			}
			if want := schemas.PartitionOf(h.Shard, rigPartitions); h.ID.Partition() != want {
				t.Fatalf("%s is on partition %d, want %d", h.Shard, h.ID.Partition(), want)
			}
			seen[h.Shard] = true
		}
		return seen
	}
	body := func(flow, text string) func(i int) *schemas.Hook {
		return func(i int) *schemas.Hook {
			return &schemas.Hook{Flow: flow, Body: []byte(strings.ReplaceAll(text, "N", fmt.Sprint(i)))}
		}
	}
	header := func(flow, name, text string) func(i int) *schemas.Hook {
		return func(i int) *schemas.Hook {
			return &schemas.Hook{Flow: flow, Headers: map[string]string{name: strings.ReplaceAll(text, "N", fmt.Sprint(i))}}
		}
	}
	for name, c := range map[string]struct {
		hook func(i int) *schemas.Hook
		one  bool // all on one shard
	}{
		"nothing keeps them together":         {body("even", `{"id":1}`), false},
		"one event":                           {body("dedupe", `{"n":N,"id":1}`), true},
		"events":                              {body("dedupe", `{"id":N}`), false},
		"without an event":                    {body("dedupe", `{}`), false},
		"with an empty one":                   {body("dedupe", `{"id":""}`), false},
		"one event of a provider":             {body("preset", `{"n":N,"id":"evt_1"}`), true},
		"one event of the credential's":       {header("github", "x-github-delivery", "1"), true},
		"events of the credential's provider": {header("github", "x-github-delivery", "N"), false},
		"one order":                           {body("order", `{"n":N,"k":"a"}`), true},
		"one order, of the empty text":        {body("order", `{"n":N,"k":""}`), true},
		"orders":                              {body("order", `{"k":"N"}`), false},
		"in no order":                         {body("order", `{"k":null}`), false},
		"events of one order":                 {body("both", `{"k":"a","id":N}`), true},
		"events of orders":                    {body("both", `{"k":"N","id":1}`), false},
		"one event in no order":               {body("both", `{"n":N,"id":1}`), true},
		"events in no order":                  {body("both", `{"id":N}`), false},
		"a header's":                          {header("header", "x-k", "1"), true},
		"headers'":                            {header("header", "x-k", "N"), false},
	} {
		if seen := shards(c.hook); (len(seen) == 1) != c.one || !c.one && len(seen) < 6 {
			t.Errorf("%s: on %d shards; on one: want %v", name, len(seen), c.one)
		}
	}
	r.publish("cold", `"dedupe":{"key":"=body.id"},"steps":[{"id":"do","uses":"test/effect"}]`)
	if h := r.placed(s, &schemas.Hook{Flow: "cold", Body: []byte(`{"id":1}`)}); h.Shard != "" || h.ID.Partition() != schemas.PartitionOf("cold", rigPartitions) {
		t.Errorf("a hook of a flow without shards is on %q, partition %d", h.Shard, h.ID.Partition())
	}
}

// lost is a store that cannot be reached.
type lost struct{ blobs.Store }

func (lost) Open(context.Context, string, int64, int64) (io.ReadCloser, error) {
	return nil, errors.New("no route to the store")
}

func TestTheKeyOfALargeBodyIsReadFromWhereItIs(t *testing.T) {
	r := newRig(t)
	r.publish("hot", `"order":{"key":"=body.k"},"shards":8,"steps":[{"id":"do","uses":"test/effect"}]`)
	r.publish("head", `"order":{"key":"=headers.k"},"shards":8,"steps":[{"id":"do","uses":"test/effect"}]`)
	store, err := blobs.OpenLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	large := []byte(`{"k":"a","filling":"` + strings.Repeat("x", schemas.MaxInlineBody) + `"}`)
	w, err := store.Create(t.Context(), "large")
	if err == nil {
		_, err = w.Write(large)
	}
	if err == nil {
		err = w.Commit()
	}
	if err != nil {
		t.Fatal(err)
	}
	ref := &schemas.BodyRef{Blob: "large", Size: int64(len(large))}
	engine := mapping.New(mapping.Limits{})
	s := NewShards(r.catalog, engine, store)
	small := r.placed(s, &schemas.Hook{Flow: "hot", Body: []byte(`{"k":"a"}`)})
	if h := r.placed(s, &schemas.Hook{Flow: "hot", BodyRef: ref}); h.Shard != small.Shard || len(h.Body) > 0 || h.BodyRef != ref {
		t.Errorf("the large one is on %s with %d bytes, the small one on %s", h.Shard, len(h.Body), small.Shard)
	}
	// A store that is away is no reason to guess; a key that is elsewhere does not ask it.
	away := NewShards(r.catalog, engine, lost{store})
	h := &schemas.Hook{Flow: "hot", ContentType: "application/json", BodyRef: ref}
	if err := away.Place(t.Context(), r.catalog.Flow("hot").Published(), h, rigPartitions); err == nil {
		t.Error("a hook was placed although its body could not be read")
	}
	r.placed(away, &schemas.Hook{Flow: "head", BodyRef: ref, Headers: map[string]string{"k": "a"}})
}

func TestKeysAreLookedForInNoMoreBodiesThanThereIsMemoryFor(t *testing.T) {
	r := newRig(t)
	r.publish("hot", `"order":{"key":"=body.k"},"shards":8,"steps":[{"id":"do","uses":"test/effect"}]`)
	r.publish("head", `"order":{"key":"=headers.k"},"shards":8,"steps":[{"id":"do","uses":"test/effect"}]`)
	s := r.shards()
	done, err := s.store.room(t.Context(), shardBytes)
	if err != nil {
		t.Fatal(err)
	}
	impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	h := &schemas.Hook{Flow: "hot", ContentType: "application/json", Body: []byte(`{"k":"a"}`)}
	if err := s.Place(impatient, r.catalog.Flow("hot").Published(), h, rigPartitions); err == nil {
		t.Error("a body was made a value of beyond the memory there is for that")
	}
	r.placed(s, &schemas.Hook{Flow: "head", Body: []byte(`{}`), Headers: map[string]string{"k": "a"}}) // takes none
	done()
	for range 3 * shardBytes / viewFactor / (1 << 20) { // each gives back what it took
		r.placed(s, &schemas.Hook{Flow: "hot", Body: append([]byte(`{"k":"a"}`), make([]byte, 1<<20)...)})
	}
}

func BenchmarkPlace(b *testing.B) {
	for name, key := range map[string]string{"header": `headers."x-k"`, "body": "body.k"} {
		b.Run(name, func(b *testing.B) {
			v := &schemas.FlowVersion{Number: 1, Flow: &schemas.Flow{Shards: 8, Order: map[string]any{"key": "=" + key}}}
			s := NewShards(newCatalog(), mapping.New(mapping.Limits{}), nil)
			body := []byte(`{"k":"a","lines":[` + strings.Repeat(`{"sku":"gromit","count":12},`, 30) + `{}]}`)
			headers := map[string]string{"x-k": "a", "content-type": "application/json", "user-agent": "benchmark", "accept": "*/*"}
			b.ReportAllocs()
			for b.Loop() {
				h := schemas.Hook{Flow: "hot", ContentType: "application/json", Body: body, Headers: headers}
				if err := s.Place(context.Background(), v, &h, 12); err != nil || h.Unkeyed != "" {
					b.Fatal(err, h.Unkeyed)
				}
			}
		})
	}
}

func TestAHookWhoseKeyCannotBeHadWhereItIsMadeFailsAndIsNotRun(t *testing.T) {
	r := newRig(t)
	r.publish("hot", `"dedupe":{"key":"=($f := function($n) { body.slow ? $f($n + 1) : body.id }; $f(0))"},"shards":8,"steps":[{"id":"do","uses":"test/effect"}]`)
	r.start("a")
	s := r.shards()
	slow := r.placed(s, &schemas.Hook{Flow: "hot", Body: []byte(`{"slow":true}`)})
	if slow.Shard != "hot#0" || slow.Unkeyed == "" {
		t.Errorf("it is on %q: %q", slow.Shard, slow.Unkeyed)
	}
	// The runner could have the key of this one, and does not run it on the wrong shard.
	slow.Body = []byte(`{"id":1}`)
	r.append(slow)
	h := r.ended(1)
	want(t, h[slow.ID], failed)
	if why := h[slow.ID].last.Failure.GetMessage(); !strings.Contains(why, "dedupe key") || len(r.made()) != 0 {
		t.Errorf("why: %q; %d effects", why, len(r.made()))
	}
}

// Deliveries of many events, ten times each, some in the order of their key and
// some at once, over kills of the runner: each event runs once, and none before
// an earlier one of its key.
func TestShardsKeepTheOrderOfAKeyAndRunEachEventOnce(t *testing.T) {
	r := newRig(t)
	r.publish("hot", `"shards":4,"order":{"key":"=body.k"},"dedupe":{"key":"={\"k\": body.k, \"n\": body.n}","window":"1h"},`+inOrder)
	s := r.shards()
	q := newSequence()
	r.do = func(ctx context.Context, c connectors.Call) (connectors.Result, error) {
		time.Sleep(time.Duration(rand.Intn(2)) * time.Millisecond) // destinations differ
		return q.do(ctx, c)
	}
	kill := r.startToKill("a")
	const events, keys, deliveries = 60, 6, 10
	partitions := map[int32]bool{}
	for i := range events {
		var mu sync.Mutex
		var at sync.WaitGroup
		for range deliveries {
			at.Go(func() {
				h := r.placed(s, &schemas.Hook{Flow: "hot", Body: fmt.Appendf(nil, `{"k":"k%d","n":%d}`, i%keys, i)})
				r.append(h)
				mu.Lock()
				defer mu.Unlock()
				partitions[h.ID.Partition()] = true
			})
		}
		at.Wait()
		if i%20 == 15 {
			kill()
			kill = r.startToKill("a")
		}
	}
	h := r.ended(events * deliveries)
	kill()
	if len(partitions) < 2 {
		t.Errorf("all on %d partition: the test shows nothing", len(partitions))
	}
	if s, d := h.count(succeeded), h.count(duplicate); s != events || d != events*(deliveries-1) {
		t.Errorf("%d succeeded and %d are duplicates, want %d and %d", s, d, events, events*(deliveries-1))
	}
	if q.inversions != 0 {
		t.Errorf("%d effects came after a later one of their key", q.inversions)
	}
	r.read(schemas.DefaultTopics.Dedupe(), func(record *kgo.Record) {
		shard, _, _ := strings.Cut(string(record.Key), "\x00")
		if !strings.HasPrefix(shard, "hot#") || schemas.PartitionOf(shard, rigPartitions) != record.Partition {
			t.Errorf("an event of %q is remembered on partition %d", shard, record.Partition)
		}
	})
}

func TestACalledFlowWithShardsMeetsItsDuplicates(t *testing.T) {
	r := newRig(t)
	r.publish("hot", `"shards":4,"dedupe":{"key":"=body.id"},"steps":[{"id":"do","uses":"test/effect","input":"=body"}]`)
	r.publish("caller", `"steps":[{"id":"call","uses":"flow/call","input":{"flow":"hot","body":{"id":"=body.id"}}}]`)
	s := r.shards()
	r.start("a")
	const events = 12
	for i := range events {
		r.send("caller", fmt.Sprintf(`{"id":%d}`, i))
		r.append(r.placed(s, &schemas.Hook{Flow: "hot", Body: fmt.Appendf(nil, `{"id":%d}`, i)}))
		r.send("caller", fmt.Sprintf(`{"id":%d}`, i))
	}
	h := r.ended(5 * events) // a call is an execution of its own
	if n, d := len(r.made()), h.count(duplicate); n != events || d != 2*events {
		t.Errorf("%d events ran and %d are duplicates, want %d and %d", n, d, events, 2*events)
	}
}
