package schemas

import (
	"strconv"
	"time"
)

// MaxRecordBytes is the largest record any topic takes.
const MaxRecordBytes = 16 << 20

// Topics names Kafka's topics by their prefix, such as "sluice.".
type Topics struct{ Prefix string }

// DefaultTopics has the prefix that is used unless another one is configured.
var DefaultTopics = Topics{Prefix: "sluice."}

// Control is the audit trail of every change; one partition, kept for ever.
func (t Topics) Control() string { return t.Prefix + "control" }

// Secrets holds credentials' encrypted values by credential ID; compacted.
func (t Topics) Secrets() string { return t.Prefix + "secrets" }

// Keys holds the trees of keys that what erasable flows write is sealed with
// (Keys), by tree; compacted, and cut when keys are deleted.
func (t Topics) Keys() string { return t.Prefix + "keys" }

// Hooks holds accepted hooks, and commands to executions, by flow ID.
func (t Topics) Hooks() string { return t.Prefix + "hooks" }

// Replays is the replays' lane beside Hooks.
func (t Topics) Replays() string { return t.Prefix + "replays" }

// Executions holds execution events (records.ExecutionRecord).
func (t Topics) Executions() string { return t.Prefix + "executions" }

// State holds a snapshot of every open execution (records.Execution).
func (t Topics) State() string { return t.Prefix + "state" }

// Dedupe holds the delivery keys seen within their window.
func (t Topics) Dedupe() string { return t.Prefix + "dedupe" }

// Replies holds answers for senders that wait.
func (t Topics) Replies() string { return t.Prefix + "replies" }

// Captures holds requests that are no hooks, sealed: samples, and what flows
// rejected (Capture).
func (t Topics) Captures() string { return t.Prefix + "captures" }

// Deadletters holds what could not be decoded, with the reason.
func (t Topics) Deadletters() string { return t.Prefix + "deadletters" }

// TopicSpec is what a topic must be.
type TopicSpec struct {
	Name       string
	Partitions int32
	// Configs are Kafka's topic settings that Sluice relies on.
	Configs map[string]string
}

// Specs lists every topic for a number of partitions. hooks, replays,
// executions, state and dedupe have the same number, because an execution
// lives on one partition number in all of them.
func (t Topics) Specs(partitions int32) []TopicSpec {
	ms := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	const day = 24 * time.Hour
	kept := func(d time.Duration) map[string]string {
		return map[string]string{"cleanup.policy": "delete", "retention.ms": ms(d)}
	}
	compact := map[string]string{"cleanup.policy": "compact"}
	// A takeover reads state whole: small segments, cleaned early, keep it short.
	state := map[string]string{
		"cleanup.policy": "compact", "segment.bytes": strconv.Itoa(32 << 20), "segment.ms": ms(10 * time.Minute),
		"min.cleanable.dirty.ratio": "0.1", "delete.retention.ms": ms(time.Minute),
	}
	dedupe := map[string]string{"cleanup.policy": "compact,delete", "retention.ms": ms(8 * day)}
	// What a record of keys replaced is gone soon. Records are deleted by hand,
	// never by age.
	keys := map[string]string{
		"cleanup.policy": "compact,delete", "retention.ms": "-1", "retention.bytes": "-1", "segment.ms": ms(10 * time.Minute),
		"min.cleanable.dirty.ratio": "0.01", "max.compaction.lag.ms": ms(time.Hour), "delete.retention.ms": ms(time.Minute),
	}
	forever := map[string]string{"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}

	specs := []TopicSpec{
		{t.Control(), 1, forever},
		{t.Secrets(), 1, compact},
		{t.Keys(), 1, keys},
		{t.Hooks(), partitions, kept(7 * day)},
		{t.Replays(), partitions, kept(7 * day)},
		{t.Executions(), partitions, kept(30 * day)},
		{t.State(), partitions, state},
		{t.Dedupe(), partitions, dedupe},
		{t.Replies(), partitions, kept(time.Hour)},
		{t.Deadletters(), partitions, kept(30 * day)},
		{t.Captures(), partitions, kept(day)},
	}
	for i := range specs {
		configs := map[string]string{"max.message.bytes": strconv.Itoa(MaxRecordBytes)}
		for k, v := range specs[i].Configs {
			configs[k] = v
		}
		specs[i].Configs = configs
	}
	return specs
}

// PartitionOf is the partition of a key among n: murmur2 as Kafka's default
// partitioner has it (org.apache.kafka.common.utils.Utils.murmur2), so that
// any Kafka client finds the same one.
func PartitionOf(key string, n int32) int32 {
	return int32(murmur2(key)&0x7fffffff) % n
}

func murmur2(key string) uint32 {
	const m = 0x5bd1e995
	h := 0x9747b28c ^ uint32(len(key))
	for ; len(key) >= 4; key = key[4:] {
		k := uint32(key[0]) | uint32(key[1])<<8 | uint32(key[2])<<16 | uint32(key[3])<<24
		k *= m
		k ^= k >> 24
		k *= m
		h = h*m ^ k
	}
	switch len(key) {
	case 3:
		h ^= uint32(key[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(key[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(key[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}
