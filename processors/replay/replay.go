// Package replay sends recorded hooks again, or says what would happen if it
// did. A replay is a series of changes in the control log (schemas.Replay), so
// that any process goes on with it after a restart.
//
// Of all processes with this role one drives, the one that a consumer group
// gives the control log's partition to (lead.go). It finds the hooks and
// writes their list down (choose.go), and then sends them into the topic
// replays (send.go), which the runner of that lane runs beside the live hooks,
// or tries them on a flow without an effect (whatif.go, compare.go).
package replay

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/connectors"
	"sluice/schemas"
)

// Control is the control log. It is safe for concurrent use.
type Control interface {
	Flow(id string) *schemas.FlowEntry
	Replay(id string) *schemas.ReplayEntry
	Replays() []*schemas.ReplayEntry
	Changed() <-chan struct{}
	Offset() int64
	Append(ctx context.Context, ch schemas.Change) (int64, error)
}

// Simulator says what a version of a flow would do with a hook. It is safe for
// concurrent use.
type Simulator interface {
	Simulate(ctx context.Context, hook *schemas.Hook, answer func(step *schemas.Step, input []byte) schemas.Answer) (*schemas.Simulation, error)
}

// Options says what a Driver works with. All but Logger and Window is needed.
type Options struct {
	Kafka    []kgo.Opt // brokers and security
	Topics   schemas.Topics
	Instance string // unique among drivers, the same after a restart
	Control  Control
	// ClickHouse has the run log; the lists of hooks and the reports of dry
	// runs are written there.
	ClickHouse driver.Conn
	// SQL runs selections: a connection that can change nothing.
	SQL        driver.Conn
	Components *connectors.Set
	// Keys open and seal hooks of erasable flows. Nil: there are none.
	Keys *schemas.Keys
	// Erased reports whether an execution was erased; nil: none was.
	Erased func(schemas.ExecutionID) bool
	// Simulator compiles a version for a dry run.
	Simulator func(flow string, v *schemas.FlowVersion) (Simulator, error)
	Logger    *slog.Logger

	// Window is how many hooks of a replay may be sent and not done. It is what
	// holds a replay back when its lane, or the run log, is slow. Default 1,000.
	Window int
}

// Driver drives replays.
type Driver struct {
	opts Options
	log  *slog.Logger
}

// New makes a Driver; it does no I/O.
func New(opts Options) *Driver {
	opts.Window = cmp.Or(opts.Window, 1000)
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Driver{opts: opts, log: opts.Logger.With("role", "replay")}
}

// again is how long to wait after an error that may pass.
const again = 2 * time.Second
