package main

import (
	"io"
	"net"
	"sync"
)

// door is a way to a server that can be closed and opened.
type door struct {
	addr, to string // neither changes

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
}

func newDoor(to string) (*door, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &door{addr: l.Addr().String(), to: to, conns: map[net.Conn]bool{}}
	d.listen(l)
	return d, nil
}

func (d *door) open() error {
	l, err := net.Listen("tcp", d.addr)
	if err != nil {
		return err
	}
	d.listen(l)
	return nil
}

// listen lets connections through until close.
func (d *door) listen(l net.Listener) {
	d.mu.Lock()
	d.listener = l
	d.mu.Unlock()
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", d.to)
			if err != nil {
				from.Close()
				continue
			}
			d.mu.Lock()
			d.conns[from], d.conns[to] = true, true
			d.mu.Unlock()
			for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
				go func() {
					_, _ = io.Copy(pair[0], pair[1])
					pair[0].Close()
					d.mu.Lock()
					delete(d.conns, pair[0])
					d.mu.Unlock()
				}()
			}
		}
	}()
}

func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.listener.Close()
	for c := range d.conns {
		c.Close()
	}
	clear(d.conns)
}
