package schemas

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"sluice/schemas/records"
)

// What is written to Kafka of an execution that has a key of its own (Keys) is
// sealed with it, but for what keeps the place of it: IDs, flow, times, status.
// What has no key is left as it is by all of these.

// sealedHook is what is sealed of a hook beside its body.
type sealedHook struct {
	Path    string            `json:"path,omitempty"`
	Query   string            `json:"query,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Files   []File            `json:"files,omitempty"`
	Given   json.RawMessage   `json:"given,omitempty"`
}

func aboutHook(h *Hook) string { return h.Kind + " " + h.ID.String() }

// SealHook makes the hook that is written in place of h, under the key that
// h.Key names.
func (k *Keys) SealHook(h *Hook) (*Hook, error) {
	if h.Key == "" {
		return h, nil
	}
	head, err := json.Marshal(sealedHook{h.Path, h.Query, h.Headers, h.Files, h.Given})
	if err != nil {
		return nil, fmt.Errorf("sealing a hook: %w", err)
	}
	plain := append(append(binary.AppendUvarint(make([]byte, 0, len(head)+len(h.Body)+8), uint64(len(head))), head...), h.Body...)
	sealed := *h
	if sealed.Body, err = k.seal(h.Key, aboutHook(h), plain); err != nil {
		return nil, err
	}
	sealed.Path, sealed.Query, sealed.Headers, sealed.Files, sealed.Given = "", "", nil, nil, nil
	return &sealed, nil
}

// OpenHook opens, in place, what SealHook made. After ErrErased it is without
// what was sealed.
func (k *Keys) OpenHook(ctx context.Context, h *Hook) error {
	if h.Key == "" {
		return nil
	}
	sealed := h.Body
	h.Body = nil
	plain, err := k.open(ctx, h.Key, aboutHook(h), sealed)
	if err != nil {
		return err
	}
	size, n := binary.Uvarint(plain)
	if n <= 0 || size > uint64(len(plain)-n) {
		return errors.New("opening a hook: it is cut short")
	}
	var head sealedHook
	if err := json.Unmarshal(plain[n:n+int(size)], &head); err != nil {
		return fmt.Errorf("opening a hook: %w", err)
	}
	h.Path, h.Query, h.Headers, h.Files, h.Given = head.Path, head.Query, head.Headers, head.Files, head.Given
	h.Body = plain[n+int(size):]
	return nil
}

// SealEvents appends a record of the topic executions to dst, sealed when it
// has a key. Of one that was erased meanwhile only how it stands is kept.
func (k *Keys) SealEvents(dst []byte, x *records.ExecutionRecord) ([]byte, error) {
	if x.Key == "" {
		return records.AppendExecutionRecord(dst, x), nil
	}
	plain, err := proto.Marshal(&records.ExecutionRecord{Failure: x.Failure, Events: x.Events})
	if err != nil {
		return nil, err
	}
	sealed := &records.ExecutionRecord{
		ExecutionId: x.ExecutionId, FlowId: x.FlowId, Version: x.Version, Status: x.Status, StartedAt: x.StartedAt, EndedAt: x.EndedAt,
		Hook: x.Hook, ReplayOf: x.ReplayOf, TraceId: x.TraceId, Replay: x.Replay, Key: x.Key,
	}
	if sealed.Sealed, err = k.seal(x.Key, aboutEvents(x.ExecutionId), plain); err != nil && !errors.Is(err, ErrErased) {
		return nil, err
	}
	return records.AppendExecutionRecord(dst, sealed), nil
}

func aboutEvents(id []byte) string { return "events " + ExecutionIDFromBytes(id).String() }

// OpenEvents opens a record that SealEvents made, in place.
func (k *Keys) OpenEvents(ctx context.Context, x *records.ExecutionRecord) error {
	if x.Key == "" {
		return nil
	}
	if len(x.Sealed) == 0 {
		return ErrErased
	}
	plain, err := k.open(ctx, x.Key, aboutEvents(x.ExecutionId), x.Sealed)
	if err != nil {
		return err
	}
	var open records.ExecutionRecord
	if err := proto.Unmarshal(plain, &open); err != nil {
		return fmt.Errorf("opening an execution's events: %w", err)
	}
	x.Failure, x.Events, x.Sealed = open.Failure, open.Events, nil
	return nil
}

// SealState encodes a snapshot for the topic state, sealed when it has a key.
func (k *Keys) SealState(x *records.Execution) ([]byte, error) {
	plain, err := proto.Marshal(x)
	if x.Key == "" || err != nil {
		return plain, err
	}
	sealed := &records.Execution{
		Id: x.Id, FlowId: x.FlowId, Version: x.Version, Status: x.Status, StartedAt: x.StartedAt, EndedAt: x.EndedAt,
		Hook: x.Hook, ReplayOf: x.ReplayOf, Replay: x.Replay, Traceparent: x.Traceparent, Key: x.Key,
	}
	if sealed.Sealed, err = k.seal(x.Key, aboutState(x.Id), plain); err != nil && !errors.Is(err, ErrErased) {
		return nil, err
	}
	return proto.Marshal(sealed)
}

func aboutState(id []byte) string { return "state " + ExecutionIDFromBytes(id).String() }

// OpenState reads a snapshot of the topic state. After ErrErased it has what
// was not sealed.
func (k *Keys) OpenState(ctx context.Context, value []byte) (*records.Execution, error) {
	x := new(records.Execution)
	if err := proto.Unmarshal(value, x); err != nil || x.Key == "" {
		return x, err
	}
	if len(x.Sealed) == 0 {
		return x, ErrErased
	}
	plain, err := k.open(ctx, x.Key, aboutState(x.Id), x.Sealed)
	if err != nil {
		return x, err
	}
	open := new(records.Execution)
	return open, proto.Unmarshal(plain, open)
}

// sealedReply is what is sealed of a reply beside its body.
type sealedReply struct {
	ContentType string            `json:"contentType,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	Body        []byte            `json:"body,omitempty"`
}

// SealReply seals a reply, in place, under the key that it names.
func (k *Keys) SealReply(r *Reply) error {
	if r.Key == "" {
		return nil
	}
	plain, err := json.Marshal(sealedReply{r.ContentType, r.Headers, r.Body})
	if err != nil {
		return err
	}
	r.ContentType, r.Headers = "", nil
	r.Body, err = k.seal(r.Key, "reply "+r.ID.String(), plain)
	return err
}

// OpenReply opens what SealReply made, in place.
func (k *Keys) OpenReply(ctx context.Context, r *Reply) error {
	if r.Key == "" {
		return nil
	}
	plain, err := k.open(ctx, r.Key, "reply "+r.ID.String(), r.Body)
	if err != nil {
		return err
	}
	var open sealedReply
	if err := json.Unmarshal(plain, &open); err != nil {
		return fmt.Errorf("opening a reply: %w", err)
	}
	r.ContentType, r.Headers, r.Body = open.ContentType, open.Headers, open.Body
	return nil
}
