package schemas

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Kinds of captures.
const (
	CaptureSample   = "sample"   // sent to a sample's URL
	CaptureRejected = "rejected" // by a flow
	CaptureAccepted = "accepted" // a rejected one has become a hook after all
)

// MaxCapturedBody is how much of a body, in bytes, a capture keeps.
const MaxCapturedBody = 256 << 10

// Capture is one record of the topic captures: a request that came to the edge
// and is no hook. The record's key is Flow, its value is sealed.
type Capture struct {
	Kind string    `json:"kind"`
	ID   string    `json:"id"` // of a sample the ticket's, otherwise the request's
	Flow string    `json:"flow"`
	At   time.Time `json:"at"`

	Method      string      `json:"method,omitempty"`
	Path        string      `json:"path,omitempty"`
	Query       string      `json:"query,omitempty"`
	From        string      `json:"from,omitempty"`    // the address that a rejected one came from
	Headers     [][2]string `json:"headers,omitempty"` // in their order; of a rejected one with what authenticates
	ContentType string      `json:"contentType,omitempty"`
	Body        []byte      `json:"body,omitempty"` // its beginning, when it is not Whole
	Size        int64       `json:"size,omitempty"` // of the body, bytes, as far as it was read
	Whole       bool        `json:"whole,omitempty"`

	Status int    `json:"status,omitempty"` // that a rejected one was answered
	Reason string `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
	// Shown are the headers of a rejected one as people may see them.
	Shown map[string]string `json:"shown,omitempty"`

	Execution string `json:"execution,omitempty"` // that an accepted one became
}

// Record makes the record for the flow's partition. The topic is left to the
// caller.
func (c *Capture) Record(seal *Seal, partition int32) (*kgo.Record, error) {
	plain, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encoding a capture: %w", err)
	}
	return &kgo.Record{
		Key: []byte(c.Flow), Value: seal.Close(c.Flow, plain), Partition: partition, Timestamp: c.At,
		Headers: []kgo.RecordHeader{{Key: "kind", Value: []byte(c.Kind)}, {Key: "id", Value: []byte(c.ID)}},
	}, nil
}

// ParseCapture reads a record of the topic captures.
func ParseCapture(seal *Seal, r *kgo.Record) (*Capture, error) {
	plain, err := seal.Open(string(r.Key), r.Value)
	if err != nil {
		return nil, fmt.Errorf("reading a capture: %w", err)
	}
	c := new(Capture)
	if err := json.Unmarshal(plain, c); err != nil {
		return nil, fmt.Errorf("reading a capture: %w", err)
	}
	return c, nil
}

// capturedAs reads a record's kind and ID, which are not sealed.
func capturedAs(r *kgo.Record) (kind, id string) {
	for _, h := range r.Headers {
		switch h.Key {
		case "kind":
			kind = string(h.Value)
		case "id":
			id = string(h.Value)
		}
	}
	return kind, id
}

// CaptureReader reads the topic captures.
type CaptureReader struct {
	Client *kgo.Client
	Topic  string
	Seal   *Seal
}

// Sample is the first request that was sent for a ticket, and its offset; nil
// when none has come. From is where to begin to look, 0 for the time when the
// ticket was made; next is where to go on when none has come.
func (c *CaptureReader) Sample(ctx context.Context, ticket SampleTicket, partition int32, from int64) (found *Capture, offset, next int64, err error) {
	end, err := PartitionEnd(ctx, c.Client, c.Topic, partition)
	if err != nil {
		return nil, 0, from, err
	}
	if from == 0 {
		starts, err := kadm.NewClient(c.Client).ListOffsetsAfterMilli(ctx, ticket.Until.Add(-SampleLife).UnixMilli()-60_000, c.Topic)
		if err != nil {
			return nil, 0, 0, fmt.Errorf("finding the place of a sample: %w", err)
		}
		start, ok := starts.Lookup(c.Topic, partition)
		if !ok || start.Err != nil {
			return nil, 0, 0, fmt.Errorf("finding the place of a sample: partition %d: %w", partition, start.Err)
		}
		from = start.Offset
	}
	var bad error
	err = ReadPartition(ctx, c.Client, c.Topic, partition, from, end, func(r *kgo.Record) bool {
		if kind, id := capturedAs(r); kind != CaptureSample || id != ticket.ID || string(r.Key) != ticket.Flow {
			return true
		}
		found, bad = ParseCapture(c.Seal, r)
		offset = r.Offset
		return false
	})
	if err == nil {
		err = bad
	}
	if err != nil {
		return nil, 0, from, err
	}
	return found, offset, end, nil
}

// Flow lists captures of a flow, the newest first, of the last that the topic
// has: at most so many, and no further back than so many records of the
// partition, which it shares with other flows.
func (c *CaptureReader) Flow(ctx context.Context, flow string, partition int32, most int, kinds ...string) ([]*Capture, error) {
	list := []*Capture{}
	err := c.back(ctx, partition, func(r *kgo.Record) bool {
		kind, _ := capturedAs(r)
		if slices.Contains(kinds, kind) && string(r.Key) == flow {
			if capture, err := ParseCapture(c.Seal, r); err == nil {
				list = append(list, capture)
			}
		}
		return len(list) < most
	})
	return list, err
}

// Recent lists rejected requests of all flows that want says, the newest first:
// at most so many, of those that are older than before and, where it is the
// same time, have an ID before id. Became is what any of them became, by ID.
func (c *CaptureReader) Recent(ctx context.Context, partitions int32, before time.Time, id string, most int, want func(flow string) bool) (list []*Capture, became map[string]string, err error) {
	became = map[string]string{}
	for partition := range partitions {
		here := 0
		err := c.back(ctx, partition, func(r *kgo.Record) bool {
			kind, request := capturedAs(r)
			if kind != CaptureRejected && kind != CaptureAccepted || !want(string(r.Key)) {
				return true
			}
			capture, err := ParseCapture(c.Seal, r)
			switch {
			case err != nil:
			case kind == CaptureAccepted:
				became[request] = capture.Execution
			case capture.At.Before(before) || capture.At.Equal(before) && capture.ID < id:
				capture.Body = nil // of no use in a list
				list = append(list, capture)
				here++
			}
			return here < most
		})
		if err != nil {
			return nil, nil, err
		}
	}
	slices.SortFunc(list, func(a, b *Capture) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.ID, a.ID)) })
	return list[:min(len(list), most)], became, nil
}

// back hands over the records of a partition from its end, until each says no:
// no further back than so many records.
func (c *CaptureReader) back(ctx context.Context, partition int32, each func(*kgo.Record) bool) error {
	const chunk, furthest = 2000, 40_000
	end, err := PartitionEnd(ctx, c.Client, c.Topic, partition)
	if err != nil {
		return err
	}
	starts, err := kadm.NewClient(c.Client).ListStartOffsets(ctx, c.Topic)
	if err != nil {
		return fmt.Errorf("finding the beginning of %s/%d: %w", c.Topic, partition, err)
	}
	start, ok := starts.Lookup(c.Topic, partition)
	if !ok || start.Err != nil {
		return fmt.Errorf("finding the beginning of %s/%d: %w", c.Topic, partition, start.Err)
	}
	first := max(start.Offset, end-furthest)
	for to := end; to > first; {
		from := max(first, to-chunk)
		var some []*kgo.Record
		err := ReadPartition(ctx, c.Client, c.Topic, partition, from, to, func(r *kgo.Record) bool {
			some = append(some, r)
			return true
		})
		if err != nil {
			return err
		}
		for i := len(some) - 1; i >= 0; i-- {
			if !each(some[i]) {
				return nil
			}
		}
		to = from
	}
	return nil
}

// SampleLife is how long a sample's URL is good for.
const SampleLife = 10 * time.Minute

// SampleTicket is what a sample's URL says of itself.
type SampleTicket struct {
	ID    string // unguessable
	Flow  string
	Until time.Time
}

const samplePurpose = "sample"

// NewSampleTicket makes a ticket for a flow.
func NewSampleTicket(flow string, now time.Time) SampleTicket {
	id := make([]byte, 12)
	rand.Read(id)
	return SampleTicket{ID: hex.EncodeToString(id), Flow: flow, Until: now.Add(SampleLife).Truncate(time.Millisecond)}
}

// Token is the ticket as the last part of a URL.
func (s SampleTicket) Token(tokens *Tokens) string {
	content := binary.BigEndian.AppendUint64(nil, uint64(s.Until.UnixMilli()))
	id, _ := hex.DecodeString(s.ID) // made above
	content = append(append(content, id...), s.Flow...)
	return tokens.Make(samplePurpose, content)
}

// ReadSampleTicket reads a token; false when it is none of ours. Whether it is
// still good is the caller's to see.
func ReadSampleTicket(tokens *Tokens, token string) (SampleTicket, bool) {
	content, ok := tokens.Read(samplePurpose, token)
	if !ok || len(content) <= 20 {
		return SampleTicket{}, false
	}
	return SampleTicket{
		Until: time.UnixMilli(int64(binary.BigEndian.Uint64(content))),
		ID:    hex.EncodeToString(content[8:20]),
		Flow:  string(content[20:]),
	}, true
}
