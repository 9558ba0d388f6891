package schemas

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// Tokens makes and reads the unguessable part of URLs that are handed out, such
// as a callback's. A token carries its own content, so that any process with
// the same secret key can read one without asking anybody. It is safe for
// concurrent use.
type Tokens struct{ key []byte }

// tokenSum is how many bytes of HMAC-SHA256 a token ends with.
const tokenSum = 16

// NewTokens derives a key of its own from the installation's secret key
// (SLUICE_SECRET_KEY).
func NewTokens(secretKey string) (*Tokens, error) {
	key, err := hkdf.Key(sha256.New, []byte(secretKey), nil, "sluice tokens", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of tokens: %w", err)
	}
	return &Tokens{key}, nil
}

// Make is the token for a purpose, such as "callback", and what it is about.
// The content can be read by whoever has the token. It is safe in a URL's path.
func (t *Tokens) Make(purpose string, content []byte) string {
	return base64.RawURLEncoding.EncodeToString(append(content[:len(content):len(content)], t.sum(purpose, content)...))
}

// Read is the content of a token that Make made for the same purpose.
func (t *Tokens) Read(purpose, token string) (content []byte, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) < tokenSum {
		return nil, false
	}
	content = raw[:len(raw)-tokenSum]
	return content, hmac.Equal(t.sum(purpose, content), raw[len(content):])
}

func (t *Tokens) sum(purpose string, content []byte) []byte {
	mac := hmac.New(sha256.New, t.key)
	mac.Write([]byte(purpose))
	mac.Write([]byte{0})
	mac.Write(content)
	return mac.Sum(nil)[:tokenSum]
}
