package runlog

import (
	"testing"
	"time"
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
		if n, err := Sweep(t.Context(), conn, "pets", bound); n == 0 || err != nil {
			t.Fatalf("%d rows, %v", n, err)
		}
		for table, per := range map[string]uint64{"executions": 1, "hooks": 1, "steps": 3} {
			if n := count(t, conn, "SELECT count() FROM "+table); n != young*per || young == 0 || young == 120 {
				t.Errorf("%s has %d rows, want %d", table, n, young*per)
			}
		}
		if n, err := Sweep(t.Context(), conn, "pets", bound); n != 0 || err != nil {
			t.Errorf("a second sweep took %d rows, %v", n, err)
		}
	})
}
