package run

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"sluice/schemas"
	"sluice/schemas/records"
)

// startReplays runs the lane of replays beside start's live one.
func (r *rig) startReplays(instance string) {
	r.t.Helper()
	opts := r.options(instance)
	opts.Replays = true
	r.startRunner(New(opts))
}

func (r *rig) replay(h *schemas.Hook) schemas.ExecutionID {
	r.t.Helper()
	h.Kind, h.Time = schemas.KindHook, time.Now()
	h.ID = schemas.ReplayedID(h.Replay, h.ReplayOf, h.Time)
	record, err := h.Record()
	if err != nil {
		r.t.Fatal(err)
	}
	record.Topic = schemas.DefaultTopics.Replays()
	if err := r.client.ProduceSync(r.t.Context(), record).FirstErr(); err != nil {
		r.t.Fatal(err)
	}
	return h.ID
}

func TestAReplayRunsInItsOwnLaneOnTheVersionItAsksFor(t *testing.T) {
	r := newRig(t)
	steps := `"steps":[{"id":"one","uses":"test/effect","input":{"v":%q}}]`
	r.publish("pets", fmt.Sprintf(steps, "first"))
	r.publish("pets", fmt.Sprintf(steps, "second"))
	draft := json.RawMessage(`{"kind":"Flow","id":"pets","trigger":{"uses":"webhook/receive"},` + fmt.Sprintf(steps, "draft") + `}`)
	r.catalog.change(schemas.Change{Type: schemas.ReplayCreated, ReplayID: "r1", Replay: &schemas.Replay{Version: "draft", Document: draft}})
	r.start("a")
	r.startReplays("a")
	live := r.send("pets", `{}`)
	r.ended(1)

	hook := func(h schemas.Hook) *schemas.Hook {
		h.Flow, h.Method, h.ReplayOf = "pets", "POST", live
		return &h
	}
	ids := map[string]schemas.ExecutionID{
		"second": r.replay(hook(schemas.Hook{Replay: "r0"})),
		"first":  r.replay(hook(schemas.Hook{Replay: "r2", Version: 1})),
		"draft":  r.replay(hook(schemas.Hook{Replay: "r1", KeysOf: live})),
	}
	h := r.ended(4)
	for want, id := range ids {
		s := h[id]
		if s == nil || s.last.Status != succeeded {
			t.Fatalf("the replay on %s is %v", want, s)
		}
		if s.last.Hook.Topic != "replays" || s.last.Replay == "" || schemas.ExecutionIDFromBytes(s.last.ReplayOf) != live {
			t.Errorf("the record of the replay on %s does not say so: %v", want, s.last)
		}
		var key string
		for _, e := range s.events {
			if a := e.GetAttempt(); a != nil {
				key = a.IdempotencyKey
				if got := string(a.Input); got != fmt.Sprintf(`{"v":%q}`, want) {
					t.Errorf("the replay on %s ran with %s", want, got)
				}
			}
		}
		if same := key == idempotencyKey(live, "one", 0); same != (want == "draft") {
			t.Errorf("the replay on %s: the original's keys: %v", want, same)
		}
	}
}

func TestACancelledReplayBeginsNoExecution(t *testing.T) {
	r := newRig(t)
	r.publish("pets", `"steps":[{"id":"one","uses":"test/effect","input":{}}]`)
	r.catalog.change(schemas.Change{Type: schemas.ReplayCreated, ReplayID: "r1", Replay: &schemas.Replay{Version: "live"}})
	r.catalog.change(schemas.Change{Type: schemas.ReplayCancelled, ReplayID: "r1", Expect: r.catalog.Replay("r1").Revision})
	r.startReplays("a")
	id := r.replay(&schemas.Hook{Flow: "pets", Method: "POST", Replay: "r1", ReplayOf: schemas.NewExecutionID(time.Now(), 1)})
	want(t, r.ended(1)[id], records.ExecutionStatus_EXECUTION_STATUS_CANCELLED)
	if n := len(r.made()); n != 0 {
		t.Errorf("%d effects, want none", n)
	}
}

func TestEachLaneTakesOverItsOwn(t *testing.T) {
	r := newRig(t)
	r.publish("pets", `"steps":[{"id":"one","uses":"test/effect","input":{"n":"=body.n"}}]`)
	r.catalog.change(schemas.Change{Type: schemas.FlowPaused, Flow: "pets"})
	stop := r.start("a")
	opts := r.options("a")
	opts.Replays = true
	stopReplays := r.startRunner(New(opts))
	live := r.send("pets", `{"n":1}`)
	again := r.replay(&schemas.Hook{Flow: "pets", Method: "POST", Body: []byte(`{"n":2}`), Replay: "r0", ReplayOf: live})
	r.until("both are open in state", func(history) bool { return r.open() == 2 })
	stop()
	stopReplays()
	r.catalog.change(schemas.Change{Type: schemas.FlowResumed, Flow: "pets"})
	r.start("a")
	r.startReplays("a")
	h := r.ended(2)
	want(t, h[live], succeeded)
	want(t, h[again], succeeded)
	if n := len(r.made()); n != 2 {
		t.Errorf("%d effects, want 2: a lane ran what was the other's", n)
	}
}

func TestASimulationDoesWhatARunDoesWithoutDoingIt(t *testing.T) {
	r := newRig(t)
	flow := &schemas.Flow{}
	doc := `{"kind":"Flow","id":"pets","trigger":{"uses":"webhook/receive"},"steps":[
		{"id":"map","uses":"test/pure","input":{"n":"=body.n * 2"}},
		{"id":"call","uses":"test/effect","after":["map"],"when":"=body.n > 1","input":{"twice":"=steps.map.n"}},
		{"id":"small","uses":"test/effect","after":["map"],"otherwise":true,"input":{}},
		{"id":"mend","uses":"test/effect","after":["call"],"on":"failure","input":{"why":"failed"}}]}`
	if err := json.Unmarshal([]byte(doc), flow); err != nil {
		t.Fatal(err)
	}
	s, err := NewSimulator("pets", &schemas.FlowVersion{Flow: flow}, r.set, r.options("a").Mapping, nil)
	if err != nil {
		t.Fatal(err)
	}
	run := func(body string, answers map[string]schemas.Answer) *schemas.Simulation {
		t.Helper()
		now := time.Now()
		out, err := s.Simulate(t.Context(), &schemas.Hook{ID: schemas.NewExecutionID(now, 0), Flow: "pets", Time: now, Method: "POST",
			ContentType: "application/json", Body: []byte(body)}, func(step *schemas.Step, _ []byte) schemas.Answer {
			return answers[step.ID]
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	status := func(sim *schemas.Simulation) string {
		text := schemas.StatusName(sim.Status) + ":"
		for _, s := range sim.Steps {
			text += " " + s.Step.ID + "=" + schemas.StepStatusName(s.Status) + string(s.Input)
		}
		return text
	}
	for _, c := range []struct {
		body    string
		answers map[string]schemas.Answer
		want    string
	}{
		{`{"n":1}`, nil, `succeeded: map=succeeded{"n":2} call=skipped small=succeeded{} mend=skipped`},
		{`{"n":2}`, nil, `succeeded: map=succeeded{"n":4} call=succeeded{"twice":4} small=skipped mend=skipped`},
		{`{"n":2}`, map[string]schemas.Answer{"call": {Failure: &records.Failure{Kind: "http"}}},
			`succeeded: map=succeeded{"n":4} call=failed{"twice":4} small=skipped mend=succeeded{"why":"failed"}`},
		{`{"n":"x"}`, nil, `failed: map=failed`},
	} {
		if got := status(run(c.body, c.answers)); got != c.want {
			t.Errorf("%s: got  %s\nwant %s", c.body, got, c.want)
		}
	}
	if n := len(r.made()); n != 0 {
		t.Errorf("the simulation made %d effects", n)
	}
}
