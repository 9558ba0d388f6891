package erase

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
)

// deleteKeys deletes the executions' keys: it writes the trees that they are
// leaves of anew, without them, and all other trees behind those, and then has
// Kafka drop everything before. What is written there of the executions cannot
// be opened any more, by anybody.
//
// The producer is transactional under one name: an eraser that was taken for
// dead and comes back is shut out, and cannot write a tree as it was before its
// successor deleted keys of it.
func (w *work) deleteKeys(ctx context.Context) error {
	leaves, err := w.leaves(ctx)
	if err != nil || len(leaves) == 0 {
		return err
	}
	client, err := kgo.NewClient(append(w.opts.Kafka[:len(w.opts.Kafka):len(w.opts.Kafka)],
		kgo.TransactionalID(w.opts.Topics.Prefix+"eraser"),
		kgo.TransactionTimeout(time.Minute),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(schemas.MaxRecordBytes-1024),
	)...)
	if err != nil {
		return fmt.Errorf("configuring a producer: %w", err)
	}
	defer client.Close()
	if _, _, err := client.ProducerID(ctx); err != nil {
		return fmt.Errorf("taking the producer's ID: %w", err)
	}
	trees, end, err := w.trees(ctx, client, 0)
	if err != nil {
		return err
	}
	for tree, of := range leaves {
		sealed, there := trees[tree]
		if !there {
			return fmt.Errorf("the topic %s does not have the tree %s", w.opts.Topics.Keys(), tree)
		}
		if trees[tree], _, err = w.opts.Keys.Without(tree, sealed, of); err != nil {
			return err
		}
	}
	cut, err := w.writeTrees(ctx, client, trees)
	if err != nil {
		return err
	}
	// Trees that edges made between the reading and the writing.
	for {
		late, now, err := w.trees(ctx, client, end)
		if err != nil {
			return err
		}
		missed := map[string][]byte{}
		for tree, sealed := range late {
			if _, written := trees[tree]; !written {
				missed[tree], trees[tree] = sealed, sealed
			}
		}
		if len(missed) == 0 {
			break
		}
		if _, err := w.writeTrees(ctx, client, missed); err != nil {
			return err
		}
		end = now
	}
	deleted, err := kadm.NewClient(client).DeleteRecords(ctx, kadm.Offsets{w.opts.Topics.Keys(): {0: {Topic: w.opts.Topics.Keys(), At: cut}}})
	if err == nil {
		err = deleted.Error()
	}
	if err != nil {
		return fmt.Errorf("dropping the keys before offset %d: %w", cut, err)
	}
	return nil
}

// leaves are the executions' keys, by tree.
func (w *work) leaves(ctx context.Context) (map[string][]int, error) {
	rows, err := w.opts.ClickHouse.Query(ctx, "SELECT DISTINCT sealed_key FROM runlog_hooks WHERE sealed_key != '' AND id IN "+ours, w.entry.ID)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	leaves := map[string][]int{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		tree, leaf, err := schemas.KeyLeaf(name)
		if err != nil {
			return nil, err
		}
		leaves[tree] = append(leaves[tree], leaf)
	}
	return leaves, rows.Err()
}

// trees reads the trees from an offset on, as they stand, and the topic's end.
func (w *work) trees(ctx context.Context, client *kgo.Client, from int64) (map[string][]byte, int64, error) {
	end, err := schemas.PartitionEnd(ctx, client, w.opts.Topics.Keys(), 0)
	if err != nil {
		return nil, 0, err
	}
	trees := map[string][]byte{}
	err = schemas.ReadPartition(ctx, client, w.opts.Topics.Keys(), 0, from, end, func(r *kgo.Record) bool {
		trees[string(r.Key)] = r.Value
		return true
	})
	return trees, end, err
}

// writeTrees appends trees in one transaction, and returns the first one's offset.
func (w *work) writeTrees(ctx context.Context, client *kgo.Client, trees map[string][]byte) (first int64, err error) {
	if err := client.BeginTransaction(); err != nil {
		return 0, fmt.Errorf("beginning a transaction: %w", err)
	}
	var list []*kgo.Record
	for tree, sealed := range trees {
		list = append(list, &kgo.Record{Topic: w.opts.Topics.Keys(), Key: []byte(tree), Value: sealed})
	}
	err = client.ProduceSync(ctx, list...).FirstErr()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := errors.Join(err, client.EndTransaction(ending, kgo.TransactionEndTry(err == nil))); err != nil {
		return 0, fmt.Errorf("writing the trees of keys: %w", err)
	}
	first = list[0].Offset
	for _, r := range list {
		first = min(first, r.Offset)
	}
	return first, nil
}
