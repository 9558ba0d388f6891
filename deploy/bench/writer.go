package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"sluice/deploy/local"
	"sluice/processors/runlog"
	"sluice/schemas"
	"sluice/schemas/clickhouse"
	"sluice/schemas/records"
)

// writtenTables are those whose rows count.
var writtenTables = []string{"runlog_steps", "runlog_hooks", "runlog_executions"}

// rowsEach is how many rows an execution has in them: a hook, two steps, itself.
const rowsEach = 4

// writers measures the run log's writer, from Kafka to the row, against bare
// inserts by clickhouse-go of the rows that it wrote, in blocks, from memory.
func writers(ctx context.Context, s settings) ([]line, error) {
	b, err := embedded()
	if err != nil {
		return nil, err
	}
	defer b.close()
	dir, err := os.MkdirTemp("", "sluice-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	engine, err := local.StartClickHouse(local.ClickHouseOptions{DataDir: filepath.Join(dir, "clickhouse")})
	if err != nil {
		return nil, err
	}
	defer engine.Close()
	if err := runlog.Migrate(ctx, engine.URL()); err != nil {
		return nil, err
	}
	conn, err := clickhouse.Open(engine.URL())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	executions := 5 * max(s.hooks, 10_000)
	if err := preloadHistory(ctx, b, executions); err != nil {
		return nil, err
	}
	var ours, small, large []float64
	for round := range s.rounds {
		rate, err := writeHistory(ctx, b, conn, fmt.Sprint("bench", round), rowsEach*executions)
		if err != nil {
			return nil, fmt.Errorf("round %d: %w", round, err)
		}
		// A part of them is enough for the reference, and fits into memory.
		bare, err := readRows(ctx, conn, executions/5)
		if err != nil {
			return nil, fmt.Errorf("round %d: %w", round, err)
		}
		for _, in := range []struct {
			block int
			rates *[]float64
		}{{1_000, &small}, {10_000, &large}} {
			rate, err := insertRows(ctx, conn, bare, in.block)
			if err != nil {
				return nil, fmt.Errorf("round %d of the reference: %w", round, err)
			}
			*in.rates = append(*in.rates, rate)
		}
		ours = append(ours, rate)
	}
	const name = "run log writer, from Kafka to the row"
	return []line{
		pair(name, "rows/s", ours, "bare inserts of these rows, 1,000 a block", small),
		pair(name, "rows/s", ours, "bare inserts of these rows, 10,000 a block", large),
	}, nil
}

// preloadHistory appends hooks of 1 KB and what became of them.
func preloadHistory(ctx context.Context, b *broker, executions int) error {
	producer, err := producerOf(b)
	if err != nil {
		return err
	}
	defer producer.Close()
	random := rand.New(rand.NewPCG(uint64(executions), 1))
	failed := make(chan error, 1)
	done := func(_ *kgo.Record, err error) {
		if err != nil {
			select {
			case failed <- err:
			default:
			}
		}
	}
	for i := range executions {
		flow, now := fmt.Sprint("flow", i%partitions), time.Now()
		h := schemas.Hook{ID: schemas.NewExecutionID(now, schemas.PartitionOf(flow, partitions)), Kind: schemas.KindHook, Flow: flow, Time: now,
			Method: "POST", Path: "/hook/" + flow, ContentType: "application/json", Body: bodyOf(i, random), Headers: map[string]string{"x-delivery": fmt.Sprint(i)}}
		r, err := h.Record()
		if err != nil {
			return err
		}
		r.Topic = schemas.DefaultTopics.Hooks()
		producer.Produce(ctx, r, done)
		at := now.UnixNano()
		attempt := func(step, uses string) *records.Event {
			return &records.Event{At: at, Fact: &records.Event_Attempt{Attempt: &records.Attempt{Step: step, Uses: uses, Number: 1,
				Status: records.StepStatus_STEP_STATUS_SUCCEEDED, Input: fmt.Appendf(nil, `{"id":%d,"size":1000}`, i), Output: fmt.Appendf(nil, `{"id":%d}`, i), StartedAt: at, Duration: 1e6}}}
		}
		value, err := proto.Marshal(&records.ExecutionRecord{ExecutionId: h.ID[:], FlowId: flow, Version: 1,
			Status: records.ExecutionStatus_EXECUTION_STATUS_SUCCEEDED, StartedAt: at, EndedAt: at + 2e6, Hook: &records.Pointer{Topic: "hooks", Partition: h.ID.Partition(), Offset: int64(i)},
			Events: []*records.Event{attempt("map", "mapper/map"), attempt("call", "webhook/send")}})
		if err != nil {
			return err
		}
		producer.Produce(ctx, &kgo.Record{Topic: schemas.DefaultTopics.Executions(), Partition: h.ID.Partition(), Key: []byte(flow), Value: value, Timestamp: now}, done)
	}
	if err := producer.Flush(ctx); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// writeHistory runs a writer with nothing written, until all is.
func writeHistory(ctx context.Context, b *broker, conn driver.Conn, group string, rows int) (float64, error) {
	if err := empty(ctx, conn, append([]string{"runlog_progress"}, writtenTables...)); err != nil {
		return 0, err
	}
	registry := prometheus.NewRegistry()
	writer := runlog.New(runlog.Options{Kafka: b.kafka, ClickHouse: conn, Group: group, Logger: slog.New(slog.DiscardHandler), Registerer: registry})
	runCtx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- writer.Run(runCtx) }()
	defer func() { stop(); <-done }()
	rate, _, err := clocked(ctx, rows, func() (int, error) {
		families, err := registry.Gather()
		if err != nil {
			return 0, err
		}
		n := 0
		for _, f := range families {
			if f.GetName() != "sluice_runlog_rows_total" {
				continue
			}
			for _, m := range f.GetMetric() {
				for _, t := range writtenTables {
					if m.GetLabel()[0].GetValue() == t {
						n += int(m.GetCounter().GetValue())
					}
				}
			}
		}
		return n, nil
	})
	return rate, err
}

func empty(ctx context.Context, conn driver.Conn, tables []string) error {
	for _, t := range tables {
		if err := conn.Exec(ctx, "TRUNCATE TABLE "+t); err != nil {
			return err
		}
	}
	return nil
}

// readRows reads up to most rows of each table, as they were inserted.
func readRows(ctx context.Context, conn driver.Conn, most int) (map[string][][]any, error) {
	all := map[string][][]any{}
	for _, t := range writtenTables {
		rows, err := conn.Query(ctx, fmt.Sprintf("SELECT * FROM %s LIMIT %d", t, most))
		if err != nil {
			return nil, err
		}
		kinds := rows.ColumnTypes()
		for rows.Next() {
			row := make([]any, len(kinds))
			for i, k := range kinds {
				row[i] = reflect.New(k.ScanType()).Interface()
			}
			if err := rows.Scan(row...); err != nil {
				rows.Close()
				return nil, err
			}
			for i := range row {
				row[i] = reflect.ValueOf(row[i]).Elem().Interface()
			}
			all[t] = append(all[t], row)
		}
		err = rows.Err()
		rows.Close()
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// insertRows inserts rows, and says how many a second.
func insertRows(ctx context.Context, conn driver.Conn, all map[string][][]any, block int) (float64, error) {
	if err := empty(ctx, conn, writtenTables); err != nil {
		return 0, err
	}
	began, n := time.Now(), 0
	for _, t := range writtenTables {
		for rows := all[t]; len(rows) > 0; {
			some := rows[:min(block, len(rows))]
			rows = rows[len(some):]
			batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+t)
			if err != nil {
				return 0, err
			}
			for _, row := range some {
				if err := batch.Append(row...); err != nil {
					return 0, err
				}
			}
			if err := batch.Send(); err != nil {
				return 0, err
			}
			n += len(some)
		}
	}
	return float64(n) / time.Since(began).Seconds(), nil
}
