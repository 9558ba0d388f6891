package webhook

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sluice/connectors"
)

// delivery is what a signature of an outgoing webhook may cover.
type delivery struct {
	id     string // the idempotency key: equal over all attempts
	at     time.Time
	method string
	url    string
	body   []byte
}

// hmac signs by a credential of type hmac, whose words are those the edge checks incoming webhooks by.
func (d delivery) hmac(h http.Header, c *connectors.Credential) (secrets []string, err error) {
	secret := c.Value("secret")
	if secret == "" {
		return nil, connectors.BadCredential("the credential has no secret: enter one")
	}
	var algorithm func() hash.Hash
	switch or(c.Value("algorithm"), "sha256") {
	case "sha1":
		algorithm = sha1.New
	case "sha256":
		algorithm = sha256.New
	case "sha512":
		algorithm = sha512.New
	default:
		return nil, connectors.BadCredential("algorithm: choose sha1, sha256 or sha512")
	}
	timestamp := strconv.FormatInt(d.at.Unix(), 10)
	mac := hmac.New(algorithm, []byte(secret))
	// One pass: a body that holds "{timestamp}" stays as it is.
	_, _ = strings.NewReplacer(
		"{body}", string(d.body), "{timestamp}", timestamp, "{id}", d.id, "{method}", d.method, "{url}", d.url,
	).WriteString(mac, or(c.Value("template"), "{body}"))
	sum := mac.Sum(nil)

	signature := hex.EncodeToString(sum)
	switch or(c.Value("encoding"), "hex") {
	case "hex":
	case "base64":
		signature = base64.StdEncoding.EncodeToString(sum)
	default:
		return nil, connectors.BadCredential("encoding: choose hex or base64")
	}
	h[http.CanonicalHeaderKey(or(c.Value("header"), "x-eio-signature"))] = []string{c.Value("prefix") + signature}
	if name := c.Value("timestampHeader"); name != "" {
		h[http.CanonicalHeaderKey(name)] = []string{timestamp}
	}
	return []string{secret, c.Value("previousSecret")}, nil
}

// standard signs by Standard Webhooks 1.0: the signature covers "id.timestamp.body". While a secret is being rotated both
// sign, so that the receiver may know either.
func (d delivery) standard(h http.Header, c *connectors.Credential) (secrets []string, err error) {
	timestamp := strconv.FormatInt(d.at.Unix(), 10)
	var signatures []string
	for _, name := range []string{"secret", "previousSecret"} {
		text := c.Value(name)
		if text == "" {
			continue
		}
		encoded := strings.TrimPrefix(text, "whsec_")
		secrets = append(secrets, text, encoded)
		key, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || len(key) == 0 {
			return nil, connectors.BadCredential("%s: must be whsec_ followed by base64", name)
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(d.id + "." + timestamp + "."))
		mac.Write(d.body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	if c.Value("secret") == "" {
		return nil, connectors.BadCredential("the credential has no secret: enter one")
	}
	h.Set("Webhook-Id", d.id)
	h.Set("Webhook-Timestamp", timestamp)
	h.Set("Webhook-Signature", strings.Join(signatures, " "))
	return secrets, nil
}

func or(value, otherwise string) string {
	if value != "" {
		return value
	}
	return otherwise
}
