package console

import (
	"context"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"sluice/schemas"
	"sluice/schemas/clickhouse"
)

const (
	// firstWindow is how far back a list is looked for at first. Rows are kept by
	// time: a flow that is at work fills its page from the last minute.
	firstWindow = time.Minute
	// firstTextWindow is that of a text: its index finds a rare one faster than
	// several questions are asked.
	firstTextWindow = 15 * time.Minute
	// lastWindow is the longest that is tried before the history is read whole.
	lastWindow = 4 * time.Hour
	everything = time.Duration(math.MaxInt64)
)

// nextWindow is how far back to look when a window did not fill the page: as far
// as what it found lets expect, and half as far again.
func nextWindow(back time.Duration, found, want int) time.Duration {
	next := 60 * back
	if found > 0 {
		next = time.Duration(1.5 * float64(back) * float64(want) / float64(found))
	}
	switch {
	case next <= lastWindow:
		return next
	case back < time.Hour:
		return lastWindow // a common text would be read whole for a page
	}
	return everything
}

// scanMark begins the cursor of a search by parts of words.
const scanMark = "~"

func (c *Console) listExecutions(ctx context.Context, in *executionsInput) (*executionList, error) {
	if c.opts.ClickHouse == nil {
		return nil, problem(http.StatusServiceUnavailable, historyRemedy, "there is no ClickHouse to ask")
	}
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	cursor, scanned := strings.CutPrefix(in.Cursor, scanMark)
	asked := *in
	asked.Cursor = cursor
	out := &executionList{}
	var err error
	out.Body.Items, err = c.newest(ctx, &asked, scanned)
	if err == nil && in.Q != "" && in.Cursor == "" && len(out.Body.Items) == 0 {
		scanned = true // no whole word: look for parts of words
		out.Body.Items, err = c.newest(ctx, &asked, scanned)
	}
	if err != nil {
		return nil, err
	}
	if len(out.Body.Items) > in.Limit {
		out.Body.Items = out.Body.Items[:in.Limit]
		out.Body.Next = out.Body.Items[in.Limit-1].ID
		if scanned {
			out.Body.Next = scanMark + out.Body.Next
		}
	}
	if (in.Q != "" || len(in.Field) > 0) && in.Cursor == "" {
		if out.Body.NotSearched, err = c.notSearched(ctx, in); err != nil {
			return nil, err
		}
	}
	// IDs are exact to the millisecond, times to the microsecond.
	slices.SortStableFunc(out.Body.Items, func(a, b Execution) int { return b.StartedAt.Compare(a.StartedAt) })
	return out, nil
}

// maxNotSearched is how many bodies that are not searched are counted.
const maxNotSearched = 1000

// notSearched counts the hooks whose body is in the blob store, where no search
// looks, among those of a search's flow and time.
func (c *Console) notSearched(ctx context.Context, in *executionsInput) (n int64, err error) {
	var w conditions
	w.add("blob != ''")
	if in.Flow != "" {
		w.add("flow = ?", in.Flow)
	}
	now := time.Now()
	if t, ok := moment(in.Since, now); ok {
		first, _ := schemas.IDsAt(t)
		w.add("toUInt128(id) >= toUInt128(toUUID(?))", first.String())
	}
	if t, ok := moment(in.Until, now); ok {
		first, _ := schemas.IDsAt(t)
		w.add("toUInt128(id) < toUInt128(toUUID(?))", first.String())
	}
	err = c.opts.ClickHouse.QueryRow(ctx, "SELECT toInt64(count()) FROM (SELECT 1 FROM runlog_hooks"+w.String()+" LIMIT ?)", append(w.args, maxNotSearched)...).Scan(&n)
	if err != nil {
		return 0, c.storeError(err)
	}
	return n, nil
}

// newest reads one execution more than a page.
func (c *Console) newest(ctx context.Context, in *executionsInput, scan bool) (items []Execution, err error) {
	now := time.Now()
	end := now
	if id, err := uuid.Parse(in.Cursor); err == nil {
		end = schemas.ExecutionID(id).Time()
	} else if t, ok := moment(in.Until, now); ok && t.Before(now) {
		end = t
	}
	back := firstWindow
	switch {
	case in.ID != "" || in.ReplayOf != "" || in.Replay != "":
		back = everything // such rows are found by index, whenever they were
	case in.Q != "" || len(in.Field) > 0:
		back = firstTextWindow
	case in.Flow != "" && len(in.Status) > 0:
		back = time.Hour // few, mostly
	}
	for {
		var from time.Time
		if back != everything {
			from = end.Add(-back)
		}
		where, err := in.conditions(now, from, scan)
		if err != nil {
			return nil, err
		}
		if items, err = c.selectExecutions(ctx, where, in.Limit+1); err != nil {
			return nil, err
		}
		if len(items) > in.Limit || back == everything {
			break
		}
		back = nextWindow(back, len(items), in.Limit+1)
	}
	return items, nil
}

func (c *Console) selectExecutions(ctx context.Context, where *conditions, limit int) ([]Execution, error) {
	// As a number an ID sorts by its time, and by that ClickHouse keeps its rows.
	rows, err := c.opts.ClickHouse.Query(ctx, "SELECT "+executionColumns+" FROM executions"+where.String()+
		" ORDER BY toUInt128(id) DESC LIMIT ?", append(where.args, limit)...)
	if err != nil {
		return nil, c.storeError(err)
	}
	defer rows.Close()
	items := []Execution{}
	for rows.Next() {
		x, err := scanExecution(rows.Scan)
		if err != nil {
			return nil, c.storeError(err)
		}
		items = append(items, *x)
	}
	if err := rows.Err(); err != nil {
		return nil, c.storeError(err)
	}
	return items, nil
}

// conditions are those of the view executions. With a time, only IDs from then
// on; scan looks for text in any part of a body, and not for its words.
func (in *executionsInput) conditions(now, from time.Time, scan bool) (*conditions, error) {
	where, inBodies, inErrors := &conditions{}, &conditions{}, &conditions{}
	if in.Flow != "" {
		for _, w := range []*conditions{where, inBodies, inErrors} {
			w.add("flow = ?", in.Flow)
		}
	}
	if len(in.Status) > 0 {
		where.add("status IN ?", in.Status)
	}
	for _, bound := range []struct{ name, text, operator string }{{"since", in.Since, ">="}, {"until", in.Until, "<"}} {
		if bound.text == "" {
			continue
		}
		t, err := momentOf(bound.name, bound.text, now)
		if err != nil {
			return nil, err
		}
		where.add("started_at "+bound.operator+" fromUnixTimestamp64Micro(?, 'UTC')", t.UnixMicro())
		inBodies.add("received_at "+bound.operator+" fromUnixTimestamp64Micro(?, 'UTC')", t.UnixMicro())
	}
	byID := func(operator, id string) {
		for _, w := range []*conditions{where, inBodies, inErrors} {
			w.add("toUInt128(id) "+operator+" toUInt128(toUUID(?))", id)
		}
	}
	if in.ID != "" {
		low, high, ok := idRange(in.ID)
		if !ok {
			return nil, problem(http.StatusBadRequest, "give the beginning of an ID: hex digits, with or without hyphens", "no execution's ID begins with %q", in.ID)
		}
		byID(">=", low)
		byID("<=", high)
	}
	if in.ReplayOf != "" {
		id, err := schemas.ParseExecutionID(in.ReplayOf)
		if err != nil {
			return nil, problem(http.StatusBadRequest, "give an execution's ID", "replayOf: %v", err)
		}
		where.add("replay_of = toUUID(?)", id.String())
	}
	if in.Replay != "" {
		where.add("replay = ?", in.Replay)
	}
	if in.Step != "" {
		where.add("error_step = ?", in.Step)
	}
	if in.Cursor != "" {
		id, err := uuid.Parse(in.Cursor)
		if err != nil {
			return nil, problem(http.StatusBadRequest, "use the `next` of the page before", "the cursor is none of this list")
		}
		byID("<", id.String())
	}
	if !from.IsZero() {
		first, _ := schemas.IDsAt(from)
		byID(">=", first.String())
	}
	if len(in.Field) > 0 {
		having, err := inBodies.withFields(in.Field)
		if err != nil {
			return nil, err
		}
		where.add("toUInt128(id) IN (SELECT toUInt128(id) FROM runlog_hooks"+having.String()+")", having.args...)
	}
	if in.Q == "" {
		return where, nil
	}
	like := "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(strings.ToLower(in.Q)) + "%"
	inErrors.add("lowerUTF8(error) LIKE ?", like)
	if !scan {
		inBodies.add("hasAllTokens(body, ?)", in.Q)
	}
	inBodies.add("positionCaseInsensitiveUTF8(body, ?) > 0", in.Q)
	bodies := "SELECT toUInt128(id) FROM runlog_hooks" + inBodies.String()
	if !scan && !hasWord(in.Q) {
		bodies, inBodies.args = "SELECT toUInt128(0) WHERE 0", nil
	}
	// What is found by index in rows that may have been replaced since is looked
	// at once more in those that count.
	where.add("toUInt128(id) IN ("+bodies+" UNION ALL SELECT toUInt128(id) FROM runlog_executions"+inErrors.String()+")", append(slices.Clone(inBodies.args), inErrors.args...)...)
	where.add("(lowerUTF8(error) LIKE ? OR toUInt128(id) IN ("+bodies+"))", append([]any{like}, inBodies.args...)...)
	return where, nil
}

const fieldRemedy = "write body.customer.email=ann@example.com, or body.items[].sku=A1"

// withFields are conditions of hooks, and that their bodies have these fields.
func (w *conditions) withFields(fields []string) (*conditions, error) {
	all := &conditions{slices.Clone(w.parts), slices.Clone(w.args)}
	for _, text := range fields {
		f, err := clickhouse.ParseBodyField(text)
		if err != nil {
			return nil, problem(http.StatusBadRequest, fieldRemedy, "field %q: %v", text, err)
		}
		sql, args := f.Condition()
		all.add(sql, args...)
	}
	return all, nil
}

// hasWord reports whether a text has anything that the index of words holds.
func hasWord(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r > 127
	})
}
