package schemas

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"regexp"
	"slices"
	"time"
)

// SavedQuery is a statement that somebody keeps.
type SavedQuery struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	Note string `json:"note,omitempty"`
	SQL  string `json:"sql"`
}

// SavedQueryEntry is a saved query as the control log has it; immutable.
type SavedQueryEntry struct {
	SavedQuery
	Revision  int64
	By        string
	CreatedAt time.Time
	ChangedAt time.Time
}

var itemID = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// CheckItemID refuses an ID of a saved query or an alert that could not be in
// a path or a command.
func CheckItemID(id string) error {
	if !itemID.MatchString(id) {
		return fmt.Errorf("the ID %q: write up to 64 small letters, digits, - and _, beginning with a letter or digit", id)
	}
	return nil
}

// SavedQuery finds a saved query that is not deleted.
func (c *Catalog) SavedQuery(id string) *SavedQueryEntry { return c.queries[id] }

// SavedQueries lists the saved queries, by ID.
func (c *Catalog) SavedQueries() []*SavedQueryEntry {
	return slices.SortedFunc(maps.Values(c.queries), func(a, b *SavedQueryEntry) int { return cmp.Compare(a.ID, b.ID) })
}

func (c *Catalog) applyQuery(offset int64, ch *Change) bool {
	old := c.queries[ch.QueryID]
	if ch.QueryID == "" || expected(old != nil, func() int64 { return old.Revision }) != ch.Expect {
		return false
	}
	if ch.Type == QueryDeleted {
		for _, a := range c.alerts {
			if a.Query == ch.QueryID {
				return false // an alert asks it
			}
		}
		delete(c.queries, ch.QueryID)
		return old != nil
	}
	if ch.Query == nil {
		return false
	}
	e := &SavedQueryEntry{SavedQuery: *ch.Query, Revision: offset + 1, By: ch.By, CreatedAt: ch.At, ChangedAt: ch.At}
	e.ID = ch.QueryID
	if old != nil {
		e.CreatedAt = old.CreatedAt
	}
	if c.queries == nil {
		c.queries = map[string]*SavedQueryEntry{}
	}
	c.queries[e.ID] = e
	return true
}

// AlertRule says when somebody is told: a saved query's value passes a threshold.
type AlertRule struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	Note string `json:"note,omitempty"`
	// Query is a saved query's ID. Its value is the first number of its first
	// row; without a row it is 0.
	Query string `json:"query"`
	// When is >, >=, <, <=, = or !=, and Threshold what the value is compared with.
	When      string  `json:"when"`
	Threshold float64 `json:"threshold"`
	// Every is how often it is evaluated: 1 minute unless set, at least 10 s.
	Every Duration `json:"every,omitempty"`
	// Destination is who is told, once for each opening.
	Destination AlertDestination `json:"destination"`
	Disabled    bool             `json:"disabled,omitempty"`
}

// AlertDestination is a webhook, a Slack channel's webhook, or an e-mail address.
type AlertDestination struct {
	// Type is webhook, slack or email.
	Type string `json:"type"`
	// URL is where a webhook goes, and Slack's incoming webhook; it may be a
	// secret, and is shown without its path.
	URL string `json:"url,omitempty"`
	// To are the addresses of an e-mail; Credential its mail server, of the
	// connector email; From is whom it is from, else the server's user, where that
	// is an address, or else the first of To.
	To         []string `json:"to,omitempty"`
	From       string   `json:"from,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

// Check refuses a rule that cannot work.
func (r *AlertRule) Check() error {
	d := r.Destination
	switch {
	case r.Query == "":
		return errors.New("query: name a saved query")
	case !slices.Contains([]string{">", ">=", "<", "<=", "=", "!="}, r.When):
		return fmt.Errorf("when %q: write >, >=, <, <=, = or !=", r.When)
	case r.Every != 0 && time.Duration(r.Every) < 10*time.Second:
		return errors.New("every: at least 10s")
	case d.Type != "webhook" && d.Type != "slack" && d.Type != "email":
		return fmt.Errorf("destination.type %q: choose webhook, slack or email", d.Type)
	case d.Type == "email" && len(d.To) == 0:
		return errors.New("destination.to: name at least one address")
	case d.Type == "email" && d.Credential == "":
		return errors.New("destination.credential: name the credential of a mail server, of the connector email")
	case d.Type != "email" && d.URL == "" && d.Credential == "":
		return errors.New("destination.url: give the address that is told")
	}
	if d.Type != "email" {
		return nil
	}
	for n, address := range d.To {
		if _, err := mail.ParseAddress(address); err != nil {
			return fmt.Errorf("destination.to[%d]: %q is no address: write gromit@example.com, or Gromit <gromit@example.com>", n, address)
		}
	}
	if d.From != "" {
		if _, err := mail.ParseAddress(d.From); err != nil {
			return fmt.Errorf("destination.from: %q is no address: write shop@example.com, or Shop <shop@example.com>", d.From)
		}
	}
	return nil
}

// Broken reports whether a value passes the threshold.
func (r *AlertRule) Broken(v float64) bool {
	switch r.When {
	case ">":
		return v > r.Threshold
	case ">=":
		return v >= r.Threshold
	case "<":
		return v < r.Threshold
	case "<=":
		return v <= r.Threshold
	case "=":
		return v == r.Threshold
	}
	return v != r.Threshold
}

// Interval is Every, or its default.
func (r *AlertRule) Interval() time.Duration { return cmp.Or(time.Duration(r.Every), time.Minute) }

// AlertState is how an alert stands, in one word.
type AlertState string

// An alert that never opened is ok.
const (
	AlertIsOK           AlertState = "ok"
	AlertIsOpen         AlertState = "open"
	AlertIsAcknowledged AlertState = "acknowledged"
	AlertIsResolved     AlertState = "resolved"
)

// AlertEntry is an alert as the control log has it; immutable.
type AlertEntry struct {
	AlertRule
	State    AlertState
	Revision int64
	By       string
	// Opening is the number of the last opening, from 1; its notification
	// carries it, so that one that is repeated can be known.
	Opening  int64
	OpenedAt time.Time
	// Value is what it opened with.
	Value float64
	// Notified is when the last opening's notification was taken; zero: not yet.
	Notified time.Time
	// Failure is why it could not be sent; empty when it was.
	Failure        string
	AcknowledgedBy string
	StateAt        time.Time
	CreatedAt      time.Time
	ChangedAt      time.Time
}

// Alert finds an alert that is not deleted.
func (c *Catalog) Alert(id string) *AlertEntry { return c.alerts[id] }

// Alerts lists the alerts, by ID.
func (c *Catalog) Alerts() []*AlertEntry {
	return slices.SortedFunc(maps.Values(c.alerts), func(a, b *AlertEntry) int { return cmp.Compare(a.ID, b.ID) })
}

func (c *Catalog) applyAlert(offset int64, ch *Change) bool {
	old := c.alerts[ch.AlertID]
	if ch.AlertID == "" || expected(old != nil, func() int64 { return old.Revision }) != ch.Expect {
		return false
	}
	if ch.Type == AlertSaved {
		if ch.Alert == nil || c.queries[ch.Alert.Query] == nil {
			return false
		}
		e := &AlertEntry{State: AlertIsOK, CreatedAt: ch.At, StateAt: ch.At}
		if old != nil {
			*e = *old
		}
		e.AlertRule, e.By = *ch.Alert, ch.By
		e.ID = ch.AlertID
		return c.putAlert(offset, ch, e)
	}
	if old == nil {
		return false
	}
	if ch.Type == AlertDeleted {
		delete(c.alerts, ch.AlertID)
		return true
	}
	e := *old
	open := e.State == AlertIsOpen || e.State == AlertIsAcknowledged
	switch ch.Type {
	case AlertOpened:
		if open {
			return false
		}
		e.State, e.Opening, e.OpenedAt, e.Notified, e.Failure, e.AcknowledgedBy = AlertIsOpen, e.Opening+1, ch.At, time.Time{}, "", ""
		if ch.Value != nil {
			e.Value = *ch.Value
		}
		e.StateAt = ch.At
	case AlertNotified:
		if !e.Notified.IsZero() {
			return false
		}
		if e.Failure = ch.Reason; e.Failure == "" {
			e.Notified = ch.At
		}
	case AlertAcknowledged:
		if e.State != AlertIsOpen {
			return false
		}
		e.State, e.AcknowledgedBy, e.StateAt = AlertIsAcknowledged, ch.By, ch.At
	case AlertResolved:
		if !open {
			return false
		}
		e.State, e.StateAt = AlertIsResolved, ch.At
	default:
		return false
	}
	return c.putAlert(offset, ch, &e)
}

func (c *Catalog) putAlert(offset int64, ch *Change, e *AlertEntry) bool {
	e.Revision, e.ChangedAt = offset+1, ch.At
	if c.alerts == nil {
		c.alerts = map[string]*AlertEntry{}
	}
	c.alerts[e.ID] = e
	return true
}

// AlertSecret is under what the address of an alert's destination is kept in
// the topic secrets.
func AlertSecret(id string) string { return "alert/" + id }
