package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"sluice/console"
)

const defaultAPI = "http://127.0.0.1:8090"

// client calls the API.
type client struct {
	base  string
	token string
	http  *http.Client
}

// newClient takes the API's address from the flag, SLUICE_API, the address that
// a server in the same environment listens on, or the default.
func newClient(api string) (*client, error) {
	if api == "" {
		api = os.Getenv("SLUICE_API")
	}
	if addr := os.Getenv("SLUICE_CONSOLE_ADDR"); api == "" && addr != "" {
		if strings.HasPrefix(addr, ":") {
			addr = "127.0.0.1" + addr
		}
		api = "http://" + addr
	}
	if api == "" {
		api = defaultAPI
	}
	u, err := url.Parse(api)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("the API's address: want a URL such as %s", defaultAPI)
	}
	return &client{base: strings.TrimRight(api, "/"), token: os.Getenv("SLUICE_API_TOKEN"), http: &http.Client{}}, nil
}

// apiError is what the API refused.
type apiError struct{ console.Problem }

func (e *apiError) Error() string {
	text := e.Problem.Error()
	for _, p := range e.Problems {
		place := strings.ReplaceAll(p.Path, "/", ".")
		if place != "" {
			place += ": "
		}
		if text += "\n  " + place + p.Message; p.Remedy != "" {
			text += "; " + p.Remedy
		}
	}
	return text
}

// errUnreachable is wrapped by the error of an API that does not answer.
var errUnreachable = errors.New("does not answer")

func (c *client) unreachable(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without the URL, which is said already
	}
	return fmt.Errorf("the API at %s %w (%v); start it with `make run` or `sluice dev`, or name another by --api or SLUICE_API", c.base, errUnreachable, err)
}

// open sends a request and returns the answer if it is a success.
func (c *client) open(ctx context.Context, method, path string, query url.Values, contentType string, body []byte) (*http.Response, error) {
	target := c.base + "/api/v1" + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, c.unreachable(err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	e := &apiError{}
	if json.Unmarshal(raw, &e.Problem) != nil || e.Detail == "" {
		return nil, fmt.Errorf("the API at %s answered %s; is it Sluice's?", c.base, resp.Status)
	}
	var more struct {
		Errors []struct{ Message, Location string }
	}
	if json.Unmarshal(raw, &more) == nil {
		for _, m := range more.Errors {
			e.Detail += "; " + strings.TrimSpace(m.Location+" "+m.Message)
		}
	}
	return nil, e
}

// call sends a request within 60 s and returns the answer's body.
func (c *client) call(ctx context.Context, method, path string, query url.Values, contentType string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 70*time.Second)
	defer cancel()
	resp, err := c.open(ctx, method, path, query, contentType, body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, c.unreachable(err)
	}
	return raw, nil
}

func (c *client) get(ctx context.Context, path string, query url.Values, into any) ([]byte, error) {
	raw, err := c.call(ctx, http.MethodGet, path, query, "", nil)
	if err != nil {
		return nil, err
	}
	return raw, decode(raw, into)
}

func (c *client) post(ctx context.Context, path string, body, into any) ([]byte, error) {
	raw, err := c.write(ctx, http.MethodPost, path, body)
	if err != nil {
		return nil, err
	}
	return raw, decode(raw, into)
}

// write sends a body as JSON, if there is one.
func (c *client) write(ctx context.Context, method, path string, body any) ([]byte, error) {
	var encoded []byte
	contentType := ""
	if body != nil {
		var err error
		if encoded, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("encoding the request: %w", err)
		}
		contentType = "application/json"
	}
	return c.call(ctx, method, path, nil, contentType, encoded)
}

func decode(raw []byte, into any) error {
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("reading the API's answer: %w", err)
	}
	return nil
}

type flowItems struct {
	Items []console.Flow `json:"items"`
}

// flow finds a flow by its ID or its name, if only one has that name.
func (c *client) flow(ctx context.Context, name string) (*console.Flow, error) {
	var list flowItems
	if _, err := c.get(ctx, "/flows", nil, &list); err != nil {
		return nil, err
	}
	var named []*console.Flow
	for i := range list.Items {
		f := &list.Items[i]
		if f.ID == name {
			return f, nil
		}
		if f.Name == name {
			named = append(named, f)
		}
	}
	switch len(named) {
	case 0:
		return nil, fmt.Errorf("%w %q; `sluice flows` lists those there are", errNoFlow, name)
	case 1:
		return named[0], nil
	}
	ids := make([]string, len(named))
	for i, f := range named {
		ids[i] = f.ID
	}
	return nil, fmt.Errorf("%d flows have the name %q; say which by its ID: %s", len(named), name, strings.Join(ids, ", "))
}

var errNoFlow = errors.New("there is no flow")
