// Package rest describes the actions of a service's HTTP API as data: which fields of the input go into the path, the
// query and the body. A connector of such a service is a list of [Action]s and what is particular to the service: how a
// request is authorized, and how it says no.
package rest

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sluice/connectors"
	"sluice/connectors/outgoing"
)

// API is one service. It never changes and is safe for concurrent use.
type API struct {
	Title   string // "GitHub", in errors
	BaseURL string // used unless the credential has a baseUrl
	// Authorize puts the credential into the header of a request, and returns what must not be seen in an error or an
	// output. c is never nil, u is complete.
	Authorize Authorize
	// Header is sent with every request.
	Header map[string]string
	// KeyHeader is the header in which a Keyed action sends its idempotency key; "" means Idempotency-Key.
	KeyHeader string
	// Defaults are values for {@value} where the credential has none.
	Defaults map[string]string
	// Lists says how a form writes a list.
	Lists Lists
	// Judge has the last word on an answer. failed is nil where the status was a success; what it returns is the
	// action's error. Nil: the status decides.
	Judge func(a outgoing.Answer, failed *connectors.Error, now time.Time) *connectors.Error
}

// Authorize puts a credential into the header h of a request to u.
type Authorize func(c *connectors.Credential, method string, u *url.URL, h http.Header) (secrets []string, err error)

// Lists is how a list is written in a form.
type Lists uint8

const (
	Repeated Lists = iota // a=1&a=2
	Indexed               // a[0]=1&a[1]=2
)

// Body is what the fields of the input that are neither in the path nor in the query become.
type Body uint8

const (
	NoBody Body = iota
	JSON
	Form
)

// Action is one operation of the service.
type Action struct {
	Name, Title, Summary string
	Effect               connectors.Effect
	Input, Output        string // JSON Schemas
	Sample               string // an output

	Method string
	// Path is appended to the base URL; {field} is the input's field, {@value} a value of the credential, escaped.
	Path string
	// Query are the fields of the input that go into the query.
	Query []string
	Body  Body
	// As renames a field on its way: "to" → "To".
	As map[string]string
	// Shape makes the request's body from the fields that are left; nil: the fields as they are.
	Shape func(fields map[string]json.RawMessage) (any, error)
	// Read makes the output from a good answer; nil: its JSON, digits kept, null where it is empty.
	Read func(a outgoing.Answer) (json.RawMessage, error)
}

// Component returns the action as a component that needs a credential.
func (api *API) Component(a Action) connectors.Component {
	m := connectors.Component{
		Name: a.Name, Title: a.Title, Summary: a.Summary, Effect: a.Effect, NeedsCredential: true,
		Input: json.RawMessage(a.Input), Output: json.RawMessage(a.Output),
		Do: func(ctx context.Context, env connectors.Env, call connectors.Call) (connectors.Result, error) {
			return api.do(ctx, env, call, &a)
		},
	}
	if a.Sample != "" {
		m.Sample = func() json.RawMessage { return json.RawMessage(a.Sample) }
	}
	return m
}

// Components returns the actions as components.
func (api *API) Components(actions ...Action) []connectors.Component {
	list := make([]connectors.Component, len(actions))
	for i, a := range actions {
		list[i] = api.Component(a)
	}
	return list
}

// verifying is the longest a verification may take.
const verifying = 30 * time.Second

// Verify returns the verification of a credential type: a GET of the path, which may name values as {@value}.
func (api *API) Verify(typeName, doing, path string) func(context.Context, connectors.Env, map[string]string) error {
	return func(ctx context.Context, env connectors.Env, values map[string]string) error {
		ctx, cancel := context.WithTimeout(ctx, verifying)
		defer cancel()
		_, err := api.send(ctx, env, &connectors.Credential{Type: typeName, Values: values}, &request{doing: doing, method: http.MethodGet, path: parts(path)})
		return err
	}
}

func (api *API) do(ctx context.Context, env connectors.Env, call connectors.Call, a *Action) (connectors.Result, error) {
	r, err := a.request(api.Lists, call.Input)
	if err != nil {
		return connectors.Result{}, err
	}
	if a.Effect == connectors.Keyed {
		r.key = call.IdempotencyKey
	}
	answer, err := api.send(ctx, env, call.Credential, r)
	result := connectors.Result{HTTPStatus: answer.Status}
	if err != nil {
		return result, err
	}
	read := a.Read
	if read == nil {
		read = body
	}
	if result.Output, err = read(answer); err != nil {
		return result, &connectors.Error{
			Kind: connectors.KindHTTP, HTTPStatus: answer.Status, Retry: connectors.RetryNever, Sent: true, Cause: err,
			Message: r.doing + ": " + api.Title + " answered with something that is not its JSON: check the base URL of the credential",
		}
	}
	return result, nil
}

// send completes a request by what the service and the credential say, sends it, and judges the answer.
func (api *API) send(ctx context.Context, env connectors.Env, c *connectors.Credential, r *request) (outgoing.Answer, error) {
	if c == nil {
		return outgoing.Answer{}, connectors.BadCredential("%s: the step has no credential: choose one for %s", r.doing, api.Title)
	}
	path := make([]string, len(r.path))
	for i, part := range r.path {
		var missing string
		path[i] = fill(part, func(name string) string {
			if name[0] != '@' {
				return r.places[name]
			}
			value := cmp.Or(c.Value(name[1:]), api.Defaults[name[1:]])
			if value == "" {
				missing = name[1:]
			}
			return value
		})
		if missing != "" {
			return outgoing.Answer{}, connectors.BadCredential("%s: the credential has no %s: enter it", r.doing, missing)
		}
	}
	header := r.header.Clone()
	if header == nil {
		header = http.Header{}
	}
	for name, value := range api.Header {
		header.Set(name, value)
	}
	var secrets []string
	answer, err := outgoing.Ask(ctx, env, outgoing.API{
		Doing: r.doing, Method: r.method, Base: cmp.Or(c.Value("baseUrl"), api.BaseURL), BaseSetting: "base URL of the credential",
		Path: path, Query: r.query, Header: header, Body: r.body, Key: r.key, KeyHeader: api.KeyHeader,
		AuthorizeURL: func(u *url.URL, h http.Header) ([]string, error) {
			var err error
			secrets, err = api.Authorize(c, r.method, u, h)
			return secrets, err
		},
	})
	if api.Judge == nil || answer.Status == 0 {
		return answer, err
	}
	var failed *connectors.Error
	if err != nil {
		failed = connectors.AsError(err)
	}
	judged := api.Judge(answer, failed, env.Clock())
	if judged == nil {
		return answer, nil
	}
	e := *judged
	if !strings.HasPrefix(e.Message, r.doing) { // its words are the service's own
		e.Message = outgoing.Blank(r.doing+": "+e.Message, secrets)
	}
	return answer, &e
}
