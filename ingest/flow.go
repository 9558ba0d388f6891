package ingest

import (
	"reflect"
	"slices"
	"strings"
	"sync/atomic"

	"sluice/schemas"
)

// flow is a flow that accepts hooks, with all that can be made ready before a
// request comes. It is immutable but for rate and room, and made anew when the flow
// or its credential changes.
type flow struct {
	entry      *schemas.FlowEntry
	credential *schemas.CredentialEntry // nil: none is named, or it does not exist
	secret     uintptr                  // which map of secrets the lock was made from
	revision   int64                    // the control offset that covers flow and credential

	version     *schemas.FlowVersion
	shards      []shard // one or more
	keyed       bool    // a hook's key says which
	turn        atomic.Uint32
	source      []byte // of its records
	lock        *lock
	methods     []string
	otherMethod *refusal
	origins     []string // whose pages may send
	rate        *rate
	room        *budget // memory for its bodies
	answer      answer
	handshake   handshake         // of the credential's provider
	values      map[string]string // of the credential, for the handshake
	replies     bool              // the sender waits for an answer of the flow's own
	raw         bool              // the body is handed over as it came
	erasable    bool              // what is kept of a hook is sealed
}

// flow finds the flow that accepts hooks under an ID. Nil: unknown, only a
// draft, stopped, deleted, or started by something else than a webhook.
func (e *Edge) flow(id []byte) *flow {
	entry := e.options.Catalog.Flow(string(id))
	if entry == nil || entry.Deleted || (entry.State != schemas.Running && entry.State != schemas.Paused) {
		return nil
	}
	version := entry.Published()
	if version == nil || version.Flow == nil || version.Flow.Trigger.Uses != "webhook/receive" {
		return nil
	}
	var credential *schemas.CredentialEntry
	var secret map[string]string
	if named := version.Flow.Trigger.Credential; named != "" {
		if credential = e.options.Catalog.Credential(named); credential != nil {
			secret = e.options.Catalog.Secret(named)
		}
	}
	var old *flow
	if known, ok := e.flows.Load(entry.ID); ok {
		old = known.(*flow)
		if old.entry == entry && old.credential == credential && old.secret == identity(secret) {
			return old
		}
	}
	f := newFlow(entry, version, credential, secret, &e.options)
	if old != nil && f.rate.same(old.rate) {
		f.rate = old.rate // publishing must not hand out a fresh allowance
	}
	if old != nil {
		f.room = old.room
	} else {
		f.room = &budget{limit: int64(e.options.MaxFlowBytes)}
	}
	e.flows.Store(entry.ID, f)
	return f
}

// identity tells maps apart: a changed secret is a new map.
func identity(m map[string]string) uintptr { return reflect.ValueOf(m).Pointer() }

func newFlow(entry *schemas.FlowEntry, version *schemas.FlowVersion, credential *schemas.CredentialEntry, secret map[string]string, o *Options) *flow {
	document := version.Flow
	f := &flow{
		entry:      entry,
		credential: credential,
		secret:     identity(secret),
		revision:   entry.Revision,
		version:    version,
		shards:     newShards(entry.ID, document.Shards, o.Partitions),
		keyed:      document.KeyedShards(),
		source:     []byte("/hook/" + entry.ID),
		lock:       newLock(document.Trigger.Credential, credential, secret, o.site()),
		methods:    []string{"GET", "POST"},
		origins:    document.Trigger.Origins,
		rate:       parseRate(document.Rate),
		answer:     newAnswer(document.Trigger.Respond),
		replies:    document.Replies(),
		raw:        document.Trigger.Raw,
		erasable:   document.Erasable,
	}
	if credential != nil {
		f.revision = max(f.revision, credential.Revision)
	}
	if len(document.Trigger.Methods) > 0 {
		f.methods = document.Trigger.Methods
	}
	f.otherMethod = &refusal{
		status: 405, reason: ReasonMethod,
		detail: "this flow takes " + strings.Join(f.methods, " and "),
		allow:  strings.Join(append([]string{"HEAD"}, f.methods...), ", "),
	}
	f.setHandshake(document.Trigger.Credential, credential, secret)
	return f
}

func (f *flow) takes(method []byte) bool {
	return slices.ContainsFunc(f.methods, func(m string) bool { return m == string(method) })
}
