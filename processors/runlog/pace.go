package runlog

import "time"

const (
	// credit is how many flushes may come with no interval between them, after a
	// quiet time: who sends a hook and looks does not wait.
	credit = 4
	// gather is how long the first row waits for those that belong to it: a hook
	// and its short execution are one flush, not two.
	gather = 20 * time.Millisecond
	// quiet is how long progress alone (commit markers, commands) may wait.
	quiet = 5 * time.Second
)

// pace says when the next flush is due.
type pace struct {
	interval time.Duration // the mean time between two of them, at least
	began    time.Time     // the last one
	paid     time.Time     // when the intervals of all of them are over
}

// due is when a batch that is not full is to be flushed.
func (p *pace) due(b *batch) time.Time {
	if b.rows() == 0 {
		return p.began.Add(quiet)
	}
	at, gathered := p.paid.Add(-credit*p.interval), b.since.Add(min(gather, p.interval))
	if gathered.After(at) {
		return gathered
	}
	return at
}

// flushes takes note of a flush. Full ones come as fast as they can, and use up
// no more than the credit.
func (p *pace) flushes(now time.Time) {
	p.began = now
	if p.paid.Before(now) {
		p.paid = now
	}
	p.paid = p.paid.Add(p.interval)
	if most := now.Add((credit + 1) * p.interval); p.paid.After(most) {
		p.paid = most
	}
}
