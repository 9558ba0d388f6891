package webhook

import (
	"encoding/json"

	"sluice/connectors"
	"sluice/connectors/outgoing"
)

func credentials() []connectors.CredentialType {
	list := []connectors.CredentialType{
		{Name: "none", Title: "No Auth", Summary: "Anyone who knows the URL", Schema: json.RawMessage(outgoing.NoneSchema)},
		{Name: "basic", Title: "Basic Auth", Summary: "User name and password", Schema: json.RawMessage(outgoing.BasicSchema)},
		{Name: "apiKey", Title: "API Key Auth", Summary: "A header or query parameter of your choice", Schema: json.RawMessage(outgoing.APIKeySchema)},
		{Name: "hmac", Title: "HMAC verification", Summary: "A signature of the payload", Schema: json.RawMessage(hmacSchema)},
	}
	for _, p := range presets {
		schema := secretSchema(p.secret)
		if p.name == "meta" {
			schema = metaSchema
		}
		list = append(list, connectors.CredentialType{Name: p.name, Title: p.title, Summary: p.summary, Schema: schema})
	}
	return list
}

// hmacSchema: in the template, {body} is the raw body, {timestamp} the text of the timestamp header, {id} the delivery's
// ID, {method} and {url} those of the request. Outgoing signatures use the same words.
const hmacSchema = `{
  "type": "object", "required": ["secret"], "additionalProperties": false,
  "properties": {
    "secret": {"type": "string", "title": "Secret", "minLength": 1, "format": "password", "writeOnly": true},
    "previousSecret": {"type": "string", "title": "Previous secret", "description": "Still accepted from senders while they change over", "format": "password", "writeOnly": true},
    "header": {"type": "string", "title": "Header", "description": "the name of the header with the signature", "default": "x-eio-signature", "pattern": "^[!#$%&'*+.^_|~0-9A-Za-z-]+$"},
    "algorithm": {"type": "string", "title": "Algorithm", "enum": ["sha1", "sha256", "sha512"], "default": "sha256"},
    "encoding": {"type": "string", "title": "Encoding", "enum": ["hex", "base64"], "default": "hex"},
    "prefix": {"type": "string", "title": "Prefix", "description": "Before the signature in the header", "examples": ["sha256="]},
    "timestampHeader": {"type": "string", "title": "Timestamp header", "description": "the name of the header with the time of sending, in seconds", "pattern": "^[!#$%&'*+.^_|~0-9A-Za-z-]*$"},
    "tolerance": {"type": "string", "title": "Tolerance", "description": "a time such as 5m: how old a timestamp may be", "default": "5m", "pattern": "^[0-9]{1,6}(ms|s|m|h)$"},
    "template": {"type": "string", "title": "What is signed", "description": "{body}, {timestamp}, {id}, {method} and {url} are replaced", "default": "{body}", "examples": ["{timestamp}.{body}"]}
  }
}`

// presets are the providers whose way of signing the edge knows by name: the user enters the secret, nothing else.
var presets = [...]struct{ name, title, summary, secret string }{
	{"standard-webhooks", "Standard Webhooks", "Signs what is sent, too", "Secret (whsec_…)"},
	{"svix", "Svix", "", "Secret (whsec_…)"},
	{"github", "GitHub", "", "Webhook secret"},
	{"gitlab", "GitLab", "", "Secret token"},
	{"bitbucket", "Bitbucket", "", "Secret"},
	{"stripe", "Stripe", "", "Signing secret (whsec_…)"},
	{"shopify", "Shopify", "", "API secret key"},
	{"slack", "Slack", "", "Signing secret"},
	{"x", "X (Twitter)", "", "Consumer secret"},
	{"meta", "Meta", "Facebook, Instagram, WhatsApp", "App secret"},
	{"zoom", "Zoom", "", "Secret token"},
	{"square", "Square", "", "Signature key"},
	{"twitch", "Twitch", "", "Secret"},
	{"hubspot", "HubSpot", "", "Client secret"},
	{"linear", "Linear", "", "Signing secret"},
	{"typeform", "Typeform", "", "Secret"},
	{"intercom", "Intercom", "", "Client secret"},
	{"zendesk", "Zendesk", "", "Signing secret"},
	{"paddle", "Paddle", "", "Secret key (pdl_ntfset_…)"},
	{"dropbox", "Dropbox", "", "App secret"},
	{"asana", "Asana", "", "X-Hook-Secret of the handshake"},
	{"woocommerce", "WooCommerce", "", "Secret"},
}

func secretSchema(title string) json.RawMessage {
	text, _ := json.Marshal(title)
	return json.RawMessage(`{
  "type": "object", "required": ["secret"], "additionalProperties": {"type": "string"},
  "properties": {
    "secret": {"type": "string", "title": ` + string(text) + `, "minLength": 1, "format": "password", "writeOnly": true},
    "previousSecret": {"type": "string", "title": "Previous secret", "description": "Still accepted from senders while they change over", "format": "password", "writeOnly": true}
  }
}`)
}

var metaSchema = json.RawMessage(`{
  "type": "object", "required": ["secret"], "additionalProperties": false,
  "properties": {
    "secret": {"type": "string", "title": "App secret", "minLength": 1, "format": "password", "writeOnly": true},
    "previousSecret": {"type": "string", "title": "Previous secret", "description": "Still accepted from senders while they change over", "format": "password", "writeOnly": true},
    "verifyToken": {"type": "string", "title": "Verify token", "description": "the text that is entered beside the URL when the webhook is set up", "format": "password", "writeOnly": true}
  }
}`)
