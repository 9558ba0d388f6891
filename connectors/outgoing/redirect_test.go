package outgoing

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/connectors"
)

func TestRedirects(t *testing.T) {
	type seen struct{ Method, Path, Body, Authorization, Key, Custom, Referer string }
	var got []seen
	record := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, seen{
			r.Method, r.URL.Path, string(body), r.Header.Get("Authorization"), r.Header.Get("Idempotency-Key"), r.Header.Get("X-Api-Key"), r.Header.Get("Referer"),
		})
	}
	other := serve(t, func(w http.ResponseWriter, r *http.Request) {
		record(w, r)
		if back := r.URL.Query().Get("back"); back != "" {
			http.Redirect(w, r, back, http.StatusFound)
		}
	})
	var home string
	home = serve(t, func(w http.ResponseWriter, r *http.Request) {
		record(w, r)
		var status int
		_, _ = fmt.Sscanf(r.URL.Path, "/%d", &status)
		switch {
		case strings.HasSuffix(r.URL.Path, "/here"):
			w.Header().Set("Location", "/end")
		case strings.HasSuffix(r.URL.Path, "/there"):
			w.Header().Set("Location", other+"/end")
		case strings.HasSuffix(r.URL.Path, "/thereandback"):
			w.Header().Set("Location", other+"/middle?back="+url.QueryEscape(home+"/end"))
		case strings.HasSuffix(r.URL.Path, "/round"):
			w.Header().Set("Location", r.URL.Path)
		default:
			return
		}
		w.WriteHeader(status)
	})
	end := func(method, body string, full bool) seen {
		if !full {
			return seen{Method: method, Path: "/end", Body: body}
		}
		return seen{method, "/end", body, "Bearer t", "k", "c", ""}
	}
	for _, c := range []struct {
		method, path string
		last         *seen // nil: not followed
	}{
		{"GET", "/302/here", ptr(end("GET", "", true))},
		{"GET", "/302/there", ptr(end("GET", "", false))},
		{"GET", "/307/there", ptr(end("GET", "", false))},
		{"GET", "/302/thereandback", ptr(end("GET", "", false))},
		{"POST", "/301/here", nil},
		{"POST", "/302/here", nil},
		{"POST", "/303/here", nil},
		{"POST", "/307/here", ptr(end("POST", "body", true))},
		{"PUT", "/308/here", ptr(end("PUT", "body", true))},
		{"DELETE", "/302/here", nil},
		{"POST", "/307/there", nil},
		{"POST", "/308/there", nil},
	} {
		got = nil
		body := "body"
		if c.method == "GET" || c.method == "DELETE" {
			body = ""
		}
		_, err := Send(t.Context(), client(t, Options{}), request(t, c.method, home+c.path+"?secret=1", body,
			"Authorization", "Bearer t", "Idempotency-Key", "k", "X-Api-Key", "c"))
		if c.last == nil {
			e := connectors.AsError(err)
			if e == nil || e.HTTPStatus/100 != 3 || len(got) != 1 || !strings.Contains(e.Message, "not followed") {
				t.Errorf("%s %s: %+v after %d requests", c.method, c.path, e, len(got))
			}
			continue
		}
		if err != nil {
			t.Errorf("%s %s: %v", c.method, c.path, err)
			continue
		}
		if diff := cmp.Diff(*c.last, got[len(got)-1]); diff != "" {
			t.Errorf("%s %s: %s", c.method, c.path, diff)
		}
	}

	got = nil
	_, err := Send(t.Context(), client(t, Options{MaxRedirects: 3}), request(t, "GET", home+"/302/round", ""))
	if e := connectors.AsError(err); e == nil || e.Retry != connectors.RetryNever || e.HTTPStatus != 302 || len(got) != 4 {
		t.Errorf("a redirect without end: %+v after %d requests", e, len(got))
	}
	got = nil
	if _, err := Send(t.Context(), client(t, Options{MaxRedirects: -1}), request(t, "GET", home+"/302/here", "")); err == nil || len(got) != 1 {
		t.Errorf("redirects switched off: %v after %d requests", err, len(got))
	}
}

func ptr[T any](v T) *T { return &v }

func TestRedirectPolicyByScheme(t *testing.T) {
	policy := redirects(5)
	for _, c := range []struct {
		method, from, to string
		follow, stripped bool
	}{
		{"GET", "http://a.example/x", "https://a.example/y", true, false},
		{"POST", "http://a.example/x", "https://a.example/y", true, false},
		{"POST", "http://a.example:8080/x", "https://a.example/y", false, false},
		{"GET", "https://a.example/x", "http://a.example/y", false, false},
		{"GET", "https://a.example/x", "https://A.EXAMPLE:443/y", true, false},
		{"GET", "https://a.example/x", "https://b.a.example/y", true, true},
		{"GET", "https://a.example/x", "https://a.example:444/y", true, true},
		{"GET", "https://a.example/x", "file:///etc/passwd", false, false},
		{"GET", "https://a.example/x", "https://u:p@a.example/y", false, false},
	} {
		header := func() http.Header {
			return http.Header{"X-Key": {"k"}, "Accept": {"a"}, "Cookie": {"c"}, "Referer": {"r"}}
		}
		from, to := request(t, c.method, c.from, ""), request(t, c.method, c.to, "")
		next := &http.Request{Method: c.method, URL: to.URL, Header: header()}
		err := policy(next, []*http.Request{{Method: c.method, URL: from.URL, Header: header()}})
		if (err == nil) != c.follow {
			t.Errorf("%s %s to %s: %v", c.method, c.from, c.to, err)
		}
		if _, kept := next.Header["X-Key"]; c.follow && kept == c.stripped {
			t.Errorf("%s to %s: header kept: %v", c.from, c.to, kept)
		}
		if next.Header.Get("Referer") != "" {
			t.Error("the Referer is sent")
		}
	}
}
