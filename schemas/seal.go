package schemas

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
)

// Seal encrypts what is kept of requests that are no hooks (AES-256-GCM):
// among them are those that came with the right secret at the wrong place. It
// is safe for concurrent use.
type Seal struct{ aead cipher.AEAD }

// NewSeal derives a key of its own from the installation's secret key
// (SLUICE_SECRET_KEY).
func NewSeal(secretKey string) (*Seal, error) { return newSeal(secretKey, "sluice captures") }

func newSeal(secretKey, purpose string) (*Seal, error) {
	key, err := hkdf.Key(sha256.New, []byte(secretKey), nil, purpose, 32)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of %s: %w", purpose, err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("making the cipher of %s: %w", purpose, err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("making the cipher of %s: %w", purpose, err)
	}
	return &Seal{aead}, nil
}

// Close encrypts; what it is about is authenticated with it.
func (s *Seal) Close(about string, plain []byte) []byte {
	return s.aead.Seal(nil, nil, plain, []byte(about))
}

// Open decrypts what Close made for the same.
func (s *Seal) Open(about string, sealed []byte) ([]byte, error) {
	plain, err := s.aead.Open(nil, nil, sealed, []byte(about))
	if err != nil {
		return nil, errors.New("the key does not fit; was SLUICE_SECRET_KEY changed?")
	}
	return plain, nil
}
