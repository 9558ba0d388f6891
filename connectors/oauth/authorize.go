package oauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strconv"
	"time"

	"sluice/connectors"
	"sluice/connectors/outgoing"
)

// deciding is how long a person may take to agree.
const deciding = 10 * time.Minute

// Attempt is an authorization that a person has been sent away for. It is sealed into the state parameter, so that any
// process can go on with it and no page but the one that began it can: it holds the secret of PKCE.
type Attempt struct {
	Credential  string // its ID
	RedirectURI string
	verifier    string
	until       time.Time
}

// Sealed is the attempt as texts, for the state parameter. It must be encrypted.
func (a Attempt) Sealed() map[string]string {
	return map[string]string{
		"credential": a.Credential, "redirect": a.RedirectURI, "verifier": a.verifier,
		"until": strconv.FormatInt(a.until.Unix(), 10),
	}
}

// Unsealed reads what Sealed gave. ok is false when its time has passed, or it is no attempt.
func Unsealed(texts map[string]string, now time.Time) (a Attempt, ok bool) {
	until, err := strconv.ParseInt(texts["until"], 10, 64)
	if err != nil || now.Unix() > until || texts["verifier"] == "" {
		return Attempt{}, false
	}
	return Attempt{texts["credential"], texts["redirect"], texts["verifier"], time.Unix(until, 0)}, true
}

// Begin makes an attempt at authorizing a credential.
func Begin(credentialID, redirectURI string, now time.Time) Attempt {
	random := make([]byte, 32)
	rand.Read(random)
	return Attempt{credentialID, redirectURI, base64.RawURLEncoding.EncodeToString(random), now.Add(deciding)}
}

// Until is when the attempt ends by itself.
func (a Attempt) Until() time.Time { return a.until.UTC() }

// URL is where the person is sent. state is the sealed attempt.
func (a Attempt) URL(kind *connectors.CredentialType, values map[string]string, state string) (string, error) {
	o := kind.OAuth
	if o == nil || o.Grant != connectors.AuthorizationCode {
		return "", connectors.BadCredential("credentials of type %s need no authorization", kind.Name)
	}
	u, err := outgoing.ParseURL(connectors.Fill(o.AuthorizationURL, values))
	if err != nil {
		return "", connectors.BadCredential("authorization URL: %v", err)
	}
	challenge := sha256.Sum256([]byte(a.verifier))
	q := u.Query()
	for name, value := range o.Parameters {
		q.Set(name, connectors.Fill(value, values))
	}
	q.Set("response_type", "code")
	q.Set("client_id", values["clientId"])
	q.Set("redirect_uri", a.RedirectURI)
	q.Set("state", state)
	q.Set("code_challenge", base64.RawURLEncoding.EncodeToString(challenge[:]))
	q.Set("code_challenge_method", "S256")
	if scope := scopes(o, values); scope != "" {
		q.Set("scope", scope)
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// Finish exchanges the code that the person came back with, and keeps the token.
func (t *Tokens) Finish(ctx context.Context, a Attempt, kind *connectors.CredentialType, values map[string]string, code string) error {
	ctx, cancel := context.WithTimeout(ctx, exchanging)
	defer cancel()
	got, err := exchange(ctx, t.env, kind.OAuth, values, grant{"exchanging the authorization's code", url.Values{
		"grant_type": {string(connectors.AuthorizationCode)}, "code": {code}, "redirect_uri": {a.RedirectURI}, "code_verifier": {a.verifier},
	}, []string{code, a.verifier}})
	if err != nil {
		return err
	}
	return t.keep(ctx, a.Credential, kind, values, got)
}

// Status says how a credential's authorization stands.
type Status struct {
	Authorized bool
	ExpiresAt  time.Time // of the access token; zero: no end is known
	Renewable  bool      // it is renewed without a person
	Scope      string    // what was granted, where the system said
}

// Status says how a saved credential's authorization stands. It asks nobody.
func (t *Tokens) Status(id string, kind *connectors.CredentialType, values map[string]string) Status {
	if kind == nil || kind.OAuth == nil {
		return Status{}
	}
	token, _ := t.store.Token(id)
	if token[grantedFor] != fingerprint(kind, values) {
		token = nil
	}
	s := Status{Scope: token["grantedScope"]}
	s.Renewable = kind.OAuth.Grant == connectors.ClientCredentials || token[refreshToken] != "" || values[refreshToken] != ""
	if ms, err := strconv.ParseInt(token[expiresAt], 10, 64); err == nil {
		s.ExpiresAt = time.UnixMilli(ms).UTC()
	}
	s.Authorized = s.Renewable || t.fresh(id, token)
	return s
}
