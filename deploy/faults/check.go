package main

import (
	"fmt"
	"slices"
	"time"
)

// ledger is all that the witnesses of a scenario say.
type ledger struct {
	// accepted: by execution ID, the number of the hook that got a 2xx with it.
	accepted map[string]sent
	// tried are the numbers that the client sent at all, answered or not.
	tried map[sent]bool
	// crossed are answers that belong to another hook.
	crossed *[]string
	// hooks are those in the broker's log, by execution ID: how often.
	hooks map[string]int
	// ends are the ends in the broker's log, by execution ID.
	ends        map[string]int
	deadletters []string
	poison      int // records that are no hooks
	// counted is how many hooks the edges counted as accepted; nil: one was
	// started anew meanwhile, and nobody knows.
	counted    *float64
	executions []execution
	rows       int // rows of the view executions; as many as there are executions
	steps      []step
	hits       []hit
	panics     []string
	faults     []span
	// durable is when the outcome of an effect was first read from the broker's
	// log, committed, by its key.
	durable map[string]time.Time
	// cuts are when runners were cut off from what they had in flight.
	cuts []cut
	// kinds are the flows that were played.
	kinds map[string]flowKind
	// calm says of a scenario without faults, by flow, with which number of its
	// hooks each part begins: that of the first turn alone, that of the first turn
	// beside a flow whose destination hangs, that of the second turn alone, and so on.
	calm    map[string][]int
	turns   []turn
	settled time.Duration
}

func newLedger(c *client) *ledger {
	l := &ledger{accepted: c.accepted, tried: c.tried, crossed: &c.crossed, hooks: map[string]int{}, ends: map[string]int{}, durable: map[string]time.Time{}, kinds: map[string]flowKind{}}
	for _, f := range append(slices.Clone(flows), hangingFlow) {
		l.kinds[f.name] = f
	}
	return l
}

// sent names a hook by its flow and its number.
type sent struct {
	flow string
	n    int
}

// span is a fault as it was done.
type span struct {
	name     string
	from, to time.Time
	repeats  bool
	found    time.Duration
}

// execution is a row of the run log.
type execution struct {
	id, flow, status, why string
	n                     int    // in the hook
	key                   string // in the hook: its order
	partition             int32
	offset                int64
}

// step is a step's last attempt in the run log, or that of one of its elements.
type step struct {
	execution, id, status, key string
	http                       bool
}

// hit is one request that the destination got, in the order they came.
type hit struct {
	flow, step, key string // key: the Idempotency-Key
	n, item         int
	// What it must have brought along: the size of a large body, the number of
	// the callback, how many elements there were.
	size, called, told int
	ok                 bool // it was answered 2xx
	at                 time.Time
	request            uint64 // a hash of all that it asks for
}

func (l *ledger) String() string {
	repeated, inFlight := l.repeated()
	text := fmt.Sprintf("%d accepted, %d executions, %d steps, %d hits, %d repeated of %d in flight at %d cuts, quiet after %v",
		len(l.accepted), len(l.executions), len(l.steps), len(l.hits), repeated, inFlight, len(l.cuts), l.settled.Round(100*time.Millisecond))
	if len(l.turns) > 0 {
		alone, beside := l.delays()
		text += fmt.Sprintf(", started within %v (p99) alone, %v beside the flow that hangs", alone, beside)
	}
	return text
}

// check says which promises are broken.
func (l *ledger) check() []string {
	var broken []string
	for _, promise := range []func() []string{
		l.everyHookEndedOnce, l.everySucceededStepWasSeen, l.countIsUnique, l.nothingWithoutARequest,
		l.noInversion, l.fewRepeats, l.repeatsAreTheSame, l.oneKey, l.outcomesWereRead, l.othersAreNotDelayed, l.nothingOpen, l.dedupedOnce,
		l.nothingFailed, l.neverTwice, l.wholeData, l.calledOnce, l.poisonIsPutAside, l.everyoneCountsTheSame,
		func() []string { return *l.crossed }, func() []string { return l.panics },
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

// I1: every hook that got a 2xx, and every other in the broker's log, has
// exactly one ended execution, in the run log and in the broker's.
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
		if l.hooks[id] == 0 {
			broken = append(broken, fmt.Sprintf("I1: hook %d of %s, execution %s, got a 2xx and is not in the broker's log", s.n, s.flow, id))
		}
	}
	for id := range l.hooks {
		if byID[id] != 1 || l.ends[id] != 1 {
			broken = append(broken, fmt.Sprintf("I1: the hook of execution %s in the broker's log ended %d times in the run log, %d times in the broker's", id, byID[id], l.ends[id]))
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

// I4: there is no execution without a request: each has its hook in the
// broker's log, and was sent by the client, or called by a flow.
func (l *ledger) nothingWithoutARequest() (broken []string) {
	for _, x := range l.executions {
		if l.hooks[x.id] == 0 {
			broken = append(broken, fmt.Sprintf("I4: execution %s of %s has no hook in the broker's log", x.id, x.flow))
		}
		of := x.flow
		if l.kinds[of].inner {
			of = "graph"
		}
		if !l.tried[sent{of, x.n}] {
			broken = append(broken, fmt.Sprintf("I4: execution %s of %s has the number %d, which was never sent", x.id, x.flow, x.n))
		}
	}
	return broken
}

// I5: in an ordered flow nothing of a hook is done before all of the hook
// before it was: its first request comes after the last one of that.
func (l *ledger) noInversion() (broken []string) {
	type at struct{ first, last int }
	seen := map[string]*at{} // by execution, through its effects' keys
	byKey := map[string]string{}
	for _, s := range l.steps {
		byKey[s.key] = s.execution
	}
	for i, h := range l.hits {
		id := byKey[h.key]
		if id == "" || !l.kinds[h.flow].ordered {
			continue
		}
		if seen[id] == nil {
			seen[id] = &at{first: i}
		}
		seen[id].last = i
	}
	lanes := map[string][]execution{}
	for _, x := range l.executions {
		if l.kinds[x.flow].ordered && seen[x.id] != nil {
			lane := x.flow + "\x00" + x.key
			lanes[lane] = append(lanes[lane], x)
		}
	}
	for _, lane := range lanes {
		slices.SortFunc(lane, func(a, b execution) int { return int(a.offset - b.offset) })
		for i := 1; i < len(lane); i++ {
			before, after := lane[i-1], lane[i]
			if b, a := seen[before.id], seen[after.id]; a.first < b.last {
				broken = append(broken, fmt.Sprintf("I5: in %s, key %s, hook %d (offset %d) was begun before hook %d (offset %d) was done: request %d at %s, request %d at %s",
					after.flow, after.key, after.n, after.offset, before.n, before.offset,
					a.first, l.hits[a.first].at.Format(clock), b.last, l.hits[b.last].at.Format(clock)))
			}
		}
	}
	return broken
}

const clock = "15:04:05.000"

// prompt is a delay of a start that nobody calls a delay, on a machine with few cores.
const prompt = 60 * time.Millisecond

// I7: while one flow's destination hangs, the others start as they do alone. It
// is measured in turns, so that what else the machine does falls on both.
func (l *ledger) othersAreNotDelayed() []string {
	if len(l.turns) == 0 {
		return nil
	}
	if alone, beside := l.delays(); beside > 2*max(alone, prompt) {
		return []string{fmt.Sprintf("I7: 99 of 100 executions started within %v, and within %v while another flow's destination hung", alone, beside)}
	}
	return nil
}

// turn has the delays of the starts in a part of a calm scenario in which nothing
// hangs, and in the part after it, in which another flow's destination does.
type turn struct {
	alone, beside []time.Duration
}

// delays are the medians over the turns of the 99th percentiles.
func (l *ledger) delays() (alone, beside time.Duration) {
	var a, b []time.Duration
	for _, t := range l.turns {
		a, b = append(a, p99(t.alone)), append(b, p99(t.beside))
	}
	return median(a), median(b)
}

func median(of []time.Duration) time.Duration {
	if len(of) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(of))[len(of)/2]
}

func p99(of []time.Duration) time.Duration {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)*99/100].Round(100 * time.Microsecond)
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

// No fault of a scenario is a reason to fail: each outlasts it. A payment may:
// whether it was done is not known when its runner is cut off.
func (l *ledger) nothingFailed() (broken []string) {
	mayFail := slices.ContainsFunc(l.faults, func(f span) bool { return f.repeats })
	for _, x := range l.executions {
		if ended(x.status) && x.status != "succeeded" && x.status != "duplicate" && !(mayFail && l.kinds[x.flow].once) {
			broken = append(broken, fmt.Sprintf("failed: execution %s of %s is %s: %s", x.id, x.flow, x.status, x.why))
		}
	}
	return broken
}

// What must not be repeated is not, whatever happens.
func (l *ledger) neverTwice() (broken []string) {
	done := map[string]int{}
	for _, h := range l.hits {
		if !h.ok || !l.kinds[h.flow].once {
			continue
		}
		if done[h.key]++; done[h.key] == 2 {
			broken = append(broken, fmt.Sprintf("onUnknown: step %s of hook %d of %s was repeated", h.step, h.n, h.flow))
		}
	}
	return broken
}

// What a step gets is whole: a large body, a callback, the elements before it.
func (l *ledger) wholeData() (broken []string) {
	for _, h := range l.hits {
		if want := l.kinds[h.flow].large; want != h.size {
			broken = append(broken, fmt.Sprintf("whole: hook %d of %s brought %d bytes, want %d", h.n, h.flow, h.size, want))
		}
		if h.flow == "graph" && h.step == "last" && (h.called != h.n || h.told != 3) {
			broken = append(broken, fmt.Sprintf("whole: hook %d of graph was joined from callback %d and %d elements, want %d and 3", h.n, h.called, h.told, h.n))
		}
	}
	return broken
}

// A flow that another calls is called once for each of that one's executions.
func (l *ledger) calledOnce() (broken []string) {
	called, callers := map[int]int{}, map[int]int{}
	for _, x := range l.executions {
		switch {
		case l.kinds[x.flow].inner:
			called[x.n]++
		case x.flow == "graph":
			callers[x.n]++
		}
	}
	for n, want := range callers {
		if called[n] != want {
			broken = append(broken, fmt.Sprintf("call: hook %d of graph has %d executions, and called the other flow %d times", n, want, called[n]))
		}
	}
	return broken
}

// What is no hook is in the dead letters, once, and nothing else is.
func (l *ledger) poisonIsPutAside() []string {
	if len(l.deadletters) != l.poison {
		return []string{fmt.Sprintf("poison: %d dead letters for %d poison records", len(l.deadletters), l.poison)}
	}
	return nil
}

// The edges' own counters, the client, the broker and the run log agree: what
// was answered was counted, and what was counted is there.
func (l *ledger) everyoneCountsTheSame() []string {
	if l.counted == nil {
		return nil
	}
	hooks := len(l.hooks)
	for _, x := range l.executions {
		if l.kinds[x.flow].inner {
			hooks--
		}
	}
	if n := int(*l.counted); n < len(l.accepted) || n > hooks {
		return []string{fmt.Sprintf("count: the edges accepted %d hooks by their own count, %d by the client's, and %d are in the broker's log", n, len(l.accepted), hooks)}
	}
	return nil
}

// Of the deliveries of one event exactly one runs.
func (l *ledger) dedupedOnce() (broken []string) {
	ran, came := map[sent]int{}, map[sent]bool{}
	for _, x := range l.executions {
		if l.kinds[x.flow].deduped {
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
