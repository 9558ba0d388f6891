package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// documents are the flows under soak: each way that a hook can go.
const documents = `
kind: Flow
id: plain
trigger: {uses: webhook/receive, methods: [GET, POST, PUT]}
steps:
  - {id: map, uses: mapper/map, input: {n: =body.n}}
---
kind: Flow
id: hub
trigger: {uses: webhook/receive, credential: hub}
dedupe: {window: 1m}
steps:
  - {id: map, uses: mapper/map, input: {n: =body.n}}
---
kind: Flow
id: answers
trigger: {uses: webhook/receive, respond: {when: finished, body: '={"n": steps.map.n}'}}
steps:
  - {id: map, uses: mapper/map, input: {n: =body.n}}
---
kind: Flow
id: limited
rate: 5/s
trigger: {uses: webhook/receive}
steps: []
---
kind: Credential
id: hub
uses: webhook
type: github
values: {secret: sesame}
`

// kind is one kind of request, and the answers that are right.
type kind struct {
	name   string
	weight int
	right  []int
	make   func(n int) *http.Request
}

func request(method, path, body string, header ...string) *http.Request {
	r, err := http.NewRequest(method, "http://edge"+path, strings.NewReader(body))
	if err != nil {
		panic(err) // constants
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func signature(body string) string {
	mac := hmac.New(sha256.New, []byte("sesame"))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func zipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	z.Close()
	return b.String()
}

const asJSON = "application/json"

var kinds = []kind{
	{"hook", 50, []int{200}, func(n int) *http.Request {
		return request("POST", "/hook/plain", fmt.Sprintf(`{"n":%d,"text":"%s"}`, n, strings.Repeat("x", 1000)), "Content-Type", asJSON)
	}},
	{"get", 5, []int{200}, func(n int) *http.Request { return request("GET", fmt.Sprintf("/hook/plain/a?n=%d", n), "") }},
	{"signed", 15, []int{200}, func(n int) *http.Request {
		body := fmt.Sprintf(`{"n":%d}`, n)
		return request("POST", "/hook/hub", body, "Content-Type", asJSON, "X-Hub-Signature-256", signature(body), "X-Github-Delivery", fmt.Sprint(n/2))
	}},
	{"unsigned", 5, []int{401}, func(n int) *http.Request {
		return request("POST", "/hook/hub", `{}`, "Content-Type", asJSON, "X-Hub-Signature-256", signature("another"))
	}},
	{"answered", 5, []int{200}, func(n int) *http.Request {
		return request("POST", "/hook/answers", fmt.Sprintf(`{"n":%d}`, n), "Content-Type", asJSON)
	}},
	{"malformed", 5, []int{400}, func(n int) *http.Request { return request("POST", "/hook/plain", `{"n":`, "Content-Type", asJSON) }},
	{"nobody", 3, []int{404}, func(n int) *http.Request { return request("POST", fmt.Sprintf("/hook/nobody-%d", n%10_000), `{}`) }},
	{"over the rate", 3, []int{200, 429}, func(n int) *http.Request { return request("POST", "/hook/limited", `{}`) }},
	{"method", 2, []int{405}, func(n int) *http.Request { return request("DELETE", "/hook/plain", "") }},
	{"large", 1, []int{200}, func(n int) *http.Request {
		return request("POST", "/hook/plain", fmt.Sprintf(`{"n":%d,"text":"%s"}`, n, strings.Repeat("x", 400<<10)), "Content-Type", asJSON)
	}},
	{"zipped", 3, []int{200, 415}, func(n int) *http.Request { // 415 where there is no blob store
		return request("POST", "/hook/plain", zipped(fmt.Sprintf(`{"n":%d}`, n)), "Content-Type", asJSON, "Content-Encoding", "gzip")
	}},
	{"file", 2, []int{200}, func(n int) *http.Request {
		return request("PUT", "/hook/plain/a.png", strings.Repeat("\x89PNG", 20<<10), "Content-Type", "image/png")
	}},
	{"hang up", 1, nil, nil},
}

// traffic sends all kinds by their weights.
type traffic struct {
	edge   string
	client *http.Client
	sent   atomic.Int64
	mu     sync.Mutex
	odd    map[string]int // answers that are not right, by kind and status
}

func newTraffic(edge string) *traffic {
	transport := &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 5 * time.Second}
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, edge)
	}
	return &traffic{edge: edge, client: &http.Client{Transport: transport, Timeout: 40 * time.Second}, odd: map[string]int{}}
}

// run sends so many a second until ctx ends, however slow the answers are, with
// at most 256 under way.
func (t *traffic) run(ctx context.Context, rate int) {
	var order []kind
	for _, k := range kinds {
		for range k.weight {
			order = append(order, k)
		}
	}
	places := make(chan struct{}, 256)
	var under sync.WaitGroup
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for n := 0; ctx.Err() == nil; {
		<-tick.C
		for due := int(time.Since(began).Seconds() * float64(rate)); n < due && ctx.Err() == nil; n++ {
			places <- struct{}{}
			k := order[n*37%len(order)]
			under.Go(func() {
				defer func() { <-places }()
				t.send(k, n)
			})
		}
	}
	under.Wait()
	t.client.CloseIdleConnections()
}

func (t *traffic) send(k kind, n int) {
	t.sent.Add(1)
	if k.make == nil { // a sender that leaves in the middle of its body
		if c, err := net.Dial("tcp", t.edge); err == nil {
			_, _ = io.WriteString(c, "POST /hook/plain HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nx")
			c.Close()
		}
		return
	}
	resp, err := t.client.Do(k.make(n))
	if err != nil {
		t.note(k.name + ": " + err.Error())
		return
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if !slices.Contains(k.right, resp.StatusCode) {
		t.note(fmt.Sprintf("%s: %d", k.name, resp.StatusCode))
	}
}

func (t *traffic) note(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.odd[what]++
}

// String says what was sent.
func (t *traffic) String() string { return fmt.Sprintf("%d requests sent", t.sent.Load()) }

// wrong lists answers that were not right, unless they are one in a thousand,
// which a machine that is busy with other things may cause.
func (t *traffic) wrong() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	total := 0
	var list []string
	for what, n := range t.odd {
		total += n
		list = append(list, fmt.Sprintf("%s (%d times)", what, n))
	}
	if total <= int(t.sent.Load()/1000) {
		return ""
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}
