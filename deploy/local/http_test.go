package local

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// ask sends a statement as curl would.
func ask(t testing.TB, c *ClickHouse, method string, q url.Values, body string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+c.Addr()+"/?"+q.Encode(), strings.NewReader(body))
	must(t, err)
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	must(t, err)
	return res.StatusCode, string(text), res.Header
}

func TestHTTPAnswersAsAServerDoes(t *testing.T) {
	c := startClickHouse(t, ClickHouseOptions{})
	for _, sql := range []string{"CREATE DATABASE other", "CREATE TABLE other.t (a UInt32, s String) ENGINE = MergeTree ORDER BY a", "INSERT INTO other.t VALUES (1, 'x')"} {
		if status, body, _ := ask(t, c, http.MethodPost, nil, sql); status != http.StatusOK {
			t.Fatalf("%s: %s", sql, body)
		}
	}
	for _, test := range []struct {
		name   string
		method string
		q      url.Values
		body   string
		status int
		want   string
	}{
		{"body", "POST", nil, "SELECT 1", 200, "1\n"},
		{"query", "GET", url.Values{"query": {"SELECT 1"}}, "", 200, "1\n"},
		{"query and body", "POST", url.Values{"query": {"SELECT 1 +"}}, "2", 200, "3\n"},
		{"semicolon", "POST", nil, "SELECT 1;\n", 200, "1\n"},
		{"format", "POST", nil, "SELECT 1 AS a FORMAT CSVWithNames", 200, "\"a\"\n1\n"},
		{"default format", "POST", url.Values{"default_format": {"JSONEachRow"}}, "SELECT 1 AS a", 200, "{\"a\":1}\n"},
		{"database", "POST", url.Values{"database": {"other"}}, "SELECT * FROM t", 200, "1\tx\n"},
		{"parameter", "POST", url.Values{"param_x": {"a\\tb'"}}, "SELECT {x:String} FORMAT TSVRaw", 200, "a\tb'\n"},
		{"setting", "POST", url.Values{"max_threads": {"3"}}, "SELECT getSetting('max_threads')", 200, "3\n"},
		{"empty with names", "POST", nil, "SELECT 1 AS a WHERE 0 FORMAT CSVWithNames", 200, "\"a\"\n"},
		{"empty", "POST", nil, "SELECT 1 WHERE 0 FORMAT JSONEachRow", 200, ""},
		{"show", "POST", nil, "SHOW TABLES FROM other", 200, "t\n"},
		{"no statement", "POST", nil, "", 400, "Syntax error"},
		{"error", "POST", nil, "SELECT * FROM nosuch", 404, "Code: 60. DB::Exception: "},
		{"unknown format", "POST", nil, "SELECT 1 FORMAT Nosuch", 404, "Code: 73. DB::Exception: "},
		{"unknown database", "POST", url.Values{"database": {"nosuch"}}, "SELECT 1", 404, "Code: 81. DB::Exception: "},
		{"unknown setting", "POST", url.Values{"nosuch": {"1"}}, "SELECT 1", 404, "Code: 115. DB::Exception: "},
		{"setting injection", "POST", url.Values{"max_threads": {"1', readonly='0"}}, "SELECT 1", 0, ""},
		{"name injection", "POST", url.Values{"max_threads=1,readonly": {"0"}}, "SELECT 1", 404, "Code: 115."},
		{"session", "POST", url.Values{"session_id": {"x"}}, "SELECT 1", 501, "Code: 48."},
		{"two statements", "POST", nil, "SELECT 1; SELECT 2", 400, "Multi-statements are not allowed"},
		{"infile", "POST", nil, "INSERT INTO other.t FROM INFILE '/etc/hostname' FORMAT CSV", 500, "Code: 390."},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, body, h := ask(t, c, test.method, test.q, test.body)
			if test.status == 0 {
				if status == http.StatusOK {
					t.Errorf("let through: %q", body)
				}
				return
			}
			if status != test.status || status == 200 && body != test.want || !strings.Contains(body, test.want) {
				t.Errorf("%d %q, want %d %q", status, body, test.status, test.want)
			}
			if status != 200 {
				want := strings.TrimSuffix(strings.Fields(body)[1], ".")
				if got := h.Get("X-ClickHouse-Exception-Code"); got != want {
					t.Errorf("X-ClickHouse-Exception-Code is %q, the body says %s", got, want)
				}
			}
		})
	}
	if status, body, _ := ask(t, c, http.MethodGet, nil, ""); status != 200 || body != "Ok.\n" {
		t.Errorf("/: %d %q", status, body)
	}
	res, err := http.Get("http://" + c.Addr() + "/ping")
	must(t, err)
	body, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if string(body) != "Ok.\n" {
		t.Errorf("/ping: %q", body)
	}
	// The address that URL gives works for curl too.
	withDatabase, err := c.Database("other")
	must(t, err)
	res, err = http.Post(withDatabase.URL(), "", strings.NewReader("SELECT count() FROM t"))
	must(t, err)
	body, _ = io.ReadAll(res.Body)
	_ = res.Body.Close()
	if string(body) != "1\n" {
		t.Errorf("%s: %q", withDatabase.URL(), body)
	}
}

func TestHTTPInsertTakesAnyFormat(t *testing.T) {
	c := startClickHouse(t, ClickHouseOptions{})
	exec := func(q url.Values, body string) http.Header {
		t.Helper()
		status, text, h := ask(t, c, http.MethodPost, q, body)
		if status != http.StatusOK {
			t.Fatalf("%v %.60q: %s", q, body, text)
		}
		return h
	}
	var long strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&long, "{\"a\":%d,\"s\":\"row with FORMAT and ; in it\"}\n", i)
	}
	for _, test := range []struct {
		name string
		q    url.Values
		body string
		rows int
	}{
		{"values", nil, "INSERT INTO t VALUES (1, 'a;b'), (2, 'FORMAT')", 2},
		{"values, columns and settings", nil, "INSERT INTO t (s, a) SETTINGS max_insert_threads = 1 VALUES ('x', 1)", 1},
		{"json in the body", nil, "INSERT INTO t FORMAT JSONEachRow {\"a\":1,\"s\":\"x\"}\n{\"a\":2,\"s\":\"y\"}", 2},
		{"csv after the query", url.Values{"query": {"INSERT INTO t FORMAT CSV"}}, "1,\"x\"\n2,\"y\"\n3,\"z\"\n", 3},
		{"tsv in the body", nil, "INSERT INTO t FORMAT TSV\n1\t\\tx\n", 1},
		{"values after the query", url.Values{"query": {"INSERT INTO t VALUES"}}, "(1,'x'),(2,'y')", 2},
		{"select", nil, "INSERT INTO t SELECT number, 'x' FROM numbers(5)", 5},
		{"long", url.Values{"query": {"INSERT INTO t FORMAT JSONEachRow"}}, long.String(), 100_000},
		{"long, all in the body", nil, "/* FORMAT CSV */ INSERT INTO t FORMAT JSONEachRow\n" + long.String(), 100_000},
	} {
		t.Run(test.name, func(t *testing.T) {
			exec(nil, "CREATE OR REPLACE TABLE t (a UInt32, s String) ENGINE = MergeTree ORDER BY a")
			h := exec(test.q, test.body)
			if want := fmt.Sprintf(`"written_rows":"%d"`, test.rows); !strings.Contains(h.Get("X-ClickHouse-Summary"), want) {
				t.Errorf("summary %s, want %s", h.Get("X-ClickHouse-Summary"), want)
			}
			if _, n, _ := ask(t, c, http.MethodPost, nil, "SELECT count() FROM t"); n != fmt.Sprintln(test.rows) {
				t.Errorf("%s rows, want %d", strings.TrimSpace(n), test.rows)
			}
		})
	}
	t.Run("gzip", func(t *testing.T) {
		var body bytes.Buffer
		zw := gzip.NewWriter(&body)
		_, _ = io.WriteString(zw, "7,x\n")
		must(t, zw.Close())
		req, err := http.NewRequest(http.MethodPost, "http://"+c.Addr()+"/?query=INSERT+INTO+t+FORMAT+CSV", &body)
		must(t, err)
		req.Header.Set("Content-Encoding", "gzip")
		res, err := http.DefaultClient.Do(req)
		must(t, err)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s", res.Status)
		}
	})
	if status, body, _ := ask(t, c, http.MethodPost, nil, "INSERT INTO t FORMAT JSONEachRow {\"a\": \"no number\"}"); status == http.StatusOK {
		t.Errorf("broken data was taken: %s", body)
	}
}

func TestClientThatLeavesMidInsertFreesItsConnection(t *testing.T) {
	c := startClickHouse(t, ClickHouseOptions{Connections: 1})
	if status, body, _ := ask(t, c, http.MethodPost, nil, "CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a"); status != http.StatusOK {
		t.Fatal(body)
	}
	conn, err := net.Dial("tcp", c.Addr())
	must(t, err)
	_, err = fmt.Fprintf(conn, "POST /?query=INSERT+INTO+t+FORMAT+CSV HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000000\r\n\r\n1\n2\n", c.Addr())
	must(t, err)
	must(t, conn.Close())

	client := &http.Client{Timeout: 10 * time.Second}
	res, err := client.Post("http://"+c.Addr()+"/", "", strings.NewReader("SELECT count() FROM t"))
	must(t, err)
	body, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if string(body) != "0\n" {
		t.Errorf("the table holds %q rows of an insert that was cut short", body)
	}
}

func TestLargeResultsArriveWhole(t *testing.T) {
	c := startClickHouse(t, ClickHouseOptions{})
	for _, format := range []string{"TSV", "JSONEachRow", "CSVWithNames", "JSONCompact"} {
		_, body, _ := ask(t, c, http.MethodPost, url.Values{"default_format": {format}}, "SELECT number FROM numbers(500000)")
		if !strings.Contains(body, "499999") || strings.Count(body, "\n") < 500000 {
			t.Errorf("%s: %d lines", format, strings.Count(body, "\n"))
		}
	}
}
