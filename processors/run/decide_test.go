package run

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sluice/connectors"
	"sluice/schemas"
	"sluice/schemas/records"
)

// settle writes how steps stand: s succeeded, f failed, k skipped, r retrying, - not begun.
func settle(flow *schemas.Flow, how string) *records.Execution {
	x := &records.Execution{Status: records.ExecutionStatus_EXECUTION_STATUS_RUNNING, Steps: map[string]*records.StepState{}}
	status := map[byte]records.StepStatus{
		's': records.StepStatus_STEP_STATUS_SUCCEEDED, 'f': records.StepStatus_STEP_STATUS_FAILED,
		'k': records.StepStatus_STEP_STATUS_SKIPPED, 'r': records.StepStatus_STEP_STATUS_RETRYING,
	}
	for i, s := range flow.Steps {
		if how[i] != '-' && how[i] != 'b' {
			x.Steps[s.ID] = &records.StepState{Status: status[how[i]], Failure: failureOf(how[i], s.ID)}
		}
	}
	return x
}

func failureOf(how byte, id string) *records.Failure {
	if how != 'f' {
		return nil
	}
	return &records.Failure{Step: id}
}

func TestDecide(t *testing.T) {
	line := []schemas.Step{{ID: "a"}, {ID: "b"}, {ID: "c"}}
	fan := []schemas.Step{{ID: "a"}, {ID: "b", After: []string{"a"}}, {ID: "c", After: []string{"a"}}, {ID: "j", After: []string{"b", "c"}}}
	router := []schemas.Step{{ID: "a"}, {ID: "x", After: []string{"a"}, When: "=1"}, {ID: "y", After: []string{"a"}, When: "=2"}, {ID: "z", After: []string{"a"}, Otherwise: true}}
	handler := []schemas.Step{{ID: "a"}, {ID: "ok", After: []string{"a"}}, {ID: "oops", After: []string{"a"}, On: "failure"}, {ID: "last", After: []string{"a"}, On: "always"}}
	roots := []schemas.Step{{ID: "a", After: []string{}}, {ID: "b", After: []string{}}}

	for _, c := range []struct {
		name  string
		steps []schemas.Step
		how   string // b is in flight
		want  string
	}{
		{"the first step begins", line, "---", "run a"},
		{"the next one follows", line, "s--", "run b"},
		{"nothing passes a retry", line, "r--", ""},
		{"nothing passes what is in flight", line, "b--", ""},
		{"all done is success", line, "sss", "end succeeded"},
		{"a failure ends it", line, "sf-", "end failed at b"},
		{"a step after a skipped one is skipped", line, "k--", "skip b"},
		{"no steps is success", nil, "", "end succeeded"},
		{"two roots begin together", roots, "--", "run a b"},

		{"fan-out", fan, "s---", "run b c"},
		{"a join waits for all", fan, "ss--", "run c"},
		{"a join waits for what is in flight", fan, "ssb-", ""},
		{"a join of one skipped branch runs", fan, "ssk-", "run j"},
		{"a join of skipped branches is skipped", fan, "skk-", "skip j"},
		{"a failure waits for its sibling in flight", fan, "sfb-", ""},
		{"a failure lets nothing begin", fan, "sf--", "end failed at b"},
		{"a failure does not wait for a retry", fan, "sfr-", "end failed at b"},

		{"every match is asked", router, "s---", "run x y"},
		{"otherwise waits until all are asked", router, "skb-", ""},
		{"otherwise runs when none matched", router, "skk-", "run z"},
		{"otherwise is skipped when one matched", router, "sks-", "skip z"},
		{"a match that failed is a match", router, "skf-", "end failed at y"},

		{"success skips the handler", handler, "s---", "skip oops; run ok last"},
		{"a handled failure goes on", handler, "f---", "skip ok; run oops last"},
		{"a handled failure ends well", handler, "fkss", "end succeeded"},
		{"a handler that fails is a failure", handler, "fkfs", "end failed at oops"},
	} {
		t.Run(c.name, func(t *testing.T) {
			flow := &schemas.Flow{Steps: c.steps}
			g := newGraph(flow)
			d := decide(g, settle(flow, c.how), func(i int) bool { return c.how[i] == 'b' })
			if diff := cmp.Diff(c.want, d.text(g)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func (d decision) text(g *graph) string {
	var parts []string
	names := func(verb string, list []int) {
		if len(list) == 0 {
			return
		}
		s := verb
		for _, i := range list {
			s += " " + g.nodes[i].id
		}
		parts = append(parts, s)
	}
	names("skip", d.skip)
	names("run", d.run)
	if d.end != nil {
		s := "end " + schemas.StatusName(d.end.Status)
		if d.end.Failure != nil {
			s += " at " + d.end.Failure.Step
		}
		parts = append(parts, s)
	}
	out := ""
	for i, p := range parts {
		if i > 0 {
			out += "; "
		}
		out += p
	}
	return out
}

// drawFlow draws an acyclic graph with conditions, handlers and a default.
func drawFlow(t *rapid.T) *schemas.Flow {
	n := rapid.IntRange(1, 8).Draw(t, "steps")
	flow := &schemas.Flow{}
	for i := range n {
		s := schemas.Step{ID: fmt.Sprint("s", i), After: []string{}}
		for j := range i {
			if rapid.IntRange(0, 2).Draw(t, "edge") == 0 {
				s.After = append(s.After, fmt.Sprint("s", j))
			}
		}
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			s.When = "=true"
		case 1:
			s.On = "failure"
		case 2:
			s.On = "always"
		case 3:
			s.Otherwise = true
		}
		flow.Steps = append(flow.Steps, s)
	}
	return flow
}

func TestEveryGraphEndsOnceWhateverTheOutcomes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		flow := drawFlow(t)
		g := newGraph(flow)
		x := &records.Execution{Status: records.ExecutionStatus_EXECUTION_STATUS_RUNNING}
		busy := map[int]bool{}
		attempts := map[int]int32{}
		rng := rand.New(rand.NewSource(rapid.Int64().Draw(t, "seed")))
		for round := 0; ; round++ {
			if round > 200 {
				t.Fatal("it never ends")
			}
			d := decide(g, x, func(i int) bool { return busy[i] })
			for _, i := range d.skip {
				schemas.Fold(x, &records.Event{Fact: &records.Event_Skipped{Skipped: &records.Skipped{Step: g.nodes[i].id}}})
			}
			if len(d.skip) > 0 {
				continue
			}
			for _, i := range d.run {
				if busy[i] {
					t.Fatalf("step %d begins while it is in flight", i)
				}
				busy[i] = true
			}
			if d.end != nil {
				if len(busy) > 0 {
					t.Fatal("it ends with a step in flight")
				}
				schemas.Fold(x, &records.Event{Fact: &records.Event_Ended{Ended: d.end}})
				if again := decide(g, x, func(int) bool { return false }); again.text(g) != "" {
					t.Fatalf("ended is not ended: %s", again.text(g))
				}
				return
			}
			if len(busy) == 0 {
				t.Fatal("it waits for nothing")
			}
			// One of those in flight comes back.
			inFlight := make([]int, 0, len(busy))
			for i := range busy {
				inFlight = append(inFlight, i)
			}
			slices.Sort(inFlight)
			i := inFlight[rng.Intn(len(inFlight))]
			delete(busy, i)
			attempts[i]++
			e := &records.Event{Fact: &records.Event_Attempt{Attempt: &records.Attempt{
				Step: g.nodes[i].id, Number: attempts[i], Status: records.StepStatus_STEP_STATUS_SUCCEEDED}}}
			switch {
			case g.nodes[i].when && rng.Intn(2) == 0:
				e = &records.Event{Fact: &records.Event_Skipped{Skipped: &records.Skipped{Step: g.nodes[i].id}}}
			case rng.Intn(3) == 0:
				e.GetAttempt().Status = records.StepStatus_STEP_STATUS_FAILED
				e.GetAttempt().Failure = &records.Failure{Step: g.nodes[i].id}
			}
			schemas.Fold(x, e)
			if schemas.Fold(x, e) {
				t.Fatal("the same event changed the execution twice")
			}
		}
	})
}

func TestRetryPolicy(t *testing.T) {
	zero := 0.0
	policy := newRetryPolicy(&schemas.Retry{Attempts: 4, Initial: schemas.Duration(time.Second), Factor: 2, Max: schemas.Duration(3 * time.Second),
		Jitter: &zero, MaxAge: schemas.Duration(time.Minute), On: []any{"network", float64(429), "5xx"}})
	http := func(status int, after time.Duration) *connectors.Error {
		return &connectors.Error{Kind: connectors.KindHTTP, HTTPStatus: status, RetryAfter: after}
	}
	for _, c := range []struct {
		name   string
		number int32
		age    time.Duration
		err    *connectors.Error
		want   time.Duration // -1: none
	}{
		{"the first retry comes after initial", 1, 0, http(500, 0), time.Second},
		{"it backs off", 2, 0, http(502, 0), 2 * time.Second},
		{"up to max", 3, 0, http(503, 0), 3 * time.Second},
		{"and no further than attempts", 4, 0, http(503, 0), -1},
		{"a status of the list", 1, 0, http(429, 0), time.Second},
		{"a status not of the list", 1, 0, http(404, 0), -1},
		{"Retry-After is obeyed", 1, 0, http(429, 20*time.Second), 20 * time.Second},
		{"when it is longer than the backoff", 2, 0, http(429, time.Second), 2 * time.Second},
		{"but not past the total age", 1, 50 * time.Second, http(429, 20*time.Second), -1},
		{"the network", 1, 0, &connectors.Error{Kind: connectors.KindNetwork}, time.Second},
		{"a timeout is the network's", 1, 0, &connectors.Error{Kind: connectors.KindTimeout}, time.Second},
		{"never is never", 1, 0, &connectors.Error{Kind: connectors.KindNetwork, Retry: connectors.RetryNever}, -1},
		{"bad input is not mended by time", 1, 0, connectors.BadInput("x"), -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			wait, ok := policy.next("key", c.number, c.age, c.err)
			if !ok {
				wait = -1
			}
			if wait != c.want {
				t.Errorf("wait = %v, want %v", wait, c.want)
			}
		})
	}
}

func TestJitterSpreadsAndIsTheSameEachTime(t *testing.T) {
	p := newRetryPolicy(nil)
	e := &connectors.Error{Kind: connectors.KindNetwork}
	least, most := time.Hour, time.Duration(0)
	for i := range 1000 {
		key := fmt.Sprint("execution-", i)
		a, _ := p.next(key, 1, 0, e)
		if b, _ := p.next(key, 1, 0, e); a != b {
			t.Fatal("a repeat decides differently")
		}
		least, most = min(least, a), max(most, a)
	}
	if least < 800*time.Millisecond || most > 1200*time.Millisecond || most-least < 350*time.Millisecond {
		t.Errorf("delays from %v to %v, want them spread over 0.8 s to 1.2 s", least, most)
	}
}
