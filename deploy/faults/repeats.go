package main

import (
	"fmt"
	"slices"
	"time"
)

// sinceTransaction is how old an effect's outcome is at most that is not durable
// yet: the timeout of its transaction.
const sinceTransaction = 10 * time.Second

// cut is when a runner was cut off from what it had in flight: it was killed,
// stopped or ended, or it said itself that a session ended or that partitions
// were lost or handed over.
type cut struct {
	at time.Time
	// known is how long after it the runner may have said so: what was in flight
	// may have been done again, and be durable, by then.
	known time.Duration
}

// cutsSaid are the lines of a runner's log that tell of a cut.
var cutsSaid = map[string]time.Duration{
	"starting the runner's session again": 3 * time.Second,
	"partitions lost":                     findingOut,
	"partitions handed over":              500 * time.Millisecond,
}

// I6: repeated effects ≤ effects in flight × cuts, and none without a fault. It
// is counted by effect: one may be repeated once for each cut that it was in
// flight at.
func (l *ledger) fewRepeats() (broken []string) {
	for key, done := range l.done() {
		allowed := 0
		for _, c := range l.cuts {
			if l.inFlight(c, key, done) {
				allowed++
			}
		}
		if again := len(done) - 1; again > allowed {
			broken = append(broken, fmt.Sprintf("I6: step %s of hook %d of %s was repeated %d times, first at %s, last at %s, durable at %s: it was in flight at %d cuts",
				done[0].step, done[0].n, done[0].flow, again, done[0].at.Format(clock), done[again].at.Format(clock), l.durable[key].Format(clock), allowed))
			continue
		}
		// By time as well: it was done before a fault and not durable when that
		// began, or until the runner knew of it.
		durable, known := l.durable[key]
		for i, h := range done[1:] {
			before := done[i]
			excused := slices.ContainsFunc(l.faults, func(f span) bool {
				return f.repeats && (!known || durable.After(f.from)) && before.at.After(f.from.Add(-sinceTransaction)) && before.at.Before(f.to.Add(f.found)) && h.at.After(f.from)
			})
			if !excused {
				broken = append(broken, fmt.Sprintf("I6: step %s of hook %d of %s was done at %s and again at %s, and no fault accounts for it",
					h.step, h.n, h.flow, before.at.Format(clock), h.at.Format(clock)))
			}
		}
	}
	return broken
}

// done are the requests that were answered with success, by key, in their order.
func (l *ledger) done() map[string][]hit {
	by := map[string][]hit{}
	for _, h := range l.hits {
		if h.ok {
			by[h.key] = append(by[h.key], h)
		}
	}
	return by
}

// inFlight reports whether an effect was: it had been asked for, and its outcome
// was not yet to be read from the broker's log.
func (l *ledger) inFlight(c cut, key string, done []hit) bool {
	if !done[0].at.Before(c.at.Add(inTransit)) {
		return false
	}
	durable, known := l.durable[key]
	return !known || durable.After(c.at.Add(-c.known))
}

// repeated is how many effects were repeated, and how many were in flight at a
// cut, those that were at several as often: the bound of the first.
func (l *ledger) repeated() (repeated, inFlight int) {
	for key, done := range l.done() {
		repeated += len(done) - 1
		for _, c := range l.cuts {
			if l.inFlight(c, key, done) {
				inFlight++
			}
		}
	}
	return repeated, inFlight
}

// I6 as well: what goes out again under a key is the same request.
func (l *ledger) repeatsAreTheSame() (broken []string) {
	first := map[string]hit{}
	for _, h := range l.hits {
		if before, again := first[h.key]; !again {
			first[h.key] = h
		} else if before.request != h.request {
			broken = append(broken, fmt.Sprintf("I6: step %s of hook %d of %s went out at %s, and as another request under the same key at %s",
				h.step, h.n, h.flow, before.at.Format(clock), h.at.Format(clock)))
		}
	}
	return broken
}

// The witness of what was durable saw the outcome of every effect: or it would
// excuse each repeat.
func (l *ledger) outcomesWereRead() (broken []string) {
	for _, s := range l.steps {
		if _, read := l.durable[s.key]; s.http && s.status == "succeeded" && !read {
			broken = append(broken, fmt.Sprintf("witness: step %s of execution %s succeeded, and its outcome was not read from the broker's log", s.id, s.execution))
		}
	}
	return broken
}

// I6 as well: each repeat is under the same key. There is no second key for one step.
func (l *ledger) oneKey() (broken []string) {
	type effect struct {
		flow, step string
		n, item    int
	}
	keys := map[effect]map[string]bool{}
	for _, h := range l.hits {
		e := effect{h.flow, h.step, h.n, h.item}
		if keys[e] == nil {
			keys[e] = map[string]bool{}
		}
		keys[e][h.key] = true
	}
	executions := map[sent]int{}
	for _, x := range l.executions {
		if x.status != "duplicate" {
			executions[sent{x.flow, x.n}]++
		}
	}
	for e, k := range keys {
		// A hook whose answer was lost is sent again, and is another execution.
		if len(k) > executions[sent{e.flow, e.n}] {
			broken = append(broken, fmt.Sprintf("I6: step %s of hook %d of %s went out under %d keys for %d executions", e.step, e.n, e.flow, len(k), executions[sent{e.flow, e.n}]))
		}
	}
	return broken
}
