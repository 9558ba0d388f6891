package ingest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"mime"
	"net"
	"net/url"
	"slices"
	"strings"
)

// twilio checks X-Twilio-Signature: over the URL and behind it the parameters
// of a form, sorted; of any other body the URL's bodySHA256 has to be the hash,
// and the URL alone is signed. The URL may have been signed with its port or
// without, as the provider's own libraries have it (Twilio, "Webhooks
// security").
func twilio(p *Proof) error {
	parameters, err := twilioParameters(p)
	if err != nil {
		return err
	}
	right := false
	for _, address := range portForms(p.m.URL) {
		for i := range p.v.keys {
			mac := p.v.keys[i].hash()
			_, _ = io.WriteString(mac, address)
			_, _ = io.WriteString(mac, parameters)
			sum := mac.Sum(nil)
			for _, signature := range p.signatures {
				right = hmac.Equal(sum, signature) || right
			}
		}
	}
	if !right {
		return &Unproven{ReasonSignature, "the signature in " + p.v.scheme.Header + " is not that of this URL and body under this secret"}
	}
	return nil
}

// twilioParameters is what is signed behind the URL. An error means that the
// signature, right or wrong, would not cover the body.
func twilioParameters(p *Proof) (string, error) {
	_, query, _ := strings.Cut(p.m.URL, "?")
	query, _, _ = strings.Cut(query, "#")
	switch hashes := queryValues([]byte(query), "bodySHA256"); {
	case len(hashes) > 1:
		return "", &Unproven{ReasonSignatureForm, "the URL holds bodySHA256 more than once"}
	case len(hashes) == 1:
		want, err := hex.DecodeString(string(hashes[0]))
		got := sha256.Sum256(p.whole)
		if err != nil || len(want) != len(got) {
			return "", &Unproven{ReasonSignatureForm, "the URL's bodySHA256 is not hex of sha256"}
		}
		if !hmac.Equal(want, got[:]) {
			return "", &Unproven{ReasonSignature, "the URL's bodySHA256 is not the hash of this body"}
		}
		return "", nil
	case len(p.whole) == 0:
		return "", nil
	}
	kind := ""
	if values := p.m.Header("Content-Type"); len(values) == 1 {
		kind, _, _ = mime.ParseMediaType(string(values[0]))
	}
	if kind != "application/x-www-form-urlencoded" {
		return "", &Unproven{ReasonSignatureForm, "the body is no form, and the URL has no bodySHA256 for it"}
	}
	form, err := url.ParseQuery(string(bytes.TrimRight(p.whole, "\r\n")))
	if err != nil {
		return "", &Unproven{ReasonSignatureForm, "the body is not a form as it should be"}
	}
	var b strings.Builder
	names := make([]string, 0, len(form))
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		values := form[name]
		slices.Sort(values)
		for _, value := range slices.Compact(values) {
			b.WriteString(name)
			b.WriteString(value)
		}
	}
	return b.String(), nil
}

// portForms are a URL without its port and with it, which may be the usual one
// of the scheme.
func portForms(address string) []string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return []string{address}
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	user, host := "", rest[:end]
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		user, host = host[:i+1], host[i+1:]
	}
	bare, port := host, ""
	if name, p, err := net.SplitHostPort(host); err == nil {
		bare, port = name, p
		if strings.Contains(name, ":") {
			bare = "[" + name + "]"
		}
	}
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(scheme)]
	}
	forms := []string{scheme + "://" + user + bare + rest[end:]}
	if port != "" {
		forms = append(forms, scheme+"://"+user+bare+":"+port+rest[end:])
	}
	return forms
}
