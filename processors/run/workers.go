package run

import (
	"sync"
	"sync/atomic"
)

// maxIdle is how many goroutines wait for the next step. More end when they
// have done theirs.
const maxIdle = 256

// workers do steps. A new goroutine per step would grow its stack again each
// time: that was a sixth of what a step costs.
type workers struct {
	next chan func()
	idle atomic.Int32
	once sync.Once
}

// do runs fn on a goroutine of its own, which of counts.
func (w *workers) do(of *sync.WaitGroup, fn func()) {
	of.Add(1)
	job := func() {
		defer of.Done()
		fn()
	}
	select {
	case w.next <- job:
	default:
		go w.work(job)
	}
}

func (w *workers) work(job func()) {
	for ok := true; ok; {
		job()
		if w.idle.Add(1) > maxIdle {
			w.idle.Add(-1)
			return
		}
		job, ok = <-w.next
		w.idle.Add(-1)
	}
}

// end lets the idle ones go; do may not be called any more.
func (w *workers) end() { w.once.Do(func() { close(w.next) }) }
