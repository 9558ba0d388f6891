package bodies

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"pgregory.net/rapid"
)

var jsonSeeds = []string{
	"", " ", "null", "true", "false", "tru", "nul", "0", "-0", "-", "01", "1.", "1.0e", "1e+", "1E-10", ".5", "+1", "1e400", "{", "}", "{}", "[]", "[", "]", "[,]", "[1,]", "[1 2]",
	`{"a":1}`, `{"a":1,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{"a":1 "b":2}`, `{,}`, `[{}]`, `{"a":[{"b":[]}]}`, `[}`, `{]`, `"`, `"a`, `"\`, `"\u`, `"\u12g4"`, `"\ud800"`, `"\x"`, "\"\x00\"", "\"\x7f\"",
	"\"\t\"", "\"\xff\"", "\"é\"", "\"\xed\xa0\x80\"", "\"\xf0\x9f\x98\x80\"", "\ufeff{}", "{}x", "{} {}", "[1]\x00", "\x00", "// c\n1", "NaN", "Infinity", "'a'", "[\"\x80\"]", "\xff",
}

var deep = Limits{Depth: 10_000, Values: 1_000_000}

// agree: what we accept is what encoding/json and UTF-8 accept, but for a name
// that comes twice; and a text that comes in pieces is judged as a whole one.
func agree(t interface{ Errorf(string, ...any) }, text []byte) {
	fault, _ := checkJSON(text, nil, JSON, deep)
	if want := json.Valid(text) && utf8.Valid(text) && !namesTwice(text); (fault == nil) != want {
		t.Errorf("%q: valid is %v, we say %v", text, want, fault)
	}
	pieces, err := checkJSON(nil, iotest.OneByteReader(bytes.NewReader(text)), JSON, deep)
	if err != nil || (fault == nil) != (pieces == nil) || fault != nil && *fault != *pieces {
		t.Errorf("%q: whole %v, in pieces %v, %v", text, fault, pieces, err)
	}
}

// namesTwice reports whether an object of a valid text has a name twice.
func namesTwice(text []byte) bool {
	d := json.NewDecoder(bytes.NewReader(text))
	type level struct {
		object, value bool
		names         map[string]bool
	}
	var open []level
	for {
		token, err := d.Token()
		if err != nil {
			return false
		}
		if top := len(open) - 1; top >= 0 && open[top].object && token != json.Delim('}') {
			if l := &open[top]; !l.value {
				if l.names[token.(string)] {
					return true
				}
				l.names[token.(string)], l.value = true, true
				continue
			} else {
				l.value = false
			}
		}
		switch token {
		case json.Delim('{'):
			open = append(open, level{object: true, names: map[string]bool{}})
		case json.Delim('['):
			open = append(open, level{})
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
		}
	}
}

// FuzzJSON: we accept what encoding/json and UTF-8 accept, and nothing else.
func FuzzJSON(f *testing.F) {
	for _, seed := range jsonSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		// Beyond 10,000 levels encoding/json has a limit of its own.
		if bytes.Count(text, []byte("[")) < 10_000 && bytes.Count(text, []byte("{")) < 10_000 {
			agree(t, text)
		}
	})
}

// TestJSONIsWhatEncodingJSONAccepts puts tokens together, so that nearly right texts are common.
func TestJSONIsWhatEncodingJSONAccepts(t *testing.T) {
	tokens := append([]string{"{", "}", "[", "]", ",", ":", `"a"`, "1", "-1.5e3", " ", "\n", "null"}, jsonSeeds...)
	rapid.Check(t, func(t *rapid.T) {
		agree(t, []byte(strings.Join(rapid.SliceOfN(rapid.SampledFrom(tokens), 0, 12).Draw(t, "tokens"), "")))
	})
}

func TestDepthIsBoundedToTheLevel(t *testing.T) {
	for depth, ok := range map[int]bool{1: true, 7: true, 8: false, 100_000: false} {
		for kind, text := range map[Kind]string{
			JSON: strings.Repeat("[", depth) + strings.Repeat("]", depth),
			XML:  strings.Repeat("<a>", depth) + strings.Repeat("</a>", depth),
		} {
			if fault := (Type{Kind: kind}).CheckBytes([]byte(text), Limits{Depth: 7, Values: 1e6}); (fault == nil) != ok {
				t.Errorf("%d levels of %s: %v", depth, kind, fault)
			}
		}
		text := strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth)
		if fault := (Type{Kind: JSON}).CheckBytes([]byte(text), Limits{Depth: 7, Values: 1e6}); (fault == nil) != ok {
			t.Errorf("%d objects: %v", depth, fault)
		}
	}
}

// FuzzXML: whatever we accept, encoding/xml reads to its end.
func FuzzXML(f *testing.F) {
	for _, seed := range []string{"", "<a/>", "<a>", "<a><b></a>", "<!DOCTYPE a><a/>", "<?xml version='1.0' encoding='utf-16'?><a/>", "<a>&lt;&x;</a>", "<a/><b/>", "x<a/>", "<a b='1' c=\"2\">t<!-- c --><![CDATA[x]]></a>", "\ufeff<a/>", "<a:b xmlns:a='u'/>"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		fault := (Type{Kind: XML}).CheckBytes(text, Limits{Depth: 100, Values: 1e6})
		view, err := (Type{Kind: XML}).View(text, Limits{Depth: 100, Values: 1e6}, plainMaker)
		if (fault == nil) != (err == nil) && len(text) > 0 {
			t.Fatalf("%q: checked %v, viewed %v", text, fault, err)
		}
		if fault == nil && len(text) > 0 && view == nil {
			t.Fatalf("%q: no view", text)
		}
		if fault != nil || len(text) == 0 || bytes.Contains(text, []byte("encoding")) || bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
			return
		}
		if bytes.Contains(text, []byte("<!DOCTYPE")) && !bytes.Contains(text, []byte("<![CDATA[")) && !bytes.Contains(text, []byte("<!--")) && !bytes.Contains(text, []byte("<?")) && !bytes.ContainsAny(text, `"'`) {
			t.Errorf("%q: a DOCTYPE was accepted", text)
		}
		for d := xml.NewDecoder(bytes.NewReader(text)); ; {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%q: accepted, but %v", text, err)
			}
		}
	})
}

func TestBrokenEscapeOfAFormIsFound(t *testing.T) {
	for body, want := range map[string]int{"": 0, "a=b&c": 0, "a=%20%Ff": 0, "%": 1, "a%2": 2, "a%zz": 2, "%41%4": 4, "100%25": 0, "100%": 4} {
		column := 0
		if fault := (Type{Kind: Form}).CheckBytes([]byte(body), DefaultLimits); fault != nil {
			column = fault.Column
		}
		if column != want {
			t.Errorf("%q: column %d, want %d", body, column, want)
		}
	}
}

func BenchmarkCheckJSON(b *testing.B) {
	text := []byte(`{"items":[` + strings.Repeat(`{"name":"Gromit the dog","price":12.50,"tags":["a","b\n","é"],"ok":true},`, 15) + `null]}`)
	b.SetBytes(int64(len(text)))
	b.Run("ours", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			_, _ = checkJSON(text, nil, JSON, DefaultLimits)
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			_ = json.Valid(text) && utf8.Valid(text)
		}
	})
}

// plainObject is an object of a view in a test.
type plainObject map[string]any

func (o plainObject) Set(name string, v any) { o[name] = v }
func (o plainObject) Get(name string) (any, bool) {
	v, ok := o[name]
	return v, ok
}

var plainMaker = Maker{
	Object: func() Object { return plainObject{} },
	JSON: func(text []byte) (any, error) {
		var v any
		err := json.Unmarshal(text, &v)
		return v, err
	},
}
