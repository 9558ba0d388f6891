package ingest

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/schemas"
)

// vector is a signed request, and where it comes from.
type vector struct {
	Type, Secret, URL, Body, Source string
	Headers                         map[string]string
	At                              time.Time
}

func vectors(t *testing.T) []vector {
	t.Helper()
	raw, err := os.ReadFile("testdata/signatures.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func (v vector) message() Message {
	return Message{Method: "POST", URL: v.URL, Body: []byte(v.Body), Header: func(name string) [][]byte {
		var values [][]byte
		for k, value := range v.Headers {
			if strings.EqualFold(k, name) {
				values = append(values, []byte(value))
			}
		}
		return values
	}}
}

func (v vector) now() time.Time {
	if v.At.IsZero() {
		return time.Unix(1700000000, 0)
	}
	return v.At
}

func TestEveryPresetHasAVectorThatItAccepts(t *testing.T) {
	missing := maps.Clone(presets)
	for _, v := range vectors(t) {
		delete(missing, v.Type)
		verifier, err := presets[v.Type].Verifier(v.Secret)
		if err != nil {
			t.Errorf("%s: %v", v.Type, err)
			continue
		}
		if err := verifier.Verify(v.message(), v.now()); err != nil {
			t.Errorf("%s (%s): %v", v.Type, v.Source, err)
		}
		if rotated, err := presets[v.Type].Verifier("whsec_bmV3ZXI=", v.Secret); err != nil {
			t.Errorf("%s: %v", v.Type, err)
		} else if err := rotated.Verify(v.message(), v.now()); err != nil {
			t.Errorf("%s: refused while its secret is rotated: %v", v.Type, err)
		}
	}
	if len(missing) > 0 {
		t.Errorf("no vector for %v", slices.Sorted(maps.Keys(missing)))
	}
}

func TestEveryPresetRefusesWhatIsNotSigned(t *testing.T) {
	for _, v := range vectors(t) {
		scheme := presets[v.Type]
		verifier, err := scheme.Verifier(v.Secret)
		if err != nil {
			t.Fatal(err)
		}
		refused := func(what string, changed vector, now time.Time) {
			t.Helper()
			if verifier.Verify(changed.message(), now) == nil {
				t.Errorf("%s: %s was accepted", v.Type, what)
			}
		}
		with := func(change func(*vector)) vector {
			changed := v
			changed.Headers = maps.Clone(v.Headers)
			change(&changed)
			return changed
		}
		signature := func(text func(string) string) vector {
			return with(func(c *vector) {
				for k, value := range c.Headers {
					if strings.EqualFold(k, scheme.Header) {
						c.Headers[k] = text(value)
					}
				}
			})
		}
		refused("another body", with(func(c *vector) { c.Body = strings.TrimSuffix(c.Body, "\n") + " " }), v.now())
		refused("junk behind the signature", signature(func(s string) string { return s + "A" }), v.now())
		refused("a cut signature", signature(func(s string) string { return s[:len(s)-4] }), v.now())
		refused("no signature", signature(func(string) string { return "" }), v.now())
		if strings.Contains(scheme.Template, "{url}") {
			refused("another URL", with(func(c *vector) { c.URL += "0" }), v.now())
		}
		if scheme.Tolerance > 0 {
			refused("a stale timestamp", v, v.now().Add(scheme.Tolerance+2*time.Second))
			refused("a timestamp of the future", v, v.now().Add(-scheme.Tolerance-2*time.Second))
		}
		twice := v.message()
		header := twice.Header
		twice.Header = func(name string) [][]byte {
			values := header(name)
			if strings.EqualFold(name, scheme.Header) {
				return append(values, values[0])
			}
			return values
		}
		if verifier.Verify(twice, v.now()) == nil {
			t.Errorf("%s: a signature header that is there twice was accepted", v.Type)
		}
		other, err := scheme.Verifier("whsec_b3RoZXI=")
		if err != nil {
			t.Fatal(err)
		}
		if other.Verify(v.message(), v.now()) == nil {
			t.Errorf("%s: another secret was accepted", v.Type)
		}
		if _, err := scheme.Verifier(""); err == nil {
			t.Errorf("%s: no secret was taken for one", v.Type)
		}
	}
}

func TestGitLabsTokenOpensItsFlowAndNothingElseDoes(t *testing.T) {
	entry := &schemas.CredentialEntry{Credential: schemas.Credential{ID: "gl", Uses: "webhook", Type: "gitlab"}}
	l := newLock("gl", entry, map[string]string{"secret": "new", "previousSecret": "old"}, &site{})
	for token, opens := range map[string]bool{"new": true, "old": true, "": false, "other": false, "newer": false} {
		if got := l.keyOpens([][]byte{[]byte(token)}) == nil; got != opens {
			t.Errorf("token %q opens: %v, want %v", token, got, opens)
		}
	}
	if l.keyOpens([][]byte{[]byte("new"), []byte("new")}) == nil || l.keyOpens(nil) == nil {
		t.Error("two tokens, or none, opened the flow")
	}
	if l := newLock("gl", entry, map[string]string{}, &site{}); l.broken == nil {
		t.Error("a credential without a secret is in use")
	}
}
