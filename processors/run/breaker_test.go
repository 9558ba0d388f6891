package run

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"sluice/connectors"
)

func TestADestinationThatFailsIsLetAloneAndTriedAgain(t *testing.T) {
	var hits atomic.Int32
	var well atomic.Bool
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		if !well.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer target.Close()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }))
	defer other.Close()
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "open"})
	client := withBreakers(&http.Client{}, slog.New(slog.DiscardHandler), gauge)
	call := func(url string) error {
		r, err := http.NewRequestWithContext(t.Context(), "POST", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(r)
		if err == nil {
			res.Body.Close()
		}
		return err
	}
	var held *connectors.Error
	for range 3 * breakerCalls {
		if err := call(target.URL); errors.As(err, &held) {
			break
		}
	}
	if held == nil || !held.Held || held.Sent || held.RetryAfter <= 0 || hits.Load() != breakerCalls {
		t.Fatalf("after %d failures: %+v, want nothing sent after %d", hits.Load(), held, breakerCalls)
	}
	if n := testutil.ToFloat64(gauge); n != 1 {
		t.Errorf("the metric says %v breakers are open, want 1", n)
	}
	for range 2 * breakerCalls {
		if err := call(other.URL); err != nil {
			t.Fatalf("a destination that answers 500 to each request: %v; it is not away", err)
		}
	}
	well.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 10*breakerDelay)
	defer cancel()
	for call(target.URL) != nil {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal("it is well again, and not called")
		}
	}
	for range breakerTrials {
		if err := call(target.URL); err != nil {
			t.Fatal(err)
		}
	}
	if n := testutil.ToFloat64(gauge); n != 0 {
		t.Errorf("the metric says %v breakers are open, want none", n)
	}
}
