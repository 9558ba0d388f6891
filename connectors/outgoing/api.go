package outgoing

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"sluice/connectors"
)

// API is one call of a JSON API under a base URL: what most actions are. [Call] makes it.
type API struct {
	Doing  string // starts every error: "creating the pet"
	Method string // "": GET
	// Base is the base URL, and BaseSetting says where it is entered: "base URL of the credential".
	Base, BaseSetting string
	Path              []string // each is one part, whatever it holds: "a/b" is sent as a%2Fb
	Query             url.Values
	Header            http.Header // may be nil
	Body              []byte      // nil: none; JSON unless Header has another Content-Type
	// Key is the call's idempotency key, sent as KeyHeader; "" sends none.
	Key       string
	KeyHeader string // "": Idempotency-Key
	// Authorize puts the credential into the header, and returns its secrets, which are blanked in errors and outputs.
	Authorize func(h http.Header) (secrets []string, err error)
	// AuthorizeURL is Authorize for those that go into the query.
	AuthorizeURL func(u *url.URL, h http.Header) (secrets []string, err error)
	// Expect says which statuses are success; nil: 2xx.
	Expect func(status int) bool
}

// Call makes one call and returns its answer's JSON as the output, digits kept; an empty answer is null. Every error is a
// *connectors.Error that begins with Doing.
func Call(ctx context.Context, env connectors.Env, a API) (connectors.Result, error) {
	answer, err := Ask(ctx, env, a)
	if err != nil {
		return connectors.Result{HTTPStatus: answer.Status}, err
	}
	result := connectors.Result{Output: json.RawMessage("null"), HTTPStatus: answer.Status}
	if body := bytes.TrimSpace(bytes.TrimPrefix(answer.Body, []byte("\xef\xbb\xbf"))); len(body) > 0 {
		if !json.Valid(body) {
			return connectors.Result{HTTPStatus: answer.Status}, &connectors.Error{
				Kind: connectors.KindHTTP, HTTPStatus: answer.Status, Retry: connectors.RetryNever, Sent: true,
				Message: a.Doing + ": the answer is not JSON: check the " + a.setting(),
			}
		}
		result.Output = body
	}
	return result, nil
}

// Ask is [Call] for answers that are no output as they are: it returns the answer itself.
func Ask(ctx context.Context, env connectors.Env, a API) (Answer, error) {
	fail := func(err error) (Answer, error) {
		e := *connectors.AsError(err)
		e.Message = a.Doing + ": " + e.Message
		return Answer{}, &e
	}
	base, err := ParseURL(a.Base)
	if err != nil {
		return fail(connectors.BadCredential("%s: %v", a.setting(), err))
	}
	for _, part := range a.Path {
		if part == "" || part == "." || part == ".." {
			return fail(connectors.BadInput("a name or ID that becomes part of the path is empty, or leads up by dots"))
		}
	}
	u := at(base, a.Path)
	q := base.Query()
	for name, values := range a.Query {
		q[name] = values
	}
	u.RawQuery = q.Encode()
	header := http.Header{}
	if a.Header != nil {
		header = a.Header.Clone()
	}
	if header.Get("Accept") == "" {
		header.Set("Accept", "application/json")
	}
	if a.Body != nil && header.Get("Content-Type") == "" {
		header.Set("Content-Type", "application/json")
	}
	if a.Key != "" {
		name := a.KeyHeader
		if name == "" {
			name = "Idempotency-Key"
		}
		header.Set(name, a.Key)
	}
	var secrets []string
	if a.Authorize != nil {
		found, err := a.Authorize(header)
		if err != nil {
			return fail(err)
		}
		secrets = append(secrets, found...)
	}
	if a.AuthorizeURL != nil {
		found, err := a.AuthorizeURL(u, header)
		if err != nil {
			return fail(err)
		}
		secrets = append(secrets, found...)
	}
	if checkHeader(header) != nil {
		return fail(connectors.BadCredential("the credential, or a header, holds a line break or another character that a header cannot: enter it again"))
	}
	method := a.Method
	if method == "" {
		method = http.MethodGet
	}
	return Send(ctx, env.HTTP, Request{
		Doing: a.Doing, Method: method, URL: u, Header: header, Body: a.Body, Secrets: secrets, Expect: a.Expect,
	})
}

func (a API) setting() string {
	if a.BaseSetting == "" {
		return "base URL"
	}
	return a.BaseSetting
}

// at returns base with parts added to its path. A part stays one, whatever it holds.
func at(base *url.URL, parts []string) *url.URL {
	u := *base
	u.RawQuery = ""
	path, raw := trimSlash(u.Path), trimSlash(u.EscapedPath())
	for _, p := range parts {
		path += "/" + p
		raw += "/" + url.PathEscape(p)
	}
	u.Path, u.RawPath = path, raw
	return &u
}

func trimSlash(path string) string {
	for len(path) > 0 && path[len(path)-1] == '/' {
		path = path[:len(path)-1]
	}
	return path
}

// Misread is the error for an answer of another form than its system documents.
func Misread(doing string, cause error) *connectors.Error {
	return &connectors.Error{
		Kind: connectors.KindHTTP, Retry: connectors.RetryNever, Sent: true, Cause: cause,
		Message: doing + ": the answer has another form than documented",
	}
}
