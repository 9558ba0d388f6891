// Package console is Sluice's private side: the HTTP API under /api/v1
// (OpenAPI 3.1 at /api/v1/openapi.json), what is happening now as server-sent
// events, health, metrics, and the web pages that are built into it. History is read from ClickHouse,
// flows and credentials from the control log, and commands go to executions
// through Kafka; when ClickHouse is away all but history goes on.
package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/connectors"
	"sluice/connectors/mapping"
	"sluice/connectors/oauth"
	"sluice/schemas"
	"sluice/schemas/blobs"
	"sluice/schemas/clickhouse"
	"sluice/schemas/control"
)

// DefaultAddr is where the private listener is unless configured otherwise:
// loopback only.
const DefaultAddr = "127.0.0.1:8090"

// Options says what a console works with. Control, Components, Mapping and
// Kafka are required.
type Options struct {
	// Addr to listen on, host:port; empty means DefaultAddr.
	Addr string
	// Listener is used in place of Addr when set; Run closes it.
	Listener net.Listener

	// Control must have been started.
	Control *control.Log
	// ClickHouse reads the run log's views. Nil answers 503 for history.
	ClickHouse driver.Conn
	// SQL runs the statements of POST /api/v1/query: a connection that can
	// change nothing (clickhouse.OpenReadOnly, with Truncate). Nil answers 503.
	SQL driver.Conn
	// Export is SQL for other formats than JSON; nil: there are none.
	Export *clickhouse.Exporter

	Components *connectors.Set
	Mapping    *mapping.Engine
	// Env is what verifying a credential and trying a step may use of the world.
	Env connectors.Env
	// Documents reads OpenAPI documents by URL: a guarded client that takes large answers. Nil: Env's.
	Documents *http.Client
	// OAuth opens credentials of OAuth 2; nil makes one over Control.
	OAuth *oauth.Tokens

	// Blobs is where large bodies are; nil: they cannot be downloaded.
	Blobs blobs.Store

	// Kafka holds the brokers' addresses and security, for commands and live events.
	Kafka  []kgo.Opt
	Topics schemas.Topics

	// PublicURL is where the edge is reached, such as https://hooks.example.com:
	// hook URLs begin with it.
	PublicURL string
	// Token is what /api/* demands as `Authorization: Bearer`. Empty: no
	// authentication, and only requests by a loopback name or an IP address are
	// answered; whether that is right for the listener is the caller's to decide.
	Token string

	// Health is what /api/v1/doctor reports and /readyz asks.
	Health []HealthCheck
	// Gatherer is what /metrics shows; nil: no /metrics.
	Gatherer prometheus.Gatherer
	// Registerer takes the account's metrics; nil: there are none.
	Registerer prometheus.Registerer
	// Rejected returns the last requests that the edge turned away from a flow,
	// without secrets, as something that encodes to JSON; nil: not known here.
	Rejected func(flowID string) any

	// Tokens and Seal are of the installation's secret key, for samples' URLs and
	// what the edge keeps of requests that are no hooks. Nil: there are none.
	Tokens *schemas.Tokens
	Seal   *schemas.Seal
	// Keys open and seal what executions of erasable flows write.
	Keys *schemas.Keys
	// Edge is the edge in this process; nil: nothing that it kept can be accepted.
	Edge Edge
	// Envelope is a hook, its body at hand, as expressions see it.
	Envelope func(*schemas.Hook) *mapping.Object
	// Place finds the shards of hooks that are sent again, where the flow has any.
	Place schemas.Placing

	Logger *slog.Logger
}

// HealthCheck is one thing that Sluice depends on.
type HealthCheck struct {
	Name string
	// Check returns nil when all is well, and soon after ctx ends.
	Check func(ctx context.Context) error
	// Remedy is what to do when it is not.
	Remedy string
	// Optional: the console is ready without it.
	Optional bool
}

// Console is the API. It is safe for concurrent use.
type Console struct {
	opts    Options
	log     *slog.Logger
	handler http.Handler
	openapi *huma.OpenAPI
	live    *live
	tails   *tails
	// writing keeps an apply, and a credential's two writes, in one piece
	// within this process; between processes the revisions decide.
	writing sync.Mutex
	// producer appends commands; set by Run before the first request.
	producer   *kgo.Client
	stopping   chan struct{}
	awaited    awaited
	accountant *accountant
}

// New makes a console. It does no I/O.
func New(opts Options) *Console {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Topics.Prefix == "" {
		opts.Topics = schemas.DefaultTopics
	}
	if opts.Documents == nil {
		opts.Documents = opts.Env.HTTP
	}
	if opts.OAuth == nil {
		opts.OAuth = oauth.New(opts.Control, opts.Env)
	}
	opts.PublicURL = strings.TrimRight(opts.PublicURL, "/")
	c := &Console{opts: opts, log: opts.Logger, stopping: make(chan struct{})}
	c.accountant = newAccountant(opts.Registerer)
	c.live = newLive(opts.Kafka, opts.Topics, opts.Logger)
	c.live.keys = opts.Keys
	c.tails = newTails(c.live)
	c.handler = c.routes()
	return c
}

// Run listens and serves until ctx ends, then lets what is being answered end
// within 10 s. It returns nil after that.
func (c *Console) Run(ctx context.Context) error {
	producer, err := kgo.NewClient(append(slices.Clone(c.opts.Kafka),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0),
		kgo.RecordDeliveryTimeout(10*time.Second),
		kgo.ProducerBatchMaxBytes(schemas.MaxRecordBytes-1<<10),
	)...)
	if err != nil {
		return fmt.Errorf("configuring the console's Kafka client: %w", err)
	}
	defer producer.Close()
	c.producer = producer

	listener := c.opts.Listener
	if listener == nil {
		addr := c.opts.Addr
		if addr == "" {
			addr = DefaultAddr
		}
		if listener, err = net.Listen("tcp", addr); err != nil {
			return fmt.Errorf("listening for the console (choose another address by SLUICE_CONSOLE_ADDR): %w", err)
		}
	}
	server := &http.Server{
		Handler:           c.handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(c.log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	if c.opts.ClickHouse != nil {
		accounting, stop := context.WithCancel(ctx)
		defer stop()
		go c.keepAccounts(accounting)
	}
	go func() { failed <- server.Serve(listener) }()
	c.log.Info("console listening", "addr", listener.Addr().String())

	select {
	case err := <-failed:
		return fmt.Errorf("serving the console: %w", err)
	case <-ctx.Done():
	}
	close(c.stopping) // live streams have no end of their own
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("closing the console: %w", err)
	}
	_ = server.Close()
	return nil
}

// hookURL is where a flow takes its hooks.
func (c *Console) hookURL(flow string) string { return c.opts.PublicURL + "/hook/" + flow }
