package run

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/connectors/mapping"
	"sluice/schemas"
	"sluice/schemas/records"
)

const (
	defaultDedupeWindow = 24 * time.Hour
	// dedupeSweep is how often keys whose window has passed are forgotten.
	dedupeSweep = 10 * time.Second
	// maxForgotten bounds what one sweep does between two polls.
	maxForgotten = 10_000
)

// dedupe is a flow's schemas.Dedupe made ready.
type dedupe struct {
	key    *mapping.Expression // nil: the delivery ID of the provider whose credential the trigger has
	window time.Duration
}

// delivery names an event of a flow among its deliveries: a hash of the flow's
// ID and the key, so that a key of any length costs the same.
type delivery [16]byte

// seen says which execution an event started, and until when another delivery
// of it is a duplicate.
type seen struct {
	first schemas.ExecutionID
	until int64 // Unix nanoseconds
}

// deliveries are the events seen on a partition within their windows. Its
// owner decides alone, and its memory is the topic dedupe: what it remembers is
// written in the transaction that has the execution. So of any number of
// deliveries at once, over crashes and handovers, exactly one runs.
type deliveries struct {
	seen map[delivery]seen
	// expiring has them by the minute in which their windows end: flows' windows
	// differ, and a long one must not keep what came after it.
	expiring map[int64][]delivery
}

func newDeliveries() *deliveries {
	return &deliveries{seen: map[delivery]seen{}, expiring: map[int64][]delivery{}}
}

// remember adds an event, some 100 bytes without a pointer.
func (d *deliveries) remember(key delivery, entry seen) {
	d.seen[key] = entry
	minute := entry.until / int64(time.Minute)
	d.expiring[minute] = append(d.expiring[minute], key)
}

// keyTries is how often a key is evaluated before its hook fails: the machine
// may have been busy.
const keyTries = 2

// evaluateKey evaluates a key of a flow for a hook; nil: the hook has none. An
// expression that fails for what is in the hook gives no key. One that did not
// come to an end says nothing: the hook must not be run then, because it would
// run twice, or out of its order.
//
// The end of the process does not cut it short: the hooks that are taken then
// would count as hooks without a key, and every delivery would run.
func evaluateKey(ctx context.Context, which string, key *mapping.Expression, h *loadedHook, raw bool) ([]byte, *records.Failure) {
	if ctx.Done() != nil {
		ctx = context.WithoutCancel(ctx)
	}
	for try := 1; ; try++ {
		value, defined, err := key.Evaluate(ctx, h.view(raw), mapping.Eval{Now: h.Time, Seed: seed(h.ID)})
		var expression *mapping.Error
		switch {
		case err == nil && (!defined || value == nil):
			return nil, nil
		case err == nil:
			text, err := mapping.Encode(value)
			if err != nil {
				return nil, nil
			}
			return text, nil
		case errors.As(err, &expression) && !expression.Limited():
			return nil, nil
		case try == keyTries:
			return nil, &records.Failure{Kind: "expression", Message: fmt.Sprintf(
				"evaluating the %s: %s; the hook was not run, because without its key it could run twice or out of its order: mend the key, and retry the execution", which, err)}
		}
	}
}

// keyOf is a hook's key as deliveries have it. A hook without one is no
// duplicate of anything.
func keyOf(ctx context.Context, expression *mapping.Expression, h *loadedHook, flow string, raw bool) (delivery, bool, *records.Failure) {
	text, failure := evaluateKey(ctx, "dedupe key", expression, h, raw)
	if failure != nil || text == nil || string(text) == `""` {
		return delivery{}, false, failure
	}
	return keyHash(flow, text), true, nil
}

// keyHash is a key of a flow, short: as deliveries and lanes have it, and
// shards are chosen by.
func keyHash(flow string, text []byte) [16]byte {
	var room [256]byte
	sum := sha256.Sum256(append(append(append(room[:0], flow...), 0), text...))
	return [16]byte(sum[:16])
}

// duplicate says whether a hook is a delivery of an event that has been seen,
// and which execution that one started. The first delivery is remembered. With a
// failure the hook must not be run.
func (s *session) duplicate(ctx context.Context, p *partition, h *loadedHook, given *polled) (first schemas.ExecutionID, found bool, failure *records.Failure) {
	version := s.opts.Catalog.Flow(h.Flow).Latest()
	if version.Flow.Dedupe == nil || !h.ReplayOf.IsZero() {
		return schemas.ExecutionID{}, false, nil
	}
	plan, err := s.planFor(h.Flow, version.Number)
	if err != nil || plan.dedupe == nil {
		return schemas.ExecutionID{}, false, nil // it fails when it starts, and says why
	}
	expression := plan.dedupe.key
	if expression == nil {
		expression = s.opts.shards.deliveryID(version.Flow.Trigger.Credential)
	}
	if expression == nil {
		return schemas.ExecutionID{}, false, nil // nobody gives its deliveries an ID
	}
	key, ok, failure := given.key, given.hasKey, given.failure
	if given.keyedBy != plan {
		key, ok, failure = keyOf(ctx, expression, h, plan.flow, plan.raw)
	}
	if !ok {
		return schemas.ExecutionID{}, false, failure
	}
	now := h.Time.UnixNano()
	if known, ok := p.deliveries.seen[key]; ok && known.until > now {
		return known.first, true, nil
	}
	entry := seen{first: h.ID, until: now + int64(plan.dedupe.window)}
	p.deliveries.remember(key, entry)
	s.marks = append(s.marks, s.mark(p, cmp.Or(h.Shard, h.Flow), key, entry))
	return schemas.ExecutionID{}, false, nil
}

// mark is the record of an event that was seen: the key of its hook's record
// and the hash as the key, so that it is known where it belongs when there are
// more partitions; the first execution and the end of the window as the value.
func (s *session) mark(p *partition, place string, key delivery, entry seen) *kgo.Record {
	m, r := &s.makings, s.makings.record()
	r.Topic, r.Partition = s.topics.dedupe, p.number
	r.Key = m.keep(append(append(append(m.room(len(place)+1+len(key)), place...), 0), key[:]...))
	r.Value = m.keep(binary.BigEndian.AppendUint64(append(m.room(24), entry.first[:]...), uint64(entry.until)))
	return r
}

// readDeliveries reads what the partition's last owner remembered.
func (s *session) readDeliveries(ctx context.Context, number int32) (*deliveries, error) {
	topic := s.opts.Topics.Dedupe()
	end, err := schemas.PartitionEnd(ctx, s.reader, topic, number)
	if err != nil {
		return nil, err
	}
	d := newDeliveries()
	now := time.Now().UnixNano()
	err = schemas.ReadPartition(ctx, s.reader, topic, number, 0, end, func(r *kgo.Record) bool {
		if len(r.Key) < len(delivery{}) || len(r.Value) != 24 {
			return true
		}
		key := delivery(r.Key[len(r.Key)-len(delivery{}):])
		entry := seen{first: schemas.ExecutionIDFromBytes(r.Value[:16]), until: int64(binary.BigEndian.Uint64(r.Value[16:]))}
		if entry.until > now {
			d.remember(key, entry)
		}
		return true
	})
	return d, err
}

// forget drops the keys whose window has passed, as many as may be dropped
// between two polls. The topic drops their records by its retention, which is
// longer than any window.
func (d *deliveries) forget(now time.Time) {
	left := maxForgotten
	for minute, keys := range d.expiring {
		if minute >= now.UnixNano()/int64(time.Minute) {
			continue
		}
		n := min(left, len(keys))
		for _, key := range keys[:n] {
			if d.seen[key].until <= now.UnixNano() { // unless it was seen anew
				delete(d.seen, key)
			}
		}
		if d.expiring[minute] = keys[n:]; n == len(keys) {
			delete(d.expiring, minute)
		}
		if left -= n; left == 0 {
			return
		}
	}
}

// sweep forgets, from time to time, what no hook can be a duplicate of any more.
func (s *session) sweep(now time.Time) {
	if now.Before(s.nextSweep) {
		return
	}
	s.nextSweep = now.Add(dedupeSweep)
	for _, p := range s.partitions {
		p.deliveries.forget(now)
	}
}

// endDuplicate puts a duplicate on record: linked to the first one, never run.
func (s *session) endDuplicate(e *execution, first schemas.ExecutionID) {
	s.end(e, &records.Ended{
		Status:  records.ExecutionStatus_EXECUTION_STATUS_DUPLICATE,
		Failure: &records.Failure{Kind: "duplicate", Message: "another delivery of the event that started execution " + first.String()},
	})
}
