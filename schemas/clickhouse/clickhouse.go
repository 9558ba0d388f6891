// Package clickhouse opens ClickHouse by URL, in the one way that every part
// of Sluice shares.
//
// A URL is http://host:8123/database, https://host:8443/database or
// clickhouse://host:9000/database (the native protocol; ?secure=true for TLS),
// with user:password@ before the host where the server asks for it. The
// database is `default` when the path is empty. Further query parameters are
// clickhouse-go's own (compress, dial_timeout, ...) or ClickHouse settings.
package clickhouse

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

const (
	dialTimeout = 5 * time.Second
	readTimeout = 60 * time.Second
)

// Open makes a connection pool for reading and writing. It does no I/O: a
// server that is away shows at the first statement. The pool is safe for
// concurrent use; the caller closes it. No error holds the URL's password.
func Open(rawURL string) (driver.Conn, error) {
	o, err := options(rawURL)
	if err != nil {
		return nil, err
	}
	c, err := ch.Open(o)
	if err != nil {
		return nil, err
	}
	return conn{c}, nil
}

// OpenDB is Open for code that wants database/sql.
func OpenDB(rawURL string) (*sql.DB, error) {
	o, err := options(rawURL)
	if err != nil {
		return nil, err
	}
	return ch.OpenDB(o), nil
}

// Database is the name of the database that a URL points to.
func Database(rawURL string) (string, error) {
	o, err := options(rawURL)
	if err != nil {
		return "", err
	}
	return o.Auth.Database, nil
}

// InDatabase is the URL with another database in its place.
func InDatabase(rawURL, database string) (string, error) {
	u, err := parse(rawURL)
	if err != nil {
		return "", err
	}
	u.Path = "/" + database
	return u.String(), nil
}

// Limits bound what one read-only query may cost. A zero is no limit.
type Limits struct {
	// Time is how long a query may run, to the second.
	Time time.Duration
	// Rows and Bytes bound the result.
	Rows, Bytes uint64
	// Truncate ends a result at the limit (at a block's end, so a few more rows
	// may come) where the query otherwise fails with code 396.
	Truncate bool
	// Memory is what a query may hold on the server, in bytes.
	Memory uint64
}

// OpenReadOnly makes a connection pool whose statements can change neither data
// nor settings (readonly=1, so a query's own SETTINGS clause cannot lift a
// limit: code 164), nor reach outside by file() or url(). A deadline of the
// context ends a query early, and never lengthens Limits.Time. On a real server
// let the URL name a user that has no other rights: this is the second fence.
func OpenReadOnly(rawURL string, l Limits) (driver.Conn, error) {
	o, err := options(rawURL)
	if err != nil {
		return nil, err
	}
	set := func(name string, v uint64) {
		if v > 0 {
			o.Settings[name] = v
		}
	}
	set("max_execution_time", uint64(l.Time.Seconds()))
	set("max_result_rows", l.Rows)
	set("max_result_bytes", l.Bytes)
	set("max_memory_usage", l.Memory)
	o.Settings["result_overflow_mode"] = "throw"
	if l.Truncate {
		o.Settings["result_overflow_mode"] = "break"
	}
	o.Settings["readonly"] = 1
	c, err := ch.Open(o)
	if err != nil {
		return nil, err
	}
	return readOnly{conn{c}}, nil
}

// readOnly hides deadlines from clickhouse-go, which turns one into a
// max_execution_time of its own that would replace the limit.
type readOnly struct{ driver.Conn }

func (c readOnly) Query(ctx context.Context, query string, args ...any) (driver.Rows, error) {
	return c.Conn.Query(undated{ctx}, query, args...)
}

func (c readOnly) QueryRow(ctx context.Context, query string, args ...any) driver.Row {
	return c.Conn.QueryRow(undated{ctx}, query, args...)
}

func (c readOnly) Select(ctx context.Context, dest any, query string, args ...any) error {
	return c.Conn.Select(undated{ctx}, dest, query, args...)
}

func (c readOnly) Exec(ctx context.Context, query string, args ...any) error {
	return c.Conn.Exec(undated{ctx}, query, args...)
}

// undated is a context that ends when its parent does and does not say when
// that will be.
type undated struct{ context.Context }

func (undated) Deadline() (time.Time, bool) { return time.Time{}, false }

var errURL = errors.New("reading the ClickHouse URL: want http://host:8123/database, https://host:8443/database or clickhouse://host:9000/database")

func parse(rawURL string) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Hostname() == "" {
		return nil, errURL // the cause would quote the URL with its password
	}
	secure := u.Query().Get("secure")
	port := ""
	switch u.Scheme {
	case "http":
		port = "8123"
	case "https":
		port = "8443"
		if secure == "" {
			q := u.Query()
			q.Set("secure", "true")
			u.RawQuery = q.Encode()
		}
	case "clickhouse", "tcp":
		port = "9000"
		if secure == "true" {
			port = "9440"
		}
	default:
		return nil, errURL
	}
	if u.Port() == "" && !strings.Contains(u.Host, ",") {
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	return u, nil
}

func options(rawURL string) (*ch.Options, error) {
	u, err := parse(rawURL)
	if err != nil {
		return nil, err
	}
	o, err := ch.ParseDSN(u.String())
	if err != nil {
		return nil, fmt.Errorf("reading the ClickHouse URL's parameters: %w", err)
	}
	if o.Auth.Database == "" {
		o.Auth.Database = "default"
	}
	if o.DialTimeout == 0 {
		o.DialTimeout = dialTimeout
	}
	if o.ReadTimeout == 0 {
		o.ReadTimeout = readTimeout
	}
	if o.MaxOpenConns == 0 {
		o.MaxOpenConns = 16
	}
	o.ClientInfo.Products = append(o.ClientInfo.Products, struct{ Name, Version string }{"sluice", "1"})
	if o.Settings == nil {
		o.Settings = ch.Settings{}
	}
	if _, said := o.Settings["async_insert"]; !said {
		// An insert is in its table when it returns (newer servers batch on their side by default).
		o.Settings["async_insert"] = 0
	}
	return o, nil
}
