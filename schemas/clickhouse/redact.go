package clickhouse

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// conn keeps the address's user, and the statement that net/http quotes with
// it, out of errors.
type conn struct{ driver.Conn }

func (c conn) Query(ctx context.Context, query string, args ...any) (driver.Rows, error) {
	rows, err := c.Conn.Query(ctx, query, args...)
	return rows, Redact(err)
}

func (c conn) QueryRow(ctx context.Context, query string, args ...any) driver.Row {
	return row{c.Conn.QueryRow(ctx, query, args...)}
}

func (c conn) Select(ctx context.Context, dest any, query string, args ...any) error {
	return Redact(c.Conn.Select(ctx, dest, query, args...))
}

func (c conn) Exec(ctx context.Context, query string, args ...any) error {
	return Redact(c.Conn.Exec(ctx, query, args...))
}

func (c conn) Ping(ctx context.Context) error { return Redact(c.Conn.Ping(ctx)) }

func (c conn) ServerVersion() (*driver.ServerVersion, error) {
	v, err := c.Conn.ServerVersion()
	return v, Redact(err)
}

func (c conn) PrepareBatch(ctx context.Context, query string, opts ...driver.PrepareBatchOption) (driver.Batch, error) {
	b, err := c.Conn.PrepareBatch(ctx, query, opts...)
	if err != nil {
		return nil, Redact(err)
	}
	return batch{b}, nil
}

type row struct{ driver.Row }

func (r row) Err() error                { return Redact(r.Row.Err()) }
func (r row) Scan(dest ...any) error    { return Redact(r.Row.Scan(dest...)) }
func (r row) ScanStruct(dest any) error { return Redact(r.Row.ScanStruct(dest)) }

type batch struct{ driver.Batch }

func (b batch) Flush() error { return Redact(b.Batch.Flush()) }
func (b batch) Send() error  { return Redact(b.Batch.Send()) }

// Redact shortens the URL in an error of net/http to scheme and host. What Open
// and OpenReadOnly return does so by itself; for what OpenDB returns it is the
// caller's. Nil stays nil, and the error's chain stays as it is.
func Redact(err error) error {
	var u *url.Error
	if !errors.As(err, &u) {
		return err
	}
	where := "ClickHouse"
	if parsed, bad := url.Parse(u.URL); bad == nil {
		where = parsed.Scheme + "://" + parsed.Host
	}
	text := strings.ReplaceAll(err.Error(), u.Error(), u.Op+" "+where+": "+u.Err.Error())
	return redacted{err, text}
}

type redacted struct {
	error
	text string
}

func (r redacted) Error() string { return r.text }
func (r redacted) Unwrap() error { return r.error }
