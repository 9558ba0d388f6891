package main

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"sluice/schemas/records"
)

// tail reads what the runners commit, while they do: it is the witness of what
// was durable when a fault came. What it has not read yet counts as in flight.
type tail struct {
	client *kgo.Client
	ended  chan struct{}

	mu      sync.Mutex
	durable map[string]time.Time // by an effect's key, when its outcome was read first
}

func newTail(brokers []string, executions string) (*tail, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(executions), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(200*time.Millisecond), kgo.MetadataMinAge(200*time.Millisecond))
	if err != nil {
		return nil, fmt.Errorf("following %s: %w", executions, err)
	}
	t := &tail{client: client, ended: make(chan struct{}), durable: map[string]time.Time{}}
	go t.follow()
	return t, nil
}

func (t *tail) follow() {
	defer close(t.ended)
	for {
		fetches := t.client.PollFetches(context.Background())
		if fetches.IsClientClosed() {
			return
		}
		now := time.Now()
		t.mu.Lock()
		fetches.EachRecord(func(r *kgo.Record) { t.note(r, now) })
		t.mu.Unlock()
	}
}

func (t *tail) note(r *kgo.Record, now time.Time) {
	x := new(records.ExecutionRecord)
	if proto.Unmarshal(r.Value, x) != nil {
		return
	}
	for _, e := range x.Events {
		a := e.GetAttempt()
		if a.GetIdempotencyKey() == "" {
			continue
		}
		switch a.Status {
		case records.StepStatus_STEP_STATUS_SUCCEEDED, records.StepStatus_STEP_STATUS_FAILED, records.StepStatus_STEP_STATUS_CANCELLED:
			if _, known := t.durable[a.IdempotencyKey]; !known {
				t.durable[a.IdempotencyKey] = now
			}
		}
	}
}

// read is when the outcome of each effect was read, by its key.
func (t *tail) read() map[string]time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.durable)
}

func (t *tail) close() {
	t.client.Close()
	<-t.ended
}
