package run

import (
	"context"
	"sync"
)

// results is where jobs leave what they came to, and what wakes the loop.
type results struct {
	mu    sync.Mutex
	list  []result
	back  []readBack
	reads int                // that ended, of which back is
	wake  context.CancelFunc // ends the poll that the loop is in, or nil
	bell  chan struct{}      // for a drain, which does not poll
	over  bool               // the transaction under way is
}

func (r *results) put(v result) {
	r.mu.Lock()
	r.list = append(r.list, v)
	wake := r.wake
	r.mu.Unlock()
	if wake != nil {
		wake()
	}
	select {
	case r.bell <- struct{}{}:
	default:
	}
}

// land says that the transaction under way is over, and wakes the loop.
func (r *results) land() {
	r.mu.Lock()
	r.over = true
	r.mu.Unlock()
	r.poke()
}

func (r *results) landed() {
	r.mu.Lock()
	r.over = false
	r.mu.Unlock()
}

func (r *results) take() []result {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.list
	r.list = nil
	return list
}

// poke wakes the loop without a result.
func (r *results) poke() {
	r.mu.Lock()
	wake := r.wake
	r.mu.Unlock()
	if wake != nil {
		wake()
	}
}

// arm makes wake the way to end the coming poll; it reports false when there
// is something to do at once.
func (r *results) arm(wake context.CancelFunc) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wake = wake
	return len(r.list) == 0 && len(r.back) == 0 && !r.over
}
