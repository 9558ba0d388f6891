package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Backlog is what is not done yet.
type Backlog struct {
	Open map[string]uint64 `json:"open" doc:"Open executions by status"`
	// OpenPerFlow is for what a paused flow holds.
	OpenPerFlow map[string]uint64 `json:"openPerFlow" doc:"Open executions by flow"`
	Lag         []Lag             `json:"lag" nullable:"false" doc:"What has been accepted and not been read; empty when Kafka does not say"`
}

// Lag is how many records of a topic a consumer has not read.
type Lag struct {
	Consumer string `json:"consumer" enum:"run,replay,runlog"`
	Topic    string `json:"topic"`
	Records  int64  `json:"records"`
}

type backlogOutput struct{ Body Backlog }

func (c *Console) backlog(ctx context.Context, _ *struct{}) (*backlogOutput, error) {
	if c.opts.ClickHouse == nil {
		return nil, problem(http.StatusServiceUnavailable, historyRemedy, "there is no ClickHouse to ask")
	}
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	out := &backlogOutput{Backlog{Open: map[string]uint64{"waiting": 0, "running": 0}, OpenPerFlow: map[string]uint64{}}}
	rows, err := c.opts.ClickHouse.Query(ctx, `SELECT flow, status, sum(executions) FROM execution_minutes WHERE status IN ('waiting', 'running') GROUP BY flow, status`)
	if err != nil {
		return nil, c.storeError(err)
	}
	defer rows.Close()
	for rows.Next() {
		var flow, status string
		var n uint64
		if err := rows.Scan(&flow, &status, &n); err != nil {
			return nil, c.storeError(err)
		}
		out.Body.Open[status] += n
		out.Body.OpenPerFlow[flow] += n
	}
	if err := rows.Err(); err != nil {
		return nil, c.storeError(err)
	}
	out.Body.Lag = c.lag(ctx)
	return out, nil
}

// lag asks Kafka how far behind each group is. What cannot be found out is
// left out: it is told by the doctor.
func (c *Console) lag(ctx context.Context) []Lag {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	all := []Lag{}
	client, err := kgo.NewClient(slices.Clone(c.opts.Kafka)...)
	if err != nil {
		return all
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	for _, g := range []struct{ consumer, topic string }{
		{"run", c.opts.Topics.Hooks()}, {"replay", c.opts.Topics.Replays()}, {"runlog", c.opts.Topics.Executions()},
	} {
		committed, err := admin.FetchOffsetsForTopics(ctx, c.opts.Topics.Prefix+g.consumer, g.topic)
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // nobody ever was in the group: then it has read nothing
			c.log.Debug("reading a group's offsets", "group", g.consumer, "error", err)
			continue
		}
		ends, err := admin.ListCommittedOffsets(ctx, g.topic)
		if err != nil {
			c.log.Debug("reading a topic's ends", "topic", g.topic, "error", err)
			continue
		}
		starts, err := admin.ListStartOffsets(ctx, g.topic)
		if err != nil {
			c.log.Debug("reading a topic's beginnings", "topic", g.topic, "error", err)
			continue
		}
		total := int64(0)
		ends.Each(func(end kadm.ListedOffset) {
			at := int64(-1)
			if o, ok := committed.Lookup(g.topic, end.Partition); ok {
				at = o.At
			}
			if start, ok := starts.Lookup(g.topic, end.Partition); ok {
				at = max(at, start.Offset) // a group that never committed begins there
			}
			total += max(0, end.Offset-at)
		})
		all = append(all, Lag{Consumer: g.consumer, Topic: g.topic, Records: total})
	}
	return all
}
