package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/deploy/local"
)

type cluster struct {
	brokers *local.Brokers
	history *local.ClickHouse
}

// counter is a destination that counts the effects by their idempotency key.
type counter struct {
	*httptest.Server
	mu    sync.Mutex
	hits  int
	byKey map[string]int
	delay time.Duration
}

func newCounter(t *testing.T) *counter {
	c := &counter{byKey: map[string]int{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.hits++
		c.byKey[r.Header.Get("Idempotency-Key")]++
		delay := c.delay
		c.mu.Unlock()
		time.Sleep(delay) // how slow the destination is
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"ok":true}`)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *counter) seen() (hits, keys int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hits, len(c.byKey)
}

// relay makes a flow of two effects, each a call to the destination.
func (in *installation) relay(flow, destination string) {
	in.t.Helper()
	doc := fmt.Sprintf(`kind: Flow
id: %s
concurrency: 100
trigger: {uses: webhook/receive}
steps:
  - id: first
    uses: webhook/send
    input: {url: %q, body: {n: =body.n}}
  - id: second
    uses: webhook/send
    input: {url: %q, body: =steps.first.body}
`, flow, destination+"/first", destination+"/second")
	path := filepath.Join(in.t.TempDir(), flow+".yaml")
	if err := os.WriteFile(path, []byte(doc), 0o600); err != nil {
		in.t.Fatal(err)
	}
	in.must("apply", "-f", path, "--publish", "--start")
}

// load sends hooks from several senders, which try again until they have a
// 2xx, as senders do. It returns the IDs that were accepted.
func (in *installation) load(flow string, hooks int, sent func(n int)) map[string]bool {
	accepted := map[string]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := make(chan int)
	for range 8 {
		wg.Go(func() {
			for n := range next {
				for deadline := time.Now().Add(90 * time.Second); ; time.Sleep(20 * time.Millisecond) {
					id, status, _ := in.send(flow, `{"n":`+strconv.Itoa(n)+`}`)
					if id != "" {
						mu.Lock()
						accepted[id] = true
						mu.Unlock()
						break
					}
					if time.Now().After(deadline) {
						in.t.Errorf("hook %d was never accepted; the last answer was %d", n, status)
						return
					}
				}
			}
		})
	}
	for n := range hooks {
		if sent != nil {
			sent(n)
		}
		next <- n
	}
	close(next)
	wg.Wait()
	return accepted
}

// account checks that every accepted hook ended in exactly one execution.
func (in *installation) account(flow string, accepted map[string]bool) {
	in.t.Helper()
	sql := fmt.Sprintf("SELECT count(), uniqExact(id), countIf(status = 'succeeded') FROM executions WHERE flow = '%s'", flow)
	want := len(accepted)
	var got []int
	deadline := time.Now().Add(90 * time.Second)
	for {
		got = in.query(sql)
		// A hook whose answer was lost with the process may be stored as well.
		if len(got) == 3 && got[0] >= want && got[2] == got[0] {
			break
		}
		if time.Now().After(deadline) {
			in.t.Fatalf("count, uniqExact and succeeded are %v with %d hooks accepted", got, want)
		}
		time.Sleep(100 * time.Millisecond)
	}
	if got[0] != got[1] {
		in.t.Errorf("count %d and uniqExact %d differ", got[0], got[1])
	}
	found := 0
	for cursor := ""; ; {
		path := "/api/v1/executions?limit=500&flow=" + flow + "&cursor=" + cursor
		resp, err := in.apiReq(context.Background(), http.MethodGet, path)
		if err != nil {
			in.t.Fatal(err)
		}
		var page struct {
			Items []shown
			Next  string
		}
		if err := decodeBody(resp, &page); err != nil {
			in.t.Fatal(err)
		}
		for _, x := range page.Items {
			if accepted[x.ID] {
				found++
			}
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if found != want {
		in.t.Errorf("%d of the %d accepted hooks have an execution", found, want)
	}
	steps := in.query(fmt.Sprintf("SELECT count(), uniqExact(execution_id, step) FROM steps WHERE flow = '%s' AND status = 'succeeded'", flow))
	if len(steps) != 2 || steps[0] != steps[1] || steps[0] != 2*got[0] {
		in.t.Errorf("succeeded steps, and different ones, are %v; want %d of each", steps, 2*got[0])
	}
	in.t.Logf("%d hooks accepted, %d executions, all succeeded", want, got[0])
}

// door is a way to a server that can be closed and opened.
type door struct {
	t        *testing.T
	addr, to string
	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
}

func newDoor(t *testing.T, to string) *door {
	d := &door{t: t, to: to, addr: "127.0.0.1:0", conns: map[net.Conn]bool{}}
	d.open()
	t.Cleanup(d.close)
	return d
}

func (d *door) open() {
	d.t.Helper()
	l, err := net.Listen("tcp", d.addr)
	if err != nil {
		d.t.Fatal(err)
	}
	d.mu.Lock()
	d.listener, d.addr = l, l.Addr().String()
	d.mu.Unlock()
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", d.to)
			if err != nil {
				from.Close()
				continue
			}
			d.mu.Lock()
			d.conns[from], d.conns[to] = true, true
			d.mu.Unlock()
			for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
				go func() {
					io.Copy(pair[0], pair[1])
					pair[0].Close()
				}()
			}
		}
	}()
}

func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.listener.Close()
	for c := range d.conns {
		c.Close()
	}
	clear(d.conns)
}

func decodeBody(resp *http.Response, v any) error {
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the API answered %s", resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(v)
}

func TestKillMinus9InTheMiddleOf2000Hooks(t *testing.T) {
	in, _ := clustered(t)
	destination := newCounter(t)
	p := in.start(nil, "serve")
	p.ready()
	in.relay("relay", destination.URL)
	const kills = 3
	accepted := in.load("relay", 2000, func(n int) {
		if n%600 == 500 {
			p.kill()
			p = in.start(nil, "serve")
		}
	})
	in.account("relay", accepted)
	hits, keys := destination.seen()
	// At most what was in flight, or done since the last transaction, is done
	// again: the flow runs 100 executions at once, each one effect at a time.
	if most := keys + kills*2*100; hits > most {
		t.Errorf("%d effects for %d keys, want at most %d", hits, keys, most)
	}
	t.Logf("%d effects, %d of them repeated under the same key", hits, hits-keys)
	p.stop()
}

func TestDevSurvivesKillMinus9UnderLoad(t *testing.T) {
	in := newInstallation(t)
	destination := newCounter(t)
	p := in.start(nil, "dev")
	p.ready()
	in.relay("relay", destination.URL)
	accepted := in.load("relay", 1000, func(n int) {
		if n == 500 {
			p.kill()
			p = in.start(nil, "dev")
		}
	})
	in.account("relay", accepted)
	p.stop()
}

func TestAStoppedRunnerIsReplacedAndItsTransactionsAreRefused(t *testing.T) {
	in, _ := clustered(t)
	destination := newCounter(t)
	front := in.start(nil, "serve", "--roles", "ingest,runlog,console")
	front.ready()
	in.relay("relay", destination.URL)
	zombie := in.start(nil, "serve", "--roles", "run")
	in.until(30*time.Second, "the first runner has the partitions", func() bool {
		return strings.Contains(zombie.out.String(), "partitions assigned")
	})
	accepted := in.load("relay", 300, nil)
	destination.mu.Lock()
	destination.delay = 50 * time.Millisecond
	destination.mu.Unlock()
	stopped := time.Time{}
	var second *running
	for id := range in.load("relay", 300, func(n int) {
		switch n {
		case 150:
			zombie.Process.Signal(syscall.SIGSTOP)
			stopped = time.Now()
			second = in.start(nil, "serve", "--roles", "run")
		}
	}) {
		accepted[id] = true
	}
	in.until(40*time.Second, "another runner took over", func() bool {
		got := in.query("SELECT countIf(status = 'succeeded') FROM executions WHERE flow = 'relay'")
		return len(got) == 1 && got[0] >= 600
	})
	t.Logf("all done %v after the runner was stopped", time.Since(stopped).Round(100*time.Millisecond))
	zombie.Process.Signal(syscall.SIGCONT)
	for id := range in.load("relay", 100, nil) {
		accepted[id] = true
	}
	in.account("relay", accepted)
	second.stop()
	zombie.stop()
	front.stop()
}

func TestKafkaDownIsA503AndRecovers(t *testing.T) {
	in, c := clustered(t)
	pets := in.petstoreFor()
	p := in.start(nil, "serve")
	p.ready()
	in.must("apply", "-f", "deploy/demo/pets.yaml", "--publish", "--start")
	in.tutorial()
	for i := range 3 {
		if err := c.brokers.Pause(i); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		began := time.Now()
		_, status, header := in.send("pets", gromit)
		if took := time.Since(began); status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || took > 2*time.Second {
			t.Errorf("answered %d after %v with Retry-After %q; want 503 within 2 s", status, took, header.Get("Retry-After"))
		}
	}
	for i := range 3 {
		if err := c.brokers.Continue(i); err != nil {
			t.Fatal(err)
		}
	}
	in.until(30*time.Second, "hooks are accepted again", func() bool {
		id, _, _ := in.send("pets", gromit)
		return id != ""
	})
	in.until(30*time.Second, "they run again", func() bool {
		got := in.query("SELECT countIf(status = 'succeeded'), count() FROM executions")
		return len(got) == 2 && got[0] >= 4 && got[0] == got[1]
	})
	// A broker that dies is no reason for a 503 at all.
	if err := c.brokers.Kill(0); err != nil {
		t.Fatal(err)
	}
	in.until(20*time.Second, "hooks are accepted with two brokers", func() bool {
		id, _, _ := in.send("pets", gromit)
		return id != ""
	})
	if len(pets.Pets()) < 4 {
		t.Errorf("the Petstore has %d pets", len(pets.Pets()))
	}
	p.stop()
}

func TestClickHouseDownHoldsNothingUp(t *testing.T) {
	in, c := clustered(t)
	pets := in.petstoreFor()
	door := newDoor(t, c.history.Addr())
	in.env = append(in.env, "SLUICE_CLICKHOUSE_URL="+strings.Replace(c.history.URL(), c.history.Addr(), door.addr, 1))
	door.close()
	p := in.start(nil, "serve")
	p.answers("/livez")
	in.must("apply", "-f", "deploy/demo/pets.yaml", "--publish", "--start")
	for range 20 {
		if id, status, _ := in.send("pets", gromit); id == "" {
			t.Fatalf("the hook was answered %d", status)
		}
	}
	in.until(10*time.Second, "flows run without ClickHouse", func() bool { return len(pets.Pets()) == 20 })
	if out, code := in.sluice("executions"); code != 1 || !strings.Contains(strings.ToLower(out), "clickhouse") {
		t.Errorf("exit status %d and %q; want 1 and a word of ClickHouse", code, out)
	}
	door.open()
	in.until(15*time.Second, "the run log has caught up", func() bool {
		got := in.query("SELECT count(), uniqExact(id) FROM executions WHERE status = 'succeeded'")
		return len(got) == 2 && got[0] == 20 && got[1] == 20
	})
	p.stop()
}
