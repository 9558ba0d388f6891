// Package blobs keeps what is too large for Kafka: bodies over
// schemas.MaxInlineBody, and files. A blob is written once, whole, and never
// changed. It is there before the record that names it.
package blobs

import (
	"context"
	"errors"
	"io"
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
