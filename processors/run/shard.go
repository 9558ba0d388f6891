package run

import (
	"context"
	"encoding/binary"
	"strings"
	"sync"
	"sync/atomic"

	"sluice/connectors/mapping"
	"sluice/schemas"
	"sluice/schemas/blobs"
	"sluice/schemas/records"
)

// shardBytes is the memory that bodies may take at once, as values, while their
// keys are looked for.
const shardBytes = 128 << 20

// Shards puts hooks on the shards of their flows, for whoever makes hooks: the
// edge, the triggers, calls. Hooks with one order key, and deliveries of one
// event, come to one shard, whose owner then decides about them as about those
// of a flow without shards. The keys are evaluated by the code that the owner
// decides by, on the hook as it will see it. Safe for concurrent use.
type Shards struct {
	credentials credentials
	engine      *mapping.Engine
	store       *store
	turn        atomic.Uint32 // of those that have no key
	keys        sync.Map      // *schemas.FlowVersion → *shardKeys
	deliveryIDs sync.Map      // text → *mapping.Expression
}

type credentials interface {
	Credential(id string) *schemas.CredentialEntry
}

// NewShards makes Shards. Blobs are where large bodies are; nil: none can be read.
func NewShards(catalog credentials, engine *mapping.Engine, b blobs.Store) *Shards {
	return &Shards{credentials: catalog, engine: engine, store: newStore(b, shardBytes)}
}

// shardKeys are the keys of a version that say where its hooks go.
type shardKeys struct {
	flow   *schemas.Flow
	order  *mapping.Expression // nil: there is no order by key
	dedupe *mapping.Expression // nil: there is no dedupe, or the provider says what its key is
	broken string              // they cannot be read
}

// Place is a schemas.Placing. Hooks without a key are spread evenly. A key that
// does not come to an end is noted in the hook, and the runner fails it: on
// whatever shard it is, another delivery of its event may be on another one.
func (s *Shards) Place(ctx context.Context, v *schemas.FlowVersion, h *schemas.Hook, partitions int32) error {
	shards := v.Flow.Shards
	if shards <= 1 {
		h.Put(0, 1, partitions)
		return nil
	}
	shard := 0
	hash, keyed, err := s.key(ctx, v, h)
	switch {
	case err != nil:
		return err
	case h.Unkeyed != "":
	case keyed:
		shard = int(binary.BigEndian.Uint64(hash[:8]) % uint64(shards))
	default:
		shard = int(s.turn.Add(1) % uint32(shards))
	}
	h.Put(shard, shards, partitions)
	return nil
}

// key is the hash of what keeps a hook together with others: its order key; or
// its dedupe key, where it has no order key. Two deliveries of an event, which
// have one dedupe key, agree in that: a flow with both keys is checked for it
// (schemas, holdsKey).
func (s *Shards) key(ctx context.Context, v *schemas.FlowVersion, h *schemas.Hook) (hash [16]byte, keyed bool, err error) {
	keys := s.keysOf(v)
	if keys.broken != "" {
		h.Unkeyed = keys.broken
		return hash, false, nil
	}
	dedupe := keys.dedupe
	if keys.flow.Dedupe != nil && dedupe == nil {
		dedupe = s.deliveryID(keys.flow.Trigger.Credential)
	}
	if keys.order == nil && dedupe == nil {
		return hash, false, nil
	}
	whole, raw, done := &loadedHook{Hook: h}, keys.flow.Trigger.Raw, func() {}
	if looksAtBody(keys.order) || looksAtBody(dedupe) {
		if whole, done, err = s.store.withBody(ctx, keys.flow, whole); err == nil && h.BodyRef == nil {
			done, err = s.store.room(ctx, len(h.Body))
		}
		if err != nil {
			return hash, false, err
		}
	} else {
		head := *h
		head.Body, head.BodyRef, raw = nil, nil, true
		whole.Hook = &head
	}
	defer done()
	var failure *records.Failure
	if keys.order != nil {
		var text []byte
		if text, failure = evaluateKey(ctx, "order key", keys.order, whole, raw); text != nil {
			return keyHash(h.Flow, text), true, nil
		}
	}
	if dedupe != nil && failure == nil {
		hash, keyed, failure = keyOf(ctx, dedupe, whole, h.Flow, raw)
	}
	if failure != nil {
		h.Unkeyed = failure.Message
	}
	return hash, keyed, nil
}

func (s *Shards) keysOf(v *schemas.FlowVersion) *shardKeys {
	if known, ok := s.keys.Load(v); ok {
		return known.(*shardKeys)
	}
	keys := &shardKeys{flow: v.Flow}
	order, err := newOrder(v.Flow, s.engine)
	keys.order = order.key
	if d := v.Flow.Dedupe; d != nil && err == nil {
		if text, ok := d.KeyExpression(""); ok {
			keys.dedupe, err = s.engine.Compile(text)
		}
	}
	if err != nil { // it was checked when it was published
		keys.broken = "reading the keys of the flow: " + err.Error()
	}
	s.keys.Store(v, keys)
	return keys
}

// deliveryID is the expression of a provider's delivery ID, by a credential of
// its type; nil: it gives none.
func (s *Shards) deliveryID(credential string) *mapping.Expression {
	entry := s.credentials.Credential(credential)
	if entry == nil {
		return nil
	}
	text, ok := schemas.DeliveryID(entry.Type)
	if !ok {
		return nil
	}
	if known, ok := s.deliveryIDs.Load(text); ok {
		return known.(*mapping.Expression)
	}
	compiled, err := s.engine.Compile(text)
	if err != nil { // of our own table: a test compiles all of it
		return nil
	}
	s.deliveryIDs.Store(text, compiled)
	return compiled
}

// looksAtBody reports whether an expression may look at the body. It cannot
// where it neither names it nor has a function, a variable, a wildcard or an
// escape: then it is spared the reading of what may be large.
func looksAtBody(x *mapping.Expression) bool {
	return x != nil && (strings.Contains(x.Source(), "body") || strings.ContainsAny(x.Source(), `$*%\`))
}

// unkeyed is why a hook must not be run whose key could not be had where it was
// made; nil: it may.
func unkeyed(h *schemas.Hook) *records.Failure {
	if h.Unkeyed == "" {
		return nil
	}
	return &records.Failure{Kind: "expression", Message: h.Unkeyed}
}
