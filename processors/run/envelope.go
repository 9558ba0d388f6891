package run

import (
	"sluice/connectors/mapping"
	"sluice/schemas"
)

// Envelope is a hook as expressions see it: body, query, headers, method, path
// and files. The hook's body must be in the hook itself.
func Envelope(h *schemas.Hook) *mapping.Object { return newScope(h, false) }
