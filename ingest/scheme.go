package ingest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Scheme says how a sender signs: a keyed hash (RFC 2104) over a text made of
// the request. It is data: the credential type hmac fills one in from the
// user's values, and a provider's preset is a value of it. The algorithm is
// the scheme's, never the request's.
type Scheme struct {
	Header    string // that holds the signature
	Algorithm string // sha1, sha256 or sha512
	Encoding  string // of the signature: hex, base64 (padded), or base64url (not padded)
	Prefix    string // before each signature, such as "sha256=" or "v1,"
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

	// Template is what is signed. {body}, {timestamp}, {id}, {method}, {url}
	// and {header:NAME} are replaced in one pass; the body is the raw bytes.
	Template string
	IDHeader string // what {id} is; default webhook-id

	SecretEncoding string // of the key in the secret: "" as it is, or base64
	SecretPrefix   string // that is not part of the key, such as whsec_
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
	scheme Scheme
	size   int // of a signature
	parts  []part
	keys   []*sync.Pool // of hash.Hash, one pool per secret
}

// part is a piece of what is signed: literal text, or a word of the template.
type part struct {
	literal []byte
	word    string
	header  string // of the word "header"
}

var algorithms = map[string]func() hash.Hash{"sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New}

// Verifier makes the scheme ready for its secrets, of which empty ones do not
// count. The error says which field, or that there is no secret.
func (s Scheme) Verifier(secrets ...string) (*Verifier, error) {
	algorithm := algorithms[s.Algorithm]
	switch {
	case algorithm == nil:
		return nil, fmt.Errorf("algorithm %q: want sha1, sha256 or sha512", s.Algorithm)
	case s.Encoding != "hex" && s.Encoding != "base64" && s.Encoding != "base64url":
		return nil, fmt.Errorf("encoding %q: want hex, base64 or base64url", s.Encoding)
	case s.Header == "":
		return nil, errors.New("header: the name of the header with the signature is missing")
	}
	if s.IDHeader == "" {
		s.IDHeader = "webhook-id"
	}
	v := &Verifier{scheme: s, size: algorithm().Size(), parts: parseTemplate(s.Template)}
	if v.uses("timestamp") && s.TimestampHeader == "" && s.TimestampKey == "" {
		return nil, errors.New("template: {timestamp} is signed, but no timestamp header is named")
	}
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		key := []byte(strings.TrimPrefix(secret, s.SecretPrefix))
		if s.SecretEncoding == "base64" {
			var err error
			if key, err = base64.StdEncoding.DecodeString(string(key)); err != nil {
				return nil, errors.New("secret: not base64")
			}
		}
		if len(key) == 0 {
			return nil, errors.New("secret: empty")
		}
		v.keys = append(v.keys, &sync.Pool{New: func() any { return hmac.New(algorithm, key) }})
	}
	if len(v.keys) == 0 {
		return nil, errors.New("secret: missing")
	}
	return v, nil
}

func (v *Verifier) uses(word string) bool {
	return slices.ContainsFunc(v.parts, func(p part) bool { return p.word == word })
}

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
		word, header, _ := strings.Cut(rest[open+1:open+end], ":")
		switch {
		case header == "" && (word == "body" || word == "timestamp" || word == "id" || word == "method" || word == "url"),
			header != "" && word == "header":
			literal(rest[:open])
			parts = append(parts, part{word: word, header: header})
			rest, from = rest[open+end+1:], 0
		default:
			from = open + 1
		}
	}
}

// Verify checks a message against the time it came at. The error is an
// *Unproven. Signatures are compared as bytes, in constant time.
func (v *Verifier) Verify(m Message, now time.Time) error {
	timestamp, signatures, err := v.claims(m.Header)
	if err != nil {
		return err
	}
	if err := v.timely(timestamp, now); err != nil {
		return err
	}
	right := false
	for _, pool := range v.keys {
		mac := pool.Get().(hash.Hash)
		mac.Reset()
		err := v.sign(mac, m, timestamp)
		var buffer [sha512.Size]byte
		sum := mac.Sum(buffer[:0])
		pool.Put(mac)
		if err != nil {
			return err
		}
		for _, signature := range signatures {
			right = hmac.Equal(sum, signature) || right
		}
	}
	if !right {
		return &Unproven{ReasonSignature, "the signature in " + v.scheme.Header + " is not that of this request under this secret"}
	}
	return nil
}

// Plausible says before the body is there whether Verify is bound to fail, and
// with what error.
func (v *Verifier) Plausible(header func(string) [][]byte, now time.Time) error {
	timestamp, _, err := v.claims(header)
	if err != nil {
		return err
	}
	return v.timely(timestamp, now)
}

// claims reads the timestamp and the signatures, decoded.
func (v *Verifier) claims(header func(string) [][]byte) (timestamp string, signatures [][]byte, err error) {
	s := &v.scheme
	if s.TimestampHeader != "" {
		value, err := only(header, s.TimestampHeader)
		if err != nil {
			return "", nil, err
		}
		timestamp = string(value)
	}
	value, err := only(header, s.Header)
	if err != nil {
		return "", nil, err
	}
	stamped := false
	for rest, more := value, true; more; {
		var item []byte
		if s.Separator == "" {
			item, more = rest, false
		} else {
			item, rest, more = bytes.Cut(rest, []byte(s.Separator))
		}
		if s.SignatureKey != "" {
			key, text, _ := bytes.Cut(bytes.TrimSpace(item), []byte("="))
			if s.TimestampKey != "" && string(key) == s.TimestampKey {
				if stamped {
					return "", nil, &Unproven{ReasonSignatureForm, s.Header + " holds two timestamps"}
				}
				stamped, timestamp = true, string(text)
			}
			if string(key) != s.SignatureKey {
				continue
			}
			item = text
		}
		item, prefixed := bytes.CutPrefix(item, []byte(s.Prefix))
		if !prefixed {
			if s.Separator != "" {
				continue // a signature of another version
			}
			return "", nil, &Unproven{ReasonSignatureForm, fmt.Sprintf("the signature in %s does not begin with %q", s.Header, s.Prefix)}
		}
		signature, ok := v.decode(item)
		if !ok {
			return "", nil, &Unproven{ReasonSignatureForm, fmt.Sprintf("the signature in %s is not %s of %s", s.Header, s.Encoding, s.Algorithm)}
		}
		if signatures = append(signatures, signature); len(signatures) > maxSignatures {
			return "", nil, &Unproven{ReasonSignatureForm, fmt.Sprintf("%s holds more than %d signatures", s.Header, maxSignatures)}
		}
	}
	if len(signatures) == 0 {
		return "", nil, &Unproven{ReasonSignatureForm, "no signature of the wanted kind is in " + s.Header}
	}
	if s.TimestampKey != "" && !stamped {
		return "", nil, &Unproven{ReasonSignatureForm, "no timestamp is in " + s.Header}
	}
	return timestamp, signatures, nil
}

const maxSignatures = 16

// only is the value of a header that must be there exactly once: of two, one
// could be checked here and the other believed elsewhere.
func only(header func(string) [][]byte, name string) ([]byte, error) {
	switch values := header(name); {
	case len(values) == 0 || len(values) == 1 && len(values[0]) == 0:
		return nil, &Unproven{ReasonSignatureMissing, "the header " + name + " is missing"}
	case len(values) > 1:
		return nil, &Unproven{ReasonSignatureForm, "the header " + name + " is there more than once"}
	default:
		return values[0], nil
	}
}

// decode is strict: nothing before, nothing behind, the algorithm's length,
// and one spelling per signature but for the case of hex digits.
func (v *Verifier) decode(text []byte) ([]byte, bool) {
	var signature []byte
	var err error
	switch v.scheme.Encoding {
	case "hex":
		signature, err = hex.AppendDecode(nil, text)
	case "base64", "base64url":
		if bytes.ContainsAny(text, "\r\n") { // which the decoder would skip
			return nil, false
		}
		encoding := base64.StdEncoding
		if v.scheme.Encoding == "base64url" {
			encoding = base64.RawURLEncoding
		}
		signature, err = encoding.Strict().AppendDecode(nil, text)
	}
	return signature, err == nil && len(signature) == v.size
}

func (v *Verifier) timely(timestamp string, now time.Time) error {
	s := &v.scheme
	if s.TimestampHeader == "" && s.TimestampKey == "" {
		return nil
	}
	at, ok := parseTimestamp(timestamp)
	if !ok {
		return &Unproven{ReasonTimestamp, "the timestamp is neither a Unix time nor RFC 3339"}
	}
	if s.Tolerance <= 0 {
		return nil
	}
	switch age := now.Sub(at); {
	case age > s.Tolerance:
		return &Unproven{ReasonTimestamp, fmt.Sprintf("the timestamp is %s old, more than %s", age.Truncate(time.Second), s.Tolerance)}
	case age < -s.Tolerance:
		return &Unproven{ReasonTimestamp, fmt.Sprintf("the timestamp is %s ahead, more than %s", (-age).Truncate(time.Second), s.Tolerance)}
	}
	return nil
}

// parseTimestamp reads Unix seconds, Unix milliseconds (13 digits) or RFC 3339.
func parseTimestamp(text string) (time.Time, bool) {
	digits := len(text) > 0 && len(text) <= 13 && strings.Trim(text, "0123456789") == ""
	if !digits {
		at, err := time.Parse(time.RFC3339, text)
		return at, err == nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if len(text) == 13 {
		return time.UnixMilli(n), err == nil
	}
	return time.Unix(n, 0), err == nil
}

// sign writes what the template says into a hash.
func (v *Verifier) sign(mac hash.Hash, m Message, timestamp string) error {
	for i := range v.parts {
		p := &v.parts[i]
		switch p.word {
		case "":
			mac.Write(p.literal)
		case "body":
			mac.Write(m.Body)
		case "timestamp":
			mac.Write([]byte(timestamp))
		case "method":
			mac.Write([]byte(m.Method))
		case "url":
			mac.Write([]byte(m.URL))
		case "id", "header":
			name := p.header
			if p.word == "id" {
				name = v.scheme.IDHeader
			}
			value, err := only(m.Header, name)
			if err != nil {
				return err
			}
			mac.Write(value)
		}
	}
	return nil
}
