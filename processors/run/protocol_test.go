package run

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/connectors"
	"sluice/schemas"
)

// refusal is the answer to a request with an error in it, in every place that
// has room for one.
func refusal(req kmsg.Request, why *kerr.Error) kmsg.Response {
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	switch in := req.(type) {
	case *kmsg.ProduceRequest:
		out := resp.(*kmsg.ProduceResponse)
		for _, t := range in.Topics {
			rt := kmsg.NewProduceResponseTopic()
			rt.Topic, rt.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewProduceResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, why.Code
				rt.Partitions = append(rt.Partitions, rp)
			}
			out.Topics = append(out.Topics, rt)
		}
	case *kmsg.TxnOffsetCommitRequest:
		out := resp.(*kmsg.TxnOffsetCommitResponse)
		for _, t := range in.Topics {
			rt := kmsg.NewTxnOffsetCommitResponseTopic()
			rt.Topic, rt.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewTxnOffsetCommitResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, why.Code
				rt.Partitions = append(rt.Partitions, rp)
			}
			out.Topics = append(out.Topics, rt)
		}
	case *kmsg.EndTxnRequest:
		resp.(*kmsg.EndTxnResponse).ErrorCode = why.Code
	case *kmsg.InitProducerIDRequest:
		resp.(*kmsg.InitProducerIDResponse).ErrorCode = why.Code
	case *kmsg.HeartbeatRequest:
		resp.(*kmsg.HeartbeatResponse).ErrorCode = why.Code
	case *kmsg.OffsetFetchRequest:
		out := resp.(*kmsg.OffsetFetchResponse)
		out.ErrorCode = why.Code
		for _, g := range in.Groups {
			rg := kmsg.NewOffsetFetchResponseGroup()
			rg.Group, rg.ErrorCode = g.Group, why.Code
			out.Groups = append(out.Groups, rg)
		}
	case *kmsg.FindCoordinatorRequest:
		out := resp.(*kmsg.FindCoordinatorResponse)
		out.ErrorCode = why.Code
		for _, key := range in.CoordinatorKeys {
			c := kmsg.NewFindCoordinatorResponseCoordinator()
			c.Key, c.ErrorCode = key, why.Code
			out.Coordinators = append(out.Coordinators, c)
		}
	case *kmsg.AddPartitionsToTxnRequest:
		out := resp.(*kmsg.AddPartitionsToTxnResponse)
		out.ErrorCode = why.Code
		for _, t := range in.Topics {
			rt := kmsg.NewAddPartitionsToTxnResponseTopic()
			rt.Topic = t.Topic
			for _, p := range t.Partitions {
				rp := kmsg.NewAddPartitionsToTxnResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p, why.Code
				rt.Partitions = append(rt.Partitions, rp)
			}
			out.Topics = append(out.Topics, rt)
		}
	default:
		panic(fmt.Sprintf("no refusal of %T", req))
	}
	return resp
}

// cutter loses the answers to requests of a kind: the broker has done what was
// asked, and the connection ends in the middle of its answer.
type cutter struct {
	net.Conn
	key  int16
	lose func() bool
	lost atomic.Bool
}

func (c *cutter) Write(b []byte) (int, error) {
	// A request is written at once: its size, and then its key.
	if len(b) >= 6 && int16(binary.BigEndian.Uint16(b[4:])) == c.key && c.lose() {
		c.lost.Store(true)
	}
	return c.Conn.Write(b)
}

func (c *cutter) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && c.lost.Load() {
		_ = c.Conn.Close()
		return n / 2, net.ErrClosed
	}
	return n, err
}

// TestNothingIsLostOrDoubledWhateverKafkaAnswers has a broker refuse, drop, or
// lose the answers to the requests of a transaction and of the group, several
// times under load. After each all is as if nothing had been.
func TestNothingIsLostOrDoubledWhateverKafkaAnswers(t *testing.T) {
	const (
		produce = int16(kmsg.Produce)
		offsets = int16(kmsg.TxnOffsetCommit)
		endTxn  = int16(kmsg.EndTxn)
		start   = int16(kmsg.InitProducerID)
		beat    = int16(kmsg.Heartbeat)
		fetched = int16(kmsg.OffsetFetch)
		finder  = int16(kmsg.FindCoordinator)
	)
	type fault struct {
		key int16
		why *kerr.Error // nil: see how
		how string
	}
	var faults []fault
	refused := func(key int16, why ...*kerr.Error) {
		for _, w := range why {
			faults = append(faults, fault{key, w, "refused"})
		}
	}
	refused(produce, kerr.InvalidProducerEpoch, kerr.ProducerFenced, kerr.UnknownProducerID, kerr.InvalidTxnState, kerr.OutOfOrderSequenceNumber,
		kerr.NotLeaderForPartition, kerr.NotEnoughReplicas, kerr.RequestTimedOut, kerr.ConcurrentTransactions, kerr.KafkaStorageError)
	refused(offsets, kerr.NotCoordinator, kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.RebalanceInProgress, kerr.IllegalGeneration,
		kerr.UnknownMemberID, kerr.FencedInstanceID, kerr.ConcurrentTransactions, kerr.InvalidProducerEpoch, kerr.InvalidTxnState, kerr.RequestTimedOut)
	refused(endTxn, kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.ConcurrentTransactions, kerr.InvalidTxnState, kerr.ProducerFenced,
		kerr.InvalidProducerEpoch, kerr.RequestTimedOut)
	refused(start, kerr.ConcurrentTransactions, kerr.NotCoordinator, kerr.CoordinatorLoadInProgress)
	refused(beat, kerr.UnknownMemberID, kerr.RebalanceInProgress, kerr.IllegalGeneration, kerr.FencedInstanceID, kerr.NotCoordinator)
	refused(fetched, kerr.UnstableOffsetCommit, kerr.NotCoordinator, kerr.CoordinatorLoadInProgress)
	refused(finder, kerr.CoordinatorNotAvailable)
	for _, key := range []int16{produce, offsets, endTxn, start, beat} {
		faults = append(faults, fault{key: key, how: "dropped"}, fault{key: key, how: "done, and its answer lost"})
	}
	limit := make(chan struct{}, 8)
	for _, f := range faults {
		name := strings.TrimSuffix(kmsg.NameForKey(f.key), "Request") + " " + f.how
		if f.why != nil {
			name += " " + f.why.Message
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limit <- struct{}{}
			defer func() { <-limit }()
			r := newRig(t)
			for i := range 3 {
				r.publish(fmt.Sprintf("flow%d", i), twoSteps)
			}
			// Each third one, five times; of what comes once, the first.
			var seen, hurt atomic.Int32
			nth := int32(2)
			if f.key == start {
				nth = 1
			}
			turn := func() bool {
				hit := seen.Add(1)%3 == nth && hurt.Load() < 5
				if hit {
					hurt.Add(1)
				}
				return hit
			}
			opts := r.options("a")
			opts.SessionTimeout = time.Second // a heartbeat every 200 ms
			switch {
			case f.how == "done, and its answer lost":
				opts.Kafka = append(opts.Kafka[:len(opts.Kafka):len(opts.Kafka)], kgo.Dialer(func(ctx context.Context, network, host string) (net.Conn, error) {
					c, err := new(net.Dialer).DialContext(ctx, network, host)
					return &cutter{Conn: c, key: f.key, lose: turn}, err
				}))
			default:
				r.fake.ControlKey(f.key, func(req kmsg.Request) (kmsg.Response, error, bool) {
					r.fake.KeepControl()
					p, isProduce := req.(*kmsg.ProduceRequest)
					switch {
					case isProduce && p.TransactionID == nil: // the edge's
						return nil, nil, false
					case !turn():
						return nil, nil, false
					case f.why == nil:
						return nil, errors.New("dropped"), true
					}
					return refusal(req, f.why), nil, true
				})
			}
			var mu sync.Mutex
			keys := map[string]string{} // by effect
			r.do = func(_ context.Context, c connectors.Call) (connectors.Result, error) {
				mu.Lock()
				defer mu.Unlock()
				if other, ok := keys[string(c.Input)]; ok && other != c.IdempotencyKey {
					t.Errorf("%s went out under two keys", c.Input)
				}
				keys[string(c.Input)] = c.IdempotencyKey
				return connectors.Result{Output: c.Input}, nil
			}
			r.startRunner(New(opts))
			ids := map[schemas.ExecutionID]bool{}
			const hooks = 30
			for i := range hooks {
				ids[r.send(fmt.Sprintf("flow%d", i%3), fmt.Sprintf(`{"n":%d}`, i))] = true
				if i%5 == 4 && f.key != beat {
					r.ended(i - 8) // over several transactions
				}
			}
			if f.key == beat {
				for deadline := time.Now().Add(10 * time.Second); hurt.Load() < 2 && time.Now().Before(deadline); {
					time.Sleep(20 * time.Millisecond) // a heartbeat has no signal
				}
			}
			h := r.ended(hooks)
			if len(h) != hooks {
				t.Errorf("%d executions for %d hooks", len(h), hooks)
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
			for deadline := time.Now().Add(10 * time.Second); r.open() > 0; {
				if time.Now().After(deadline) {
					t.Fatalf("%d executions are left in state", r.open())
				}
			}
			if hurt.Load() == 0 {
				t.Error("no request was hurt")
			}
		})
	}
}

// What a transaction has beside executions is written again as well: deliveries
// to remember, dead letters, calls of other flows and what they return.
func TestAnAbortedTransactionIsWrittenAgainWithAllThatIsInIt(t *testing.T) {
	r := newRig(t)
	r.publish("inner", `"steps":[{"id":"one","uses":"test/effect","input":{"n":"=body.n"}}]`)
	r.publish("outer", `"dedupe":{"key":"=body.n"},"steps":[{"id":"call","uses":"flow/call","input":{"flow":"inner","body":{"n":"=body.n"}}}]`)
	var commits atomic.Int32
	r.fake.ControlKey(int16(kmsg.TxnOffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		r.fake.KeepControl()
		if commits.Add(1)%2 == 0 || commits.Load() > 40 {
			return nil, nil, false
		}
		return refusal(req, kerr.RebalanceInProgress), nil, true
	})
	r.start("a")
	const hooks = 10
	for i := range hooks {
		for range 2 {
			r.send("outer", fmt.Sprintf(`{"n":%d}`, i))
		}
		r.send("nobody", `{}`)
	}
	by := map[string]int{}
	for _, s := range r.ended(3 * hooks) {
		by[s.last.FlowId+" "+schemas.StatusName(s.last.Status)]++
	}
	if by["outer succeeded"] != hooks || by["outer duplicate"] != hooks || by["inner succeeded"] != hooks || len(by) != 3 {
		t.Errorf("executions = %v, want %d of each kind", by, hooks)
	}
	dead := map[string]int{}
	for deadline := time.Now().Add(10 * time.Second); len(dead) < hooks && time.Now().Before(deadline); {
		clear(dead)
		r.read(schemas.DefaultTopics.Deadletters(), func(record *kgo.Record) { dead[string(record.Headers[1].Value)]++ })
	}
	for id, n := range dead {
		if n != 1 || len(dead) != hooks {
			t.Errorf("%d dead letters, hook %s %d times; want %d, once each", len(dead), id, n, hooks)
		}
	}
	if n := len(r.made()); n != hooks {
		t.Errorf("%d effects, want %d: an abort repeats none", n, hooks)
	}
}
