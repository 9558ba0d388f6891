// Package load sends HTTP requests to a server on this machine: as fast as
// answers come (Closed), or at a constant rate whatever the answers do (Open).
package load

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// Target is what is sent where.
type Target struct {
	URL    string // on a loopback address
	Body   []byte
	Header map[string]string
	// Numbered is a header that has another value each time, or empty.
	Numbered string
}

var number atomic.Int64

// Result is what came back.
type Result struct {
	OK, Failed int
	Took       time.Duration
	// Latencies of the requests that were answered 2xx, sorted. In an open
	// loop they count from when the request was due, not from when it was
	// sent, so that a server that stalls does not hide its own queue.
	Latencies []time.Duration
}

// PerSecond is how many requests a second were answered 2xx.
func (r Result) PerSecond() float64 { return float64(r.OK) / r.Took.Seconds() }

// Quantile is the latency that a share q of the requests stayed within.
func (r Result) Quantile(q float64) time.Duration {
	if len(r.Latencies) == 0 {
		return 0
	}
	return r.Latencies[min(int(q*float64(len(r.Latencies))), len(r.Latencies)-1)]
}

// Closed has conns senders send one request after the other for d.
func Closed(t Target, conns int, d time.Duration) (Result, error) {
	end := time.Now().Add(d)
	return t.run(conns, func(int) (time.Time, bool) {
		now := time.Now()
		return now, now.Before(end)
	})
}

// Count has conns senders send n requests in all, one after the other.
func Count(t Target, conns, n int) (Result, error) {
	var sent atomic.Int64
	return t.run(conns, func(int) (time.Time, bool) { return time.Now(), sent.Add(1) <= int64(n) })
}

// Open sends rate requests a second for d, each when it is due. conns bounds
// how many are under way: what is due and cannot be sent waits, and its
// waiting counts.
func Open(t Target, rate float64, d time.Duration, conns int) (Result, error) {
	total := int64(rate * d.Seconds())
	began := time.Now()
	var next atomic.Int64
	return t.run(conns, func(int) (time.Time, bool) {
		n := next.Add(1) - 1
		if n >= total {
			return time.Time{}, false
		}
		due := began.Add(time.Duration(float64(n) / rate * float64(time.Second)))
		time.Sleep(time.Until(due))
		return due, true
	})
}

// run has conns senders send whenever next says so, from the time it gives.
func (t Target) run(conns int, next func(sender int) (from time.Time, more bool)) (Result, error) {
	if err := t.check(); err != nil {
		return Result{}, err
	}
	client := &fasthttp.Client{MaxConnsPerHost: conns + 8, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second,
		MaxIdemponentCallAttempts: 1, NoDefaultUserAgentHeader: true}
	defer client.CloseIdleConnections()
	parts := make([]Result, conns)
	began := time.Now()
	var wg sync.WaitGroup
	for i := range parts {
		wg.Go(func() {
			req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
			defer fasthttp.ReleaseRequest(req)
			defer fasthttp.ReleaseResponse(resp)
			req.SetRequestURI(t.URL)
			req.Header.SetMethod("POST")
			for k, v := range t.Header {
				req.Header.Set(k, v)
			}
			for {
				from, more := next(i)
				if !more {
					return
				}
				req.SetBodyRaw(t.Body)
				if t.Numbered != "" {
					req.Header.Set(t.Numbered, strconv.FormatInt(number.Add(1), 10))
				}
				if err := client.Do(req, resp); err != nil || resp.StatusCode()/100 != 2 {
					parts[i].Failed++
					continue
				}
				parts[i].OK++
				parts[i].Latencies = append(parts[i].Latencies, time.Since(from))
			}
		})
	}
	wg.Wait()
	sum := Result{Took: time.Since(began)}
	for _, p := range parts {
		sum.OK, sum.Failed = sum.OK+p.OK, sum.Failed+p.Failed
		sum.Latencies = append(sum.Latencies, p.Latencies...)
	}
	slices.Sort(sum.Latencies)
	return sum, nil
}

// check refuses a target on another machine.
func (t Target) check() error {
	var u fasthttp.URI
	if err := u.Parse(nil, []byte(t.URL)); err != nil {
		return fmt.Errorf("reading the target: %w", err)
	}
	host, _, err := net.SplitHostPort(string(u.Host()))
	if err != nil {
		return fmt.Errorf("reading the target: %w", err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("the target is %s: load goes to this machine alone", host)
	}
	return nil
}
