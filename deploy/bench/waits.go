package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/connectors"
	"sluice/connectors/all"
	"sluice/connectors/mapping"
	"sluice/connectors/outgoing"
	"sluice/processors/run"
	"sluice/schemas"
)

// waitsAtMost and takeoverAtMost are what a million waits may take.
const (
	waitsAtMost    = 300 // MB of resident memory beyond idle
	takeoverAtMost = 60  // s
)

// waits puts a million executions into the topic state that wait for a callback
// or for two days, all of one runner in a process of its own on a real broker;
// kills it; and measures how long another takes to have them, and what it takes
// of memory for them.
func waits(ctx context.Context, s settings) ([]line, error) {
	n := s.waits
	b, err := apache()
	if err != nil {
		return nil, err
	}
	defer b.close()
	first, err := startRunner(b, waitFlows())
	if err != nil {
		return nil, err
	}
	defer func() { first.kill() }()
	if err := first.probe(ctx, b); err != nil {
		return nil, err
	}
	idle, err := first.residentAfterGC()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	flows := make([]string, partitions)
	for i := range flows {
		flows[i] = fmt.Sprint("wait", i)
	}
	some, err := preloadHooks(ctx, b, flows, n)
	if err != nil {
		return nil, err
	}
	rests := 0 // looks in a row: while a queue is read back nothing is active either
	if err := first.until(ctx, 10*time.Minute, "all wait", func(s standing) bool {
		if rests++; s.Open != n || s.Active > 0 {
			rests = 0
		}
		return rests > 40
	}); err != nil {
		return nil, err
	}
	filled := time.Since(began)
	at, err := first.residentAfterGC()
	if err != nil {
		return nil, err
	}
	first.kill()

	began = time.Now()
	second, err := startRunner(b, waitFlows())
	if err != nil {
		return nil, err
	}
	defer second.kill()
	if err := second.until(ctx, 5*time.Minute, "they are taken over", func(s standing) bool { return s.Open >= n }); err != nil {
		return nil, err
	}
	if err := second.probe(ctx, b); err != nil { // it works
		return nil, err
	}
	took := time.Since(began)
	peak := second.peak
	after, err := second.residentAfterGC()
	if err != nil {
		return nil, err
	}

	began = time.Now()
	if err := callBack(ctx, b, some); err != nil {
		return nil, err
	}
	if err := second.until(ctx, time.Minute, "those that were called have ended", func(s standing) bool { return s.Ended >= len(some)+1 }); err != nil {
		return nil, err
	}
	called := time.Since(began)
	share := float64(n) / 1e6
	what := fmt.Sprintf("%d waits on one process: ", n)
	return []line{
		pair(what+"resident beyond idle, after the takeover and a GC", "MB", []float64{after - idle}, "at most", []float64{waitsAtMost}),
		pair(what+"resident beyond idle, where they began, after a GC", "MB", []float64{at - idle}, "at most", []float64{waitsAtMost}),
		{Name: what + "resident beyond idle, at most during the takeover", Value: peak - idle, Unit: "MB"},
		pair(what+"kill -9 until all are taken over and a hook has ended", "s", []float64{took.Seconds()}, "at most", []float64{takeoverAtMost * max(share, 0.2)}),
		{Name: what + "begun", Value: float64(n) / filled.Seconds(), Unit: "executions/s"},
		{Name: what + fmt.Sprintf("%d callbacks at once, until the last one's execution has ended", len(some)), Value: called.Seconds(), Unit: "s"},
	}, nil
}

func waitFlows() map[string]string {
	documents := map[string]string{"probe": `{"kind":"Flow","id":"probe","trigger":{"uses":"webhook/receive"},"steps":[{"id":"map","uses":"mapper/map","input":{}}]}`}
	for i := range partitions {
		id := fmt.Sprint("wait", i)
		documents[id] = fmt.Sprintf(`{"kind":"Flow","id":%q,"concurrency":500,"trigger":{"uses":"webhook/receive"},"steps":[
			{"id":"answer","uses":"webhook/wait","input":{"timeout":"48h"}},{"id":"map","uses":"mapper/map","input":{"id":"=body.id"}}]}`, id)
	}
	return documents
}

// preloadHooks appends n hooks of flows in turns, and returns some of them.
func preloadHooks(ctx context.Context, b *broker, flows []string, n int) ([]*schemas.Hook, error) {
	var some []*schemas.Hook
	failed := make(chan error, 1)
	producer, err := producerOf(b)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	for i := range n {
		now := time.Now()
		flow := flows[i%len(flows)]
		h := schemas.Hook{ID: schemas.NewExecutionID(now, schemas.PartitionOf(flow, partitions)), Kind: schemas.KindHook, Flow: flow, Time: now,
			Method: "POST", Path: "/hook/" + flow, ContentType: "application/json", Body: fmt.Appendf(nil, `{"id":%d,"customer":"Gromit","status":"sold"}`, i)}
		if i%max(1, n/200) == 0 {
			some = append(some, &h)
		}
		r, err := h.Record()
		if err != nil {
			return nil, err
		}
		r.Topic = schemas.DefaultTopics.Hooks()
		producer.Produce(ctx, r, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	if err := producer.Flush(ctx); err != nil {
		return nil, err
	}
	select {
	case err := <-failed:
		return nil, err
	default:
		return some, nil
	}
}

func callBack(ctx context.Context, b *broker, waits []*schemas.Hook) error {
	var hooks []*schemas.Hook
	for _, w := range waits {
		hooks = append(hooks, &schemas.Hook{ID: w.ID, Kind: schemas.KindCallback, Flow: w.Flow, Time: time.Now(), Step: "answer", Method: "POST",
			ContentType: "application/json", Body: []byte(`{"approved":true}`)})
	}
	return appendHooks(ctx, b, hooks)
}

func appendHooks(ctx context.Context, b *broker, hooks []*schemas.Hook) error {
	producer, err := producerOf(b)
	if err != nil {
		return err
	}
	defer producer.Close()
	for _, h := range hooks {
		r, err := h.Record()
		if err != nil {
			return err
		}
		r.Topic = schemas.DefaultTopics.Hooks()
		if err := producer.ProduceSync(ctx, r).FirstErr(); err != nil {
			return err
		}
	}
	return nil
}

// standing is how a runner stands, as its process prints it.
type standing struct{ Open, Active, Ended int }

// runner is a runner in a process of its own: what is measured is its memory
// and no one else's.
type runner struct {
	*exec.Cmd
	now  chan standing // the latest
	done chan struct{}
	peak float64 // MB
}

func startRunner(b *broker, flows map[string]string) (*runner, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	documents, err := json.Marshal(flows)
	if err != nil {
		return nil, err
	}
	r := &runner{Cmd: exec.Command(self, "-runner", strings.Join(b.addrs, ",")), now: make(chan standing, 1), done: make(chan struct{})}
	r.Stderr, r.Stdin = os.Stderr, bytes.NewReader(documents)
	out, err := r.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := r.Start(); err != nil {
		return nil, fmt.Errorf("starting a runner: %w", err)
	}
	go func() {
		defer close(r.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var s standing
			if json.Unmarshal(lines.Bytes(), &s) == nil {
				select {
				case <-r.now:
				default:
				}
				r.now <- s
			}
		}
		r.Wait()
	}()
	return r, nil
}

func (r *runner) kill() {
	r.Process.Kill()
	<-r.done
}

func (r *runner) until(ctx context.Context, limit time.Duration, what string, is func(standing) bool) error {
	var last standing
	for deadline := time.After(limit); ; {
		select {
		case last = <-r.now:
			if mb, err := resident(r.Process.Pid); err == nil {
				r.peak = max(r.peak, mb)
			}
			if is(last) {
				return nil
			}
		case <-r.done:
			return fmt.Errorf("the runner has ended before %s", what)
		case <-deadline:
			return fmt.Errorf("waited %v in vain until %s: %+v", limit, what, last)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// probe sends a hook and waits until it has ended.
func (r *runner) probe(ctx context.Context, b *broker) error {
	now := time.Now()
	h := &schemas.Hook{ID: schemas.NewExecutionID(now, schemas.PartitionOf("probe", partitions)), Kind: schemas.KindHook, Flow: "probe", Time: now,
		Method: "POST", ContentType: "application/json", Body: []byte(`{}`)}
	if err := appendHooks(ctx, b, []*schemas.Hook{h}); err != nil {
		return err
	}
	return r.until(ctx, time.Minute, "a hook has ended", func(s standing) bool { return s.Ended >= 1 })
}

// residentAfterGC is the memory of the process once it has collected its garbage
// and given back what was free: Go would do both, in its own time.
func (r *runner) residentAfterGC() (float64, error) {
	time.Sleep(time.Second) // what is in flight lands
	if err := r.Process.Signal(syscall.SIGUSR1); err != nil {
		return 0, err
	}
	time.Sleep(3 * time.Second)
	return resident(r.Process.Pid)
}

func resident(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var kb float64
	_, err = fmt.Sscan(rest, &kb)
	return kb / 1024, err
}

// runAlone is the process that startRunner starts, which gives it the flows.
func runAlone(ctx context.Context, brokers string, in io.Reader, out io.Writer) error {
	var documents map[string]string
	if err := json.NewDecoder(in).Decode(&documents); err != nil {
		return fmt.Errorf("reading the flows: %w", err)
	}
	c, err := newCatalog(documents)
	if err != nil {
		return err
	}
	set, err := all.New()
	if err != nil {
		return err
	}
	tokens, err := schemas.NewTokens("a secret key of the bench")
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	r := run.New(run.Options{Kafka: []kgo.Opt{kgo.SeedBrokers(strings.Split(brokers, ",")...)}, Topics: schemas.DefaultTopics, Instance: "waits", Catalog: c,
		Components: set, Mapping: mapping.New(mapping.Limits{}), Registry: registry, Callbacks: &run.Callbacks{Tokens: tokens, Base: "http://127.0.0.1"},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Env:    connectors.Env{HTTP: outgoing.New(outgoing.Options{AllowLoopback: true})}})
	collect := make(chan os.Signal, 1)
	signal.Notify(collect, syscall.SIGUSR1)
	go func() {
		encoder := json.NewEncoder(out)
		for tick := time.NewTicker(50 * time.Millisecond); ; {
			select {
			case <-collect:
				debug.FreeOSMemory()
			case <-tick.C:
			}
			if encoder.Encode(stands(registry)) != nil {
				os.Exit(1) // whoever started this is gone
			}
		}
	}()
	return r.Run(ctx)
}

func stands(registry *prometheus.Registry) standing {
	var s standing
	families, err := registry.Gather()
	if err != nil {
		return s
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			v := int(m.GetCounter().GetValue() + m.GetGauge().GetValue())
			switch f.GetName() {
			case "sluice_run_open_executions":
				s.Open += v
			case "sluice_run_active_executions":
				s.Active += v
			case "sluice_run_executions_total":
				s.Ended += v
			}
		}
	}
	return s
}
