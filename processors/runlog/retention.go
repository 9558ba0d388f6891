package runlog

import (
	"context"
	"fmt"
	"time"

	"sluice/schemas"
)

// sweepEvery is how often flows with a retention of their own are looked at.
const sweepEvery = 15 * time.Minute

// keepSweeping removes what flows do not want kept, until the context ends. It
// looks at the flows as they are then, so that a shorter retention reaches back
// and what a rebuild wrote again goes again. Two at once do no harm.
func (w *Writer) keepSweeping(ctx context.Context) {
	if w.options.Retention == nil {
		return
	}
	for wait := time.Minute; ; wait = sweepEvery {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		for flow, keep := range w.options.Retention() {
			n, err := Sweep(ctx, w.options.ClickHouse, flow, time.Now().Add(-keep))
			if err != nil {
				if ctx.Err() == nil {
					w.log.Warn("removing what a flow does not want kept; it is tried again", "flow", flow, "err", err)
				}
				break
			}
			if n > 0 {
				w.log.Info("removed what a flow does not want kept", "flow", flow, "rows", n)
			}
		}
	}
}

// Sweep removes the rows of a flow's executions that were accepted before a time
// and have ended, and what dry runs report of them, and says how many. Their
// large bodies are swept after that, because no row names them any more. The
// counts per minute, which hold nothing of what hooks brought, stay.
func Sweep(ctx context.Context, conn Conn, flow string, before time.Time) (removed uint64, err error) {
	first, _ := schemas.IDsAt(before)
	for _, t := range []struct{ table, id string }{{executionsTable.name, "id"}, {stepsTable.name, "execution_id"}, {hooksTable.name, "id"}, {"runlog_differences", "execution_id"}} {
		where := fmt.Sprintf(" WHERE flow = %[1]s AND toUInt128(%[2]s) < toUInt128(toUUID('%[3]s')) AND %[2]s NOT IN (SELECT id FROM runlog_executions FINAL WHERE flow = %[1]s AND status IN ('waiting', 'running'))",
			quote(flow), t.id, first)
		n, err := scalar[uint64](ctx, conn, "SELECT count() FROM "+t.table+where)
		if err != nil {
			return removed, fmt.Errorf("looking for rows of %s that are too old: %w", t.table, err)
		}
		if n == 0 {
			continue
		}
		if err := conn.Exec(ctx, "DELETE FROM "+t.table+where); err != nil {
			return removed, fmt.Errorf("removing rows of %s that are too old: %w", t.table, err)
		}
		removed += n
	}
	return removed, nil
}
