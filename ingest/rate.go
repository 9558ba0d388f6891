package ingest

import (
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// rate bounds how many hooks a flow accepts: a token bucket that holds as many
// hooks as the rate names and fills up evenly, kept as one time (the generic
// cell rate algorithm). It counts what this process accepts. A nil rate has no
// bound.
type rate struct {
	text  string
	each  time.Duration // that one hook takes up
	burst time.Duration // that may be taken up at once
	until atomic.Int64  // Unix nanoseconds: taken up until then
}

// parseRate reads a rate such as 100/s, 600/m or 1000/h; nil is none.
func parseRate(text string) *rate {
	number, unit, _ := strings.Cut(text, "/")
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 32)
	per := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[strings.TrimSpace(unit)]
	if err != nil || n <= 0 || per == 0 {
		return nil
	}
	return &rate{text: text, each: per / time.Duration(n), burst: per}
}

func (r *rate) same(other *rate) bool { return r != nil && other != nil && r.text == other.text }

// take counts one hook, or says how long to wait when there are too many.
func (r *rate) take(now time.Time) (wait time.Duration) {
	if r == nil {
		return 0
	}
	t := now.UnixNano()
	for {
		before := r.until.Load()
		after := max(before, t) + int64(r.each)
		if over := after - t - int64(r.burst); over > 0 {
			return time.Duration(over)
		}
		if r.until.CompareAndSwap(before, after) {
			return 0
		}
	}
}
