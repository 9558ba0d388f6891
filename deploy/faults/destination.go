package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// destination is the system that flows call: it writes down every request in
// the order they come, behaves as it is told, and calls callback URLs.
type destination struct {
	server *http.Server
	url    string
	edges  func() []string // which take callbacks

	mu   sync.Mutex
	hits []hit
	mood mood
	turn int

	calls sync.WaitGroup
	ended chan struct{}
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

func newDestination(edges func() []string) (*destination, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &destination{url: "http://" + l.Addr().String(), mood: well, edges: edges, ended: make(chan struct{})}
	d.server = &http.Server{Handler: d, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = d.server.Serve(l) }()
	return d, nil
}

func (d *destination) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return // its sender was killed in the middle of it: nothing was asked for
	}
	var body struct {
		N, Item, Size, Called, Told int
		Callback                    string
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
	h := hit{flow: r.URL.Query().Get("flow"), step: r.URL.Query().Get("step"), key: r.Header.Get("Idempotency-Key"),
		n: body.N, item: body.Item, size: body.Size, called: body.Called, told: body.Told, ok: status == http.StatusOK, at: time.Now(),
		request: hashOf(r.Method, r.URL.RequestURI(), string(raw))}
	d.hits = append(d.hits, h)
	d.mu.Unlock()
	if body.Callback != "" && h.ok {
		if body.N%3 == 0 {
			d.callBackEarly(body.Callback, body.N)
		} else {
			d.calls.Go(func() { d.callBack(body.Callback, body.N, 1+body.N%2) })
		}
	}
	select {
	case <-time.After(wait): // how slow the destination is
	case <-r.Context().Done():
	}
	if status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", strconv.Itoa(1))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"ok":true}`)
}

func hashOf(of ...string) uint64 {
	h := fnv.New64a()
	for _, one := range of {
		_, _ = io.WriteString(h, one+"\x00")
	}
	return h.Sum64()
}

// done is how many requests under different keys were answered with success.
func (d *destination) done() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	keys := map[string]bool{}
	for _, h := range d.hits {
		if h.ok {
			keys[h.key] = true
		}
	}
	return len(keys)
}

// early is how long an answer waits for the callback before it: well within
// what a step waits for an answer.
const early = time.Second

// callBackEarly calls a callback URL before the request that brought it is
// answered, or after it when no edge takes it soon: an answer that came too late
// would be a reason to ask again.
func (d *destination) callBackEarly(callback string, n int) {
	taken := make(chan struct{})
	d.calls.Go(func() {
		d.callBack(callback, n, 1)
		close(taken)
	})
	select {
	case <-taken:
	case <-time.After(early):
	}
}

// callBack calls a callback URL through one edge after the other until one
// takes it; some callers do it twice.
func (d *destination) callBack(callback string, n, times int) {
	u, err := url.Parse(callback)
	if err != nil {
		return
	}
	client := &http.Client{Timeout: 3 * time.Second}
	for try := 0; times > 0; try++ {
		edges := d.edges()
		body := bytes.NewReader(fmt.Appendf(nil, `{"n":%d}`, n))
		resp, err := client.Post("http://"+edges[try%len(edges)]+u.Path, "application/json", body)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode/100 == 2 || resp.StatusCode == http.StatusGone {
				times--
				continue
			}
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-d.ended:
			return
		}
	}
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

func (d *destination) close() {
	close(d.ended)
	_ = d.server.Close()
	d.calls.Wait()
}
