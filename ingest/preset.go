package ingest

import (
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
	"dropbox": {Header: "X-Dropbox-Signature", Algorithm: "sha256", Encoding: "hex", Template: "{body}"},
	"github": {Header: "X-Hub-Signature-256", Algorithm: "sha256", Encoding: "hex", Prefix: "sha256=",
		Template: "{body}"},
	"hubspot": {Header: "X-HubSpot-Signature-v3", Algorithm: "sha256", Encoding: "base64",
		TimestampHeader: "X-HubSpot-Request-Timestamp", Tolerance: fiveMinutes, Template: "{method}{url}{body}{timestamp}"},
	"intercom": {Header: "X-Hub-Signature", Algorithm: "sha1", Encoding: "hex", Prefix: "sha1=", Template: "{body}"},
	"linear":   {Header: "Linear-Signature", Algorithm: "sha256", Encoding: "hex", Template: "{body}"},
	"meta": {Header: "X-Hub-Signature-256", Algorithm: "sha256", Encoding: "hex", Prefix: "sha256=",
		Template: "{body}"},
	"paddle": {Header: "Paddle-Signature", Algorithm: "sha256", Encoding: "hex", Separator: ";", SignatureKey: "h1",
		TimestampKey: "ts", Tolerance: fiveMinutes, Template: "{timestamp}:{body}"},
	"shopify": {Header: "X-Shopify-Hmac-Sha256", Algorithm: "sha256", Encoding: "base64", Template: "{body}"},
	"slack": {Header: "X-Slack-Signature", Algorithm: "sha256", Encoding: "hex", Prefix: "v0=",
		TimestampHeader: "X-Slack-Request-Timestamp", Tolerance: fiveMinutes, Template: "v0:{timestamp}:{body}"},
	"square": {Header: "x-square-hmacsha256-signature", Algorithm: "sha256", Encoding: "base64", Template: "{url}{body}"},
	"standard-webhooks": {Header: "webhook-signature", Algorithm: "sha256", Encoding: "base64", Prefix: "v1,", Separator: " ",
		TimestampHeader: "webhook-timestamp", Tolerance: fiveMinutes, Template: "{id}.{timestamp}.{body}", IDHeader: "webhook-id",
		SecretEncoding: "base64", SecretPrefix: "whsec_"},
	"stripe": {Header: "Stripe-Signature", Algorithm: "sha256", Encoding: "hex", Separator: ",", SignatureKey: "v1",
		TimestampKey: "t", Tolerance: fiveMinutes, Template: "{timestamp}.{body}"},
	"svix": {Header: "svix-signature", Algorithm: "sha256", Encoding: "base64", Prefix: "v1,", Separator: " ",
		TimestampHeader: "svix-timestamp", Tolerance: fiveMinutes, Template: "{id}.{timestamp}.{body}", IDHeader: "svix-id",
		SecretEncoding: "base64", SecretPrefix: "whsec_"},
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

// Preset is a provider's scheme by the name of its credential type.
func Preset(name string) (Scheme, bool) {
	s, ok := presets[name]
	return s, ok
}

// PresetNames lists the providers whose scheme is known, in order.
func PresetNames() []string { return slices.Sorted(maps.Keys(presets)) }

// GitLabToken is the header that GitLab sends its secret in, as it is.
const GitLabToken = "X-Gitlab-Token"
