package console

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"sluice/schemas"
	"sluice/schemas/clickhouse"
)

// SavedQuery is a statement that somebody keeps.
type SavedQuery struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Note      string    `json:"note,omitempty"`
	SQL       string    `json:"sql"`
	Revision  int64     `json:"revision"`
	CreatedAt time.Time `json:"createdAt"`
	ChangedAt time.Time `json:"changedAt"`
}

// SavedQueryRequest is what a saved query is made of.
type SavedQueryRequest struct {
	ID   string `json:"id,omitempty" doc:"Small letters, digits, - and _; made up when absent"`
	Name string `json:"name,omitempty" maxLength:"200"`
	Note string `json:"note,omitempty" maxLength:"2000"`
	SQL  string `json:"sql" minLength:"1" maxLength:"262144"`
}

func savedQueryView(q *schemas.SavedQueryEntry) *SavedQuery {
	v := &SavedQuery{ID: q.ID, Name: q.Name, Note: q.Note, SQL: q.SQL, Revision: q.Revision, CreatedAt: q.CreatedAt, ChangedAt: q.ChangedAt}
	if v.Name == "" {
		v.Name = v.ID
	}
	return v
}

type savedQueryInput struct{ Body SavedQueryRequest }

type savedQueryID struct {
	ID string `path:"id" doc:"The saved query's ID"`
}

type savedQueryUpdate struct {
	ID   string `path:"id" doc:"The saved query's ID"`
	Body SavedQueryRequest
}

type savedQueryOutput struct {
	Location string `header:"Location"`
	Body     *SavedQuery
}

type savedQueryList struct {
	Body struct {
		Items []*SavedQuery `json:"items" nullable:"false"`
	}
}

func (c *Console) registerQueries(api huma.API) {
	create := op("create-query", http.MethodPost, "/queries", "Save a query", "queries", 400, 409, 422, 503)
	create.DefaultStatus = http.StatusCreated
	huma.Register(api, create, func(ctx context.Context, in *savedQueryInput) (*savedQueryOutput, error) {
		id := in.Body.ID
		if id == "" {
			id = uuid.NewString()
		}
		if c.opts.Control.SavedQuery(id) != nil {
			return nil, problem(http.StatusConflict, "change it by PUT, or choose another ID", "there is a saved query %q", id)
		}
		return c.saveQuery(ctx, id, &in.Body)
	})
	huma.Register(api, op("list-queries", http.MethodGet, "/queries", "List the saved queries", "queries"), func(context.Context, *struct{}) (*savedQueryList, error) {
		out := &savedQueryList{}
		out.Body.Items = []*SavedQuery{}
		for _, q := range c.opts.Control.SavedQueries() {
			out.Body.Items = append(out.Body.Items, savedQueryView(q))
		}
		return out, nil
	})
	huma.Register(api, op("get-query", http.MethodGet, "/queries/{id}", "Show a saved query", "queries", 404), func(_ context.Context, in *savedQueryID) (*savedQueryOutput, error) {
		q, err := c.findQuery(in.ID)
		if err != nil {
			return nil, err
		}
		return &savedQueryOutput{Body: savedQueryView(q)}, nil
	})
	huma.Register(api, op("put-query", http.MethodPut, "/queries/{id}", "Save a query under an ID", "queries", 400, 409, 422, 503), func(ctx context.Context, in *savedQueryUpdate) (*savedQueryOutput, error) {
		return c.saveQuery(ctx, in.ID, &in.Body)
	})
	remove := op("delete-query", http.MethodDelete, "/queries/{id}", "Delete a saved query", "queries", 404, 409, 503)
	remove.DefaultStatus = http.StatusNoContent
	huma.Register(api, remove, func(ctx context.Context, in *savedQueryID) (*struct{}, error) {
		q, err := c.findQuery(in.ID)
		if err != nil {
			return nil, err
		}
		for _, a := range c.opts.Control.Alerts() {
			if a.Query == q.ID {
				return nil, problem(http.StatusConflict, "delete the alert first", "the alert %s asks the query %s", a.ID, q.ID)
			}
		}
		return nil, c.append(ctx, schemas.Change{Type: schemas.QueryDeleted, QueryID: q.ID, Expect: q.Revision})
	})
	huma.Register(api, op("run-query", http.MethodPost, "/queries/{id}/run", "Run a saved query", "queries", 400, 404, 503), func(ctx context.Context, in *savedQueryID) (*queryOutput, error) {
		q, err := c.findQuery(in.ID)
		if err != nil {
			return nil, err
		}
		return c.query(ctx, askedFor(q.SQL))
	})
}

func askedFor(sql string) *queryInput {
	in := &queryInput{}
	in.Body.SQL = sql
	return in
}

func (c *Console) findQuery(id string) (*schemas.SavedQueryEntry, error) {
	if q := c.opts.Control.SavedQuery(id); q != nil {
		return q, nil
	}
	return nil, problem(http.StatusNotFound, "`sluice queries` lists them", "there is no saved query %q", id)
}

// saveQuery makes or changes one. A statement that would be refused is not
// saved; while ClickHouse is away that is not known, and it is.
func (c *Console) saveQuery(ctx context.Context, id string, in *SavedQueryRequest) (*savedQueryOutput, error) {
	if err := schemas.CheckItemID(id); err != nil {
		return nil, problem(http.StatusUnprocessableEntity, "", "%v", err)
	}
	if c.opts.SQL != nil && c.opts.SQL.Ping(ctx) == nil {
		if err := clickhouse.Guard(ctx, c.opts.SQL, in.SQL); err != nil {
			return nil, c.queryError(err)
		}
	}
	ch := schemas.Change{Type: schemas.QuerySaved, QueryID: id, Query: &schemas.SavedQuery{ID: id, Name: in.Name, Note: in.Note, SQL: strings.TrimSpace(in.SQL)}}
	if q := c.opts.Control.SavedQuery(id); q != nil {
		ch.Expect = q.Revision
	}
	if err := c.append(ctx, ch); err != nil {
		return nil, err
	}
	return &savedQueryOutput{Location: "/api/v1/queries/" + id, Body: savedQueryView(c.opts.Control.SavedQuery(id))}, nil
}
