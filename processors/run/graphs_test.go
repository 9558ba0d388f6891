package run

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"sluice/connectors"
	"sluice/schemas"
	"sluice/schemas/records"
)

// drawGraph draws a flow with all kinds of steps: conditions, defaults,
// handlers, lists, effects and none, each of which succeeds, fails, or succeeds
// at its second attempt, the same each time.
func drawGraph(t *rapid.T) string {
	flow := drawFlow(t)
	zero := 0.0
	for i := range flow.Steps {
		s := &flow.Steps[i]
		s.Uses = rapid.SampledFrom([]string{"test/effect", "test/effect", "test/pure"}).Draw(t, "uses")
		if rapid.IntRange(0, 3).Draw(t, "each") == 0 {
			s.Each = fmt.Sprintf("=[1..%d]", rapid.IntRange(1, 3).Draw(t, "elements"))
		}
		how := rapid.SampledFrom([]string{"ok", "ok", "ok", "fails", "again"}).Draw(t, "how")
		s.Input = fmt.Appendf(nil, `{"hook":"=body.hook","step":%q,"item":"=item","how":%q}`, s.ID, how)
		s.Retry = &schemas.Retry{Attempts: 3, Initial: schemas.Duration(5 * time.Millisecond), Jitter: &zero, On: []any{"5xx"}}
	}
	steps, err := json.Marshal(flow.Steps)
	if err != nil {
		t.Fatal(err)
	}
	return `"steps":` + string(steps)
}

// crashes answers the effects of graphs, and asks for the runner's death at
// some of them.
type crashes struct {
	t      *testing.T
	mu     sync.Mutex
	tries  map[string]int    // by key: attempts that came back
	inputs map[string]string // by key
	calls  int
	killAt map[int]bool
	die    chan struct{}
}

func (c *crashes) do(ctx context.Context, call connectors.Call) (connectors.Result, error) {
	var in struct{ How string }
	_ = json.Unmarshal(call.Input, &in)
	c.mu.Lock()
	if other, ok := c.inputs[call.IdempotencyKey]; ok && other != string(call.Input) {
		c.t.Errorf("one key for %s and %s", other, call.Input)
	}
	c.inputs[call.IdempotencyKey] = string(call.Input)
	c.calls++
	dies := c.killAt[c.calls]
	c.mu.Unlock()
	if dies {
		c.die <- struct{}{}
		<-ctx.Done() // in flight as the runner dies
		return connectors.Result{}, connectors.AsError(ctx.Err())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tries[call.IdempotencyKey]++
	switch {
	case in.How == "fails":
		return connectors.Result{HTTPStatus: 400}, &connectors.Error{Kind: connectors.KindHTTP, HTTPStatus: 400, Message: "no", Sent: true}
	case in.How == "again" && call.Attempt == 1:
		return connectors.Result{HTTPStatus: 503}, &connectors.Error{Kind: connectors.KindHTTP, HTTPStatus: 503, Message: "busy", Sent: true}
	}
	return connectors.Result{Output: call.Input, HTTPStatus: 200}, nil
}

// TestARandomGraphEndsAlikeWhereverItsRunnerDies runs each graph twice, once in
// peace and once with a runner that dies in the middle of random effects.
func TestARandomGraphEndsAlikeWhereverItsRunnerDies(t *testing.T) {
	graph := rapid.Custom(drawGraph)
	const graphs = 24
	r := newRig(t)
	c := &crashes{t: t, tries: map[string]int{}, inputs: map[string]string{}, killAt: map[int]bool{}, die: make(chan struct{}, 1)}
	r.do = c.do
	kill := r.startToKill("a")
	defer func() { kill() }()
	ended, deaths := 0, 0
	for n := range graphs {
		flow, steps := fmt.Sprintf("graph%d", n), graph.Example(n)
		r.publish(flow, `"concurrency":4,`+steps)
		peace := r.send(flow, fmt.Sprintf(`{"hook":"%d-peace"}`, n))
		ended++
		r.ended(ended)

		sum := fnv.New32a()
		fmt.Fprint(sum, steps)
		c.mu.Lock()
		first := 1 + int(sum.Sum32()%4)
		c.killAt = map[int]bool{c.calls + first: true, c.calls + first + 1 + int(sum.Sum32()>>8%3): true}
		c.mu.Unlock()
		crashed := r.send(flow, fmt.Sprintf(`{"hook":"%d-crash"}`, n))
		ended++
		var h history
		for done := false; !done; {
			select {
			case <-c.die:
				kill()
				deaths++
				kill = r.startToKill("a")
			case <-time.After(15 * time.Millisecond): // the broker has no signal for this
				h = r.history()
				done = h[crashed] != nil && h[crashed].ended > 0
			}
		}
		c.mu.Lock()
		c.killAt = map[int]bool{}
		c.mu.Unlock()

		a, b := refold(t, h[peace]), refold(t, h[crashed])
		if h[crashed].ended != 1 {
			t.Errorf("%s ended %d times", flow, h[crashed].ended)
		}
		if a.Status != b.Status {
			t.Errorf("%s is %v, and %v when its runner dies: %s", flow, a.Status, b.Status, steps)
			continue
		}
		if a.Status == failed {
			continue // which of its branches had begun by then is open
		}
		for id, step := range a.Steps {
			other := b.Steps[id]
			if step.Status != other.GetStatus() || step.Attempts != other.GetAttempts() {
				t.Errorf("%s: step %s is %v after %d attempts, and %v after %d when its runner dies", flow, id, step.Status, step.Attempts, other.GetStatus(), other.GetAttempts())
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, tries := range c.tries {
		if tries > 3+2 { // attempts, and deaths
			t.Errorf("%s went out %d times", c.inputs[key], tries)
		}
	}
	if deaths < graphs/2 {
		t.Errorf("only %d deaths", deaths)
	}
	if n := r.open(); n != 0 {
		t.Errorf("%d executions are left in state", n)
	}
}

// refold folds the events on record, checks that a repetition of any of them,
// or of all, changes nothing, and returns what comes out.
func refold(t *testing.T, s *story) *records.Execution {
	t.Helper()
	begin := func() *records.Execution {
		return &records.Execution{Status: records.ExecutionStatus_EXECUTION_STATUS_WAITING}
	}
	once, twice := begin(), begin()
	for _, e := range s.events {
		if !schemas.Fold(once, e) {
			t.Errorf("an event on record says nothing new: %v", e)
		}
		schemas.Fold(twice, e)
		schemas.Fold(twice, proto.CloneOf(e))
	}
	for _, e := range s.events {
		schemas.Fold(twice, e) // after its end
	}
	if diff := cmp.Diff(once, twice, protocmp.Transform()); diff != "" {
		t.Errorf("events that come twice make another execution:\n%s", diff)
	}
	if once.Status != s.last.Status {
		t.Errorf("its events come to %v, its record says %v", once.Status, s.last.Status)
	}
	return once
}
