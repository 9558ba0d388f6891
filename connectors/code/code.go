// Package code is the connector that runs JavaScript: code/javascript, for what an expression cannot say.
//
// A script is the body of a function of input. It has the language, ES2023 or nearly, and nothing else: no files, no network,
// no timers, no modules. Its time, its memory and the size of what it returns are limited.
package code

import (
	"context"
	"encoding/json"
	"time"

	"sluice/connectors"
)

// Connector returns the code connector.
func Connector() connectors.Connector {
	return connectors.Connector{
		Name:    "code",
		Title:   "Code",
		Summary: "Runs your own JavaScript, without access to anything outside.",
		Components: []connectors.Component{{
			Name:    "code/javascript",
			Title:   "JavaScript",
			Summary: "Runs a script over the input and gives what it returns.",
			Effect:  connectors.Pure,
			Input:   json.RawMessage(inputSchema),
			Output:  json.RawMessage(`{"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "What the script returns", "description": "null when it returns nothing"}`),
			Do:      run,
			Sample:  func() json.RawMessage { return json.RawMessage(`{"total": 42}`) },
		}},
	}
}

const inputSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "required": ["script"], "additionalProperties": false,
  "properties": {
    "script": {"type": "string", "title": "Script", "format": "javascript", "minLength": 1, "maxLength": 262144, "description": "the body of a function of input, which ends with a return", "examples": ["return {total: input.lines.reduce((sum, line) => sum + line.price, 0)}"]},
    "input": {"title": "Input", "description": "What the script sees as input. A number that JavaScript cannot hold exactly comes as text"},
    "timeout": {"type": "string", "title": "Timeout", "description": "a time such as 500ms, at most 30s", "pattern": "^[0-9]{1,6}(ms|s)$", "default": "5s"},
    "memory": {"type": "integer", "title": "Memory", "description": "MiB the script may take, about", "minimum": 1, "maximum": 256, "default": 64}
  }
}`

const (
	standardTime   = 5 * time.Second
	mostTime       = 30 * time.Second
	standardMemory = 64 // MiB
	mostOutput     = 4 << 20
)

type input struct {
	Script  string          `json:"script"`
	Input   json.RawMessage `json:"input"`
	Timeout string          `json:"timeout"`
	Memory  int             `json:"memory"`
}

func run(ctx context.Context, _ connectors.Env, call connectors.Call) (connectors.Result, error) {
	if err := ctx.Err(); err != nil {
		return connectors.Result{}, connectors.AsError(err)
	}
	var in input
	if err := json.Unmarshal(call.Input, &in); err != nil || in.Script == "" {
		return connectors.Result{}, connectors.BadInput("running the script: the input needs a script, as text")
	}
	limit := standardTime
	if in.Timeout != "" {
		asked, err := time.ParseDuration(in.Timeout)
		if err != nil || asked <= 0 {
			return connectors.Result{}, connectors.BadInput("running the script: timeout: write a time such as 500ms")
		}
		limit = min(asked, mostTime)
	}
	if in.Memory <= 0 {
		in.Memory = standardMemory
	}
	if len(in.Input) == 0 {
		in.Input = json.RawMessage("null")
	}
	output, err := execute(ctx, in.Script, in.Input, limit, uint64(in.Memory)<<20)
	return connectors.Result{Output: output}, err
}
