package runlog

import (
	"testing"
	"time"
)

func TestTheFirstFlushesComeAtOnceAndThenOneAnInterval(t *testing.T) {
	const interval = 500 * time.Millisecond
	start := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	p := pace{interval: interval}
	// rows come all the time: at what times since start is flushed?
	flushes := func(from time.Duration, n int) (at []time.Duration) {
		now := start.Add(from)
		for range n {
			if due := p.due(&batch{since: now, hooks: make([]hookRow, 1)}); due.After(now) {
				now = due
			}
			p.flushes(now)
			at = append(at, now.Sub(start))
		}
		return at
	}
	busy := flushes(0, 20)
	if last := busy[credit]; last > (credit+1)*gather {
		t.Errorf("the first %d flushes took %s", credit+1, last)
	}
	for i := credit + 2; i < len(busy); i++ {
		if gap := busy[i] - busy[i-1]; gap != interval {
			t.Errorf("flush %d comes %s after the one before, want %s", i, gap, interval)
		}
	}
	// After a quiet time there is credit again, and no more than that.
	later := flushes(time.Hour, credit+3)
	if later[credit] > time.Hour+(credit+1)*gather || later[credit+2]-later[credit+1] != interval {
		t.Errorf("after a quiet hour flushes come at %v", later)
	}
	// Full batches, as fast as they come, leave no debt.
	now := start.Add(2 * time.Hour)
	for range 1000 {
		p.flushes(now)
		now = now.Add(time.Millisecond)
	}
	if wait := p.due(&batch{since: now, hooks: make([]hookRow, 1)}).Sub(now); wait > interval {
		t.Errorf("after a thousand full batches the next row waits %s", wait)
	}
	// What makes no row may wait.
	if wait := p.due(&batch{}).Sub(p.began); wait != quiet {
		t.Errorf("progress alone waits %s, want %s", wait, quiet)
	}
}
