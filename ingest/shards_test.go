package ingest

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
)

func TestShardsSpreadAFlowAndTheIDSaysWhere(t *testing.T) {
	f := &flow{shards: newShards("hot", 4, 12)}
	seen := map[string]int{}
	for range 400 {
		s := f.shard()
		seen[string(s.key)]++
		if s.partition != schemas.PartitionOf(string(s.key), 12) {
			t.Fatalf("%s is on partition %d, and Kafka's partitioner says %d", s.key, s.partition, schemas.PartitionOf(string(s.key), 12))
		}
	}
	for _, key := range []string{"hot#0", "hot#1", "hot#2", "hot#3"} {
		if seen[key] != 100 {
			t.Errorf("%s has %d of 400 hooks, want 100", key, seen[key])
		}
	}
	if one := newShards("cold", 0, 12); len(one) != 1 || string(one[0].key) != "cold" {
		t.Errorf("a flow without shards has %v", one)
	}
	hook := schemas.Hook{ID: schemas.NewExecutionID(schemas.ExecutionID{}.Time(), 3), Kind: schemas.KindHook, Flow: "hot"}
	record, err := hook.Record()
	if err != nil {
		t.Fatal(err)
	}
	record.Key = []byte("hot#3")
	parsed, err := schemas.ParseHook(&kgo.Record{Key: record.Key, Partition: 3, Headers: record.Headers})
	if err != nil || parsed.Flow != "hot" {
		t.Errorf("the hook of shard 3 is of flow %v, %v", parsed, err)
	}
}
