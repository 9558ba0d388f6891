package console

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"sluice/schemas"
)

// maxGiven is how many bytes of outcomes a retry may take over.
const maxGiven = 8 << 20

// given is what a retry from a step takes over: the outcomes, in the execution
// that it retries, of the steps of the published version that do not come after
// that step. What failed is not among them, and runs again.
func (c *Console) given(ctx context.Context, id schemas.ExecutionID, flowID, from string) ([]byte, error) {
	version := c.opts.Control.Flow(flowID).Latest()
	if version == nil {
		return nil, problem(http.StatusConflict, "publish it", "flow %q was never published", flowID)
	}
	flow := version.Flow
	start := slices.IndexFunc(flow.Steps, func(s schemas.Step) bool { return s.ID == from })
	if start < 0 {
		return nil, problem(http.StatusBadRequest, "name a step of the version that is published", "flow %q has no step %q", flowID, from)
	}
	again := make([]bool, len(flow.Steps))
	again[start] = true
	for changed := true; changed; { // steps may stand in any order
		changed = false
		for i := range flow.Steps {
			if !again[i] && slices.ContainsFunc(flow.Parents(i), func(p int) bool { return again[p] }) {
				again[i], changed = true, true
			}
		}
	}
	rows, err := c.steps(ctx, id)
	if err != nil {
		return nil, err
	}
	byStep := map[string][]ExecutionStep{}
	for _, row := range rows {
		byStep[row.ID] = append(byStep[row.ID], row) // in the order of their iterations
	}
	list := []schemas.Given{}
	for i := range flow.Steps {
		if step := &flow.Steps[i]; !again[i] {
			if g, ok := takenOver(step, byStep[step.ID]); ok {
				list = append(list, g)
			}
		}
	}
	text, err := json.Marshal(list)
	if err != nil {
		return nil, problem(http.StatusInternalServerError, "", "taking outcomes over: %v", err)
	}
	if len(text) > maxGiven {
		return nil, problem(http.StatusConflict, "retry the whole execution", "the outcomes before step %q have %d bytes, a retry can take over %d", from, len(text), maxGiven)
	}
	return text, nil
}

// takenOver is a step's outcome as a retry takes it over, from its rows.
func takenOver(step *schemas.Step, rows []ExecutionStep) (schemas.Given, bool) {
	g := schemas.Given{Step: step.ID}
	if len(rows) == 0 || rows[0].Uses != step.Uses {
		return g, false // it is new, or something else now
	}
	for _, row := range rows {
		if row.Status != "succeeded" && row.Status != "skipped" {
			return g, false
		}
	}
	g.Status = rows[0].Status
	if g.Status == "skipped" {
		return g, true
	}
	g.Output = rows[0].Output
	// A list without elements has one row, which is no attempt.
	if step.Each != "" && rows[0].Attempt > 0 {
		outputs := make([][]byte, len(rows))
		for i, row := range rows {
			outputs[i] = row.Output
		}
		g.Output = slices.Concat([]byte("["), bytes.Join(outputs, []byte(",")), []byte("]"))
	}
	return g, true
}

type resolveInput struct {
	ID   string `path:"id" doc:"The execution's ID"`
	Body struct {
		Step      string          `json:"step" minLength:"1" doc:"The step's ID"`
		Iteration int             `json:"iteration,omitempty" minimum:"0" doc:"Of a step that runs once per element: which one, from 0"`
		As        string          `json:"as" enum:"retry,succeeded,failed" doc:"retry: try it now; succeeded: it did take effect, with this output; failed: it did not, and is not to be tried again"`
		Output    json.RawMessage `json:"output,omitempty" doc:"The step's output, with succeeded; null when absent"`
		Reason    string          `json:"reason,omitempty" maxLength:"1000" doc:"Why, with failed"`
	}
}

// resolve tells the runner what a person decided about a step.
func (c *Console) resolve(ctx context.Context, in *resolveInput) (*commandOutput, error) {
	id, err := (&executionInput{ID: in.ID}).parse()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	x, err := c.openExecution(ctx, id, "retry it")
	if err != nil {
		return nil, err
	}
	rows, err := c.steps(ctx, id)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(rows, func(s ExecutionStep) bool {
		return s.ID == in.Body.Step && int(s.Iteration) == in.Body.Iteration
	})
	switch {
	case at < 0:
		return nil, problem(http.StatusConflict, "it has not begun, or has another name", "execution %s has no step %q under way", id, in.Body.Step)
	case rows[at].Status != "unknown" && rows[at].Status != "retrying" && rows[at].Status != "waiting":
		return nil, problem(http.StatusConflict, "", "step %q is %s: there is nothing to decide", in.Body.Step, rows[at].Status)
	}
	body, err := json.Marshal(schemas.Resolution{As: in.Body.As, Output: in.Body.Output, Reason: in.Body.Reason})
	if err != nil {
		return nil, problem(http.StatusBadRequest, "send JSON", "the output cannot be read: %v", err)
	}
	h := &schemas.Hook{ID: id, Kind: schemas.KindResolve, Flow: x.Flow, Time: time.Now(), Replay: x.Replay, Step: in.Body.Step, Iteration: in.Body.Iteration, Body: body}
	if err := c.command(ctx, "resolve", h); err != nil {
		return nil, err
	}
	return &commandOutput{Location: "/api/v1/executions/" + id.String(), Body: Accepted{ID: id.String()}}, nil
}
