// Package x is the connector for X, once Twitter (docs.x.com/x-api).
//
// Posting needs a user: OAuth 1.0a (RFC 5849) with the app's and the user's keys, or an OAuth 2 token with the scope
// tweet.write. Limits are 429 with x-rate-limit-reset, which is a time and not a duration. X knows no idempotency key, and
// refuses a post that repeats the one before (403).
package x

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gomodule/oauth1/oauth"

	"sluice/connectors"
	"sluice/connectors/outgoing"
	"sluice/connectors/rest"
)

// DefaultBaseURL is X's API.
const DefaultBaseURL = "https://api.x.com"

var api = &rest.API{Title: "X", BaseURL: DefaultBaseURL, Authorize: authorize, Judge: judge}

// Connector returns the x connector.
func Connector() connectors.Connector {
	return connectors.Connector{
		Name:    "x",
		Title:   "X (Twitter)",
		Summary: "Posts and deletes tweets.",
		Credentials: []connectors.CredentialType{
			{
				Name: "oauth1", Title: "OAuth 1.0a", Summary: "The app's keys, and the access token of the user who posts.",
				Schema: json.RawMessage(`{"type": "object", "required": ["consumerKey", "consumerSecret", "accessToken", "accessTokenSecret"], "additionalProperties": false, "properties": {
  "consumerKey": {"type": "string", "title": "API key", "minLength": 1},
  "consumerSecret": {"type": "string", "title": "API key secret", "minLength": 1, "format": "password", "writeOnly": true},
  "accessToken": {"type": "string", "title": "Access token", "minLength": 1, "format": "password", "writeOnly": true},
  "accessTokenSecret": {"type": "string", "title": "Access token secret", "minLength": 1, "format": "password", "writeOnly": true},
  ` + rest.BaseURL(DefaultBaseURL) + `}}`),
				Verify: api.Verify("oauth1", "asking X who the token belongs to", "/2/users/me"),
			},
			{
				Name: "oauth2", Title: "OAuth 2", Summary: "The app's client ID; the user who posts agrees in the browser.",
				Schema: json.RawMessage(`{"type": "object", "required": ["clientId"], "additionalProperties": false, "properties": {
  "clientId": {"type": "string", "title": "Client ID", "minLength": 1},
  "clientSecret": {"type": "string", "title": "Client secret", "description": "of a confidential app", "format": "password", "writeOnly": true},
  ` + rest.BaseURL(DefaultBaseURL) + `}}`),
				OAuth: &connectors.OAuth{
					Grant: connectors.AuthorizationCode, AuthorizationURL: "https://x.com/i/oauth2/authorize", TokenURL: "{baseUrl}/2/oauth2/token",
					Scopes: []string{"tweet.read", "tweet.write", "users.read", "offline.access"}, Basic: true,
				},
				Verify: api.Verify("oauth2", "asking X who agreed", "/2/users/me"),
			},
			{
				Name: "token", Title: "OAuth 2 user token", Summary: "An access token with the scopes tweet.write and users.read.",
				Schema: rest.TokenSchema("token", "Access token", DefaultBaseURL),
				Verify: api.Verify("token", "asking X who the token belongs to", "/2/users/me"),
			},
		},
		Components: api.Components(
			rest.Action{
				Name: "x/post-tweet", Title: "Post a tweet", Summary: "Posts as the user of the credential.",
				Effect: connectors.Neither, Method: http.MethodPost, Path: "/2/tweets", Body: rest.JSON,
				Input: `{` + head + `"properties": {
  "text": {"type": "string", "title": "Text", "minLength": 1, "description": "280 characters, more with Premium"},
  "reply": {"type": "object", "title": "Reply to", "required": ["in_reply_to_tweet_id"], "properties": {"in_reply_to_tweet_id": {"type": "string", "title": "Tweet", "pattern": "^[0-9]{1,19}$", "description": "a tweet's ID, as text"}}},
  "quote_tweet_id": {"type": "string", "title": "Quote", "pattern": "^[0-9]{1,19}$", "description": "a tweet's ID, as text"},
  "media": {"type": "object", "title": "Media", "properties": {"media_ids": {"type": "array", "title": "IDs", "items": {"type": "string"}, "minItems": 1, "maxItems": 4}}},
  "poll": {"type": "object", "title": "Poll", "required": ["options", "duration_minutes"], "properties": {"options": {"type": "array", "items": {"type": "string", "maxLength": 25}, "minItems": 2, "maxItems": 4}, "duration_minutes": {"type": "integer", "minimum": 5, "maximum": 10080}}},
  "reply_settings": {"type": "string", "title": "Who may reply", "enum": ["following", "mentionedUsers", "subscribers", "verified"]}
}, "anyOf": [{"required": ["text"]}, {"required": ["media"]}], "description": "an object with text or media"}`,
				Output: `{"type": "object", "required": ["data"], "properties": {"data": {"type": "object", "title": "Tweet", "required": ["id"], "properties": {"id": {"type": "string", "title": "ID"}, "text": {"type": "string", "title": "Text"}}}}}`,
				Sample: `{"data": {"id": "1445880548472328192", "text": "Hello world!"}}`,
			},
			rest.Action{
				Name: "x/delete-tweet", Title: "Delete a tweet", Summary: "Deletes a tweet of the user.",
				Effect: connectors.Idempotent, Method: http.MethodDelete, Path: "/2/tweets/{id}",
				Input:  `{` + head + `"required": ["id"], "properties": {"id": {"type": "string", "title": "Tweet", "pattern": "^[0-9]{1,19}$", "description": "a tweet's ID, as text"}}}`,
				Output: `{"type": "object", "properties": {"data": {"type": "object", "properties": {"deleted": {"type": "boolean", "title": "Deleted"}}}}}`,
				Sample: `{"data": {"deleted": true}}`,
			},
			rest.Action{
				Name: "x/find-user", Title: "Find user", Summary: "Reads a user by name.",
				Effect: connectors.Idempotent, Method: http.MethodGet, Path: "/2/users/by/username/{username}",
				Input:  `{` + head + `"required": ["username"], "properties": {"username": {"type": "string", "title": "User name", "pattern": "^[A-Za-z0-9_]{1,15}$", "description": "a name without @"}}}`,
				Output: `{"type": "object", "properties": {"data": {"type": "object", "title": "User", "properties": {"id": {"type": "string", "title": "ID"}, "name": {"type": "string", "title": "Name"}, "username": {"type": "string", "title": "User name"}}}}}`,
				Sample: `{"data": {"id": "2244994945", "name": "X Developers", "username": "XDevelopers"}}`,
			},
		),
	}
}

const head = `"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false, `

func authorize(c *connectors.Credential, method string, u *url.URL, h http.Header) ([]string, error) {
	switch {
	case c.Is("oauth2"):
		return rest.OAuth2(c, method, u, h)
	case c.Is("token"):
		return rest.Bearer("token")(c, method, u, h)
	}
	values := map[string]string{}
	for _, name := range []string{"consumerKey", "consumerSecret", "accessToken", "accessTokenSecret"} {
		value, err := rest.Secret(c, name)
		if err != nil {
			return nil, err
		}
		values[name] = value
	}
	client := oauth.Client{
		Credentials:     oauth.Credentials{Token: values["consumerKey"], Secret: values["consumerSecret"]},
		SignatureMethod: oauth.HMACSHA1, // the only one that X takes
	}
	token := &oauth.Credentials{Token: values["accessToken"], Secret: values["accessTokenSecret"]}
	// A JSON body is not part of what is signed (RFC 5849, 3.4.1.3.1); the query is, and the library reads it off the URL.
	if err := client.SetAuthorizationHeader(h, token, method, u, nil); err != nil {
		return nil, connectors.BadCredential("the request cannot be signed: enter the keys again")
	}
	return []string{values["consumerSecret"], values["accessToken"], values["accessTokenSecret"]}, nil
}

// judge reads X's reasons, which are problem details (RFC 9457) or a list of them, and the time of the limit's end.
func judge(a outgoing.Answer, failed *connectors.Error, now time.Time) *connectors.Error {
	if failed == nil {
		return nil
	}
	e := *failed
	var said struct {
		Detail string `json:"detail"`
		Errors []struct {
			Message string `json:"message"`
			Detail  string `json:"detail"`
		} `json:"errors"`
	}
	if json.Unmarshal(a.Body, &said) == nil && len(said.Errors) > 0 {
		var reasons []string
		for _, one := range said.Errors {
			if text := one.Detail + one.Message; text != "" {
				reasons = append(reasons, text)
			}
		}
		if len(reasons) > 0 {
			e.Message = "X refused: " + strings.Join(reasons, "; ")
		}
	}
	if reset, err := strconv.ParseInt(a.Header.Get("X-Rate-Limit-Reset"), 10, 64); err == nil && a.Status == http.StatusTooManyRequests && e.RetryAfter == 0 {
		return rest.RateLimited(&e, max(time.Second, time.Unix(reset, 0).Sub(now)))
	}
	return &e
}
