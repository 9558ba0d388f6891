package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Recovery is the restart of a process that was killed with open executions,
// until a hook of another flow that came after has ended.
func TestAKillWith10000OpenExecutionsIsRecoveredFromWithin5Seconds(t *testing.T) {
	in, _ := clustered(t)
	gone := make(chan struct{})
	other := make(chan struct{}, 16)
	destination := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/other" {
			other <- struct{}{}
			return
		}
		select {
		case <-gone:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(destination.Close)
	t.Cleanup(func() { close(gone) }) // runs before Close, which waits for the calls
	p := in.start(nil, "serve")
	p.ready()
	for _, flow := range []string{"hangs", "other"} {
		in.publish(flow, fmt.Sprintf(`kind: Flow
id: %s
concurrency: 500
trigger: {uses: webhook/receive}
steps:
  - id: send
    uses: webhook/send
    input: {url: %q, body: {n: =body.n}}
`, flow, destination.URL+"/"+flow))
	}
	const open = 10_000
	if n := len(in.load("hangs", open, nil)); n != open {
		t.Fatalf("%d hooks accepted, want %d", n, open)
	}
	in.until(20*time.Second, "all are open", func() bool { return in.metric("sluice_run_open_executions") >= open })
	p.kill()
	restart := time.Now()
	p = in.start(nil, "serve")
	var sent time.Time
	in.until(30*time.Second, "a hook is accepted", func() bool {
		sent = time.Now()
		id, _, _ := in.send("other", `{"n":1}`)
		return id != ""
	})
	select {
	case <-other:
	case <-time.After(30 * time.Second):
		t.Fatal("the other flow's hook was never run")
	}
	took := time.Since(restart)
	t.Logf("running %v after the restart with %d open; its hook was sent after %v", took.Round(time.Millisecond), open, sent.Sub(restart).Round(time.Millisecond))
	if took > 5*time.Second {
		t.Errorf("running again %v after the restart, want 5 s", took)
	}
	for line := range strings.Lines(p.out.String()) {
		if strings.Contains(line, "partitions assigned") {
			t.Log(strings.TrimSpace(line))
		}
	}
	p.kill() // its calls hang; an orderly end would wait for them
}

// metric is the sum of a metric's values, whatever their labels.
func (in *installation) metric(name string) float64 {
	resp, err := in.apiReq(context.Background(), http.MethodGet, "/metrics")
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	sum := 0.0
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if line := lines.Text(); strings.HasPrefix(line, name+" ") || strings.HasPrefix(line, name+"{") {
			v, _ := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
			sum += v
		}
	}
	return sum
}
