package ingest

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// fiveMinutes is how far most providers let a timestamp be from now.
const fiveMinutes = 5 * time.Minute

// presets are the providers whose way of signing is known by the name of the
// credential type. Each is data; the user gives the secret. The sources are the
// providers' own pages on verifying webhooks.
var presets = map[string]Scheme{
	"asana": {Header: "X-Hook-Signature", Algorithm: "sha256", Encoding: "hex", Template: "{body}"},
	"bitbucket": {Header: "X-Hub-Signature", Algorithm: "sha256", Encoding: "hex", Prefix: "sha256=",
		Template: "{body}"},
	// The provider names no window, and says to check the time.
	"discord": {Key: "ed25519", Header: "X-Signature-Ed25519", Encoding: "hex", TimestampHeader: "X-Signature-Timestamp",
		Tolerance: fiveMinutes, Template: "{timestamp}{body}"},
	"dropbox": {Header: "X-Dropbox-Signature", Algorithm: "sha256", Encoding: "hex", Template: "{body}"},
	"github": {Header: "X-Hub-Signature-256", Algorithm: "sha256", Encoding: "hex", Prefix: "sha256=",
		Template: "{body}"},
	"gitlab-signing": standardWebhooks("webhook"),
	// The page says to decode these in the URL; the provider's own libraries do
	// not.
	"hubspot": {Header: "X-HubSpot-Signature-v3", Algorithm: "sha256", Encoding: "base64",
		TimestampHeader: "X-HubSpot-Request-Timestamp", Tolerance: fiveMinutes, Template: "{method}{url}{body}{timestamp}",
		URLDecoded: ":/?@!$'()*,;"},
	"intercom": {Header: "X-Hub-Signature", Algorithm: "sha1", Encoding: "hex", Prefix: "sha1=", Template: "{body}"},
	// The time is in the body; the provider's library checks it where it is.
	"linear": {Header: "Linear-Signature", Algorithm: "sha256", Encoding: "hex", TimestampField: "webhookTimestamp",
		TimestampOptional: true, Tolerance: time.Minute, Template: "{body}"},
	// The signature covers timestamp and token alone.
	"mailgun": {SignatureField: "signature.signature", TimestampField: "signature.timestamp", Algorithm: "sha256", Encoding: "hex",
		Tolerance: fiveMinutes, Template: "{timestamp}{field:signature.token}"},
	"meta": {Header: "X-Hub-Signature-256", Algorithm: "sha256", Encoding: "hex", Prefix: "sha256=",
		Template: "{body}"},
	"microsoft-graph": {whole: clientStates},
	// The window is that of the provider's libraries, which it says to copy.
	"paddle": {Header: "Paddle-Signature", Algorithm: "sha256", Encoding: "hex", Separator: ";", SignatureKey: "h1",
		TimestampKey: "ts", Tolerance: 5 * time.Second, Template: "{timestamp}:{body}"},
	"paypal": {Key: "rsa", Header: "PAYPAL-TRANSMISSION-SIG", Algorithm: "sha256", Encoding: "base64",
		TimestampHeader: "PAYPAL-TRANSMISSION-TIME", Tolerance: fiveMinutes,
		Template:          "{header:PAYPAL-TRANSMISSION-ID}|{timestamp}|{secret}|{crc32}",
		CertificateHeader: "PAYPAL-CERT-URL", CertificateHost: "paypal.com",
		AlgorithmHeader: "PAYPAL-AUTH-ALGO", AlgorithmName: "SHA256withRSA"},
	"sendgrid": {Key: "ecdsa", Header: "X-Twilio-Email-Event-Webhook-Signature", Algorithm: "sha256", Encoding: "base64",
		TimestampHeader: "X-Twilio-Email-Event-Webhook-Timestamp", Tolerance: fiveMinutes, Template: "{timestamp}{body}"},
	"shopify": {Header: "X-Shopify-Hmac-Sha256", Algorithm: "sha256", Encoding: "base64", Template: "{body}"},
	"slack": {Header: "X-Slack-Signature", Algorithm: "sha256", Encoding: "hex", Prefix: "v0=",
		TimestampHeader: "X-Slack-Request-Timestamp", Tolerance: fiveMinutes, Template: "v0:{timestamp}:{body}"},
	"square":            {Header: "x-square-hmacsha256-signature", Algorithm: "sha256", Encoding: "base64", Template: "{url}{body}"},
	"standard-webhooks": standardWebhooks("webhook"),
	"stripe": {Header: "Stripe-Signature", Algorithm: "sha256", Encoding: "hex", Separator: ",", SignatureKey: "v1",
		TimestampKey: "t", Tolerance: fiveMinutes, Template: "{timestamp}.{body}"},
	"svix":   standardWebhooks("svix"),
	"twilio": {Header: "X-Twilio-Signature", Algorithm: "sha1", Encoding: "base64", Template: "{url}", whole: twilio},
	"twitch": {Header: "Twitch-Eventsub-Message-Signature", Algorithm: "sha256", Encoding: "hex", Prefix: "sha256=",
		TimestampHeader: "Twitch-Eventsub-Message-Timestamp", Tolerance: 10 * time.Minute,
		Template: "{header:Twitch-Eventsub-Message-Id}{timestamp}{body}"},
	"typeform": {Header: "Typeform-Signature", Algorithm: "sha256", Encoding: "base64", Prefix: "sha256=",
		Template: "{body}"},
	"woocommerce": {Header: "X-WC-Webhook-Signature", Algorithm: "sha256", Encoding: "base64", Template: "{body}"},
	"x": {Header: "x-twitter-webhooks-signature", Algorithm: "sha256", Encoding: "base64", Prefix: "sha256=",
		Template: "{body}"},
	"zendesk": {Header: "X-Zendesk-Webhook-Signature", Algorithm: "sha256", Encoding: "base64",
		TimestampHeader: "X-Zendesk-Webhook-Signature-Timestamp", Tolerance: fiveMinutes, Template: "{timestamp}{body}"},
	"zoom": {Header: "x-zm-signature", Algorithm: "sha256", Encoding: "hex", Prefix: "v0=",
		TimestampHeader: "x-zm-request-timestamp", Tolerance: fiveMinutes, Template: "v0:{timestamp}:{body}"},
}

// standardWebhooks is Standard Webhooks 1.0 with headers that begin with a name.
func standardWebhooks(name string) Scheme {
	return Scheme{Header: name + "-signature", Algorithm: "sha256", Encoding: "base64", Prefix: "v1,", Separator: " ",
		TimestampHeader: name + "-timestamp", Tolerance: fiveMinutes, Template: "{id}.{timestamp}.{body}", IDHeader: name + "-id",
		SecretEncoding: "base64", SecretPrefix: "whsec_", PublicKeyPrefix: "whpk_", PublicPrefix: "v1a,"}
}

// CredentialScheme is how requests are signed under a credential: the preset
// of its type, or what its values say when it is of type hmac. It is false for
// types under which nothing is signed.
func CredentialScheme(kind string, values map[string]string) (Scheme, bool, error) {
	if kind == "hmac" {
		s, err := HMACScheme(values)
		return s, true, err
	}
	s, ok := presets[kind]
	if !ok {
		return s, false, nil
	}
	s.Certificate = values["certificate"]
	var err error
	if s.stamped() {
		s.Tolerance, err = parseTolerance(values["tolerance"], s.Tolerance)
	}
	return s, true, err
}

// parseTolerance reads a duration such as 5m, or a number of seconds.
func parseTolerance(text string, otherwise time.Duration) (time.Duration, error) {
	if text == "" {
		return otherwise, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		d, err = time.ParseDuration(text + "s")
	}
	if err != nil || d <= 0 {
		return otherwise, fmt.Errorf("tolerance %q: want a duration such as 5m", text)
	}
	return d, nil
}

// Preset is a provider's scheme by the name of its credential type.
func Preset(name string) (Scheme, bool) {
	s, ok := presets[name]
	return s, ok
}

// PresetNames lists the providers whose scheme is known, in order.
func PresetNames() []string { return slices.Sorted(maps.Keys(presets)) }

// GitLabToken is the header that GitLab sends its secret in, as it is.
const GitLabToken = "X-Gitlab-Token"
