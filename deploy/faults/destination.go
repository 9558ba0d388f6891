package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// destination is the system that flows call: it writes down every request in
// the order they come, and behaves as it is told.
type destination struct {
	server *http.Server
	url    string

	mu   sync.Mutex
	hits []hit
	mood mood
	turn int
}

// mood is how a destination answers.
type mood string

const (
	well     mood = "well"
	slow     mood = "slow"     // 50 ms
	hanging  mood = "hanging"  // nothing for 2 s, then 503
	flapping mood = "flapping" // every other request 500
	busy     mood = "busy"     // two of three 429 with Retry-After
)

func newDestination() (*destination, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &destination{url: "http://" + l.Addr().String(), mood: well}
	d.server = &http.Server{Handler: d, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = d.server.Serve(l) }()
	return d, nil
}

func (d *destination) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	var body struct {
		N     int
		Order string `json:"order"`
	}
	_ = json.Unmarshal(raw, &body)
	d.mu.Lock()
	d.turn++
	status, wait := http.StatusOK, time.Duration(0)
	switch d.mood {
	case slow:
		wait = 50 * time.Millisecond
	case hanging:
		status, wait = http.StatusServiceUnavailable, 2*time.Second
	case flapping:
		if d.turn%2 == 0 {
			status = http.StatusInternalServerError
		}
	case busy:
		if d.turn%3 != 0 {
			status = http.StatusTooManyRequests
		}
	}
	d.hits = append(d.hits, hit{flow: r.URL.Query().Get("flow"), step: r.URL.Query().Get("step"), key: r.Header.Get("Idempotency-Key"),
		n: body.N, order: body.Order, ok: status == http.StatusOK})
	d.mu.Unlock()
	time.Sleep(wait) // how slow the destination is
	if status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", strconv.Itoa(1))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"ok":true}`)
}

func (d *destination) set(m mood) {
	d.mu.Lock()
	d.mood = m
	d.mu.Unlock()
}

func (d *destination) seen() []hit {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]hit(nil), d.hits...)
}

func (d *destination) close() { _ = d.server.Close() }
