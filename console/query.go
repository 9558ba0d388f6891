package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"sluice/schemas/clickhouse"
)

// Limits of a query's answer. Its time and memory on the server are limited by
// the connection it runs on.
const (
	maxRows      = 10_000
	maxRowsBytes = 32 << 20
	queryTimeout = 60 * time.Second
)

type queryInput struct {
	Body struct {
		SQL string `json:"sql" minLength:"1" maxLength:"262144" doc:"One statement that reads: SELECT, WITH, SHOW, DESCRIBE, EXPLAIN or EXISTS"`
	}
}

// QueryResult is what a SQL statement gave.
type QueryResult struct {
	Columns    []QueryColumn       `json:"columns" nullable:"false"`
	Rows       [][]json.RawMessage `json:"rows" nullable:"false" doc:"Numbers keep their digits; what JSON has no value for is text"`
	Truncated  bool                `json:"truncated" doc:"Whether there are more rows than are answered"`
	Statistics QueryStatistics     `json:"statistics"`
}

// QueryColumn is a column's name and its type in ClickHouse.
type QueryColumn struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// QueryStatistics is what a query cost.
type QueryStatistics struct {
	Rows      int     `json:"rows"`
	ElapsedMs float64 `json:"elapsedMs"`
	ReadRows  uint64  `json:"readRows,omitempty"`
	ReadBytes uint64  `json:"readBytes,omitempty"`
}

type queryOutput struct{ Body QueryResult }

func (c *Console) registerQuery(api huma.API) {
	query := op("query", http.MethodPost, "/query", "Ask the run log by SQL: the views executions, steps and hooks", "executions", 400, 406, 503)
	query.Description = "The answer's format is that of Accept, or of the parameter `format`: json (default), csv, ndjson, parquet, arrow (a stream). " +
		"JSON is cut after 10,000 rows; the others fail when they are over 1,000,000 rows or 256 MiB."
	query.Middlewares = huma.Middlewares{c.export}
	huma.Register(api, query, c.query)
	content := api.OpenAPI().Paths["/api/v1/query"].Post.Responses["200"].Content
	for _, f := range exports {
		content[f.media] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
	}
}

func (c *Console) query(ctx context.Context, in *queryInput) (*queryOutput, error) {
	if c.opts.SQL == nil {
		return nil, problem(http.StatusServiceUnavailable, historyRemedy, "there is no ClickHouse to ask")
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	result, err := c.ask(ctx, in.Body.SQL)
	if err != nil {
		return nil, err
	}
	return &queryOutput{*result}, nil
}

// ask runs a statement that somebody wrote; its error is one to answer.
func (c *Console) ask(ctx context.Context, sql string) (*QueryResult, error) {
	if err := clickhouse.Guard(ctx, c.opts.SQL, sql); err != nil {
		return nil, c.queryError(err)
	}
	begin := time.Now()
	out := &QueryResult{Columns: []QueryColumn{}, Rows: [][]json.RawMessage{}}
	measured := ch.Context(ctx, ch.WithProgress(func(p *ch.Progress) {
		out.Statistics.ReadRows += p.Rows
		out.Statistics.ReadBytes += p.Bytes
	}))
	rows, err := c.opts.SQL.Query(measured, sql)
	if err != nil {
		return nil, c.queryError(err)
	}
	defer rows.Close()
	if err := out.read(rows); err != nil {
		return nil, c.queryError(err)
	}
	if len(out.Columns) == 0 {
		// The driver takes a block of a type that it does not know for an empty one,
		// and the embedded engine sends none where there are no rows.
		if out.Columns, err = c.columnsOfNothing(ctx, sql); err != nil {
			return nil, err
		}
	}
	out.Statistics.Rows = len(out.Rows)
	out.Statistics.ElapsedMs = milliseconds(time.Since(begin))
	return out, nil
}

// columnsOfNothing are the columns of a statement that gives no rows; of one
// that gives some it is an error, since they could not be read.
func (c *Console) columnsOfNothing(ctx context.Context, sql string) ([]QueryColumn, error) {
	within := strings.TrimRight(sql, "; \t\r\n") + "\n"
	if word := firstWord(sql); word != "SELECT" && word != "WITH" {
		return []QueryColumn{}, nil
	}
	var some uint64
	if err := c.opts.SQL.QueryRow(ctx, "SELECT count() FROM (SELECT 1 FROM ("+within+") LIMIT 1)").Scan(&some); err != nil || some > 0 {
		return nil, unreadable()
	}
	rows, err := c.opts.SQL.Query(ctx, "DESCRIBE TABLE ("+within+")")
	if err != nil {
		return nil, c.queryError(err)
	}
	defer rows.Close()
	var described QueryResult
	if err := described.read(rows); err != nil {
		return nil, c.queryError(err)
	}
	columns := []QueryColumn{}
	for _, row := range described.Rows {
		var column QueryColumn
		if len(row) < 2 || json.Unmarshal(row[0], &column.Name) != nil || json.Unmarshal(row[1], &column.Type) != nil {
			return nil, unreadable()
		}
		columns = append(columns, column)
	}
	return columns, nil
}

// firstWord is a statement's first word in upper case, without comments and
// opening parentheses before it.
func firstWord(sql string) string {
	for {
		sql = strings.TrimLeft(sql, " \t\r\n\f\v(")
		switch {
		case strings.HasPrefix(sql, "--"), strings.HasPrefix(sql, "#"):
			_, rest, ok := strings.Cut(sql, "\n")
			if !ok {
				return ""
			}
			sql = rest
		case strings.HasPrefix(sql, "/*"):
			_, rest, ok := strings.Cut(sql, "*/")
			if !ok {
				return ""
			}
			sql = rest
		default:
			end := strings.IndexFunc(sql, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })
			if end < 0 {
				end = len(sql)
			}
			return strings.ToUpper(sql[:end])
		}
	}
}

// queryError answers ClickHouse's own words: the statement is the caller's.
func (c *Console) queryError(err error) error {
	if r, ok := errors.AsType[*clickhouse.Refused](err); ok {
		return problem(http.StatusBadRequest, r.Remedy, "%s", r.Message)
	}
	if e, ok := errors.AsType[*ch.Exception](err); ok && e.Code != tooManyQueries {
		return problem(http.StatusBadRequest, "", "ClickHouse code %d: %s", e.Code, e.Message)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return problem(http.StatusBadRequest, "ask for less: a shorter time, fewer columns, a LIMIT", "the query took longer than %s", queryTimeout)
	}
	_, refused := errors.AsType[*ch.HTTPError](err)
	_, broken := errors.AsType[net.Error](err)
	if refused || broken || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, ch.ErrAcquireConnTimeout) {
		return c.storeError(err)
	}
	c.log.Warn("reading a query's result", "error", err)
	return unreadable()
}

// unreadable answers a result with types that the driver does not know.
func unreadable() error {
	return problem(http.StatusBadRequest, "cast such columns to another type: CAST(x, 'Nullable(String)')", "the result has a column of a type that cannot be read here, such as Interval, or a bare NULL")
}

func (r *QueryResult) read(rows driver.Rows) error {
	types := rows.ColumnTypes()
	for _, t := range types {
		r.Columns = append(r.Columns, QueryColumn{Name: t.Name(), Type: t.DatabaseTypeName()})
	}
	size := 0
	for rows.Next() {
		if len(r.Rows) == maxRows || size > maxRowsBytes {
			r.Truncated = true
			return nil // closing the rows ends the query
		}
		values := make([]any, len(types))
		for i, t := range types {
			values[i] = reflect.New(t.ScanType()).Interface()
		}
		if err := rows.Scan(values...); err != nil {
			return err
		}
		row := make([]json.RawMessage, len(types))
		for i := range values {
			row[i] = cell(reflect.ValueOf(values[i]).Elem(), r.Columns[i].Type)
			size += len(row[i])
		}
		r.Rows = append(r.Rows, row)
	}
	return rows.Err()
}

// cell is the JSON of a value as the driver scans it. A date is a date, though
// the driver has only times.
func cell(v reflect.Value, kind string) json.RawMessage {
	if kind == "Date" || kind == "Date32" {
		if day, ok := v.Interface().(time.Time); ok {
			return text(day.Format(time.DateOnly))
		}
	}
	raw, err := json.Marshal(plain(v))
	if err != nil {
		return text(fmt.Sprint(v.Interface()))
	}
	return raw
}

// plain turns a scanned value into what JSON can say without losing anything.
func plain(v reflect.Value) any {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return nil
		}
		if s, ok := v.Interface().(json.Marshaler); ok && v.Kind() == reflect.Pointer {
			return s
		}
		v = v.Elem()
	}
	if !v.IsValid() {
		return nil
	}
	switch x := v.Interface().(type) {
	case time.Time, uuid.UUID, net.IP:
		return x
	case decimal.Decimal:
		return json.Number(x.String())
	case string:
		return strings.ToValidUTF8(x, string(utf8.RuneError))
	case json.Marshaler:
		return x
	}
	switch v.Kind() {
	case reflect.Float32, reflect.Float64:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Sprint(f)
		}
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.IsNil() {
			return []any{}
		}
		list := make([]any, v.Len())
		for i := range list {
			list[i] = plain(v.Index(i))
		}
		return list
	case reflect.Map:
		object := make(map[string]any, v.Len())
		for it := v.MapRange(); it.Next(); {
			object[fmt.Sprint(plain(it.Key()))] = plain(it.Value())
		}
		return object
	case reflect.Struct:
		if s, ok := v.Interface().(fmt.Stringer); ok {
			return s.String()
		}
		if v.CanAddr() {
			if s, ok := v.Addr().Interface().(json.Marshaler); ok {
				return s
			}
			if s, ok := v.Addr().Interface().(fmt.Stringer); ok {
				return s.String()
			}
		}
	}
	return v.Interface()
}
