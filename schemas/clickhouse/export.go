package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

// Exporter runs statements that can only read, and hands their results over in
// a format of ClickHouse's own, such as Parquet. It is safe for concurrent use.
type Exporter struct {
	target   string
	user     string
	password string
	http     *http.Client
}

// ErrNoExport is what OpenExporter returns for a URL of the native protocol,
// which has no formats.
var ErrNoExport = errors.New("the native protocol of ClickHouse has no formats; give its HTTP address, such as http://host:8123/database")

// OpenExporter does no I/O. The limits are those of OpenReadOnly; a result that
// is over them fails with code 396 and is not cut.
func OpenExporter(rawURL string, l Limits) (*Exporter, error) {
	u, err := parse(rawURL)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, ErrNoExport
	}
	database, err := Database(rawURL)
	if err != nil {
		return nil, err
	}
	q := url.Values{"database": {database}, "readonly": {"1"}, "wait_end_of_query": {"1"}, "result_overflow_mode": {"throw"}}
	for name, v := range map[string]uint64{"max_execution_time": uint64(l.Time.Seconds()), "max_result_rows": l.Rows, "max_result_bytes": l.Bytes, "max_memory_usage": l.Memory} {
		if v > 0 {
			q.Set(name, strconv.FormatUint(v, 10))
		}
	}
	e := &Exporter{http: &http.Client{}}
	if u.User != nil {
		e.user = u.User.Username()
		e.password, _ = u.User.Password()
	}
	e.target = (&url.URL{Scheme: u.Scheme, Host: strings.Split(u.Host, ",")[0], Path: "/", RawQuery: q.Encode()}).String()
	return e, nil
}

// Query runs a statement. The reader gives the result in the format, and is the
// caller's to close. An error of the statement is a *clickhouse.Exception.
func (e *Exporter) Query(ctx context.Context, sql, format string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.target+"&default_format="+url.QueryEscape(format), strings.NewReader(sql))
	if err != nil {
		return nil, fmt.Errorf("asking ClickHouse: %w", Redact(err))
	}
	if e.user != "" {
		req.Header.Set("X-ClickHouse-User", e.user)
		req.Header.Set("X-ClickHouse-Key", e.password)
	}
	resp, err := e.http.Do(req)
	if err != nil {
		return nil, Redact(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if m := exceptionText.FindSubmatch(raw); m != nil {
		code, _ := strconv.ParseInt(string(m[1]), 10, 32)
		return nil, &ch.Exception{Code: int32(code), Message: string(m[2])}
	}
	return nil, fmt.Errorf("ClickHouse answered %s", resp.Status)
}

var exceptionText = regexp.MustCompile(`(?s)Code: (\d+)\. DB::Exception: (.*?)(?: \(version [^()]*(?:\([^()]*\))?\))?\s*$`)
