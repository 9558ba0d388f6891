package console

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/deploy/local/localtest"
	"sluice/schemas"
	"sluice/schemas/clickhouse"
	"sluice/schemas/migrations"
)

func openHistory(t *testing.T, url string) driver.Conn {
	t.Helper()
	conn, err := clickhouse.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// history is a console whose run log has rows.
type history struct {
	*server
	conn driver.Conn
	at   time.Time
}

func newHistory(t *testing.T, more ...func(*Options)) *history {
	t.Helper()
	engine := localtest.ClickHouse(t)
	if err := migrations.Up(t.Context(), engine.URL()); err != nil {
		t.Fatal(err)
	}
	readOnly, err := clickhouse.OpenReadOnly(engine.URL(), clickhouse.Limits{Time: 10 * time.Second, Rows: maxRows, Truncate: true, Memory: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = readOnly.Close() })
	h := &history{conn: openHistory(t, engine.URL()), at: time.Now().UTC().Truncate(time.Microsecond)}
	export, err := clickhouse.OpenExporter(engine.URL(), clickhouse.Limits{Time: 10 * time.Second, Rows: 1000, Memory: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	h.server = newServer(t, func(o *Options) {
		o.ClickHouse, o.SQL, o.Export = h.conn, readOnly, export
		for _, set := range more {
			set(o)
		}
	})
	h.must(200, "POST", "/api/v1/apply?publish=true&start=true", twoSteps, "Content-Type", "application/yaml")
	return h
}

const twoSteps = `kind: Flow
id: pets
trigger: {uses: webhook/receive}
steps:
  - {id: shape, name: Shape it, uses: mapper/map}
  - {id: after, uses: mapper/map}
  - {id: handle, uses: mapper/map, on: failure}
`

func (h *history) insert(table, columns string, rows ...[]any) {
	h.t.Helper()
	batch, err := h.conn.PrepareBatch(h.t.Context(), "INSERT INTO "+table+" ("+columns+")")
	if err != nil {
		h.t.Fatal(err)
	}
	for _, row := range rows {
		if err := batch.Append(row...); err != nil {
			h.t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		h.t.Fatal(err)
	}
}

// execution adds one that was accepted so long ago; its hook has the body.
func (h *history) execution(ago time.Duration, flow, status, message, contentType, body string) schemas.ExecutionID {
	h.t.Helper()
	started := h.at.Add(-ago)
	id := schemas.NewExecutionID(started, 2)
	h.insert("runlog_marks", "minute, mark", []any{started.Truncate(time.Minute), uint64(1)})
	var ended any
	if status != "running" && status != "waiting" {
		ended = started.Add(1500 * time.Microsecond)
	}
	h.insert("runlog_executions", "id, flow, version, status, started_at, ended_at, error, error_kind, error_step, trace_id, topic, partition, offset, source_offset",
		[]any{id.String(), flow, uint32(1), status, started, ended, message, "", "", "4bf92f3577b34da6a3ce929d0e0e4736", "hooks", int32(2), int64(41), uint64(7)})
	h.insert("runlog_hooks", "id, flow, received_at, method, path, query, headers, content_type, body, topic, source_partition, source_offset",
		[]any{id.String(), flow, started, "POST", "/hook/" + flow, "a=1", map[string]string{"x-test": "yes"}, contentType, body, "hooks", int32(2), uint64(41)})
	return id
}

func TestTheRunLogIsListedNewestFirst(t *testing.T) {
	h := newHistory(t)
	var ids []string
	for i := range 5 {
		status, message := "succeeded", ""
		if i%2 == 1 {
			status, message = "failed", "The Petstore said NO"
		}
		flow := "pets"
		if i == 4 {
			flow = "other"
		}
		id := h.execution(time.Duration(i)*time.Hour+time.Minute, flow, status, message, "application/json", fmt.Sprintf(`{"petname": "Gromit %d"}`, i))
		ids = append(ids, id.String())
	}
	for _, c := range []struct {
		query string
		want  []int
	}{
		{"", []int{0, 1, 2, 3, 4}},
		{"?flow=pets", []int{0, 1, 2, 3}},
		{"?status=failed", []int{1, 3}},
		{"?status=failed,succeeded&flow=other", []int{4}},
		{"?since=90m", []int{0, 1}},
		{"?since=" + h.at.Add(-90*time.Minute).Format(time.RFC3339), []int{0, 1}},
		{"?until=90m", []int{2, 3, 4}},
		{"?since=3h&until=90m", []int{2}},
		{"?q=gromit%202", []int{2}},
		{"?q=said%20no", []int{1, 3}},
		{"?q=said%20no&since=2h", []int{1}},
		{"?q=%25", nil},
		{"?flow=pets'%20OR%201=1", nil},
	} {
		a := h.must(200, "GET", "/api/v1/executions"+c.query, "")
		var have []string
		list, _ := a.json(t, "items").([]any)
		for i := range list {
			have = append(have, a.json(t, "items", i, "id").(string))
		}
		var want []string
		for _, i := range c.want {
			want = append(want, ids[i])
		}
		equal(t, "executions"+c.query, have, want)
		equal(t, "next of executions"+c.query, a.json(t, "next"), "")
	}

	var paged []string
	for cursor := ""; ; {
		a := h.must(200, "GET", "/api/v1/executions?limit=2&cursor="+cursor, "")
		list, _ := a.json(t, "items").([]any)
		for i := range list {
			paged = append(paged, a.json(t, "items", i, "id").(string))
		}
		if cursor = a.json(t, "next").(string); cursor == "" {
			break
		}
	}
	equal(t, "the pages together", paged, ids)

	failed := h.must(200, "GET", "/api/v1/executions?status=failed&limit=1", "")
	for name, want := range map[string]any{
		"flow": "pets", "version": 1, "status": "failed", "error": "The Petstore said NO", "durationMs": 1.5, "replayOf": nil,
		"startedAt": h.at.Add(-61 * time.Minute).Format(time.RFC3339Nano),
	} {
		equal(t, name, failed.json(t, "items", 0, name), want)
	}
	if _, there := failed.json(t, "items", 0).(map[string]any)["hook"]; there {
		t.Error("a list's item has a hook")
	}
	h.must(400, "GET", "/api/v1/executions?since=yesterday", "")
	h.must(400, "GET", "/api/v1/executions?cursor=x", "")
}

func TestAnExecutionIsShownWhole(t *testing.T) {
	h := newHistory(t)
	id := h.execution(time.Minute, "pets", "failed", "no", "application/json; charset=utf-8", `{"serial": 12345678901234567890.10, "a": "<&>"}`)
	const columns = "execution_id, flow, version, step, name, uses, iteration, attempt, status, input, output, error, error_kind, http_status, idempotency_key, started_at, duration_ms, retry_at, source_offset"
	row := func(step string, attempt uint32, status, input, output, message string, retryAt any) []any {
		return []any{id.String(), "pets", uint32(1), step, "", "mapper/map", int32(0), attempt, status, input, output, message, "", uint16(503), "key-" + step,
			h.at.Add(-time.Minute + time.Duration(attempt)*time.Second), 2.5, retryAt, uint64(7)}
	}
	h.insert("runlog_steps", columns,
		row("shape", 2, "succeeded", `{"n": 1.10}`, `{"n": 9007199254740993}`, "", nil),
		row("handle", 0, "skipped", "", "", "", nil),
		row("shape", 1, "retrying", `{"n": 1.10}`, "", "busy", h.at),
		row("after", 1, "failed", `not json`, "", "no", nil),
	)
	a := h.must(200, "GET", "/api/v1/executions/"+id.String(), "")
	for name, want := range map[string]any{
		"method": "POST", "path": "/hook/pets", "query": "a=1", "contentType": "application/json; charset=utf-8", "partition": 2, "offset": 41, "topic": "hooks",
	} {
		equal(t, "hook."+name, a.json(t, "hook", name), want)
	}
	equal(t, "a header", a.json(t, "hook", "headers", "x-test"), "yes")
	equal(t, "a number of the body", a.json(t, "hook", "body", "serial"), "12345678901234567890.10")
	for i, want := range []string{"shape", "after", "handle"} { // as the flow has them
		equal(t, "a step", a.json(t, "steps", i, "id"), want)
	}
	equal(t, "the name of a step", a.json(t, "steps", 0, "name"), "Shape it")
	equal(t, "its attempt", a.json(t, "steps", 0, "attempt"), 2)
	equal(t, "its status", a.json(t, "steps", 0, "status"), "succeeded")
	equal(t, "its input", a.json(t, "steps", 0, "input", "n"), "1.10")
	equal(t, "its output", a.json(t, "steps", 0, "output", "n"), "9007199254740993")
	equal(t, "its error", a.json(t, "steps", 0, "error"), nil)
	equal(t, "its key", a.json(t, "steps", 0, "idempotencyKey"), "key-shape")
	equal(t, "its HTTP status", a.json(t, "steps", 0, "httpStatus"), 503)
	equal(t, "its first attempt", a.json(t, "steps", 0, "attempts", 0, "status"), "retrying")
	equal(t, "its first attempt's error", a.json(t, "steps", 0, "attempts", 0, "error"), "busy")
	equal(t, "what is no JSON", a.json(t, "steps", 1, "input"), "not json")
	equal(t, "the skipped step", a.json(t, "steps", 2, "status"), "skipped")
	equal(t, "its attempts", a.json(t, "steps", 2, "attempts"), "[]")

	for _, c := range []struct{ contentType, body, want string }{
		{"text/plain", `{"a": 1}`, `"{\"a\": 1}"`},
		{"application/json", `{"a":`, `"{\"a\":"`},
		{"application/vnd.x+json", `[1.0]`, `[1.0]`},
		{"", `{"a":1}`, `{"a":1}`},
		{"application/octet-stream", "\xff\x00", `"/wA="`},
	} {
		id := h.execution(time.Second, "pets", "succeeded", "", c.contentType, c.body)
		var shown struct {
			Hook struct{ Body json.RawMessage }
		}
		if err := json.Unmarshal(h.must(200, "GET", "/api/v1/executions/"+id.String(), "").body, &shown); err != nil {
			t.Fatal(err)
		}
		equal(t, "the body of "+c.contentType, string(shown.Hook.Body), c.want)
	}
	h.must(404, "GET", "/api/v1/executions/"+schemas.NewExecutionID(h.at, 1).String(), "")
	h.must(400, "GET", "/api/v1/executions/none", "")
}

// commands reads all records of the topic hooks.
func (h *history) commands() []*schemas.Hook {
	h.t.Helper()
	client := h.client()
	var all []*schemas.Hook
	for p := range int32(partitions) {
		end, err := schemas.PartitionEnd(h.t.Context(), client, schemas.DefaultTopics.Hooks(), p)
		if err == nil {
			err = schemas.ReadPartition(h.t.Context(), client, schemas.DefaultTopics.Hooks(), p, 0, end, func(r *kgo.Record) bool {
				hook, err := schemas.ParseHook(r)
				if err != nil {
					h.t.Error(err)
					return false
				}
				all = append(all, hook)
				return true
			})
		}
		if err != nil {
			h.t.Fatal(err)
		}
	}
	return all
}

func TestARetrySendsTheSameHookAgain(t *testing.T) {
	h := newHistory(t)
	body := "\xff\x00 byte for byte"
	id := h.execution(time.Hour, "pets", "failed", "no", "application/octet-stream", body)
	a := h.must(202, "POST", "/api/v1/executions/"+id.String()+"/retry", "")
	equal(t, "replayOf", a.json(t, "replayOf"), id)
	sent := h.commands()
	if len(sent) != 1 {
		t.Fatalf("%d records were sent, want 1", len(sent))
	}
	again := sent[0]
	equal(t, "the new id", again.ID, a.json(t, "id"))
	if again.ID == id {
		t.Error("the new execution has the old one's id")
	}
	equal(t, "the partition", again.Partition, id.Partition())
	equal(t, "the rest", fmt.Sprint(again.Kind, again.Flow, again.Method, again.Path, again.Query, again.Headers, again.ContentType, string(again.Body), again.ReplayOf),
		fmt.Sprint(schemas.KindHook, "pets", "POST", "/hook/pets", "a=1", map[string]string{"x-test": "yes"}, "application/octet-stream", body, id))
	equal(t, "the control log's offset", again.Control, h.log.Offset())

	open := h.execution(time.Minute, "pets", "running", "", "", "")
	h.must(409, "POST", "/api/v1/executions/"+open.String()+"/retry", "")
	gone := h.execution(time.Minute, "gone", "failed", "", "", "")
	h.must(409, "POST", "/api/v1/executions/"+gone.String()+"/retry", "")
	h.must(404, "POST", "/api/v1/executions/"+schemas.NewExecutionID(h.at, 1).String()+"/retry", "")
	equal(t, "records sent", len(h.commands()), 1)
}

func TestARetryMaySendAnotherBody(t *testing.T) {
	h := newHistory(t)
	asJSON := h.execution(time.Hour, "pets", "failed", "no", "application/json", `{"petname": 1}`)
	asText := h.execution(time.Hour, "pets", "failed", "no", "text/plain", "Gromit")
	h.must(202, "POST", "/api/v1/executions/"+asJSON.String()+"/retry", `{"body": {"petname": 12345678901234567890}}`)
	h.must(202, "POST", "/api/v1/executions/"+asText.String()+"/retry", `{"body": "Wallace"}`)
	var bodies []string
	for _, hook := range h.commands() {
		bodies = append(bodies, string(hook.Body))
	}
	equal(t, "the bodies sent", bodies, `[{"petname": 12345678901234567890} Wallace]`)
}

func TestACancelGoesToTheExecutionsOwner(t *testing.T) {
	h := newHistory(t)
	open := h.execution(time.Minute, "pets", "waiting", "", "", "")
	h.must(202, "POST", "/api/v1/executions/"+open.String()+"/cancel", "")
	sent := h.commands()
	if len(sent) != 1 {
		t.Fatalf("%d records were sent, want 1", len(sent))
	}
	equal(t, "the command", fmt.Sprint(sent[0].Kind, sent[0].ID, sent[0].Flow, sent[0].Partition), fmt.Sprint(schemas.KindCancel, open, "pets", open.Partition()))
	ended := h.execution(time.Minute, "pets", "succeeded", "", "", "")
	a := h.must(409, "POST", "/api/v1/executions/"+ended.String()+"/cancel", "")
	if detail, _ := a.json(t, "detail").(string); !strings.Contains(detail, "succeeded") {
		t.Errorf("the refusal says %q", detail)
	}
}

func TestAQueryReadsAndNothingElse(t *testing.T) {
	h := newHistory(t)
	for range 3 {
		h.execution(time.Minute, "pets", "succeeded", "", "", "")
	}
	a := h.must(200, "POST", "/api/v1/query", `{"sql": "SELECT status, count() AS n FROM executions GROUP BY status"}`)
	equal(t, "columns", a.json(t, "columns"), "[map[name:status type:String] map[name:n type:UInt64]]")
	equal(t, "rows", a.json(t, "rows"), "[[succeeded 3]]")

	none := h.must(200, "POST", "/api/v1/query", `{"sql": "SELECT status, duration_ms FROM executions WHERE flow = 'nobody''s' ORDER BY started_at; "}`)
	equal(t, "rows of nothing", none.json(t, "rows"), "[]")
	equal(t, "columns of nothing", none.json(t, "columns"), "[map[name:status type:String] map[name:duration_ms type:Nullable(Float64)]]")
	h.must(400, "POST", "/api/v1/query", `{"sql": "SELECT NULL FROM executions"}`)
	odd := h.must(200, "POST", "/api/v1/query", `{"sql": "-- a comment\n SELECT toUInt64(18446744073709551615), toDecimal128('1.10', 2), nan, CAST(NULL, 'Nullable(Int8)'), [1, 2], map('a', 'b'), tuple(1, 'x'), toUInt256('115792089237316195423570985008687907853269984665640564039457584007913129639935'), toUUID('0192f5d2-7c3a-7b1e-9f00-5a2b3c4d0001'), toDateTime64('2026-01-02 03:04:05.678', 3, 'UTC'), toIPv4('1.2.3.4'), toInt8(-1), toDate('2026-01-02')"}`)
	var result struct{ Rows [][]json.RawMessage }
	if err := json.Unmarshal(odd.body, &result); err != nil {
		t.Fatal(err)
	}
	var cells []string
	for _, c := range result.Rows[0] {
		cells = append(cells, string(c))
	}
	equal(t, "the odd row", strings.Join(cells, " "), `18446744073709551615 1.1 "NaN" null [1,2] {"a":"b"} [1,"x"] `+
		`115792089237316195423570985008687907853269984665640564039457584007913129639935 "0192f5d2-7c3a-7b1e-9f00-5a2b3c4d0001" "2026-01-02T03:04:05.678Z" "1.2.3.4" -1 "2026-01-02"`)

	many := h.must(200, "POST", "/api/v1/query", `{"sql": "SELECT number FROM system.numbers LIMIT 50000"}`)
	rows, _ := many.json(t, "rows").([]any)
	equal(t, "rows of a long answer", len(rows), maxRows)
	equal(t, "truncated", many.json(t, "truncated"), true)

	for name, sql := range map[string]string{
		"no column":     "SELECT nothing FROM executions",
		"no statement":  "SELEKT 1",
		"a write":       "INSERT INTO runlog_progress (topic) VALUES ('x')",
		"a drop":        "DROP TABLE runlog_executions",
		"a hidden drop": "/* SELECT */ DROP TABLE runlog_executions",
		"a limit":       "SELECT 1 SETTINGS max_memory_usage = 0, readonly = 0",
		"a setting":     "SET readonly = 0",
		"a file":        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
		"a url":         "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
		"a bare NULL":   "SELECT NULL",
		"two":           "SELECT 1; DROP TABLE runlog_executions",
		"explain":       "EXPLAIN DROP TABLE nothing_there; DROP TABLE runlog_executions",
	} {
		body, _ := json.Marshal(map[string]string{"sql": sql})
		if a := h.do("POST", "/api/v1/query", string(body)); a.status != 400 {
			t.Errorf("%s: %s = %d %s, want 400", name, sql, a.status, a.body)
		}
	}
	wrong := h.must(400, "POST", "/api/v1/query", `{"sql": "SELECT nothing FROM executions"}`)
	if detail, _ := wrong.json(t, "detail").(string); !strings.Contains(detail, "nothing") || !strings.Contains(detail, "code 47") {
		t.Errorf("the error says %q, want ClickHouse's own words", detail)
	}
	equal(t, "rows after all that", h.must(200, "POST", "/api/v1/query", `{"sql": "SELECT count() FROM executions"}`).json(t, "rows"), "[[3]]")
}

func TestStatsCountWhatHappened(t *testing.T) {
	h := newHistory(t)
	empty := h.must(200, "GET", "/api/v1/stats", "")
	equal(t, "latency of nothing", empty.json(t, "latencyMs", "count"), 0)
	id := h.execution(time.Minute, "pets", "succeeded", "", "", "")
	h.execution(2*time.Minute, "pets", "failed", "", "", "")
	h.execution(3*time.Hour, "pets", "succeeded", "", "", "")
	h.execution(time.Minute, "pets", "running", "", "", "")
	h.insert("runlog_steps", "execution_id, flow, step, attempt, status, started_at", []any{id.String(), "pets", "shape", uint32(1), "succeeded", h.at})
	a := h.must(200, "GET", "/api/v1/stats", "")
	equal(t, "flows", a.json(t, "flows"), "map[paused:0 running:1 stopped:0]")
	equal(t, "the last hour", a.json(t, "executions", "lastHour"), "map[failed:1 running:1 succeeded:1]")
	equal(t, "the last day", a.json(t, "executions", "lastDay"), "map[failed:1 running:1 succeeded:2]")
	var latency struct{ LatencyMs Latency }
	if err := json.Unmarshal([]byte(a.body), &latency); err != nil || math.Abs(latency.LatencyMs.P50-1.5) > 0.015 || latency.LatencyMs.Count != 2 {
		t.Errorf("latency %+v (%v), want 1.5 of 2 within 1 %%", latency, err)
	}
	var series struct{ Items []Minute }
	minutes := h.must(200, "GET", "/api/v1/stats/minutes?flow=pets&since=30m", "")
	if err := json.Unmarshal([]byte(minutes.body), &series); err != nil {
		t.Fatal(err)
	}
	var counted, failed uint64
	for _, m := range series.Items {
		counted, failed = counted+m.Executions, failed+m.Failed
	}
	if counted != 3 || failed != 1 {
		t.Errorf("%d executions and %d failed minute by minute, want 3 and 1: %s", counted, failed, minutes.body)
	}
	equal(t, "a flow's steps", a.json(t, "perFlow", 0, "steps"), "map[shape:map[succeeded:1]]")
}

func TestAWindowGrowsByWhatItFound(t *testing.T) {
	for _, c := range []struct {
		back        time.Duration
		found, want int
		next        time.Duration
	}{
		{time.Minute, 50, 100, 3 * time.Minute},
		{time.Minute, 0, 100, time.Hour},
		{time.Hour, 0, 100, everything},
		{time.Hour, 1, 100, everything},
		{firstTextWindow, 0, 51, lastWindow},
		{firstTextWindow, 34, 51, firstTextWindow * 9 / 4},
		{time.Hour, 90, 90, 90 * time.Minute},
	} {
		equal(t, fmt.Sprint(c), nextWindow(c.back, c.found, c.want), c.next)
	}
}

func TestAnOpenExecutionSaysWhatURLsItWaitsFor(t *testing.T) {
	tokens, err := schemas.NewTokens("a key")
	if err != nil {
		t.Fatal(err)
	}
	h := newHistory(t, func(o *Options) { o.Tokens = tokens })
	h.must(200, "POST", "/api/v1/apply?publish=true&start=true", "kind: Flow\nid: asks\ntrigger: {uses: webhook/receive}\nsteps: [{id: answer, uses: webhook/wait, input: {timeout: 1h}}]\n", "Content-Type", "application/yaml")
	open := h.execution(time.Minute, "asks", "waiting", "", "application/json", "{}")
	url, _ := h.must(200, "GET", "/api/v1/executions/"+open.String(), "").json(t, "callbacks", "answer").(string)
	_, token, _ := strings.Cut(url, schemas.CallbackPath)
	cb, ok := schemas.ReadCallback(tokens, token)
	equal(t, "the callback", fmt.Sprint(ok, cb.Execution, cb.Flow, cb.Step, cb.Lane), fmt.Sprint(true, open, "asks", "answer", "hooks"))
	ended := h.execution(time.Minute, "asks", "succeeded", "", "application/json", "{}")
	equal(t, "of one that has ended", h.must(200, "GET", "/api/v1/executions/"+ended.String(), "").json(t, "callbacks"), nil)
}

func TestTheRunLogIsFilteredByIDAndOrigin(t *testing.T) {
	h := newHistory(t)
	first := h.execution(time.Hour, "pets", "failed", "no", "application/json", `{"petname": "Gromit"}`)
	second := h.execution(time.Minute, "pets", "succeeded", "", "application/json", `{"petname": "Wallace"}`)
	again := schemas.NewExecutionID(h.at, 2)
	h.insert("runlog_executions", "id, flow, status, started_at, replay_of, replay", []any{again.String(), "pets", "succeeded", h.at, first.String(), "r1"})
	at := schemas.NewExecutionID(h.at.Add(-2*time.Hour), 2)
	h.insert("runlog_executions", "id, flow, status, started_at, error_step", []any{at.String(), "pets", "failed", h.at.Add(-2 * time.Hour), "tell"})
	for query, want := range map[string][]schemas.ExecutionID{
		"id=" + first.String():            {first},
		"id=" + first.String()[:11]:       {first},
		"id=" + second.String()[:35]:      {second},
		"id=" + first.String() + "&q=gro": {first},
		"id=" + first.String() + "&q=wal": {},
		"replayOf=" + first.String():      {again},
		"replay=r1":                       {again},
		"step=tell":                       {at},
		"step=tell&status=succeeded":      {},
		"id=ffff":                         {},
	} {
		var list struct{ Items []Execution }
		if err := json.Unmarshal(h.must(200, "GET", "/api/v1/executions?"+query, "").body, &list); err != nil {
			t.Fatal(err)
		}
		var have []string
		for _, x := range list.Items {
			have = append(have, x.ID)
		}
		equal(t, query, have, want)
	}
	h.must(400, "GET", "/api/v1/executions?id=nothing", "")
	h.must(400, "GET", "/api/v1/executions?replayOf=nothing", "")
}

func TestAFlowCountsWhatEachStepDid(t *testing.T) {
	h := newHistory(t)
	for i := range 3 {
		id := h.execution(time.Duration(i)*time.Minute, "pets", "succeeded", "", "", "")
		h.insert("runlog_steps", "execution_id, flow, step, attempt, status, started_at, duration_ms",
			[]any{id.String(), "pets", "shape", uint32(1), "retrying", h.at, 10.0},
			[]any{id.String(), "pets", "shape", uint32(2), "succeeded", h.at, 20.0},
			[]any{id.String(), "pets", "handle", uint32(0), "skipped", h.at, 0.0})
	}
	h.execution(time.Minute, "other", "succeeded", "", "", "")
	a := h.must(200, "GET", "/api/v1/flows/pets/stats", "")
	equal(t, "hooks", a.json(t, "hooks"), 3)
	equal(t, "executions", a.json(t, "executions"), "map[succeeded:3]")
	p50, p95 := fmt.Sprint(a.json(t, "steps", 1, "latencyMs", "p50")), fmt.Sprint(a.json(t, "steps", 1, "latencyMs", "p95"))
	equal(t, "steps", a.json(t, "steps"), "[map[attempts:0 executions:map[skipped:3] latencyMs:map[count:0 p50:0 p95:0 p99:0] step:handle] "+
		"map[attempts:6 executions:map[succeeded:3] latencyMs:map[count:6 p50:"+p50+" p95:"+p95+" p99:"+p95+"] step:shape]]")
	equal(t, "the last seconds", h.must(200, "GET", "/api/v1/flows/pets/stats?since="+h.at.Format(time.RFC3339Nano), "").json(t, "hooks"), 1)
	open := h.execution(2*time.Hour, "pets", "waiting", "", "", "")
	h.insert("runlog_steps", "execution_id, flow, step, attempt, status, started_at, duration_ms",
		[]any{open.String(), "pets", "shape", uint32(1), "succeeded", h.at, 10.0},
		[]any{open.String(), "pets", "after", uint32(1), "retrying", h.at, 10.0},
		[]any{open.String(), "pets", "after", uint32(2), "retrying", h.at, 10.0})
	a = h.must(200, "GET", "/api/v1/flows/pets/stats?since=1h", "")
	equal(t, "what is open, whenever it came", a.json(t, "open"), "map[running:0 waiting:1]")
	equal(t, "hooks of the last hour", a.json(t, "hooks"), 3)
	equal(t, "what stands at a step now", a.json(t, "steps", 2, "executions"), "map[retrying:1]")
	h.must(404, "GET", "/api/v1/flows/nothing/stats", "")
	h.must(400, "GET", "/api/v1/flows/pets/stats?since=yesterday", "")
}

func TestASeriesCountsExecutionsOverTime(t *testing.T) {
	h := newHistory(t)
	h.execution(time.Minute, "pets", "succeeded", "", "", "")
	h.execution(time.Minute, "pets", "failed", "no", "", "")
	h.execution(3*time.Hour, "other", "succeeded", "", "", "")
	var day, flow Series
	if err := json.Unmarshal(h.must(200, "GET", "/api/v1/stats/series?since=24h", "").body, &day); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(h.must(200, "GET", "/api/v1/stats/series?since=24h&flow=pets", "").body, &flow); err != nil {
		t.Fatal(err)
	}
	sum := func(counts []uint64) (n uint64) {
		for _, c := range counts {
			n += c
		}
		return n
	}
	equal(t, "executions, errors, the flow's", fmt.Sprint(sum(day.Executions), sum(day.Errors), sum(flow.Executions)), "3 1 2")
	if len(day.At) != len(day.Executions) || len(day.At) != len(day.P95Ms) || len(day.At) != len(day.Status["failed"]) || len(day.At) > maxPoints+2 {
		t.Errorf("the lists are not as long as each other: %d %d %d", len(day.At), len(day.Executions), len(day.P95Ms))
	}
	for _, span := range []string{"since=soon", "since=1h&until=2h", "since=100000h"} {
		h.must(400, "GET", "/api/v1/stats/series?"+span, "")
	}
}

func TestTheBacklogIsWhatIsOpenAndUnread(t *testing.T) {
	h := newHistory(t)
	h.execution(time.Minute, "pets", "waiting", "", "", "")
	h.execution(time.Minute, "pets", "succeeded", "", "", "")
	producer := h.client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for range 4 {
		if err := producer.ProduceSync(t.Context(), &kgo.Record{Topic: schemas.DefaultTopics.Hooks(), Partition: 1, Value: []byte("x")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	a := h.must(200, "GET", "/api/v1/stats/backlog", "")
	equal(t, "open", a.json(t, "open"), "map[running:0 waiting:1]")
	equal(t, "per flow", a.json(t, "openPerFlow"), "map[pets:1]")
	equal(t, "the runners' lag", a.json(t, "lag", 0), "map[consumer:run records:4 topic:sluice.hooks]")
}
