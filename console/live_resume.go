package console

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"sluice/schemas"
	"sluice/schemas/records"
)

const (
	// missedAtMost is how many events are told to a client that comes back; for
	// more, the list is shorter.
	missedAtMost = 5000
	// missedSince is how long ago the last seen event may have been.
	missedSince = 10 * time.Minute
	// overlap is longer than a transaction stays open: a record's time is that
	// of its writing, and it is told when its transaction ends.
	overlap = 15 * time.Second
)

// eventID is when an event was said, and of which execution: enough to go on
// from, in any process and after any restart.
func eventID(x told) string {
	return strconv.FormatInt(x.at.UnixMilli(), 10) + "-" + x.ID
}

var (
	errMissedUnknown = errors.New("the last event's id is none of these events")
	errMissedTooOld  = errors.New("the last event was too long ago")
	errMissedTooMany = errors.New("too much happened since the last event")
)

// since reads what was told after an event, up to now; a little of what was
// told before it comes again. It is called by a listener that has joined, so
// that nothing falls in between.
func (l *live) since(ctx context.Context, last string, wants func(*Execution) bool) ([]told, error) {
	text, _, _ := strings.Cut(last, "-")
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms <= 0 {
		return nil, errMissedUnknown
	}
	at := time.UnixMilli(ms)
	if time.Since(at) > missedSince {
		return nil, errMissedTooOld
	}
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	client, err := kgo.NewClient(slices.Clone(l.kafka)...)
	if err != nil {
		return nil, fmt.Errorf("configuring the client of missed events: %w", err)
	}
	defer client.Close()
	admin, topic := kadm.NewClient(client), l.topics.Executions()
	begins, err := admin.ListOffsetsAfterMilli(ctx, at.Add(-overlap).UnixMilli(), topic)
	if err != nil {
		return nil, fmt.Errorf("finding where the missed events begin: %w", err)
	}
	ends, err := admin.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("finding where the missed events end: %w", err)
	}
	var missed []told
	for _, end := range ends.Offsets().Sorted() {
		begin, ok := begins.Lookup(topic, end.Partition)
		if !ok || begin.Offset >= end.At {
			continue
		}
		if end.At-begin.Offset > 4*missedAtMost {
			return nil, errMissedTooMany
		}
		err := schemas.ReadPartition(ctx, client, topic, end.Partition, begin.Offset, end.At, func(r *kgo.Record) bool {
			var x records.ExecutionRecord
			if proto.Unmarshal(r.Value, &x) != nil {
				return true // the tail says so
			}
			_ = l.keys.OpenEvents(ctx, &x)
			if e := executionOf(&x); wants(&e) {
				missed = append(missed, told{e, r.Timestamp})
			}
			return len(missed) <= missedAtMost
		})
		if err != nil {
			return nil, fmt.Errorf("reading missed events: %w", err)
		}
		if len(missed) > missedAtMost {
			return nil, errMissedTooMany
		}
	}
	slices.SortStableFunc(missed, func(a, b told) int { return a.at.Compare(b.at) })
	return missed, nil
}
