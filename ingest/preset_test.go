package ingest

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
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
	Certificate                     string // pinned, of paypal
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

// scheme is the preset with what the vector pins.
func (v vector) scheme() Scheme {
	s := presets[v.Type]
	s.Certificate = v.Certificate
	return s
}

// anotherSecret is one that could be a scheme's, and is not the vector's.
func anotherSecret(t *testing.T, s Scheme) string {
	t.Helper()
	var public any
	var err error
	switch s.Key {
	case "ed25519":
		public, _, err = ed25519.GenerateKey(rand.Reader)
	case "ecdsa":
		var private *ecdsa.PrivateKey
		if private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err == nil {
			public = &private.PublicKey
		}
	default:
		return "whsec_bmV3ZXI="
	}
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

func TestEveryPresetHasAVectorThatItAccepts(t *testing.T) {
	missing := maps.Clone(presets)
	for _, v := range vectors(t) {
		delete(missing, v.Type)
		verifier, err := v.scheme().Verifier(v.Secret)
		if err != nil {
			t.Errorf("%s: %v", v.Type, err)
			continue
		}
		if err := verifier.Verify(v.message(), v.now()); err != nil {
			t.Errorf("%s (%s): %v", v.Type, v.Source, err)
		}
		if rotated, err := v.scheme().Verifier(anotherSecret(t, v.scheme()), v.Secret); err != nil {
			t.Errorf("%s: %v", v.Type, err)
		} else if err := rotated.Verify(v.message(), v.now()); err != nil {
			t.Errorf("%s: refused while its secret is rotated: %v", v.Type, err)
		}
		// Byte for byte as it comes, too.
		m := v.message()
		proof, err := verifier.Begin(m, v.now())
		if err != nil {
			t.Errorf("%s: begun: %v", v.Type, err)
			continue
		}
		for i := range m.Body {
			_, _ = proof.Write(m.Body[i : i+1])
		}
		if err := proof.End(); err != nil {
			t.Errorf("%s: in pieces: %v", v.Type, err)
		}
	}
	if len(missing) > 0 {
		t.Errorf("no vector for %v", slices.Sorted(maps.Keys(missing)))
	}
}

func TestEveryPresetRefusesWhatIsNotSigned(t *testing.T) {
	for _, v := range vectors(t) {
		scheme := v.scheme()
		verifier, err := scheme.Verifier(v.Secret)
		if err != nil {
			t.Fatal(err)
		}
		refused := func(what string, changed vector, now time.Time) {
			t.Helper()
			if verifier.Verify(changed.message(), now) == nil {
				t.Errorf("%s (%s): %s was accepted", v.Type, v.Source, what)
			}
		}
		with := func(change func(*vector)) vector {
			changed := v
			changed.Headers = maps.Clone(v.Headers)
			change(&changed)
			return changed
		}
		header := func(name string, text func(string) string) vector {
			return with(func(c *vector) {
				for k, value := range c.Headers {
					if strings.EqualFold(k, name) {
						c.Headers[k] = text(value)
					}
				}
			})
		}
		coversBody := v.Type != "mailgun" && v.Type != "microsoft-graph"
		if coversBody {
			refused("another body", with(func(c *vector) { c.Body = strings.TrimSuffix(c.Body, "\n") + " " }), v.now())
			for i := range v.Body {
				refused(fmt.Sprintf("a body with byte %d changed", i), with(func(c *vector) {
					raw := []byte(c.Body)
					raw[i] ^= 1
					c.Body = string(raw)
				}), v.now())
			}
		}
		if scheme.Header != "" {
			signature := func(text func(string) string) vector { return header(scheme.Header, text) }
			refused("junk behind the signature", signature(func(s string) string { return s + "A" }), v.now())
			refused("padding behind the signature", signature(func(s string) string { return s + "=" }), v.now())
			refused("a cut signature", signature(func(s string) string { return s[:len(s)-4] }), v.now())
			refused("no signature", signature(func(string) string { return "" }), v.now())
			refused("only a prefix", signature(func(string) string { return scheme.Prefix }), v.now())
			refused("no signature header", with(func(c *vector) {
				maps.DeleteFunc(c.Headers, func(k, _ string) bool { return strings.EqualFold(k, scheme.Header) })
			}), v.now())
			for i := range 12 { // of the right signature, which is the last one
				refused(fmt.Sprintf("a signature with byte %d from the end changed", i), signature(func(s string) string {
					raw := []byte(s)
					raw[len(raw)-5-i] ^= 1
					return string(raw)
				}), v.now())
			}
		}
		for _, name := range []string{scheme.TimestampHeader, scheme.IDHeader, "PAYPAL-TRANSMISSION-ID", "Twitch-Eventsub-Message-Id"} {
			for k, value := range v.Headers {
				if name != "" && strings.EqualFold(k, name) {
					for i := range value {
						refused(fmt.Sprintf("%s with byte %d changed", k, i), header(k, func(s string) string {
							raw := []byte(s)
							raw[i] ^= 1
							return string(raw)
						}), v.now())
					}
				}
			}
		}
		for _, member := range []string{"clientState", "token", "timestamp", "signature"} {
			if coversBody {
				break
			}
			if i := strings.LastIndex(v.Body, member); i > 0 {
				at := i + len(member) + 4 // within the value, after ":" or =
				refused("another "+member, with(func(c *vector) {
					raw := []byte(c.Body)
					raw[at] ^= 1
					c.Body = string(raw)
				}), v.now())
			}
		}
		if strings.Contains(scheme.Template, "{url}") {
			refused("another URL", with(func(c *vector) { c.URL += "0" }), v.now())
		}
		if strings.Contains(scheme.Template, "{method}") {
			m := v.message()
			m.Method = "PUT"
			if verifier.Verify(m, v.now()) == nil {
				t.Errorf("%s: another method was accepted", v.Type)
			}
		}
		if scheme.Tolerance > 0 {
			refused("a stale timestamp", v, v.now().Add(scheme.Tolerance+2*time.Second))
			refused("a timestamp of the future", v, v.now().Add(-scheme.Tolerance-2*time.Second))
		}
		for name := range v.Headers {
			if strings.EqualFold(name, "Content-Type") {
				continue
			}
			twice := v.message()
			once := twice.Header
			twice.Header = func(asked string) [][]byte {
				values := once(asked)
				if strings.EqualFold(asked, name) {
					return append(values, values[0])
				}
				return values
			}
			if verifier.Verify(twice, v.now()) == nil {
				t.Errorf("%s: the header %s was accepted twice", v.Type, name)
			}
		}
		other, err := scheme.Verifier(anotherSecret(t, scheme))
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
