package outgoing

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/textproto"
	"strings"
	"sync"

	"sluice/connectors"
)

// Stream is the body of a request that is not held in memory.
type Stream struct {
	Size int64
	// Open reads it from its beginning, each time it is called.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// MultipartSchema is the JSON Schema of what [Multipart] reads.
const MultipartSchema = `{
      "type": "array", "title": "Multipart", "description": "Sent as multipart/form-data: fields with a value, and files", "maxItems": 100,
      "items": {
        "type": "object", "required": ["name"], "additionalProperties": false,
        "properties": {
          "name": {"type": "string", "title": "Name", "minLength": 1},
          "value": {"title": "Value", "description": "Text, or anything else as JSON"},
          "file": {"title": "File", "description": "A file of the hook, such as =files[0]"},
          "filename": {"type": "string", "title": "File name", "description": "The file's own when absent"},
          "contentType": {"type": "string", "title": "Content type", "description": "The file's own when absent"}
        }
      }
    }`

// Multipart makes a multipart/form-data body (RFC 7578) from a list of the input, and says of what type it is.
func Multipart(list json.RawMessage, call connectors.Call) (*Stream, string, error) {
	var items []struct {
		Name        string          `json:"name"`
		Value       json.RawMessage `json:"value"`
		File        json.RawMessage `json:"file"`
		Filename    string          `json:"filename"`
		ContentType string          `json:"contentType"`
	}
	if err := json.Unmarshal(list, &items); err != nil {
		return nil, "", errors.New("must be a list of parts with name, and value or file")
	}
	boundary := rand.Text()
	var parts []opener
	size := int64(0)
	text := func(b []byte) {
		size += int64(len(b))
		parts = append(parts, func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil })
	}
	for i, item := range items {
		file, err := call.FileOf(item.File)
		if err != nil {
			return nil, "", fmt.Errorf("%d: %w", i, err)
		}
		disposition := map[string]string{"name": item.Name}
		contentType := item.ContentType
		if file != nil {
			if disposition["filename"] = item.Filename; item.Filename == "" {
				disposition["filename"] = file.Name
			}
			if contentType == "" {
				contentType = file.ContentType
			}
		}
		head := "--" + boundary + "\r\nContent-Disposition: " + formDisposition(disposition) + "\r\n"
		if contentType = textproto.TrimString(contentType); contentType != "" {
			if strings.ContainsAny(contentType, "\r\n") {
				return nil, "", fmt.Errorf("%d: contentType holds a line break", i)
			}
			head += "Content-Type: " + contentType + "\r\n"
		}
		text([]byte(head + "\r\n"))
		if file != nil {
			size += file.Size
			parts = append(parts, file.Open)
		} else {
			var value string
			if json.Unmarshal(item.Value, &value) != nil {
				value = string(item.Value)
			}
			text([]byte(value))
		}
		text([]byte("\r\n"))
	}
	text([]byte("--" + boundary + "--\r\n"))
	return &Stream{Size: size, Open: func(ctx context.Context) (io.ReadCloser, error) {
		return &joined{ctx: ctx, rest: parts}, nil
	}}, mime.FormatMediaType("multipart/form-data", map[string]string{"boundary": boundary}), nil
}

// formDisposition writes names as browsers do: UTF-8 as it is, and what would end the text percent-encoded.
func formDisposition(parameters map[string]string) string {
	escape := strings.NewReplacer("\r", "%0D", "\n", "%0A", `"`, "%22")
	out := `form-data; name="` + escape.Replace(parameters["name"]) + `"`
	if name, ok := parameters["filename"]; ok {
		out += `; filename="` + escape.Replace(name) + `"`
	}
	return out
}

type opener func(context.Context) (io.ReadCloser, error)

// joined reads one after the other, and opens each when its turn comes.
type joined struct {
	ctx  context.Context
	rest []opener
	open io.ReadCloser
}

func (j *joined) Read(b []byte) (int, error) {
	for {
		if j.open == nil {
			if len(j.rest) == 0 {
				return 0, io.EOF
			}
			var err error
			if j.open, err = j.rest[0](j.ctx); err != nil {
				return 0, err
			}
			j.rest = j.rest[1:]
		}
		n, err := j.open.Read(b)
		if err == io.EOF {
			_ = j.open.Close()
			j.open, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (j *joined) Close() error {
	if j.open != nil {
		return j.open.Close()
	}
	return nil
}

// replayed is a stream as the client wants a body: it begins anew where a connection could not be made, and holds
// nothing in memory. The client would read any other body whole before it sends it. Close may come while a Read is under
// way: a target may answer before it has read all, and the transport's own goroutine learns of that later.
type replayed struct {
	ctx    context.Context
	stream *Stream

	mu     sync.Mutex
	open   io.ReadCloser
	closed bool
}

func (r *replayed) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekStart {
		return 0, errors.New("a stream begins at its beginning")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open != nil {
		_ = r.open.Close()
		r.open = nil
	}
	return 0, nil
}

func (r *replayed) Read(b []byte) (int, error) {
	open, err := r.opened()
	if err != nil {
		return 0, err
	}
	return open.Read(b)
}

func (r *replayed) opened() (io.ReadCloser, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errors.New("the request has ended")
	}
	if r.open == nil {
		open, err := r.stream.Open(r.ctx)
		if err != nil {
			return nil, err
		}
		r.open = open
	}
	return r.open, nil
}

func (r *replayed) Close() error {
	r.mu.Lock()
	open := r.open
	r.open, r.closed = nil, true
	r.mu.Unlock()
	if open == nil {
		return nil
	}
	return open.Close()
}

// Payload is what of an input says what a request's body is: at most one of Body, File and Multipart.
type Payload struct {
	Body, File, Multipart json.RawMessage
	ContentType           string
}

// Content is the body of the request, in memory or as a stream, and its content type. The error names the field.
func (p Payload) Content(call connectors.Call) (body []byte, stream *Stream, contentType string, err error) {
	given := func(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }
	switch {
	case given(p.File) && (given(p.Body) || given(p.Multipart)), given(p.Body) && given(p.Multipart):
		return nil, nil, "", connectors.BadInput("a request has one body: give body, file or multipart")
	case given(p.File):
		file, err := call.FileOf(p.File)
		if err != nil {
			return nil, nil, "", err
		}
		if contentType = p.ContentType; contentType == "" {
			contentType = file.ContentType
		}
		return nil, &Stream{Size: file.Size, Open: file.Open}, contentType, nil
	case given(p.Multipart):
		if stream, contentType, err = Multipart(p.Multipart, call); err != nil {
			return nil, nil, "", connectors.BadInput("multipart: %v", err)
		}
		return nil, stream, contentType, nil
	}
	if body, contentType, err = Content(p.Body, p.ContentType); err != nil {
		err = connectors.BadInput("body: %v", err)
	}
	return body, nil, contentType, err
}

// FileSchema is the JSON Schema of a field that names a file.
const FileSchema = `{"title": "File", "description": "A file of the hook, sent as the body, such as =files[0]; body is the hook's body as it came"}`
