package schemas

import (
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// Types of changes in the control log.
const (
	FlowDrafted       = "flow.drafted"   // Flow, Document
	FlowPublished     = "flow.published" // Flow, Document: what is published
	FlowStarted       = "flow.started"
	FlowPaused        = "flow.paused"
	FlowResumed       = "flow.resumed"
	FlowStopped       = "flow.stopped"
	FlowDeleted       = "flow.deleted"
	CredentialSaved   = "credential.saved" // Credential; the values are in the topic secrets
	CredentialDeleted = "credential.deleted"
	ConnectorImported = "connector.imported" // Connector
	ConnectorRemoved  = "connector.removed"
	ReplayCreated     = "replay.created"  // Replay
	ReplaySelected    = "replay.selected" // ReplayID, Total: its hooks are found, and sending begins
	ReplayPaused      = "replay.paused"
	ReplayResumed     = "replay.resumed"
	ReplayCancelled   = "replay.cancelled"
	ReplayFinished    = "replay.finished"
	ReplayAborted     = "replay.aborted" // Reason: too many executions failed
	ReplayFailed      = "replay.failed"  // Reason: it cannot go on
	QuerySaved        = "query.saved"    // QueryID, Query
	QueryDeleted      = "query.deleted"
	AlertSaved        = "alert.saved" // AlertID, Alert
	AlertDeleted      = "alert.deleted"
	AlertOpened       = "alert.opened"   // Value: what passed the threshold
	AlertNotified     = "alert.notified" // Reason: why it could not be sent; empty when it was
	AlertAcknowledged = "alert.acknowledged"
	AlertResolved     = "alert.resolved"
	ErasureNamed      = "erasure.named"    // Erasure: executions of one that is about to be made
	ErasureCreated    = "erasure.created"  // Erasure
	ErasureWaiting    = "erasure.waiting"  // Stage: where it is; Reason: what it waits for
	ErasureFinished   = "erasure.finished" // Certificate
)

// Change is one record of the topic control, as JSON: something that a person
// or a program changed. The topic is the audit trail.
type Change struct {
	// ID is unguessable and the writer's own: by it the writer finds out
	// whether its change was applied or lost a race.
	ID   string    `json:"id"`
	Type string    `json:"type"`
	At   time.Time `json:"at"`
	By   string    `json:"by,omitempty"`
	// Expect is the Revision that the changed flow or credential had for the
	// writer: 0 creates. A fold ignores a change whose Expect is not met.
	Expect      int64           `json:"expect"`
	Flow        string          `json:"flow,omitempty"`
	Document    json.RawMessage `json:"document,omitempty"`
	Credential  *Credential     `json:"credential,omitempty"`
	Connector   *Connector      `json:"connector,omitempty"`
	Replay      *Replay         `json:"replay,omitempty"`
	ReplayID    string          `json:"replayId,omitempty"`
	Query       *SavedQuery     `json:"query,omitempty"`
	QueryID     string          `json:"queryId,omitempty"`
	Alert       *AlertRule      `json:"alert,omitempty"`
	AlertID     string          `json:"alertId,omitempty"`
	Erasure     *Erasure        `json:"erasure,omitempty"`
	ErasureID   string          `json:"erasureId,omitempty"`
	Certificate *Certificate    `json:"certificate,omitempty"`
	Stage       string          `json:"stage,omitempty"`
	Value       *float64        `json:"value,omitempty"`
	Total       int64           `json:"total,omitempty"`
	Reason      string          `json:"reason,omitempty"`
}

// FlowState is how a flow stands, in one word.
type FlowState string

// A flow is stopped, running or paused.
const (
	Stopped FlowState = "stopped"
	Running FlowState = "running"
	Paused  FlowState = "paused"
)

// FlowVersion is an immutable published flow.
type FlowVersion struct {
	Number   int32           `json:"version"`
	At       time.Time       `json:"publishedAt"`
	Document json.RawMessage `json:"document"`
	Flow     *Flow           `json:"-"` // Document, read
}

// FlowEntry is a flow as the control log has it. It is immutable: a change
// makes a new one.
type FlowEntry struct {
	ID    string
	State FlowState
	// Revision is the offset of the last change that was applied to it.
	Revision int64
	// Draft is the draft's document, nil when there is none beyond the last version.
	Draft    json.RawMessage
	Versions []*FlowVersion // ascending; the last one is published
	Deleted  bool           // its versions stay, for what was accepted
	// since is how many versions there were when it was last created: one that
	// was deleted and made anew starts unpublished.
	since     int
	CreatedAt time.Time
	ChangedAt time.Time
}

// Published is the version that new hooks run on, or nil.
func (f *FlowEntry) Published() *FlowVersion {
	if len(f.Versions) == f.since {
		return nil
	}
	return f.Versions[len(f.Versions)-1]
}

// Latest is the last version there ever was, or nil: what was accepted runs on
// it even when its flow has been deleted since.
func (f *FlowEntry) Latest() *FlowVersion {
	if len(f.Versions) == 0 {
		return nil
	}
	return f.Versions[len(f.Versions)-1]
}

// Erasable reports whether what is written of the flow's executions is to be
// sealed: whether any of its versions says so, because executions go on on theirs.
func (f *FlowEntry) Erasable() bool {
	return slices.ContainsFunc(f.Versions, func(v *FlowVersion) bool { return v.Flow.Erasable })
}

// Version is a published version by its number, or nil.
func (f *FlowEntry) Version(n int32) *FlowVersion {
	if n < 1 || int(n) > len(f.Versions) {
		return nil
	}
	return f.Versions[n-1]
}

// Credential is what may be known of a credential: all but its values.
type Credential struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	Uses string `json:"uses"` // the connector, such as petstore
	Type string `json:"type"` // such as basic
	// Verified is when it was last verified with success; zero: never.
	Verified time.Time `json:"verified,omitzero"`
}

// CredentialEntry is a credential as the control log has it; immutable.
type CredentialEntry struct {
	Credential
	Revision  int64
	CreatedAt time.Time
	ChangedAt time.Time
}

// Connector is a connector that was made of a document while the program runs.
type Connector struct {
	Name   string `json:"name"`
	Source string `json:"source,omitempty"` // where the document was from, for people
	Format string `json:"format,omitempty"` // of Data: "openapi"
	// Data is the connector's definition, as its package writes it, gzipped.
	Data []byte `json:"data,omitempty"`
}

// ConnectorEntry is an imported connector as the control log has it; immutable.
type ConnectorEntry struct {
	Connector
	Revision  int64
	CreatedAt time.Time
	ChangedAt time.Time
}

// Catalog is every flow, credential, imported connector, replay, saved query and alert: the fold of the control log. The zero
// Catalog is empty and ready. It is not safe for concurrent use; its entries
// are immutable and may be shared.
type Catalog struct {
	flows       map[string]*FlowEntry
	credentials map[string]*CredentialEntry
	connectors  map[string]*ConnectorEntry
	replays     map[string]*ReplayEntry
	queries     map[string]*SavedQueryEntry
	alerts      map[string]*AlertEntry
	erasures    map[string]*ErasureEntry
}

// Flow finds a flow, deleted or not; nil when there never was one.
func (c *Catalog) Flow(id string) *FlowEntry { return c.flows[id] }

// Credential finds a credential that is not deleted.
func (c *Catalog) Credential(id string) *CredentialEntry { return c.credentials[id] }

// Flows lists the flows that are not deleted, by ID.
func (c *Catalog) Flows() []*FlowEntry {
	var all []*FlowEntry
	for _, id := range slices.Sorted(maps.Keys(c.flows)) {
		if f := c.flows[id]; !f.Deleted {
			all = append(all, f)
		}
	}
	return all
}

// Credentials lists the credentials, by ID.
func (c *Catalog) Credentials() []*CredentialEntry {
	var all []*CredentialEntry
	for _, id := range slices.Sorted(maps.Keys(c.credentials)) {
		all = append(all, c.credentials[id])
	}
	return all
}

// Connectors lists the imported connectors, by name.
func (c *Catalog) Connectors() []*ConnectorEntry {
	var all []*ConnectorEntry
	for _, name := range slices.Sorted(maps.Keys(c.connectors)) {
		all = append(all, c.connectors[name])
	}
	return all
}

// Apply folds one change, read at an offset of the control log, and reports
// whether it was applied. A change that lost a race, makes no sense (starting
// what was never published), or cannot be read, changes nothing. It is pure:
// every process that reads the same log has the same catalog.
func (c *Catalog) Apply(offset int64, ch *Change) bool {
	if c.flows == nil {
		c.flows, c.credentials = map[string]*FlowEntry{}, map[string]*CredentialEntry{}
	}
	// A deleted object starts again from 0: whoever creates it anew expects none.
	switch ch.Type {
	case CredentialSaved, CredentialDeleted:
		return c.applyCredential(offset, ch)
	case ConnectorImported, ConnectorRemoved:
		return c.applyConnector(offset, ch)
	case ReplayCreated, ReplaySelected, ReplayPaused, ReplayResumed, ReplayCancelled, ReplayFinished, ReplayAborted, ReplayFailed:
		return c.applyReplay(offset, ch)
	case QuerySaved, QueryDeleted:
		return c.applyQuery(offset, ch)
	case AlertSaved, AlertDeleted, AlertOpened, AlertNotified, AlertAcknowledged, AlertResolved:
		return c.applyAlert(offset, ch)
	case ErasureNamed, ErasureCreated, ErasureWaiting, ErasureFinished:
		return c.applyErasure(offset, ch)
	}
	old := c.flows[ch.Flow]
	if ch.Flow == "" || expected(old != nil && !old.Deleted, func() int64 { return old.Revision }) != ch.Expect {
		return false
	}
	var f FlowEntry
	if old != nil {
		f = *old
		if f.Deleted {
			f.Deleted, f.State, f.CreatedAt, f.since = false, Stopped, ch.At, len(f.Versions)
		}
	} else {
		f = FlowEntry{ID: ch.Flow, State: Stopped, CreatedAt: ch.At}
	}
	if !applyToFlow(&f, ch, old) {
		return false
	}
	f.Revision, f.ChangedAt = offset+1, ch.At // offset+1: so that the first record's revision is not 0
	c.flows[ch.Flow] = &f
	return true
}

func expected(exists bool, revision func() int64) int64 {
	if !exists {
		return 0
	}
	return revision()
}

func applyToFlow(f *FlowEntry, ch *Change, old *FlowEntry) bool {
	exists := old != nil && !old.Deleted
	switch ch.Type {
	case FlowDrafted:
		f.Draft = ch.Document
		return len(ch.Document) > 0
	case FlowPublished:
		flow := new(Flow)
		if json.Unmarshal(ch.Document, flow) != nil || string(ch.Document) == "null" {
			return false
		}
		f.Versions = append(slices.Clip(f.Versions), &FlowVersion{
			Number: int32(len(f.Versions) + 1), At: ch.At, Document: ch.Document, Flow: flow,
		})
		f.Draft = nil
	case FlowStarted:
		if !exists || f.Published() == nil || f.State == Running {
			return false
		}
		f.State = Running
	case FlowPaused:
		if !exists || f.State != Running {
			return false
		}
		f.State = Paused
	case FlowResumed:
		if !exists || f.State != Paused {
			return false
		}
		f.State = Running
	case FlowStopped:
		if !exists || f.State == Stopped {
			return false
		}
		f.State = Stopped
	case FlowDeleted:
		if !exists {
			return false
		}
		f.Deleted, f.State, f.Draft = true, Stopped, nil
	default:
		return false
	}
	return true
}

func (c *Catalog) applyCredential(offset int64, ch *Change) bool {
	if ch.Credential == nil || ch.Credential.ID == "" {
		return false
	}
	old := c.credentials[ch.Credential.ID]
	if expected(old != nil, func() int64 { return old.Revision }) != ch.Expect {
		return false
	}
	if ch.Type == CredentialDeleted {
		delete(c.credentials, ch.Credential.ID)
		return old != nil
	}
	e := &CredentialEntry{Credential: *ch.Credential, Revision: offset + 1, CreatedAt: ch.At, ChangedAt: ch.At}
	if old != nil {
		e.CreatedAt = old.CreatedAt
	}
	c.credentials[e.ID] = e
	return true
}

func (c *Catalog) applyConnector(offset int64, ch *Change) bool {
	if ch.Connector == nil || ch.Connector.Name == "" {
		return false
	}
	if c.connectors == nil {
		c.connectors = map[string]*ConnectorEntry{}
	}
	old := c.connectors[ch.Connector.Name]
	if expected(old != nil, func() int64 { return old.Revision }) != ch.Expect {
		return false
	}
	if ch.Type == ConnectorRemoved {
		delete(c.connectors, ch.Connector.Name)
		return old != nil
	}
	e := &ConnectorEntry{Connector: *ch.Connector, Revision: offset + 1, CreatedAt: ch.At, ChangedAt: ch.At}
	if old != nil {
		e.CreatedAt = old.CreatedAt
	}
	c.connectors[e.Name] = e
	return true
}

// EachFlow calls fn with every flow, deleted ones too.
func (c *Catalog) EachFlow(fn func(*FlowEntry)) {
	for _, f := range c.flows {
		fn(f)
	}
}
