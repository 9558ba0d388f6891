package runlog

import (
	"maps"
	"slices"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	chcolumn "github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/google/uuid"
)

// table is how rows of one kind are written.
type table[R any] struct {
	name    string
	columns []column[R]
}

// column is one column of a table, and how a block of it is made from rows.
type column[R any] struct {
	name, kind string
	values     func([]R) any
}

func of[R, V any](name, kind string, get func(*R) V) column[R] {
	return column[R]{name, kind, func(rows []R) any {
		out := make([]V, len(rows))
		for i := range rows {
			out[i] = get(&rows[i])
		}
		return out
	}}
}

// insert is the statement for the table's rows.
func (t table[R]) insert() string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	return "INSERT INTO " + t.name + " (" + strings.Join(names, ", ") + ")"
}

// types says the columns' types, so that clickhouse-go does not ask for them
// before every insert over HTTP.
func (t table[R]) types() []ch.ColumnNameAndType {
	out := make([]ch.ColumnNameAndType, len(t.columns))
	for i, c := range t.columns {
		out[i] = ch.ColumnNameAndType{Name: c.name, Type: c.kind}
	}
	return out
}

const (
	text    = "String"
	when    = "DateTime64(6, 'UTC')"
	maybeAt = "Nullable(DateTime64(6, 'UTC'))"
	maybeID = "Nullable(UUID)"
)

func sourceColumns[R any](get func(*R) *source) []column[R] {
	return []column[R]{
		of("source_topic", text, func(r *R) string { return get(r).topic }),
		of("source_partition", "Int32", func(r *R) int32 { return get(r).partition }),
		of("source_offset", "UInt64", func(r *R) uint64 { return uint64(get(r).offset) }),
		of("generation", "UInt16", func(r *R) uint16 { return get(r).generation }),
	}
}

var executionsTable = table[executionRow]{"runlog_executions", append([]column[executionRow]{
	of("id", "UUID", func(r *executionRow) uuid.UUID { return r.id }),
	of("flow", text, func(r *executionRow) string { return r.flow }),
	of("version", "UInt32", func(r *executionRow) uint32 { return r.version }),
	of("status", text, func(r *executionRow) string { return r.status }),
	of("started_at", when, func(r *executionRow) time.Time { return r.startedAt }),
	of("ended_at", maybeAt, func(r *executionRow) *time.Time { return r.endedAt }),
	of("error", text, func(r *executionRow) string { return r.failure }),
	of("error_kind", text, func(r *executionRow) string { return r.failureKind }),
	of("error_step", text, func(r *executionRow) string { return r.failureStep }),
	of("erased", "Bool", func(r *executionRow) bool { return r.erased }),
	of("replay_of", maybeID, func(r *executionRow) *uuid.UUID { return r.replayOf }),
	of("replay", text, func(r *executionRow) string { return r.replay }),
	of("trace_id", text, func(r *executionRow) string { return r.traceID }),
	of("topic", text, func(r *executionRow) string { return r.hookTopic }),
	of("partition", "Int32", func(r *executionRow) int32 { return r.hookPartition }),
	of("offset", "Int64", func(r *executionRow) int64 { return r.hookOffset }),
}, sourceColumns(func(r *executionRow) *source { return &r.source })...)}

var stepsTable = table[stepRow]{"runlog_steps", append([]column[stepRow]{
	of("execution_id", "UUID", func(r *stepRow) uuid.UUID { return r.execution }),
	of("flow", text, func(r *stepRow) string { return r.flow }),
	of("version", "UInt32", func(r *stepRow) uint32 { return r.version }),
	of("step", text, func(r *stepRow) string { return r.step }),
	of("name", text, func(r *stepRow) string { return r.name }),
	of("uses", text, func(r *stepRow) string { return r.uses }),
	of("iteration", "Int32", func(r *stepRow) int32 { return r.iteration }),
	of("attempt", "UInt32", func(r *stepRow) uint32 { return r.attempt }),
	of("status", text, func(r *stepRow) string { return r.status }),
	of("input", text, func(r *stepRow) []byte { return r.input }),
	of("output", text, func(r *stepRow) []byte { return r.output }),
	of("error", text, func(r *stepRow) string { return r.failure }),
	of("error_kind", text, func(r *stepRow) string { return r.failureKind }),
	of("http_status", "UInt16", func(r *stepRow) uint16 { return r.httpStatus }),
	of("idempotency_key", text, func(r *stepRow) string { return r.idempotencyKey }),
	of("started_at", when, func(r *stepRow) time.Time { return r.startedAt }),
	of("duration_ms", "Float64", func(r *stepRow) float64 { return r.durationMS }),
	of("retry_at", maybeAt, func(r *stepRow) *time.Time { return r.retryAt }),
}, sourceColumns(func(r *stepRow) *source { return &r.source })...)}

var hooksTable = table[hookRow]{"runlog_hooks", append([]column[hookRow]{
	of("id", "UUID", func(r *hookRow) uuid.UUID { return r.id }),
	of("flow", text, func(r *hookRow) string { return r.flow }),
	of("received_at", when, func(r *hookRow) time.Time { return r.receivedAt }),
	of("method", text, func(r *hookRow) string { return r.method }),
	of("path", text, func(r *hookRow) string { return r.path }),
	of("query", text, func(r *hookRow) string { return r.query }),
	of("headers", "Map(String, String)", func(r *hookRow) *sorted { return &sorted{m: r.headers} }),
	of("content_type", text, func(r *hookRow) string { return r.contentType }),
	of("body", text, func(r *hookRow) []byte { return r.body }),
	of("body_size", "UInt64", func(r *hookRow) uint64 { return r.bodySize }),
	of("body_sha256", text, func(r *hookRow) string { return r.bodySHA256 }),
	of("blob", text, func(r *hookRow) string { return r.blob }),
	of("files", text, func(r *hookRow) string { return r.files }),
	of("erased", "Bool", func(r *hookRow) bool { return r.erased }),
	of("sealed_key", text, func(r *hookRow) string { return r.key }),
	of("caller", text, func(r *hookRow) string { return r.caller }),
	of("replay_of", maybeID, func(r *hookRow) *uuid.UUID { return r.replayOf }),
	of("trace_id", text, func(r *hookRow) string { return r.traceID }),
	of("topic", text, func(r *hookRow) string { return r.topic }),
}, sourceColumns(func(r *hookRow) *source { return &r.source })...)}

// sorted hands a map to clickhouse-go by its keys' order, so that a record read
// twice makes the same row twice.
type sorted struct {
	m    map[string]string
	keys []string
	at   int
}

// Put is there for the interface only.
func (s *sorted) Put(_, _ any) {}

// Iterator begins at the first key.
func (s *sorted) Iterator() chcolumn.MapIterator {
	return &sorted{m: s.m, keys: slices.Sorted(maps.Keys(s.m)), at: -1}
}

// Next moves on, and reports whether there is a pair.
func (s *sorted) Next() bool { s.at++; return s.at < len(s.keys) }

// Key is the pair's.
func (s *sorted) Key() any { return s.keys[s.at] }

// Value is the pair's.
func (s *sorted) Value() any { return s.m[s.keys[s.at]] }

// progressRow says that everything of a partition below next is written.
type progressRow struct {
	partition
	next    int64
	topicID string
}

var progressTable = table[progressRow]{"runlog_progress", []column[progressRow]{
	of("topic", text, func(r *progressRow) string { return r.topic }),
	of("partition", "Int32", func(r *progressRow) int32 { return r.number }),
	of("next_offset", "Int64", func(r *progressRow) int64 { return r.next }),
	of("topic_id", text, func(r *progressRow) string { return r.topicID }),
}}
