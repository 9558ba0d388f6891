package schemas

import (
	"context"
	"slices"
	"strconv"
	"strings"
)

// Placing puts a hook where it belongs among so many partitions: on one of the
// shards of its flow, by the keys of the version given. It sets the hook's
// Shard, the partition in its ID, and Unkeyed. An error says that the key cannot
// be looked for now, and the hook must not be sent.
type Placing func(ctx context.Context, v *FlowVersion, h *Hook, partitions int32) error

// Put puts a hook on a shard of its flow, numbered from 0.
func (h *Hook) Put(shard, shards int, partitions int32) {
	key := ShardKey(h.Flow, shard, shards)
	if h.Shard = ""; shards > 1 {
		h.Shard = key
	}
	h.ID = h.ID.On(PartitionOf(key, partitions))
}

// ShardKey is the key of a flow's hooks in one of its shards, numbered from 0:
// the flow's ID where there is one shard alone.
func ShardKey(flow string, shard, shards int) string {
	if shards <= 1 {
		return flow
	}
	return flow + "#" + strconv.Itoa(shard)
}

// flowOfKey is the flow that a record's key is of, and the key itself where it
// is that of a shard.
func flowOfKey(key []byte) (flow, shard string) {
	text := string(key)
	flow, _, sharded := strings.Cut(text, "#")
	if sharded {
		shard = text
	}
	return flow, shard
}

// Partitions are those, of so many, where executions of the flow may be open:
// of all shards that it has, or had in an earlier version.
func (f *FlowEntry) Partitions(of int32) []int32 {
	list := []int32{PartitionOf(f.ID, of)}
	shards := 1
	for _, v := range f.Versions {
		if v.Flow != nil {
			shards = max(shards, v.Flow.Shards)
		}
	}
	for i := range shards {
		if p := PartitionOf(ShardKey(f.ID, i, shards), of); !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	return list
}

// KeyedShards reports whether the flow has shards, and a hook's key says which.
func (f *Flow) KeyedShards() bool {
	by, _ := f.OrderBy()
	return f.Shards > 1 && (f.Dedupe != nil || by == "key")
}
