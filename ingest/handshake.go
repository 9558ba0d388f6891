package ingest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"sluice/schemas"
)

// greeting answers a provider that asks, before it sends hooks, whether this
// URL is meant for it. It makes no execution.
type greeting struct {
	status      int               // 0: 200
	header      map[string]string // more than the content type
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
	// Asana, Webhooks, "The webhook \"handshake\"": whoever makes a webhook
	// learns its secret from Asana at the same time, and not before. What is
	// echoed is not believed: hooks are checked by the credential's secrets alone.
	"asana": {open: func(http *fasthttp.RequestCtx, _ map[string]string) *greeting {
		shown := http.Request.Header.PeekAll("X-Hook-Secret")
		if !http.IsPost() || len(shown) != 1 || !isToken(shown[0]) {
			return nil
		}
		return &greeting{header: map[string]string{"X-Hook-Secret": string(shown[0])}}
	}},
	// Discord, Interactions, "Acknowledging PING requests", and Webhook events,
	// "Acknowledging PING payloads": there type 1 is an event.
	"discord": {signed: func(_ *fasthttp.RequestCtx, body []byte, _ map[string]string) *greeting {
		var ask struct {
			Type  *int            `json:"type"`
			Event json.RawMessage `json:"event"`
		}
		switch {
		case json.Unmarshal(body, &ask) != nil || ask.Type == nil || ask.Event != nil:
			return nil
		case *ask.Type == 1:
			return &greeting{contentType: "application/json", body: []byte(`{"type":1}`)}
		case *ask.Type == 0:
			return &greeting{status: 204}
		}
		return nil
	}},
	// Microsoft Graph, "Receive change notifications through webhooks",
	// "notificationUrl validation".
	"microsoft-graph": {open: func(http *fasthttp.RequestCtx, _ map[string]string) *greeting {
		tokens := http.QueryArgs().PeekMulti("validationToken")
		if !http.IsPost() && !http.IsGet() || len(tokens) != 1 || len(tokens[0]) == 0 {
			return nil
		}
		return &greeting{contentType: plainText, body: append([]byte(nil), tokens[0]...)}
	}},
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
		return &greeting{contentType: plainText, body: []byte(ask.Challenge)}
	}},
	// Twitch, EventSub, "Responding to a challenge request".
	"twitch": {signed: func(http *fasthttp.RequestCtx, body []byte, _ map[string]string) *greeting {
		var ask struct{ Challenge string }
		if string(http.Request.Header.Peek("Twitch-Eventsub-Message-Type")) != "webhook_callback_verification" ||
			json.Unmarshal(body, &ask) != nil || ask.Challenge == "" {
			return nil
		}
		return &greeting{contentType: plainText, body: []byte(ask.Challenge)}
	}},
	// Zoom, Using webhooks, "Validate your webhook endpoint".
	"zoom": {signed: func(http *fasthttp.RequestCtx, body []byte, values map[string]string) *greeting {
		var ask struct {
			Event   string
			Payload struct{ PlainToken string }
		}
		token := &ask.Payload.PlainToken
		if json.Unmarshal(body, &ask) != nil || ask.Event != "endpoint.url_validation" || *token == "" {
			return nil
		}
		secret := signingSecret("zoom", http, body, values)
		return object(map[string]string{"plainToken": *token, "encryptedToken": hex.EncodeToString(signedWith(secret, []byte(*token)))})
	}},
}

// secretNames are the values of a credential that hold its secrets, the one
// that is used first.
var secretNames = [...]string{"secret", "previousSecret", "secret2"}

// signingSecret is the one of several secrets that a request was signed with,
// which its sender wants to see used in the answer.
func signingSecret(kind string, http *fasthttp.RequestCtx, body []byte, values map[string]string) string {
	scheme := presets[kind]
	scheme.Tolerance = 0 // was checked
	m := Message{Method: string(http.Method()), Header: http.Request.Header.PeekAll, Body: body}
	for _, name := range secretNames {
		verifier, err := scheme.Verifier(values[name])
		if err == nil && verifier.Verify(m, time.Time{}) == nil {
			return values[name]
		}
	}
	return values["secret"]
}

// setHandshake chooses how the flow's sender may ask for its URL. A type that
// no provider stands behind answers the one of CloudEvents.
func (f *flow) setHandshake(named string, credential *schemas.CredentialEntry, values map[string]string) {
	kind := "none"
	if named != "" {
		if credential == nil || credential.Uses != "webhook" {
			return
		}
		kind, f.values = credential.Type, values
	}
	switch kind {
	case "none", "basic", "apiKey", "hmac", "standard-webhooks":
		f.handshake = handshake{open: f.allowOrigin}
	default:
		f.handshake = handshakes[kind]
	}
}

// allowOrigin answers the validation request of CloudEvents (HTTP 1.1 Web
// Hooks for Event Delivery, section 4), which authenticates nobody: it only
// says that events are expected here. An API key that is part of the URL has to
// be right, because the URL is then another one. A callback is not called.
func (f *flow) allowOrigin(http *fasthttp.RequestCtx, _ map[string]string) *greeting {
	origins := http.Request.Header.PeekAll("WebHook-Request-Origin")
	if string(http.Method()) != fasthttp.MethodOptions || len(origins) != 1 || !isOrigin(origins[0]) || !f.takes([]byte("POST")) {
		return nil
	}
	if f.lock.kind == "" || f.lock.kind == "apiKey" && f.lock.query && f.lock.beforeBody(http, time.Time{}) != nil {
		return nil
	}
	allowed := "*"
	if f.rate != nil {
		allowed = strconv.FormatInt(max(1, int64(time.Minute/f.rate.each)), 10)
	}
	return &greeting{header: map[string]string{
		"WebHook-Allowed-Origin": string(origins[0]),
		"WebHook-Allowed-Rate":   allowed,
		"Allow":                  f.otherMethod.allow,
	}}
}

func isOrigin(text []byte) bool {
	const most = 253 // of a DNS name
	return len(text) > 0 && len(text) <= most &&
		len(bytes.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_*:")) == 0
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
	return &greeting{contentType: plainText, body: append([]byte(nil), value...)}
}

func object(members map[string]string) *greeting {
	body, _ := json.Marshal(members) // text alone: cannot fail
	return &greeting{contentType: "application/json", body: body}
}

func signedWith(secret string, text []byte) []byte {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write(text)
	return m.Sum(nil)
}

func (g *greeting) write(http *fasthttp.RequestCtx) {
	if g.status != 0 {
		http.Response.SetStatusCode(g.status)
	}
	for name, value := range g.header {
		http.Response.Header.Set(name, value)
	}
	if g.contentType != "" {
		http.Response.Header.SetContentType(g.contentType)
	}
	// What is echoed is a stranger's text: no browser may take it for a page.
	http.Response.Header.Set("X-Content-Type-Options", "nosniff")
	http.Response.SetBody(g.body)
}
