package console

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"sluice/schemas"
)

// historyTimeout is how long a question to the run log may take.
const historyTimeout = 15 * time.Second

// Execution is an execution in a list.
type Execution struct {
	ID         string     `json:"id" format:"uuid"`
	Flow       string     `json:"flow"`
	Version    uint32     `json:"version" doc:"0 until it runs"`
	Status     string     `json:"status" enum:"waiting,running,succeeded,failed,duplicate,filtered,cancelled"`
	StartedAt  time.Time  `json:"startedAt" doc:"When its hook was accepted"`
	EndedAt    *time.Time `json:"endedAt"`
	DurationMs *float64   `json:"durationMs"`
	Error      *string    `json:"error"`
	ErrorKind  string     `json:"errorKind,omitempty" doc:"network, timeout, http, input, expression, credential, blocked, cancelled or internal"`
	ErrorStep  string     `json:"errorStep,omitempty"`
	ReplayOf   *string    `json:"replayOf" doc:"The execution that this one retries or replays"`
	Replay     string     `json:"replay,omitempty" doc:"The replay that it belongs to"`
	TraceID    string     `json:"traceId,omitempty"`
	Erased     bool       `json:"erased,omitempty" doc:"What its hook brought and its steps did was erased: there is how it stands"`
}

// ExecutionDetail is one execution with all there is to know of it.
type ExecutionDetail struct {
	Execution
	Hook  *ExecutionHook  `json:"hook"`
	Steps []ExecutionStep `json:"steps" nullable:"false" doc:"In the order of the flow; those that did not run are skipped"`
	// Replays are the executions that replay or retry this one.
	Replays []string `json:"replays" nullable:"false" doc:"Executions that replay or retry this one, the first one first"`
	// CalledBy is the step of another execution that began this one.
	CalledBy *Caller `json:"calledBy,omitempty" doc:"The step of another flow's execution that called this one's flow"`
	// Callbacks are there while it is open: whoever has such a URL may call it.
	Callbacks map[string]string `json:"callbacks,omitempty" doc:"While it is open: the URL that each of its webhook/wait steps waits for, by the step's ID"`
}

// Caller is a step that called a flow.
type Caller struct {
	Execution string `json:"execution" format:"uuid"`
	Flow      string `json:"flow"`
	Step      string `json:"step"`
}

// ExecutionHook is the request that an execution began with.
type ExecutionHook struct {
	Method      string            `json:"method"`
	Path        string            `json:"path"`
	Query       string            `json:"query"`
	Headers     map[string]string `json:"headers" nullable:"false"`
	ContentType string            `json:"contentType"`
	// Body is JSON when it was sent as such, else a string.
	Body         json.RawMessage `json:"body" doc:"JSON when it was sent as JSON, else a string; null when it is in the blob store: bodyUrl has it"`
	BodyEncoding string          `json:"bodyEncoding,omitempty" enum:"base64" doc:"Set when the body is no text"`
	BodySize     uint64          `json:"bodySize" doc:"Bytes"`
	BodySHA256   string          `json:"bodySha256,omitempty" doc:"Of a body in the blob store, in lower-case hex"`
	BodyURL      string          `json:"bodyUrl" doc:"Where the body can be fetched as it came"`
	Files        []HookFile      `json:"files" nullable:"false" doc:"The files in the body"`
	ReceivedAt   time.Time       `json:"receivedAt"`
	Topic        string          `json:"topic"`
	Partition    int32           `json:"partition"`
	Offset       int64           `json:"offset"`
}

// ExecutionStep is a step as its last attempt left it.
type ExecutionStep struct {
	ID             string          `json:"id"`
	Name           string          `json:"name"`
	Uses           string          `json:"uses"`
	Iteration      int32           `json:"iteration" doc:"0 unless the step runs once per element"`
	Status         string          `json:"status" enum:"succeeded,failed,retrying,skipped,cancelled,waiting,unknown,filtered"`
	Attempt        uint32          `json:"attempt" doc:"The last attempt's number, 0 for a skipped step"`
	Input          json.RawMessage `json:"input"`
	Output         json.RawMessage `json:"output"`
	Error          *string         `json:"error"`
	ErrorKind      string          `json:"errorKind,omitempty"`
	StartedAt      time.Time       `json:"startedAt" doc:"Of the last attempt"`
	DurationMs     float64         `json:"durationMs" doc:"Of the last attempt"`
	HTTPStatus     uint16          `json:"httpStatus" doc:"0 where no HTTP was spoken"`
	IdempotencyKey string          `json:"idempotencyKey" doc:"Equal over all attempts"`
	RetryAt        *time.Time      `json:"retryAt,omitempty" doc:"When the next attempt is due"`
	Attempts       []StepAttempt   `json:"attempts" nullable:"false" doc:"Every attempt, the first one first"`
}

// StepAttempt is one try of a step.
type StepAttempt struct {
	Attempt    uint32          `json:"attempt"`
	Input      json.RawMessage `json:"input"`
	Output     json.RawMessage `json:"output"`
	Status     string          `json:"status"`
	Error      *string         `json:"error"`
	ErrorKind  string          `json:"errorKind,omitempty"`
	HTTPStatus uint16          `json:"httpStatus"`
	StartedAt  time.Time       `json:"startedAt"`
	DurationMs float64         `json:"durationMs"`
	RetryAt    *time.Time      `json:"retryAt,omitempty"`
}

func (c *Console) registerExecutions(api huma.API) {
	huma.Register(api, op("list-executions", http.MethodGet, "/executions", "List executions, newest first", "executions", 400, 503), c.listExecutions)
	huma.Register(api, op("get-execution", http.MethodGet, "/executions/{id}", "Show an execution with its hook and steps", "executions", 400, 404, 503), c.getExecution)
}

type executionsInput struct {
	Flow     string   `query:"flow" doc:"A flow's ID"`
	Status   []string `query:"status" enum:"waiting,running,succeeded,failed,duplicate,filtered,cancelled"`
	Since    string   `query:"since" doc:"A time (RFC 3339), or how long ago, such as 1h"`
	Until    string   `query:"until" doc:"A time (RFC 3339), or how long ago; itself excluded"`
	Q        string   `query:"q" maxLength:"1000" doc:"Text in any case: any part of the error, or words of the hook's body; where no body has the words, any part of one"`
	Field    []string `query:"field,explode" maxItems:"10" doc:"What a field of a JSON body says, such as body.customer.email=ann@example.com or body.items[].sku=A1; several must all be so"`
	Step     string   `query:"step" doc:"The ID of the step that an execution failed at"`
	ID       string   `query:"id" maxLength:"36" doc:"How the execution's ID begins"`
	ReplayOf string   `query:"replayOf" doc:"Only retries and replays of this execution"`
	Replay   string   `query:"replay" doc:"Only executions of this replay"`
	Limit    int      `query:"limit" default:"50" minimum:"1" maximum:"1000"`
	Cursor   string   `query:"cursor" doc:"The next of the page before"`
}

type executionList struct {
	Body struct {
		Items []Execution `json:"items" nullable:"false"`
		Next  string      `json:"next" doc:"The cursor of the next page, empty on the last one"`
		// NotSearched is counted for the first page of a search.
		NotSearched int64 `json:"notSearched,omitempty" doc:"Of a search, on its first page: hooks whose body is over 256 KiB, or a file, and is not searched; 1,000 stands for any number from there on"`
	}
}

const executionColumns = `id, flow, version, status, started_at, ended_at, duration_ms, error, error_kind, error_step, replay_of, replay, trace_id, erased`

// conditions collects the parts of a WHERE clause.
type conditions struct {
	parts []string
	args  []any
}

func (w *conditions) add(part string, args ...any) {
	w.parts = append(w.parts, part)
	w.args = append(w.args, args...)
}

func (w *conditions) String() string {
	if len(w.parts) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.parts, " AND ")
}

// idRange are the first and the last ID that begin with some digits.
func idRange(prefix string) (low, high string, ok bool) {
	digits := strings.ToLower(strings.ReplaceAll(prefix, "-", ""))
	if digits == "" || len(digits) > 32 || strings.Trim(digits, "0123456789abcdef") != "" {
		return "", "", false
	}
	id := func(fill string) string {
		d := digits + strings.Repeat(fill, 32-len(digits))
		return d[:8] + "-" + d[8:12] + "-" + d[12:16] + "-" + d[16:20] + "-" + d[20:]
	}
	return id("0"), id("f"), true
}

// moment reads a time, or a duration that has passed since.
func moment(text string, now time.Time) (time.Time, bool) {
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, true
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), true
	}
	return time.Time{}, false
}

// momentOf is moment, and says which parameter is neither.
func momentOf(name, text string, now time.Time) (time.Time, error) {
	t, ok := moment(text, now)
	if !ok {
		return t, problem(http.StatusBadRequest, "write a time such as 2026-01-31T09:00:00Z, or how long ago, such as 1h", "%s is neither a time nor a duration", name)
	}
	return t, nil
}

func scanExecution(scan func(...any) error) (*Execution, error) {
	var (
		x        Execution
		id       uuid.UUID
		replayOf *uuid.UUID
		message  string
	)
	err := scan(&id, &x.Flow, &x.Version, &x.Status, &x.StartedAt, &x.EndedAt, &x.DurationMs, &message, &x.ErrorKind, &x.ErrorStep, &replayOf, &x.Replay, &x.TraceID, &x.Erased)
	if err != nil {
		return nil, err
	}
	x.ID, x.Error = id.String(), optional(message)
	if replayOf != nil && *replayOf != uuid.Nil {
		x.ReplayOf = optional(replayOf.String())
	}
	return &x, nil
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

type executionInput struct {
	ID string `path:"id" doc:"The execution's ID"`
}

func (in *executionInput) parse() (schemas.ExecutionID, error) {
	id, err := schemas.ParseExecutionID(in.ID)
	if err != nil {
		return id, problem(http.StatusBadRequest, "", "%v", err)
	}
	return id, nil
}

type executionOutput struct{ Body ExecutionDetail }

func (c *Console) getExecution(ctx context.Context, in *executionInput) (*executionOutput, error) {
	id, err := in.parse()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	x, err := c.appeared(ctx, id)
	if err != nil {
		return nil, err
	}
	out := &executionOutput{ExecutionDetail{Execution: *x}}
	stored, err := c.hook(ctx, id)
	if err != nil {
		return nil, err
	}
	if stored != nil {
		if out.Body.Hook, err = stored.shown(id); err != nil {
			return nil, err
		}
	}
	if out.Body.Steps, err = c.steps(ctx, id); err != nil {
		return nil, err
	}
	c.inFlowOrder(out.Body.Steps, x)
	if out.Body.Replays, err = c.replaysOf(ctx, id); err != nil {
		return nil, err
	}
	out.Body.Callbacks = c.callbacksOf(id, &out.Body)
	if h := out.Body.Hook; h != nil && len(h.Headers) == 0 { // what comes from outside has some
		out.Body.CalledBy = c.calledBy(ctx, id)
	}
	return out, nil
}

// calledBy is who called an execution's flow; nil when nobody did, and while the
// run log is of an older version.
func (c *Console) calledBy(ctx context.Context, id schemas.ExecutionID) *Caller {
	var text string
	if err := c.opts.ClickHouse.QueryRow(ctx, "SELECT max(caller) FROM runlog_hooks WHERE id = ?", uuid.UUID(id)).Scan(&text); err != nil {
		c.log.Warn("asking who called an execution", "execution", id.String(), "error", err)
		return nil
	}
	parent, err := schemas.ParseParent(text)
	if err != nil {
		return nil
	}
	return &Caller{Execution: parent.Execution.String(), Flow: parent.Flow, Step: parent.Step}
}

// callbacksOf are the URLs that an open execution waits for, or will.
func (c *Console) callbacksOf(id schemas.ExecutionID, x *ExecutionDetail) map[string]string {
	f := c.opts.Control.Flow(x.Flow)
	if f == nil || c.opts.Tokens == nil || x.Hook == nil || !isOpen(x.Status) {
		return nil
	}
	v := f.Version(int32(x.Version))
	if v == nil {
		v = f.Published()
	}
	if v == nil || f.Erasable() {
		return nil
	}
	urls := map[string]string{}
	for i := range v.Flow.Steps {
		if step := &v.Flow.Steps[i]; step.Uses == "webhook/wait" {
			cb := schemas.Callback{Execution: id, Lane: x.Hook.Topic, Flow: f.ID, Step: step.ID, Credential: step.Credential}
			urls[step.ID] = c.opts.PublicURL + schemas.CallbackPath + cb.Token(c.opts.Tokens)
		}
	}
	return urls
}

// appearing is how long an execution is waited for whose hook was accepted just
// now: whoever asks by the ID that the edge answered, or that a live stream
// named, is ahead of the run log's writer.
const appearing = 5 * time.Second

// appeared is execution, with patience for one that the run log is about to have.
func (c *Console) appeared(ctx context.Context, id schemas.ExecutionID) (*Execution, error) {
	for {
		x, err := c.execution(ctx, id)
		if p, ok := errors.AsType[*Problem](err); !ok || p.Status != http.StatusNotFound {
			return x, err
		}
		if age := time.Since(id.Time()); age < -appearing || age > appearing {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// execution reads an execution's row; 404 when the run log has none.
func (c *Console) execution(ctx context.Context, id schemas.ExecutionID) (*Execution, error) {
	if c.opts.ClickHouse == nil {
		return nil, problem(http.StatusServiceUnavailable, historyRemedy, "there is no ClickHouse to ask")
	}
	x, err := scanExecution(c.opts.ClickHouse.QueryRow(ctx, "SELECT "+executionColumns+" FROM executions WHERE id = toUUID(?)", id.String()).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, problem(http.StatusNotFound, "one that was accepted just now appears within a second; history is kept for 30 days", "the run log has no execution %s", id)
	}
	if err != nil {
		return nil, c.storeError(err)
	}
	return x, nil
}

// replaysOf lists the executions that an execution was repeated as.
func (c *Console) replaysOf(ctx context.Context, id schemas.ExecutionID) ([]string, error) {
	rows, err := c.opts.ClickHouse.Query(ctx, "SELECT id FROM executions WHERE replay_of = toUUID(?) ORDER BY toUInt128(id) LIMIT 100", id.String())
	if err != nil {
		return nil, c.storeError(err)
	}
	defer rows.Close()
	ids := []string{}
	for rows.Next() {
		var other uuid.UUID
		if err := rows.Scan(&other); err != nil {
			return nil, c.storeError(err)
		}
		ids = append(ids, other.String())
	}
	if err := rows.Err(); err != nil {
		return nil, c.storeError(err)
	}
	return ids, nil
}

// storedHook is a hook's row.
type storedHook struct {
	ExecutionHook
	flow   string
	erased bool
	stored storedBody
}

// hook reads the hook that an execution began with; nil when the run log has none.
func (c *Console) hook(ctx context.Context, id schemas.ExecutionID) (*storedHook, error) {
	h := &storedHook{}
	err := c.opts.ClickHouse.QueryRow(ctx,
		"SELECT flow, erased, received_at, method, path, query, headers, content_type, body, body_size, body_sha256, blob, files, topic, partition, offset FROM hooks WHERE id = toUUID(?)", id.String()).
		Scan(&h.flow, &h.erased, &h.ReceivedAt, &h.Method, &h.Path, &h.Query, &h.Headers, &h.ContentType, &h.stored.text, &h.stored.size, &h.stored.sha256, &h.stored.blob, &h.stored.files, &h.Topic, &h.Partition, &h.Offset)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, c.storeError(err)
	}
	return h, nil
}

func (h *storedHook) shown(id schemas.ExecutionID) (*ExecutionHook, error) {
	out := h.ExecutionHook
	if out.Headers == nil {
		out.Headers = map[string]string{}
	}
	body := h.stored.text
	switch {
	case h.stored.blob != "":
		out.Body = json.RawMessage("null")
	case !utf8.ValidString(body):
		out.BodyEncoding = "base64"
		out.Body = text(base64.StdEncoding.EncodeToString([]byte(body)))
	case isJSON(h.ContentType) && json.Valid([]byte(body)):
		out.Body = json.RawMessage(body)
	default:
		out.Body = text(body)
	}
	return &out, h.stored.show(&out, id)
}

// isJSON reports whether a content type says JSON, or nothing.
func isJSON(contentType string) bool {
	media, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	media = strings.TrimSpace(media)
	return media == "" || media == "application/json" || media == "text/json" || strings.HasSuffix(media, "+json")
}

func text(s string) json.RawMessage {
	b, _ := json.Marshal(s) // a string: no error
	return b
}

// stored is what the run log keeps as JSON; nothing is null.
func stored(s string) json.RawMessage {
	switch {
	case s == "":
		return json.RawMessage("null")
	case utf8.ValidString(s) && json.Valid([]byte(s)):
		return json.RawMessage(s)
	}
	return text(s)
}

func (c *Console) steps(ctx context.Context, id schemas.ExecutionID) ([]ExecutionStep, error) {
	rows, err := c.opts.ClickHouse.Query(ctx, `SELECT step, name, uses, iteration, attempt, status, input, output, error, error_kind,
		http_status, idempotency_key, started_at, duration_ms, retry_at
		FROM steps WHERE execution_id = toUUID(?) ORDER BY step, iteration, attempt`, id.String())
	if err != nil {
		return nil, c.storeError(err)
	}
	defer rows.Close()
	steps := []ExecutionStep{}
	for rows.Next() {
		var s ExecutionStep
		var input, output, message string
		if err := rows.Scan(&s.ID, &s.Name, &s.Uses, &s.Iteration, &s.Attempt, &s.Status, &input, &output, &message, &s.ErrorKind,
			&s.HTTPStatus, &s.IdempotencyKey, &s.StartedAt, &s.DurationMs, &s.RetryAt); err != nil {
			return nil, c.storeError(err)
		}
		s.Input, s.Output, s.Error = stored(input), stored(output), optional(message)
		s.Attempts = []StepAttempt{}
		last := len(steps) - 1
		if last >= 0 && steps[last].ID == s.ID && steps[last].Iteration == s.Iteration {
			s.Attempts = steps[last].Attempts
			steps = steps[:last]
		}
		if s.Attempt > 0 {
			s.Attempts = append(s.Attempts, StepAttempt{
				Attempt: s.Attempt, Status: s.Status, Input: s.Input, Output: s.Output, Error: s.Error, ErrorKind: s.ErrorKind, HTTPStatus: s.HTTPStatus,
				StartedAt: s.StartedAt, DurationMs: s.DurationMs, RetryAt: s.RetryAt,
			})
		}
		if s.Status != "retrying" {
			s.RetryAt = nil
		}
		steps = append(steps, s)
	}
	if err := rows.Err(); err != nil {
		return nil, c.storeError(err)
	}
	return steps, nil
}

// inFlowOrder sorts steps as the version they ran on lists them, and takes
// names from there where the run log has none.
func (c *Console) inFlowOrder(steps []ExecutionStep, x *Execution) {
	position := map[string]int{}
	names := map[string]string{}
	if f := c.opts.Control.Flow(x.Flow); f != nil {
		if v := f.Version(int32(x.Version)); v != nil {
			for i := range v.Flow.Steps {
				position[v.Flow.Steps[i].ID] = i + 1
				names[v.Flow.Steps[i].ID] = v.Flow.Steps[i].Name
			}
		}
	}
	for i := range steps {
		if steps[i].Name == "" {
			steps[i].Name = names[steps[i].ID]
		}
	}
	slices.SortStableFunc(steps, func(a, b ExecutionStep) int {
		if p, q := position[a.ID], position[b.ID]; p != q {
			return p - q
		}
		if a.ID != b.ID {
			return a.StartedAt.Compare(b.StartedAt)
		}
		return int(a.Iteration - b.Iteration)
	})
}
