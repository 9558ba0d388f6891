package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"sluice/deploy/local"
	"sluice/processors/runlog"
	"sluice/schemas/clickhouse"
)

// histories measures questions to a run log of ten million steps over a day,
// through the API: each line is its p95, beside a plain GET of the API's flows.
func histories(ctx context.Context, s settings) ([]line, error) {
	executions, rounds := 3_333_334, 40
	if s.rounds < 5 {
		executions, rounds = 333_334, 20
	}
	dir, err := os.MkdirTemp("", "sluice-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	bytesPerRow, err := fill(ctx, dir, executions)
	if err != nil {
		return nil, err
	}
	p, err := startBinary(ctx, s.binary, dir)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	sql := func(q string) func() (*http.Request, error) {
		return func() (*http.Request, error) {
			body, err := json.Marshal(map[string]string{"sql": q})
			if err != nil {
				return nil, err
			}
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.api+"/api/v1/query", bytes.NewReader(body))
			if err == nil {
				req.Header.Set("Content-Type", "application/json")
			}
			return req, err
		}
	}
	get := func(path string) func() (*http.Request, error) {
		return func() (*http.Request, error) {
			return http.NewRequestWithContext(ctx, http.MethodGet, p.api+"/api/v1"+path, nil)
		}
	}
	reference, err := p95(get("/flows"), rounds)
	if err != nil {
		return nil, err
	}
	lines := []line{{Name: fmt.Sprintf("%d step rows on disk", 3*executions), Value: bytesPerRow, Unit: "bytes a row"}}
	for _, q := range []struct {
		name    string
		request func() (*http.Request, error)
	}{
		{"last 50 executions of a flow", get("/executions?flow=flow7&limit=50")},
		{"p99 of a flow per minute over a day", get("/stats/minutes?flow=flow7")},
		{"p99 of all flows per minute over a day", get("/stats/minutes")},
		{"p99 of a flow's steps per minute over a day, by SQL", sql("SELECT minute, quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(durations) FROM step_minutes WHERE flow = 'flow7' GROUP BY minute")},
		{"search of an error over everything", get("/executions?q=refused+by+peer")},
		{"search of an error over everything, by SQL", sql("SELECT count() FROM executions WHERE lowerUTF8(error) LIKE '%refused by peer%'")},
	} {
		took, err := p95(q.request, rounds)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", q.name, err)
		}
		lines = append(lines, pair(q.name+", p95", "ms", []float64{millis(took)}, "GET /flows, p95", []float64{millis(reference)}))
	}
	return lines, nil
}

// p95 sends a request again and again; the first answers warm the caches up.
func p95(request func() (*http.Request, error), rounds int) (time.Duration, error) {
	var all []time.Duration
	for i := range rounds + 3 {
		req, err := request()
		if err != nil {
			return 0, err
		}
		began := time.Now()
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err
		}
		raw, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("%s: %v: %s", resp.Status, err, raw)
		}
		if i >= 3 {
			all = append(all, time.Since(began))
		}
	}
	slices.Sort(all)
	return quantile(all, 0.95), nil
}

// fill makes a day's history inside ClickHouse, rolls it up, and says what a
// step's row takes on disk.
func fill(ctx context.Context, dir string, executions int) (float64, error) {
	folder := filepath.Join(dir, "clickhouse")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return 0, err
	}
	engine, err := local.StartClickHouse(local.ClickHouseOptions{DataDir: folder})
	if err != nil {
		return 0, err
	}
	defer engine.Close()
	if err := runlog.Migrate(ctx, engine.URL()); err != nil {
		return 0, err
	}
	conn, err := clickhouse.Open(engine.URL())
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	// n is an execution's number, dice is the same for it everywhere.
	values := strings.NewReplacer("$N", fmt.Sprint(executions), "$T0", fmt.Sprint(time.Now().Add(-24*time.Hour).UnixMilli()))
	for _, insert := range []string{
		`INSERT INTO runlog_executions (id, flow, version, status, started_at, ended_at, error, error_kind, error_step, topic, partition, offset, source_topic, source_partition, source_offset, generation)
			WITH ` + generated + ` SELECT uid, fl, 1, dice < 20 ? 'failed' : 'succeeded', fromUnixTimestamp64Micro(toInt64(ms * 1000), 'UTC'),
			fromUnixTimestamp64Micro(toInt64(ms * 1000 + 2000 + dice * 100), 'UTC'), dice < 20 ? ` + failure + ` : '', dice < 20 ? 'http' : '', dice < 20 ? 'tell' : '',
			'hooks', intHash32(n) % 12, n, 'sluice.executions', intHash32(n) % 12, n, 0 FROM numbers($N)`,
		`INSERT INTO runlog_hooks (id, flow, received_at, method, path, query, headers, content_type, body, topic, source_topic, source_partition, source_offset, generation)
			WITH ` + generated + ` SELECT uid, fl, fromUnixTimestamp64Micro(toInt64(ms * 1000), 'UTC'), 'POST', '', '', map('user-agent', 'shop'), 'application/json',
			concat('{"id":', toString(n), ',"customer":"customer-', toString(n % 5000), '","total":', toString(dice), '}'), 'hooks', 'sluice.hooks', intHash32(n) % 12, n, 0 FROM numbers($N)`,
		`INSERT INTO runlog_steps (execution_id, flow, version, step, name, uses, iteration, attempt, status, input, output, error, error_kind, http_status, idempotency_key, started_at, duration_ms,
			source_topic, source_partition, source_offset, generation)
			WITH ` + generated + `, s.1 = 'tell' AND dice < 20 AS bad SELECT uid, fl, 1, s.1, '', s.2, 0, 1, bad ? 'failed' : 'succeeded',
			concat('{"id":', toString(n), ',"kind":"order","customer":"customer-', toString(n % 5000), '","key":"', lower(hex(MD5(concat(s.1, toString(n))))), '"}'), concat('{"ok":true,"n":', toString(dice), '}'),
			bad ? ` + failure + ` : '', bad ? 'http' : '', s.1 = 'tell' ? (bad ? 503 : 200) : 0, s.1 = 'tell' ? lower(hex(MD5(toString(n)))) : '',
			fromUnixTimestamp64Micro(toInt64(ms * 1000 + 500), 'UTC'), (s.1 = 'tell' ? 20 : 0.1) + (sipHash64(n, s.1) % 10000) / 1000, 'sluice.executions', intHash32(n) % 12, n, 0
			FROM (SELECT number, arrayJoin([('shape', 'mapper/map'), ('check', 'filter/filter'), ('tell', 'webhook/send')]) AS s FROM numbers($N))`,
		`INSERT INTO runlog_marks (minute, mark) SELECT DISTINCT toDateTime(intDiv(toUInt128(id), 72535549176877750482370560000) * 60, 'UTC'), 1 FROM runlog_executions`,
	} {
		if err := conn.Exec(ctx, values.Replace(insert)+" SETTINGS max_insert_block_size = 200000, max_execution_time = 0"); err != nil {
			return 0, err
		}
	}
	for {
		if n, err := runlog.Roll(ctx, conn, 0); err != nil {
			return 0, err
		} else if n == 0 {
			break
		}
	}
	return perRow(ctx, conn)
}

func perRow(ctx context.Context, conn driver.Conn) (float64, error) {
	var bytes float64
	err := conn.QueryRow(ctx, "SELECT sum(bytes_on_disk) / sum(rows) FROM system.parts WHERE active AND database = currentDatabase() AND table = 'runlog_steps'").Scan(&bytes)
	return bytes, err
}

const (
	generated = `toUInt64(number) AS n, toUInt64($T0 + intDiv(n * 86400000, $N)) AS ms, lower(leftPad(hex(ms), 16, '0')) AS m, lower(hex(MD5(toString(n)))) AS h,
		toUUID(concat(substring(m, 5, 8), '-', substring(m, 13, 4), '-7', substring(h, 1, 3), '-8', substring(h, 4, 3), '-', substring(h, 7, 12))) AS uid,
		concat('flow', toString(intHash32(n) % 100)) AS fl, sipHash64(n, 1) % 1000 AS dice`
	failure = `concat('posting to http://warehouse.example.com: ', dice = 7 ? 'connection refused by peer' : 'answered 503 Service Unavailable')`
)
