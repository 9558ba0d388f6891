package run

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
)

// What an execution of an erasable flow writes is sealed with its own key
// (schemas.Keys), which its hook names and its snapshot keeps. This file has
// what the runner does about it; the sealing itself is where records are made:
// seal, happened, sendReply and returnRecord.

// makeKey bounds the wait for a key of a new execution.
const makeKey = 5 * time.Second

// parse reads and opens a record that is read again.
func (s *session) parse(ctx context.Context, r *kgo.Record) (*schemas.Hook, error) {
	hook, err := schemas.ParseHook(r)
	return s.open(ctx, &polled{hook: &loadedHook{Hook: hook}, err: err})
}

// open opens what was polled. With schemas.ErrErased the hook is there, and
// nothing of what it brought.
func (s *session) open(ctx context.Context, given *polled) (*schemas.Hook, error) {
	if given.err != nil {
		return nil, given.err
	}
	hook := given.hook.Hook
	if err := s.opts.Keys.OpenHook(ctx, hook); err != nil {
		return hook, err
	}
	if s.erased(hook.ID) {
		hook.Path, hook.Query, hook.Headers, hook.Files, hook.Given, hook.Body, hook.BodyRef = "", "", nil, nil, nil, nil, nil
		return hook, schemas.ErrErased
	}
	return hook, nil
}

func (s *session) erased(id schemas.ExecutionID) bool {
	return s.opts.Erased != nil && s.opts.Erased(id)
}

// whyCancelled is what a cancelled execution says.
func (s *session) whyCancelled(e *execution) string {
	if s.erased(e.id) {
		return "its data was erased"
	}
	return "cancelled by request"
}

// sealedRecord is the record of a hook that starts an execution, sealed under a
// key of its own if it is to be erasable.
func (s *session) sealedRecord(h *schemas.Hook, erasable bool) (*kgo.Record, error) {
	if erasable {
		ctx, cancel := context.WithTimeout(s.jobCtx, makeKey)
		defer cancel()
		var err error
		if h.Key, err = s.opts.Keys.New(ctx); err != nil {
			return nil, err
		}
		if h, err = s.opts.Keys.SealHook(h); err != nil {
			return nil, err
		}
	}
	return h.Record()
}
