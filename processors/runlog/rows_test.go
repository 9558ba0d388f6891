package runlog

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"sluice/schemas"
	"sluice/schemas/records"
)

func TestRecordsThatAreRefused(t *testing.T) {
	good := schemas.NewExecutionID(time.Now(), 2)
	with := func(change func(*records.ExecutionRecord)) *kgo.Record {
		x := first(good)
		change(x)
		b, err := proto.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		return &kgo.Record{Topic: topics.Executions(), Partition: 2, Value: b}
	}
	future := schemas.NewExecutionID(time.Date(2150, 1, 1, 0, 0, 0, 0, time.UTC), 2)
	for _, c := range []struct {
		name   string
		record *kgo.Record
		want   string
	}{
		{"no protobuf", &kgo.Record{Topic: topics.Executions(), Value: []byte{0xff}}, "reading an execution record: "},
		{"no ID", with(func(x *records.ExecutionRecord) { x.ExecutionId = nil }), "execution_id: want 16 bytes"},
		{"short ID", with(func(x *records.ExecutionRecord) { x.ExecutionId = []byte{1} }), "execution_id: want 16 bytes"},
		{"random UUID", with(func(x *records.ExecutionRecord) { x.ExecutionId = slices.Repeat([]byte{1}, 16) }), "not a UUID of version 7"},
		{"far future", with(func(x *records.ExecutionRecord) { x.ExecutionId = future[:] }), "from before 2101"},
		{"other partition", &kgo.Record{Topic: topics.Executions(), Partition: 1, Value: with(func(*records.ExecutionRecord) {}).Value}, "its partition is 2, the record's is 1"},
		{"no flow", with(func(x *records.ExecutionRecord) { x.FlowId = "" }), "flow_id: missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBatch(&Options{Topics: topics}, 0)
			err := b.add(c.record)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if b.rows() != 0 || len(b.next) != 1 {
				t.Errorf("%d rows, progress of %d partitions: want the record passed by", b.rows(), len(b.next))
			}
		})
	}
}

func TestNumbersThatDoNotFitAreBrought(t *testing.T) {
	id := schemas.NewExecutionID(time.Now(), 0)
	x := first(id)
	x.StartedAt, x.EndedAt, x.Version = math.MinInt64, math.MaxInt64, -1
	x.Events[1].GetAttempt().HttpStatus = 70_000
	x.Events[1].GetAttempt().Number = -3
	b := newBatch(&Options{Topics: topics}, 0)
	if err := b.add(recordOf(t, x)); err != nil {
		t.Fatal(err)
	}
	e, s := b.executions[0], b.steps[0]
	if !e.startedAt.Equal(earliest) || !e.endedAt.Equal(latest) || e.version != 0 || s.httpStatus != 65535 || s.attempt != 0 {
		t.Errorf("got %+v, %+v", e, s)
	}
}

func TestACommandIsNoHook(t *testing.T) {
	h := schemas.Hook{ID: schemas.NewExecutionID(time.Now(), 0), Kind: schemas.KindCancel, Flow: "pets", Time: time.Now()}
	r, err := h.Record()
	if err != nil {
		t.Fatal(err)
	}
	r.Topic = topics.Hooks()
	b := newBatch(&Options{Topics: topics}, 0)
	if err := b.add(r); err != nil || b.rows() != 0 || b.next[partition{topics.Hooks(), 0}] != 1 {
		t.Errorf("%v, %d rows, next %v: want no row and progress", err, b.rows(), b.next)
	}
}

func FuzzExecutionRows(f *testing.F) {
	id := schemas.NewExecutionID(time.Now(), 0)
	for _, x := range []*records.ExecutionRecord{first(id), second(id), {}} {
		b, _ := proto.Marshal(x)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		b := newBatch(&Options{Topics: topics}, 0)
		if err := b.add(&kgo.Record{Topic: topics.Executions(), Value: value}); err != nil {
			return
		}
		for _, r := range b.executions {
			if r.startedAt.Before(earliest) || r.startedAt.After(latest) || r.flow == "" {
				t.Errorf("a row that ClickHouse refuses: %+v", r)
			}
		}
		for i, c := range stepsTable.columns {
			if c.values(b.steps) == nil {
				t.Errorf("no values for column %d", i)
			}
		}
	})
}

// TestTheLatestStateWinsInWhateverOrder inserts records of a few executions in
// any order, any number of times, in blocks of any size, by writer and rebuilds,
// and expects each view to show the last record of each.
func TestTheLatestStateWinsInWhateverOrder(t *testing.T) {
	onEngines(t, func(t *testing.T, url string) {
		conn := openEngine(t, url)
		statuses := []records.ExecutionStatus{1, 2, 3, 4, 5}
		rapid.Check(t, func(r *rapid.T) {
			all := ids(2)
			var log []*kgo.Record
			want := map[uuid.UUID]string{}
			steps := map[string]string{}
			for i, id := range all {
				for offset := range rapid.IntRange(1, 4).Draw(r, "records") {
					x := first(id)
					x.Status = rapid.SampledFrom(statuses).Draw(r, "status")
					a := x.Events[1].GetAttempt()
					a.Number = int32(rapid.IntRange(1, 2).Draw(r, "attempt"))
					a.Output = fmt.Append(nil, offset)
					record := recordOf(t, x)
					record.Offset = int64(10*offset + i)
					log = append(log, record)
					want[uuid.UUID(id)] = schemas.StatusName(x.Status)
					steps[fmt.Sprint(id, " ", a.Number)] = string(a.Output)
				}
			}
			// Each at least once, the rest at random.
			order := rapid.Permutation(log).Draw(r, "order")
			order = append(order, rapid.SliceOfN(rapid.SampledFrom(log), 0, 8).Draw(r, "again")...)
			for len(order) > 0 {
				b := newBatch(&Options{Topics: topics}, uint16(rapid.IntRange(0, 2).Draw(r, "generation")))
				n := rapid.IntRange(1, len(order)).Draw(r, "block")
				for _, record := range order[:n] {
					if err := b.add(record); err != nil {
						r.Fatal(err)
					}
				}
				order = order[n:]
				for _, s := range b.rowStages() {
					if err := s.insert(t.Context(), conn); err != nil {
						r.Fatal(err)
					}
				}
			}
			got, gotSteps := map[uuid.UUID]string{}, map[string]string{}
			for _, id := range all {
				for status := range texts(r, conn, "SELECT status FROM executions WHERE id = '"+id.String()+"'") {
					got[uuid.UUID(id)] += status
				}
				for step := range texts(r, conn, "SELECT concat(toString(execution_id), ' ', toString(attempt), '=', output) FROM steps WHERE execution_id = '"+id.String()+"'") {
					key, output, _ := strings.Cut(step, "=")
					gotSteps[key] += output
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				r.Fatal(diff)
			}
			if diff := cmp.Diff(steps, gotSteps); diff != "" {
				r.Fatal(diff)
			}
		})
	})
}

func texts(t fataler, conn Conn, query string) func(func(string) bool) {
	return func(yield func(string) bool) {
		rows, err := conn.Query(context.Background(), query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				t.Fatal(err)
			}
			if !yield(s) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// fataler is what *testing.T and *rapid.T share here.
type fataler interface{ Fatal(...any) }
