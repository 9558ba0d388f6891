package run

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/schemas"
)

// errAborted says that a transaction was aborted cleanly: nothing of it is
// visible, and the same results may be written again.
var errAborted = errors.New("the transaction was aborted")

// transact writes records and offsets as one Kafka transaction. errAborted:
// write the same again. Any other error: what became of the transaction is
// not known, or this session is fenced; the session must end, and the next one
// reads from Kafka how things stand.
//
// It is our own, not kgo.GroupTransactSession, because every transaction must
// carry an offset commit, changed or not: the commit is what a zombie is fenced
// by (KIP-447), and GroupTransactSession sends none when nothing was polled.
//
// It runs beside the loop, one at a time; the loop produces nothing itself.
//
// Records must not be empty: franz-go ends a transaction that no partition was
// added to without telling the broker.
func (s *session) transact(ctx context.Context, recs []*kgo.Record, offsets map[int32]int64, member string, generation int32) error {
	if err := s.client.BeginTransaction(); err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	var mu sync.Mutex
	var produceErr error
	produced := func(_ *kgo.Record, err error) {
		if err != nil {
			mu.Lock()
			produceErr = errors.Join(produceErr, err)
			mu.Unlock()
		}
	}
	for _, r := range recs {
		r.Context = nil // what is written again has that of its first transaction, which has ended
		s.client.Produce(ctx, r, produced)
	}
	err := s.client.Flush(ctx)
	mu.Lock()
	err = errors.Join(err, produceErr)
	mu.Unlock()
	if err == nil {
		err = s.commitOffsets(ctx, offsets, member, generation)
	}
	if err != nil {
		if abortErr := s.client.EndTransaction(ctx, kgo.TryAbort); abortErr != nil {
			return fmt.Errorf("aborting a transaction that failed with %w: %w", err, abortErr)
		}
		if fatal(err) {
			return fmt.Errorf("writing a transaction: %w", err)
		}
		return fmt.Errorf("%w: %w", errAborted, err)
	}
	if err := s.client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("committing a transaction: %w", err)
	}
	return nil
}

// commitOffsets adds the offsets of every owned partition to the transaction.
func (s *session) commitOffsets(ctx context.Context, offsets map[int32]int64, member string, generation int32) error {
	id, epoch, err := s.client.ProducerID(ctx)
	if err != nil {
		return err
	}
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID = s.transactionalID
	req.Group = s.group
	req.ProducerID, req.ProducerEpoch = id, epoch
	req.MemberID, req.Generation = member, generation
	req.InstanceID = &s.instance
	topic := kmsg.NewTxnOffsetCommitRequestTopic()
	topic.Topic, topic.TopicID = s.opts.topic(), s.hooksID
	for p, at := range offsets {
		rp := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		rp.Partition, rp.Offset = p, at
		topic.Partitions = append(topic.Partitions, rp)
	}
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, s.client)
	if err != nil {
		return fmt.Errorf("committing offsets: %w", err)
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("committing the offset of partition %d: %w", p.Partition, err)
			}
		}
	}
	return nil
}

// fatal: this session's identity is taken by another, or its producer is spoilt.
func fatal(err error) bool {
	for _, e := range []error{
		kerr.FencedInstanceID, kerr.ProducerFenced, kerr.InvalidProducerEpoch, kerr.InvalidProducerIDMapping,
		kerr.TransactionalIDAuthorizationFailed, kerr.InvalidTxnState, kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID,
		kerr.TransactionCoordinatorFenced, kgo.ErrClientClosed,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// committedOffset is the group's position on a partition. It waits for a
// transaction of the previous owner that may still move it, and is the log's
// start where nothing was committed.
func (s *session) committedOffset(ctx context.Context, partition int32) (int64, error) {
	for {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.RequireStable = true
		group := kmsg.NewOffsetFetchRequestGroup()
		group.Group = s.group
		topic := kmsg.NewOffsetFetchRequestGroupTopic()
		topic.Topic, topic.TopicID, topic.Partitions = s.opts.topic(), s.hooksID, []int32{partition}
		group.Topics = append(group.Topics, topic)
		req.Groups = append(req.Groups, group)
		// Older brokers read these.
		req.Group = s.group
		old := kmsg.NewOffsetFetchRequestTopic()
		old.Topic, old.Partitions = topic.Topic, topic.Partitions
		req.Topics = append(req.Topics, old)

		at, err := s.fetchOffset(ctx, req)
		switch {
		case err == nil && at >= 0:
			return at, nil
		case err == nil:
			starts, err := kadm.NewClient(s.client).ListStartOffsets(ctx, s.opts.topic())
			if err != nil {
				return 0, fmt.Errorf("finding the start of partition %d: %w", partition, err)
			}
			o, _ := starts.Lookup(s.opts.topic(), partition)
			return o.Offset, o.Err
		case kerr.IsRetriable(err) && schemas.Pause(ctx, unstableOffsetPause):
			continue
		default:
			return 0, fmt.Errorf("reading the offset of partition %d: %w", partition, err)
		}
	}
}

func (s *session) fetchOffset(ctx context.Context, req *kmsg.OffsetFetchRequest) (int64, error) {
	resp, err := req.RequestWith(ctx, s.client)
	if err != nil {
		return 0, err
	}
	if len(resp.Groups) > 0 {
		g := resp.Groups[0]
		if err := kerr.ErrorForCode(g.ErrorCode); err != nil {
			return 0, err
		}
		if len(g.Topics) == 0 || len(g.Topics[0].Partitions) == 0 {
			return -1, nil
		}
		p := g.Topics[0].Partitions[0]
		return p.Offset, kerr.ErrorForCode(p.ErrorCode)
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return 0, err
	}
	if len(resp.Topics) == 0 || len(resp.Topics[0].Partitions) == 0 {
		return -1, nil
	}
	p := resp.Topics[0].Partitions[0]
	return p.Offset, kerr.ErrorForCode(p.ErrorCode)
}
