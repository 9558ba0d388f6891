package console

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"sluice/schemas"
)

// Stats is how things go.
type Stats struct {
	Flows      map[schemas.FlowState]int `json:"flows" doc:"Flows by state"`
	Executions struct {
		LastHour map[string]uint64 `json:"lastHour"`
		LastDay  map[string]uint64 `json:"lastDay"`
	} `json:"executions" doc:"Executions by status, by when their hook was accepted"`
	// LatencyMs is from a hook's acceptance to its execution's end, of those
	// that were accepted within the last hour; exact to 1 %.
	LatencyMs Latency     `json:"latencyMs"`
	PerFlow   []FlowStats `json:"perFlow" nullable:"false"`
}

// Latency is the percentiles of a number of durations, 0 when there are none.
type Latency struct {
	Count uint64  `json:"count"`
	P50   float64 `json:"p50"`
	P95   float64 `json:"p95"`
	P99   float64 `json:"p99"`
}

// FlowStats is how a flow went in the last day.
type FlowStats struct {
	Flow       string            `json:"flow"`
	Name       string            `json:"name"`
	State      schemas.FlowState `json:"state"`
	Executions map[string]uint64 `json:"executions" doc:"By status"`
	// Steps counts each step's attempts by status.
	Steps map[string]map[string]uint64 `json:"steps" doc:"Attempts by step and status"`
}

type statsOutput struct{ Body Stats }

func (c *Console) registerStats(api huma.API) {
	huma.Register(api, op("stats", http.MethodGet, "/stats", "Count flows, executions and steps", "operation", 503), c.stats)
	huma.Register(api, op("list-minutes", http.MethodGet, "/stats/minutes", "Count executions and their durations, minute by minute", "operation", 400, 503), c.minutes)
}

func (c *Console) stats(ctx context.Context, _ *struct{}) (*statsOutput, error) {
	if c.opts.ClickHouse == nil {
		return nil, problem(http.StatusServiceUnavailable, historyRemedy, "there is no ClickHouse to ask")
	}
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	out := &statsOutput{Stats{Flows: map[schemas.FlowState]int{schemas.Stopped: 0, schemas.Running: 0, schemas.Paused: 0}, PerFlow: []FlowStats{}}}
	out.Body.Executions.LastHour, out.Body.Executions.LastDay = map[string]uint64{}, map[string]uint64{}
	flows := map[string]*FlowStats{}
	for _, f := range c.opts.Control.Flows() {
		out.Body.Flows[f.State]++
		flows[f.ID] = &FlowStats{Flow: f.ID, Name: c.flow(f, false).Name, State: f.State, Executions: map[string]uint64{}, Steps: map[string]map[string]uint64{}}
	}
	if err := c.countExecutions(ctx, &out.Body, flows); err != nil {
		return nil, c.storeError(err)
	}
	if err := c.countSteps(ctx, flows); err != nil {
		return nil, c.storeError(err)
	}
	for _, f := range c.opts.Control.Flows() {
		if s := flows[f.ID]; s != nil {
			out.Body.PerFlow = append(out.Body.PerFlow, *s)
		}
	}
	return out, nil
}

// countExecutions reads the rollups, which are per minute: an hour is the last
// sixty of them and what there is of this one.
func (c *Console) countExecutions(ctx context.Context, stats *Stats, flows map[string]*FlowStats) error {
	rows, err := c.opts.ClickHouse.Query(ctx, `SELECT flow, status, sum(executions), sumIf(executions, minute >= toStartOfMinute(now('UTC')) - INTERVAL 1 HOUR)
		FROM execution_minutes WHERE minute >= toStartOfMinute(now('UTC')) - INTERVAL 1 DAY GROUP BY flow, status`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var flow, status string
		var day, hour uint64
		if err := rows.Scan(&flow, &status, &day, &hour); err != nil {
			return err
		}
		stats.Executions.LastDay[status] += day
		if hour > 0 {
			stats.Executions.LastHour[status] += hour
		}
		if f := flows[flow]; f != nil {
			f.Executions[status] = day
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	var quantiles []float64
	err = c.opts.ClickHouse.QueryRow(ctx, `SELECT sum(ended), quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(durations)
		FROM minutes WHERE minute >= toStartOfMinute(now('UTC')) - INTERVAL 1 HOUR`).
		Scan(&stats.LatencyMs.Count, &quantiles)
	if err != nil {
		return err
	}
	stats.LatencyMs.take(quantiles)
	return nil
}

func (c *Console) countSteps(ctx context.Context, flows map[string]*FlowStats) error {
	rows, err := c.opts.ClickHouse.Query(ctx, `SELECT flow, step, status, sum(attempts) FROM step_minutes
		WHERE minute >= toStartOfMinute(now('UTC')) - INTERVAL 1 DAY GROUP BY flow, step, status`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var flow, step, status string
		var n uint64
		if err := rows.Scan(&flow, &step, &status, &n); err != nil {
			return err
		}
		f := flows[flow]
		if f == nil {
			continue
		}
		if f.Steps[step] == nil {
			f.Steps[step] = map[string]uint64{}
		}
		f.Steps[step][status] = n
	}
	return rows.Err()
}
