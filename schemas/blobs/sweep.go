package blobs

import (
	"context"
	"fmt"
	"time"
)

// Sweeper removes blobs that nobody names any more: orphans, whose process was
// killed before their record was appended, and those whose hooks are kept no
// longer.
//
// It never removes one that is referenced. A blob goes only when it is older
// than Grace and two sweeps, Grace apart, both found no reference. A reference
// can come into being in two ways:
//
//   - The edge appends a record within seconds of committing its blob, or never:
//     long before the blob is as old as Grace.
//   - A retry or a replay copies the reference of a hook that is still kept, and
//     appends it within seconds. Either the first sweep saw the old reference, or
//     it came after the old one had gone: then the copy was made before, and the
//     second sweep, Grace later, sees it.
//
// What was seen is kept in memory alone: a new process begins with a first
// sweep. Several may sweep at once.
type Sweeper struct {
	Store Store
	// References are the names of all blobs that are referenced, found after the
	// call began. Its error ends the sweep: nothing is removed then.
	References func(ctx context.Context) (map[string]bool, error)
	Grace      time.Duration

	unnamed map[string]time.Time // without a reference, since
}

// Sweep sweeps once, and returns how many blobs it removed.
func (s *Sweeper) Sweep(ctx context.Context, now time.Time) (removed int, err error) {
	// The listing comes first: a blob in it is older than what follows.
	old := map[string]bool{}
	if err := s.Store.List(ctx, func(i Info) error {
		if now.Sub(i.Modified) > s.Grace {
			old[i.Name] = true
		}
		return nil
	}); err != nil {
		return 0, err
	}
	named, err := s.References(ctx)
	if err != nil {
		return 0, fmt.Errorf("finding the blobs that are referenced: %w", err)
	}
	unnamed := map[string]time.Time{}
	for name := range old {
		if named[name] {
			continue
		}
		since, before := s.unnamed[name]
		switch {
		case !before:
			unnamed[name] = now
		case now.Sub(since) < s.Grace:
			unnamed[name] = since
		default:
			if err := s.Store.Remove(ctx, name); err != nil {
				return removed, err
			}
			removed++
		}
	}
	s.unnamed = unnamed
	return removed, s.Store.Tidy(ctx, now.Add(-24*time.Hour))
}
