package ingest

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"sluice/schemas"
	"sluice/schemas/blobs"
)

// withBlobs is an edge with a store of its own.
func withBlobs(t *testing.T, change func(*Options)) (*world, blobs.Store) {
	t.Helper()
	store, err := blobs.OpenLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return start(t, func(o *Options) {
		o.Blobs = store
		if change != nil {
			change(o)
		}
	}), store
}

// bodyOf is a hook's body, wherever it is.
func bodyOf(t *testing.T, s blobs.Store, h *schemas.Hook) string {
	t.Helper()
	if h.BodyRef == nil {
		return string(h.Body)
	}
	if len(h.Body) > 0 {
		t.Errorf("a body of %d bytes is in the record, too", len(h.Body))
	}
	r, err := s.Open(t.Context(), h.BodyRef.Blob, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(hashOf(body)); got != h.BodyRef.SHA256 || int64(len(body)) != h.BodyRef.Size {
		t.Errorf("the blob has %d bytes of %s, the record says %+v", len(body), got, h.BodyRef)
	}
	return string(body)
}

func hashOf(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}

func count(t *testing.T, s blobs.Store) (n int) {
	t.Helper()
	if err := s.List(t.Context(), func(blobs.Info) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

func pack(t *testing.T, encoding, text string) string {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	case "raw deflate":
		w, _ = flate.NewWriter(&b, 5)
	case "br":
		w = brotli.NewWriter(&b)
	case "zstd":
		w, _ = zstd.NewWriter(&b)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestEncodedBodiesAreKeptDecodedAndProvenAsTheyCame: small ones and large ones.
func TestEncodedBodiesAreKeptDecodedAndProvenAsTheyCame(t *testing.T) {
	w, store := withBlobs(t, nil)
	w.credential(t, "hmac", "hmac", map[string]string{"secret": "sesame", "header": "x-sig"})
	w.run(t, "signed", schemas.Trigger{Credential: "hmac"})
	small := `{"petname":"Gromit"}`
	large := `{"items":["` + strings.Repeat(`x1y2","`, 60_000) + `"]}`
	want := map[string]int{}
	for _, text := range []string{small, large} {
		for _, encoding := range []string{"gzip", "deflate", "raw deflate", "br", "zstd", "gzip, br"} {
			wire := text
			for step := range strings.SplitSeq(encoding, ", ") {
				wire = pack(t, step, wire)
			}
			name := strings.TrimPrefix(encoding, "raw ")
			right := hex.EncodeToString(sum256("sesame", wire))
			if got := w.send("POST", "/hook/signed", wire, "Content-Type: application/json", "Content-Encoding: "+name, "X-Sig: "+right); got.status != 200 {
				t.Errorf("%s of %d: %d %s", encoding, len(text), got.status, got.body)
			}
			want[text]++
			decoded := hex.EncodeToString(sum256("sesame", text))
			if got := w.send("POST", "/hook/signed", wire, "Content-Type: application/json", "Content-Encoding: "+name, "X-Sig: "+decoded); got.status != 401 {
				t.Errorf("%s signed after decoding: %d", encoding, got.status)
			}
		}
	}
	got := map[string]int{}
	for _, h := range w.stored() {
		got[bodyOf(t, store, h)]++
		if (h.BodyRef != nil) != (len(bodyOf(t, store, h)) > schemas.MaxInlineBody) || h.Headers["content-encoding"] != "" {
			t.Errorf("a body of %d bytes: %+v %v", len(h.Body), h.BodyRef, h.Headers)
		}
	}
	if got[small] != want[small] || got[large] != want[large] || len(got) != 2 {
		t.Errorf("%d small and %d large of %d kinds, want %d and %d", got[small], got[large], len(got), want[small], want[large])
	}
}

func TestWhatAnUploadIsRefusedWith(t *testing.T) {
	w, store := withBlobs(t, func(o *Options) { o.MaxBody, o.MaxFile = 2<<20, 4<<20 })
	w.credential(t, "hmac", "hmac", map[string]string{"secret": "sesame", "header": "x-sig"})
	w.run(t, "open", schemas.Trigger{})
	w.run(t, "signed", schemas.Trigger{Credential: "hmac"})
	bomb := strings.Repeat("0", 1900<<10)
	form := func(size int, file bool) (string, string) {
		var b bytes.Buffer
		m := multipart.NewWriter(&b)
		var part io.Writer
		if file {
			part, _ = m.CreateFormFile("f", "a.bin")
		} else {
			part, _ = m.CreateFormField("f")
		}
		_, _ = part.Write(make([]byte, size))
		_ = m.Close()
		return b.String(), "Content-Type: " + m.FormDataContentType()
	}
	longField, fieldType := form(3<<20, false)
	longFile, fileType := form(5<<20, true)
	for _, c := range []struct {
		name, flow, body string
		headers          []string
		status           int
		line             int
	}{
		{name: "unknown encoding", body: "x", headers: []string{"Content-Encoding: compress"}, status: 415},
		{name: "too many encodings", body: "x", headers: []string{"Content-Encoding: gzip, gzip, gzip"}, status: 415},
		{name: "unknown charset", body: "x", headers: []string{"Content-Type: text/plain; charset=klingon"}, status: 415},
		{name: "not gzip", body: strings.Repeat("x", 100), headers: []string{"Content-Type: application/json", "Content-Encoding: gzip"}, status: 400},
		{name: "cut gzip", body: pack(t, "gzip", `{"a":1}`)[:15], headers: []string{"Content-Type: application/json", "Content-Encoding: gzip"}, status: 400},
		{name: "malformed in gzip", body: pack(t, "gzip", "{\n\"a\":}"), headers: []string{"Content-Type: application/json", "Content-Encoding: gzip"}, status: 400, line: 2},
		{name: "bomb by ratio", body: pack(t, "gzip", bomb), headers: []string{"Content-Type: text/plain", "Content-Encoding: gzip"}, status: 413},
		{name: "bomb by size", body: pack(t, "zstd", strings.Repeat("0", 200<<20)), headers: []string{"Content-Encoding: zstd"}, status: 413},
		{name: "bomb in a bomb", body: pack(t, "gzip", pack(t, "gzip", strings.Repeat("0", 100<<20))), headers: []string{"Content-Encoding: gzip, gzip"}, status: 413},
		{name: "long JSON", body: `"` + strings.Repeat("x", 2<<20) + `"`, headers: []string{"Content-Type: application/json"}, status: 413},
		{name: "long text without a type", body: strings.Repeat("x", 3<<20), status: 413},
		{name: "long file", body: strings.Repeat("x", 5<<20), headers: []string{"Content-Type: image/png"}, status: 413},
		{name: "long field", body: longField, headers: []string{fieldType}, status: 413},
		{name: "long file in a form", body: longFile, headers: []string{fileType}, status: 413},
		{name: "form cut off", body: longField[:1000], headers: []string{fieldType}, status: 400},
		{name: "no boundary", body: "x", headers: []string{"Content-Type: multipart/form-data"}, status: 400},
		{name: "large malformed JSON", body: `{"a":"` + strings.Repeat("x", 300<<10) + "\",\n1}", headers: []string{"Content-Type: application/json"}, status: 400, line: 2},
		{name: "wrong signature", flow: "signed", body: strings.Repeat("x", 300<<10), headers: []string{"Content-Type: image/png", "X-Sig: 00"}, status: 401},
		{name: "wrong signature of what is malformed", flow: "signed", body: "{" + strings.Repeat(" ", 300<<10), headers: []string{"Content-Type: application/json", "X-Sig: " + strings.Repeat("00", 32)}, status: 401},
		{name: "method", body: strings.Repeat("x", 300<<10), headers: []string{"Content-Type: image/png"}, status: 405},
	} {
		method, flow := "POST", "open"
		if c.name == "method" {
			method = "DELETE"
		}
		if c.flow != "" {
			flow = c.flow
		}
		got := w.send(method, "/hook/"+flow, c.body, c.headers...)
		if got.status != c.status || c.line != 0 && got.problem.Line != c.line {
			t.Errorf("%s: %d %s, want %d", c.name, got.status, got.body, c.status)
		}
	}
	if hooks := w.stored(); len(hooks) != 0 {
		t.Errorf("%d hooks were appended", len(hooks))
	}
	if n := count(t, store); n != 0 {
		t.Errorf("%d blobs were kept", n)
	}
}

func TestFilesAreNamedHashedAndFound(t *testing.T) {
	w, store := withBlobs(t, nil)
	w.run(t, "open", schemas.Trigger{})
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	_ = m.WriteField("note", "hello")
	contents := []string{"", "first file\r\n--not the boundary\r\n", strings.Repeat("\x00\xff", 200<<10)}
	for i, content := range contents {
		part, _ := m.CreateFormFile("f", fmt.Sprintf(`C:\temp\%d.bin`, i))
		_, _ = io.WriteString(part, content)
	}
	_ = m.Close()
	if got := w.send("POST", "/hook/open", b.String(), "Content-Type: "+m.FormDataContentType()); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	h := w.stored()[0]
	whole := bodyOf(t, store, h)
	if whole != b.String() || len(h.Files) != 3 {
		t.Fatalf("%d bytes, files %+v", len(whole), h.Files)
	}
	for i, f := range h.Files {
		if f.Name != fmt.Sprintf("%d.bin", i) || f.Field != "f" || whole[f.Offset:f.Offset+f.Size] != contents[i] || f.SHA256 != hex.EncodeToString(hashOf([]byte(contents[i]))) {
			t.Errorf("file %d: %+v", i, f)
		}
	}
	// A small body without a type is text, JSON or, when it is neither, a file.
	for body, files := range map[string]int{"text": 0, `{"a":1}`: 0, "\xff\xfe\x00": 1} {
		r, _ := http.NewRequest("POST", w.url+"/hook/open/a/picture.dat", strings.NewReader(body))
		if got := w.do(r); got.status != 200 {
			t.Errorf("%q: %d %s", body, got.status, got.body)
		}
		for _, h := range w.stored() {
			if bodyOf(t, store, h) == body && (len(h.Files) != files || files == 1 && h.Files[0].Name != "picture.dat") {
				t.Errorf("%q: %+v", body, h.Files)
			}
		}
	}
}

// TestAnUploadThatBreaksOffLeavesNothing cuts the connection at many points:
// no hook, no blob, nothing begun.
func TestAnUploadThatBreaksOffLeavesNothing(t *testing.T) {
	w, store := withBlobs(t, nil)
	w.run(t, "open", schemas.Trigger{})
	body := strings.Repeat("x", 600<<10)
	for _, sent := range []int{0, 1, 8 << 10, 256 << 10, 256<<10 + 1, 400 << 10, len(body) - 1} {
		c, err := net.Dial("tcp", w.edge.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "POST /hook/open HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:sent])
		_ = c.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, c)
		c.Close()
	}
	if hooks := w.stored(); len(hooks) != 0 {
		t.Errorf("%d hooks", len(hooks))
	}
	if n := count(t, store); n != 0 {
		t.Errorf("%d blobs", n)
	}
	if used := w.edge.bodies.used.Load(); used != 0 {
		t.Errorf("%d bytes of the budget were not given back", used)
	}
}

// failing is a store that is away.
type failing struct{ blobs.Store }

func (failing) Create(context.Context, string) (blobs.Writer, error) {
	return nil, io.ErrClosedPipe
}

func TestAStoreThatIsAwayRefusesLargeBodiesAlone(t *testing.T) {
	w, _ := withBlobs(t, func(o *Options) { o.Blobs = failing{o.Blobs} })
	w.run(t, "open", schemas.Trigger{})
	if got := w.send("POST", "/hook/open", strings.Repeat("x", 300<<10), "Content-Type: text/plain"); got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("large: %d %s", got.status, got.body)
	}
	if got := w.send("POST", "/hook/open", "x", "Content-Type: text/plain"); got.status != 200 {
		t.Errorf("small: %d %s", got.status, got.body)
	}
	deadline := time.Now().Add(5 * time.Second)
	for w.edge.bodies.used.Load() != 0 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if hooks := w.stored(); len(hooks) != 1 {
		t.Errorf("%d hooks, want 1", len(hooks))
	}
}
