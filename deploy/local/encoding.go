package local

import (
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// decodeBody undoes the Content-Encoding of a request.
func decodeBody(body io.Reader, encoding string) (io.Reader, error) {
	switch encoding {
	case "", "identity":
		return body, nil
	case "gzip":
		return gzip.NewReader(body)
	case "deflate":
		return zlib.NewReader(body)
	case "br":
		return brotli.NewReader(body), nil
	case "lz4":
		return lz4.NewReader(body), nil
	case "zstd":
		r, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return r.IOReadCloser(), nil
	default:
		return nil, refusal(89, "UNKNOWN_COMPRESSION_METHOD", "Unknown compression method: %s", encoding)
	}
}

// encodings are those of a response, best first when a client takes any.
var encodings = []string{"gzip", "deflate", "br", "lz4", "zstd"}

// chooseEncoding returns the first of the client's encodings that is known.
func chooseEncoding(accept string) string {
	for part := range strings.SplitSeq(accept, ",") {
		name, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		for _, known := range encodings {
			if name == known {
				return known
			}
		}
	}
	return ""
}

func encodeBody(w io.Writer, encoding string) io.WriteCloser {
	switch encoding {
	case "gzip":
		zw, _ := gzip.NewWriterLevel(w, 3) // a constant level that exists
		return zw
	case "deflate":
		zw, _ := zlib.NewWriterLevel(w, 3)
		return zw
	case "br":
		return brotli.NewWriterLevel(w, 3)
	case "lz4":
		return lz4.NewWriter(w)
	case "zstd":
		zw, _ := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1)) // no option that can be wrong
		return zw
	default:
		return nopCloser{w}
	}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// frameReader reads ClickHouse's own compressed frames (decompress=1).
type frameReader struct {
	codec *compress.Reader
	in    *countingReader
}

func newFrameReader(r io.Reader) *frameReader {
	in := &countingReader{r: r}
	return &frameReader{compress.NewReader(in), in}
}

// Read ends with io.EOF between two frames only: the codec wraps it, and says
// the same when a frame is cut short.
func (f *frameReader) Read(p []byte) (int, error) {
	before := f.in.n
	n, err := f.codec.Read(p)
	if n == 0 && errors.Is(err, io.EOF) {
		if f.in.n == before {
			return 0, io.EOF
		}
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// frameWriter writes ClickHouse's own compressed frames (compress=1).
type frameWriter struct {
	to    io.Writer
	codec *compress.Writer
}

// maxFrame is the size of a frame's data on a server.
const maxFrame = 1 << 20

func newFrameWriter(w io.Writer, method string) (*frameWriter, error) {
	codecs := map[string]compress.Method{"": compress.LZ4, "LZ4": compress.LZ4, "LZ4HC": compress.LZ4HC, "ZSTD": compress.ZSTD, "NONE": compress.None}
	codec, ok := codecs[strings.ToUpper(method)]
	if !ok {
		return nil, refusal(89, "UNKNOWN_COMPRESSION_METHOD", "Unknown compression method: %s", method)
	}
	return &frameWriter{w, compress.NewWriter(compress.LevelZero, codec)}, nil
}

func (f *frameWriter) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		part := p[done:min(done+maxFrame, len(p))]
		if err := f.codec.Compress(part); err != nil {
			return done, fmt.Errorf("compressing a result: %w", err)
		}
		if _, err := f.to.Write(f.codec.Data); err != nil {
			return done, err
		}
		done += len(part)
	}
	return len(p), nil
}
