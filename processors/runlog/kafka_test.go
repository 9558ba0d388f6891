package runlog

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/deploy/local/localtest"
	"sluice/schemas"
)

func TestAbortedTransactionsLeaveNoRow(t *testing.T) {
	onEngines(t, func(t *testing.T, url string) {
		k, conn := newKafka(t), openEngine(t, url)
		testAborted(t, k, conn)
	})
}

// testAborted writes an execution's record in a transaction that is aborted,
// and then others in one that is committed.
func testAborted(t *testing.T, k *kafka, conn Conn) {
	start(t, k.options(conn))
	runner := newProducer(t, k.brokers, kgo.TransactionalID("runner"))
	lost, kept := schemas.NewExecutionID(time.Now(), 0), schemas.NewExecutionID(time.Now(), 0)
	transaction := func(commit kgo.TransactionEndTry, id schemas.ExecutionID) {
		t.Helper()
		if err := runner.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := runner.ProduceSync(t.Context(), recordOf(t, first(id)), recordOf(t, second(id))).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := runner.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
	}
	transaction(kgo.TryAbort, lost)
	transaction(kgo.TryCommit, kept)
	until(t, conn, 1, "SELECT count() FROM executions WHERE status = 'succeeded'")
	for _, view := range []string{"executions WHERE id", "steps WHERE execution_id"} {
		if n := count(t, conn, "SELECT count() FROM "+view+" = '"+lost.String()+"'"); n != 0 {
			t.Errorf("%d rows in %s of the aborted transaction", n, view)
		}
	}
	// Six offsets: two records aborted, the marker, two committed, the marker.
	eventually(t, func() string {
		if got := progressOf(t, conn); got != 6 {
			return "progress is not past the last commit marker"
		}
		return ""
	})
}

func TestPoisonPassesAndIsToldOf(t *testing.T) {
	onEngines(t, func(t *testing.T, url string) {
		k, conn := newKafka(t), openEngine(t, url)
		strange := schemas.ExecutionID{1, 2, 3} // no UUIDv7
		foreign := first(schemas.NewExecutionID(time.Now(), 2))
		misplaced := recordOf(t, foreign)
		misplaced.Partition = 1
		k.produce(
			&kgo.Record{Topic: topics.Executions(), Partition: 0, Value: []byte("\xff\xff\xff")},
			&kgo.Record{Topic: topics.Executions(), Partition: 0, Value: nil},
			recordOf(t, first(strange)),
			misplaced,
			&kgo.Record{Topic: topics.Hooks(), Partition: 0, Value: []byte("{}")},
			&kgo.Record{Topic: topics.Replays(), Partition: 0, Key: []byte("pets")},
		)
		id := k.story(1)[0]
		var mu sync.Mutex
		var told []string
		var said logs
		o := k.options(conn)
		o.Logger = said.logger()
		o.OnPoison = func(r *kgo.Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, strings.TrimPrefix(r.Topic, topics.Prefix))
		}
		start(t, o)
		until(t, conn, 1, "SELECT count() FROM executions WHERE status = 'succeeded' AND id = '"+id.String()+"'")
		until(t, conn, 1, "SELECT count() FROM hooks")
		eventually(t, func() string {
			mu.Lock()
			defer mu.Unlock()
			got := slices.Sorted(slices.Values(told))
			return cmp.Diff([]string{"executions", "executions", "executions", "executions", "hooks", "replays"}, got)
		})
		if n := len(said.lines("passing by a record")); n != 6 {
			t.Errorf("logged %d poison records, want 6", n)
		}
		if len(said.lines("topic=sluice.replays partition=0 offset=0")) != 1 {
			t.Error("the log does not say which record")
		}
	})
}

func TestAHoleIsNamed(t *testing.T) {
	onEngines(t, func(t *testing.T, url string) {
		k, conn := newKafka(t), openEngine(t, url)
		stop := start(t, k.options(conn))
		k.story(3)
		eventually(t, func() string {
			if got := progressOf(t, conn); got != 9 {
				return "progress is short of 9 records"
			}
			return ""
		})
		stop()
		k.story(3) // nobody reads these in time
		admin := kadm.NewClient(k.producer)
		ends, err := admin.ListEndOffsets(t.Context(), topics.Executions())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := admin.DeleteRecords(t.Context(), ends.Offsets()); err != nil {
			t.Fatal(err)
		}
		k.story(3)
		var said logs
		o := k.options(conn)
		o.Logger = said.logger()
		start(t, o)
		until(t, conn, 6, "SELECT count() FROM executions WHERE status = 'succeeded'")
		for _, want := range []string{"partition=0 from=2 to=3", "partition=1 from=2 to=3", "partition=2 from=2 to=3"} {
			if n := len(said.lines("a hole in the run log: Kafka's retention removed records before they were read\" role=runlog topic=sluice.executions " + want)); n != 1 {
				t.Errorf("%q was said %d times", want, n)
			}
		}
	})
}

func TestATopicMadeAnewIsReadFromItsStart(t *testing.T) {
	onEngines(t, func(t *testing.T, url string) {
		k, conn := newKafka(t), openEngine(t, url)
		stop := start(t, k.options(conn))
		k.story(6)
		eventually(t, func() string {
			if got := progressOf(t, conn); got != 18 {
				return "progress is short of 18 records"
			}
			return ""
		})
		stop()
		admin := kadm.NewClient(k.producer)
		if _, err := admin.DeleteTopics(t.Context(), topics.Executions()); err != nil {
			t.Fatal(err)
		}
		if _, err := admin.CreateTopics(t.Context(), partitions, 1, nil, topics.Executions()); err != nil {
			t.Fatal(err)
		}
		again := &kafka{t, k.brokers, newProducer(t, k.brokers)}
		again.story(12) // longer than it was
		start(t, k.options(conn))
		until(t, conn, 18, "SELECT count() FROM executions WHERE status = 'succeeded'")
	})
}

func TestWritersShareAndTakeOver(t *testing.T) {
	onEngines(t, func(t *testing.T, url string) {
		k, conn := newKafka(t), openEngine(t, url)
		stopA := start(t, k.options(conn))
		k.story(10)
		until(t, conn, 10, "SELECT count() FROM executions WHERE status = 'succeeded'")
		start(t, k.options(conn))
		k.story(10)
		until(t, conn, 20, "SELECT count() FROM executions WHERE status = 'succeeded'")
		stopA()
		k.story(10)
		until(t, conn, 30, "SELECT count() FROM executions WHERE status = 'succeeded'")
		until(t, conn, 90, "SELECT count() FROM steps")
		until(t, conn, 30, "SELECT count() FROM hooks")
		until(t, conn, 30, "SELECT uniqExact(id) FROM executions")
	})
}

func TestVisibleWithinASecond(t *testing.T) {
	onEngines(t, func(t *testing.T, url string) {
		k, conn := newKafka(t), openEngine(t, url)
		o := k.options(conn)
		o.Interval = 0 // the default
		start(t, o)
		warm := k.story(1)[0]
		until(t, conn, 1, "SELECT count() FROM executions WHERE status = 'succeeded' AND id = '"+warm.String()+"'")
		var took []time.Duration
		for range 10 {
			id := schemas.NewExecutionID(time.Now(), 0)
			began := time.Now()
			k.produce(hookRecord(t, id, "{}"), recordOf(t, second(id)))
			until(t, conn, 1, "SELECT count() FROM executions WHERE id = '"+id.String()+"'")
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		if took[len(took)/2] > time.Second {
			t.Errorf("visible after %v, want within a second", took)
		}
		t.Logf("visible after %v", took)
	})
}

func TestTheGroupShowsHowFarItIs(t *testing.T) {
	onEngines(t, func(t *testing.T, url string) {
		k, conn := newKafka(t), openEngine(t, url)
		start(t, k.options(conn))
		k.story(6)
		admin := kadm.NewClient(k.producer)
		eventually(t, func() string {
			lags, err := admin.Lag(t.Context(), "sluice-runlog")
			if err != nil {
				t.Fatal(err)
			}
			total := int64(-1)
			if l, ok := lags["sluice-runlog"]; ok && l.Error() == nil {
				total = l.Lag.TotalByTopic()[topics.Executions()].Lag
			}
			if total != 0 {
				return "the group never shows that it is at the end"
			}
			return ""
		})
	})
}

// TestOnARealBroker runs the journey on Apache Kafka: what a crash, an abort
// and a rebuild leave is the same as on the embedded one.
func TestOnARealBroker(t *testing.T) {
	brokers := localtest.Brokers(t, 1).Addrs()
	k := &kafka{t, brokers, newProducer(t, brokers)}
	configs := map[string]*string{}
	if _, err := kadm.NewClient(k.producer).CreateTopics(t.Context(), partitions, 1, configs, topics.Executions(), topics.Hooks(), topics.Replays()); err != nil {
		t.Fatal(err)
	}
	onEngines(t, func(t *testing.T, url string) {
		conn := openEngine(t, url)
		testAborted(t, k, conn)
		k.story(50)
		until(t, conn, 51, "SELECT count() FROM executions WHERE status = 'succeeded'")
		until(t, conn, 50, "SELECT count() FROM hooks")
		want := dump(t, conn)

		other := openEngine(t, newDatabase(t, engineOf(t, url)))
		doomed := &mortal{Conn: other, table: executionsTable.name, after: true, skip: 1, dead: make(chan struct{})}
		o := k.options(doomed)
		o.Group, o.MaxRows = "other", 10
		stop := start(t, o)
		<-doomed.dead
		stop()
		o.ClickHouse = other
		start(t, o)
		until(t, other, 51, "SELECT count() FROM executions WHERE status = 'succeeded'")
		until(t, other, 50, "SELECT count() FROM hooks")
		if diff := cmp.Diff(want, dump(t, other)); diff != "" {
			t.Error(diff)
		}
		exec(t, other, "TRUNCATE TABLE runlog_steps")
		if _, err := Rebuild(context.Background(), o); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, dump(t, other)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestTopicsMayComeLater(t *testing.T) {
	onEngines(t, func(t *testing.T, url string) {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cluster.Close)
		k, conn := &kafka{t, cluster.ListenAddrs(), newProducer(t, cluster.ListenAddrs())}, openEngine(t, url)
		var said logs
		o := k.options(conn)
		o.Logger = said.logger()
		start(t, o)
		eventually(t, func() string {
			if len(said.lines("waiting for Kafka")) == 0 {
				return "nothing said"
			}
			return ""
		})
		if _, err := kadm.NewClient(k.producer).CreateTopics(t.Context(), partitions, 1, nil, topics.Executions(), topics.Hooks(), topics.Replays()); err != nil {
			t.Fatal(err)
		}
		k.story(1)
		until(t, conn, 1, "SELECT count() FROM executions WHERE status = 'succeeded'")
		if n := len(said.lines("waiting for Kafka")); n != 1 {
			t.Errorf("said it %d times", n)
		}
	})
}
