package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
	"sluice/schemas/clickhouse"
)

// readable is where a text can be read: in any record of any topic, committed
// or not, in any row of the run log's tables, in any file of the data folder.
func (in *installation) readable(c cluster, text string) []string {
	in.t.Helper()
	ctx, cancel := context.WithTimeout(in.t.Context(), time.Minute)
	defer cancel()
	found := map[string]bool{}
	kafka := []kgo.Opt{kgo.SeedBrokers(c.brokers.Addrs()...)}
	client, err := kgo.NewClient(kafka...)
	if err != nil {
		in.t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	topics, err := admin.ListTopics(ctx)
	if err != nil {
		in.t.Fatal(err)
	}
	ends, err := admin.ListEndOffsets(ctx, topics.Names()...)
	if err != nil {
		in.t.Fatal(err)
	}
	starts, err := admin.ListStartOffsets(ctx, topics.Names()...)
	if err != nil {
		in.t.Fatal(err)
	}
	from, left := map[string]map[int32]kgo.Offset{}, map[string]int64{}
	ends.Each(func(end kadm.ListedOffset) {
		start, _ := starts.Lookup(end.Topic, end.Partition)
		if end.Offset <= start.Offset {
			return
		}
		if from[end.Topic] == nil {
			from[end.Topic] = map[int32]kgo.Offset{}
		}
		from[end.Topic][end.Partition] = kgo.NewOffset().At(start.Offset)
		left[fmt.Sprint(end.Topic, "/", end.Partition)] = end.Offset
	})
	reader, err := kgo.NewClient(append(kafka, kgo.ConsumePartitions(from), kgo.KeepControlRecords())...) // uncommitted records too
	if err != nil {
		in.t.Fatal(err)
	}
	defer reader.Close()
	for len(left) > 0 {
		fetches := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			in.t.Fatalf("reading all of Kafka: %v is left", left)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			all := string(r.Key) + string(r.Value)
			for _, h := range r.Headers {
				all += h.Key + string(h.Value)
			}
			if strings.Contains(all, text) {
				found["topic "+r.Topic] = true
			}
			at := fmt.Sprint(r.Topic, "/", r.Partition)
			if r.Offset+1 >= left[at] {
				delete(left, at)
			}
		})
	}

	conn, err := clickhouse.Open(c.history.URL())
	if err != nil {
		in.t.Fatal(err)
	}
	defer conn.Close()
	for table, row := range map[string]string{
		"runlog_hooks": "path, query, toString(headers), body, blob, files", "runlog_steps": "input, output, error",
		"runlog_executions": "error", "runlog_differences": "detail",
	} {
		var n uint64
		if err := conn.QueryRow(ctx, "SELECT count() FROM "+table+" WHERE concat('', "+row+") LIKE ?", "%"+text+"%").Scan(&n); err != nil {
			in.t.Fatal(err)
		}
		if n > 0 {
			found["table "+table] = true
		}
	}
	err = filepath.WalkDir(in.dataDir(), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if bytes.Contains(raw, []byte(text)) {
			found["file "+path] = true
		}
		return err
	})
	if err != nil {
		in.t.Fatal(err)
	}
	var list []string
	for where := range found {
		list = append(list, where)
	}
	slices.Sort(list)
	return list
}

type erased struct {
	ID, State   string
	Total       int64
	Executions  []string
	Found       schemas.ErasedCount
	Certificate *schemas.Certificate
}

func (in *installation) erase(args ...string) erased {
	in.t.Helper()
	var e erased
	if err := json.Unmarshal([]byte(in.must(append([]string{"erase", "--output", "json"}, args...)...)), &e); err != nil {
		in.t.Fatal(err)
	}
	return e
}

// Whatever an erasure is doing when its process is killed, it is finished after
// a restart, and then the subject's name can be read nowhere.
func TestAnErasureThatIsKilledAtAnyStageLeavesNothingReadable(t *testing.T) {
	in, c := clustered(t)
	destination := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.Copy(w, r.Body)
	}))
	t.Cleanup(destination.Close)
	debug := []string{"SLUICE_LOG_LEVEL=debug"}
	p := in.start(debug, "serve")
	p.ready()
	in.publish("child", fmt.Sprintf("kind: Flow\nid: child\ntrigger: {uses: webhook/receive}\nsteps:\n  - {id: say, uses: webhook/send, input: {url: %q, body: =body}}\n", destination.URL))
	in.publish("orders", fmt.Sprintf(`kind: Flow
id: orders
erasable: true
shards: 3
order: {key: =body.email}
trigger: {uses: webhook/receive}
steps:
  - id: tell
    uses: webhook/send
    input: {url: %q, body: {to: =body.email}}
  - {id: ask, uses: flow/call, input: {flow: child, body: {from: =body.email}}}
  - {id: park, uses: webhook/wait, when: =body.park, input: {timeout: 1h}}
`, destination.URL))
	stages := []string{"list", "read", "cancel", "keys", "write", "blobs", "rows", "verify", "files", "certificate"}
	all := map[string][]string{}
	for _, stage := range stages {
		who := stage + "@example.com"
		bodies := []string{
			fmt.Sprintf(`{"email":%q}`, who),
			fmt.Sprintf(`{"email":%q,"long":%q}`, who, strings.Repeat("x", schemas.MaxInlineBody)), // in the blob store
			fmt.Sprintf(`{"email":%q,"park":true}`, who),                                           // open when it is erased
		}
		for _, body := range bodies {
			id, status, _ := in.send("orders/"+who, body)
			if id == "" {
				t.Fatalf("status %d", status)
			}
			all[stage] = append(all[stage], id)
		}
	}
	in.until(60*time.Second, "all are done or wait", func() bool {
		n := in.query("SELECT countIf(status = 'succeeded'), countIf(status = 'running') FROM executions")
		return len(n) == 2 && n[0] == 5*len(stages) && n[1] == len(stages) // of each three orders, and three of child
	})
	if where := in.readable(c, "list@example.com"); slices.ContainsFunc(where, func(w string) bool { return strings.HasPrefix(w, "topic") }) || !slices.Contains(where, "table runlog_hooks") {
		t.Fatalf("before it is erased it can be read in %q", where)
	}

	for _, stage := range stages {
		who := stage + "@example.com"
		e := in.erase("--subject", "body.email="+who, "--yes", "--detach", "--by", "the test")
		if e.Total != 6 || e.Found.Keys != 6 || e.Found.Open != 1 || e.Found.Blobs != 1 || e.Found.Unsealed != 0 {
			t.Errorf("%s: selected %+v", stage, e)
		}
		in.until(30*time.Second, "the erasure is at the stage "+stage, func() bool {
			return strings.Contains(p.out.String(), fmt.Sprintf(`"erasure":%q,"stage":%q`, e.ID, stage))
		})
		p.kill()
		p = in.start(debug, "serve")
		p.ready()
		var done erased
		if err := json.Unmarshal([]byte(in.must("erasures", e.ID, "--follow", "--output", "json")), &done); err != nil {
			t.Fatal(err)
		}
		if done.State != "finished" || done.Certificate == nil || len(done.Certificate.Executions) != 6 || done.Certificate.RequestedBy != "the test" {
			t.Errorf("%s: finished as %+v", stage, done)
		}
		if strings.Contains(fmt.Sprintf("%+v", done), who) {
			t.Errorf("%s: the subject stands in the certificate", stage)
		}
	}
	check := func(when string) {
		t.Helper()
		for _, stage := range stages {
			if where := in.readable(c, stage+"@example.com"); len(where) > 0 {
				t.Errorf("%s, %s can be read in %q", when, stage, where)
			}
			for n, id := range all[stage] {
				want := "succeeded"
				if n == 2 {
					want = "cancelled"
				}
				if x := in.execution(id); x.Status != want || x.Flow != "orders" {
					t.Errorf("%s, execution %s is %s, want %s", when, id, x.Status, want)
				}
			}
		}
	}
	check("erased")
	out := in.must("runlog", "rebuild")
	if !strings.Contains(out, "passed by 0") {
		t.Errorf("the rebuild: %s", out)
	}
	check("after a rebuild")

	// What was not touched is all there.
	id, _, _ := in.send("orders", `{"email":"bob@example.com"}`)
	in.until(20*time.Second, "another one's execution has ended", func() bool {
		n := in.query("SELECT count() FROM executions WHERE id = '" + id + "' AND status = 'succeeded'")
		return len(n) == 1 && n[0] == 1
	})
	if x := in.execution(id); len(x.Steps) < 2 || !strings.Contains(string(x.Steps[0].Input), "bob@example.com") {
		t.Errorf("another one's execution: %+v", x)
	}
}

// A flow that was not erasable: the certificate names Kafka, and until when, and
// a rebuild does not bring it back into the history.
func TestWhatWasNotErasableIsNamedAndDoesNotComeBack(t *testing.T) {
	in, c := clustered(t)
	p := in.start(nil, "serve")
	p.ready()
	in.publish("plain", "kind: Flow\nid: plain\ntrigger: {uses: webhook/receive}\nsteps:\n  - {id: keep, uses: mapper/map, input: {to: =body.email}}\n")
	in.send("plain", `{"email":"ann@example.com"}`)
	in.send("plain", `{"email":"bob@example.com"}`)
	in.until(20*time.Second, "both have ended", func() bool {
		n := in.query("SELECT countIf(status = 'succeeded') FROM executions")
		return len(n) == 1 && n[0] == 2
	})
	if e := in.erase("--sql", "SELECT id FROM hooks WHERE body LIKE '%ann@%'", "--dry-run"); e.State != "selected" || e.Total != 1 || e.Found.Unsealed != 1 {
		t.Fatalf("dry run: %+v", e)
	}
	if _, code := in.sluice("erase", "--sql", "SELECT id FROM hooks"); code != 2 {
		t.Errorf("nobody said yes: exit status %d", code)
	}
	if out, code := in.sluice("erase", "--yes", "--sql", "SELECT id FROM hooks UNION ALL SELECT generateUUIDv4() FROM file('/etc/passwd')"); code != 1 {
		t.Errorf("a statement that reads files: exit status %d, %s", code, out)
	}
	began := time.Now()
	e := in.erase("--sql", "SELECT id FROM hooks WHERE body LIKE '%ann@%'", "--yes")
	named := slices.IndexFunc(e.Certificate.Remains, func(r schemas.Remains) bool { return strings.HasSuffix(r.Where, schemas.DefaultTopics.Hooks()) })
	if named < 0 {
		t.Fatalf("the certificate names no hooks: %+v", e.Certificate.Remains)
	}
	until := e.Certificate.Remains[named].Until
	if until == nil || until.Before(began.Add(6*24*time.Hour)) || until.After(time.Now().Add(8*24*time.Hour)) {
		t.Errorf("hooks are in Kafka until %v", until)
	}
	again := *e.Certificate
	if err := again.Sign(); err != nil || again.SHA256 != e.Certificate.SHA256 {
		t.Errorf("the certificate's hash is %s, want %s", e.Certificate.SHA256, again.SHA256)
	}
	in.must("runlog", "rebuild")
	for _, where := range in.readable(c, "ann@example.com") {
		if !strings.HasPrefix(where, "topic") {
			t.Errorf("ann can be read in %s", where)
		}
	}
	if n := in.query("SELECT countIf(erased), countIf(NOT erased AND body LIKE '%bob@%') FROM hooks"); len(n) != 2 || n[0] != 1 || n[1] != 1 {
		t.Errorf("erased and not erased: %v", n)
	}
}
