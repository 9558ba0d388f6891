package runlog

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
)

func exec(t testing.TB, conn Conn, statement string) {
	t.Helper()
	if err := conn.Exec(context.Background(), statement); err != nil {
		t.Fatal(err)
	}
}

func TestARebuildEqualsTheOriginal(t *testing.T) {
	damages := map[string][]string{
		"tables lost": {"TRUNCATE TABLE runlog_executions", "TRUNCATE TABLE runlog_steps", "TRUNCATE TABLE runlog_hooks"},
		"rows lost":   {"DELETE FROM runlog_steps WHERE attempt = 2", "DELETE FROM runlog_hooks WHERE source_partition = 1"},
		"rows that an older version read otherwise": {
			"ALTER TABLE runlog_executions UPDATE status = 'running', error = 'x' WHERE 1 SETTINGS mutations_sync = 2",
			"ALTER TABLE runlog_steps UPDATE output = '' WHERE 1 SETTINGS mutations_sync = 2",
		},
		"rows that the records do not make": {
			"INSERT INTO runlog_steps (execution_id, step, attempt, source_topic, source_partition, source_offset) SELECT execution_id, 'ghost', 1, source_topic, source_partition, source_offset FROM runlog_steps",
		},
		"progress lost": {"TRUNCATE TABLE runlog_progress"},
		"nothing":       {},
	}
	onEngines(t, func(t *testing.T, url string) {
		for name, damage := range damages {
			t.Run(name, func(t *testing.T) {
				k, conn := newKafka(t), openEngine(t, newDatabase(t, engineOf(t, url)))
				k.story(20)
				o := k.options(conn)
				o.MaxRows = 10
				stop := start(t, o)
				until(t, conn, 20, "SELECT count() FROM executions WHERE status = 'succeeded'")
				until(t, conn, 20, "SELECT count() FROM hooks")
				stop()
				want := dump(t, conn)
				for _, statement := range damage {
					exec(t, conn, statement)
				}
				done, err := Rebuild(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, dump(t, conn)); diff != "" {
					t.Error(diff)
				}
				if done.Records != 60 || done.Generation != 1 || done.Poison != 0 {
					t.Errorf("%+v, want 60 records, generation 1", done)
				}
			})
		}
	})
}

func TestARebuildKeepsWhatIsOlderThanKafka(t *testing.T) {
	onEngines(t, func(t *testing.T, url string) {
		k, conn := newKafka(t), openEngine(t, url)
		k.story(9)
		stop := start(t, k.options(conn))
		until(t, conn, 9, "SELECT count() FROM executions WHERE status = 'succeeded'")
		until(t, conn, 9, "SELECT count() FROM hooks")
		stop()
		want := dump(t, conn)

		offsets := kadm.Offsets{}
		for p := range int32(partitions) {
			offsets.Add(kadm.Offset{Topic: topics.Executions(), Partition: p, At: 5})
			offsets.Add(kadm.Offset{Topic: topics.Hooks(), Partition: p, At: 3}) // all
		}
		if _, err := kadm.NewClient(k.producer).DeleteRecords(t.Context(), offsets); err != nil {
			t.Fatal(err)
		}
		done, err := Rebuild(t.Context(), k.options(conn))
		if err != nil {
			t.Fatal(err)
		}
		if done.Records != 3 || done.Removed != 0 {
			t.Errorf("%+v, want 3 records and nothing removed", done)
		}
		if diff := cmp.Diff(want, dump(t, conn)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestARebuildIsRightWhileAWriterRuns(t *testing.T) {
	onEngines(t, func(t *testing.T, url string) {
		k, conn := newKafka(t), openEngine(t, url)
		all := k.story(200)
		o := k.options(conn)
		o.MaxRows = 20
		start(t, o)
		until(t, conn, 200, "SELECT count() FROM executions WHERE status = 'succeeded'")
		before := dump(t, conn)

		done := make(chan error, 1)
		go func() { _, err := Rebuild(t.Context(), o); done <- err }()
		shown := map[schemas.ExecutionID]bool{}
		for {
			// What was there stays there, and how it ended stays how it ended.
			if n := count(t, conn, "SELECT count() FROM executions WHERE status = 'succeeded'"); n < uint64(len(all)) {
				t.Fatalf("%d executions succeeded during the rebuild, want %d", n, len(all))
			}
			for _, id := range k.story(5) {
				shown[id] = true
			}
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
				until(t, conn, uint64(len(all)+len(shown)), "SELECT count() FROM executions WHERE status = 'succeeded'")
				until(t, conn, uint64(3*(len(all)+len(shown))), "SELECT count() FROM steps")
				until(t, conn, uint64(len(all)+len(shown)), "SELECT count() FROM hooks")
				have := map[string]bool{}
				for _, line := range dump(t, conn) {
					have[line] = true
				}
				for _, line := range before {
					if !have[line] {
						t.Fatalf("gone: %s", line)
					}
				}
				return
			default:
			}
		}
	})
}

func TestAnUnreadableRecordKeepsItsPartitionsOldRows(t *testing.T) {
	onEngines(t, func(t *testing.T, url string) {
		k, conn := newKafka(t), openEngine(t, url)
		id := schemas.NewExecutionID(time.Now(), 1)
		k.produce(&kgo.Record{Topic: topics.Executions(), Partition: 1, Value: []byte("not protobuf")}, recordOf(t, second(id)))
		exec(t, conn, fmt.Sprintf("INSERT INTO runlog_executions (id, flow, source_topic, source_partition, source_offset) VALUES ('%s', 'old', '%s', 1, 0)",
			schemas.NewExecutionID(time.Now(), 1), topics.Executions()))
		done, err := Rebuild(t.Context(), k.options(conn))
		if err != nil {
			t.Fatal(err)
		}
		if done.Poison != 1 || done.Removed != 0 {
			t.Errorf("%+v, want one poison record and nothing removed", done)
		}
		if n := count(t, conn, "SELECT count() FROM executions"); n != 2 {
			t.Errorf("%d executions, want the old one and the new one", n)
		}
	})
}

func TestRebuildsCountUp(t *testing.T) {
	onEngines(t, func(t *testing.T, url string) {
		k, conn := newKafka(t), openEngine(t, url)
		id := k.story(1)[0]
		for want := uint16(1); want <= 3; want++ {
			done, err := Rebuild(t.Context(), k.options(conn))
			if err != nil {
				t.Fatal(err)
			}
			if done.Generation != want {
				t.Errorf("generation %d, want %d", done.Generation, want)
			}
			got, err := scalar[uint16](t.Context(), conn, "SELECT generation FROM runlog_executions FINAL WHERE id = '"+uuid.UUID(id).String()+"'")
			if err != nil || got != want {
				t.Errorf("the row is of generation %d, %v, want %d", got, err, want)
			}
		}
	})
}
