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
		list = append(list, connectors.CredentialType{Name: p.name, Title: p.title, Summary: p.summary, Schema: p.schema()})
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

// preset is a provider whose way of signing the edge knows by name: the user enters the secret, nothing else.
type preset struct {
	name, title, summary string
	secret               string // its title
	stamped              bool   // requests carry the time they were sent at
	more                 []value
}

// value is one more value of a credential.
type value struct{ name, title, description string }

var presets = [...]preset{
	{name: "standard-webhooks", title: "Standard Webhooks", summary: "Signs what is sent, too", secret: "Secret (whsec_…), or public key (whpk_…)", stamped: true},
	{name: "svix", title: "Svix", secret: "Secret (whsec_…)", stamped: true},
	{name: "github", title: "GitHub", secret: "Webhook secret"},
	{name: "gitlab", title: "GitLab", summary: "The secret token, as it is", secret: "Secret token"},
	{name: "gitlab-signing", title: "GitLab signing token", summary: "Signed payloads", secret: "Signing token (whsec_…)", stamped: true},
	{name: "bitbucket", title: "Bitbucket", secret: "Secret"},
	{name: "stripe", title: "Stripe", secret: "Signing secret (whsec_…)", stamped: true},
	{name: "shopify", title: "Shopify", secret: "API secret key"},
	{name: "slack", title: "Slack", secret: "Signing secret", stamped: true},
	{name: "twilio", title: "Twilio", summary: "Signs the URL: set SLUICE_PUBLIC_URL", secret: "Auth token"},
	{name: "paypal", title: "PayPal", summary: "Signed with a certificate of paypal.com", secret: "Webhook ID", stamped: true,
		more: []value{{"certificate", "Certificate", "in PEM, to be used in place of the one that PayPal names"}}},
	{name: "x", title: "X (Twitter)", secret: "Consumer secret"},
	{name: "meta", title: "Meta", summary: "Facebook, Instagram, WhatsApp", secret: "App secret",
		more: []value{{"verifyToken", "Verify token", "the text that is entered beside the URL when the webhook is set up"}}},
	{name: "microsoft-graph", title: "Microsoft Graph", summary: "Outlook, Teams, SharePoint", secret: "clientState of the subscription"},
	{name: "zoom", title: "Zoom", secret: "Secret token", stamped: true},
	{name: "square", title: "Square", summary: "Signs the URL: set SLUICE_PUBLIC_URL", secret: "Signature key"},
	{name: "twitch", title: "Twitch", secret: "Secret", stamped: true},
	{name: "discord", title: "Discord", summary: "Interactions and webhook events", secret: "Public key of the application", stamped: true},
	{name: "sendgrid", title: "SendGrid", summary: "Event webhook, signed", secret: "Verification key (public)", stamped: true},
	{name: "hubspot", title: "HubSpot", summary: "Signs the URL: set SLUICE_PUBLIC_URL", secret: "Client secret", stamped: true},
	{name: "linear", title: "Linear", secret: "Signing secret", stamped: true},
	{name: "typeform", title: "Typeform", secret: "Secret"},
	{name: "intercom", title: "Intercom", secret: "Client secret"},
	{name: "zendesk", title: "Zendesk", secret: "Signing secret", stamped: true},
	{name: "mailgun", title: "Mailgun", secret: "Webhook signing key", stamped: true},
	{name: "paddle", title: "Paddle", secret: "Secret key (pdl_ntfset_…)", stamped: true},
	{name: "dropbox", title: "Dropbox", secret: "App secret"},
	{name: "asana", title: "Asana", secret: "X-Hook-Secret of the handshake"},
	{name: "woocommerce", title: "WooCommerce", secret: "Secret"},
}

// schema is that of the credential's values. What is public is kept as a secret, too: it says who is believed.
func (p preset) schema() json.RawMessage {
	type property struct {
		Type        string `json:"type"`
		Title       string `json:"title"`
		Description string `json:"description,omitempty"`
		MinLength   int    `json:"minLength,omitempty"`
		Pattern     string `json:"pattern,omitempty"`
		Format      string `json:"format,omitempty"`
		WriteOnly   bool   `json:"writeOnly,omitempty"`
	}
	secret := func(title, description string) property {
		return property{Type: "string", Title: title, Description: description, Format: "password", WriteOnly: true}
	}
	first := secret(p.secret, "")
	first.MinLength = 1
	properties := map[string]property{
		"secret":         first,
		"previousSecret": secret("Previous secret", "Still accepted from senders while they change over"),
	}
	for _, v := range p.more {
		properties[v.name] = secret(v.title, v.description)
	}
	if p.stamped {
		properties["tolerance"] = property{Type: "string", Title: "Tolerance", Pattern: "^([0-9]{1,6}(ms|s|m|h)?)?$",
			Description: "how far a timestamp may be from now, such as 5m; the provider's own window when empty"}
	}
	raw, _ := json.Marshal(map[string]any{ // text and numbers alone: cannot fail
		"type": "object", "required": []string{"secret"}, "additionalProperties": map[string]string{"type": "string"}, "properties": properties,
	})
	return raw
}
