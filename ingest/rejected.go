package ingest

import (
	"strings"
	"sync"
	"time"
)

// Rejection is a request that a flow did not accept.
type Rejection struct {
	Time      time.Time         `json:"time"`
	RequestID string            `json:"requestId"`
	Method    string            `json:"method"`
	Path      string            `json:"path"`
	Status    int               `json:"status"`
	Reason    Reason            `json:"reason"`
	Detail    string            `json:"detail"`
	Headers   map[string]string `json:"headers"` // names in lower case, without secrets, cut
	Bytes     int               `json:"bytes"`   // of the body, as far as it was read
}

func (r *request) rejection(no *refusal) Rejection {
	detail := no.detail
	if no.cause != "" {
		detail = no.cause
	}
	const maxPath = 500
	path := string(r.http.URI().PathOriginal())
	if len(path) > maxPath {
		path = strings.ToValidUTF8(path[:maxPath], "") + "…"
	}
	return Rejection{
		Time:      r.began.UTC(),
		RequestID: r.id.String(),
		Method:    string(r.http.Method()),
		Path:      path,
		Status:    no.status,
		Reason:    no.reason,
		Detail:    detail,
		Headers:   r.flow.lock.shownHeaders(&r.http.Request.Header),
		Bytes:     r.size(),
	}
}

// rejections keeps the last ones of each flow, for a bounded number of flows:
// when there are more, those of the flow that was rejected longest ago go.
type rejections struct {
	perFlow, maxFlows int
	rate              *rate // of those that are written to the topic captures

	mu    sync.Mutex
	flows map[string]*ring
}

type ring struct {
	kept []Rejection
	next int // where the next one goes, once the ring is full
	last time.Time
	rate *rate // of those that are written to the topic captures
}

func newRejections(perFlow, maxFlows int) *rejections {
	return &rejections{perFlow: perFlow, maxFlows: maxFlows, rate: evenly(1000, 50*time.Second), flows: map[string]*ring{}}
}

// add keeps one, and says whether it may be written to the topic captures as
// well: a stranger who sends nothing but rubbish must not fill it.
func (all *rejections) add(flow string, r Rejection) (write bool) {
	all.mu.Lock()
	defer all.mu.Unlock()
	f := all.flows[flow]
	if f == nil {
		if len(all.flows) >= all.maxFlows {
			all.forgetOne()
		}
		f = &ring{rate: evenly(50, 100*time.Second)}
		all.flows[flow] = f
	}
	f.last = r.Time
	write = f.rate.take(r.Time) == 0 && all.rate.take(r.Time) == 0
	if len(f.kept) < all.perFlow {
		f.kept = append(f.kept, r)
		return write
	}
	f.kept[f.next] = r
	f.next = (f.next + 1) % all.perFlow
	return write
}

// evenly is a rate of so many in a time.
func evenly(n int, in time.Duration) *rate { return &rate{each: in / time.Duration(n), burst: in} }

func (all *rejections) forgetOne() {
	var oldest string
	for id, f := range all.flows {
		if oldest == "" || f.last.Before(all.flows[oldest].last) {
			oldest = id
		}
	}
	delete(all.flows, oldest)
}

// of lists a flow's rejections, newest first.
func (all *rejections) of(flow string) []Rejection {
	all.mu.Lock()
	defer all.mu.Unlock()
	f := all.flows[flow]
	if f == nil {
		return nil
	}
	list := make([]Rejection, 0, len(f.kept))
	for i := range f.kept {
		list = append(list, f.kept[(f.next+len(f.kept)-1-i)%len(f.kept)])
	}
	return list
}
