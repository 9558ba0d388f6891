package connectors

import (
	"bytes"
	"context"
	"encoding/json"
	"io"

	"sluice/schemas"
)

// File is a file that came with the hook, or the hook's body as it came.
type File struct {
	Name        string
	ContentType string
	Size        int64  // bytes
	SHA256      string // lower-case hex; may be empty for a small body
	// Open reads it from its beginning, each time it is called. Its error is, or wraps, an [*Error].
	Open func(ctx context.Context) (io.ReadCloser, error)
	// Blob is where it is kept; nil for a small body.
	Blob *schemas.BodyRef
}

// FileOf is the file that a field of the input names: an object of the scope's files, such as =files[0], its ref, or
// "body" for the hook's body as it came. It is nil where the field is empty. Only files of the execution's own hook can
// be named.
func (c Call) FileOf(field json.RawMessage) (*File, error) {
	field = bytes.TrimSpace(field)
	if len(field) == 0 || string(field) == "null" {
		return nil, nil
	}
	var ref string
	var object struct{ Ref string }
	if json.Unmarshal(field, &ref) != nil {
		if json.Unmarshal(field, &object) != nil || object.Ref == "" {
			return nil, BadInput("file: give a file of the hook, such as =files[0]")
		}
		ref = object.Ref
	}
	if c.File == nil {
		return nil, BadInput("file: there are no files here")
	}
	return c.File(ref)
}
