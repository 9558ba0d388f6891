package clickhouse

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"sluice/deploy/local/localtest"
)

func TestURLs(t *testing.T) {
	for _, c := range []struct{ url, addr, database, protocol string }{
		{"http://localhost/logs", "localhost:8123", "logs", "http"},
		{"http://localhost:1234", "localhost:1234", "default", "http"},
		{"https://db.example/logs", "db.example:8443", "logs", "http"},
		{"clickhouse://u:p@db.example/logs", "db.example:9000", "logs", "native"},
		{"clickhouse://db.example/logs?secure=true", "db.example:9440", "logs", "native"},
		{"clickhouse://[::1]", "[::1]:9000", "default", "native"},
		{"clickhouse://a:9000,b:9000/logs", "a:9000,b:9000", "logs", "native"},
	} {
		o, err := options(c.url)
		if err != nil {
			t.Errorf("%s: %v", c.url, err)
			continue
		}
		if got := strings.Join(o.Addr, ","); got != c.addr || o.Auth.Database != c.database || o.Protocol.String() != c.protocol {
			t.Errorf("%s: %s %s %s", c.url, got, o.Auth.Database, o.Protocol)
		}
		if tls := strings.HasPrefix(c.url, "https") || strings.Contains(c.url, "secure"); tls != (o.TLS != nil) {
			t.Errorf("%s: TLS is %v, want %v", c.url, o.TLS != nil, tls)
		}
	}
}

func TestWrongURLsAreRefusedWithoutTheirPassword(t *testing.T) {
	for _, url := range []string{"", "localhost:8123", "ftp://u:hunter2@host/", "http://u:hunter2@/db", "http://u:hunter2@host:x/", "http://u:hunter2@host/?compress_level=many&password=hunter2"} {
		_, err := Open(url)
		if err == nil {
			t.Errorf("%q was accepted", url)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: the password is in the error: %v", url, err)
		}
	}
}

func TestNoErrorTellsWhoAndWhat(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close() // nobody there
	for _, scheme := range []string{"http", "clickhouse"} {
		conn, err := Open(scheme + "://jane:hunter2@" + addr + "/logs")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		var n uint64
		for _, err := range []error{
			conn.Exec(t.Context(), "SELECT 'private'"),
			conn.QueryRow(t.Context(), "SELECT 'private'").Scan(&n),
			conn.Ping(t.Context()),
		} {
			if err == nil {
				t.Fatal("somebody is there")
			}
			for _, secret := range []string{"jane", "hunter2", "private"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%q is in the error: %v", secret, err)
				}
			}
			var op *net.OpError
			if !errors.As(err, &op) {
				t.Errorf("the cause is lost: %v", err)
			}
		}
	}
}

func TestReadOnlyCannotBeTalkedOutOfIt(t *testing.T) {
	engine := localtest.ClickHouse(t)
	rw, err := Open(engine.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer rw.Close()
	if err := rw.Exec(t.Context(), "CREATE TABLE kept (n UInt64) ENGINE = MergeTree ORDER BY n"); err != nil {
		t.Fatal(err)
	}
	ro, err := OpenReadOnly(engine.URL(), Limits{Time: 2 * time.Second, Rows: 10, Memory: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Close()

	for _, statement := range []string{
		"INSERT INTO kept VALUES (1)",
		"DROP TABLE kept",
		"TRUNCATE TABLE kept",
		"CREATE TABLE other (n UInt64) ENGINE = Memory",
		"ALTER TABLE kept DELETE WHERE 1",
		"SET readonly = 0",
		"SELECT 1 SETTINGS readonly = 0",
		"SELECT 1 SETTINGS max_result_rows = 0",
		"SELECT 1 SETTINGS max_execution_time = 0",
		"SELECT * FROM file('/etc/passwd', 'LineAsString')",
		"SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
	} {
		if err := run(t.Context(), ro, statement); err == nil {
			t.Errorf("%s was done", statement)
		}
	}
	var exception *ch.Exception
	if err := run(t.Context(), ro, "SELECT number FROM numbers(11)"); !errors.As(err, &exception) || exception.Code != 396 {
		t.Errorf("11 rows of 10: %v, want code 396", err)
	}
	if err := run(t.Context(), ro, "SELECT number FROM numbers(10)"); err != nil {
		t.Errorf("10 rows of 10: %v", err)
	}
	// A longer deadline of the caller's does not lengthen the limit.
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	err = run(ctx, ro, "SELECT sum(sleepEachRow(0.05)) FROM numbers(1000) SETTINGS max_block_size = 1")
	if err == nil {
		t.Error("a query of 50 s was not ended after 2")
	}
	began := time.Now()
	if err := run(ctx, ro, "SELECT count() FROM system.numbers WHERE NOT ignore(sipHash64(number))"); !errors.As(err, &exception) || exception.Code != 159 {
		t.Errorf("an endless query: %v after %v, want code 159", err, time.Since(began))
	}
	var n uint64
	if err := ro.QueryRow(t.Context(), "SELECT count() FROM kept").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows, %v: the table was changed", n, err)
	}
}

func TestTruncateEndsAResult(t *testing.T) {
	ro, err := OpenReadOnly(localtest.ClickHouse(t).URL(), Limits{Rows: 10, Truncate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Close()
	rows, err := ro.Query(t.Context(), "SELECT number FROM numbers(1000000)")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for rows.Next() {
		n++
	}
	if err := rows.Err(); err != nil || n < 10 || n == 1_000_000 {
		t.Errorf("%d rows, %v: want some, at least 10", n, err)
	}
}

// run reads a statement's result to its end.
func run(ctx context.Context, conn driver.Conn, statement string) error {
	rows, err := conn.Query(ctx, statement)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		continue
	}
	return rows.Err()
}
