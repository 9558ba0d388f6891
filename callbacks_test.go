package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A step hands out its execution's callback URL; the execution waits, over a
// kill -9 and a restart, until it is called.
func TestACallbackFindsItsExecutionOverAKill(t *testing.T) {
	urls := make(chan string, 10)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/ask" {
			var in struct{ URL string }
			if json.Unmarshal(body, &in) == nil {
				urls <- in.URL
			}
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{}`)
	}))
	defer target.Close()
	in := newInstallation(t)
	p := in.start(nil, "dev")
	p.ready()
	in.apply(fmt.Sprintf(`---
kind: Flow
id: approve
trigger: {uses: webhook/receive}
steps:
  - {id: ask, uses: webhook/send, input: {url: %[1]s/ask, body: {url: =callbacks.answer}}}
  - {id: answer, uses: webhook/wait, credential: key, input: {timeout: 1h}}
  - {id: tell, uses: webhook/send, input: {url: %[1]s/tell, body: {by: =steps.answer.body.by, name: =body.name}}}
---
kind: Credential
id: key
uses: webhook
type: apiKey
values: {name: x-key, value: opensesame}
`, target.URL))
	resp, body := in.post("/hook/approve", `{"name": "Gromit"}`)
	if resp.StatusCode != 200 {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	id := resp.Header.Get("X-Request-Id")
	url := <-urls
	call := func(key, body string) (int, string) {
		r, err := http.NewRequest("POST", url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Key", key)
		resp, err := in.hookClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		raw, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(raw)
	}
	show := func() string {
		x, _ := in.sluice("execution", id, "--output", "json") // it appears within a second
		return x
	}
	in.until(10*time.Second, "the step waits", func() bool { return strings.Contains(show(), `"waiting"`) })

	p.kill()
	p = in.start(nil, "dev")
	p.ready()
	if status, body := call("guess", `{"by":"Eve"}`); status != 401 {
		t.Errorf("with another key: %d %s, want 401", status, body)
	}
	if status, body := call("opensesame", `{"by":"Ann"}`); status != 200 {
		t.Errorf("the first call: %d %s, want 200", status, body)
	}
	if status, body := call("opensesame", `{"by":"Bob"}`); status != 410 {
		t.Errorf("the second call: %d %s, want 410", status, body)
	}
	in.until(10*time.Second, "the execution has ended", func() bool {
		return strings.Contains(show(), `"endedAt": "`) || strings.Contains(show(), `"endedAt":"`)
	})
	if x := strings.ReplaceAll(show(), " ", ""); !strings.Contains(x, `"by":"Ann"`) {
		t.Errorf("the caller's answer is not on record: %s", x)
	}
	url = url[:len(url)-3] + "AAA"
	if status, body := call("opensesame", `{}`); status != 404 {
		t.Errorf("a token that is none: %d %s, want 404", status, body)
	}
}
