package console

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"sluice/schemas"
	"sluice/schemas/records"
)

const (
	heartbeat     = 15 * time.Second
	listenerQueue = 1024
)

// live tells listeners of executions as they are committed. It reads Kafka only
// while somebody listens, and nobody ever holds up anybody else: a listener
// that does not keep up is let go.
type live struct {
	keys   *schemas.Keys
	kafka  []kgo.Opt
	topics schemas.Topics
	log    *slog.Logger

	reading *reading

	mu        sync.Mutex
	listeners map[*listener]struct{}
}

type listener struct {
	wants  func(*Execution) bool
	events chan told
	// lost is closed when the listener was let go.
	lost chan struct{}
}

// told is an execution with when it was said in Kafka, by which a client that
// lost its connection says how far it was.
type told struct {
	Execution
	at time.Time
}

func newLive(kafka []kgo.Opt, topics schemas.Topics, log *slog.Logger) *live {
	l := &live{kafka: kafka, topics: topics, log: log, listeners: map[*listener]struct{}{}}
	l.reading = newReading(kafka, log, l.take, topics.Executions())
	return l
}

// join adds a listener. When it returns, whatever is committed from then on
// will be told, until leave is called.
func (l *live) join(ctx context.Context, wants func(*Execution) bool) (who *listener, leave func(), err error) {
	who = &listener{wants: wants, events: make(chan told, listenerQueue), lost: make(chan struct{})}
	l.mu.Lock()
	l.listeners[who] = struct{}{}
	l.mu.Unlock()
	left, err := l.reading.join(ctx)
	leave = func() {
		l.mu.Lock()
		delete(l.listeners, who)
		l.mu.Unlock()
		left()
	}
	if err != nil {
		leave()
	}
	return who, leave, err
}

// take tells of a record of the topic executions.
func (l *live) take(ctx context.Context, r *kgo.Record) {
	var x records.ExecutionRecord
	if err := proto.Unmarshal(r.Value, &x); err != nil {
		l.log.Error("skipping an execution record that cannot be read", "partition", r.Partition, "offset", r.Offset, "error", err)
		return
	}
	_ = l.keys.OpenEvents(ctx, &x) // what was erased says no more than how it stands
	l.tell(told{executionOf(&x), r.Timestamp})
}

func (l *live) tell(x told) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for who := range l.listeners {
		if !who.wants(&x.Execution) {
			continue
		}
		select {
		case who.events <- x:
		default:
			delete(l.listeners, who)
			close(who.lost)
		}
	}
}

// executionOf is how an execution stands after a record of it.
func executionOf(r *records.ExecutionRecord) Execution {
	x := Execution{
		ID: schemas.ExecutionIDFromBytes(r.ExecutionId).String(), Flow: r.FlowId, Version: uint32(r.Version),
		Status: schemas.StatusName(r.Status), StartedAt: time.Unix(0, r.StartedAt).UTC().Truncate(time.Microsecond),
		TraceID: r.TraceId,
	}
	if r.EndedAt != 0 {
		ended := time.Unix(0, r.EndedAt).UTC().Truncate(time.Microsecond)
		duration := milliseconds(ended.Sub(x.StartedAt))
		x.EndedAt, x.DurationMs = &ended, &duration
	}
	if f := r.Failure; f != nil {
		x.Error, x.ErrorKind, x.ErrorStep = optional(f.Message), f.Kind, f.Step
	}
	if id := schemas.ExecutionIDFromBytes(r.ReplayOf); !id.IsZero() {
		x.ReplayOf = optional(id.String())
	}
	return x
}

type liveInput struct {
	Flow        []string `query:"flow" doc:"Flows' IDs; without it all flows"`
	Status      []string `query:"status" enum:"waiting,running,succeeded,failed,duplicate,filtered,cancelled" doc:"Only executions that stand like this"`
	LastEventID string   `header:"Last-Event-ID" doc:"The id of the last event that was seen: what was told since is told again. Browsers send it by themselves"`
	After       string   `query:"after" doc:"As Last-Event-ID, for clients that cannot set a header"`
}

// wants reports whether an execution is one of those that are listened for.
func (in *liveInput) wants(x *Execution) bool {
	return (len(in.Flow) == 0 || slices.Contains(in.Flow, x.Flow)) && (len(in.Status) == 0 || slices.Contains(in.Status, x.Status))
}

func (c *Console) registerLive(api huma.API) {
	o := op("live", http.MethodGet, "/live", "Follow executions as they are committed (server-sent events)", "executions", 503)
	o.Description = "First comes the event `ready`: whatever is committed from then on is told, as the event `execution` whose data is an " +
		"execution as GET /executions lists it. A client that names the last event it saw is told, before `ready`, what it may have missed: some of that " +
		"it knows already, and each event says how its execution stood then. When that is too much or too long ago, and when a client does not keep up, the event is `lost`: " +
		"list again; after a `lost` without `ready`, reconnect."
	execution := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Execution](), true, "Execution")
	o.Responses = map[string]*huma.Response{"200": {Description: "Events", Content: map[string]*huma.MediaType{
		"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{
			"event": {Type: huma.TypeString, Enum: []any{"ready", "execution", "lost"}}, "data": execution,
		}}},
	}}}
	huma.Register(api, o, func(ctx context.Context, in *liveInput) (*huma.StreamResponse, error) {
		who, leave, err := c.live.join(ctx, in.wants)
		if err != nil {
			return nil, c.kafkaReadError(err)
		}
		var missed []told
		gap := false
		if last := cmp.Or(in.LastEventID, in.After); last != "" {
			if missed, err = c.live.since(ctx, last, in.wants); err != nil {
				c.log.Debug("resuming a live stream", "error", err)
				gap = true
			}
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			defer leave()
			_, w := humago.Unwrap(hc)
			hc.SetHeader("Content-Type", "text/event-stream")
			hc.SetHeader("X-Accel-Buffering", "no") // for a proxy
			hc.SetStatus(http.StatusOK)
			c.stream(hc.Context(), w, who, missed, gap)
		}}, nil
	})
}

func (c *Console) kafkaReadError(err error) error {
	c.log.Warn("following executions", "error", err)
	return problem(http.StatusServiceUnavailable, "check the brokers (`sluice doctor`)", "what is happening now cannot be read: %v", err)
}

// stream writes events until the client goes away or the console stops.
func (c *Console) stream(ctx context.Context, w http.ResponseWriter, who *listener, missed []told, gap bool) {
	control := http.NewResponseController(w)
	send := func(format string, args ...any) bool {
		_ = control.SetWriteDeadline(time.Now().Add(heartbeat))
		if _, err := fmt.Fprintf(w, format, args...); err != nil {
			return false
		}
		return control.Flush() == nil
	}
	tell := func(x told) bool {
		data, err := json.Marshal(x.Execution)
		if err != nil {
			c.log.Error("encoding an execution", "error", err)
			return true
		}
		return send("event: execution\nid: %s\ndata: %s\n\n", eventID(x), data)
	}
	if gap && !send("event: lost\ndata: {}\n\n") {
		return
	}
	for _, x := range missed {
		if !tell(x) {
			return
		}
	}
	if !send("retry: 1000\nevent: ready\ndata: {}\n\n") {
		return
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case x := <-who.events:
			if !tell(x) {
				return
			}
		case <-who.lost:
			send("event: lost\ndata: {}\n\n")
			return
		case <-beat.C:
			if !send(": still here\n\n") {
				return
			}
		case <-ctx.Done():
			return
		case <-c.stopping:
			return
		}
	}
}
