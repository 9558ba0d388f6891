package console

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

func ask(sql string) string {
	body, _ := json.Marshal(map[string]string{"sql": sql})
	return string(body)
}

// attempts are what somebody with the SQL endpoint must not get done, and a
// word of why not.
var attempts = []struct{ sql, why string }{
	// Writing.
	{"INSERT INTO runlog_steps (step) VALUES ('x')", "read"},
	{"INSERT INTO FUNCTION file('/tmp/x.csv') SELECT 1", "read"},
	{"CREATE TABLE mine (a Int8) ENGINE = Memory", "read"},
	{"CREATE TEMPORARY TABLE mine (a Int8)", "read"},
	{"CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(FILE(path '/etc/passwd' format 'CSV')) LAYOUT(FLAT()) LIFETIME(1)", "read"},
	{"CREATE FUNCTION f AS x -> x", "read"},
	{"CREATE USER me", "read"},
	{"ALTER TABLE runlog_executions DELETE WHERE 1", "read"},
	{"DELETE FROM runlog_executions WHERE 1", "read"},
	{"DROP TABLE runlog_executions", "read"},
	{"TRUNCATE TABLE runlog_executions", "read"},
	{"OPTIMIZE TABLE runlog_executions", "read"},
	{"RENAME TABLE runlog_executions TO gone", "read"},
	{"EXCHANGE TABLES runlog_executions AND runlog_hooks", "read"},
	{"SYSTEM FLUSH LOGS", "read"},
	{"KILL QUERY WHERE 1", "read"},
	{"GRANT ALL ON *.* TO default", "read"},
	{"SET readonly = 0", "read"},
	{"USE system", "read"},
	{"WITH 1 AS x INSERT INTO runlog_steps (step) SELECT 'x'", ""},
	{"/* SELECT */ DROP TABLE runlog_executions", "read"},
	{"EXPLAIN DROP TABLE runlog_executions", ""},
	{"EXPLAIN AST DROP TABLE runlog_executions", ""},
	{"EXPLAIN INSERT INTO runlog_steps (step) SELECT 'x'", ""},
	{"EXPLAIN SYNTAX INSERT INTO FUNCTION url('http://127.0.0.1:1/', 'CSV') SELECT 1", ""},
	{"INSERT INTO FUNCTION url('http://127.0.0.1:1/', 'CSV', 'a Int8') SELECT 1", "read"},
	{"INSERT INTO FUNCTION remote('127.0.0.1:1', 'a.b') SELECT 1", "read"},
	{"REPLACE TABLE executions (a Int8) ENGINE = Memory", ""},
	{"CREATE VIEW mine AS SELECT 1", "read"},
	{"CREATE MATERIALIZED VIEW mine ENGINE = Memory AS SELECT 1 AS a", "read"},
	{"CREATE NAMED COLLECTION c AS a = 1", "read"},
	{"ATTACH TABLE mine (a Int8) ENGINE = Memory", "read"},
	{"DETACH TABLE runlog_executions", "read"},
	{"UNDROP TABLE runlog_executions", "read"},
	{"UPDATE runlog_executions SET flow = 'x' WHERE 1", "read"},
	{"ALTER TABLE runlog_executions UPDATE flow = 'x' WHERE 1", "read"},
	{"ALTER TABLE runlog_executions DROP COLUMN flow", "read"},
	{"BACKUP TABLE runlog_executions TO File('/tmp/sluice-must-not-be-here')", "read"},
	{"RESTORE TABLE runlog_executions FROM File('/tmp/x')", "read"},
	{"KILL MUTATION WHERE 1", "read"},
	{"SYSTEM SHUTDOWN", "read"},
	{"SYSTEM RELOAD CONFIG", "read"},
	{"REVOKE ALL ON *.* FROM default", "read"},
	{"SET max_execution_time = 0", "read"},
	{"SET ROLE ALL", "read"},
	{"CHECK TABLE runlog_executions", ""},
	{"BEGIN TRANSACTION", ""},
	{"-- SELECT\nDROP TABLE runlog_executions", "read"},
	{"SELECT 1 PARALLEL WITH DROP TABLE runlog_executions", ""},
	// Files.
	{"SELECT * FROM file('/etc/passwd', 'LineAsString')", "outside"},
	{"SELECT file('/etc/passwd')", "outside"},
	{"SELECT `fi\\x6ce`('/etc/passwd')", "outside"},
	{"SELECT * APPLY(file) FROM (SELECT '/etc/passwd' AS a)", ""},
	{"SELECT * FROM '/etc/passwd'", ""},
	{"SELECT * FROM fileCluster('c', '/etc/passwd', 'LineAsString')", "outside"},
	{"SELECT 1 INTO OUTFILE '/tmp/sluice-must-not-be-here'", ""},
	{"SELECT 1 INTO /* */ OUTFILE '/tmp/sluice-must-not-be-here' FORMAT CSV", ""},
	{"SELECT * FROM sqlite('/tmp/x', 't')", "outside"},
	{"SELECT * FROM executable('id', 'CSV', 'a String')", "outside"},
	{"DESCRIBE file('/etc/passwd')", "outside"},
	{"DESCRIBE TABLE url('http://127.0.0.1:1/', 'CSV')", "outside"},
	{"SELECT * FROM (SELECT * FROM file('/etc/passwd', 'LineAsString'))", "outside"},
	{"WITH a AS (SELECT * FROM file('/etc/passwd', 'LineAsString')) SELECT * FROM a", "outside"},
	{"WITH (SELECT any(line) FROM file('/etc/passwd', 'LineAsString')) AS a SELECT a", "outside"},
	{"SELECT e.id FROM executions AS e JOIN file('/etc/passwd', 'LineAsString') AS f ON f.line = e.flow", "outside"},
	{"SELECT * FROM view(SELECT * FROM file('/etc/passwd', 'LineAsString'))", "outside"},
	{"SELECT 1 UNION ALL SELECT 1 FROM file('/etc/passwd', 'LineAsString')", "outside"},
	{"SELECT * FROM (EXPLAIN SELECT * FROM file('/etc/passwd', 'LineAsString'))", "outside"},
	{"EXPLAIN ESTIMATE SELECT * FROM file('/etc/passwd', 'LineAsString')", "outside"},
	{"SELECT * FROM File('/etc/passwd', 'LineAsString')", "outside"},
	{"SELECT * FROM FILE ( '/etc/passwd' )", "outside"},
	{"SELECT * FROM file/**/('/etc/passwd', 'LineAsString')", "outside"},
	// The network.
	{"SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')", "outside"},
	{"SELECT * FROM s3('http://127.0.0.1:1/b/k', 'CSV')", "outside"},
	{"SELECT * FROM s3Cluster('c', 'http://127.0.0.1:1/b/k')", "outside"},
	{"SELECT * FROM gcs('http://127.0.0.1:1/b/k')", "outside"},
	{"SELECT * FROM remote('127.0.0.1:1', 'system', 'one')", "outside"},
	{"SELECT * FROM remoteSecure('127.0.0.1:1', 'system', 'one')", "outside"},
	{"SELECT * FROM cluster('default', 'system', 'tables')", "outside"},
	{"SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')", "outside"},
	{"SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')", "outside"},
	{"SELECT * FROM hdfs('hdfs://127.0.0.1:1/x', 'CSV')", "outside"},
	{"SELECT * FROM jdbc('jdbc:x', 'a', 'b')", "outside"},
	{"SELECT * FROM odbc('DSN=x', 'a', 'b')", "outside"},
	{"SELECT * FROM mongodb('127.0.0.1:1', 'a', 'b', 'c', 'd', 'x String')", "outside"},
	{"SELECT * FROM redis('127.0.0.1:1', 'a', 'a String')", "outside"},
	{"SELECT * FROM azureBlobStorage('x', 'y', 'z')", "outside"},
	{"SELECT * FROM iceberg('http://127.0.0.1:1/')", "outside"},
	{"SELECT * FROM deltaLake('http://127.0.0.1:1/')", "outside"},
	{"SELECT * FROM urlCluster('c', 'http://127.0.0.1:1/', 'CSV')", "outside"},
	{"SELECT * FROM view(SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString'))", "outside"},
	{"WITH a AS (SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')) SELECT * FROM a", "outside"},
	{"SELECT * FROM executions WHERE id IN (SELECT toUUID(a) FROM url('http://127.0.0.1:1/', 'CSV', 'a String'))", "outside"},
	// Other databases, system tables and secrets.
	{"SELECT * FROM system.users", "outside"},
	{"SELECT * FROM system.settings", "outside"},
	{"SELECT * FROM system.query_log", "outside"},
	{"SELECT * FROM system.named_collections", "outside"},
	{"SELECT * FROM `system`.`tables`", "outside"},
	{"SELECT * FROM \"system\" . \"tables\"", "outside"},
	{"SELECT * FROM `syst\\x65m`.tables", "outside"},
	{"SELECT * FROM system/* */.tables", "outside"},
	{"SELECT 1 IN (SELECT 1 FROM system.processes)", "outside"},
	{"SELECT 1 IN system.processes", "outside"},
	{"SELECT * FROM information_schema.tables", "outside"},
	{"SELECT * FROM INFORMATION_SCHEMA.TABLES", "outside"},
	{"SELECT * FROM elsewhere.secrets", "outside"},
	{"SELECT * FROM merge('elsewhere', '.*')", "outside"},
	{"SELECT * FROM merge(REGEXP('.*'), '.*')", "outside"},
	{"SELECT * FROM loop(elsewhere.secrets)", "outside"},
	{"SELECT dictGet('elsewhere.d', 'a', 1)", "outside"},
	{"SELECT * FROM dictionary('elsewhere.d')", "outside"},
	{"SELECT joinGet('elsewhere.j', 'a', 1)", "outside"},
	{"SELECT hasColumnInTable('elsewhere', 'secrets', 'a')", "outside"},
	{"SHOW TABLES FROM elsewhere", "outside"},
	{"SHOW TABLES FROM system", "outside"},
	{"SHOW DATABASES", "SHOW"},
	{"SHOW USERS", "SHOW"},
	{"SHOW GRANTS", "SHOW"},
	{"SHOW PROCESSLIST", "SHOW"},
	{"SHOW SETTINGS LIKE '%'", "SHOW"},
	{"SHOW CREATE USER default", ""},
	{"SHOW CREATE ROW POLICY p ON executions", ""},
	{"SHOW ACCESS", "SHOW"},
	{"SHOW FUNCTIONS", "SHOW"},
	{"SHOW CLUSTERS", "SHOW"},
	{"SHOW DICTIONARIES FROM elsewhere", ""},
	{"SHOW CREATE TABLE elsewhere.secrets", "outside"},
	{"SHOW CREATE DATABASE elsewhere", "outside"},
	{"SELECT * FROM executions WHERE flow IN elsewhere.secrets", "outside"},
	{"SELECT * FROM executions AS e, elsewhere.secrets AS s", "outside"},
	{"SELECT * FROM (SELECT * FROM elsewhere.secrets)", "outside"},
	{"WITH s AS (SELECT * FROM elsewhere.secrets) SELECT * FROM s", "outside"},
	{"SELECT * FROM view(SELECT * FROM elsewhere.secrets)", "outside"},
	{"SELECT dictGetOrDefault('elsewhere.d', 'a', 1, 'x')", "outside"},
	{"EXPLAIN TABLE OVERRIDE mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')", ""},
	{"DESCRIBE TABLE elsewhere.secrets", "outside"},
	{"EXISTS TABLE elsewhere.secrets", "EXISTS"},
	{"SELECT getServerPort('tcp_port')", "outside"},
	{"SELECT hostName()", "outside"},
	{"SELECT serverUUID()", "outside"},
	// The run log's own tables, behind the views.
	{"SELECT * FROM runlog_hooks", "own"},
	{"SELECT * FROM `runlog_hooks`", "own"},
	{"SELECT * FROM RUNLOG_HOOKS", "own"},
	{"SELECT * FROM `runlog\\x5fhooks`", "own"},
	{"SELECT id FROM executions WHERE id IN runlog_erased", "own"},
	{"WITH a AS (SELECT sealed_key FROM runlog_hooks) SELECT * FROM a", "own"},
	{"SELECT * FROM executions AS e JOIN default.runlog_steps AS s ON s.execution_id = e.id", ""},
	{"SELECT (SELECT count() FROM runlog_selections)", "own"},
	{"DESCRIBE runlog_hooks", "own"},
	{"SHOW CREATE TABLE runlog_hooks", "own"},
	{"SHOW COLUMNS FROM runlog_hooks", "own"},
	{"EXPLAIN SELECT * FROM runlog_hooks", "own"},
	// Undoing the limits.
	{"SELECT 1 SETTINGS readonly = 0", ""},
	{"SELECT 1 SETTINGS max_execution_time = 0", ""},
	{"SELECT * FROM (SELECT 1 SETTINGS max_memory_usage = 0)", ""},
	{"SELECT 1 SETTINGS max_result_rows = 0, max_result_bytes = 0", ""},
	{"SELECT 1 SETTINGS output_format_json_quote_64bit_integers = 1", ""},
	{"SELECT * FROM executions SETTINGS additional_table_filters = {'executions': '1'}", ""},
	{"EXPLAIN SELECT 1 SETTINGS readonly = 0", ""},
	{"SELECT 1; SELECT 2", "one statement"},
	{"SELECT 1;; DROP TABLE runlog_executions", "one statement"},
	{"SELECT 1 /* ; */ ; DROP TABLE runlog_executions", "one statement"},
	{"SELECT 1; DROP TABLE runlog_executions", "one statement"},
	// The limits themselves: memory, and time.
	{"SELECT length(groupArray(repeat('x', 1000000))) FROM numbers(100000)", "241"},
	{"SELECT count() FROM system.numbers WHERE NOT ignore(sipHash64(number))", "159"},
	{"SELECT sum(sleepEachRow(0.1)) FROM numbers(1000)", ""},
	// No statement.
	{"", ""}, {"-- nothing", ""}, {"SELEKT 1", "62"}, {"SELECT 1 FORMAT CSV", "format"},
}

func TestWhatTheSQLEndpointRefuses(t *testing.T) {
	h := newHistory(t)
	for range 3 {
		h.execution(time.Minute, "pets", "succeeded", "", "", "")
	}
	for _, sql := range []string{"CREATE DATABASE IF NOT EXISTS elsewhere", "CREATE TABLE IF NOT EXISTS elsewhere.secrets (a String) ENGINE = Memory", "INSERT INTO elsewhere.secrets VALUES ('hush')"} {
		if err := h.conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	for _, attempt := range attempts {
		for _, format := range []string{"", "?format=csv", "?format=parquet"} {
			if format != "" && strings.Contains(attempt.why, "159") {
				continue // ten seconds each
			}
			a := h.do("POST", "/api/v1/query"+format, ask(attempt.sql))
			var p Problem
			if err := json.Unmarshal(a.body, &p); a.status != 400 && a.status != 422 || err != nil || p.Detail == "" || !strings.Contains(p.Detail+p.Remedy, attempt.why) {
				t.Errorf("%s%s: %d %s; want 400 and a word of %q", attempt.sql, format, a.status, a.body, attempt.why)
			}
			if bytes.Contains(a.body, []byte("hush")) || bytes.Contains(a.body, []byte("root:")) {
				t.Errorf("%s%s: it came out: %s", attempt.sql, format, a.body)
			}
		}
	}
	equal(t, "rows after all that", h.must(200, "POST", "/api/v1/query", ask("SELECT count() FROM executions")).json(t, "rows"), "[[3]]")
	for _, sql := range []string{
		"SELECT flow, count() FROM executions GROUP BY flow", "WITH a AS (SELECT 1 AS x) SELECT x FROM a", "SELECT e.id, s.step FROM executions AS e LEFT JOIN steps AS s ON s.execution_id = e.id",
		"SELECT 'SELECT * FROM system.tables, file(1)' AS text", "SHOW TABLES", "SHOW COLUMNS FROM executions", "DESCRIBE executions", "DESCRIBE TABLE steps", "EXPLAIN SELECT 1",
		"(SELECT 1) UNION ALL (SELECT 2)", "SELECT domain('http://a/b'), formatDateTime(now(), '%F')", "SELECT number FROM numbers(10)", "SELECT minute, executions FROM minutes", "SELECT 1 AS format",
	} {
		h.must(200, "POST", "/api/v1/query", ask(sql))
	}
}

func TestAQueryIsAnsweredInTheFormatThatIsAskedFor(t *testing.T) {
	h := newHistory(t)
	h.execution(time.Minute, "pets", "succeeded", "", "", "")
	sql := ask("SELECT flow, toUInt8(7) AS n FROM executions")
	for _, c := range []struct{ query, accept, media, begins string }{
		{"", "", "application/json", `{"columns"`},
		{"", "application/json", "application/json", `{"columns"`},
		{"", "*/*", "application/json", `{"columns"`},
		{"", "text/csv", "text/csv", "\"flow\",\"n\"\n\"pets\",7\n"},
		{"?format=csv", "", "text/csv", "\"flow\",\"n\"\n\"pets\",7\n"},
		{"?format=ndjson", "application/json", "application/x-ndjson", `{"flow":"pets","n":7}`},
		{"", "application/vnd.apache.parquet", "application/vnd.apache.parquet", "PAR1"},
		{"?format=parquet", "", "application/vnd.apache.parquet", "PAR1"},
		{"", "application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.stream", "\xff\xff\xff\xff"},
		{"?format=arrow", "", "application/vnd.apache.arrow.stream", "\xff\xff\xff\xff"},
	} {
		a := h.do("POST", "/api/v1/query"+c.query, sql, "Accept", c.accept)
		if a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), c.media) || !strings.HasPrefix(string(a.body), c.begins) {
			t.Errorf("%s %s: %d %s %.60q, want %s %q", c.query, c.accept, a.status, a.header.Get("Content-Type"), a.body, c.media, c.begins)
		}
	}
	if a := h.do("POST", "/api/v1/query", sql, "Accept", "image/png"); a.status != http.StatusNotAcceptable {
		t.Errorf("a picture: %d, want 406", a.status)
	}
	if a := h.do("POST", "/api/v1/query?format=xls", sql); a.status != 400 {
		t.Errorf("a format that there is not: %d, want 400", a.status)
	}
	if a := h.do("POST", "/api/v1/query?format=csv", ask("SELECT number FROM numbers(2000)")); a.status != 400 || !strings.Contains(string(a.body), "396") {
		t.Errorf("more rows than allowed: %d %s, want code 396", a.status, a.body)
	}
}

func TestSavedQueriesAreKeptRunAndGuarded(t *testing.T) {
	h := newHistory(t)
	h.execution(time.Minute, "pets", "succeeded", "", "", "")
	h.must(201, "POST", "/api/v1/queries", `{"id": "how-many", "name": "How many", "sql": "SELECT count() FROM executions"}`)
	h.must(409, "POST", "/api/v1/queries", `{"id": "how-many", "sql": "SELECT 1"}`)
	h.must(422, "POST", "/api/v1/queries", `{"id": "../x", "sql": "SELECT 1"}`)
	h.must(400, "POST", "/api/v1/queries", `{"id": "bad", "sql": "SELECT * FROM system.users"}`)
	equal(t, "its rows", h.must(200, "POST", "/api/v1/queries/how-many/run", "").json(t, "rows"), "[[1]]")
	h.must(200, "PUT", "/api/v1/queries/how-many", `{"sql": "SELECT count() + 1 FROM executions"}`)
	equal(t, "its rows after a change", h.must(200, "POST", "/api/v1/queries/how-many/run", "").json(t, "rows"), "[[2]]")
	equal(t, "the list", h.must(200, "GET", "/api/v1/queries", "").json(t, "items", 0, "id"), "how-many")
	h.must(204, "DELETE", "/api/v1/queries/how-many", "")
	h.must(404, "GET", "/api/v1/queries/how-many", "")
}
