// Package trigger starts flows by other things than a webhook: the clock, and records of other Kafka topics. What starts one is
// appended to the topic hooks, as the edge does with a request; from there on there is no difference.
package trigger

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/connectors"
	"sluice/connectors/oauth"
	"sluice/schemas"
)

// Catalog is what the triggers need to know of flows and credentials: the control log.
type Catalog interface {
	Flows() []*schemas.FlowEntry
	Flow(id string) *schemas.FlowEntry
	Credential(id string) *schemas.CredentialEntry
	Secret(credentialID string) map[string]string
	Offset() int64
	Changed() <-chan struct{}
}

// Options says what the triggers work with. All but OAuth is needed.
type Options struct {
	Kafka      []kgo.Opt
	Topics     schemas.Topics
	Instance   string // unique among processes, the same after a restart
	Partitions int32  // of the topic hooks
	Catalog    Catalog
	Components *connectors.Set
	Env        connectors.Env
	OAuth      *oauth.Tokens
	Keys       *schemas.Keys   // seal the hooks of erasable flows; nil: there are none
	Place      schemas.Placing // finds the shards of hooks (run.Shards)
	Logger     *slog.Logger
}

// Triggers runs both kinds. Every process with flows runs them; they share the work.
type Triggers struct {
	opts Options
	log  *slog.Logger
}

// New makes Triggers; it does no I/O.
func New(opts Options) *Triggers { return &Triggers{opts: opts, log: opts.Logger} }

// Run runs until ctx ends.
func (t *Triggers) Run(ctx context.Context) error {
	var all sync.WaitGroup
	all.Go(func() { t.consume(ctx) })
	err := t.schedule(ctx)
	all.Wait()
	return err
}

// again is how long an error is waited out.
const again = time.Second

// hook is the record that starts an execution of a flow.
func (t *Triggers) hook(ctx context.Context, flow string, at time.Time, method, contentType string, headers map[string]string, body []byte) (*kgo.Record, error) {
	h := schemas.Hook{
		ID:   schemas.NewExecutionID(at, schemas.PartitionOf(flow, t.opts.Partitions)),
		Kind: schemas.KindHook, Flow: flow, Time: at, Method: method, ContentType: contentType, Headers: headers, Body: body,
		Control: t.opts.Catalog.Offset(),
	}
	sealed := &h
	var version *schemas.FlowVersion
	if f := t.opts.Catalog.Flow(flow); f != nil {
		version = f.Published()
	}
	if version != nil && version.Flow.Shards > 1 {
		if err := t.opts.Place(ctx, version, &h, t.opts.Partitions); err != nil {
			return nil, fmt.Errorf("choosing the shard of a hook for flow %s: %w", flow, err)
		}
	}
	if version != nil && version.Flow.Erasable {
		var err error
		if h.Key, err = t.opts.Keys.New(ctx); err != nil {
			return nil, fmt.Errorf("making a hook for flow %s: %w", flow, err)
		}
		if sealed, err = t.opts.Keys.SealHook(&h); err != nil {
			return nil, fmt.Errorf("making a hook for flow %s: %w", flow, err)
		}
	}
	r, err := sealed.Record()
	if err != nil {
		return nil, fmt.Errorf("making a hook for flow %s: %w", flow, err)
	}
	r.Topic = t.opts.Topics.Hooks()
	return r, nil
}
