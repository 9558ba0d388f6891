package schemas

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// MaxErased is how many executions one erasure takes, and ErasedPiece how many
// of them one record of the control log names. Those that do not fit into the
// record that makes the erasure are named before, piece by piece.
const (
	MaxErased   = 1_000_000
	ErasedPiece = 100_000
)

// Erasure is a request to erase the data of some executions. What they were
// selected by is personal data itself, and is not in it.
type Erasure struct {
	ID          string `json:"id"`
	Note        string `json:"note,omitempty"`
	RequestedBy string `json:"requestedBy,omitempty"`
	// SelectedBy is sql or subject, and SelectionSHA256 SelectionHash of it.
	SelectedBy      string `json:"selectedBy"`
	SelectionSHA256 string `json:"selectionSha256"`
	Flow            string `json:"flow,omitempty"`
	// Executions are the IDs, 16 bytes each, in order. In the change that makes the
	// erasure they are those that were not named before it.
	Executions []byte      `json:"executions"`
	Found      ErasedCount `json:"found"`
	// Mentions are the documents in the control log that have the subject's value
	// in them; they are not erased.
	Mentions []string `json:"mentions,omitempty"`
}

// ErasedCount says how much there is of what is to be erased.
type ErasedCount struct {
	Executions  int64 `json:"executions" doc:"Rows in ClickHouse, by table"`
	Hooks       int64 `json:"hooks"`
	Steps       int64 `json:"steps" doc:"Attempts"`
	Differences int64 `json:"differences" doc:"In reports of dry runs"`
	Blobs       int64 `json:"blobs" doc:"Large bodies and files"`
	Keys        int64 `json:"keys" doc:"Keys that records in Kafka are sealed with"`
	Open        int64 `json:"open" doc:"Executions that were open, and are cancelled"`
	Unsealed    int64 `json:"unsealed" doc:"Hooks that are in Kafka in the clear until its retention ends, because their flow was not erasable when they came"`
}

// Certificate says what an erasure erased, and what it could not. It is made
// once, and kept in the control log.
type Certificate struct {
	Erasure         string    `json:"erasure"`
	Note            string    `json:"note,omitempty"`
	RequestedBy     string    `json:"requestedBy,omitempty"`
	RequestedAt     time.Time `json:"requestedAt"`
	FinishedAt      time.Time `json:"finishedAt"`
	SelectedBy      string    `json:"selectedBy" enum:"sql,subject"`
	SelectionSHA256 string    `json:"selectionSha256" doc:"SHA-256 of the erasure's ID, a line feed, and the statement or EXPR=VALUE"`
	Flow            string    `json:"flow,omitempty"`
	// Executions are null in the control log when they are more than ErasedPiece:
	// the erasure has them.
	Executions []string    `json:"executions" nullable:"false"`
	Erased     ErasedCount `json:"erased"`
	// Kept is what stays of each execution by intent.
	Kept    string    `json:"kept"`
	Remains []Remains `json:"remains" nullable:"false" doc:"What is not erased, where, and until when"`
	SHA256  string    `json:"sha256" doc:"Of this certificate without this field, as JSON with sorted names and no white space: jq -cjS 'del(.sha256)' | sha256sum"`
}

// Remains is something that an erasure does not reach.
type Remains struct {
	Where string     `json:"where"`
	What  string     `json:"what"`
	Count int64      `json:"count,omitempty"`
	Until *time.Time `json:"until,omitempty" doc:"Absent: nothing here says when"`
}

// ErasureStages is what an erasure does, in its order.
var ErasureStages = []string{"list", "read", "cancel", "keys", "write", "blobs", "rows", "verify", "files", "certificate"}

// SelectionHash is how an erasure says what it was selected by.
func SelectionHash(erasure, selection string) string {
	sum := sha256.Sum256([]byte(erasure + "\n" + selection))
	return hex.EncodeToString(sum[:])
}

// Sign sets the certificate's own hash.
func (c *Certificate) Sign() error {
	c.SHA256 = ""
	raw, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encoding a certificate: %w", err)
	}
	var fields map[string]any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&fields); err != nil {
		return fmt.Errorf("encoding a certificate: %w", err)
	}
	delete(fields, "sha256")
	var canonical bytes.Buffer
	encoder := json.NewEncoder(&canonical) // sorts the names
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(fields); err != nil {
		return fmt.Errorf("encoding a certificate: %w", err)
	}
	sum := sha256.Sum256(bytes.TrimRight(canonical.Bytes(), "\n"))
	c.SHA256 = hex.EncodeToString(sum[:])
	return nil
}

// ErasureEntry is an erasure as the control log has it; immutable.
type ErasureEntry struct {
	Erasure
	Revision int64
	// Stage is what is being done, one of ErasureStages; empty: nothing yet.
	Stage string
	// Waiting is what it waits for, when it does.
	Waiting string
	// Certificate is nil until it is finished.
	Certificate *Certificate
	CreatedAt   time.Time
	ChangedAt   time.Time
	// naming: its executions are being named, and it is not made yet.
	naming bool
}

// State is running or finished.
func (e *ErasureEntry) State() string {
	if e.Certificate == nil {
		return "running"
	}
	return "finished"
}

// IDs are the executions.
func (e *ErasureEntry) IDs() []ExecutionID { return e.First(e.Count()) }

// Count is how many executions there are.
func (e *ErasureEntry) Count() int { return len(e.Executions) / len(ExecutionID{}) }

// First are the first n of the executions, or all of them where they are fewer.
func (e *ErasureEntry) First(n int) []ExecutionID {
	ids := make([]ExecutionID, min(n, e.Count()))
	for i := range ids {
		ids[i] = ExecutionID(e.Executions[i*len(ExecutionID{}):])
	}
	return ids
}

// Certified is the certificate whole; nil until it is finished.
func (e *ErasureEntry) Certified() *Certificate {
	if e.Certificate == nil || e.Certificate.Executions != nil {
		return e.Certificate
	}
	c := *e.Certificate
	c.Executions = make([]string, 0, e.Count())
	for _, id := range e.IDs() {
		c.Executions = append(c.Executions, id.String())
	}
	return &c
}

// Erasures lists all erasures, the newest first.
func (c *Catalog) Erasures() []*ErasureEntry {
	all := slices.SortedFunc(maps.Values(c.erasures), func(a, b *ErasureEntry) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return slices.DeleteFunc(all, func(e *ErasureEntry) bool { return e.naming })
}

func (c *Catalog) applyErasure(offset int64, ch *Change) bool {
	old := c.erasures[ch.ErasureID]
	if ch.ErasureID == "" || expected(old != nil, func() int64 { return old.Revision }) != ch.Expect {
		return false
	}
	var e ErasureEntry
	switch {
	case ch.Type == ErasureNamed || ch.Type == ErasureCreated:
		if ch.Erasure == nil || old != nil && !old.naming {
			return false
		}
		e = ErasureEntry{Erasure: *ch.Erasure, CreatedAt: ch.At, naming: ch.Type == ErasureNamed}
		e.ID = ch.ErasureID
		if old != nil {
			e.Executions = slices.Concat(old.Executions, e.Executions)
		}
	case old == nil || old.naming || old.Certificate != nil:
		return false // finished is finished
	case ch.Type == ErasureWaiting:
		e = *old
		e.Stage, e.Waiting = cmp.Or(ch.Stage, old.Stage), ch.Reason
	default:
		if ch.Certificate == nil {
			return false
		}
		e = *old
		e.Waiting, e.Certificate = "", ch.Certificate
	}
	if c.erasures == nil {
		c.erasures = map[string]*ErasureEntry{}
	}
	e.Revision, e.ChangedAt = offset+1, ch.At
	c.erasures[e.ID] = &e
	return true
}
