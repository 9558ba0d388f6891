package trigger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/connectors/schedule"
	"sluice/schemas"
	"sluice/schemas/control"
)

// schedule keeps the clock whenever this process is the one to do so. A consumer group says who that is; it is not what makes
// a time run once (two may lead for a moment): the transaction is.
func (t *Triggers) schedule(ctx context.Context) error {
	return control.Lead(ctx, t.opts.Kafka, t.opts.Topics, "schedule-leader", t.opts.Instance, func(ctx context.Context) {
		for ctx.Err() == nil {
			if err := t.lead(ctx); err != nil && ctx.Err() == nil {
				t.log.Warn("the schedule waits and goes on", "error", err)
				schemas.Pause(ctx, again)
			}
		}
	})
}

// lead appends what is due, until ctx ends or this process no longer leads.
//
// Each transaction has the hooks of the times that are due, and how far the clock was read, as the offset of a group that
// nobody joins. The producer's name is one for all: who takes over shuts out the one before (its transaction is aborted,
// or was committed), reads how far the clock was read, and so neither repeats a time nor leaves one out.
func (t *Triggers) lead(ctx context.Context) error {
	name := t.opts.Topics.Prefix + "schedule"
	client, err := kgo.NewClient(append(append([]kgo.Opt{}, t.opts.Kafka...),
		kgo.TransactionalID(name), kgo.TransactionTimeout(10*time.Second), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0),
	)...)
	if err != nil {
		return fmt.Errorf("configuring the schedule's producer: %w", err)
	}
	defer client.Close()
	if _, _, err := client.ProducerID(ctx); err != nil {
		return fmt.Errorf("taking the schedule over: %w", err)
	}
	read, err := t.clockRead(ctx, client, name)
	if err != nil {
		return err
	}
	if read.IsZero() {
		read = time.Now().Truncate(time.Second)
	}
	for {
		changed := t.opts.Catalog.Changed()
		now := time.Now().Truncate(time.Second)
		if due := t.due(read, now); len(due) > 0 {
			if err := t.append(ctx, client, name, due, now); err != nil {
				return err
			}
		}
		if now.After(read) {
			read = now
		}
		timer := time.NewTimer(time.Until(t.next(read)))
		select {
		case <-timer.C:
		case <-changed:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		timer.Stop()
	}
}

// tick is a time at which a flow is due.
type tick struct {
	flow string
	at   time.Time
	body []byte
}

// due lists the ticks after one time and up to another. Of those that a flow missed for longer than a moment it gets the last
// one, or none where it says so; what was due before it was started, or while it was paused, it never gets.
func (t *Triggers) due(after, until time.Time) []tick {
	const moment = time.Minute // longer than a takeover takes: each time in it is run
	var due []tick
	for _, e := range t.opts.Catalog.Flows() {
		s := scheduleOf(e)
		if s == nil {
			continue
		}
		from := after
		if e.ChangedAt.After(from) {
			from = e.ChangedAt
		}
		var last time.Time
		// What is far behind is not walked through tick by tick.
		if behind := until.Add(-24 * time.Hour); from.Before(behind) {
			from = behind
		}
		for at := s.Next(from); !at.IsZero() && !at.After(until); at = s.Next(at) {
			if until.Sub(at) <= moment {
				due = append(due, tick{e.ID, at, s.Body(at)})
			} else {
				last = at
			}
		}
		if !last.IsZero() && !s.Skip {
			due = append(due, tick{e.ID, last, s.Body(last)})
		}
	}
	slices.SortStableFunc(due, func(a, b tick) int { return a.at.Compare(b.at) })
	return due
}

// next is when something is due next; an hour from now at the latest, so that a clock that was set is noticed.
func (t *Triggers) next(after time.Time) time.Time {
	next := after.Add(time.Hour)
	for _, e := range t.opts.Catalog.Flows() {
		if s := scheduleOf(e); s != nil {
			if at := s.Next(after); !at.IsZero() && at.Before(next) {
				next = at
			}
		}
	}
	return next
}

func scheduleOf(e *schemas.FlowEntry) *schedule.Schedule {
	v := e.Published()
	if e.State != schemas.Running || v == nil || v.Flow == nil || v.Flow.Trigger.Uses != "schedule/cron" {
		return nil
	}
	s, err := schedule.Parse(v.Flow.Trigger.Input)
	if err != nil {
		return nil // it was checked when it was published
	}
	return s
}

// append writes the hooks and how far the clock was read, as one transaction.
func (t *Triggers) append(ctx context.Context, client *kgo.Client, name string, due []tick, read time.Time) error {
	// The transaction is ended even when the process is asked to stop in its middle.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := client.BeginTransaction(); err != nil {
		return fmt.Errorf("beginning a transaction of the schedule: %w", err)
	}
	var records []*kgo.Record
	var err error
	for _, d := range due {
		var r *kgo.Record
		if r, err = t.hook(ctx, d.flow, time.Now(), "SCHEDULE", "application/json", map[string]string{"scheduled-at": d.at.UTC().Format(time.RFC3339)}, d.body); err != nil {
			break
		}
		records = append(records, r)
	}
	if err == nil {
		err = client.ProduceSync(ctx, records...).FirstErr()
	}
	if err == nil {
		err = t.noteClock(ctx, client, name, read)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("appending what is due: %w", err), client.EndTransaction(ctx, kgo.TryAbort))
	}
	if err := client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("committing what is due: %w", err)
	}
	return nil
}

// noteClock adds how far the clock was read to the transaction: Unix seconds, as an offset.
func (t *Triggers) noteClock(ctx context.Context, client *kgo.Client, name string, read time.Time) error {
	id, epoch, err := client.ProducerID(ctx)
	if err != nil {
		return err
	}
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.Group = name, name
	req.ProducerID, req.ProducerEpoch = id, epoch
	req.Generation = -1 // nobody joins the group
	topic := kmsg.NewTxnOffsetCommitRequestTopic()
	topic.Topic = t.opts.Topics.Control()
	if topic.TopicID, err = topicID(ctx, client, topic.Topic); err != nil {
		return err
	}
	p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	p.Partition, p.Offset = 0, read.Unix()
	topic.Partitions = append(topic.Partitions, p)
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("noting the clock: %w", err)
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("noting the clock: %w", err)
			}
		}
	}
	return nil
}

func topicID(ctx context.Context, client *kgo.Client, topic string) (id [16]byte, err error) {
	req := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = kmsg.StringPtr(topic)
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return id, err
	}
	for _, t := range resp.Topics {
		return t.TopicID, kerr.ErrorForCode(t.ErrorCode)
	}
	return id, kerr.UnknownTopicOrPartition
}

// clockRead is how far the clock was read; zero when it never was. It waits for a transaction that may still say so.
func (t *Triggers) clockRead(ctx context.Context, client *kgo.Client, name string) (time.Time, error) {
	id, err := topicID(ctx, client, t.opts.Topics.Control())
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the clock: %w", err)
	}
	for {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.RequireStable = true
		group := kmsg.NewOffsetFetchRequestGroup()
		group.Group = name
		topic := kmsg.NewOffsetFetchRequestGroupTopic()
		topic.Topic, topic.TopicID, topic.Partitions = t.opts.Topics.Control(), id, []int32{0}
		group.Topics = append(group.Topics, topic)
		req.Groups = append(req.Groups, group)
		resp, err := req.RequestWith(ctx, client)
		if err != nil {
			return time.Time{}, fmt.Errorf("reading the clock: %w", err)
		}
		at, err := int64(-1), error(nil)
		for _, g := range resp.Groups {
			err = kerr.ErrorForCode(g.ErrorCode)
			for _, topic := range g.Topics {
				for _, p := range topic.Partitions {
					at, err = p.Offset, errors.Join(err, kerr.ErrorForCode(p.ErrorCode))
				}
			}
		}
		switch {
		case err == nil && at >= 0:
			return time.Unix(at, 0), nil
		case err == nil, errors.Is(err, kerr.GroupIDNotFound):
			return time.Time{}, nil
		case errors.Is(err, kerr.UnstableOffsetCommit), kerr.IsRetriable(err):
			if !schemas.Pause(ctx, 50*time.Millisecond) {
				return time.Time{}, ctx.Err()
			}
		default:
			return time.Time{}, fmt.Errorf("reading the clock: %w", err)
		}
	}
}
