package rest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"sluice/connectors"
)

// Bearer authorizes by a value of the credential as a bearer token (RFC 6750).
func Bearer(value string) Authorize {
	return func(c *connectors.Credential, _ string, _ *url.URL, h http.Header) ([]string, error) {
		secret, err := Secret(c, value)
		h.Set("Authorization", "Bearer "+secret)
		return []string{secret}, err
	}
}

// OAuth2 authorizes by the access token of a credential type with [connectors.OAuth]. The client's own secrets stay out of
// sight too.
func OAuth2(c *connectors.Credential, _ string, _ *url.URL, h http.Header) ([]string, error) {
	token := c.Value(connectors.AccessToken)
	if token == "" {
		return nil, connectors.BadCredential("the credential has no token yet: authorize it")
	}
	h.Set("Authorization", "Bearer "+token)
	return []string{token, c.Value("clientSecret"), c.Value("refreshToken")}, nil
}

// InHeader authorizes by a value of the credential in a header of the service's own.
func InHeader(header, value string) Authorize {
	return func(c *connectors.Credential, _ string, _ *url.URL, h http.Header) ([]string, error) {
		secret, err := Secret(c, value)
		h.Set(header, secret)
		return []string{secret}, err
	}
}

// Basic authorizes by two values of the credential as user name and password (RFC 7617). The user name is no secret.
func Basic(user, password string) Authorize {
	return func(c *connectors.Credential, _ string, _ *url.URL, h http.Header) ([]string, error) {
		name, err := Secret(c, user)
		if err != nil {
			return nil, err
		}
		secret, err := Secret(c, password)
		pair := base64.StdEncoding.EncodeToString([]byte(name + ":" + secret))
		h.Set("Authorization", "Basic "+pair)
		return []string{secret, pair}, err
	}
}

// Secret returns a value that the credential must have.
func Secret(c *connectors.Credential, name string) (string, error) {
	value := c.Value(name)
	if value == "" {
		return "", connectors.BadCredential("the credential has no %s: enter it", name)
	}
	return value, nil
}

// TokenSchema is the schema of a credential type of one secret and the service's address.
func TokenSchema(name, title, baseURL string) json.RawMessage {
	return fmt.Appendf(nil, `{
  "type": "object", "required": [%q], "additionalProperties": false,
  "properties": {
    %q: {"type": "string", "title": %q, "minLength": 1, "format": "password", "writeOnly": true},
    %s
  }
}`, name, name, title, BaseURL(baseURL))
}

// BaseURL is the property of a credential's schema that says where the service is.
func BaseURL(standard string) string {
	return fmt.Sprintf(`"baseUrl": {"type": "string", "title": "Base URL", "description": "an address that starts with http:// or https://", "pattern": "^https?://", "default": %q}`, standard)
}
