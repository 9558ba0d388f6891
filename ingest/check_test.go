package ingest

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

var jsonSeeds = []string{
	"", " ", "null", "true", "false", "tru", "nul", "0", "-0", "-", "01", "1.", "1.0e", "1e+", "1E-10", ".5", "+1", "1e400", "{", "}", "{}", "[]", "[", "]", "[,]", "[1,]", "[1 2]",
	`{"a":1}`, `{"a":1,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{"a":1 "b":2}`, `{,}`, `[{}]`, `{"a":[{"b":[]}]}`, `[}`, `{]`, `"`, `"a`, `"\`, `"\u`, `"\u12g4"`, `"\ud800"`, `"\x"`, "\"\x00\"", "\"\x7f\"",
	"\"\t\"", "\"\xff\"", "\"é\"", "\"\xed\xa0\x80\"", "\"\xf0\x9f\x98\x80\"", "\ufeff{}", "{}x", "{} {}", "[1]\x00", "\x00", "// c\n1", "NaN", "Infinity", "'a'", "[\"\x80\"]", "\xff",
}

func agree(t interface{ Errorf(string, ...any) }, text []byte) {
	at, what := checkJSON(text, 10_000)
	if want := json.Valid(text) && utf8.Valid(text); (what == "") != want {
		t.Errorf("%q: valid is %v, we say %q at %d", text, want, what, at)
	}
	if what != "" && (at < 0 || at > len(text)) {
		t.Errorf("%q: the place %d is outside", text, at)
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
		if _, what := checkJSON([]byte(strings.Repeat("[", depth)+strings.Repeat("]", depth)), 7); (what == "") != ok {
			t.Errorf("%d arrays: %q", depth, what)
		}
		if _, what := checkJSON([]byte(strings.Repeat(`{"a":`, depth)+"1"+strings.Repeat("}", depth)), 7); (what == "") != ok {
			t.Errorf("%d objects: %q", depth, what)
		}
		if _, what := checkXML([]byte(strings.Repeat("<a>", depth)+strings.Repeat("</a>", depth)), 7); (what == "") != ok {
			t.Errorf("%d elements: %q", depth, what)
		}
	}
}

// FuzzXML: whatever we accept, encoding/xml reads to its end.
func FuzzXML(f *testing.F) {
	for _, seed := range []string{"", "<a/>", "<a>", "<a><b></a>", "<!DOCTYPE a><a/>", "<?xml version='1.0' encoding='utf-16'?><a/>", "<a>&lt;&x;</a>", "<a/><b/>", "x<a/>", "<a b='1' c=\"2\">t<!-- c --><![CDATA[x]]></a>", "\ufeff<a/>", "<a:b xmlns:a='u'/>"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		at, what := checkXML(text, 100)
		if at < 0 || at > len(text) {
			t.Errorf("%q: the place %d is outside", text, at)
		}
		if what != "" || bytes.Contains(text, []byte("encoding")) {
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
	for body, want := range map[string]int{"": -1, "a=b&c": -1, "a=%20%Ff": -1, "%": 0, "a%2": 1, "a%zz": 1, "%41%4": 3, "100%25": -1, "100%": 3} {
		if got := checkForm([]byte(body)); got != want {
			t.Errorf("%q: %d, want %d", body, got, want)
		}
	}
}

func BenchmarkCheckJSON(b *testing.B) {
	text := []byte(`{"items":[` + strings.Repeat(`{"name":"Gromit the dog","price":12.50,"tags":["a","b\n","é"],"ok":true},`, 15) + `null]}`)
	b.SetBytes(int64(len(text)))
	b.Run("ours", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			checkJSON(text, 512)
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			_ = json.Valid(text) && utf8.Valid(text)
		}
	})
}
