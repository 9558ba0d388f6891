package ingest

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"sync"
	"time"
)

// Scheme says how a sender signs: with a kind of key, over a text made of the
// request. It is data: the credential type hmac fills one in from the user's
// values, and a provider's preset is a value of it. Key and algorithm are the
// scheme's, never the request's.
type Scheme struct {
	// Key is the kind of key: "" or hmac (RFC 2104, a shared secret), ed25519
	// (RFC 8032), ecdsa (P-256, ASN.1) or rsa (PKCS #1 v1.5). Of the last three
	// the secret is the sender's public key.
	Key       string
	Algorithm string // sha1, sha256 or sha512; of ed25519 it is part of the key

	Header string // that holds the signature; empty: SignatureField does
	// SignatureField and TimestampField are members of a JSON body, such as
	// signature.timestamp; in a form, the field named by the last word.
	SignatureField string
	TimestampField string
	Encoding       string // of the signature: hex, base64 (padded), or base64url (not padded)
	Prefix         string // before each signature, such as "sha256=" or "v1,"
	// Separator stands between several signatures in the header, of which one
	// has to be right; empty: the header holds one.
	Separator string
	// SignatureKey and TimestampKey: the header is a list of key=value pairs
	// between Separators, as Stripe's "t=1,v1=…,v1=…"; pairs with other keys
	// are ignored.
	SignatureKey string
	TimestampKey string

	TimestampHeader string        // with the time of sending; empty: none, or TimestampKey
	Tolerance       time.Duration // how far the timestamp may be from now, both ways; 0: any time
	// TimestampOptional: a body without TimestampField has no time to check.
	TimestampOptional bool

	// Template is what is signed. {body}, {timestamp}, {id}, {method}, {url},
	// {header:NAME}, {field:NAME} (as SignatureField), {secret} and {crc32} (of
	// the body, in decimal) are replaced in one pass; the body is the raw bytes.
	Template string
	IDHeader string // what {id} is; default webhook-id
	// URLDecoded are the characters that the sender may have signed as they
	// are where the URL has them percent-encoded. Either spelling is right.
	URLDecoded string

	SecretEncoding string // of the key in the secret: "" as it is, or base64
	SecretPrefix   string // that is not part of the key, such as whsec_
	// PublicKeyPrefix marks a secret that is an Ed25519 public key, such as
	// whpk_; signatures then begin with PublicPrefix.
	PublicKeyPrefix, PublicPrefix string

	// CertificateHeader names a certificate for the key of kind rsa by its
	// address, which must be on CertificateHost or below it. The secret is then
	// no key, but what {secret} is.
	CertificateHeader string
	CertificateHost   string
	// Certificate is a certificate or a public key in PEM that is used in place
	// of the one that CertificateHeader names.
	Certificate string
	// AlgorithmHeader may be there to say AlgorithmName, and nothing else.
	AlgorithmHeader string
	AlgorithmName   string

	// whole checks what no template describes, with the whole body at hand.
	whole func(*Proof) error
}

// Message is a signed request as it came over the wire.
type Message struct {
	Method string
	URL    string // as the sender called it, with scheme, host, path and query
	// Header lists the values of a header, by its name in any case. The values
	// need only live until the next call.
	Header func(name string) [][]byte
	Body   []byte
}

// Unproven is the error of a request that does not show what it has to.
type Unproven struct {
	Reason Reason
	Detail string // for a person; holds no secret and nothing of the request but names
}

// Error is the detail.
func (u *Unproven) Error() string { return u.Detail }

// Verifier checks signatures by one scheme and the secrets that are valid at
// once. It is safe for concurrent use.
type Verifier struct {
	scheme       Scheme
	size         int // of a signature; 0: the key says
	parts        []part
	body         int  // the first part that is of the body; len(parts): none
	collects     bool // the whole body is wanted at once
	keys         []key
	certificates *Certificates // of a scheme with CertificateHeader
	proofs       sync.Pool     // of *Proof, for Verify
}

// part is a piece of what is signed: literal text, or a word of the template.
type part struct {
	literal []byte
	word    string
	name    string // of the words "header" and "field"
}

var algorithms = map[string]func() hash.Hash{"sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New}

// Verifier makes the scheme ready for its secrets, of which empty ones do not
// count. The error says which field, or that there is no secret. Certificates
// are fetched over the system's network; see VerifierWith.
func (s Scheme) Verifier(secrets ...string) (*Verifier, error) {
	return s.VerifierWith(nil, secrets...)
}

// VerifierWith is Verifier with the place that certificates come from, nil for
// one of the verifier's own.
func (s Scheme) VerifierWith(certificates *Certificates, secrets ...string) (*Verifier, error) {
	if s.PublicKeyPrefix != "" {
		for _, secret := range secrets {
			if strings.HasPrefix(secret, s.PublicKeyPrefix) {
				s.Key, s.Prefix, s.SecretPrefix = "ed25519", s.PublicPrefix, s.PublicKeyPrefix
			}
		}
	}
	algorithm := algorithms[s.Algorithm]
	encoded := s.Header != "" || s.SignatureField != ""
	switch {
	case !slices.Contains([]string{"", "hmac", "ed25519", "ecdsa", "rsa"}, s.Key):
		return nil, fmt.Errorf("key %q: want hmac, ed25519, ecdsa or rsa", s.Key)
	case algorithm == nil && s.Key != "ed25519" && encoded:
		return nil, fmt.Errorf("algorithm %q: want sha1, sha256 or sha512", s.Algorithm)
	case encoded && s.Encoding != "hex" && s.Encoding != "base64" && s.Encoding != "base64url":
		return nil, fmt.Errorf("encoding %q: want hex, base64 or base64url", s.Encoding)
	case !encoded && s.whole == nil:
		return nil, errors.New("header: the name of the header with the signature is missing")
	}
	if s.IDHeader == "" {
		s.IDHeader = "webhook-id"
	}
	v := &Verifier{scheme: s, parts: parseTemplate(s.Template), certificates: certificates}
	if v.uses("timestamp") && !s.stamped() {
		return nil, errors.New("template: {timestamp} is signed, but no timestamp header is named")
	}
	v.body = len(v.parts)
	for i, p := range v.parts {
		switch p.word {
		case "body", "crc32":
			v.collects = v.collects || v.body < len(v.parts)
			v.body = min(v.body, i)
		case "field":
			v.collects = true
		}
	}
	v.collects = v.collects || s.whole != nil || s.Key == "ed25519" || s.SignatureField != "" || s.TimestampField != ""
	if err := v.addKeys(algorithm, secrets); err != nil {
		return nil, err
	}
	v.proofs.New = func() any { return v.newProof() }
	return v, nil
}

// stamped reports whether requests carry the time they were sent at.
func (s *Scheme) stamped() bool {
	return s.TimestampHeader != "" || s.TimestampKey != "" || s.TimestampField != ""
}

// Stamped reports whether requests carry the time they were sent at, so that
// Tolerance means something.
func (s Scheme) Stamped() bool { return s.stamped() }

// Streams reports whether a body may be checked while it comes: false when the
// scheme needs all of it at once, as an Ed25519 signature or a signature
// within the body does. Begin works for those too, but the Proof then keeps
// the body in memory.
func (v *Verifier) Streams() bool { return !v.collects }

func (v *Verifier) uses(word string) bool {
	return slices.ContainsFunc(v.parts, func(p part) bool { return p.word == word })
}

// signsURL reports whether Message.URL is looked at.
func (v *Verifier) signsURL() bool { return v.uses("url") }

// parseTemplate cuts a template; a word it does not know is literal text.
func parseTemplate(template string) []part {
	var parts []part
	literal := func(s string) {
		if s != "" {
			parts = append(parts, part{literal: []byte(s)})
		}
	}
	rest := template
	for from := 0; ; {
		open := strings.IndexByte(rest[from:], '{')
		if open < 0 {
			literal(rest)
			return parts
		}
		open += from
		end := strings.IndexByte(rest[open:], '}')
		if end < 0 {
			literal(rest)
			return parts
		}
		word, name, _ := strings.Cut(rest[open+1:open+end], ":")
		known := false
		switch word {
		case "body", "timestamp", "id", "method", "url", "secret", "crc32":
			known = name == ""
		case "header", "field":
			known = name != ""
		}
		if !known {
			from = open + 1
			continue
		}
		literal(rest[:open])
		parts = append(parts, part{word: word, name: name})
		rest, from = rest[open+end+1:], 0
	}
}

// Verify checks a message against the time it came at. The error is an
// *Unproven. Signatures are compared as bytes, in constant time.
func (v *Verifier) Verify(m Message, now time.Time) error {
	p := v.proofs.Get().(*Proof)
	err := p.begin(m, now)
	if err == nil {
		if v.collects {
			p.whole = m.Body
		} else {
			_, _ = p.Write(m.Body)
		}
		err = p.End()
	}
	p.forget()
	v.proofs.Put(p)
	return err
}

// Begin checks what needs no body, and returns what the raw body is to be
// written to as it comes. Message.Body is not looked at. The error is an
// *Unproven.
func (v *Verifier) Begin(m Message, now time.Time) (*Proof, error) {
	p := v.newProof()
	if err := p.begin(m, now); err != nil {
		return nil, err
	}
	return p, nil
}

// Plausible says before the body is there whether Verify is bound to fail, and
// with what error.
func (v *Verifier) Plausible(header func(string) [][]byte, now time.Time) error {
	p := v.proofs.Get().(*Proof)
	err := p.claims(header, now)
	p.forget()
	v.proofs.Put(p)
	return err
}

func keyed(newHash func() hash.Hash, secret []byte) func() hash.Hash {
	return func() hash.Hash { return hmac.New(newHash, secret) }
}
