// Package oauth keeps the access tokens of credentials fresh: for credential types with [connectors.OAuth] it asks for a
// token, renews it before it ends, and sees to it that this happens once, however many steps and processes want it.
//
// A token is renewed by whoever holds its lease (Store.LeaseToken); all others wait for what comes of it. This matters: many
// systems take a refresh token once, and a second process that uses the same one loses the authorization for both.
package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"

	"sluice/connectors"
)

// Store keeps tokens for all processes: the control log.
type Store interface {
	Token(credentialID string) (values map[string]string, revision int64)
	SaveToken(ctx context.Context, credentialID string, values map[string]string) error
	LeaseToken(ctx context.Context, credentialID string, revision int64, lasts time.Duration) (won bool, err error)
	Changed() <-chan struct{}
}

const (
	// early is how long before its end a token is renewed; of a short-lived one it is a tenth of its life.
	early = time.Minute
	// exchanging bounds one request for a token, and leased the right to make it.
	exchanging = 20 * time.Second
	leased     = 30 * time.Second
	// sulking is how long a refusal is repeated without asking again.
	sulking = 5 * time.Second
)

// Tokens opens credentials with fresh tokens. It is safe for concurrent use.
type Tokens struct {
	store Store
	env   connectors.Env

	mu       sync.Mutex
	flights  map[string]*flight
	rejected map[string]string // by credential: the access token that its system no longer takes
}

// flight is a renewal under way, or one that was refused a moment ago.
type flight struct {
	done  chan struct{}
	err   error
	until time.Time // of a refusal
}

// New makes Tokens that keep what they get in store and send with env.
func New(store Store, env connectors.Env) *Tokens {
	return &Tokens{store: store, env: env, flights: map[string]*flight{}, rejected: map[string]string{}}
}

// Open returns a saved credential as a component gets it: with its type's defaults, and with a fresh token where the type
// has OAuth. A nil Tokens opens all but those.
func (t *Tokens) Open(ctx context.Context, set *connectors.Set, id, uses, typeName string, values map[string]string) (*connectors.Credential, error) {
	kind := typeOf(set, uses, typeName)
	if kind == nil {
		return &connectors.Credential{Type: typeName, Values: values}, nil
	}
	full := kind.Defaults(values)
	if kind.OAuth != nil {
		if t == nil {
			return nil, connectors.BadCredential("credentials of type %s cannot be used here", typeName)
		}
		var err error
		if full, err = t.Values(ctx, id, kind, full); err != nil {
			return nil, err
		}
	}
	return &connectors.Credential{Type: typeName, Values: full}, nil
}

// Refused notes that a system answered 401 to an opened credential, and reports whether opening it again may help.
func (t *Tokens) Refused(set *connectors.Set, id, uses string, c *connectors.Credential, err error) bool {
	if t == nil || c == nil || err == nil {
		return false
	}
	if e := connectors.AsError(err); e.Kind != connectors.KindCredential || e.HTTPStatus != http.StatusUnauthorized {
		return false
	}
	return t.Rejected(id, typeOf(set, uses, c.Type), c.Values)
}

func typeOf(set *connectors.Set, uses, typeName string) *connectors.CredentialType {
	connector, ok := set.Connector(uses)
	if !ok {
		return nil
	}
	kind, _ := connector.CredentialType(typeName)
	return kind
}

// Names of what a token's record holds, besides what its type keeps.
const (
	refreshToken = "refreshToken"
	expiresAt    = "expiresAt" // Unix milliseconds; absent: no end is known
	grantedAt    = "grantedAt"
	grantedFor   = "for" // a fingerprint of the values it was granted for
	scopeGranted = "scope"
)

// Values returns a credential's values with a fresh access token, where its type has OAuth; for any other they are returned
// as they are. The given map is not changed. The error is a *connectors.Error; one that only a person can mend says so
// and is not to be repeated.
func (t *Tokens) Values(ctx context.Context, id string, kind *connectors.CredentialType, values map[string]string) (map[string]string, error) {
	if kind == nil || kind.OAuth == nil {
		return values, nil
	}
	for {
		token, revision := t.store.Token(id)
		if token[grantedFor] != fingerprint(kind, values) {
			token = nil // of other values, which were replaced since
		}
		if t.fresh(id, token) {
			full := maps.Clone(values)
			full[connectors.AccessToken] = token[connectors.AccessToken]
			for _, name := range kind.OAuth.Keep {
				full[name] = token[name]
			}
			return full, nil
		}
		if kind.OAuth.Grant == connectors.AuthorizationCode && token[refreshToken] == "" && values[refreshToken] == "" {
			if token == nil {
				return nil, connectors.BadCredential("credential %s is not authorized yet: open it and choose Authorize", id)
			}
			return nil, connectors.BadCredential("the authorization of credential %s has ended: open it and choose Authorize", id)
		}
		f := t.join(id, func(ctx context.Context) error { return t.renew(ctx, id, kind, values, token, revision) })
		select {
		case <-f.done:
			if f.err != nil {
				return nil, f.err
			}
		case <-ctx.Done():
			return nil, connectors.AsError(ctx.Err())
		}
	}
}

// Once returns values with a token that is asked for now and not kept, for credentials that are not saved. A type that a
// person must authorize has none before it is saved.
func (t *Tokens) Once(ctx context.Context, kind *connectors.CredentialType, values map[string]string) (map[string]string, error) {
	if kind == nil || kind.OAuth == nil {
		return values, nil
	}
	if kind.OAuth.Grant == connectors.AuthorizationCode && values[refreshToken] == "" {
		return nil, connectors.BadCredential("save the credential first, and choose Authorize: a person has to agree")
	}
	token, err := exchange(ctx, t.env, kind.OAuth, values, renewal(kind.OAuth, values, nil))
	if err != nil {
		return nil, err
	}
	full := maps.Clone(values)
	maps.Copy(full, token)
	return full, nil
}

// Rejected notes that a system refused an access token (401) although its time has not passed. The next Values gets
// another one. It reports whether that may help: it does not for types without OAuth.
func (t *Tokens) Rejected(id string, kind *connectors.CredentialType, values map[string]string) bool {
	refused := values[connectors.AccessToken]
	if kind == nil || kind.OAuth == nil || refused == "" {
		return false
	}
	token, _ := t.store.Token(id)
	if kind.OAuth.Grant == connectors.AuthorizationCode && token[refreshToken] == "" && values[refreshToken] == "" {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rejected[id] = refused
	return true
}

// fresh reports whether a token can be used for a while.
func (t *Tokens) fresh(id string, token map[string]string) bool {
	access := token[connectors.AccessToken]
	if access == "" {
		return false
	}
	t.mu.Lock()
	refused := t.rejected[id] == access
	t.mu.Unlock()
	if refused {
		return false
	}
	end, err := strconv.ParseInt(token[expiresAt], 10, 64)
	if err != nil {
		return true
	}
	margin := early
	if since, err := strconv.ParseInt(token[grantedAt], 10, 64); err == nil {
		margin = min(margin, time.Duration(end-since)*time.Millisecond/10)
	}
	return t.env.Clock().Before(time.UnixMilli(end).Add(-margin))
}

// join takes part in the renewal that is under way, or begins one. It goes on when those who wait for it have left: what
// it gets must be kept.
func (t *Tokens) join(id string, renew func(context.Context) error) *flight {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f := t.flights[id]; f != nil {
		select {
		case <-f.done:
			if f.err != nil && t.env.Clock().Before(f.until) {
				return f
			}
		default:
			return f
		}
	}
	f := &flight{done: make(chan struct{})}
	t.flights[id] = f
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), leased+exchanging)
		defer cancel()
		err := renew(ctx)
		t.mu.Lock()
		f.err, f.until = err, t.env.Clock().Add(sulking)
		t.mu.Unlock()
		close(f.done)
	}()
	return f
}

// renew gets a new token, or waits until another process has one.
func (t *Tokens) renew(ctx context.Context, id string, kind *connectors.CredentialType, values, token map[string]string, revision int64) error {
	changed := t.store.Changed()
	if _, now := t.store.Token(id); now != revision {
		return nil // somebody has done it
	}
	won, err := t.store.LeaseToken(ctx, id, revision, leased)
	if err != nil {
		return &connectors.Error{Kind: connectors.KindInternal, Message: "renewing the token: " + err.Error(), Cause: err}
	}
	if !won {
		return t.await(ctx, id, revision, changed)
	}
	limited, cancel := context.WithTimeout(ctx, exchanging)
	defer cancel()
	got, err := exchange(limited, t.env, kind.OAuth, values, renewal(kind.OAuth, values, token))
	if err != nil {
		return err
	}
	if got[refreshToken] == "" && token[refreshToken] != "" {
		got[refreshToken] = token[refreshToken] // it stays good (RFC 6749, 6)
	}
	return t.keep(ctx, id, kind, values, got)
}

func (t *Tokens) keep(ctx context.Context, id string, kind *connectors.CredentialType, values, got map[string]string) error {
	got[grantedFor] = fingerprint(kind, values)
	if err := t.store.SaveToken(ctx, id, got); err != nil {
		return &connectors.Error{Kind: connectors.KindInternal, Message: "keeping the token: " + err.Error(), Cause: err}
	}
	return nil
}

// await waits for the token that another process gets, for as long as its lease.
func (t *Tokens) await(ctx context.Context, id string, revision int64, changed <-chan struct{}) error {
	over := time.NewTimer(leased)
	defer over.Stop()
	for {
		if _, now := t.store.Token(id); now != revision {
			return nil
		}
		select {
		case <-changed:
			changed = t.store.Changed()
		case <-over.C:
			return nil // the lease has ended: Values tries again
		case <-ctx.Done():
			return connectors.AsError(ctx.Err())
		}
	}
}

// fingerprint tells tokens of replaced values from those of the present ones. The client's secret is not part of it: it may
// be rotated.
func fingerprint(kind *connectors.CredentialType, values map[string]string) string {
	h := sha256.New()
	for _, part := range []string{
		kind.Name, values["clientId"], connectors.Fill(kind.OAuth.TokenURL, values), values[scopeGranted], values[refreshToken],
	} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
