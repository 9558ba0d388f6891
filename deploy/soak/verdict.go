package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// reading is how the process stands at a time.
type reading struct {
	at                        time.Duration
	memory, files, goroutines int64
}

// verdict compares the second quarter of a run, when all is warm, with the last.
type verdict struct{ memory, files, goroutines change }

type change struct {
	name          string
	before, after int64 // medians
	perHour       float64
	most          int64 // that after may be
}

func (c change) flat() bool { return c.after <= c.most }

func (v verdict) all() []change { return []change{v.memory, v.files, v.goroutines} }

func (v verdict) flat() bool {
	return !slices.ContainsFunc(v.all(), func(c change) bool { return !c.flat() })
}

func (v verdict) String() string {
	var b strings.Builder
	for _, c := range v.all() {
		word := "flat"
		if !c.flat() {
			word = "GROWS"
		}
		fmt.Fprintf(&b, "%-12s %-6s %d in the second quarter, %d in the last (at most %d), %+.1f an hour\n", c.name, word, c.before, c.after, c.most, c.perHour)
	}
	if v.flat() {
		b.WriteString("PASSED")
	} else {
		b.WriteString("FAILED")
	}
	return b.String()
}

// judge wants enough readings for quarters that mean something. A tenth more,
// and a little, is noise.
func judge(seen []reading) (verdict, error) {
	const least = 16
	if len(seen) < least {
		return verdict{}, fmt.Errorf("%d readings are too few for a verdict, want %d: run longer", len(seen), least)
	}
	quarter := len(seen) / 4
	second, last := seen[quarter:2*quarter], seen[len(seen)-quarter:]
	compare := func(name string, little int64, value func(reading) int64) change {
		c := change{name: name, before: median(second, value), after: median(last, value)}
		hours := (last[quarter/2].at - second[quarter/2].at).Hours()
		c.perHour = float64(c.after-c.before) / hours
		c.most = c.before + c.before/10 + little
		return c
	}
	return verdict{
		memory:     compare("memory, MiB", 16, func(r reading) int64 { return r.memory >> 20 }),
		files:      compare("open files", 16, func(r reading) int64 { return r.files }),
		goroutines: compare("goroutines", 32, func(r reading) int64 { return r.goroutines }),
	}, nil
}

func median(list []reading, value func(reading) int64) int64 {
	values := make([]int64, len(list))
	for i, r := range list {
		values[i] = value(r)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
