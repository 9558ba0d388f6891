package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"sluice/deploy/bench/load"
	"sluice/deploy/local"
	"sluice/schemas/clickhouse"
)

// binaries measures the whole program as it is shipped: how soon what was
// accepted is in the run log, and what it takes of memory.
func binaries(ctx context.Context, s settings) ([]line, error) {
	dir, err := os.MkdirTemp("", "sluice-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	p, err := startBinary(ctx, s.binary, dir)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	time.Sleep(2 * time.Second) // idle is after the start is over
	idle, err := p.residentMB()
	if err != nil {
		return nil, err
	}
	visible, err := p.visible(ctx, 40*s.rounds)
	if err != nil {
		return nil, err
	}
	// The reply round trip: edge, Kafka, runner, Kafka, edge, at a constant rate.
	json := map[string]string{"Content-Type": "application/json"}
	answered, err := load.Open(load.Target{URL: p.hooks + "/hook/answer", Body: []byte(`{"id":1}`), Header: json}, 200, 5*s.slice, 64)
	if err == nil && answered.Failed > 0 {
		err = fmt.Errorf("%d hooks were not answered", answered.Failed)
	}
	if err != nil {
		return nil, err
	}
	accepted, err := load.Open(load.Target{URL: p.hooks + "/hook/bench", Body: []byte(`{"id":1}`), Header: json}, 200, 5*s.slice, 64)
	if err != nil {
		return nil, err
	}
	if _, err := load.Count(load.Target{URL: p.hooks + "/hook/bench", Body: kilobyte, Header: map[string]string{"Content-Type": "application/json"}}, 32, 10_000); err != nil {
		return nil, err
	}
	time.Sleep(3 * time.Second)
	after, err := p.residentMB()
	if err != nil {
		return nil, err
	}
	p.stop()
	row, err := bareRow(ctx, filepath.Join(dir, "reference"))
	if err != nil {
		return nil, err
	}
	reference := "a bare row, inserted and read back"
	return []line{
		pair("from the 2xx to the row in the run log, p50", "ms", []float64{millis(quantile(visible, 0.5))}, reference, []float64{millis(quantile(row, 0.5))}),
		pair("from the 2xx to the row in the run log, p99", "ms", []float64{millis(quantile(visible, 0.99))}, reference, []float64{millis(quantile(row, 0.99))}),
		pair("an answer from the flow at 200/s, p50", "ms", []float64{millis(answered.Quantile(0.5))}, "an answer from the edge alone", []float64{millis(accepted.Quantile(0.5))}),
		pair("an answer from the flow at 200/s, p99", "ms", []float64{millis(answered.Quantile(0.99))}, "an answer from the edge alone", []float64{millis(accepted.Quantile(0.99))}),
		{Name: "sluice dev, resident, idle", Value: idle, Unit: "MB"},
		{Name: "sluice dev, resident, after 10,000 hooks", Value: after, Unit: "MB"},
	}, nil
}

type binary struct {
	*exec.Cmd
	hooks, api string
	done       chan struct{}
}

func startBinary(ctx context.Context, path, dir string) (*binary, error) {
	addrs, err := local.FreeAddrs(2)
	if err != nil {
		return nil, err
	}
	ingest, api := addrs[0], addrs[1]
	p := &binary{Cmd: exec.Command(path, "dev"), hooks: "http://" + ingest, api: "http://" + api, done: make(chan struct{})}
	p.Env = append(os.Environ(), "SLUICE_DATA_DIR="+dir, "SLUICE_INGEST_ADDR="+ingest, "SLUICE_CONSOLE_ADDR="+api, "SLUICE_LOG_LEVEL=error")
	var log bytes.Buffer
	p.Stderr = &log
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w; run make build first", path, err)
	}
	go func() { p.Wait(); close(p.done) }()
	if err := p.apply(ctx); err != nil {
		p.stop()
		return nil, fmt.Errorf("%w\n%s", err, log.String())
	}
	return p, nil
}

func (p *binary) stop() {
	p.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		p.Process.Kill()
		<-p.done
	}
}

// apply waits for the API, and starts a flow.
func (p *binary) apply(ctx context.Context) error {
	const flow = "kind: Flow\nid: bench\ntrigger: {uses: webhook/receive}\nsteps:\n  - {id: map, uses: mapper/map, input: {id: =body.id}}\n" +
		"---\nkind: Flow\nid: answer\ntrigger: {uses: webhook/receive, respond: {when: finished, body: =steps.map}}\nsteps:\n  - {id: map, uses: mapper/map, input: {id: =body.id}}\n"
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		resp, err := http.Post(p.api+"/api/v1/apply?publish=true&start=true", "application/yaml", strings.NewReader(flow))
		if err == nil {
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("%s: %s", resp.Status, body)
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("applying the bench's flow: %w", err)
		}
	}
}

// visible sends n hooks, 20 a second, and says how long after its 2xx each
// was in the run log as succeeded.
func (p *binary) visible(ctx context.Context, n int) ([]time.Duration, error) {
	all := make([]time.Duration, 0, n)
	for due := time.Now(); len(all) < n; due = due.Add(50 * time.Millisecond) {
		time.Sleep(time.Until(due))
		resp, err := http.Post(p.hooks+"/hook/bench", "application/json", strings.NewReader(`{"id":1}`))
		if err != nil {
			return nil, err
		}
		id := resp.Header.Get("X-Request-Id")
		resp.Body.Close()
		accepted := time.Now()
		for {
			if time.Since(accepted) > 10*time.Second || ctx.Err() != nil {
				return nil, fmt.Errorf("execution %s is not in the run log", id)
			}
			var x struct{ Status string }
			resp, err := http.Get(p.api + "/api/v1/executions/" + id)
			if err != nil {
				return nil, err
			}
			err = json.NewDecoder(resp.Body).Decode(&x)
			resp.Body.Close()
			if err == nil && x.Status == "succeeded" {
				break
			}
		}
		all = append(all, time.Since(accepted))
	}
	slices.Sort(all)
	return all, nil
}

func (p *binary) residentMB() (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var kb float64
	_, err = fmt.Sscan(rest, &kb)
	return kb / 1024, err
}

// bareRow is what the engine itself needs for one row.
func bareRow(ctx context.Context, dir string) ([]time.Duration, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	engine, err := local.StartClickHouse(local.ClickHouseOptions{DataDir: dir})
	if err != nil {
		return nil, err
	}
	defer engine.Close()
	conn, err := clickhouse.Open(engine.URL())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.Exec(ctx, "CREATE TABLE rows (id UInt64, text String) ENGINE = MergeTree ORDER BY id"); err != nil {
		return nil, err
	}
	var all []time.Duration
	for i := range 100 {
		began := time.Now()
		batch, err := conn.PrepareBatch(ctx, "INSERT INTO rows")
		if err != nil {
			return nil, err
		}
		if err := batch.Append(uint64(i), "x"); err != nil {
			return nil, err
		}
		if err := batch.Send(); err != nil {
			return nil, err
		}
		var n uint64
		if err := conn.QueryRow(ctx, "SELECT count() FROM rows WHERE id = ?", i).Scan(&n); err != nil {
			return nil, err
		}
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	return all, nil
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	return load.Result{Latencies: sorted}.Quantile(q)
}
