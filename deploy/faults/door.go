package main

import (
	"io"
	"net"
	"sync"
)

// door is a way to a server that can be closed and opened.
type door struct {
	addr, to string
	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
}

func newDoor(to string) (*door, error) {
	d := &door{addr: "127.0.0.1:0", to: to, conns: map[net.Conn]bool{}}
	return d, d.open()
}

func (d *door) open() error {
	l, err := net.Listen("tcp", d.addr)
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.listener, d.addr = l, l.Addr().String()
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
	return nil
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
