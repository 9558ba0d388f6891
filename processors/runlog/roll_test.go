package runlog

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// counted compares what the rollups count with the rows, and returns what they
// say, a line for each row of theirs.
func counted(t testing.TB, conn Conn) []string {
	t.Helper()
	var out []string
	for _, of := range []struct{ view, rows string }{ // in this order: what they say is compared later
		{"execution_minutes", "SELECT toStartOfMinute(UUIDv7ToDateTime(id, 'UTC')) AS minute, flow, version, status, count() AS n FROM executions GROUP BY ALL"},
		{"step_minutes", "SELECT toStartOfMinute(UUIDv7ToDateTime(execution_id, 'UTC')) AS minute, flow, version, step, status, count() AS n FROM steps GROUP BY ALL"},
	} {
		keys := "minute, flow, version, status"
		n := "executions"
		if of.view == "step_minutes" {
			keys, n = "minute, flow, version, step, status", "attempts"
		}
		rolled := lines(t, conn, fmt.Sprintf("SELECT toJSONString(tuple(%s, %s)) FROM %s ORDER BY 1", keys, n, of.view))
		want := lines(t, conn, fmt.Sprintf("SELECT toJSONString(tuple(%s, n)) FROM (%s) ORDER BY 1", keys, of.rows))
		if diff := cmp.Diff(want, rolled); diff != "" {
			t.Errorf("%s is not what its rows are: %s", of.view, diff)
		}
		out = append(out, rolled...)
	}
	return out
}

func lines(t testing.TB, conn Conn, query string) []string {
	t.Helper()
	rows, err := conn.Query(context.Background(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	out := []string{}
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		out = append(out, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// rollAll rolls up all that is stale and more than a minute old.
func rollAll(t testing.TB, conn Conn) (n int) {
	t.Helper()
	for {
		some, err := Roll(context.Background(), conn, 0)
		if err != nil {
			t.Fatal(err)
		}
		if n += some; some == 0 {
			return n
		}
	}
}

func TestRollupsAreExactBeforeAndAfterTheyAreRolledAndAgain(t *testing.T) {
	onEngines(t, func(t *testing.T, url string) {
		k, conn := newKafka(t), openEngine(t, url)
		all := ids(30)
		for _, id := range all {
			k.produce(hookRecord(t, id, "{}"), recordOf(t, first(id)))
		}
		stop := start(t, k.options(conn))
		until(t, conn, 30, "SELECT count() FROM executions WHERE status = 'running'")
		stop()
		open := counted(t, conn) // from the rows
		if rollAll(t, conn) == 0 {
			t.Fatal("nothing was rolled up")
		}
		if n := count(t, conn, "SELECT countIf(minute < now() - INTERVAL 5 MINUTE) FROM runlog_stale"); n != 0 {
			t.Errorf("%d minutes are still stale", n)
		}
		if diff := cmp.Diff(open, counted(t, conn)); diff != "" {
			t.Errorf("rolled up they say something else: %s", diff)
		}
		// What ends later changes minutes that are rolled up.
		for _, id := range all {
			k.produce(recordOf(t, second(id)))
		}
		stop = start(t, k.options(conn))
		until(t, conn, 30, "SELECT count() FROM executions WHERE status = 'succeeded'")
		stop()
		ended := counted(t, conn)
		if n := count(t, conn, "SELECT sum(executions) FROM execution_minutes WHERE status = 'succeeded'"); n != 30 {
			t.Errorf("%d executions succeeded by the rollups, want 30", n)
		}
		rollAll(t, conn)
		if diff := cmp.Diff(ended, counted(t, conn)); diff != "" {
			t.Errorf("rolled up again they say something else: %s", diff)
		}
		if n := count(t, conn, "SELECT count() FROM minutes WHERE p99_ms != 2345.678"); n != 0 {
			t.Errorf("%d minutes have another p99 than all their executions", n)
		}
	})
}

func TestARollThatAWriterOvertakesStaysStale(t *testing.T) {
	onEngines(t, func(t *testing.T, url string) {
		k, conn := newKafka(t), openEngine(t, url)
		k.story(5)
		stop := start(t, k.options(conn))
		until(t, conn, 5, "SELECT count() FROM executions WHERE status = 'succeeded'")
		stop()
		due, err := staleMinutes(t.Context(), conn, 0)
		if err != nil || len(due) == 0 {
			t.Fatal(due, err)
		}
		// Between the roll's reading of the mark and its end rows come, with a mark.
		if err := rollRange(t.Context(), conn, due[:1]); err != nil {
			t.Fatal(err)
		}
		later := []markRow{{due[0].minute, due[0].mark + 1}}
		if err := write(t.Context(), conn, marksTable, later); err != nil {
			t.Fatal(err)
		}
		if err := write(t.Context(), conn, rolledTable, due[:1]); err != nil {
			t.Fatal(err)
		}
		if n := count(t, conn, fmt.Sprintf("SELECT count() FROM runlog_stale WHERE minute = toDateTime(%d)", due[0].minute.Unix())); n != 1 {
			t.Error("the minute counts as rolled up, without the rows that came meanwhile")
		}
		counted(t, conn)
	})
}
