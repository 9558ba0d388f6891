package schemas

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

func TestPartitionOfIsWhatKafkasDefaultPartitionerChooses(t *testing.T) {
	reference := kgo.StickyKeyPartitioner(nil).ForTopic("t")
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOf(rapid.Byte()).Draw(t, "key")
		n := rapid.Int32Range(1, 10_000).Draw(t, "partitions")
		want := reference.Partition(&kgo.Record{Key: append([]byte{}, key...)}, int(n))
		if have := PartitionOf(string(key), n); int(have) != want {
			t.Fatalf("%q among %d: want %d, have %d", key, n, want, have)
		}
	})
}

func TestTopicsOfAnExecutionHaveTheSamePartitions(t *testing.T) {
	topics := Topics{Prefix: "x."}
	together := map[string]bool{topics.Hooks(): true, topics.Replays(): true, topics.Executions(): true, topics.State(): true, topics.Dedupe(): true, topics.Captures(): true}
	seen := map[string]bool{}
	for _, spec := range topics.Specs(12) {
		if together[spec.Name] && spec.Partitions != 12 {
			t.Errorf("%s: want 12 partitions, have %d", spec.Name, spec.Partitions)
		}
		if spec.Name == topics.Control() && spec.Partitions != 1 {
			t.Errorf("%s: want one partition, so that changes have one order, have %d", spec.Name, spec.Partitions)
		}
		if !strings.HasPrefix(spec.Name, "x.") || seen[spec.Name] {
			t.Errorf("%s: is listed twice, or without the prefix", spec.Name)
		}
		seen[spec.Name] = true
	}
	if len(seen) != 11 {
		t.Errorf("want 11 topics, have %d", len(seen))
	}
}

func TestTopicsKeepWhatMustBeKept(t *testing.T) {
	topics := DefaultTopics
	configs := map[string]map[string]string{}
	for _, spec := range topics.Specs(4) {
		configs[spec.Name] = spec.Configs
	}
	for _, want := range []struct{ topic, key, value string }{
		{topics.Control(), "retention.ms", "-1"},
		{topics.Control(), "retention.bytes", "-1"},
		{topics.Control(), "cleanup.policy", "delete"},
		{topics.Secrets(), "cleanup.policy", "compact"},
		{topics.Keys(), "retention.ms", "-1"},
		{topics.State(), "cleanup.policy", "compact"},
		{topics.Hooks(), "cleanup.policy", "delete"},
		{topics.Hooks(), "retention.ms", "604800000"},
		{topics.Executions(), "retention.ms", "2592000000"},
		{topics.Hooks(), "max.message.bytes", "16777216"},
	} {
		if have := configs[want.topic][want.key]; have != want.value {
			t.Errorf("%s: want %s=%s, have %q", want.topic, want.key, want.value, have)
		}
	}
}
