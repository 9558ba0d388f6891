package bodies

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// FuzzBody: a body of any content type. What is checked at once and what is
// checked byte by byte agree, and what is right has a view.
func FuzzBody(f *testing.F) {
	for _, seed := range [][2]string{
		{"application/json", `{"a":[1,"é",null]}`}, {"application/json; charset=utf-16le", "{\x00}\x00"}, {"text/xml", `<?xml version="1.0" encoding="latin1"?><a b="c">d</a>`},
		{"application/x-www-form-urlencoded", "a[b][]=1&a[b][]=2&c=%20+"}, {"application/x-ndjson", "{}\n[1]\n\n"}, {"text/plain; charset=iso-8859-1", "\xe9"},
		{"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"../x\"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n--b\r\nContent-Disposition: form-data; name=\"c\"\r\n\r\nd\r\n--b--\r\n"},
		{"multipart/form-data; boundary=\"\"", ""}, {"image/png", "\x00"}, {"", `[1]`}, {"multipart/mixed; boundary=b", "--b--"}, {"text/json", "\ufeff{}"},
	} {
		f.Add(seed[0], []byte(seed[1]))
	}
	limits := Limits{Depth: 50, Values: 10_000}
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		kind, err := TypeOf(contentType)
		if err != nil {
			return
		}
		if kind.Kind == Multipart {
			sameParts(t, kind, body)
			return
		}
		once := kind.CheckBytes(body, limits)
		if len(body) == 0 {
			return // no body is right for every type
		}
		slowly, err := kind.Check(iotest.OneByteReader(bytes.NewReader(body)), limits)
		if err != nil {
			t.Fatalf("%q %q: reading what can be read: %v", contentType, body, err)
		}
		if once != nil && slowly != nil && kind.Kind == XML {
			slowly.Column = once.Column // it is counted in bytes where there is no whole text
		}
		if fmt.Sprint(once) != fmt.Sprint(slowly) {
			t.Errorf("%q %q: at once %v, byte by byte %v", contentType, body, once, slowly)
		}
		if _, err := kind.View(body, limits, plainMaker); once == nil && err != nil && kind.Kind != File && kind.Kind != Unknown { // files have none
			t.Errorf("%q %q: right, and without a view: %v", contentType, body, err)
		}
	})
}

// sameParts reads a multipart body in two ways: both find the same parts, at places
// that are in the body.
func sameParts(t *testing.T, kind Type, body []byte) {
	t.Helper()
	read := func(r io.Reader) string {
		var found strings.Builder
		fault, err := kind.ReadParts(r, func(p Part, content io.Reader) error {
			text, err := io.ReadAll(content)
			if err != nil {
				return err
			}
			if p.Offset < 0 || int(p.Offset)+len(text) > len(body) || !bytes.Equal(body[p.Offset:int(p.Offset)+len(text)], text) {
				t.Errorf("%q: part %+v is not where it is said to be", body, p)
			}
			if strings.ContainsAny(p.Name, "/\\\x00") || p.Name == ".." {
				t.Errorf("%q: a file is called %q", body, p.Name)
			}
			fmt.Fprintf(&found, "%+v %q\n", p, text)
			return nil
		})
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: %v", body, err)
		}
		return found.String() + fmt.Sprint(fault)
	}
	if once, slowly := read(bytes.NewReader(body)), read(iotest.OneByteReader(bytes.NewReader(body))); once != slowly {
		t.Errorf("%q: at once\n%s\nbyte by byte\n%s", body, once, slowly)
	}
}
