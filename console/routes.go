package console

import (
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	maxDocument = 4 << 20  // a flow document, or a file of them
	maxInput    = 16 << 20 // data that an expression or a step is tried on
)

func (c *Console) routes() http.Handler {
	mux := http.NewServeMux()
	config := huma.DefaultConfig("Sluice", "1")
	config.Info.Description = "Flows, credentials, executions and commands. Errors are RFC 9457 problem+json; " +
		"`problems` names the places in a document, `remedy` says what to do."
	config.OpenAPIPath = "/api/v1/openapi"
	config.DocsPath, config.SchemasPath = "", ""
	config.CreateHooks = nil // they add $schema to every answer
	config.Transformers = []huma.Transformer{withoutValues}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token": {Type: "http", Scheme: "bearer", Description: "SLUICE_API_TOKEN; not needed where the server has none."},
	}
	config.Security = []map[string][]string{{"token": {}}, {}}

	api := humago.New(mux, config)
	c.registerFlows(api)
	c.registerBlocked(api)
	c.registerApply(api)
	c.registerRejected(api)
	c.registerCredentials(api)
	c.registerComponents(api)
	c.registerImport(api)
	c.registerExecutions(api)
	c.registerBodies(api)
	c.registerCommands(api)
	c.registerReplays(api)
	c.registerErasures(api)
	c.registerQuery(api)
	c.registerQueries(api)
	c.registerAlerts(api)
	c.registerStats(api)
	c.registerAccounting(api)
	c.registerCounters(api)
	c.registerLive(api)
	c.registerTail(api)
	c.registerDoctor(api)

	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", c.ready)
	if c.opts.Gatherer != nil {
		mux.Handle("GET /metrics", promhttp.HandlerFor(c.opts.Gatherer, promhttp.HandlerOpts{}))
	}
	mux.HandleFunc("GET "+callbackPath, c.callback)
	mux.HandleFunc(sessionPath, c.session)
	c.openapi = api.OpenAPI()
	rest, pages := problems(mux), newPages()
	return c.guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if pages.has(r) {
			pages.ServeHTTP(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	}))
}

// OpenAPI is the API's description, as JSON.
func (c *Console) OpenAPI() ([]byte, error) { return json.Marshal(c.openapi) }

// op describes an operation of the API.
func op(id, method, path, summary, tag string, errors ...int) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: "/api/v1" + path, Summary: summary, Tags: []string{tag}, Errors: errors,
	}
}

const (
	mediaJSON = "application/json"
	mediaYAML = "application/yaml"
)

// documented says in the OpenAPI document what a body is that is read raw. Huma
// would check it by itself otherwise, with less to say, and quote it.
func documented(api huma.API, method, path string, schema *huma.Schema, media ...string) {
	item := api.OpenAPI().Paths["/api/v1"+path]
	body := item.Post
	if method == http.MethodPut {
		body = item.Put
	}
	body.RequestBody.Content = map[string]*huma.MediaType{}
	for _, m := range media {
		body.RequestBody.Content[m] = &huma.MediaType{Schema: schema}
	}
}
