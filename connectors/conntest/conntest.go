// Package conntest holds a connector to its contract: every promise of package connectors that can be tested from outside
// is a subtest of [Run], and every connector's tests call it.
package conntest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"sluice/connectors"
	"sluice/connectors/outgoing"
)

// Options say how to drive a connector against the suite's [Destination].
type Options struct {
	// Cases holds one case for each action that speaks HTTP, by component name. Actions without one (pure ones) are held
	// to the promises that need no target.
	Cases map[string]Case
	// Good returns values with which each credential type's Verify succeeds against a target; Verify is only tested for
	// types named here.
	Good map[string]func(target string) map[string]string
	// Choices say, by component name and then by field, how to ask for the values of a field that has choices. Each field
	// of an input that has them is to be here.
	Choices map[string]map[string]Choices
	// Pure inputs, by component name, for actions without a Case.
	Pure map[string]json.RawMessage
}

// Case drives one action.
type Case struct {
	// Input returns an input for a target's base URL. It should hold a number of more than 15 digits where the action
	// takes one, named by Digits.
	Input func(target string) json.RawMessage
	// Digits must be found in the request that arrives (body, path or query). "" where the input takes no number.
	Digits string
	// Bad inputs must be refused, by the schema or by Do, before anything is sent.
	Bad []json.RawMessage
	// Credentials returns each credential the action should be tried with. Nil: none.
	Credentials func(target string) []*connectors.Credential
	// Secrets of a credential; nil: the values its type marks writeOnly.
	Secrets func(c *connectors.Credential) []string
	// Key finds the idempotency key in a request; nil: the header Idempotency-Key.
	Key func(r Received) string
	// Requests is how many requests a call makes, for those that need more than one; 0: 1.
	Requests int
	// Answer is how a healthy target answers; nil: 200 {"ok":true}. It should hold AnswerDigits.
	Answer       http.HandlerFunc
	AnswerDigits string
}

const (
	patience = 10 * time.Second // after which a promise counts as broken
	limit    = 1 << 20          // of the suite's client, so that the flood ends soon
)

// Run holds the connector to the contract.
func Run(t *testing.T, c connectors.Connector, o Options) {
	t.Helper()
	set, err := connectors.New(c)
	if err != nil {
		t.Fatal(err)
	}
	checked, _ := set.Connector(c.Name)
	for i := range checked.Components {
		m := &checked.Components[i]
		t.Run(strings.ReplaceAll(m.Name, "/", "_"), func(t *testing.T) {
			if m.Trigger {
				return
			}
			single, ok := o.Cases[m.Name]
			if !ok {
				if m.Effect != connectors.Pure {
					t.Fatalf("%s has an effect and no case", m.Name)
				}
				pure(t, m, o.Pure[m.Name])
				return
			}
			s := &suite{connector: checked, component: m, Case: single}
			s.run(t)
		})
	}
	for i := range checked.Components {
		if m := &checked.Components[i]; m.Choices != nil {
			t.Run("choices_"+strings.ReplaceAll(m.Name, "/", "_"), func(t *testing.T) { choices(t, m, o.Choices[m.Name]) })
		}
	}
	for name, good := range o.Good {
		t.Run("verify_"+name, func(t *testing.T) { verify(t, checked, name, good) })
	}
}

func pure(t *testing.T, m *connectors.Component, input json.RawMessage) {
	if input == nil {
		t.Fatalf("%s has neither a case nor a pure input", m.Name)
	}
	given := bytes.Clone(input)
	result, err := m.Do(t.Context(), connectors.Env{}, connectors.Call{Input: input, Attempt: 1})
	if err != nil {
		t.Fatal(err)
	}
	if result.Wait == nil || result.Output != nil { // else the runner makes the output
		fits(t, m.Output, result.Output)
	}
	if !bytes.Equal(input, given) {
		t.Error("Do changed its input")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Do(ctx, connectors.Env{}, connectors.Call{Input: input, Attempt: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context Do returned %v", err)
	}
}

type suite struct {
	Case
	connector *connectors.Connector
	component *connectors.Component
	target    *Destination
	env       connectors.Env
	logged    *lockedBuffer
}

func (s *suite) run(t *testing.T) {
	s.target = NewDestination(t)
	s.target.Answer(s.Answer)
	s.logged = &lockedBuffer{}
	s.env = connectors.Env{
		HTTP: outgoing.New(outgoing.Options{AllowLoopback: true, MaxResponse: limit}),
		Log:  slog.New(slog.NewTextHandler(s.logged, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	t.Cleanup(s.env.HTTP.CloseIdleConnections)

	credentials := []*connectors.Credential{nil}
	if s.Credentials != nil {
		credentials = s.Credentials(s.target.URL)
	}
	for _, c := range credentials {
		name := "none"
		if c != nil {
			name = c.Type
		}
		t.Run("credential_"+name, func(t *testing.T) {
			t.Run("gives an output that fits", func(t *testing.T) { s.succeeds(t, c) })
			t.Run("keeps its secrets", func(t *testing.T) { s.keepsSecrets(t, c) })
		})
	}
	c := credentials[0]
	t.Run("sends its key", func(t *testing.T) { s.sendsKey(t, c) })
	t.Run("refuses bad input before sending", func(t *testing.T) { s.refusesBadInput(t, c) })
	t.Run("says what the target answered", func(t *testing.T) { s.classifies(t, c) })
	t.Run("ends when cancelled", func(t *testing.T) { s.endsWhenCancelled(t, c) })
	t.Run("ends in time", func(t *testing.T) { s.endsInTime(t, c) })
	t.Run("sends once", func(t *testing.T) { s.sendsOnce(t, c) })
	t.Run("knows when nothing was sent", func(t *testing.T) { s.nothingSent(t, c) })
	t.Run("limits the answer", func(t *testing.T) { s.limits(t, c) })
	t.Run("runs concurrently", func(t *testing.T) { s.concurrent(t, c) })
	if s.component.NeedsCredential {
		t.Run("misses its credential", func(t *testing.T) {
			s.target.Reset()
			_, err := s.do(t.Context(), nil, "key")
			s.expect(t, err, connectors.KindCredential, 0)
			if n := len(s.target.Received()); n != 0 {
				t.Errorf("%d requests were sent without a credential", n)
			}
		})
	}
}

func (s *suite) requests() int { return max(s.Requests, 1) }

func (s *suite) do(ctx context.Context, c *connectors.Credential, key string) (connectors.Result, error) {
	return s.component.Do(ctx, s.env, connectors.Call{
		Input: s.Input(s.target.URL), Credential: c, IdempotencyKey: key, Attempt: 1,
	})
}

func (s *suite) succeeds(t *testing.T, c *connectors.Credential) {
	s.target.Reset()
	if c != nil {
		kind, ok := s.connector.CredentialType(c.Type)
		if !ok {
			t.Fatalf("there is no credential type %q", c.Type)
		}
		entered := maps.Clone(c.Values)
		if kind.OAuth != nil {
			delete(entered, connectors.AccessToken) // asked for, not entered
		}
		if err := kind.Check(entered); err != nil {
			t.Fatal(err)
		}
	}
	input := s.Input(s.target.URL)
	if err := s.component.CheckInput(input); err != nil {
		t.Fatal(err)
	}
	given := bytes.Clone(input)
	result, err := s.component.Do(t.Context(), s.env, connectors.Call{Input: input, Credential: c, IdempotencyKey: "key-1", Attempt: 1})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(input, given) {
		t.Error("Do changed its input")
	}
	fits(t, s.component.Output, result.Output)
	if result.HTTPStatus == 0 {
		t.Error("the result has no HTTP status")
	}
	if !strings.Contains(string(result.Output), s.AnswerDigits) {
		t.Errorf("the output lost the digits %s: %s", s.AnswerDigits, result.Output)
	}
	received := s.target.Received()
	if len(received) != s.requests() {
		t.Fatalf("%d requests arrived, want %d", len(received), s.requests())
	}
	all := ""
	for _, r := range received {
		all += r.Path + "?" + r.Query + "\n" + string(r.Body) + "\n"
	}
	if !strings.Contains(all, s.Digits) {
		t.Errorf("the request lost the digits %s: %s", s.Digits, all)
	}
}

func (s *suite) sendsKey(t *testing.T, c *connectors.Credential) {
	if s.component.Effect != connectors.Keyed {
		return
	}
	s.target.Reset()
	s.target.Fault(1, JSON(http.StatusServiceUnavailable, `{}`))
	_, _ = s.do(t.Context(), c, "key-a")
	_, _ = s.do(t.Context(), c, "key-a")
	_, _ = s.do(t.Context(), c, "key-b")
	got := map[string]int{}
	for _, r := range s.target.Received() {
		if s.Key != nil {
			got[s.Key(r)]++
		} else {
			got[r.Header.Get("Idempotency-Key")]++
		}
	}
	if got["key-a"] != 2 || got["key-b"] != 1 || len(got) != 2 {
		t.Errorf("requests by Idempotency-Key: %v, want key-a twice and key-b once", got)
	}
}

func (s *suite) refusesBadInput(t *testing.T, c *connectors.Credential) {
	s.target.Reset()
	for _, bad := range s.Bad {
		if s.component.CheckInput(bad) != nil {
			continue
		}
		_, err := s.component.Do(t.Context(), s.env, connectors.Call{Input: bad, Credential: c, IdempotencyKey: "key", Attempt: 1})
		if e := s.expect(t, err, connectors.KindInput, 0); e != nil && e.Retry != connectors.RetryNever {
			t.Errorf("%s: bad input is to be repeated: %v", bad, err)
		}
	}
	if n := len(s.target.Received()); n != 0 {
		t.Errorf("%d requests were sent for bad input", n)
	}
}

func (s *suite) classifies(t *testing.T, c *connectors.Credential) {
	for _, status := range []int{302, 400, 401, 403, 404, 408, 409, 422, 429, 500, 502, 503} {
		s.target.Reset()
		s.target.Fault(1, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "7")
			JSON(status, `{"message":"the-reason-given"}`)(w, r)
		})
		result, err := s.do(t.Context(), c, "key")
		want := connectors.KindHTTP
		if status == http.StatusUnauthorized {
			want = connectors.KindCredential
		}
		e := s.expect(t, err, want, status)
		if e == nil {
			continue
		}
		if e.RetryAfter != 7*time.Second {
			t.Errorf("%d: RetryAfter is %v, want 7s", status, e.RetryAfter)
		}
		if !e.Sent {
			t.Errorf("%d: the error says that nothing was sent", status)
		}
		if status != 302 && !strings.Contains(e.Error(), "the-reason-given") {
			t.Errorf("%d: the error does not give the target's reason: %v", status, e)
		}
		if result.HTTPStatus != 0 && result.HTTPStatus != status {
			t.Errorf("%d: the result says %d", status, result.HTTPStatus)
		}
		if n := len(s.target.Received()); n != 1 {
			t.Errorf("%d: %d requests, want 1", status, n)
		}
	}
}

func (s *suite) endsWhenCancelled(t *testing.T, c *connectors.Credential) {
	s.target.Reset()
	s.target.Fault(1, Hang)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := s.do(ctx, c, "key")
		ended <- err
	}()
	<-s.target.Arrived()
	cancel()
	err := within(t, ended)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("errors.Is(err, context.Canceled) is false for %v", err)
	}
	if e := s.expect(t, err, connectors.KindCancelled, 0); e != nil && !e.Sent {
		t.Error("the request arrived, and the error says that nothing was sent")
	}
}

func (s *suite) endsInTime(t *testing.T, c *connectors.Credential) {
	s.target.Reset()
	s.target.Fault(1, Hang)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := s.do(ctx, c, "key")
		ended <- err
	}()
	err := within(t, ended)
	s.expect(t, err, connectors.KindTimeout, 0)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("errors.Is(err, context.DeadlineExceeded) is false for %v", err)
	}
}

// sendsOnce: the connection dies under a request, on a new connection and on a kept one, gently and by a reset.
func (s *suite) sendsOnce(t *testing.T, c *connectors.Credential) {
	for _, kept := range []bool{false, true} {
		for name, death := range map[string]http.HandlerFunc{"cut": Cut, "reset": Reset} {
			s.env.HTTP = outgoing.New(outgoing.Options{AllowLoopback: true, MaxResponse: limit}) // no connection is kept yet
			t.Cleanup(s.env.HTTP.CloseIdleConnections)
			if kept {
				if _, err := s.do(t.Context(), c, "warm"); err != nil {
					t.Fatal(err)
				}
			}
			s.target.Reset()
			s.target.Fault(1, death)
			_, err := s.do(t.Context(), c, "key")
			received := s.target.Received()
			if kept && len(received) > 0 && received[0].Method == http.MethodGet {
				continue // net/http asks again: a GET has no effect
			}
			if e := s.expect(t, err, connectors.KindNetwork, 0); e != nil && !e.Sent {
				t.Errorf("%s: the request arrived, and the error says that nothing was sent", name)
			}
			if len(received) != 1 {
				t.Errorf("%s, kept connection %v: the request was sent %d times", name, kept, len(received))
			}
		}
	}
}

func (s *suite) nothingSent(t *testing.T, c *connectors.Credential) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	s.at(closed.URL, c, func(env connectors.Env, c *connectors.Credential) {
		_, err := s.component.Do(t.Context(), env, connectors.Call{Input: s.Input(closed.URL), Credential: c, IdempotencyKey: "key", Attempt: 1})
		if e := s.expect(t, err, connectors.KindNetwork, 0); e != nil && e.Sent {
			t.Error("the connection was refused, and the error says that the request may have been sent")
		}
	})
	s.target.Reset()
	guarded := s.env
	guarded.HTTP = outgoing.New(outgoing.Options{})
	_, err := s.component.Do(t.Context(), guarded, connectors.Call{Input: s.Input(s.target.URL), Credential: c, IdempotencyKey: "key", Attempt: 1})
	if e := s.expect(t, err, connectors.KindBlocked, 0); e != nil && (e.Sent || e.Retry != connectors.RetryNever) {
		t.Errorf("a blocked address: Sent %v, Retry %v", e.Sent, e.Retry)
	}
	if n := len(s.target.Received()); n != 0 {
		t.Errorf("%d requests passed the guard", n)
	}
}

// at runs f with the credential that belongs to another target.
func (s *suite) at(target string, c *connectors.Credential, f func(connectors.Env, *connectors.Credential)) {
	if s.Credentials != nil {
		for _, other := range s.Credentials(target) {
			if c != nil && other != nil && other.Type == c.Type {
				c = other
				break
			}
		}
	}
	f(s.env, c)
}

func (s *suite) limits(t *testing.T, c *connectors.Credential) {
	s.target.Reset()
	s.target.Fault(1, Flood)
	ended := make(chan error, 1)
	go func() {
		_, err := s.do(t.Context(), c, "key")
		ended <- err
	}()
	e := s.expect(t, within(t, ended), connectors.KindHTTP, http.StatusOK)
	if e != nil && (e.Retry != connectors.RetryNever || !e.Sent) {
		t.Errorf("an answer over the limit: Sent %v, Retry %v", e.Sent, e.Retry)
	}
}

func (s *suite) concurrent(t *testing.T, c *connectors.Credential) {
	s.target.Reset()
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			if _, err := s.do(t.Context(), c, fmt.Sprint("key-", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(s.target.Received()); n != 32*s.requests() {
		t.Errorf("%d requests arrived, want %d", n, 32*s.requests())
	}
}

// keepsSecrets: the target sends back all it got, as hostile or careless targets do.
func (s *suite) keepsSecrets(t *testing.T, c *connectors.Credential) {
	if c == nil {
		return
	}
	var secrets []string
	if s.Secrets != nil {
		secrets = s.Secrets(c)
	} else {
		kind, _ := s.connector.CredentialType(c.Type)
		for _, name := range append(kind.Secrets(), connectors.AccessToken) {
			if v := c.Values[name]; v != "" {
				secrets = append(secrets, v)
			}
		}
	}
	echo := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, "%s %s\n", r.Method, r.URL)
			for _, name := range slices.Sorted(maps.Keys(r.Header)) {
				_, _ = fmt.Fprintf(w, "%s: %s\n", name, r.Header[name])
			}
			_, _ = fmt.Fprintf(w, "secrets: %s\n", secrets)
		}
	}
	for name, fault := range map[string]http.HandlerFunc{
		"200": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Secrets", strings.Join(secrets, ","))
			told, _ := json.Marshal(map[string]any{"ok": true, "id": 1, "secrets": secrets})
			_, _ = w.Write(told)
		},
		"400": echo(400), "401": echo(401), "500": echo(500), "cut": Cut, "redirect": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "http://"+r.Host+"/elsewhere?secrets="+strings.Join(secrets, ","))
			echo(302)(w, r)
		},
	} {
		s.target.Reset()
		s.target.Fault(2, fault)
		result, err := s.do(t.Context(), c, "key")
		text := string(result.Output) + s.logged.String()
		if err != nil {
			text += fmt.Sprintf("%v\n%+v\n%#v", err, err, err)
		}
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s: a secret of the credential is in the error, the log or the output", name)
			}
		}
	}
}

func (s *suite) expect(t *testing.T, err error, want connectors.Kind, status int) *connectors.Error {
	t.Helper()
	e, ok := errors.AsType[*connectors.Error](err)
	switch {
	case err == nil:
		t.Errorf("status %d: no error, want %s", status, want)
		return nil
	case !ok:
		t.Errorf("the error is not a *connectors.Error: %v", err)
		return nil
	case e.Kind != want || status != 0 && e.HTTPStatus != status:
		t.Errorf("kind %s, status %d; want %s, %d: %v", e.Kind, e.HTTPStatus, want, status, err)
	case e.Message == "" || strings.Contains(e.Message, "failed to"):
		t.Errorf("the message does not say what happened: %q", e.Message)
	}
	return e
}

func within(t *testing.T, ended <-chan error) error {
	t.Helper()
	select {
	case err := <-ended:
		return err
	case <-time.After(patience):
		t.Fatalf("did not return in %v", patience)
		return nil
	}
}

func fits(t *testing.T, schema, output json.RawMessage) {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("mem:///output.json", document); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("mem:///output.json")
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(output))
	if err != nil {
		t.Fatalf("the output is not JSON: %v", err)
	}
	if err := compiled.Validate(value); err != nil {
		t.Errorf("the output does not fit its schema: %v", err)
	}
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

var _ io.Writer = (*lockedBuffer)(nil)

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
