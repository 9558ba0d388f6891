package runlog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// readProgress says how far each partition is written, and of which topic: one
// that was deleted and made again has another ID.
func readProgress(ctx context.Context, conn Conn) (map[partition]progressRow, error) {
	rows, err := conn.Query(ctx, "SELECT topic, partition, next_offset, topic_id FROM runlog_progress FINAL")
	if err != nil {
		return nil, fmt.Errorf("reading the run log's progress: %w", err)
	}
	defer rows.Close()
	out := map[partition]progressRow{}
	for rows.Next() {
		var r progressRow
		if err := rows.Scan(&r.topic, &r.number, &r.next, &r.topicID); err != nil {
			return nil, fmt.Errorf("reading the run log's progress: %w", err)
		}
		out[r.partition] = r
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading the run log's progress: %w", err)
	}
	return out, nil
}

// topicIDsOf asks Kafka for the IDs of topics.
func topicIDsOf(ctx context.Context, client *kgo.Client, topics []string) (map[string]string, error) {
	details, err := kadm.NewClient(client).ListTopics(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("listing topics: %w", err)
	}
	ids := map[string]string{}
	for _, topic := range topics {
		d, ok := details[topic]
		if errors.Is(d.Err, kerr.UnknownTopicOrPartition) || !ok {
			return nil, fmt.Errorf("the topic %s does not exist; `sluice topics` creates what is missing", topic)
		}
		if d.Err != nil {
			return nil, fmt.Errorf("listing the topic %s: %w", topic, d.Err)
		}
		ids[topic] = d.ID.String()
	}
	return ids, nil
}

// assigned gives each newly assigned partition the offset to begin at: where
// ClickHouse's progress stands, or the topic's start. It waits while ClickHouse
// is away (the group goes on hearing from this member meanwhile) and gives up
// only when the assignment has ended.
func (s *session) assigned(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	wait := newBackoff()
	for {
		adjusted, err := s.begin(ctx, offsets)
		if err == nil {
			s.w.clickhouse.good(s.w.log)
			return adjusted, nil
		}
		if ctx.Err() == nil {
			s.w.clickhouse.bad(s.w.log, err)
		}
		if !wait.sleep(ctx) {
			return nil, ctx.Err()
		}
	}
}

func (s *session) begin(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	ids, err := topicIDsOf(ctx, s.admin, slices.Collect(maps.Keys(offsets)))
	if err != nil {
		return nil, err
	}
	progress, err := readProgress(ctx, s.w.options.ClickHouse)
	if err != nil {
		return nil, err
	}
	adjusted := map[string]map[int32]kgo.Offset{}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.topicIDs, ids)
	for topic, partitions := range offsets {
		adjusted[topic] = map[int32]kgo.Offset{}
		for number := range partitions {
			p := partition{topic, number}
			done, ok := progress[p]
			if ok && done.topicID != "" && done.topicID != ids[topic] {
				s.w.log.Warn("the topic was deleted and made again: reading it from its start",
					"topic", topic, "partition", number, "progress", done.next)
				ok = false
			}
			delete(s.expected, p)
			offset := kgo.NewOffset().AtStart()
			if ok {
				offset = kgo.NewOffset().At(done.next)
				s.expected[p] = done.next
			}
			adjusted[topic][number] = offset
		}
	}
	return adjusted, nil
}

// follow compares what a fetch brought with what was to come next, and says
// aloud what is missing.
func (s *session) follow(topic string, f *kgo.FetchPartition) {
	if len(f.Records) == 0 {
		return
	}
	p := partition{topic, f.Partition}
	first := f.Records[0].Offset
	s.mu.Lock()
	expected, known := s.expected[p]
	s.expected[p] = f.Records[len(f.Records)-1].Offset + 1
	s.mu.Unlock()
	switch {
	case !known:
	case expected < f.LogStartOffset && first >= f.LogStartOffset:
		s.w.metrics.holes.Inc()
		s.w.log.Warn("a hole in the run log: Kafka's retention removed records before they were read",
			"topic", topic, "partition", f.Partition, "from", expected, "to", f.LogStartOffset-1)
	case first < expected && f.HighWatermark < expected:
		s.w.log.Warn("the partition ends before the run log's progress: reading it from its start",
			"topic", topic, "partition", f.Partition, "progress", expected, "offset", first)
	}
}
