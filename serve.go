package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/connectors"
	"sluice/connectors/all"
	"sluice/connectors/mapping"
	"sluice/connectors/oauth"
	"sluice/connectors/openapi"
	"sluice/connectors/outgoing"
	"sluice/console"
	"sluice/console/cli"
	"sluice/ingest"
	"sluice/processors/alerts"
	"sluice/processors/erase"
	"sluice/processors/replay"
	"sluice/processors/run"
	"sluice/processors/runlog"
	"sluice/processors/trigger"
	"sluice/schemas"
	"sluice/schemas/blobs"
	"sluice/schemas/clickhouse"
	"sluice/schemas/control"
)

var roles = []string{"ingest", "run", "runlog", "replay", "console"}

// sqlLimits bound a statement that somebody typed.
var sqlLimits = clickhouse.Limits{Time: 30 * time.Second, Rows: 10_000, Truncate: true, Memory: 2 << 30}

// exportLimits bound a statement whose result is a file.
var exportLimits = clickhouse.Limits{Time: 60 * time.Second, Rows: 1_000_000, Bytes: 256 << 20, Memory: 2 << 30}

// selectionLimits bound the statement that selects a replay's hooks.
var selectionLimits = clickhouse.Limits{Time: time.Minute, Rows: schemas.MaxSelected + 1, Memory: 4 << 30}

func serveCommand() *cobra.Command {
	var chosen []string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run any set of roles against Kafka and ClickHouse clusters",
		Long: "Runs the roles ingest (the public listener), run (flows), runlog (history into ClickHouse) and\n" +
			"console (API, metrics and health on the private listener), replay (sends recorded hooks again, in a\n" +
			"lane of its own). Several processes of one role share the work.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, r := range chosen {
				if !slices.Contains(roles, r) {
					return cli.UsageError(fmt.Errorf("there is no role %q: choose from %s", r, strings.Join(roles, ", ")))
				}
			}
			c, err := readConfig(cmd.Flags())
			if err != nil {
				return err
			}
			if slices.Contains(chosen, "console") && c.APIToken == "" {
				return errors.New("SLUICE_API_TOKEN is not set: outside dev the API demands a token; make one with `openssl rand -hex 32`")
			}
			if (slices.Contains(chosen, "runlog") || slices.Contains(chosen, "console") || slices.Contains(chosen, "replay")) && c.ClickHouseURL == "" {
				return errors.New("SLUICE_CLICKHOUSE_URL is not set: give ClickHouse's address, such as http://clickhouse:8123/default, or use `sluice dev`, which brings its own")
			}
			return serve(cmd.Context(), c, served{roles: chosen, replication: safe})
		},
	}
	cmd.Flags().StringSliceVar(&chosen, "roles", roles, "what this process does")
	addSettings(cmd.Flags())
	return cmd
}

// served says how a process differs from another.
type served struct {
	roles       []string
	replication schemas.Replication
	dev         bool
	// backgroundURL is ClickHouse's for what may be late; empty: as any other's.
	backgroundURL string
	// ready is called once every role works; nil: nobody waits.
	ready func(ctx context.Context, p *process) error
}

// process is what the roles of one process share.
type process struct {
	served
	config     *config
	log        *slog.Logger
	registry   *prometheus.Registry
	kafka      []kgo.Opt
	partitions int32
	control    *control.Log
	components *connectors.Set
	tokens     *schemas.Tokens
	mapping    *mapping.Engine
	shards     *run.Shards // made when it is first asked for
	env        connectors.Env
	live       run.Live
	oauth      *oauth.Tokens
	documents  *http.Client // reads OpenAPI documents, which may be large
	blobs      blobs.Store
	history    driver.Conn
	reader     driver.Conn // what people ask runs on it; nil without the role console
	background driver.Conn // history for what nobody waits for
	edge       *ingest.Edge
	instance   string
	seal       *schemas.Seal
	keys       *schemas.Keys
	migrated   bool // the run log's tables are there
	listeners  map[string]net.Listener
}

// serve runs until ctx ends, then drains: the edge first, the console last.
func serve(ctx context.Context, c *config, as served) error {
	log, err := newLogger(c.LogLevel)
	if err != nil {
		return err
	}
	stopTracing, err := startTracing(ctx)
	if err != nil {
		return err
	}
	defer stopTracing()
	p := &process{served: as, config: c, log: log, registry: prometheus.NewRegistry(), listeners: map[string]net.Listener{}}
	p.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	defer p.close()
	if err := p.listen(); err != nil {
		return err
	}
	if err := p.connect(ctx); err != nil {
		return err
	}
	// The log is followed to the very end, while the roles drain.
	following, stopFollowing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopFollowing()
	if err := p.control.Start(following); err != nil {
		return err
	}
	instance, release, err := c.instance()
	if err != nil {
		return err
	}
	defer release()
	p.instance = instance
	p.tryMigration(ctx)
	stages, err := p.stages()
	if err != nil {
		return err
	}
	return runStages(ctx, stages, func(ctx context.Context) error {
		log.Info("ready", "roles", as.roles, "hooks", p.publicURL()+"/hook/", "api", "http://"+c.ConsoleAddr)
		if as.ready == nil {
			return nil
		}
		return as.ready(ctx, p)
	})
}

func (p *process) has(role string) bool { return slices.Contains(p.roles, role) }

// listen takes the ports first: whatever else is wrong, that must be known at once.
func (p *process) listen() error {
	for role, addr := range map[string]*string{"ingest": &p.config.IngestAddr, "console": &p.config.ConsoleAddr} {
		if !p.has(role) {
			continue
		}
		l, err := net.Listen("tcp", *addr)
		if err != nil {
			return fmt.Errorf("opening the %s listener: %w; choose another address with SLUICE_%s_ADDR", role, err, strings.ToUpper(role))
		}
		p.listeners[role] = l
		if host, port, err := net.SplitHostPort(*addr); err == nil && port == "0" {
			*addr = net.JoinHostPort(host, fmt.Sprint(l.Addr().(*net.TCPAddr).Port))
		}
	}
	return nil
}

func (p *process) connect(ctx context.Context) error {
	c := p.config
	var err error
	if p.kafka, err = c.kafka(); err != nil {
		return err
	}
	if p.partitions, err = prepareTopics(ctx, p.kafka, c, p.replication); err != nil {
		return err
	}
	if err := p.findKey(); err != nil {
		return err
	}
	if p.tokens, err = schemas.NewTokens(c.SecretKey); err != nil {
		return err
	}
	cipher, err := control.NewCipher(c.SecretKey)
	if err != nil {
		return err
	}
	if p.seal, err = schemas.NewSeal(c.SecretKey); err != nil {
		return err
	}
	if p.keys, err = schemas.NewKeys(c.SecretKey); err != nil {
		return err
	}
	if p.components, err = all.New(); err != nil {
		return fmt.Errorf("checking the connectors: %w", err)
	}
	p.control = control.New(control.Options{Topics: c.topics(), Kafka: p.kafka, Cipher: cipher, Keys: p.keys, Logger: p.log, Connectors: p.extend})
	if p.blobs, err = c.blobs(); err != nil {
		return err
	}
	if c.BlobURL == "" && !p.dev && !(p.has("ingest") && p.has("run") && p.has("replay") && p.has("console")) {
		p.log.Warn("SLUICE_BLOB_URL is not set: bodies over 256 KiB and files are in the data folder of the process that took them, where no other process can read them; give all of them the same store")
	}
	p.mapping = mapping.New(mapping.Limits{})
	guarded := outgoing.Options{AllowLoopback: p.dev, Allow: c.AllowedAddresses}
	p.env = connectors.Env{
		HTTP: outgoing.New(guarded),
		Dial: outgoing.NewDial(guarded),
		Log:  p.log,
	}
	guarded.MaxResponse = openapi.MaxDocument
	p.documents = outgoing.New(guarded)
	p.oauth = oauth.New(p.control, p.env)
	if p.has("runlog") || p.has("console") || p.has("replay") {
		if p.history, err = clickhouse.Open(c.ClickHouseURL); err != nil {
			return err
		}
		if p.background, err = clickhouse.Open(cmp.Or(p.backgroundURL, c.ClickHouseURL)); err != nil {
			return err
		}
	}
	return nil
}

// extend makes the imported connectors known to every role. One that cannot be read stops no other.
func (p *process) extend(imported []*schemas.ConnectorEntry) {
	var list []connectors.Connector
	for _, e := range imported {
		d, err := openapi.Unpack(e.Data)
		if err != nil {
			p.log.Error("an imported connector cannot be read; import it again", "connector", e.Name, "error", err)
			continue
		}
		list = append(list, d.Connector())
	}
	if err := p.components.Extend(list...); err != nil {
		p.log.Error("an imported connector cannot be used; import it again", "error", err)
	}
}

// readerURL is what statements that people write run on.
func (c *config) readerURL() string { return cmp.Or(c.ClickHouseReader, c.ClickHouseURL) }

// findKey makes a key for the credentials' values when none is given, and
// keeps it in the data folder: right for one process whose disk stays.
func (p *process) findKey() error {
	if p.config.SecretKey != "" {
		return nil
	}
	if err := os.MkdirAll(p.config.DataDir, 0o700); err != nil {
		return fmt.Errorf("making the data folder: %w; choose another with SLUICE_DATA_DIR", err)
	}
	path := filepath.Join(p.config.DataDir, "secret.key")
	var err error
	if p.config.SecretKey, err = keep(path, control.NewKey); err != nil {
		return fmt.Errorf("keeping the key of the credentials: %w", err)
	}
	if !p.dev {
		p.log.Warn("SLUICE_SECRET_KEY is not set: this process uses the key in its data folder, and no other process can read the credentials; give all of them the same key", "file", path)
	}
	return nil
}

func (p *process) close() {
	for _, l := range p.listeners {
		l.Close() // those that a role took over are closed already
	}
	for _, conn := range []driver.Conn{p.history, p.background} {
		if conn != nil {
			conn.Close()
		}
	}
}

// stage is one role at work. Stages end in the order they are listed in.
type stage struct {
	name string
	run  func(context.Context) error
	// ready says that it works; nil: at once.
	ready <-chan struct{}
}

func (p *process) stages() ([]stage, error) {
	c := p.config
	var stages []stage
	if p.has("ingest") {
		p.edge = ingest.New(p.edgeOptions(p.registry))
		stages = append(stages, stage{"ingest", p.edge.Run, p.edge.Ready()})
	}
	if p.has("run") {
		stages = append(stages, stage{name: "run", run: run.New(p.runnerOptions()).Run})
	}
	if p.has("run") {
		stages = append(stages, stage{name: "triggers", run: trigger.New(trigger.Options{
			Kafka: p.kafka, Topics: c.topics(), Instance: p.instance, Partitions: p.partitions, Catalog: p.control,
			Components: p.components, Env: p.env, OAuth: p.oauth, Keys: p.keys, Place: p.place(), Logger: p.log,
		}).Run})
	}
	if p.has("replay") {
		replays, err := p.replays()
		if err != nil {
			return nil, err
		}
		stages = append(stages, replays...)
	}
	if p.has("runlog") {
		stages = append(stages, stage{name: "erase", run: erase.New(erase.Options{
			Kafka: p.kafka, Topics: c.topics(), Instance: p.instance, Control: p.control, Keys: p.keys, ClickHouse: p.background, Blobs: p.blobs, Logger: p.log,
		}).Run})
		stages = append(stages, stage{name: "runlog", run: p.writeHistory})
	}
	if p.has("console") {
		sql, err := clickhouse.OpenReadOnly(c.readerURL(), sqlLimits)
		if err != nil {
			return nil, err
		}
		p.reader = sql
		accepting := p.edge
		if accepting == nil {
			// What another process's edge rejected is accepted in this one.
			accepting = ingest.New(p.edgeOptions(nil))
		}
		export, err := clickhouse.OpenExporter(c.readerURL(), exportLimits)
		if err != nil && !errors.Is(err, clickhouse.ErrNoExport) {
			return nil, err
		}
		served := console.New(console.Options{
			Export:   export,
			Listener: p.listeners["console"], Control: p.control, ClickHouse: p.history, SQL: sql, Blobs: p.blobs, Components: p.components,
			Mapping: p.mapping, Env: p.env, OAuth: p.oauth, Documents: p.documents, Kafka: p.kafka, Topics: c.topics(), PublicURL: p.publicURL(), Token: c.APIToken,
			Health: p.health(), Gatherer: p.registry, Registerer: p.registry, Rejected: p.rejected(), Logger: p.log,
			Tokens: p.tokens, Seal: p.seal, Keys: p.keys, Envelope: run.Envelope, Place: p.place(), Edge: acceptor{accepting},
		})
		stages = append(stages, stage{name: "alerts", run: alerts.New(alerts.Options{
			Kafka: p.kafka, Topics: c.topics(), Instance: p.instance, Control: p.control, SQL: sql, Components: p.components, Env: p.env, Logger: p.log,
		}).Run})
		stages = append(stages, stage{name: "console", run: func(ctx context.Context) error {
			defer sql.Close()
			return served.Run(ctx)
		}})
		if p.edge == nil {
			stages = append(stages, stage{"accepting", accepting.RunBehind, accepting.Ready()})
		}
	}
	stages = append(stages, stage{name: "topics", run: p.follow})
	return stages, nil
}

// place finds the shards of hooks, in edges and triggers, by the code of the runner.
func (p *process) place() schemas.Placing {
	if p.shards == nil {
		p.shards = run.NewShards(p.control, p.mapping, p.blobs)
	}
	return p.shards.Place
}

func (p *process) edgeOptions(registerer prometheus.Registerer) ingest.Options {
	c := p.config
	return ingest.Options{
		Listener: p.listeners["ingest"], PublicURL: c.PublicURL, TrustedProxies: c.TrustedProxies, Catalog: p.control, Kafka: p.kafka, Topics: c.topics(),
		Partitions: p.partitions, ReplyTimeout: c.ReplyTimeout, Registerer: registerer, Logger: p.log, Tokens: p.tokens, Seal: p.seal, Keys: p.keys, Blobs: p.blobs, Place: p.place(),
	}
}

// acceptor is the edge as the console knows it.
type acceptor struct{ *ingest.Edge }

// Accept is the edge's, with the error as the API shows it.
func (a acceptor) Accept(ctx context.Context, flow, request string) (schemas.ExecutionID, error) {
	id, err := a.Edge.Accept(ctx, flow, request)
	return id, unacceptable(err)
}

// Explain is the edge's, with the error as the API shows it.
func (a acceptor) Explain(ctx context.Context, flow, request string) error {
	return unacceptable(a.Edge.Explain(ctx, flow, request))
}

func unacceptable(err error) error {
	if u, ok := errors.AsType[*ingest.Unacceptable](err); ok {
		return &console.Problem{Title: http.StatusText(u.Status), Status: u.Status, Detail: u.Detail, Remedy: u.Remedy}
	}
	return err
}

// callbacks make the URLs of steps that wait for a callback.
func (p *process) callbacks() *run.Callbacks {
	return &run.Callbacks{Tokens: p.tokens, Base: p.publicURL()}
}

func (p *process) runnerOptions() run.Options {
	return run.Options{
		Callbacks: p.callbacks(), Live: &p.live,
		Kafka: p.kafka, Topics: p.config.topics(), Instance: p.instance, Catalog: p.control, Components: p.components,
		Mapping: p.mapping, Env: p.env, Blobs: p.blobs, OAuth: p.oauth, Keys: p.keys, Erased: p.control.Erased, Logger: p.log,
		Registry: prometheus.WrapRegistererWith(prometheus.Labels{"lane": "hooks"}, p.registry),
	}
}

// replays are the driver of replays and the runner of their lane.
func (p *process) replays() ([]stage, error) {
	sql, err := clickhouse.OpenReadOnly(p.config.readerURL(), selectionLimits)
	if err != nil {
		return nil, err
	}
	lane := p.runnerOptions()
	lane.Replays = true
	lane.Registry = prometheus.WrapRegistererWith(prometheus.Labels{"lane": "replays"}, p.registry)
	driver := replay.New(replay.Options{
		Kafka: p.kafka, Topics: p.config.topics(), Instance: p.instance, Control: p.control, ClickHouse: p.background, SQL: sql,
		Components: p.components, Keys: p.keys, Erased: p.control.Erased, Logger: p.log,
		Simulator: func(flow string, v *schemas.FlowVersion) (replay.Simulator, error) {
			s, err := run.NewSimulator(flow, v, p.components, p.mapping, p.callbacks())
			if err != nil {
				return nil, err
			}
			return s.Reads(p.blobs), nil
		},
	})
	return []stage{
		{name: "replay", run: func(ctx context.Context) error {
			defer sql.Close()
			return driver.Run(ctx)
		}},
		{name: "replays' runner", run: run.New(lane).Run},
	}, nil
}

// tryMigration makes the run log's tables before anyone can ask for them. When
// ClickHouse is away nothing waits for it: writeHistory tries again.
func (p *process) tryMigration(ctx context.Context) {
	if !p.has("runlog") {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	p.migrated = runlog.Migrate(ctx, p.config.ClickHouseURL) == nil
}

// writeHistory waits for ClickHouse, makes its tables, and writes to them.
// Hooks and flows go on while it is away.
func (p *process) writeHistory(ctx context.Context) error {
	for warned := false; !p.migrated; {
		err := runlog.Migrate(ctx, p.config.ClickHouseURL)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return nil
		}
		if !warned {
			p.log.Warn("waiting for ClickHouse; hooks and flows go on, their history follows", "error", err)
			warned = true
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil
		}
	}
	return runlog.New(p.historyOptions()).Run(ctx)
}

func (p *process) historyOptions() runlog.Options {
	return runlog.Options{
		Kafka: p.kafka, Topics: p.config.topics(), ClickHouse: p.background, Blobs: p.blobs, Group: p.config.TopicPrefix + "runlog", Instance: p.instance,
		Logger: p.log, Registerer: p.registry, Retention: p.retention, Keys: p.keys, Erased: p.control.Erased,
	}
}

// retention is that of the flows that want their history kept less long.
func (p *process) retention() map[string]time.Duration {
	keep := map[string]time.Duration{}
	for _, f := range p.control.Flows() {
		if v := f.Latest(); v != nil && v.Flow.Retention > 0 && time.Duration(v.Flow.Retention) < schemas.MaxRetention {
			keep[f.ID] = time.Duration(v.Flow.Retention)
		}
	}
	return keep
}

func (p *process) rejected() func(string) any {
	if p.edge == nil {
		return nil
	}
	return func(flow string) any { return p.edge.Rejected(flow) }
}

// publicURL is how senders reach the edge.
func (p *process) publicURL() string {
	if p.config.PublicURL != "" {
		return p.config.PublicURL
	}
	host, port, err := net.SplitHostPort(p.config.IngestAddr)
	if err != nil {
		return "http://" + p.config.IngestAddr
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// canRead asks as the user that people's statements run as.
func (p *process) canRead(ctx context.Context) error {
	var some uint64
	err := p.reader.QueryRow(ctx, "SELECT count() FROM (SELECT 1 FROM executions LIMIT 1)").Scan(&some)
	if refused, ok := errors.AsType[*ch.Exception](err); ok && (refused.Code == 60 || refused.Code == 81) {
		return nil // there is no run log yet
	}
	return err
}

func (p *process) health() []console.HealthCheck {
	kafka := func(do func(context.Context, *kadm.Client) error) func(context.Context) error {
		return func(ctx context.Context) error {
			client, err := kgo.NewClient(p.kafka...)
			if err != nil {
				return err
			}
			defer client.Close()
			return do(ctx, kadm.NewClient(client))
		}
	}
	checks := []console.HealthCheck{
		{Name: "kafka", Remedy: "check SLUICE_KAFKA_BROKERS, and that the brokers run", Check: kafka(func(ctx context.Context, admin *kadm.Client) error {
			_, err := admin.ListBrokers(ctx)
			return err
		})},
		{Name: "blobs", Optional: true, Remedy: "check SLUICE_BLOB_URL, and that its folder can be written or its bucket exists; large bodies and files are refused meanwhile", Check: p.blobs.Check},
		{Name: "topics", Remedy: "run `sluice topics` for the whole list", Check: kafka(func(ctx context.Context, admin *kadm.Client) error {
			problems, err := schemas.CheckTopics(ctx, admin, p.config.topics(), p.replication)
			for _, problem := range problems {
				err = errors.Join(err, errors.New(problem.String()))
			}
			return err
		})},
	}
	if p.history != nil {
		checks = append(checks, console.HealthCheck{Name: "clickhouse", Optional: true,
			Remedy: "check SLUICE_CLICKHOUSE_URL, and that ClickHouse runs; hooks and flows go on meanwhile", Check: p.history.Ping})
	}
	if p.reader != nil && p.config.ClickHouseReader != "" {
		checks = append(checks, console.HealthCheck{Name: "clickhouse reader", Optional: true, Check: p.canRead,
			Remedy: "check SLUICE_CLICKHOUSE_READER_URL: its user needs GRANT SELECT on the run log's database, and no profile with readonly; SQL, exports, alerts and replays wait for it"})
	}
	return checks
}

// runStages runs all stages until ctx ends or one fails, and then ends them
// one after the other, so that none works on what another has closed.
func runStages(ctx context.Context, stages []stage, ready func(context.Context) error) error {
	type end struct {
		index int
		err   error
	}
	ends := make(chan end, len(stages))
	cancels := make([]context.CancelFunc, len(stages))
	done := make([]chan struct{}, len(stages))
	for i, s := range stages {
		stageCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		cancels[i], done[i] = cancel, make(chan struct{})
		go func() {
			defer close(done[i])
			err := s.run(stageCtx)
			if err != nil {
				err = fmt.Errorf("%s: %w", s.name, err)
			}
			ends <- end{i, err}
		}()
	}
	readyErr := make(chan error, 1)
	go func() {
		for _, s := range stages {
			if s.ready == nil {
				continue
			}
			select {
			case <-s.ready:
			case <-ctx.Done():
				return
			}
		}
		readyErr <- ready(ctx)
	}()

	var failed error
	for waiting := true; waiting; {
		select {
		case <-ctx.Done():
			waiting = false
		case e := <-ends:
			failed = e.err
			if failed == nil {
				failed = fmt.Errorf("%s ended by itself", stages[e.index].name)
			}
			waiting = false
		case err := <-readyErr:
			if err != nil && ctx.Err() == nil {
				failed, waiting = err, false
			}
		}
	}
	for i, cancel := range cancels {
		cancel()
		<-done[i]
	}
	return failed
}
