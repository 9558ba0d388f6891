package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// publish applies a document of a flow and starts it.
func (in *installation) publish(flow, doc string) {
	in.t.Helper()
	path := filepath.Join(in.t.TempDir(), flow+".yaml")
	if err := os.WriteFile(path, []byte(doc), 0o600); err != nil {
		in.t.Fatal(err)
	}
	in.must("apply", "-f", path, "--publish", "--start")
}

// A destination that takes a second must not cost what was done before a kill:
// the first step is not called again once its answer is a second old, and no
// accepted hook is lost.
func TestAKillWhileCallsTakeASecondLosesNoneAndEachResumesAtItsStep(t *testing.T) {
	in, _ := clustered(t)
	var mu sync.Mutex
	answered := map[string]time.Time{} // the first step's calls, by key
	calls := map[string]int{}
	again := 0 // first steps called though their answer was old when the process was killed
	var killed time.Time
	destination := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/first" {
			key := r.Header.Get("Idempotency-Key")
			mu.Lock()
			calls[key]++
			if at, ok := answered[key]; ok && !killed.IsZero() && killed.Sub(at) > time.Second {
				again++
			}
			mu.Unlock()
			select {
			case <-time.After(time.Second): // how slow the destination is
			case <-r.Context().Done():
				return
			}
			defer func() {
				mu.Lock()
				answered[key] = time.Now()
				mu.Unlock()
			}()
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"ok":true}`)
	}))
	t.Cleanup(destination.Close)
	p := in.start(nil, "serve")
	p.ready()
	in.publish("slow", fmt.Sprintf(`kind: Flow
id: slow
concurrency: 500
trigger: {uses: webhook/receive}
steps:
  - id: first
    uses: webhook/send
    input: {url: %q, body: {n: =body.n}}
  - id: second
    uses: webhook/send
    input: {url: %q, body: =steps.first.body}
`, destination.URL+"/first", destination.URL+"/second"))
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	accepted := in.load("slow", 1000, func(n int) {
		<-pace.C
		if n == 600 {
			p.kill()
			mu.Lock()
			killed = time.Now()
			mu.Unlock()
			p = in.start(nil, "serve")
		}
	})
	in.account("slow", accepted)
	mu.Lock()
	defer mu.Unlock()
	repeated, old := 0, 0
	for key, n := range calls {
		repeated += n - 1
		if at := answered[key]; at.Before(killed.Add(-time.Second)) {
			old++
		}
	}
	if again > 0 || old == 0 {
		t.Errorf("%d of %d first steps that were done a second before the kill were called again; want 0 of some", again, old)
	}
	t.Logf("%d accepted, 0 lost; %d first calls repeated under their key; none of the %d done before", len(accepted), repeated, old)
	p.stop()
}
