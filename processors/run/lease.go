package run

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// leaseRetry is the pause between heartbeats while the lease has run out.
const leaseRetry = 100 * time.Millisecond

// lease is for how long nobody else can own this session's partitions: its
// session timeout, from when it sent a heartbeat that was answered as a
// member's. Outside of it no effect begins. A process that was frozen for longer
// thaws with hooks it had polled and timers that are due: its transactions are
// refused, but what it sent would be sent.
type lease struct {
	lasts time.Duration
	clock func() time.Duration // monotonic: it goes on while the process is frozen
	until atomic.Int64         // on the clock
	held  atomic.Int32         // effects that wait for it
	asked chan struct{}        // for a heartbeat at once

	mu      sync.Mutex
	renewed chan struct{} // closed by the next renewal
}

func newLease(lasts time.Duration) *lease {
	began := time.Now()
	return &lease{
		lasts: lasts, clock: func() time.Duration { return time.Since(began) },
		asked: make(chan struct{}, 1), renewed: make(chan struct{}),
	}
}

func (l *lease) holds() bool { return l.clock() < time.Duration(l.until.Load()) }

// wait returns when the lease holds, or with the context's error. It is called by jobs.
func (l *lease) wait(ctx context.Context) error {
	for !l.holds() {
		l.mu.Lock()
		renewed := l.renewed
		l.mu.Unlock()
		if l.holds() {
			break // it was renewed before the channel was taken
		}
		l.held.Add(1)
		select {
		case <-renewed:
		case <-ctx.Done():
		}
		l.held.Add(-1)
		if ctx.Err() != nil {
			return ctx.Err() // what it is for may be another's by now
		}
	}
	return nil
}

// renew says that a heartbeat sent at that time was answered as a member's.
func (l *lease) renew(sent time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until.Store(max(int64(sent+l.lasts), l.until.Load()))
	close(l.renewed)
	l.renewed = make(chan struct{})
}

// ask has a heartbeat sent at once.
func (l *lease) ask() {
	select {
	case l.asked <- struct{}{}:
	default:
	}
}

// keepLease renews the lease until the session ends. The heartbeats are its own:
// of those that the client sends, nobody learns the answer in time.
func (s *session) keepLease(ctx context.Context) {
	had := false
	for {
		sent := s.lease.clock()
		if s.isMember(ctx) {
			s.lease.renew(sent)
		}
		pause, has := s.opts.SessionTimeout/5, s.lease.holds()
		if !has {
			pause = min(pause, leaseRetry)
		}
		if had && !has {
			s.log.Warn("no heartbeat was answered for the session's time: nothing is sent until one is", "timeout", s.opts.SessionTimeout)
		}
		had = has
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-s.lease.asked:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// isMember asks the broker. A member of a group that is about to share its
// partitions anew still owns its own.
func (s *session) isMember(ctx context.Context) bool {
	member, generation := s.client.GroupMetadata()
	if member == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.SessionTimeout)
	defer cancel()
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID, req.Generation, req.InstanceID = s.group, member, generation, &s.instance
	resp, err := req.RequestWith(ctx, s.client)
	return err == nil && (resp.ErrorCode == 0 || resp.ErrorCode == kerr.RebalanceInProgress.Code)
}
