package run

import (
	"slices"
	"testing"
	"time"

	"sluice/schemas"
)

// begun plays a lane that always has something to begin, with its loop awake
// every millisecond, and says how many it began.
func begun(s *share, rate float64, from time.Time, d time.Duration, each func(now time.Time)) int {
	n := 0
	for now := from; now.Before(from.Add(d)); now = now.Add(time.Millisecond) {
		if each != nil {
			each(now)
		}
		s.release(now)
		for s.open("pets", now) {
			s.began(rate, now)
			n++
		}
	}
	return n
}

func TestReplaysBeginEvenlyAndNoFasterThanTheirRate(t *testing.T) {
	from := time.Unix(1_000_000, 0)
	for rate, most := range map[float64]float64{0: schemas.UsualReplayRate, 50: 50, 2000: 2000} {
		s := newShare(&Live{})
		begun(s, rate, from, 15*time.Second, nil) // it takes a while to its whole part
		at := from.Add(15 * time.Second)
		n := begun(s, rate, at, 10*time.Second, nil)
		if got := float64(n) / 10; got < most*0.99 || got > most*headroom*1.01 {
			t.Errorf("rate %v: %v a second were begun, want %v and a little more", rate, got, most)
		}
		burst := 0
		for now := at.Add(10 * time.Second); s.open("pets", now); burst++ {
			s.began(rate, now)
		}
		if limit := int(most*headroom*catchUp.Seconds()) + 2; burst > limit {
			t.Errorf("rate %v: %d were begun at once, want at most %d", rate, burst, limit)
		}
	}
}

func TestReplaysGiveWayToLiveHooksThatAreHeldUp(t *testing.T) {
	from := time.Unix(1_000_000, 0)
	live := &Live{}
	s := newShare(live)
	age := time.Millisecond
	hooks := func(now time.Time) { live.taken(age, now) }
	begun(s, 0, from, 20*time.Second, hooks)
	whole := begun(s, 0, from.Add(20*time.Second), 5*time.Second, hooks)
	age = 40 * time.Millisecond
	begun(s, 0, from.Add(25*time.Second), 2*time.Second, hooks)
	if part := begun(s, 0, from.Add(27*time.Second), time.Second, hooks); part > whole/5/3 {
		t.Errorf("%d a second were begun beside live hooks that are late, %d else", part, whole/5)
	}
	// They are as late with the replays next to standing still: it is not their
	// fault, and they go on.
	if n := begun(s, 0, from.Add(29*time.Second), 40*time.Second, hooks); n < 40*leastRate*2 {
		t.Errorf("%d were begun in 40 s beside live hooks that are always late", n)
	}
	age = time.Millisecond
	begun(s, 0, from.Add(69*time.Second), 20*time.Second, hooks)
	if again := begun(s, 0, from.Add(89*time.Second), 5*time.Second, hooks); again < whole*9/10 {
		t.Errorf("%d were begun when live hooks were in time again, %d before", again, whole)
	}
}

func TestReplaysHurryWhileNoLiveHookComes(t *testing.T) {
	at := time.Unix(1_000_000, 0)
	live := &Live{}
	s := newShare(live)
	s.began(0, at)
	if n := s.allowed(at); n != 0 {
		t.Errorf("%d may begin, and nothing is known of live hooks", n)
	}
	live.watch(at.Add(-2 * quietAfter))
	for range 10 * atOnce {
		if s.room(at, maxPoll) != atOnce || !s.open("pets", at) {
			t.Fatal("it waits, and there are no live hooks")
		}
		s.began(0, at)
	}
	// The first hook that comes has the processors to itself.
	live.taken(time.Millisecond, at)
	if n := begun(s, 0, at, time.Second, nil); n > schemas.UsualReplayRate {
		t.Errorf("%d were begun in the second after a live hook", n)
	}
	s.began(50, at.Add(time.Second))
	if n := begun(s, 50, at.Add(quietAfter+2*time.Second), 10*time.Second, nil); float64(n) > 10*50*headroom*1.01 {
		t.Errorf("%d were begun in 10 s, of a replay that wants 50 a second", n)
	}
}

func TestNoMoreReplaysArePolledThanMayBegin(t *testing.T) {
	at := time.Unix(1_000_000, 0)
	s := newShare(&Live{})
	s.part = 1
	for range 1000 {
		at = at.Add(7 * time.Millisecond)
		for range s.room(at, maxPoll) {
			if !s.open("pets", at) {
				t.Fatal("one was polled that may not begin")
			}
			s.began(2000, at)
		}
	}
	s.open("pets", at) // it may not, and is held
	if n := s.room(at.Add(time.Second), maxPoll); n != 0 {
		t.Errorf("%d are polled before one that waits", n)
	}
}

func TestReplaysNeverStandStill(t *testing.T) {
	from := time.Unix(1_000_000, 0)
	live := &Live{}
	s := newShare(live)
	n := begun(s, 0, from, 60*time.Second, func(now time.Time) { live.taken(time.Hour, now) })
	if n < 60*leastRate || n > 60*leastRate*2 {
		t.Errorf("%d were begun in a minute beside a live lane that is an hour behind, want some %v", n, 60*leastRate)
	}
}

func TestABacklogOfReplaysIsBegunEvenlyBesideLiveHooks(t *testing.T) {
	r := newRig(t)
	r.publish("pets", `"concurrency":400,"steps":[{"id":"one","uses":"test/effect","input":{"v":1}}]`)
	var live Live
	lanes := []Options{r.options("a"), r.options("a")}
	lanes[1].Replays = true
	const replays, hooks = 300, 50
	origin := r.send("pets", `{}`)
	for n := range replays {
		of := origin
		of[12], of[13] = byte(n>>8), byte(n)
		r.replay(&schemas.Hook{Flow: "pets", Method: "POST", Replay: "r0", ReplayOf: of})
	}
	for _, lane := range lanes {
		lane.Live = &live
		r.startRunner(New(lane))
	}
	for range hooks {
		r.send("pets", `{}`)
	}
	live.watch(time.Now().Add(time.Hour)) // live hooks go on, for all that the lane knows
	var begun []time.Time
	for _, s := range r.ended(1 + hooks + replays) {
		for _, e := range s.events {
			if e.GetStarted() != nil && s.last.Replay != "" {
				begun = append(begun, time.Unix(0, e.At))
			}
		}
	}
	slices.SortFunc(begun, time.Time.Compare)
	const window = 100 * time.Millisecond
	limit := int((window+catchUp).Seconds()*schemas.UsualReplayRate*headroom) + 2
	for i := limit; i < len(begun); i++ {
		if d := begun[i].Sub(begun[i-limit]); d < window {
			t.Fatalf("%d replayed hooks were begun within %s, want at most %d within %s", limit+1, d, limit, window)
		}
	}
}
