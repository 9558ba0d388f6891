package run

import (
	"context"
	"errors"
	"time"

	"sluice/connectors/mapping"
)

// A step that only computes is done in the loop: to hand it to a goroutine and
// back costs more than the step does. It goes on a leash there, because while
// it computes everything else waits. What outruns the leash is done again from
// its start by a worker, under the step's own timeout, and so is what needs the
// official evaluator; both do no harm, since such a step has no effect.
const (
	leash = 3 * time.Millisecond
	// A step that outruns its leash more than twice in strikeRuns runs goes to the
	// workers for a while, each time for twice as long. Once or twice is no sign:
	// the machine may have been busy.
	strikes, strikeRuns    = 2, 1000
	firstRest, longestRest = time.Second, time.Minute
)

// outran is how often a step outran its leash, and until when workers do it.
type outran struct {
	score int // strikeRuns for each time, less one for each time that it did not
	until time.Time
	rest  time.Duration
}

// outrun counts one time more.
func (o *outran) outrun(now time.Time) {
	if o.score += strikeRuns; o.score > strikes*strikeRuns {
		o.rest = min(max(firstRest, 2*o.rest), longestRest)
		o.until = now.Add(o.rest)
	}
}

// leashed is a context that ends by the clock, without a timer.
type leashed struct {
	context.Context
	until time.Time
	asked int
	over  bool // somebody was told so
}

// clockAsked is how often the leash is asked for each look at the clock: an
// evaluation asks when it begins, and then once in some thousand steps.
const clockAsked = 4

func (l *leashed) Err() error {
	if l.asked++; l.asked%clockAsked == 1 {
		l.over = l.over || time.Now().After(l.until)
	}
	if l.over {
		return context.DeadlineExceeded
	}
	return l.Context.Err()
}

// inline does an attempt at an instant step and folds it in. It reports false
// when that is for a worker.
func (s *session) inline(e *execution, u unit) bool {
	step := &e.plan.steps[u.step]
	if e.hook == nil || e.hook.BodyRef != nil {
		return false // it has to be read first
	}
	now := time.Now()
	past, slow := s.outran[step]
	if slow && now.Before(past.until) {
		return false
	}
	// Nothing outlives the attempt that could hold on to these.
	s.leash = leashed{Context: s.jobCtx, until: now.Add(leash)}
	s.inlined = s.jobOf(e, u)
	s.inlined.inline, s.inlined.began = true, now
	r := s.inlined.run(&s.leash)
	if s.leash.over || r.notCompiled {
		past.outrun(time.Now())
		if s.outran == nil {
			s.outran = map[*stepPlan]outran{}
		}
		s.outran[step] = past
		return false
	}
	if slow {
		if past.score--; past.score <= 0 {
			delete(s.outran, step)
		} else {
			s.outran[step] = past
		}
	}
	s.outcome(r)
	return true
}

// notCompiled: an expression is for the official evaluator.
func notCompiled(err error) bool { return errors.Is(err, mapping.ErrNotCompiled) }
