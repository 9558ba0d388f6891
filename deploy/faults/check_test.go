package main

import (
	"strings"
	"testing"
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
	l.faults = []span{{name: "kill -9 run0", from: at(10), to: at(10), repeats: true}}
	l.poison, l.deadletters = 1, []string{"0/9"}
	l.counted = &counted
	l.calm = map[string][2]int{"relay": {1, 2}}
	l.quiet, l.beside = []time.Duration{50 * time.Millisecond}, []time.Duration{90 * time.Millisecond}
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
		"a flow that delays others":      {func(l *ledger) { l.beside[0] = time.Second }, "I7"},
		"an open execution":              {func(l *ledger) { l.executions[1].status = "waiting" }, "I8"},
		"an event run twice":             {func(l *ledger) { l.executions[4].status = "succeeded" }, "dedupe"},
		"an event never run":             {func(l *ledger) { l.executions[3].status = "duplicate" }, "dedupe"},
		"a failure for nothing":          {func(l *ledger) { l.executions[6].status = "failed" }, "failed"},
		"a payment failed for nothing":   {func(l *ledger) { l.executions[5].status = "failed"; l.faults = nil }, "failed"},
		"a payment twice":                {func(l *ledger) { l.hits = append(l.hits, l.hits[6]) }, "onUnknown"},
		"a body cut short":               {func(l *ledger) { l.hits[1].size = 7 }, "whole"},
		"a callback of another":          {func(l *ledger) { l.hits[7].called = 2 }, "whole"},
		"an element lost":                {func(l *ledger) { l.hits[7].told = 2 }, "whole"},
		"a flow called twice":            {func(l *ledger) { l.executions = append(l.executions, execution{id: "j", flow: "inner", n: 1}) }, "call"},
		"poison that vanished":           {func(l *ledger) { l.deadletters = nil }, "poison"},
		"a hook that was not counted":    {func(l *ledger) { *l.counted = 5 }, "count"},
		"a hook that was counted twice":  {func(l *ledger) { *l.counted = 8 }, "count"},
		"an answer of another":           {func(l *ledger) { *l.crossed = []string{"reply: …"} }, "reply"},
		"a panic":                        {func(l *ledger) { l.panics = []string{"run0.log: panic: …"} }, "run0.log: panic"},
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
