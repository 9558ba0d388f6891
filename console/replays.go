package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"sluice/schemas"
	"sluice/schemas/clickhouse"
)

// selectionTimeout is how long counting a selection may take.
const selectionTimeout = 60 * time.Second

// usualTrials is about how many hooks a second a dry run tries.
const usualTrials = 500

// ReplayRequest is what a replay is asked for with.
type ReplayRequest struct {
	Flow       string   `json:"flow,omitempty" doc:"A flow's ID; needed with version draft or a number"`
	From       string   `json:"from,omitempty" doc:"A time (RFC 3339), or how long ago, such as 1h"`
	To         string   `json:"to,omitempty" doc:"A time, or how long ago; itself excluded. Default: now"`
	Offsets    []string `json:"offsets,omitempty" doc:"P:A-B: offsets A to B of partition P of the topic hooks"`
	Status     []string `json:"status,omitempty" enum:"waiting,running,succeeded,failed,duplicate,filtered,cancelled"`
	Text       string   `json:"text,omitempty" maxLength:"1000" doc:"Text in the hook's body or in the error, in any case"`
	Field      []string `json:"field,omitempty" maxItems:"20" doc:"What the hook's JSON body says, such as body.customer.id=42 or body.items[].sku=A1; all of them"`
	Executions []string `json:"executions,omitempty" maxItems:"10000" doc:"Executions' IDs"`
	SQL        string   `json:"sql,omitempty" maxLength:"262144" doc:"A statement that gives a column execution_id or id, or columns partition and offset"`
	ChangedIn  string   `json:"changedIn,omitempty" doc:"A dry run's ID: those of its executions that would be otherwise"`
	Group      string   `json:"group,omitempty" doc:"With changedIn: only one group of differences"`
	Replays    bool     `json:"replays,omitempty" doc:"Executions of replays and retries too"`

	Note        string  `json:"note,omitempty" maxLength:"1000"`
	Version     string  `json:"version,omitempty" doc:"live (default), draft, or a version's number"`
	DryRun      bool    `json:"dryRun,omitempty" doc:"Say what would happen, with effects answered from the record; nothing goes out"`
	Rate        float64 `json:"rate,omitempty" minimum:"0" doc:"Hooks a second at most; 0: 100 beside live hooks, and as fast as it goes when none come. Fewer while live hooks would be held up"`
	MaxFailures int64   `json:"maxFailures,omitempty" minimum:"0" doc:"Give up when more executions than that failed; 0: never"`
	SameKeys    bool    `json:"sameKeys,omitempty" doc:"Send the original executions' idempotency keys"`
	Answers     string  `json:"answers,omitempty" enum:"recorded,sample" doc:"How a dry run goes on behind a call that is not on record: with what the step gave then, or with a sample"`
}

// ReplayView is a replay as the API shows it.
type ReplayView struct {
	ID          string              `json:"id"`
	Note        string              `json:"note,omitempty"`
	State       schemas.ReplayState `json:"state" enum:"selecting,running,paused,finished,cancelled,aborted,failed"`
	Reason      string              `json:"reason,omitempty" doc:"Why it was aborted or failed"`
	Selection   schemas.Selection   `json:"selection"`
	Version     string              `json:"version"`
	DryRun      bool                `json:"dryRun"`
	Rate        float64             `json:"rate,omitempty"`
	MaxFailures int64               `json:"maxFailures,omitempty"`
	SameKeys    bool                `json:"sameKeys,omitempty"`
	Answers     string              `json:"answers,omitempty"`
	By          string              `json:"by,omitempty"`
	CreatedAt   time.Time           `json:"createdAt"`
	ChangedAt   time.Time           `json:"changedAt"`
	Total       *int64              `json:"total" doc:"How many hooks were selected; null until they are"`
	Sources     map[string]int64    `json:"sources,omitempty" doc:"Of one replay: how many of its hooks are read from the run log (runlog) and from Kafka's topic (hooks)"`
	Revision    int64               `json:"revision"`
	// Progress is how far it is; nil when the run log cannot be asked.
	Progress *ReplayProgress `json:"progress,omitempty"`
	Report   *WhatIfReport   `json:"report,omitempty" doc:"Of a dry run"`
}

// ReplayProgress says how the executions of a replay stand.
type ReplayProgress struct {
	Done   int64            `json:"done" doc:"Ended, or compared"`
	Status map[string]int64 `json:"status" nullable:"false" doc:"Executions by status"`
}

// WhatIfReport is what a dry run found so far.
type WhatIfReport struct {
	Compared  int64             `json:"compared"`
	Changed   int64             `json:"changed" doc:"Executions that would be otherwise"`
	Unchanged int64             `json:"unchanged"`
	Left      int64             `json:"leftOut" doc:"Not compared: still open, or their hook is gone"`
	Groups    []DifferenceGroup `json:"groups" nullable:"false" doc:"The largest first"`
}

// DifferenceGroup are executions with a difference of one kind at one step.
type DifferenceGroup struct {
	Group   string `json:"group"`
	Kind    string `json:"kind" enum:"newFailure,mendedFailure,otherFailure,effectAdded,effectRemoved,effectAltered,branch,output"`
	Count   int64  `json:"count"`
	Example string `json:"example" format:"uuid" doc:"One of its executions"`
}

// ReplayEstimate is what a replay would be.
type ReplayEstimate struct {
	Hooks   int64            `json:"hooks"`
	Seconds float64          `json:"seconds" doc:"About how long it takes"`
	Effects []EffectEstimate `json:"effects" nullable:"false" doc:"Calls that the selected executions made, by component"`
	Source  string           `json:"source" enum:"runlog,hooks" doc:"Where the hooks are read from: the run log, or Kafka's topic, and what that has dropped from the run log"`
	Sample  []string         `json:"sample" nullable:"false" doc:"Some of the executions"`
}

// EffectEstimate is how often a component was called.
type EffectEstimate struct {
	Uses  string `json:"uses"`
	Calls int64  `json:"calls"`
}

func (c *Console) registerReplays(api huma.API) {
	create := op("create-replay", http.MethodPost, "/replays", "Send recorded hooks again, or say what would happen (dryRun)", "replays", 400, 404, 409, 422, 503)
	create.DefaultStatus = http.StatusCreated
	huma.Register(api, create, c.createReplay)
	huma.Register(api, op("estimate-replay", http.MethodPost, "/replays/estimate", "Count what a replay would send", "replays", 400, 404, 422, 503), c.estimateReplay)
	huma.Register(api, op("list-replays", http.MethodGet, "/replays", "List replays, newest first", "replays"), c.listReplays)
	huma.Register(api, op("get-replay", http.MethodGet, "/replays/{id}", "Show a replay, its progress, and what a dry run found", "replays", 404), c.getReplay)
	for _, command := range []struct{ name, summary, change string }{
		{"pause", "Send no more for now", schemas.ReplayPaused},
		{"resume", "Go on with a paused replay", schemas.ReplayResumed},
		{"cancel", "Send no more; what has begun is finished", schemas.ReplayCancelled},
	} {
		huma.Register(api, op(command.name+"-replay", http.MethodPost, "/replays/{id}/"+command.name, command.summary, "replays", 404, 409, 503), c.moveReplay(command.change))
	}
	huma.Register(api, op("list-differences", http.MethodGet, "/replays/{id}/differences", "List the executions that a dry run found to be otherwise", "replays", 404, 503), c.listDifferences)
	huma.Register(api, op("get-difference", http.MethodGet, "/replays/{id}/differences/{execution}", "Show an execution as it was and as it would be, side by side", "replays", 404, 503), c.getDifference)
}

type replayInput struct{ Body ReplayRequest }

type replayOutput struct {
	Location string `header:"Location"`
	Body     *ReplayView
}

// read checks a request and makes the replay of it.
func (c *Console) readReplay(in *ReplayRequest, now time.Time) (*schemas.Replay, error) {
	wrong := func(remedy, format string, args ...any) error {
		return problem(http.StatusUnprocessableEntity, remedy, format, args...)
	}
	r := &schemas.Replay{
		Note: in.Note, Version: in.Version, DryRun: in.DryRun, Rate: in.Rate, MaxFailures: in.MaxFailures, SameKeys: in.SameKeys, Answers: in.Answers,
		Selection: schemas.Selection{Flow: in.Flow, Status: in.Status, Text: in.Text, Fields: in.Field, Executions: in.Executions, SQL: strings.TrimSpace(in.SQL),
			ChangedIn: in.ChangedIn, Group: in.Group, Replays: in.Replays},
	}
	if r.Version == "" {
		r.Version = "live"
	}
	if in.ChangedIn != "" {
		dry := c.opts.Control.Replay(in.ChangedIn)
		if dry == nil || !dry.DryRun {
			return nil, wrong("`sluice replays` lists them", "there is no dry run %q", in.ChangedIn)
		}
		if r.Selection.Flow == "" {
			r.Selection.Flow = dry.Selection.Flow
		}
	}
	for _, bound := range []struct {
		name, text string
		to         *time.Time
	}{{"from", in.From, &r.Selection.From}, {"to", in.To, &r.Selection.To}} {
		if bound.text == "" {
			continue
		}
		t, ok := moment(bound.text, now)
		if !ok {
			return nil, wrong("write a time such as 2026-01-31T09:00:00Z, or how long ago, such as 1h", "%s is neither a time nor a duration", bound.name)
		}
		*bound.to = t.UTC()
	}
	for _, text := range in.Offsets {
		o, err := schemas.ParseOffsetRange(text)
		if err != nil {
			return nil, wrong("", "%v", err)
		}
		r.Selection.Offsets = append(r.Selection.Offsets, o)
	}
	for _, text := range in.Field {
		if _, err := clickhouse.ParseBodyField(text); err != nil {
			return nil, wrong(fieldRemedy, "field %q: %v", text, err)
		}
	}
	if err := r.Selection.Check(); err != nil {
		return nil, wrong("", "%v", err)
	}
	if word := firstWord(r.Selection.SQL); r.Selection.SQL != "" && word != "SELECT" && word != "WITH" {
		return nil, wrong("", "the selection's SQL must begin with SELECT or WITH")
	}
	return r, c.pinVersion(r)
}

// pinVersion checks the version that a replay runs on, and takes the draft
// along.
func (c *Console) pinVersion(r *schemas.Replay) error {
	flow := r.Selection.Flow
	if flow == "" {
		if r.Version == "live" {
			return nil
		}
		return problem(http.StatusUnprocessableEntity, "", "with version %s the replay must name its flow", r.Version)
	}
	f, err := c.find(flow)
	if err != nil {
		return err
	}
	switch n, err := strconv.ParseInt(r.Version, 10, 32); {
	case r.Version == "live":
		if f.Latest() == nil {
			return problem(http.StatusConflict, "publish it, or replay on its draft", "flow %s was never published", flow)
		}
	case r.Version == "draft":
		documents, err := schemas.ReadDocuments("", current(f), nil)
		if err != nil {
			return documentError(err)
		}
		if wrong := CheckDocuments(documents, c.checks()); len(wrong) > 0 {
			return wrongDocument(wrong)
		}
		r.Document = current(f)
	case err != nil || f.Version(int32(n)) == nil:
		return problem(http.StatusUnprocessableEntity, "choose live, draft, or a number of `GET /api/v1/flows/"+flow+"/versions`", "flow %s has no version %q", flow, r.Version)
	}
	return nil
}

func (c *Console) createReplay(ctx context.Context, in *replayInput) (*replayOutput, error) {
	if c.opts.ClickHouse == nil {
		return nil, problem(http.StatusServiceUnavailable, historyRemedy, "there is no ClickHouse to ask")
	}
	r, err := c.readReplay(&in.Body, time.Now())
	if err != nil {
		return nil, err
	}
	// A statement that cannot work is refused here, and not by a failed replay.
	if r.Selection.SQL != "" {
		if _, err := c.selected(ctx, r); err != nil {
			return nil, err
		}
	}
	id := uuid.Must(uuid.NewV7()).String()
	if err := c.append(ctx, schemas.Change{Type: schemas.ReplayCreated, ReplayID: id, Replay: r}); err != nil {
		return nil, err
	}
	return &replayOutput{Location: "/api/v1/replays/" + id, Body: replayView(c.opts.Control.Replay(id))}, nil
}

func replayView(r *schemas.ReplayEntry) *ReplayView {
	v := &ReplayView{
		ID: r.ID, Note: r.Note, State: r.State, Reason: r.Reason, Selection: r.Selection, Version: r.Version, DryRun: r.DryRun,
		Rate: r.Rate, MaxFailures: r.MaxFailures, SameKeys: r.SameKeys, Answers: r.Answers, By: r.By,
		CreatedAt: r.CreatedAt, ChangedAt: r.ChangedAt, Revision: r.Revision,
	}
	if r.Selected {
		v.Total = &r.Total
	}
	return v
}

type replayList struct {
	Body struct {
		Items []*ReplayView `json:"items" nullable:"false"`
	}
}

func (c *Console) listReplays(context.Context, *struct{}) (*replayList, error) {
	out := &replayList{}
	out.Body.Items = []*ReplayView{}
	for _, r := range c.opts.Control.Replays() {
		out.Body.Items = append(out.Body.Items, replayView(r))
	}
	return out, nil
}

type replayID struct {
	ID string `path:"id" doc:"The replay's ID"`
}

func (c *Console) findReplay(id string) (*schemas.ReplayEntry, error) {
	r := c.opts.Control.Replay(id)
	if r == nil {
		return nil, problem(http.StatusNotFound, "`sluice replays` lists them", "there is no replay %q", id)
	}
	return r, nil
}

func (c *Console) getReplay(ctx context.Context, in *replayID) (*replayOutput, error) {
	r, err := c.findReplay(in.ID)
	if err != nil {
		return nil, err
	}
	out := &replayOutput{Body: replayView(r)}
	if c.opts.ClickHouse == nil {
		return out, nil
	}
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	if out.Body.Sources, err = c.sources(ctx, r); err != nil {
		return nil, c.storeError(err)
	}
	if r.DryRun {
		report, err := c.report(ctx, r.ID)
		if err != nil {
			return nil, c.storeError(err)
		}
		out.Body.Report = report
		out.Body.Progress = &ReplayProgress{Done: report.Compared + report.Left, Status: map[string]int64{}}
		return out, nil
	}
	counts, err := clickhouse.ReplayCounts(ctx, c.opts.ClickHouse, r)
	if err != nil {
		return nil, c.storeError(err)
	}
	p := &ReplayProgress{Status: counts}
	for status, n := range counts {
		if !isOpen(status) {
			p.Done += n
		}
	}
	out.Body.Progress = p
	return out, nil
}

// sources says where the hooks of a replay are read from, once they are chosen.
func (c *Console) sources(ctx context.Context, r *schemas.ReplayEntry) (map[string]int64, error) {
	if !r.Selected {
		return nil, nil
	}
	rows, err := c.opts.ClickHouse.Query(ctx, "SELECT source, toInt64(uniqExact(n)) FROM runlog_selections WHERE replay = ? GROUP BY source", r.ID)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	sources := map[string]int64{}
	for rows.Next() {
		var source string
		var n int64
		if err := rows.Scan(&source, &n); err != nil {
			return nil, err
		}
		sources[source] = n
	}
	return sources, rows.Err()
}

func (c *Console) moveReplay(change string) func(context.Context, *replayID) (*replayOutput, error) {
	return func(ctx context.Context, in *replayID) (*replayOutput, error) {
		for range 5 { // the driver writes changes, too
			r, err := c.findReplay(in.ID)
			if err != nil {
				return nil, err
			}
			switch {
			case !r.State.Open():
				return nil, problem(http.StatusConflict, "", "replay %s is %s", r.ID, r.State)
			case change == schemas.ReplayPaused && r.State == schemas.ReplayIsPaused,
				change == schemas.ReplayResumed && r.State != schemas.ReplayIsPaused:
				return &replayOutput{Body: replayView(r)}, nil
			}
			err = c.append(ctx, schemas.Change{Type: change, ReplayID: r.ID, Expect: r.Revision})
			if p, ok := err.(*Problem); ok && p.Status == http.StatusConflict {
				continue
			}
			if err != nil {
				return nil, err
			}
			return &replayOutput{Body: replayView(c.opts.Control.Replay(r.ID))}, nil
		}
		return nil, problem(http.StatusConflict, "send the request again", "replay %s changes too fast", in.ID)
	}
}

// selected is the condition on hooks that a replay's selection means.
func (c *Console) selected(ctx context.Context, r *schemas.Replay) (where selection, err error) {
	if c.opts.SQL == nil {
		return where, problem(http.StatusServiceUnavailable, historyRemedy, "there is no ClickHouse to ask")
	}
	where.text, where.args, err = clickhouse.SelectHooks(ctx, c.opts.SQL, &r.Selection)
	if err != nil {
		if _, refused := errors.AsType[*ch.Exception](err); refused || c.opts.SQL.Ping(ctx) != nil {
			return where, c.queryError(err)
		}
		return where, problem(http.StatusUnprocessableEntity, "", "%v", err)
	}
	return where, nil
}

type selection struct {
	text string
	args []any
}

type estimateOutput struct{ Body ReplayEstimate }

func (c *Console) estimateReplay(ctx context.Context, in *replayInput) (*estimateOutput, error) {
	r, err := c.readReplay(&in.Body, time.Now())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, selectionTimeout)
	defer cancel()
	where, err := c.selected(ctx, r)
	if err != nil {
		return nil, err
	}
	out := &estimateOutput{ReplayEstimate{Effects: []EffectEstimate{}, Sample: []string{}, Source: "runlog"}}
	if r.Selection.FromTopic() {
		out.Body.Source = "hooks"
	}
	var sample []uuid.UUID
	if err := c.opts.SQL.QueryRow(ctx, "SELECT toInt64(count()), groupArray(5)(id) FROM hooks WHERE "+where.text, where.args...).Scan(&out.Body.Hooks, &sample); err != nil {
		return nil, c.queryError(err)
	}
	for _, id := range sample {
		out.Body.Sample = append(out.Body.Sample, id.String())
	}
	rate := r.Rate
	switch {
	case r.DryRun:
		rate = usualTrials
	case rate == 0:
		rate = schemas.UsualReplayRate
	}
	out.Body.Seconds = float64(out.Body.Hooks) / rate
	rows, err := c.opts.SQL.Query(ctx, `SELECT uses, toInt64(count()) FROM steps WHERE status != 'skipped' AND execution_id IN (SELECT id FROM hooks WHERE `+where.text+`)
		GROUP BY uses ORDER BY 2 DESC`, where.args...)
	if err != nil {
		return nil, c.queryError(err)
	}
	defer rows.Close()
	for rows.Next() {
		var e EffectEstimate
		if err := rows.Scan(&e.Uses, &e.Calls); err != nil {
			return nil, c.queryError(err)
		}
		if component, ok := c.opts.Components.Component(e.Uses); !ok || component.Effect != "pure" {
			out.Body.Effects = append(out.Body.Effects, e)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, c.queryError(err)
	}
	return out, nil
}

// report sums a dry run's rows up.
func (c *Console) report(ctx context.Context, replay string) (*WhatIfReport, error) {
	out := &WhatIfReport{Groups: []DifferenceGroup{}}
	err := c.opts.ClickHouse.QueryRow(ctx, `SELECT toInt64(countIf(now NOT IN ('gone', 'not compared'))), toInt64(countIf(notEmpty(kinds))),
		toInt64(countIf(now IN ('gone', 'not compared'))) FROM differences WHERE replay = ?`, replay).Scan(&out.Compared, &out.Changed, &out.Left)
	if err != nil {
		return nil, err
	}
	out.Unchanged = out.Compared - out.Changed
	rows, err := c.opts.ClickHouse.Query(ctx, `SELECT group, any(kind), toInt64(count()), any(execution_id)
		FROM differences ARRAY JOIN groups AS group, kinds AS kind WHERE replay = ? GROUP BY group ORDER BY 3 DESC, group LIMIT 200`, replay)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var g DifferenceGroup
		var example uuid.UUID
		if err := rows.Scan(&g.Group, &g.Kind, &g.Count, &example); err != nil {
			return nil, err
		}
		g.Example = example.String()
		out.Groups = append(out.Groups, g)
	}
	return out, rows.Err()
}

// Difference is an execution that would be otherwise.
type Difference struct {
	Execution string          `json:"execution" format:"uuid"`
	Flow      string          `json:"flow"`
	Was       string          `json:"was" doc:"How it ended"`
	Now       string          `json:"now" doc:"How it would end"`
	Kinds     []string        `json:"kinds" nullable:"false"`
	Groups    []string        `json:"groups" nullable:"false"`
	Detail    json.RawMessage `json:"detail,omitempty" doc:"The differences, and the steps as they were and as they would be"`
}

type differencesInput struct {
	ID     string `path:"id" doc:"The replay's ID"`
	Group  string `query:"group" doc:"Only of one group"`
	Limit  int    `query:"limit" default:"50" minimum:"1" maximum:"1000"`
	Cursor string `query:"cursor" doc:"The next of the page before"`
}

type differenceList struct {
	Body struct {
		Items []Difference `json:"items" nullable:"false"`
		Next  string       `json:"next" doc:"The cursor of the next page, empty on the last one"`
	}
}

func (c *Console) listDifferences(ctx context.Context, in *differencesInput) (*differenceList, error) {
	r, err := c.findReplay(in.ID)
	if err != nil {
		return nil, err
	}
	offset, err := strconv.Atoi("0" + in.Cursor)
	if err != nil {
		return nil, problem(http.StatusBadRequest, "use the `next` of the page before", "the cursor is none of this list")
	}
	where := &conditions{}
	where.add("replay = ? AND notEmpty(kinds)", r.ID)
	if in.Group != "" {
		where.add("has(groups, ?)", in.Group)
	}
	out := &differenceList{}
	out.Body.Items, err = c.differences(ctx, "execution_id, flow, was, now, kinds, groups, ''", where, in.Limit+1, offset)
	if err != nil {
		return nil, err
	}
	if len(out.Body.Items) > in.Limit {
		out.Body.Items = out.Body.Items[:in.Limit]
		out.Body.Next = strconv.Itoa(offset + in.Limit)
	}
	return out, nil
}

func (c *Console) differences(ctx context.Context, columns string, where *conditions, limit, offset int) ([]Difference, error) {
	if c.opts.ClickHouse == nil {
		return nil, problem(http.StatusServiceUnavailable, historyRemedy, "there is no ClickHouse to ask")
	}
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	rows, err := c.opts.ClickHouse.Query(ctx, fmt.Sprintf("SELECT %s FROM differences%s ORDER BY toUInt128(execution_id) LIMIT %d OFFSET %d", columns, where, limit, offset), where.args...)
	if err != nil {
		return nil, c.storeError(err)
	}
	defer rows.Close()
	items := []Difference{}
	for rows.Next() {
		var d Difference
		var id uuid.UUID
		var detail string
		if err := rows.Scan(&id, &d.Flow, &d.Was, &d.Now, &d.Kinds, &d.Groups, &detail); err != nil {
			return nil, c.storeError(err)
		}
		d.Execution, d.Kinds = id.String(), slices.Compact(d.Kinds)
		if detail != "" {
			d.Detail = json.RawMessage(detail)
		}
		items = append(items, d)
	}
	if err := rows.Err(); err != nil {
		return nil, c.storeError(err)
	}
	return items, nil
}

type differenceInput struct {
	ID        string `path:"id" doc:"The replay's ID"`
	Execution string `path:"execution" doc:"The execution's ID"`
}

type differenceOutput struct{ Body Difference }

func (c *Console) getDifference(ctx context.Context, in *differenceInput) (*differenceOutput, error) {
	r, err := c.findReplay(in.ID)
	if err != nil {
		return nil, err
	}
	id, err := (&executionInput{ID: in.Execution}).parse()
	if err != nil {
		return nil, err
	}
	where := &conditions{}
	where.add("replay = ? AND execution_id = toUUID(?)", r.ID, id.String())
	found, err := c.differences(ctx, "execution_id, flow, was, now, kinds, groups, detail", where, 1, 0)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, problem(http.StatusNotFound, "", "the dry run %s has no execution %s", r.ID, id)
	}
	return &differenceOutput{found[0]}, nil
}
