package ingest

import (
	"context"

	"sluice/schemas"
)

// sealRecord seals a record of an erasable flow with a key of its own, which
// is durable before the hook is. It takes memory of its own: who wants to erase
// pays for it, and nobody else.
func (e *Edge) sealRecord(d *delivery) *refusal {
	ctx, cancel := context.WithTimeout(context.Background(), e.options.DeliveryTimeout)
	defer cancel()
	h, err := schemas.ParseHook(&d.record)
	if err == nil {
		h.Key, err = e.options.Keys.New(ctx)
	}
	if err == nil {
		h, err = e.options.Keys.SealHook(h)
	}
	if err != nil {
		e.log.Error("sealing a hook of an erasable flow", "error", err)
		return unavailable
	}
	sealed, err := h.Record()
	if err != nil {
		e.log.Error("sealing a hook of an erasable flow", "error", err)
		return unavailable
	}
	d.record = *sealed
	return nil
}
