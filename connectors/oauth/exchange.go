package oauth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sluice/connectors"
	"sluice/connectors/outgoing"
)

// grant is what a token is asked for with.
type grant struct {
	doing  string
	form   url.Values
	secret []string // what of the form is secret
}

// renewal is how a type's next token is asked for: by the refresh token there is, or by the client's own credentials.
func renewal(o *connectors.OAuth, values, token map[string]string) grant {
	refresh := token[refreshToken]
	if refresh == "" {
		refresh = values[refreshToken]
	}
	if refresh != "" {
		return grant{"renewing the access token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}, []string{refresh}}
	}
	form := url.Values{"grant_type": {string(connectors.ClientCredentials)}}
	if scope := scopes(o, values); scope != "" {
		form.Set("scope", scope)
	}
	return grant{"asking for an access token", form, nil}
}

func scopes(o *connectors.OAuth, values map[string]string) string {
	if own := strings.TrimSpace(values[scopeGranted]); own != "" {
		return own
	}
	return strings.Join(o.Scopes, " ")
}

// exchange sends one request to the token endpoint (RFC 6749, 3.2) and reads its answer.
func exchange(ctx context.Context, env connectors.Env, o *connectors.OAuth, values map[string]string, g grant) (map[string]string, error) {
	fail := func(e *connectors.Error) (map[string]string, error) { return nil, e }
	u, err := outgoing.ParseURL(connectors.Fill(o.TokenURL, values))
	if err != nil {
		return fail(connectors.BadCredential("%s: token URL: %v", g.doing, err))
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	id, secret := values["clientId"], values["clientSecret"]
	secrets := append([]string{secret}, g.secret...)
	if o.Basic && secret != "" {
		// RFC 6749, 2.3.1: both are encoded as a form's values are, and then joined.
		pair := base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id) + ":" + url.QueryEscape(secret)))
		header.Set("Authorization", "Basic "+pair)
		secrets = append(secrets, pair)
	} else {
		g.form.Set("client_id", id)
		if secret != "" {
			g.form.Set("client_secret", secret)
		}
	}
	for name, text := range o.TokenParameters {
		if v := connectors.Fill(text, values); v != "" {
			g.form.Set(name, v)
		}
	}
	asked := env.Clock()
	// The answer holds the tokens, so it is read before anything is blanked: no secret is named to Send for a success.
	answer, err := outgoing.SendRaw(ctx, env.HTTP, outgoing.Request{
		Doing: g.doing, Method: http.MethodPost, URL: u, Header: header, Body: []byte(g.form.Encode()), Secrets: secrets,
		Expect: func(status int) bool {
			return status == http.StatusOK || status == http.StatusCreated || status == http.StatusBadRequest || status == http.StatusUnauthorized
		},
	})
	if err != nil {
		return fail(connectors.AsError(err))
	}
	fields := tokenFields(answer)
	if reason := refusal(fields); reason != "" || answer.Status >= 400 {
		return fail(refused(g.doing, u.Host, answer.Status, reason, secrets))
	}
	return tokenOf(o, g.doing, u.Host, fields, asked)
}

// tokenFields reads an answer as JSON, or as the form that some systems send.
func tokenFields(a outgoing.Answer) map[string]any {
	fields := map[string]any{}
	if t, _, _ := mime.ParseMediaType(a.Header.Get("Content-Type")); t == "application/x-www-form-urlencoded" || t == "text/plain" {
		if form, err := url.ParseQuery(string(a.Body)); err == nil && (form.Has("access_token") || form.Has("error")) {
			for name := range form {
				fields[name] = form.Get(name)
			}
			return fields
		}
	}
	d := json.NewDecoder(strings.NewReader(string(a.Body)))
	d.UseNumber()
	_ = d.Decode(&fields)
	return fields
}

// refusal is the reason an answer gives for having no token; some systems give it with status 200.
func refusal(fields map[string]any) string {
	code, _ := fields["error"].(string)
	if code == "" {
		return ""
	}
	if text, _ := fields["error_description"].(string); text != "" {
		return code + ": " + text
	}
	return code
}

func refused(doing, host string, status int, reason string, secrets []string) *connectors.Error {
	e := &connectors.Error{Kind: connectors.KindCredential, HTTPStatus: status, Retry: connectors.RetryNever, Sent: true}
	text := doing + ": " + host + " answered " + strconv.Itoa(status)
	if reason != "" {
		text += ": " + reason
	}
	switch code, _, _ := strings.Cut(reason, ":"); code {
	case "invalid_grant":
		text += "; authorize the credential again"
	case "invalid_client", "unauthorized_client":
		text += "; check the client's ID and secret"
	case "invalid_scope":
		text += "; check the scope"
	case "temporarily_unavailable", "server_error", "slow_down":
		e.Kind, e.Retry = connectors.KindHTTP, connectors.RetryByPolicy
	}
	e.Message = outgoing.Blank(text, secrets)
	return e
}

func tokenOf(o *connectors.OAuth, doing, host string, fields map[string]any, asked time.Time) (map[string]string, error) {
	access, _ := fields["access_token"].(string)
	if access == "" || strings.ContainsAny(access, "\r\n") {
		return nil, &connectors.Error{Kind: connectors.KindHTTP, Retry: connectors.RetryNever, Sent: true,
			Message: doing + ": " + host + " gave no access_token: check the token URL"}
	}
	token := map[string]string{connectors.AccessToken: access, grantedAt: strconv.FormatInt(asked.UnixMilli(), 10)}
	if refresh, _ := fields["refresh_token"].(string); refresh != "" {
		token[refreshToken] = refresh
	}
	// A number, and with some systems a text.
	if seconds, err := strconv.ParseFloat(textOf(fields["expires_in"]), 64); err == nil && seconds > 0 && seconds < 1e9 {
		token[expiresAt] = strconv.FormatInt(asked.Add(time.Duration(seconds*float64(time.Second))).UnixMilli(), 10)
	}
	if scope, _ := fields["scope"].(string); scope != "" {
		token["grantedScope"] = scope
	}
	for _, name := range o.Keep {
		if v := textOf(fields[name]); v != "" {
			token[name] = v
		}
	}
	return token, nil
}

func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}
