package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
	"sluice/schemas/clickhouse"
)

// item is one hook of a replay's list.
type item struct {
	n         uint32
	id        uuid.UUID
	source    string // fromRunLog or fromKafka
	partition int32
	offset    int64
}

const (
	fromRunLog = "runlog"
	fromKafka  = "hooks"
)

// page is how many hooks are held in memory at once.
const page = 500

// choose finds the hooks of a replay and writes their list down. Done twice, it
// writes the same rows, or those that are there by then: nothing was sent yet.
func (d *Driver) choose(ctx context.Context, r *schemas.ReplayEntry) (int64, error) {
	selection := r.Selection
	if selection.To.IsZero() {
		selection.To = r.CreatedAt // what comes later was not meant
	}
	var items []item
	var err error
	if selection.FromTopic() {
		items, err = d.fromOffsets(ctx, &selection)
	} else {
		items, err = d.fromHistory(ctx, &selection)
	}
	if err != nil {
		return 0, err
	}
	if len(items) > schemas.MaxSelected {
		return 0, permanent{fmt.Errorf("the selection has more than %d hooks; make several replays of it", schemas.MaxSelected)}
	}
	for i := range items {
		items[i].n = uint32(i)
	}
	if err := d.writeItems(ctx, r.ID, items); err != nil {
		return 0, fmt.Errorf("writing down the hooks of the replay: %w", err)
	}
	return int64(len(items)), nil
}

func (d *Driver) fromHistory(ctx context.Context, s *schemas.Selection) ([]item, error) {
	where, args, err := clickhouse.SelectHooks(ctx, d.opts.SQL, s)
	if err != nil {
		return nil, permanentIfRefused(err)
	}
	rows, err := d.opts.SQL.Query(ctx, "SELECT id FROM hooks WHERE "+where+
		fmt.Sprintf(" ORDER BY toUInt128(id) LIMIT %d", schemas.MaxSelected+1), args...)
	if err != nil {
		return nil, permanentIfRefused(fmt.Errorf("selecting hooks: %w", err))
	}
	defer rows.Close()
	var items []item
	for rows.Next() {
		i := item{source: fromRunLog}
		if err := rows.Scan(&i.id); err != nil {
			return nil, fmt.Errorf("selecting hooks: %w", err)
		}
		items = append(items, i)
	}
	return items, permanentIfRefused(rows.Err())
}

// permanentIfRefused: ClickHouse understood the question, and will say no again.
func permanentIfRefused(err error) error {
	var refused *ch.Exception
	if errors.As(err, &refused) && refused.Code != 202 && refused.Code != 241 { // busy, short of memory
		return permanent{err}
	}
	return err
}

// fromOffsets reads ranges of the topic hooks; what Kafka has dropped is taken
// from the run log.
func (d *Driver) fromOffsets(ctx context.Context, s *schemas.Selection) ([]item, error) {
	client, err := kgo.NewClient(d.opts.Kafka...)
	if err != nil {
		return nil, permanent{fmt.Errorf("configuring a Kafka client: %w", err)}
	}
	defer client.Close()
	topic := d.opts.Topics.Hooks()
	starts, err := kadm.NewClient(client).ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("finding the start of %s: %w", topic, err)
	}
	older := *s
	older.Offsets = nil
	var recent []item
	for _, r := range s.Offsets {
		start, ok := starts.Lookup(topic, r.Partition)
		if !ok {
			return nil, permanent{fmt.Errorf("the topic %s has no partition %d", topic, r.Partition)}
		}
		end, err := schemas.PartitionEnd(ctx, client, topic, r.Partition)
		if err != nil {
			return nil, err
		}
		if r.From < start.Offset {
			older.Offsets = append(older.Offsets, schemas.OffsetRange{Partition: r.Partition, From: r.From, To: min(r.To, start.Offset-1)})
		}
		err = schemas.ReadPartition(ctx, client, topic, r.Partition, max(r.From, start.Offset), min(r.To+1, end), func(record *kgo.Record) bool {
			h, err := schemas.ParseHook(record)
			if err != nil || h.Kind != schemas.KindHook || (s.Flow != "" && h.Flow != s.Flow) || (!s.Replays && !h.ReplayOf.IsZero()) ||
				h.Time.Before(s.From) || !h.Time.Before(s.To) {
				return true
			}
			recent = append(recent, item{id: uuid.UUID(h.ID), source: fromKafka, partition: h.Partition, offset: h.Offset})
			return len(recent) <= schemas.MaxSelected
		})
		if err != nil {
			return nil, err
		}
	}
	var items []item
	if len(older.Offsets) > 0 {
		if items, err = d.fromHistory(ctx, &older); err != nil {
			return nil, err
		}
	}
	if recent, err = d.withoutDuplicates(ctx, recent); err != nil {
		return nil, err
	}
	return append(items, recent...), nil
}

// withoutDuplicates drops the hooks that were found to be duplicates: they
// never ran.
func (d *Driver) withoutDuplicates(ctx context.Context, items []item) ([]item, error) {
	kept := items[:0]
	for begin := 0; begin < len(items); begin += 10 * page {
		part := items[begin:min(begin+10*page, len(items))]
		duplicate := map[uuid.UUID]bool{}
		rows, err := d.opts.ClickHouse.Query(ctx, "SELECT id FROM executions WHERE status = 'duplicate' AND id IN ?", idsOf(part))
		if err != nil {
			return nil, fmt.Errorf("looking for duplicates: %w", err)
		}
		for rows.Next() {
			var id uuid.UUID
			if err := rows.Scan(&id); err != nil {
				rows.Close()
				return nil, fmt.Errorf("looking for duplicates: %w", err)
			}
			duplicate[id] = true
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return nil, fmt.Errorf("looking for duplicates: %w", err)
		}
		for _, i := range part {
			if !duplicate[i.id] {
				kept = append(kept, i)
			}
		}
	}
	return kept, nil
}

func idsOf(items []item) []uuid.UUID {
	ids := make([]uuid.UUID, len(items))
	for i := range items {
		ids[i] = items[i].id
	}
	return ids
}

func (d *Driver) writeItems(ctx context.Context, replay string, items []item) error {
	const block = 50_000
	for begin := 0; begin < len(items); begin += block {
		batch, err := d.opts.ClickHouse.PrepareBatch(ctx, "INSERT INTO runlog_selections (replay, n, id, source, partition, offset)")
		if err != nil {
			return err
		}
		for _, i := range items[begin:min(begin+block, len(items))] {
			if err := batch.Append(replay, i.n, i.id, i.source, i.partition, i.offset); err != nil {
				batch.Close()
				return err
			}
		}
		if err := batch.Send(); err != nil {
			return err
		}
	}
	return nil
}

// items reads a page of a replay's list.
func (d *Driver) items(ctx context.Context, r *schemas.ReplayEntry, from int64) ([]item, error) {
	rows, err := d.opts.ClickHouse.Query(ctx,
		"SELECT n, id, source, partition, offset FROM runlog_selections FINAL WHERE replay = ? AND n >= ? AND n < ? ORDER BY n", r.ID, from, from+page)
	if err != nil {
		return nil, fmt.Errorf("reading the list of hooks: %w", err)
	}
	defer rows.Close()
	var items []item
	for rows.Next() {
		var i item
		if err := rows.Scan(&i.n, &i.id, &i.source, &i.partition, &i.offset); err != nil {
			return nil, fmt.Errorf("reading the list of hooks: %w", err)
		}
		items = append(items, i)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading the list of hooks: %w", err)
	}
	if want := min(page, r.Total-from); int64(len(items)) != want {
		return nil, permanent{fmt.Errorf("the list of the replay's hooks is gone from the run log (%d of %d are there); make the replay again", len(items), want)}
	}
	return items, nil
}

// hooks reads the hooks of a page. One that neither Kafka nor the run log has
// any more is nil.
func (d *Driver) hooks(ctx context.Context, client *kgo.Client, items []item) ([]*schemas.Hook, error) {
	found := make(map[uuid.UUID]*schemas.Hook, len(items))
	ranges := map[int32][2]int64{}
	for _, i := range items {
		if i.source != fromKafka {
			continue
		}
		r, ok := ranges[i.partition]
		if !ok {
			r = [2]int64{i.offset, i.offset}
		}
		ranges[i.partition] = [2]int64{min(r[0], i.offset), max(r[1], i.offset)}
	}
	wanted := map[uuid.UUID]bool{}
	for _, i := range items {
		wanted[i.id] = true
	}
	for partition, r := range ranges {
		err := schemas.ReadPartition(ctx, client, d.opts.Topics.Hooks(), partition, r[0], r[1]+1, func(record *kgo.Record) bool {
			if h, err := schemas.ParseHook(record); err == nil && h.Kind == schemas.KindHook && wanted[uuid.UUID(h.ID)] && !d.erased(h.ID) && d.opts.Keys.OpenHook(ctx, h) == nil {
				found[uuid.UUID(h.ID)] = h
			}
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	var missing []uuid.UUID
	for _, i := range items {
		if found[i.id] == nil {
			missing = append(missing, i.id)
		}
	}
	if len(missing) > 0 {
		if err := d.hooksOfHistory(ctx, missing, found); err != nil {
			return nil, err
		}
	}
	hooks := make([]*schemas.Hook, len(items))
	for i := range items {
		hooks[i] = found[items[i].id]
	}
	return hooks, nil
}

func (d *Driver) erased(id schemas.ExecutionID) bool {
	return d.opts.Erased != nil && d.opts.Erased(id)
}

func (d *Driver) hooksOfHistory(ctx context.Context, ids []uuid.UUID, found map[uuid.UUID]*schemas.Hook) error {
	rows, err := d.opts.ClickHouse.Query(ctx, `SELECT id, flow, received_at, method, path, query, headers, content_type, body, body_size, body_sha256, blob, files, sealed_key, source_partition, toInt64(source_offset)
		FROM runlog_hooks FINAL WHERE id IN ? AND NOT erased`, ids)
	if err != nil {
		return fmt.Errorf("reading hooks: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id uuid.UUID
		var body, blob, files string
		var ref schemas.BodyRef
		var size uint64
		var received time.Time
		h := &schemas.Hook{Kind: schemas.KindHook}
		if err := rows.Scan(&id, &h.Flow, &received, &h.Method, &h.Path, &h.Query, &h.Headers, &h.ContentType, &body, &size, &ref.SHA256, &blob, &files, &h.Key, &h.Partition, &h.Offset); err != nil {
			return fmt.Errorf("reading hooks: %w", err)
		}
		h.ID, h.Time, h.Body = schemas.ExecutionID(id), received, []byte(body)
		if blob != "" {
			ref.Blob, ref.Size = blob, int64(size)
			h.BodyRef = &ref
		}
		if files != "" {
			if err := json.Unmarshal([]byte(files), &h.Files); err != nil {
				return fmt.Errorf("reading the files of hook %s: %w", h.ID, err)
			}
		}
		found[id] = h
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading hooks: %w", err)
	}
	return nil
}
