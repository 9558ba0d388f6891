package runlog

import (
	"slices"
	"testing"
	"time"

	"sluice/schemas"
)

func TestAFlowsRetentionTakesItsOldRowsAndNoOthers(t *testing.T) {
	onEngines(t, func(t *testing.T, url string) {
		k, conn := newKafka(t), openEngine(t, url)
		all := k.story(120) // a flow, over 12 hours
		stop := start(t, k.options(conn))
		until(t, conn, 120, "SELECT count() FROM executions WHERE status = 'succeeded'")
		until(t, conn, 120, "SELECT count() FROM hooks")
		stop()
		bound := time.Now().Add(-6*time.Hour - 3*time.Minute)
		young := uint64(0)
		for _, id := range all {
			if !id.Time().Before(bound) {
				young++
			}
		}
		if n, err := Sweep(t.Context(), conn, "another", bound); n != 0 || err != nil {
			t.Fatalf("another flow lost %d rows, %v", n, err)
		}
		// One that is open is kept, however old, and what dry runs said goes too.
		open := all[slices.IndexFunc(all, func(id schemas.ExecutionID) bool { return id.Time().Before(bound) })]
		for _, sql := range []string{
			"INSERT INTO runlog_executions (id, flow, status, started_at, source_topic, source_partition, source_offset, generation) SELECT '" + open.String() + "', 'pets', 'waiting', now64(6), 'x', 0, 1000000, 9",
			"INSERT INTO runlog_differences (replay, n, execution_id, flow, was, now, detail) SELECT 'r', rowNumberInAllBlocks(), id, flow, 'failed', 'failed', '{}' FROM executions",
			"ALTER TABLE runlog_hooks UPDATE blob = concat('d/', toString(id)) WHERE 1 SETTINGS mutations_sync = 2",
		} {
			if err := conn.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		young++ // with it
		if n, err := Sweep(t.Context(), conn, "pets", bound); n == 0 || err != nil {
			t.Fatalf("%d rows, %v", n, err)
		}
		for table, per := range map[string]uint64{"executions": 1, "hooks": 1, "steps": 3, "differences": 1} {
			if n := count(t, conn, "SELECT count() FROM "+table); n != young*per || young == 0 || young == 120 {
				t.Errorf("%s has %d rows, want %d", table, n, young*per)
			}
		}
		if n := count(t, conn, "SELECT uniqExact(blob) FROM runlog_hooks WHERE blob != ''"); n != young {
			t.Errorf("%d blobs are named, want %d", n, young)
		}
		if n, err := Sweep(t.Context(), conn, "pets", bound); n != 0 || err != nil {
			t.Errorf("a second sweep took %d rows, %v", n, err)
		}
	})
}
