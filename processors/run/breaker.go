package run

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/prometheus/client_golang/prometheus"

	"sluice/connectors"
	"sluice/connectors/outgoing"
)

// A destination whose calls fail in a storm is let alone for a while: nothing
// is sent, the executions wait, and no attempt of theirs is spent. Then a few
// calls try it. What counts is that a destination is away or says that it is
// overloaded; an answer that is about one request, such as 500 or 404, does not.
const (
	breakerRate   = 0.8              // of the calls
	breakerCalls  = 50               // at least, so that a trickle spends its attempts as it says
	breakerPeriod = 10 * time.Second // that they are counted over
	breakerDelay  = 2 * time.Second
	breakerTrials = 4 // of which half have to succeed
	maxBreakers   = 10_000
)

// breakers is the outgoing client's transport with a breaker per destination
// (scheme, host and port). It is safe for concurrent use.
type breakers struct {
	next http.RoundTripper
	log  *slog.Logger
	open prometheus.Gauge
	of   sync.Map // destination → *destination
	mu   sync.Mutex
	n    int
}

type destination struct {
	circuitbreaker.CircuitBreaker[any]
}

// withBreakers is the client with a breaker per destination.
func withBreakers(client *http.Client, log *slog.Logger, open prometheus.Gauge) *http.Client {
	if client == nil {
		return nil
	}
	with := *client
	next := client.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	with.Transport = &breakers{next: next, log: log, open: open}
	return &with
}

// RoundTrip sends, unless the destination's breaker is open.
func (b *breakers) RoundTrip(r *http.Request) (*http.Response, error) {
	d := b.destination(r.URL.Scheme + "://" + r.URL.Host)
	if d == nil {
		return b.next.RoundTrip(r)
	}
	if !d.TryAcquirePermit() {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, &connectors.Error{
			Kind: connectors.KindNetwork, Held: true, RetryAfter: max(d.RemainingDelay(), breakerDelay/4),
			Message: "too many calls failed there just now: nothing was sent, it is tried again soon",
		}
	}
	res, err := b.next.RoundTrip(r)
	switch {
	case err != nil && errors.Is(r.Context().Err(), context.Canceled):
		if !d.IsClosed() {
			d.RecordFailure() // it was a trial, and gives its place back
		}
	case err != nil:
		kind := outgoing.ErrorOf(err).Kind
		b.record(d, kind == connectors.KindNetwork || kind == connectors.KindTimeout)
	default:
		b.record(d, overloaded(res.StatusCode))
	}
	return res, err
}

func (b *breakers) record(d *destination, failed bool) {
	if failed {
		d.RecordFailure()
	} else {
		d.RecordSuccess()
	}
}

func overloaded(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// destination is a destination's breaker; nil when there are too many.
func (b *breakers) destination(name string) *destination {
	if known, ok := b.of.Load(name); ok {
		return known.(*destination)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if known, ok := b.of.Load(name); ok {
		return known.(*destination)
	}
	if b.n >= maxBreakers {
		// Those that are at peace make room; they are made again when needed.
		b.of.Range(func(key, value any) bool {
			if value.(*destination).IsClosed() {
				b.of.Delete(key)
				b.n--
			}
			return true
		})
		if b.n >= maxBreakers {
			return nil
		}
	}
	d := &destination{circuitbreaker.NewBuilder[any]().
		WithFailureRateThreshold(breakerRate, breakerCalls, breakerPeriod).
		WithDelay(breakerDelay).
		WithSuccessThresholdRatio(breakerTrials/2, breakerTrials).
		OnStateChanged(func(change circuitbreaker.StateChangedEvent) {
			switch {
			case change.OldState == circuitbreaker.ClosedState:
				b.open.Inc()
				b.log.Warn("a destination fails: its executions wait", "destination", name)
			case change.NewState == circuitbreaker.ClosedState:
				b.open.Dec()
				b.log.Info("a destination is well again", "destination", name)
			}
		}).Build()}
	b.of.Store(name, d)
	b.n++
	return d
}
