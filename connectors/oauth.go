package connectors

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Grant is how a credential comes by its first token.
type Grant string

const (
	// AuthorizationCode: a person agrees in the browser (RFC 6749, 4.1, always with PKCE, RFC 7636).
	AuthorizationCode Grant = "authorization_code"
	// ClientCredentials: the client's own ID and secret are enough (RFC 6749, 4.4).
	ClientCredentials Grant = "client_credentials"
)

// OAuth makes a credential type one of OAuth 2. Its values hold clientId and, unless the client is public, clientSecret;
// a value scope, where there is one, is used in place of Scopes, and a value refreshToken is a token got elsewhere. What
// Do and Verify get has an accessToken besides, and it is fresh: package oauth asks for it, refreshes it before it ends,
// and does so once, however many steps and processes want it.
type OAuth struct {
	Grant Grant `json:"grant"`
	// AuthorizationURL and TokenURL may hold values of the credential: "{baseUrl}/oauth/token".
	AuthorizationURL string   `json:"-"`
	TokenURL         string   `json:"-"`
	Scopes           []string `json:"scopes,omitempty"`
	// Parameters are added to the authorization request: {"access_type": "offline"}.
	Parameters map[string]string `json:"-"`
	// TokenParameters are added to every token request: {"audience": "{audience}"}. They may hold values too; one that
	// comes out empty is left out.
	TokenParameters map[string]string `json:"-"`
	// Basic sends the client's ID and secret as Basic authentication, for systems that do not take them in the body.
	Basic bool `json:"-"`
	// Keep names texts of the token's answer that Do needs besides, such as instance_url. They become values.
	Keep []string `json:"-"`
}

// AccessToken is the name of the value that holds a credential's current token.
const AccessToken = "accessToken"

var placeholder = regexp.MustCompile(`\{([A-Za-z][A-Za-z0-9]*)\}`)

// Fill puts values of a credential into the text's {places}.
func Fill(text string, values map[string]string) string {
	return placeholder.ReplaceAllStringFunc(text, func(p string) string { return values[p[1:len(p)-1]] })
}

// check says what is wrong with the type's OAuth.
func (o *OAuth) check(values json.RawMessage) error {
	var doc struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(values, &doc); err != nil {
		return err
	}
	switch {
	case o.Grant != AuthorizationCode && o.Grant != ClientCredentials:
		return fmt.Errorf("oauth: the grant %q is neither authorization_code nor client_credentials", o.Grant)
	case o.TokenURL == "" || o.Grant == AuthorizationCode && o.AuthorizationURL == "":
		return errors.New("oauth: a URL is missing")
	case doc.Properties["clientId"] == nil:
		return errors.New(`oauth: the values have no "clientId"`)
	case o.Grant == ClientCredentials && doc.Properties["clientSecret"] == nil:
		return errors.New(`oauth: the values have no "clientSecret"`)
	case doc.Properties[AccessToken] != nil:
		return errors.New(`oauth: "accessToken" is not entered: it is asked for`)
	}
	texts := []string{o.AuthorizationURL, o.TokenURL}
	for _, v := range o.TokenParameters {
		texts = append(texts, v)
	}
	for _, found := range placeholder.FindAllStringSubmatch(strings.Join(texts, " "), -1) {
		if doc.Properties[found[1]] == nil {
			return fmt.Errorf("oauth: there is no value %q to put into a URL or parameter", found[1])
		}
	}
	return nil
}
