package rest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	"sluice/connectors"
	"sluice/connectors/outgoing"
)

// Bearer authorizes by a value of the credential as a bearer token (RFC 6750).
func Bearer(value string) func(connectors.Env, *connectors.Credential, *outgoing.Request) error {
	return func(_ connectors.Env, c *connectors.Credential, q *outgoing.Request) error {
		secret, err := Secret(c, value)
		if err != nil {
			return err
		}
		q.Header.Set("Authorization", "Bearer "+secret)
		q.Secrets = []string{secret}
		return nil
	}
}

// InHeader authorizes by a value of the credential in a header of the service's own.
func InHeader(header, value string) func(connectors.Env, *connectors.Credential, *outgoing.Request) error {
	return func(_ connectors.Env, c *connectors.Credential, q *outgoing.Request) error {
		secret, err := Secret(c, value)
		if err != nil {
			return err
		}
		q.Header.Set(header, secret)
		q.Secrets = []string{secret}
		return nil
	}
}

// Basic authorizes by two values of the credential as user name and password (RFC 7617). The user name is no secret.
func Basic(user, password string) func(connectors.Env, *connectors.Credential, *outgoing.Request) error {
	return func(_ connectors.Env, c *connectors.Credential, q *outgoing.Request) error {
		name, err := Secret(c, user)
		if err != nil {
			return err
		}
		secret, err := Secret(c, password)
		if err != nil {
			return err
		}
		pair := base64.StdEncoding.EncodeToString([]byte(name + ":" + secret))
		q.Header.Set("Authorization", "Basic "+pair)
		q.Secrets = []string{secret, pair}
		return nil
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
