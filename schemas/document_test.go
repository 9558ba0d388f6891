package schemas

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// catalog is what the documents of testdata are checked against.
type catalog struct{ inputs map[string]*Schema }

func newCatalog(t testing.TB) catalog {
	inputs := map[string]*Schema{}
	for name, raw := range map[string]string{
		"webhook/receive": `{}`,
		"webhook/send": `{"type": "object", "required": ["url"], "additionalProperties": false, "properties": {
			"url": {"type": "string", "format": "uri"}, "body": {}, "headers": {"type": "object", "additionalProperties": {"type": "string"}},
			"method": {"enum": ["POST", "PUT"], "default": "POST"}, "tries": {"type": "integer", "minimum": 1}}}`,
		"petstore/create-pet": `{"type": "object", "required": ["name", "status"], "additionalProperties": false, "properties": {
			"name": {"type": "string", "minLength": 1, "examples": ["Gromit"]}, "status": {"enum": ["available", "pending", "sold"]},
			"tags": {"type": "array", "items": {"type": "string"}}}}`,
		"mapper/map": `{"type": "object"}`,
	} {
		s, err := CompileSchema(json.RawMessage(raw))
		if err != nil {
			t.Fatal(err)
		}
		inputs[name] = s
	}
	return catalog{inputs}
}

func (c catalog) Component(name string) (trigger, ok bool) {
	_, ok = c.inputs[name]
	return name == "webhook/receive", ok
}

func (c catalog) ComponentNames() []string {
	var names []string
	for name := range c.inputs {
		names = append(names, name)
	}
	return names
}

func (c catalog) CredentialType(string) (string, bool) { return "basic", true }

func (c catalog) CheckInput(component string, input json.RawMessage) error {
	return c.inputs[component].CheckConstants(input)
}

func (c catalog) Credential(id string) (string, bool) {
	uses, ok := map[string]string{"pets-basic": "webhook", "petstore": "petstore"}[id]
	return uses, ok
}

func (c catalog) CheckCredential(_, typ string, values map[string]string) error {
	if typ == "basic" && values["password"] == "" {
		return InputFaults{{Pointer: "/password", Message: "is missing", Remedy: "add a password"}}
	}
	return nil
}

// expressionError is an error at a position, as JSONata's are.
type expressionError struct {
	message  string
	position int
}

func (e *expressionError) Error() string { return e.message }
func (e *expressionError) Position() int { return e.position }

// Expression takes everything whose brackets match and that has no two
// operators in a row: enough of a compiler to place errors.
func (c catalog) Expression(src string) error {
	var open []rune
	for i, r := range []rune(src) {
		switch r {
		case '(', '[', '{':
			open = append(open, r)
		case ')', ']', '}':
			if len(open) == 0 {
				return fmt.Errorf("compiling: %w", &expressionError{fmt.Sprintf("unexpected %q", r), i})
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		return fmt.Errorf("compiling: %w", &expressionError{"a bracket is not closed", len([]rune(src))})
	}
	return nil
}

func testEnvironment(name string) (string, bool) {
	v, ok := map[string]string{"PASSWORD": "hunter2", "TOKEN": "t0k3n"}[name]
	return v, ok
}

// report is what sluice apply would print about a file.
func report(t testing.TB, file string, data []byte) string {
	documents, err := ReadDocuments(filepath.Base(file), data, testEnvironment)
	var problems Problems
	if err != nil {
		if !errors.As(err, &problems) {
			t.Fatalf("want Problems, have %T: %v", err, err)
		}
		if documents != nil {
			t.Errorf("want no documents beside problems, have %d", len(documents))
		}
		return err.Error() + "\n"
	}
	for _, d := range documents {
		problems = append(problems, d.Check(newCatalog(t))...)
	}
	if len(problems) == 0 {
		return "ok\n"
	}
	return problems.Error() + "\n"
}

func TestEveryWrongDocumentSaysWhatIsWrongWhereAndWhatWouldBeRight(t *testing.T) {
	files, err := filepath.Glob("testdata/documents/*.[yj]*")
	if err != nil || len(files) < 2 {
		t.Fatal("want documents in testdata", err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".golden") {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			have := report(t, file, data)
			golden := file + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(have), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), have); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestARetentionIsBetweenAnHourAndThirtyDays(t *testing.T) {
	for text, ok := range map[string]bool{"1h": true, "168h": true, "720h": true, "59m": false, "721h": false} {
		documents, err := ReadDocuments("", []byte("kind: Flow\nid: pets\nretention: "+text+"\ntrigger: {uses: webhook/receive}\nsteps:\n  - {id: a, uses: mapper/map}\n"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if problems := documents[0].Check(newCatalog(t)); (len(problems) == 0) != ok {
			t.Errorf("%s: %v", text, problems)
		}
	}
}
