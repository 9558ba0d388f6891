package ingest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/gofiber/fiber/v2"

	"sluice/schemas"
)

var (
	noSample      = &refusal{status: 404, reason: ReasonNotFound, detail: "this is no URL for a sample"}
	sampleExpired = &refusal{status: 410, reason: ReasonNotFound, detail: "this URL was good for 10 minutes: ask for another one"}
	sampleTaken   = &refusal{status: 410, reason: ReasonNotFound, detail: "this URL has had its sample: ask for another one"}
)

// sample answers ANY /sample/TOKEN[/any/suffix]: the first request that comes
// within the token's time is kept for the flow that is being built, whatever it
// is, and makes no execution. Any edge can answer: the token says what it is
// for, and the topic which request was the first.
func (e *Edge) sample(c *fiber.Ctx) error {
	r := request{http: c.Context(), began: c.Context().Time()}
	r.id = schemas.NewExecutionID(r.began, 0)
	r.idText = r.id.String()
	refusal := e.takeSample(&r)
	e.letGo(&r)
	if refusal != nil {
		e.refuse(&r, refusal)
	} else {
		thanks := newAnswer(nil)
		thanks.write(r.http, r.idText)
	}
	reason := ReasonSample
	if refusal != nil {
		reason = refusal.reason
	}
	e.metrics.finished(reason, r.http.Response.StatusCode(), time.Since(r.began), len(r.body))
	return nil
}

// sampleReading bounds the search for a sample that came before.
const sampleReading = 5 * time.Second

func (e *Edge) takeSample(r *request) *refusal {
	token, suffix, _ := bytes.Cut(bytes.TrimPrefix(r.http.URI().PathOriginal(), []byte("/sample/")), []byte("/"))
	if e.options.Tokens == nil || e.options.Seal == nil {
		return noSample
	}
	ticket, ok := schemas.ReadSampleTicket(e.options.Tokens, string(token))
	switch {
	case !ok:
		return noSample
	case r.began.After(ticket.Until):
		return sampleExpired
	}
	ctx, cancel := context.WithTimeout(context.Background(), sampleReading)
	defer cancel()
	partition := schemas.PartitionOf(ticket.Flow, e.options.Partitions)
	reader := &schemas.CaptureReader{Client: e.replies.reader, Topic: e.options.Topics.Captures(), Seal: e.options.Seal}
	before, _, next, err := reader.Sample(ctx, ticket, partition, 0)
	switch {
	case err != nil:
		e.log.Warn("looking for a sample", "flow", ticket.Flow, "error", err)
		return unavailable
	case before != nil:
		return sampleTaken
	case r.http.IsHead():
		return flowRuns
	}
	body, size, no := e.beginning(r, schemas.MaxCapturedBody)
	if no != nil {
		return no
	}
	capture := &schemas.Capture{
		Kind: schemas.CaptureSample, ID: ticket.ID, Flow: ticket.Flow, At: r.began.UTC(),
		Method: string(r.http.Method()), Path: "/hook/" + ticket.Flow, Query: string(r.http.URI().QueryString()),
		ContentType: string(r.http.Request.Header.ContentType()), Body: body, Size: size, Whole: int64(len(body)) == size,
	}
	if len(suffix) > 0 {
		capture.Path += "/" + string(suffix)
	}
	kept, _ := (&lock{kind: "none"}).keptHeaders(&r.http.Request.Header, nil, nil)
	for _, h := range kept {
		capture.Headers = append(capture.Headers, [2]string{string(h.name), string(h.value)})
	}
	record, err := capture.Record(e.options.Seal, partition)
	if err != nil {
		e.log.Error("keeping a sample", "flow", ticket.Flow, "error", err)
		return unavailable
	}
	record.Topic = e.options.Topics.Captures()
	if err := e.producer.client.ProduceSync(ctx, record).FirstErr(); err != nil {
		e.log.Warn("keeping a sample", "flow", ticket.Flow, "error", err)
		return unavailable
	}
	// Of two that came at once, the first in the topic is the sample.
	if _, offset, _, err := reader.Sample(ctx, ticket, partition, next); err == nil && offset != record.Offset {
		return sampleTaken
	}
	return nil
}

// beginning reads a body to its end and keeps its beginning.
func (e *Edge) beginning(r *request, most int) (kept []byte, size int64, no *refusal) {
	http := r.http
	length := int64(http.Request.Header.ContentLength()) // -1: chunked; -2: none
	limit := int64(maxFile)
	tooLarge := &refusal{status: 413, reason: ReasonTooLarge, detail: "the body is larger than what a flow takes"}
	stream := http.RequestBodyStream()
	switch {
	case length > limit:
		return nil, 0, tooLarge
	case stream == nil || length == 0:
		return nil, 0, nil
	}
	e.pace(r, 0)
	if no := e.hold(r, most); no != nil {
		return nil, 0, no
	}
	wire := &counted{from: stream, pace: func(came int64) { e.pace(r, came) }}
	var body io.Reader = wire
	list, known := encodings(&http.Request.Header)
	if known && len(list) > 0 {
		if no := e.hold(r, len(list)*decoderMemory); no != nil {
			return nil, 0, no
		}
		decoded, release, err := decode(wire, list)
		defer release()
		if err != nil {
			return nil, 0, notDecoded
		}
		body = decoded
	}
	var buffer bytes.Buffer
	size, err := io.CopyN(&buffer, body, int64(most))
	if err == nil {
		var rest int64
		rest, err = io.CopyN(io.Discard, body, limit+1-size)
		size += rest
	}
	// What comes behind is the sender's still.
	_, rest := io.CopyN(io.Discard, wire, limit+1-wire.n)
	switch {
	case size > limit || wire.n > limit:
		return nil, size, tooLarge
	case wire.err != nil:
		return nil, size, slow(wire.err)
	case err != nil && !errors.Is(err, io.EOF):
		return nil, size, notDecoded
	case rest != nil && !errors.Is(rest, io.EOF):
		return nil, size, slow(rest)
	case length >= 0 && wire.n < length:
		return nil, size, slow(io.ErrUnexpectedEOF)
	}
	r.body, r.read = buffer.Bytes(), true
	return r.body, size, nil
}

// counted counts what is read, and keeps what went wrong.
type counted struct {
	from io.Reader
	pace func(came int64)
	n    int64
	err  error
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.from.Read(b)
	c.n += int64(n)
	c.pace(c.n)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// maxFile is the largest body, in bytes, of which a sample is taken.
const maxFile = 100 << 20
