package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// turnstile stands before ClickHouse, which has no users when it is embedded:
// it lets one user in, writes down what that one asks, and refuses, in the words
// of a server, what the user has no right to.
type turnstile struct {
	url string // with the user's name and password

	mu    sync.Mutex
	asked []string
}

func newTurnstile(t *testing.T, to, user, password string, forbidden func(statement string) bool) *turnstile {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: target.Scheme, Host: target.Host})
	s := &turnstile{}
	refuse := func(w http.ResponseWriter, code int, message string) {
		w.Header().Set("X-ClickHouse-Exception-Code", fmt.Sprint(code))
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "Code: %d. DB::Exception: %s: %s (version 26.7.3.1 (official build))\n", code, user, message)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, key, basic := r.BasicAuth()
		if !basic {
			name, key = r.Header.Get("X-ClickHouse-User"), r.Header.Get("X-ClickHouse-Key")
		}
		if name != user || key != password {
			refuse(w, 516, "Authentication failed: password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED)")
			return
		}
		statement := r.URL.Query().Get("query")
		if statement == "" {
			raw, _ := io.ReadAll(r.Body)
			statement, r.Body = string(raw), io.NopCloser(bytes.NewReader(raw))
		}
		s.mu.Lock()
		s.asked = append(s.asked, statement)
		s.mu.Unlock()
		if forbidden != nil && forbidden(statement) {
			refuse(w, 497, "Not enough privileges. To execute this query, it's necessary to have the grant SELECT ON payroll.salaries. (ACCESS_DENIED)")
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	at, _ := url.Parse(server.URL)
	at.User, at.Path = url.UserPassword(user, password), target.Path
	s.url = at.String()
	return s
}

// saw counts the statements with a text in them.
func (s *turnstile) saw(text string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, statement := range s.asked {
		if strings.Contains(statement, text) {
			n++
		}
	}
	return n
}

// What people ask for goes to SLUICE_CLICKHOUSE_READER_URL with that user's
// password, and nothing else does: that user needs no right but to read.
func TestWhatPeopleAskRunsAsTheReader(t *testing.T) {
	in, c := clustered(t)
	writer := newTurnstile(t, c.history.URL(), "sluice", "writers-secret", nil)
	reader := newTurnstile(t, c.history.URL(), "sluice_reader", "readers-secret", func(statement string) bool { return strings.Contains(statement, "salaries") })
	p := in.start([]string{"SLUICE_CLICKHOUSE_URL=" + writer.url, "SLUICE_CLICKHOUSE_READER_URL=" + reader.url}, "serve")
	p.ready()
	in.publish("orders", "kind: Flow\nid: orders\ntrigger: {uses: webhook/receive}\nsteps:\n  - {id: keep, uses: mapper/map, input: {n: =body.n}}\n")
	in.send("orders", `{"n": 1}`)
	in.until(20*time.Second, "the execution is in the history", func() bool {
		n := in.query("SELECT count() FROM executions WHERE status = 'succeeded'")
		return len(n) == 1 && n[0] == 1
	})

	for what, args := range map[string][]string{
		"a query":              {"query", "SELECT count() AS by_query FROM executions"},
		"an export":            {"query", "--output", "csv", "SELECT count() AS by_export FROM executions"},
		"a replay's estimate":  {"replay", "--estimate", "--sql", "SELECT id, 1 AS by_estimate FROM executions"},
		"a dry run":            {"replay", "--dry-run", "--sql", "SELECT id, 1 AS by_dry_run FROM executions"},
		"an erasure's dry run": {"erase", "--dry-run", "--sql", "SELECT id, 1 AS by_erasure FROM executions"},
	} {
		in.must(args...)
		last := args[len(args)-1]
		mark := last[strings.Index(last, "by_"):strings.LastIndex(last, " FROM")]
		if reader.saw(mark) == 0 || writer.saw(mark) > 0 {
			t.Errorf("%s was asked %d times as the reader and %d times as the writer", what, reader.saw(mark), writer.saw(mark))
		}
	}
	if writer.saw("INSERT INTO runlog_") == 0 {
		t.Error("nothing was written as the writer: the test sees nothing")
	}
	for _, verb := range []string{"INSERT ", "ALTER ", "CREATE ", "DROP ", "OPTIMIZE ", "TRUNCATE ", "SYSTEM ", "GRANT "} {
		if n := reader.saw(verb); n > 0 {
			t.Errorf("%d statements as the reader have %q", n, verb)
		}
	}

	// What the server forbids its user is told in its words, without a password.
	for _, args := range [][]string{{"query", "SELECT 1 AS salaries"}, {"query", "--output", "csv", "SELECT 1 AS salaries"}, {"replay", "--estimate", "--sql", "SELECT id, 1 AS salaries FROM executions"}} {
		out, code := in.sluice(args...)
		if code != 1 || !strings.Contains(out, "Not enough privileges") || strings.Contains(out, "secret") {
			t.Errorf("%v: exit status %d, %s", args, code, out)
		}
	}

	// A reader who cannot get in is found by the doctor.
	p.stop()
	wrong := strings.Replace(reader.url, "readers-secret", "typo-secret", 1)
	p = in.start([]string{"SLUICE_CLICKHOUSE_URL=" + writer.url, "SLUICE_CLICKHOUSE_READER_URL=" + wrong}, "serve")
	p.ready()
	out, code := in.sluice("doctor")
	if code != 1 || !strings.Contains(out, "SLUICE_CLICKHOUSE_READER_URL") || strings.Contains(out+p.out.String(), "typo-secret") {
		t.Errorf("doctor: exit status %d\n%s", code, out)
	}
}
