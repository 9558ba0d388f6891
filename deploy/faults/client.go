package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// client sends hooks as senders do: again until there is a 2xx. Its log is the
// first witness.
type client struct {
	http  *http.Client
	edges func() []string

	next     atomic.Int64 // the edge that is asked next
	mu       sync.Mutex
	accepted map[string]sent
	tried    map[sent]bool
}

func newClient(edges func() []string) *client {
	return &client{http: &http.Client{Timeout: 8 * time.Second}, edges: edges, accepted: map[string]sent{}, tried: map[sent]bool{}}
}

// load sends hooks of every flow with several senders, at a rate that lets the
// scenario's faults fall into it.
func (c *client) load(ctx context.Context, flows []flowKind, hooks int, over time.Duration) error {
	work := make(chan sent)
	failed := make(chan error, 1)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for s := range work {
				if err := c.send(ctx, s, flows); err != nil {
					select {
					case failed <- err:
					default:
					}
				}
			}
		})
	}
	began := time.Now()
	total := hooks * len(flows)
	for i := range total {
		due := began.Add(over * time.Duration(i) / time.Duration(total))
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		}
		f := flows[i%len(flows)]
		n := i / len(flows)
		for range f.deliveries(n) {
			select {
			case work <- sent{f.id, n}:
			case <-ctx.Done():
			}
		}
	}
	close(work)
	wg.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return ctx.Err()
	}
}

func (c *client) send(ctx context.Context, s sent, flows []flowKind) error {
	c.mu.Lock()
	c.tried[s] = true
	c.mu.Unlock()
	body := fmt.Sprintf(`{"n":%d,"order":"k%d"}`, s.n, s.n%7)
	for deadline := time.Now().Add(3 * time.Minute); ; {
		edges := c.edges()
		edge := edges[int(c.next.Add(1))%len(edges)]
		if id := c.once(ctx, edge, s.flow, body); id != "" {
			c.mu.Lock()
			c.accepted[id] = s
			c.mu.Unlock()
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("hook %d of %s was not accepted within 3 minutes", s.n, s.flow)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// once is one try; empty: it was not accepted, or nobody knows.
func (c *client) once(ctx context.Context, edge, flow, body string) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+edge+"/hook/"+flow, strings.NewReader(body))
	if err != nil {
		return ""
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	var answer struct {
		RequestID string `json:"requestId"`
	}
	if resp.StatusCode/100 != 2 || json.NewDecoder(resp.Body).Decode(&answer) != nil {
		return ""
	}
	return answer.RequestID
}
