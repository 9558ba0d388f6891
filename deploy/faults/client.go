package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// senders is how many hooks are sent at once.
const senders = 64

// client sends hooks as senders do: again until there is a 2xx. Its log is the
// first witness.
type client struct {
	http  *http.Client
	edges func() []string
	site  site
	pad   string

	next     atomic.Int64 // the edge that is asked next
	mu       sync.Mutex
	accepted map[string]sent
	tried    map[sent]bool
	crossed  []string // answers that belong to another hook
}

func newClient(edges func() []string, at site) *client {
	return &client{
		http: &http.Client{Timeout: 9 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: senders}}, edges: edges, site: at,
		accepted: map[string]sent{}, tried: map[sent]bool{},
	}
}

// batch is a flow's hooks from one number up to, and without, another.
type batch struct {
	flow     flowKind
	from, to int
}

// load sends hooks of several flows in one order, spread over a time so that
// the scenario's faults fall into it.
func (c *client) load(ctx context.Context, r *rand.Rand, batches []batch, over time.Duration) error {
	type one struct {
		flow flowKind
		n    int
	}
	var order []one
	for _, b := range batches {
		for n := b.from; n < b.to; n++ {
			order = append(order, one{b.flow, n})
		}
	}
	// A flow's own numbers stay in their order.
	r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	next := map[string]int{}
	for _, b := range batches {
		next[b.flow.name] = b.from
	}
	for i := range order {
		name := order[i].flow.name
		order[i].n = next[name]
		next[name]++
	}
	work := make(chan one)
	failed := make(chan error, 1)
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for o := range work {
				if err := c.send(ctx, o.flow, o.n); err != nil {
					select {
					case failed <- err:
					default:
					}
				}
			}
		})
	}
	began := time.Now()
	for i, o := range order {
		if wait := time.Until(began.Add(over * time.Duration(i) / time.Duration(len(order)))); wait > 0 {
			rest(ctx, wait)
		}
		for range o.flow.deliveries(o.n) {
			select {
			case work <- o:
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

// orderOf is the ordering key of a hook.
func orderOf(n int) string { return fmt.Sprintf("k%d", n%7) }

func (c *client) send(ctx context.Context, f flowKind, n int) error {
	s := sent{f.name, n}
	c.mu.Lock()
	c.tried[s] = true
	if f.large > len(c.pad) {
		c.pad = strings.Repeat("x", f.large)
	}
	pad := c.pad
	c.mu.Unlock()
	body := fmt.Sprintf(`{"n":%d,"order":%q}`, n, orderOf(n))
	if f.large > 0 {
		body = fmt.Sprintf(`{"n":%d,"pad":%q}`, n, pad[:f.large])
	}
	last := ""
	for deadline := time.Now().Add(3 * time.Minute); ; {
		edges := c.edges()
		edge := edges[int(c.next.Add(1))%len(edges)]
		id, answer := c.once(ctx, edge, f, n, body)
		if id != "" {
			c.mu.Lock()
			c.accepted[id] = s
			c.mu.Unlock()
			return nil
		}
		last = answer
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("hook %d of %s was not accepted within 3 minutes; the last answer: %s", n, f.name, last)
		}
		rest(ctx, 50*time.Millisecond)
	}
}

// once is one try; no ID: it was not accepted, or nobody knows.
func (c *client) once(ctx context.Context, edge string, f flowKind, n int, body string) (id, answer string) {
	url := fmt.Sprintf("http://%s/hook/%s?n=%d&order=%s", edge, c.site.id(f), n, orderOf(n))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return "", err.Error()
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return "", err.Error()
	}
	defer resp.Body.Close()
	var said struct {
		RequestID string `json:"requestId"`
		N         *int   `json:"n"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil || resp.StatusCode/100 != 2 {
		return "", fmt.Sprint(resp.Status, " ", err)
	}
	id = resp.Header.Get("X-Request-Id")
	if f.replies && said.N != nil && *said.N != n {
		c.mu.Lock()
		c.crossed = append(c.crossed, fmt.Sprintf("reply: hook %d of %s was answered with that of hook %d", n, f.name, *said.N))
		c.mu.Unlock()
	}
	if said.RequestID != "" && said.RequestID != id {
		c.mu.Lock()
		c.crossed = append(c.crossed, fmt.Sprintf("reply: hook %d of %s got the IDs %s and %s", n, f.name, said.RequestID, id))
		c.mu.Unlock()
	}
	return id, ""
}
