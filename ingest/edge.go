// Package ingest is the edge: it accepts hooks on the public listener,
// authenticates their raw bytes, and appends them to the topic hooks. It
// answers 2xx only after Kafka has acknowledged with acks=all. Begin with
// hook.go.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"

	"sluice/schemas"
	"sluice/schemas/blobs"
)

// Catalog is what the edge asks of the control log. It is called for every
// request, concurrently; entries and maps are immutable, and a changed secret
// is a new map.
type Catalog interface {
	Flow(id string) *schemas.FlowEntry
	Credential(id string) *schemas.CredentialEntry
	Secret(credentialID string) map[string]string
	// Offset is the next offset of the control log to be read.
	Offset() int64
}

// Options says how an Edge works. Zero values have the defaults named here.
type Options struct {
	Addr     string       // what to listen on, such as ":8080"; port 0 picks one
	Listener net.Listener // used instead of Addr when given; Run closes it

	// PublicURL is the scheme and host that senders know, such as
	// https://hooks.example.com, and the path before /hook if there is one, for
	// signatures that cover the URL.
	PublicURL string
	// TrustedProxies are the peers whose X-Forwarded-Proto, X-Forwarded-Host
	// and Forwarded say what URL the sender called, where PublicURL is empty.
	TrustedProxies []netip.Prefix
	// Certificates is where senders' certificates come from, by default the
	// address that a request names and its scheme allows.
	Certificates *Certificates

	// Tokens and Seal are of the installation's secret key: for samples, and for
	// what is kept of rejected requests. Nil: neither is kept.
	Tokens *schemas.Tokens
	Seal   *schemas.Seal

	// Keys seal the hooks of erasable flows; nil: such hooks are refused.
	Keys *schemas.Keys

	// Place finds the shards of hooks whose flows have shards and a key that says
	// which (processors/run, Shards); nil: such hooks are refused.
	Place schemas.Placing

	Catalog    Catalog        // required
	Kafka      []kgo.Opt      // how to reach the brokers: seeds, TLS, SASL
	Topics     schemas.Topics // default schemas.DefaultTopics
	Partitions int32          // of the topic hooks; required

	// Blobs is where bodies over schemas.MaxInlineBody and files go.
	Blobs blobs.Store

	MaxBody        int // bytes of a body that is read, default 10 MiB
	MaxFile        int // bytes of a file, default 100 MiB
	MaxHeader      int // bytes of request line and headers, default 16 KiB
	MaxDepth       int // nesting of JSON and XML, default 512
	MaxConnections int // open at once, default 20,000

	MaxBufferedRecords int // hooks that wait for Kafka, default 50,000
	MaxBufferedBytes   int // bodies being read, and again bodies that wait for Kafka; default 128 MiB

	// MaxFlowBytes is how much of the memory for bodies one flow may hold, from
	// the reading until Kafka has its hooks; default a quarter of MaxBufferedBytes,
	// and at least two of the largest bodies.
	MaxFlowBytes int

	ReadTimeout  time.Duration // for headers and the body's first 8 KiB, default 15 s; the rest must come at 64 KiB/s or faster
	WriteTimeout time.Duration // for an answer, default 15 s
	IdleTimeout  time.Duration // between two requests of a connection, default 60 s
	DrainTimeout time.Duration // for requests in flight when Run ends, default 10 s
	// DeliveryTimeout is how long Kafka may take to acknowledge, default 1.5 s.
	// 200 ms later the sender has its 503.
	DeliveryTimeout time.Duration

	// ReplyTimeout is how long a sender waits for a flow's own answer before it
	// gets 202 and where to fetch it, default 25 s.
	ReplyTimeout time.Duration

	RejectedPerFlow int // rejected requests kept per flow, default 50
	RejectedFlows   int // flows they are kept for, default 500

	Registerer prometheus.Registerer // none: metrics are not exposed
	Logger     *slog.Logger          // default slog.Default()
}

func (o Options) withDefaults() Options {
	number := func(v *int, n int) {
		if *v <= 0 {
			*v = n
		}
	}
	duration := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	number(&o.MaxBody, 10<<20)
	number(&o.MaxFile, 100<<20)
	number(&o.MaxHeader, 16<<10)
	number(&o.MaxDepth, 512)
	number(&o.MaxConnections, 20_000)
	number(&o.MaxBufferedRecords, 50_000)
	number(&o.MaxBufferedBytes, 128<<20)
	number(&o.MaxFlowBytes, max(o.MaxBufferedBytes/4, 2*o.MaxBody))
	number(&o.RejectedPerFlow, 50)
	number(&o.RejectedFlows, 500)
	duration(&o.ReadTimeout, 15*time.Second)
	duration(&o.WriteTimeout, 15*time.Second)
	duration(&o.IdleTimeout, time.Minute)
	duration(&o.DrainTimeout, 10*time.Second)
	duration(&o.DeliveryTimeout, 1500*time.Millisecond)
	duration(&o.ReplyTimeout, 25*time.Second)
	if o.Topics.Prefix == "" {
		o.Topics = schemas.DefaultTopics
	}
	if o.Certificates == nil {
		o.Certificates = NewCertificates(nil, nil)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Edge accepts hooks. Make one with New and let it work with Run.
type Edge struct {
	options  Options
	log      *slog.Logger
	tracer   trace.Tracer
	metrics  *metrics
	rejected *rejections
	bodies   budget       // memory for bodies that are being read
	keeping  atomic.Int64 // rejected requests on their way to the topic captures
	flows    sync.Map     // flow ID → *flow: what flow.go has made ready

	accepting sync.Mutex // held while a rejected request is accepted

	producer *producer // set by Run before it listens
	replies  *replies  // the same
	listener atomic.Pointer[listener]

	ready chan struct{}
	addr  net.Addr // set before ready is closed
}

// New makes an edge. It does no I/O.
func New(options Options) *Edge {
	options = options.withDefaults()
	e := &Edge{
		options:  options,
		log:      options.Logger,
		tracer:   otel.Tracer("sluice/ingest"),
		rejected: newRejections(options.RejectedPerFlow, options.RejectedFlows),
		bodies:   budget{limit: int64(options.MaxBufferedBytes)},
		ready:    make(chan struct{}),
	}
	e.metrics = newMetrics(options.Registerer, e)
	return e
}

// Ready is closed as soon as connections are accepted.
func (e *Edge) Ready() <-chan struct{} { return e.ready }

// Addr is where the edge listens. It may be called once Ready is closed.
func (e *Edge) Addr() net.Addr { return e.addr }

// Rejected lists the last rejected requests of a flow, newest first, without
// secrets. It is of this process only, and forgotten when it ends. Safe for
// concurrent use.
func (e *Edge) Rejected(flowID string) []Rejection { return e.rejected.of(flowID) }

// Run serves until ctx is cancelled, and then ends gracefully: it accepts no
// further connections, lets the requests in flight finish for at most
// DrainTimeout, and flushes what Kafka has not acknowledged. It may be called
// once. The error is nil after a graceful end.
func (e *Edge) Run(ctx context.Context) error {
	if err := e.options.check(); err != nil {
		return err
	}
	producer, err := newProducer(&e.options)
	if err != nil {
		return err
	}
	defer producer.client.Close()
	e.producer = producer
	if e.replies, err = newReplies(&e.options); err != nil {
		return err
	}
	defer e.replies.close()
	reading, stopReading := context.WithCancel(context.WithoutCancel(ctx))
	defer stopReading()
	go e.replies.run(reading)
	e.metrics.watch(producer)

	inner := e.options.Listener
	if inner == nil {
		if inner, err = net.Listen("tcp", e.options.Addr); err != nil {
			return fmt.Errorf("listening for hooks on %s: %w", e.options.Addr, err)
		}
	}
	listener := &listener{Listener: inner, patience: patience{e.options.ReadTimeout, e.options.WriteTimeout, e.options.IdleTimeout}}
	e.listener.Store(listener)
	listener.clock.Store(time.Now().UnixNano())
	watching := make(chan struct{})
	defer close(watching)
	go listener.watch(watching)
	go producer.watch(watching)
	app := e.app()
	e.addr = inner.Addr()
	close(e.ready)

	served := make(chan error, 1)
	go func() { served <- app.Listener(listener) }()
	select {
	case err := <-served:
		listener.closeAll()
		return fmt.Errorf("serving hooks: %w", errors.Join(err, errors.New("the listener ended")))
	case <-ctx.Done():
	}

	close(e.replies.ended)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.options.DrainTimeout)
	defer cancel()
	if err := app.ShutdownWithContext(drain); err != nil {
		e.log.Warn("ending the edge: requests were cut off", "after", e.options.DrainTimeout, "error", err)
	}
	if err := producer.client.Flush(drain); err != nil {
		e.log.Warn("ending the edge: hooks without an answer were given up", "hooks", producer.client.BufferedProduceRecords())
	}
	listener.closeAll()
	<-served
	return nil
}

func (o *Options) check() error {
	switch {
	case o.Catalog == nil:
		return errors.New("starting the edge: Options.Catalog is missing")
	case o.Partitions <= 0:
		return fmt.Errorf("starting the edge: Options.Partitions is %d, want the number of partitions of %s", o.Partitions, o.Topics.Hooks())
	case o.MaxBody > schemas.MaxRecordBytes-recordOverhead:
		return fmt.Errorf("starting the edge: Options.MaxBody is %d, want at most %d, which is what a record may hold", o.MaxBody, schemas.MaxRecordBytes-recordOverhead)
	}
	return nil
}

func (e *Edge) app() *fiber.App {
	app := fiber.New(fiber.Config{
		DisableStartupMessage: true,
		CaseSensitive:         true,
		StrictRouting:         true,
		// Timeouts are the listener's (watch.go). The handler decides before the
		// body is read whether it wants it.
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true,
		BodyLimit:                    e.options.MaxBody,
		ReadBufferSize:               e.options.MaxHeader,
		Concurrency:                  e.options.MaxConnections,
		ErrorHandler:                 e.failed,
	})
	app.All("/hook/*", e.hook)
	app.All("/sample/*", e.sample)
	app.All(schemas.CallbackPath+"*", e.callback)
	app.Get("/reply/:partition/:execution", e.lateReply)
	app.Get("/livez", func(c *fiber.Ctx) error { return c.SendString("ok\n") })

	server := app.Server()
	server.CloseOnShutdown = true
	server.Handler = e.guarded(server.Handler)
	return app
}
