package run

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/connectors/mapping"
	"sluice/schemas"
	"sluice/schemas/records"
)

// beside is a flow ID on the same partition as another one.
func beside(flow string) string {
	id := "beside"
	for i := 0; schemas.PartitionOf(id, rigPartitions) != schemas.PartitionOf(flow, rigPartitions); i++ {
		id = fmt.Sprint("beside", i)
	}
	return id
}

func TestAMappingWithoutEndFailsAndHoldsUpNobody(t *testing.T) {
	r := newRig(t)
	const endless, patience = "endless", time.Second
	quick := beside(endless)
	r.publish(endless, `"steps":[{"id":"map","uses":"mapper/map","input":{"a":"=($f := function($n) {$f($n + 1)}; $f(1))"}}]`)
	r.publish(quick, `"steps":[{"id":"map","uses":"mapper/map","input":{"a":"=body.n + 1"}}]`)
	opts := r.options("a")
	opts.Mapping = mapping.New(mapping.Limits{Timeout: patience})
	r.startRunner(New(opts))
	const n = 20
	ids := make([]schemas.ExecutionID, n)
	for i := range n { // in turns, so that each of the quick ones has an endless one before it
		r.send(endless, `{}`)
		ids[i] = r.send(quick, fmt.Sprintf(`{"n":%d}`, i))
	}
	h := r.ended(2 * n)
	for i, id := range ids {
		want(t, h[id], succeeded)
		if got, want := string(h[id].attempts("map")[0].Output), fmt.Sprintf(`{"a":%d}`, i+1); got != want {
			t.Errorf("output %s, want %s", got, want)
		}
		if took := time.Duration(h[id].last.EndedAt - h[id].last.StartedAt); took > n*patience/4 {
			t.Errorf("an execution of another flow took %v", took)
		}
		delete(h, id)
	}
	for _, s := range h {
		want(t, s, records.ExecutionStatus_EXECUTION_STATUS_FAILED)
	}
}

func TestWhatNeedsTheOfficialEvaluatorGetsItsResult(t *testing.T) {
	r := newRig(t)
	// The second is compiled, and gives up when it sees what is in the hook.
	r.publish("official", `"steps":[{"id":"a","uses":"mapper/map","input":"=$eval('1 + 1')"},{"id":"b","uses":"mapper/map","input":"=steps.a + body.n"}]`)
	r.start("a")
	id := r.send("official", `{"n":3}`)
	h := r.ended(1)
	want(t, h[id], succeeded)
	if got := string(h[id].attempts("b")[0].Output); got != "5" {
		t.Errorf("output %s, want 5", got)
	}
}

func TestAStepThatOutrunsItsLeashRestsTwiceAsLongEachTime(t *testing.T) {
	l := leashed{Context: t.Context(), until: time.Now().Add(-time.Nanosecond)}
	if l.Err() == nil || !l.over {
		t.Error("a leash that is over holds on")
	}
	l = leashed{Context: t.Context(), until: time.Now().Add(time.Hour)}
	if err := l.Err(); err != nil || l.over {
		t.Errorf("a leash that is not over ends by %v", err)
	}
	var o outran
	for range strikes {
		if o.outrun(time.Now()); !o.until.IsZero() {
			t.Fatal("it rests before it is known to be slow")
		}
	}
	now := time.Now()
	for _, want := range []time.Duration{firstRest, 2 * firstRest, 4 * firstRest} {
		if o.outrun(now); o.until.Sub(now) != want {
			t.Errorf("it rests for %v, want %v", o.until.Sub(now), want)
		}
	}
	for range 20 {
		o.outrun(now)
	}
	if o.until.Sub(now) != longestRest {
		t.Errorf("it rests for %v, want %v", o.until.Sub(now), longestRest)
	}
}

func TestHooksThatLeftMemoryAreReadAgainManyAtATime(t *testing.T) {
	r := newRig(t)
	r.publish("pets", `"steps":[{"id":"one","uses":"test/effect","input":"=body.n"}]`)
	r.catalog.change(schemas.Change{Type: schemas.FlowPaused, Flow: "pets"})
	options := r.options("a")
	options.restBytes = 1 << 20 // some 200
	r.startRunner(New(options))
	const hooks = 1000
	for i := range hooks {
		r.send("pets", fmt.Sprintf(`{"n":%d}`, i))
	}
	r.until("all are held", func(h history) bool { return len(h) == hooks })
	var alone, many atomic.Int32 // the last few hooks are asked for as one alone is
	r.fake.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		r.fake.KeepControl()
		switch req.(*kmsg.FetchRequest).MaxBytes {
		case 64 << 10:
			alone.Add(1)
		case aheadBytes:
			many.Add(1)
		}
		return nil, nil, false
	})
	r.catalog.change(schemas.Change{Type: schemas.FlowResumed, Flow: "pets"})
	r.ended(hooks)
	if alone.Load() > hooks/aheadHooks || many.Load() == 0 || many.Load() > 4*hooks/aheadHooks {
		t.Errorf("%d hooks were read alone, %d times many", alone.Load(), many.Load())
	}
	seen := map[string]int{}
	for _, c := range r.made() {
		seen[string(c.Input)]++
	}
	if len(seen) != hooks || len(r.made()) != hooks {
		t.Errorf("%d effects with %d inputs, want %d of both", len(r.made()), len(seen), hooks)
	}
}
