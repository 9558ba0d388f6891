package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/connectors"
	"sluice/connectors/outgoing"
)

// provider is an authorization server after RFC 6749: a refresh token is good once, as with many systems.
type provider struct {
	*httptest.Server
	mu      sync.Mutex
	asked   []url.Values
	basic   []string
	refresh string // the one that is good now
	issued  int
	answer  http.HandlerFunc // in place of its own
	hold    chan struct{}    // when set, answers wait until it is closed
	arrived chan struct{}    // gets a value for each request
}

func newProvider(t *testing.T) *provider {
	p := &provider{refresh: "refresh-0", arrived: make(chan struct{}, 1000)}
	p.Server = httptest.NewServer(http.HandlerFunc(p.token))
	t.Cleanup(p.Close)
	return p
}

func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	p.mu.Lock()
	p.asked = append(p.asked, r.PostForm)
	p.basic = append(p.basic, r.Header.Get("Authorization"))
	answer, hold := p.answer, p.hold
	p.mu.Unlock()
	p.arrived <- struct{}{}
	if hold != nil {
		<-hold
	}
	if answer != nil {
		answer(w, r)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if r.PostForm.Get("grant_type") == "refresh_token" {
		if r.PostForm.Get("refresh_token") != p.refresh {
			w.WriteHeader(400)
			fmt.Fprintf(w, `{"error":"invalid_grant","error_description":"the refresh token %s was used before"}`, r.PostForm.Get("refresh_token"))
			return
		}
	}
	p.issued++
	p.refresh = fmt.Sprint("refresh-", p.issued)
	fmt.Fprintf(w, `{"access_token":"access-%d","token_type":"Bearer","expires_in":3600,"refresh_token":%q,"instance_url":"https://eu.example.com","scope":"read"}`, p.issued, p.refresh)
}

func (p *provider) requests() []url.Values {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]url.Values{}, p.asked...)
}

// memory is a store shared by several Tokens, as the control log is by processes.
type memory struct {
	mu       sync.Mutex
	token    map[string]string
	revision int64
	leased   map[int64]time.Time
	changed  chan struct{}
}

func newMemory() *memory { return &memory{leased: map[int64]time.Time{}, changed: make(chan struct{})} }

func (m *memory) Token(string) (map[string]string, int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.token, m.revision
}

func (m *memory) SaveToken(_ context.Context, _ string, values map[string]string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.token = maps.Clone(values)
	m.revision++
	close(m.changed)
	m.changed = make(chan struct{})
	return nil
}

func (m *memory) LeaseToken(_ context.Context, _ string, revision int64, lasts time.Duration) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Now().Before(m.leased[revision]) || revision != m.revision {
		return false, nil
	}
	m.leased[revision] = time.Now().Add(lasts)
	return true, nil
}

func (m *memory) Changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

// clock is set by the test.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

type rig struct {
	provider *provider
	store    *memory
	clock    *clock
	env      connectors.Env
	kind     *connectors.CredentialType
	values   map[string]string
}

func newRig(t *testing.T, kind connectors.CredentialType) *rig {
	r := &rig{provider: newProvider(t), store: newMemory(), clock: &clock{at: time.Unix(1_700_000_000, 0)}, kind: &kind}
	r.env = connectors.Env{HTTP: outgoing.New(outgoing.Options{AllowLoopback: true}), Now: r.clock.now}
	r.values = map[string]string{
		"clientId": "the-client", "clientSecret": "s3cret-of-the-client", "tokenUrl": r.provider.URL + "/token",
		"authorizationUrl": "https://auth.example.com/authorize?prompt=consent",
	}
	return r
}

func (r *rig) tokens() *Tokens { return New(r.store, r.env) }

func person() connectors.CredentialType {
	kind := outgoing.OAuth2()
	kind.OAuth.Keep = []string{"instance_url"}
	kind.OAuth.Scopes = []string{"read", "write"}
	return kind
}

func TestATokenIsAskedForOnceByManyStepsOfManyProcesses(t *testing.T) {
	r := newRig(t, outgoing.OAuth2Client())
	r.provider.hold = make(chan struct{})
	processes := []*Tokens{r.tokens(), r.tokens(), r.tokens()}
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			got, err := processes[i%3].Values(t.Context(), "c", r.kind, r.values)
			if err != nil || got[connectors.AccessToken] != "access-1" || got["clientId"] != "the-client" {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	<-r.provider.arrived
	close(r.provider.hold)
	wg.Wait()
	asked := r.provider.requests()
	if len(asked) != 1 {
		t.Fatalf("the provider was asked %d times, want once", len(asked))
	}
	if asked[0].Get("grant_type") != "client_credentials" || asked[0].Get("client_secret") != "s3cret-of-the-client" {
		t.Errorf("asked by %v", asked[0])
	}
}

func TestARefreshTokenThatIsGoodOnceSurvives(t *testing.T) {
	r := newRig(t, person())
	r.values["refreshToken"] = "refresh-0"
	processes := []*Tokens{r.tokens(), r.tokens()}
	for hour := range 20 {
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				got, err := processes[i%2].Values(t.Context(), "c", r.kind, r.values)
				if err != nil || got[connectors.AccessToken] != fmt.Sprint("access-", hour+1) || got["instance_url"] != "https://eu.example.com" {
					t.Errorf("hour %d: %v, %v", hour, got, err)
				}
			})
		}
		wg.Wait()
		r.clock.add(time.Hour - 30*time.Second) // within the minute before its end it is renewed
	}
	if n := len(r.provider.requests()); n != 20 {
		t.Errorf("the provider was asked %d times in 20 hours", n)
	}
}

func TestAuthorizationByAPersonWithPKCE(t *testing.T) {
	r := newRig(t, person())
	tokens := r.tokens()
	if _, err := tokens.Values(t.Context(), "c", r.kind, r.values); err == nil || !strings.Contains(err.Error(), "Authorize") || connectors.AsError(err).Retry != connectors.RetryNever {
		t.Errorf("before it is authorized: %v", err)
	}
	begun := Begin("c", "http://127.0.0.1:8090/oauth/callback", r.clock.now())
	address, err := begun.URL(r.kind, r.values, "the-state")
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(address)
	q := u.Query()
	for name, want := range map[string]string{
		"prompt": "consent", "response_type": "code", "client_id": "the-client", "state": "the-state", "scope": "read write",
		"redirect_uri": "http://127.0.0.1:8090/oauth/callback", "code_challenge_method": "S256",
	} {
		if q.Get(name) != want {
			t.Errorf("%s = %q, want %q", name, q.Get(name), want)
		}
	}
	if _, ok := Unsealed(begun.Sealed(), r.clock.now().Add(11*time.Minute)); ok {
		t.Error("an attempt of eleven minutes ago goes on")
	}
	back, ok := Unsealed(begun.Sealed(), r.clock.now())
	if !ok {
		t.Fatal("the attempt does not come back")
	}
	if err := tokens.Finish(t.Context(), back, r.kind, r.values, "the-code"); err != nil {
		t.Fatal(err)
	}
	asked := r.provider.requests()[0]
	challenge := sha256.Sum256([]byte(asked.Get("code_verifier")))
	if base64.RawURLEncoding.EncodeToString(challenge[:]) != q.Get("code_challenge") {
		t.Error("the verifier does not fit the challenge")
	}
	if asked.Get("code") != "the-code" || asked.Get("redirect_uri") != q.Get("redirect_uri") {
		t.Errorf("asked by %v", asked)
	}
	got, err := tokens.Values(t.Context(), "c", r.kind, r.values)
	if err != nil || got[connectors.AccessToken] != "access-1" {
		t.Errorf("%v, %v", got, err)
	}
	if s := tokens.Status("c", r.kind, r.values); !s.Authorized || !s.Renewable || s.Scope != "read" || s.ExpiresAt.IsZero() {
		t.Errorf("%+v", s)
	}
	r.values["clientId"] = "another"
	if _, err := tokens.Values(t.Context(), "c", r.kind, r.values); err == nil {
		t.Error("the token of another client is used")
	}
}

func TestATokenThatIsRefusedIsReplaced(t *testing.T) {
	r := newRig(t, outgoing.OAuth2Client())
	tokens := r.tokens()
	got, err := tokens.Values(t.Context(), "c", r.kind, r.values)
	if err != nil {
		t.Fatal(err)
	}
	if !tokens.Rejected("c", r.kind, got) {
		t.Error("another token would not help")
	}
	got, err = tokens.Values(t.Context(), "c", r.kind, r.values)
	if err != nil || got[connectors.AccessToken] != "access-2" {
		t.Errorf("%v, %v", got, err)
	}
	if tokens.Rejected("c", &connectors.CredentialType{Name: "basic"}, got) {
		t.Error("a type without OAuth is opened again")
	}
}

func TestARefusalNamesTheReasonAndNoSecret(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		status int
		want   string
		retry  connectors.Retry
	}{
		"RFC 6749":         {`{"error":"invalid_client","error_description":"no client the-client with s3cret-of-the-client"}`, 401, "invalid_client: no client the-client with •••; check the client's ID and secret", connectors.RetryNever},
		"with status 200":  {`{"ok":false,"error":"invalid_scope"}`, 200, "invalid_scope", connectors.RetryNever},
		"no token":         {`{"token":"x"}`, 200, "no access_token", connectors.RetryNever},
		"busy":             {`{"error":"temporarily_unavailable"}`, 400, "temporarily_unavailable", connectors.RetryByPolicy},
		"server error":     {`{"message":"down"}`, 503, "503 Service Unavailable: down", connectors.RetryByPolicy},
		"header injection": {`{"access_token":"a\r\nb: c"}`, 200, "no access_token", connectors.RetryNever},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, outgoing.OAuth2Client())
			r.provider.answer = func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.answer)
			}
			tokens := r.tokens()
			for range 3 {
				_, err := tokens.Values(t.Context(), "c", r.kind, r.values)
				e := connectors.AsError(err)
				if e == nil || !strings.Contains(e.Error(), c.want) || e.Retry != c.retry || strings.Contains(e.Error(), "s3cret") {
					t.Fatalf("%v", err)
				}
			}
			if n := len(r.provider.requests()); n != 1 {
				t.Errorf("a refusal was asked for %d times within a moment", n)
			}
		})
	}
}

func TestTheClientIsNamedAsTheSystemWantsIt(t *testing.T) {
	kind := outgoing.OAuth2Client()
	kind.OAuth.Basic = true
	r := newRig(t, kind)
	r.values["clientSecret"] = "a:b c"
	r.values["audience"] = "https://api.example.com"
	r.provider.answer = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		fmt.Fprint(w, "access_token=of-a-form&expires_in=60")
	}
	got, err := r.tokens().Once(t.Context(), r.kind, r.values)
	if err != nil || got[connectors.AccessToken] != "of-a-form" {
		t.Errorf("%v, %v", got, err)
	}
	asked := r.provider.requests()[0]
	if asked.Has("client_secret") || asked.Get("audience") != "https://api.example.com" {
		t.Errorf("asked by %v", asked)
	}
	if want := "Basic " + base64.StdEncoding.EncodeToString([]byte("the-client:a%3Ab+c")); r.provider.basic[0] != want {
		t.Errorf("Authorization: %s", r.provider.basic[0])
	}
}

func TestOneWhoLeavesDoesNotEndTheRenewal(t *testing.T) {
	r := newRig(t, outgoing.OAuth2Client())
	r.provider.hold = make(chan struct{})
	tokens := r.tokens()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := tokens.Values(ctx, "c", r.kind, r.values)
		ended <- err
	}()
	<-r.provider.arrived
	cancel()
	if e := connectors.AsError(<-ended); e == nil || e.Kind != connectors.KindCancelled {
		t.Errorf("%v", e)
	}
	close(r.provider.hold)
	if got, err := tokens.Values(t.Context(), "c", r.kind, r.values); err != nil || got[connectors.AccessToken] != "access-1" {
		t.Errorf("%v, %v", got, err)
	}
}
