package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"sluice/connectors"
	"sluice/schemas"
	"sluice/schemas/blobs"
	"sluice/schemas/bodies"
)

const (
	// maxBody is the largest body, in bytes, that is made a value of. The edge
	// takes larger ones as files alone.
	maxBody = 32 << 20
	// viewBytes is the memory that large bodies may take at once while steps look
	// at them, and viewFactor what a byte of a body takes as a value.
	viewBytes  = 512 << 20
	viewFactor = 12
)

// bodyTries is how often a body is asked for, and bodyPause how long after the
// first failure it is asked for again; then twice as long.
const (
	bodyTries = 5
	bodyPause = 200 * time.Millisecond
)

// store is where large bodies are, for the steps of one process.
type store struct {
	blobs  blobs.Store
	bytes  int64 // that views may take at once
	memory *semaphore.Weighted
}

func newStore(b blobs.Store, bytes int64) *store {
	return &store{b, bytes, semaphore.NewWeighted(bytes)}
}

// open brings a hook's body to hand. A large one belongs to the caller alone,
// until done: views of large bodies that many executions hold on to while they
// wait would take all there is of memory. Called by jobs.
func (s *store) open(ctx context.Context, h *loadedHook, raw bool) (opened *loadedHook, done func(), err error) {
	done = func() {}
	spans := bodySpans(h.Hook, raw)
	if len(spans) == 0 {
		return h, done, nil
	}
	size := int64(0)
	for _, span := range spans {
		size += span[1]
	}
	if size > maxBody {
		return nil, done, &connectors.Error{Kind: connectors.KindInput, Retry: connectors.RetryNever,
			Message: fmt.Sprintf("the body has %d bytes, and no more than %d are made a value of", size, maxBody)}
	}
	if done, err = s.room(ctx, int(size)); err != nil {
		return nil, done, connectors.AsError(err)
	}
	body, err := s.read(ctx, h.BodyRef.Blob, spans, size)
	if err != nil {
		done()
		return nil, func() {}, err
	}
	whole := *h.Hook
	whole.Body = body
	return &loadedHook{Hook: &whole}, done, nil
}

// room waits until a body of so many bytes may be made a value of, until done.
func (s *store) room(ctx context.Context, size int) (done func(), err error) {
	weight := min(int64(size)*viewFactor, s.bytes)
	if err := s.memory.Acquire(ctx, weight); err != nil {
		return func() {}, err
	}
	return func() { s.memory.Release(weight) }, nil
}

// withBody brings a large body to hand where a flow's dedupe or order needs it,
// which the loop has to know before anything else. A store that stays away ends
// the session: who is a duplicate of whom cannot be guessed. A body that is gone
// has no key.
func (s *store) withBody(ctx context.Context, flow *schemas.Flow, h *loadedHook) (*loadedHook, func(), error) {
	if _, key := flow.OrderBy(); h.BodyRef == nil || flow.Dedupe == nil && key == "" {
		return h, func() {}, nil
	}
	opened, done, err := s.open(ctx, h, flow.Trigger.Raw)
	if e := connectors.AsError(err); err != nil && e.Retry == connectors.RetryNever {
		return h, done, nil
	}
	return opened, done, err
}

// bodySpans are the parts of a hook's blob, as offset and length, that its view
// is made of: all of it, but nothing of a file, and of a multipart body what is
// between the files.
func bodySpans(h *schemas.Hook, raw bool) [][2]int64 {
	if h.BodyRef == nil {
		return nil
	}
	kind, _ := bodies.TypeOf(h.ContentType)
	if raw || len(h.Files) == 0 && kind.Kind != bodies.File {
		return [][2]int64{{0, h.BodyRef.Size}}
	}
	if kind.Kind != bodies.Multipart {
		return nil
	}
	var spans [][2]int64
	at := int64(0)
	for _, f := range h.Files {
		if f.Offset > at {
			spans = append(spans, [2]int64{at, f.Offset - at})
		}
		at = f.Offset + f.Size
	}
	if at < h.BodyRef.Size {
		spans = append(spans, [2]int64{at, h.BodyRef.Size - at})
	}
	return spans
}

// read reads parts of a blob, and tries again when the store is away.
func (s *store) read(ctx context.Context, blob string, spans [][2]int64, size int64) ([]byte, error) {
	if s.blobs == nil {
		return nil, &connectors.Error{Kind: connectors.KindInternal, Message: "this process has no blob store to read the hook's body from"}
	}
	for try, pause := 1, bodyPause; ; try, pause = try+1, 2*pause {
		body, err := s.readOnce(ctx, blob, spans, size)
		if err == nil || ctx.Err() != nil {
			return body, err
		}
		if gone := errors.Is(err, blobs.ErrNotFound); gone || try == bodyTries {
			return nil, bodyError(err)
		}
		if !schemas.Pause(ctx, pause) {
			return nil, connectors.AsError(ctx.Err())
		}
	}
}

func bodyError(err error) *connectors.Error {
	e := &connectors.Error{Kind: connectors.KindInternal, Message: "reading the hook's body again: " + err.Error()}
	if errors.Is(err, blobs.ErrNotFound) {
		e.Retry, e.Message = connectors.RetryNever, "the hook's body is gone from the blob store: it is kept as long as the hook"
	}
	return e
}

func (s *store) readOnce(ctx context.Context, blob string, spans [][2]int64, size int64) ([]byte, error) {
	body := make([]byte, 0, size)
	for _, span := range spans {
		r, err := s.blobs.Open(ctx, blob, span[0], span[1])
		if err != nil {
			return nil, err
		}
		part := body[len(body) : len(body)+int(span[1])]
		_, err = io.ReadFull(r, part)
		_ = r.Close() // all that matters is read
		if err != nil {
			return nil, fmt.Errorf("reading blob %s: %w", blob, err)
		}
		body = body[:len(body)+len(part)]
	}
	return body, nil
}

// fileRef is how a step names a file of its hook.
func fileRef(n int) string { return "files/" + strconv.Itoa(n) }

// bodyRef is how a step names the hook's body, as it came.
const bodyRef = "body"

// file opens a file of a hook, or its body, for a component. A ref is good for
// the execution's own hook alone: it may have come with a hook.
func (s *store) file(h *schemas.Hook, ref string) (*connectors.File, error) {
	none := connectors.BadInput("there is no file %q: give a file of the hook, such as =files[0]", ref)
	if ref == bodyRef {
		f := &connectors.File{Name: "body", ContentType: h.ContentType, Size: int64(len(h.Body))}
		if h.BodyRef == nil {
			f.Open = func(context.Context) (io.ReadCloser, error) {
				return io.NopCloser(strings.NewReader(string(h.Body))), nil
			}
			return f, nil
		}
		f.Size, f.SHA256 = h.BodyRef.Size, h.BodyRef.SHA256
		f.Blob = &schemas.BodyRef{Blob: h.BodyRef.Blob, Size: f.Size, SHA256: f.SHA256}
		f.Open = s.opening(h.BodyRef.Blob, 0, f.Size)
		return f, nil
	}
	number, isFile := strings.CutPrefix(ref, "files/")
	n, err := strconv.Atoi(number)
	if !isFile || err != nil || n < 0 || n >= len(h.Files) || h.BodyRef == nil {
		return nil, none
	}
	of := h.Files[n]
	return &connectors.File{
		Name: of.Name, ContentType: of.ContentType, Size: of.Size, SHA256: of.SHA256,
		Blob: &schemas.BodyRef{Blob: h.BodyRef.Blob, Offset: of.Offset, Size: of.Size, SHA256: of.SHA256},
		Open: s.opening(h.BodyRef.Blob, of.Offset, of.Size),
	}, nil
}

func (s *store) opening(blob string, offset, size int64) func(context.Context) (io.ReadCloser, error) {
	return func(ctx context.Context) (io.ReadCloser, error) {
		if s.blobs == nil {
			return nil, &connectors.Error{Kind: connectors.KindInternal, Message: "this process has no blob store to read the file from"}
		}
		r, err := s.blobs.Open(ctx, blob, offset, size)
		if err != nil {
			return nil, bodyError(err)
		}
		return r, nil
	}
}
