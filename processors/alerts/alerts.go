// Package alerts asks saved queries from time to time, and tells somebody when
// the answer of one passes its alert's threshold. A rule and all that happens
// to it are changes in the control log (schemas.AlertRule), so that any process
// goes on after a restart; of all processes one evaluates.
package alerts

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/connectors"
	"sluice/schemas"
	"sluice/schemas/clickhouse"
	"sluice/schemas/control"
)

// Control is the control log. It is safe for concurrent use.
type Control interface {
	Alert(id string) *schemas.AlertEntry
	Alerts() []*schemas.AlertEntry
	SavedQuery(id string) *schemas.SavedQueryEntry
	Credential(id string) *schemas.CredentialEntry
	Secret(id string) map[string]string
	Append(ctx context.Context, ch schemas.Change) (int64, error)
}

// Options says what an Evaluator works with. All but Logger is needed.
type Options struct {
	Kafka    []kgo.Opt
	Topics   schemas.Topics
	Instance string // unique among evaluators, the same after a restart
	Control  Control
	// SQL runs the queries: a connection that can change nothing.
	SQL        driver.Conn
	Components *connectors.Set
	// Env has the guarded client that notifications go through.
	Env    connectors.Env
	Logger *slog.Logger
}

// Evaluator evaluates alerts.
type Evaluator struct {
	opts Options
	log  *slog.Logger
	// due is when an alert is evaluated next, and of which revision; tries when
	// its notification is sent next, and after how many failures.
	due   map[string]time.Time
	rules map[string]schemas.AlertRule
	tries map[string]*try
}

type try struct {
	opening  int64
	failures int
	next     time.Time
}

const (
	look         = 500 * time.Millisecond
	queryTimeout = 30 * time.Second
	sendTimeout  = 20 * time.Second
	longestWait  = 5 * time.Minute
)

// New makes an Evaluator; it does no I/O.
func New(opts Options) *Evaluator {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Evaluator{opts: opts, log: opts.Logger.With("role", "alerts")}
}

// Run evaluates whenever this process is the one to do so, until ctx ends.
func (e *Evaluator) Run(ctx context.Context) error {
	return control.Lead(ctx, e.opts.Kafka, e.opts.Topics, "alerts", e.opts.Instance, e.lead)
}

func (e *Evaluator) lead(ctx context.Context) {
	e.due, e.rules, e.tries = map[string]time.Time{}, map[string]schemas.AlertRule{}, map[string]*try{}
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		for _, a := range e.opts.Control.Alerts() {
			e.see(ctx, a, time.Now())
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// see evaluates an alert that is due, and sends a notification that is not
// sent yet: one process may have opened it and ended before it told anybody.
func (e *Evaluator) see(ctx context.Context, a *schemas.AlertEntry, now time.Time) {
	if !reflect.DeepEqual(e.rules[a.ID], a.AlertRule) {
		e.rules[a.ID] = a.AlertRule
		delete(e.due, a.ID)
	}
	if !a.Disabled && !now.Before(e.due[a.ID]) {
		e.due[a.ID] = now.Add(a.Interval())
		if err := e.evaluate(ctx, a); err != nil && ctx.Err() == nil {
			e.log.Warn("an alert could not be evaluated and is tried again", "alert", a.ID, "error", err)
		}
	}
	if a = e.opts.Control.Alert(a.ID); a != nil && a.Opening > 0 && a.Notified.IsZero() {
		e.notify(ctx, a, now)
	}
}

func (e *Evaluator) evaluate(ctx context.Context, a *schemas.AlertEntry) error {
	value, err := e.value(ctx, a.Query)
	if err != nil {
		return err
	}
	open := a.State == schemas.AlertIsOpen || a.State == schemas.AlertIsAcknowledged
	ch := schemas.Change{AlertID: a.ID, Expect: a.Revision, Value: &value}
	switch broken := a.Broken(value); {
	case broken && !open:
		ch.Type = schemas.AlertOpened
	case !broken && open:
		ch.Type = schemas.AlertResolved
	default:
		return nil
	}
	if _, err := e.opts.Control.Append(ctx, ch); err != nil && !errors.Is(err, control.ErrConflict) {
		return err
	}
	return nil
}

// value is the first number of a query's first row; 0 without a row.
func (e *Evaluator) value(ctx context.Context, id string) (float64, error) {
	q := e.opts.Control.SavedQuery(id)
	if q == nil {
		return 0, fmt.Errorf("there is no saved query %q", id)
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	if err := clickhouse.Guard(ctx, e.opts.SQL, q.SQL); err != nil {
		return 0, err
	}
	rows, err := e.opts.SQL.Query(ctx, q.SQL)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	if !rows.Next() {
		return 0, rows.Err()
	}
	types := rows.ColumnTypes()
	values := make([]any, len(types))
	for i, t := range types {
		values[i] = reflect.New(t.ScanType()).Interface()
	}
	if err := rows.Scan(values...); err != nil {
		return 0, err
	}
	for _, v := range values {
		if n, ok := number(reflect.ValueOf(v).Elem()); ok {
			return n, nil
		}
	}
	return 0, fmt.Errorf("the query %s gives no number", id)
}

func number(v reflect.Value) (float64, bool) {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return 0, false
		}
		v = v.Elem()
	}
	switch {
	case v.CanInt():
		return float64(v.Int()), true
	case v.CanUint():
		return float64(v.Uint()), true
	case v.CanFloat():
		return v.Float(), !math.IsNaN(v.Float())
	}
	if f, ok := v.Interface().(interface{ InexactFloat64() float64 }); ok {
		return f.InexactFloat64(), true
	}
	return 0, false
}

// notify sends an opening's notification and notes it. The note comes after the
// sending: a crash in between sends it again, under the same Idempotency-Key.
func (e *Evaluator) notify(ctx context.Context, a *schemas.AlertEntry, now time.Time) {
	t := e.tries[a.ID]
	if t == nil || t.opening != a.Opening {
		t = &try{opening: a.Opening}
		e.tries[a.ID] = t
	}
	if now.Before(t.next) {
		return
	}
	sending, cancel := context.WithTimeout(ctx, sendTimeout)
	err := e.send(sending, a)
	cancel()
	if ctx.Err() != nil && err != nil {
		return
	}
	reason := ""
	if err != nil {
		reason = err.Error()
		t.failures++
		t.next = now.Add(min(longestWait, 5*time.Second<<min(t.failures, 10)))
		e.log.Warn("a notification could not be sent and is tried again", "alert", a.ID, "error", reason)
		if a.Failure == reason {
			return
		}
	}
	// Somebody may acknowledge it at the same time.
	for ctx.Err() == nil {
		latest := e.opts.Control.Alert(a.ID)
		if latest == nil || latest.Opening != a.Opening || !latest.Notified.IsZero() {
			return
		}
		_, err := e.opts.Control.Append(ctx, schemas.Change{Type: schemas.AlertNotified, AlertID: a.ID, Expect: latest.Revision, Reason: reason})
		if err == nil {
			return
		}
		if !errors.Is(err, control.ErrConflict) {
			e.log.Warn("noting a notification", "alert", a.ID, "error", err)
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
	}
}

func (e *Evaluator) send(ctx context.Context, a *schemas.AlertEntry) error {
	server := ""
	if a.Destination.Type == "email" {
		server = e.opts.Control.Secret(a.Destination.Credential)["username"]
	}
	uses, input := Notification(a, e.opts.Control.Secret(schemas.AlertSecret(a.ID))["url"], server)
	component, ok := e.opts.Components.Component(uses)
	if !ok || component.Do == nil {
		return fmt.Errorf("there is no component %s to tell by", uses)
	}
	raw, err := json.Marshal(input)
	if err != nil {
		return fmt.Errorf("encoding the notification: %w", err)
	}
	call := connectors.Call{Input: raw, IdempotencyKey: fmt.Sprintf("alert-%s-%d", a.ID, a.Opening), Attempt: 1}
	if id := a.Destination.Credential; id != "" {
		known := e.opts.Control.Credential(id)
		if known == nil {
			return fmt.Errorf("there is no credential %q", id)
		}
		call.Credential = &connectors.Credential{Type: known.Type, Values: e.opts.Control.Secret(id)}
	}
	_, err = component.Do(ctx, e.opts.Env, call)
	return err
}

// Notification is the component that tells of an opening, and its input. user is
// who signs in to the mail server.
func Notification(a *schemas.AlertEntry, url, user string) (uses string, input map[string]any) {
	name := a.Name
	if name == "" {
		name = a.ID
	}
	text := fmt.Sprintf("Alert %s: %s is %v (%s %v)", name, a.Query, a.Value, a.When, a.Threshold)
	switch d := a.Destination; {
	case d.Type == "email":
		from := cmp.Or(d.From, d.To[0])
		if d.From == "" && strings.Contains(user, "@") {
			from = user
		}
		return "email/send", map[string]any{"from": from, "to": d.To, "subject": text,
			"text": fmt.Sprintf("%s\n\nIt opened at %s, opening number %d.\n\n%s", text, a.OpenedAt.UTC().Format(time.RFC3339), a.Opening, a.Note)}
	case d.Type == "slack" && url == "":
		return "slack/notify", map[string]any{"text": text}
	case d.Type == "slack":
		return "webhook/send", map[string]any{"url": url, "body": map[string]any{"text": text}}
	}
	return "webhook/send", map[string]any{"url": url, "body": map[string]any{
		"alert": a.ID, "name": name, "note": a.Note, "state": a.State, "opening": a.Opening, "openedAt": a.OpenedAt,
		"query": a.Query, "value": a.Value, "when": a.When, "threshold": a.Threshold, "text": text,
	}}
}
