package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"sluice/schemas"
	"sluice/schemas/records"
)

// maxEventBytes bounds one record of the topic executions; an execution that
// did more since the last commit writes several.
const maxEventBytes = 6 << 20

// commit writes what happened since the last transaction: the events, the
// snapshots of what is still open (tombstones of what was), the dead letters,
// and the offsets. What waited for that goes on after it. After a clean abort
// everything stays to be written again.
func (s *session) commit(ctx context.Context) error {
	if (len(s.touched) == 0 && !s.moved) || len(s.partitions) == 0 {
		return nil
	}
	recs, err := s.records()
	if err != nil {
		return err
	}
	offsets := make(map[int32]int64, len(s.partitions))
	for n, p := range s.partitions {
		offsets[n] = p.position
	}
	// The end of the process must not cut a transaction in two.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), transactionTimeout)
	defer cancel()
	began := time.Now()
	if err := s.transact(ctx, recs, offsets); err != nil {
		if errors.Is(err, errAborted) {
			s.metrics.aborts.Inc()
			s.log.Warn("a transaction was aborted and is written again", "error", err)
			s.notBefore = time.Now().Add(abortPause)
			return nil
		}
		return err
	}
	s.metrics.committed(len(recs), time.Since(began))

	touched := s.touched
	s.touched, s.dead, s.marks, s.moved = nil, nil, nil, false
	for _, e := range touched {
		e.touched, e.events, e.undurable = false, nil, false
		if !schemas.Open(e.x.Status) {
			s.metrics.ended(e.x)
			if e.stored {
				s.metrics.open.Dec()
			}
			delete(e.partition.executions, e.id)
			// Not before this is durable: or a crash would do this execution's
			// last effect again, after the next one's first.
			if next := e.partition.lanes.leave(e); next != nil {
				s.proceed(next)
			}
			continue
		}
		if !e.stored {
			e.stored = true
			s.metrics.open.Inc()
		}
		held := e.held
		e.held = nil
		for _, i := range held {
			delete(e.busy, i)
			s.begin(e, i)
		}
	}
	s.pumpAll()
	return nil
}

// records makes the records of the next transaction, at least one.
func (s *session) records() ([]*kgo.Record, error) {
	recs := make([]*kgo.Record, 0, 2*len(s.touched)+len(s.dead)+1)
	for _, e := range s.touched {
		if !s.owns(e) {
			continue
		}
		happened, err := eventRecords(e)
		if err != nil {
			return nil, err
		}
		for _, value := range happened {
			recs = append(recs, &kgo.Record{
				Topic: s.opts.Topics.Executions(), Partition: e.partition.number,
				Key: []byte(e.x.FlowId), Value: value, Headers: traceHeaders(e.x.Traceparent),
			})
		}
		state := &kgo.Record{Topic: s.opts.Topics.State(), Partition: e.partition.number, Key: e.id[:]}
		if schemas.Open(e.x.Status) {
			if state.Value, err = proto.Marshal(e.x); err != nil {
				return nil, fmt.Errorf("encoding the snapshot of execution %s: %w", e.id, err)
			}
		} else if !e.stored {
			continue
		}
		recs = append(recs, state)
	}
	recs = append(append(recs, s.dead...), s.marks...)
	if len(recs) == 0 {
		// Only offsets moved, past a command for what has ended. See transact
		// for why there must be a record: a tombstone for nobody.
		for n := range s.partitions {
			recs = append(recs, &kgo.Record{Topic: s.opts.Topics.State(), Partition: n, Key: make([]byte, 16)})
			break
		}
	}
	return recs, nil
}

// eventRecords are the records of what an execution did, usually one.
func eventRecords(e *execution) ([][]byte, error) {
	summary := &records.ExecutionRecord{
		ExecutionId: e.x.Id, FlowId: e.x.FlowId, Version: e.x.Version, Status: e.x.Status,
		StartedAt: e.x.StartedAt, EndedAt: e.x.EndedAt, Failure: e.x.Failure, Hook: e.x.Hook,
		ReplayOf: e.x.ReplayOf, Replay: e.x.Replay, TraceId: traceID(e.x.Traceparent),
	}
	var values [][]byte
	for events := e.events; ; {
		n, size := 0, 0
		for n < len(events) && (n == 0 || size+proto.Size(events[n]) <= maxEventBytes) {
			size += proto.Size(events[n])
			n++
		}
		summary.Events = events[:n]
		value, err := proto.Marshal(summary)
		if err != nil {
			return nil, fmt.Errorf("encoding the events of execution %s: %w", e.id, err)
		}
		values = append(values, value)
		if events = events[n:]; len(events) == 0 {
			return values, nil
		}
	}
}

func traceHeaders(traceparent string) []kgo.RecordHeader {
	if traceparent == "" {
		return nil
	}
	return []kgo.RecordHeader{{Key: "traceparent", Value: []byte(traceparent)}}
}
