package console

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
	"sluice/schemas/records"
)

// BlockedKey is an ordering key of a flow whose first execution holds others up.
type BlockedKey struct {
	Key       string     `json:"key" doc:"The key as JSON, cut; flow where the whole flow is in order"`
	Execution string     `json:"execution" format:"uuid" doc:"The first of its key: cancel it to skip it, or resolve its step to have it tried now"`
	Status    string     `json:"status" doc:"Of that execution"`
	Since     time.Time  `json:"since" doc:"When its hook was accepted"`
	Step      string     `json:"step,omitempty" doc:"The step that has not got through"`
	StepState string     `json:"stepStatus,omitempty" doc:"retrying, waiting or unknown"`
	Error     string     `json:"error,omitempty"`
	RetryAt   *time.Time `json:"retryAt,omitempty" doc:"When its next attempt is due"`
	Waiting   int        `json:"waiting" doc:"How many executions wait behind it"`
}

type blockedInput struct {
	ID string `path:"id" doc:"The flow's ID"`
}

type blockedOutput struct {
	Body struct {
		Items []BlockedKey `json:"items" nullable:"false" doc:"Those with the most behind them first"`
	}
}

func (c *Console) registerBlocked(api huma.API) {
	huma.Register(api, op("list-blocked-keys", http.MethodGet, "/flows/{id}/blocked", "List the ordering keys of a flow whose first execution holds others up", "flows", 404, 503), c.blocked)
}

// blocked reads what is open from the topic state: the run log knows of no order.
func (c *Console) blocked(ctx context.Context, in *blockedInput) (*blockedOutput, error) {
	f := c.opts.Control.Flow(in.ID)
	if f == nil || f.Deleted {
		return nil, problem(http.StatusNotFound, "see GET /api/v1/flows", "there is no flow %q", in.ID)
	}
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	topic := c.opts.Topics.State()
	topics, err := kadm.NewClient(c.producer).ListTopics(ctx, topic)
	if err == nil {
		err = topics.Error()
	}
	if err != nil {
		return nil, c.kafkaError(err)
	}
	open := map[string]*records.Execution{}
	for _, partition := range f.Partitions(int32(len(topics[topic].Partitions))) {
		end, err := schemas.PartitionEnd(ctx, c.producer, topic, partition)
		if err != nil {
			return nil, c.kafkaError(err)
		}
		err = schemas.ReadPartition(ctx, c.producer, topic, partition, 0, end, func(r *kgo.Record) bool {
			delete(open, string(r.Key))
			if r.Value == nil {
				return true
			}
			x, err := c.opts.Keys.OpenState(ctx, r.Value)
			if err == nil && x.FlowId == in.ID && len(x.OrderKey) > 0 {
				open[string(r.Key)] = x
			}
			return true
		})
		if err != nil {
			return nil, c.kafkaError(err)
		}
	}
	out := &blockedOutput{}
	out.Body.Items = blockedKeys(slices.Collect(maps.Values(open)))
	return out, nil
}

// blockedKeys finds, of open executions in order, the keys whose first one
// holds others up, or cannot go on at once itself.
func blockedKeys(open []*records.Execution) []BlockedKey {
	slices.SortFunc(open, func(a, b *records.Execution) int { return cmp.Compare(a.Hook.GetOffset(), b.Hook.GetOffset()) })
	first := map[string]int{}
	items := []BlockedKey{}
	for _, x := range open {
		lane := fmt.Sprintf("%s/%d/%s", x.Hook.GetTopic(), x.Hook.GetPartition(), x.OrderKey)
		if at, ok := first[lane]; ok {
			items[at].Waiting++
			continue
		}
		first[lane] = len(items)
		item := BlockedKey{
			Key: x.OrderName, Execution: schemas.ExecutionIDFromBytes(x.Id).String(), Status: schemas.StatusName(x.Status),
			Since: time.Unix(0, x.StartedAt).UTC(),
		}
		for _, id := range slices.Sorted(maps.Keys(x.Steps)) {
			step := x.Steps[id]
			if schemas.Settled(step) || item.Step != "" {
				continue
			}
			item.Step, item.StepState, item.Error = id, schemas.StepStatusName(step.Status), step.Failure.GetMessage()
			if step.RetryAt > 0 {
				at := time.Unix(0, step.RetryAt).UTC()
				item.RetryAt = &at
			}
		}
		items = append(items, item)
	}
	items = slices.DeleteFunc(items, func(b BlockedKey) bool { return b.Waiting == 0 && b.Step == "" })
	slices.SortStableFunc(items, func(a, b BlockedKey) int {
		return cmp.Or(cmp.Compare(b.Waiting, a.Waiting), strings.Compare(a.Key, b.Key))
	})
	return items
}
