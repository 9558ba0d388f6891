package ingest

import (
	"bytes"
	"log/slog"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
	"go.opentelemetry.io/otel/trace"

	"sluice/schemas"
	"sluice/schemas/bodies"
)

// request is one request on its way through the edge. What it takes from Fiber
// lives in Fiber's buffers, which are used again when the handler returns:
// whatever outlives the handler is copied.
type request struct {
	http  *fasthttp.RequestCtx
	began time.Time
	id    schemas.ExecutionID // of the execution it becomes, or names the request in a refusal
	flow  *flow               // nil until it is found
	shard *shard              // of the flow
	unkey string              // why its key could not be had, as schemas.Hook has it
	body  []byte              // the raw bytes, in the delivery's memory; nil when they are in upload
	kind  bodies.Type         // what the body is
	read  bool                // it was read to its end
	held  int                 // bytes of the budget
	trace trace.Span

	upload *upload          // of a body that is not, or not yet, in body
	ref    *schemas.BodyRef // where the upload is kept

	idText   string                // the ID, written
	delivery *delivery             // nil until something is to be kept
	waiter   <-chan *schemas.Reply // nil: the sender is answered at once
	greeting *greeting             // nil: the request is a hook
	again    bool                  // it was rejected before, and is accepted after all: nobody waits
	looking  bool                  // it is only asked whether it would be taken
	sent     time.Time             // when the sender sent it
}

// hook answers ANY /hook/FLOW_ID[/any/suffix].
func (e *Edge) hook(c *fiber.Ctx) error {
	r := request{http: c.Context(), began: c.Context().Time()}
	r.sent = r.began
	e.startSpan(&r)
	refusal := e.take(&r)
	if r.upload != nil {
		r.upload.end()
	}
	e.letGo(&r)
	switch {
	case refusal != nil:
		e.refuse(&r, refusal)
	case r.greeting != nil:
		r.greeting.write(r.http)
	case r.waiter != nil:
		e.reply(&r)
	default:
		r.flow.answer.write(r.http, r.idText)
	}
	e.finish(&r, refusal)
	e.producer.release(r.delivery)
	return nil
}

// take lets a hook in: a running flow, a true signature, a whole body,
// appended; nil means that it may be answered with 2xx. The order is the
// guarantee: nothing is appended that has not passed everything above it, and
// nothing is answered with 2xx that Kafka has not acknowledged.
func (e *Edge) take(r *request) *refusal {
	// A running flow. Paused ones accept too; the runner holds what they accept.
	if r.flow = e.flow(flowID(r.http)); r.flow == nil {
		r.id = schemas.NewExecutionID(r.began, 0)
		return notRunning
	}
	r.shard = r.flow.shard()
	r.id = schemas.NewExecutionID(r.began, r.shard.partition)
	r.idText = r.id.String()
	if r.http.IsHead() {
		return flowRuns
	}

	// A browser that asks for a page of another site.
	if r.greeting = r.flow.crossOrigin(r.http); r.greeting != nil {
		return nil
	}

	// A provider that asks whether this URL is meant for it.
	shake := r.flow.handshake
	if shake.open != nil {
		if r.greeting = shake.open(r.http, r.flow.values); r.greeting != nil {
			return nil
		}
	}

	// A true signature: every method, every kind of credential. What needs no
	// body is checked before the body is read.
	if refusal := r.flow.lock.beforeBody(r.http, r.sent); refusal != nil {
		return refusal
	}
	r.delivery = e.producer.delivery()
	if refusal := e.takeBody(r); refusal != nil {
		return refusal
	}

	if shake.signed != nil {
		if r.greeting = shake.signed(r.http, r.atHand(), r.flow.values); r.greeting != nil {
			return nil
		}
	}

	// A whole body, by a method that the flow takes, within its rate.
	if !r.flow.takes(r.http.Method()) {
		return r.flow.otherMethod
	}
	if refusal := e.checkBody(r); refusal != nil {
		return refusal
	}
	if r.looking {
		return nil
	}
	if wait := r.flow.rate.take(r.began); wait > 0 && !r.again {
		return overRate(wait)
	}
	if r.upload != nil {
		if refusal := r.upload.commit(r); refusal != nil {
			return refusal
		}
	}

	// On the shard that its key says, which is known only now. The ID names the
	// partition, and is final from here on.
	if r.flow.keyed {
		if refusal := e.place(r); refusal != nil {
			return refusal
		}
	}

	// Appended. A sender that waits for the flow's answer is known before that.
	if r.flow.replies && !r.again {
		r.waiter = e.replies.expect(r.id)
	}
	e.record(r, r.delivery)
	var refusal *refusal
	if r.flow.erasable {
		refusal = e.sealRecord(r.delivery)
	}
	if refusal == nil {
		refusal = e.producer.append(r.delivery)
	}
	if refusal != nil && r.waiter != nil {
		e.replies.forget(r.id)
	}
	return refusal
}

// flowID is the segment after /hook/. It lives as long as the request.
func flowID(http *fasthttp.RequestCtx) []byte {
	id := bytes.TrimPrefix(http.URI().PathOriginal(), []byte("/hook/"))
	if i := bytes.IndexByte(id, '/'); i >= 0 {
		id = id[:i]
	}
	return id
}

// finish counts and records how the request ended.
func (e *Edge) finish(r *request, refusal *refusal) {
	took := time.Since(r.began)
	reason := ReasonAccepted
	if r.greeting != nil {
		reason = ReasonHandshake
	}
	if refusal != nil {
		reason = refusal.reason
	}
	status := r.http.Response.StatusCode()
	e.metrics.finished(reason, status, took, r.size())
	e.endSpan(r, status)
	if e.log.Enabled(r.http, slog.LevelDebug) {
		e.log.LogAttrs(r.http, slog.LevelDebug, "hook",
			slog.String("request", r.id.String()),
			slog.String("flow", string(flowID(r.http))),
			slog.String("method", string(r.http.Method())),
			slog.Int("status", status),
			slog.String("outcome", string(reason)),
			slog.Int("bytes", r.size()),
			slog.Duration("took", took),
			slog.String("from", r.http.RemoteIP().String()))
	}
}
