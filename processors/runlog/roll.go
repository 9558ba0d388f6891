package runlog

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

const (
	// rollEvery is how often is looked for minutes to be rolled up.
	rollEvery = 5 * time.Second
	// settled is how long after its end, and after its last mark, a minute is
	// rolled up. Until then it is read from its rows.
	settled = 10 * time.Second
	// rollAgain is how long a minute that was rolled up and marked again waits:
	// one that executions still end in would be computed at every flush.
	rollAgain = 30 * time.Second
	// rollAtOnce bounds what one statement reads.
	rollAtOnce = 30
	// rollTimeout bounds one statement.
	rollTimeout = time.Minute
)

// markRow says that rows of a minute were written. The mark is any number that
// was not there before; what was rolled up under another one is stale.
type markRow struct {
	minute time.Time
	mark   uint64
}

var marksTable = table[markRow]{"runlog_marks", []column[markRow]{
	of("minute", "DateTime('UTC')", func(r *markRow) time.Time { return r.minute }),
	of("mark", "UInt64", func(r *markRow) uint64 { return r.mark }),
}}

var rolledTable = table[markRow]{"runlog_rolled", marksTable.columns}

// marks are the minutes that the batch writes to.
func (b *batch) marks() []markRow {
	minutes := map[time.Time]bool{}
	for i := range b.executions {
		minutes[minuteOf(b.executions[i].id)] = true
	}
	for i := range b.steps {
		minutes[minuteOf(b.steps[i].execution)] = true
	}
	mark := rand.Uint64()
	rows := make([]markRow, 0, len(minutes))
	for m := range maps.Keys(minutes) {
		rows = append(rows, markRow{m, mark})
	}
	slices.SortFunc(rows, func(a, b markRow) int { return a.minute.Compare(b.minute) })
	return rows
}

// minuteOf is the minute in which an execution's hook was accepted.
func minuteOf(id [16]byte) time.Time {
	ms := int64(id[0])<<40 | int64(id[1])<<32 | int64(id[2])<<24 | int64(id[3])<<16 | int64(id[4])<<8 | int64(id[5])
	return time.UnixMilli(ms).UTC().Truncate(time.Minute)
}

// keepRolling rolls minutes up until the context ends. Several writers may do
// so at once: what one computed under a mark is what another would have.
func (w *Writer) keepRolling(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(rollEvery/2 + rand.N(rollEvery)):
		}
		for {
			n, err := Roll(ctx, w.options.ClickHouse, settled)
			if err != nil {
				if ctx.Err() == nil {
					w.log.Debug("rolling minutes up; they are read from their rows meanwhile", "err", err)
				}
				break
			}
			if n < rollAtOnce {
				break
			}
		}
	}
}

// Roll rolls up at most 30 minutes that have settled, the oldest first, and
// says how many. A mark is read before the rows: what is written meanwhile
// leaves another one, and the minute stale.
func Roll(ctx context.Context, conn Conn, settled time.Duration) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, rollTimeout)
	defer cancel()
	due, err := staleMinutes(ctx, conn, settled)
	if err != nil || len(due) == 0 {
		return 0, err
	}
	for begin := 0; begin < len(due); {
		end := begin + 1
		for end < len(due) && due[end].minute.Equal(due[end-1].minute.Add(time.Minute)) {
			end++
		}
		if err := rollRange(ctx, conn, due[begin:end]); err != nil {
			return 0, err
		}
		begin = end
	}
	return len(due), write(ctx, conn, rolledTable, due)
}

func staleMinutes(ctx context.Context, conn Conn, settled time.Duration) ([]markRow, error) {
	rows, err := conn.Query(ctx, fmt.Sprintf(`SELECT minute, mark FROM runlog_stale
		WHERE minute <= now('UTC') - INTERVAL %d SECOND
		AND minute NOT IN (SELECT minute FROM runlog_rolled FINAL WHERE rolled_at > now('UTC') - INTERVAL %d SECOND)
		ORDER BY minute LIMIT %d`, int((time.Minute+settled).Seconds()), int(min(rollAgain, 3*settled).Seconds()), rollAtOnce))
	if err != nil {
		return nil, fmt.Errorf("looking for minutes to roll up: %w", err)
	}
	defer rows.Close()
	var due []markRow
	for rows.Next() {
		var r markRow
		if err := rows.Scan(&r.minute, &r.mark); err != nil {
			return nil, fmt.Errorf("looking for minutes to roll up: %w", err)
		}
		due = append(due, r)
	}
	return due, rows.Err()
}

// rollRange computes neighbouring minutes.
func rollRange(ctx context.Context, conn Conn, minutes []markRow) error {
	var at, marks []string
	for _, m := range minutes {
		at, marks = append(at, fmt.Sprint(m.minute.Unix())), append(marks, fmt.Sprintf("toUInt64(%d)", m.mark))
	}
	mark := fmt.Sprintf("transform(toUnixTimestamp(minute), [%s], [%s], toUInt64(0))", strings.Join(at, ", "), strings.Join(marks, ", "))
	first, last := minutes[0].minute.Unix()/60, minutes[len(minutes)-1].minute.Unix()/60
	for _, from := range []string{"runlog_roll_executions", "runlog_roll_steps"} {
		err := conn.Exec(ctx, fmt.Sprintf(`INSERT INTO runlog_minutes (level, flow, version, step, status, minute, mark, n, failed, ended, percentiles, durations)
			SELECT level, flow, version, step, status, minute, %s, n, failed, ended, percentiles, durations FROM %s(first = %d, last = %d)
			SETTINGS insert_deduplicate = 0`, mark, from, first, last))
		if err != nil {
			return fmt.Errorf("rolling minutes up: %w", err)
		}
	}
	return nil
}
