package ingest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"strings"
)

// key is one secret made ready.
type key struct {
	secret string
	raw    []byte           // of a shared secret
	hash   func() hash.Hash // of what is signed; of a shared secret, keyed
	public crypto.PublicKey // of the public kinds; nil: a certificate's
}

func (v *Verifier) addKeys(algorithm func() hash.Hash, secrets []string) error {
	s := &v.scheme
	if s.Key == "" || s.Key == "hmac" {
		if algorithm != nil {
			v.size = algorithm().Size()
		}
	} else if s.Key == "ed25519" {
		v.size = ed25519.SignatureSize
	}
	var pinned crypto.PublicKey
	if s.CertificateHeader != "" && s.Certificate != "" {
		var err error
		if pinned, err = parsePublicKey(s.Key, s.Certificate); err != nil {
			return fmt.Errorf("certificate: %w", err)
		}
	}
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		k := key{secret: secret, hash: algorithm, public: pinned}
		switch {
		case s.CertificateHeader != "":
		case s.public():
			public, err := parsePublicKey(s.Key, strings.TrimPrefix(secret, s.SecretPrefix))
			if err != nil {
				return fmt.Errorf("secret: %w", err)
			}
			k.public = public
		default:
			k.raw = []byte(strings.TrimPrefix(secret, s.SecretPrefix))
			if s.SecretEncoding == "base64" {
				var err error
				if k.raw, err = base64.StdEncoding.DecodeString(string(k.raw)); err != nil {
					return errors.New("secret: not base64")
				}
			}
			if len(k.raw) == 0 {
				return errors.New("secret: empty")
			}
			if algorithm != nil {
				k.hash = keyed(algorithm, k.raw)
			}
		}
		v.keys = append(v.keys, k)
	}
	if len(v.keys) == 0 {
		return errors.New("secret: missing")
	}
	if s.CertificateHeader != "" && pinned == nil && v.certificates == nil {
		v.certificates = NewCertificates(nil, nil)
	}
	return nil
}

// parsePublicKey reads a public key of a kind: in PEM (a certificate is one
// too), in base64 of its DER, or, of Ed25519, its 32 bytes in hex or base64.
func parsePublicKey(kind, text string) (crypto.PublicKey, error) {
	text = strings.TrimSpace(text)
	var der []byte
	if block, _ := pem.Decode([]byte(text)); block != nil {
		der = block.Bytes
	} else if raw, err := hex.DecodeString(text); err == nil && kind == "ed25519" {
		der = raw
	} else if raw, err := base64.StdEncoding.DecodeString(text); err == nil {
		der = raw
	}
	if kind == "ed25519" && len(der) == ed25519.PublicKeySize {
		return ed25519.PublicKey(der), nil
	}
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, errors.New(wantKey[kind])
		}
		public = certificate.PublicKey
	}
	switch k := public.(type) {
	case ed25519.PublicKey:
		if kind == "ed25519" {
			return k, nil
		}
	case *ecdsa.PublicKey:
		if kind == "ecdsa" && k.Curve == elliptic.P256() {
			return k, nil
		}
	case *rsa.PublicKey:
		if kind == "rsa" && k.N.BitLen() >= 2048 {
			return k, nil
		}
	}
	return nil, errors.New(wantKey[kind])
}

var wantKey = map[string]string{
	"ed25519": "want an Ed25519 public key: 64 hex digits, or PEM",
	"ecdsa":   "want an ECDSA public key on the curve P-256: base64 as the provider shows it, or PEM",
	"rsa":     "want an RSA certificate or public key of 2048 bits or more, in PEM",
}

// verifies checks a signature over a whole text.
func (k *key) verifies(text, signature []byte) bool {
	public, ok := k.public.(ed25519.PublicKey)
	return ok && ed25519.Verify(public, text, signature)
}

// signed checks a signature over a hash; other is the key when the secret is
// none.
func (k *key) signed(other crypto.PublicKey, algorithm string, sum, signature []byte) bool {
	public := k.public
	if public == nil {
		public = other
	}
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(public, sum, signature)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, hashNames[algorithm], sum, signature) == nil
	}
	return false
}

var hashNames = map[string]crypto.Hash{"sha1": crypto.SHA1, "sha256": crypto.SHA256, "sha512": crypto.SHA512}
