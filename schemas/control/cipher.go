package control

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Cipher seals credentials' values with AES-256-GCM. The credential's ID is
// authenticated with them, so that one credential's values cannot be passed
// off as another's.
type Cipher struct{ aead cipher.AEAD }

var errKey = errors.New("SLUICE_SECRET_KEY: want 32 bytes in base64; make one with `openssl rand -base64 32`")

// NewCipher reads a key of 32 bytes in base64.
func NewCipher(key string) (*Cipher, error) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(key))
	if err != nil || len(raw) != 32 {
		return nil, errKey
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return nil, errKey
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("making the secrets' cipher: %w", err)
	}
	return &Cipher{aead}, nil
}

// NewKey makes a key that NewCipher reads.
func NewKey() string {
	raw := make([]byte, 32)
	rand.Read(raw)
	return base64.StdEncoding.EncodeToString(raw)
}

func (c *Cipher) seal(id string, values map[string]string) ([]byte, error) {
	plain, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("encoding a credential's values: %w", err)
	}
	return c.aead.Seal(nil, nil, plain, []byte(id)), nil
}

func (c *Cipher) open(id string, sealed []byte) (map[string]string, error) {
	plain, err := c.aead.Open(nil, nil, sealed, []byte(id))
	if err != nil {
		return nil, errors.New("the key does not fit")
	}
	var values map[string]string
	if err := json.Unmarshal(plain, &values); err != nil {
		return nil, errors.New("the sealed values are not JSON")
	}
	return values, nil
}
