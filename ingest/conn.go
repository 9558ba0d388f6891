package ingest

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of a lingering close.
const (
	lingerTime  = 2 * time.Second
	lingerBytes = 64 << 20
)

// listener hands out connections that can linger and that do not wait for
// ever, and can cut off all of them.
type listener struct {
	net.Listener
	patience patience
	clock    atomic.Int64 // Unix nanoseconds, every watchEvery
	mu       sync.Mutex
	conns    map[*conn]struct{}
}

// Accept waits for a connection.
func (l *listener) Accept() (net.Conn, error) {
	inner, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: inner, listener: l}
	c.limits.read.Store(l.in(l.patience.read))
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns == nil {
		l.conns = map[*conn]struct{}{}
	}
	l.conns[c] = struct{}{}
	return c, nil
}

// open counts the connections that are open.
func (e *Edge) open() int {
	l := e.listener.Load()
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

func (l *listener) closeAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		c.Conn.Close()
	}
}

// conn is a connection that may linger: where an answer was given before the
// request's body was read, closing at once makes the kernel send a reset, which
// takes the answer away from a sender that is still writing (RFC 9112, section
// 9.6). So the writing side is closed first, and what still comes is thrown
// away for a bounded time.
type conn struct {
	net.Conn
	listener *listener
	linger   atomic.Bool

	limits limits // watch.go
	// idle: nothing of the next request has come. answered: what is written next
	// is an answer. Both are the serving goroutine's own.
	idle, answered bool
}

// Close ends the connection, after lingering if so marked.
func (c *conn) Close() error {
	if c.linger.Swap(false) {
		if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
			c.limits.read.Store(0) // the watcher leaves it alone from here on
			if c.Conn.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
				// Whatever ends this, the connection is closed next.
				_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
			}
		}
	}
	c.listener.mu.Lock()
	delete(c.listener.conns, c)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}

// linger marks a connection whose request has not been read to its end.
func linger(c net.Conn) {
	if c, ok := c.(*conn); ok {
		c.linger.Store(true)
	}
}
