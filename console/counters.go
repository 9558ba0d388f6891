package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func (c *Console) registerCounters(api huma.API) {
	huma.Register(api, op("flow-stats", http.MethodGet, "/flows/{id}/stats", "Count what each step of a flow did", "flows", 400, 404, 503), c.flowStats)
	huma.Register(api, op("series", http.MethodGet, "/stats/series", "Count executions and errors over time", "operation", 400, 503), c.series)
	huma.Register(api, op("backlog", http.MethodGet, "/stats/backlog", "Count what is open, and how far the runners and the run log are behind", "operation", 503), c.backlog)
}

type flowStatsInput struct {
	ID    string `path:"id" doc:"The flow's ID"`
	Since string `query:"since" doc:"A time (RFC 3339), or how long ago, such as 1h; all that is kept when absent"`
}

// FlowCounters is how a flow and its steps went.
type FlowCounters struct {
	Flow       string            `json:"flow"`
	Executions map[string]uint64 `json:"executions" doc:"By status"`
	// Hooks is how many requests were accepted; the trigger's counter.
	Hooks     uint64         `json:"hooks" doc:"How many hooks were accepted"`
	Steps     []StepCounters `json:"steps" nullable:"false" doc:"Those that did something, in no order"`
	LatencyMs Latency        `json:"latencyMs"`
}

// StepCounters counts a step's executions by how the step ended, and its attempts.
type StepCounters struct {
	Step       string            `json:"step"`
	Executions map[string]uint64 `json:"executions" doc:"How many executions the step ended in, or stands in, by its status"`
	Attempts   uint64            `json:"attempts"`
	MeanMs     float64           `json:"meanMs" doc:"Of an attempt"`
}

type flowStatsOutput struct{ Body FlowCounters }

func (c *Console) flowStats(ctx context.Context, in *flowStatsInput) (*flowStatsOutput, error) {
	f, err := c.find(in.ID)
	if err != nil {
		return nil, err
	}
	if c.opts.ClickHouse == nil {
		return nil, problem(http.StatusServiceUnavailable, historyRemedy, "there is no ClickHouse to ask")
	}
	since := time.Unix(0, 0)
	if in.Since != "" {
		var ok bool
		if since, ok = moment(in.Since, time.Now()); !ok {
			return nil, problem(http.StatusBadRequest, "write a time such as 2026-01-31T09:00:00Z, or how long ago, such as 1h", "since is neither a time nor a duration")
		}
	}
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	out := &flowStatsOutput{FlowCounters{Flow: f.ID, Executions: map[string]uint64{}, Steps: []StepCounters{}}}
	rows, err := c.opts.ClickHouse.Query(ctx, `SELECT status, count() FROM executions
		WHERE flow = ? AND started_at >= fromUnixTimestamp64Micro(?, 'UTC') GROUP BY status`, f.ID, since.UnixMicro())
	if err != nil {
		return nil, c.storeError(err)
	}
	defer rows.Close()
	for rows.Next() {
		var status string
		var n uint64
		if err := rows.Scan(&status, &n); err != nil {
			return nil, c.storeError(err)
		}
		out.Body.Executions[status] = n
		out.Body.Hooks += n
	}
	if err := rows.Err(); err != nil {
		return nil, c.storeError(err)
	}
	if out.Body.LatencyMs, err = c.latency(ctx, "flow = ? AND started_at >= fromUnixTimestamp64Micro(?, 'UTC')", f.ID, since.UnixMicro()); err != nil {
		return nil, c.storeError(err)
	}
	if out.Body.Steps, err = c.stepCounters(ctx, f.ID, since); err != nil {
		return nil, c.storeError(err)
	}
	return out, nil
}

func (c *Console) stepCounters(ctx context.Context, flow string, since time.Time) ([]StepCounters, error) {
	rows, err := c.opts.ClickHouse.Query(ctx, `SELECT step, last, count(), sum(attempts), sum(took) FROM (
			SELECT step, argMax(status, attempt) AS last, countIf(attempt > 0) AS attempts, sum(duration_ms) AS took
			FROM steps WHERE flow = ? AND started_at >= fromUnixTimestamp64Micro(?, 'UTC') GROUP BY execution_id, step, iteration
		) GROUP BY step, last ORDER BY step`, flow, since.UnixMicro())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	steps := []StepCounters{}
	took := 0.0
	for rows.Next() {
		var step, status string
		var n, attempts uint64
		var ms float64
		if err := rows.Scan(&step, &status, &n, &attempts, &ms); err != nil {
			return nil, err
		}
		if last := len(steps) - 1; last < 0 || steps[last].Step != step {
			steps = append(steps, StepCounters{Step: step, Executions: map[string]uint64{}})
			took = 0
		}
		s := &steps[len(steps)-1]
		s.Executions[status] = n
		s.Attempts += attempts
		if took += ms; s.Attempts > 0 {
			s.MeanMs = took / float64(s.Attempts)
		}
	}
	return steps, rows.Err()
}

// latency is that of the executions that ended, of those a condition names.
func (c *Console) latency(ctx context.Context, condition string, args ...any) (Latency, error) {
	var l Latency
	var quantiles []float64
	err := c.opts.ClickHouse.QueryRow(ctx, `SELECT count(), quantiles(0.5, 0.95, 0.99)(assumeNotNull(duration_ms))
		FROM executions WHERE `+condition+` AND isNotNull(duration_ms) AND status IN ('succeeded', 'failed')`, args...).Scan(&l.Count, &quantiles)
	if err == nil && l.Count > 0 && len(quantiles) == 3 {
		l.P50, l.P95, l.P99 = quantiles[0], quantiles[1], quantiles[2]
	}
	return l, err
}

type seriesInput struct {
	Flow  string `query:"flow" doc:"A flow's ID; without it all flows"`
	Since string `query:"since" default:"24h" doc:"A time (RFC 3339), or how long ago"`
	Until string `query:"until" default:"0s" doc:"A time, or how long ago"`
}

// Series counts executions over time, in steps of the same length; all lists
// are as long as At.
type Series struct {
	StepSeconds int64               `json:"stepSeconds"`
	At          []int64             `json:"at" nullable:"false" doc:"When each step begins, in seconds since 1970"`
	Executions  []uint64            `json:"executions" nullable:"false"`
	Errors      []uint64            `json:"errors" nullable:"false" doc:"Those that failed"`
	P50Ms       []float64           `json:"p50Ms" nullable:"false"`
	P95Ms       []float64           `json:"p95Ms" nullable:"false"`
	Status      map[string][]uint64 `json:"status" doc:"Executions by status"`
}

type seriesOutput struct{ Body Series }

// seriesSteps are the lengths of steps that people read easily.
var seriesSteps = []time.Duration{
	time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// maxPoints is how many steps a series has at most, one more at its ends.
const maxPoints = 120

// stepOf is the shortest step that covers a time in maxPoints.
func stepOf(span time.Duration) time.Duration {
	for _, step := range seriesSteps {
		if span <= maxPoints*step {
			return step
		}
	}
	return seriesSteps[len(seriesSteps)-1]
}

func (c *Console) series(ctx context.Context, in *seriesInput) (*seriesOutput, error) {
	now := time.Now()
	since, ok := moment(in.Since, now)
	until, also := moment(in.Until, now)
	if !ok || !also || !since.Before(until) || until.Sub(since) > 366*24*time.Hour {
		return nil, problem(http.StatusBadRequest, "write times such as 2026-01-31T09:00:00Z, or how long ago, such as 24h; at most a year", "since and until are no span of time")
	}
	if c.opts.ClickHouse == nil {
		return nil, problem(http.StatusServiceUnavailable, historyRemedy, "there is no ClickHouse to ask")
	}
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	step := stepOf(until.Sub(since))
	seconds := int64(step / time.Second)
	out := &seriesOutput{Series{StepSeconds: seconds, Status: map[string][]uint64{}}}
	first, last := since.Unix()/seconds*seconds, until.Unix()
	position := map[int64]int{}
	for at := first; at <= last; at += seconds {
		position[at] = len(out.Body.At)
		out.Body.At = append(out.Body.At, at)
	}
	n := len(out.Body.At)
	out.Body.Executions, out.Body.Errors = make([]uint64, n), make([]uint64, n)
	out.Body.P50Ms, out.Body.P95Ms = make([]float64, n), make([]float64, n)
	where := &conditions{}
	where.add("started_at >= fromUnixTimestamp64Micro(?, 'UTC') AND started_at < fromUnixTimestamp64Micro(?, 'UTC')", since.UnixMicro(), until.UnixMicro())
	if in.Flow != "" {
		where.add("flow = ?", in.Flow)
	}
	rows, err := c.opts.ClickHouse.Query(ctx, fmt.Sprintf(`SELECT toInt64(intDiv(toUnixTimestamp(toDateTime(started_at)), %d) * %d) AS at, status, count(),
		quantiles(0.5, 0.95)(ifNull(duration_ms, 0)) FROM executions`, seconds, seconds)+where.String()+` GROUP BY at, status`, where.args...)
	if err != nil {
		return nil, c.storeError(err)
	}
	defer rows.Close()
	for rows.Next() {
		var at int64
		var status string
		var count uint64
		var quantiles []float64
		if err := rows.Scan(&at, &status, &count, &quantiles); err != nil {
			return nil, c.storeError(err)
		}
		i, ok := position[at]
		if !ok {
			continue
		}
		if out.Body.Status[status] == nil {
			out.Body.Status[status] = make([]uint64, n)
		}
		out.Body.Status[status][i] = count
		out.Body.Executions[i] += count
		switch status {
		case "failed":
			out.Body.Errors[i] = count
		case "succeeded":
			out.Body.P50Ms[i], out.Body.P95Ms[i] = quantiles[0], quantiles[1]
		}
	}
	if err := rows.Err(); err != nil {
		return nil, c.storeError(err)
	}
	return out, nil
}

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
	rows, err := c.opts.ClickHouse.Query(ctx, `SELECT flow, status, count() FROM executions WHERE status IN ('waiting', 'running') GROUP BY flow, status`)
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
