package console

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"sluice/schemas"
)

func (c *Console) registerCommands(api huma.API) {
	retry := op("retry-execution", http.MethodPost, "/executions/{id}/retry", "Send the execution's hook in again, as a new execution, with its body or another", "executions", 400, 404, 409, 503)
	retry.DefaultStatus, retry.MaxBodyBytes = http.StatusAccepted, maxInput
	huma.Register(api, retry, c.retry)
	resolve := op("resolve-execution", http.MethodPost, "/executions/{id}/resolve", "Decide about a step that is held because its outcome is not known, that waits, or that waits for its next attempt", "executions", 400, 404, 409, 503)
	resolve.DefaultStatus, resolve.MaxBodyBytes = http.StatusAccepted, maxInput
	huma.Register(api, resolve, c.resolve)
	cancel := op("cancel-execution", http.MethodPost, "/executions/{id}/cancel", "End an execution that is still open; an effect in flight is not taken back", "executions", 400, 404, 409, 503)
	cancel.DefaultStatus = http.StatusAccepted
	huma.Register(api, cancel, c.cancel)
}

// Accepted says that a command is on its way.
type Accepted struct {
	ID       string `json:"id" format:"uuid" doc:"The execution that the command is for, or makes"`
	ReplayOf string `json:"replayOf,omitempty"`
}

type commandOutput struct {
	Location string `header:"Location"`
	Body     Accepted
}

type retryInput struct {
	ID   string `path:"id" doc:"The execution's ID"`
	Body *struct {
		From string          `json:"from,omitempty" doc:"A step's ID: what came before it is taken over as it was, it and what comes after run again"`
		Body json.RawMessage `json:"body,omitempty" doc:"In place of the hook's body: JSON; a string is that text where the hook was not sent as JSON"`
	}
}

// edited is a body that a person wrote in place of a hook's.
func edited(contentType string, body json.RawMessage) []byte {
	var text string
	if !isJSON(contentType) && json.Unmarshal(body, &text) == nil {
		return []byte(text)
	}
	return body
}

// retry appends the hook again, under a new ID, for the flow's published
// version. The old execution stays as it is.
func (c *Console) retry(ctx context.Context, in *retryInput) (*commandOutput, error) {
	id, err := (&executionInput{ID: in.ID}).parse()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	x, err := c.execution(ctx, id)
	if err != nil {
		return nil, err
	}
	if isOpen(x.Status) {
		return nil, problem(http.StatusConflict, "cancel it first, or wait for its end", "execution %s is %s", id, x.Status)
	}
	f := c.opts.Control.Flow(x.Flow)
	if f == nil || f.Deleted {
		return nil, problem(http.StatusConflict, "create the flow again under this id", "its flow %q was deleted", x.Flow)
	}
	if x.Erased {
		return nil, problem(http.StatusConflict, "", "the data of execution %s was erased: there is nothing to send again", id)
	}
	stored, err := c.hook(ctx, id)
	if err != nil {
		return nil, err
	}
	if stored == nil {
		return nil, problem(http.StatusConflict, "history is kept for 30 days", "the run log does not have the hook of execution %s", id)
	}
	now := time.Now()
	h := &schemas.Hook{
		ID: schemas.NewExecutionID(now, id.Partition()), Kind: schemas.KindHook, Flow: stored.flow, Time: now,
		Method: stored.Method, Path: stored.Path, Query: stored.Query, Headers: stored.Headers, ContentType: stored.ContentType,
		Body: []byte(stored.stored.text), BodyRef: stored.stored.ref(), ReplayOf: id,
	}
	if h.Files, err = stored.stored.list(); err != nil {
		return nil, err
	}
	if in.Body != nil && len(in.Body.Body) > 0 {
		h.Body, h.BodyRef, h.Files = edited(stored.ContentType, in.Body.Body), nil, nil
	}
	if v := f.Published(); v != nil && v.Flow.KeyedShards() {
		// Another body may have another key, and the flow other shards than it had.
		topics, err := kadm.NewClient(c.producer).ListTopics(ctx, c.opts.Topics.Hooks())
		if err == nil {
			err = topics.Error()
		}
		if err == nil {
			err = c.opts.Place(ctx, v, h, int32(len(topics[c.opts.Topics.Hooks()].Partitions)))
		}
		if err != nil {
			return nil, c.kafkaError(err)
		}
	}
	if in.Body != nil && in.Body.From != "" {
		if h.Given, err = c.given(ctx, id, x.Flow, in.Body.From); err != nil {
			return nil, err
		}
	}
	if err := c.command(ctx, "retry", h); err != nil {
		return nil, err
	}
	return &commandOutput{Location: "/api/v1/executions/" + h.ID.String(), Body: Accepted{ID: h.ID.String(), ReplayOf: id.String()}}, nil
}

func (c *Console) cancel(ctx context.Context, in *executionInput) (*commandOutput, error) {
	id, err := in.parse()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	x, err := c.openExecution(ctx, id, "")
	if err != nil {
		return nil, err
	}
	h := &schemas.Hook{ID: id, Kind: schemas.KindCancel, Flow: x.Flow, Time: time.Now(), Replay: x.Replay}
	if err := c.command(ctx, "cancel", h); err != nil {
		return nil, err
	}
	return &commandOutput{Location: "/api/v1/executions/" + id.String(), Body: Accepted{ID: id.String()}}, nil
}

// openExecution is one that has not ended; the remedy is for one that has.
func (c *Console) openExecution(ctx context.Context, id schemas.ExecutionID, remedy string) (*Execution, error) {
	x, err := c.execution(ctx, id)
	if err != nil {
		return nil, err
	}
	if !isOpen(x.Status) {
		return nil, problem(http.StatusConflict, remedy, "execution %s has ended already: %s", id, x.Status)
	}
	return x, nil
}

func isOpen(status string) bool { return status == "waiting" || status == "running" }

// sealCommand seals what a command brings: a hook of an erasable flow under a
// key of its own, what is for an execution under that one's.
func (c *Console) sealCommand(ctx context.Context, h *schemas.Hook) (*schemas.Hook, error) {
	f := c.opts.Control.Flow(h.Flow)
	if f == nil || !f.Erasable() || h.Kind == schemas.KindCancel {
		return h, nil
	}
	var err error
	if h.Kind == schemas.KindHook {
		h.Key, err = c.opts.Keys.New(ctx)
	} else {
		err = c.opts.ClickHouse.QueryRow(ctx, "SELECT max(sealed_key) FROM runlog_hooks WHERE id = ?", uuid.UUID(h.ID)).Scan(&h.Key)
		if err != nil {
			return nil, c.storeError(err)
		}
	}
	if err == nil {
		h, err = c.opts.Keys.SealHook(h)
	}
	if err != nil {
		return nil, problem(http.StatusServiceUnavailable, "try again", "sealing what is sent to the runner: %v", err)
	}
	return h, nil
}

// command appends a record to the partition of its execution's owner, and
// returns once Kafka has it.
func (c *Console) command(ctx context.Context, name string, h *schemas.Hook) error {
	ctx, span := otel.Tracer("sluice/console").Start(ctx, "hooks publish", trace.WithSpanKind(trace.SpanKindProducer))
	defer span.End()
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	h.TraceParent = carrier.Get("traceparent")
	h.Control = c.opts.Control.Offset()
	h, err := c.sealCommand(ctx, h)
	if err != nil {
		return err
	}
	record, err := h.Record()
	if err != nil {
		return problem(http.StatusInternalServerError, "", "%s: %v", name, err)
	}
	record.Topic = c.opts.Topics.Hooks()
	if h.Kind != schemas.KindHook && h.Replay != "" {
		record.Topic = c.opts.Topics.Replays() // its owner is the runner of that lane
	}
	if err := c.producer.ProduceSync(ctx, record).FirstErr(); err != nil {
		return c.kafkaError(err)
	}
	c.log.Info("execution command", "command", name, "execution", h.ID.String(), "flow", h.Flow)
	return nil
}
