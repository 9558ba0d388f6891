package mapping

import "time"

// Limits bound one evaluation. A zero field takes its default.
type Limits struct {
	// Timeout ends an evaluation with D1012. Default 2s.
	Timeout time.Duration
	// Depth is how deep evaluations of the expression's parts may nest, the
	// official option "stack"; a recursive function takes about three per call
	// and one that calls itself last takes none. Past it: D1011. Default 3000.
	Depth int
	// Sequence is the length one array may grow to. Past it: D2015.
	// Default 1,000,000.
	Sequence int
	// OutputBytes is the size of one string, and of the result as JSON. Past
	// it: D2016. Default 16 MiB. All strings that one evaluation makes may
	// together have 32 times that, all its arrays 16 times Sequence elements.
	OutputBytes int
	// Runtimes is how many JavaScript runtimes an engine starts at most, each
	// some megabytes; more evaluations at a time wait. Default 2 per CPU.
	Runtimes int
}

const (
	stringWorkFactor   = 32
	sequenceWorkFactor = 16
)
