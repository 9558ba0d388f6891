package ingest

import (
	"bytes"
	"compress/gzip"
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
)

// sampling is a world whose edge takes samples.
func sampling(t *testing.T) (*world, *schemas.Tokens, *schemas.CaptureReader) {
	t.Helper()
	tokens, err := schemas.NewTokens("a key of the test's own")
	if err != nil {
		t.Fatal(err)
	}
	seal, err := schemas.NewSeal("a key of the test's own")
	if err != nil {
		t.Fatal(err)
	}
	w := start(t, func(o *Options) { o.Tokens, o.Seal = tokens, seal })
	client, err := kgo.NewClient(kgo.SeedBrokers(w.kafka.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return w, tokens, &schemas.CaptureReader{Client: client, Topic: "sluice.captures", Seal: seal}
}

func sampleOf(t *testing.T, reader *schemas.CaptureReader, ticket schemas.SampleTicket) *schemas.Capture {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	capture, _, _, err := reader.Sample(ctx, ticket, schemas.PartitionOf(ticket.Flow, testPartitions), 0)
	if err != nil {
		t.Fatal(err)
	}
	return capture
}

func TestASampleIsKeptWhateverItIs(t *testing.T) {
	w, tokens, reader := sampling(t)
	for _, c := range []struct{ method, kind, body string }{
		{"POST", "application/json", `{"petname": "Gromit", "id": 98765432109876543210}`},
		{"POST", "application/json", `{broken`},
		{"PUT", "image/png", "\x89PNG\x00\xff"},
		{"GET", "", ""},
		{"DELETE", "text/plain", "gone"},
	} {
		ticket := schemas.NewSampleTicket("not-published", time.Now())
		if capture := sampleOf(t, reader, ticket); capture != nil {
			t.Fatalf("before it was sent there is %+v", capture)
		}
		path := "/sample/" + ticket.Token(tokens)
		if r := w.send("HEAD", path, ""); r.status != 200 {
			t.Errorf("HEAD: %d, want 200", r.status)
		}
		headers := []string{"X-A: b", "Authorization: Bearer secret"}
		if c.kind != "" {
			headers = append(headers, "Content-Type: "+c.kind)
		}
		r := w.send(c.method, path+"/more?x=%20y", c.body, headers...)
		if r.status != 200 || r.header.Get("X-Request-Id") == "" {
			t.Errorf("%s %s: %d %s, want 200", c.method, c.kind, r.status, r.body)
		}
		got := sampleOf(t, reader, ticket)
		if got == nil || got.Method != c.method || string(got.Body) != c.body || got.ContentType != c.kind || !got.Whole ||
			got.Size != int64(len(c.body)) || got.Query != "x=%20y" || got.Path != "/hook/not-published/more" {
			t.Errorf("%s %s: kept as %+v", c.method, c.kind, got)
			continue
		}
		text := strings.ToLower(strings.Join(flat(got.Headers), "\n"))
		if !strings.Contains(text, "x-a=b") || strings.Contains(text, "secret") {
			t.Errorf("headers %q: want all but what authenticates", text)
		}
		if r := w.send(c.method, path, c.body); r.status != 410 {
			t.Errorf("a second sample: %d, want 410", r.status)
		}
	}
	if hooks := w.stored(); len(hooks) != 0 {
		t.Errorf("%d hooks were made of samples", len(hooks))
	}
}

func flat(headers [][2]string) []string {
	var list []string
	for _, h := range headers {
		list = append(list, h[0]+"="+h[1])
	}
	return list
}

func TestASamplesURLIsGoodForTenMinutesAndCannotBeMadeUp(t *testing.T) {
	w, tokens, reader := sampling(t)
	old := schemas.NewSampleTicket("f", time.Now().Add(-schemas.SampleLife-time.Second))
	if r := w.send("POST", "/sample/"+old.Token(tokens), "{}"); r.status != 410 {
		t.Errorf("after ten minutes: %d, want 410", r.status)
	}
	others, err := schemas.NewTokens("another key than the edge's")
	if err != nil {
		t.Fatal(err)
	}
	ticket := schemas.NewSampleTicket("f", time.Now())
	forged := ticket.Token(others)
	for _, token := range []string{"", "x", forged, ticket.Token(tokens) + "x", strings.ToUpper(ticket.Token(tokens))} {
		if r := w.send("POST", "/sample/"+token, "{}"); r.status != 404 || r.problem.RequestID == "" {
			t.Errorf("%q: %d %s, want 404", token, r.status, r.body)
		}
	}
	if capture := sampleOf(t, reader, ticket); capture != nil {
		t.Errorf("a made-up token kept %+v", capture)
	}
}

func TestAnEncodedSampleIsDecoded(t *testing.T) {
	w, tokens, reader := sampling(t)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte(`{"a":1}`))
	z.Close()
	ticket := schemas.NewSampleTicket("f", time.Now())
	if r := w.send("POST", "/sample/"+ticket.Token(tokens), zipped.String(), "Content-Encoding: gzip"); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if got := sampleOf(t, reader, ticket); got == nil || string(got.Body) != `{"a":1}` || !got.Whole {
		t.Errorf("kept as %+v", got)
	}
	broken := schemas.NewSampleTicket("f", time.Now())
	if r := w.send("POST", "/sample/"+broken.Token(tokens), "no gzip", "Content-Encoding: gzip"); r.status != 400 {
		t.Errorf("of a broken one: %d %s", r.status, r.body)
	}
}

func TestOfTwoSamplesAtOnceOneIsTaken(t *testing.T) {
	w, tokens, _ := sampling(t)
	path := "/sample/" + schemas.NewSampleTicket("f", time.Now()).Token(tokens)
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for range 8 {
		wg.Go(func() {
			resp, err := http.Post(w.url+path, "text/plain", strings.NewReader("x"))
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
			mu.Lock()
			defer mu.Unlock()
			statuses[resp.StatusCode]++
		})
	}
	wg.Wait()
	if statuses[200] != 1 || statuses[410] != 7 {
		t.Errorf("statuses %v, want one 200 and seven 410", statuses)
	}
}

func TestALargeSampleIsCutAndNotRefused(t *testing.T) {
	w, tokens, reader := sampling(t)
	ticket := schemas.NewSampleTicket("f", time.Now())
	body := bytes.Repeat([]byte("0123456789abcdef"), 700_000) // 11 MB
	if r := w.send("POST", "/sample/"+ticket.Token(tokens), string(body)); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	got := sampleOf(t, reader, ticket)
	if got == nil || got.Whole || got.Size != int64(len(body)) || !bytes.Equal(got.Body, body[:schemas.MaxCapturedBody]) {
		t.Errorf("want the beginning of it, and its size")
	}
	if used := w.edge.bodies.used.Load(); used != 0 {
		t.Errorf("%d bytes of the budget are still taken", used)
	}
}
