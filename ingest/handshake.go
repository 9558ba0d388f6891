package ingest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"

	"github.com/valyala/fasthttp"
)

// greeting answers a provider that asks, before it sends hooks, whether this
// URL is meant for it. It makes no execution.
type greeting struct {
	contentType string
	body        []byte
}

const plainText = "text/plain; charset=utf-8"

// handshake is how one provider asks. Each is tried for flows whose credential
// is of that provider's type, and for no other.
type handshake struct {
	// open answers what the provider does not sign; nil: it is no handshake.
	open func(http *fasthttp.RequestCtx, values map[string]string) *greeting
	// signed answers what it signs, after the signature was found right.
	signed func(http *fasthttp.RequestCtx, body []byte, values map[string]string) *greeting
}

var handshakes = map[string]handshake{
	// Dropbox, Webhooks reference, "The verification request".
	"dropbox": {open: func(http *fasthttp.RequestCtx, _ map[string]string) *greeting {
		return echo(http, "challenge")
	}},
	// Meta, Webhooks, "Verification requests".
	"meta": {open: func(http *fasthttp.RequestCtx, values map[string]string) *greeting {
		query := http.QueryArgs()
		token := values["verifyToken"]
		if string(query.Peek("hub.mode")) != "subscribe" || token == "" ||
			subtle.ConstantTimeCompare(query.Peek("hub.verify_token"), []byte(token)) != 1 {
			return nil
		}
		return echo(http, "hub.challenge")
	}},
	// X, Account Activity API, "Challenge-Response Checks".
	"x": {open: func(http *fasthttp.RequestCtx, values map[string]string) *greeting {
		token := http.QueryArgs().Peek("crc_token")
		if !http.IsGet() || values["secret"] == "" || !isToken(token) {
			return nil
		}
		return object(map[string]string{"response_token": "sha256=" + base64.StdEncoding.EncodeToString(signedWith(values["secret"], token))})
	}},
	// Slack, Events API, "URL verification handshake".
	"slack": {signed: func(_ *fasthttp.RequestCtx, body []byte, _ map[string]string) *greeting {
		var ask struct{ Type, Challenge string }
		if json.Unmarshal(body, &ask) != nil || ask.Type != "url_verification" || ask.Challenge == "" {
			return nil
		}
		return &greeting{plainText, []byte(ask.Challenge)}
	}},
	// Twitch, EventSub, "Responding to a challenge request".
	"twitch": {signed: func(http *fasthttp.RequestCtx, body []byte, _ map[string]string) *greeting {
		var ask struct{ Challenge string }
		if string(http.Request.Header.Peek("Twitch-Eventsub-Message-Type")) != "webhook_callback_verification" ||
			json.Unmarshal(body, &ask) != nil || ask.Challenge == "" {
			return nil
		}
		return &greeting{plainText, []byte(ask.Challenge)}
	}},
	// Zoom, Using webhooks, "Validate your webhook endpoint".
	"zoom": {signed: func(_ *fasthttp.RequestCtx, body []byte, values map[string]string) *greeting {
		var ask struct {
			Event   string
			Payload struct{ PlainToken string }
		}
		token := &ask.Payload.PlainToken
		if json.Unmarshal(body, &ask) != nil || ask.Event != "endpoint.url_validation" || *token == "" {
			return nil
		}
		return object(map[string]string{"plainToken": *token, "encryptedToken": hex.EncodeToString(signedWith(values["secret"], []byte(*token)))})
	}},
}

// isToken keeps X's handshake from signing what somebody else wrote: hooks are
// signed in the same way, so that a body passed off as a token would come back
// with its signature. No JSON object or array is a token.
func isToken(text []byte) bool {
	const most = 256
	return len(text) > 0 && len(text) <= most &&
		len(bytes.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=_-")) == 0
}

// echo gives a query parameter of a GET back as plain text.
func echo(http *fasthttp.RequestCtx, name string) *greeting {
	value := http.QueryArgs().Peek(name)
	if !http.IsGet() || len(value) == 0 {
		return nil
	}
	return &greeting{plainText, append([]byte(nil), value...)}
}

func object(members map[string]string) *greeting {
	body, _ := json.Marshal(members) // text alone: cannot fail
	return &greeting{"application/json", body}
}

func signedWith(secret string, text []byte) []byte {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write(text)
	return m.Sum(nil)
}

func (g *greeting) write(http *fasthttp.RequestCtx) {
	http.Response.Header.SetContentType(g.contentType)
	// What is echoed is a stranger's text: no browser may take it for a page.
	http.Response.Header.Set("X-Content-Type-Options", "nosniff")
	http.Response.SetBody(g.body)
}
