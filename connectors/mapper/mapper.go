// Package mapper is the connector whose one component gives its input as its output: the mapping itself is the step's
// input, which the runner has evaluated.
package mapper

import (
	"bytes"
	"context"
	"encoding/json"

	"sluice/connectors"
)

// Connector returns the mapper connector.
func Connector() connectors.Connector {
	return connectors.Connector{
		Name:    "mapper",
		Title:   "Mapper",
		Summary: "Shapes data for the steps after it.",
		Components: []connectors.Component{{
			Name:    "mapper/map",
			Title:   "Map",
			Summary: "Gives what its expressions make of the data before it.",
			Effect:  connectors.Pure,
			Instant: true,
			Input:   json.RawMessage(`{"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Value", "description": "Fields with values or expressions, or one expression for the whole"}`),
			Output:  json.RawMessage(`{"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Value"}`),
			Do:      same,
		}},
	}
}

func same(ctx context.Context, _ connectors.Env, call connectors.Call) (connectors.Result, error) {
	if err := ctx.Err(); err != nil {
		return connectors.Result{}, connectors.AsError(err)
	}
	if !json.Valid(call.Input) {
		return connectors.Result{}, connectors.BadInput("mapping: the input is not JSON")
	}
	return connectors.Result{Output: bytes.Clone(call.Input)}, nil
}
