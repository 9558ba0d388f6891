package bodies

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// digits makes values whose numbers keep their digits.
var digits = Maker{Object: plainMaker.Object, JSON: func(text []byte) (any, error) {
	var v any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err := d.Decode(&v)
	return v, err
}}

func TestViews(t *testing.T) {
	utf16, _ := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(`<a b="é">ü</a>`)
	latin, _ := charmap.ISO8859_1.NewEncoder().String(`{"a":"é"}`)
	for _, c := range []struct{ contentType, body, want string }{
		{"application/json", `[1,2.50,12345678901234567890.10]`, `[1,2.50,12345678901234567890.10]`},
		{"application/vnd.api+json", `"text"`, `"text"`},
		{"application/json; charset=iso-8859-1", latin, `{"a":"é"}`},
		{"application/x-ndjson", "{\"a\":1}\n\n 2 \r\nnull", `[{"a":1},2,null]`},
		{"application/xml", `<a/>`, `{"a":""}`},
		{"application/xml", `<?xml version="1.0"?><!-- c --><a>t&lt;<![CDATA[<x>]]></a>`, `{"a":"t<<x>"}`},
		{"text/xml", `<a id="1" x:y="2">t</a>`, `{"a":{"_":"t","_attr":{"id":"1","x-y":"2"}}}`},
		{"application/soap+xml", "<s:E xmlns:s='u'>\n <b>1</b>\n <b c='2'/>\n <b>3</b> mixed\n</s:E>", `{"s-E":{"_":"mixed","_attr":{"xmlns-s":"u"},"b":["1",{"_attr":{"c":"2"}},"3"]}}`},
		{"application/xml", utf16, `{"a":{"_":"ü","_attr":{"b":"é"}}}`},
		{"application/xml", "<?xml version='1.0' encoding='iso-8859-1'?><a>\xe9</a>", `{"a":"é"}`},
		{"application/x-www-form-urlencoded", "a[b][c]=1&a[d]=2&l[]=1&m=x&m=y+z&%C3%A9=%C3%BC&e=&n", `{"a":{"b":{"c":"1"},"d":"2"},"e":"","l":["1"],"m":["x","y z"],"n":"","é":"ü"}`},
		{"application/x-www-form-urlencoded; charset=iso-8859-1", "a=%E9", `{"a":"é"}`},
		{"application/x-www-form-urlencoded", "a=1&a[b]=2&a[]=3", `{"a":{"":["3"],"b":"2"}}`},
		{"text/plain; charset=iso-8859-1", "\xe9", `"é"`},
		{"text/plain", "\xe9", `"é"`},
		{"text/csv", "a,b\n", `"a,b\n"`},
		{"", `{"a":1}`, `{"a":1}`},
		{"", `{"a":1`, `"{\"a\":1"`},
		{"multipart/form-data; boundary=B", "preamble\r\n--B\r\nContent-Disposition: form-data; name=\"a[b]\"\r\n\r\n1\r\n--B\r\nContent-Disposition: form-data; name=f; filename=x\r\n\r\nfile\r\n--B--\r\nepilogue", `{"a":{"b":"1"}}`},
		{"multipart/form-data; boundary=B", "--B\nContent-Disposition: form-data; name=a\n\n1\n--B--\n", `{"a":"1"}`},
		{"application/json", "", `null`},
	} {
		kind, err := TypeOf(c.contentType)
		if err != nil {
			t.Fatal(err)
		}
		if kind.Kind != Multipart {
			if fault := kind.CheckBytes([]byte(c.body), DefaultLimits); fault != nil {
				t.Errorf("%s %q: %v", c.contentType, c.body, fault)
			}
		}
		view, err := kind.View([]byte(c.body), DefaultLimits, digits)
		got, _ := json.Marshal(view)
		if back := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(string(got)); err != nil || back != c.want {
			t.Errorf("%s %q: %s, %v; want %s", c.contentType, c.body, back, err, c.want)
		}
	}
}

func TestWhatIsWrongIsSaidWithItsPlace(t *testing.T) {
	for _, c := range []struct {
		contentType, body string
		line, column      int
		says              string
	}{
		{"application/json", "{\"é\": 1,\n \"a\": 2, \"\\u0061\": 3}", 2, 10, "second time"},
		{"application/json", "[\"é\xff\"]", 1, 4, "not UTF-8"},
		{"application/x-ndjson", "{}\n{} {}\n", 2, 4, "end of the line"},
		{"application/x-ndjson", "{}\n{\"a\":}\n", 2, 6, "a value"},
		{"application/xml", "<a>\n<b></a>", 2, 8, "not open"},
		{"application/xml", "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", 1, 1, "DOCTYPE"},
		{"application/xml", "<a b='1' b='2'/>", 1, 1, "second time"},
		{"application/xml", "<a>", 1, 4, "within an element"},
		{"application/xml", "<é>\n<é></a>", 2, 8, "not open"},
	} {
		kind, _ := TypeOf(c.contentType)
		fault := kind.CheckBytes([]byte(c.body), DefaultLimits)
		if fault == nil || fault.Line != c.line || fault.Column != c.column || !strings.Contains(fault.What, c.says) {
			t.Errorf("%s %q: %+v, want %d:%d %s", c.contentType, c.body, fault, c.line, c.column, c.says)
		}
	}
	for contentType, body := range map[string]string{
		"application/json":                  "[" + strings.Repeat("1,", 1000) + "1]",
		"application/xml":                   "<a>" + strings.Repeat("<b/>", 1000) + "</a>",
		"application/x-www-form-urlencoded": strings.Repeat("a=1&", 1000),
	} {
		kind, _ := TypeOf(contentType)
		if fault := kind.CheckBytes([]byte(body), Limits{Depth: 9, Values: 900}); fault == nil || !strings.Contains(fault.What, "more than 900") {
			t.Errorf("%s: %v", contentType, fault)
		}
	}
	if _, err := TypeOf("text/plain; charset=klingon"); err == nil {
		t.Error("klingon is a charset")
	}
	if _, err := TypeOf("text/plain; charset=hz-gb-2312"); err == nil {
		t.Error("a charset that decodes to nothing was accepted")
	}
}

func TestReaderErrorsAreTheReaders(t *testing.T) {
	broken := errors.New("broken")
	for _, contentType := range []string{"application/json", "application/x-ndjson", "application/xml", "application/x-www-form-urlencoded", "text/plain", "image/png"} {
		kind, _ := TypeOf(contentType)
		if fault, err := kind.Check(io.MultiReader(strings.NewReader(" "), iotest.ErrReader(broken)), DefaultLimits); fault != nil || err != broken {
			t.Errorf("%s: %v, %v", contentType, fault, err)
		}
	}
}

// FuzzMultipart: what we read is what mime/multipart reads, and every content
// stands where we say, whatever the pieces it comes in.
func FuzzMultipart(f *testing.F) {
	for _, seed := range []string{
		"--B\r\nContent-Disposition: form-data; name=\"a\"; filename=\"b\"\r\n\r\nx\r\n--B--\r\n", "--B--", "--B\r\n\r\n\r\n--B\r\n\r\n--B--", "x\r\n--B\r\nA: b\r\n\r\n\r\n--Bx\r\n--B--",
		"--B\n\nx\n--B--\n", "", "--B\r\n", "--B\r\nContent-Type: text/plain\r\n\r\n\xff\r\n--B \t\r\n\r\n\r\n--B--",
	} {
		f.Add([]byte(seed))
	}
	kind, _ := TypeOf("multipart/form-data; boundary=B")
	f.Fuzz(func(t *testing.T, body []byte) {
		read := func(r io.Reader) (contents []string, fault *Fault) {
			fault, err := kind.ReadParts(r, func(p Part, content io.Reader) error {
				b, err := io.ReadAll(content)
				if err == nil && (p.Offset+int64(len(b)) > int64(len(body)) || !bytes.Equal(body[p.Offset:p.Offset+int64(len(b))], b)) {
					t.Errorf("%q: a part is not at %d", body, p.Offset)
				}
				contents = append(contents, string(b))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return contents, fault
		}
		whole, fault := read(bytes.NewReader(body))
		pieces, other := read(iotest.OneByteReader(bytes.NewReader(body)))
		if (fault == nil) != (other == nil) || strings.Join(whole, "|") != strings.Join(pieces, "|") {
			t.Errorf("%q: whole %q %v, in pieces %q %v", body, whole, fault, pieces, other)
		}
		if _, err := kind.View(body, DefaultLimits, plainMaker); len(body) > 0 && (err == nil) != (fault == nil) {
			t.Errorf("%q: read with %v, viewed with %v", body, fault, err)
		}
		if fault != nil {
			return
		}
		theirs := multipart.NewReader(bytes.NewReader(body), "B")
		for i := range whole {
			p, err := theirs.NextRawPart()
			if err != nil {
				return // they are stricter on headers
			}
			if b, err := io.ReadAll(p); err == nil && string(b) != whole[i] {
				t.Errorf("%q: part %d is %q, theirs %q", body, i, whole[i], b)
			}
		}
	})
}

// FuzzForm: what is accepted has a view, and no piece changes that.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{"a=1&a[b]=2", "a[][b]=1&a[][b]=2", "%", "a=%zz", "a[b=1", "=&&=", "a[" + strings.Repeat("][", 20) + "]=1", "\xff=%ff", "\x00[%"} {
		f.Add([]byte(seed))
	}
	kind, _ := TypeOf("application/x-www-form-urlencoded")
	f.Fuzz(func(t *testing.T, body []byte) {
		fault := kind.CheckBytes(body, DefaultLimits)
		pieces, err := kind.Check(iotest.OneByteReader(bytes.NewReader(body)), DefaultLimits)
		if err != nil || (fault == nil) != (pieces == nil) || fault != nil && *fault != *pieces {
			t.Errorf("%q: whole %v, in pieces %v, %v", body, fault, pieces, err)
		}
		view, err := kind.View(body, DefaultLimits, plainMaker)
		if err != nil {
			t.Errorf("%q: %v", body, err)
		}
		if text, err := json.Marshal(view); err != nil || !utf8.Valid(text) {
			t.Errorf("%q: %v", body, err)
		}
	})
}

// FuzzLines: each line alone is JSON, and all of them have a view.
func FuzzLines(f *testing.F) {
	for _, seed := range []string{"{}\n[]", "1 2", "{\n}", "\"a\r\nb\"", "\n\n1\n", "nul\n"} {
		f.Add([]byte(seed))
	}
	kind, _ := TypeOf("application/x-ndjson")
	f.Fuzz(func(t *testing.T, body []byte) {
		fault := kind.CheckBytes(body, DefaultLimits)
		view, err := kind.View(body, DefaultLimits, digits)
		if len(body) > 0 && (fault == nil) != (err == nil) {
			t.Fatalf("%q: checked %v, viewed %v", body, fault, err)
		}
		if list, ok := view.([]any); fault == nil && ok && len(list) > bytes.Count(body, []byte("\n"))+1 {
			t.Errorf("%q: %d values", body, len(list))
		}
	})
}
