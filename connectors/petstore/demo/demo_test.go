package demo

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func open(t *testing.T, folder string) *Server {
	t.Helper()
	s, err := Open(folder, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func call(s *Server, method, path, body string, header ...string) (int, string, http.Header) {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("api-key", DefaultAPIKey)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	text, _ := io.ReadAll(w.Body)
	return w.Code, strings.TrimSpace(string(text)), w.Header()
}

func TestPetsAndKeysSurviveARestart(t *testing.T) {
	folder := t.TempDir()
	first := open(t, folder)
	call(first, "POST", "/v2/pet", `{"name":"Gromit","status":"sold"}`, "Idempotency-Key", "a")
	call(first, "POST", "/v2/pet", `{"name":"Feathers"}`)
	_ = first.Close()

	second := open(t, folder)
	if diff := cmp.Diff([]Pet{{1, "Gromit", "sold"}, {2, "Feathers", "available"}}, second.Pets()); diff != "" {
		t.Error(diff)
	}
	if _, body, _ := call(second, "POST", "/v2/pet", `{"name":"Gromit","status":"sold"}`, "Idempotency-Key", "a"); body != `{"id":1,"name":"Gromit","status":"sold"}` {
		t.Error(body)
	}
	if _, body, _ := call(second, "POST", "/v2/pet", `{"name":"Shaun"}`); body != `{"id":3,"name":"Shaun","status":"available"}` {
		t.Error(body)
	}
}

func TestTornLastLineIsDropped(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder)
	call(s, "POST", "/v2/pet", `{"name":"Gromit"}`)
	_ = s.Close()
	path := filepath.Join(folder, "pets.jsonl")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(content, `{"id":2,"na`...), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, folder)
	call(s, "POST", "/v2/pet", `{"name":"Shaun"}`)
	_ = s.Close()
	if got := open(t, folder).Pets(); len(got) != 2 || got[1].Name != "Shaun" {
		t.Errorf("%v", got)
	}
}

func TestAnswers(t *testing.T) {
	s := open(t, t.TempDir())
	call(s, "POST", "/v2/pet", `{"name":"Gromit","status":"sold"}`)
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/", "", 200, "Petstore"},
		{"GET", "/v2/user/me", "", 200, "demo"},
		{"GET", "/v2/pet/1", "", 200, `{"id":1,"name":"Gromit","status":"sold"}`},
		{"GET", "/v2/pet/2", "", 404, "no such pet"},
		{"GET", "/v2/pet/x", "", 404, "no such pet"},
		{"GET", "/v2/pet/findByStatus?status=sold", "", 200, `[{"id":1,`},
		{"GET", "/v2/pet/findByStatus?status=pending", "", 200, `[]`},
		{"GET", "/v2/pet/findByStatus?status=dead", "", 400, "available"},
		{"POST", "/v2/pet", `{"name":"A","status":"Sold"}`, 422, "available"},
		{"POST", "/v2/pet", `{"status":"sold"}`, 422, "name"},
		{"POST", "/v2/pet", `{`, 400, "JSON"},
		{"GET", "/elsewhere", "", 404, "nothing"},
	} {
		status, body, _ := call(s, c.method, c.path, c.body)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %s", c.method, c.path, status, body)
		}
	}
	if status, body, _ := call(s, "GET", "/v2/user/me", "", "api-key", "wrong"); status != 401 || !strings.HasPrefix(body, "{") {
		t.Errorf("a wrong key: %d %s", status, body)
	}
}

func TestFaultsHappenToTheNextRequestsOnly(t *testing.T) {
	s := open(t, t.TempDir())
	s.Fail(Fault{Next: 2, Status: 503, RetryAfter: 3 * time.Second, Stored: true})
	var statuses []int
	for range 3 {
		status, _, header := call(s, "POST", "/v2/pet", `{"name":"Gromit"}`, "Idempotency-Key", "a")
		statuses = append(statuses, status)
		if status == 503 && header.Get("Retry-After") != "3" {
			t.Errorf("Retry-After: %q", header.Get("Retry-After"))
		}
	}
	if diff := cmp.Diff([]int{503, 503, 200}, statuses); diff != "" {
		t.Error(diff)
	}
	if n := len(s.Pets()); n != 1 {
		t.Errorf("%d pets, want the one that was stored although its answer was lost", n)
	}
	if total, byKey := s.Hits(); total != 3 || byKey["a"] != 3 {
		t.Errorf("hits: %d, %v", total, byKey)
	}
}

func TestConcurrentRequestsWithOneKeyMakeOnePet(t *testing.T) {
	s := open(t, t.TempDir())
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			call(s, "POST", "/v2/pet", `{"name":"Gromit"}`, "Idempotency-Key", fmt.Sprint(i%4))
		})
	}
	wg.Wait()
	if n := len(s.Pets()); n != 4 {
		t.Errorf("%d pets, want 4", n)
	}
}
