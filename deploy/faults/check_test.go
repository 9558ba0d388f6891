package main

import (
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// good is a ledger in which every promise is kept: two hooks of an ordered
// flow, one of them sent twice because its answer was lost, an event that was
// delivered twice, a payment, and a graph with the flow it calls.
func good() *ledger {
	at := func(seconds int) time.Time { return time.Unix(1000+int64(seconds), 0) }
	counted := 7.0
	l := newLedger(&client{
		accepted: map[string]sent{"a": {"lane", 1}, "b": {"lane", 2}, "d": {"once", 1}, "e": {"once", 1}, "p": {"pay", 1}, "g": {"graph", 1}},
		tried:    map[sent]bool{{"lane", 1}: true, {"lane", 2}: true, {"once", 1}: true, {"pay", 1}: true, {"graph", 1}: true},
	})
	l.executions = []execution{
		{id: "a", flow: "lane", status: "succeeded", n: 1, key: "k", offset: 1},
		{id: "b", flow: "lane", status: "succeeded", n: 2, key: "k", offset: 2},
		{id: "c", flow: "lane", status: "succeeded", n: 2, key: "k", offset: 3},
		{id: "d", flow: "once", status: "succeeded", n: 1, offset: 4},
		{id: "e", flow: "once", status: "duplicate", n: 1, offset: 5},
		{id: "p", flow: "pay", status: "succeeded", n: 1, offset: 6},
		{id: "g", flow: "graph", status: "succeeded", n: 1, offset: 7},
		{id: "i", flow: "inner", status: "succeeded", n: 1, offset: 8},
	}
	l.rows = len(l.executions)
	for _, x := range l.executions {
		l.hooks[x.id], l.ends[x.id] = 1, 1
	}
	l.steps = []step{
		{execution: "a", id: "call", status: "succeeded", key: "ka", http: true}, {execution: "b", id: "call", status: "succeeded", key: "kb", http: true},
		{execution: "c", id: "call", status: "succeeded", key: "kc", http: true}, {execution: "d", id: "call", status: "succeeded", key: "kd", http: true},
		{execution: "p", id: "call", status: "succeeded", key: "kp", http: true}, {execution: "g", id: "last", status: "succeeded", key: "kg", http: true},
	}
	l.hits = []hit{
		{flow: "lane", step: "call", key: "ka", n: 1, at: at(0)}, {flow: "lane", step: "call", key: "ka", n: 1, ok: true, at: at(1)},
		{flow: "lane", step: "call", key: "kb", n: 2, ok: true, at: at(2)}, {flow: "lane", step: "call", key: "kc", n: 2, ok: true, at: at(3)},
		{flow: "once", step: "call", key: "kd", n: 1, ok: true, at: at(9)}, {flow: "once", step: "call", key: "kd", n: 1, ok: true, at: at(11)},
		{flow: "pay", step: "call", key: "kp", n: 1, ok: true, at: at(12)},
		{flow: "graph", step: "last", key: "kg", n: 1, called: 1, told: 3, ok: true, at: at(13)},
	}
	l.faults = []span{{name: "kill -9 run0", from: at(10), to: at(10), repeats: true, found: time.Second}}
	l.cuts = []cut{{at: at(10)}}
	l.poison, l.deadletters = 1, []string{"0/9"}
	l.counted = &counted
	for key, when := range map[string]time.Time{"ka": at(2), "kb": at(3), "kc": at(4), "kd": at(12), "kp": at(13), "kg": at(14)} {
		l.durable[key] = when
	}
	for _, beside := range []int{90, 2000, 90} { // once the machine did something else
		l.turns = append(l.turns, turn{[]time.Duration{50 * time.Millisecond}, []time.Duration{time.Duration(beside) * time.Millisecond}})
	}
	return l
}

func TestTheCheckerFindsEachBrokenPromise(t *testing.T) {
	if broken := good().check(); len(broken) != 0 {
		t.Fatalf("a good ledger: %v", broken)
	}
	for name, c := range map[string]struct {
		plant func(l *ledger)
		want  string
	}{
		"a lost hook":                    {func(l *ledger) { l.accepted["x"] = sent{"lane", 3} }, "I1"},
		"an end twice":                   {func(l *ledger) { l.executions = append(l.executions, l.executions[0]) }, "I1"},
		"an end twice in the log":        {func(l *ledger) { l.ends["b"] = 2 }, "I1"},
		"a hook nobody ran":              {func(l *ledger) { l.hooks["x"] = 1 }, "I1"},
		"a 2xx without a record":         {func(l *ledger) { delete(l.hooks, "a") }, "I1"},
		"a step nobody saw":              {func(l *ledger) { l.steps[0].key = "other" }, "I2"},
		"a step that was failed":         {func(l *ledger) { l.hits[1].ok = false }, "I2"},
		"a row twice":                    {func(l *ledger) { l.rows++ }, "I3"},
		"a hook out of nothing":          {func(l *ledger) { l.executions[3].n = 9 }, "I4"},
		"an execution without a hook":    {func(l *ledger) { delete(l.hooks, "i") }, "I4"},
		"an inversion":                   {func(l *ledger) { l.hits[0], l.hits[2] = l.hits[2], l.hits[0] }, "I5"},
		"begun too early":                {func(l *ledger) { l.hits[1], l.hits[2] = l.hits[2], l.hits[1] }, "I5"},
		"a repeat without a fault":       {func(l *ledger) { l.faults = nil }, "I6"},
		"a repeat for an edge's death":   {func(l *ledger) { l.faults[0].repeats = false }, "I6"},
		"a repeat of what was long done": {func(l *ledger) { l.hits[4].at = l.hits[4].at.Add(-time.Minute) }, "I6"},
		"a repeat before the fault":      {func(l *ledger) { l.hits[5].at = l.hits[4].at.Add(time.Millisecond) }, "I6"},
		"a second key":                   {func(l *ledger) { l.hits[1].key = "second"; l.steps[0].key = "second" }, "I6"},
		"a repeat of what was durable":   {func(l *ledger) { l.durable["kd"] = l.faults[0].from.Add(-time.Millisecond) }, "I6"},
		"more repeats than kills":        {func(l *ledger) { l.hits = append(l.hits, l.hits[5]) }, "I6"},
		"a repeat of what began later": {func(l *ledger) {
			l.hits[4].at = l.faults[0].to.Add(1500 * time.Millisecond)
			l.hits[5].at = l.hits[4].at.Add(time.Second)
		}, "I6"},
		"another request under a key":      {func(l *ledger) { l.hits[5].request = 7 }, "I6"},
		"an outcome that nobody read":      {func(l *ledger) { delete(l.durable, "kb") }, "witness"},
		"a flow that delays others":        {func(l *ledger) { l.turns[0].beside[0] = time.Second }, "I7"},
		"a repeat of what was not held up": {func(l *ledger) { l.hits[4].at = l.hits[4].at.Add(-15 * time.Second) }, "I6"},
		"an open execution":                {func(l *ledger) { l.executions[1].status = "waiting" }, "I8"},
		"one that runs for ever":           {func(l *ledger) { l.executions[1].status = "running" }, "I8"},
		"an event run twice":               {func(l *ledger) { l.executions[4].status = "succeeded" }, "dedupe"},
		"an event never run":               {func(l *ledger) { l.executions[3].status = "duplicate" }, "dedupe"},
		"a failure for nothing":            {func(l *ledger) { l.executions[6].status = "failed" }, "failed"},
		"a payment failed for nothing":     {func(l *ledger) { l.executions[5].status = "failed"; l.faults = nil }, "failed"},
		"a payment twice":                  {func(l *ledger) { l.hits = append(l.hits, l.hits[6]) }, "onUnknown"},
		"a body cut short":                 {func(l *ledger) { l.hits[1].size = 7 }, "whole"},
		"a callback of another":            {func(l *ledger) { l.hits[7].called = 2 }, "whole"},
		"an element lost":                  {func(l *ledger) { l.hits[7].told = 2 }, "whole"},
		"a flow called twice":              {func(l *ledger) { l.executions = append(l.executions, execution{id: "j", flow: "inner", n: 1}) }, "call"},
		"poison that vanished":             {func(l *ledger) { l.deadletters = nil }, "poison"},
		"a hook that was not counted":      {func(l *ledger) { *l.counted = 5 }, "count"},
		"a hook that was counted twice":    {func(l *ledger) { *l.counted = 8 }, "count"},
		"an answer of another":             {func(l *ledger) { *l.crossed = []string{"reply: …"} }, "reply"},
		"a panic":                          {func(l *ledger) { l.panics = []string{"run0.log: panic: …"} }, "run0.log: panic"},
	} {
		l := good()
		c.plant(l)
		broken := l.check()
		found := false
		for _, b := range broken {
			found = found || strings.HasPrefix(b, c.want)
		}
		if !found {
			t.Errorf("%s: %v, want %s", name, broken, c.want)
		}
	}
}

// What a runner says of itself is heard when its log has it, which may be after
// others have done again what it had in flight.
func TestRunnersSayThatTheyWereCutOff(t *testing.T) {
	var c cuts
	var log strings.Builder
	began := time.Now()
	l := &listener{to: &log, heard: func(line string) { c.heard("run0", line) }}
	const said = "level=INFO msg=\"partitions assigned\"\nlevel=WARN msg=\"partitions lost: another runner has them\"\nlevel=WARN msg=\"starting the runner's session again\"\n"
	for i := range said { // in pieces
		if _, err := l.Write([]byte(said[i : i+1])); err != nil {
			t.Fatal(err)
		}
	}
	c.cutOff("edge0", 0)
	c.cutOff("run1", 0)
	list := c.cutsSince(began)
	if len(list) != 3 || list[0].known != findingOut || list[1].known != 3*time.Second || list[2].known != 0 || log.String() != said {
		t.Errorf("cuts = %+v, log %q", list, log.String())
	}
	if late := c.cutsSince(time.Now()); len(late) != 0 {
		t.Errorf("cuts of before = %+v", late)
	}
}

func TestAnEffectMayBeRepeatedOnceForEachCut(t *testing.T) {
	l := good()
	l.faults[0].found = findingOut
	first := l.faults[0].from
	l.hits = append(l.hits, l.hits[5])
	for name, c := range map[string]struct {
		second cut
		broken bool
	}{
		"in flight at another":          {cut{at: first.Add(500 * time.Millisecond)}, false},
		"durable by then":               {cut{at: first.Add(3 * time.Second)}, true},
		"durable before that was known": {cut{at: first.Add(3 * time.Second), known: 2 * time.Second}, false},
		"not yet asked for":             {cut{at: first.Add(-3 * time.Second)}, true},
	} {
		l.cuts = []cut{{at: first}, c.second}
		if broken := l.check(); len(broken) > 0 != c.broken {
			t.Errorf("%s: %v", name, broken)
		}
	}
}

func TestStartsAreTimedByThePartTheirHooksCameIn(t *testing.T) {
	l := &ledger{calm: map[string][]int{"relay": {2, 4, 6, 8}}}
	for n := range 10 {
		l.started(execution{flow: "relay", n: n}, time.Duration(n))
		l.started(execution{flow: "lane", n: n}, time.Hour)
	}
	want := []turn{{[]time.Duration{2, 3}, []time.Duration{4, 5}}, {[]time.Duration{6, 7}, []time.Duration{8, 9}}}
	if !reflect.DeepEqual(l.turns, want) {
		t.Errorf("turns = %v, want %v", l.turns, want)
	}
}

// A request that came in part was not made, and what is asked for twice is told
// from what is asked for anew.
func TestTheDestinationKnowsARequestAgain(t *testing.T) {
	d, err := newDestination(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	ask := func(body io.Reader) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.url+"/?flow=relay&step=first", body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Idempotency-Key", "k")
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
	}
	ask(strings.NewReader(`{"n":1}`))
	ask(strings.NewReader(`{"n":1}`))
	ask(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(`{"n":1}`))))
	ask(strings.NewReader(`{"n":2}`))
	hits := d.seen()
	if len(hits) != 3 || hits[0].request != hits[1].request || hits[0].request == hits[2].request {
		t.Errorf("hits = %+v, want two that are the same and another one", hits)
	}
}
