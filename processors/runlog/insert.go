package runlog

import (
	"context"
	"fmt"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

// insertTimeout bounds one insert; what timed out is written again.
const insertTimeout = 30 * time.Second

// indexedFrom is how many rows an insert has whose parts get their skip indexes
// at once. Those of a small part cost more than they save: up to fourteen files
// beside its thirteen, until the first merge makes them anyway.
const indexedFrom = 5_000

// stage is one insert of a flush.
type stage struct {
	table  string
	rows   int
	insert func(context.Context, Conn) error
}

// stages are the inserts of a flush in the order that makes it exactly once: an
// execution that can be seen has its steps and its hook's row, a minute is
// marked when its rows are there (roll.go), and progress never says more than
// what is there.
func (b *batch) stages(topicIDs map[string]string) []stage {
	return append(b.rowStages(), stageOf(progressTable, b.progress(topicIDs)))
}

func (b *batch) rowStages() []stage {
	return []stage{
		stageOf(stepsTable, b.steps),
		stageOf(hooksTable, b.hooks),
		stageOf(executionsTable, b.executions),
		stageOf(marksTable, b.marks()),
	}
}

func stageOf[R any](t table[R], rows []R) stage {
	return stage{t.name, len(rows), func(ctx context.Context, conn Conn) error { return write(ctx, conn, t, rows) }}
}

func write[R any](ctx context.Context, conn Conn, t table[R], rows []R) error {
	if len(rows) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, insertTimeout)
	defer cancel()
	indexed := 0
	if len(rows) >= indexedFrom {
		indexed = 1
	}
	ctx = ch.Context(ctx, ch.WithColumnNamesAndTypes(t.types()), ch.WithSettings(ch.Settings{
		"materialize_skip_indexes_on_insert": indexed,
		"async_insert":                       0, // the row is there when the insert returns
		// A repeated block is meant: on a replicated table it would otherwise be
		// dropped even where a rebuild has to write it again.
		"insert_deduplicate":              0,
		"max_partitions_per_insert_block": 0, // a catch-up may span more days than the default allows
	}))
	block, err := conn.PrepareBatch(ctx, t.insert())
	if err != nil {
		return fmt.Errorf("writing %s: %w", t.name, err)
	}
	defer block.Close()
	for i, c := range t.columns {
		if err := block.Column(i).Append(c.values(rows)); err != nil {
			return fmt.Errorf("writing %s.%s: %w", t.name, c.name, err)
		}
	}
	if err := block.Send(); err != nil {
		return fmt.Errorf("writing %s: %w", t.name, err)
	}
	return nil
}
