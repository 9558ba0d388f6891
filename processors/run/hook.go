package run

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
	"sluice/schemas/records"
)

// readHook reads one hook's record by its place.
func readHook(ctx context.Context, client *kgo.Client, topic string, at *records.Pointer) (*loadedHook, error) {
	var hook *schemas.Hook
	var bad error
	err := schemas.ReadPartition(ctx, client, topic, at.Partition, at.Offset, at.Offset+1, func(r *kgo.Record) bool {
		hook, bad = schemas.ParseHook(r)
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

func sortByHook(snapshots []*records.Execution) {
	slices.SortFunc(snapshots, func(a, b *records.Execution) int {
		return cmp.Compare(a.Hook.GetOffset(), b.Hook.GetOffset())
	})
}
