package ingest

import (
	"context"
	"errors"

	"sluice/schemas"
)

// shard is a part of a flow's hooks, with a key of its own.
type shard struct {
	key       []byte
	partition int32
}

func newShards(flow string, n int, partitions int32) []shard {
	shards := make([]shard, max(n, 1))
	for i := range shards {
		key := schemas.ShardKey(flow, i, len(shards))
		shards[i] = shard{[]byte(key), schemas.PartitionOf(key, partitions)}
	}
	return shards
}

// shard is where the next hook goes: evenly spread.
func (f *flow) shard() *shard {
	if len(f.shards) == 1 {
		return &f.shards[0]
	}
	return &f.shards[int(f.turn.Add(1)-1)%len(f.shards)]
}

var notPlaced = &refusal{status: 503, reason: ReasonUnavailable, detail: "the hook's key cannot be read now: send it again later", retryAfter: 2}

// place finds the shard that a hook's key says. What is looked at is the very
// record, as the runner will read it. A key that cannot be had loses no hook: it
// is appended, and the runner fails it for all to see.
func (e *Edge) place(r *request) *refusal {
	e.record(r, r.delivery)
	h, err := schemas.ParseHook(&r.delivery.record)
	if err == nil && e.options.Place == nil {
		err = errors.New("this edge was made without Place")
	}
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), commitPatience)
		defer cancel()
		err = e.options.Place(ctx, r.flow.version, h, e.options.Partitions)
	}
	if err != nil {
		e.log.Error("choosing the shard of a hook", "flow", r.flow.entry.ID, "error", err)
		return notPlaced
	}
	r.id, r.idText, r.unkey = h.ID, h.ID.String(), h.Unkeyed
	r.shard = &shard{[]byte(h.Shard), h.ID.Partition()}
	return nil
}
