package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"sluice/schemas"
	"sluice/schemas/records"
)

const (
	// tailEvery is how often a tail is told what happened, and tailAtOnce how much
	// of it: nobody reads more than a few thousand lines a second. The rest is counted.
	tailEvery  = 200 * time.Millisecond
	tailAtOnce = 200
	// previewBytes is how much of a body a tail shows.
	previewBytes = 160
)

// TailEvent is one thing that happened.
type TailEvent struct {
	Kind      string    `json:"kind" enum:"hook,step,execution"`
	At        time.Time `json:"at"`
	Flow      string    `json:"flow"`
	Execution string    `json:"execution" format:"uuid"`
	// Status is a step's or an execution's; of a hook it is empty.
	Status string `json:"status,omitempty"`

	Method      string `json:"method,omitempty" doc:"Of a hook, as the four that follow"`
	Path        string `json:"path,omitempty"`
	ContentType string `json:"contentType,omitempty"`
	Bytes       int    `json:"bytes,omitempty"`
	Preview     string `json:"preview,omitempty" doc:"How its body begins, where it is text"`

	Step       string  `json:"step,omitempty"`
	Name       string  `json:"name,omitempty"`
	Uses       string  `json:"uses,omitempty"`
	Iteration  int32   `json:"iteration,omitempty"`
	Attempt    int32   `json:"attempt,omitempty"`
	HTTPStatus int32   `json:"httpStatus,omitempty"`
	DurationMs float64 `json:"durationMs,omitempty"`
	Error      string  `json:"error,omitempty"`
	ReplayOf   string  `json:"replayOf,omitempty"`
}

// tailer is somebody who follows all that happens. What is more than fits is
// counted and not kept, so that a tail neither holds anybody up nor falls behind.
type tailer struct {
	wants func(*TailEvent) bool

	mu     sync.Mutex
	events []TailEvent
	held   map[string]int
}

func (t *tailer) tell(e TailEvent) {
	if !t.wants(&e) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.events) < tailAtOnce {
		t.events = append(t.events, e)
		return
	}
	t.held[e.Kind]++
}

// take empties it.
func (t *tailer) take() (events []TailEvent, held map[string]int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	events, held = t.events, t.held
	t.events, t.held = nil, map[string]int{}
	return events, held
}

// happenings are what a record of the topics hooks and executions says.
func (l *live) happenings(ctx context.Context, r *kgo.Record) []TailEvent {
	if r.Topic == l.topics.Executions() {
		var x records.ExecutionRecord
		if proto.Unmarshal(r.Value, &x) != nil {
			return nil // the live stream says so
		}
		_ = l.keys.OpenEvents(ctx, &x)
		return eventsOf(&x)
	}
	h, err := schemas.ParseHook(r)
	if err != nil || h.Kind != schemas.KindHook {
		return nil
	}
	_ = l.keys.OpenHook(ctx, h)
	e := TailEvent{
		Kind: "hook", At: h.Time.UTC(), Flow: h.Flow, Execution: h.ID.String(), Method: h.Method, Path: h.Path, ContentType: h.ContentType,
		Bytes: len(h.Body), Preview: preview(h.Body),
	}
	if h.BodyRef != nil {
		e.Bytes = int(h.BodyRef.Size)
	}
	if !h.ReplayOf.IsZero() {
		e.ReplayOf = h.ReplayOf.String()
	}
	return []TailEvent{e}
}

// eventsOf are the attempts in a record, and how the execution ended.
func eventsOf(x *records.ExecutionRecord) []TailEvent {
	id := schemas.ExecutionIDFromBytes(x.ExecutionId).String()
	var events []TailEvent
	for _, fact := range x.Events {
		at := time.Unix(0, fact.At).UTC()
		switch {
		case fact.GetAttempt() != nil:
			a := fact.GetAttempt()
			events = append(events, TailEvent{
				Kind: "step", At: at, Flow: x.FlowId, Execution: id, Status: schemas.StepStatusName(a.Status), Step: a.Step, Name: a.Name, Uses: a.Uses,
				Iteration: a.Iteration, Attempt: a.Number, HTTPStatus: a.HttpStatus, DurationMs: milliseconds(time.Duration(a.Duration)), Error: a.Failure.GetMessage(),
			})
		case fact.GetEnded() != nil:
			end := fact.GetEnded()
			e := TailEvent{
				Kind: "execution", At: at, Flow: x.FlowId, Execution: id, Status: schemas.StatusName(end.Status), Error: end.Failure.GetMessage(),
				Step: end.Failure.GetStep(), DurationMs: milliseconds(at.Sub(time.Unix(0, x.StartedAt))),
			}
			if of := schemas.ExecutionIDFromBytes(x.ReplayOf); !of.IsZero() {
				e.ReplayOf = of.String()
			}
			events = append(events, e)
		}
	}
	return events
}

// preview is how a text begins, on one line.
func preview(body []byte) string {
	cut := body[:min(len(body), previewBytes+utf8.UTFMax)]
	text := strings.ToValidUTF8(string(cut), "")
	if len(cut) > 0 && len(text) < len(cut)-utf8.UTFMax {
		return "" // no text
	}
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > previewBytes || len(body) > len(cut) {
		text = string(r[:min(len(r), previewBytes)]) + "…"
	}
	return text
}

type tailInput struct {
	Flow   []string `query:"flow" doc:"Flows' IDs; without it all flows"`
	Kind   []string `query:"kind" enum:"hook,step,execution" doc:"Without it all of them"`
	Status []string `query:"status" doc:"Of steps and executions, such as failed; hooks have none"`
	Q      string   `query:"q" maxLength:"200" doc:"Text in any case, in what is shown of it"`
}

// wants reports whether something is one of those that are asked for.
func (in *tailInput) wants(e *TailEvent) bool {
	if len(in.Flow) > 0 && !slices.Contains(in.Flow, e.Flow) || len(in.Kind) > 0 && !slices.Contains(in.Kind, e.Kind) ||
		len(in.Status) > 0 && !slices.Contains(in.Status, e.Status) {
		return false
	}
	if in.Q == "" {
		return true
	}
	q := strings.ToLower(in.Q)
	return slices.ContainsFunc([]string{e.Execution, e.Path, e.Preview, e.Step, e.Name, e.Uses, e.Error, e.Method}, func(text string) bool {
		return strings.Contains(strings.ToLower(text), q)
	})
}

func (c *Console) registerTail(api huma.API) {
	o := op("tail", http.MethodGet, "/tail", "Follow hooks, steps and executions as they happen (server-sent events)", "executions", 503)
	o.Description = "First comes the event `ready`. From then on each event `events` has a list of what happened, and, when that was more than is sent at once, " +
		"the event `held` counts by kind what was left out: narrow the filters, or read it in the run log."
	event := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[TailEvent](), true, "TailEvent")
	o.Responses = map[string]*huma.Response{"200": {Description: "Events", Content: map[string]*huma.MediaType{
		"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{
			"event": {Type: huma.TypeString, Enum: []any{"ready", "events", "held"}}, "data": {Type: huma.TypeArray, Items: event},
		}}},
	}}}
	huma.Register(api, o, func(ctx context.Context, in *tailInput) (*huma.StreamResponse, error) {
		who := &tailer{wants: in.wants, held: map[string]int{}}
		leave, err := c.tails.join(ctx, who)
		if err != nil {
			return nil, c.kafkaReadError(err)
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			defer leave()
			_, w := humago.Unwrap(hc)
			hc.SetHeader("Content-Type", "text/event-stream")
			hc.SetHeader("X-Accel-Buffering", "no")
			hc.SetStatus(http.StatusOK)
			c.tell(hc.Context(), w, who)
		}}, nil
	})
}

// tell writes what happens until the client goes away or the console stops.
func (c *Console) tell(ctx context.Context, w http.ResponseWriter, who *tailer) {
	control := http.NewResponseController(w)
	said := time.Now()
	send := func(event string, data any) bool {
		text, err := json.Marshal(data)
		if err != nil {
			c.log.Error("encoding what happened", "error", err)
			return true
		}
		said = time.Now()
		_ = control.SetWriteDeadline(said.Add(heartbeat))
		if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, text); err != nil {
			return false
		}
		return control.Flush() == nil
	}
	if !send("ready", struct{}{}) {
		return
	}
	tick := time.NewTicker(tailEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			events, held := who.take()
			if len(events) > 0 && !send("events", events) || len(held) > 0 && !send("held", held) {
				return
			}
			if time.Since(said) > heartbeat && !send("held", held) { // nothing: still here
				return
			}
		case <-ctx.Done():
			return
		case <-c.stopping:
			return
		}
	}
}

// tails are those who follow all that happens.
type tails struct {
	live    *live // whose topics and keys they share
	reading *reading

	mu  sync.Mutex
	all map[*tailer]struct{}
}

func newTails(l *live) *tails {
	t := &tails{live: l, all: map[*tailer]struct{}{}}
	t.reading = newReading(l.kafka, l.log, t.take, l.topics.Executions(), l.topics.Hooks())
	return t
}

// join adds one; when it returns, whatever happens from then on is told.
func (t *tails) join(ctx context.Context, who *tailer) (leave func(), err error) {
	t.mu.Lock()
	t.all[who] = struct{}{}
	t.mu.Unlock()
	left, err := t.reading.join(ctx)
	leave = func() {
		t.mu.Lock()
		delete(t.all, who)
		t.mu.Unlock()
		left()
	}
	if err != nil {
		leave()
	}
	return leave, err
}

func (t *tails) take(ctx context.Context, r *kgo.Record) {
	for _, e := range t.live.happenings(ctx, r) {
		t.mu.Lock()
		for who := range t.all {
			who.tell(e)
		}
		t.mu.Unlock()
	}
}
