package conntest

import (
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
)

// Destination is a target on a loopback port which counts what reaches it and misbehaves on demand. It is safe for
// concurrent use.
type Destination struct {
	URL string

	server *httptest.Server

	mu       sync.Mutex
	answer   http.HandlerFunc
	faults   []http.HandlerFunc
	received []Received
	byKey    map[string]int
	arrived  chan struct{}
}

// Received is one request as it arrived.
type Received struct {
	Method string
	Path   string
	Query  string // raw
	Header http.Header
	Body   []byte
}

// NewDestination starts a destination that answers 200 {"ok":true} and ends with the test.
func NewDestination(t testing.TB) *Destination {
	d := &Destination{byKey: map[string]int{}, arrived: make(chan struct{}, 1<<16)}
	d.server = httptest.NewServer(http.HandlerFunc(d.serve))
	d.URL = d.server.URL
	t.Cleanup(func() {
		d.server.CloseClientConnections() // a hung request must not hold the end of the test
		d.server.Close()
	})
	return d
}

// Answer sets what a healthy target answers. Nil means 200 {"ok":true}.
func (d *Destination) Answer(h http.HandlerFunc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer = h
}

// Fault makes the next n requests be answered by h instead.
func (d *Destination) Fault(n int, h http.HandlerFunc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = nil
	for range n {
		d.faults = append(d.faults, h)
	}
}

// Reset forgets what was received and every fault to come.
func (d *Destination) Reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults, d.received = nil, nil
	clear(d.byKey)
	for len(d.arrived) > 0 {
		<-d.arrived
	}
}

// Received returns what arrived, in order.
func (d *Destination) Received() []Received {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.received)
}

// ByKey returns how many requests came with each Idempotency-Key, "" for those without.
func (d *Destination) ByKey() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.byKey)
}

// Arrived gets a value for each request, once its body was read.
func (d *Destination) Arrived() <-chan struct{} { return d.arrived }

func (d *Destination) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	d.mu.Lock()
	d.received = append(d.received, Received{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Clone(), body})
	d.byKey[r.Header.Get("Idempotency-Key")]++
	h := d.answer
	if len(d.faults) > 0 {
		h, d.faults = d.faults[0], d.faults[1:]
	}
	d.mu.Unlock()
	select {
	case d.arrived <- struct{}{}:
	default:
	}
	if h == nil {
		h = JSON(http.StatusOK, `{"ok":true}`)
	}
	h(w, r)
}

// JSON answers with a status and a JSON text.
func JSON(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

// Hang never answers; it ends when the client is gone.
func Hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// Cut breaks the connection without an answer.
func Cut(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// Reset breaks the connection the hard way: the client's read fails instead of finding the end.
func Reset(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// Flood answers without end, until the client is gone.
func Flood(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	chunk := make([]byte, 64<<10)
	for i := range chunk {
		chunk[i] = ' '
	}
	for r.Context().Err() == nil {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}
