package control

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Cipher seals credentials' values with AES-256-GCM. The credential's ID is
// authenticated with them, so that one credential's values cannot be passed
// off as another's.
type Cipher struct{ aead cipher.AEAD }

const leastPassphrase = 16

var errKey = fmt.Errorf("SLUICE_SECRET_KEY: want 32 bytes in base64 or hex, or a passphrase of at least %d characters; make one with `openssl rand -base64 32`", leastPassphrase)

// NewCipher reads a key of 32 bytes in base64 or hex. Any other text of 16
// characters and more is a passphrase that a key is derived from (HKDF-SHA256,
// RFC 5869): it is as hard to guess as the passphrase, and no harder.
func NewCipher(key string) (*Cipher, error) {
	raw, err := readKey(strings.TrimSpace(key))
	if err != nil {
		return nil, err
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

func readKey(key string) ([]byte, error) {
	if raw, err := base64.StdEncoding.DecodeString(key); err == nil && len(raw) == 32 {
		return raw, nil
	}
	if raw, err := hex.DecodeString(key); err == nil && len(raw) == 32 {
		return raw, nil
	}
	if len(key) < leastPassphrase {
		return nil, errKey
	}
	return hkdf.Key(sha256.New, []byte(key), nil, "sluice credentials", 32)
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
