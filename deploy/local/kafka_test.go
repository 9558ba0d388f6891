package local

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func startKafka(t *testing.T, opts KafkaOptions) *Kafka {
	t.Helper()
	k, err := StartKafka(opts)
	must(t, err)
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

func client(t *testing.T, addrs []string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(addrs...), kgo.FetchMaxWait(100 * time.Millisecond)}, opts...)...)
	must(t, err)
	t.Cleanup(cl.Close)
	return cl
}

// fill makes a topic and leaves in it: 100 records, a committed transaction of
// 10, an aborted one of 10, and a group's offset of 42.
func fill(t *testing.T, addrs []string, replicas int16) {
	t.Helper()
	ctx := t.Context()
	cl := client(t, addrs, kgo.DefaultProduceTopic("events"))
	admin := kadm.NewClient(cl)
	if _, err := admin.CreateTopic(ctx, 1, replicas, nil, "events"); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		must(t, cl.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint("plain-", i))).FirstErr())
	}
	tx := client(t, addrs, kgo.DefaultProduceTopic("events"), kgo.TransactionalID("writer"), kgo.TransactionTimeout(10*time.Second))
	for _, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
		must(t, tx.BeginTransaction())
		for i := range 10 {
			must(t, tx.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint(commit, "-", i))).FirstErr())
		}
		must(t, tx.EndTransaction(ctx, commit))
	}
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: "events", Partition: 0, At: 42, LeaderEpoch: -1})
	must(t, admin.CommitAllOffsets(ctx, "readers", offsets))
}

// check reads back what fill left.
func check(t *testing.T, addrs []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cl := client(t, addrs, kgo.ConsumeTopics("events"), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	plain, committed := 0, 0
	for plain+committed < 110 {
		fetches := cl.PollFetches(ctx)
		must(t, fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			switch {
			case strings.HasPrefix(string(r.Value), "plain-"):
				plain++
			case strings.HasPrefix(string(r.Value), fmt.Sprint(kgo.TryCommit)):
				committed++
			default:
				t.Errorf("read %q of an aborted transaction", r.Value)
			}
		})
	}
	if plain != 100 || committed != 10 {
		t.Errorf("%d plain records and %d of the transaction, want 100 and 10", plain, committed)
	}
	offsets, err := kadm.NewClient(cl).FetchOffsets(ctx, "readers")
	must(t, err)
	if o, ok := offsets.Lookup("events", 0); !ok || o.At != 42 {
		t.Errorf("the group stands at %v, want 42", o.At)
	}
}

func TestKafkaKeepsEverythingOverARestart(t *testing.T) {
	for _, sync := range []bool{false, true} {
		t.Run(fmt.Sprint("sync=", sync), func(t *testing.T) {
			opts := KafkaOptions{DataDir: t.TempDir(), Sync: sync}
			k := startKafka(t, opts)
			fill(t, k.Addrs(), 1)
			must(t, k.Close())
			again := startKafka(t, opts)
			check(t, again.Addrs())
			// A writer of the same name goes on.
			tx := client(t, again.Addrs(), kgo.DefaultProduceTopic("events"), kgo.TransactionalID("writer"))
			must(t, tx.BeginTransaction())
			must(t, tx.ProduceSync(t.Context(), kgo.StringRecord("more")).FirstErr())
			must(t, tx.EndTransaction(t.Context(), kgo.TryCommit))
		})
	}
}

func TestKafkaKeepsEverythingOverKill(t *testing.T) {
	dir := t.TempDir()
	child := startChild(t, "kafka", dir)
	fill(t, []string{child.line(t)}, 1)
	child.kill(t)
	check(t, startKafka(t, KafkaOptions{DataDir: dir}).Addrs())
}

func TestKafkaListensOnThePortItIsGiven(t *testing.T) {
	dir := t.TempDir()
	k := startKafka(t, KafkaOptions{DataDir: dir})
	port := k.Port()
	must(t, k.Close())
	again := startKafka(t, KafkaOptions{DataDir: dir, Port: port})
	if want := fmt.Sprint("127.0.0.1:", port); again.Addrs()[0] != want {
		t.Errorf("listens on %v, want %s", again.Addrs(), want)
	}
	_, err := StartKafka(KafkaOptions{DataDir: t.TempDir(), Port: port})
	if err == nil || !strings.Contains(err.Error(), "is taken") {
		t.Errorf("a port in use: %v", err)
	}
}

func TestKafkaFolderInUseIsRefusedWithAReason(t *testing.T) {
	dir := t.TempDir()
	startKafka(t, KafkaOptions{DataDir: dir})
	_, err := StartKafka(KafkaOptions{DataDir: dir})
	if err == nil || !strings.Contains(err.Error(), "another process uses it") {
		t.Errorf("a folder in use: %v", err)
	}
	if _, err := StartKafka(KafkaOptions{DataDir: "/proc/nowhere"}); err == nil || !strings.Contains(err.Error(), "writable") {
		t.Errorf("a folder that cannot be: %v", err)
	}
}

func TestKafkaMakesNoTopicByItself(t *testing.T) {
	k := startKafka(t, KafkaOptions{DataDir: t.TempDir()})
	cl := client(t, k.Addrs(), kgo.AllowAutoTopicCreation(), kgo.UnknownTopicRetries(0))
	err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "nosuch", Value: []byte("x")}).FirstErr()
	if err == nil || !strings.Contains(err.Error(), kerr.UnknownTopicOrPartition.Message) {
		t.Errorf("producing to a topic that is not there: %v", err)
	}
}
