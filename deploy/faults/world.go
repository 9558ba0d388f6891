package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/deploy/local"
	"sluice/schemas"
)

const token = "faults-token"

// installationLasts is how many scenarios are played on one installation: its
// processes, topics and tables stay, each scenario has flows of its own.
const installationLasts = 12

// world is the engines, which stay over a campaign, and one installation at a
// time on them. ClickHouse is one for all worlds: a process has no more.
type world struct {
	binary, dir, keep string
	brokers           *local.Brokers
	history           *local.ClickHouse
	door              *door // the installation's way to ClickHouse
	kafka             *kgo.Client
	brokerDisks       [3]*disk // nil: they cannot be mounted here
	dataDisk          *disk
	clocks            bool // the binary's clock can be set
	closing           bool // nothing is to be kept, nor to be made room for

	destination *destination // of the scenario
	prefix      string       // of the installation's topics; empty: there is none
	played      int          // scenarios on it
	tail        *tail        // of its topic executions
	addrs       map[string]string
	consoles    map[string]string // private listeners

	mu        sync.Mutex
	processes map[string]*exec.Cmd
	ended     map[string]chan struct{}
	starts    map[string]int
	scan
	cuts
}

func newWorld(o options, history *local.ClickHouse) (_ *world, err error) {
	w := &world{keep: o.keep, history: history, processes: map[string]*exec.Cmd{}, ended: map[string]chan struct{}{}, starts: map[string]int{}, scan: scan{scanned: map[string]int64{}}}
	if w.dir, err = os.MkdirTemp("", "faults"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	w.clocks = o.clock
	if w.binary, err = filepath.Abs(o.binary); err != nil {
		return nil, err
	}
	if _, err := os.Stat(w.binary); err != nil {
		return nil, fmt.Errorf("%w: run `make build` first", err)
	}
	for i := range w.brokerDisks {
		if w.brokerDisks[i], err = newDisk(filepath.Join(w.dir, "kafka", fmt.Sprintf("broker-%d", i+1))); err != nil {
			w.brokerDisks[i] = nil
		}
	}
	if w.dataDisk, err = newDisk(filepath.Join(w.dir, "data")); err != nil {
		w.dataDisk = nil
	}
	if w.brokers, err = local.StartBrokers(local.BrokerOptions{Dir: filepath.Join(w.dir, "kafka"), N: 3}); err != nil {
		return nil, err
	}
	if w.kafka, err = kgo.NewClient(kgo.SeedBrokers(w.brokers.Addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(200*time.Millisecond)); err != nil {
		return nil, err
	}
	w.door, err = newDoor(w.history.Addr())
	return w, err
}

func (w *world) close() {
	w.closing = true
	w.end()
	if w.door != nil {
		w.door.close()
	}
	if w.kafka != nil {
		w.kafka.Close()
	}
	if w.brokers != nil {
		_ = w.brokers.Close()
	}
	for _, d := range append(w.brokerDisks[:], w.dataDisk) {
		if d != nil {
			d.close()
		}
	}
	_ = os.RemoveAll(w.dir)
}

func (w *world) database() string { return strings.ReplaceAll(w.prefix, "-", "_") }

// install starts an installation, unless there is one that is good for more.
func (w *world) install(ctx context.Context, seed uint64) (err error) {
	if w.played++; w.prefix != "" && w.played <= installationLasts {
		return nil
	}
	w.end()
	w.prefix, w.played = fmt.Sprintf("i%d", seed), 1
	w.addrs, w.consoles = map[string]string{}, map[string]string{}
	for _, who := range []string{"edge0", "edge1", "log"} {
		addrs, err := local.FreeAddrs(2)
		if err != nil {
			return err
		}
		w.addrs[who], w.consoles[who] = addrs[0], addrs[1]
	}
	if err := w.start("log"); err != nil {
		return err
	}
	if err := answers(ctx, "http://"+w.consoles["log"]+"/readyz", http.StatusOK); err != nil {
		return err
	}
	if w.tail, err = newTail(w.brokers.Addrs(), schemas.Topics{Prefix: w.prefix + "."}.Executions()); err != nil {
		return err
	}
	for _, who := range []string{"edge0", "edge1", "run0", "run1"} {
		if err := w.start(who); err != nil {
			return err
		}
	}
	return nil
}

// apply publishes and starts a scenario's flows, and waits until the edges know them.
func (w *world) apply(ctx context.Context, at site, played []flowKind) error {
	var documents []string
	for _, f := range played {
		documents = append(documents, f.document(at))
	}
	path := filepath.Join(w.dir, w.prefix, at.prefix+"flows.yaml")
	if err := os.WriteFile(path, []byte(strings.Join(documents, "---\n")), 0o600); err != nil {
		return err
	}
	apply := exec.CommandContext(ctx, w.binary, "apply", "-f", path, "--publish", "--start", "--api", "http://"+w.consoles["log"])
	apply.Env = append(os.Environ(), "SLUICE_API_TOKEN="+token)
	if out, err := apply.CombinedOutput(); err != nil {
		return fmt.Errorf("applying the flows: %w: %s", err, out)
	}
	for _, edge := range []string{"edge0", "edge1"} {
		for _, f := range played {
			if err := answers(ctx, "http://"+w.addrs[edge]+"/hook/"+at.id(f), http.StatusOK, http.MethodHead); err != nil {
				return err
			}
		}
	}
	return nil
}

var rolesOf = map[byte]string{'e': "ingest,console", 'r': "run", 'l': "runlog,console"}

// start starts a process, which has the same name, data and addresses each
// time. One that ends by itself is started again, as a machine's init does.
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
	clock, err := w.clockFile(who)
	if err != nil {
		return err
	}
	data := filepath.Join(w.dir, "data", w.prefix)
	cmd := exec.Command(w.binary, "serve", "--roles", rolesOf[who[0]])
	heard := &listener{to: log, heard: func(line string) { w.heard(who, line) }}
	cmd.Stdout, cmd.Stderr = heard, heard
	cmd.SysProcAttr = childAttributes()
	cmd.Env = append(os.Environ(), "SLUICE_DATA_DIR="+filepath.Join(data, who), "SLUICE_BLOB_URL="+filepath.Join(data, "blobs"),
		"SLUICE_KAFKA_BROKERS="+strings.Join(w.brokers.Addrs(), ","),
		"SLUICE_KAFKA_TOPIC_PREFIX="+w.prefix+".", "SLUICE_KAFKA_PARTITIONS=6", "SLUICE_CLICKHOUSE_URL=http://"+w.door.addr+"/"+w.database(),
		"SLUICE_API_TOKEN="+token, "SLUICE_SECRET_KEY=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "SLUICE_ALLOW_ADDRESSES=127.0.0.0/8",
		"SLUICE_PUBLIC_URL=http://"+w.addrs["edge0"], "SLUICE_REPLY_TIMEOUT=5s", "FAULTS_CLOCK="+clock,
		"SLUICE_INGEST_ADDR="+or(w.addrs[who], "127.0.0.1:0"), "SLUICE_CONSOLE_ADDR="+or(w.consoles[who], "127.0.0.1:0"))
	if err := cmd.Start(); err != nil {
		log.Close()
		return fmt.Errorf("starting %s: %w", who, err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		log.Close()
		w.cutOff(who, 0)
		close(ended)
		time.Sleep(300 * time.Millisecond) // as long as an init waits
		w.mu.Lock()
		alone := w.processes[who] == cmd
		if alone {
			delete(w.processes, who)
		}
		w.mu.Unlock()
		if alone {
			_ = w.start(who)
		}
	}()
	w.processes[who], w.ended[who] = cmd, ended
	w.starts[who]++
	return nil
}

func (w *world) started(who string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.starts[who]
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

func (w *world) signal(who string, sig syscall.Signal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if cmd := w.processes[who]; cmd != nil {
		_ = cmd.Process.Signal(sig)
	}
}

// stop sends a signal to a process that is not to be started again by itself.
func (w *world) stop(who string, sig syscall.Signal) (ended chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	cmd := w.processes[who]
	if cmd == nil {
		return nil
	}
	delete(w.processes, who)
	_ = cmd.Process.Signal(sig)
	return w.ended[who]
}

func (w *world) kill(who string) {
	if ended := w.stop(who, syscall.SIGKILL); ended != nil {
		<-ended
	}
}

// interrupt ends a process as Ctrl-C does.
func (w *world) interrupt(who string) {
	w.mu.Lock()
	cmd := w.processes[who]
	w.mu.Unlock()
	ended := w.stop(who, syscall.SIGINT)
	if ended == nil {
		return
	}
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		_ = cmd.Process.Kill()
		<-ended
	}
}

// freeze stops a process for a while: it is there, and answers nobody.
func (w *world) freeze(ctx context.Context, who string, d time.Duration) error {
	w.cutOff(who, 0)
	w.signal(who, syscall.SIGSTOP)
	rest(ctx, d)
	w.signal(who, syscall.SIGCONT)
	return nil
}

// poison writes what is no hook into the topic hooks.
func (w *world) poison(ctx context.Context, n int) error {
	for i := range n {
		r := &kgo.Record{Topic: schemas.Topics{Prefix: w.prefix + "."}.Hooks(), Partition: int32(i % 6), Key: []byte("relay"), Value: []byte("\x00no hook\xff"),
			Headers: []kgo.RecordHeader{{Key: "ce_specversion", Value: []byte("1.0")}, {Key: "ce_id", Value: []byte("nonsense")}}}
		if err := w.kafka.ProduceSync(ctx, r).FirstErr(); err != nil {
			return err
		}
	}
	return nil
}

// end ends an installation and deletes its topics.
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
	if w.tail != nil {
		w.tail.close()
		w.tail = nil
	}
	if w.prefix == "" || w.closing {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var names []string
	for _, spec := range (schemas.Topics{Prefix: w.prefix + "."}).Specs(6) {
		names = append(names, spec.Name)
	}
	_, _ = kadm.NewClient(w.kafka).DeleteTopics(ctx, names...) // they only take room
	w.prefix = ""
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
	from = append(from, filepath.Join(w.dir, "kafka", "broker-1.log"), filepath.Join(w.dir, "kafka", "broker-2.log"), filepath.Join(w.dir, "kafka", "broker-3.log"))
	to := filepath.Join(w.keep, fmt.Sprint(seed))
	_ = os.MkdirAll(to, 0o750)
	for _, path := range from {
		if raw, err := os.ReadFile(path); err == nil {
			_ = os.WriteFile(filepath.Join(to, filepath.Base(path)), raw, 0o600)
		}
	}
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
