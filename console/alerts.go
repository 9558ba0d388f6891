package console

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"sluice/schemas"
)

// AlertRequest is what an alert's rule is made of.
type AlertRequest struct {
	ID          string                   `json:"id,omitempty" doc:"Small letters, digits, - and _; made up when absent"`
	Name        string                   `json:"name,omitempty" maxLength:"200"`
	Note        string                   `json:"note,omitempty" maxLength:"2000"`
	Query       string                   `json:"query" doc:"A saved query's ID; its value is the first number of its first row, 0 without a row"`
	When        string                   `json:"when" enum:">,>=,<,<=,=,!="`
	Threshold   float64                  `json:"threshold"`
	Every       string                   `json:"every,omitempty" doc:"How often it is evaluated, such as 30s; default 1m, at least 10s"`
	Destination schemas.AlertDestination `json:"destination"`
	Disabled    bool                     `json:"disabled,omitempty"`
}

// AlertView is an alert as the API shows it; of its destination's address only
// the host.
type AlertView struct {
	AlertRequest
	State          schemas.AlertState `json:"state" enum:"ok,open,acknowledged,resolved"`
	Value          *float64           `json:"value" doc:"What it last opened with"`
	Opening        int64              `json:"opening" doc:"How often it has opened"`
	OpenedAt       *time.Time         `json:"openedAt"`
	NotifiedAt     *time.Time         `json:"notifiedAt" doc:"When the last opening's notification was taken"`
	Failure        string             `json:"failure,omitempty" doc:"Why that could not be sent; it is tried again"`
	AcknowledgedBy string             `json:"acknowledgedBy,omitempty"`
	StateAt        time.Time          `json:"stateAt" doc:"Since when it stands so"`
	Revision       int64              `json:"revision"`
	CreatedAt      time.Time          `json:"createdAt"`
	ChangedAt      time.Time          `json:"changedAt"`
}

func alertView(a *schemas.AlertEntry) *AlertView {
	v := &AlertView{
		AlertRequest: AlertRequest{ID: a.ID, Name: a.Name, Note: a.Note, Query: a.Query, When: a.When, Threshold: a.Threshold,
			Every: a.Interval().String(), Destination: a.Destination, Disabled: a.Disabled},
		State: a.State, Opening: a.Opening, Failure: a.Failure, AcknowledgedBy: a.AcknowledgedBy, StateAt: a.StateAt,
		Revision: a.Revision, CreatedAt: a.CreatedAt, ChangedAt: a.ChangedAt,
	}
	if a.Opening > 0 {
		v.Value, v.OpenedAt = &a.Value, &a.OpenedAt
	}
	if !a.Notified.IsZero() {
		v.NotifiedAt = &a.Notified
	}
	return v
}

type alertInput struct{ Body AlertRequest }

type alertID struct {
	ID string `path:"id" doc:"The alert's ID"`
}

type alertUpdate struct {
	ID   string `path:"id" doc:"The alert's ID"`
	Body AlertRequest
}

type alertOutput struct {
	Location string `header:"Location"`
	Body     *AlertView
}

type alertList struct {
	Body struct {
		Items []*AlertView `json:"items" nullable:"false"`
	}
}

func (c *Console) registerAlerts(api huma.API) {
	create := op("create-alert", http.MethodPost, "/alerts", "Be told when a saved query's value passes a threshold", "alerts", 409, 422, 503)
	create.DefaultStatus = http.StatusCreated
	huma.Register(api, create, func(ctx context.Context, in *alertInput) (*alertOutput, error) {
		id := in.Body.ID
		if id == "" {
			id = uuid.NewString()
		}
		if c.opts.Control.Alert(id) != nil {
			return nil, problem(http.StatusConflict, "change it by PUT, or choose another ID", "there is an alert %q", id)
		}
		return c.saveAlert(ctx, id, &in.Body)
	})
	huma.Register(api, op("list-alerts", http.MethodGet, "/alerts", "List the alerts", "alerts"), func(context.Context, *struct{}) (*alertList, error) {
		out := &alertList{}
		out.Body.Items = []*AlertView{}
		for _, a := range c.opts.Control.Alerts() {
			out.Body.Items = append(out.Body.Items, alertView(a))
		}
		return out, nil
	})
	huma.Register(api, op("get-alert", http.MethodGet, "/alerts/{id}", "Show an alert", "alerts", 404), func(_ context.Context, in *alertID) (*alertOutput, error) {
		a, err := c.findAlert(in.ID)
		if err != nil {
			return nil, err
		}
		return &alertOutput{Body: alertView(a)}, nil
	})
	huma.Register(api, op("put-alert", http.MethodPut, "/alerts/{id}", "Save an alert under an ID", "alerts", 409, 422, 503), func(ctx context.Context, in *alertUpdate) (*alertOutput, error) {
		return c.saveAlert(ctx, in.ID, &in.Body)
	})
	remove := op("delete-alert", http.MethodDelete, "/alerts/{id}", "Delete an alert", "alerts", 404, 409, 503)
	remove.DefaultStatus = http.StatusNoContent
	huma.Register(api, remove, func(ctx context.Context, in *alertID) (*struct{}, error) {
		a, err := c.findAlert(in.ID)
		if err != nil {
			return nil, err
		}
		if err := c.append(ctx, schemas.Change{Type: schemas.AlertDeleted, AlertID: a.ID, Expect: a.Revision}); err != nil {
			return nil, err
		}
		if c.opts.Control.Secret(schemas.AlertSecret(a.ID)) == nil {
			return nil, nil
		}
		if err := c.opts.Control.DeleteSecret(ctx, schemas.AlertSecret(a.ID)); err != nil {
			return nil, c.kafkaError(err)
		}
		return nil, nil
	})
	for _, move := range []struct{ name, summary, change, state string }{
		{"acknowledge", "Say that somebody takes care of an open alert", schemas.AlertAcknowledged, "open"},
		{"resolve", "Close an alert; it opens again when its value passes the threshold at the next evaluation", schemas.AlertResolved, "open or acknowledged"},
	} {
		huma.Register(api, op(move.name+"-alert", http.MethodPost, "/alerts/{id}/"+move.name, move.summary, "alerts", 404, 409, 503), func(ctx context.Context, in *alertID) (*alertOutput, error) {
			a, err := c.findAlert(in.ID)
			if err != nil {
				return nil, err
			}
			if open := a.State == schemas.AlertIsOpen; !open && (move.change != schemas.AlertResolved || a.State != schemas.AlertIsAcknowledged) {
				return nil, problem(http.StatusConflict, "", "alert %s is %s and not %s", a.ID, a.State, move.state)
			}
			if err := c.append(ctx, schemas.Change{Type: move.change, AlertID: a.ID, Expect: a.Revision}); err != nil {
				return nil, err
			}
			return &alertOutput{Body: alertView(c.opts.Control.Alert(a.ID))}, nil
		})
	}
}

func (c *Console) findAlert(id string) (*schemas.AlertEntry, error) {
	if a := c.opts.Control.Alert(id); a != nil {
		return a, nil
	}
	return nil, problem(http.StatusNotFound, "`sluice alerts` lists them", "there is no alert %q", id)
}

// saveAlert makes or changes a rule. The address goes to the secrets: a Slack
// webhook's URL is all that it takes to post there.
func (c *Console) saveAlert(ctx context.Context, id string, in *AlertRequest) (*alertOutput, error) {
	wrong := func(remedy, format string, args ...any) error {
		return problem(http.StatusUnprocessableEntity, remedy, format, args...)
	}
	if err := schemas.CheckItemID(id); err != nil {
		return nil, wrong("", "%v", err)
	}
	rule := &schemas.AlertRule{ID: id, Name: in.Name, Note: in.Note, Query: in.Query, When: in.When, Threshold: in.Threshold, Destination: in.Destination, Disabled: in.Disabled}
	if in.Every != "" {
		d, err := time.ParseDuration(in.Every)
		if err != nil {
			return nil, wrong("write a duration such as 30s", "every %q is no duration", in.Every)
		}
		rule.Every = schemas.Duration(d)
	}
	if err := rule.Check(); err != nil {
		return nil, wrong("", "%v", err)
	}
	if c.opts.Control.SavedQuery(in.Query) == nil {
		return nil, wrong("save one first: `sluice queries save ID --sql …`", "there is no saved query %q", in.Query)
	}
	d := &rule.Destination
	if d.Credential != "" && c.opts.Control.Credential(d.Credential) == nil {
		return nil, wrong("`sluice credentials` lists them", "there is no credential %q", d.Credential)
	}
	if d.Type == "email" {
		if known := c.opts.Control.Credential(d.Credential); known.Uses != "email" {
			return nil, wrong("save one of the connector email: host, port, user and password of your mail server", "credential %q is of the connector %s, and sends no e-mail", d.Credential, known.Uses)
		}
	}
	old := c.opts.Control.Alert(id)
	if d.URL != "" {
		u, err := url.Parse(d.URL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, wrong("write one such as https://example.com/in", "destination.url is no HTTP address")
		}
		shown := u.Scheme + "://" + u.Host
		// What the API showed and gets back means the address that is kept.
		if d.URL != shown || old == nil || old.Destination.URL != shown {
			if err := c.opts.Control.SaveSecret(ctx, schemas.AlertSecret(id), map[string]string{"url": d.URL}); err != nil {
				return nil, c.kafkaError(err)
			}
		}
		d.URL = shown
	}
	ch := schemas.Change{Type: schemas.AlertSaved, AlertID: id, Alert: rule}
	if old != nil {
		ch.Expect = old.Revision
	}
	if err := c.append(ctx, ch); err != nil {
		return nil, err
	}
	return &alertOutput{Location: "/api/v1/alerts/" + id, Body: alertView(c.opts.Control.Alert(id))}, nil
}
