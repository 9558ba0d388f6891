package run

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/connectors"
	"sluice/schemas"
	"sluice/schemas/records"
)

const (
	succeeded = records.ExecutionStatus_EXECUTION_STATUS_SUCCEEDED
	failed    = records.ExecutionStatus_EXECUTION_STATUS_FAILED
	cancelled = records.ExecutionStatus_EXECUTION_STATUS_CANCELLED
)

const twoSteps = `"steps":[
	{"id":"first","uses":"test/effect","input":{"n":"=body.n"}},
	{"id":"second","uses":"test/effect","input":{"of":"=steps.first.n"}}]`

func TestAHookRunsThroughItsSteps(t *testing.T) {
	r := newRig(t)
	r.publish("pets", twoSteps)
	r.start("a")
	id := r.send("pets", `{"n":12345678901234567890}`)
	s := r.ended(1)[id]
	want(t, s, succeeded)
	if got := string(s.attempts("second")[0].Input); got != `{"of":12345678901234567890}` {
		t.Errorf("the second step's input = %s; the number lost digits or its way", got)
	}
	if n := r.open(); n != 0 {
		t.Errorf("%d executions are left in state", n)
	}
}

func TestAFailedAttemptIsTriedAgainUnderTheSameKey(t *testing.T) {
	r := newRig(t)
	r.publish("pets", `"steps":[{"id":"one","uses":"test/effect","retry":{"attempts":3,"initial":"20ms","jitter":0}}]`)
	var n atomic.Int32
	r.do = func(context.Context, connectors.Call) (connectors.Result, error) {
		if n.Add(1) < 3 {
			return connectors.Result{}, &connectors.Error{Kind: connectors.KindHTTP, HTTPStatus: 503, Message: "busy"}
		}
		return connectors.Result{Output: json.RawMessage(`{"ok":true}`)}, nil
	}
	r.start("a")
	id := r.send("pets", `{}`)
	s := r.ended(1)[id]
	want(t, s, succeeded)
	attempts := s.attempts("one")
	if len(attempts) != 3 {
		t.Fatalf("%d attempts on record, want 3", len(attempts))
	}
	calls := r.made()
	for i, c := range calls {
		if c.IdempotencyKey == "" || c.IdempotencyKey != calls[0].IdempotencyKey || c.Attempt != i+1 {
			t.Errorf("call %d: attempt %d, key %q; want the first one's key", i, c.Attempt, c.IdempotencyKey)
		}
	}
	if gap := attempts[2].StartedAt - attempts[1].StartedAt; gap < int64(40*time.Millisecond) {
		t.Errorf("the third attempt came %v after the second, want the doubled backoff", time.Duration(gap))
	}
}

func TestAnErrorThatNoRepetitionMendsFailsAtOnce(t *testing.T) {
	r := newRig(t)
	r.publish("pets", twoSteps)
	r.do = func(context.Context, connectors.Call) (connectors.Result, error) {
		return connectors.Result{}, &connectors.Error{Kind: connectors.KindHTTP, HTTPStatus: 400, Message: "no such pet"}
	}
	r.start("a")
	id := r.send("pets", `{}`)
	s := r.ended(1)[id]
	want(t, s, failed)
	if len(r.made()) != 1 || s.last.Failure.GetStep() != "first" || s.last.Failure.GetMessage() != "no such pet" {
		t.Errorf("%d calls, failure %v; want one call and its reason", len(r.made()), s.last.Failure)
	}
}

func TestAnEffectWaitsUntilTheOneBeforeIsDurable(t *testing.T) {
	r := newRig(t)
	r.publish("pets", twoSteps)
	var firstDone atomic.Bool
	r.do = func(_ context.Context, c connectors.Call) (connectors.Result, error) {
		firstDone.Store(true)
		return connectors.Result{Output: json.RawMessage(`{"n":1}`)}, nil
	}
	// Every commit after the first step's is held up: nothing may start meanwhile.
	release := make(chan struct{})
	held := make(chan struct{})
	var once sync.Once
	r.fake.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		r.fake.KeepControl()
		if firstDone.Load() {
			once.Do(func() {
				close(held)
				r.fake.SleepControl(func() { <-release })
			})
		}
		return nil, nil, false
	})
	r.start("a")
	id := r.send("pets", `{"n":1}`)
	select {
	case <-held:
	case <-time.After(20 * time.Second):
		t.Fatal("no transaction came after the first step")
	}
	if n := len(r.made()); n != 1 {
		t.Errorf("%d effects began before the first was durable, want 1", n)
	}
	close(release)
	want(t, r.ended(1)[id], succeeded)
	if n := len(r.made()); n != 2 {
		t.Errorf("%d effects, want 2", n)
	}
}

func TestAKilledRunnerIsResumedAtItsStep(t *testing.T) {
	r := newRig(t)
	r.publish("pets", twoSteps)
	second := make(chan struct{}, 10)
	var killed atomic.Bool
	r.do = func(ctx context.Context, c connectors.Call) (connectors.Result, error) {
		var in struct{ Of *int }
		if json.Unmarshal(c.Input, &in) == nil && in.Of != nil && !killed.Load() {
			second <- struct{}{}
			<-ctx.Done() // in flight when the process dies
			return connectors.Result{}, ctx.Err()
		}
		return connectors.Result{Output: json.RawMessage(`{"n":7}`)}, nil
	}
	kill := r.startToKill("a")
	id := r.send("pets", `{"n":7}`)
	<-second
	killed.Store(true)
	kill()
	r.start("a")
	s := r.ended(1)[id]
	want(t, s, succeeded)
	if got := len(s.attempts("first")); got != 1 {
		t.Errorf("the first step is on record %d times, want 1: it was durable", got)
	}
	calls := r.made()
	if len(calls) != 3 || calls[1].IdempotencyKey != calls[2].IdempotencyKey {
		t.Errorf("%d calls; want 3, the repeated one under the same key", len(calls))
	}
}

func TestNothingIsLostOrDoubledOverManyKills(t *testing.T) {
	r := newRig(t)
	for i := range 4 {
		r.publish(fmt.Sprintf("flow%d", i), twoSteps)
	}
	kill := r.startToKill("a")
	const hooks = 400
	ids := map[schemas.ExecutionID]bool{}
	for i := range hooks {
		ids[r.send(fmt.Sprintf("flow%d", i%4), fmt.Sprintf(`{"n":%d}`, i))] = true
		if i%100 == 50 {
			kill()
			kill = r.startToKill("a")
		}
	}
	h := r.ended(hooks)
	kill()
	if len(h) != hooks {
		t.Errorf("%d executions, want %d", len(h), hooks)
	}
	for id, s := range h {
		if !ids[id] {
			t.Errorf("execution %s has no hook", id)
		}
		want(t, s, succeeded)
		if a, b := len(s.attempts("first")), len(s.attempts("second")); a != 1 || b != 1 {
			t.Errorf("steps are on record %d and %d times, want once each", a, b)
		}
	}
}

func TestAnAbortedTransactionIsWrittenAgain(t *testing.T) {
	r := newRig(t)
	r.publish("pets", twoSteps)
	var refused atomic.Int32
	r.fake.ControlKey(int16(kmsg.TxnOffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		r.fake.KeepControl()
		if refused.Add(1)%3 != 1 {
			return nil, nil, false
		}
		in := req.(*kmsg.TxnOffsetCommitRequest)
		resp := in.ResponseKind().(*kmsg.TxnOffsetCommitResponse)
		for _, t := range in.Topics {
			rt := kmsg.NewTxnOffsetCommitResponseTopic()
			rt.Topic, rt.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewTxnOffsetCommitResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, kerr.RebalanceInProgress.Code
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp, nil, true
	})
	r.start("a")
	for i := range 20 {
		r.send("pets", fmt.Sprintf(`{"n":%d}`, i))
	}
	for _, s := range r.ended(20) {
		want(t, s, succeeded)
		if len(s.attempts("first")) != 1 || len(s.attempts("second")) != 1 {
			t.Error("a step is on record twice")
		}
	}
	if n := len(r.made()); n != 40 {
		t.Errorf("%d effects, want 40: an abort repeats none", n)
	}
}

// The broker goes away in the middle of a commit: whether it holds, nobody knows.
func TestACommitThatNobodyConfirmedIsLookedUpInKafka(t *testing.T) {
	r := newRig(t)
	r.publish("pets", twoSteps)
	var ends atomic.Int32
	r.fake.ControlKey(int16(kmsg.EndTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
		r.fake.KeepControl()
		if n := ends.Add(1); n%6 != 2 {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.EndTxnResponse)
		resp.ErrorCode = kerr.UnknownServerError.Code
		return resp, nil, true
	})
	r.start("a")
	const hooks = 40
	for i := range hooks {
		r.send("pets", fmt.Sprintf(`{"n":%d}`, i))
		if i%10 == 9 {
			r.ended(i - 5)
		}
	}
	for _, s := range r.ended(hooks) {
		want(t, s, succeeded)
		if a, b := len(s.attempts("first")), len(s.attempts("second")); a != 1 || b != 1 {
			t.Errorf("steps are on record %d and %d times, want once each", a, b)
		}
	}
	if n := r.open(); n != 0 {
		t.Errorf("%d executions are left in state", n)
	}
	if ends.Load() < 8 {
		t.Errorf("only %d transactions: none was unconfirmed", ends.Load())
	}
}

func TestARevokedPartitionIsHandedOverWhole(t *testing.T) {
	r := newRig(t)
	for i := range 6 {
		r.publish(fmt.Sprintf("flow%d", i), twoSteps)
	}
	r.do = func(ctx context.Context, c connectors.Call) (connectors.Result, error) {
		select {
		case <-time.After(2 * time.Millisecond):
			return connectors.Result{Output: c.Input}, nil
		case <-ctx.Done():
			return connectors.Result{}, ctx.Err()
		}
	}
	r.start("a")
	stopB := func() {}
	const hooks = 300
	for i := range hooks {
		r.send(fmt.Sprintf("flow%d", i%6), fmt.Sprintf(`{"n":%d}`, i))
		switch i {
		case 100:
			stopB = r.start("b")
		case 200:
			r.start("c")
		}
	}
	h := r.ended(hooks)
	for _, s := range h {
		want(t, s, succeeded)
		if a, b := len(s.attempts("first")), len(s.attempts("second")); a != 1 || b != 1 {
			t.Errorf("steps are on record %d and %d times, want once each", a, b)
		}
	}
	if n := len(r.made()); n != 2*hooks {
		t.Errorf("%d effects, want %d: a handover repeats none", n, 2*hooks)
	}
	stopB()
}

func TestACancelledExecutionEndsAndItsEffectIsOnRecord(t *testing.T) {
	r := newRig(t)
	r.publish("pets", twoSteps)
	began := make(chan struct{})
	r.do = func(ctx context.Context, _ connectors.Call) (connectors.Result, error) {
		close(began)
		<-ctx.Done()
		return connectors.Result{}, ctx.Err()
	}
	r.start("a")
	id := r.send("pets", `{}`)
	<-began
	r.append(&schemas.Hook{ID: id, Kind: schemas.KindCancel, Flow: "pets", Time: time.Now()})
	s := r.ended(1)[id]
	want(t, s, cancelled)
	if a := s.attempts("first"); len(a) != 1 || a[0].Status != records.StepStatus_STEP_STATUS_CANCELLED {
		t.Errorf("attempts = %v, want the one that was cut off", a)
	}
	// A command for what has ended moves nothing but the offset.
	r.append(&schemas.Hook{ID: id, Kind: schemas.KindCancel, Flow: "pets", Time: time.Now()})
	r.do = nil
	next := r.send("pets", `{}`)
	want(t, r.ended(2)[next], succeeded)
}

func TestAPausedFlowHoldsItsHooksAndRunsThemWhenResumed(t *testing.T) {
	r := newRig(t)
	r.publish("pets", twoSteps)
	r.catalog.change(schemas.Change{Type: schemas.FlowPaused, Flow: "pets"})
	stop := r.start("a")
	const hooks = backAhead + 50 // more than are read back at once
	for i := range hooks {
		r.send("pets", fmt.Sprintf(`{"n":%d}`, i))
	}
	r.until("all are held", func(h history) bool { return len(h) == hooks })
	if n := len(r.made()); n != 0 {
		t.Fatalf("%d effects of a paused flow", n)
	}
	stop()
	r.start("a") // held over a restart
	r.catalog.change(schemas.Change{Type: schemas.FlowResumed, Flow: "pets"})
	for _, s := range r.ended(hooks) {
		want(t, s, succeeded)
	}
	if n := len(r.made()); n != 2*hooks {
		t.Errorf("%d effects, want %d", n, 2*hooks)
	}
}

func TestPoisonGoesToTheDeadLettersAndTheLoopGoesOn(t *testing.T) {
	r := newRig(t)
	r.publish("pets", twoSteps)
	r.start("a")
	p := schemas.PartitionOf("pets", rigPartitions)
	poison := &kgo.Record{Topic: schemas.DefaultTopics.Hooks(), Partition: p, Key: []byte("pets"), Value: []byte("?")}
	if err := r.client.ProduceSync(t.Context(), poison).FirstErr(); err != nil {
		t.Fatal(err)
	}
	unknown := r.send("nobody", `{}`)
	id := r.send("pets", `{}`)
	h := r.ended(1)
	want(t, h[id], succeeded)
	if h[unknown] != nil {
		t.Error("a hook of an unknown flow became an execution")
	}
	reasons := 0
	deadline := time.Now().Add(10 * time.Second)
	for reasons < 2 && time.Now().Before(deadline) {
		reasons = 0
		r.read(schemas.DefaultTopics.Deadletters(), func(record *kgo.Record) {
			for _, header := range record.Headers {
				if header.Key == "sluice_reason" && len(header.Value) > 0 {
					reasons++
				}
			}
		})
	}
	if reasons != 2 {
		t.Errorf("%d dead letters with a reason, want 2", reasons)
	}
}

func TestAHangingFlowDelaysNoOther(t *testing.T) {
	r := newRig(t)
	// Both on one partition: the names are chosen so.
	other := "quick"
	for i := 0; schemas.PartitionOf(other, rigPartitions) != schemas.PartitionOf("hangs", rigPartitions); i++ {
		other = fmt.Sprintf("quick%d", i)
	}
	one := `"concurrency":2,"steps":[{"id":"one","uses":"test/effect","input":{"flow":"=execution.flow"}}]`
	r.publish("hangs", one)
	r.publish(other, one)
	release := make(chan struct{})
	r.do = func(ctx context.Context, c connectors.Call) (connectors.Result, error) {
		if string(c.Input) == `{"flow":"hangs"}` {
			select {
			case <-release:
			case <-ctx.Done():
				return connectors.Result{}, ctx.Err()
			}
		}
		return connectors.Result{Output: c.Input}, nil
	}
	r.start("a")
	for range 500 {
		r.send("hangs", `{}`)
	}
	id := r.send(other, `{}`)
	h := r.until("the other flow's hook is done", func(h history) bool { return h[id] != nil && h[id].ended == 1 })
	for _, s := range h {
		if s.last.FlowId == "hangs" && s.ended > 0 {
			t.Error("an execution of the hanging flow ended")
		}
	}
	if n := len(r.made()); n > 3 {
		t.Errorf("%d effects at once, want the share of 2 and the other's 1", n)
	}
	close(release)
	r.ended(501)
}

func TestAnExecutionOverItsTimeFails(t *testing.T) {
	r := newRig(t)
	r.publish("pets", `"timeout":"100ms",`+twoSteps)
	r.do = func(ctx context.Context, _ connectors.Call) (connectors.Result, error) {
		<-ctx.Done()
		return connectors.Result{}, ctx.Err()
	}
	r.start("a")
	id := r.send("pets", `{}`)
	want(t, r.ended(1)[id], failed)
}

func TestANewVersionTakesNewHooksAndOpenOnesStay(t *testing.T) {
	r := newRig(t)
	r.publish("pets", twoSteps)
	began, release := make(chan struct{}, 8), make(chan struct{})
	r.do = func(_ context.Context, c connectors.Call) (connectors.Result, error) {
		began <- struct{}{}
		<-release
		return connectors.Result{Output: c.Input}, nil
	}
	r.start("a")
	old := r.send("pets", `{"n":1}`)
	<-began
	r.publish("pets", `"steps":[{"id":"only","uses":"test/pure"}]`)
	fresh := r.send("pets", `{"n":2}`)
	close(release)
	h := r.ended(2)
	if a, b := h[old].last.Version, h[fresh].last.Version; a != 1 || b != 2 {
		t.Errorf("versions %d and %d, want 1 and 2", a, b)
	}
	if len(h[old].attempts("second")) != 1 || len(h[fresh].attempts("only")) != 1 {
		t.Error("a step of the wrong version ran")
	}
}
