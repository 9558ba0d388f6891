// Package all is the list of the connectors Sluice comes with: a folder and one line here make a new one.
package all

import (
	"sluice/connectors"
	"sluice/connectors/code"
	"sluice/connectors/email"
	"sluice/connectors/flow"
	"sluice/connectors/github"
	"sluice/connectors/http"
	"sluice/connectors/kafka"
	"sluice/connectors/mapper"
	"sluice/connectors/paypal"
	"sluice/connectors/petstore"
	"sluice/connectors/s3"
	"sluice/connectors/schedule"
	"sluice/connectors/shopify"
	"sluice/connectors/slack"
	"sluice/connectors/sql"
	"sluice/connectors/stripe"
	"sluice/connectors/twilio"
	"sluice/connectors/webhook"
	"sluice/connectors/x"
)

// Connectors returns every connector, in the order the designer lists them.
func Connectors() []connectors.Connector {
	return []connectors.Connector{
		webhook.Connector(),
		schedule.Connector(),
		http.Connector(),
		mapper.Connector(),
		code.Connector(),
		flow.Connector(),
		petstore.Connector(),
		github.Connector(),
		slack.Connector(),
		stripe.Connector(),
		shopify.Connector(),
		paypal.Connector(),
		twilio.Connector(),
		x.Connector(),
		kafka.Connector(),
		sql.Connector(),
		s3.Connector(),
		email.Connector(),
	}
}

// New returns them as a checked set.
func New() (*connectors.Set, error) { return connectors.New(Connectors()...) }
