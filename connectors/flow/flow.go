// Package flow is the connector for what a flow does to its own course: it waits, lets pass or ends, calls another flow,
// and writes to the log.
package flow

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"sluice/connectors"
)

// Connector returns the flow connector.
func Connector() connectors.Connector {
	return connectors.Connector{
		Name:    "flow",
		Title:   "Flow",
		Summary: "Waits, filters, calls another flow, or writes to the log.",
		Components: []connectors.Component{
			{
				Name:    "flow/delay",
				Title:   "Delay",
				Summary: "Goes on after a time, or at one. The execution is parked meanwhile and survives restarts.",
				Effect:  connectors.Pure,
				Instant: true,
				Input:   json.RawMessage(delayInput),
				Output:  json.RawMessage(delayOutput),
				Do:      delay,
				Sample:  func() json.RawMessage { return json.RawMessage(`{"until": "2026-01-31T09:00:00Z"}`) },
			},
			{
				Name:    "flow/filter",
				Title:   "Filter",
				Summary: "Goes on where its condition is true; else the execution ends there, with the status filtered.",
				Effect:  connectors.Pure,
				Instant: true,
				Input:   json.RawMessage(filterInput),
				Output:  json.RawMessage(filterOutput),
				Do:      filter,
				Sample:  func() json.RawMessage { return json.RawMessage(`{"passed": true}`) },
			},
			{
				Name:    "flow/call",
				Title:   "Call a flow",
				Summary: "Runs another flow with a body of its own, and waits for its output unless told otherwise.",
				Effect:  connectors.Pure, // the runner writes the call in the transaction that has the caller waiting
				Instant: true,
				Input:   json.RawMessage(callInput),
				Output:  json.RawMessage(callOutput),
				Do:      call,
				Sample: func() json.RawMessage {
					return json.RawMessage(`{"execution": "019cc5d0-7a00-7000-8000-000000000000", "status": "succeeded", "output": {"id": 1}}`)
				},
			},
			{
				Name:    "flow/log",
				Title:   "Log",
				Summary: "Writes a line to the process's log; what it says is on record as the step's output too.",
				Effect:  connectors.Pure,
				Input:   json.RawMessage(logInput),
				Output:  json.RawMessage(logInput),
				Do:      log,
				Sample:  func() json.RawMessage { return json.RawMessage(`{"level": "info", "message": "an order came"}`) },
			},
		},
	}
}

// maxDelay bounds a wait: a year and a day.
const maxDelay = 366 * 24 * time.Hour

const delayInput = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "additionalProperties": false, "minProperties": 1, "maxProperties": 1,
  "x-want": "either for, such as 10m, or until, such as 2026-01-31T09:00:00Z",
  "properties": {
    "for": {"type": "string", "title": "For", "description": "how long, such as 10s, 5m or 24h", "pattern": "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$", "examples": ["10m"]},
    "until": {"type": "string", "title": "Until", "description": "a time such as 2026-01-31T09:00:00Z", "format": "date-time", "examples": ["2026-01-31T09:00:00Z"]}
  }
}`

const delayOutput = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "required": ["until"],
  "properties": {"until": {"type": "string", "title": "Until", "format": "date-time"}}
}`

func delay(ctx context.Context, env connectors.Env, c connectors.Call) (connectors.Result, error) {
	if err := ctx.Err(); err != nil {
		return connectors.Result{}, connectors.AsError(err)
	}
	var in struct{ For, Until string }
	if err := json.Unmarshal(c.Input, &in); err != nil {
		return connectors.Result{}, connectors.BadInput("reading the delay: %s", err)
	}
	now := env.Clock()
	until, err := time.Parse(time.RFC3339, in.Until)
	if in.For != "" {
		var d time.Duration
		d, err = time.ParseDuration(in.For)
		until = now.Add(d)
	}
	switch {
	case err != nil:
		return connectors.Result{}, connectors.BadInput("the delay is neither a duration such as 10m nor a time such as 2026-01-31T09:00:00Z")
	case until.Sub(now) > maxDelay:
		return connectors.Result{}, connectors.BadInput("the delay ends in more than 366 days")
	case !until.After(now):
		return connectors.Result{Output: output(map[string]any{"until": until.UTC().Format(time.RFC3339Nano)})}, nil
	}
	return connectors.Result{Wait: &connectors.Wait{Until: until}}, nil
}

const filterInput = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "additionalProperties": false,
  "properties": {"pass": {"title": "Pass", "description": "Where this is true the flow goes on; a missing value, false, 0, an empty text, list or object is not", "examples": ["=body.amount > 100"]}}
}`

const filterOutput = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "required": ["passed"],
  "properties": {"passed": {"type": "boolean", "title": "Passed"}}
}`

func filter(ctx context.Context, _ connectors.Env, c connectors.Call) (connectors.Result, error) {
	if err := ctx.Err(); err != nil {
		return connectors.Result{}, connectors.AsError(err)
	}
	var in struct{ Pass any }
	d := json.NewDecoder(bytes.NewReader(c.Input))
	d.UseNumber()
	if err := d.Decode(&in); err != nil {
		return connectors.Result{}, connectors.BadInput("reading the filter: %s", err)
	}
	passed := truthy(in.Pass)
	return connectors.Result{Output: output(map[string]any{"passed": passed}), Filtered: !passed}, nil
}

// truthy is JSONata's $boolean.
func truthy(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case string:
		return v != ""
	case json.Number:
		f, err := v.Float64()
		return err != nil || f != 0
	case []any:
		for _, item := range v {
			if truthy(item) {
				return true
			}
		}
	case map[string]any:
		return len(v) > 0
	}
	return false
}

const callInput = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "additionalProperties": false, "required": ["flow"],
  "properties": {
    "flow": {"type": "string", "title": "Flow", "description": "the ID of a flow that runs", "minLength": 1, "maxLength": 64},
    "body": {"title": "Body", "description": "What the flow gets as its body; any JSON value"},
    "wait": {"type": "boolean", "title": "Wait", "description": "Wait for the flow's end; its output, that of its last step, is then this step's", "default": true},
    "timeout": {"type": "string", "title": "Timeout", "description": "how long to wait, such as 1h; the step fails then, and the called flow goes on", "pattern": "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$", "default": "24h"}
  }
}`

const callOutput = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "required": ["execution"],
  "properties": {
    "execution": {"type": "string", "title": "Execution", "description": "The execution of the called flow"},
    "status": {"type": "string", "title": "Status", "description": "How it ended: succeeded, filtered or duplicate"},
    "output": {"title": "Output", "description": "The output of its last step"}
  }
}`

func call(ctx context.Context, env connectors.Env, c connectors.Call) (connectors.Result, error) {
	if err := ctx.Err(); err != nil {
		return connectors.Result{}, connectors.AsError(err)
	}
	in := struct {
		Flow    string
		Body    json.RawMessage
		Wait    bool
		Timeout string
	}{Wait: true, Timeout: "24h"}
	if err := json.Unmarshal(c.Input, &in); err != nil {
		return connectors.Result{}, connectors.BadInput("reading the call: %s", err)
	}
	wait := &connectors.Wait{Call: &connectors.FlowCall{Flow: in.Flow, Body: in.Body, Detached: !in.Wait}}
	if in.Wait {
		d, err := time.ParseDuration(in.Timeout)
		if err != nil || d <= 0 || d > maxDelay {
			return connectors.Result{}, connectors.BadInput("the timeout is no duration such as 1h, of at most 366 days")
		}
		wait.Until = env.Clock().Add(d)
	}
	return connectors.Result{Wait: wait}, nil
}

const logInput = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "additionalProperties": false, "required": ["message"],
  "properties": {
    "level": {"type": "string", "title": "Level", "enum": ["debug", "info", "warn", "error"], "default": "info"},
    "message": {"title": "Message", "description": "A text, or any value"}
  }
}`

// maxLogged is the longest line that is written, in bytes.
const maxLogged = 4 << 10

func log(ctx context.Context, env connectors.Env, c connectors.Call) (connectors.Result, error) {
	if err := ctx.Err(); err != nil {
		return connectors.Result{}, connectors.AsError(err)
	}
	in := struct {
		Level   slog.Level
		Message json.RawMessage
	}{}
	if err := json.Unmarshal(c.Input, &in); err != nil {
		return connectors.Result{}, connectors.BadInput("reading what to log: %s", err)
	}
	text := string(in.Message)
	_ = json.Unmarshal(in.Message, &text) // anything but a text is logged as JSON
	env.Logger().Log(ctx, in.Level, "flow", "message", text[:min(len(text), maxLogged)])
	return connectors.Result{Output: bytes.Clone(c.Input)}, nil
}

func output(v map[string]any) json.RawMessage {
	b, _ := json.Marshal(v) // plain values: cannot fail
	return b
}
