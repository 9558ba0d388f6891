package blobs

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestStores runs one suite on every kind of store.
func TestStores(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) Store{
		"local": func(t *testing.T) Store {
			s, err := Open("file://" + t.TempDir() + "/blobs")
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
		"s3": func(t *testing.T) Store {
			s, err := Open("s3://key:secret@bucket/some/prefix?region=eu-1&endpoint=" + newStandIn(t).URL)
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
	} {
		t.Run(name, func(t *testing.T) { suite(t, open(t)) })
	}
}

func write(t *testing.T, s Store, name string, pieces ...[]byte) Writer {
	t.Helper()
	w, err := s.Create(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	for _, piece := range pieces {
		if n, err := w.Write(piece); err != nil || n != len(piece) {
			t.Fatalf("wrote %d of %d: %v", n, len(piece), err)
		}
	}
	return w
}

func read(t *testing.T, s Store, name string, offset, length int64) []byte {
	t.Helper()
	r, err := s.Open(t.Context(), name, offset, length)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func names(t *testing.T, s Store) []string {
	t.Helper()
	var list []string
	if err := s.List(t.Context(), func(i Info) error {
		list = append(list, fmt.Sprint(i.Name, " ", i.Size))
		if since := time.Since(i.Modified); since < -time.Minute || since > time.Hour {
			t.Errorf("%s was changed %v ago", i.Name, since)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

func suite(t *testing.T, s Store) {
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list := names(t, s); len(list) != 0 {
		t.Errorf("the check left %v", list)
	}

	// It is not there before its commit, and whole after it, over several parts.
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	w := write(t, s, "2026-01-02/a", large[:7], large[7:11<<20], large[11<<20:])
	if _, err := s.Open(t.Context(), "2026-01-02/a", 0, -1); !errors.Is(err, ErrNotFound) {
		t.Errorf("before its commit: %v", err)
	}
	if list := names(t, s); len(list) != 0 {
		t.Errorf("before its commit: %v", list)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	w.Abort() // does nothing any more
	if got := read(t, s, "2026-01-02/a", 0, -1); !bytes.Equal(got, large) {
		t.Errorf("%d bytes, want %d", len(got), len(large))
	}
	for _, span := range [][2]int64{{0, 5}, {3, 20}, {16<<20 - 4, 4}, {9 << 20, 100}, {5, 0}} {
		if got, want := read(t, s, "2026-01-02/a", span[0], span[1]), large[span[0]:span[0]+span[1]]; !bytes.Equal(got, want) {
			t.Errorf("%v: %q", span, got)
		}
	}
	if got := read(t, s, "2026-01-02/a", 16<<20-3, -1); string(got) != "def" {
		t.Errorf("the rest: %q", got)
	}

	// Given up: nothing is left.
	write(t, s, "2026-01-02/b", []byte("x")).Abort()
	if _, err := s.Open(t.Context(), "2026-01-02/b", 0, -1); !errors.Is(err, ErrNotFound) {
		t.Errorf("given up: %v", err)
	}

	// An empty one; and the last of two writers wins.
	for _, content := range []string{"", "first", "second one"} {
		if err := write(t, s, "c", []byte(content)).Commit(); err != nil {
			t.Fatal(err)
		}
		if got := read(t, s, "c", 0, -1); string(got) != content {
			t.Errorf("%q, want %q", got, content)
		}
	}
	if got, want := names(t, s), []string{"2026-01-02/a 16777216", "c 10"}; !slices.Equal(got, want) {
		t.Errorf("the list is %v, want %v", got, want)
	}
	stop := errors.New("enough")
	if err := s.List(t.Context(), func(Info) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("a list that was stopped: %v", err)
	}

	for range 2 {
		if err := s.Remove(t.Context(), "c"); err != nil {
			t.Fatal(err)
		}
	}
	if got := names(t, s); len(got) != 1 {
		t.Errorf("after the removal: %v", got)
	}
	for _, bad := range []string{"", "/a", "a/", "../a", "a/../b", ".begun/x", "a b", "ä", "a\\b"} {
		if _, err := s.Create(t.Context(), bad); err == nil {
			t.Errorf("%q was taken for a name", bad)
		}
		if _, err := s.Open(t.Context(), bad, 0, -1); err == nil {
			t.Errorf("%q was taken for a name", bad)
		}
		if err := s.Remove(t.Context(), bad); err == nil {
			t.Errorf("%q was taken for a name", bad)
		}
	}

	// What was begun long ago is tidied up, what was begun now is not.
	kept := write(t, s, "d", large[:6<<20])
	if err := s.Tidy(t.Context(), time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := kept.Commit(); err != nil {
		t.Errorf("what was just begun was tidied up: %v", err)
	}
	lost := write(t, s, "e", large[:6<<20])
	if err := s.Tidy(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := lost.Commit(); err == nil {
		t.Error("what was tidied up was committed")
	}
}

func TestNoErrorHoldsTheKey(t *testing.T) {
	for _, address := range []string{"s3://key:hunter2@", "s3://key:hunter2@b?x=1", "s3://key:hunter2@b?endpoint=ftp://x", "s3://key:hunter2@b\x00", "gs://key:hunter2@b"} {
		if _, err := Open(address); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestSweepRemovesWhatNobodyNamesAndNothingElse has the clock of a bubble.
func TestSweepRemovesWhatNobodyNamesAndNothingElse(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := OpenLocal(folder)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		put := func(name string, at time.Time) {
			t.Helper()
			if err := write(t, s, name, []byte("x")).Commit(); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(filepath.Join(folder, name), at, at); err != nil {
				t.Fatal(err)
			}
		}
		put("named", start.Add(-48*time.Hour))
		put("orphan", start.Add(-48*time.Hour))
		put("saved", start.Add(-48*time.Hour)) // a retry names it between two sweeps
		put("young", start)
		named := map[string]bool{"named": true}
		failing := false
		sweeper := &Sweeper{Store: s, Grace: time.Hour, References: func(context.Context) (map[string]bool, error) {
			if failing {
				return nil, errors.New("ClickHouse is away")
			}
			return named, nil
		}}
		for _, step := range []struct {
			at      time.Duration
			fails   bool
			before  func()
			removed int
		}{
			{at: 0},
			{at: 10 * time.Minute},
			{at: 50 * time.Minute, before: func() { named["saved"] = true }},
			{at: 70 * time.Minute, fails: true},
			{at: 71 * time.Minute, removed: 1}, // the orphan
			{at: 72 * time.Minute},             // young is seen the first time
			{at: 120 * time.Minute, before: func() { delete(named, "saved") }},
			{at: 140 * time.Minute, removed: 1},        // young
			{at: 200 * time.Minute, removed: 1},        // saved
			{at: 300 * time.Minute, before: func() {}}, // nothing is left to remove
		} {
			if step.before != nil {
				step.before()
			}
			failing = step.fails
			removed, err := sweeper.Sweep(t.Context(), start.Add(step.at))
			if removed != step.removed || (err != nil) != step.fails {
				t.Errorf("after %v: removed %d, %v; want %d", step.at, removed, err, step.removed)
			}
		}
		var left []string
		if err := s.List(t.Context(), func(i Info) error { left = append(left, i.Name); return nil }); err != nil || !slices.Equal(left, []string{"named"}) {
			t.Errorf("left %v, %v", left, err)
		}
	})
}

// standIn speaks as much of S3 as a store needs: objects, ranges, uploads in
// parts, lists. It keeps all in memory and checks no signature.
type standIn struct {
	*httptest.Server
	mu      sync.Mutex
	objects map[string]object
	uploads map[string]*upload
	next    int
}

type object struct {
	body []byte
	at   time.Time
}

type upload struct {
	key   string
	at    time.Time
	parts map[int][]byte
}

func newStandIn(t *testing.T) *standIn {
	s := &standIn{objects: map[string]object{}, uploads: map[string]*upload{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *standIn) fail(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, code)
}

func (s *standIn) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(v)
}

// unchunked is a body without the framing of signed chunks.
func unchunked(r *http.Request) ([]byte, error) {
	all, err := io.ReadAll(r.Body)
	if err != nil || !strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		return all, err
	}
	var out []byte
	for {
		line, rest, ok := bytes.Cut(all, []byte("\r\n"))
		size, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseInt(string(size), 16, 64)
		if !ok || err != nil || int64(len(rest)) < n {
			return nil, errors.New("bad chunk")
		}
		if n == 0 {
			return out, nil
		}
		out = append(out, rest[:n]...)
		all = bytes.TrimPrefix(rest[n:], []byte("\r\n"))
	}
}

func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/bucket"), "/")
	q := r.URL.Query()
	switch {
	case key == "" && q.Has("uploads"):
		type item struct {
			Key, UploadId string
			Initiated     time.Time
		}
		out := struct {
			XMLName xml.Name `xml:"ListMultipartUploadsResult"`
			Upload  []item
		}{}
		for id, u := range s.uploads {
			out.Upload = append(out.Upload, item{u.key, id, u.at})
		}
		s.answer(w, out)
	case key == "":
		type item struct {
			Key          string
			Size         int
			LastModified time.Time
		}
		out := struct {
			XMLName  xml.Name `xml:"ListBucketResult"`
			Contents []item
		}{}
		for name, o := range s.objects {
			if strings.HasPrefix(name, q.Get("prefix")) {
				out.Contents = append(out.Contents, item{name, len(o.body), o.at})
			}
		}
		s.answer(w, out)
	case r.Method == "POST" && q.Has("uploads"):
		s.next++
		id := strconv.Itoa(s.next)
		s.uploads[id] = &upload{key: key, at: time.Now().UTC(), parts: map[int][]byte{}}
		s.answer(w, struct {
			XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
			UploadId string
		}{UploadId: id})
	case q.Has("uploadId"):
		u := s.uploads[q.Get("uploadId")]
		if u == nil {
			s.fail(w, 404, "NoSuchUpload")
			return
		}
		switch r.Method {
		case "PUT":
			body, err := unchunked(r)
			if err != nil {
				s.fail(w, 400, "IncompleteBody")
				return
			}
			n, _ := strconv.Atoi(q.Get("partNumber"))
			u.parts[n] = body
			w.Header().Set("ETag", `"etag"`)
		case "POST":
			var body []byte
			for n := 1; n <= len(u.parts); n++ {
				body = append(body, u.parts[n]...)
			}
			s.objects[key] = object{body, time.Now().UTC()}
			delete(s.uploads, q.Get("uploadId"))
			s.answer(w, struct {
				XMLName           xml.Name `xml:"CompleteMultipartUploadResult"`
				Bucket, Key, ETag string
			}{Bucket: "bucket", Key: key, ETag: `"etag"`})
		case "DELETE":
			delete(s.uploads, q.Get("uploadId"))
			w.WriteHeader(204)
		}
	case r.Method == "PUT":
		body, err := unchunked(r)
		if err != nil {
			s.fail(w, 400, "IncompleteBody")
			return
		}
		s.objects[key] = object{body, time.Now().UTC()}
		w.Header().Set("ETag", `"etag"`)
	case r.Method == "DELETE":
		delete(s.objects, key)
		w.WriteHeader(204)
	default:
		o, ok := s.objects[key]
		if !ok {
			s.fail(w, 404, "NoSuchKey")
			return
		}
		w.Header().Set("ETag", `"etag"`)
		http.ServeContent(w, r, "", o.at, bytes.NewReader(o.body))
	}
}
