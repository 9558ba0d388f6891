package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// fault is one thing that is done to the installation while hooks come in. It
// undoes itself.
type fault struct {
	at   time.Duration // after the load began
	name string
	// on is what it is done to: faults on the same thing are done one after the
	// other, all others at once.
	on []string
	do func(ctx context.Context, w *world) error
	// repeats: runners may repeat, for it, what they had in flight.
	repeats bool
	// found is how long after it a runner may find out what it did to it.
	found  time.Duration
	poison int
}

// scenario is what is done; it depends on its seed alone.
type scenario struct {
	seed  uint64
	scale int           // hooks of the flow that gets most
	over  time.Duration // the load is spread over
	calm  bool          // no faults: a destination hangs, and the others are timed
	quiet bool          // calm, and none hangs: what is measured is what the machine does by itself
	// faults are in the order of their beginning.
	faults []fault
}

func (s *scenario) String() string {
	if s.quiet {
		return "nothing hangs, and the flows are timed"
	}
	if s.calm {
		return "one flow's destination hangs, and the others are timed"
	}
	var names []string
	for _, f := range s.faults {
		names = append(names, fmt.Sprintf("%s at %.1fs", f.name, f.at.Seconds()))
	}
	return strings.Join(names, ", ")
}

const (
	// inTransit: what a killed process sent may reach its destination later.
	inTransit = 500 * time.Millisecond
	// findingOut is how long it takes at most until a runner knows that its
	// partitions or its transaction are lost: a session, and the timeout of a transaction.
	findingOut = 12 * time.Second
)

// long makes the pauses of a scenario up to a minute.
type length struct{ frozen [2]int }

var (
	short = length{frozen: [2]int{2500, 6000}}
	long  = length{frozen: [2]int{5000, 60000}}
)

// zombie is longer than a session: another runner has taken over when a frozen
// one thaws.
var zombie = [2]int{11000, 14000}

func (l length) pause(r *rand.Rand) time.Duration {
	if l == short && r.IntN(4) == 0 {
		return between(r, zombie[0], zombie[1])
	}
	return between(r, l.frozen[0], l.frozen[1])
}

func pick(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }

// menu are the faults to choose from.
var menu = []func(r *rand.Rand, l length) fault{
	func(r *rand.Rand, _ length) fault {
		who, down := pick(r, "run0", "run1"), between(r, 0, 2000)
		return killing(who, down, true)
	},
	func(r *rand.Rand, _ length) fault {
		return killing(pick(r, "edge0", "edge1"), between(r, 0, 1000), false)
	},
	func(r *rand.Rand, _ length) fault { return killing("log", between(r, 0, 2000), false) },
	func(r *rand.Rand, l length) fault { return freezing(pick(r, "run0", "run1"), l.pause(r), true) },
	func(r *rand.Rand, l length) fault {
		who, frozen := pick(r, "edge0", "edge1"), between(r, 2000, 6000)
		if l == long {
			frozen = l.pause(r)
		}
		return freezing(who, frozen, false)
	},
	func(r *rand.Rand, l length) fault { return freezing("log", l.pause(r), false) },
	func(r *rand.Rand, _ length) fault {
		return fault{name: "kill -9 both runners", on: []string{"run0", "run1"}, repeats: true, found: inTransit, do: func(_ context.Context, w *world) error {
			for _, who := range []string{"run0", "run1"} {
				w.kill(who)
			}
			return twice(w.start, "run0", "run1")
		}}
	},
	func(r *rand.Rand, _ length) fault {
		i, down := r.IntN(3), between(r, 500, 3000)
		return fault{name: fmt.Sprintf("kill -9 broker %d", i), on: []string{"brokers"}, repeats: true, found: findingOut, do: func(ctx context.Context, w *world) error {
			if err := w.brokers.Kill(i); err != nil {
				return err
			}
			rest(ctx, down)
			return w.brokers.Restart(i)
		}}
	},
	func(r *rand.Rand, l length) fault {
		i, frozen := r.IntN(3), between(r, l.frozen[0], l.frozen[1])
		return fault{name: fmt.Sprintf("SIGSTOP broker %d for %v", i, frozen), on: []string{"brokers"}, repeats: true, found: findingOut, do: func(ctx context.Context, w *world) error {
			if err := w.brokers.Stop(i); err != nil {
				return err
			}
			rest(ctx, frozen)
			return w.brokers.Continue(i)
		}}
	},
	func(r *rand.Rand, _ length) fault {
		frozen := between(r, 1000, 4000)
		return fault{name: fmt.Sprintf("SIGSTOP all brokers for %v", frozen), on: []string{"brokers"}, repeats: true, found: findingOut, do: func(ctx context.Context, w *world) error {
			if err := twice(w.brokers.Stop, 0, 1, 2); err != nil {
				return err
			}
			rest(ctx, frozen)
			return twice(w.brokers.Continue, 0, 1, 2)
		}}
	},
	func(r *rand.Rand, _ length) fault {
		away := between(r, 1000, 5000)
		return fault{name: fmt.Sprintf("ClickHouse away for %v", away), on: []string{"history"}, do: func(ctx context.Context, w *world) error {
			w.door.close()
			rest(ctx, away)
			return w.door.open()
		}}
	},
	func(r *rand.Rand, _ length) fault {
		mood := []mood{slow, hanging, flapping, busy}[r.IntN(4)]
		for_ := between(r, 1000, 4000)
		return fault{name: fmt.Sprintf("a %s destination for %v", mood, for_), on: []string{"destination"}, do: func(ctx context.Context, w *world) error {
			w.destination.set(mood)
			rest(ctx, for_)
			w.destination.set(well)
			return nil
		}}
	},
	func(r *rand.Rand, _ length) fault {
		times, stay := 2+r.IntN(2), between(r, 300, 1500)
		return fault{name: fmt.Sprintf("a third runner comes and goes, %d times", times), on: []string{"run2"}, repeats: true, found: findingOut, do: func(ctx context.Context, w *world) error {
			for range times {
				if err := w.start("run2"); err != nil {
					return err
				}
				rest(ctx, stay)
				w.interrupt("run2")
			}
			return nil
		}}
	},
	func(*rand.Rand, length) fault {
		return fault{name: "a rolling restart", on: []string{"edge0", "edge1", "log", "run0", "run1"}, repeats: true, found: findingOut, do: func(ctx context.Context, w *world) error {
			for _, who := range []string{"run0", "run1", "edge0", "edge1", "log"} {
				w.interrupt(who)
				if err := w.start(who); err != nil {
					return err
				}
				rest(ctx, 200*time.Millisecond)
			}
			return nil
		}}
	},
	func(r *rand.Rand, _ length) fault {
		n := 1 + r.IntN(5)
		return fault{name: fmt.Sprintf("%d poison records", n), on: []string{"poison"}, poison: n, do: func(ctx context.Context, w *world) error { return w.poison(ctx, n) }}
	},
	func(r *rand.Rand, _ length) fault {
		i, full := r.IntN(3), between(r, 1000, 3000)
		return fault{name: fmt.Sprintf("the disk of broker %d is full for %v", i, full), on: []string{"brokers"}, repeats: true, found: findingOut, do: func(ctx context.Context, w *world) error {
			if w.brokerDisks[i] == nil {
				return errNoDisk
			}
			err := w.brokerDisks[i].fill()
			rest(ctx, full)
			if clearErr := w.brokerDisks[i].clear(); err != nil || clearErr != nil {
				return fmt.Errorf("filling the disk: %w %w", err, clearErr)
			}
			if w.brokers.PIDs()[i] != 0 { // it holds on, or is about to find out
				_ = w.brokers.Kill(i)
			}
			return w.brokers.Restart(i)
		}}
	},
	func(r *rand.Rand, _ length) fault {
		full := between(r, 1500, 4000)
		return fault{name: fmt.Sprintf("the disk of data folders and blobs is full for %v", full), on: []string{"data"}, do: func(ctx context.Context, w *world) error {
			if w.dataDisk == nil {
				return errNoDisk
			}
			if err := w.dataDisk.fill(); err != nil {
				return err
			}
			rest(ctx, full)
			return w.dataDisk.clear()
		}}
	},
	func(r *rand.Rand, _ length) fault {
		who := pick(r, "run0", "run1", "edge0", "edge1", "log")
		by, stay := time.Duration(1+r.IntN(600))*time.Second, between(r, 1000, 4000)
		if r.IntN(2) == 0 {
			by = -by
		}
		return fault{name: fmt.Sprintf("the clock of %s jumps by %v for %v", who, by, stay), on: []string{"clock of " + who}, do: func(ctx context.Context, w *world) error {
			if !w.clocks {
				return errNoClock
			}
			if err := w.setClock(who, by); err != nil {
				return err
			}
			rest(ctx, stay)
			return w.setClock(who, 0)
		}}
	},
}

func killing(who string, down time.Duration, repeats bool) fault {
	return fault{name: "kill -9 " + who, on: []string{who}, repeats: repeats, found: inTransit - down, do: func(ctx context.Context, w *world) error {
		w.kill(who)
		rest(ctx, down)
		return w.start(who)
	}}
}

func freezing(who string, frozen time.Duration, repeats bool) fault {
	return fault{name: fmt.Sprintf("SIGSTOP %s for %v", who, frozen), on: []string{who}, repeats: repeats, found: findingOut,
		do: func(ctx context.Context, w *world) error { return w.freeze(ctx, who, frozen) }}
}

// twice does the same to several.
func twice[T any](do func(T) error, of ...T) error {
	for _, one := range of {
		if err := do(one); err != nil {
			return err
		}
	}
	return nil
}

// calmEvery: one scenario of so many has no faults, and times the flows.
const calmEvery = 20

func newScenario(seed uint64, scale int, l length) *scenario {
	r := rand.New(rand.NewPCG(seed, 1))
	s := &scenario{seed: seed, scale: scale, over: 4 * time.Second}
	if s.calm = seed%calmEvery == calmEvery-1; s.calm {
		return s
	}
	for i, choice := range r.Perm(len(menu))[:2+r.IntN(3)] {
		f := menu[choice](r, l)
		f.at = between(r, 200, 3500)
		if i == 1 && r.IntN(3) == 0 {
			f.at = s.faults[0].at // two at the same instant
		}
		s.faults = append(s.faults, f)
	}
	slices.SortStableFunc(s.faults, func(a, b fault) int { return int(a.at - b.at) })
	return s
}

func between(r *rand.Rand, least, most int) time.Duration {
	return time.Duration(least+r.IntN(most-least+1)) * time.Millisecond
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
