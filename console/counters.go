package console

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

func (c *Console) registerCounters(api huma.API) {
	huma.Register(api, op("flow-stats", http.MethodGet, "/flows/{id}/stats", "Count what each step of a flow did", "flows", 400, 404, 503), c.flowStats)
	huma.Register(api, op("series", http.MethodGet, "/stats/series", "Count executions and errors over time", "operation", 400, 503), c.series)
	huma.Register(api, op("backlog", http.MethodGet, "/stats/backlog", "Count what is open, and how far the runners and the run log are behind", "operation", 503), c.backlog)
}

type flowStatsInput struct {
	ID    string `path:"id" doc:"The flow's ID"`
	Since string `query:"since" doc:"A time (RFC 3339), or how long ago, such as 1h, from its minute on; all that is known when absent"`
}

// FlowCounters is how a flow and its steps went.
type FlowCounters struct {
	Flow       string            `json:"flow"`
	Executions map[string]uint64 `json:"executions" doc:"By status"`
	// Hooks is how many requests were accepted; the trigger's counter.
	Hooks uint64            `json:"hooks" doc:"How many hooks were accepted"`
	Open  map[string]uint64 `json:"open" doc:"What is open now, whenever it was accepted, by status: of a paused flow, what it holds"`
	Steps []StepCounters    `json:"steps" nullable:"false" doc:"Those that did something, by ID"`
	// LatencyMs is from acceptance to the end, exact to 1 %.
	LatencyMs Latency `json:"latencyMs"`
}

// StepCounters counts a step's executions by how the step ended, and its attempts.
type StepCounters struct {
	Step       string            `json:"step"`
	Executions map[string]uint64 `json:"executions" doc:"How many executions the step ended in, and how many it stands in now, by its status; elements of a list count each"`
	Attempts   uint64            `json:"attempts"`
	LatencyMs  Latency           `json:"latencyMs" doc:"Of its attempts, exact to 1 %"`
}

type flowStatsOutput struct{ Body FlowCounters }

// flowStats reads the rollups, but for the steps of what is open.
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
		if since, err = momentOf("since", in.Since, time.Now()); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	out := &flowStatsOutput{FlowCounters{Flow: f.ID, Executions: map[string]uint64{}, Open: map[string]uint64{"waiting": 0, "running": 0}}}
	if err := c.executionCounters(ctx, &out.Body, since); err != nil {
		return nil, c.storeError(err)
	}
	if out.Body.Steps, err = c.stepCounters(ctx, &out.Body, since); err != nil {
		return nil, c.storeError(err)
	}
	return out, nil
}

func (c *Console) executionCounters(ctx context.Context, out *FlowCounters, since time.Time) error {
	rows, err := c.opts.ClickHouse.Query(ctx, `SELECT status, sumIf(executions, minute >= toStartOfMinute(toDateTime(?, 'UTC'))), sum(executions)
		FROM execution_minutes WHERE flow = ? GROUP BY status`, since.Unix(), out.Flow)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var status string
		var n, ever uint64
		if err := rows.Scan(&status, &n, &ever); err != nil {
			return err
		}
		if isOpen(status) {
			out.Open[status] = ever
		}
		if n > 0 {
			out.Executions[status] = n
			out.Hooks += n
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	var quantiles []float64
	err = c.opts.ClickHouse.QueryRow(ctx, `SELECT sum(ended), quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(durations)
		FROM flow_minutes WHERE flow = ? AND minute >= toStartOfMinute(toDateTime(?, 'UTC'))`, out.Flow, since.Unix()).Scan(&out.LatencyMs.Count, &quantiles)
	out.LatencyMs.take(quantiles)
	return err
}

// take sets the percentiles, if there was anything to take them of.
func (l *Latency) take(quantiles []float64) {
	if l.Count > 0 && len(quantiles) == 3 {
		l.P50, l.P95, l.P99 = quantiles[0], quantiles[1], quantiles[2]
	}
}

// lasting are the statuses of steps that a later record may replace: of them
// counts only what is open now.
const lasting = "('retrying', 'waiting', 'unknown', 'running')"

func (c *Console) stepCounters(ctx context.Context, of *FlowCounters, since time.Time) ([]StepCounters, error) {
	steps, at := []StepCounters{}, map[string]int{}
	step := func(id string) *StepCounters {
		i, ok := at[id]
		if !ok {
			i = len(steps)
			at[id] = i
			steps = append(steps, StepCounters{Step: id, Executions: map[string]uint64{}})
		}
		return &steps[i]
	}
	rows, err := c.opts.ClickHouse.Query(ctx, `SELECT step, sumMap(map(status, attempts)), sum(ended), quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(durations)
		FROM step_minutes WHERE flow = ? AND minute >= toStartOfMinute(toDateTime(?, 'UTC')) GROUP BY step ORDER BY step`, of.Flow, since.Unix())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var byStatus map[string]uint64
		var attempts uint64
		var quantiles []float64
		if err := rows.Scan(&id, &byStatus, &attempts, &quantiles); err != nil {
			return nil, err
		}
		s := step(id)
		s.Attempts, s.LatencyMs.Count = attempts, attempts
		s.LatencyMs.take(quantiles)
		for _, status := range []string{"succeeded", "failed", "skipped", "cancelled", "filtered"} {
			if n := byStatus[status]; n > 0 {
				s.Executions[status] = n
			}
		}
	}
	if err := rows.Err(); err != nil || of.Open["waiting"]+of.Open["running"] == 0 {
		return steps, err
	}
	open, err := c.opts.ClickHouse.Query(ctx, `SELECT step, last, count() FROM (
			SELECT step, argMax(status, attempt) AS last FROM steps
			WHERE flow = ? AND toUInt128(execution_id) IN (SELECT toUInt128(id) FROM executions WHERE flow = ? AND status IN ('waiting', 'running')
				AND intDiv(toUInt128(id), 72535549176877750482370560000) IN (
					SELECT toUInt128(intDiv(toUnixTimestamp(minute), 60)) FROM execution_minutes WHERE flow = ? AND status IN ('waiting', 'running')))
			GROUP BY execution_id, step, iteration
		) WHERE last IN `+lasting+` GROUP BY step, last`, of.Flow, of.Flow, of.Flow)
	if err != nil {
		return nil, err
	}
	defer open.Close()
	for open.Next() {
		var id, status string
		var n uint64
		if err := open.Scan(&id, &status, &n); err != nil {
			return nil, err
		}
		step(id).Executions[status] = n
	}
	return steps, open.Err()
}
