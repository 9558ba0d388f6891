package ingest

// hold takes memory for a request's body, of the edge's budget and of its
// flow's share of it: the senders of one flow cannot take what the others need.
// What is held is given back by letGo, when Kafka has the hook.
func (e *Edge) hold(r *request, n int) *refusal {
	if r.flow != nil && !r.flow.room.take(n) {
		return flowFull
	}
	if !e.bodies.take(n) {
		if r.flow != nil {
			r.flow.room.release(n)
		}
		return buffersFull
	}
	r.held += n
	return nil
}

func (e *Edge) letGo(r *request) {
	e.bodies.release(r.held)
	if r.flow != nil {
		r.flow.room.release(r.held)
	}
	r.held = 0
}

var flowFull = &refusal{status: 503, reason: ReasonFull, detail: "too much is being taken in for this flow at present: send it again later", retryAfter: 1}
