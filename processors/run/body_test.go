package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sluice/connectors"
	"sluice/schemas"
	"sluice/schemas/blobs"
	"sluice/schemas/records"
)

// flaky is a store whose first opens fail.
type flaky struct {
	blobs.Store
	fails atomic.Int32
}

func (f *flaky) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if f.fails.Add(-1) >= 0 {
		return nil, io.ErrClosedPipe
	}
	return f.Store.Open(ctx, name, offset, length)
}

func kept(t *testing.T, s blobs.Store, name, text string) *schemas.BodyRef {
	t.Helper()
	w, err := s.Create(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(text))
	return &schemas.BodyRef{Blob: name, Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:])}
}

func openedStore(t *testing.T) *flaky {
	t.Helper()
	s, err := blobs.OpenLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &flaky{Store: s}
}

// TestTheViewOfAFormReadsNothingOfItsFiles: what is between them is enough.
func TestTheViewOfAFormReadsNothingOfItsFiles(t *testing.T) {
	backing := openedStore(t)
	s := newStore(backing, viewBytes)
	head := "--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B\r\nContent-Disposition: form-data; name=f; filename=x\r\n\r\n"
	file := strings.Repeat("\x00--B\r\n", 100<<10)
	h := &schemas.Hook{Method: "POST", ContentType: "multipart/form-data; boundary=B"}
	h.BodyRef = kept(t, backing, "form", head+file+"\r\n--B\r\nContent-Disposition: form-data; name=b\r\n\r\n2\r\n--B--\r\n")
	h.Files = []schemas.File{{Field: "f", Name: "x", Size: int64(len(file)), Offset: int64(len(head)), SHA256: "00"}}
	backing.fails.Store(2) // a store that is away for a moment
	opened, done, err := s.open(t.Context(), &loadedHook{Hook: h}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if len(opened.Body) > len(head)+100 {
		t.Errorf("%d bytes were read", len(opened.Body))
	}
	scope, _ := json.Marshal(opened.view(false))
	for _, want := range []string{`"body":{"a":"1","b":"2"}`, fmt.Sprintf(`"files":[{"name":"x","contentType":"","size":%d,"sha256":"00","field":"f","ref":"files/0"}]`, len(file))} {
		if !strings.Contains(string(scope), want) {
			t.Errorf("%s is not in %s", want, scope)
		}
	}
	f, err := s.file(h, "files/0")
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, _ := io.ReadAll(r); string(got) != file {
		t.Errorf("the file has %d bytes, want %d", len(got), len(file))
	}
	for _, ref := range []string{"", "files/1", "files/-1", "files/x", "form", "../form", "files/0/"} {
		if _, err := s.file(h, ref); err == nil {
			t.Errorf("the ref %q leads to a file", ref)
		}
	}
}

// TestLargeBodiesRunAndAreRecognisedAsDuplicates: the key of a flow's dedupe is
// within a body that is not in its record.
func TestLargeBodiesRunAndAreRecognisedAsDuplicates(t *testing.T) {
	r := newRig(t)
	backing := openedStore(t)
	r.publish("pets", `"dedupe": {"key": "=body.id"}, "steps": [{"id": "a", "uses": "test/effect", "input": {"n": "=$count(body.list)"}}]`)
	options := r.options("one")
	options.Blobs = backing
	r.startRunner(New(options))
	text := `{"id": 7, "list": [` + strings.Repeat(`"1234567890",`, 40_000) + `1]}`
	for n := range 2 {
		now := time.Now()
		r.append(&schemas.Hook{
			ID: schemas.NewExecutionID(now, schemas.PartitionOf("pets", rigPartitions)), Kind: schemas.KindHook, Flow: "pets", Time: now,
			Method: "POST", ContentType: "application/json", BodyRef: kept(t, backing, fmt.Sprint("b", n), text), Control: r.catalog.Offset(),
		})
	}
	statuses := map[records.ExecutionStatus]int{}
	for _, x := range r.ended(2) {
		statuses[x.last.Status]++
	}
	if statuses[records.ExecutionStatus_EXECUTION_STATUS_SUCCEEDED] != 1 || statuses[records.ExecutionStatus_EXECUTION_STATUS_DUPLICATE] != 1 {
		t.Errorf("they ended as %v, want one succeeded and one duplicate", statuses)
	}
	calls := r.made()
	if len(calls) != 1 || string(calls[0].Input) != `{"n":40001}` {
		t.Fatalf("calls %+v", calls)
	}
	if _, err := calls[0].FileOf(json.RawMessage(`"body"`)); err != nil {
		t.Error(err)
	}
	if _, err := (connectors.Call{}).FileOf(json.RawMessage(`{"ref":"files/0"}`)); err == nil {
		t.Error("a file without a hook")
	}
}
