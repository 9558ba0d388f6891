package main

import (
	"strings"
	"testing"
)

// good is a ledger in which every promise is kept: two hooks of an ordered
// flow, one of them sent twice because its answer was lost, and an event that
// was delivered twice.
func good() *ledger {
	return &ledger{
		accepted: map[string]sent{"a": {"lane", 1}, "b": {"lane", 2}, "d": {"once", 1}, "e": {"once", 1}},
		tried:    map[sent]bool{{"lane", 1}: true, {"lane", 2}: true, {"once", 1}: true},
		executions: []execution{
			{id: "a", flow: "lane", status: "succeeded", n: 1, key: "k", offset: 1},
			{id: "b", flow: "lane", status: "succeeded", n: 2, key: "k", offset: 2},
			{id: "c", flow: "lane", status: "succeeded", n: 2, key: "k", offset: 3},
			{id: "d", flow: "once", status: "succeeded", n: 1, offset: 4},
			{id: "e", flow: "once", status: "duplicate", n: 1, offset: 5},
		},
		rows: 5,
		steps: []step{
			{execution: "a", id: "call", status: "succeeded", key: "ka", http: true}, {execution: "b", id: "call", status: "succeeded", key: "kb", http: true},
			{execution: "c", id: "call", status: "succeeded", key: "kc", http: true}, {execution: "d", id: "call", status: "succeeded", key: "kd", http: true},
		},
		hits: []hit{
			{flow: "lane", step: "call", key: "ka", n: 1, ok: false}, {flow: "lane", step: "call", key: "ka", n: 1, ok: true},
			{flow: "lane", step: "call", key: "kb", n: 2, ok: true}, {flow: "lane", step: "call", key: "kc", n: 2, ok: true},
			{flow: "once", step: "call", key: "kd", n: 1, ok: true}, {flow: "once", step: "call", key: "kd", n: 1, ok: true},
		},
		kills: 1, perKill: 1,
		ordered: map[string]bool{"lane": true}, deduped: map[string]bool{"once": true},
	}
}

func TestTheCheckerFindsEachBrokenPromise(t *testing.T) {
	if broken := good().check(); len(broken) != 0 {
		t.Fatalf("a good ledger: %v", broken)
	}
	for name, c := range map[string]struct {
		plant func(l *ledger)
		want  string
	}{
		"a lost hook":            {func(l *ledger) { l.accepted["x"] = sent{"lane", 3} }, "I1"},
		"an end twice":           {func(l *ledger) { l.executions = append(l.executions, l.executions[0]) }, "I1"},
		"a step nobody saw":      {func(l *ledger) { l.steps[0].key = "other" }, "I2"},
		"a step that was failed": {func(l *ledger) { l.hits[1].ok = false }, "I2"},
		"a row twice":            {func(l *ledger) { l.rows++ }, "I3"},
		"a hook out of nothing":  {func(l *ledger) { l.executions[3].n = 9 }, "I4"},
		"an inversion":           {func(l *ledger) { l.hits[0], l.hits[2] = l.hits[2], l.hits[0] }, "I5"},
		"begun too early":        {func(l *ledger) { l.hits[1], l.hits[2] = l.hits[2], l.hits[1] }, "I5"},
		"a repeat without kills": {func(l *ledger) { l.kills = 0 }, "I6"},
		"a second key":           {func(l *ledger) { l.hits[1].key = "second"; l.steps[0].key = "second" }, "I6"},
		"an open execution":      {func(l *ledger) { l.executions[1].status = "waiting" }, "I8"},
		"an event run twice":     {func(l *ledger) { l.executions[4].status = "succeeded" }, "dedupe"},
		"an event never run":     {func(l *ledger) { l.executions[3].status = "duplicate" }, "dedupe"},
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
