package ingest

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"io"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/valyala/fasthttp"
)

// maxEncodings is how many encodings may be wrapped around a body.
const maxEncodings = 2

// acceptedEncodings is what a sender is told.
const acceptedEncodings = "gzip, deflate, br, zstd"

// encodings are a body's content encodings in the order they were applied,
// without identity. ok is false when one is not known here.
func encodings(h *fasthttp.RequestHeader) (list []string, ok bool) {
	if len(h.Peek(fasthttp.HeaderContentEncoding)) == 0 {
		return nil, true
	}
	for _, value := range h.PeekAll(fasthttp.HeaderContentEncoding) {
		for item := range bytes.SplitSeq(value, []byte(",")) {
			switch name := strings.ToLower(string(bytes.TrimSpace(item))); name {
			case "", "identity":
			case "gzip", "x-gzip":
				list = append(list, "gzip")
			case "deflate", "br", "zstd":
				list = append(list, name)
			default:
				return nil, false
			}
		}
	}
	return list, len(list) <= maxEncodings
}

// decode undoes encodings, the last one first.
func decode(r io.Reader, list []string) (io.Reader, func(), error) {
	release := func() {}
	for i := len(list) - 1; i >= 0; i-- {
		switch list[i] {
		case "gzip":
			z, err := gzip.NewReader(r)
			if err != nil {
				return nil, release, err
			}
			r = z
		case "deflate":
			z, err := inflate(r)
			if err != nil {
				return nil, release, err
			}
			r = z
		case "br":
			r = brotli.NewReader(r)
		case "zstd":
			z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
			if err != nil {
				return nil, release, err
			}
			before := release
			release = func() { z.Close(); before() }
			r = z
		}
	}
	return r, release, nil
}

// maxWindow is how far back a compressed body may refer: what a decoder takes
// of memory (RFC 9659 allows 8 MiB for zstd).
const maxWindow = 8 << 20

// inflate reads deflate as RFC 9110 has it, with zlib's envelope, and as many
// send it, without.
func inflate(r io.Reader) (io.Reader, error) {
	b := bufio.NewReader(r)
	head, err := b.Peek(2)
	if err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	if head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
		return zlib.NewReader(b)
	}
	return flate.NewReader(b), nil
}
