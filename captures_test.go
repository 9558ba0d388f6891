package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func (in *installation) callAPI(method, path string, into any) int {
	in.t.Helper()
	resp, err := in.apiReq(in.t.Context(), method, path)
	if err != nil {
		in.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err == nil && into != nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		in.t.Fatalf("%s %s: %v: %s", method, path, err, raw)
	}
	return resp.StatusCode
}

// TestSamplesAndRejectedRequestsCrossProcesses: the edge is in one process, the
// console in another; what the edge kept outlives it.
func TestSamplesAndRejectedRequestsCrossProcesses(t *testing.T) {
	in, _ := clustered(t)
	edge := in.start(nil, "serve", "--roles", "ingest")
	back := in.start(nil, "serve", "--roles", "run,runlog,console")
	back.ready()
	const document = `
kind: Flow
id: pets
trigger: {uses: webhook/receive, credential: door}
steps: []
---
kind: Credential
id: door
uses: webhook
type: basic
values: {username: ada, password: PASSWORD}
`
	in.apply(strings.Replace(document, "PASSWORD", "mistyped", 1))
	put := func(url, contentType, body string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", contentType)
		req.SetBasicAuth("ada", "sesame")
		resp, err := in.hookClient.Do(req)
		if err != nil {
			return 0 // not there yet
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	hook := "http://" + in.ingest + "/hook/pets"
	in.until(30*time.Second, "the edge knows the flow", func() bool { return put(hook, "text/plain", "first") == 401 })
	if status := put(hook, "image/png", strings.Repeat("\x89PNG", 10<<10)); status != 401 {
		t.Fatalf("with another password: %d", status)
	}

	var made struct{ Token, URL, Status string }
	if status := in.callAPI("POST", "/api/v1/flows/pets/samples", &made); status != 201 || made.Status != "waiting" {
		t.Fatalf("a sample's URL: %d %+v", status, made)
	}
	if status := put(made.URL, "application/json", `{"petname":"Gromit"}`); status != 200 {
		t.Errorf("the sample: %d", status)
	}
	var sample struct {
		Status string
		Sample struct{ Data map[string]any }
	}
	in.callAPI("GET", "/api/v1/flows/pets/samples/"+made.Token, &sample)
	if sample.Status != "received" || sample.Sample.Data["petname"] != "Gromit" {
		t.Errorf("the sample is %+v", sample)
	}

	edge.stop()
	var rejected struct {
		Items []struct {
			ID, Cause string
			Bytes     int
			Kept      bool
		}
	}
	in.callAPI("GET", "/api/v1/flows/pets/rejected", &rejected)
	if len(rejected.Items) < 2 || rejected.Items[0].Bytes != 40<<10 || !rejected.Items[0].Kept || rejected.Items[0].Cause == "" {
		t.Fatalf("rejected: %+v", rejected)
	}
	if out, code := in.sluice("accept", "pets", rejected.Items[0].ID); code != 1 || !strings.Contains(out, "not mended") {
		t.Errorf("before its cause is mended: %d %s", code, out)
	}
	in.apply(strings.Replace(document, "PASSWORD", "sesame", 1))
	in.must("accept", "pets", rejected.Items[0].ID)
	in.until(20*time.Second, "the accepted request has run", func() bool {
		list := in.list("pets")
		return len(list) == 1 && list[0].Status == "succeeded"
	})
	back.stop()
}
