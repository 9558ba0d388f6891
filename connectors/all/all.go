// Package all is the list of the connectors Sluice comes with: a folder and one line here make a new one.
package all

import (
	"sluice/connectors"
	"sluice/connectors/http"
	"sluice/connectors/mapper"
	"sluice/connectors/petstore"
	"sluice/connectors/webhook"
)

// Connectors returns every connector, in the order the designer lists them.
func Connectors() []connectors.Connector {
	return []connectors.Connector{
		webhook.Connector(),
		http.Connector(),
		mapper.Connector(),
		petstore.Connector(),
	}
}

// New returns them as a checked set.
func New() (*connectors.Set, error) { return connectors.New(Connectors()...) }
