package run

import (
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/connectors"
	"sluice/schemas"
)

// A step without a policy of its own has this one. The last attempt is about
// a minute and a half after the first.
const (
	defaultAttempts = 5
	defaultInitial  = time.Second
	defaultFactor   = 3
	defaultMax      = 5 * time.Minute
	defaultJitter   = 0.2
	// maxRetryAfter caps what a destination may ask for.
	maxRetryAfter = time.Hour
)

var defaultRetryOn = []string{"network", "408", "425", "429", "5xx"}

// retryPolicy is a step's schemas.Retry with the defaults filled in.
type retryPolicy struct {
	attempts     int32
	initial, max time.Duration
	factor       float64
	jitter       float64
	maxAge       time.Duration // 0: no limit
	on           []string
}

func newRetryPolicy(r *schemas.Retry) retryPolicy {
	p := retryPolicy{defaultAttempts, defaultInitial, defaultMax, defaultFactor, defaultJitter, 0, defaultRetryOn}
	if r == nil {
		return p
	}
	if r.Attempts > 0 {
		p.attempts = int32(r.Attempts)
	}
	if r.Initial > 0 {
		p.initial = time.Duration(r.Initial)
	}
	if r.Max > 0 {
		p.max = time.Duration(r.Max)
	}
	if r.Factor > 0 {
		p.factor = r.Factor
	}
	if r.Jitter != nil {
		p.jitter = *r.Jitter
	}
	p.maxAge = time.Duration(r.MaxAge)
	if r.On != nil {
		p.on = nil
		for _, v := range r.On {
			switch v := v.(type) {
			case string:
				p.on = append(p.on, strings.ToLower(v))
			case float64: // how JSON has a status
				p.on = append(p.on, strconv.Itoa(int(v)))
			}
		}
	}
	return p
}

// retries says whether a failure is one of those that the policy retries.
func (p *retryPolicy) retries(e *connectors.Error) bool {
	if e.Retry == connectors.RetryNever {
		return false
	}
	if e.HTTPStatus > 0 {
		status := strconv.Itoa(e.HTTPStatus)
		return slices.ContainsFunc(p.on, func(on string) bool {
			from, to, isRange := strings.Cut(on, "-")
			return on == status || on == status[:1]+"xx" || isRange && from <= status && status <= to
		})
	}
	switch e.Kind {
	case connectors.KindNetwork, connectors.KindInternal:
		return slices.Contains(p.on, "network")
	case connectors.KindTimeout:
		return slices.Contains(p.on, "network") || slices.Contains(p.on, "timeout")
	}
	return slices.Contains(p.on, string(e.Kind))
}

// next says how long to wait before the attempt after number, and whether
// there is one. The step's first attempt was age ago. The jitter is drawn from
// the key, which no two steps share, so that a repeat decides the same.
func (p *retryPolicy) next(key string, number int32, age time.Duration, e *connectors.Error) (time.Duration, bool) {
	if number >= p.attempts || !p.retries(e) {
		return 0, false
	}
	delay := float64(p.initial) * math.Pow(p.factor, float64(number-1))
	delay = min(delay, float64(p.max))
	delay *= 1 + p.jitter*(2*fraction(key, number)-1)
	wait := max(time.Duration(delay), min(e.RetryAfter, maxRetryAfter))
	if p.maxAge > 0 && age+wait > p.maxAge {
		return 0, false
	}
	return wait, true
}

// fraction is a number in [0, 1) that looks random and is the same each time.
func fraction(key string, number int32) float64 {
	h := fnv.New64a()
	h.Write([]byte(key))
	h.Write([]byte{byte(number), byte(number >> 8)})
	x := h.Sum64()
	x ^= x >> 33 // FNV's high bits alone vary too little over one last byte
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return float64(x>>11) / (1 << 53)
}
