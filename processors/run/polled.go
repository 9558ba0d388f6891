package run

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
	"sluice/schemas/records"
)

// polled is a record, and what can be said of it without asking anything that
// changes. That is half of what a hook costs, and so all processors do it for
// many records at once, before the loop takes them one by one, in their order.
type polled struct {
	record *kgo.Record
	hook   *loadedHook // nil: err says why
	err    error
	// The key of its delivery by a plan, which may not be the one that counts
	// when the loop comes to it. nil: it was not looked for.
	keyedBy *plan
	key     delivery
	hasKey  bool
	failure *records.Failure // the key cannot be had
}

// readShare is how many records are worth a goroutine.
const readShare = 32

// readAll reads records, in their order. The result is good until the next call.
func (s *session) readAll(records []*kgo.Record) []polled {
	all := s.polled[:0]
	for _, r := range records {
		all = append(all, polled{record: r})
	}
	s.polled = all
	var next atomic.Int64
	read := func() {
		for {
			from := int(next.Add(readShare)) - readShare
			if from >= len(all) {
				return
			}
			for i := from; i < min(from+readShare, len(all)); i++ {
				s.read(&all[i])
			}
		}
	}
	var others sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0)-1, (len(all)-1)/readShare) {
		others.Go(read)
	}
	read()
	others.Wait()
	return all
}

// read reads one. Several do so at a time, while the loop waits: they only look
// at what is the loop's.
func (s *session) read(p *polled) {
	both := new(struct {
		loaded loadedHook
		hook   schemas.Hook
	})
	hook := &both.hook
	if p.err = hook.Parse(p.record); p.err != nil {
		return
	}
	both.loaded.Hook, p.hook = hook, &both.loaded
	if hook.Kind != schemas.KindHook || hook.Key != "" || hook.BodyRef != nil {
		return // sealed, or not at hand
	}
	entry := s.opts.Catalog.Flow(hook.Flow)
	if entry == nil || entry.Latest() == nil {
		return
	}
	plan := s.plans[planKey{flow: hook.Flow, version: entry.Latest().Number}]
	switch {
	case plan == nil:
	case plan.dedupe != nil && plan.dedupe.key != nil && hook.ReplayOf.IsZero():
		p.keyedBy = plan
		p.key, p.hasKey, p.failure = keyOf(context.Background(), plan.dedupe.key, p.hook, plan.flow, plan.raw)
	case len(plan.steps) > 0 && plan.steps[0].instant && entry.State != schemas.Paused:
		p.hook.view(plan.raw)
	}
}
