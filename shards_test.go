package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"sluice/schemas"
)

// lines is a destination that notes, by key, the events that reach it in their order.
type lines struct {
	*httptest.Server
	mu    sync.Mutex
	seen  map[string][]int
	calls map[string]int // by idempotency key
}

func newLines(t *testing.T) *lines {
	l := &lines{seen: map[string][]int{}, calls: map[string]int{}}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			K string
			N int
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		l.mu.Lock()
		l.seen[in.K] = append(l.seen[in.K], in.N)
		key := r.Header.Get("Idempotency-Key")
		l.calls[key]++
		first := l.calls[key] == 1
		l.mu.Unlock()
		if first && in.N%9 == 4 {
			w.WriteHeader(http.StatusServiceUnavailable) // it is tried again, and holds its key
		}
	}))
	t.Cleanup(l.Close)
	return l
}

// deliver sends a hook; the error says that nobody took it.
func (in *installation) deliver(flow, body string) (schemas.ExecutionID, error) {
	id, _, _ := in.send(flow, body)
	return schemas.ParseExecutionID(id)
}

// A flow with shards, order and dedupe on real brokers: each event comes three
// times at once, those of a key one after the other, and the process is killed
// twice. Each event runs once, none before an earlier one of its key.
func TestAHotFlowKeepsOrderAndDedupeOverItsShards(t *testing.T) {
	const keys, events, deliveries = 8, 24, 3
	target := newLines(t)
	in, _ := clustered(t)
	p := in.start(nil, "serve")
	p.ready()
	in.apply(fmt.Sprintf(`kind: Flow
id: hot
trigger: {uses: webhook/receive}
shards: 4
order: {key: =body.k}
dedupe: {key: '={"k": body.k, "n": body.n}'}
steps:
  - id: tell
    uses: webhook/send
    input: {url: %s, body: =body}
    retry: {attempts: 5, initial: 50ms}
`, target.URL))
	in.until(30*time.Second, "the flow runs", func() bool {
		response, err := in.hookClient.Head("http://" + in.ingest + "/hook/hot")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	var mu sync.Mutex
	places := map[int]schemas.ExecutionID{} // by key, its last hook
	deliver := func(k, n int) {
		in.until(60*time.Second, "a delivery is accepted", func() bool {
			id, err := in.deliver("hot", fmt.Sprintf(`{"k":"k%d","n":%d}`, k, n))
			if err != nil {
				return false
			}
			mu.Lock()
			defer mu.Unlock()
			if before, ok := places[k]; ok && before.Partition() != id.Partition() {
				t.Errorf("key %d is on the partitions %d and %d", k, before.Partition(), id.Partition())
			}
			places[k] = id
			return true
		})
	}
	third := func(from int) {
		var senders sync.WaitGroup
		for k := range keys {
			senders.Go(func() {
				for n := from; n < from+events/3; n++ {
					var at sync.WaitGroup
					for range deliveries {
						at.Go(func() { deliver(k, n) })
					}
					at.Wait()
				}
			})
		}
		senders.Wait()
	}
	for i := range 3 {
		if i > 0 {
			p.kill()
			p = in.start(nil, "serve")
			p.ready()
		}
		third(i * events / 3)
	}
	// Once more, when the memory of it has been read back.
	deliver(0, 0)
	in.until(120*time.Second, "all have ended", func() bool {
		got := in.query("SELECT countIf(status = 'succeeded'), countIf(status = 'duplicate'), count() FROM executions WHERE flow = 'hot'")
		return len(got) == 3 && got[0] == keys*events && got[2] == got[0]+got[1] && got[1] >= keys*events*(deliveries-1)+1
	})
	if got := in.query("SELECT uniqExact(partition), uniqExact(id), count() FROM hooks WHERE flow = 'hot'"); got[0] < 2 || got[1] != got[2] {
		t.Errorf("partitions, IDs and hooks: %v; want two partitions at least, and as many IDs as hooks", got)
	}
	// A retry with another body goes where the key of that is.
	other := slices.IndexFunc([]int{1, 2, 3, 4, 5, 6, 7}, func(k int) bool { return places[k].Partition() != places[0].Partition() }) + 1
	if other == 0 {
		t.Fatal("all keys are on one partition: the test shows nothing")
	}
	input := filepath.Join(t.TempDir(), "input.json")
	if err := os.WriteFile(input, fmt.Appendf(nil, `{"k":"k%d","n":%d}`, other, events), 0o600); err != nil {
		t.Fatal(err)
	}
	var retried struct{ ID string }
	if err := json.Unmarshal([]byte(in.must("retry", places[0].String(), "--input", input, "--output", "json")), &retried); err != nil {
		t.Fatal(err)
	}
	if id, err := schemas.ParseExecutionID(retried.ID); err != nil || id.Partition() != places[other].Partition() {
		t.Errorf("the retry %s (%v) is not on partition %d, that of its key", retried.ID, err, places[other].Partition())
	}
	in.succeeded(retried.ID)

	target.mu.Lock()
	defer target.mu.Unlock()
	again := "k" + strconv.Itoa(other)
	target.seen[again] = slices.DeleteFunc(target.seen[again], func(n int) bool { return n == events })
	for k, seen := range target.seen {
		if !slices.IsSorted(seen) {
			t.Errorf("the events of %s came as %v", k, seen)
		}
		if once := slices.Compact(slices.Clone(seen)); len(once) != events {
			t.Errorf("%d events of %s came, want %d", len(once), k, events)
		}
	}
	if len(target.seen) != keys || len(target.calls) != keys*events+1 {
		t.Errorf("%d keys and %d effects, want %d and %d", len(target.seen), len(target.calls), keys, keys*events+1)
	}
	p.stop()
}
