package main

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// flowKind is a flow of every scenario, with what is expected of it.
type flowKind struct {
	id, settings string
	ordered      bool
	deduped      bool
}

// concurrency is each flow's: how many effects of it can be in flight.
const concurrency = 50

var flows = []flowKind{
	{id: "relay"},
	{id: "lane", settings: "order: {key: =body.order}\n", ordered: true},
	{id: "once", settings: "dedupe: {key: =body.n, window: 1h}\n", deduped: true},
}

// deliveries is how often the sender delivers a hook: some of the events of a
// deduped flow come ten times at once.
func (f flowKind) deliveries(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		times := 1
		if f.deduped && n%5 == 0 {
			times = 10
		}
		for i := range times {
			if !yield(i) {
				return
			}
		}
	}
}

// document is the flow: two calls, one after the other.
func (f flowKind) document(destination string) string {
	call := func(id, after string) string {
		return fmt.Sprintf("  - {id: %s, uses: webhook/send, timeout: 5s, retry: {attempts: 100, initial: 100ms, factor: 1.5, max: 1s, maxAge: 10m, on: [network, timeout, 408, 429, 5xx]}, input: {url: %q, body: %s}}\n",
			id, destination+"/?flow="+f.id+"&step="+id, after)
	}
	return fmt.Sprintf("kind: Flow\nid: %s\nconcurrency: %d\n%strigger: {uses: webhook/receive}\nsteps:\n", f.id, concurrency, f.settings) +
		call("first", "'={\"n\": body.n, \"order\": body.order}'") + call("second", "'={\"n\": body.n, \"order\": body.order, \"after\": steps.first.status}'") + "---\n"
}

// fault is one thing that is done to the installation while hooks come in.
type fault struct {
	at   time.Duration // after the load began
	name string
	do   func(ctx context.Context, w *world) error
	// repeats is how many runners may repeat what they had in flight.
	repeats int
}

// scenario is what is done; it depends on its seed alone.
type scenario struct {
	seed   uint64
	hooks  int           // of each flow
	over   time.Duration // the load is spread over
	faults []fault
}

func (s *scenario) String() string {
	var names []string
	for _, f := range s.faults {
		names = append(names, fmt.Sprintf("%s at %.1fs", f.name, f.at.Seconds()))
	}
	return strings.Join(names, ", ")
}

// menu are the faults to choose from. Each undoes itself.
var menu = []func(r *rand.Rand) fault{
	func(r *rand.Rand) fault {
		who, down := fmt.Sprintf("run%d", r.IntN(2)), between(r, 0, 2000)
		return fault{name: "kill -9 " + who, repeats: 1, do: func(ctx context.Context, w *world) error {
			w.kill(who)
			rest(ctx, down)
			return w.start(who)
		}}
	},
	func(r *rand.Rand) fault {
		who, frozen := fmt.Sprintf("run%d", r.IntN(2)), between(r, 3000, 16000)
		return fault{name: fmt.Sprintf("SIGSTOP %s for %v", who, frozen), repeats: 1, do: func(ctx context.Context, w *world) error { return w.freeze(ctx, who, frozen) }}
	},
	func(r *rand.Rand) fault {
		who, down := fmt.Sprintf("edge%d", r.IntN(2)), between(r, 0, 1000)
		return fault{name: "kill -9 " + who, do: func(ctx context.Context, w *world) error {
			w.kill(who)
			rest(ctx, down)
			return w.start(who)
		}}
	},
	func(r *rand.Rand) fault {
		who, frozen := fmt.Sprintf("edge%d", r.IntN(2)), between(r, 2000, 6000)
		return fault{name: fmt.Sprintf("SIGSTOP %s for %v", who, frozen), do: func(ctx context.Context, w *world) error { return w.freeze(ctx, who, frozen) }}
	},
	func(r *rand.Rand) fault {
		down := between(r, 0, 2000)
		return fault{name: "kill -9 log", do: func(ctx context.Context, w *world) error {
			w.kill("log")
			rest(ctx, down)
			return w.start("log")
		}}
	},
	func(r *rand.Rand) fault {
		i, down := r.IntN(3), between(r, 500, 4000)
		return fault{name: fmt.Sprintf("kill -9 broker %d", i), repeats: 2, do: func(ctx context.Context, w *world) error {
			if err := w.brokers.Kill(i); err != nil {
				return err
			}
			rest(ctx, down)
			return w.brokers.Restart(i)
		}}
	},
	func(r *rand.Rand) fault {
		i, frozen := r.IntN(3), between(r, 2000, 10000)
		return fault{name: fmt.Sprintf("SIGSTOP broker %d for %v", i, frozen), repeats: 2, do: func(ctx context.Context, w *world) error {
			if err := w.brokers.Stop(i); err != nil {
				return err
			}
			rest(ctx, frozen)
			return w.brokers.Continue(i)
		}}
	},
	func(r *rand.Rand) fault {
		away := between(r, 1000, 6000)
		return fault{name: fmt.Sprintf("ClickHouse away for %v", away), do: func(ctx context.Context, w *world) error {
			w.door.close()
			rest(ctx, away)
			return w.door.open()
		}}
	},
	func(r *rand.Rand) fault {
		mood := []mood{slow, hanging, flapping, busy}[r.IntN(4)]
		for_ := between(r, 1000, 5000)
		return fault{name: fmt.Sprintf("a %s destination for %v", mood, for_), do: func(ctx context.Context, w *world) error {
			w.destination.set(mood)
			rest(ctx, for_)
			w.destination.set(well)
			return nil
		}}
	},
	func(r *rand.Rand) fault {
		stay := between(r, 500, 3000)
		return fault{name: "a third runner comes and goes, twice", repeats: 6, do: func(ctx context.Context, w *world) error {
			for range 2 {
				if err := w.start("run2"); err != nil {
					return err
				}
				rest(ctx, stay)
				w.interrupt("run2")
			}
			return nil
		}}
	},
	func(*rand.Rand) fault {
		return fault{name: "a rolling restart", repeats: 2, do: func(ctx context.Context, w *world) error {
			for _, who := range []string{"run0", "run1", "edge0", "edge1", "log"} {
				w.interrupt(who)
				if err := w.start(who); err != nil {
					return err
				}
				rest(ctx, 300*time.Millisecond)
			}
			return nil
		}}
	},
	func(r *rand.Rand) fault {
		n := 1 + r.IntN(5)
		return fault{name: fmt.Sprintf("%d poison records", n), do: func(ctx context.Context, w *world) error { return w.poison(ctx, n) }}
	},
}

func newScenario(seed uint64, hooks int) *scenario {
	r := rand.New(rand.NewPCG(seed, 1))
	s := &scenario{seed: seed, hooks: hooks, over: 6 * time.Second}
	for _, i := range r.Perm(len(menu))[:2+r.IntN(3)] {
		f := menu[i](r)
		f.at = between(r, 300, 5000)
		s.faults = append(s.faults, f)
	}
	slices.SortFunc(s.faults, func(a, b fault) int { return int(a.at - b.at) })
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
