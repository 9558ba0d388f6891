package ingest

import (
	"sync"
	"sync/atomic"
	"time"
)

// patience is how long a connection may take: for a whole request from its
// first byte, for one write, and between two requests.
type patience struct{ read, write, idle time.Duration }

// watchEvery is how often connections are looked at, and so by how much they
// may take longer.
const watchEvery = 200 * time.Millisecond

// limits are a connection's deadlines, kept without asking the clock or the
// poller: those three deadlines a request took a twentieth of the edge's time.
// The serving goroutine notes until when it has patience; the listener looks at
// all connections now and then and interrupts those that are past it.
//
// The one race is between a connection that goes on and a watcher that holds
// it for late. The connection writes its new limit and then reads tripped; the
// watcher sets tripped and then reads the limit again. Whichever comes second
// sees the other and takes the interruption back.
type limits struct {
	read, write atomic.Int64 // Unix nanoseconds of the listener's clock; 0: no end
	tripped     atomic.Bool  // a read was interrupted
	mu          sync.Mutex   // over tripping and taking back
}

// expectRead gives reads until then.
func (c *conn) expectRead(limit int64) {
	c.limits.read.Store(limit)
	if c.limits.tripped.Load() {
		c.limits.mu.Lock()
		defer c.limits.mu.Unlock()
		c.resume()
	}
}

// resume takes an interruption back; mu is held.
func (c *conn) resume() {
	// A connection that is closed already answers so at the next read.
	_ = c.Conn.SetReadDeadline(time.Time{})
	c.limits.tripped.Store(false)
}

// check interrupts what takes longer than it may.
func (c *conn) check(now int64) {
	late := func(limit *atomic.Int64) bool {
		l := limit.Load()
		return l != 0 && now >= l
	}
	if late(&c.limits.write) {
		_ = c.Conn.SetWriteDeadline(past) // the connection ends with it
	}
	if !late(&c.limits.read) || c.limits.tripped.Load() {
		return
	}
	c.limits.mu.Lock()
	defer c.limits.mu.Unlock()
	c.limits.tripped.Store(true)
	_ = c.Conn.SetReadDeadline(past)
	if !late(&c.limits.read) {
		c.resume()
	}
}

var past = time.Unix(1, 0)

// watch keeps the listener's clock and looks after its connections until done
// is closed.
func (l *listener) watch(done <-chan struct{}) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			l.clock.Store(now.UnixNano())
			l.mu.Lock()
			for c := range l.conns {
				c.check(now.UnixNano())
			}
			l.mu.Unlock()
		case <-done:
			return
		}
	}
}

// Read reads what comes. The first bytes after an answer begin a request.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.idle && n > 0 {
		c.idle = false
		c.expectRead(c.listener.in(c.listener.patience.read))
	}
	return n, err
}

// Write writes, and begins the wait for the next request when what it writes
// is the answer to one.
func (c *conn) Write(b []byte) (int, error) {
	c.limits.write.Store(c.listener.in(c.listener.patience.write))
	n, err := c.Conn.Write(b)
	c.limits.write.Store(0)
	if c.answered {
		c.idle, c.answered = true, false
		c.expectRead(c.listener.in(c.listener.patience.idle))
	}
	return n, err
}

// SetReadDeadline gives reads until t; the zero time is no end.
func (c *conn) SetReadDeadline(t time.Time) error {
	if t.IsZero() {
		c.expectRead(0)
	} else {
		c.expectRead(t.UnixNano())
	}
	return nil
}

// in is the time after a duration from now.
func (l *listener) in(d time.Duration) int64 { return l.clock.Load() + int64(d) }
