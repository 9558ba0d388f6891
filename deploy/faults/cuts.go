package main

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// cuts are those of the runners of an installation, as they happen.
type cuts struct {
	noting sync.Mutex
	list   []cut
}

// cutOff notes that a process was cut off from what it does; runners alone do
// something that can be repeated.
func (c *cuts) cutOff(who string, known time.Duration) {
	if !strings.HasPrefix(who, "run") {
		return
	}
	c.noting.Lock()
	c.list = append(c.list, cut{time.Now(), known})
	c.noting.Unlock()
}

// heard takes note of a line of a process's log.
func (c *cuts) heard(who, line string) {
	for text, known := range cutsSaid {
		if strings.Contains(line, text) {
			c.cutOff(who, known)
		}
	}
}

func (c *cuts) cutsSince(began time.Time) []cut {
	c.noting.Lock()
	defer c.noting.Unlock()
	return slices.DeleteFunc(slices.Clone(c.list), func(one cut) bool { return one.at.Before(began) })
}

// listener passes a process's log on, and hears its lines.
type listener struct {
	to    io.Writer
	heard func(line string)
	rest  []byte
}

func (l *listener) Write(b []byte) (int, error) {
	l.rest = append(l.rest, b...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			break
		}
		l.heard(string(line))
		l.rest = bytes.Clone(rest)
	}
	return l.to.Write(b)
}
