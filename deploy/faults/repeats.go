package main

import (
	"fmt"
	"slices"
	"time"
)

// sinceTransaction is how old an effect's outcome is at most that is not durable
// yet, where nothing held its transaction up.
const sinceTransaction = 1500 * time.Millisecond

// I6: repeated effects ≤ effects in flight × faults that cut runners off, and
// none without a fault. It is counted by effect: one may be repeated for a fault
// only if it was in flight then, and as often as that fault cuts runners off.
func (l *ledger) fewRepeats() (broken []string) {
	for key, done := range l.done() {
		allowed := 0
		for _, f := range l.faults {
			if l.inFlight(f, key, done) {
				allowed += l.cutsOf(f)
			}
		}
		if again := len(done) - 1; again > allowed {
			broken = append(broken, fmt.Sprintf("I6: step %s of hook %d of %s was repeated %d times, first done at %s, durable at %s, and the faults it was in flight in account for %d",
				done[0].step, done[0].n, done[0].flow, again, done[0].at.Format(clock), l.durable[key].Format(clock), allowed))
			continue
		}
		// By time as well: it was done shortly before the fault, or until the runner knew of it.
		for i, h := range done[1:] {
			before := done[i]
			excused := slices.ContainsFunc(l.faults, func(f span) bool {
				return f.repeats != 0 && before.at.After(f.from.Add(-sinceTransaction)) && before.at.Before(f.to.Add(f.found)) && h.at.After(f.from)
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

// inFlight reports whether an effect's requests may have been cut off from their
// outcome by a fault: one of them had come before the runner knew of the fault,
// and the outcome was not yet to be read from the broker's log when it began.
func (l *ledger) inFlight(f span, key string, done []hit) bool {
	if f.repeats == 0 || !done[0].at.Before(f.to.Add(f.found)) {
		return false
	}
	durable, known := l.durable[key]
	return !known || durable.After(f.from)
}

// cutsOf is how often a fault may cut an effect off. What brokers do to runners
// is for them to say: a session that ends, and one that loses its partitions.
func (l *ledger) cutsOf(f span) int {
	if f.repeats == oncePerCut {
		return max(l.cuts, 1)
	}
	return f.repeats
}

// repeated is how many effects were repeated, and how many were in flight in a
// fault: the bound of the first.
func (l *ledger) repeated() (repeated, inFlight int) {
	for key, done := range l.done() {
		repeated += len(done) - 1
		if slices.ContainsFunc(l.faults, func(f span) bool { return l.inFlight(f, key, done) }) {
			inFlight++
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
