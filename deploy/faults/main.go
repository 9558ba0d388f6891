// Command faults tries to break Sluice's promises: it runs scenarios on three
// real brokers, two edges, two runners, one run log, a counting destination and
// a client with its own log, kills and stops them at random moments under load,
// and then counts. A scenario depends on its seed alone, which is printed, so
// that one that found something can be run again:
//
//	go run ./deploy/faults -n 200            many, from a seed of the day
//	go run ./deploy/faults -seed 7041 -n 1   this one again
//
// read in this order: main.go, scenario.go (what is done), world.go (to whom),
// client.go and destination.go (the two witnesses), check.go (the promises).
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	n := flag.Int("n", 10, "how many scenarios")
	seed := flag.Uint64("seed", 0, "of the first scenario; the next ones count up (default: of the time)")
	binary := flag.String("binary", "bin/sluice", "the program to try")
	hooks := flag.Int("hooks", 600, "how many hooks of each kind a scenario sends")
	keep := flag.String("keep", "", "folder for the processes' logs of scenarios that found something")
	flag.Parse()
	if *seed == 0 {
		*seed = uint64(time.Now().Unix())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	found, err := campaign(ctx, *binary, *seed, *n, *hooks, *keep)
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
	if found > 0 {
		os.Exit(1)
	}
}

// campaign runs scenarios one after the other on one set of engines, and
// returns in how many of them a promise was broken.
func campaign(ctx context.Context, binary string, seed uint64, n, hooks int, keep string) (found int, err error) {
	w, err := newWorld(binary, keep)
	if err != nil {
		return 0, err
	}
	defer w.close()
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		s := newScenario(seed+uint64(i), hooks)
		fmt.Printf("seed %d: %s\n", s.seed, s)
		began := time.Now()
		l, err := w.play(ctx, s)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			found++
			fmt.Printf("  NOT PLAYED: %v\n", err)
			continue
		}
		violations := l.check()
		for _, v := range violations {
			fmt.Printf("  VIOLATION %s\n", v)
		}
		if len(violations) > 0 {
			found++
			w.keepLogs(s.seed)
		}
		fmt.Printf("  %s, %v\n", l, time.Since(began).Round(100*time.Millisecond))
	}
	fmt.Printf("%d scenarios, %d with a violation\n", n, found)
	return found, nil
}
