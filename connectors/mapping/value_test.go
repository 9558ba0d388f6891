package mapping

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestDecodeThenEncodeKeepsDigitsAndOrder(t *testing.T) {
	for _, doc := range []string{
		`null`, `true`, `0`, `-0`, `1.50`, `1e400`, `12345678901234567890.123456789012345678901234567890`, `""`, `"a\nb\u0001\"\\"`,
		`[]`, `[1,[2,[3]],{}]`, `{}`, `{"b":1,"a":{"2":1,"1":null}}`, `{"ä😀":"ü"}`, `[1E5,1e-5,1E+5]`,
	} {
		v, err := Decode([]byte(" \t\r\n" + doc + "\n"))
		if err != nil {
			t.Errorf("%s: %v", doc, err)
			continue
		}
		b, err := Encode(v)
		if err != nil || string(b) != doc {
			t.Errorf("%s: got %s, %v", doc, b, err)
		}
	}
}

func TestDecodeRefusesWhatIsNotOneDocument(t *testing.T) {
	for _, doc := range []string{
		``, ` `, `{`, `[`, `[1,]`, `{"a":1,}`, `{"a"}`, `{a:1}`, `01`, `1.`, `.5`, `-`, `+1`, `1e`, `tru`, `nul`, `"`, "\"\n\"", `"\x"`, `"\u12"`, `"\u12g4"`,
		`1 2`, `{} {}`, `[1 2]`, `{"a":1 "b":2}`, `'a'`, strings.Repeat("[", maxNesting+2),
	} {
		if v, err := Decode([]byte(doc)); err == nil {
			t.Errorf("%q: got %v", doc, v)
		}
	}
}

func TestOfARepeatedKeyTheLastValueCounts(t *testing.T) {
	v, err := Decode([]byte(`{"a":1,"b":2,"a":3}`))
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := Encode(v); string(b) != `{"a":3,"b":2}` {
		t.Errorf("got %s", b)
	}
}

func TestEscapesAndInvalidTextAreReadAsEncodingJSONDoes(t *testing.T) {
	for _, doc := range []string{
		`"\ud83d\ude00"`, `"\ud83d"`, `"\ude00x"`, `"\ud83d\ud83d\ude00"`, `"\ud83d\u0041"`, `"\b\f\n\r\t\/\\\""`, "\"\xff\xfe\"", "\"é\xc3\"",
	} {
		var want string
		if err := json.Unmarshal([]byte(doc), &want); err != nil {
			t.Fatal(err)
		}
		got, err := Decode([]byte(doc))
		if err != nil || got != want {
			t.Errorf("%q: got %q, %v, expected %q", doc, got, err, want)
		}
	}
}

func TestLargeObjectsFindSetAndDeleteByKey(t *testing.T) {
	o := NewObject()
	key := func(i int) string { return strings.Repeat("k", i+1) }
	for i := range 100 {
		o.Set(key(i), Number("1"))
	}
	o.Set(key(50), "changed")
	o.Delete(key(20))
	o.Delete("absent")
	if o.Len() != 99 || len(o.Keys()) != 99 {
		t.Errorf("length %d", o.Len())
	}
	for i := range 100 {
		v, ok := o.Get(key(i))
		if ok == (i == 20) || i == 50 && v != "changed" {
			t.Errorf("%d: %v %v", i, v, ok)
		}
	}
}

func TestObjectsGoThroughEncodingJSON(t *testing.T) {
	var o Object
	if err := json.Unmarshal([]byte(`{"z":1.10,"a":[{"y":2}]}`), &o); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]any{"o": &o})
	if err != nil || string(b) != `{"o":{"z":1.10,"a":[{"y":2}]}}` {
		t.Errorf("got %s, %v", b, err)
	}
	if err := json.Unmarshal([]byte(`[1]`), &o); err == nil {
		t.Error("an array was read as an object")
	}
}

func TestFromGoTakesWhatDecodersMake(t *testing.T) {
	type name string
	v, err := FromGo(map[string]any{
		"b": []string{"x"}, "a": map[any]any{1: 2.5, "k": nil}, "n": uint8(3), "i": int64(-4), "s": name("t"), "f": float32(0.5), "o": &Object{},
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := Encode(v)
	if want := `{"a":{"1":2.5,"k":null},"b":["x"],"f":0.5,"i":-4,"n":3,"o":{},"s":"t"}`; err != nil || string(b) != want {
		t.Errorf("got %s, %v", b, err)
	}
	for _, bad := range []any{make(chan int), map[string]any{"a": []any{func() {}}}, struct{}{}, map[string]any{"f": -1 / zero()}} {
		if v, err := FromGo(bad); err == nil {
			t.Errorf("%T: got %v", bad, v)
		}
	}
}

func zero() float64 { return 0 }

func TestNumbersAreWrittenAsJavaScriptWritesThem(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0", 1: "1", -1: "-1", 0.1: "0.1", 100: "100", 1e20: "100000000000000000000", 1e21: "1e+21", 1.5e300: "1.5e+300", 1e-6: "0.000001", 1e-7: "1e-7",
		1.25e-10: "1.25e-10", 123456789012345680000: "123456789012345680000", 9007199254740993: "9007199254740992", 5e-324: "5e-324", 0.30000000000000004: "0.30000000000000004",
	} {
		if got := formatNumber(f); got != want {
			t.Errorf("got %s, expected %s", got, want)
		}
	}
}

func FuzzDecodeAgreesWithEncodingJSON(f *testing.F) {
	for _, doc := range []string{`{"a":[1,2.5e3,"x\u00e9",null,true,{"b":{}}]}`, `"\ud800"`, `[[],[[]]]`, ` 1 `, "\"\xff\"", `{"a":1,"a":2}`} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		got, err := Decode(doc)
		if valid := json.Valid(doc); valid != (err == nil) && err != errNesting {
			t.Fatalf("valid is %v, got %v", valid, err)
		}
		if err != nil {
			return
		}
		d := json.NewDecoder(strings.NewReader(string(doc)))
		d.UseNumber()
		var want any
		if err := d.Decode(&want); err != nil {
			return
		}
		if diff := cmp.Diff(want, unordered(got)); diff != "" {
			t.Error(diff)
		}
		b, err := Encode(got)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, unordered(again)); diff != "" {
			t.Error(diff)
		}
	})
}

// unordered makes maps of objects, and leaves numbers as they are.
func unordered(v Value) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = unordered(v[i])
		}
		return out
	case *Object:
		out := map[string]any{}
		v.Range(func(k string, x Value) bool {
			out[k] = unordered(x)
			return true
		})
		return out
	}
	return v
}

// Eight bytes are looked at at once: what needs a closer look may be any of them.
func TestStringsAreReadAlikeWhateverStandsWhereInThem(t *testing.T) {
	for _, special := range []string{`"`, `\n`, `\\`, `\"`, `\u00e9`, "é", "\xff", "\x00", "\x1f", " ", "!", "#", "[", "]", "~", "\x7f", "日", "\U0001F600", "\u2028"} {
		for before := range 20 {
			for after := range 10 {
				doc := []byte(`{"k":"` + strings.Repeat("a", before) + special + strings.Repeat("b", after) + `"}`)
				var want map[string]string
				refused := json.Unmarshal(doc, &want)
				v, err := Decode(doc)
				if (err == nil) != (refused == nil) {
					t.Fatalf("%q: %v, encoding/json says %v", doc, err, refused)
				}
				if err != nil {
					continue
				}
				if have, _ := v.(*Object).Get("k"); have != want["k"] {
					t.Fatalf("%q is read as %q, want %q", doc, have, want["k"])
				}
				text := strings.Repeat("a", before) + special + strings.Repeat("b", after)
				if have, want := runeCount(text), utf8.RuneCountInString(text); have != want {
					t.Fatalf("%q has %d characters, not %d", text, want, have)
				}
			}
		}
	}
}

func TestACopyOfAnObjectIsItsOwn(t *testing.T) {
	for n := range 2 * indexedFrom {
		o := NewObjectOf(n)
		for i := range n {
			o.Set(fmt.Sprint("k", i), i)
		}
		c := o.Copy(n % 3)
		c.Set("k0", "another")
		c.Set("more", true)
		for i := 1; i < n; i++ {
			if v, _ := c.Get(fmt.Sprint("k", i)); v != i {
				t.Fatalf("of %d members, k%d of the copy is %v", n, i, v)
			}
		}
		if v, _ := c.Get("more"); v != true {
			t.Fatalf("of %d members: what was added to the copy is not there", n)
		}
		if v, ok := o.Get("k0"); n > 0 && v != 0 || ok != (n > 0) || o.Len() != n {
			t.Fatalf("of %d members: the copy changed the object", n)
		}
	}
}
