package runlog

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
	"sluice/schemas/blobs"
)

// sweepGrace is how old a blob is at least that is removed, and how long it is
// looked at before that.
const sweepGrace = time.Hour

// sweep removes blobs that nobody names any more, until ctx ends.
func (w *Writer) sweep(ctx context.Context) {
	s := &blobs.Sweeper{Store: w.options.Blobs, Grace: sweepGrace, References: func(ctx context.Context) (map[string]bool, error) {
		return references(ctx, &w.options)
	}}
	tick := time.NewTicker(sweepGrace + time.Minute)
	defer tick.Stop()
	for {
		removed, err := s.Sweep(ctx, time.Now())
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			w.log.Warn("sweeping blobs", "error", err)
		case removed > 0:
			w.log.Info("removed blobs that nobody names any more", "blobs", removed)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// references are the blobs that are named: by a hook in the run log, by a hook
// in Kafka that the run log has not read, or by an open execution whose
// snapshot carries its hook. How far the run log has read is asked first: what
// it reads meanwhile is then seen twice, and nothing is missed.
func references(ctx context.Context, o *Options) (map[string]bool, error) {
	client, err := kgo.NewClient(o.Kafka...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	lanes := []string{o.Topics.Hooks(), o.Topics.Replays()}
	ids, err := topicIDsOf(ctx, client, lanes)
	if err != nil {
		return nil, err
	}
	progress, err := readProgress(ctx, o.ClickHouse)
	if err != nil {
		return nil, err
	}
	named := map[string]bool{}
	rows, err := o.ClickHouse.Query(ctx, "SELECT DISTINCT blob FROM runlog_hooks WHERE blob != ''")
	if err != nil {
		return nil, fmt.Errorf("reading the run log's blobs: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("reading the run log's blobs: %w", err)
		}
		named[name] = true
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading the run log's blobs: %w", err)
	}
	hook := func(r *kgo.Record) {
		if h, err := schemas.ParseHook(r); err == nil && h.BodyRef != nil {
			named[h.BodyRef.Blob] = true
		}
	}
	for _, topic := range lanes {
		err := readTopic(ctx, client, topic, func(number int32) int64 {
			if done, ok := progress[partition{topic, number}]; ok && (done.topicID == "" || done.topicID == ids[topic]) {
				return done.next
			}
			return 0
		}, hook)
		if err != nil {
			return nil, err
		}
	}
	var sealed error
	err = readTopic(ctx, client, o.Topics.State(), func(int32) int64 { return 0 }, func(r *kgo.Record) {
		value := r.Value
		x, err := o.Keys.OpenState(ctx, value)
		switch {
		case x.GetKey() == "": // not sealed
		case errors.Is(err, schemas.ErrErased):
			return
		case err != nil:
			sealed = err // what it names is not known: nothing may be removed
			return
		default:
			value = nil
			for _, header := range x.StoredHook.GetHeaders() {
				value = append(value, header.Value...)
			}
		}
		for _, found := range blobName.FindAllSubmatch(value, -1) {
			named[string(found[1])] = true
		}
	})
	return named, errors.Join(err, sealed)
}

// blobName finds references in a snapshot that carries its hook. They are JSON
// there, as in the hook's header; a text that only looks like one keeps a blob
// longer, and does no other harm.
var blobName = regexp.MustCompile(`"blob":"([^"]+)"`)

// readTopic reads every partition of a topic from an offset to its end.
func readTopic(ctx context.Context, client *kgo.Client, topic string, from func(int32) int64, each func(*kgo.Record)) error {
	starts, err := kadm.NewClient(client).ListStartOffsets(ctx, topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return fmt.Errorf("finding the beginning of %s: %w", topic, err)
	}
	for number, start := range starts[topic] {
		end, err := schemas.PartitionEnd(ctx, client, topic, number)
		if err != nil {
			return err
		}
		begin := max(from(number), start.Offset)
		if begin >= end {
			continue
		}
		if err := schemas.ReadPartition(ctx, client, topic, number, begin, end, func(r *kgo.Record) bool {
			each(r)
			return true
		}); err != nil {
			return err
		}
	}
	return nil
}
