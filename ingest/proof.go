package ingest

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"strconv"
	"strings"
	"time"
)

// Proof is a signature on its way: Begin makes one, the body is written to it,
// End says whether the signature was right. It is not safe for concurrent use.
type Proof struct {
	v   *Verifier
	m   Message
	now time.Time

	timestamp  []byte
	signatures [][]byte // as they are compared
	buffer     []byte   // what timestamp and signatures are cut from
	fields     fields   // of the body, when the scheme names any

	lanes  []lane // by URL, and by key within it
	used   int    // lanes of this message
	crc    hash.Hash32
	public crypto.PublicKey // of the certificate that the message names
	whole  []byte           // the body, of a verifier that collects
	sum    []byte
}

// lane is one text that may have been signed, with one key.
type lane struct {
	key  *key
	url  string
	sum  hash.Hash
	tail []byte // what follows the body
}

func (v *Verifier) newProof() *Proof {
	p := &Proof{v: v}
	if v.scheme.whole != nil || v.scheme.Key == "ed25519" {
		return p
	}
	urls := 1
	if v.scheme.URLDecoded != "" {
		urls = 2
	}
	for range urls {
		for i := range v.keys {
			p.lanes = append(p.lanes, lane{key: &v.keys[i], sum: v.keys[i].hash()})
		}
	}
	if v.uses("crc32") {
		p.crc = crc32.NewIEEE()
	}
	return p
}

// forget lets go of what belongs to a message, so that the proof can be used
// for another.
func (p *Proof) forget() {
	p.m, p.fields, p.whole, p.public = Message{}, nil, nil, nil
	p.timestamp, p.signatures, p.buffer = nil, p.signatures[:0], p.buffer[:0]
	for i := range p.lanes {
		p.lanes[i].url = ""
	}
}

func (p *Proof) begin(m Message, now time.Time) error {
	v := p.v
	if err := p.claims(m.Header, now); err != nil {
		return err
	}
	p.m, p.now = m, now
	if v.scheme.CertificateHeader != "" {
		public, err := v.signer(m.Header, now)
		if err != nil {
			return err
		}
		p.public = public
	}
	if len(p.lanes) == 0 {
		return nil
	}
	urls := [2]string{m.URL}
	p.used = len(v.keys)
	if v.scheme.URLDecoded != "" {
		if decoded := decodeSome(m.URL, v.scheme.URLDecoded); decoded != m.URL {
			urls[1], p.used = decoded, 2*len(v.keys)
		}
	}
	if p.crc != nil {
		p.crc.Reset()
	}
	for i := range p.lanes[:p.used] {
		l := &p.lanes[i]
		l.url = urls[i/len(v.keys)]
		l.sum.Reset()
		if v.collects {
			continue
		}
		if err := p.render(l.sum, v.parts[:v.body], l); err != nil {
			return err
		}
		l.tail = l.tail[:0]
		if v.body+1 < len(v.parts) {
			tail := bytes.NewBuffer(l.tail)
			if err := p.render(tail, v.parts[v.body+1:], l); err != nil {
				return err
			}
			l.tail = tail.Bytes()
		}
	}
	return nil
}

// Write takes a piece of the raw body. It never fails.
func (p *Proof) Write(b []byte) (int, error) {
	switch {
	case p.v.collects:
		p.whole = append(p.whole, b...)
	case p.crc != nil:
		_, _ = p.crc.Write(b)
	case p.v.body < len(p.v.parts):
		for i := range p.lanes[:p.used] {
			p.lanes[i].sum.Write(b)
		}
	}
	return len(b), nil
}

// End says after the last Write whether the signature is right. The error is
// an *Unproven.
func (p *Proof) End() error {
	v := p.v
	s := &v.scheme
	if s.whole != nil {
		return s.whole(p)
	}
	if err := p.readFields(); err != nil {
		return err
	}
	right := false
	if s.Key == "ed25519" {
		var text bytes.Buffer
		if err := p.render(&text, v.parts, &lane{url: p.m.URL}); err != nil {
			return err
		}
		for i := range v.keys {
			for _, signature := range p.signatures {
				right = v.keys[i].verifies(text.Bytes(), signature) || right
			}
		}
	}
	for i := range p.lanes[:p.used] {
		l := &p.lanes[i]
		switch {
		case v.collects:
			if err := p.render(l.sum, v.parts, l); err != nil {
				return err
			}
		case p.crc != nil:
			var digits [10]byte
			l.sum.Write(strconv.AppendUint(digits[:0], uint64(p.crc.Sum32()), 10))
			l.sum.Write(l.tail)
		case len(l.tail) > 0:
			l.sum.Write(l.tail)
		}
		p.sum = l.sum.Sum(p.sum[:0])
		sum := p.sum
		for _, signature := range p.signatures {
			if s.Key == "" || s.Key == "hmac" {
				right = hmac.Equal(sum, signature) || right
			} else {
				right = l.key.signed(p.public, s.Algorithm, sum, signature) || right
			}
		}
	}
	if !right {
		return &Unproven{ReasonSignature, "the signature in " + s.place() + " is not that of this request under this " + s.secretWord()}
	}
	if s.TimestampField != "" && !(s.TimestampOptional && p.timestamp == nil) {
		return v.timely(p.timestamp, p.now)
	}
	return nil
}

// place is where the signature is, for a person.
func (s *Scheme) place() string {
	if s.Header != "" {
		return s.Header
	}
	return "the body's " + s.SignatureField
}

func (s *Scheme) secretWord() string {
	switch {
	case s.CertificateHeader != "":
		return "certificate and " + s.secretName()
	case s.public():
		return "public key"
	}
	return "secret"
}

func (s *Scheme) secretName() string {
	if s.CertificateHeader != "" {
		return "webhook ID"
	}
	return "secret"
}

// public reports whether the secret is a public key.
func (s *Scheme) public() bool {
	return s.Key != "" && s.Key != "hmac" && s.CertificateHeader == ""
}

// render writes parts of what is signed.
func (p *Proof) render(w io.Writer, parts []part, l *lane) error {
	for i := range parts {
		var text []byte
		switch part := &parts[i]; part.word {
		case "":
			text = part.literal
		case "body":
			text = p.whole
		case "crc32":
			text = strconv.AppendUint(nil, uint64(crc32.ChecksumIEEE(p.whole)), 10)
		case "timestamp":
			text = p.timestamp
		case "method":
			text = []byte(p.m.Method)
		case "url":
			text = []byte(l.url)
		case "secret":
			text = []byte(l.key.secret)
		case "field":
			value, ok := p.fields[part.name]
			if !ok {
				return &Unproven{ReasonSignatureForm, "the body has no " + part.name}
			}
			text = []byte(value)
		case "id", "header":
			name := part.name
			if part.word == "id" {
				name = p.v.scheme.IDHeader
			}
			var err error
			if text, err = only(p.m.Header, name); err != nil {
				return err
			}
		}
		_, _ = w.Write(text) // hashes and buffers: cannot fail
	}
	return nil
}

// claims reads the timestamp and the signatures that the headers hold,
// decoded, and checks the time.
func (p *Proof) claims(header func(string) [][]byte, now time.Time) error {
	s := &p.v.scheme
	p.timestamp, p.signatures, p.buffer = nil, p.signatures[:0], p.buffer[:0]
	if s.AlgorithmHeader != "" {
		if values := header(s.AlgorithmHeader); len(values) > 1 || len(values) == 1 && !strings.EqualFold(string(values[0]), s.AlgorithmName) {
			return &Unproven{ReasonSignatureForm, s.AlgorithmHeader + " names another algorithm than " + s.AlgorithmName}
		}
	}
	if s.TimestampHeader != "" {
		value, err := only(header, s.TimestampHeader)
		if err != nil {
			return err
		}
		p.stamp(value)
	}
	if s.Header != "" {
		value, err := only(header, s.Header)
		if err != nil {
			return err
		}
		if err := p.readSignatures(value); err != nil {
			return err
		}
	}
	if s.TimestampHeader != "" || s.TimestampKey != "" {
		return p.v.timely(p.timestamp, now)
	}
	return nil
}

func (p *Proof) stamp(value []byte) {
	from := len(p.buffer)
	p.buffer = append(p.buffer, value...)
	p.timestamp = p.buffer[from:len(p.buffer):len(p.buffer)]
}

// readSignatures reads what stands in the signature's header, or field.
func (p *Proof) readSignatures(value []byte) error {
	s := &p.v.scheme
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
					return &Unproven{ReasonSignatureForm, s.Header + " holds two timestamps"}
				}
				stamped = true
				p.stamp(text)
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
			return &Unproven{ReasonSignatureForm, fmt.Sprintf("the signature in %s does not begin with %q", s.place(), s.Prefix)}
		}
		signature, ok := p.decode(item)
		if !ok {
			return &Unproven{ReasonSignatureForm, fmt.Sprintf("the signature in %s is not %s of %s", s.place(), s.Encoding, s.kind())}
		}
		if p.signatures = append(p.signatures, signature); len(p.signatures) > maxSignatures {
			return &Unproven{ReasonSignatureForm, fmt.Sprintf("%s holds more than %d signatures", s.place(), maxSignatures)}
		}
	}
	if len(p.signatures) == 0 {
		return &Unproven{ReasonSignatureForm, "no signature of the wanted kind is in " + s.place()}
	}
	if s.TimestampKey != "" && !stamped {
		return &Unproven{ReasonSignatureForm, "no timestamp is in " + s.Header}
	}
	return nil
}

const maxSignatures = 16

// kind is what a signature is of, for a person.
func (s *Scheme) kind() string {
	switch s.Key {
	case "", "hmac":
		return s.Algorithm
	case "ed25519":
		return "Ed25519"
	case "ecdsa":
		return "ECDSA"
	}
	return "RSA"
}

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
func (p *Proof) decode(text []byte) ([]byte, bool) {
	const longest = 1024 // an RSA key of 8192 bits
	if len(text) > 2*longest {
		return nil, false
	}
	from := len(p.buffer)
	var err error
	switch p.v.scheme.Encoding {
	case "hex":
		p.buffer, err = hex.AppendDecode(p.buffer, text)
	case "base64", "base64url":
		if bytes.ContainsAny(text, "\r\n") { // which the decoder would skip
			return nil, false
		}
		encoding := base64.StdEncoding
		if p.v.scheme.Encoding == "base64url" {
			encoding = base64.RawURLEncoding
		}
		p.buffer, err = encoding.Strict().AppendDecode(p.buffer, text)
	}
	signature := p.buffer[from:len(p.buffer):len(p.buffer)]
	if size := p.v.size; size != 0 && len(signature) != size {
		return nil, false
	}
	return signature, err == nil && len(signature) > 0
}

func (v *Verifier) timely(timestamp []byte, now time.Time) error {
	at, ok := parseTimestamp(string(timestamp))
	if !ok {
		return &Unproven{ReasonTimestamp, "the timestamp is neither a Unix time nor RFC 3339"}
	}
	tolerance := v.scheme.Tolerance
	if tolerance <= 0 {
		return nil
	}
	switch age := now.Sub(at); {
	case age > tolerance:
		return &Unproven{ReasonTimestamp, fmt.Sprintf("the timestamp is %s old, more than %s", age.Truncate(time.Second), tolerance)}
	case age < -tolerance:
		return &Unproven{ReasonTimestamp, fmt.Sprintf("the timestamp is %s ahead, more than %s", (-age).Truncate(time.Second), tolerance)}
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

// decodeSome decodes the percent-encodings of the given characters and of no
// others.
func decodeSome(url, characters string) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(url, '%')
		if i < 0 || i+3 > len(url) {
			b.WriteString(url)
			return b.String()
		}
		b.WriteString(url[:i])
		c, err := strconv.ParseUint(url[i+1:i+3], 16, 8)
		if err == nil && c < 0x80 && strings.IndexByte(characters, byte(c)) >= 0 {
			b.WriteByte(byte(c))
		} else {
			b.WriteString(url[i : i+3])
		}
		url = url[i+3:]
	}
}
