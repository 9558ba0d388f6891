package replay

import (
	"context"
	"errors"
	"sync"

	"sluice/schemas"
	"sluice/schemas/control"
)

// atOnce is how many replays are driven side by side; the others wait.
const atOnce = 4

// Run drives the replays whenever this process is the one to do so, until ctx
// ends. What is under way then goes on in the next process, or after the next
// start.
func (d *Driver) Run(ctx context.Context) error {
	return control.Lead(ctx, d.opts.Kafka, d.opts.Topics, "replay-driver", d.opts.Instance, func(ctx context.Context) {
		stop := d.lead(ctx)
		<-ctx.Done()
		stop()
	})
}

// lead drives every open replay until stop is called, which waits for what is
// under way to let go.
func (d *Driver) lead(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	all.Go(func() {
		var mu sync.Mutex
		driven := map[string]context.CancelFunc{}
		ended := make(chan struct{}, 1)
		for {
			changed := d.opts.Control.Changed()
			mu.Lock()
			for id, cancel := range driven {
				if r := d.opts.Control.Replay(id); !drivable(r) {
					cancel() // paused or cancelled
				}
			}
			replays := d.opts.Control.Replays()
			for i := len(replays) - 1; i >= 0 && len(driven) < atOnce; i-- { // the oldest first
				r := replays[i]
				if driven[r.ID] != nil || !drivable(r) {
					continue
				}
				ctx, cancel := context.WithCancel(ctx)
				driven[r.ID] = cancel
				all.Go(func() {
					d.drive(ctx, r.ID)
					cancel()
					mu.Lock()
					delete(driven, r.ID)
					mu.Unlock()
					select {
					case ended <- struct{}{}:
					default:
					}
				})
			}
			mu.Unlock()
			select {
			case <-changed:
			case <-ended:
			case <-ctx.Done():
				return
			}
		}
	})
	return func() { cancel(); all.Wait() }
}

func drivable(r *schemas.ReplayEntry) bool {
	return r != nil && (r.State == schemas.ReplaySelecting || r.State == schemas.ReplayRunning)
}

// permanent is an error that waiting does not mend: the replay fails.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// drive brings one replay on until it ends, is paused, or ctx does.
func (d *Driver) drive(ctx context.Context, id string) {
	log := d.log.With("replay", id)
	for ctx.Err() == nil {
		r := d.opts.Control.Replay(id)
		if !drivable(r) {
			return
		}
		change, err := d.advance(ctx, r)
		var bad permanent
		switch {
		case ctx.Err() != nil:
			return
		case errors.As(err, &bad):
			log.Warn("a replay has failed", "error", err)
			change = schemas.Change{Type: schemas.ReplayFailed, Reason: err.Error()}
		case err != nil:
			log.Warn("a replay waits and is tried again", "error", err)
			schemas.Pause(ctx, again)
			continue
		}
		// Whoever paused or cancelled it meanwhile comes first: the change is
		// made against the replay as it stood.
		if latest := d.opts.Control.Replay(id); !drivable(latest) {
			return
		}
		change.ReplayID, change.Expect = id, d.opts.Control.Replay(id).Revision
		if _, err := d.opts.Control.Append(ctx, change); err != nil && ctx.Err() == nil {
			log.Warn("writing down how a replay stands", "change", change.Type, "error", err)
			schemas.Pause(ctx, again)
		}
	}
}

// advance does the next part of a replay, and returns the change that says so.
func (d *Driver) advance(ctx context.Context, r *schemas.ReplayEntry) (schemas.Change, error) {
	if !r.Selected {
		n, err := d.choose(ctx, r)
		return schemas.Change{Type: schemas.ReplaySelected, Total: n}, err
	}
	if r.DryRun {
		return schemas.Change{Type: schemas.ReplayFinished}, d.whatIf(ctx, r)
	}
	return d.send(ctx, r)
}
