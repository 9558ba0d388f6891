package run

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"sluice/connectors"
	"sluice/schemas"
	"sluice/schemas/records"
)

// erasable gives the rig keys, in memory.
func (r *rig) erasable() (trees map[string][]byte) {
	r.t.Helper()
	keys, err := schemas.NewKeys("a secret key of the tests")
	if err != nil {
		r.t.Fatal(err)
	}
	trees = map[string][]byte{}
	keys.Attach(func(_ context.Context, tree string, sealed []byte) error {
		trees[tree] = sealed
		return nil
	})
	r.keys = keys
	return trees
}

// sendSealed appends a hook as the edge does for an erasable flow.
func (r *rig) sendSealed(flow, body string) *schemas.Hook {
	r.t.Helper()
	now := time.Now()
	h := &schemas.Hook{
		ID: schemas.NewExecutionID(now, schemas.PartitionOf(flow, rigPartitions)), Kind: schemas.KindHook, Flow: flow,
		Time: now, Method: "POST", Path: "/hook/" + flow + "/ann", Query: "who=ann", Headers: map[string]string{"x-who": "ann"},
		ContentType: "application/json", Body: []byte(body), Control: r.catalog.Offset(),
	}
	var err error
	if h.Key, err = r.keys.New(r.t.Context()); err == nil {
		var sealed *schemas.Hook
		if sealed, err = r.keys.SealHook(h); err == nil {
			r.append(sealed)
		}
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return h
}

// readable are the topics whose records, committed or not, have a text in them.
func (r *rig) readable(text string) []string {
	r.t.Helper()
	var found []string
	topics, err := kadm.NewClient(r.client).ListTopics(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, topic := range topics.Names() {
		r.read(topic, func(record *kgo.Record) {
			all := string(record.Key) + string(record.Value)
			for _, h := range record.Headers {
				all += string(h.Value)
			}
			if strings.Contains(all, text) {
				found = append(found, topic)
			}
		})
	}
	return found
}

func TestASealedExecutionGoesOnOverAKillAndNothingOfItCanBeRead(t *testing.T) {
	r := newRig(t)
	r.erasable()
	var once sync.Once
	r.do = func(_ context.Context, call connectors.Call) (connectors.Result, error) {
		err := errors.New("ann is not at home")
		first := false
		once.Do(func() { first = true })
		if first {
			return connectors.Result{}, &connectors.Error{Kind: connectors.KindNetwork, Message: err.Error(), Sent: true}
		}
		return connectors.Result{Output: call.Input, HTTPStatus: 200}, nil
	}
	r.publish("child", `"steps":[{"id":"say","uses":"test/effect","input":{"name":"=body.name"}}]`)
	r.publish("orders", `"erasable":true,"order":{"key":"=body.name"},"steps":[
		{"id":"tell","uses":"test/effect","input":{"name":"=body.name","path":"=path"},"retry":{"attempts":3,"initial":"1s","on":["network"]}},
		{"id":"ask","uses":"flow/call","input":{"flow":"child","body":"=body"}},
		{"id":"wait","uses":"webhook/wait","input":{"timeout":"1h"}}]`)
	kill := r.startToKill("a")
	h := r.sendSealed("orders", `{"name":"ann"}`)
	r.until("the first attempt failed", func(history) bool { return r.open() == 1 && len(r.made()) == 1 })
	kill()
	r.start("a")
	r.until("it waits", func(all history) bool { return len(r.made()) == 3 && len(all) == 2 && r.open() == 1 })
	token := schemas.Callback{Execution: h.ID, Lane: "hooks", Flow: "orders", Step: "wait", Key: h.Key}
	callback := &schemas.Hook{ID: token.Execution, Kind: schemas.KindCallback, Flow: "orders", Step: "wait", Request: h.ID, Time: time.Now(),
		Method: "POST", ContentType: "application/json", Body: []byte(`{"answer":"ann"}`), Key: token.Key}
	sealed, err := r.keys.SealHook(callback)
	if err != nil {
		t.Fatal(err)
	}
	r.append(sealed)
	all := r.ended(2)
	for id, s := range all {
		want(t, s, records.ExecutionStatus_EXECUTION_STATUS_SUCCEEDED)
		if s.last.Key == "" {
			t.Errorf("the record of %s is not sealed", id)
		}
	}
	if found := r.readable("ann"); len(found) > 0 {
		t.Errorf("ann can be read in %q", found)
	}
	// With the keys all of it is there.
	var inputs []string
	r.read(schemas.DefaultTopics.Executions(), func(record *kgo.Record) {
		x := new(records.ExecutionRecord)
		if err := errors.Join(proto.Unmarshal(record.Value, x), r.keys.OpenEvents(t.Context(), x)); err != nil {
			t.Error(err)
		}
		for _, e := range x.Events {
			if a := e.GetAttempt(); a != nil && a.Step == "tell" && a.Status == records.StepStatus_STEP_STATUS_SUCCEEDED {
				inputs = append(inputs, string(a.Input))
			}
		}
	})
	var input map[string]string
	if len(inputs) != 1 || json.Unmarshal([]byte(inputs[0]), &input) != nil || input["name"] != "ann" || input["path"] != "/hook/orders/ann" {
		t.Errorf("inputs of the first step: %q", inputs)
	}
}

func TestWhatWasErasedIsNotRun(t *testing.T) {
	r := newRig(t)
	trees := r.erasable()
	r.publish("orders", `"erasable":true,"steps":[{"id":"wait","uses":"webhook/wait","input":{"timeout":"1h"}},{"id":"tell","uses":"test/effect","input":"=body"}]`)
	r.publish("plain", `"steps":[{"id":"tell","uses":"test/effect","input":"=body"}]`)
	stop := r.start("a")
	waits := r.sendSealed("orders", `{"name":"ann"}`)
	r.until("it waits", func(history) bool { return r.open() == 1 })
	stop()
	queued := r.sendSealed("orders", `{"name":"ann"}`)
	clear := r.send("plain", `{"name":"ann"}`)
	for _, h := range []*schemas.Hook{waits, queued} {
		tree, leaf, err := schemas.KeyLeaf(h.Key)
		if err != nil {
			t.Fatal(err)
		}
		without, _, err := r.keys.Without(tree, trees[tree], []int{leaf})
		if err == nil {
			trees[tree], err = without, r.keys.Apply(tree, without)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	options := r.options("a")
	options.Erased = func(id schemas.ExecutionID) bool { return id == waits.ID || id == queued.ID || id == clear }
	r.startRunner(New(options))
	all := r.until("all have ended", func(all history) bool {
		ended := 0
		for _, s := range all {
			if !schemas.Open(s.last.Status) {
				ended++
			}
		}
		return ended == 3
	})
	for _, id := range []schemas.ExecutionID{waits.ID, queued.ID, clear} {
		want(t, all[id], records.ExecutionStatus_EXECUTION_STATUS_CANCELLED)
	}
	if why := all[clear].last.Failure.GetMessage(); why != "its data was erased" {
		t.Errorf("why: %q", why)
	}
	if calls := r.made(); len(calls) > 0 {
		t.Errorf("%d effects were done with what was erased", len(calls))
	}
	if r.open() != 0 {
		t.Errorf("%d are open", r.open())
	}
}

// One that sleeps at the head of its lane is erased: what is left of it does not
// name the lane, and the next one waits for it.
func TestWhatIsErasedAsleepGivesItsLaneFree(t *testing.T) {
	r := newRig(t)
	trees := r.erasable()
	r.asleep = true
	r.publish("orders", `"erasable":true,"order":{"key":"=body.lane"},"steps":[{"id":"wait","uses":"webhook/wait","when":"=body.first","input":{"timeout":"1h"}},{"id":"tell","uses":"test/effect","after":[],"input":"=body.lane"}]`)
	r.start("a")
	first := r.sendSealed("orders", `{"lane":"a","first":true}`)
	r.until("it waits", func(history) bool { return r.open() == 1 && len(r.made()) == 1 })
	second := r.sendSealed("orders", `{"lane":"a"}`)
	r.until("the other waits for it", func(history) bool { return r.open() == 2 })
	tree, leaf, err := schemas.KeyLeaf(first.Key)
	if err != nil {
		t.Fatal(err)
	}
	without, _, err := r.keys.Without(tree, trees[tree], []int{leaf})
	if err == nil {
		err = r.keys.Apply(tree, without)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.append(&schemas.Hook{ID: first.ID, Kind: schemas.KindCancel, Flow: "orders", Time: time.Now()})
	all := r.until("the other has ended", func(all history) bool { return all[second.ID] != nil && all[second.ID].ended > 0 })
	want(t, all[first.ID], records.ExecutionStatus_EXECUTION_STATUS_CANCELLED) // its events are erased with it
	want(t, all[second.ID], records.ExecutionStatus_EXECUTION_STATUS_SUCCEEDED)
}
