package runlog

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/trace"

	"sluice/schemas"
)

// partition is one partition of a topic.
type partition struct {
	topic  string
	number int32
}

// batch is what one flush writes: rows, and how far that brings each partition.
type batch struct {
	topics     schemas.Topics
	generation uint16
	open       opener

	steps      []stepRow
	hooks      []hookRow
	executions []executionRow
	latest     map[uuid.UUID]int // where an execution's row is in executions

	next   map[partition]int64
	bytes  int
	since  time.Time // it has rows
	oldest time.Time // of the records with rows
	newest time.Time
	traces []trace.SpanContext
}

func newBatch(o *Options, generation uint16) *batch {
	return &batch{topics: o.Topics, open: opener{o.Keys, o.Erased}, generation: generation, latest: map[uuid.UUID]int{}, next: map[partition]int64{}}
}

func (b *batch) rows() int { return len(b.steps) + len(b.hooks) + len(b.executions) }

// rowBytes is about what a row costs beside the texts in it.
const rowBytes = 400

// add takes in a record. One that makes no row, or cannot be decoded (the
// error), still counts as read. Of one execution only the latest row is kept.
func (b *batch) add(r *kgo.Record) error {
	b.next[partition{r.Topic, r.Partition}] = r.Offset + 1
	if r.Attrs.IsControl() {
		return nil
	}
	before := b.rows()
	if r.Topic == b.topics.Executions() {
		row, steps, err := executionRows(r, b.generation, b.open)
		if err != nil {
			return err
		}
		if i, ok := b.latest[row.id]; !ok {
			b.latest[row.id] = len(b.executions)
			b.executions = append(b.executions, row)
		} else if b.executions[i].offset <= row.offset {
			b.executions[i] = row
		}
		b.steps = append(b.steps, steps...)
		b.bytes += rowBytes
	} else {
		topic := "hooks"
		if r.Topic == b.topics.Replays() {
			topic = "replays"
		}
		row, kept, err := hookRowOf(r, topic, b.generation, b.open)
		if err != nil || !kept {
			return err
		}
		b.hooks = append(b.hooks, row)
	}
	b.bytes += len(r.Value) + rowBytes*(b.rows()-before)
	for _, h := range r.Headers {
		b.bytes += len(h.Value)
	}
	if b.oldest.IsZero() || r.Timestamp.Before(b.oldest) {
		b.oldest = r.Timestamp
	}
	if r.Timestamp.After(b.newest) {
		b.newest = r.Timestamp
	}
	if parent := traceOf(r); parent.IsSampled() && len(b.traces) < maxTraces {
		b.traces = append(b.traces, parent)
	}
	return nil
}

// progress is the batch's last insert, in a fixed order.
func (b *batch) progress(topicIDs map[string]string) []progressRow {
	rows := make([]progressRow, 0, len(b.next))
	for p, next := range b.next {
		rows = append(rows, progressRow{p, next, topicIDs[p.topic]})
	}
	slices.SortFunc(rows, func(x, y progressRow) int {
		return cmp.Or(cmp.Compare(x.topic, y.topic), cmp.Compare(x.number, y.number))
	})
	return rows
}

// offsets is how far the batch brings the group.
func (b *batch) offsets() map[string]map[int32]kgo.EpochOffset {
	out := map[string]map[int32]kgo.EpochOffset{}
	for p, next := range b.next {
		if out[p.topic] == nil {
			out[p.topic] = map[int32]kgo.EpochOffset{}
		}
		out[p.topic][p.number] = kgo.EpochOffset{Epoch: -1, Offset: next}
	}
	return out
}
