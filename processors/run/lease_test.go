package run

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestAThawedRunnerSendsNothingUntilItIsKnownToBeAMember has the monotonic clock
// jump by a session's time, as SIGSTOP and SIGCONT make it, with a hook to begin
// and no heartbeat answered yet. The runner may still be a member then, or
// another may have its partitions.
func TestAThawedRunnerSendsNothingUntilItIsKnownToBeAMember(t *testing.T) {
	for name, replaced := range map[string]bool{"still a member": false, "replaced": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.publish("pets", `"steps":[{"id":"one","uses":"test/effect","input":{"n":"=body.n"}}]`)
			s, err := newSession(r.options("a").withDefaults(), newMetrics(prometheus.NewRegistry()))
			if err != nil {
				t.Fatal(err)
			}
			var frozen atomic.Int64
			clock := s.lease.clock
			s.lease.clock = func() time.Duration { return clock() + time.Duration(frozen.Load()) }
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- s.run(ctx) }()
			stop := sync.OnceFunc(func() {
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
				s.close()
			})
			t.Cleanup(stop)
			r.send("pets", `{"n":1}`)
			r.ended(1)

			var answer atomic.Pointer[kerr.Error]
			answer.Store(kerr.CoordinatorLoadInProgress)
			r.fake.ControlKey(int16(kmsg.Heartbeat), func(req kmsg.Request) (kmsg.Response, error, bool) {
				r.fake.KeepControl()
				if why := answer.Load(); why != nil {
					return refusal(req, why), nil, true
				}
				return nil, nil, false
			})
			frozen.Store(int64(s.opts.SessionTimeout))
			r.send("pets", `{"n":2}`)
			eventually(t, "its effect waits for a heartbeat", func() bool { return s.lease.held.Load() == 1 })
			if n := len(r.made()); n != 1 {
				t.Fatalf("%d effects went out, want the first alone", n)
			}
			if replaced {
				r.fake.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
					answer.Store(nil) // what it had is lost, and it comes back as another member
					return nil, nil, false
				})
				answer.Store(kerr.UnknownMemberID)
				eventually(t, "it joins again", func() bool { return answer.Load() == nil })
			}
			answer.Store(nil)
			r.ended(2)
			if n := len(r.made()); n != 2 {
				t.Errorf("%d effects went out, want one for each hook", n)
			}
			stop()
		})
	}
}

// A heartbeat counts from when it was sent: a frozen process reads answers that
// came while it was not there.
func TestALeaseLastsFromTheSendingOfItsHeartbeat(t *testing.T) {
	now := time.Duration(0)
	l := newLease(10 * time.Second)
	l.clock = func() time.Duration { return now }
	if l.holds() {
		t.Error("it holds before any heartbeat")
	}
	sent := now
	now = 15 * time.Second
	l.renew(sent)
	if l.holds() {
		t.Error("it holds by an answer that was 15 s on its way")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting for it = %v", err)
	}
	l.renew(now)
	if err := l.wait(t.Context()); err != nil || !l.holds() {
		t.Errorf("renewed, it is waited for with %v", err)
	}
	now += 10 * time.Second
	if l.holds() {
		t.Error("it holds 10 s later")
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
