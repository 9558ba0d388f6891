// Package openapi makes a connector of a service's OpenAPI document (3.0, 3.1, and Swagger 2.0): an action for each
// operation, a credential type for each way to prove who one is.
//
// [Read] turns a document into a [Definition]: what a connector needs of it, small enough for the control log and the same
// in every process. [Definition.Connector] makes the connector. The document is read as it stands, not through a model of
// OpenAPI: a word that this package does not know changes nothing, and numbers keep their digits.
package openapi

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// Limits of a document, so that none takes all memory or time.
const (
	// MaxDocument is the largest document in bytes.
	MaxDocument   = 32 << 20
	maxDepth      = 200
	maxOperations = 10_000
	maxValues     = 5_000_000
	// maxInput and maxOutput bound an operation's schemas. What is beyond them is described no further: any value fits.
	maxInput  = 256 << 10
	maxOutput = 32 << 10
	// maxCombined is how many ways to prove who one is become credential types.
	maxCombined = 40
)

// Options say what a document does not.
type Options struct {
	// Name of the connector; "" makes one from the document's title.
	Name string
	// Source is where the document is from, a URL or a file's name, for people. Relative servers are resolved against it.
	Source string
	// BaseURL replaces the document's server.
	BaseURL string
}

// Definition is a connector as data.
type Definition struct {
	Name    string `json:"name"`
	Title   string `json:"title"`
	Summary string `json:"summary,omitempty"`
	Version string `json:"version,omitempty"` // of the service, as its document says
	Source  string `json:"source,omitempty"`
	BaseURL string `json:"baseUrl,omitempty"`
	// Types are the credential types.
	Types      []Type      `json:"types,omitempty"`
	Operations []Operation `json:"operations"`
	// Schemas are what the operations' schemas refer to as #/$defs/NAME.
	Schemas map[string]json.RawMessage `json:"schemas,omitempty"`

	// LeftOut and Warnings are for whoever imports it; they are not kept.
	LeftOut  []LeftOut `json:"-"`
	Warnings []string  `json:"-"`
}

// LeftOut is an operation of the document that became no action.
type LeftOut struct {
	Operation string `json:"operation"` // "POST /things"
	Reason    string `json:"reason"`
}

// Type is a credential type: one scheme, or several that go together.
type Type struct {
	Name    string   `json:"name"`
	Title   string   `json:"title"`
	Schemes []Scheme `json:"schemes,omitempty"` // none: No Auth
}

// Scheme is one way to prove who one is.
type Scheme struct {
	ID   string `json:"id"` // its name in the document
	Kind string `json:"kind"`
	In   string `json:"in,omitempty"`   // of an apiKey: header, query or cookie
	Name string `json:"name,omitempty"` // of an apiKey: the header, parameter or cookie
	// Of OAuth 2.
	AuthorizationURL string   `json:"authorizationUrl,omitempty"`
	TokenURL         string   `json:"tokenUrl,omitempty"`
	Scopes           []string `json:"scopes,omitempty"`
	Summary          string   `json:"summary,omitempty"`
}

// Kinds of schemes.
const (
	kindAPIKey      = "apiKey"
	kindBasic       = "basic"
	kindBearer      = "bearer"
	kindOAuthCode   = "oauth2"
	kindOAuthClient = "oauth2-client"
)

// Operation is one action.
type Operation struct {
	Name       string      `json:"name"` // "find-pets-by-status"
	Title      string      `json:"title"`
	Summary    string      `json:"summary,omitempty"`
	Method     string      `json:"method"`
	Path       string      `json:"path"`
	Server     string      `json:"server,omitempty"` // in place of BaseURL
	Parameters []Parameter `json:"parameters,omitempty"`
	Body       *Body       `json:"body,omitempty"`
	// Accept are the content types of a success.
	Accept []string        `json:"accept,omitempty"`
	Secure bool            `json:"secure,omitempty"` // needs a credential
	Input  json.RawMessage `json:"input"`
	Output json.RawMessage `json:"output,omitempty"`
}

// Parameter is a part of the request that is not its body.
type Parameter struct {
	Field   string `json:"field"` // its name in the input
	Name    string `json:"name"`
	In      string `json:"in"`
	Style   string `json:"style,omitempty"`
	Explode bool   `json:"explode,omitempty"`
	JSON    bool   `json:"json,omitempty"` // sent as JSON text
	Key     bool   `json:"key,omitempty"`  // takes the idempotency key when it is not given
}

// Body is how the field body is sent.
type Body struct {
	ContentType string `json:"contentType"`
	// Deep are the fields of a form whose lists are numbered: a[0][b].
	Deep []string `json:"deep,omitempty"`
	// Files are the fields of a multipart form that are files.
	Files []string `json:"files,omitempty"`
	// Types are content types of a multipart form's fields, where the document gives one.
	Types map[string]string `json:"types,omitempty"`
}

// parseServer reads a server's URL, with its variables' defaults, and resolves it against where the document is from.
func parseServer(text, source string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil {
		return "", fmt.Errorf("the server's URL cannot be read")
	}
	if !u.IsAbs() {
		from, err := url.Parse(source)
		if err != nil || from.Scheme != "http" && from.Scheme != "https" {
			return "", fmt.Errorf("the document does not say where its service is: it only says %q", text)
		}
		u = from.ResolveReference(u)
	}
	u.RawQuery, u.Fragment, u.User = "", "", nil
	return strings.TrimRight(u.String(), "/"), nil
}

// Pack writes the definition as it is kept: JSON, gzipped.
func (d *Definition) Pack() ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := json.NewEncoder(z).Encode(d); err != nil {
		return nil, fmt.Errorf("writing the connector %s: %w", d.Name, err)
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Unpack reads what Pack wrote.
func Unpack(data []byte) (*Definition, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("reading an imported connector: %w", err)
	}
	d := new(Definition)
	if err := json.NewDecoder(io.LimitReader(z, 8*MaxDocument)).Decode(d); err != nil {
		return nil, fmt.Errorf("reading an imported connector: %w", err)
	}
	return d, nil
}
