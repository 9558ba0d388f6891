package load

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

func TestAStallIsNotHidden(t *testing.T) {
	var n atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if n.Add(1) == 10 {
			time.Sleep(300 * time.Millisecond) // the server stalls once
		}
	}))
	defer server.Close()
	r, err := Open(Target{URL: server.URL}, 100, time.Second, 1)
	if err != nil {
		t.Fatal(err)
	}
	if r.OK != 100 {
		t.Errorf("%d requests, want 100", r.OK)
	}
	late := 0
	for _, l := range r.Latencies {
		if l > 50*time.Millisecond {
			late++
		}
	}
	// One request stalled, and those that were due meanwhile waited for it.
	if late < 15 {
		t.Errorf("%d requests were late, want all that were due in the stall", late)
	}
	if r.Quantile(0.5) > 100*time.Millisecond || r.Quantile(1) < 250*time.Millisecond {
		t.Errorf("median %v and maximum %v", r.Quantile(0.5), r.Quantile(1))
	}
}

func TestRefusalsAreNotCountedAsAnswers(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }))
	defer server.Close()
	r, err := Count(Target{URL: server.URL}, 4, 20)
	if err != nil || r.OK != 0 || r.Failed != 20 || len(r.Latencies) != 0 {
		t.Errorf("%d answered, %d failed, %v", r.OK, r.Failed, err)
	}
}

func TestLoadStaysOnThisMachine(t *testing.T) {
	for _, url := range []string{"http://192.0.2.1:80/", "http://example.com:80/", "http://10.0.0.1:1/"} {
		if _, err := Closed(Target{URL: url}, 1, time.Millisecond); err == nil {
			t.Errorf("%s was taken", url)
		}
	}
}
