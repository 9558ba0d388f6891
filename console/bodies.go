package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"sluice/schemas"
	"sluice/schemas/blobs"
)

// HookFile is a file in a hook's body.
type HookFile struct {
	Field       string `json:"field,omitempty" doc:"Of the form; absent when the body is the file"`
	Name        string `json:"name"`
	ContentType string `json:"contentType"`
	Size        int64  `json:"size"`
	SHA256      string `json:"sha256"`
	URL         string `json:"url" doc:"Where it can be fetched"`
}

// storedBody is where a hook's body is, by its row.
type storedBody struct {
	text   string // empty when blob is not
	size   uint64
	sha256 string
	blob   string
	files  string // JSON
}

// ref is the place of a body in the blob store, or nil.
func (b *storedBody) ref() *schemas.BodyRef {
	if b.blob == "" {
		return nil
	}
	return &schemas.BodyRef{Blob: b.blob, Size: int64(b.size), SHA256: b.sha256}
}

func (b *storedBody) list() ([]schemas.File, error) {
	if b.files == "" {
		return nil, nil
	}
	var files []schemas.File
	if err := json.Unmarshal([]byte(b.files), &files); err != nil {
		return nil, fmt.Errorf("reading the files of a hook's row: %w", err)
	}
	return files, nil
}

// show says where a body and its files can be fetched.
func (b *storedBody) show(out *ExecutionHook, id schemas.ExecutionID) error {
	files, err := b.list()
	if err != nil {
		return err
	}
	at := "/api/v1/executions/" + id.String()
	out.BodySize, out.BodySHA256, out.BodyURL, out.Files = b.size, b.sha256, at+"/body", []HookFile{}
	for i, f := range files {
		out.Files = append(out.Files, HookFile{f.Field, f.Name, f.ContentType, f.Size, f.SHA256, at + "/files/" + strconv.Itoa(i)})
	}
	return nil
}

func (c *Console) registerBodies(api huma.API) {
	body := op("get-execution-body", http.MethodGet, "/executions/{id}/body", "Download the hook's body, as it came but for its Content-Encoding", "executions", 400, 404, 503)
	body.Responses = downloads()
	huma.Register(api, body, func(ctx context.Context, in *executionInput) (*huma.StreamResponse, error) {
		return c.download(ctx, in, func(h *storedHook) (download, bool) {
			return download{h.stored.ref(), h.stored.text, "body", h.ContentType, h.stored.sha256}, true
		})
	})
	file := op("get-execution-file", http.MethodGet, "/executions/{id}/files/{n}", "Download a file of the hook", "executions", 400, 404, 503)
	file.Responses = downloads()
	huma.Register(api, file, func(ctx context.Context, in *fileInput) (*huma.StreamResponse, error) {
		return c.download(ctx, &executionInput{in.ID}, func(h *storedHook) (download, bool) {
			files, err := h.stored.list()
			if err != nil || in.N >= len(files) || h.stored.blob == "" {
				return download{}, false
			}
			f := files[in.N]
			return download{&schemas.BodyRef{Blob: h.stored.blob, Offset: f.Offset, Size: f.Size}, "", f.Name, f.ContentType, f.SHA256}, true
		})
	})
}

type fileInput struct {
	ID string `path:"id" doc:"The execution's ID"`
	N  int    `path:"n" minimum:"0" doc:"Which one, from 0"`
}

func downloads() map[string]*huma.Response {
	return map[string]*huma.Response{"200": {
		Description: "The bytes",
		Content:     map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
	}}
}

// download is what is to be downloaded: a part of a blob, or a text.
type download struct {
	ref                       *schemas.BodyRef
	text                      string
	name, contentType, sha256 string
}

// download streams bytes that a stranger sent: as an attachment, of no type that
// a browser would run, so that they never act in the console's name.
func (c *Console) download(ctx context.Context, in *executionInput, choose func(*storedHook) (download, bool)) (*huma.StreamResponse, error) {
	id, err := in.parse()
	if err != nil {
		return nil, err
	}
	asking, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	if c.opts.ClickHouse == nil {
		return nil, problem(http.StatusServiceUnavailable, historyRemedy, "there is no ClickHouse to ask")
	}
	h, err := c.hook(asking, id)
	if err != nil {
		return nil, err
	}
	if h == nil {
		return nil, problem(http.StatusNotFound, "one that was accepted just now appears within a second; history is kept for 30 days", "the run log has no execution %s", id)
	}
	if h.erased {
		return nil, problem(http.StatusNotFound, "", "the data of execution %s was erased", id)
	}
	what, ok := choose(h)
	if !ok {
		return nil, problem(http.StatusNotFound, "GET /api/v1/executions/{id} lists its files", "execution %s has no such file", id)
	}
	var content io.ReadCloser = io.NopCloser(strings.NewReader(what.text))
	size := int64(len(what.text))
	if what.ref != nil {
		if c.opts.Blobs == nil {
			return nil, problem(http.StatusServiceUnavailable, "give the console the SLUICE_BLOB_URL of the edge", "there is no blob store to read from")
		}
		content, err = c.opts.Blobs.Open(ctx, what.ref.Blob, what.ref.Offset, what.ref.Size)
		if errors.Is(err, blobs.ErrNotFound) {
			return nil, problem(http.StatusNotFound, "it is kept as long as the flow's history; or the process that took it keeps its blobs elsewhere: give all of them the same SLUICE_BLOB_URL", "the body of execution %s is not in the blob store any more", id)
		}
		if err != nil {
			c.log.Error("opening a body", "execution", id.String(), "error", err)
			return nil, problem(http.StatusServiceUnavailable, "check SLUICE_BLOB_URL with `sluice doctor`", "the body of execution %s cannot be read now", id)
		}
		size = what.ref.Size
	}
	return &huma.StreamResponse{Body: func(h huma.Context) {
		defer content.Close()
		h.SetHeader("Content-Type", inert(what.contentType))
		h.SetHeader("Content-Length", strconv.FormatInt(size, 10))
		disposition := mime.FormatMediaType("attachment", map[string]string{"filename": what.name})
		if disposition == "" {
			disposition = "attachment"
		}
		h.SetHeader("Content-Disposition", disposition)
		h.SetHeader("X-Content-Type-Options", "nosniff")
		h.SetHeader("Content-Security-Policy", "default-src 'none'; sandbox")
		h.SetHeader("Cache-Control", "private, no-store")
		if what.sha256 != "" {
			h.SetHeader("ETag", `"`+what.sha256+`"`)
		}
		if _, err := io.Copy(h.BodyWriter(), content); err != nil {
			c.log.Debug("sending a body", "execution", id.String(), "error", err)
		}
	}}, nil
}

// inert is a content type as it may be sent back: none that is malformed.
func inert(contentType string) string {
	media, parameters, err := mime.ParseMediaType(contentType)
	if err != nil {
		return "application/octet-stream"
	}
	if formatted := mime.FormatMediaType(media, parameters); formatted != "" {
		return formatted
	}
	return "application/octet-stream"
}
