package trigger

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/connectors/kafka"
	"sluice/schemas"
)

// consume reads the topics of all running flows that begin with kafka/consume. Every process takes part in each flow's group.
func (t *Triggers) consume(ctx context.Context) {
	type reading struct {
		revision int64
		secret   int64
		stop     func()
	}
	read := map[string]reading{}
	defer func() {
		for _, r := range read {
			r.stop()
		}
	}()
	for {
		changed := t.opts.Catalog.Changed()
		wanted := map[string]*schemas.FlowEntry{}
		for _, e := range t.opts.Catalog.Flows() {
			if v := e.Published(); e.State == schemas.Running && v != nil && v.Flow != nil && v.Flow.Trigger.Uses == "kafka/consume" {
				wanted[e.ID] = e
			}
		}
		for id, r := range read {
			if e := wanted[id]; e == nil || e.Revision != r.revision || t.credentialRevision(e) != r.secret {
				r.stop()
				delete(read, id)
			}
		}
		for id, e := range wanted {
			if _, ok := read[id]; ok {
				continue
			}
			ctx, cancel := context.WithCancel(ctx)
			var done sync.WaitGroup
			done.Go(func() {
				for ctx.Err() == nil {
					if err := t.follow(ctx, e); err != nil && ctx.Err() == nil {
						t.log.Warn("a flow's topic cannot be read; it is tried again", "flow", e.ID, "error", err)
						schemas.Pause(ctx, 5*again)
					}
				}
			})
			read[id] = reading{e.Revision, t.credentialRevision(e), func() { cancel(); done.Wait() }}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

func (t *Triggers) credentialRevision(e *schemas.FlowEntry) int64 {
	if c := t.opts.Catalog.Credential(e.Published().Flow.Trigger.Credential); c != nil {
		return c.Revision
	}
	return 0
}

// follow reads one flow's topic until ctx ends. A position is committed when the hooks before it are acknowledged, so that
// none is lost; a crash in between brings some again.
func (t *Triggers) follow(ctx context.Context, e *schemas.FlowEntry) error {
	trigger := e.Published().Flow.Trigger
	var settings struct{ Topic, Group, From string }
	if err := json.Unmarshal(trigger.Input, &settings); err != nil {
		return fmt.Errorf("reading the trigger's settings: %w", err)
	}
	entry := t.opts.Catalog.Credential(trigger.Credential)
	if entry == nil {
		return fmt.Errorf("credential %q does not exist", trigger.Credential)
	}
	credential, err := t.opts.OAuth.Open(ctx, t.opts.Components, entry.ID, entry.Uses, entry.Type, t.opts.Catalog.Secret(entry.ID))
	if err != nil {
		return err
	}
	opts, err := kafka.Client(t.opts.Env, credential)
	if err != nil {
		return err
	}
	if settings.Group == "" {
		settings.Group = "sluice-" + e.ID
	}
	from := kgo.NewOffset().AtEnd()
	if settings.From == "earliest" {
		from = kgo.NewOffset().AtStart()
	}
	source, err := kgo.NewClient(append(opts,
		kgo.ConsumerGroup(settings.Group), kgo.ConsumeTopics(settings.Topic), kgo.ConsumeResetOffset(from), kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxBytes(8<<20), kgo.SessionTimeout(10*time.Second),
	)...)
	if err != nil {
		return fmt.Errorf("configuring the client: %w", err)
	}
	defer source.CloseAllowingRebalance()
	sink, err := kgo.NewClient(append(append([]kgo.Opt{}, t.opts.Kafka...),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(schemas.MaxRecordBytes),
	)...)
	if err != nil {
		return fmt.Errorf("configuring the producer: %w", err)
	}
	defer sink.Close()
	for {
		fetches := source.PollRecords(ctx, 1000)
		if ctx.Err() != nil {
			return nil
		}
		if err := fetches.Err0(); err != nil {
			return err
		}
		fetches.EachError(func(topic string, p int32, err error) {
			t.log.Warn("reading a flow's topic", "flow", e.ID, "topic", topic, "partition", p, "error", err)
		})
		records := fetches.Records()
		hooks := make([]*kgo.Record, 0, len(records))
		for _, r := range records {
			body, contentType := kafka.Body(r.Value)
			h, err := t.hook(ctx, e.ID, time.Now(), "KAFKA", contentType, kafka.Headers(r), body)
			if err != nil {
				return err
			}
			hooks = append(hooks, h)
		}
		if len(hooks) > 0 {
			if err := t.forward(ctx, source, sink, records, hooks); err != nil {
				return err
			}
		}
		source.AllowRebalance()
	}
}

// forward appends records as hooks and commits their position. What has begun is finished when the process is asked to stop:
// a position that is not committed brings the records again.
func (t *Triggers) forward(ctx context.Context, source, sink *kgo.Client, records, hooks []*kgo.Record) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := sink.ProduceSync(ctx, hooks...).FirstErr(); err != nil {
		return fmt.Errorf("appending records as hooks: %w", err)
	}
	if err := source.CommitRecords(ctx, records...); err != nil {
		return fmt.Errorf("committing the position: %w", err)
	}
	return nil
}
