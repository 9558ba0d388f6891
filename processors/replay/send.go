package replay

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
	"sluice/schemas/clickhouse"
)

const (
	// look is how often the run log is asked, at most, how the replay's
	// executions stand, and lookLate how often at least, as far as asking takes no
	// more than one part in lookCost of the time.
	look, lookLate, lookCost = 250 * time.Millisecond, time.Second, 20
	// chunk is how many hooks are sent in one transaction.
	chunk = 100
	// burst is how much of a rate is sent at once: a transaction costs the broker
	// more than its records, and the lane spreads them.
	burst = 250 * time.Millisecond
	// ahead is of how much time, by what ended lately, hooks are sent before they
	// are run; leastAhead is the fewest. The lane decides how many it begins, and
	// what is sent cannot be paused.
	ahead      = 1500 * time.Millisecond
	leastAhead = 100
)

// send sends what is left of a replay's list into the topic replays, at its
// rate and never more than the window ahead of what is done, until all of it
// has ended. Its producer is transactional under the replay's name: the first
// thing a driver does is to shut its predecessor out, and then to look for what
// that one had sent. So no hook is sent twice.
func (d *Driver) send(ctx context.Context, r *schemas.ReplayEntry) (schemas.Change, error) {
	none := schemas.Change{}
	client, err := kgo.NewClient(append(d.opts.Kafka,
		kgo.TransactionalID(d.opts.Topics.Prefix+"replay."+r.ID),
		kgo.TransactionTimeout(10*time.Second),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0),
		kgo.ProducerBatchMaxBytes(schemas.MaxRecordBytes-1024),
	)...)
	if err != nil {
		return none, permanent{fmt.Errorf("configuring the replay's producer: %w", err)}
	}
	defer client.Close()
	if _, _, err := client.ProducerID(ctx); err != nil {
		return none, fmt.Errorf("taking the producer's ID: %w", err)
	}
	sent, err := d.alreadySent(ctx, client, r)
	if err != nil {
		return none, err
	}
	s := &sending{d: d, r: r, client: client, sent: sent, pace: newPace(r.Rate, time.Now()), ahead: leastAhead}
	for from := int64(0); from < r.Total; from += page {
		items, err := d.items(ctx, r, from)
		if err != nil {
			return none, err
		}
		todo := items[:0]
		for _, i := range items {
			if !sent[schemas.ReplayedID(r.ID, schemas.ExecutionID(i.id), r.CreatedAt)] {
				todo = append(todo, i)
			}
		}
		hooks, err := d.hooks(ctx, client, todo)
		if err != nil {
			return none, err
		}
		if abort, err := s.page(ctx, hooks); abort.Type != "" || err != nil {
			return abort, err
		}
	}
	for { // the rest has to end, too
		abort, open, err := s.look(ctx)
		if abort.Type != "" || err != nil {
			return abort, err
		}
		if open <= 0 {
			if s.missing > 0 {
				d.log.Warn("hooks of a replay are neither in Kafka nor in the run log any more", "replay", r.ID, "hooks", s.missing)
			}
			return schemas.Change{Type: schemas.ReplayFinished}, nil
		}
		if !schemas.Pause(ctx, s.soonest) {
			return none, ctx.Err()
		}
	}
}

// alreadySent finds what a driver before sent of a replay.
func (d *Driver) alreadySent(ctx context.Context, client *kgo.Client, r *schemas.ReplayEntry) (map[schemas.ExecutionID]bool, error) {
	topic := d.opts.Topics.Replays()
	admin := kadm.NewClient(client)
	// The control log's clock may not be this one's, nor the broker's.
	starts, err := admin.ListOffsetsAfterMilli(ctx, r.CreatedAt.Add(-time.Hour).UnixMilli(), topic)
	if err != nil {
		return nil, fmt.Errorf("finding what was sent before: %w", err)
	}
	sent := map[schemas.ExecutionID]bool{}
	for p, start := range starts[topic] {
		end, err := schemas.PartitionEnd(ctx, client, topic, p)
		if err != nil {
			return nil, err
		}
		err = schemas.ReadPartition(ctx, client, topic, p, start.Offset, end, func(record *kgo.Record) bool {
			for _, header := range record.Headers {
				if header.Key == "ce_replay" && string(header.Value) == r.ID {
					if h, err := schemas.ParseHook(record); err == nil {
						sent[h.ID] = true
					}
				}
			}
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	return sent, nil
}

// sending is a replay under way.
type sending struct {
	d       *Driver
	r       *schemas.ReplayEntry
	client  *kgo.Client
	sent    map[schemas.ExecutionID]bool
	pace    pace
	looked  time.Time     // when the run log was last asked
	soonest time.Duration // after how long it may be asked again
	every   time.Duration // and is, while hooks are being sent
	ahead   int64         // how many may be sent and not ended
	past    []progress    // what look found lately, the oldest first
	ended   int64
	missing int64
}

// page sends hooks. A change with a type says that the replay was given up.
func (s *sending) page(ctx context.Context, hooks []*schemas.Hook) (schemas.Change, error) {
	for len(hooks) > 0 {
		for int64(len(s.sent))-s.ended >= s.ahead || time.Since(s.looked) >= s.every {
			abort, open, err := s.look(ctx)
			if abort.Type != "" || err != nil {
				return abort, err
			}
			if open >= s.ahead && !schemas.Pause(ctx, s.every) {
				return schemas.Change{}, ctx.Err()
			}
		}
		n, wait := s.pace.next(min(chunk, len(hooks), int(s.ahead+s.ended)-len(s.sent)), time.Now())
		if wait > 0 && !schemas.Pause(ctx, wait) {
			return schemas.Change{}, ctx.Err()
		}
		if err := s.transaction(ctx, hooks[:n]); err != nil {
			return schemas.Change{}, err
		}
		hooks = hooks[n:]
	}
	return schemas.Change{}, nil
}

func (s *sending) transaction(ctx context.Context, hooks []*schemas.Hook) error {
	now := time.Now()
	var recs []*kgo.Record
	var ids []schemas.ExecutionID
	for _, original := range hooks {
		if original == nil {
			s.missing++
			continue
		}
		h := *original
		h.ID, h.ReplayOf, h.Replay, h.Time = schemas.ReplayedID(s.r.ID, original.ID, s.r.CreatedAt), original.ID, s.r.ID, now
		h.Unkeyed = "" // a replay meets no duplicates
		h.ReplyTo, h.TraceParent, h.Control = "", "", s.d.opts.Control.Offset()
		h.Version, h.KeysOf = pinned(s.r.Version), schemas.ExecutionID{}
		if s.r.SameKeys {
			h.KeysOf = original.ID
		}
		sealed, err := s.d.seal(ctx, &h)
		if err != nil {
			return err
		}
		record, err := sealed.Record()
		if err != nil {
			return permanent{fmt.Errorf("encoding hook %s: %w", original.ID, err)}
		}
		record.Topic = s.d.opts.Topics.Replays()
		recs, ids = append(recs, record), append(ids, h.ID)
	}
	if len(recs) == 0 {
		return nil
	}
	if err := s.client.BeginTransaction(); err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	err := s.client.ProduceSync(ctx, recs...).FirstErr()
	commit := kgo.TransactionEndTry(err == nil)
	// The end of the process must not leave a transaction hanging.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := errors.Join(err, s.client.EndTransaction(ending, commit)); err != nil {
		return fmt.Errorf("sending hooks: %w", err)
	}
	for _, id := range ids {
		s.sent[id] = true
	}
	return nil
}

// seal seals a hook under a key of its own, if its original was sealed or its
// flow is erasable.
func (d *Driver) seal(ctx context.Context, h *schemas.Hook) (*schemas.Hook, error) {
	if f := d.opts.Control.Flow(h.Flow); h.Key == "" && (f == nil || !f.Erasable()) {
		return h, nil
	}
	key, err := d.opts.Keys.New(ctx)
	if err != nil {
		return nil, err
	}
	h.Key = key
	return d.opts.Keys.SealHook(h)
}

// pinned is a version's number, or 0 for live and draft.
func pinned(version string) int32 {
	var n int32
	if _, err := fmt.Sscanf(version, "%d", &n); err != nil {
		return 0
	}
	return n
}

// look asks the run log how the replay stands: how many are sent and not
// ended, and whether too many failed.
func (s *sending) look(ctx context.Context) (abort schemas.Change, open int64, err error) {
	asked := time.Now()
	counts, err := clickhouse.ReplayCounts(ctx, s.d.opts.ClickHouse, s.r)
	if err != nil {
		return abort, 0, err
	}
	s.ended, s.looked = 0, time.Now()
	s.soonest = max(look, lookCost*s.looked.Sub(asked))
	for status, n := range counts {
		if status != "running" && status != "waiting" {
			s.ended += n
		}
	}
	s.keepAhead()
	if failed := counts["failed"]; s.r.MaxFailures > 0 && failed > s.r.MaxFailures {
		return schemas.Change{Type: schemas.ReplayAborted, Reason: fmt.Sprintf("%d executions failed, more than %d", failed, s.r.MaxFailures)}, 0, nil
	}
	return abort, int64(len(s.sent)) - s.ended, nil
}

// progress is how many had ended when.
type progress struct {
	at    time.Time
	ended int64
}

// keepAhead sets how far is sent ahead, and when to look again: half of that is
// done by then, so that the lane never waits for the sender.
func (s *sending) keepAhead() {
	s.past = append(s.past, progress{s.looked, s.ended})
	span := max(ahead, 3*s.soonest)
	for len(s.past) > 2 && s.looked.Sub(s.past[1].at) >= span {
		s.past = s.past[1:]
	}
	first := s.past[0]
	rate := 0.0 // ended a second, lately
	if d := s.looked.Sub(first.at); d > 0 {
		rate = float64(s.ended-first.ended) / d.Seconds()
	}
	s.ahead = min(max(int64(rate*span.Seconds()), leastAhead), int64(s.d.opts.Window))
	s.every = s.soonest
	if rate > 0 {
		half := time.Duration(float64(s.ahead) / 2 / rate * float64(time.Second))
		s.every = max(s.soonest, min(half, lookLate))
	}
}

// pace spreads hooks over time.
type pace struct {
	rate float64 // a second; 0: no limit
	due  time.Time
}

func newPace(rate float64, now time.Time) pace { return pace{rate, now} }

// next is how many of n may be sent after wait.
func (p *pace) next(n int, now time.Time) (allowed int, wait time.Duration) {
	if p.rate <= 0 {
		return n, 0
	}
	// Little at once: a burst would hold up the live hooks beside it.
	allowed = max(1, min(n, int(math.Ceil(p.rate*burst.Seconds()))))
	if p.due.Before(now.Add(-time.Second)) {
		p.due = now // a pause is not caught up with
	}
	wait = p.due.Sub(now)
	p.due = p.due.Add(time.Duration(float64(allowed) / p.rate * float64(time.Second)))
	return allowed, wait
}
