package ingest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/schemas"
)

// sender signs as a provider does, from the data of its scheme. That the data
// are right is what the vectors of the providers' own libraries show.
type sender struct {
	kind    string
	scheme  Scheme
	values  map[string]string // of the credential
	private crypto.Signer     // of the public kinds
}

func newSender(t *testing.T, kind string) *sender {
	t.Helper()
	s := &sender{kind: kind, scheme: presets[kind], values: map[string]string{"secret": "whsec_c2VzYW1l"}}
	var err error
	switch s.scheme.Key {
	case "ed25519":
		_, s.private, err = ed25519.GenerateKey(rand.Reader)
	case "ecdsa":
		s.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "rsa":
		s.private, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	if s.private != nil {
		der, err := x509.MarshalPKIXPublicKey(s.private.Public())
		if err != nil {
			t.Fatal(err)
		}
		if s.scheme.CertificateHeader != "" {
			s.values["certificate"] = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		} else {
			s.values["secret"] = base64.StdEncoding.EncodeToString(der)
		}
	}
	return s
}

// sign gives the headers and the body that prove a request.
func (s *sender) sign(t *testing.T, method, url string, now time.Time) (headers []string, body string) {
	t.Helper()
	secret := s.values["secret"]
	stamp := strconv.FormatInt(now.Unix(), 10)
	body = `{"n":1.0}`
	headers = []string{"Content-Type: application/json"}
	switch s.kind {
	case "gitlab":
		return append(headers, "X-Gitlab-Token: "+secret), body
	case "microsoft-graph":
		return headers, `{"value":[{"clientState":"` + secret + `"}]}`
	case "twilio":
		headers, body = []string{"Content-Type: application/x-www-form-urlencoded"}, "b=2&a=1"
		return append(headers, "X-Twilio-Signature: "+base64.StdEncoding.EncodeToString(macOf(t, "sha1", secret, url+"a1b2"))), body
	case "mailgun":
		sum := hex.EncodeToString(macOf(t, "sha256", secret, stamp+"tok"))
		return headers, `{"signature":{"timestamp":"` + stamp + `","token":"tok","signature":"` + sum + `"}}`
	case "linear":
		body = `{"webhookTimestamp":` + strconv.FormatInt(now.UnixMilli(), 10) + `}`
	case "hubspot":
		stamp = strconv.FormatInt(now.UnixMilli(), 10)
	case "twitch", "paypal", "zendesk":
		stamp = now.UTC().Format(time.RFC3339)
	}
	if s.scheme.IDHeader != "" {
		headers = append(headers, s.scheme.IDHeader+": id")
	}
	if s.scheme.TimestampHeader != "" {
		headers = append(headers, s.scheme.TimestampHeader+": "+stamp)
	}
	if s.scheme.CertificateHeader != "" {
		headers = append(headers, s.scheme.CertificateHeader+": https://api.paypal.com/cert.pem")
	}
	text := strings.NewReplacer("{body}", body, "{timestamp}", stamp, "{id}", "id", "{method}", method, "{url}", url,
		"{secret}", secret, "{crc32}", fmt.Sprint(crc32.ChecksumIEEE([]byte(body))),
		"{header:PAYPAL-TRANSMISSION-ID}", "tid", "{header:Twitch-Eventsub-Message-Id}", "tid").Replace(s.scheme.Template)
	for _, p := range parseTemplate(s.scheme.Template) {
		if p.word == "header" {
			headers = append(headers, p.name+": tid")
		}
	}
	var signature []byte
	switch s.scheme.Key {
	case "ed25519":
		signature = ed25519.Sign(s.private.(ed25519.PrivateKey), []byte(text))
	case "ecdsa", "rsa":
		sum := sha256.Sum256([]byte(text))
		var err error
		if signature, err = s.private.Sign(rand.Reader, sum[:], crypto.SHA256); err != nil {
			t.Fatal(err)
		}
	default:
		key := strings.TrimPrefix(secret, s.scheme.SecretPrefix)
		if s.scheme.SecretEncoding == "base64" {
			raw, err := base64.StdEncoding.DecodeString(key)
			if err != nil {
				t.Fatal(err)
			}
			key = string(raw)
		}
		signature = macOf(t, s.scheme.Algorithm, key, text)
	}
	encoded := hex.EncodeToString(signature)
	if s.scheme.Encoding == "base64" {
		encoded = base64.StdEncoding.EncodeToString(signature)
	}
	value := s.scheme.Prefix + encoded
	if s.scheme.SignatureKey != "" {
		value = s.scheme.SignatureKey + "=" + value
	}
	if s.scheme.TimestampKey != "" {
		value = s.scheme.TimestampKey + "=" + stamp + s.scheme.Separator + value
	}
	return append(headers, s.scheme.Header+": "+value), body
}

func macOf(t *testing.T, algorithm, key, text string) []byte {
	t.Helper()
	mac := hmac.New(algorithms[algorithm], []byte(key))
	_, _ = io.WriteString(mac, text)
	return mac.Sum(nil)
}

// TestEveryMethodIsAuthenticatedByEveryProvidersType: each of the 29 types by
// each method, over the wire: what is signed is taken, and nothing else is.
func TestEveryMethodIsAuthenticatedByEveryProvidersType(t *testing.T) {
	w := start(t, nil)
	kinds := append(PresetNames(), "gitlab")
	if len(kinds) != 29 {
		t.Errorf("%d types, want 29", len(kinds))
	}
	accepted := 0
	send := func(method, path, body string, headers []string) reply {
		t.Helper()
		return w.send(method, path, body, headers...)
	}
	for _, kind := range kinds {
		s := newSender(t, kind)
		other := newSender(t, kind)
		if other.values["secret"] == s.values["secret"] {
			other.values["secret"] = "whsec_b3Blbg=="
		}
		w.credential(t, kind, kind, s.values)
		// While it is rotated: the new secret first, the one before still valid.
		rotated := map[string]string{"certificate": s.values["certificate"], "secret": other.values["secret"], "previousSecret": s.values["secret"]}
		w.credential(t, kind+"-rotated", kind, rotated)
		w.credential(t, kind+"-none", kind, map[string]string{"secret": ""})
		for _, suffix := range []string{"", "-rotated", "-none"} {
			w.run(t, kind+suffix, schemas.Trigger{Credential: kind + suffix, Methods: everyMethod})
		}
		// Paddle's window is five seconds: signed anew each time.
		for _, method := range everyMethod {
			path := "/hook/" + kind
			signed := func(path string, at time.Time) reply {
				headers, body := s.sign(t, method, w.url+path, at)
				return send(method, path, body, headers)
			}
			for _, p := range []string{path, path + "-rotated"} {
				if got := signed(p, time.Now()); got.status != http.StatusOK {
					t.Errorf("%s, %s %s, signed: %d %s", kind, method, p, got.status, got.body)
				} else {
					accepted++
				}
			}
			if got := signed(path+"-none", time.Now()); got.status != 401 {
				t.Errorf("%s, %s with a credential without a secret: %d", kind, method, got.status)
			}
			if got := send(method, path, signedBody, []string{"Content-Type: application/json"}); got.status != 401 || got.problem.RequestID == "" || got.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s, %s, not signed: %d %s", kind, method, got.status, got.body)
			}
			if headers, body := other.sign(t, method, w.url+path, time.Now()); kind != "paypal" { // its secret is part of the text
				if got := send(method, path, body, headers); got.status != 401 {
					t.Errorf("%s, %s, signed by another: %d", kind, method, got.status)
				}
			}
			if s.scheme.Tolerance > 0 {
				for _, off := range []time.Duration{-time.Hour, time.Hour} {
					if got := signed(path, time.Now().Add(off)); got.status != 401 {
						t.Errorf("%s, %s, %v off: %d", kind, method, off, got.status)
					}
				}
			}
			headers, body := s.sign(t, method, w.url+path, time.Now())
			at := slices.IndexFunc(headers, func(h string) bool {
				name, _, _ := strings.Cut(h, ":")
				return strings.EqualFold(name, s.scheme.Header) || kind == "gitlab" && name == GitLabToken
			})
			if at >= 0 {
				if got := send(method, path, body, append(slices.Clone(headers), headers[at])); got.status != 401 {
					t.Errorf("%s, %s, the signature twice: %d", kind, method, got.status)
				}
				junk := slices.Clone(headers)
				junk[at] += "!!"
				if got := send(method, path, body, junk); got.status != 401 {
					t.Errorf("%s, %s, junk behind the signature: %d", kind, method, got.status)
				}
			}
		}
		if got := send("HEAD", "/hook/"+kind, "", nil); got.status != 200 {
			t.Errorf("%s, HEAD: %d", kind, got.status)
		}
	}
	if n := len(w.stored()); n != accepted {
		t.Errorf("%d hooks are stored, %d were accepted", n, accepted)
	}
}
