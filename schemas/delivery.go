package schemas

import (
	"maps"
	"slices"
)

// deliveryIDs are where providers put the ID that all deliveries of an event
// have, as expressions over the hook, by the name of their credential type.
// A provider that is not here sends none: X, Meta, Microsoft Graph, Zoom,
// SendGrid, HubSpot, Dropbox and Asana.
var deliveryIDs = map[string]string{
	"bitbucket":         `headers."x-request-uuid"`,
	"discord":           `body.id`,
	"github":            `headers."x-github-delivery"`,
	"gitlab":            `headers."idempotency-key"`,
	"gitlab-signing":    `headers."webhook-id"`,
	"intercom":          `body.id`,
	"linear":            `headers."linear-delivery"`,
	"mailgun":           `body."event-data".id`,
	"paddle":            `body.event_id`,
	"paypal":            `body.id`,
	"shopify":           `headers."x-shopify-webhook-id" ? headers."x-shopify-webhook-id" : headers."x-shopify-event-id"`,
	"slack":             `body.event_id`,
	"square":            `body.event_id`,
	"standard-webhooks": `headers."webhook-id"`,
	"stripe":            `body.id`,
	"svix":              `headers."svix-id"`,
	"twilio":            `headers."i-twilio-idempotency-token"`,
	"twitch":            `headers."twitch-eventsub-message-id"`,
	"typeform":          `body.event_id`,
	"woocommerce":       `headers."x-wc-webhook-delivery-id"`,
	"zendesk":           `headers."x-zendesk-webhook-invocation-id"`,
}

// DeliveryID is the expression, without the =, of the ID that a provider gives
// all deliveries of an event, by the name of its credential type. False: it
// gives none, or is not known.
func DeliveryID(preset string) (expression string, ok bool) {
	expression, ok = deliveryIDs[preset]
	return expression, ok
}

// DeliveryPresets lists the providers that DeliveryID knows.
func DeliveryPresets() []string { return slices.Sorted(maps.Keys(deliveryIDs)) }

// KeyExpression is the expression, without the =, of what deliveries of one
// event have in common; credentialType is that of the trigger's credential.
// False: there is none.
func (d *Dedupe) KeyExpression(credentialType string) (string, bool) {
	if d.Key != "" {
		return d.Key[1:], true // it begins with =
	}
	if d.Preset != "" {
		return DeliveryID(d.Preset)
	}
	return DeliveryID(credentialType)
}
