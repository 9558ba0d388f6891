package ingest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/valyala/fasthttp"

	"sluice/schemas"
)

// bodyPatience is how long a request that is refused before its body came may
// take to send it: its owner may want to accept it later.
const bodyPatience = 500 * time.Millisecond

// reject keeps a refused request for the flow's owner: what may be shown of it
// in this process, and, within bounds, the whole of it in the topic captures,
// sealed, so that it can be accepted when its cause is mended.
func (e *Edge) reject(r *request, no *refusal) {
	if r.again || !e.rejected.add(r.flow.entry.ID, r.rejection(no)) || e.options.Seal == nil {
		return
	}
	switch no.reason {
	case ReasonUnavailable, ReasonFull, ReasonTimeout: // of passing causes; and Kafka may be away
		return
	}
	shown := r.rejection(no)
	c := &schemas.Capture{
		Kind: schemas.CaptureRejected, ID: r.id.String(), Flow: r.flow.entry.ID, At: r.began.UTC(), From: r.http.RemoteAddr().String(),
		Method: shown.Method, Path: string(r.http.URI().PathOriginal()), Query: string(r.http.URI().QueryString()),
		ContentType: string(r.http.Request.Header.ContentType()),
		Status:      no.status, Reason: string(no.reason), Detail: shown.Detail, Shown: shown.Headers, Size: int64(shown.Bytes),
	}
	for name, value := range r.http.Request.Header.All() {
		c.Headers = append(c.Headers, [2]string{string(name), string(value)})
	}
	if length := r.http.Request.Header.ContentLength(); length > 0 {
		c.Size = int64(length)
	}
	if body, whole := e.wholeBody(r); whole {
		c.Body, c.Size, c.Whole = bytes.Clone(body), int64(len(body)), true
	}
	record, err := c.Record(e.options.Seal, schemas.PartitionOf(r.flow.entry.ID, e.options.Partitions))
	if err != nil {
		e.log.Error("keeping a rejected request", "flow", c.Flow, "error", err)
		return
	}
	record.Topic = e.options.Topics.Captures()
	e.keeping.Add(1)
	e.producer.client.TryProduce(context.Background(), record, func(_ *kgo.Record, err error) {
		e.keeping.Add(-1)
		if err != nil {
			e.log.Debug("keeping a rejected request", "flow", c.Flow, "error", err)
		}
	})
}

// wholeBody is the body as it came over the wire, if that is at hand, or comes
// soon, and may be kept.
func (e *Edge) wholeBody(r *request) (body []byte, whole bool) {
	length := r.http.Request.Header.ContentLength() // -1: chunked; -2: none
	if r.delivery == nil && length > 0 {
		r.body = e.late(r)
		r.read = r.body != nil
	}
	if list, known := encodings(&r.http.Request.Header); !known || len(list) > 0 {
		return nil, false // decoded, or not read
	}
	if r.upload != nil && r.upload.encoded {
		return nil, false // what is at hand is not what was sent
	}
	body = r.atHand()
	return body, len(body) <= schemas.MaxCapturedBody && (r.read || length == 0 || length == -2)
}

// late reads the body of a request that was refused without it. Nil: it is too
// large to be kept, or does not come soon.
func (e *Edge) late(r *request) []byte {
	length := r.http.Request.Header.ContentLength()
	stream := r.http.RequestBodyStream()
	if stream == nil || length <= 0 || length > schemas.MaxCapturedBody || !e.bodies.take(length) {
		return nil
	}
	defer e.bodies.release(length)
	if length > prefetched {
		if r.http.Conn().SetReadDeadline(time.Now().Add(bodyPatience)) != nil {
			return nil
		}
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(stream, body); err != nil {
		return nil
	}
	return body
}

// Settle waits, briefly, until the requests that this edge has refused so far
// are in the topic captures.
func (e *Edge) Settle(ctx context.Context) {
	for range 100 {
		if e.keeping.Load() == 0 {
			return
		}
		select {
		case <-time.After(2 * time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
}

// Unacceptable is the error of a rejected request that stays rejected.
type Unacceptable struct {
	Status         int // as HTTP has it
	Detail, Remedy string
}

// Error is the detail and the remedy.
func (u *Unacceptable) Error() string {
	if u.Remedy == "" {
		return u.Detail
	}
	return u.Detail + "; " + u.Remedy
}

// Accept makes a hook of a request that a flow has rejected, once the cause is
// mended: it has to pass everything that it had to pass when it came, by the
// flow and the credential as they are now and the clock as it was then. Only
// the flow's rate does not count. It returns when Kafka has the hook. The error
// is an *Unacceptable, or one of Kafka. Safe for concurrent use; of two calls
// for one request in this process the second fails.
func (e *Edge) Accept(ctx context.Context, flowID, requestID string) (schemas.ExecutionID, error) {
	var none schemas.ExecutionID
	e.accepting.Lock()
	defer e.accepting.Unlock()
	e.Settle(ctx)
	partition := schemas.PartitionOf(flowID, e.options.Partitions)
	reader := &schemas.CaptureReader{Client: e.producer.client, Topic: e.options.Topics.Captures(), Seal: e.options.Seal}
	list, err := reader.Flow(ctx, flowID, partition, 10_000, schemas.CaptureRejected, schemas.CaptureAccepted)
	if err != nil {
		return none, err
	}
	c, err := acceptable(list, flowID, requestID)
	if err != nil {
		return none, err
	}
	r := e.again(c)
	e.startSpan(r)
	defer r.trace.End()
	refusal := e.take(r)
	if r.upload != nil {
		r.upload.end()
	}
	e.letGo(r)
	defer e.producer.release(r.delivery)
	if err := r.stays(refusal, flowID); err != nil {
		return none, err
	}
	mark := &schemas.Capture{Kind: schemas.CaptureAccepted, ID: requestID, Flow: flowID, At: r.began.UTC(), Execution: r.idText}
	record, err := mark.Record(e.options.Seal, partition)
	if err == nil {
		record.Topic = e.options.Topics.Captures()
		err = e.producer.client.ProduceSync(ctx, record).FirstErr()
	}
	if err != nil { // the hook is there all the same
		e.log.Warn("noting that a rejected request was accepted", "flow", flowID, "request", requestID, "error", err)
	}
	e.log.Info("a rejected request was accepted", "flow", flowID, "request", requestID, "execution", r.idText)
	return r.id, nil
}

// acceptable is the rejected request with an ID, if it can be sent through the edge again.
func acceptable(list []*schemas.Capture, flowID, requestID string) (*schemas.Capture, error) {
	at := slices.IndexFunc(list, func(c *schemas.Capture) bool { return c.ID == requestID && c.Kind == schemas.CaptureRejected })
	if at < 0 {
		return nil, &Unacceptable{http.StatusNotFound, fmt.Sprintf("flow %s has no rejected request %s", flowID, requestID), "they are kept for a day"}
	}
	for _, other := range list {
		if other.Kind == schemas.CaptureAccepted && other.ID == requestID {
			return nil, &Unacceptable{http.StatusConflict, "it was accepted before, as execution " + other.Execution, ""}
		}
	}
	if !list[at].Whole {
		return nil, &Unacceptable{http.StatusConflict, "its body was not kept: it is larger than 256 KiB, or did not come", "let its sender send it again"}
	}
	return list[at], nil
}

// stays says why a request that was sent through the edge again stays
// rejected; nil when it does not.
func (r *request) stays(refusal *refusal, flowID string) error {
	switch {
	case refusal == notRunning:
		return &Unacceptable{http.StatusConflict, "flow " + flowID + " is not running", "start it first"}
	case refusal != nil && refusal.status == http.StatusServiceUnavailable:
		return &Unacceptable{refusal.status, refusal.detail, ""}
	case refusal != nil:
		why := refusal.detail
		if refusal.cause != "" {
			why = refusal.cause
		}
		return &Unacceptable{http.StatusConflict, "the cause is not mended: " + why, "mend it, and accept it then"}
	case r.greeting != nil:
		return &Unacceptable{http.StatusConflict, "it is a handshake, and would make no execution", ""}
	}
	return nil
}

// Explain says, without making a hook of it, why a rejected request would stay
// rejected if it were accepted now; nil when it would be taken. The errors are
// Accept's.
func (e *Edge) Explain(ctx context.Context, flowID, requestID string) error {
	reader := &schemas.CaptureReader{Client: e.producer.client, Topic: e.options.Topics.Captures(), Seal: e.options.Seal}
	list, err := reader.Flow(ctx, flowID, schemas.PartitionOf(flowID, e.options.Partitions), 10_000, schemas.CaptureRejected, schemas.CaptureAccepted)
	if err != nil {
		return err
	}
	c, err := acceptable(list, flowID, requestID)
	if err != nil {
		return err
	}
	r := e.again(c)
	r.looking = true
	e.startSpan(r)
	defer r.trace.End()
	refusal := e.take(r)
	if r.upload != nil {
		r.upload.end()
	}
	e.letGo(r)
	defer e.producer.release(r.delivery)
	return r.stays(refusal, flowID)
}

// again is a captured request as it came.
func (e *Edge) again(c *schemas.Capture) *request {
	var message fasthttp.Request
	message.Header.SetMethod(c.Method)
	target := c.Path
	if c.Query != "" {
		target += "?" + c.Query
	}
	message.SetRequestURI(target)
	for _, h := range c.Headers {
		message.Header.Add(h[0], h[1])
	}
	if len(c.Body) > 0 {
		message.SetBodyStream(bytes.NewReader(c.Body), len(c.Body))
	}
	ctx := &fasthttp.RequestCtx{}
	ctx.Init2(&formerConn{from: c.From}, nil, false)
	message.CopyTo(&ctx.Request)
	if len(c.Body) > 0 {
		ctx.Request.SetBodyStream(bytes.NewReader(c.Body), len(c.Body))
	}
	return &request{http: ctx, began: time.Now(), sent: c.At, again: true}
}

// formerConn stands for the connection of a request that is long answered.
type formerConn struct {
	net.Conn // nil: nothing is read or written
	from     string
}

func (c *formerConn) RemoteAddr() net.Addr {
	addr, err := net.ResolveTCPAddr("tcp", c.from) // numbers: nothing is looked up
	if err != nil {
		return &net.TCPAddr{}
	}
	return addr
}

func (c *formerConn) LocalAddr() net.Addr             { return &net.TCPAddr{} }
func (c *formerConn) SetReadDeadline(time.Time) error { return nil }
func (c *formerConn) Close() error                    { return nil }

// RunBehind is Run without a listener: an edge in a process that takes no
// hooks, for Accept. It works once Ready is closed.
func (e *Edge) RunBehind(ctx context.Context) error {
	if err := e.options.check(); err != nil {
		return err
	}
	producer, err := newProducer(&e.options)
	if err != nil {
		return err
	}
	defer producer.client.Close()
	e.producer = producer
	watching := make(chan struct{})
	defer close(watching)
	go producer.watch(watching)
	close(e.ready)
	<-ctx.Done()
	return nil
}
