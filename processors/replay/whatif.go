package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/connectors"
	"sluice/schemas"
	"sluice/schemas/records"
)

// Where the answer of a simulated effect is from.
const (
	onRecord     = schemas.FromRecord
	wouldCall    = "would call"           // the call is not on record
	withRecorded = "would call, recorded" // and it goes on with what the step gave then
	withSample   = "would call, sample"   // and it goes on with the component's sample
)

// trials is how many executions are simulated side by side.
const trials = 2

// maxDetail is the largest detail that is kept of one execution.
const maxDetail = 1 << 20

// whatIf tries a replay's hooks without an effect, and writes what would be
// otherwise. It goes on behind the rows that are there.
func (d *Driver) whatIf(ctx context.Context, r *schemas.ReplayEntry) error {
	client, err := kgo.NewClient(d.opts.Kafka...)
	if err != nil {
		return permanent{fmt.Errorf("configuring a Kafka client: %w", err)}
	}
	defer client.Close()
	var done uint64
	if err := d.opts.ClickHouse.QueryRow(ctx, "SELECT count() FROM runlog_differences FINAL WHERE replay = ?", r.ID).Scan(&done); err != nil {
		return fmt.Errorf("reading how far the dry run came: %w", err)
	}
	w := &whatIf{d: d, r: r, simulators: map[string]Simulator{}}
	for from := int64(done) / page * page; from < r.Total; from += page {
		items, err := d.items(ctx, r, from)
		if err != nil {
			return err
		}
		hooks, err := d.hooks(ctx, client, items)
		if err != nil {
			return err
		}
		recorded, err := d.recorded(ctx, idsOf(items))
		if err != nil {
			return err
		}
		rows, err := w.page(ctx, items, hooks, recorded)
		if err != nil {
			return err
		}
		if err := d.writeDifferences(ctx, r.ID, rows); err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
	}
	return nil
}

type whatIf struct {
	d          *Driver
	r          *schemas.ReplayEntry
	simulators map[string]Simulator
}

// difference is a row of the report.
type difference struct {
	item
	flow, was, now string
	detail         detail
}

func (w *whatIf) page(ctx context.Context, items []item, hooks []*schemas.Hook, recorded map[uuid.UUID]*recordedExecution) ([]difference, error) {
	for _, h := range hooks { // compiled once, before the trials share it
		if h != nil {
			if _, err := w.simulator(h.Flow); err != nil {
				return nil, err
			}
		}
	}
	rows := make([]difference, len(items))
	var failed error
	var mu sync.Mutex
	var wg sync.WaitGroup
	for t := range trials {
		wg.Go(func() {
			for i := t; i < len(items); i += trials {
				row, err := w.trial(ctx, items[i], hooks[i], recorded[items[i].id])
				if err != nil {
					mu.Lock()
					failed = errors.Join(failed, err)
					mu.Unlock()
					return
				}
				rows[i] = row
			}
		})
	}
	wg.Wait()
	return rows, failed
}

func (w *whatIf) trial(ctx context.Context, i item, h *schemas.Hook, was *recordedExecution) (difference, error) {
	row := difference{item: i, was: "unknown", now: "unknown"}
	if was != nil {
		row.was = was.status
	}
	switch {
	case h == nil: // neither Kafka nor the run log has it any more
		row.now = "gone"
		return row, nil
	case was == nil || was.status == "waiting" || was.status == "running":
		// There is nothing to compare with yet.
		row.flow, row.now = h.Flow, "not compared"
		return row, nil
	}
	row.flow = h.Flow
	simulator, err := w.simulator(h.Flow)
	if err != nil {
		return row, err
	}
	sim, err := simulator.Simulate(ctx, h, func(step *schemas.Step, input []byte) schemas.Answer {
		return w.answer(was.steps[step.ID], step, input)
	})
	if err != nil {
		return row, fmt.Errorf("simulating execution %s: %w", i.id, err)
	}
	row.now = schemas.StatusName(sim.Status)
	row.detail = compare(was, sim, w.d.isEffect)
	return row, nil
}

// answer is what a simulated effect gets: what is on record, or as much like
// it as there is.
func (w *whatIf) answer(was *recordedStep, step *schemas.Step, input []byte) schemas.Answer {
	known := was.ran() && was.Uses == step.Uses
	if known && sameJSON(was.Input, input) {
		if was.Status == "succeeded" {
			return schemas.Answer{Output: was.Output, Source: onRecord}
		}
		return schemas.Answer{Source: onRecord, Failure: &records.Failure{Kind: was.kind, Message: was.Error, HttpStatus: was.http, Step: step.ID}}
	}
	if known && w.r.Answers != "sample" && was.Status == "succeeded" {
		return schemas.Answer{Output: was.Output, Source: withRecorded}
	}
	if c, ok := w.d.opts.Components.Component(step.Uses); ok && c.Sample != nil {
		return schemas.Answer{Output: c.Sample(), Source: withSample}
	}
	return schemas.Answer{Source: wouldCall}
}

// isEffect: a component that is not known any more may have had one.
func (d *Driver) isEffect(uses string) bool {
	c, ok := d.opts.Components.Component(uses)
	return !ok || c.Effect != connectors.Pure || uses == schemas.ReplyComponent
}

func (w *whatIf) simulator(flow string) (Simulator, error) {
	if s := w.simulators[flow]; s != nil {
		return s, nil
	}
	v, err := w.version(flow)
	if err != nil {
		return nil, permanent{err}
	}
	s, err := w.d.opts.Simulator(flow, v)
	if err != nil {
		return nil, permanent{fmt.Errorf("flow %s cannot be run here: %w", flow, err)}
	}
	w.simulators[flow] = s
	return s, nil
}

func (w *whatIf) version(flow string) (*schemas.FlowVersion, error) {
	if w.r.Flow != nil {
		return &schemas.FlowVersion{Document: w.r.Document, Flow: w.r.Flow}, nil
	}
	entry := w.d.opts.Control.Flow(flow)
	if entry == nil || entry.Latest() == nil {
		return nil, fmt.Errorf("flow %s was never published", flow)
	}
	if n := pinned(w.r.Version); n > 0 {
		if v := entry.Version(n); v != nil {
			return v, nil
		}
		return nil, fmt.Errorf("flow %s has no version %d", flow, n)
	}
	return entry.Latest(), nil
}

// recorded reads what happened to executions.
func (d *Driver) recorded(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*recordedExecution, error) {
	found := make(map[uuid.UUID]*recordedExecution, len(ids))
	rows, err := d.opts.ClickHouse.Query(ctx, "SELECT id, status, error, error_step FROM executions WHERE id IN ?", ids)
	if err != nil {
		return nil, fmt.Errorf("reading what happened: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id uuid.UUID
		x := &recordedExecution{steps: map[string]*recordedStep{}}
		if err := rows.Scan(&id, &x.status, &x.failure, &x.failureStep); err != nil {
			return nil, fmt.Errorf("reading what happened: %w", err)
		}
		found[id] = x
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading what happened: %w", err)
	}
	steps, err := d.opts.ClickHouse.Query(ctx, `SELECT execution_id, step, iteration, uses, status, input, output, error, error_kind, http_status
		FROM steps WHERE execution_id IN ? ORDER BY execution_id, step, iteration, attempt`, ids)
	if err != nil {
		return nil, fmt.Errorf("reading what the steps did: %w", err)
	}
	defer steps.Close()
	for steps.Next() {
		var id uuid.UUID
		var step, input, output string
		var status uint16
		var iteration int32
		s := &recordedStep{}
		if err := steps.Scan(&id, &step, &iteration, &s.Uses, &s.Status, &input, &output, &s.Error, &s.kind, &status); err != nil {
			return nil, fmt.Errorf("reading what the steps did: %w", err)
		}
		s.Input, s.Output, s.http = document(input), document(output), int32(status)
		if iteration > 0 { // as the simulator names it
			step = fmt.Sprintf("%s[%d]", step, iteration)
		}
		if x := found[id]; x != nil {
			x.steps[step] = s // the last attempt counts
		}
	}
	if err := steps.Err(); err != nil {
		return nil, fmt.Errorf("reading what the steps did: %w", err)
	}
	return found, nil
}

// document is what the run log keeps of an input or output: JSON, or nothing.
func document(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}

func (d *Driver) writeDifferences(ctx context.Context, replay string, rows []difference) error {
	batch, err := d.opts.ClickHouse.PrepareBatch(ctx, "INSERT INTO runlog_differences (replay, n, execution_id, flow, was, now, kinds, groups, detail)")
	if err != nil {
		return err
	}
	defer batch.Close()
	for _, row := range rows {
		kinds, groups, text := []string{}, []string{}, ""
		for _, x := range row.detail.Differences {
			kinds, groups = append(kinds, x.Kind), append(groups, x.Group)
		}
		if len(kinds) > 0 {
			raw, err := json.Marshal(row.detail)
			if err == nil && len(raw) > maxDetail {
				short := row.detail
				short.Steps = nil // the executions themselves have them
				raw, err = json.Marshal(short)
			}
			if err != nil {
				return err
			}
			text = string(raw)
		}
		if err := batch.Append(replay, row.n, row.id, row.flow, row.was, row.now, kinds, groups, text); err != nil {
			return err
		}
	}
	return batch.Send()
}
