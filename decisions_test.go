package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// What a person decides after a failure and after a crash: a retry from a step
// with another body, a blocked key that is skipped, and a held effect.
func TestAPersonDecidesWhatBecomesOfAnExecution(t *testing.T) {
	var mu sync.Mutex
	hits := map[string]int{}
	hang := make(chan struct{})
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		hits[r.URL.Path+" "+string(body)]++
		mu.Unlock()
		switch {
		case strings.Contains(string(body), "bad"):
			w.WriteHeader(http.StatusBadRequest)
		case strings.Contains(string(body), "busy"):
			w.WriteHeader(http.StatusInternalServerError)
		case r.URL.Path == "/pay":
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{}`)
	}))
	defer target.Close()
	defer close(hang)
	in := newInstallation(t)
	p := in.start(nil, "dev")
	p.ready()
	in.apply(fmt.Sprintf(`---
kind: Flow
id: two
trigger: {uses: webhook/receive}
steps:
  - {id: one, uses: webhook/send, input: {url: %[1]s/one, body: {n: 1}}}
  - {id: two, uses: webhook/send, input: {url: %[1]s/two, body: {say: =body.say}}, retry: {attempts: 1}}
---
kind: Flow
id: ordered
trigger: {uses: webhook/receive}
order: {key: =body.who}
steps:
  - {id: tell, uses: webhook/send, input: {url: %[1]s/tell, body: {say: =body.say}}, retry: {attempts: 9, initial: 1h, max: 1h, on: [5xx]}}
---
kind: Flow
id: pay
trigger: {uses: webhook/receive}
steps:
  - {id: pay, uses: webhook/send, onUnknown: hold, input: {url: %[1]s/pay, body: {sum: 5}}}
  - {id: thank, uses: mapper/map, input: {receipt: =steps.pay.receipt}}
`, target.URL))
	show := func(id string) string {
		x, _ := in.sluice("execution", id, "--output", "json")
		return strings.ReplaceAll(x, " ", "")
	}
	ends := func(id, status string) {
		t.Helper()
		in.until(15*time.Second, id+" is "+status, func() bool {
			var x struct{ Status string }
			return json.Unmarshal([]byte(show(id)), &x) == nil && x.Status == status
		})
	}

	id, _, _ := in.send("two", `{"say":"bad"}`)
	ends(id, "failed")
	file := filepath.Join(t.TempDir(), "body.json")
	if err := os.WriteFile(file, []byte(`{"say":"good"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var again struct{ ID string }
	if err := json.Unmarshal([]byte(in.must("retry", id, "--from", "two", "--input", file, "--output", "json")), &again); err != nil {
		t.Fatal(err)
	}
	ends(again.ID, "succeeded")
	if x := show(again.ID); !strings.Contains(x, `"say":"good"`) || !strings.Contains(x, `"id":"one"`) {
		t.Errorf("the retry is %s, want the step before on it and the other body", x)
	}
	if x := show(id); !strings.Contains(x, again.ID) || !strings.Contains(x, `"failed"`) {
		t.Errorf("the failed one is %s, want it as it was, with its retry", x)
	}
	mu.Lock()
	if hits[`/one {"n":1}`] != 1 || hits[`/two {"say":"good"}`] != 1 {
		t.Errorf("hits: %v, want the step before the retry's first called once", hits)
	}
	mu.Unlock()

	first, _, _ := in.send("ordered", `{"who":"Ann","say":"busy"}`)
	second, _, _ := in.send("ordered", `{"who":"Ann","say":"fine"}`)
	var blocked struct {
		Items []struct {
			Key, Execution, Step, StepStatus string
			Waiting                          int
		}
	}
	in.until(10*time.Second, "the key is blocked", func() bool {
		return json.Unmarshal([]byte(in.must("blocked", "ordered", "--output", "json")), &blocked) == nil && len(blocked.Items) == 1 && blocked.Items[0].Waiting == 1 && blocked.Items[0].Step != ""
	})
	if b := blocked.Items[0]; b.Key != `"Ann"` || b.Execution != first || b.Step != "tell" || b.StepStatus != "retrying" {
		t.Errorf("blocked: %+v", b)
	}
	in.until(10*time.Second, "it can be skipped", func() bool { _, code := in.sluice("cancel", first); return code == 0 })
	ends(second, "succeeded")

	held, _, _ := in.send("pay", `{}`)
	in.until(10*time.Second, "the effect is in flight", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return hits[`/pay {"sum":5}`] == 1
	})
	p.kill()
	p = in.start(nil, "dev")
	p.ready()
	in.until(15*time.Second, "the step is held", func() bool { return strings.Contains(show(held), "resolvethestep") })
	if x := show(held); !strings.Contains(x, `"status":"unknown"`) {
		t.Errorf("the held execution is %s", x)
	}
	in.must("resolve", held, "pay", "--as", "succeeded", "--with", `{"receipt": 7}`)
	ends(held, "succeeded")
	mu.Lock()
	defer mu.Unlock()
	if n := hits[`/pay {"sum":5}`]; n != 1 {
		t.Errorf("the held effect went out %d times, want once", n)
	}
}
