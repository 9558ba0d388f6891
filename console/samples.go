package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/twmb/franz-go/pkg/kadm"

	"sluice/connectors/mapping"
	"sluice/schemas"
)

// Sample is data that a flow can be tried with.
type Sample struct {
	Step string          `json:"step" doc:"Where it stands: trigger, or a step's ID"`
	Data json.RawMessage `json:"data" doc:"The body, as expressions see it; of one that is cut, its text"`

	// What follows is of samples that were sent to a URL.
	Token      string    `json:"token,omitempty"`
	ReceivedAt time.Time `json:"receivedAt,omitzero"`
	// Hook is the request as expressions see it.
	Hook json.RawMessage `json:"hook,omitempty" doc:"The request as expressions see it: body, query, headers, method, path, files"`
	Size int64           `json:"size,omitempty" doc:"Of the body, in bytes"`
	Cut  bool            `json:"cut,omitempty" doc:"Whether the body is longer than the 256 KiB that are kept"`
}

// SampleURL is where a sample may be sent to, and the sample when it has come.
type SampleURL struct {
	Token     string    `json:"token"`
	Flow      string    `json:"flow"`
	URL       string    `json:"url" doc:"Takes one request, of any method and content type"`
	ExpiresAt time.Time `json:"expiresAt"`
	Status    string    `json:"status" enum:"waiting,received,expired"`
	Sample    *Sample   `json:"sample,omitempty"`
}

type sampleURLOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     SampleURL
}

type sampleInput struct {
	ID    string `path:"id" doc:"The flow's ID"`
	Token string `path:"token" doc:"As POST /flows/{id}/samples gave it"`
}

type sampleList struct {
	Body struct {
		Items []Sample `json:"items" nullable:"false"`
	}
}

// awaited remembers how far the topic was read for samples that are asked for
// again and again, and those that have come. It may forget at any time.
type awaited struct {
	mu    sync.Mutex
	known map[string]awaitedSample // by the ticket's ID
}

type awaitedSample struct {
	next   int64
	sample *schemas.Capture
}

func (c *Console) registerSamples(api huma.API) {
	huma.Register(api, op("list-samples", http.MethodGet, "/flows/{id}/samples", "Show the trigger's sample, and those sent to a sample's URL within the day", "flows", 404, 503), c.listSamples)
	create := op("create-sample", http.MethodPost, "/flows/{id}/samples", "Make a URL that takes one sample within 10 minutes, and makes no execution of it", "flows", 404, 503)
	create.DefaultStatus = http.StatusCreated
	huma.Register(api, create, c.createSample)
	huma.Register(api, op("get-sample", http.MethodGet, "/flows/{id}/samples/{token}", "Show the sample that was sent to a URL, when it has come", "flows", 404, 503), c.getSample)
}

// captures reads the topic captures; a problem when this console cannot.
func (c *Console) captures(ctx context.Context, flow string) (*schemas.CaptureReader, int32, error) {
	reader, n, err := c.allCaptures(ctx)
	if err != nil {
		return nil, 0, err
	}
	return reader, schemas.PartitionOf(flow, n), nil
}

// allCaptures is captures with the number of partitions.
func (c *Console) allCaptures(ctx context.Context) (*schemas.CaptureReader, int32, error) {
	if c.opts.Tokens == nil || c.opts.Seal == nil {
		return nil, 0, problem(http.StatusServiceUnavailable, "set SLUICE_SECRET_KEY", "this console has no key for what the edge keeps")
	}
	n, err := schemas.PartitionsOf(ctx, kadm.NewClient(c.producer), c.opts.Topics)
	if err == nil && n == 0 {
		err = fmt.Errorf("there is no topic %s", c.opts.Topics.Hooks())
	}
	if err != nil {
		return nil, 0, c.kafkaError(err)
	}
	return &schemas.CaptureReader{Client: c.producer, Topic: c.opts.Topics.Captures(), Seal: c.opts.Seal}, n, nil
}

// capturesTimeout bounds the reading of the topic captures.
const capturesTimeout = 10 * time.Second

func (c *Console) createSample(_ context.Context, in *flowInput) (*sampleURLOutput, error) {
	f, err := c.find(in.ID)
	if err != nil {
		return nil, err
	}
	if c.opts.Tokens == nil {
		return nil, problem(http.StatusServiceUnavailable, "set SLUICE_SECRET_KEY", "this console has no key for tokens")
	}
	ticket := schemas.NewSampleTicket(f.ID, time.Now())
	token := ticket.Token(c.opts.Tokens)
	out := &sampleURLOutput{Status: http.StatusCreated, Location: "/api/v1/flows/" + f.ID + "/samples/" + token}
	out.Body = SampleURL{Token: token, Flow: f.ID, URL: c.sampleURL(token), ExpiresAt: ticket.Until.UTC(), Status: "waiting"}
	return out, nil
}

func (c *Console) sampleURL(token string) string { return c.opts.PublicURL + "/sample/" + token }

func (c *Console) getSample(ctx context.Context, in *sampleInput) (*sampleURLOutput, error) {
	f, err := c.find(in.ID)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, capturesTimeout)
	defer cancel()
	reader, partition, err := c.captures(ctx, f.ID)
	if err != nil {
		return nil, err
	}
	ticket, ok := schemas.ReadSampleTicket(c.opts.Tokens, in.Token)
	if !ok || ticket.Flow != f.ID {
		return nil, problem(http.StatusNotFound, "POST /api/v1/flows/"+f.ID+"/samples makes one", "flow %s has no such sample", f.ID)
	}
	out := &sampleURLOutput{Status: http.StatusOK, Body: SampleURL{
		Token: in.Token, Flow: f.ID, URL: c.sampleURL(in.Token), ExpiresAt: ticket.Until.UTC(), Status: "waiting",
	}}
	capture, err := c.awaited.find(ctx, reader, ticket, partition)
	switch {
	case err != nil:
		return nil, c.kafkaError(err)
	case capture != nil:
		sample := c.sampleOf(capture, in.Token)
		out.Body.Status, out.Body.Sample = "received", &sample
	case time.Now().After(ticket.Until):
		out.Body.Status = "expired"
	}
	return out, nil
}

// find reads on where the last time ended.
func (a *awaited) find(ctx context.Context, reader *schemas.CaptureReader, ticket schemas.SampleTicket, partition int32) (*schemas.Capture, error) {
	a.mu.Lock()
	last := a.known[ticket.ID]
	a.mu.Unlock()
	if last.sample != nil {
		return last.sample, nil
	}
	sample, _, next, err := reader.Sample(ctx, ticket, partition, last.next)
	if err != nil {
		return nil, err
	}
	const most = 100
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known == nil || len(a.known) >= most {
		a.known = map[string]awaitedSample{}
	}
	a.known[ticket.ID] = awaitedSample{next, sample}
	return sample, nil
}

// sampleOf shows a captured sample as a flow's expressions would see it.
func (c *Console) sampleOf(capture *schemas.Capture, token string) Sample {
	h := &schemas.Hook{
		Kind: schemas.KindHook, Flow: capture.Flow, Time: capture.At, Method: capture.Method, Path: capture.Path, Query: capture.Query,
		Headers: map[string]string{}, ContentType: capture.ContentType, Body: capture.Body,
	}
	for _, header := range capture.Headers {
		if before, ok := h.Headers[header[0]]; ok {
			header[1] = before + ", " + header[1]
		}
		h.Headers[header[0]] = strings.ToValidUTF8(header[1], "\ufffd")
	}
	if !capture.Whole { // no parser would take its beginning
		h.ContentType = "text/plain"
		for n := 0; n < utf8.UTFMax-1 && len(h.Body) > 0 && !utf8.Valid(h.Body); n++ {
			h.Body = h.Body[:len(h.Body)-1]
		}
	}
	sample := Sample{Step: "trigger", Token: token, ReceivedAt: capture.At, Size: capture.Size, Cut: !capture.Whole, Data: json.RawMessage("null")}
	if c.opts.Envelope != nil {
		envelope := c.opts.Envelope(h)
		body, _ := envelope.Get("body")
		if text, err := mapping.Encode(body); err == nil {
			sample.Data = text
		}
		if text, err := mapping.Encode(envelope); err == nil {
			sample.Hook = text
		}
	}
	return sample
}

func (c *Console) listSamples(ctx context.Context, in *flowInput) (*sampleList, error) {
	f, err := c.find(in.ID)
	if err != nil {
		return nil, err
	}
	out := &sampleList{}
	out.Body.Items = []Sample{}
	var document schemas.Flow
	if json.Unmarshal(current(f), &document) == nil {
		if len(document.Trigger.Sample) > 0 {
			out.Body.Items = append(out.Body.Items, Sample{Step: triggerSample, Data: document.Trigger.Sample})
		}
		for i := range document.Steps {
			if s := &document.Steps[i]; len(s.Sample) > 0 {
				out.Body.Items = append(out.Body.Items, Sample{Step: s.ID, Data: s.Sample})
			}
		}
	}
	if c.opts.Seal == nil {
		return out, nil
	}
	ctx, cancel := context.WithTimeout(ctx, capturesTimeout)
	defer cancel()
	reader, partition, err := c.captures(ctx, f.ID)
	if err != nil {
		return nil, err
	}
	const most = 20
	captures, err := reader.Flow(ctx, f.ID, partition, most, schemas.CaptureSample)
	if err != nil {
		return nil, c.kafkaError(err)
	}
	seen := map[string]int{}
	for _, capture := range captures {
		sample := c.sampleOf(capture, "")
		if at, twice := seen[capture.ID]; twice { // of two at once, the first one is the sample
			out.Body.Items[at] = sample
			continue
		}
		seen[capture.ID] = len(out.Body.Items)
		out.Body.Items = append(out.Body.Items, sample)
	}
	return out, nil
}
