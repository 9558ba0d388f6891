package console

import (
	"crypto/rand"
	"embed"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

// dist holds the web pages as `make console` built them, each file also
// compressed (.br, .gz). In a clone where that was not done it holds a README.
//
//go:embed all:dist
var dist embed.FS

// noncePlaceholder stands in index.html for the nonce of one answer.
const noncePlaceholder = "__CSP_NONCE__"

// unbuilt is the page of a binary without pages.
const unbuilt = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Sluice</title>
<h1>Sluice</h1>
<p>This binary was built without its web pages: <code>make build</code> makes one that has them.</p>
<p>The API is here: <a href="/api/v1/openapi.json">OpenAPI document</a>.</p>
</html>
`

type pages struct {
	files fs.FS
	index string // "" when the pages were not built
}

func newPages() *pages {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the name is a constant
	}
	p := &pages{files: files}
	if index, err := fs.ReadFile(files, "index.html"); err == nil {
		p.index = string(index)
	}
	return p
}

// has reports whether a request is for the pages: every path that nothing else
// on the private listener has is a place within them.
func (p *pages) has(r *http.Request) bool {
	for _, other := range []string{"/api", "/metrics", "/livez", "/readyz", callbackPath} {
		if r.URL.Path == other || strings.HasPrefix(r.URL.Path, other+"/") {
			return false
		}
	}
	return true
}

// ServeHTTP answers a file of the pages, or the one page for any other path.
// The page holds nothing that a token would protect.
func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		writeProblem(w, &Problem{Status: http.StatusMethodNotAllowed, Detail: "the path has no " + r.Method, Remedy: "it has GET, HEAD"})
		return
	}
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	if strings.HasPrefix(name, "assets/") || name == "icon.svg" {
		p.file(w, r, name)
		return
	}
	p.page(w)
}

func (p *pages) page(w http.ResponseWriter) {
	nonce := rand.Text()
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	// Style elements that the code editor makes carry the nonce; nothing else
	// may be inline, and nothing comes from elsewhere.
	h.Set("Content-Security-Policy", fmt.Sprintf("default-src 'none'; script-src 'self'; style-src 'self' 'nonce-%s'; img-src 'self' data:; "+
		"font-src 'self'; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'", nonce))
	h.Set("X-Frame-Options", "DENY")
	if p.index == "" {
		_, _ = w.Write([]byte(unbuilt))
		return
	}
	_, _ = w.Write([]byte(strings.ReplaceAll(p.index, noncePlaceholder, nonce)))
}

// file answers the smallest form of a file that the client takes. Files under
// assets carry a hash of what they hold in their name, and may be kept for ever.
func (p *pages) file(w http.ResponseWriter, r *http.Request, name string) {
	h := w.Header()
	content, err := fs.ReadFile(p.files, name)
	if err != nil {
		writeProblem(w, &Problem{Status: http.StatusNotFound, Detail: "there is no such file", Remedy: "reload the page: it is of another version"})
		return
	}
	kind := mime.TypeByExtension(path.Ext(name))
	switch path.Ext(name) { // whatever the machine's table says
	case ".js":
		kind = "text/javascript; charset=utf-8"
	case ".css":
		kind = "text/css; charset=utf-8"
	case ".svg":
		kind = "image/svg+xml"
	case ".woff2":
		kind = "font/woff2"
	}
	h.Set("Content-Type", kind)
	h.Set("Vary", "Accept-Encoding")
	if strings.HasPrefix(name, "assets/") {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	for _, form := range []struct{ coding, suffix string }{{"br", ".br"}, {"gzip", ".gz"}} {
		if accepts(r.Header.Get("Accept-Encoding"), form.coding) {
			if small, err := fs.ReadFile(p.files, name+form.suffix); err == nil {
				h.Set("Content-Encoding", form.coding)
				content = small
				break
			}
		}
	}
	_, _ = w.Write(content)
}

// accepts reports whether an Accept-Encoding names a coding and does not refuse it.
func accepts(header, coding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), coding) {
			q = strings.ReplaceAll(strings.TrimSpace(q), " ", "")
			return q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000"
		}
	}
	return false
}
