package schemas

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ReadPartition calls fn with every committed record of a partition from one
// offset up to, and without, another; offsets that hold no record (compacted,
// aborted, a transaction's marker) are passed over. It returns once it has
// passed the last offset, which a consumer cannot tell: a marker may be there.
// A transaction that is still open below the end is waited for. fn returns
// false to stop early.
func ReadPartition(ctx context.Context, client *kgo.Client, topic string, partition int32, from, to int64, fn func(*kgo.Record) bool) error {
	fetchBytes := int32(8 << 20)
	if to-from <= 16 {
		fetchBytes = 64 << 10 // a broker sends one batch in any case, however large
	}
	return ReadPartitionBy(ctx, client, topic, partition, from, to, fetchBytes, fn)
}

// ReadPartitionBy is ReadPartition with requests for fetchBytes each: for who
// expects to stop early.
func ReadPartitionBy(ctx context.Context, client *kgo.Client, topic string, partition int32, from, to int64, fetchBytes int32, fn func(*kgo.Record) bool) error {
	r := partitionReader{client: client, topic: topic, partition: partition, leader: -1, maxBytes: fetchBytes, isolation: kgo.ReadCommitted()}
	return r.read(ctx, from, to, fn)
}

// maxGap is how many records are read for nothing rather than in two requests.
const maxGap = 64

// ReadAt calls fn with the records at some offsets of a partition, which must be
// sorted; where there is none any more, it is left out. Their transactions must
// have been committed: what else is open in the partition is not waited for.
func ReadAt(ctx context.Context, client *kgo.Client, topic string, partition int32, offsets []int64, fn func(*kgo.Record)) error {
	r := partitionReader{client: client, topic: topic, partition: partition, leader: -1, isolation: kgo.ReadUncommitted()}
	for len(offsets) > 0 {
		n := 1
		for n < len(offsets) && offsets[n]-offsets[n-1] <= maxGap {
			n++
		}
		wanted := offsets[:n]
		if r.maxBytes = 1 << 20; wanted[n-1]-wanted[0] < 16 {
			r.maxBytes = 64 << 10
		}
		err := r.read(ctx, wanted[0], wanted[n-1]+1, func(record *kgo.Record) bool {
			for len(wanted) > 0 && wanted[0] < record.Offset {
				wanted = wanted[1:]
			}
			if len(wanted) > 0 && wanted[0] == record.Offset {
				fn(record)
			}
			return true
		})
		if err != nil {
			return err
		}
		offsets = offsets[n:]
	}
	return nil
}

func (r *partitionReader) read(ctx context.Context, from, to int64, fn func(*kgo.Record) bool) error {
	topic, partition := r.topic, r.partition
	for from < to {
		fp, next, err := r.fetch(ctx, from)
		if err == nil {
			err = fp.Err
		}
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("reading %s/%d: %w", topic, partition, context.Cause(ctx))
		case errors.Is(err, kerr.OffsetOutOfRange):
			// Retention, or somebody, took what was before; a broker need not say
			// in this answer where the log starts now.
			start, startErr := partitionStart(ctx, r.client, topic, partition)
			if startErr != nil {
				return startErr
			}
			if start <= from {
				return fmt.Errorf("reading %s/%d at offset %d: %w", topic, partition, from, err)
			}
			from = start
			continue
		case err != nil:
			if !retriable(err) {
				return fmt.Errorf("reading %s/%d at offset %d: %w", topic, partition, from, err)
			}
			r.leader = -1
			if !Pause(ctx, 100*time.Millisecond) {
				return fmt.Errorf("reading %s/%d: %w", topic, partition, err)
			}
			continue
		}
		for _, record := range fp.Records {
			if record.Offset >= to {
				return nil
			}
			if !fn(record) {
				return nil
			}
		}
		from = max(from, next)
	}
	return nil
}

// PartitionEnd is the offset after the last record, committed or not.
func PartitionEnd(ctx context.Context, client *kgo.Client, topic string, partition int32) (int64, error) {
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("finding the end of %s/%d: %w", topic, partition, err)
	}
	end, ok := ends.Lookup(topic, partition)
	if !ok {
		return 0, fmt.Errorf("finding the end of %s/%d: no such partition", topic, partition)
	}
	if end.Err != nil {
		return 0, fmt.Errorf("finding the end of %s/%d: %w", topic, partition, end.Err)
	}
	return end.Offset, nil
}

func partitionStart(ctx context.Context, client *kgo.Client, topic string, partition int32) (int64, error) {
	starts, err := kadm.NewClient(client).ListStartOffsets(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("finding the start of %s/%d: %w", topic, partition, err)
	}
	start, ok := starts.Lookup(topic, partition)
	if !ok {
		return 0, fmt.Errorf("finding the start of %s/%d: no such partition", topic, partition)
	}
	if start.Err != nil {
		return 0, fmt.Errorf("finding the start of %s/%d: %w", topic, partition, start.Err)
	}
	return start.Offset, nil
}

type partitionReader struct {
	client    *kgo.Client
	topic     string
	partition int32
	leader    int32
	maxBytes  int32
	isolation kgo.IsolationLevel
	id        kadm.TopicID
}

func (r *partitionReader) fetch(ctx context.Context, from int64) (kgo.FetchPartition, int64, error) {
	if r.leader < 0 {
		details, err := kadm.NewClient(r.client).ListTopics(ctx, r.topic)
		if err != nil {
			return kgo.FetchPartition{}, 0, err
		}
		d := details[r.topic]
		if d.Err != nil {
			return kgo.FetchPartition{}, 0, d.Err
		}
		p, ok := d.Partitions[r.partition]
		if !ok {
			return kgo.FetchPartition{}, 0, kerr.UnknownTopicOrPartition
		}
		if p.Leader < 0 {
			return kgo.FetchPartition{}, 0, kerr.LeaderNotAvailable
		}
		r.leader, r.id = p.Leader, d.ID
	}
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 100, 1, r.maxBytes
	if r.isolation == kgo.ReadCommitted() {
		req.IsolationLevel = 1
	}
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = r.topic, r.id
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = r.partition, from, r.maxBytes
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)

	raw, err := r.client.Broker(int(r.leader)).RetriableRequest(ctx, req)
	if err != nil {
		return kgo.FetchPartition{}, 0, err
	}
	resp := raw.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return kgo.FetchPartition{}, 0, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return kgo.FetchPartition{}, from, nil
	}
	fp, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		Offset: from, IsolationLevel: r.isolation, Topic: r.topic, Partition: r.partition,
	}, &resp.Topics[0].Partitions[0], kgo.DefaultDecompressor(), nil)
	return fp, next, nil
}

// retriable: the broker, or the way to it, may be better in a moment.
func retriable(err error) bool {
	var ke *kerr.Error
	if errors.As(err, &ke) {
		return ke.Retriable
	}
	return !errors.Is(err, kgo.ErrClientClosed)
}

// Pause waits, and reports false when ctx ended first.
func Pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
