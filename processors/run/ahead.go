package run

import (
	"bytes"
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
)

// Hooks that left memory while their executions rested are read again some time
// before their turn, many by one request: a broker sends whole batches, and to
// read a batch for each of its hooks would cost a hundred times what they do.
const (
	aheadHooks = 128              // are read at once,
	aheadBytes = 1 << 20          // or as many as are in so much of the log
	aheadLow   = 64               // when so few are left in memory
	aheadLimit = 30 * time.Second // for one request
)

// ahead is a reading of hooks of one flow on one partition.
type ahead struct {
	flow   string
	queue  *flowQueue
	wanted map[int64]*execution // by offset
	found  map[int64]*loadedHook
	passed int64 // all before this offset was read
}

// unread reports whether an execution's hook has to be read before it goes on.
func (e *execution) unread() bool {
	return e.hook == nil && e.x.StoredHook == nil && !e.alone
}

// readAhead begins to read the hooks of the executions that go on next, where
// they are not in memory.
func (s *session) readAhead(flow string, q *flowQueue, paused bool) {
	list := q.begun
	if len(list) == 0 && !paused {
		list = q.waiting
	}
	unread := func(r ref) *execution {
		if e := r.p.executions[r.id]; e != nil && e.unread() {
			return e
		}
		return nil
	}
	if q.reading || len(list) == 0 || unread(list[0]) == nil && unread(list[min(len(list), aheadLow)-1]) == nil {
		return
	}
	a := &ahead{flow: flow, queue: q, wanted: make(map[int64]*execution, aheadHooks)}
	var p *partition
	first, last := int64(0), int64(0)
	for _, r := range list[:min(len(list), 4*aheadHooks)] {
		e := unread(r)
		if e == nil || p != nil && e.partition != p {
			continue
		}
		at := e.x.Hook.GetOffset()
		if p == nil {
			p, first, last = e.partition, at, at
		}
		if at < first {
			continue // behind where the reading begins
		}
		last = max(last, at)
		if a.wanted[at] = e; len(a.wanted) == aheadHooks {
			break
		}
	}
	q.reading = true
	s.workers.do(&s.jobs, func() {
		ctx, cancel := context.WithTimeout(s.jobCtx, aheadLimit)
		defer cancel()
		a.read(ctx, s.reader, s.opts.Keys, s.opts.topic(), p.number, first, last+1)
		s.results.put(result{ahead: a})
	})
}

// read reads what is wanted, or a part of it, and the first in any case: where
// that fails, the job that wants the hook says why.
func (a *ahead) read(ctx context.Context, client *kgo.Client, keys *schemas.Keys, topic string, partition int32, from, to int64) {
	a.found = make(map[int64]*loadedHook, len(a.wanted))
	a.passed = from + 1
	size := 0
	err := schemas.ReadPartitionBy(ctx, client, topic, partition, from, to, aheadBytes, func(r *kgo.Record) bool {
		a.passed = r.Offset + 1
		if size += len(r.Value); a.wanted[r.Offset] != nil {
			// Bytes of their own: these would keep the whole batch in memory.
			r.Value = bytes.Clone(r.Value)
			if hook, err := schemas.ParseHook(r); err == nil && keys.OpenHook(ctx, hook) == nil {
				a.found[r.Offset] = &loadedHook{Hook: hook}
			}
		}
		return size < aheadBytes
	})
	if err == nil && size < aheadBytes {
		a.passed = to
	}
}

// haveRead takes in what was read.
func (s *session) haveRead(a *ahead) {
	a.queue.reading = false
	for at, e := range a.wanted {
		switch hook := a.found[at]; {
		case at >= a.passed:
		case hook == nil:
			e.alone = true
		case e.queued && e.hook == nil && s.owns(e):
			e.hook = hook
		}
	}
	s.unsettled(a.flow)
}
