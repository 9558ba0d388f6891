package local

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
)

func TestFenceLetsNothingOut(t *testing.T) {
	c := startClickHouse(t, ClickHouseOptions{})
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret.csv")
	must(t, os.WriteFile(secret, []byte("hush,1\n"), 0o600))
	admin := connect(t, c)
	must(t, admin.Exec(t.Context(), "CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a"))
	must(t, admin.Exec(t.Context(), "INSERT INTO t SELECT number FROM numbers(10)"))
	out := filepath.Join(dir, "out")

	refused := []string{
		// The fence itself.
		"SELECT 1 SETTINGS readonly = 0",
		"SELECT 1 SETTINGS readonly = 2",
		"SET readonly = 0",
		"SET max_result_rows = 0",
		"SELECT 1 SETTINGS max_execution_time = 0",
		"SELECT 1 SETTINGS max_memory_usage = 0, max_result_rows = 1000000",
		"SELECT * FROM (SELECT 1 SETTINGS max_execution_time = 0)",
		"SELECT 1; SET readonly = 0",
		// Writing.
		"INSERT INTO t VALUES (1)",
		"INSERT INTO t SELECT 1",
		"INSERT INTO t FORMAT CSV\n1\n",
		"WITH 1 AS x INSERT INTO t SELECT x",
		"CREATE TABLE u (a UInt8) ENGINE = Memory",
		"CREATE TEMPORARY TABLE u (a UInt8)",
		"CREATE FUNCTION f AS x -> x",
		"ALTER TABLE t DELETE WHERE 1",
		"DROP TABLE t",
		"TRUNCATE TABLE t",
		"OPTIMIZE TABLE t",
		"RENAME TABLE t TO u",
		"SYSTEM FLUSH LOGS",
		"SYSTEM SHUTDOWN",
		"KILL QUERY WHERE 1",
		"USE system",
		"ATTACH TABLE t",
		"DETACH TABLE t",
		"BACKUP DATABASE default TO File('" + out + "')",
		// Files.
		"SELECT 1 INTO OUTFILE '" + out + "'",
		"SELECT 1 INTO /* x */ OUTFILE '" + out + "' TRUNCATE FORMAT CSV",
		"EXPLAIN SELECT 1 INTO OUTFILE '" + out + "'",
		"SHOW TABLES INTO OUTFILE '" + out + "'",
		"INSERT INTO FUNCTION file('" + out + "') SELECT 1",
		"SELECT * FROM file('" + secret + "', 'LineAsString')",
		"SELECT * FROM '" + secret + "'",
		"SELECT * FROM \"" + secret + "\"",
		"SELECT * FROM `" + secret + "`",
		"SELECT file('" + secret + "')",
		"SELECT FILE('" + secret + "')",
		"SELECT file/* a comment */ ('" + secret + "')",
		"SELECT file -- a comment\n ('" + secret + "')",
		"SELECT \"file\"('" + secret + "')",
		"SELECT `file`('" + secret + "')",
		"SELECT `fi\\x6ce`('" + secret + "')",
		"SELECT arrayMap(x -> file(x), ['" + secret + "'])",
		"SELECT * APPLY(file) FROM (SELECT '" + secret + "' AS a)",
		"SELECT * APPLY file FROM (SELECT '" + secret + "' AS a)",
		"SELECT * APPLY(x -> file(x)) FROM (SELECT '" + secret + "' AS a)",
		"SELECT COLUMNS('a') APPLY(file) FROM (SELECT '" + secret + "' AS a)",
		"WITH (SELECT file('" + secret + "')) AS x SELECT x",
		"SELECT (SELECT file('" + secret + "'))",
		"SELECT 1 WHERE file('" + secret + "') = ''",
		"SELECT 1 ORDER BY file('" + secret + "')",
		"SELECT $a$x$a$, file('" + secret + "')",
		"SELECT 'it''s', file('" + secret + "'), 'x'",
		"SELECT 'a\\'', file('" + secret + "'), '\\''",
		"EXPLAIN SELECT file('" + secret + "')",
		"EXPLAIN SYNTAX SELECT file('" + secret + "')",
		"DESCRIBE file('" + secret + "')",
		"DESCRIBE TABLE file('" + secret + "')",
		"DESC file('" + secret + "')",
		"DESCRIBE (SELECT file('" + secret + "'))",
		"EXPLAIN SELECT * FROM file('" + secret + "', 'LineAsString')",
		"SELECT * FROM view(SELECT file('" + secret + "'))",
		"DESCRIBE TABLE `" + secret + "`",
		"SHOW CREATE TABLE `" + secret + "`",
		"EXISTS TABLE `" + secret + "`",
		"SELECT {f:Identifier}('" + secret + "')",
		"SELECT * APPLY({f:Identifier}) FROM (SELECT '" + secret + "' AS a)",
		"SELECT * FROM {p:Identifier}",
		"DESCRIBE TABLE {p:Identifier}",
		"SELECT * FROM sqlite('" + secret + "', 't')",
		"SELECT * FROM executable('cat " + secret + "', 'CSV', 'a String')",
		// The network.
		"SELECT * FROM url('http://127.0.0.1:1/x', 'LineAsString')",
		"DESCRIBE url('http://127.0.0.1:1/x')",
		"DESCRIBE TABLE url('http://127.0.0.1:1/x', 'CSV')",
		"SELECT * FROM remote('127.0.0.1:1', 'system', 'one')",
		"DESCRIBE remote('127.0.0.1:1', 'system', 'one')",
		"DESCRIBE s3('http://127.0.0.1:1/x')",
		"DESCRIBE mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
		"SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
		"SELECT aiGenerate('x', 'y')",
	}
	for _, mode := range []url.Values{{"readonly": {"1"}}, {"readonly": {"2"}}, {"get": {"1"}}} {
		for _, sql := range refused {
			q := url.Values{"max_execution_time": {"10"}, "max_result_rows": {"100"}, "param_f": {"file"}, "param_p": {secret}}
			method := http.MethodPost
			if mode.Has("get") {
				method = http.MethodGet
				q.Set("query", sql)
				sql = ""
			} else {
				q.Set("readonly", mode.Get("readonly"))
			}
			status, body, _ := ask(t, c, method, q, sql)
			if status == http.StatusOK {
				t.Errorf("%v: %s%s: let through: %q", mode, q.Get("query"), sql, body)
			}
			if strings.Contains(body, "hush") {
				t.Errorf("%v: %s%s: the file came out: %s", mode, q.Get("query"), sql, body)
			}
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a fenced statement wrote a file")
	}
	var n uint64
	must(t, admin.QueryRow(t.Context(), "SELECT count() FROM t").Scan(&n))
	if n != 10 {
		t.Errorf("%d rows, want the 10 from before", n)
	}
}

func TestFencedReadsWork(t *testing.T) {
	c := startClickHouse(t, ClickHouseOptions{})
	admin := connect(t, c)
	must(t, admin.Exec(t.Context(), "CREATE TABLE files (file String, url String) ENGINE = MergeTree ORDER BY file"))
	must(t, admin.Exec(t.Context(), "INSERT INTO files VALUES ('file(1)', 'url')"))
	for sql, want := range map[string]string{
		"SELECT file, url FROM files":                            "file(1)\turl\n",
		"SELECT count() FROM (SELECT file FROM files) AS f":      "1\n",
		"SELECT 'SELECT file(1) INTO OUTFILE' AS x -- file('x')": "SELECT file(1) INTO OUTFILE\n",
		"WITH x AS (SELECT 1 AS a) SELECT a FROM x":              "1\n",
		"SHOW TABLES":                                                    "files\n",
		"SELECT number FROM numbers(2)":                                  "0\n1\n",
		"SELECT 1 FORMAT JSONEachRow":                                    "{\"1\":1}\n",
		"SELECT name FROM system.columns WHERE table = 'files'":          "file\nurl\n",
		"SELECT settings FROM (SELECT 1 AS settings) WHERE settings = 1": "1\n",
		"SELECT {a:UInt8} + 1":                                           "8\n",
	} {
		status, body, _ := ask(t, c, http.MethodPost, url.Values{"readonly": {"1"}, "max_execution_time": {"10"}, "param_a": {"7"}}, sql)
		if status != http.StatusOK || body != want {
			t.Errorf("%s: %d %q, want %q", sql, status, body, want)
		}
	}
	// A person's slip is told as one.
	if status, body, _ := ask(t, c, http.MethodPost, url.Values{"readonly": {"1"}}, "SELECT FROM WHERE"); status != http.StatusBadRequest || !strings.Contains(body, "Syntax error") {
		t.Errorf("a syntax error: %d %s", status, body)
	}
}

func TestFenceKeepsItsLimits(t *testing.T) {
	c := startClickHouse(t, ClickHouseOptions{})
	fenced := connect(t, c, func(o *clickhouse.Options) {
		o.Settings = clickhouse.Settings{"readonly": 2, "max_execution_time": 1, "max_result_rows": 1000, "max_memory_usage": 50_000_000}
	})
	for sql, want := range map[string]int32{
		"SELECT max(sipHash64(number)) FROM numbers(1000000000000)":           159, // TIMEOUT_EXCEEDED
		"SELECT number FROM numbers(100000)":                                  396, // TOO_MANY_ROWS_OR_BYTES
		"SELECT groupArray(sipHash128(number)) FROM numbers(50000000)":        241, // MEMORY_LIMIT_EXCEEDED
		"SELECT number FROM numbers(100000) SETTINGS max_result_rows = 0":     164, // READONLY
		"SELECT count() FROM numbers(10) SETTINGS max_execution_time = 10000": 164,
	} {
		rows, err := fenced.Query(t.Context(), sql)
		if err == nil {
			for rows.Next() {
			}
			err = rows.Err()
		}
		if got := code(err); got != want {
			t.Errorf("%s: code %d (%v), want %d", sql, got, err, want)
		}
	}
	// The next request is nobody's prisoner.
	must(t, connect(t, c).Exec(t.Context(), "CREATE TABLE free (a UInt8) ENGINE = Memory"))
}

func TestWebPagesAndOtherNamesAreRefused(t *testing.T) {
	c := startClickHouse(t, ClickHouseOptions{})
	for name, change := range map[string]func(*http.Request){
		"origin":  func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") },
		"fetch":   func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"rebound": func(r *http.Request) { r.Host = "evil.example" },
	} {
		req, err := http.NewRequest(http.MethodPost, "http://"+c.Addr()+"/", strings.NewReader("SELECT 1"))
		must(t, err)
		change(req)
		res, err := http.DefaultClient.Do(req)
		must(t, err)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s, want 403", name, res.Status)
		}
	}
}
