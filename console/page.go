package console

import (
	"html/template"
	"net/http"
)

// pageTemplate is all of the page: no script, nothing from elsewhere.
var pageTemplate = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sluice</title>
<h1>Sluice</h1>
{{if .Listed}}<h2>Flows</h2>
{{if .Flows}}<table>
<thead><tr><th scope="col">Flow</th><th scope="col">State</th><th scope="col">Version</th><th scope="col">Hook URL</th></tr></thead>
<tbody>
{{range .Flows}}<tr><td>{{if .Name}}{{.Name}} ({{.ID}}){{else}}{{.ID}}{{end}}</td><td>{{.State}}</td><td>{{.Version}}</td><td><code>{{.HookURL}}</code></td></tr>
{{end}}</tbody>
</table>
{{else}}<p>There are none yet. Apply one: <code>sluice apply -f flow.yaml --publish --start</code></p>
{{end}}{{else}}<p>Flows are listed by <code>sluice flows</code>, with SLUICE_API_TOKEN set.</p>
{{end}}<h2>API</h2>
<ul>
<li><a href="/api/v1/openapi.json">OpenAPI document</a></li>
<li><a href="/api/v1/flows">flows</a></li>
<li><a href="/api/v1/executions">executions</a></li>
<li><a href="/api/v1/stats">stats</a></li>
<li><a href="/api/v1/doctor">doctor</a></li>
<li><a href="/metrics">metrics</a></li>
</ul>
</html>
`))

func (c *Console) page(w http.ResponseWriter, r *http.Request) {
	var data struct {
		Listed bool
		Flows  []*Flow
	}
	// Hook URLs are not for everyone who reaches the port.
	if data.Listed = c.authorized(r); data.Listed {
		for _, f := range c.opts.Control.Flows() {
			data.Flows = append(data.Flows, c.flow(f, false))
		}
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	if err := pageTemplate.Execute(w, data); err != nil {
		c.log.Debug("writing the page", "error", err)
	}
}
