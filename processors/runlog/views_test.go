package runlog

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTheViewsAreAContract says the columns that people's queries and the
// console rely on. A change here breaks them.
func TestTheViewsAreAContract(t *testing.T) {
	const at = "DateTime64(6, 'UTC')"
	want := map[string]string{
		"executions": "id UUID, flow String, version UInt32, status String, started_at " + at + ", ended_at Nullable(" + at + "), duration_ms Nullable(Float64), " +
			"error String, error_kind String, error_step String, erased Bool, replay_of Nullable(UUID), replay String, trace_id String, topic String, partition Int32, offset Int64",
		"steps": "execution_id UUID, flow String, version UInt32, step String, name String, uses String, iteration Int32, attempt UInt32, status String, input String, output String, " +
			"error String, error_kind String, http_status UInt16, idempotency_key String, started_at " + at + ", duration_ms Float64, retry_at Nullable(" + at + ")",
		"hooks": "id UUID, flow String, received_at " + at + ", method String, path String, query String, headers Map(String, String), content_type String, body String, body_size UInt64, body_sha256 String, blob String, files String, " +
			"erased Bool, replay_of Nullable(UUID), trace_id String, topic String, partition Int32, offset Int64",
	}
	onEngines(t, func(t *testing.T, url string) {
		conn := openEngine(t, url)
		got := map[string]string{}
		for view := range want {
			var columns []string
			for c := range texts(t, conn, "SELECT concat(name, ' ', type) FROM system.columns WHERE database = currentDatabase() AND table = '"+view+"' ORDER BY position") {
				columns = append(columns, c)
			}
			got[view] = strings.Join(columns, ", ")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// TestOneExecutionIsFoundWithoutAScan says that a lookup by ID reads a few
// granules through the views, however long the history.
func TestOneExecutionIsFoundWithoutAScan(t *testing.T) {
	onEngines(t, func(t *testing.T, url string) {
		conn := openEngine(t, url)
		exec(t, conn, `INSERT INTO runlog_executions (id, flow, status, started_at, source_offset)
			SELECT dateTimeToUUIDv7(now('UTC') - number) AS id, 'pets', 'succeeded', now64(6, 'UTC') - number, number FROM numbers(200000)`)
		exec(t, conn, `INSERT INTO runlog_steps (execution_id, step, attempt, source_offset) SELECT id, 'create', 1, source_offset FROM runlog_executions`)
		exec(t, conn, `INSERT INTO runlog_hooks (id, source_offset) SELECT id, source_offset FROM runlog_executions`)
		id := ""
		for s := range texts(t, conn, "SELECT toString(id) FROM runlog_executions WHERE source_offset = 123456") {
			id = s
		}
		for view, key := range map[string]string{"executions": "id", "steps": "execution_id", "hooks": "id"} {
			query := "SELECT * FROM " + view + " WHERE " + key + " = '" + id + "'"
			var plan []string
			for line := range texts(t, conn, "EXPLAIN indexes = 1 "+query) {
				plan = append(plan, line)
			}
			read := strings.Join(plan, "\n")
			i := strings.LastIndex(read, "Granules: ")
			if i < 0 {
				t.Fatalf("no plan with granules: %s", read)
			}
			if part, _, _ := strings.Cut(read[i+len("Granules: "):], "\n"); !strings.HasPrefix(part, "1/") && !strings.HasPrefix(part, "2/") {
				t.Errorf("%s reads %s granules:\n%s", view, part, read)
			}
			if n := count(t, conn, "SELECT count() FROM ("+query+")"); n != 1 {
				t.Errorf("%d rows in %s", n, view)
			}
		}
	})
}
