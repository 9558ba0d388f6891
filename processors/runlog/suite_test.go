package runlog

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"sluice/deploy/local"
	"sluice/schemas"
	"sluice/schemas/clickhouse"
	"sluice/schemas/records"
)

// engines are the URLs of the ClickHouse engines that every test of the suite
// runs on: the embedded one, and a server's when SLUICE_TEST_CLICKHOUSE_URL
// names one whose user may create databases.
var engines = map[string]string{}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "runlog")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	embedded, err := local.StartClickHouse(local.ClickHouseOptions{DataDir: dir})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer embedded.Close()
	engines["embedded"] = embedded.URL()
	if url := os.Getenv("SLUICE_TEST_CLICKHOUSE_URL"); url != "" {
		engines["server"] = url
	}
	return m.Run()
}

// onEngines runs a test on every engine, each time in a database of its own.
func onEngines(t *testing.T, test func(t *testing.T, url string)) {
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) { test(t, newDatabase(t, engine)) })
	}
}

// newDatabase makes a database with the run log's tables, dropped with the test.
func newDatabase(t testing.TB, engine string) string {
	t.Helper()
	url, err := clickhouse.InDatabase(engine, "runlog_"+strings.ToLower(rand.Text()))
	if err != nil {
		t.Fatal(err)
	}
	if err := Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		name, _ := clickhouse.Database(url)
		exec(t, openEngine(t, engine), "DROP DATABASE "+name)
	})
	return url
}

func openEngine(t testing.TB, url string) driver.Conn {
	t.Helper()
	conn, err := clickhouse.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

var topics = schemas.DefaultTopics

const partitions = 3

// kafka is a broker and a producer for it.
type kafka struct {
	t        testing.TB
	brokers  []string
	producer *kgo.Client
}

func newKafka(t testing.TB) *kafka {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topics.Hooks(), topics.Replays(), topics.Executions()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return &kafka{t, cluster.ListenAddrs(), newProducer(t, cluster.ListenAddrs())}
}

func newProducer(t testing.TB, brokers []string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func (k *kafka) produce(rs ...*kgo.Record) {
	k.t.Helper()
	if err := k.producer.ProduceSync(context.Background(), rs...).FirstErr(); err != nil {
		k.t.Fatal(err)
	}
}

const trace1 = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// hookRecord is an accepted request's.
func hookRecord(t testing.TB, id schemas.ExecutionID, body string) *kgo.Record {
	t.Helper()
	h := schemas.Hook{
		ID: id, Kind: schemas.KindHook, Flow: "pets", Time: id.Time().Add(123 * time.Microsecond), Method: "POST", Path: "/hook/pets/x", Query: "a=1",
		Headers: map[string]string{"user-agent": "curl", "x-kind": "it's"}, ContentType: "application/json", Body: []byte(body), TraceParent: trace1,
	}
	r, err := h.Record()
	if err != nil {
		t.Fatal(err)
	}
	r.Topic = topics.Hooks()
	r.Timestamp = time.Time{} // now
	return r
}

func recordOf(t testing.TB, x *records.ExecutionRecord) *kgo.Record {
	t.Helper()
	b, err := proto.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	id := schemas.ExecutionIDFromBytes(x.ExecutionId)
	return &kgo.Record{
		Topic: topics.Executions(), Partition: id.Partition(), Key: []byte(x.FlowId), Value: b,
		Headers: []kgo.RecordHeader{{Key: "traceparent", Value: []byte(trace1)}},
	}
}

// first is the record of an execution whose first step failed and is due again.
func first(id schemas.ExecutionID) *records.ExecutionRecord {
	at := id.Time().Add(123 * time.Microsecond).UnixNano()
	return &records.ExecutionRecord{
		ExecutionId: id[:], FlowId: "pets", Version: 3, Status: records.ExecutionStatus_EXECUTION_STATUS_RUNNING, StartedAt: at,
		Hook: &records.Pointer{Topic: "hooks", Partition: id.Partition(), Offset: 7}, TraceId: "0af7651916cd43dd8448eb211c80319c",
		Events: []*records.Event{
			{At: at, Fact: &records.Event_Started{Started: &records.Started{Version: 3}}},
			{At: at + 1e6, Fact: &records.Event_Attempt{Attempt: &records.Attempt{
				Step: "create", Name: "Create the pet", Uses: "petstore/create-pet", Number: 1, Status: records.StepStatus_STEP_STATUS_RETRYING,
				Input: []byte(`{"name":"Gromit"}`), StartedAt: at, Duration: 1_500_000, HttpStatus: 503, IdempotencyKey: "k1", RetryAt: at + 2e9,
				Failure: &records.Failure{Kind: "http", Message: "busy", HttpStatus: 503, Step: "create"},
			}}},
		},
	}
}

// second is the record of how it ended.
func second(id schemas.ExecutionID) *records.ExecutionRecord {
	x := first(id)
	at := x.StartedAt
	x.Status, x.EndedAt = records.ExecutionStatus_EXECUTION_STATUS_SUCCEEDED, at+2_345_678_000
	x.Events = []*records.Event{
		{At: at + 2e9, Fact: &records.Event_Attempt{Attempt: &records.Attempt{
			Step: "create", Name: "Create the pet", Uses: "petstore/create-pet", Number: 2, Status: records.StepStatus_STEP_STATUS_SUCCEEDED,
			Input: []byte(`{"name":"Gromit"}`), Output: []byte(`{"id":12345678901234567890}`), StartedAt: at + 2e9, Duration: 2_000_000, HttpStatus: 200, IdempotencyKey: "k1",
		}}},
		{At: at + 2e9, Fact: &records.Event_Skipped{Skipped: &records.Skipped{Step: "tell", Uses: "webhook/send"}}},
		{At: at + 2e9, Fact: &records.Event_Ended{Ended: &records.Ended{Status: x.Status}}},
	}
	return x
}

// ids mints execution IDs spread over the partitions and the last day.
func ids(n int) []schemas.ExecutionID {
	out := make([]schemas.ExecutionID, n)
	for i := range out {
		out[i] = schemas.NewExecutionID(time.Now().Add(-time.Duration(i%200)*time.Hour/10), int32(i%partitions))
	}
	return out
}

// story produces n executions, whole.
func (k *kafka) story(n int) []schemas.ExecutionID {
	k.t.Helper()
	all := ids(n)
	for _, id := range all {
		k.produce(hookRecord(k.t, id, `{"petname":"Gromit"}`), recordOf(k.t, first(id)))
	}
	for _, id := range all {
		k.produce(recordOf(k.t, second(id)))
	}
	return all
}

func (k *kafka) options(conn Conn) Options {
	return Options{Kafka: []kgo.Opt{kgo.SeedBrokers(k.brokers...)}, ClickHouse: conn, Interval: time.Millisecond, Logger: slog.New(slog.DiscardHandler)}
}

// start runs a writer until stop is called or the test ends.
func start(t testing.TB, o Options) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- New(o).Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func count(t testing.TB, conn Conn, query string) uint64 {
	t.Helper()
	n, err := scalar[uint64](context.Background(), conn, query)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// until asks again until the query's value is want.
func until(t testing.TB, conn Conn, want uint64, query string) {
	t.Helper()
	eventually(t, func() string {
		if got := count(t, conn, query); got != want {
			return fmt.Sprintf("%s: got %d, want %d", query, got, want)
		}
		return ""
	})
}

// eventually asks until there is nothing to say against it.
func eventually(t testing.TB, against func() string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		say := against()
		if say == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(say)
		}
		<-tick.C
	}
}

// dump is all that the three views show, a line a row.
func dump(t testing.TB, conn Conn) []string {
	t.Helper()
	var out []string
	for _, view := range []string{"executions", "steps", "hooks"} {
		rows, err := conn.Query(context.Background(), "SELECT toJSONString(tuple(*)) FROM "+view+" ORDER BY 1")
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			out = append(out, view+" "+line)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		rows.Close()
	}
	return out
}

// progressOf is how far ClickHouse says it is, all partitions together.
func progressOf(t testing.TB, conn Conn) int64 {
	t.Helper()
	rows, err := readProgress(context.Background(), conn)
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for r := range maps.Values(rows) {
		sum += r.next
	}
	return sum
}

// logs keeps what is logged.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// lines are those that hold a text.
func (l *logs) lines(text string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(strings.Split(l.b.String(), "\n"), func(s string) bool { return !strings.Contains(s, text) })
}

func parsed(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// addrOf is the host:port of a URL; engineOf is it without the test's database.
func addrOf(t testing.TB, raw string) string { return parsed(t, raw).Host }

func engineOf(t testing.TB, raw string) string {
	u := parsed(t, raw)
	u.Path = "/default"
	return u.String()
}
