package console

import (
	"context"
	"html/template"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"sluice/connectors"
	"sluice/connectors/oauth"
	"sluice/schemas"
)

// callbackPath is where a person comes back to from an OAuth 2 authorization.
const callbackPath = "/oauth/callback"

const authorizing = "oauth state"

// Authorization says how the OAuth 2 authorization of a credential stands.
type Authorization struct {
	Authorized bool       `json:"authorized"`
	ExpiresAt  *time.Time `json:"expiresAt" doc:"When the access token ends; null when no end is known"`
	Renewable  bool       `json:"renewable" doc:"It is renewed by itself"`
	Scope      string     `json:"scope,omitempty" doc:"What was granted"`
}

func (c *Console) authorization(e *schemas.CredentialEntry) *Authorization {
	kind := c.credentialType(e)
	if kind == nil || kind.OAuth == nil {
		return nil
	}
	s := c.opts.OAuth.Status(e.ID, kind, kind.Defaults(c.opts.Control.Secret(e.ID)))
	a := &Authorization{Authorized: s.Authorized, Renewable: s.Renewable, Scope: s.Scope}
	if !s.ExpiresAt.IsZero() {
		a.ExpiresAt = &s.ExpiresAt
	}
	return a
}

func (c *Console) credentialType(e *schemas.CredentialEntry) *connectors.CredentialType {
	connector, ok := c.opts.Components.Connector(e.Uses)
	if !ok {
		return nil
	}
	kind, _ := connector.CredentialType(e.Type)
	return kind
}

type authorizeInput struct {
	ID    string `path:"id" doc:"The credential's ID"`
	Proto string `header:"X-Forwarded-Proto"`
	Body  *struct {
		RedirectURI string `json:"redirectUri,omitempty" doc:"Where the provider sends the person back to: the console's own /oauth/callback as the browser reaches it, which is the default. The provider must know it"`
	}

	host string
}

// Resolve notes how the browser reaches the console (huma.Resolver).
func (in *authorizeInput) Resolve(ctx huma.Context) []error {
	in.host = ctx.Host()
	return nil
}

type authorizeOutput struct {
	Body struct {
		URL         string    `json:"url" doc:"Send the person there"`
		RedirectURI string    `json:"redirectUri" doc:"Register this with the provider"`
		ExpiresAt   time.Time `json:"expiresAt" doc:"After this the person has to begin again"`
	}
}

// authorize begins an authorization. Nothing is kept: the state that comes back with the person says all, encrypted.
func (c *Console) authorize(_ context.Context, in *authorizeInput) (*authorizeOutput, error) {
	e, err := c.findCredential(in.ID)
	if err != nil {
		return nil, err
	}
	kind := c.credentialType(e)
	if kind == nil || kind.OAuth == nil || kind.OAuth.Grant != connectors.AuthorizationCode {
		return nil, problem(http.StatusUnprocessableEntity, "verify it instead", "credentials of type %s need no authorization by a person", e.Type)
	}
	out := &authorizeOutput{}
	if in.Body != nil {
		out.Body.RedirectURI = in.Body.RedirectURI
	}
	if out.Body.RedirectURI == "" {
		scheme := "http"
		if in.Proto == "https" {
			scheme = "https"
		}
		out.Body.RedirectURI = scheme + "://" + in.host + callbackPath
	} else if u, err := url.Parse(out.Body.RedirectURI); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, problem(http.StatusUnprocessableEntity, "write it as https://console.example.com"+callbackPath, "the redirectUri is no address")
	}
	now := time.Now()
	attempt := oauth.Begin(e.ID, out.Body.RedirectURI, now)
	state, err := c.opts.Control.Seal(authorizing, attempt.Sealed())
	if err != nil {
		return nil, err
	}
	out.Body.ExpiresAt = attempt.Until()
	if out.Body.URL, err = attempt.URL(kind, kind.Defaults(c.opts.Control.Secret(e.ID)), state); err != nil {
		return nil, problem(http.StatusUnprocessableEntity, "", "%s", connectors.AsError(err).Message)
	}
	return out, nil
}

var callbackTemplate = template.Must(template.New("callback").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sluice</title>
<h1>{{.Title}}</h1>
<p>{{.Text}}</p>
<p><a href="/">Back to Sluice</a></p>
</html>
`))

// callback takes the person back. It is no part of the API and demands no token: a browser comes here from elsewhere. What
// it may do is in the state, which only this installation can have made, for ten minutes.
func (c *Console) callback(w http.ResponseWriter, r *http.Request) {
	say := func(status int, title, text string) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		w.WriteHeader(status)
		_ = callbackTemplate.Execute(w, struct{ Title, Text string }{title, text})
	}
	q := r.URL.Query()
	texts, err := c.opts.Control.Unseal(authorizing, q.Get("state"))
	attempt, ok := oauth.Unsealed(texts, time.Now())
	if err != nil || !ok {
		say(http.StatusBadRequest, "Not authorized", "This link is not one that Sluice gave, or it is older than ten minutes. Open the credential and choose Authorize again.")
		return
	}
	if reason := q.Get("error"); reason != "" {
		if text := q.Get("error_description"); text != "" {
			reason += ": " + text
		}
		say(http.StatusOK, "Not authorized", "The provider says: "+reason)
		return
	}
	e := c.opts.Control.Credential(attempt.Credential)
	if e == nil || c.credentialType(e) == nil || c.credentialType(e).OAuth == nil || q.Get("code") == "" {
		say(http.StatusBadRequest, "Not authorized", "There is no such credential any more, or the provider gave no code. Open the credential and choose Authorize again.")
		return
	}
	kind := c.credentialType(e)
	if err := c.opts.OAuth.Finish(r.Context(), attempt, kind, kind.Defaults(c.opts.Control.Secret(e.ID)), q.Get("code")); err != nil {
		c.log.Warn("authorizing a credential", "credential", e.ID, "error", connectors.AsError(err).Message)
		say(http.StatusBadGateway, "Not authorized", connectors.AsError(err).Message)
		return
	}
	say(http.StatusOK, "Authorized", "The credential "+e.ID+" can be used now. You may close this page.")
}
