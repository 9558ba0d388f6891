// Package control follows and extends the control log: every change to flows
// and credentials, kept for ever in the topic control, and the credentials'
// encrypted values in the topic secrets. Every process follows both and so
// has the same catalog.
package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
)

// ErrConflict is the error of a change that somebody else's came before, or
// that makes no sense as things stand. Nothing was changed: look again.
var ErrConflict = errors.New("the change was not applied: somebody else changed it first, or its state does not allow it")

// Options says which log to follow.
type Options struct {
	Topics schemas.Topics
	// Kafka holds the brokers' addresses and security.
	Kafka []kgo.Opt
	// Cipher opens the secrets.
	Cipher *Cipher
	// Keys are told of the topic keys, and write to it; nil: it is not read.
	Keys *schemas.Keys
	// Connectors is called with the imported connectors when they have changed, before what follows in the log can be
	// seen: a flow that uses one finds it. Nil: nobody wants to know.
	Connectors func([]*schemas.ConnectorEntry)
	Logger     *slog.Logger
}

// Log is the control log as far as it has been read. Reading it is lock-free
// and may be done by any number of goroutines; what it returns is immutable.
type Log struct {
	opts   Options
	client *kgo.Client

	current atomic.Pointer[view]

	mu      sync.Mutex
	catalog schemas.Catalog
	secrets map[string]map[string]string
	tokens  map[string]token
	leases  map[string]lease
	changed chan struct{}
	// Outcomes of own changes that somebody waits for, by the change's ID.
	waiting map[string]chan<- outcome
}

type outcome struct {
	revision int64
	applied  bool
}

// view is what readers see; it is replaced, never changed.
type view struct {
	flows       map[string]*schemas.FlowEntry
	flowList    []*schemas.FlowEntry
	credentials map[string]*schemas.CredentialEntry
	credList    []*schemas.CredentialEntry
	connectors  []*schemas.ConnectorEntry
	replays     map[string]*schemas.ReplayEntry
	replayList  []*schemas.ReplayEntry
	queries     []*schemas.SavedQueryEntry
	alerts      []*schemas.AlertEntry
	erasures    []*schemas.ErasureEntry
	erased      map[schemas.ExecutionID]struct{} // nil: none was
	secrets     map[string]map[string]string
	tokens      map[string]token
	offset      int64 // next of control
	secretsAt   int64 // next of secrets
}

// New makes a log; Run must be running before anything is read or appended.
func New(opts Options) *Log {
	l := &Log{
		opts: opts, secrets: map[string]map[string]string{}, tokens: map[string]token{}, leases: map[string]lease{},
		changed: make(chan struct{}), waiting: map[string]chan<- outcome{},
	}
	l.current.Store(&view{})
	return l
}

// Start connects, reads both topics to their present ends, and goes on
// following them until ctx ends. It returns once the ends are reached.
func (l *Log) Start(ctx context.Context) error {
	client, err := kgo.NewClient(append(l.opts.Kafka,
		// Partitions are added below, where the first reading ended.
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{}),
		kgo.FetchMaxWait(250*time.Millisecond),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0),
		kgo.ProducerBatchMaxBytes(schemas.MaxRecordBytes), // an imported connector is one record
		kgo.RecordDeliveryTimeout(10*time.Second),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), // keys are deleted in transactions
	)...)
	if err != nil {
		return fmt.Errorf("configuring the control log's client: %w", err)
	}
	l.client = client

	from := map[string]map[int32]kgo.Offset{}
	var records []*kgo.Record
	// Secrets first: a credential's values are written before it is announced.
	topics := []string{l.opts.Topics.Secrets(), l.opts.Topics.Control()}
	if l.opts.Keys != nil {
		topics = append([]string{l.opts.Topics.Keys()}, topics...)
		l.opts.Keys.Attach(l.putKeys)
	}
	for _, topic := range topics {
		end, err := schemas.PartitionEnd(ctx, client, topic, 0)
		if err == nil {
			err = schemas.ReadPartition(ctx, client, topic, 0, 0, end, func(r *kgo.Record) bool {
				records = append(records, r)
				return true
			})
		}
		if err != nil {
			client.Close()
			return fmt.Errorf("reading the control log: %w", err)
		}
		from[topic] = map[int32]kgo.Offset{0: kgo.NewOffset().At(end)}
	}
	l.apply(records)
	client.AddConsumePartitions(from)
	go l.follow(ctx)
	return nil
}

// follow reads until ctx ends.
func (l *Log) follow(ctx context.Context) {
	defer l.client.Close()
	for {
		fetches := l.client.PollFetches(ctx)
		if ctx.Err() != nil {
			return
		}
		fetches.EachError(func(topic string, _ int32, err error) {
			l.opts.Logger.Warn("reading the control log", "topic", topic, "error", err)
		})
		if records := fetches.Records(); len(records) > 0 {
			l.apply(records)
		}
	}
}

func (l *Log) apply(records []*kgo.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	offset, secretsAt := l.current.Load().offset, l.current.Load().secretsAt
	for _, r := range records {
		if r.Topic == l.opts.Topics.Secrets() {
			l.applySecret(r)
			secretsAt = r.Offset + 1
			continue
		}
		if r.Topic == l.opts.Topics.Keys() {
			if err := l.opts.Keys.Apply(string(r.Key), r.Value); err != nil {
				l.opts.Logger.Error("keys of erasable flows cannot be read", "error", err)
			}
			continue
		}
		offset = r.Offset + 1
		var ch schemas.Change
		if err := json.Unmarshal(r.Value, &ch); err != nil {
			l.opts.Logger.Error("skipping a change that cannot be read", "offset", r.Offset, "error", err)
			continue
		}
		applied := l.catalog.Apply(r.Offset, &ch)
		if w := l.waiting[ch.ID]; w != nil {
			delete(l.waiting, ch.ID)
			w <- outcome{revision: offset, applied: applied}
		}
	}
	v := &view{
		flows: map[string]*schemas.FlowEntry{}, credentials: map[string]*schemas.CredentialEntry{},
		secrets: make(map[string]map[string]string, len(l.secrets)), offset: offset, secretsAt: secretsAt,
		flowList: l.catalog.Flows(), credList: l.catalog.Credentials(),
	}
	l.catalog.EachFlow(func(f *schemas.FlowEntry) { v.flows[f.ID] = f })
	v.replayList, v.replays = l.catalog.Replays(), map[string]*schemas.ReplayEntry{}
	v.queries, v.alerts, v.erasures = l.catalog.SavedQueries(), l.catalog.Alerts(), l.catalog.Erasures()
	if before := l.current.Load(); len(v.erasures) == len(before.erasures) {
		v.erased = before.erased
	} else {
		v.erased = map[schemas.ExecutionID]struct{}{}
		for _, e := range v.erasures {
			for _, id := range e.IDs() {
				v.erased[id] = struct{}{}
			}
		}
	}
	for _, r := range v.replayList {
		v.replays[r.ID] = r
	}
	for _, c := range v.credList {
		v.credentials[c.ID] = c
	}
	for id, values := range l.secrets {
		v.secrets[id] = values
	}
	v.tokens = maps.Clone(l.tokens)
	v.connectors = l.catalog.Connectors()
	if l.opts.Connectors != nil && !slices.Equal(v.connectors, l.current.Load().connectors) {
		l.opts.Connectors(v.connectors)
	}
	l.current.Store(v)
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *Log) applySecret(r *kgo.Record) {
	id := string(r.Key)
	if of, kind, ok := strings.Cut(id, "#"); ok {
		l.applyToken(of, kind, r)
		return
	}
	if r.Value == nil {
		delete(l.secrets, id)
		return
	}
	values, err := l.opts.Cipher.open(id, r.Value)
	if err != nil {
		delete(l.secrets, id) // nothing may go on with values that were replaced
		l.opts.Logger.Error("a credential cannot be decrypted; was SLUICE_SECRET_KEY changed? save the credential again",
			"credential", id, "error", err)
		return
	}
	l.secrets[id] = values
}

// Flow finds a flow, deleted or not; nil when there never was one.
func (l *Log) Flow(id string) *schemas.FlowEntry { return l.current.Load().flows[id] }

// Flows lists the flows that are not deleted, by ID.
func (l *Log) Flows() []*schemas.FlowEntry { return l.current.Load().flowList }

// Credential finds a credential; nil when there is none.
func (l *Log) Credential(id string) *schemas.CredentialEntry { return l.current.Load().credentials[id] }

// Credentials lists the credentials, by ID.
func (l *Log) Credentials() []*schemas.CredentialEntry { return l.current.Load().credList }

// Connectors lists the imported connectors, by name.
func (l *Log) Connectors() []*schemas.ConnectorEntry { return l.current.Load().connectors }

// Connector finds an imported connector; nil when there is none.
func (l *Log) Connector(name string) *schemas.ConnectorEntry {
	for _, e := range l.Connectors() {
		if e.Name == name {
			return e
		}
	}
	return nil
}

// Replay finds a replay; nil when there never was one.
func (l *Log) Replay(id string) *schemas.ReplayEntry { return l.current.Load().replays[id] }

// Replays lists all replays, the newest first.
func (l *Log) Replays() []*schemas.ReplayEntry { return l.current.Load().replayList }

// SavedQueries lists the saved queries, by ID.
func (l *Log) SavedQueries() []*schemas.SavedQueryEntry { return l.current.Load().queries }

// SavedQuery finds a saved query; nil when there is none.
func (l *Log) SavedQuery(id string) *schemas.SavedQueryEntry {
	for _, q := range l.current.Load().queries {
		if q.ID == id {
			return q
		}
	}
	return nil
}

// Alerts lists the alerts, by ID.
func (l *Log) Alerts() []*schemas.AlertEntry { return l.current.Load().alerts }

// Alert finds an alert; nil when there is none.
func (l *Log) Alert(id string) *schemas.AlertEntry {
	for _, a := range l.current.Load().alerts {
		if a.ID == id {
			return a
		}
	}
	return nil
}

// Erasures lists all erasures, the newest first.
func (l *Log) Erasures() []*schemas.ErasureEntry { return l.current.Load().erasures }

// Erasure finds an erasure; nil when there never was one.
func (l *Log) Erasure(id string) *schemas.ErasureEntry {
	for _, e := range l.current.Load().erasures {
		if e.ID == id {
			return e
		}
	}
	return nil
}

// Erased reports whether an execution was erased, or is being erased.
func (l *Log) Erased(id schemas.ExecutionID) bool {
	erased := l.current.Load().erased
	if len(erased) == 0 {
		return false
	}
	_, ok := erased[id]
	return ok
}

// Secret is a credential's decrypted values; nil when there are none. The map
// is a new one after every change of the credential.
func (l *Log) Secret(credentialID string) map[string]string {
	return l.current.Load().secrets[credentialID]
}

// Offset is the next offset of the control log to be read: all below is applied.
func (l *Log) Offset() int64 { return l.current.Load().offset }

// Changed is closed at the next change.
func (l *Log) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// WaitFor waits until all below offset is applied.
func (l *Log) WaitFor(ctx context.Context, offset int64) error {
	return l.wait(ctx, func(v *view) bool { return v.offset >= offset })
}

func (l *Log) wait(ctx context.Context, done func(*view) bool) error {
	for {
		changed := l.Changed()
		if done(l.current.Load()) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the control log: %w", context.Cause(ctx))
		}
	}
}

// Append writes a change and waits until this process's own catalog has it.
// It fills in the change's ID and time. ErrConflict says that the change was
// written and, like everywhere else, ignored.
func (l *Log) Append(ctx context.Context, ch schemas.Change) (revision int64, err error) {
	ch.ID, ch.At = uuid.NewString(), time.Now().UTC()
	value, err := json.Marshal(ch)
	if err != nil {
		return 0, fmt.Errorf("encoding a change: %w", err)
	}
	done := make(chan outcome, 1)
	l.mu.Lock()
	l.waiting[ch.ID] = done
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.waiting, ch.ID)
		l.mu.Unlock()
	}()

	key := ch.Flow
	if key == "" && ch.Credential != nil {
		key = ch.Credential.ID
	}
	key = cmp.Or(key, ch.ReplayID, ch.QueryID, ch.AlertID, ch.ErasureID)
	if key == "" && ch.Connector != nil {
		key = ch.Connector.Name
	}
	record := &kgo.Record{Topic: l.opts.Topics.Control(), Key: []byte(key), Value: value}
	if err := l.client.ProduceSync(ctx, record).FirstErr(); err != nil {
		return 0, fmt.Errorf("appending to the control log: %w", err)
	}
	select {
	case o := <-done:
		if !o.applied {
			return 0, ErrConflict
		}
		return o.revision, nil
	case <-ctx.Done():
		return 0, fmt.Errorf("waiting for the change to come back: %w", context.Cause(ctx))
	}
}

// SaveSecret encrypts and stores a credential's values. Save them before the
// change that makes the credential known.
func (l *Log) SaveSecret(ctx context.Context, credentialID string, values map[string]string) error {
	sealed, err := l.opts.Cipher.seal(credentialID, values)
	if err != nil {
		return err
	}
	return l.putSecret(ctx, credentialID, sealed)
}

// DeleteSecret removes a credential's values and its token: compaction takes the old records.
func (l *Log) DeleteSecret(ctx context.Context, credentialID string) error {
	if _, revision := l.Token(credentialID); revision > 0 {
		if err := l.putSecret(ctx, credentialID+tokenKey, nil); err != nil {
			return err
		}
	}
	return l.putSecret(ctx, credentialID, nil)
}

func (l *Log) putKeys(ctx context.Context, tree string, sealed []byte) error {
	return l.client.ProduceSync(ctx, &kgo.Record{Topic: l.opts.Topics.Keys(), Key: []byte(tree), Value: sealed}).FirstErr()
}

func (l *Log) putSecret(ctx context.Context, id string, value []byte) error {
	record := &kgo.Record{Topic: l.opts.Topics.Secrets(), Key: []byte(id), Value: value}
	if err := l.client.ProduceSync(ctx, record).FirstErr(); err != nil {
		return fmt.Errorf("storing the values of credential %s: %w", strings.TrimSuffix(id, tokenKey), err)
	}
	return l.wait(ctx, func(v *view) bool { return v.secretsAt > record.Offset })
}
