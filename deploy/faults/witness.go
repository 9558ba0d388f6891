package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"sluice/schemas"
	"sluice/schemas/clickhouse"
	"sluice/schemas/records"
)

// before is how the witnesses stood when a scenario began.
type before struct {
	offsets map[string]map[int32]int64 // by topic and partition
	counted map[string]float64         // by edge: hooks accepted
	starts  map[string]int             // by edge
	began   time.Time
}

// read are the topics that are witnesses.
func (w *world) read() []string {
	topics := schemas.Topics{Prefix: w.prefix + "."}
	return []string{topics.Hooks(), topics.Executions(), topics.Deadletters()}
}

func (w *world) look(ctx context.Context, _ site) (before, error) {
	b := before{offsets: map[string]map[int32]int64{}, counted: map[string]float64{}, starts: map[string]int{}, began: time.Now()}
	if err := w.pass(ctx, b.offsets, nil); err != nil {
		return b, err
	}
	for _, edge := range []string{"edge0", "edge1"} {
		counted, err := w.accepted(ctx, edge)
		if err != nil {
			return b, err
		}
		b.counted[edge], b.starts[edge] = counted, w.started(edge)
	}
	return b, nil
}

// pass reads what was committed to the witnesses' topics since offsets, which
// it moves; without fn it only moves them.
func (w *world) pass(ctx context.Context, offsets map[string]map[int32]int64, fn func(*kgo.Record)) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	ends, err := kadm.NewClient(w.kafka).ListCommittedOffsets(ctx, w.read()...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("finding the ends of topics: %w", err)
	}
	var failed error
	ends.Each(func(o kadm.ListedOffset) {
		if offsets[o.Topic] == nil {
			offsets[o.Topic] = map[int32]int64{}
		}
		from := offsets[o.Topic][o.Partition]
		if fn != nil && from < o.Offset && failed == nil {
			failed = schemas.ReadPartition(ctx, w.kafka, o.Topic, o.Partition, from, o.Offset, func(r *kgo.Record) bool {
				fn(r)
				return true
			})
		}
		offsets[o.Topic][o.Partition] = max(from, o.Offset)
	})
	return failed
}

// accepted is how many hooks an edge has counted as accepted since it started.
func (w *world) accepted(ctx context.Context, edge string) (float64, error) {
	var last error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); rest(ctx, 50*time.Millisecond) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.consoles[edge]+"/metrics", nil)
		if err != nil {
			return 0, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			last = err
			continue
		}
		sum := 0.0
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() {
			if rest, ok := strings.CutPrefix(lines.Text(), `sluice_ingest_requests_total{outcome="accepted",`); ok {
				_, value, _ := strings.Cut(rest, "} ")
				n, _ := strconv.ParseFloat(value, 64)
				sum += n
			}
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return sum, nil
		}
		last = fmt.Errorf("metrics are answered %s", resp.Status)
	}
	return 0, fmt.Errorf("reading the metrics of %s: %w", edge, last)
}

// settle waits until every hook in the broker's log has ended in the run log,
// or patience is over, and then takes all witnesses' words.
func (w *world) settle(ctx context.Context, at site, b before, l *ledger, destinations ...*destination) error {
	began := time.Now()
	db, err := clickhouse.Open("http://" + w.history.Addr() + "/" + w.database())
	if err != nil {
		return err
	}
	defer db.Close()
	since := b.offsets
	for deadline := began.Add(patience); time.Now().Before(deadline) && ctx.Err() == nil; rest(ctx, 100*time.Millisecond) {
		if err := w.pass(ctx, since, func(r *kgo.Record) { l.note(at, r) }); err != nil {
			if time.Until(deadline) < patience/2 {
				return err
			}
			continue
		}
		var rows, open uint64
		err := db.QueryRow(ctx, "SELECT count(), countIf(status IN ('waiting', 'running')) FROM executions WHERE startsWith(flow, ?)", at.prefix).Scan(&rows, &open)
		if err == nil && open == 0 && rows >= uint64(len(l.hooks)) && len(l.deadletters) >= l.poison && l.allEnded() {
			break
		}
	}
	l.settled = time.Since(began)
	for _, d := range destinations {
		d.calls.Wait()
		l.hits = append(l.hits, d.seen()...)
	}
	for _, edge := range []string{"edge0", "edge1"} {
		counted, err := w.accepted(ctx, edge)
		if err != nil {
			return err
		}
		if w.started(edge) != b.starts[edge] {
			l.counted = nil // it counted anew
			break
		}
		if l.counted == nil {
			l.counted = new(float64)
		}
		*l.counted += counted - b.counted[edge]
	}
	l.panics, l.cuts = w.panics(), w.cutsSince(b.began)
	if err := readHistory(ctx, db, at, l); err != nil {
		return err
	}
	for deadline := time.Now().Add(10 * time.Second); ; rest(ctx, 50*time.Millisecond) {
		if l.durable = w.tail.read(); len(l.outcomesWereRead()) == 0 || time.Now().After(deadline) || ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// allEnded reports whether the end of every hook has been read from the broker's
// log: the run log may have been a moment ahead of that reading.
func (l *ledger) allEnded() bool {
	for id := range l.hooks {
		if l.ends[id] == 0 {
			return false
		}
	}
	return true
}

// note takes what a record of a topic witnesses.
func (l *ledger) note(at site, r *kgo.Record) {
	switch {
	case strings.HasSuffix(r.Topic, ".hooks"):
		h, err := schemas.ParseHook(r)
		if err != nil || h.Kind != schemas.KindHook || !strings.HasPrefix(h.Flow, at.prefix) {
			return
		}
		l.hooks[h.ID.String()]++
	case strings.HasSuffix(r.Topic, ".deadletters"):
		l.deadletters = append(l.deadletters, fmt.Sprint(r.Partition, "/", r.Offset))
	default:
		x := new(records.ExecutionRecord)
		if proto.Unmarshal(r.Value, x) != nil || !strings.HasPrefix(x.FlowId, at.prefix) {
			return
		}
		for _, e := range x.Events {
			if e.GetEnded() != nil {
				l.ends[schemas.ExecutionIDFromBytes(x.ExecutionId).String()]++
			}
		}
	}
}

func readHistory(ctx context.Context, db driver.Conn, at site, l *ledger) error {
	rows, err := db.Query(ctx, `SELECT toString(x.id), x.flow, x.status, x.error, h.query, h.body, x.partition, x.offset, h.received_at
		FROM executions AS x LEFT JOIN (SELECT id, any(query) AS query, any(substring(body, 1, 200)) AS body, any(received_at) AS received_at
			FROM hooks WHERE startsWith(flow, ?) GROUP BY id) AS h ON h.id = x.id WHERE startsWith(x.flow, ?)`, at.prefix, at.prefix)
	if err != nil {
		return fmt.Errorf("reading the executions: %w", err)
	}
	defer rows.Close()
	received := map[string]time.Time{}
	for rows.Next() {
		var x execution
		var query, body string
		var when time.Time
		if err := rows.Scan(&x.id, &x.flow, &x.status, &x.why, &query, &body, &x.partition, &x.offset, &when); err != nil {
			return fmt.Errorf("reading the executions: %w", err)
		}
		x.flow = strings.TrimPrefix(x.flow, at.prefix)
		if said, err := url.ParseQuery(query); err == nil && said.Has("n") {
			x.n, _ = strconv.Atoi(said.Get("n"))
			x.key = said.Get("order")
		} else if _, err := fmt.Sscanf(strings.ReplaceAll(body, " ", ""), `{"n":%d`, &x.n); err != nil {
			x.n = -1
		}
		received[x.id] = when
		l.executions = append(l.executions, x)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading the executions: %w", err)
	}
	var count uint64
	if err := db.QueryRow(ctx, "SELECT count() FROM executions WHERE startsWith(flow, ?)", at.prefix).Scan(&count); err != nil {
		return err
	}
	l.rows = int(count)
	steps, err := db.Query(ctx, `SELECT toString(execution_id), step, iteration, argMax(status, attempt), any(idempotency_key), any(uses), min(started_at)
		FROM steps WHERE attempt > 0 AND startsWith(flow, ?) GROUP BY execution_id, step, iteration`, at.prefix)
	if err != nil {
		return fmt.Errorf("reading the steps: %w", err)
	}
	defer steps.Close()
	firsts := map[string]time.Time{}
	for steps.Next() {
		var s step
		var uses string
		var iteration int32
		var began time.Time
		if err := steps.Scan(&s.execution, &s.id, &iteration, &s.status, &s.key, &uses, &began); err != nil {
			return fmt.Errorf("reading the steps: %w", err)
		}
		s.http = uses == "webhook/send"
		l.steps = append(l.steps, s)
		if first, ok := firsts[s.execution]; !ok || began.Before(first) {
			firsts[s.execution] = began
		}
	}
	for _, x := range l.executions {
		if first, begun := firsts[x.id]; begun {
			l.started(x, first.Sub(received[x.id]))
		}
	}
	return steps.Err()
}

// started notes how long after its hook an execution of a calm scenario began.
func (l *ledger) started(x execution, delay time.Duration) {
	part, _ := slices.BinarySearch(l.calm[x.flow], x.n+1) // how many parts had begun
	if part == 0 {
		return // it is not timed, or was sent to warm up
	}
	for len(l.turns) <= (part-1)/2 {
		l.turns = append(l.turns, turn{})
	}
	if t := &l.turns[(part-1)/2]; part%2 == 1 {
		t.alone = append(t.alone, delay)
	} else {
		t.beside = append(t.beside, delay)
	}
}

// panics are the lines of the processes' logs in which Go gave up.
func (w *world) panics() (found []string) {
	w.scan.Lock()
	defer w.scan.Unlock()
	logs, _ := filepath.Glob(filepath.Join(w.dir, w.prefix, "*.log"))
	for _, path := range logs {
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		size, _ := f.Seek(0, 2)
		from := w.scanned[path]
		_, _ = f.Seek(from, 0)
		w.scanned[path] = size
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			line := lines.Text()
			if strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") || strings.Contains(line, "a step panicked") || strings.Contains(line, "DATA RACE") {
				found = append(found, filepath.Base(path)+": "+line)
			}
		}
		f.Close()
	}
	return found
}

// scan is how far the logs were read.
type scan struct {
	sync.Mutex
	scanned map[string]int64
}
