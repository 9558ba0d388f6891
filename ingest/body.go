package ingest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// budget bounds the memory that bodies take while they are read. Without it,
// many large bodies at once could take all there is.
type budget struct {
	limit int64
	used  atomic.Int64
}

func (b *budget) take(n int) bool {
	if b.used.Add(int64(n)) > b.limit {
		b.used.Add(-int64(n))
		return false
	}
	return true
}

func (b *budget) release(n int) {
	if n != 0 {
		b.used.Add(-int64(n))
	}
}

// minRate is how fast a body must come, in bytes a second, once ReadTimeout is over.
const minRate = 64 << 10

// pace gives a body of which so many bytes have come the time for the next
// ones. What is announced counts for nothing: a sender that lets one byte drip
// now and then is cut off soon, however much it says is to come.
func (e *Edge) pace(r *request, came int64) {
	// A connection that has ended says so at the next read.
	_ = r.http.Conn().SetReadDeadline(r.began.Add(e.options.ReadTimeout + time.Duration(came)*time.Second/minRate))
}

// firstRead is the memory that a body's announced length is believed for. The
// rest is taken as it comes, so that announcing much and sending nothing costs
// nobody anything.
const firstRead = 64 << 10

// readBody reads the raw bytes into memory of their own, no more than the limit.
func (e *Edge) readBody(r *request) *refusal {
	http, limit := r.http, e.options.MaxBody
	length := http.Request.Header.ContentLength() // -1: chunked; -2: none
	tooLarge := func() *refusal {
		return &refusal{status: 413, reason: ReasonTooLarge, detail: fmt.Sprintf("the body is larger than %d bytes", limit)}
	}
	stream := http.RequestBodyStream()
	switch {
	case length > limit:
		return tooLarge()
	case stream == nil || length == 0:
		return nil
	}
	size := 4 << 10
	if length > 0 {
		size = min(length, firstRead)
	}
	body := r.delivery.body[:0]
	if cap(body) < size {
		body = make([]byte, 0, size)
	}
	if refusal := e.hold(r, cap(body)); refusal != nil {
		return refusal
	}
	for len(body) != length {
		if len(body) == cap(body) {
			// One byte more than the limit tells a chunked body that is too large.
			more := min(2*cap(body), limit+1)
			if length > 0 {
				more = min(more, length)
			}
			if len(body) > limit {
				return tooLarge()
			}
			if refusal := e.hold(r, more-cap(body)); refusal != nil {
				return refusal
			}
			body = append(make([]byte, 0, more), body...)
		}
		n, err := stream.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if len(body) > firstRead {
			e.pace(r, int64(len(body)))
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return slow(err)
		}
	}
	switch {
	case len(body) > limit:
		return tooLarge()
	case length > 0 && len(body) < length:
		return slow(io.ErrUnexpectedEOF)
	}
	r.body, r.delivery.body = body, body
	return nil
}

// slow answers a body that did not come, or not as HTTP wants it.
func slow(err error) *refusal {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return &refusal{status: 408, reason: ReasonTimeout, detail: "the body did not come in time"}
	}
	return &refusal{status: 400, reason: ReasonBadRequest, detail: "the body ended early, or is not chunked as HTTP wants it"}
}
