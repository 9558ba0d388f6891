// Command faults tries to break Sluice's promises: it runs scenarios on three
// real brokers, two edges, two runners, one run log, a counting destination and
// a client with its own log, kills and stops them at random moments under load,
// fills their disks and sets their clocks, and then counts. A scenario depends
// on its seed alone, which is printed, so that one that found something can be
// run again:
//
//	go run ./deploy/faults -n 200            many, from a seed of the day
//	go run ./deploy/faults -seed 7041 -n 1   this one again
//	go run ./deploy/faults -like 'SIGSTOP run' -n 20   those that have this
//
// Read in this order: main.go, scenario.go (what is done), play.go and world.go
// (to whom), flows.go, client.go, destination.go and witness.go (who says what
// came of it), check.go (the promises).
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

// options of a campaign.
type options struct {
	seed   uint64
	n      int
	binary string
	clock  bool
	scale  int
	length length
	keep   string
	within time.Duration // no scenario begins after that; 0: all are played
	like   *regexp.Regexp
}

func main() {
	o := options{length: short}
	flag.IntVar(&o.n, "n", 10, "how many scenarios")
	flag.Uint64Var(&o.seed, "seed", 0, "of the first scenario; the next ones count up (default: of the time)")
	flag.StringVar(&o.binary, "binary", "bin/sluice", "the program to try, with -clock=false")
	flag.BoolVar(&o.clock, "clock", true, "build the program with a clock that can be set, and set it")
	flag.IntVar(&o.scale, "hooks", 200, "how many hooks the flow gets that gets most")
	flag.StringVar(&o.keep, "keep", "", "folder for the processes' logs of scenarios that found something")
	flag.DurationVar(&o.within, "within", 0, "begin no scenario after this time")
	like := flag.String("like", "", "play only scenarios whose description matches this regular expression, -n of them")
	freeze := flag.Bool("long", false, "freeze processes and brokers for up to a minute")
	flag.Parse()
	if o.seed == 0 {
		o.seed = uint64(time.Now().Unix())
	}
	var err error
	if o.like, err = regexp.Compile(*like); err != nil {
		fmt.Fprintln(os.Stderr, "faults: -like:", err)
		os.Exit(2)
	}
	if *freeze {
		o.length = long
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	found, err := campaign(ctx, o)
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
func campaign(ctx context.Context, o options) (found int, err error) {
	w, err := newWorld(o)
	if err != nil {
		return 0, err
	}
	defer w.close()
	start, played := time.Now(), 0
	for next := o.seed; played < o.n; next++ {
		if o.within > 0 && time.Since(start) > o.within {
			break
		}
		s := newScenario(next, o.scale, o.length)
		if o.like != nil && !o.like.MatchString(s.String()) {
			continue
		}
		fmt.Printf("seed %d: %s\n", s.seed, s)
		began := time.Now()
		l, err := w.play(ctx, s)
		if ctx.Err() != nil {
			break
		}
		played++
		if err != nil {
			found++
			fmt.Printf("  NOT PLAYED: %v\n", err)
			w.keepLogs(s.seed)
			w.end()
			continue
		}
		violations := l.check()
		for _, v := range violations {
			fmt.Printf("  VIOLATION %s\n", v)
		}
		if len(violations) > 0 {
			found++
			w.keepLogs(s.seed)
			w.end() // what is left of it must not be the next one's
		}
		fmt.Printf("  %s, %v\n", l, time.Since(began).Round(100*time.Millisecond))
	}
	fmt.Printf("%d scenarios, %d with a violation, %v\n", played, found, time.Since(start).Round(time.Second))
	return found, nil
}
