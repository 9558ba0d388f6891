package runlog

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Rebuilt says what a rebuild did.
type Rebuilt struct {
	Generation uint16 // of the rows it wrote
	Records    int64  // read from Kafka
	Rows       int64  // written
	Removed    int64  // rows of earlier generations that Kafka's records no longer make
	Poison     int64  // records that could not be read
}

// Rebuild makes the run log's rows again from all that Kafka holds as it
// begins: after a table was lost or damaged, or when a newer version reads more
// out of the same records. The history stays visible meanwhile: each row is
// replaced by its newer self (same record, higher generation), and what is older
// than Kafka's retention is kept. In the end, rows that the records no longer
// make are removed, except from partitions with records that could not be read.
//
// It is right while writers run, and neither holds them up nor touches their
// progress; a rebuild that was broken off is begun anew. It needs Options.Kafka
// and Options.ClickHouse, and gives up at the first error of either.
func Rebuild(ctx context.Context, o Options) (Rebuilt, error) {
	o = o.withDefaults()
	r := &rebuild{options: o, ranges: map[partition]*span{}}
	if err := r.begin(ctx); err != nil {
		return r.result, err
	}
	if err := r.read(ctx); err != nil {
		return r.result, err
	}
	return r.result, r.sweep(ctx)
}

type rebuild struct {
	options Options
	ranges  map[partition]*span
	result  Rebuilt
}

// span is what a rebuild reads of a partition: from..end, of which everything
// below next is read.
type span struct {
	from, next, end int64
	poisoned        bool
}

func (r *rebuild) begin(ctx context.Context) error {
	conn := r.options.ClickHouse
	last, err := scalar[uint16](ctx, conn, "SELECT max(generation) FROM runlog_rebuilds")
	if err != nil {
		return fmt.Errorf("reading earlier rebuilds: %w", err)
	}
	if last == math.MaxUint16 {
		return errors.New("rebuilding the run log: no generation is left after 65535 rebuilds; empty the tables runlog_* and start anew")
	}
	r.result.Generation = last + 1
	if err := conn.Exec(ctx, fmt.Sprintf("INSERT INTO runlog_rebuilds (generation) VALUES (%d)", r.result.Generation)); err != nil {
		return fmt.Errorf("recording the rebuild: %w", err)
	}

	client, err := kgo.NewClient(r.options.Kafka...)
	if err != nil {
		return optionsError{fmt.Errorf("opening the Kafka client: %w", err)}
	}
	defer client.Close()
	topics := r.options.topics()
	starts, err := kadm.NewClient(client).ListStartOffsets(ctx, topics...)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return fmt.Errorf("listing the topics' starts: %w", err)
	}
	ends, err := kadm.NewClient(client).ListCommittedOffsets(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("listing the topics' ends: %w", err)
	}
	starts.Each(func(o kadm.ListedOffset) {
		if end, ok := ends.Lookup(o.Topic, o.Partition); ok && end.Offset > o.Offset {
			r.ranges[partition{o.Topic, o.Partition}] = &span{o.Offset, o.Offset, end.Offset, false}
		}
	})
	return nil
}

// stall is after how long without a record the topics' starts are looked at
// again: retention may have removed the rest.
const stall = 5 * time.Second

func (r *rebuild) read(ctx context.Context) error {
	if len(r.ranges) == 0 {
		return nil
	}
	from := map[string]map[int32]kgo.Offset{}
	for p, s := range r.ranges {
		if from[p.topic] == nil {
			from[p.topic] = map[int32]kgo.Offset{}
		}
		from[p.topic][p.number] = kgo.NewOffset().At(s.from)
	}
	client, err := kgo.NewClient(append(readerOptions(r.options), kgo.ConsumePartitions(from))...)
	if err != nil {
		return optionsError{fmt.Errorf("opening the Kafka client: %w", err)}
	}
	defer client.Close()

	b := newBatch(&r.options, r.result.Generation)
	for r.open() {
		polling, cancel := context.WithTimeout(ctx, stall)
		f := client.PollRecords(polling, min(r.options.MaxRows, pollRecords))
		timedOut := polling.Err() != nil
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !timedOut {
			if err := r.take(b, f); err != nil {
				return err
			}
		} else if err := r.expired(ctx, client); err != nil {
			return err
		}
		if b.rows() >= r.options.MaxRows || b.bytes >= r.options.MaxBytes || !r.open() {
			if err := r.write(ctx, b); err != nil {
				return err
			}
			b = newBatch(&r.options, r.result.Generation)
		}
	}
	return nil
}

// open reports whether there is more to read.
func (r *rebuild) open() bool {
	for _, s := range r.ranges {
		if s.next < s.end {
			return true
		}
	}
	return false
}

func (r *rebuild) take(b *batch, f kgo.Fetches) error {
	var failed error
	f.EachError(func(topic string, number int32, err error) {
		var lost *kgo.ErrDataLoss
		if !errors.As(err, &lost) {
			failed = fmt.Errorf("reading %s/%d: %w", topic, number, err)
		}
	})
	f.EachPartition(func(p kgo.FetchTopicPartition) {
		s := r.ranges[partition{p.Topic, p.Partition}]
		if s == nil {
			return
		}
		s.startsAt(p.LogStartOffset)
		for _, record := range p.Records {
			if record.Offset >= s.end {
				s.next = s.end
				break // the writer's
			}
			s.next = record.Offset + 1
			r.result.Records++
			if err := b.add(record); err != nil {
				s.poisoned = true
				r.result.Poison++
				r.options.Logger.Error("passing by a record that cannot be read",
					"topic", record.Topic, "partition", record.Partition, "offset", record.Offset, "err", err)
			}
		}
	})
	return failed
}

// startsAt notes that Kafka holds nothing below start any more. What was not
// read in time was not written again either, so its rows are kept.
func (s *span) startsAt(start int64) {
	if start > s.next {
		s.next, s.from = start, start
	}
}

func (r *rebuild) expired(ctx context.Context, client *kgo.Client) error {
	starts, err := kadm.NewClient(client).ListStartOffsets(ctx, r.options.topics()...)
	if err != nil {
		return fmt.Errorf("listing the topics' starts: %w", err)
	}
	for p, s := range r.ranges {
		if o, ok := starts.Lookup(p.topic, p.number); ok && o.Err == nil {
			s.startsAt(o.Offset)
		}
	}
	return nil
}

func (r *rebuild) write(ctx context.Context, b *batch) error {
	for _, s := range b.rowStages() {
		if err := s.insert(ctx, r.options.ClickHouse); err != nil {
			return err
		}
	}
	r.result.Rows += int64(b.rows())
	r.options.Logger.Info("rebuilding the run log", "records", r.result.Records, "rows", r.result.Rows)
	return nil
}

// sweep removes the rows that came from a record that was read again and that
// the record no longer makes.
func (r *rebuild) sweep(ctx context.Context) error {
	for p, s := range r.ranges {
		if s.poisoned || s.from >= s.end {
			continue
		}
		where := fmt.Sprintf("source_topic = %s AND source_partition = %d AND source_offset >= %d AND source_offset < %d AND generation < %d",
			quote(p.topic), p.number, s.from, s.end, r.result.Generation)
		for _, name := range []string{executionsTable.name, stepsTable.name, hooksTable.name} {
			// Rows that were only replaced go by themselves when parts are merged.
			stale, err := scalar[uint64](ctx, r.options.ClickHouse, "SELECT count() FROM "+name+" FINAL WHERE "+where)
			if err != nil {
				return fmt.Errorf("looking for rows of the past in %s: %w", name, err)
			}
			if stale == 0 {
				continue
			}
			if err := r.options.ClickHouse.Exec(ctx, "DELETE FROM "+name+" WHERE "+where); err != nil {
				return fmt.Errorf("removing rows of the past from %s: %w", name, err)
			}
			r.result.Removed += int64(stale)
		}
	}
	if r.result.Removed == 0 {
		return nil
	}
	// The rollups of the minutes that lost rows are stale.
	if err := r.options.ClickHouse.Exec(ctx, "INSERT INTO runlog_marks (minute, mark) SELECT minute, rand64() FROM runlog_marks FINAL"); err != nil {
		return fmt.Errorf("marking the minutes to be rolled up again: %w", err)
	}
	return nil
}

// quote makes a ClickHouse string literal.
func quote(s string) string {
	out := []byte{'\''}
	for i := range len(s) {
		if s[i] == '\'' || s[i] == '\\' {
			out = append(out, '\\')
		}
		out = append(out, s[i])
	}
	return string(append(out, '\''))
}

// scalar reads a query's one value.
func scalar[V any](ctx context.Context, conn Conn, query string) (v V, err error) {
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return v, err
	}
	defer rows.Close()
	if rows.Next() {
		if err := rows.Scan(&v); err != nil {
			return v, err
		}
	}
	return v, rows.Err()
}
