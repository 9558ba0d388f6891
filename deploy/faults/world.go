package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/deploy/local"
	"sluice/schemas"
	"sluice/schemas/clickhouse"
)

const token = "faults-token"

// patience is how long everything may take to come to rest after the faults.
const patience = 2 * time.Minute

// world is the engines, which stay over a campaign, and one installation at a
// time on them.
type world struct {
	binary, dir, keep string
	brokers           *local.Brokers
	history           *local.ClickHouse
	door              *door // the installation's way to ClickHouse

	destination *destination
	prefix      string // of the installation's topics, and its database
	addrs       map[string]string

	mu        sync.Mutex
	processes map[string]*exec.Cmd
	ended     map[string]chan struct{}
}

func newWorld(binary, keep string) (_ *world, err error) {
	if binary, err = filepath.Abs(binary); err != nil {
		return nil, err
	}
	if _, err := os.Stat(binary); err != nil {
		return nil, fmt.Errorf("%w: run `make build` first", err)
	}
	w := &world{binary: binary, keep: keep, processes: map[string]*exec.Cmd{}, ended: map[string]chan struct{}{}}
	if w.dir, err = os.MkdirTemp("", "faults"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.brokers, err = local.StartBrokers(local.BrokerOptions{Dir: filepath.Join(w.dir, "kafka"), N: 3}); err != nil {
		return nil, err
	}
	if w.history, err = local.StartClickHouse(local.ClickHouseOptions{DataDir: filepath.Join(w.dir, "clickhouse"), Addr: "127.0.0.1:0"}); err != nil {
		return nil, err
	}
	w.door, err = newDoor(w.history.Addr())
	return w, err
}

func (w *world) close() {
	w.end()
	if w.door != nil {
		w.door.close()
	}
	if w.brokers != nil {
		_ = w.brokers.Close()
	}
	if w.history != nil {
		_ = w.history.Close()
	}
	_ = os.RemoveAll(w.dir)
}

// play runs a scenario on a new installation, waits until all is quiet, and
// returns what the witnesses say.
func (w *world) play(ctx context.Context, s *scenario) (*ledger, error) {
	if err := w.begin(ctx, s); err != nil {
		return nil, fmt.Errorf("beginning: %w", err)
	}
	defer w.end()
	c := newClient(func() []string { return []string{w.addrs["edge0"], w.addrs["edge1"]} })
	l := &ledger{accepted: c.accepted, tried: c.tried, perKill: 2 * concurrency * len(flows), ordered: map[string]bool{}, deduped: map[string]bool{}}
	for _, f := range flows {
		l.ordered[f.id], l.deduped[f.id] = f.ordered, f.deduped
	}

	var doing sync.WaitGroup
	failed := make(chan error, len(s.faults))
	turn := make(chan struct{}, 1) // one fault after the other: each undoes itself
	for _, f := range s.faults {
		l.kills += f.repeats
		doing.Go(func() {
			rest(ctx, f.at)
			turn <- struct{}{}
			defer func() { <-turn }()
			if err := f.do(ctx, w); err != nil {
				failed <- fmt.Errorf("%s: %w", f.name, err)
			}
		})
	}
	err := c.load(ctx, flows, s.hooks, s.over)
	doing.Wait()
	close(failed)
	for e := range failed {
		err = errors.Join(err, e)
	}
	if err != nil {
		return nil, err
	}
	return l, w.settle(ctx, l)
}

// begin starts an installation and its flows.
func (w *world) begin(ctx context.Context, s *scenario) (err error) {
	w.prefix = fmt.Sprintf("s%d", s.seed)
	if w.destination, err = newDestination(); err != nil {
		return err
	}
	w.addrs = map[string]string{}
	for _, who := range []string{"edge0", "edge1", "log"} {
		if w.addrs[who], err = freeAddr(); err != nil {
			return err
		}
	}
	if err := w.start("log"); err != nil {
		return err
	}
	if err := answers(ctx, "http://"+w.addrs["log"]+"/readyz", http.StatusOK); err != nil {
		return err
	}
	for _, who := range []string{"edge0", "edge1", "run0", "run1"} {
		if err := w.start(who); err != nil {
			return err
		}
	}
	var documents strings.Builder
	for _, f := range flows {
		documents.WriteString(f.document(w.destination.url))
	}
	path := filepath.Join(w.dir, w.prefix+".yaml")
	if err := os.WriteFile(path, []byte(strings.TrimSuffix(documents.String(), "---\n")), 0o600); err != nil {
		return err
	}
	apply := exec.CommandContext(ctx, w.binary, "apply", "-f", path, "--publish", "--start", "--api", "http://"+w.addrs["log"])
	apply.Env = append(os.Environ(), "SLUICE_API_TOKEN="+token)
	if out, err := apply.CombinedOutput(); err != nil {
		return fmt.Errorf("applying the flows: %w: %s", err, out)
	}
	for _, edge := range []string{"edge0", "edge1"} {
		if err := answers(ctx, "http://"+w.addrs[edge]+"/hook/"+flows[0].id, http.StatusOK, http.MethodHead); err != nil {
			return err
		}
	}
	return nil
}

var rolesOf = map[byte]string{'e': "ingest", 'r': "run", 'l': "runlog,console"}

// start starts a process, which has the same name, data and addresses each time.
func (w *world) start(who string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.processes[who] != nil {
		return nil
	}
	log, err := os.OpenFile(w.logFile(who), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(w.binary, "serve", "--roles", rolesOf[who[0]])
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = childAttributes()
	cmd.Env = append(os.Environ(), "SLUICE_DATA_DIR="+filepath.Join(w.dir, w.prefix, who), "SLUICE_KAFKA_BROKERS="+strings.Join(w.brokers.Addrs(), ","),
		"SLUICE_KAFKA_TOPIC_PREFIX="+w.prefix+".", "SLUICE_KAFKA_PARTITIONS=6", "SLUICE_CLICKHOUSE_URL=http://"+w.door.addr+"/"+w.prefix,
		"SLUICE_API_TOKEN="+token, "SLUICE_SECRET_KEY=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "SLUICE_ALLOW_ADDRESSES=127.0.0.0/8",
		"SLUICE_INGEST_ADDR="+or(w.addrs[who], "127.0.0.1:0"), "SLUICE_CONSOLE_ADDR="+or(w.addrs[who], "127.0.0.1:0"))
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", who, err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	w.processes[who], w.ended[who] = cmd, ended
	return nil
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

func (w *world) signal(who string, sig syscall.Signal) (ended chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	cmd := w.processes[who]
	if cmd == nil {
		return nil
	}
	_ = cmd.Process.Signal(sig)
	return w.ended[who]
}

func (w *world) forget(who string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.processes, who)
	delete(w.ended, who)
}

func (w *world) kill(who string) {
	if ended := w.signal(who, syscall.SIGKILL); ended != nil {
		<-ended
		w.forget(who)
	}
}

// interrupt ends a process as Ctrl-C does.
func (w *world) interrupt(who string) {
	ended := w.signal(who, syscall.SIGINT)
	if ended == nil {
		return
	}
	select {
	case <-ended:
		w.forget(who)
	case <-time.After(30 * time.Second):
		w.kill(who)
	}
}

// freeze stops a process for a while: it is there, and answers nobody. If it
// finds itself replaced and ends, it is started again.
func (w *world) freeze(ctx context.Context, who string, d time.Duration) error {
	w.signal(who, syscall.SIGSTOP)
	rest(ctx, d)
	w.signal(who, syscall.SIGCONT)
	return nil
}

// poison writes what is no hook into the topic hooks.
func (w *world) poison(ctx context.Context, n int) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(w.brokers.Addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer client.Close()
	topic := schemas.Topics{Prefix: w.prefix + "."}.Hooks()
	for i := range n {
		r := &kgo.Record{Topic: topic, Partition: int32(i % 6), Key: []byte("relay"), Value: []byte("\x00no hook\xff"),
			Headers: []kgo.RecordHeader{{Key: "ce_specversion", Value: []byte("1.0")}, {Key: "ce_id", Value: []byte("nonsense")}}}
		if err := client.ProduceSync(ctx, r).FirstErr(); err != nil {
			return err
		}
	}
	return nil
}

// settle waits until every accepted hook has ended and nothing is open, or
// patience is over, and then takes the run log's and the destination's words.
func (w *world) settle(ctx context.Context, l *ledger) error {
	for _, who := range []string{"edge0", "edge1", "run0", "run1", "log"} { // one may have ended by itself
		w.mu.Lock()
		ended := w.ended[who]
		w.mu.Unlock()
		select {
		case <-ended:
			w.forget(who)
			if err := w.start(who); err != nil {
				return err
			}
		default:
		}
	}
	db, err := clickhouse.Open("http://" + w.history.Addr() + "/" + w.prefix)
	if err != nil {
		return err
	}
	defer db.Close()
	var last uint64
	quiet := 0
	for deadline := time.Now().Add(patience); time.Now().Before(deadline) && quiet < 4; rest(ctx, 500*time.Millisecond) {
		var rows, open uint64
		if err := db.QueryRow(ctx, "SELECT count(), countIf(status IN ('waiting', 'running')) FROM executions").Scan(&rows, &open); err != nil {
			continue
		}
		if rows < uint64(len(l.accepted)) || open > 0 || rows != last {
			quiet = 0
		} else {
			quiet++
		}
		last = rows
	}
	l.hits = w.destination.seen()
	return readHistory(ctx, db, l)
}

func readHistory(ctx context.Context, db driver.Conn, l *ledger) error {
	rows, err := db.Query(ctx, `SELECT toString(x.id), x.flow, x.status, toInt64(JSONExtractInt(h.body, 'n')), JSONExtractString(h.body, 'order'), x.partition, x.offset
		FROM executions AS x LEFT JOIN hooks AS h ON h.id = x.id`)
	if err != nil {
		return fmt.Errorf("reading the executions: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var x execution
		var n int64
		if err := rows.Scan(&x.id, &x.flow, &x.status, &n, &x.key, &x.partition, &x.offset); err != nil {
			return fmt.Errorf("reading the executions: %w", err)
		}
		x.n = int(n)
		l.executions = append(l.executions, x)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading the executions: %w", err)
	}
	var count uint64
	if err := db.QueryRow(ctx, "SELECT count() FROM executions").Scan(&count); err != nil {
		return err
	}
	l.rows = int(count)
	steps, err := db.Query(ctx, `SELECT toString(execution_id), step, argMax(status, attempt), any(idempotency_key), any(uses)
		FROM steps WHERE attempt > 0 GROUP BY execution_id, step`)
	if err != nil {
		return fmt.Errorf("reading the steps: %w", err)
	}
	defer steps.Close()
	for steps.Next() {
		var s step
		var uses string
		if err := steps.Scan(&s.execution, &s.id, &s.status, &s.key, &uses); err != nil {
			return fmt.Errorf("reading the steps: %w", err)
		}
		s.http = uses == "webhook/send"
		l.steps = append(l.steps, s)
	}
	return steps.Err()
}

// end ends an installation; its topics and tables stay until the campaign does.
func (w *world) end() {
	w.mu.Lock()
	var all []string
	for who := range w.processes {
		all = append(all, who)
	}
	w.mu.Unlock()
	for _, who := range all {
		w.kill(who)
	}
	if w.destination != nil {
		w.destination.close()
		w.destination = nil
	}
}

func (w *world) logFile(who string) string {
	dir := filepath.Join(w.dir, w.prefix)
	_ = os.MkdirAll(dir, 0o750)
	return filepath.Join(dir, who+".log")
}

// keepLogs keeps what the processes of a scenario printed.
func (w *world) keepLogs(seed uint64) {
	if w.keep == "" {
		return
	}
	from, _ := filepath.Glob(filepath.Join(w.dir, w.prefix, "*.log"))
	to := filepath.Join(w.keep, fmt.Sprint(seed))
	_ = os.MkdirAll(to, 0o750)
	for _, path := range from {
		if raw, err := os.ReadFile(path); err == nil {
			_ = os.WriteFile(filepath.Join(to, filepath.Base(path)), raw, 0o600)
		}
	}
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func answers(ctx context.Context, url string, want int, method ...string) error {
	verb := http.MethodGet
	if len(method) > 0 {
		verb = method[0]
	}
	client := &http.Client{Timeout: 2 * time.Second}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); rest(ctx, 50*time.Millisecond) {
		req, err := http.NewRequestWithContext(ctx, verb, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			continue
		}
		resp.Body.Close()
		if resp.StatusCode == want {
			return nil
		}
	}
	return fmt.Errorf("%s is not answered %d within a minute", url, want)
}
