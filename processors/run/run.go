// Package run owns partitions of the topic hooks and runs what comes there:
// it turns each hook into an execution of its flow's published version and
// does the steps, many executions at once. What happened, what is still open,
// and how far it has read are one Kafka transaction, so that a process may be
// killed at any instant (design, section 4).
//
// Read in this order: session.go (the one loop: poll, run, commit), decide.go
// (what now, given this execution), job.go (one attempt), txn.go and commit.go
// (three writes in one transaction), recover.go (taking over).
package run

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/connectors"
	"sluice/connectors/mapping"
	"sluice/connectors/oauth"
	"sluice/schemas"
	"sluice/schemas/blobs"
)

// Catalog is what the runner needs to know of flows and credentials: the
// control log. It is safe for concurrent use, and what it returns is immutable.
type Catalog interface {
	Flow(id string) *schemas.FlowEntry
	Credential(id string) *schemas.CredentialEntry
	Secret(credentialID string) map[string]string
	Replay(id string) *schemas.ReplayEntry
	Offset() int64
	WaitFor(ctx context.Context, offset int64) error
	Changed() <-chan struct{}
}

// Options says what a Runner works with. All but Registry is needed.
type Options struct {
	Kafka      []kgo.Opt // brokers and security
	Topics     schemas.Topics
	Instance   string // unique among runners, the same after a restart
	Catalog    Catalog
	Components *connectors.Set
	Mapping    *mapping.Engine
	Env        connectors.Env
	// OAuth opens credentials of OAuth 2; nil: none can be used.
	OAuth    *oauth.Tokens
	Blobs    blobs.Store // where large bodies are; nil: none can be read
	Logger   *slog.Logger
	Registry prometheus.Registerer

	// Keys open and seal what is written of executions of erasable flows; nil:
	// there are none. Erased reports whether an execution was erased; nil: none was.
	Keys   *schemas.Keys
	Erased func(schemas.ExecutionID) bool

	// Callbacks makes the URLs of steps that wait for a callback; nil: there are none.
	Callbacks *Callbacks

	// Replays makes this the runner of the topic replays: a lane of its own
	// beside the live hooks, with a group, a producer and a share of its own.
	Replays bool
	// Live joins the two lanes of a process: give both runners the same, and
	// replays give way to live hooks. Nil: they know nothing of each other.
	Live *Live

	// SessionTimeout is after how long another runner takes over from one
	// that was killed and does not come back. Default 10 s.
	SessionTimeout time.Duration
	// DrainTimeout bounds the wait for steps in flight when partitions are
	// handed over or the process ends; what is not done by then is done again
	// by the next owner, under the same idempotency key. Default 5 s.
	DrainTimeout time.Duration

	store  *store // Blobs, for all sessions
	shards *Shards
	// restBytes is what executions at rest may take of memory before the oldest
	// of them are put into their compact form.
	restBytes int
}

const (
	transactionTimeout  = 10 * time.Second
	unstableOffsetPause = 50 * time.Millisecond
	abortPause          = 50 * time.Millisecond
)

// Runner runs flows. Several, in several processes, share the partitions.
type Runner struct {
	opts    Options
	metrics *metrics
}

// New makes a Runner; it does no I/O.
func New(opts Options) *Runner {
	opts = opts.withDefaults()
	r := &Runner{opts: opts, metrics: newMetrics(opts.Registry)}
	r.opts.Env.HTTP = withBreakers(opts.Env.HTTP, opts.Logger, r.metrics.breakers)
	return r
}

func (o Options) withDefaults() Options {
	o.SessionTimeout = cmp.Or(o.SessionTimeout, 10*time.Second)
	o.DrainTimeout = cmp.Or(o.DrainTimeout, 5*time.Second)
	o.restBytes = cmp.Or(o.restBytes, defaultRestBytes)
	o.store = newStore(o.Blobs, viewBytes)
	o.shards = NewShards(o.Catalog, o.Mapping, o.Blobs)
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	return o
}

// Run runs flows until ctx ends, and then hands over what is open. A session
// that loses its identity or its broker is replaced by a new one, which reads
// from Kafka how things stand.
func (r *Runner) Run(ctx context.Context) error {
	for {
		err := r.session(ctx)
		if ctx.Err() != nil {
			if err != nil && !errors.Is(err, context.Canceled) {
				r.opts.Logger.Warn("the runner's last session ended badly; the next start resumes from Kafka", "error", err)
			}
			return nil
		}
		r.metrics.restarts.Inc()
		r.opts.Logger.Warn("starting the runner's session again", "error", err)
		if !schemas.Pause(ctx, time.Second) {
			return nil
		}
	}
}

func (r *Runner) session(ctx context.Context) error {
	s, err := newSession(r.opts, r.metrics)
	if err != nil {
		return err
	}
	defer s.close()
	return s.run(ctx)
}
