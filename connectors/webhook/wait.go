package webhook

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"sluice/connectors"
)

const (
	defaultWait = 24 * time.Hour
	maxWait     = 366 * 24 * time.Hour
)

// waitInput is the schema of webhook/wait's settings.
const waitInput = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "additionalProperties": false,
  "properties": {
    "timeout": {"type": "string", "title": "Timeout", "description": "how long to wait, such as 48h, at most 366 days; then the flow goes on with timedOut true", "pattern": "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$", "default": "24h"}
  }
}`

const waitOutput = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "required": ["timedOut"],
  "properties": {
    "timedOut": {"type": "boolean", "title": "Timed out", "description": "true where nobody called in time; there is nothing else then"},
    "method": {"type": "string", "title": "Method"},
    "query": {"type": "object", "title": "Query"},
    "headers": {"type": "object", "title": "Headers", "description": "Names in lower case, without those that authenticate"},
    "body": {"title": "Body", "description": "JSON or a form as a value; other text as text"}
  }
}`

// wait parks the execution until its callback URL is called.
func wait(ctx context.Context, env connectors.Env, call connectors.Call) (connectors.Result, error) {
	if err := ctx.Err(); err != nil {
		return connectors.Result{}, connectors.AsError(err)
	}
	var in struct{ Timeout string }
	if err := json.Unmarshal(call.Input, &in); err != nil {
		return connectors.Result{}, connectors.BadInput("reading the wait: %s", err)
	}
	d, err := time.ParseDuration(cmp.Or(in.Timeout, defaultWait.String()))
	if err != nil || d > maxWait {
		return connectors.Result{}, connectors.BadInput("the timeout is no duration such as 48h, of at most 366 days")
	}
	return connectors.Result{
		// What the step gives unless it is called; the runner has the same.
		Output: json.RawMessage(`{"timedOut": true}`),
		Wait:   &connectors.Wait{Until: env.Clock().Add(d), Callback: true},
	}, nil
}
