package ingest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"sluice/schemas"
)

// Reason is why a request ended as it did: a closed set, used as a metric's label.
type Reason string

// The reasons.
const (
	ReasonAccepted         Reason = "accepted"
	ReasonChecked          Reason = "checked"     // HEAD
	ReasonHandshake        Reason = "handshake"   // a provider asked for its URL
	ReasonSample           Reason = "sample"      // kept for a flow that is being built
	ReasonCallback         Reason = "callback"    // for a step that waits
	ReasonNotRunning       Reason = "not_running" // no such flow, or not running
	ReasonNotFound         Reason = "not_found"   // no hook's path
	ReasonUnauthenticated  Reason = "unauthenticated"
	ReasonCredential       Reason = "credential" // the flow's own credential cannot be used
	ReasonSignatureMissing Reason = "signature_missing"
	ReasonSignatureForm    Reason = "signature_form"
	ReasonSignature        Reason = "signature"
	ReasonTimestamp        Reason = "timestamp"
	ReasonMethod           Reason = "method"
	ReasonMalformed        Reason = "malformed"
	ReasonEncoding         Reason = "encoding"
	ReasonTooLarge         Reason = "too_large"
	ReasonRate             Reason = "rate"
	ReasonFull             Reason = "full"        // own buffers
	ReasonUnavailable      Reason = "unavailable" // Kafka
	ReasonTimeout          Reason = "timeout"     // the sender was too slow
	ReasonBadRequest       Reason = "bad_request" // not HTTP as it should be
	ReasonBroken           Reason = "broken"      // our own fault
)

// refusal is an answer other than the accepted hook's: nothing was appended,
// or nothing is known to have been. It is immutable once made.
type refusal struct {
	status       int
	reason       Reason
	detail       string // for the sender; holds no secret
	cause        string // for the flow's owner, where the sender is not to know it
	line, column int    // of the body, from 1, when known
	allow        string // Allow
	retryAfter   int    // seconds
	challenge    bool   // WWW-Authenticate for Basic
	encodings    string // Accept-Encoding
}

var (
	flowRuns   = &refusal{status: 200, reason: ReasonChecked}
	notRunning = &refusal{status: 404, reason: ReasonNotRunning, detail: "there is no running flow here"}
	noPath     = &refusal{status: 404, reason: ReasonNotFound, detail: "hooks are sent to /hook/FLOW_ID"}

	unavailable      = &refusal{status: 503, reason: ReasonUnavailable, detail: "the hook could not be stored: send it again later", retryAfter: 2}
	buffersFull      = &refusal{status: 503, reason: ReasonFull, detail: "too much is being taken in at present: send it again later", retryAfter: 1}
	tooLargeForKafka = &refusal{status: 413, reason: ReasonTooLarge, detail: "the body is larger than what can be stored"}
)

func overRate(wait time.Duration) *refusal {
	return &refusal{status: 429, reason: ReasonRate, detail: "this flow takes no more hooks at present: send it again later", retryAfter: int(math.Ceil(wait.Seconds()))}
}

// problem is RFC 9457's problem details with our own members.
type problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail,omitempty"`
	Line      int    `json:"line,omitempty"`
	Column    int    `json:"column,omitempty"`
	RequestID string `json:"requestId"`
}

// prefetched is how much of a body fasthttp has read before its handler runs.
const prefetched = 8 << 10

// refuse writes a refusal, and keeps it for the flow's owner.
func (e *Edge) refuse(r *request, no *refusal) {
	writeRefusal(r.http, r.id, no)
	if no.status < 400 {
		return
	}
	if r.flow != nil {
		e.reject(r, no)
	}
	if length := r.http.Request.Header.ContentLength(); r.body == nil && !r.read && (length == -1 || length > min(prefetched, e.options.MaxBody)) {
		// What is left of the body would be taken for the next request.
		r.http.SetConnectionClose()
		linger(r.http.Conn())
	}
}

func writeRefusal(ctx *fasthttp.RequestCtx, id schemas.ExecutionID, no *refusal) {
	response := &ctx.Response
	response.SetStatusCode(no.status)
	response.Header.Set(fiber.HeaderXRequestID, id.String())
	if no.status < 400 {
		return
	}
	if no.allow != "" {
		response.Header.Set(fiber.HeaderAllow, no.allow)
	}
	if no.retryAfter > 0 {
		response.Header.Set(fiber.HeaderRetryAfter, strconv.Itoa(no.retryAfter))
	}
	if no.challenge {
		response.Header.Set(fiber.HeaderWWWAuthenticate, `Basic realm="sluice", charset="UTF-8"`)
	}
	if no.encodings != "" {
		response.Header.Set(fiber.HeaderAcceptEncoding, no.encodings)
	}
	body, _ := json.Marshal(problem{ // strings and numbers: cannot fail
		Type: "about:blank", Title: http.StatusText(no.status), Status: no.status,
		Detail: no.detail, Line: no.line, Column: no.column, RequestID: id.String(),
	})
	response.Header.SetContentType("application/problem+json")
	response.SetBody(body)
}

// answer is what a flow answers an accepted hook with.
type answer struct {
	status      int
	contentType string
	body        []byte // of the flow's own
	thanks      bool   // the body is the usual one, with the request's ID
	message     string
}

// newAnswer reads what a trigger responds at once. What needs an execution's
// outcome comes from the runner (reply.go).
func newAnswer(r *schemas.Respond) answer {
	a := answer{status: 200, contentType: "application/json", thanks: true, message: "thank you"}
	if r == nil || r.When == "finished" {
		return a
	}
	if r.Status != 0 {
		a.status = r.Status
	}
	var text string
	switch isText := json.Unmarshal(r.Body, &text) == nil && len(r.Body) > 0 && r.Body[0] == '"'; {
	case len(r.Body) == 0 || string(r.Body) == "null":
	case isText:
		if len(text) > 1 && text[:2] == `\=` {
			text = text[1:]
		}
		a.thanks, a.body = false, []byte(text)
		if !json.Valid(a.body) {
			a.contentType = "text/plain; charset=utf-8"
		}
	default:
		a.thanks, a.body = false, r.Body
	}
	if r.ContentType != "" {
		a.contentType = r.ContentType
	}
	if a.status == 204 || a.status == 205 || a.status == 304 { // which have no body (RFC 9110, section 15)
		a.thanks, a.body, a.contentType = false, nil, ""
	}
	return a
}

func (a *answer) write(ctx *fasthttp.RequestCtx, id string) {
	response := &ctx.Response
	response.SetStatusCode(a.status)
	response.Header.Set(fiber.HeaderXRequestID, id)
	if a.contentType != "" {
		response.Header.SetContentType(a.contentType)
	}
	if !a.thanks {
		response.SetBodyRaw(a.body)
		return
	}
	response.AppendBodyString(`{"requestId":"`)
	response.AppendBodyString(id)
	response.AppendBodyString(`","message":"`)
	response.AppendBodyString(a.message)
	response.AppendBodyString(`"}`)
}

// guarded wraps the whole of the handling: Fiber answers an unknown method
// without asking anyone, and a panic would end the process.
func (e *Edge) guarded(handler fasthttp.RequestHandler) fasthttp.RequestHandler {
	known := map[string]bool{}
	for _, method := range fiber.DefaultMethods {
		known[method] = true
	}
	return func(ctx *fasthttp.RequestCtx) {
		defer func() {
			if c, ok := ctx.Conn().(*conn); ok {
				c.answered = true
			}
			if fault := recover(); fault != nil {
				e.log.Error("handling a request", "panic", fault, "stack", string(debug.Stack()))
				ctx.Response.Reset()
				e.refuseOther(ctx, &refusal{status: 500, reason: ReasonBroken, detail: "the hook could not be handled"})
			}
		}()
		if no := framing(&ctx.Request.Header); no != nil {
			e.refuseOther(ctx, no)
			return
		}
		if !known[string(ctx.Method())] {
			e.refuseOther(ctx, &refusal{status: 501, reason: ReasonMethod, detail: "this method is not known here"})
			return
		}
		handler(ctx)
	}
}

// failed answers what no handler took, and what fasthttp could not read.
func (e *Edge) failed(c *fiber.Ctx, err error) error {
	no := &refusal{status: 500, reason: ReasonBroken, detail: "the hook could not be handled"}
	var fiberError *fiber.Error
	if errors.As(err, &fiberError) {
		no = &refusal{status: 400, reason: ReasonBadRequest, detail: "this is not a request as HTTP wants it"}
		switch fiberError.Code {
		case 404, 405:
			no = noPath
		case 408, 502: // 502 is Fiber's word for a broken connection
			no = &refusal{status: 408, reason: ReasonTimeout, detail: "the request did not come in time"}
		case 413:
			no = &refusal{status: 413, reason: ReasonTooLarge, detail: fmt.Sprintf("the body is larger than %d bytes", e.options.MaxBody)}
		case 431:
			no = &refusal{status: 431, reason: ReasonTooLarge, detail: fmt.Sprintf("request line and headers are larger than %d bytes", e.options.MaxHeader)}
		}
	}
	e.refuseOther(c.Context(), no)
	return nil
}

// refuseOther answers a request that never became one for a flow.
func (e *Edge) refuseOther(ctx *fasthttp.RequestCtx, no *refusal) {
	writeRefusal(ctx, schemas.NewExecutionID(time.Now(), 0), no)
	ctx.SetConnectionClose()
	linger(ctx.Conn())
	e.metrics.finished(no.reason, no.status, 0, 0)
}
