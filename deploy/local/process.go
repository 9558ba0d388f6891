package local

import (
	"errors"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// process is a child that is waited for from its start, so that it never stays
// a zombie and its ID is not signalled after it ended.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *process) signal(sig syscall.Signal) error { return p.cmd.Process.Signal(sig) }

// starter starts children from one operating system thread that lives until
// close: Linux sends a child its parent-death signal when the thread that
// started it ends, not the process.
type starter struct {
	mu     sync.Mutex
	closed bool
	work   chan func()
}

func newStarter() *starter {
	s := &starter{work: make(chan func())}
	go func() {
		runtime.LockOSThread()
		for f := range s.work {
			f()
		}
	}()
	return s
}

func (s *starter) start(cmd *exec.Cmd) (*process, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.New("the cluster is closed")
	}
	result := make(chan error, 1)
	s.work <- func() { result <- cmd.Start() }
	if err := <-result; err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended does not matter, only that it did
		close(p.done)
	}()
	return p, nil
}

func (s *starter) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.work)
	}
}
