package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"sluice/schemas"
)

// Querier is a ClickHouse connection. A selection's own SQL runs on it, so it
// must be one that can change nothing.
type Querier interface {
	Query(ctx context.Context, query string, args ...any) (driver.Rows, error)
}

// SelectHooks is the condition on the view hooks that a selection means, and
// its arguments. Executions of replays and retries, and duplicates, which never
// ran, are in it only when the selection names them.
func SelectHooks(ctx context.Context, db Querier, s *schemas.Selection) (string, []any, error) {
	var parts []string
	var args []any
	add := func(part string, a ...any) {
		parts = append(parts, part)
		args = append(args, a...)
	}
	if s.Flow != "" {
		add("flow = ?", s.Flow)
	}
	if !s.From.IsZero() {
		add("received_at >= fromUnixTimestamp64Micro(?, 'UTC')", s.From.UnixMicro())
	}
	if !s.To.IsZero() {
		add("received_at < fromUnixTimestamp64Micro(?, 'UTC')", s.To.UnixMicro())
	}
	if !s.Replays && len(s.Executions) == 0 && s.SQL == "" {
		add("(replay_of IS NULL AND topic = 'hooks')")
	}
	if len(s.Status) == 0 && len(s.Executions) == 0 && s.SQL == "" {
		inner, innerArgs := "status = 'duplicate'", []any{}
		if s.Flow != "" {
			inner, innerArgs = inner+" AND flow = ?", append(innerArgs, s.Flow)
		}
		add("id NOT IN (SELECT id FROM executions WHERE "+inner+")", innerArgs...)
	}
	if len(s.Offsets) > 0 {
		var ranges []string
		for _, r := range s.Offsets {
			ranges = append(ranges, "(partition = ? AND offset BETWEEN ? AND ?)")
			args = append(args, r.Partition, r.From, r.To)
		}
		parts = append(parts, "topic = 'hooks' AND ("+strings.Join(ranges, " OR ")+")")
	}
	if len(s.Executions) > 0 {
		ids := make([]uuid.UUID, len(s.Executions))
		for i, text := range s.Executions {
			id, err := schemas.ParseExecutionID(text)
			if err != nil {
				return "", nil, fmt.Errorf("execution %q: %w", text, err)
			}
			ids[i] = uuid.UUID(id)
		}
		add("id IN ?", ids)
	}
	if len(s.Status) > 0 {
		inner, innerArgs := "status IN ?", []any{s.Status}
		if s.Flow != "" {
			inner, innerArgs = inner+" AND flow = ?", append(innerArgs, s.Flow)
		}
		add("id IN (SELECT id FROM executions WHERE "+inner+")", innerArgs...)
	}
	if s.Text != "" {
		inner, innerArgs := "positionCaseInsensitiveUTF8(error, ?) > 0", []any{s.Text}
		if s.Flow != "" {
			inner, innerArgs = inner+" AND flow = ?", append(innerArgs, s.Flow)
		}
		add("(positionCaseInsensitiveUTF8(body, ?) > 0 OR id IN (SELECT id FROM executions WHERE "+inner+"))", append([]any{s.Text}, innerArgs...)...)
	}
	for _, text := range s.Fields {
		f, err := ParseBodyField(text)
		if err != nil {
			return "", nil, fmt.Errorf("field %q: %w", text, err)
		}
		condition, conditionArgs := f.Condition()
		add("("+condition+")", conditionArgs...)
	}
	if s.ChangedIn != "" {
		inner, innerArgs := "replay = ? AND notEmpty(kinds)", []any{s.ChangedIn}
		if s.Group != "" {
			inner, innerArgs = inner+" AND has(groups, ?)", append(innerArgs, s.Group)
		}
		add("id IN (SELECT execution_id FROM differences WHERE "+inner+")", innerArgs...)
	}
	if s.SQL != "" {
		part, err := sqlSelection(ctx, db, s.SQL)
		if err != nil {
			return "", nil, err
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " AND "), args, nil
}

// sqlSelection finds out which columns a statement gives, and makes a
// condition of it.
func sqlSelection(ctx context.Context, db Querier, sql string) (string, error) {
	sql = strings.TrimRight(strings.TrimSpace(sql), ";")
	if err := Guard(ctx, db, sql); err != nil {
		return "", fmt.Errorf("reading the selection's SQL: %w", err)
	}
	rows, err := db.Query(ctx, "DESCRIBE (\n"+sql+"\n)")
	if err != nil {
		return "", fmt.Errorf("reading the selection's SQL: %w", err)
	}
	defer rows.Close()
	columns := map[string]bool{}
	for rows.Next() {
		values := make([]any, len(rows.Columns()))
		texts := make([]string, len(values))
		for i := range values {
			values[i] = &texts[i]
		}
		if err := rows.Scan(values...); err != nil {
			return "", fmt.Errorf("reading the selection's SQL: %w", err)
		}
		columns[texts[0]] = true
	}
	if err := rows.Err(); err != nil {
		return "", fmt.Errorf("reading the selection's SQL: %w", err)
	}
	switch {
	case columns["execution_id"]:
		return "toString(id) IN (SELECT toString(execution_id) FROM (\n" + sql + "\n))", nil
	case columns["id"]:
		return "toString(id) IN (SELECT toString(id) FROM (\n" + sql + "\n))", nil
	case columns["partition"] && columns["offset"]:
		return "topic = 'hooks' AND (toInt64(partition), toInt64(offset)) IN (SELECT toInt64(partition), toInt64(offset) FROM (\n" + sql + "\n))", nil
	}
	return "", errors.New("the selection's SQL gives neither a column execution_id or id, nor columns partition and offset")
}

// ReplayCounts is how many executions of a replay stand how. All of them have
// IDs of one millisecond, by which the run log finds them at once.
func ReplayCounts(ctx context.Context, db Querier, r *schemas.ReplayEntry) (map[string]int64, error) {
	first, last := schemas.IDsAt(r.CreatedAt)
	rows, err := db.Query(ctx, `SELECT status, toInt64(count()) FROM executions
		WHERE toUInt128(id) BETWEEN toUInt128(toUUID(?)) AND toUInt128(toUUID(?)) AND replay = ? GROUP BY status`,
		first.String(), last.String(), r.ID)
	if err != nil {
		return nil, fmt.Errorf("asking how the replay stands: %w", err)
	}
	defer rows.Close()
	counts := map[string]int64{}
	for rows.Next() {
		var status string
		var n int64
		if err := rows.Scan(&status, &n); err != nil {
			return nil, fmt.Errorf("asking how the replay stands: %w", err)
		}
		counts[status] = n
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("asking how the replay stands: %w", err)
	}
	return counts, nil
}
