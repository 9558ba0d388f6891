// Package blobs keeps what is too large for Kafka: bodies over
// schemas.MaxInlineBody, and files. A blob is written once, whole, and never
// changed. It is there before the record that names it.
package blobs

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"
)

// ErrNotFound says that there is no blob of that name.
var ErrNotFound = errors.New("there is no such blob")

// Store keeps blobs by name. A name is made of segments of [0-9a-zA-Z._-]
// between slashes. Implementations are safe for concurrent use.
type Store interface {
	// Create begins a blob. It is there for others, whole and durable, once
	// Commit has returned nil, and not at all before. Of two writers of one name
	// the last to commit wins.
	Create(ctx context.Context, name string) (Writer, error)
	// Open reads length bytes from offset on; a negative length is the rest. The
	// error is, or wraps, ErrNotFound when there is no such blob.
	Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error)
	// List calls each for every blob, in no order, until each says stop or fails.
	List(ctx context.Context, each func(Info) error) error
	// Remove removes a blob; one that is not there is no error.
	Remove(ctx context.Context, name string) error
	// Tidy removes what was begun before a time and never committed.
	Tidy(ctx context.Context, before time.Time) error
	// Check says whether blobs can be written, read and removed.
	Check(ctx context.Context) error
}

// Writer takes a blob's bytes.
type Writer interface {
	io.Writer
	// Commit makes the blob durable under its name.
	Commit() error
	// Abort gives it up; nothing is left of it. After Commit it does nothing.
	Abort()
}

// Info is what a listing says of a blob.
type Info struct {
	Name     string
	Size     int64
	Modified time.Time
}

// Open opens the store that a URL names: a folder, as a path or a file:// URL,
// or s3://BUCKET (s3.go says with what).
func Open(address string) (Store, error) {
	if strings.HasPrefix(address, "s3://") {
		return OpenS3(address)
	}
	if folder, isURL := strings.CutPrefix(address, "file://"); isURL {
		path, err := url.PathUnescape(folder)
		if err != nil || path == "" {
			return nil, fmt.Errorf("the blob store's URL %q names no folder: write it like file:///var/lib/sluice/blobs", address)
		}
		return OpenLocal(path)
	}
	if scheme, _, isURL := strings.Cut(address, "://"); isURL {
		return nil, fmt.Errorf("the blob store cannot be at %s://: give a folder, or s3://BUCKET", scheme)
	}
	return OpenLocal(address)
}

// checkName refuses what is no blob's name, so that no name leads out of the
// store or to what is not a blob.
func checkName(name string) error {
	for segment := range strings.SplitSeq(name, "/") {
		if segment == "" || segment[0] == '.' || strings.Trim(segment, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-") != "" {
			return fmt.Errorf("%q is no blob's name", name)
		}
	}
	return nil
}

// check is Check for every store.
func check(ctx context.Context, s Store) error {
	text := []byte(rand.Text())
	name := "check/" + string(text)
	w, err := s.Create(ctx, name)
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := w.Write(text); err != nil {
		return err
	}
	if err := w.Commit(); err != nil {
		return err
	}
	r, err := s.Open(ctx, name, 0, -1)
	if err != nil {
		return err
	}
	defer r.Close()
	read, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("reading blob %s: %w", name, err)
	}
	if !bytes.Equal(read, text) {
		return fmt.Errorf("reading blob %s: it is not what was written", name)
	}
	return s.Remove(ctx, name)
}
