package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// patience is how long everything may take to come to rest after the faults.
const patience = 90 * time.Second

var (
	errNoDisk  = errors.New("small disks cannot be mounted here (that takes root on Linux)")
	errNoClock = errors.New("this program's clock cannot be set: play without -clock=false")
)

// play runs a scenario, waits until all is quiet, and returns what the
// witnesses say.
func (w *world) play(ctx context.Context, s *scenario) (*ledger, error) {
	if err := w.install(ctx, s.seed); err != nil {
		return nil, fmt.Errorf("installing: %w", err)
	}
	edges := func() []string { return []string{w.addrs["edge0"], w.addrs["edge1"]} }
	destination, err := newDestination(edges)
	if err != nil {
		return nil, err
	}
	defer destination.close()
	silent, err := newDestination(edges)
	if err != nil {
		return nil, err
	}
	defer silent.close()
	w.destination = destination
	at := site{prefix: fmt.Sprintf("s%d-", s.seed), destination: destination.url, hanging: silent.url}
	played := flows
	if s.calm {
		played = append(slices.Clone(flows), hangingFlow)
	}
	if err := w.apply(ctx, at, played); err != nil {
		return nil, err
	}
	before, err := w.look(ctx, at)
	if err != nil {
		return nil, err
	}
	c := newClient(edges, at)
	l := newLedger(c)
	if s.calm {
		err = w.time(ctx, s, c, l, silent)
	} else {
		err = w.disturb(ctx, s, c, l)
	}
	if err != nil {
		return nil, err
	}
	return l, w.settle(ctx, at, before, l, destination, silent)
}

// disturb sends hooks, and does the faults meanwhile.
func (w *world) disturb(ctx context.Context, s *scenario, c *client, l *ledger) error {
	var doing sync.WaitGroup
	var mu sync.Mutex
	var failed error
	locks := map[string]*sync.Mutex{}
	for _, f := range s.faults {
		for _, name := range f.on {
			if locks[name] == nil {
				locks[name] = &sync.Mutex{}
			}
		}
	}
	for _, f := range s.faults {
		doing.Go(func() {
			rest(ctx, f.at)
			for _, name := range slices.Sorted(slices.Values(f.on)) {
				locks[name].Lock()
				defer locks[name].Unlock()
			}
			began := time.Now()
			err := f.do(ctx, w)
			mu.Lock()
			defer mu.Unlock()
			l.faults = append(l.faults, span{name: f.name, from: began, to: time.Now(), repeats: f.repeats, found: f.found})
			l.poison += f.poison
			switch {
			case errors.Is(err, errNoDisk), errors.Is(err, errNoClock):
				fmt.Printf("  NOT DONE %s: %v\n", f.name, err)
			case err != nil:
				failed = errors.Join(failed, fmt.Errorf("%s: %w", f.name, err))
			}
		})
	}
	var batches []batch
	for _, f := range flows {
		if n := f.hooks(s.scale); n > 0 {
			batches = append(batches, batch{f, 0, n})
		}
	}
	err := c.load(ctx, rand.New(rand.NewPCG(s.seed, 2)), batches, s.over)
	doing.Wait()
	return errors.Join(err, failed)
}

// A calm scenario has a few turns of two equal parts. In each part so many hooks
// of each hundred of relay's come as make a 99th percentile.
const (
	turns     = 3
	partLasts = 3 * time.Second
	partShare = 3 // halves of the hooks of a scenario with faults
)

// time sends the same load again and again: a part alone, a part beside many
// hooks of a flow whose destination hangs, a part alone when those are done, and
// so on.
func (w *world) time(ctx context.Context, s *scenario, c *client, l *ledger, silent *destination) error {
	r := rand.New(rand.NewPCG(s.seed, 2))
	l.calm = map[string][]int{}
	next := map[string]int{}
	part := func(hooks func(f flowKind) int, over time.Duration) error {
		var batches []batch
		for _, f := range flows {
			if n := hooks(f); n > 0 && f.timed() {
				batches = append(batches, batch{f, next[f.name], next[f.name] + n})
				next[f.name] += n
			}
		}
		return c.load(ctx, r, batches, over)
	}
	timed := func() error {
		for _, f := range flows {
			if f.timed() {
				l.calm[f.name] = append(l.calm[f.name], next[f.name])
			}
		}
		return part(func(f flowKind) int { return f.hooks(s.scale) * partShare / 2 }, partLasts)
	}
	// The runners share the partitions first.
	if err := part(func(f flowKind) int { return f.hooks(s.scale)/4 + 1 }, time.Second); err != nil {
		return err
	}
	rest(ctx, 2*time.Second)
	defer silent.set(well)
	for turn := range turns {
		if err := timed(); err != nil {
			return err
		}
		if !s.quiet {
			silent.set(hanging)
			if err := c.load(ctx, r, []batch{{hangingFlow, turn * s.hung(), (turn + 1) * s.hung()}}, time.Second); err != nil {
				return err
			}
		}
		if err := timed(); err != nil {
			return err
		}
		silent.set(well)
		for deadline := time.Now().Add(patience); !s.quiet && silent.done() < (turn+1)*s.hung() && time.Now().Before(deadline); {
			rest(ctx, 50*time.Millisecond)
		}
	}
	return nil
}

// hung is how many hooks of the flow whose destination hangs a turn has.
func (s *scenario) hung() int { return 2 * s.scale }
