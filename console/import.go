package console

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"sluice/connectors"
	"sluice/connectors/openapi"
	"sluice/connectors/outgoing"
	"sluice/schemas"
)

// maxStored is the largest packed connector: a record of the control log carries it in base64.
const maxStored = schemas.MaxRecordBytes / 2

type importInput struct {
	Name    string `query:"name" doc:"The connector's name; one is made from the title otherwise"`
	BaseURL string `query:"baseUrl" doc:"Where the service is, in place of the document's server"`
	Source  string `query:"source" doc:"Where the document is from, for people: a file's name"`
	RawBody []byte `contentType:"application/octet-stream"`
}

// importBody is what may be sent in place of the document itself.
type importBody struct {
	Name     string          `json:"name"`
	BaseURL  string          `json:"baseUrl"`
	URL      string          `json:"url"`
	Document json.RawMessage `json:"document"` // an object, or a text of JSON or YAML
}

// Imported is what became of an OpenAPI document.
type Imported struct {
	Connector  string `json:"connector"`
	Title      string `json:"title"`
	BaseURL    string `json:"baseUrl,omitempty"`
	Revision   int64  `json:"revision"`
	Result     string `json:"result" enum:"created,updated"`
	Operations int    `json:"operations" doc:"How many became actions"`
	// Components are the actions' names.
	Components  []string          `json:"components" nullable:"false"`
	Credentials []string          `json:"credentials" nullable:"false" doc:"The credential types"`
	LeftOut     []openapi.LeftOut `json:"leftOut" nullable:"false" doc:"Operations that became no action, and why"`
	Warnings    []string          `json:"warnings" nullable:"false"`
}

type importOutput struct {
	Status int
	Body   Imported
}

func (c *Console) registerImport(api huma.API) {
	o := op("import-connector", http.MethodPost, "/components/import", "Make a connector of an OpenAPI document: its operations become actions, its security schemes credential types", "components", 409, 422, 502, 503)
	o.MaxBodyBytes = openapi.MaxDocument + 1<<20
	o.BodyReadTimeout = time.Minute
	huma.Register(api, o, c.importConnector)
	documented(api, http.MethodPost, "/components/import", &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Properties: map[string]*huma.Schema{
		"name":     {Type: huma.TypeString, Description: "The connector's name; one is made from the title otherwise"},
		"baseUrl":  {Type: huma.TypeString, Description: "Where the service is, in place of the document's server"},
		"url":      {Type: huma.TypeString, Description: "Where the document is read from"},
		"document": {Description: "The document: an object, or a text of JSON or YAML"},
	}, Description: "An OpenAPI 3.0, 3.1 or Swagger 2.0 document itself, or where it is."}, mediaJSON, mediaYAML)
	remove := op("remove-connector", http.MethodDelete, "/components/{name}", "Remove an imported connector that no flow and no credential uses", "components", 404, 409, 503)
	remove.DefaultStatus = http.StatusNoContent
	huma.Register(api, remove, c.removeConnector)
	again := op("remove-imported-connector", http.MethodDelete, "/components/import/{name}", "The same", "components", 404, 409, 503)
	again.DefaultStatus = http.StatusNoContent
	huma.Register(api, again, c.removeConnector)
}

func (c *Console) importConnector(ctx context.Context, in *importInput) (*importOutput, error) {
	options := openapi.Options{Name: in.Name, BaseURL: in.BaseURL, Source: in.Source}
	document := in.RawBody
	var sent struct {
		importBody
		OpenAPI json.RawMessage `json:"openapi"`
		Swagger json.RawMessage `json:"swagger"`
	}
	if json.Unmarshal(in.RawBody, &sent) == nil && sent.OpenAPI == nil && sent.Swagger == nil {
		options.Name, options.BaseURL = orElse(sent.Name, options.Name), orElse(sent.BaseURL, options.BaseURL)
		var err error
		if document, err = c.documentOf(ctx, sent.importBody); err != nil {
			return nil, err
		}
		if sent.URL != "" {
			options.Source = sent.URL
		}
	}
	if options.BaseURL != "" {
		if _, err := outgoing.ParseURL(options.BaseURL); err != nil {
			return nil, problem(http.StatusUnprocessableEntity, "write it as https://api.example.com/v1", "baseUrl: %v", err)
		}
	}
	d, err := openapi.Read(document, options)
	if err != nil {
		return nil, problem(http.StatusUnprocessableEntity, "", "%v", err)
	}
	d.Source = withoutQuery(d.Source)
	made := d.Connector()
	if c.opts.Components.Builtin(d.Name) {
		return nil, problem(http.StatusConflict, "give it another name", "there is a connector %q of Sluice's own", d.Name)
	}
	if err := checkAlone(made); err != nil {
		return nil, problem(http.StatusUnprocessableEntity, "", "the document makes no usable connector: %v", err)
	}
	data, err := d.Pack()
	if err != nil {
		return nil, err
	}
	if len(data) > maxStored {
		return nil, problem(http.StatusUnprocessableEntity, "import a part of the document", "the connector has %d bytes when packed; at most %d are kept", len(data), maxStored)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	out := &importOutput{Status: http.StatusCreated, Body: Imported{
		Connector: d.Name, Title: d.Title, BaseURL: d.BaseURL, Result: "created", Operations: len(d.Operations), Components: []string{}, Credentials: []string{},
		LeftOut: append([]openapi.LeftOut{}, d.LeftOut...), Warnings: append([]string{}, d.Warnings...),
	}}
	ch := schemas.Change{Type: schemas.ConnectorImported, Connector: &schemas.Connector{Name: d.Name, Source: d.Source, Format: "openapi", Data: data}}
	if old := c.opts.Control.Connector(d.Name); old != nil {
		ch.Expect = old.Revision
		out.Status, out.Body.Result = http.StatusOK, "updated"
	}
	if err := c.append(ctx, ch); err != nil {
		return nil, err
	}
	if e := c.opts.Control.Connector(d.Name); e != nil {
		out.Body.Revision = e.Revision
	}
	for i := range made.Components {
		out.Body.Components = append(out.Body.Components, made.Components[i].Name)
	}
	for i := range made.Credentials {
		out.Body.Credentials = append(out.Body.Credentials, made.Credentials[i].Name)
	}
	return out, nil
}

// checkAlone holds an imported connector to the checks of a set before it is announced to every process.
func checkAlone(made connectors.Connector) error {
	set, err := connectors.New()
	if err != nil {
		return err
	}
	return set.Extend(made)
}

// documentOf reads the document that a body names or holds.
func (c *Console) documentOf(ctx context.Context, body importBody) ([]byte, error) {
	var text string
	switch {
	case body.URL != "":
		return c.fetch(ctx, body.URL)
	case len(body.Document) == 0:
		return nil, problem(http.StatusUnprocessableEntity, `send the document itself, or {"url": "https://…"}, or {"document": …}`, "there is no document")
	case json.Unmarshal(body.Document, &text) == nil:
		return []byte(text), nil
	}
	return body.Document, nil
}

// fetch reads a document by the guarded client, which goes to no address inside the network.
func (c *Console) fetch(ctx context.Context, address string) ([]byte, error) {
	u, err := outgoing.ParseURL(address)
	if err != nil {
		return nil, problem(http.StatusUnprocessableEntity, "write it as https://api.example.com/openapi.json", "%v", err)
	}
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	answer, err := outgoing.Send(ctx, c.opts.Documents, outgoing.Request{
		Doing: "reading the document", Method: http.MethodGet, URL: u,
		Header: http.Header{"Accept": {"application/json, application/yaml, */*"}},
	})
	if err != nil {
		e := connectors.AsError(err)
		status := http.StatusBadGateway
		if e.Kind == connectors.KindBlocked || e.Kind == connectors.KindInput {
			status = http.StatusUnprocessableEntity
		}
		return nil, problem(status, "", "%s", e.Message)
	}
	return answer.Body, nil
}

// withoutQuery keeps a key in a document's URL out of the control log.
func withoutQuery(source string) string {
	u, err := url.Parse(source)
	if err != nil {
		return ""
	}
	u.RawQuery, u.Fragment, u.User = "", "", nil
	return u.String()
}

func orElse(value, otherwise string) string {
	if value != "" {
		return value
	}
	return otherwise
}

type connectorName struct {
	Name string `path:"name" doc:"The connector's name"`
}

func (c *Console) removeConnector(ctx context.Context, in *connectorName) (*struct{}, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	e := c.opts.Control.Connector(in.Name)
	if e == nil {
		if c.opts.Components.Builtin(in.Name) {
			return nil, problem(http.StatusConflict, "", "%s is a connector of Sluice's own: it cannot be removed", in.Name)
		}
		return nil, problem(http.StatusNotFound, "GET /api/v1/components lists those there are", "there is no imported connector %q", in.Name)
	}
	var used []string
	for _, f := range c.opts.Control.Flows() {
		if usesConnector(f, e.Name) {
			used = append(used, f.ID)
		}
	}
	if len(used) > 0 {
		p := problem(http.StatusConflict, "delete them first, or publish versions without it", "connector %s is used by flows: %s", e.Name, strings.Join(used, ", "))
		p.UsedBy = used
		return nil, p
	}
	for _, credential := range c.opts.Control.Credentials() {
		if credential.Uses == e.Name {
			return nil, problem(http.StatusConflict, "delete it first", "credential %s is for connector %s", credential.ID, e.Name)
		}
	}
	return nil, c.append(ctx, schemas.Change{Type: schemas.ConnectorRemoved, Connector: &schemas.Connector{Name: e.Name}, Expect: e.Revision})
}

// usesConnector reports whether a flow's published version, or its draft, has a step of a connector.
func usesConnector(f *schemas.FlowEntry, connector string) bool {
	in := func(flow *schemas.Flow) bool {
		for i := range flow.Steps {
			if name, _, _ := strings.Cut(flow.Steps[i].Uses, "/"); name == connector {
				return true
			}
		}
		return false
	}
	if v := f.Published(); v != nil && in(v.Flow) {
		return true
	}
	var draft schemas.Flow
	return f.Draft != nil && json.Unmarshal(f.Draft, &draft) == nil && in(&draft)
}
