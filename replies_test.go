package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func (in *installation) apply(document string) {
	in.t.Helper()
	path := filepath.Join(in.t.TempDir(), "flows.yaml")
	if err := os.WriteFile(path, []byte(document), 0o600); err != nil {
		in.t.Fatal(err)
	}
	in.must("apply", "-f", path, "--publish", "--start")
}

func (in *installation) post(path, body string) (*http.Response, string) {
	in.t.Helper()
	resp, err := in.hookClient.Post("http://"+in.ingest+path, "application/json", strings.NewReader(body))
	if err != nil {
		in.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		in.t.Fatal(err)
	}
	return resp, string(raw)
}

func TestASenderIsAnsweredByTheFlow(t *testing.T) {
	release := make(chan struct{})
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/refuses":
			w.WriteHeader(http.StatusBadRequest)
		case "/slow":
			<-release
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"id": 98765432109876543210}`)
	}))
	defer target.Close()
	in := newInstallation(t, "SLUICE_REPLY_TIMEOUT=2s")
	p := in.start(nil, "dev")
	p.ready()
	flow := func(id, respond, steps string) string {
		return fmt.Sprintf("---\nkind: Flow\nid: %s\ntrigger: {uses: webhook/receive%s}\nsteps:\n%s", id, respond, steps)
	}
	call := func(path string) string {
		return "  - {id: call, uses: webhook/send, retry: {attempts: 1}, input: {url: " + target.URL + path + ", body: {}}}\n"
	}
	in.apply(flow("finished", `, respond: {when: finished, status: 201, body: '={"id": steps.call.body.id, "n": body.n}'}`, call("/ok")) +
		flow("fails", `, respond: {when: finished, onFailure: {status: 404, body: '{"error":"not stored"}'}}`, call("/refuses")) +
		flow("breaks", `, respond: {when: finished}`, call("/refuses")) +
		flow("slow", `, respond: {when: finished, body: done}`, call("/slow")) +
		flow("answers", "", "  - {id: say, uses: webhook/reply, input: {status: 299, contentType: text/plain, headers: {x-a: b}, body: =\"hello \" & body.name}}\n"+call("/ok")))

	resp, body := in.post("/hook/finished", `{"n": 1.10}`)
	if resp.StatusCode != 201 || body != `{"id":98765432109876543210,"n":1.10}` || resp.Header.Get("X-Request-Id") == "" {
		t.Errorf("finished: %d %s", resp.StatusCode, body)
	}
	if resp, body = in.post("/hook/fails", `{}`); resp.StatusCode != 404 || body != `{"error":"not stored"}` || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("onFailure: %d %s %s", resp.StatusCode, resp.Header.Get("Content-Type"), body)
	}
	if resp, body = in.post("/hook/breaks", `{}`); resp.StatusCode != 500 || !strings.Contains(body, resp.Header.Get("X-Request-Id")) {
		t.Errorf("a failure without onFailure: %d %s, want 500 with the execution's ID", resp.StatusCode, body)
	}
	resp, body = in.post("/hook/answers", `{"name": "Gromit"}`)
	if resp.StatusCode != 299 || body != "hello Gromit" || resp.Header.Get("X-A") != "b" || resp.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("reply step: %d %v %s", resp.StatusCode, resp.Header, body)
	}
	in.until(5*time.Second, "the steps after the reply have run", func() bool {
		x := in.list("answers")
		return len(x) == 1 && x[0].Status == "succeeded"
	})

	began := time.Now()
	resp, body = in.post("/hook/slow", `{}`)
	result := resp.Header.Get("Location")
	if took := time.Since(began); resp.StatusCode != 202 || !strings.Contains(body, result) || took < 2*time.Second || took > 4*time.Second {
		t.Fatalf("an answer that is late: %d %s after %v, want 202 with its place after 2 s", resp.StatusCode, body, took)
	}
	get := func() (int, string) {
		resp, err := in.hookClient.Get(result)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		raw, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(raw)
	}
	if status, _ := get(); status != 404 {
		t.Errorf("before it is there: %d, want 404", status)
	}
	close(release)
	in.until(5*time.Second, "the late answer can be fetched", func() bool {
		status, body := get()
		return status == 200 && body == "done"
	})
	p.stop()
}
