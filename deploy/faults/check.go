package main

import (
	"fmt"
	"slices"
)

// ledger is all that the witnesses of a scenario say.
type ledger struct {
	// accepted: by execution ID, the number of the hook that got a 2xx with it.
	accepted map[string]sent
	// tried are the numbers that the client sent at all, answered or not.
	tried      map[sent]bool
	executions []execution
	rows       int // rows of the view executions; as many as there are executions
	steps      []step
	hits       []hit
	// kills is how many runners were killed or stopped: each may repeat what
	// was in flight.
	kills int
	// perKill is how many effects may be in flight, or done since the last
	// transaction, when a runner is killed.
	perKill int
	// replays are flows whose hooks may be deliveries of the same event.
	deduped map[string]bool
	ordered map[string]bool
}

// sent names a hook by its flow and its number.
type sent struct {
	flow string
	n    int
}

// execution is a row of the run log.
type execution struct {
	id, flow, status string
	n                int    // in the hook's body
	key              string // in the hook's body
	partition        int32
	offset           int64
}

// step is a step's last attempt in the run log.
type step struct {
	execution, id, status, key string
	http                       bool
}

// hit is one request that the destination got, in the order they came.
type hit struct {
	flow, step, key string // key: the Idempotency-Key
	n               int
	order           string // the hook's ordering key
	ok              bool   // it was answered 2xx
}

func (l *ledger) String() string {
	return fmt.Sprintf("%d hooks accepted, %d executions, %d steps, %d hits, %d kills", len(l.accepted), len(l.executions), len(l.steps), len(l.hits), l.kills)
}

// check says which promises are broken.
func (l *ledger) check() []string {
	var broken []string
	for _, promise := range []func() []string{
		l.everyHookEndedOnce, l.everySucceededStepWasSeen, l.countIsUnique, l.nothingWithoutARequest,
		l.noInversion, l.fewRepeats, l.nothingOpen, l.dedupedOnce,
	} {
		found := promise()
		if len(found) > 5 {
			found = append(found[:5], fmt.Sprintf("… and %d more", len(found)-5))
		}
		broken = append(broken, found...)
	}
	return broken
}

func ended(status string) bool { return status != "running" && status != "waiting" }

// I1: every hook that got a 2xx has exactly one ended execution.
func (l *ledger) everyHookEndedOnce() (broken []string) {
	byID := map[string]int{}
	for _, x := range l.executions {
		if ended(x.status) {
			byID[x.id]++
		}
	}
	for id, s := range l.accepted {
		if byID[id] != 1 {
			broken = append(broken, fmt.Sprintf("I1: hook %d of %s, execution %s, ended %d times", s.n, s.flow, id, byID[id]))
		}
	}
	return broken
}

// I2: each HTTP step that succeeded was seen by the destination, and answered
// with success, under its key.
func (l *ledger) everySucceededStepWasSeen() (broken []string) {
	seen := map[string]bool{}
	for _, h := range l.hits {
		if h.ok {
			seen[h.key] = true
		}
	}
	for _, s := range l.steps {
		if s.http && s.status == "succeeded" && !seen[s.key] {
			broken = append(broken, fmt.Sprintf("I2: step %s of execution %s succeeded, and the destination never saw its key", s.id, s.execution))
		}
	}
	return broken
}

// I3: the run log has each execution once.
func (l *ledger) countIsUnique() []string {
	ids := map[string]bool{}
	for _, x := range l.executions {
		ids[x.id] = true
	}
	if l.rows != len(ids) {
		return []string{fmt.Sprintf("I3: %d rows for %d executions", l.rows, len(ids))}
	}
	return nil
}

// I4: there is no execution without a request.
func (l *ledger) nothingWithoutARequest() (broken []string) {
	for _, x := range l.executions {
		if !l.tried[sent{x.flow, x.n}] {
			broken = append(broken, fmt.Sprintf("I4: execution %s of %s has the number %d, which was never sent", x.id, x.flow, x.n))
		}
	}
	return broken
}

// I5: in an ordered flow nothing of a hook is done before the hook before it
// was done: the first request of one comes after the success of the one before.
func (l *ledger) noInversion() (broken []string) {
	type at struct{ first, done int }
	seen := map[string]*at{} // by execution, through its effects' keys
	byKey := map[string]string{}
	for _, s := range l.steps {
		byKey[s.key] = s.execution
	}
	for i, h := range l.hits {
		id := byKey[h.key]
		if id == "" || !l.ordered[h.flow] {
			continue
		}
		if seen[id] == nil {
			seen[id] = &at{first: i}
		}
		if h.ok && seen[id].done == 0 {
			seen[id].done = i + 1
		}
	}
	lanes := map[string][]execution{}
	for _, x := range l.executions {
		if l.ordered[x.flow] && seen[x.id] != nil {
			lane := x.flow + "\x00" + x.key
			lanes[lane] = append(lanes[lane], x)
		}
	}
	for _, lane := range lanes {
		slices.SortFunc(lane, func(a, b execution) int { return int(a.offset - b.offset) })
		for i := 1; i < len(lane); i++ {
			before, after := lane[i-1], lane[i]
			if b, a := seen[before.id], seen[after.id]; b.done == 0 || a.first < b.first || a.first < b.done-1 {
				broken = append(broken, fmt.Sprintf("I5: in %s, key %s, hook %d (offset %d) was begun before hook %d (offset %d) was done",
					after.flow, after.key, after.n, after.offset, before.n, before.offset))
			}
		}
	}
	return broken
}

// I6: an effect is repeated only for a kill, at most as many as were in
// flight, and under the same key: there is no second key for one step.
func (l *ledger) fewRepeats() (broken []string) {
	type effect struct {
		flow, step string
		n          int
	}
	successes := map[string]int{}
	keys := map[effect]map[string]bool{}
	for _, h := range l.hits {
		if h.ok {
			successes[h.key]++
		}
		e := effect{h.flow, h.step, h.n}
		if keys[e] == nil {
			keys[e] = map[string]bool{}
		}
		keys[e][h.key] = true
	}
	repeated := 0
	for _, n := range successes {
		repeated += n - 1
	}
	if most := l.kills * l.perKill; repeated > most {
		broken = append(broken, fmt.Sprintf("I6: %d effects were repeated, at most %d are allowed for %d kills", repeated, most, l.kills))
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

// I8: nothing is open for ever.
func (l *ledger) nothingOpen() (broken []string) {
	for _, x := range l.executions {
		if !ended(x.status) {
			broken = append(broken, fmt.Sprintf("I8: execution %s of %s is %s", x.id, x.flow, x.status))
		}
	}
	return broken
}

// Of the deliveries of one event exactly one runs.
func (l *ledger) dedupedOnce() (broken []string) {
	ran, came := map[sent]int{}, map[sent]bool{}
	for _, x := range l.executions {
		if l.deduped[x.flow] {
			came[sent{x.flow, x.n}] = true
			if x.status != "duplicate" {
				ran[sent{x.flow, x.n}]++
			}
		}
	}
	for s := range came {
		if ran[s] != 1 {
			broken = append(broken, fmt.Sprintf("dedupe: event %d of %s ran %d times", s.n, s.flow, ran[s]))
		}
	}
	return broken
}
