package alerts

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"sluice/connectors"
	"sluice/connectors/all"
	"sluice/connectors/outgoing"
	"sluice/deploy/local/localtest"
	"sluice/schemas"
	"sluice/schemas/clickhouse"
	"sluice/schemas/control"
)

// memory is a control log without Kafka. before is called with each change
// before it is applied.
type memory struct {
	catalog schemas.Catalog
	offset  int64
	before  func(*memory, schemas.Change)
	url     string
	secret  map[string]string // of every credential; nil: the url alone
}

func (m *memory) Alert(id string) *schemas.AlertEntry           { return m.catalog.Alert(id) }
func (m *memory) Alerts() []*schemas.AlertEntry                 { return m.catalog.Alerts() }
func (m *memory) SavedQuery(id string) *schemas.SavedQueryEntry { return m.catalog.SavedQuery(id) }
func (m *memory) Credential(id string) *schemas.CredentialEntry { return m.catalog.Credential(id) }
func (m *memory) Secret(string) map[string]string {
	if m.secret != nil {
		return m.secret
	}
	return map[string]string{"url": m.url}
}
func (m *memory) Append(_ context.Context, ch schemas.Change) (int64, error) {
	if f := m.before; f != nil {
		m.before = nil
		f(m, ch)
	}
	ch.At = time.Now()
	applied := m.catalog.Apply(m.offset, &ch)
	m.offset++
	if !applied {
		return 0, control.ErrConflict
	}
	return m.offset, nil
}

type told struct {
	mu     sync.Mutex
	keys   []string
	bodies []map[string]any
	status int
}

func newTold(t *testing.T) (*told, string) {
	n := &told{status: 200}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		_ = json.NewDecoder(r.Body).Decode(&body)
		n.mu.Lock()
		defer n.mu.Unlock()
		n.keys, n.bodies = append(n.keys, r.Header.Get("Idempotency-Key")), append(n.bodies, body)
		w.WriteHeader(n.status)
	}))
	t.Cleanup(server.Close)
	return n, server.URL
}

func newEvaluator(t *testing.T, m *memory) *Evaluator {
	t.Helper()
	sql, err := clickhouse.OpenReadOnly(localtest.ClickHouse(t).URL(), clickhouse.Limits{Time: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sql.Close() })
	set, err := all.New()
	if err != nil {
		t.Fatal(err)
	}
	e := New(Options{Control: m, SQL: sql, Components: set, Env: connectors.Env{HTTP: outgoing.New(outgoing.Options{AllowLoopback: true})}})
	e.due, e.rules, e.tries = map[string]time.Time{}, map[string]schemas.AlertRule{}, map[string]*try{}
	return e
}

func (m *memory) save(t *testing.T, sql string, threshold float64) {
	t.Helper()
	query := schemas.Change{Type: schemas.QuerySaved, QueryID: "q", Query: &schemas.SavedQuery{SQL: sql}}
	if q := m.SavedQuery("q"); q != nil {
		query.Expect = q.Revision
	}
	rule := schemas.Change{Type: schemas.AlertSaved, AlertID: "a", Alert: &schemas.AlertRule{Query: "q", When: ">", Threshold: threshold, Destination: schemas.AlertDestination{Type: "webhook", URL: "http://x"}}}
	if a := m.Alert("a"); a != nil {
		rule.Expect = a.Revision
	}
	for _, ch := range []schemas.Change{query, rule} {
		if _, err := m.Append(t.Context(), ch); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnAlertTellsOnceForEachOpening(t *testing.T) {
	n, url := newTold(t)
	m := &memory{url: url}
	e := newEvaluator(t, m)
	now := time.Now()
	see := func(want schemas.AlertState, calls int) {
		t.Helper()
		for range 3 { // evaluated again and again
			now = now.Add(2 * time.Minute)
			e.see(t.Context(), m.Alert("a"), now)
		}
		if a := m.Alert("a"); a.State != want || len(n.keys) != calls {
			t.Fatalf("%s with %d notifications, want %s with %d (%s)", a.State, len(n.keys), want, calls, a.Failure)
		}
	}
	m.save(t, "SELECT 'five', toUInt64(5)", 10)
	see(schemas.AlertIsOK, 0)
	m.save(t, "SELECT 'five', toUInt64(5)", 3)
	see(schemas.AlertIsOpen, 1)
	if b := n.bodies[0]; b["value"] != 5.0 || b["alert"] != "a" || b["threshold"] != 3.0 {
		t.Errorf("told %v", b)
	}
	if _, err := m.Append(t.Context(), schemas.Change{Type: schemas.AlertAcknowledged, AlertID: "a", Expect: m.Alert("a").Revision}); err != nil {
		t.Fatal(err)
	}
	see(schemas.AlertIsAcknowledged, 1)
	m.save(t, "SELECT 1.5", 3)
	see(schemas.AlertIsResolved, 1)
	m.save(t, "SELECT 4", 3)
	see(schemas.AlertIsOpen, 2)
	if n.keys[0] == n.keys[1] {
		t.Errorf("two openings have the key %s", n.keys[0])
	}
	m.save(t, "SELECT 4 WHERE 0", 3) // no row is 0
	see(schemas.AlertIsResolved, 2)
	m.save(t, "SELECT count() + 9 FROM system.users", 3) // refused: nothing is known, nothing changes
	see(schemas.AlertIsResolved, 2)
}

func TestANotificationThatFailsIsSentAgainWithTheSameKey(t *testing.T) {
	n, url := newTold(t)
	n.status = 500
	m := &memory{url: url}
	m.save(t, "SELECT 9", 3)
	e := newEvaluator(t, m)
	now := time.Now()
	e.see(t.Context(), m.Alert("a"), now)
	e.see(t.Context(), m.Alert("a"), now.Add(time.Second)) // not yet
	if a := m.Alert("a"); len(n.keys) != 1 || a.Failure == "" || !a.Notified.IsZero() {
		t.Fatalf("%d notifications, failure %q", len(n.keys), a.Failure)
	}
	n.status = 200
	// The next one to lead knows nothing of the tries before.
	e = newEvaluator(t, m)
	e.see(t.Context(), m.Alert("a"), now.Add(time.Hour))
	e.see(t.Context(), m.Alert("a"), now.Add(2*time.Hour))
	if a := m.Alert("a"); len(n.keys) != 2 || n.keys[0] != n.keys[1] || a.Failure != "" || a.Notified.IsZero() {
		t.Errorf("keys %v, failure %q, notified %v", n.keys, a.Failure, a.Notified)
	}
}

func TestAnAcknowledgementThatComesFirstLosesNoNote(t *testing.T) {
	n, url := newTold(t)
	m := &memory{url: url}
	m.save(t, "SELECT 9", 3)
	e := newEvaluator(t, m)
	if err := e.evaluate(t.Context(), m.Alert("a")); err != nil {
		t.Fatal(err)
	}
	m.before = func(m *memory, _ schemas.Change) { // between the sending and its note
		if _, err := m.Append(context.Background(), schemas.Change{Type: schemas.AlertAcknowledged, AlertID: "a", Expect: m.Alert("a").Revision}); err != nil {
			t.Error(err)
		}
	}
	now := time.Now()
	e.see(t.Context(), m.Alert("a"), now)
	e.see(t.Context(), m.Alert("a"), now.Add(time.Hour))
	if a := m.Alert("a"); len(n.keys) != 1 || a.State != schemas.AlertIsAcknowledged || a.Notified.IsZero() {
		t.Errorf("%d notifications, %s, notified %v", len(n.keys), a.State, a.Notified)
	}
}
