package console

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func builtPages() *pages {
	return &pages{index: `<meta nonce="` + noncePlaceholder + `">`, files: fstest.MapFS{
		"assets/main-abc.js":    {Data: []byte("plain")},
		"assets/main-abc.js.br": {Data: []byte("brotli")},
		"assets/main-abc.js.gz": {Data: []byte("gzip")},
	}}
}

func get(h http.Handler, path, encoding string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Accept-Encoding", encoding)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAssetsAreServedCompressedAndKeptForEver(t *testing.T) {
	for encoding, want := range map[string]string{"gzip, deflate, br, zstd": "brotli", "gzip": "gzip", "br;q=0, gzip": "gzip", "": "plain"} {
		w := get(builtPages(), "/assets/main-abc.js", encoding)
		equal(t, "body for "+encoding, w.Body.String(), want)
		equal(t, "Cache-Control", w.Header().Get("Cache-Control"), "public, max-age=31536000, immutable")
		equal(t, "Content-Type", w.Header().Get("Content-Type"), "text/javascript; charset=utf-8")
	}
	equal(t, "status of a file of another version", get(builtPages(), "/assets/main-old.js", "br").Code, 404)
	equal(t, "status of a file beside the pages", get(builtPages(), "/assets/../../pages.go", "").Code, 200) // the page, not the file
}

func TestEveryPlaceOfThePagesIsThePageWithANonceOfItsOwn(t *testing.T) {
	nonces := map[string]bool{}
	for _, path := range []string{"/", "/flows", "/flows/abc/edit"} {
		w := get(builtPages(), path, "br")
		csp := w.Header().Get("Content-Security-Policy")
		_, after, _ := strings.Cut(csp, "'nonce-")
		nonce, _, _ := strings.Cut(after, "'")
		if nonce == "" || nonces[nonce] || !strings.Contains(w.Body.String(), `nonce="`+nonce+`"`) {
			t.Errorf("%s: nonce %q, page %s", path, nonce, w.Body.String())
		}
		nonces[nonce] = true
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") || !strings.HasPrefix(csp, "default-src 'none'") {
			t.Errorf("Content-Security-Policy = %q", csp)
		}
	}
}

func TestABinaryWithoutPagesSaysHowToGetThem(t *testing.T) {
	w := get(&pages{files: fstest.MapFS{}}, "/", "")
	if w.Code != 200 || !strings.Contains(w.Body.String(), "make build") || strings.Contains(w.Body.String(), "<script") {
		t.Errorf("%d %s", w.Code, w.Body.String())
	}
}

func TestThePathsOfTheAPIAreNotPages(t *testing.T) {
	s := newServer(t, nil)
	equal(t, "status of a page by POST", s.do(http.MethodPost, "/", "").status, 405)
	for _, path := range []string{"/api", "/api/v1/nothing", "/metrics"} {
		a := s.must(404, "GET", path, "")
		equal(t, path, a.header.Get("Content-Type"), "application/problem+json")
	}
}

func TestASessionStandsForTheToken(t *testing.T) {
	s := newServer(t, func(o *Options) { o.Token = "t0ken" })
	none := []string{"Authorization", ""}
	equal(t, "without a session", string(s.must(200, "GET", sessionPath, "", none...).body), `{"required":true,"signedIn":false}`+"\n")
	s.must(401, "POST", sessionPath, `{"token": "wrong"}`, append(none, "Origin", s.url)...)
	s.must(403, "POST", sessionPath, `{"token": "t0ken"}`, none...) // not by a page
	a := s.must(204, "POST", sessionPath, `{"token": "t0ken"}`, append(none, "Origin", s.url)...)
	cookie := a.header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Strict", "Path=/"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("the cookie %q is not %s", cookie, want)
		}
	}
	pair, _, _ := strings.Cut(cookie, ";")
	with := append(none, "Cookie", pair)
	equal(t, "with a session", string(s.must(200, "GET", sessionPath, "", with...).body), `{"required":true,"signedIn":true}`+"\n")
	s.must(200, "GET", "/api/v1/flows", "", with...)
	s.must(401, "GET", "/api/v1/flows", "", append(none, "Cookie", pair+"x")...)
	// A browser adds the cookie by itself: a change needs the page's own origin.
	s.must(401, "POST", "/api/v1/flows", petsYAML, with...)
	s.must(401, "POST", "/api/v1/flows", petsYAML, append(with, "Origin", "https://evil.example")...)
	s.must(201, "POST", "/api/v1/flows", petsYAML, append(with, "Origin", s.url)...)
	if out := s.must(204, "DELETE", sessionPath, "", append(with, "Origin", s.url)...); !strings.Contains(out.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Error("signing out leaves the cookie")
	}
}

func TestASessionEndsAndOverTLSItsCookieIsTheHostsAlone(t *testing.T) {
	c := &Console{opts: Options{Token: "t0ken"}}
	r := httptest.NewRequest(http.MethodPost, "https://sluice.example"+sessionPath, strings.NewReader(`{"token": "t0ken"}`))
	r.Header.Set("Origin", "https://sluice.example")
	w := httptest.NewRecorder()
	c.session(w, r)
	cookie := w.Result().Cookies()[0]
	if cookie.Name != "__Host-sluice" || !cookie.Secure || cookie.Domain != "" {
		t.Errorf("the cookie is %v", cookie)
	}
	again := httptest.NewRequest(http.MethodGet, "https://sluice.example/api/v1/flows", nil)
	again.AddCookie(cookie)
	equal(t, "in session now", c.inSession(again, time.Now()), true)
	equal(t, "in session after its end", c.inSession(again, time.Now().Add(sessionAge+time.Second)), false)
	other := &Console{opts: Options{Token: "another"}}
	equal(t, "in session with another token", other.inSession(again, time.Now()), false)
}
