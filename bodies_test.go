package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// random is a file that no compression makes smaller, the same for a seed.
func random(seed uint64, size int64) io.Reader {
	var key [32]byte
	key[0] = byte(seed)
	return io.LimitReader(rand.NewChaCha8(key), size)
}

func sumOf(r io.Reader) string {
	h := sha256.New()
	_, _ = io.Copy(h, r)
	return hex.EncodeToString(h.Sum(nil))
}

// uploaded is what a target got.
type uploaded struct {
	sum, contentType string
	size             int64
	fields           map[string]string
	files            map[string]string // name → SHA-256
}

// target keeps what it gets, by path.
type target struct {
	*httptest.Server
	mu  sync.Mutex
	got map[string]uploaded
}

func newTarget(t *testing.T) *target {
	s := &target{got: map[string]uploaded{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u := uploaded{contentType: r.Header.Get("Content-Type"), size: r.ContentLength, fields: map[string]string{}, files: map[string]string{}}
		if strings.HasPrefix(u.contentType, "multipart/") {
			parts, err := r.MultipartReader()
			for err == nil {
				var part *multipart.Part
				if part, err = parts.NextPart(); err != nil {
					break
				}
				if part.FileName() != "" {
					u.files[part.FileName()] = sumOf(part)
				} else {
					text, _ := io.ReadAll(part)
					u.fields[part.FormName()] = string(text)
				}
			}
		} else {
			u.sum = sumOf(r.Body)
		}
		s.mu.Lock()
		s.got[r.URL.Path] = u
		s.mu.Unlock()
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *target) at(path string) (uploaded, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.got[path]
	return u, ok
}

// upload sends a body of any size and returns the execution's ID.
func (in *installation) upload(flow, contentType string, body io.Reader, size int64) string {
	in.t.Helper()
	r, err := http.NewRequest("POST", "http://"+in.ingest+"/hook/"+flow, body)
	if err != nil {
		in.t.Fatal(err)
	}
	r.ContentLength = size
	r.Header.Set("Content-Type", contentType)
	client := &http.Client{Timeout: 2 * time.Minute}
	resp, err := client.Do(r)
	if err != nil {
		in.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 200 {
		in.t.Fatalf("the upload was answered %d: %s", resp.StatusCode, answer)
	}
	return resp.Header.Get("X-Request-Id")
}

// detail is an execution's hook as the API shows it.
type detail struct {
	Status string
	Hook   struct {
		Body                json.RawMessage
		BodySize            int64
		BodySha256, BodyURL string
		Files               []struct {
			Field, Name, ContentType, SHA256, URL string
			Size                                  int64
		}
	}
	Steps []struct {
		ID, Status    string
		Input, Output json.RawMessage
	}
}

func (in *installation) succeeded(id string) detail {
	in.t.Helper()
	var d detail
	in.until(60*time.Second, "execution "+id+" has ended", func() bool {
		out, code := in.sluice("execution", id, "--output", "json")
		return code == 0 && json.Unmarshal([]byte(out), &d) == nil && d.Status != "running" && d.Status != "waiting"
	})
	if d.Status != "succeeded" {
		in.t.Fatalf("execution %s %s: %s", id, d.Status, in.must("execution", id))
	}
	return d
}

func compact(text json.RawMessage) string {
	var out bytes.Buffer
	_ = json.Compact(&out, text)
	return out.String()
}

// memory is what a process holds: its resident set, in bytes.
func (p *running) memory() int64 {
	p.in.t.Helper()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(p.Process.Pid) + "/status")
	if err != nil {
		p.in.t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			var kib int64
			fmt.Sscan(text, &kib)
			return kib << 10
		}
	}
	p.in.t.Fatal("no VmRSS")
	return 0
}

// TestBodiesOfAnyKindAndSizeReachTheStep sends what is too large for Kafka,
// and files, through the whole binary: their bytes arrive at the target of a
// step, at the API and at a retry as they were sent, and memory stays flat.
func TestBodiesOfAnyKindAndSizeReachTheStep(t *testing.T) {
	to := newTarget(t)
	in := newInstallation(t)
	p := in.start(nil, "dev")
	p.ready()
	in.apply(fmt.Sprintf(`
kind: Flow
id: file
trigger: {uses: webhook/receive}
steps:
  - {id: pass, uses: http/request, timeout: 2m, input: {method: POST, url: '%[1]s/file', file: '=files[0]'}}
---
kind: Flow
id: form
trigger: {uses: webhook/receive}
steps:
  - {id: see, uses: mapper/map, input: {body: =body, names: '=files.name'}}
  - id: pass
    uses: webhook/send
    input:
      url: '%[1]s/form'
      multipart: [{name: note, value: =body.note}, {name: a, file: '=files[0]'}, {name: b, file: '=files[1].ref'}]
---
kind: Flow
id: large
trigger: {uses: webhook/receive}
steps:
  - {id: see, uses: mapper/map, input: {count: '=$count(body.items)', last: '=body.items[-1].n', files: '=$count(files)'}}
  - {id: pass, uses: http/request, input: {method: PUT, url: '%[1]s/large', file: body}}
---
kind: Flow
id: echo
trigger: {uses: webhook/receive}
steps:
  - {id: say, uses: webhook/reply, input: {status: 201, file: '=files[0]'}}
---
kind: Flow
id: raw
trigger: {uses: webhook/receive, raw: true}
steps:
  - {id: see, uses: mapper/map, input: {body: =body}}
`, to.URL))

	// A file of 100 MiB: memory is looked at while it comes and while it goes.
	const size = 100 << 20
	before, most, stop, stopped := p.memory(), int64(0), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
				most = max(most, p.memory())
			}
		}
	}()
	id := in.upload("file", "application/octet-stream", random(1, size), size)
	in.succeeded(id)
	close(stop)
	<-stopped
	want := sumOf(random(1, size))
	if got, ok := to.at("/file"); !ok || got.sum != want || got.size != size {
		t.Errorf("the step sent %+v, want %s", got, want)
	}
	if extra := most - before; extra > 64<<20 {
		t.Errorf("100 MiB took %d MiB of extra memory, want less than 64", extra>>20)
	} else {
		t.Logf("100 MiB took %d MiB of extra memory", extra>>20)
	}
	d := in.succeeded(id)
	if h := d.Hook; string(h.Body) != "null" || h.BodySize != size || h.BodySha256 != want || len(h.Files) != 1 || h.Files[0].SHA256 != want || h.Files[0].Name != "body.bin" {
		t.Errorf("the API shows %+v", d.Hook)
	}
	for _, path := range []string{d.Hook.BodyURL, d.Hook.Files[0].URL} {
		resp, err := in.apiClient.Get("http://" + in.api + path)
		if err != nil {
			t.Fatal(err)
		}
		sum := sumOf(resp.Body)
		resp.Body.Close()
		if sum != want || resp.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(resp.Header.Get("Content-Disposition"), "attachment") || resp.ContentLength != size {
			t.Errorf("%s: %s %v", path, sum, resp.Header)
		}
	}

	// A form with two files and fields.
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	_ = w.WriteField("note", "für dich")
	_ = w.WriteField("a[b][]", "1")
	for n, name := range []string{"one.bin", "zwei ü.bin"} {
		part, _ := w.CreateFormFile("file", name)
		_, _ = io.Copy(part, random(uint64(n+2), 400<<10))
	}
	_ = w.WriteField("a[c]", "2")
	_ = w.Close()
	id = in.upload("form", w.FormDataContentType(), bytes.NewReader(form.Bytes()), int64(form.Len()))
	d = in.succeeded(id)
	if got, want := compact(d.Steps[0].Output), `{"body":{"note":"für dich","a":{"b":["1"],"c":"2"}},"names":["one.bin","zwei ü.bin"]}`; got != want {
		t.Errorf("the form is %s, want %s", got, want)
	}
	checkForm := func() {
		t.Helper()
		got, ok := to.at("/form")
		if !ok || got.fields["note"] != "für dich" || got.files["one.bin"] != sumOf(random(2, 400<<10)) || got.files["zwei ü.bin"] != sumOf(random(3, 400<<10)) {
			t.Errorf("the step sent %+v", got)
		}
	}
	checkForm()

	// A retry reads the same body again.
	to.mu.Lock()
	delete(to.got, "/form")
	to.mu.Unlock()
	var retried struct{ ID string }
	if err := json.Unmarshal([]byte(in.must("retry", id, "--output", "json")), &retried); err != nil {
		t.Fatal(err)
	}
	in.succeeded(retried.ID)
	checkForm()
	if out := in.must("execution", retried.ID); !strings.Contains(out, "zwei ü.bin") || !strings.Contains(out, "SHA-256") {
		t.Errorf("the command line shows\n%s", out)
	}

	// JSON that is too large for its record, compressed on the way.
	var text bytes.Buffer
	text.WriteString(`{"items":[`)
	for n := range 20_000 {
		fmt.Fprintf(&text, `{"n":%d.10,"name":"item %d of many"},`, n, n)
	}
	text.WriteString(`{"n":12345678901234567890.10}]}`)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(text.Bytes())
	_ = z.Close()
	r, _ := http.NewRequest("POST", "http://"+in.ingest+"/hook/large", &packed)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Content-Encoding", "gzip")
	resp, err := in.hookClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	d = in.succeeded(resp.Header.Get("X-Request-Id"))
	if got, want := compact(d.Steps[0].Output), `{"count":20001,"last":12345678901234567890.10,"files":0}`; got != want {
		t.Errorf("the large body is %s, want %s", got, want)
	}
	if got, _ := to.at("/large"); got.sum != sumOf(bytes.NewReader(text.Bytes())) || got.contentType != "application/json" {
		t.Errorf("the step sent %+v", got)
	}

	// An answer that is a file.
	r, _ = http.NewRequest("POST", "http://"+in.ingest+"/hook/echo/a/picture.png", random(9, 300<<10))
	r.Header.Set("Content-Type", "image/png")
	if resp, err = in.hookClient.Do(r); err != nil {
		t.Fatal(err)
	}
	sum := sumOf(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 201 || sum != sumOf(random(9, 300<<10)) || resp.Header.Get("Content-Type") != "image/png" {
		t.Errorf("the answer is %d %s %s", resp.StatusCode, resp.Header.Get("Content-Type"), sum)
	}

	// Raw: nothing is read, so nothing is refused.
	id = in.upload("raw", "application/json", strings.NewReader(`{"a": 1, `), 9)
	if d = in.succeeded(id); compact(d.Steps[0].Output) != `{"body":"{\"a\": 1, "}` {
		t.Errorf("raw: %s", d.Steps[0].Output)
	}
	if out, code := in.sluice("doctor"); code != 0 || !strings.Contains(out, "blobs") {
		t.Errorf("doctor: %d %s", code, out)
	}
	p.stop()
	var data string
	for _, v := range in.env {
		if path, ok := strings.CutPrefix(v, "SLUICE_DATA_DIR="); ok {
			data = path
		}
	}
	if begun, err := os.ReadDir(filepath.Join(data, "blobs", ".begun")); err != nil || len(begun) > 0 {
		t.Errorf("begun and left: %v, %v", begun, err)
	}
}

// TestKillMinus9AtEveryPointOfAnUploadLeavesAWholeHookOrNone kills the process
// while a body comes, when all of it came, and while it is kept and appended.
func TestKillMinus9AtEveryPointOfAnUploadLeavesAWholeHookOrNone(t *testing.T) {
	in := newInstallation(t)
	p := in.start(nil, "dev")
	p.ready()
	in.apply("kind: Flow\nid: file\ntrigger: {uses: webhook/receive}\nsteps:\n  - {id: see, uses: mapper/map, input: {sum: '=files[0].sha256'}}\n")
	const size = 3 << 20
	body, _ := io.ReadAll(random(1, size))
	want := sumOf(bytes.NewReader(body))
	sent, accepted := 0, []string{}
	for _, point := range []struct {
		bytes int
		after time.Duration
	}{
		{200 << 10, 0}, {2 << 20, 5 * time.Millisecond}, {size, 0}, {size, 5 * time.Millisecond},
		{size, 12 * time.Millisecond}, {size, 25 * time.Millisecond}, {size, 60 * time.Millisecond},
	} {
		c, err := net.Dial("tcp", in.ingest)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "POST /hook/file HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n", size)
		_, _ = c.Write(body[:point.bytes])
		sent++
		time.Sleep(point.after)
		p.kill()
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil && resp.StatusCode == 200 {
			accepted = append(accepted, resp.Header.Get("X-Request-Id"))
		}
		c.Close()
		p = in.start(nil, "dev")
		p.ready()
	}
	for _, id := range accepted {
		if d := in.succeeded(id); compact(d.Steps[0].Output) != `{"sum":"`+want+`"}` {
			t.Errorf("accepted %s: %s", id, d.Steps[0].Output)
		}
	}
	// What is there without an answer is whole, too.
	hooks := in.list("file")
	if len(hooks) < len(accepted) || len(hooks) > sent {
		t.Errorf("%d hooks of %d uploads, %d of them accepted", len(hooks), sent, len(accepted))
	}
	for _, x := range hooks {
		d := in.succeeded(x.ID)
		resp, err := in.apiClient.Get("http://" + in.api + d.Hook.BodyURL)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sumOf(resp.Body); sum != want || d.Hook.BodySize != size {
			t.Errorf("hook %s is %d bytes of %s", x.ID, d.Hook.BodySize, sum)
		}
		resp.Body.Close()
	}
	t.Logf("%d uploads, %d accepted, %d hooks", sent, len(accepted), len(hooks))
	p.stop()
}
