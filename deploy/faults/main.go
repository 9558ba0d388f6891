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
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"sluice/deploy/local"
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
	worlds int  // played at a time, each with engines of its own
	noise  bool // only calm scenarios, in which nothing hangs
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
	flag.IntVar(&o.worlds, "worlds", 1, "play so many at a time, each on engines of its own")
	flag.BoolVar(&o.noise, "noise", false, "play calm scenarios in which nothing hangs: how far apart two equal parts are by themselves")
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

// campaign plays scenarios, in each world one after the other, and returns in how
// many of them a promise was broken.
func campaign(ctx context.Context, o options) (found int, err error) {
	c := &campaigner{options: o, next: o.seed, began: time.Now()}
	dir, err := os.MkdirTemp("", "faults")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if c.clock {
		if c.binary, err = buildWithClock(dir); err != nil {
			return 0, err
		}
	}
	history, err := local.StartClickHouse(local.ClickHouseOptions{DataDir: filepath.Join(dir, "clickhouse"), Addr: "127.0.0.1:0"})
	if err != nil {
		return 0, err
	}
	defer func() { _ = history.Close() }()
	worlds, ctx := errgroup.WithContext(ctx) // one that cannot begin ends all
	for range max(o.worlds, 1) {
		worlds.Go(func() error { return c.world(ctx, history) })
	}
	err = worlds.Wait()
	fmt.Printf("%d scenarios, %d with a violation, %v\n", c.played, c.found, time.Since(c.began).Round(time.Second))
	return c.found, err
}

// campaigner is what the worlds of a campaign share.
type campaigner struct {
	options
	began time.Time
	// timing is held by a scenario that times something, while all others wait.
	timing sync.RWMutex

	mu            sync.Mutex
	next          uint64
	begun         int
	played, found int
}

// scenario is the next one to be played.
func (c *campaigner) scenario() (*scenario, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.begun < c.n && (c.within == 0 || time.Since(c.began) < c.within) {
		s := newScenario(c.next, c.scale, c.length)
		if c.noise {
			s = &scenario{seed: c.next, scale: c.scale, calm: true, quiet: true}
		}
		c.next++
		if c.like == nil || c.like.MatchString(s.String()) {
			c.begun++
			return s, true
		}
	}
	return nil, false
}

// world plays scenarios on engines of its own.
func (c *campaigner) world(ctx context.Context, history *local.ClickHouse) error {
	w, err := newWorld(c.options, history)
	if err != nil {
		return err
	}
	defer w.close()
	for {
		s, more := c.scenario()
		if !more || ctx.Err() != nil {
			return nil
		}
		if s.calm {
			c.timing.Lock()
		} else {
			c.timing.RLock()
		}
		c.play(ctx, w, s)
		if s.calm {
			c.timing.Unlock()
		} else {
			c.timing.RUnlock()
		}
	}
}

func (c *campaigner) play(ctx context.Context, w *world, s *scenario) {
	began := time.Now()
	fmt.Printf("seed %d: %s\n", s.seed, s)
	l, err := w.play(ctx, s)
	if ctx.Err() != nil {
		return // what it found is of its own end
	}
	var said strings.Builder
	violations := []string{}
	switch {
	case err != nil:
		fmt.Fprintf(&said, "  NOT PLAYED: %v\n", err)
	default:
		violations = l.check()
		for _, v := range violations {
			fmt.Fprintf(&said, "  VIOLATION %s\n", v)
		}
		fmt.Fprintf(&said, "  %s, %v\n", l, time.Since(began).Round(100*time.Millisecond))
	}
	if err != nil || len(violations) > 0 {
		w.keepLogs(s.seed)
		w.end() // what is left of it must not be the next one's
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.played++; err != nil || len(violations) > 0 {
		c.found++
	}
	if c.worlds > 1 {
		fmt.Printf("seed %d:\n", s.seed) // another one's words may stand in between
	}
	fmt.Print(said.String())
}
