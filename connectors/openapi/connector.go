package openapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"sluice/connectors"
	"sluice/connectors/outgoing"
)

// Connector makes the connector. It does no I/O, and keeps the definition.
func (d *Definition) Connector() connectors.Connector {
	c := connectors.Connector{
		Name: d.Name, Title: d.Title, Summary: d.Summary, Imported: true,
		Components: make([]connectors.Component, 0, len(d.Operations)),
	}
	open := slices.ContainsFunc(d.Operations, func(o Operation) bool { return !o.Secure })
	for i := range d.Types {
		t := d.Types[i]
		if len(t.Schemes) == 0 && !open {
			continue // no operation is open
		}
		c.Credentials = append(c.Credentials, connectors.CredentialType{
			Name: t.Name, Title: t.Title, Schema: t.schema(d.BaseURL), OAuth: t.oauth(),
		})
	}
	for i := range d.Operations {
		o := &d.Operations[i]
		c.Components = append(c.Components, connectors.Component{
			Name: d.Name + "/" + o.Name, Title: o.Title, Summary: o.Summary, Effect: o.effect(), NeedsCredential: o.Secure,
			Input: complete(o.Input, d.Schemas, maxInput), Output: complete(o.Output, d.Schemas, maxOutput),
			Do: func(ctx context.Context, env connectors.Env, call connectors.Call) (connectors.Result, error) {
				return d.do(ctx, env, o, call)
			},
		})
	}
	return c
}

// effect: what HTTP says of the method (RFC 9110, 9.2). A POST that takes an idempotency key is keyed.
func (o *Operation) effect() connectors.Effect {
	switch {
	case o.Method != http.MethodPost && o.Method != http.MethodPatch:
		return connectors.Idempotent
	case slices.ContainsFunc(o.Parameters, func(p Parameter) bool { return p.Key }):
		return connectors.Keyed
	}
	return connectors.Neither
}

func (t Type) oauth() *connectors.OAuth {
	for i, s := range t.Schemes {
		grant := connectors.AuthorizationCode
		switch s.Kind {
		case kindOAuthClient:
			grant = connectors.ClientCredentials
		case kindOAuthCode:
		default:
			continue
		}
		if len(t.Schemes) > 1 {
			return nil // its values have other names: the token is entered
		}
		return &connectors.OAuth{
			Grant: grant, Scopes: s.Scopes,
			TokenURL: "{" + t.valueName(i, "tokenUrl") + "}", AuthorizationURL: "{" + authorizationURL(s, t.valueName(i, "authorizationUrl")) + "}",
		}
	}
	return nil
}

func authorizationURL(s Scheme, name string) string {
	if s.Kind == kindOAuthClient {
		return "tokenUrl" // not used
	}
	return name
}

func (d *Definition) do(ctx context.Context, env connectors.Env, o *Operation, call connectors.Call) (connectors.Result, error) {
	doing := o.Method + " " + o.Path
	fail := func(err error) (connectors.Result, error) {
		e := *connectors.AsError(err)
		e.Message = doing + ": " + e.Message
		return connectors.Result{}, &e
	}
	base := call.Credential.Value("baseUrl")
	if o.Server != "" && (base == "" || base == d.BaseURL) {
		base = o.Server
	}
	if base == "" {
		base = d.BaseURL
	}
	if base == "" {
		return fail(connectors.BadCredential("there is no base URL: enter one in the credential, or import the document again with one"))
	}
	target, err := outgoing.ParseURL(base)
	if err != nil {
		return fail(connectors.BadCredential("base URL: %v", err))
	}
	q, err := o.request(target, call)
	if err != nil {
		return fail(err)
	}
	q.Doing = doing
	if err := d.authorize(call.Credential, &q); err != nil {
		return fail(err)
	}
	if o.Secure && call.Credential.Is("none") {
		return fail(connectors.BadCredential("the operation needs a credential: choose one"))
	}
	answer, err := outgoing.Send(ctx, env.HTTP, q)
	if err != nil {
		return connectors.Result{HTTPStatus: answer.Status}, err
	}
	return connectors.Result{Output: o.outputOf(answer), HTTPStatus: answer.Status}, nil
}

// outputOf is the body: JSON as it came (also where the service forgets to say that it is), text as text, bytes in base64, nothing as null.
func (o *Operation) outputOf(a outgoing.Answer) json.RawMessage {
	body := bytes.TrimSpace(bytes.TrimPrefix(a.Body, []byte("\xef\xbb\xbf")))
	media, _, _ := mime.ParseMediaType(a.Header.Get("Content-Type"))
	switch {
	case len(body) == 0:
		return json.RawMessage("null")
	case (isJSON(media) || media == "" || len(o.Accept) > 0 && isJSON(o.Accept[0])) && json.Valid(body):
		return body
	case utf8.Valid(body):
		return jsonText(string(a.Body))
	}
	return jsonText(object{"base64": base64.StdEncoding.EncodeToString(a.Body), "contentType": media})
}

// authorize puts the credential into the request.
func (d *Definition) authorize(c *connectors.Credential, q *outgoing.Request) error {
	if c == nil {
		return nil
	}
	i := slices.IndexFunc(d.Types, func(t Type) bool { return c.Is(t.Name) })
	if i < 0 {
		return connectors.BadCredential("credentials of type %s cannot be used with %s", c.Type, d.Title)
	}
	t := d.Types[i]
	for i, s := range t.Schemes {
		value := func(name string) string { return c.Value(t.valueName(i, name)) }
		if err := s.apply(value, c.Value(connectors.AccessToken), q); err != nil {
			return err
		}
	}
	return nil
}

func (s Scheme) apply(value func(string) string, accessToken string, q *outgoing.Request) error {
	set := func(name, text, secret string) error {
		if strings.ContainsAny(text, "\r\n\x00") {
			return connectors.BadCredential("the credential holds a line break: enter it again")
		}
		q.Header[http.CanonicalHeaderKey(name)] = []string{text}
		q.Secrets = append(q.Secrets, secret)
		return nil
	}
	switch s.Kind {
	case kindAPIKey:
		key, name := value("apiKey"), s.Name
		if name == "" {
			name = value("name")
		}
		if key == "" || name == "" {
			return connectors.BadCredential("the credential has no API key: enter one")
		}
		switch s.In {
		case "query":
			query := q.URL.Query()
			query.Set(name, key)
			q.URL.RawQuery = query.Encode()
			q.Secrets = append(q.Secrets, key)
		case "cookie":
			cookie := name + "=" + url.QueryEscape(key)
			if have := q.Header.Get("Cookie"); have != "" {
				cookie = have + "; " + cookie
			}
			return set("Cookie", cookie, key)
		default:
			return set(name, key, key)
		}
	case kindBasic:
		if value("username") == "" {
			return connectors.BadCredential("the credential has no user name: enter one")
		}
		pair := base64.StdEncoding.EncodeToString([]byte(value("username") + ":" + value("password")))
		q.Secrets = append(q.Secrets, value("password"))
		return set("Authorization", "Basic "+pair, pair)
	case kindBearer:
		if value("token") == "" {
			return connectors.BadCredential("the credential has no token: enter one")
		}
		return set("Authorization", "Bearer "+value("token"), value("token"))
	case kindOAuthCode, kindOAuthClient:
		if accessToken == "" {
			return connectors.BadCredential("the credential has no access token: authorize it")
		}
		q.Secrets = append(q.Secrets, value("clientSecret"), value("refreshToken"))
		return set("Authorization", "Bearer "+accessToken, accessToken)
	}
	return nil
}
