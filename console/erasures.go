package console

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"sluice/schemas"
)

// erasureTimeout is how long selecting may take.
const erasureTimeout = 10 * time.Minute

// shownErased is how many IDs a dry run shows.
const shownErased = 1000

// ErasureRequest says whose data is to be erased: by sql or by subject.
type ErasureRequest struct {
	SQL         string `json:"sql,omitempty" maxLength:"262144" doc:"A statement that gives a column execution_id or id, or columns partition and offset"`
	Subject     string `json:"subject,omitempty" maxLength:"10000" doc:"EXPR=VALUE: hooks for which the expression gives that value, or a list with it, such as body.customer.email=ann@example.com"`
	Flow        string `json:"flow,omitempty" doc:"Only executions of this flow"`
	Note        string `json:"note,omitempty" maxLength:"1000" doc:"Stands in the certificate"`
	RequestedBy string `json:"requestedBy,omitempty" maxLength:"200" doc:"Who asked; stands in the certificate"`
	DryRun      bool   `json:"dryRun,omitempty" doc:"Only say what would be erased"`
}

// ErasureView is an erasure as the API shows it.
type ErasureView struct {
	ID          string               `json:"id,omitempty" doc:"Absent for a dry run"`
	State       string               `json:"state" enum:"selected,running,finished" doc:"selected: a dry run"`
	Stage       string               `json:"stage,omitempty" enum:"list,read,cancel,keys,write,blobs,rows,verify,files,certificate" doc:"Of a running one: what it does, in this order. When its process ends in between it begins again"`
	WaitingFor  string               `json:"waitingFor,omitempty"`
	Note        string               `json:"note,omitempty"`
	RequestedBy string               `json:"requestedBy,omitempty"`
	Flow        string               `json:"flow,omitempty"`
	CreatedAt   *time.Time           `json:"createdAt,omitempty"`
	ChangedAt   *time.Time           `json:"changedAt,omitempty"`
	Total       int64                `json:"total" doc:"Executions, with those that have the same data: replays, retries, duplicates, callers and called"`
	Related     int64                `json:"related,omitempty" doc:"Of a dry run: how many of them the selection did not name itself"`
	Found       schemas.ErasedCount  `json:"found"`
	Executions  []string             `json:"executions" nullable:"false" doc:"IDs; the first 1,000"`
	NotSearched int64                `json:"notSearched,omitempty" doc:"Hooks that the expression could not be asked about: their body is over 32 MiB, or is gone"`
	Mentions    []string             `json:"mentions,omitempty" doc:"What people wrote that has the subject's value in it, and is not erased"`
	Certificate *schemas.Certificate `json:"certificate,omitempty" doc:"When it is finished"`
}

func erasureView(e *schemas.ErasureEntry) *ErasureView {
	v := &ErasureView{
		ID: e.ID, State: e.State(), WaitingFor: e.Waiting, Note: e.Note, RequestedBy: e.RequestedBy, Flow: e.Flow, CreatedAt: &e.CreatedAt, ChangedAt: &e.ChangedAt,
		Found: e.Found, Mentions: e.Mentions,
	}
	if e.Certificate == nil {
		v.Stage = e.Stage
	}
	return v.list(e.Count(), e.First(shownErased))
}

func (v *ErasureView) list(total int, ids []schemas.ExecutionID) *ErasureView {
	v.Total, v.Executions = int64(total), []string{}
	for _, id := range ids[:min(len(ids), shownErased)] {
		v.Executions = append(v.Executions, id.String())
	}
	return v
}

type erasureInput struct{ Body ErasureRequest }

type erasureID struct {
	ID string `path:"id" doc:"The erasure's ID"`
}

type erasureOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     *ErasureView
}

type erasureList struct {
	Body struct {
		Items []*ErasureView `json:"items" nullable:"false" doc:"The newest first, without their certificates' details"`
	}
}

func (c *Console) registerErasures(api huma.API) {
	create := op("create-erasure", http.MethodPost, "/erasures", "Erase a person's data from Kafka, ClickHouse and the blob store, or say what would be erased (dryRun)", "erasures", 400, 404, 422, 503)
	create.Description = "Erases what the hooks of the selected executions brought and what their steps did with it, and of the executions that have the same data. " +
		"An open execution is cancelled first. When it is finished the erasure has a certificate, which also names what could not be erased, and until when it is there. It cannot be undone."
	create.DefaultStatus = http.StatusAccepted
	huma.Register(api, create, c.createErasure)
	huma.Register(api, op("list-erasures", http.MethodGet, "/erasures", "List erasures, newest first", "erasures"), func(context.Context, *struct{}) (*erasureList, error) {
		out := &erasureList{}
		out.Body.Items = []*ErasureView{}
		for _, e := range c.opts.Control.Erasures() {
			v := erasureView(e)
			v.Executions = []string{}
			out.Body.Items = append(out.Body.Items, v)
		}
		return out, nil
	})
	huma.Register(api, op("get-erasure", http.MethodGet, "/erasures/{id}", "Show an erasure, and its certificate once it is finished", "erasures", 404), func(_ context.Context, in *erasureID) (*erasureOutput, error) {
		e := c.opts.Control.Erasure(in.ID)
		if e == nil {
			return nil, problem(http.StatusNotFound, "`sluice erasures` lists them", "there is no erasure %q", in.ID)
		}
		v := erasureView(e)
		v.Certificate = e.Certified()
		return &erasureOutput{Status: http.StatusOK, Body: v}, nil
	})
	certificate := op("get-certificate", http.MethodGet, "/erasures/{id}/certificate", "Download an erasure's certificate", "erasures", 404, 409)
	certificate.Responses = map[string]*huma.Response{"200": {Description: "The certificate", Content: map[string]*huma.MediaType{
		mediaJSON: {Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[schemas.Certificate](), true, "Certificate")},
	}}}
	huma.Register(api, certificate, c.downloadCertificate)
}

// downloadCertificate gives a certificate as a file to keep.
func (c *Console) downloadCertificate(_ context.Context, in *erasureID) (*huma.StreamResponse, error) {
	e := c.opts.Control.Erasure(in.ID)
	switch {
	case e == nil:
		return nil, problem(http.StatusNotFound, "`sluice erasures` lists them", "there is no erasure %q", in.ID)
	case e.Certificate == nil:
		return nil, problem(http.StatusConflict, "wait until its state is finished", "erasure %s is not finished, and has no certificate yet", e.ID)
	}
	text, err := json.MarshalIndent(e.Certified(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding a certificate: %w", err)
	}
	return &huma.StreamResponse{Body: func(h huma.Context) {
		h.SetHeader("Content-Type", mediaJSON)
		h.SetHeader("Content-Disposition", `attachment; filename="erasure-`+e.ID+`.json"`)
		h.SetHeader("Cache-Control", "private, no-store")
		_, _ = h.BodyWriter().Write(append(text, '\n')) // who went away does not read it
	}}, nil
}

func (c *Console) createErasure(ctx context.Context, in *erasureInput) (*erasureOutput, error) {
	if c.opts.ClickHouse == nil || c.opts.SQL == nil {
		return nil, problem(http.StatusServiceUnavailable, historyRemedy, "there is no ClickHouse to ask")
	}
	r := in.Body
	r.SQL, r.Subject = strings.TrimSpace(r.SQL), strings.TrimSpace(r.Subject)
	if (r.SQL == "") == (r.Subject == "") {
		return nil, problem(http.StatusUnprocessableEntity, "give sql, or subject as EXPR=VALUE", "say whose data is to be erased, in one way")
	}
	if r.Flow != "" {
		if f := c.opts.Control.Flow(r.Flow); f == nil { // a deleted flow has a history
			return nil, problem(http.StatusNotFound, "see GET /api/v1/flows", "there is no flow %q", r.Flow)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, erasureTimeout)
	defer cancel()
	// The statement may have personal data in it: it is kept out of ClickHouse's own log.
	quiet := ch.Context(ctx, ch.WithSettings(ch.Settings{"log_queries": 0, "max_query_size": 32 << 20}))
	found := &erasing{}
	var err error
	if r.SQL != "" {
		err = c.eraseBySQL(ctx, &r, found)
	} else {
		err = c.eraseBySubject(quiet, &r, found)
	}
	if err == nil {
		err = c.eraseRelated(quiet, found)
	}
	if err != nil {
		return nil, err
	}
	if len(found.ids) > schemas.MaxErased {
		return nil, problem(http.StatusUnprocessableEntity, "make several erasures of it: by flow, or by time in sql", "more than %d executions would be erased at once", schemas.MaxErased)
	}
	ids := slices.SortedFunc(found.each(), func(a, b schemas.ExecutionID) int { return strings.Compare(string(a[:]), string(b[:])) })
	counts, err := c.countErased(quiet, ids)
	if err != nil {
		return nil, err
	}
	if r.DryRun {
		v := &ErasureView{State: "selected", Flow: r.Flow, Note: r.Note, RequestedBy: r.RequestedBy, Found: counts, Related: int64(len(ids)) - found.selected,
			NotSearched: found.notSearched, Mentions: found.mentions}
		return &erasureOutput{Status: http.StatusOK, Body: v.list(len(ids), ids)}, nil
	}
	if len(ids) == 0 {
		return nil, problem(http.StatusUnprocessableEntity, "try it with dryRun, and look at the expression or the statement", "the selection has no executions")
	}
	e := &schemas.Erasure{
		ID: uuid.Must(uuid.NewV7()).String(), Note: r.Note, RequestedBy: r.RequestedBy, SelectedBy: "sql", Flow: r.Flow, Found: counts, Mentions: found.mentions,
	}
	if r.Subject != "" {
		e.SelectedBy = "subject"
	}
	e.SelectionSHA256 = schemas.SelectionHash(e.ID, cmp.Or(r.SQL, r.Subject))
	if err := c.makeErasure(ctx, e, ids); err != nil {
		return nil, err
	}
	v := erasureView(c.opts.Control.Erasure(e.ID))
	v.NotSearched = found.notSearched
	return &erasureOutput{Status: http.StatusAccepted, Location: "/api/v1/erasures/" + e.ID, Body: v}, nil
}

// makeErasure names the executions, in as many records as it takes. The last of
// them makes the erasure: what is cut off before it was never asked for.
func (c *Console) makeErasure(ctx context.Context, e *schemas.Erasure, ids []schemas.ExecutionID) error {
	ch := schemas.Change{Type: schemas.ErasureNamed, By: e.RequestedBy, ErasureID: e.ID}
	for len(ids) > 0 {
		piece := ids[:min(len(ids), schemas.ErasedPiece)]
		ids = ids[len(piece):]
		var named []byte
		for _, id := range piece {
			named = append(named, id[:]...)
		}
		if ch.Erasure = (&schemas.Erasure{Executions: named}); len(ids) == 0 {
			ch.Type, ch.Erasure, e.Executions = schemas.ErasureCreated, e, named
		}
		var err error
		if ch.Expect, err = c.appended(ctx, ch); err != nil {
			return err
		}
	}
	return nil
}
