package console

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

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
	P50Ms       []float64           `json:"p50Ms" nullable:"false" doc:"Of those that succeeded or failed, 0 where there are none; exact to 1 %"`
	P95Ms       []float64           `json:"p95Ms" nullable:"false"`
	P99Ms       []float64           `json:"p99Ms" nullable:"false"`
	Status      map[string][]uint64 `json:"status" doc:"Executions by status"`
}

type seriesOutput struct{ Body Series }

// seriesSteps are the lengths of steps that people read easily; none is below
// the rollups' minute.
var seriesSteps = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute,
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
	out.Body.P99Ms = make([]float64, n)
	where := &conditions{}
	where.add("minute >= toStartOfMinute(toDateTime(?, 'UTC')) AND minute < toDateTime(?, 'UTC')", since.Unix(), until.Unix())
	from := "minutes"
	if in.Flow != "" {
		where.add("flow = ?", in.Flow)
		from = "flow_minutes"
	}
	at := fmt.Sprintf("toInt64(intDiv(toUnixTimestamp(minute), %d) * %d)", seconds, seconds)
	rows, err := c.opts.ClickHouse.Query(ctx, "SELECT "+at+" AS at, status, sum(executions) FROM execution_minutes"+where.String()+" GROUP BY at, status", where.args...)
	if err != nil {
		return nil, c.storeError(err)
	}
	defer rows.Close()
	for rows.Next() {
		var at int64
		var status string
		var count uint64
		if err := rows.Scan(&at, &status, &count); err != nil {
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
		if status == "failed" {
			out.Body.Errors[i] = count
		}
	}
	if err := rows.Err(); err != nil {
		return nil, c.storeError(err)
	}
	latencies, err := c.opts.ClickHouse.Query(ctx, "SELECT "+at+" AS at, sum(ended), quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(durations) FROM "+from+where.String()+" GROUP BY at", where.args...)
	if err != nil {
		return nil, c.storeError(err)
	}
	defer latencies.Close()
	for latencies.Next() {
		var at int64
		var l Latency
		var quantiles []float64
		if err := latencies.Scan(&at, &l.Count, &quantiles); err != nil {
			return nil, c.storeError(err)
		}
		l.take(quantiles)
		if i, ok := position[at]; ok {
			out.Body.P50Ms[i], out.Body.P95Ms[i], out.Body.P99Ms[i] = l.P50, l.P95, l.P99
		}
	}
	if err := latencies.Err(); err != nil {
		return nil, c.storeError(err)
	}
	return out, nil
}
