package run

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
	"sluice/schemas/records"
)

// readHook reads one hook's record by its place.
func readHook(ctx context.Context, client *kgo.Client, keys *schemas.Keys, topic string, at *records.Pointer) (*loadedHook, error) {
	var hook *schemas.Hook
	var bad error
	err := schemas.ReadPartition(ctx, client, topic, at.Partition, at.Offset, at.Offset+1, func(r *kgo.Record) bool {
		r.Value = bytes.Clone(r.Value) // or it would keep the whole batch in memory
		if hook, bad = schemas.ParseHook(r); bad == nil {
			bad = keys.OpenHook(ctx, hook)
		}
		return false
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the hook again: %w", err)
	case bad != nil:
		return nil, fmt.Errorf("reading the hook again: %w", bad)
	case hook == nil:
		return nil, fmt.Errorf("the hook at %s/%d offset %d is gone: it waited longer than the topic keeps hooks", topic, at.Partition, at.Offset)
	}
	return &loadedHook{Hook: hook}, nil
}

// storeHook is a hook as a snapshot carries it: open, because a snapshot is
// sealed as a whole.
func storeHook(h *schemas.Hook) (*records.StoredHook, error) {
	r, err := h.Record()
	if err != nil {
		return nil, err
	}
	stored := &records.StoredHook{Value: r.Value, Timestamp: r.Timestamp.UnixMilli()}
	for _, header := range r.Headers {
		stored.Headers = append(stored.Headers, &records.StoredHook_Header{Key: header.Key, Value: header.Value})
	}
	return stored, nil
}

func restoreHook(flow string, at *records.Pointer, stored *records.StoredHook) (*loadedHook, error) {
	r := &kgo.Record{
		Topic: at.Topic, Partition: at.Partition, Offset: at.Offset, Key: []byte(flow), Value: stored.Value,
		Timestamp: time.UnixMilli(stored.Timestamp),
	}
	for _, header := range stored.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: header.Key, Value: header.Value})
	}
	hook, err := schemas.ParseHook(r)
	if err != nil {
		return nil, fmt.Errorf("reading the hook in the snapshot: %w", err)
	}
	return &loadedHook{Hook: hook}, nil
}
