package outgoing

import (
	"encoding/base64"
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

// Authorize puts a credential of type none, basic, bearer or apiKey into a request: u and h are changed. known is false for
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
