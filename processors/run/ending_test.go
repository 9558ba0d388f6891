package run

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/schemas"
)

// The hooks that were fetched when the process is told to end are still taken,
// with a context that is over. Once, they had no key then: ten deliveries of an
// event all ran, and the hooks of a lane side by side.
func TestHooksTakenAtTheEndKeepTheirKeys(t *testing.T) {
	r := newRig(t)
	r.publish("both", `"dedupe":{"key":"=body.id"},"order":{"key":"=body.lane"},"steps":[{"id":"do","uses":"test/effect"}]`)
	s, err := newSession(r.options("a").withDefaults(), newMetrics(prometheus.NewRegistry()))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	p := &partition{executions: map[schemas.ExecutionID]*execution{}, deliveries: newDeliveries(), lanes: lanes{}}
	hook := func() *loadedHook {
		now := time.Now()
		return &loadedHook{Hook: &schemas.Hook{ID: schemas.NewExecutionID(now, 0), Kind: schemas.KindHook, Flow: "both", Time: now,
			ContentType: "application/json", Body: []byte(`{"id":1,"lane":"a"}`)}}
	}
	first := hook()
	if _, duplicate, _ := s.duplicate(over, p, first, &polled{}); duplicate {
		t.Error("the first delivery is a duplicate")
	}
	if id, duplicate, _ := s.duplicate(over, p, hook(), &polled{}); !duplicate || id != first.ID {
		t.Errorf("the second delivery is a duplicate: %v, of %v; want of %v", duplicate, id, first.ID)
	}
	if key, _, _ := s.orderKey(over, hook()); len(key) == 0 {
		t.Error("the hook is in no lane")
	}
}
