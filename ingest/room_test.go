package ingest

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/schemas"
)

func TestOneFlowCannotHoldTheMemoryOfOthers(t *testing.T) {
	w := start(t, func(o *Options) { o.MaxFlowBytes = 256 << 10 })
	w.run(t, "greedy", schemas.Trigger{})
	w.run(t, "modest", schemas.Trigger{})
	body, writer := io.Pipe()
	request, err := http.NewRequest("POST", w.url+"/hook/greedy", body)
	if err != nil {
		t.Fatal(err)
	}
	slow := make(chan reply)
	go func() { slow <- w.do(request) }()
	if _, err := writer.Write(make([]byte, 200<<10)); err != nil {
		t.Fatal(err)
	}
	for w.edge.bodies.used.Load() < 200<<10 {
		time.Sleep(time.Millisecond)
	}
	large := strings.Repeat("x", 60<<10)
	if got := w.send("POST", "/hook/greedy", large); got.status != 503 || got.header.Get("Retry-After") != "1" || !strings.Contains(got.body, "this flow") {
		t.Errorf("beside it: %d %s, want 503", got.status, got.body)
	}
	w.publish(t, "greedy", schemas.Trigger{}, "") // hands out no fresh room
	if got := w.send("POST", "/hook/greedy", large); got.status != 503 {
		t.Errorf("published anew: %d, want 503", got.status)
	}
	if got := w.send("POST", "/hook/modest", large); got.status != 200 {
		t.Errorf("another flow: %d %s, want 200", got.status, got.body)
	}
	writer.Close()
	if got := <-slow; got.status != 200 {
		t.Errorf("the large one: %d %s", got.status, got.body)
	}
	if got := w.send("POST", "/hook/greedy", large); got.status != 200 {
		t.Errorf("after it: %d", got.status)
	}
}
