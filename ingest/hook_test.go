package ingest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/schemas"
)

func TestAcceptedHookIsStoredByteForByteBeforeItsAnswer(t *testing.T) {
	w := start(t, nil)
	w.run(t, "pets", schemas.Trigger{})
	body := "{\"n\": 12345678901234567890.123456789000,\n\t\"petname\" : \"Gr\\u00f6mit é\" , \"m\":1e400}\n"

	got := w.send("POST", "/hook/pets/a%20b/c?x=1&y=%2F", body, "Content-Type: application/json; charset=utf-8", "X-Two: a", "X-Two: b",
		"Authorization: Bearer sesame", "Cookie: c=1", "Proxy-Authorization: x", "Connection: X-Hop", "X-Hop: 1", "X-Eio-Signature: 00")
	hooks := w.stored()

	if got.status != 200 || got.header.Get("Content-Type") != "application/json" {
		t.Fatalf("answer %d %s %s", got.status, got.header, got.body)
	}
	if len(hooks) != 1 {
		t.Fatalf("%d hooks are stored, want 1", len(hooks))
	}
	h := hooks[0]
	if want := fmt.Sprintf(`{"requestId":"%s","message":"thank you"}`, h.ID); got.body != want {
		t.Errorf("answer %s, want %s", got.body, want)
	}
	if got.header.Get("X-Request-Id") != h.ID.String() {
		t.Errorf("X-Request-Id %s, want %s", got.header.Get("X-Request-Id"), h.ID)
	}
	if string(h.Body) != body {
		t.Errorf("stored body %q, want %q", h.Body, body)
	}
	want := map[string]string{
		"content-type": "application/json; charset=utf-8", "x-two": "a, b", "x-eio-signature": "00", "host": w.edge.Addr().String(),
		"user-agent": "Go-http-client/1.1", "accept-encoding": "gzip", "content-length": fmt.Sprint(len(body)),
	}
	if diff := cmp.Diff(want, h.Headers); diff != "" {
		t.Errorf("stored headers (-want +got):\n%s", diff)
	}
	if h.Kind != schemas.KindHook || h.Flow != "pets" || h.Method != "POST" || h.Path != "/hook/pets/a%20b/c" || h.Query != "x=1&y=%2F" {
		t.Errorf("stored %+v", h)
	}
	if h.ContentType != "application/json; charset=utf-8" || h.Partition != schemas.PartitionOf("pets", testPartitions) || h.Control != 2 {
		t.Errorf("stored content type %q, partition %d, control %d", h.ContentType, h.Partition, h.Control)
	}
}

func TestGetKeepsItsQueryAsThePayload(t *testing.T) {
	w := start(t, nil)
	w.run(t, "pets", schemas.Trigger{})
	if got := w.send("GET", "/hook/pets?petname=Gromit&petstatus=Sold&n=1.10", ""); got.status != 200 {
		t.Fatalf("answer %d %s", got.status, got.body)
	}
	h := w.stored()[0]
	if h.Method != "GET" || h.Query != "petname=Gromit&petstatus=Sold&n=1.10" || len(h.Body) != 0 {
		t.Errorf("stored %s %q %q", h.Method, h.Query, h.Body)
	}
}

func TestOnlyRunningAndPausedFlowsAccept(t *testing.T) {
	w := start(t, nil)
	w.run(t, "runs", schemas.Trigger{})
	w.run(t, "holds", schemas.Trigger{})
	w.change(t, schemas.Change{Type: schemas.FlowPaused, Flow: "holds"})
	w.publish(t, "published", schemas.Trigger{}, "")
	w.change(t, schemas.Change{Type: schemas.FlowDrafted, Flow: "draft", Document: json.RawMessage(`{"kind":"Flow"}`)})
	w.run(t, "stopped", schemas.Trigger{})
	w.change(t, schemas.Change{Type: schemas.FlowStopped, Flow: "stopped"})
	w.run(t, "deleted", schemas.Trigger{})
	w.change(t, schemas.Change{Type: schemas.FlowDeleted, Flow: "deleted"})
	w.run(t, "scheduled", schemas.Trigger{Uses: "schedule/every"})

	for _, id := range []string{"runs", "holds"} {
		if got := w.send("POST", "/hook/"+id, "x", "Content-Type: text/plain"); got.status != 200 {
			t.Errorf("%s: %d, want 200", id, got.status)
		}
		if got := w.send("HEAD", "/hook/"+id, ""); got.status != 200 {
			t.Errorf("HEAD %s: %d, want 200", id, got.status)
		}
	}
	bodies := map[string]bool{}
	for _, id := range []string{"published", "draft", "stopped", "deleted", "scheduled", "unknown", ""} {
		got := w.send("POST", "/hook/"+id, "x", "Content-Type: text/plain")
		if got.status != 404 {
			t.Errorf("%s: %d, want 404", id, got.status)
		}
		bodies[strings.Replace(got.body, got.problem.RequestID, "", 1)] = true
		if got := w.send("HEAD", "/hook/"+id, ""); got.status != 404 {
			t.Errorf("HEAD %s: %d, want 404", id, got.status)
		}
	}
	if len(bodies) != 1 {
		t.Errorf("the answers differ: %v", bodies)
	}
	if n := len(w.stored()); n != 2 {
		t.Errorf("%d hooks are stored, want 2", n)
	}
	w.change(t, schemas.Change{Type: schemas.FlowStarted, Flow: "stopped"})
	if got := w.send("POST", "/hook/stopped", ""); got.status != 200 {
		t.Errorf("started again: %d, want 200", got.status)
	}
}

// TestAnswers is the table of design.md, one row after the other; nothing that
// is refused is stored.
func TestAnswers(t *testing.T) {
	w := start(t, func(o *Options) { o.MaxBody, o.MaxDepth, o.MaxHeader = 1000, 5, 4096 })
	w.credential(t, "ada", "basic", map[string]string{"username": "ada", "password": "sesame"})
	w.run(t, "open", schemas.Trigger{})
	w.run(t, "basic", schemas.Trigger{Credential: "ada"})
	w.run(t, "post", schemas.Trigger{Methods: []string{"POST", "DELETE"}})
	w.publish(t, "slow", schemas.Trigger{}, "1/h")
	w.change(t, schemas.Change{Type: schemas.FlowStarted, Flow: "slow"})
	if got := w.send("POST", "/hook/slow", ""); got.status != 200 {
		t.Fatalf("the first one in an hour: %d", got.status)
	}
	const asJSON, asXML, asForm = "Content-Type: application/json", "Content-Type: application/xml", "Content-Type: application/x-www-form-urlencoded"
	large := strings.Repeat("x", 1001)

	tests := []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		header                   string // "Name: value" of the answer
		line, column             int
	}{
		{name: "unknown flow", method: "POST", path: "/hook/nobody", status: 404},
		{name: "no flow", method: "GET", path: "/", status: 404},
		{name: "another path", method: "POST", path: "/hooks/open", body: large, status: 404},
		{name: "no credentials", method: "POST", path: "/hook/basic", status: 401, header: `Www-Authenticate: Basic realm="sluice", charset="UTF-8"`},
		{name: "no credentials, GET", method: "GET", path: "/hook/basic", status: 401},
		{name: "no credentials, a large body", method: "POST", path: "/hook/basic", body: large, status: 401},
		{name: "other method", method: "PUT", path: "/hook/post", status: 405, header: "Allow: HEAD, POST, DELETE"},
		{name: "default methods", method: "DELETE", path: "/hook/open", status: 405, header: "Allow: HEAD, GET, POST"},
		{name: "unknown method", method: "BREW", path: "/hook/open", status: 501},
		{name: "JSON", method: "POST", path: "/hook/open", body: "{\n  \"a\": é}", headers: []string{asJSON}, status: 400, line: 2, column: 8},
		{name: "JSON that ends", method: "POST", path: "/hook/open", body: `{"é": [1,`, headers: []string{asJSON}, status: 400, line: 1, column: 10},
		{name: "JSON behind JSON", method: "POST", path: "/hook/open", body: "{}\n{}", headers: []string{"Content-Type: application/vnd.x+json"}, status: 400, line: 2, column: 1},
		{name: "JSON, too deep", method: "POST", path: "/hook/open", body: "[[[[[[", headers: []string{asJSON}, status: 400, line: 1, column: 6},
		{name: "JSON, not UTF-8", method: "POST", path: "/hook/open", body: "\"a\xff\"", headers: []string{asJSON}, status: 400, line: 1, column: 3},
		{name: "XML", method: "POST", path: "/hook/open", body: "<a>\n<b></a>", headers: []string{asXML}, status: 400, line: 2, column: 8},
		{name: "XML with a DOCTYPE", method: "POST", path: "/hook/open", body: `<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>`, headers: []string{asXML}, status: 400, line: 1, column: 1},
		{name: "XML, too deep", method: "POST", path: "/hook/open", body: "<a><a><a><a><a><a>", headers: []string{"Content-Type: text/xml"}, status: 400, line: 1, column: 16},
		{name: "XML without an end", method: "POST", path: "/hook/open", body: "<a>", headers: []string{asXML}, status: 400, line: 1, column: 4},
		{name: "XML, two roots", method: "POST", path: "/hook/open", body: "<a/>\n<b/>", headers: []string{asXML}, status: 400, line: 2, column: 1},
		{name: "XML, text at the end", method: "POST", path: "/hook/open", body: "<a/>x", headers: []string{asXML}, status: 400, line: 1, column: 5},
		{name: "XML, empty", method: "POST", path: "/hook/open", body: " ", headers: []string{asXML}, status: 400, line: 1, column: 2},
		{name: "form", method: "POST", path: "/hook/open", body: "a=1&b=%4", headers: []string{asForm}, status: 400, line: 1, column: 7},
		{name: "too large", method: "POST", path: "/hook/open", body: large, status: 413},
		{name: "compressed", method: "POST", path: "/hook/open", body: "x", headers: []string{"Content-Encoding: gzip"}, status: 415, header: "Accept-Encoding: identity"},
		{name: "over the rate", method: "POST", path: "/hook/slow", status: 429, header: "Retry-After: 3600"},
		{name: "many headers", method: "POST", path: "/hook/open", headers: []string{"X-Long: " + strings.Repeat("x", 5000)}, status: 431},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := w.send(test.method, test.path, test.body, test.headers...)
			if got.status != test.status || got.problem.Status != test.status || got.header.Get("Content-Type") != "application/problem+json" {
				t.Fatalf("answer %d %s %s, want the problem %d", got.status, got.header, got.body, test.status)
			}
			if got.problem.Line != test.line || got.problem.Column != test.column {
				t.Errorf("at %d:%d, want %d:%d: %s", got.problem.Line, got.problem.Column, test.line, test.column, got.body)
			}
			if test.line > 0 && !strings.Contains(got.problem.Detail, fmt.Sprintf("line %d, column %d", test.line, test.column)) {
				t.Errorf("the detail does not name the place: %s", got.problem.Detail)
			}
			if _, err := schemas.ParseExecutionID(got.problem.RequestID); err != nil || got.problem.RequestID != got.header.Get("X-Request-Id") {
				t.Errorf("requestId %q, X-Request-Id %q", got.problem.RequestID, got.header.Get("X-Request-Id"))
			}
			if got.problem.Title == "" || got.problem.Detail == "" || got.problem.Type != "about:blank" {
				t.Errorf("incomplete problem: %s", got.body)
			}
			if name, value, ok := strings.Cut(test.header, ": "); ok && got.header.Get(name) != value {
				t.Errorf("%s: %q, want %q", name, got.header.Get(name), value)
			}
		})
	}
	if n := len(w.stored()); n != 1 {
		t.Errorf("%d hooks are stored, want the one that was accepted", n)
	}
}

func TestRightBodiesOfEveryKindAreKeptAsTheyCame(t *testing.T) {
	w := start(t, nil)
	w.run(t, "any", schemas.Trigger{Methods: []string{"POST", "PUT", "PATCH"}})
	bodies := []struct{ contentType, body string }{
		{"application/json", ` [1.0, 1e400, -0, "\ud800"] `},
		{"application/json", `"text"`},
		{"application/json", "null"},
		{"application/json", ""},
		{"application/problem+json", `{"a":{"a":1,"b":2}}`},
		{"application/x-www-form-urlencoded", "a[b]=1&a[c]=%C3%A9&=&%00"},
		{"application/xml", `<?xml version="1.0" encoding="ISO-8859-1"?><a b="1">` + "\xe9" + `<b/></a>`},
		{"application/soap+xml; charset=utf-8", "\ufeff<a/>\n"},
		{"text/plain", "not {json"},
		{"", "\x00\xff"},
		{"application/x-ndjson", "{}\n{}\n"},
		{"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\nx\r\n--b--\r\n"},
		{"application/octet-stream", strings.Repeat("\x80", 300_000)},
	}
	want := map[string]int{}
	for i, b := range bodies {
		method := []string{"POST", "PUT", "PATCH"}[i%3]
		if got := w.send(method, "/hook/any", b.body, "Content-Type: "+b.contentType); got.status != 200 {
			t.Errorf("%s %q: %d %s", b.contentType, b.body, got.status, got.body)
		}
		want[b.contentType+"\n"+b.body]++
	}
	got := map[string]int{}
	for _, h := range w.stored() {
		got[h.ContentType+"\n"+string(h.Body)]++
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

func TestChunkedBodiesAreWholeOrRefused(t *testing.T) {
	w := start(t, func(o *Options) { o.MaxBody = 100_000 })
	w.run(t, "open", schemas.Trigger{})
	chunked := func(size int) *http.Request {
		request, err := http.NewRequest("POST", w.url+"/hook/open", io.MultiReader(strings.NewReader(strings.Repeat("x", size)), strings.NewReader("")))
		if err != nil {
			t.Fatal(err)
		}
		return request
	}
	for _, size := range []int{1, 4096, 4097, 65536, 99_999, 100_000} {
		if got := w.do(chunked(size)); got.status != 200 {
			t.Errorf("%d bytes: %d", size, got.status)
		}
	}
	for _, size := range []int{100_001, 5_000_000} {
		if got := w.do(chunked(size)); got.status != 413 {
			t.Errorf("%d bytes: %d, want 413", size, got.status)
		}
	}
	total := 0
	for _, h := range w.stored() {
		total += len(h.Body)
	}
	if want := 1 + 4096 + 4097 + 65536 + 99_999 + 100_000; total != want {
		t.Errorf("%d bytes are stored, want %d", total, want)
	}
	if used := w.edge.bodies.used.Load(); used != 0 {
		t.Errorf("%d bytes of the budget are still held", used)
	}
}

func TestSenderOfTooMuchGetsItsAnswerAndNotAReset(t *testing.T) {
	w := start(t, nil)
	w.run(t, "open", schemas.Trigger{})
	request, err := http.NewRequest("POST", w.url+"/hook/open", bytes.NewReader(make([]byte, 30<<20)))
	if err != nil {
		t.Fatal(err)
	}
	if got := w.do(request); got.status != 413 {
		t.Errorf("answer %d, want 413", got.status)
	}
	// A sender that reads only after it has written everything.
	c, err := net.Dial("tcp", w.edge.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST /hook/nobody HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", 20<<20)
	if _, err := c.Write(make([]byte, 20<<20)); err != nil {
		t.Fatalf("writing the body: %v", err)
	}
	text, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 404 ") {
		t.Errorf("answer %.100q, %v", text, err)
	}
}

func TestUnreadBodyIsNeverTheNextRequest(t *testing.T) {
	w := start(t, func(o *Options) { o.MaxBody = 20_000 })
	w.run(t, "open", schemas.Trigger{})
	inner := "POST /hook/open HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
	padding := strings.Repeat("\n", 9000)
	for name, request := range map[string]string{
		"refused before the body is read": fmt.Sprintf("POST /hook/nobody HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s%s", len(padding)+len(inner), padding, inner),
		"chunked, refused":                fmt.Sprintf("POST /hook/nobody HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(inner), inner),
		"two lengths":                     fmt.Sprintf("POST /hook/open HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s", inner),
		"two lengths, the other way":      fmt.Sprintf("POST /hook/open HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n%s", inner),
		"two content lengths":             fmt.Sprintf("POST /hook/open HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: %d\r\n\r\n%s", len(inner), inner),
		"a bad chunk":                     "POST /hook/open HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + inner,
		"a chunk without its end":         "POST /hook/open HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n" + inner,
		"no HTTP at all":                  "hello there\r\n\r\n" + inner,
	} {
		answer := w.raw(request)
		if strings.Count(answer, "HTTP/1.1 ") != 1 || !strings.HasPrefix(answer, "HTTP/1.1 4") || !strings.Contains(answer, "requestId") {
			t.Errorf("%s: %q", name, answer)
		}
	}
	if n := len(w.stored()); n != 0 {
		t.Errorf("%d hooks are stored, want none", n)
	}
}

func TestRefusedSmallBodyKeepsTheConnection(t *testing.T) {
	w := start(t, nil)
	w.run(t, "open", schemas.Trigger{})
	answer := w.raw("POST /hook/nobody HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}" +
		"POST /hook/open HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
	if !strings.HasPrefix(answer, "HTTP/1.1 404") || !strings.Contains(answer, "HTTP/1.1 200") {
		t.Errorf("answers %q", answer)
	}
}

func TestFlowAnswersWhatItSays(t *testing.T) {
	w := start(t, nil)
	tests := map[string]struct {
		respond     schemas.Respond
		status      int
		contentType string
		body        string // "" with thanks: the usual one
		thanks      string
	}{
		"json":    {schemas.Respond{Status: 201, Body: json.RawMessage(`{"a":1.10}`)}, 201, "application/json", `{"a":1.10}`, ""},
		"text":    {schemas.Respond{Body: json.RawMessage(`"ok é"`)}, 200, "text/plain; charset=utf-8", "ok é", ""},
		"xml":     {schemas.Respond{ContentType: "text/xml", Body: json.RawMessage(`"<Response/>"`)}, 200, "text/xml", "<Response/>", ""},
		"literal": {schemas.Respond{Body: json.RawMessage(`"\\=1"`)}, 200, "text/plain; charset=utf-8", "=1", ""},
		"empty":   {schemas.Respond{Status: 204}, 204, "", "", ""},
		"odd":     {schemas.Respond{Status: 299}, 299, "application/json", "", "thank you"},
		"when":    {schemas.Respond{When: "accepted"}, 200, "application/json", "", "thank you"},
	}
	for name, test := range tests {
		w.run(t, name, schemas.Trigger{Respond: &test.respond})
		got := w.send("POST", "/hook/"+name, "")
		want := test.body
		if test.thanks != "" {
			want = fmt.Sprintf(`{"requestId":"%s","message":"%s"}`, got.header.Get("X-Request-Id"), test.thanks)
		}
		if got.status != test.status || got.header.Get("Content-Type") != test.contentType || got.body != want {
			t.Errorf("%s: %d %q %q, want %d %q %q", name, got.status, got.header.Get("Content-Type"), got.body, test.status, test.contentType, want)
		}
	}
}

func TestRejectionsAreShownNewestFirstWithoutSecrets(t *testing.T) {
	w := start(t, func(o *Options) { o.RejectedPerFlow, o.RejectedFlows = 3, 2 })
	w.credential(t, "key", "apiKey", map[string]string{"in": "header", "name": "X-Door", "value": "sesame"})
	for _, id := range []string{"a", "b", "c"} {
		w.run(t, id, schemas.Trigger{Credential: "key"})
	}
	for i := range 5 {
		w.send("POST", fmt.Sprintf("/hook/a/%d", i), "secret body", "X-Door: sesam", "X-Api-Key: sesame", "Authorization: sesame",
			"Cookie: sesame", "X-Auth-Token: sesame", "X-Hub-Signature: 00", "X-Plain: "+strings.Repeat("é", 300))
	}
	list := w.edge.Rejected("a")
	if len(list) != 3 || list[0].Path != "/hook/a/4" || list[2].Path != "/hook/a/2" {
		t.Fatalf("rejected %+v", list)
	}
	text, err := json.Marshal(list)
	if err != nil || bytes.Contains(text, []byte("sesam")) || bytes.Contains(text, []byte("secret body")) {
		t.Errorf("it holds a secret: %s %v", text, err)
	}
	r := list[0]
	if r.Reason != ReasonUnauthenticated || r.Status != 401 || r.Method != "POST" || r.Headers["x-hub-signature"] != "00" || r.Headers["x-api-key"] != "(removed)" {
		t.Errorf("rejected %+v", r)
	}
	w.send("POST", "/hook/b", "")
	w.send("POST", "/hook/c", "")
	if len(w.edge.Rejected("a")) != 0 || len(w.edge.Rejected("b")) != 1 || len(w.edge.Rejected("c")) != 1 {
		t.Errorf("of two flows at most, those of the longest ago go: %d %d %d", len(w.edge.Rejected("a")), len(w.edge.Rejected("b")), len(w.edge.Rejected("c")))
	}
}
