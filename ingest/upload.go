package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"mime"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"sluice/schemas"
	"sluice/schemas/blobs"
	"sluice/schemas/bodies"
)

// Memory that an upload takes, of the budget for bodies.
const (
	uploadMemory  = schemas.MaxInlineBody + 256<<10
	decoderMemory = maxWindow + 1<<20 // of one encoding
)

// Bounds of what an encoded body may become.
const (
	maxRatio  = 100     // to the bytes that came, from
	ratioFrom = 1 << 20 // decoded bytes on
)

// commitPatience is how long the blob store may take to keep what has come.
const commitPatience = 30 * time.Second

// upload is a body on its way that is too large for memory, or may be, or holds
// files, or is encoded. It is read once: what comes is proven, decoded, counted,
// hashed, kept and checked piece by piece, and no piece is held longer than
// that. What turns out to be small and without files is a body like any other;
// all else goes to the blob store while it comes, and is there, whole and
// durable, before the record that names it.
//
// A process that is killed on the way leaves what was begun, which nobody sees
// and the sweeper removes; one that is killed between commit and append leaves
// a blob that no record names, which the sweeper removes as well.
type upload struct {
	edge    *Edge
	kind    bodies.Type
	limit   int64
	encoded bool
	text    utf8Check // of a body without a type
	ctx     context.Context
	cancel  context.CancelFunc

	name   string // of the blob
	blob   blobs.Writer
	buffer []byte // all that came, while there is no blob
	sum    hash.Hash
	size   int64
	files  []schemas.File

	fail  *refusal // why the reading ended
	fault *refusal // what is wrong with a body that came whole
}

// takeBody reads the body and proves its signature. After it, a body that is
// small is in r.body, any other in r.upload.
func (e *Edge) takeBody(r *request) *refusal {
	header := &r.http.Request.Header
	list, known := encodings(header)
	if !known {
		return &refusal{status: 415, reason: ReasonEncoding, detail: "the body's Content-Encoding is not known here, or more than " + fmt.Sprint(maxEncodings) + ": " + acceptedEncodings + " are", encodings: acceptedEncodings}
	}
	kind, err := typeOf(header.ContentType())
	if err != nil {
		return &refusal{status: 415, reason: ReasonEncoding, detail: err.Error()}
	}
	r.kind = kind
	limit := e.limitOf(kind.Kind)
	if r.flow.raw && kind.Kind != bodies.File { // its bytes are handed over as they are, whatever they are
		r.kind, limit = bodies.Type{Kind: bodies.Text, Media: kind.Media}, int64(e.options.MaxBody)
	}
	length := header.ContentLength() // -1: chunked; -2: none
	small := length <= schemas.MaxInlineBody && length != -1
	if e.options.Blobs == nil || length == 0 || length == -2 || small && len(list) == 0 && inline(r.kind.Kind) {
		if len(list) > 0 && length != 0 && length != -2 {
			return &refusal{status: 415, reason: ReasonEncoding, detail: "the body is encoded: send it without Content-Encoding", encodings: "identity"}
		}
		if refusal := e.readBody(r); refusal != nil {
			return refusal
		}
		r.read = true
		return r.flow.lock.afterBody(r.http, r.body, r.sent)
	}
	return e.stream(r, list, limit)
}

// typeOf reads a content type without memory for the one that most have.
func typeOf(contentType []byte) (bodies.Type, error) {
	if string(contentType) == "application/json" {
		return bodies.Type{Kind: bodies.JSON, Media: "application/json"}, nil
	}
	return bodies.TypeOf(string(contentType))
}

// inline: a small body of this kind is kept in its record.
func inline(k bodies.Kind) bool {
	return k != bodies.File && k != bodies.Multipart && k != bodies.Unknown
}

func (e *Edge) limitOf(k bodies.Kind) int64 {
	switch k {
	case bodies.File, bodies.Unknown:
		return int64(e.options.MaxFile)
	case bodies.Multipart:
		return int64(e.options.MaxFile) + int64(e.options.MaxBody) // fields and files have limits of their own
	}
	return int64(e.options.MaxBody)
}

func tooLarge(limit int64) *refusal {
	return &refusal{status: 413, reason: ReasonTooLarge, detail: fmt.Sprintf("the body is larger than %d bytes", limit)}
}

// stream reads a body as an upload.
func (e *Edge) stream(r *request, list []string, limit int64) *refusal {
	length := int64(r.http.Request.Header.ContentLength())
	lock := r.flow.lock
	signed := lock.kind == "signed"
	collects := signed && !lock.verifier.Streams()
	if collects {
		limit = min(limit, int64(e.options.MaxBody))
	}
	switch {
	case length > limit:
		return tooLarge(limit)
	case !signed && !r.flow.takes(r.http.Method()):
		return r.flow.otherMethod // who sends is proven: nothing is gained by reading on
	}
	most := length
	if most < 0 {
		most = limit
	}
	deadline := e.options.ReadTimeout + time.Duration(most)*time.Second/minRate
	e.pace(r, 0)
	memory := uploadMemory + len(list)*decoderMemory
	if collects {
		memory += int(most)
	}
	if buffered, ok := e.options.Blobs.(interface{ Buffered() int }); ok {
		memory += buffered.Buffered()
	}
	if refusal := e.hold(r, memory); refusal != nil {
		return refusal
	}

	u := &upload{
		edge: e, kind: r.kind, limit: limit, encoded: len(list) > 0, sum: sha256.New(), buffer: r.delivery.body[:0],
		name: r.began.UTC().Format("2006-01-02") + "/" + r.idText,
	}
	u.ctx, u.cancel = context.WithTimeout(context.Background(), deadline+commitPatience)
	r.upload = u
	from := &wire{stream: r.http.RequestBodyStream(), length: length, limit: limit, upload: u, pace: func(came int64) { e.pace(r, came) }}
	if collects {
		from.collected = &[]byte{}
	} else {
		proof, refusal := lock.begin(r.http, r.sent)
		if refusal != nil {
			return refusal
		}
		from.proof = proof
	}
	u.read(r, from, list)
	if u.fail == nil && (signed || u.fault == nil) {
		// What is signed is all that came, also behind where a decoder, or the
		// check, has stopped.
		_, _ = io.Copy(io.Discard, from)
		r.read = from.ended
	}
	if u.fail != nil {
		return u.fail
	}
	if collects {
		return lock.afterBody(r.http, *from.collected, r.sent)
	}
	if from.proof != nil {
		return unproven(from.proof.End())
	}
	return nil
}

// read takes the body in. What goes wrong is in fail or fault.
func (u *upload) read(r *request, from *wire, list []string) {
	body, release, err := decode(from, list)
	defer func() { release() }()
	if err != nil {
		u.stop(notDecoded)
		return
	}
	kept := &kept{from: body, wire: from, upload: u, encoded: len(list) > 0}
	fault, err := u.check(r, kept)
	switch {
	case u.fail != nil:
	case fault != nil:
		u.fault = malformed(fault)
	case err != nil: // all that reads has said so itself
		u.stop(slow(err))
	default:
		// A check reads to the end of what it checks.
		if _, err := io.Copy(io.Discard, kept); err != nil {
			u.stop(slow(err))
		}
	}
	if u.kind.Kind == bodies.File || u.kind.Kind == bodies.Unknown && u.text.broken() {
		u.files = []schemas.File{{Name: fileName(r.http, u.kind.Media), ContentType: orOctets(u.kind.Media), Size: u.size, SHA256: u.hash()}}
	}
}

func (u *upload) stop(why *refusal) {
	if u.fail == nil {
		u.fail = why
	}
}

// check reads the body by its kind.
func (u *upload) check(r *request, body io.Reader) (*bodies.Fault, error) {
	limits := u.edge.limits()
	if u.kind.Kind != bodies.Multipart {
		return u.kind.Check(body, limits)
	}
	var fields, files int64
	return u.kind.ReadParts(body, func(p bodies.Part, content io.Reader) error {
		if !p.IsFile {
			n, err := io.Copy(io.Discard, content)
			if fields += n; fields > int64(u.edge.options.MaxBody) {
				u.stop(tooLarge(int64(u.edge.options.MaxBody)))
				return errRefused
			}
			return err
		}
		sum := sha256.New()
		n, err := io.Copy(sum, content)
		if err != nil {
			return err
		}
		if files += n; files > int64(u.edge.options.MaxFile) {
			u.stop(tooLarge(int64(u.edge.options.MaxFile)))
			return errRefused
		}
		file := schemas.File{Field: p.Field, Name: p.Name, ContentType: orOctets(p.ContentType), Size: n, SHA256: hex.EncodeToString(sum.Sum(nil)), Offset: p.Offset}
		if file.Name == "" {
			file.Name = "file" + extension(file.ContentType)
		}
		u.files = append(u.files, file)
		return nil
	})
}

// errRefused ends the reading; why is the upload's fail.
var errRefused = errors.New("refused")

var notDecoded = &refusal{status: 400, reason: ReasonEncoding, detail: "the body is not encoded as its Content-Encoding says, or ends early"}

// wire is the body as it comes, encoded and signed.
type wire struct {
	stream    io.Reader
	length    int64 // -1: chunked
	limit     int64
	upload    *upload
	pace      func(came int64)
	proof     *Proof  // nil: nothing is proven while it comes
	collected *[]byte // nil: it is not wanted whole
	came      int64
	ended     bool
}

func (w *wire) Read(b []byte) (int, error) {
	if w.upload.fail != nil {
		return 0, errRefused
	}
	if w.ended {
		return 0, io.EOF
	}
	n, err := w.stream.Read(b)
	if w.came += int64(n); w.came > w.limit {
		w.upload.stop(tooLarge(w.limit))
		return 0, errRefused
	}
	w.pace(w.came)
	if w.proof != nil {
		_, _ = w.proof.Write(b[:n]) // never fails
	}
	if w.collected != nil {
		*w.collected = append(*w.collected, b[:n]...)
	}
	if err == io.EOF && w.came < w.length {
		err = io.ErrUnexpectedEOF
	}
	switch {
	case err == io.EOF:
		w.ended = true
	case err != nil:
		w.upload.stop(slow(err))
	}
	return n, err
}

// kept is the body decoded. What is read of it is kept.
type kept struct {
	from    io.Reader
	wire    *wire
	upload  *upload
	encoded bool
}

func (k *kept) Read(b []byte) (int, error) {
	n, err := k.from.Read(b)
	u := k.upload
	if n > 0 {
		if refusal := u.keep(b[:n]); refusal != nil {
			u.stop(refusal)
			return 0, errRefused
		}
		if k.encoded && u.size > ratioFrom && u.size > maxRatio*k.wire.came {
			u.stop(&refusal{status: 413, reason: ReasonTooLarge, detail: fmt.Sprintf("the body becomes more than %d times as large when it is decoded", maxRatio)})
			return 0, errRefused
		}
	}
	if err != nil && err != io.EOF {
		if k.encoded {
			u.stop(notDecoded) // unless the wire has said why
		}
		return n, err
	}
	return n, err
}

// keep takes a piece of the body.
func (u *upload) keep(b []byte) *refusal {
	u.size += int64(len(b))
	if u.kind.Kind == bodies.Unknown {
		u.text.write(b)
		if most := int64(u.edge.options.MaxBody); u.size > most && !u.text.broken() {
			return tooLarge(most)
		}
	}
	if u.size > u.limit {
		return tooLarge(u.limit)
	}
	u.sum.Write(b)
	if u.blob == nil {
		if u.size <= schemas.MaxInlineBody {
			u.buffer = append(u.buffer, b...)
			return nil
		}
		if refusal := u.begin(); refusal != nil {
			return refusal
		}
	}
	_, err := u.blob.Write(b)
	return u.failed(err)
}

// begin opens the blob and writes what has come so far.
func (u *upload) begin() *refusal {
	blob, err := u.edge.options.Blobs.Create(u.ctx, u.name)
	if err != nil {
		return u.failed(err)
	}
	u.blob = blob
	_, err = blob.Write(u.buffer)
	u.buffer = u.buffer[:0]
	return u.failed(err)
}

func (u *upload) failed(err error) *refusal {
	if err == nil {
		return nil
	}
	u.edge.log.Error("a body could not be stored", "blob", u.name, "error", err)
	return notStored
}

var notStored = &refusal{status: 503, reason: ReasonUnavailable, detail: "the body could not be stored: send it again later", retryAfter: 2}

func (u *upload) hash() string { return hex.EncodeToString(u.sum.Sum(nil)) }

// commit makes the body durable where it belongs: small ones are the record's.
func (u *upload) commit(r *request) *refusal {
	if u.blob == nil && len(u.files) == 0 {
		r.body, r.delivery.body = u.buffer, u.buffer
		return nil
	}
	if u.blob == nil {
		if refusal := u.begin(); refusal != nil {
			return refusal
		}
	}
	if err := u.blob.Commit(); err != nil {
		return u.failed(err)
	}
	r.ref = &schemas.BodyRef{Blob: u.name, Size: u.size, SHA256: u.hash()}
	return nil
}

// end gives up what was not committed.
func (u *upload) end() {
	if u.blob != nil {
		u.blob.Abort()
	}
	u.cancel()
}

// files are those of an upload.
func (r *request) files() []schemas.File {
	if r.upload == nil {
		return nil
	}
	return r.upload.files
}

// small is the body in memory, for who asks before it is kept; nil when it is
// not all there.
func (u *upload) small() []byte {
	if u.blob != nil {
		return nil
	}
	return u.buffer
}

// utf8Check says whether bytes that come in pieces are UTF-8.
type utf8Check struct {
	bad  bool
	left []byte // of a character whose end has not come
}

func (c *utf8Check) write(b []byte) {
	if c.bad {
		return
	}
	if len(c.left) > 0 {
		n := min(utf8.UTFMax, len(b))
		joined := append(c.left, b[:n]...)
		size := 0
		for size < len(c.left) && utf8.FullRune(joined[size:]) {
			r, width := utf8.DecodeRune(joined[size:])
			if r == utf8.RuneError && width <= 1 {
				c.bad = true
				return
			}
			size += width
		}
		if size < len(c.left) { // still not all of it
			c.left = joined
			return
		}
		b = b[size-len(c.left):]
		c.left = nil
	}
	end := len(b)
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if utf8.RuneStart(b[len(b)-i]) {
			if !utf8.FullRune(b[len(b)-i:]) {
				end = len(b) - i
			}
			break
		}
	}
	c.bad = !utf8.Valid(b[:end])
	c.left = append([]byte{}, b[end:]...)
}

// broken: what came is not UTF-8, or ends within a character.
func (c *utf8Check) broken() bool { return c.bad || len(c.left) > 0 && !utf8.Valid(c.left) }

func orOctets(contentType string) string {
	if contentType == "" {
		return "application/octet-stream"
	}
	return contentType
}

// fileName names a body that is a file: as Content-Disposition says, or the
// path's last segment, or after its type.
func fileName(http *fasthttp.RequestCtx, media string) string {
	if disposition := http.Request.Header.Peek(fasthttp.HeaderContentDisposition); len(disposition) > 0 {
		if _, parameters, err := mime.ParseMediaType(string(disposition)); err == nil {
			if name := bodies.FileName(parameters["filename"]); name != "" {
				return name
			}
		}
	}
	if path, below := strings.CutPrefix(string(http.Path()), "/hook/"); below {
		if _, suffix, ok := strings.Cut(path, "/"); ok && strings.Contains(suffix[strings.LastIndexByte(suffix, '/')+1:], ".") {
			if name := bodies.FileName(suffix); name != "" {
				return name
			}
		}
	}
	return "body" + extension(media)
}

// extension is what names of files of a type end in.
func extension(contentType string) string {
	media, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	switch strings.TrimSpace(media) {
	case "application/pdf":
		return ".pdf"
	case "application/zip":
		return ".zip"
	case "application/gzip":
		return ".gz"
	case "image/png":
		return ".png"
	case "image/jpeg":
		return ".jpg"
	case "image/gif":
		return ".gif"
	case "image/webp":
		return ".webp"
	case "audio/mpeg":
		return ".mp3"
	case "video/mp4":
		return ".mp4"
	case "application/yaml":
		return ".yaml"
	case "application/json":
		return ".json"
	case "application/xml":
		return ".xml"
	}
	return ".bin"
}
