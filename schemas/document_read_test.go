package schemas

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func read(t *testing.T, file, text string) *Document {
	t.Helper()
	documents, err := ReadDocuments(file, []byte(text), testEnvironment)
	if err != nil || len(documents) != 1 {
		t.Fatalf("want one document, have %d and %v", len(documents), err)
	}
	return documents[0]
}

// flowWithSample is a flow whose sample is the given YAML.
func flowWithSample(sample string) string {
	return "kind: Flow\ntrigger:\n  uses: webhook/receive\n  sample:\n    " + strings.ReplaceAll(sample, "\n", "\n    ") + "\nsteps: []\n"
}

func TestYAMLBecomesJSONWithoutSurprises(t *testing.T) {
	for _, test := range []struct{ name, yaml, json string }{
		{"digits are kept", "[1.0, 1.50, 123456789012345678901234567890, 1e3, -0, 0.1000]", `[1.0,1.50,123456789012345678901234567890,1e3,-0,0.1000]`},
		{"dates stay texts", "[2024-01-01, 2024-01-01T10:00:00Z, 12:30:45]", `["2024-01-01","2024-01-01T10:00:00Z","12:30:45"]`},
		{"yes, no, on and off are texts", "{on: yes, off: no, y: n}", `{"on":"yes","off":"no","y":"n"}`},
		{"true and false are not", "[true, False, 'true']", `[true,false,"true"]`},
		{"keys are texts", "{1: a, true: b, 2024-01-01: c, 1.0: d}", `{"1":"a","true":"b","2024-01-01":"c","1.0":"d"}`},
		{"nothing is null", "{a: , b: ~, c: null}", `{"a":null,"b":null,"c":null}`},
		{"keys keep their order", "{z: 1, a: 2, m: {y: 1, b: 2}}", `{"z":1,"a":2,"m":{"y":1,"b":2}}`},
		{"quoted numbers are texts", `["5", '1.0', !!str 5]`, `["5","1.0","5"]`},
		{"HTML is left alone", `["<a&b>"]`, `["<a&b>"]`},
		{"versions are texts", "[1.2.3, v1, 1_a]", `["1.2.3","v1","1_a"]`},
		{"an alias is what it stands for", "[&a {x: 1}, *a]", `[{"x":1},{"x":1}]`},
		{"a merge gives way to own keys", "[&a {x: 1, y: 2}, {<<: *a, y: 3, z: 4}]", `[{"x":1,"y":2},{"x":1,"y":3,"z":4}]`},
		{"the earlier merge wins", "[&a {x: 1}, &b {x: 2, y: 2}, {<<: [*a, *b]}]", `[{"x":1},{"x":2,"y":2},{"x":1,"y":2}]`},
		{"a quoted << is a key", "{'<<': 1}", `{"<<":1}`},
		{"a block keeps its lines", "|\n  a\n   b", `"a\n b\n"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := read(t, "x.yaml", flowWithSample(test.yaml))
			if diff := cmp.Diff(test.json, string(d.Flow.Trigger.Sample)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAKeyNamedOnIsNoBoolean(t *testing.T) {
	d := read(t, "x.yaml", "kind: Flow\ntrigger: {uses: webhook/receive}\nsteps:\n- {id: a, uses: mapper/map}\n- id: b\n  uses: mapper/map\n  on: failure\n")
	if have := d.Flow.Steps[1].On; have != "failure" {
		t.Errorf("want failure, have %q", have)
	}
}

func TestDocumentsOfAFileAreReadInOrder(t *testing.T) {
	flow := "kind: Flow\nid: ID\ntrigger: {uses: webhook/receive}\nsteps: []\n"
	documents, err := ReadDocuments("x.yaml", []byte("---\n"+strings.Replace(flow, "ID", "a", 1)+"---\n# none\n---\n"+
		"kind: Credential\nid: c\nuses: petstore\ntype: basic\n"+"---\n"+strings.Replace(flow, "ID", "b", 1)), nil)
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, d := range documents {
		if d.Kind == "Flow" {
			have = append(have, "flow "+d.Flow.ID)
		} else {
			have = append(have, d.Credential.String())
		}
	}
	if diff := cmp.Diff([]string{"flow a", "credential c", "flow b"}, have); diff != "" {
		t.Error(diff)
	}
}

func TestJSONIsKeptByteForByteButForWhiteSpace(t *testing.T) {
	const text = `{"kind":"Flow","trigger":{"sample":{"z":1.0,"a":[12345678901234567890,"\u00e9\/😀"]},"uses":"webhook/receive"},"steps":[]}`
	for _, file := range []string{"x.json", ""} {
		d := read(t, file, strings.ReplaceAll(text, `,`, " ,\n\t"))
		want := strings.NewReplacer(`\u00e9`, "é", `\/`, "/").Replace(text)
		if diff := cmp.Diff(want, string(d.JSON)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestAnEmojiAsSurrogatesIsReadInJSON(t *testing.T) {
	d := read(t, "x.json", `{"kind":"Flow","name":"\ud83d\ude00","trigger":{"uses":"webhook/receive"},"steps":[]}`)
	if d.Flow.Name != "😀" {
		t.Errorf("have %q", d.Flow.Name)
	}
}

func TestCredentialValuesAreTextsAndComeFromTheEnvironment(t *testing.T) {
	want := map[string]string{"user": "pets", "password": "a-hunter2-t0k3n", "pin": "0123", "flag": "yes", "number": "1e3", "truth": "true", "kept": "${HOME}", "odd": "${not a name}"}
	for file, text := range map[string]string{
		"x.yaml": "kind: Credential\nid: a\nuses: petstore\ntype: basic\nvalues: {user: pets, password: 'a-${PASSWORD}-${TOKEN}', pin: 0123, flag: yes, number: 1e3, truth: true, kept: '$${HOME}', odd: '${not a name}'}\n",
		"x.json": `{"kind": "Credential", "id": "a", "uses": "petstore", "type": "basic", "values": {"user": "pets", "password": "a-${PASSWORD}-${TOKEN}", "pin": "0123", "flag": "yes", "number": 1e3, "truth": true, "kept": "$${HOME}", "odd": "${not a name}"}}`,
	} {
		d := read(t, file, text)
		if diff := cmp.Diff(want, d.Credential.Values); diff != "" {
			t.Errorf("%s: %s", file, diff)
		}
		if !bytes.Contains(d.JSON, []byte("hunter2")) {
			t.Errorf("%s: the environment is not replaced in the JSON", file)
		}
	}
}

func TestWithoutAnEnvironmentValuesStayAsTheyAre(t *testing.T) {
	documents, err := ReadDocuments("x.yaml", []byte("kind: Credential\nid: a\nuses: petstore\ntype: basic\nvalues: {password: '${PASSWORD}'}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if have := documents[0].Credential.Values["password"]; have != "${PASSWORD}" {
		t.Errorf("have %q", have)
	}
}

func TestSecretsNeverAppearInAProblem(t *testing.T) {
	const secret = "s3cr3tw0rd"
	values := []string{
		"password: " + secret, "password: *" + secret, "password: !" + secret, "password: !" + secret + " x", "password: [" + secret + "]", "password: {a: " + secret + "}",
		"password: &" + secret + " x", "password: !!int " + secret, "password: '" + secret, "password: \"\\q" + secret + "\"", "password: %" + secret, "password: @" + secret,
		"password: " + secret + ": " + secret, "password: ${" + secret + "}" + secret, "a: &x " + secret + "\n  b: [*x]", "password: !!binary " + secret, "password: | " + secret,
	}
	heads := []string{"kind: Credential\nid: a\nuses: petstore\ntype: basic\n", "kind: Credential\nid: a\nuses: petstore\nvaules: 1\n"}
	missing := func(string) (string, bool) { return secret, false }
	for _, head := range heads {
		for _, v := range values {
			_, err := ReadDocuments("x.yaml", []byte(head+"values:\n  "+v+"\n"), missing)
			if err != nil && strings.Contains(strings.ReplaceAll(err.Error(), "environment variable "+secret, ""), secret) &&
				!strings.Contains(v, "${") { // a variable's name is no value
				t.Errorf("%s\n%v", v, err)
			}
		}
	}
	for _, v := range []string{secret, `"` + secret, `{"password": ` + secret + `}`, `{"password": ["` + secret + `"]}`, `["` + secret + `"]`, `"` + secret + `"`, `{"password": "\q` + secret + `"}`} {
		_, err := ReadDocuments("x.json", []byte(`{"kind": "Credential", "id": "a", "uses": "petstore", "type": "basic", "values": `+v+`}`), missing)
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s\n%v", v, err)
		}
	}
}

func TestReadFlowTakesOneFlow(t *testing.T) {
	const flow = "kind: Flow\ntrigger: {uses: webhook/receive}\nsteps: []\n"
	for text, want := range map[string]string{
		flow: "",
		`{"kind":"Flow","trigger":{"uses":"webhook/receive"},"steps":[]}`: "",
		flow + "---\n" + flow: "5:1: want one flow, have several documents; send them one by one",
		"kind: Credential\nid: a\nuses: petstore\ntype: basic\n": "1:7: kind: want Flow, have Credential; send a document of kind: Flow",
		"": "1:1: there is no document; begin with kind: Flow or kind: Credential",
	} {
		have := ""
		d, err := ReadFlow([]byte(text))
		if err != nil {
			have = err.Error()
		} else if d.Flow == nil || d.Kind != "Flow" {
			t.Errorf("%s: want a flow, have %+v", text, d)
		}
		if have != want {
			t.Errorf("%s\nwant %q\nhave %q", text, want, have)
		}
	}
}

func TestAnIDIsGivenToADocumentThatCameWithout(t *testing.T) {
	d := read(t, "x.yaml", "name: x\nkind: Flow\ntrigger: {uses: webhook/receive}\nsteps: []\n")
	const want = `{"name":"x","kind":"Flow","id":"abc","trigger":{"uses":"webhook/receive"},"steps":[]}`
	if have := d.WithID("other").WithID("abc"); string(have.JSON) != want || have.Flow.ID != "abc" {
		t.Errorf("have %s", have.JSON)
	}
	if d.Flow.ID != "" || strings.Contains(string(d.JSON), "abc") {
		t.Errorf("the document itself has changed: %s", d.JSON)
	}
}

func TestTheDesignsDocumentIsReadInBothSyntaxes(t *testing.T) {
	data, err := os.ReadFile("testdata/documents/design.yaml")
	if err != nil {
		t.Fatal(err)
	}
	fromYAML, err := ReadFlow(data)
	if err != nil {
		t.Fatal(err)
	}
	fromJSON, err := ReadFlow(fromYAML.JSON)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fromYAML.Flow, fromJSON.Flow); diff != "" {
		t.Error(diff)
	}
	f := fromYAML.Flow
	if f.Trigger.Respond.OnFailure.Status != 404 || f.Dedupe.Key != `=headers."x-github-delivery"` || f.Steps[1].When != `=steps.create.status = "sold"` ||
		len(f.Steps[0].Retry.On) != 4 || string(f.Steps[0].Input) != `{"name":"=body.petname","status":"=body.petstatus"}` {
		t.Errorf("have %+v", f)
	}
}

func TestADocumentsJSONReadAgainIsTheSame(t *testing.T) {
	scalar := rapid.OneOf(
		rapid.Map(rapid.String(), func(s string) string { b, _ := json.Marshal(s); return string(b) }),
		rapid.StringMatching(`-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?`),
		rapid.SampledFrom([]string{"true", "false", "null", "{}", "[]", `"=x"`, `"2024-01-01"`, `"yes"`}),
	)
	rapid.Check(t, func(t *rapid.T) {
		sample := scalar.Draw(t, "scalar")
		for range rapid.IntRange(0, 5).Draw(t, "depth") {
			if rapid.Bool().Draw(t, "list") {
				sample = "[" + sample + "," + scalar.Draw(t, "item") + "]"
			} else {
				key, _ := json.Marshal(rapid.String().Draw(t, "key"))
				sample = "{" + string(key) + ":" + sample + "}"
			}
		}
		text := `{"kind":"Flow","trigger":{"uses":"webhook/receive","sample":` + sample + `},"steps":[]}`
		first, err := ReadDocuments("a.json", []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ReadDocuments("b.json", first[0].JSON, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first[0].JSON, again[0].JSON) {
			t.Fatalf("%s\n%s", first[0].JSON, again[0].JSON)
		}
	})
}

// TestTheSchemasSayWhatTheStructsHold holds the two descriptions together.
func TestTheSchemasSayWhatTheStructsHold(t *testing.T) {
	check := func(s *Schema, location string, v any) {
		t.Helper()
		properties, _ := s.at(location)["properties"].(map[string]any)
		said := map[string]bool{}
		for name := range properties {
			said[name] = true
		}
		held := map[string]bool{}
		for field := range reflect.TypeOf(v).Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			held[name] = true
		}
		if diff := cmp.Diff(held, said); diff != "" {
			t.Errorf("%s: the struct (-) and the schema (+) differ:\n%s", location, diff)
		}
	}
	check(flowSchema(), "", Flow{})
	check(flowSchema(), "#/$defs/trigger", Trigger{})
	check(flowSchema(), "#/$defs/respond", Respond{})
	check(flowSchema(), "#/$defs/step", Step{})
	check(flowSchema(), "#/$defs/retry", Retry{})
	check(flowSchema(), "#/properties/dedupe", Dedupe{})
	check(credentialSchema(), "", CredentialDocument{})
}

func TestEveryFieldOfTheSchemasHasATitleAndADescription(t *testing.T) {
	var visit func(at string, v any)
	visit = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if properties, ok := v["properties"].(map[string]any); ok {
				if v["additionalProperties"] != false {
					t.Errorf("%s: additionalProperties is not false", at)
				}
				for name, p := range properties {
					p := p.(map[string]any)
					if p["title"] == nil || p["description"] == nil {
						t.Errorf("%s: %s has no title or no description", at, name)
					}
				}
			}
			for k, x := range v {
				visit(at+"/"+k, x)
			}
		case []any:
			for _, x := range v {
				visit(at, x)
			}
		}
	}
	for _, raw := range []json.RawMessage{FlowSchema(), CredentialSchema()} {
		var doc any
		if err := json.Unmarshal(raw, &doc); err != nil {
			t.Fatal(err)
		}
		visit("", doc)
	}
}

// TestExamplesOfTheSchemasFit: they are what messages tell people to write.
func TestExamplesOfTheSchemasFit(t *testing.T) {
	for _, s := range []*Schema{flowSchema(), credentialSchema()} {
		var visit func(v any)
		visit = func(v any) {
			switch v := v.(type) {
			case map[string]any:
				examples, _ := v["examples"].([]any)
				if d, ok := v["default"]; ok {
					examples = append(examples, d)
				}
				if len(examples) > 0 {
					alone := map[string]any{"allOf": []any{v}}
					if defs, ok := s.raw.(map[string]any)["$defs"]; ok {
						alone["$defs"] = defs
					}
					raw, err := json.Marshal(alone)
					if err != nil {
						t.Fatal(err)
					}
					one, err := CompileSchema(raw)
					if err != nil {
						t.Fatal(err)
					}
					for _, e := range examples {
						if err := one.compiled.Validate(e); err != nil {
							t.Errorf("%v: %v", v["title"], err)
						}
					}
				}
				for _, x := range v {
					visit(x)
				}
			case []any:
				for _, x := range v {
					visit(x)
				}
			}
		}
		visit(s.raw)
	}
}

// FuzzReadDocuments: no file makes it panic, and what it takes it takes again.
func FuzzReadDocuments(f *testing.F) {
	files, err := filepath.Glob("testdata/documents/*.[yj]*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	c := newCatalog(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, file := range []string{"x.yaml", "x.json"} {
			documents, err := ReadDocuments(file, data, testEnvironment)
			if err != nil {
				if problems, ok := err.(Problems); !ok || len(problems) == 0 || problems[0].Line < 1 || problems[0].Column < 1 {
					t.Errorf("want problems with places, have %T: %v", err, err)
				}
				continue
			}
			for _, d := range documents {
				d.Check(c)
				again, err := ReadDocuments("x.json", d.JSON, nil)
				if err != nil {
					t.Fatalf("%v\n%s", err, d.JSON)
				}
				if !bytes.Equal(d.JSON, again[0].JSON) {
					t.Errorf("%s\n%s", d.JSON, again[0].JSON)
				}
			}
		}
	})
}

func FuzzStepReferences(f *testing.F) {
	f.Add("steps.a & steps.`b-c` & body[steps.x] /* steps.c */ & \"steps.d\"")
	f.Fuzz(func(t *testing.T, src string) {
		for _, ref := range stepReferences(src) {
			if ref.name == "" || ref.end > len(src) || !strings.HasPrefix(string([]rune(src)[ref.at:]), "steps") {
				t.Errorf("%q: %+v", src, ref)
			}
		}
	})
}
