// Package runlog keeps the history: it reads hooks and execution events from
// Kafka and writes them to ClickHouse, each exactly once.
//
// How that holds, whatever is killed and whenever:
//   - A row's key is its execution's ID (and what tells its rows apart), and its
//     version is the Kafka offset of the record it came from. Writing it again
//     replaces it with itself; an older record never replaces a newer one.
//   - Progress is kept in ClickHouse, and written last: steps, hooks, executions,
//     marks, progress. A crash in between repeats inserts that change nothing.
//   - Kafka is read committed, so that an aborted transaction leaves no row.
//
// So two writers on one partition (one of them thrown out of the group and not
// yet aware of it) do no harm, and the group's own offsets are only there for
// those who watch its lag.
package runlog

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
	"sluice/schemas/blobs"
	"sluice/schemas/migrations"
)

// Conn is what the run log needs of a ClickHouse connection
// (schemas/clickhouse.Open). It must be safe for concurrent use.
type Conn interface {
	PrepareBatch(ctx context.Context, query string, opts ...driver.PrepareBatchOption) (driver.Batch, error)
	Query(ctx context.Context, query string, args ...any) (driver.Rows, error)
	Exec(ctx context.Context, query string, args ...any) error
}

// Options say what a Writer reads and writes. Kafka and ClickHouse are needed;
// a zero of the others is their default.
type Options struct {
	// Kafka is how to reach the brokers: seeds, TLS, SASL, client ID.
	Kafka []kgo.Opt
	// Topics is schemas.DefaultTopics by default.
	Topics schemas.Topics
	// ClickHouse has the tables of Migrate.
	ClickHouse Conn
	// Blobs is swept of what no hook names any more; nil: nothing is swept.
	Blobs blobs.Store

	// Group is the consumer group; "sluice-runlog" by default.
	Group string
	// Instance makes the writer a static member of its group, so that a restart
	// resumes at once. It must be unique in the group. Default: a dynamic member.
	Instance string

	// Interval is the mean time between two flushes that are not full, at least,
	// 500 ms by default. After a quiet time the first ones come at once.
	Interval time.Duration
	// MaxRows and MaxBytes make a batch full: 50,000 rows and 32 MiB by default.
	// The writer holds at most two batches and what one poll of Kafka brings.
	MaxRows, MaxBytes int

	// Retention says for how long the history of flows is kept that do not want
	// the usual 30 days; it is called now and then. Nil: all are kept as long.
	Retention func() map[string]time.Duration

	// Keys open what executions of erasable flows wrote; nil: there are none.
	// Erased reports whether an execution was erased: its rows say no more than
	// how it stands, whatever Kafka still holds. Nil: none was.
	Keys   *schemas.Keys
	Erased func(schemas.ExecutionID) bool

	// OnPoison is told of every record that cannot be decoded and is passed by.
	// It is called from the writer's loop, and again when the record is read again.
	OnPoison func(*kgo.Record, error)

	// Logger is slog.Default() by default.
	Logger *slog.Logger
	// Registerer takes the metrics; nil for none.
	Registerer prometheus.Registerer
}

func (o Options) withDefaults() Options {
	if o.Topics == (schemas.Topics{}) {
		o.Topics = schemas.DefaultTopics
	}
	if o.Group == "" {
		o.Group = "sluice-runlog"
	}
	if o.Interval <= 0 {
		o.Interval = 500 * time.Millisecond
	}
	if o.MaxRows <= 0 {
		o.MaxRows = 50_000
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 32 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// topics are those that the run log is made from.
func (o Options) topics() []string {
	return []string{o.Topics.Executions(), o.Topics.Hooks(), o.Topics.Replays()}
}

// Writer moves what happened from Kafka to ClickHouse.
type Writer struct {
	options           Options
	log               *slog.Logger
	metrics           *metrics
	kafka, clickhouse *outage
}

// New makes a writer. It does no I/O.
func New(o Options) *Writer {
	o = o.withDefaults()
	return &Writer{
		options: o, log: o.Logger.With("role", "runlog"), metrics: newMetrics(o.Registerer),
		kafka: &outage{what: "Kafka"}, clickhouse: &outage{what: "ClickHouse"},
	}
}

// Run writes until the context ends, and then returns nil after it tried for a
// few seconds to write what it still holds. While ClickHouse or Kafka is away it
// holds what it has, reads no further, and goes on by itself. It returns an
// error only for options that can never work. Several writers of one group
// share the partitions. One Run at a time.
func (w *Writer) Run(ctx context.Context) error {
	rolling, stop := context.WithCancel(ctx)
	var roller sync.WaitGroup
	roller.Go(func() { w.keepRolling(rolling) })
	roller.Go(func() { w.keepSweeping(rolling) })
	if w.options.Blobs != nil {
		roller.Go(func() { w.sweep(rolling) })
	}
	defer func() { stop(); roller.Wait() }()
	wait := newBackoff()
	for {
		err := w.session(ctx, wait)
		if ctx.Err() != nil {
			return nil
		}
		var wrong optionsError
		if errors.As(err, &wrong) {
			return err
		}
		w.kafka.bad(w.log, err)
		if !wait.sleep(ctx) {
			return nil
		}
	}
}

// optionsError is an error that no retry mends.
type optionsError struct{ error }

func (e optionsError) Unwrap() error { return e.error }

// Migrate brings the database that the URL names (schemas/clickhouse.Open) to
// the tables and views of this version.
func Migrate(ctx context.Context, rawURL string) error { return migrations.Up(ctx, rawURL) }
