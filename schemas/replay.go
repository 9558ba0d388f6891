package schemas

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Replay is what somebody asked for: to send a selection of recorded hooks
// again, or, as a dry run, to say what would happen then.
type Replay struct {
	ID        string    `json:"id"`
	Note      string    `json:"note,omitempty"`
	Selection Selection `json:"selection"`
	// Version is what the hooks run on: "live", what is published when each
	// starts; "draft"; or a version's number.
	Version string `json:"version"`
	// Document is the draft as it was when the replay was made, so that an edit
	// in between changes nothing; empty unless Version is "draft".
	Document json.RawMessage `json:"document,omitempty"`
	// DryRun answers effects from the record of what happened: nothing goes out.
	DryRun bool `json:"dryRun,omitempty"`
	// Rate is how many hooks are sent a second at most; 0: 100 beside live hooks, and
	// no limit when none come.
	Rate float64 `json:"rate,omitempty"`
	// MaxFailures aborts the replay when more executions than that failed; 0: never.
	MaxFailures int64 `json:"maxFailures,omitempty"`
	// SameKeys sends the original executions' idempotency keys, so that a
	// destination that saw an effect does not do it again.
	SameKeys bool `json:"sameKeys,omitempty"`
	// Answers says how a dry run goes on behind a call whose input changed, or
	// that is new: with the output that was "recorded" for the step, when there
	// is one, or with the "sample" that its component describes.
	Answers string `json:"answers,omitempty"`
}

// Selection says which hooks. What is set must hold together; at least one
// of Flow, Executions, Offsets, Fields, SQL and ChangedIn is.
type Selection struct {
	Flow string `json:"flow,omitempty"`
	// From and To bound the time of acceptance; To itself is not in.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	// Offsets are places in the topic hooks; read from Kafka as far back as it keeps them.
	Offsets []OffsetRange `json:"offsets,omitempty"`
	// Status is how the executions ended.
	Status []string `json:"status,omitempty"`
	// Text is in the hook's body or in the execution's error, in any case.
	Text string `json:"text,omitempty"`
	// Fields are what the hook's JSON body says, such as body.customer.id=42.
	Fields     []string `json:"field,omitempty"`
	Executions []string `json:"executions,omitempty"`
	// SQL gives a column id or execution_id, or columns partition and offset.
	SQL string `json:"sql,omitempty"`
	// ChangedIn is a dry run: those of its hooks that would end differently.
	ChangedIn string `json:"changedIn,omitempty"`
	// Group narrows ChangedIn to one group of differences.
	Group string `json:"group,omitempty"`
	// Replays selects executions of replays and retries too; else only first ones.
	Replays bool `json:"replays,omitempty"`
}

// OffsetRange is part of a partition of the topic hooks.
type OffsetRange struct {
	Partition int32 `json:"partition"`
	From      int64 `json:"from"`
	To        int64 `json:"to"` // itself included
}

// ParseOffsetRange reads P:A-B: the partition, the first and the last offset.
func ParseOffsetRange(text string) (OffsetRange, error) {
	wrong := fmt.Errorf("offsets %q: write P:A-B, such as 3:1200-1500 for offsets 1200 to 1500 of partition 3", text)
	p, rest, ok := strings.Cut(text, ":")
	from, to, ok2 := strings.Cut(rest, "-")
	partition, err := strconv.ParseInt(p, 10, 32)
	first, err2 := strconv.ParseInt(from, 10, 64)
	last, err3 := strconv.ParseInt(to, 10, 64)
	if !ok || !ok2 || errors.Join(err, err2, err3) != nil || partition < 0 || first < 0 || last < first {
		return OffsetRange{}, wrong
	}
	return OffsetRange{int32(partition), first, last}, nil
}

// String is the form that ParseOffsetRange reads.
func (r OffsetRange) String() string { return fmt.Sprintf("%d:%d-%d", r.Partition, r.From, r.To) }

// ReplayState is how a replay stands, in one word.
type ReplayState string

// A replay first finds its hooks, then sends them, and ends in one of four ways.
const (
	ReplaySelecting   ReplayState = "selecting"
	ReplayRunning     ReplayState = "running"
	ReplayIsPaused    ReplayState = "paused"
	ReplayIsFinished  ReplayState = "finished"
	ReplayIsCancelled ReplayState = "cancelled"
	ReplayIsAborted   ReplayState = "aborted"
	ReplayHasFailed   ReplayState = "failed"
)

// Open reports whether the replay may still send hooks.
func (s ReplayState) Open() bool {
	return s == ReplaySelecting || s == ReplayRunning || s == ReplayIsPaused
}

// ReplayEntry is a replay as the control log has it; immutable.
type ReplayEntry struct {
	Replay
	State    ReplayState
	Revision int64
	// Selected: Total is known, and the list of hooks is written down.
	Selected  bool
	Total     int64
	Reason    string // why it was aborted or failed
	By        string
	Flow      *Flow // Document, read; nil when there is none
	CreatedAt time.Time
	ChangedAt time.Time
}

// Stopped reports whether executions of the replay that have not begun must not.
func (e *ReplayEntry) Stopped() bool {
	return e.State == ReplayIsCancelled || e.State == ReplayIsAborted || e.State == ReplayHasFailed
}

// Replay finds a replay.
func (c *Catalog) Replay(id string) *ReplayEntry { return c.replays[id] }

// Replays lists all replays, the newest first.
func (c *Catalog) Replays() []*ReplayEntry {
	return slices.SortedFunc(maps.Values(c.replays), func(a, b *ReplayEntry) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
}

func (c *Catalog) applyReplay(offset int64, ch *Change) bool {
	old := c.replays[ch.ReplayID]
	if ch.ReplayID == "" || expected(old != nil, func() int64 { return old.Revision }) != ch.Expect {
		return false
	}
	if ch.Type == ReplayCreated {
		if ch.Replay == nil {
			return false
		}
		e := &ReplayEntry{Replay: *ch.Replay, State: ReplaySelecting, By: ch.By, CreatedAt: ch.At}
		e.ID = ch.ReplayID
		if len(e.Document) > 0 {
			e.Flow = new(Flow)
			if json.Unmarshal(e.Document, e.Flow) != nil {
				return false
			}
		}
		return c.putReplay(offset, ch, e)
	}
	if old == nil || !old.State.Open() {
		return false // ended is ended
	}
	e := *old
	switch ch.Type {
	case ReplaySelected:
		if e.Selected {
			return false
		}
		e.Selected, e.Total = true, ch.Total
		if e.State == ReplaySelecting {
			e.State = ReplayRunning
		}
	case ReplayPaused:
		if e.State == ReplayIsPaused {
			return false
		}
		e.State = ReplayIsPaused
	case ReplayResumed:
		if e.State != ReplayIsPaused {
			return false
		}
		if e.State = ReplaySelecting; e.Selected {
			e.State = ReplayRunning
		}
	case ReplayCancelled:
		e.State = ReplayIsCancelled
	case ReplayFinished:
		e.State = ReplayIsFinished
	case ReplayAborted:
		e.State, e.Reason = ReplayIsAborted, ch.Reason
	case ReplayFailed:
		e.State, e.Reason = ReplayHasFailed, ch.Reason
	}
	return c.putReplay(offset, ch, &e)
}

func (c *Catalog) putReplay(offset int64, ch *Change, e *ReplayEntry) bool {
	if c.replays == nil {
		c.replays = map[string]*ReplayEntry{}
	}
	e.Revision, e.ChangedAt = offset+1, ch.At
	c.replays[e.ID] = e
	return true
}

// ReplayedID is the execution that a replay makes of another: always the same,
// so that a replay that is resumed sends no hook twice.
func ReplayedID(replay string, original ExecutionID, at time.Time) ExecutionID {
	return derivedID("replay\x00"+replay+"\x00"+original.String(), at, original.Partition())
}
