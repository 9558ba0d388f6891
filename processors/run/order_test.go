package run

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand"
	"sync"
	"testing"
	"time"

	"sluice/connectors"
	"sluice/schemas"
	"sluice/schemas/records"
)

// sequence is what the destination saw of each key: a number is repeated only
// directly, by a crash, and none comes after a larger one.
type sequence struct {
	mu         sync.Mutex
	last       map[string]int
	inversions int
	seen       map[string]map[int]bool
}

func newSequence() *sequence {
	return &sequence{last: map[string]int{}, seen: map[string]map[int]bool{}}
}

func (q *sequence) do(ctx context.Context, c connectors.Call) (connectors.Result, error) {
	var in struct {
		K string
		N int
	}
	if err := json.Unmarshal(c.Input, &in); err != nil {
		return connectors.Result{}, err
	}
	q.mu.Lock()
	if last, ok := q.last[in.K]; ok && in.N < last {
		q.inversions++
	}
	q.last[in.K] = in.N
	if q.seen[in.K] == nil {
		q.seen[in.K] = map[int]bool{}
	}
	first := !q.seen[in.K][in.N]
	q.seen[in.K][in.N] = true
	q.mu.Unlock()
	if first && in.N%7 == 3 { // it has to be tried again, and holds its key meanwhile
		return connectors.Result{}, &connectors.Error{Kind: connectors.KindHTTP, HTTPStatus: 503, Message: "busy"}
	}
	return connectors.Result{Output: json.RawMessage(`{"n":` + fmt.Sprint(in.N) + `}`)}, ctx.Err()
}

const inOrder = `"steps":[
	{"id":"a","uses":"test/effect","input":{"k":"=body.k","n":"=body.n"},"retry":{"initial":"20ms"}},
	{"id":"b","uses":"test/effect","input":{"k":"=body.k & '/b'","n":"=body.n"},"retry":{"initial":"20ms"}}]`

func TestTheOrderOfAKeySurvivesRetriesAndKills(t *testing.T) {
	r := newRig(t)
	r.publish("pets", `"order":{"key":"=body.k"},`+inOrder)
	q := newSequence()
	r.do = q.do
	kill := r.startToKill("a")
	const hooks, keys = 240, 6
	for i := range hooks {
		r.send("pets", fmt.Sprintf(`{"k":"k%d","n":%d}`, i%keys, i))
		if i%60 == 45 {
			kill()
			kill = r.startToKill("a")
		}
	}
	h := r.ended(hooks)
	kill()
	for _, s := range h {
		want(t, s, succeeded)
	}
	if q.inversions != 0 {
		t.Errorf("%d effects came after a later one of their key", q.inversions)
	}
}

func TestAKeyThatRetriesHoldsNoOther(t *testing.T) {
	r := newRig(t)
	r.publish("pets", `"order":{"key":"=body.k"},"steps":[{"id":"a","uses":"test/effect","input":{"k":"=body.k"},"retry":{"initial":"1h","attempts":3}}]`)
	r.do = func(_ context.Context, c connectors.Call) (connectors.Result, error) {
		if string(c.Input) == `{"k":"stuck"}` {
			return connectors.Result{}, &connectors.Error{Kind: connectors.KindHTTP, HTTPStatus: 503, Message: "busy"}
		}
		return connectors.Result{Output: c.Input}, nil
	}
	r.start("a")
	first, second := r.send("pets", `{"k":"stuck"}`), r.send("pets", `{"k":"stuck"}`)
	for i := range 20 {
		r.send("pets", fmt.Sprintf(`{"k":"k%d"}`, i%4))
	}
	h := r.ended(20)
	if h[first].ended != 0 || h[second].ended != 0 || len(h[second].events) != 0 {
		t.Error("the stuck key went on")
	}
	// The one that waits can be cancelled, and then the one it waits for.
	r.append(&schemas.Hook{ID: second, Kind: schemas.KindCancel, Flow: "pets", Time: time.Now()})
	want(t, r.ended(21)[second], cancelled)
	third := r.send("pets", `{"k":"stuck"}`)
	r.append(&schemas.Hook{ID: first, Kind: schemas.KindCancel, Flow: "pets", Time: time.Now()})
	r.until("the next of the key has begun", func(h history) bool {
		return h[third] != nil && len(h[third].attempts("a")) == 1
	})
}

func TestAFlowInOrderRunsOneAtATime(t *testing.T) {
	r := newRig(t)
	r.publish("pets", `"order":"flow",`+inOrder)
	q := newSequence()
	r.do = func(ctx context.Context, c connectors.Call) (connectors.Result, error) {
		time.Sleep(time.Duration(rand.Intn(3)) * time.Millisecond) // destinations differ
		return q.do(ctx, c)
	}
	stop := r.start("a")
	const hooks = 60
	for i := range hooks {
		r.send("pets", fmt.Sprintf(`{"k":"all","n":%d}`, i))
		if i == 30 {
			stop()
			r.start("b")
		}
	}
	for _, s := range r.ended(hooks) {
		want(t, s, succeeded)
	}
	if q.inversions != 0 {
		t.Errorf("%d inversions", q.inversions)
	}
}

func TestALaneGivesWayInOrder(t *testing.T) {
	l := lanes{}
	make := func(n byte) *execution {
		return &execution{x: &records.Execution{OrderKey: []byte("key"), Steps: nil}, id: schemas.ExecutionID{n}}
	}
	a, b, c, free := make(1), make(2), make(3), &execution{x: &records.Execution{}}
	join := func(e *execution) bool { return l.join(e.x.OrderKey, e.id) }
	leave := func(e *execution) schemas.ExecutionID {
		next, ok := l.leave(e)
		if ok == next.IsZero() {
			t.Errorf("leave = %v, %v", next, ok)
		}
		return next
	}
	none := schemas.ExecutionID{}
	if !join(a) || join(b) || join(c) || !join(free) {
		t.Fatal("only the first of a lane, and what is in none, may run")
	}
	if leave(b) != none || leave(free) != none {
		t.Error("one that waited freed another")
	}
	if leave(a) != c.id || leave(a) != none {
		t.Error("the next one is not the one behind, or is freed twice")
	}
	if leave(c) != none || len(l) != 0 {
		t.Error("the lane is not empty")
	}
}
