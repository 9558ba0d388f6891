package console

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The series is read from the rollups' tables; the views are what says what is
// right.
func TestTheMinutesAreThoseOfTheViewsRolledUpOrNot(t *testing.T) {
	h := newHistory(t)
	h.at = h.at.Truncate(time.Minute).Add(time.Second)
	for ago := range 12 {
		h.execution(time.Duration(ago)*time.Minute, "pets", "succeeded", "", "", "")
		if ago%2 == 0 {
			h.execution(time.Duration(ago)*time.Minute, "pets", "failed", "no", "", "")
		}
		if ago%3 == 0 {
			h.execution(time.Duration(ago)*time.Minute, "orders", "running", "", "", "")
		}
	}
	check := func(when string) {
		t.Helper()
		since, until := h.at.Add(-6*time.Minute), h.at.Add(-3*time.Minute)
		for query, view := range map[string]string{
			"since=2h":           "SELECT minute, '', executions, failed, p50_ms, p95_ms, p99_ms FROM minutes ORDER BY minute",
			"since=2h&flow=pets": "SELECT minute, flow, executions, failed, p50_ms, p95_ms, p99_ms FROM flow_minutes WHERE flow = 'pets' ORDER BY minute",
			"since=2h&each=true": "SELECT minute, flow, executions, failed, p50_ms, p95_ms, p99_ms FROM flow_minutes ORDER BY minute, flow",
			"flow=pets&since=" + since.Format(time.RFC3339) + "&until=" + until.Format(time.RFC3339): fmt.Sprintf("SELECT minute, flow, executions, failed, p50_ms, p95_ms, p99_ms FROM flow_minutes WHERE flow = 'pets' AND minute >= toStartOfMinute(toDateTime(%d, 'UTC')) AND minute < toStartOfMinute(toDateTime(%d, 'UTC')) ORDER BY minute",
				since.Unix(), until.Unix()),
			"since=2h&flow=nobody-has-one": "SELECT minute, flow, executions, failed, p50_ms, p95_ms, p99_ms FROM flow_minutes WHERE flow = 'nobody-has-one'",
		} {
			want := []Minute{}
			rows, err := h.conn.Query(t.Context(), view)
			if err != nil {
				t.Fatal(err)
			}
			for rows.Next() {
				var m Minute
				if err := rows.Scan(&m.Minute, &m.Flow, &m.Executions, &m.Failed, &m.P50, &m.P95, &m.P99); err != nil {
					t.Fatal(err)
				}
				m.P50, m.P95, m.P99 = known(m.P50), known(m.P95), known(m.P99)
				want = append(want, m)
			}
			rows.Close()
			var got struct{ Items []Minute }
			if err := json.Unmarshal([]byte(h.must(200, "GET", "/api/v1/stats/minutes?"+query, "").body), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got.Items); diff != "" {
				t.Errorf("%s, %s: (-view +API)\n%s", when, query, diff)
			}
		}
	}
	check("nothing is rolled up")
	// All but two minutes are rolled up, one of them under a mark that is the
	// latest no more.
	must := func(sql string) {
		t.Helper()
		if err := h.conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	first, last := h.at.Add(-11*time.Minute).Unix()/60, h.at.Add(-2*time.Minute).Unix()/60
	if err := h.conn.Exec(t.Context(), `INSERT INTO runlog_minutes (level, flow, version, step, status, minute, mark, n, failed, ended, percentiles, durations)
		SELECT level, flow, version, step, status, minute, 1, n, failed, ended, percentiles, durations FROM runlog_roll_executions(first = ?, last = ?)`, first, last); err != nil {
		t.Fatal(err)
	}
	must("INSERT INTO runlog_rolled (minute, mark) SELECT DISTINCT minute, 1 FROM runlog_minutes")
	check("most is rolled up")
	h.execution(5*time.Minute, "pets", "failed", "late", "", "")
	h.insert("runlog_marks", "minute, mark", []any{h.at.Add(-5 * time.Minute).Truncate(time.Minute), uint64(2)})
	check("a minute in the middle is written to")
}
