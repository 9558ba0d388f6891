package console

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

type minutesInput struct {
	Flow  string `query:"flow" doc:"A flow's ID; without one, all flows together"`
	Each  bool   `query:"each" doc:"Every flow by itself"`
	Since string `query:"since" default:"24h" doc:"A time (RFC 3339), or how long ago, such as 1h"`
	Until string `query:"until" doc:"A time, or how long ago; itself excluded"`
}

// Minute is what was accepted within a minute, and how long it took.
type Minute struct {
	Minute     time.Time `json:"minute"`
	Flow       string    `json:"flow,omitempty"`
	Executions uint64    `json:"executions"`
	Failed     uint64    `json:"failed"`
	P50        float64   `json:"p50"`
	P95        float64   `json:"p95"`
	P99        float64   `json:"p99" doc:"Milliseconds from acceptance to the end, of those that succeeded or failed"`
}

type minutesOutput struct {
	Body struct {
		Items []Minute `json:"items" nullable:"false"`
	}
}

// minutes reads the rollups as a series, as the views minutes and flow_minutes
// have them. A view asks for what is rolled up, what is not, and the marks of
// both in one statement, which is planned for longer than it runs; here the
// marks come first. Whatever is written meanwhile changes a minute's mark and
// leaves what was rolled up under the one before, so that the series is the one
// of that instant.
func (c *Console) minutes(ctx context.Context, in *minutesInput) (*minutesOutput, error) {
	if c.opts.ClickHouse == nil {
		return nil, problem(http.StatusServiceUnavailable, historyRemedy, "there is no ClickHouse to ask")
	}
	bounds := &conditions{}
	now := time.Now()
	for _, bound := range []struct{ name, text, operator string }{{"since", in.Since, ">="}, {"until", in.Until, "<"}} {
		if bound.text == "" {
			continue
		}
		t, err := momentOf(bound.name, bound.text, now)
		if err != nil {
			return nil, err
		}
		bounds.add("minute "+bound.operator+" toStartOfMinute(toDateTime(?, 'UTC'))", t.Unix())
	}
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	marks, stale, err := c.marksOf(ctx, bounds)
	if err != nil {
		return nil, c.storeError(err)
	}
	level := &conditions{}
	level.add("level = ?", "all")
	if in.Flow != "" || in.Each {
		level.args[0] = "flow"
	}
	if in.Flow != "" {
		level.add("flow = ?", in.Flow)
	}
	var fresh []Minute
	var freshErr error
	var computing sync.WaitGroup
	computing.Go(func() { fresh, freshErr = c.unrolled(ctx, stale, level) })
	rolled, err := c.rolled(ctx, marks, bounds, level)
	computing.Wait()
	if err = cmp.Or(err, freshErr); err != nil {
		return nil, c.storeError(err)
	}
	out := &minutesOutput{}
	out.Body.Items = append(rolled, fresh...)
	slices.SortFunc(out.Body.Items, func(a, b Minute) int {
		return cmp.Or(a.Minute.Compare(b.Minute), cmp.Compare(a.Flow, b.Flow))
	})
	return out, nil
}

// marksOf are the marks that minutes are rolled up under, and the minutes that
// are not, in their order, each as minutes since 1970.
func (c *Console) marksOf(ctx context.Context, bounds *conditions) (marks map[int64]uint64, stale []int64, err error) {
	rows, err := c.opts.ClickHouse.Query(ctx, "SELECT minute, mark, (minute, mark) IN (SELECT minute, mark FROM runlog_rolled FINAL) FROM runlog_marks FINAL"+
		bounds.String()+" ORDER BY minute", bounds.args...)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	marks = map[int64]uint64{}
	for rows.Next() {
		var minute time.Time
		var mark uint64
		var rolled uint8
		if err := rows.Scan(&minute, &mark, &rolled); err != nil {
			return nil, nil, err
		}
		n := minute.Unix() / 60
		if rolled == 1 {
			marks[n] = mark
		} else {
			stale = append(stale, n)
		}
	}
	return marks, stale, rows.Err()
}

// rolled reads minutes as they were rolled up under their marks.
func (c *Console) rolled(ctx context.Context, marks map[int64]uint64, bounds, level *conditions) ([]Minute, error) {
	where := &conditions{parts: slices.Concat(level.parts, bounds.parts), args: slices.Concat(level.args, bounds.args)}
	rows, err := c.opts.ClickHouse.Query(ctx, "SELECT minute, flow, mark, n, failed, percentiles FROM runlog_minutes FINAL"+where.String(), where.args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	items := make([]Minute, 0, len(marks))
	for rows.Next() {
		var m Minute
		var mark uint64
		if err := m.scan(rows, &mark); err != nil {
			return nil, err
		}
		if of, ok := marks[m.Minute.Unix()/60]; ok && of == mark {
			items = append(items, m)
		}
	}
	return items, rows.Err()
}

// unrolled computes minutes from their rows.
func (c *Console) unrolled(ctx context.Context, minutes []int64, level *conditions) ([]Minute, error) {
	var items []Minute
	for begin := 0; begin < len(minutes); {
		end := begin + 1
		for end < len(minutes) && minutes[end] == minutes[end-1]+1 {
			end++
		}
		rows, err := c.opts.ClickHouse.Query(ctx, "SELECT minute, flow, mark, n, failed, percentiles FROM runlog_roll_executions(first = ?, last = ?)"+level.String(),
			append([]any{minutes[begin], minutes[end-1]}, level.args...)...)
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			var m Minute
			var mark uint64
			if err := m.scan(rows, &mark); err != nil {
				rows.Close()
				return nil, err
			}
			items = append(items, m)
		}
		if err := cmp.Or(rows.Err(), rows.Close()); err != nil {
			return nil, err
		}
		begin = end
	}
	return items, nil
}

// scan reads a row of the rollups.
func (m *Minute) scan(rows driver.Rows, mark *uint64) error {
	var percentiles []float64
	if err := rows.Scan(&m.Minute, &m.Flow, mark, &m.Executions, &m.Failed, &percentiles); err != nil {
		return err
	}
	for i, p := range []*float64{&m.P50, &m.P95, &m.P99} {
		if i < len(percentiles) {
			*p = known(percentiles[i])
		}
	}
	return nil
}

// known is 0 for a percentile of nothing.
func known(ms float64) float64 {
	if math.IsNaN(ms) {
		return 0
	}
	return ms
}
