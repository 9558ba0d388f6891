package ingest

import (
	"sluice/schemas/bodies"
)

// checkBody checks that a body is what its content type says. The raw bytes
// are kept whatever they are; parsing is the reader's own view of them, by the
// code that checks here. No body at all is right for every type.
func (e *Edge) checkBody(r *request) *refusal {
	if r.upload != nil {
		return r.upload.fault
	}
	if fault := r.kind.CheckBytes(r.body, e.limits()); fault != nil {
		return malformed(fault)
	}
	return nil
}

func (e *Edge) limits() bodies.Limits {
	limits := bodies.DefaultLimits
	limits.Depth = e.options.MaxDepth
	return limits
}

func malformed(f *bodies.Fault) *refusal {
	return &refusal{status: 400, reason: ReasonMalformed, line: f.Line, column: f.Column, detail: f.Error()}
}

// atHand is the body, when all of it is in memory.
func (r *request) atHand() []byte {
	if r.upload != nil {
		return r.upload.small()
	}
	return r.body
}

// size is the body's, decoded, in bytes, or what of it was read.
func (r *request) size() int {
	if r.upload != nil {
		return int(r.upload.size)
	}
	return len(r.body)
}
