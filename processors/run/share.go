package run

import (
	"slices"
	"sync"
	"time"

	"sluice/schemas"
)

// The lane of replays never delays live hooks by much, also where both share
// two cores: it begins executions one by one, evenly, at no more than the
// replay's rate, and at a part of that while live hooks of this process are
// taken later than they would be without it.

const (
	// leastRate is what replays go on with however busy the live lane is.
	leastRate = 20.0
	// reviewEvery is how often the part is set anew.
	reviewEvery = 500 * time.Millisecond
	// firstPart is what a replay begins with, and stepUp what it gains at each
	// review while live hooks are in time; when they are not it loses half.
	firstPart, stepUp = 0.25, 0.05
	// unharmed is an age that live hooks may have whatever it was before, and
	// hopeless one that is never held for their own.
	unharmed, hopeless = 3 * time.Millisecond, 250 * time.Millisecond
	// headroom lets the lane keep up with a sender that keeps a rate.
	headroom = 1.25
	// catchUp bounds what is begun at once after the loop was late.
	catchUp = 10 * time.Millisecond
	// quietAfter is after how long without a live hook nobody is there to give
	// way to.
	quietAfter = 10 * time.Second
	// atOnce is how many begin together then.
	atOnce = 128
)

// Live is how live hooks fare in this process: their runner tells it, and that
// of the replays gives way by it. It is safe for concurrent use.
type Live struct {
	mu      sync.Mutex
	ages    [1024]time.Duration // the last ones
	n       int
	last    time.Time // when one was taken
	watched bool
}

// watch says that live hooks of this process are told of from now on.
func (l *Live) watch(now time.Time) {
	if l != nil {
		l.mu.Lock()
		l.watched, l.last = true, now
		l.mu.Unlock()
	}
}

// taken says how old a live hook was when its runner had it.
func (l *Live) taken(age time.Duration, now time.Time) {
	if l == nil {
		return
	}
	l.mu.Lock()
	l.ages[l.n%len(l.ages)] = age
	l.n++
	if now.After(l.last) {
		l.last = now
	}
	l.mu.Unlock()
}

// quiet reports whether it is known that no live hook came for a while.
func (l *Live) quiet(now time.Time) bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.watched && now.Sub(l.last) > quietAfter
}

// late is the age that one in twenty of the hooks since the last call had or
// passed, 0 when there were none.
func (l *Live) late() time.Duration {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	ages := l.ages[:min(l.n, len(l.ages))]
	if l.n = 0; len(ages) == 0 {
		return 0
	}
	slices.Sort(ages)
	return ages[len(ages)*19/20]
}

// share is when the lane of replays may begin its next execution. It belongs
// to the loop; nil, that of the live lane, always may.
type share struct {
	live      *Live
	part      float64 // of a replay's rate
	rate      float64 // what that came to for the last execution
	next      time.Time
	reviewed  time.Time
	unlimited bool            // the last one's replay has no rate of its own
	begun     bool            // anything since the last review
	calm      time.Duration   // how late live hooks are without replays, as far as it is known
	held      map[string]bool // flows that wait for next
}

func newShare(live *Live) *share { return &share{live: live, part: firstPart, held: map[string]bool{}} }

// open reports whether an execution may begin; otherwise its flow is held.
func (s *share) open(flow string, now time.Time) bool {
	if s == nil {
		return true
	}
	if s.allowed(now) == 0 {
		s.held[flow] = true
		return false
	}
	return true
}

// allowed is how many executions may begin now.
func (s *share) allowed(now time.Time) int {
	if now.Sub(s.reviewed) >= reviewEvery {
		s.review(now, s.live.late())
	}
	if s.unlimited && s.live.quiet(now) {
		return atOnce
	}
	if now.Before(s.next) {
		return 0
	}
	return 1 + int(min(now.Sub(s.next), catchUp).Seconds()*s.rate*headroom)
}

// room is how many hooks may be polled: as many as may begin, when none waits.
func (s *share) room(now time.Time, most int) int {
	if len(s.held) > 0 {
		return 0
	}
	return min(s.allowed(now), most)
}

// began takes note of an execution, of a replay with this rate a second (0:
// none was said).
func (s *share) began(rate float64, now time.Time) {
	if s == nil {
		return
	}
	if s.unlimited = rate <= 0; s.unlimited {
		rate = schemas.UsualReplayRate / headroom // the sender has none to keep
	}
	s.begun = true
	if s.unlimited && s.live.quiet(now) {
		return
	}
	s.rate = max(rate*s.part, min(rate, leastRate))
	if earliest := now.Add(-catchUp); s.next.Before(earliest) {
		s.next = earliest
	}
	s.next = s.next.Add(time.Duration(float64(time.Second) / (s.rate * headroom)))
}

// opens is when held flows may go on, or those that were not even polled.
func (s *share) opens(unpolled bool) (time.Time, bool) {
	if s == nil || len(s.held) == 0 && !unpolled {
		return time.Time{}, false
	}
	return s.next, true
}

// release returns the flows that were held and may go on now.
func (s *share) release(now time.Time) []string {
	if at, ok := s.opens(false); !ok || now.Before(at) && s.allowed(now) == 0 {
		return nil
	}
	flows := make([]string, 0, len(s.held))
	for flow := range s.held {
		flows = append(flows, flow)
	}
	clear(s.held)
	return flows
}

// review sets the part by how late live hooks were since the last one. How
// late they are while replays stand still, or nearly so, is no fault of theirs.
func (s *share) review(now time.Time, late time.Duration) {
	if still := !s.begun || s.rate <= leastRate; still && late > 0 {
		if s.calm == 0 {
			s.calm = late
		}
		s.calm = min((3*s.calm+late)/4, hopeless)
	}
	if late > max(unharmed, 2*s.calm) {
		s.part = max(s.part/2, leastRate/schemas.UsualReplayRate)
	} else {
		s.part = min(s.part+stepUp, 1)
	}
	s.reviewed, s.begun = now, false
}
