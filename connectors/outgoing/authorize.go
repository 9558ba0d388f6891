package outgoing

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"

	"sluice/connectors"
)

// Schemas of the credential types [Authorize] knows.
const (
	NoneSchema  = `{"type": "object", "properties": {}, "additionalProperties": false}`
	BasicSchema = `{
  "type": "object", "required": ["username", "password"], "additionalProperties": false,
  "properties": {
    "username": {"type": "string", "title": "User name", "minLength": 1, "pattern": "^[^:]*$", "description": "a user name without a colon"},
    "password": {"type": "string", "title": "Password", "format": "password", "writeOnly": true},
    "previousPassword": {"type": "string", "title": "Previous password", "description": "Still accepted from senders while they change over", "format": "password", "writeOnly": true}
  }
}`
	BearerSchema = `{
  "type": "object", "required": ["token"], "additionalProperties": false,
  "properties": {
    "token": {"type": "string", "title": "Token", "minLength": 1, "format": "password", "writeOnly": true}
  }
}`
	APIKeySchema = `{
  "type": "object", "required": ["name", "value"], "additionalProperties": false,
  "properties": {
    "in": {"type": "string", "title": "Sent in", "enum": ["header", "query"], "default": "header"},
    "name": {"type": "string", "title": "Name", "description": "the name of the header or of the query parameter", "minLength": 1, "pattern": "^[!#$%&'*+.^_|~0-9A-Za-z-]+$", "examples": ["x-api-key"]},
    "value": {"type": "string", "title": "Value", "minLength": 1, "format": "password", "writeOnly": true},
    "previousValue": {"type": "string", "title": "Previous value", "description": "Still accepted from senders while they change over", "format": "password", "writeOnly": true}
  }
}`
)

// OAuth2 and OAuth2Client are credential types of OAuth 2 for any system: where it authorizes is entered. [Authorize] sends
// their access token as a bearer.
func OAuth2() connectors.CredentialType {
	return connectors.CredentialType{
		Name: "oauth2", Title: "OAuth 2 (a person agrees)", Summary: "Authorization code with PKCE. Save it, then choose Authorize.",
		Schema: json.RawMessage(oauth2Schema),
		OAuth:  &connectors.OAuth{Grant: connectors.AuthorizationCode, AuthorizationURL: "{authorizationUrl}", TokenURL: "{tokenUrl}", TokenParameters: map[string]string{"audience": "{audience}"}},
	}
}

// OAuth2Client is [OAuth2] for a client that needs no person.
func OAuth2Client() connectors.CredentialType {
	return connectors.CredentialType{
		Name: "oauth2-client", Title: "OAuth 2 (client credentials)", Summary: "The client's own ID and secret are enough.",
		Schema: json.RawMessage(oauth2ClientSchema),
		OAuth:  &connectors.OAuth{Grant: connectors.ClientCredentials, TokenURL: "{tokenUrl}", TokenParameters: map[string]string{"audience": "{audience}"}},
	}
}

const (
	oauth2Client = `
    "clientId": {"type": "string", "title": "Client ID", "minLength": 1},
    "tokenUrl": {"type": "string", "title": "Token URL", "description": "an address that starts with http:// or https://", "pattern": "^https?://", "examples": ["https://auth.example.com/oauth/token"]},
    "scope": {"type": "string", "title": "Scope", "description": "Separated by spaces"},
    "audience": {"type": "string", "title": "Audience", "description": "Which some systems ask for"},`

	oauth2Schema = `{
  "type": "object", "required": ["clientId", "authorizationUrl", "tokenUrl"], "additionalProperties": false,
  "properties": {` + oauth2Client + `
    "authorizationUrl": {"type": "string", "title": "Authorization URL", "description": "an address that starts with http:// or https://", "pattern": "^https?://", "examples": ["https://auth.example.com/oauth/authorize"]},
    "clientSecret": {"type": "string", "title": "Client secret", "description": "Public clients have none", "format": "password", "writeOnly": true},
    "refreshToken": {"type": "string", "title": "Refresh token", "description": "One that was got elsewhere; leave it empty and choose Authorize", "format": "password", "writeOnly": true}
  }
}`

	oauth2ClientSchema = `{
  "type": "object", "required": ["clientId", "clientSecret", "tokenUrl"], "additionalProperties": false,
  "properties": {` + oauth2Client + `
    "clientSecret": {"type": "string", "title": "Client secret", "minLength": 1, "format": "password", "writeOnly": true}
  }
}`
)

// Authorize puts a credential of type none, basic, bearer, apiKey, oauth2 or oauth2-client into a request: u and h are changed. known is false for
// another type, which is left alone. The secrets are those of the credential, to be blanked in errors.
func Authorize(c *connectors.Credential, u *url.URL, h http.Header) (secrets []string, known bool, err error) {
	switch {
	case c.Is("none"):
		return nil, true, nil
	case c.Is("basic"):
		if c.Value("username") == "" {
			return nil, true, connectors.BadCredential("the credential has no user name: enter one")
		}
		pair := base64.StdEncoding.EncodeToString([]byte(c.Value("username") + ":" + c.Value("password")))
		h.Set("Authorization", "Basic "+pair)
		return []string{pair, c.Value("password"), c.Value("previousPassword")}, true, nil
	case c.Is("bearer"):
		if c.Value("token") == "" {
			return nil, true, connectors.BadCredential("the credential has no token: enter one")
		}
		h.Set("Authorization", "Bearer "+c.Value("token"))
		secrets = []string{c.Value("token")}
	case c.Is("oauth2"), c.Is("oauth2-client"):
		if c.Value(connectors.AccessToken) == "" {
			return nil, true, connectors.BadCredential("the credential has no access token: authorize it")
		}
		h.Set("Authorization", "Bearer "+c.Value(connectors.AccessToken))
		secrets = []string{c.Value(connectors.AccessToken), c.Value("clientSecret"), c.Value("refreshToken")}
	case c.Is("apiKey"):
		name, value := c.Value("name"), c.Value("value")
		if name == "" || value == "" {
			return nil, true, connectors.BadCredential("the credential has no name or no value: enter both")
		}
		secrets = []string{value, c.Value("previousValue")}
		if c.Value("in") == "query" {
			q := u.Query()
			q.Set(name, value)
			u.RawQuery = q.Encode()
			return secrets, true, nil
		}
		h[http.CanonicalHeaderKey(name)] = []string{value}
	default:
		return nil, false, nil
	}
	if err := checkHeader(h); err != nil {
		return nil, true, connectors.BadCredential("the credential holds a line break or another character that a header cannot: enter it again")
	}
	return secrets, true, nil
}
