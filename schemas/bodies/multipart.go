package bodies

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"strings"
	"unicode"
)

// Bounds of a multipart body.
const (
	maxParts      = 1000
	maxPartHeader = 16 << 10 // bytes of one part's headers
)

// Part is a part of a multipart body.
type Part struct {
	Field       string // of the form
	IsFile      bool   // it has a file's name, or a type that is no text
	Name        string // of the file, the last segment of what the sender gave
	ContentType string
	Offset      int64 // of its content, in the body
}

// ReadParts reads a multipart body (RFC 2046, section 5.1) and gives each
// part's content to each, which need not read all of it. An error of each, or
// of the reader, is returned as it is.
func (t Type) ReadParts(r io.Reader, each func(p Part, content io.Reader) error) (*Fault, error) {
	p := &parts{r: r, buffer: make([]byte, 0, 32<<10)}
	if t.boundary == "" || len(t.boundary) > 200 { // RFC 2046 allows 70
		return p.fault("the content type names no boundary, or one that is too long"), nil
	}
	p.dash = []byte("--" + t.boundary)
	what, err := p.read(each)
	switch {
	case p.err != nil:
		return nil, p.err
	case err != nil:
		return nil, err
	case what != "":
		return p.fault(what), nil
	}
	return nil, nil
}

// parts is a position in a multipart body.
type parts struct {
	r      io.Reader
	err    error // r's, other than the end
	ended  bool
	buffer []byte // what is at hand
	offset int64  // of the buffer in the body

	dash      []byte // --boundary
	delimiter []byte // a line's end and dash
}

func (p *parts) fault(what string) *Fault {
	return &Fault{Kind: Multipart, What: fmt.Sprintf("at byte %d: %s", p.offset, what)}
}

// more reads on, and reports whether anything came.
func (p *parts) more() bool {
	if p.ended || p.err != nil {
		return false
	}
	if len(p.buffer) == cap(p.buffer) {
		grown := make([]byte, len(p.buffer), 2*cap(p.buffer))
		copy(grown, p.buffer)
		p.buffer = grown
	}
	for range 100 {
		n, err := p.r.Read(p.buffer[len(p.buffer):cap(p.buffer)])
		p.buffer = p.buffer[:len(p.buffer)+n]
		if err == io.EOF {
			p.ended = true
		} else if err != nil {
			p.err = err
			return false
		}
		if n > 0 || p.ended {
			return n > 0
		}
	}
	p.err = io.ErrNoProgress
	return false
}

// drop lets go of the first n bytes.
func (p *parts) drop(n int) {
	p.offset += int64(n)
	p.buffer = p.buffer[:copy(p.buffer, p.buffer[n:])]
}

// line is the next line with its end, or what is left when it is longer than
// the limit or the body ends.
func (p *parts) line(limit int) []byte {
	for from := 0; ; {
		if i := bytes.IndexByte(p.buffer[from:], '\n'); i >= 0 {
			return p.buffer[:from+i+1]
		}
		if from = len(p.buffer); from > limit || !p.more() {
			return p.buffer
		}
	}
}

func (p *parts) read(each func(Part, io.Reader) error) (what string, err error) {
	// What comes before the first boundary says nothing.
	for n := 0; ; n++ {
		line := p.line(maxPartHeader)
		if bytes.HasPrefix(line, p.dash) {
			end := bytes.TrimSpace(line[len(p.dash):])
			if string(end) == "--" {
				return "", p.rest()
			}
			if len(end) == 0 && bytes.HasSuffix(line, []byte("\n")) {
				p.delimiter = append([]byte("\n"), p.dash...)
				if bytes.HasSuffix(line, []byte("\r\n")) {
					p.delimiter = append([]byte("\r\n"), p.dash...)
				}
				p.drop(len(line))
				break
			}
		}
		if len(line) == 0 {
			return "its boundary is nowhere in it", nil
		}
		p.drop(len(line))
	}
	for n := 1; ; n++ {
		if n > maxParts {
			return fmt.Sprintf("more than %d parts", maxParts), nil
		}
		part, what := p.header()
		if what != "" {
			return what, nil
		}
		content := &content{parts: p}
		err := each(part, content)
		if err == nil {
			_, err = io.Copy(io.Discard, content)
		}
		if content.what != "" { // also where each took the end for the content's
			return content.what, nil
		}
		if err != nil || p.err != nil {
			return "", err
		}
		// The delimiter is at hand.
		if !content.bare {
			p.drop(len(p.delimiter) - len(p.dash))
		}
		line := p.line(len(p.dash) + 256)
		rest := line[len(p.dash):]
		if bytes.HasPrefix(rest, []byte("--")) {
			return "", p.rest()
		}
		if len(bytes.TrimSpace(rest)) > 0 || !bytes.HasSuffix(rest, []byte("\n")) {
			return "text after a boundary on its line, or no end of that line", nil
		}
		p.drop(len(line))
	}
}

// rest reads to the body's end: what comes after the last boundary says nothing.
func (p *parts) rest() error {
	for {
		p.drop(len(p.buffer))
		if !p.more() {
			return p.err
		}
	}
}

// header reads a part's headers.
func (p *parts) header() (part Part, what string) {
	disposition := ""
	for size := 0; ; {
		line := p.line(maxPartHeader - size)
		size += len(line)
		if size > maxPartHeader {
			return part, fmt.Sprintf("a part's headers are larger than %d bytes", maxPartHeader)
		}
		if !bytes.HasSuffix(line, []byte("\n")) {
			return part, "it ends within a part's headers"
		}
		text := string(bytes.TrimRight(line, "\r\n"))
		p.drop(len(line))
		if text == "" {
			break
		}
		name, value, ok := strings.Cut(text, ":")
		if !ok {
			return part, "a part's header has no colon"
		}
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "content-disposition":
			disposition = strings.TrimSpace(value)
		case "content-type":
			part.ContentType = strings.TrimSpace(value)
		}
	}
	_, parameters, err := mime.ParseMediaType(disposition)
	if disposition != "" && err != nil {
		return part, "a part's Content-Disposition cannot be read"
	}
	part.Field = strings.ToValidUTF8(parameters["name"], "\ufffd")
	name, named := parameters["filename"]
	part.Name = FileName(name)
	media, _, _ := strings.Cut(strings.ToLower(part.ContentType), ";")
	media = strings.TrimSpace(media)
	part.IsFile = named || media != "" && !strings.HasPrefix(media, "text/") && !strings.HasSuffix(media, "json") && !strings.HasSuffix(media, "xml")
	part.Offset = p.offset
	return part, ""
}

// content is the content of the part that is being read: up to the delimiter.
type content struct {
	parts *parts
	begun bool
	done  bool
	bare  bool // the delimiter has no line's end of its own: the headers' last one is it
	what  string
}

func (c *content) Read(b []byte) (int, error) {
	if c.done {
		return 0, io.EOF
	}
	p := c.parts
	if !c.begun {
		c.begun = true
		for len(p.buffer) <= len(p.dash) && p.more() {
		}
		if bytes.HasPrefix(p.buffer, p.dash) && len(p.buffer) > len(p.dash) && strings.IndexByte(" \t\r\n-", p.buffer[len(p.dash)]) >= 0 {
			c.done, c.bare = true, true
			return 0, io.EOF
		}
	}
	for {
		at := bytes.Index(p.buffer, p.delimiter)
		safe := at
		if at < 0 {
			safe = len(p.buffer) - len(p.delimiter) + 1
		}
		if safe > 0 {
			n := copy(b, p.buffer[:safe])
			p.drop(n)
			return n, nil
		}
		if at == 0 {
			c.done = true
			return 0, io.EOF
		}
		if !p.more() {
			c.done = true
			if p.err != nil {
				return 0, p.err
			}
			c.what = "it ends within a part"
			return 0, io.ErrUnexpectedEOF
		}
	}
}

// FileName is a file's name as it may be shown and used: the last segment of
// what a sender gave, without control characters and of a bounded length.
func FileName(given string) string {
	name := given[strings.LastIndexAny(given, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u202e' || r == unicode.ReplacementChar { // U+202E shows a name backwards
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	if name = strings.TrimSpace(name); name == "." || name == ".." {
		return ""
	}
	const most = 255
	if len(name) > most {
		name = strings.ToValidUTF8(name[:most], "")
	}
	return name
}
