package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"sluice/connectors"
	"sluice/console"
)

func importCommand() *cobra.Command {
	c := &cobra.Command{Use: "import", Short: "Make a connector of a service's description"}
	c.RunE = func(*cobra.Command, []string) error {
		return UsageError(fmt.Errorf("say what to import: openapi, and the document's file or URL"))
	}
	var name, base string
	openapi := connected(&cobra.Command{
		Use:   "openapi FILE|URL",
		Short: "Make a connector of an OpenAPI document",
		Long: "Makes a connector of an OpenAPI 3.0, 3.1 or Swagger 2.0 document: an action for each operation, a credential\n" +
			"type for each security scheme. Imported again under the same name, it is replaced. FILE may be - for standard\n" +
			"input; a URL is read by the server.",
		Args: cobra.ExactArgs(1),
	}, func(s *session, args []string) error { return s.importOpenAPI(args[0], name, base) })
	openapi.Flags().StringVar(&name, "name", "", "the connector's `name`; one is made from the title otherwise")
	openapi.Flags().StringVar(&base, "base-url", "", "where the service is, in place of the document's server: a `URL`")
	c.AddCommand(openapi)
	return c
}

func (s *session) importOpenAPI(from, name, base string) error {
	query := url.Values{}
	for key, value := range map[string]string{"name": name, "baseUrl": base} {
		if value != "" {
			query.Set(key, value)
		}
	}
	var body []byte
	var err error
	if strings.HasPrefix(from, "http://") || strings.HasPrefix(from, "https://") {
		body, err = json.Marshal(map[string]string{"url": from})
	} else {
		if from != "-" {
			query.Set("source", from)
		}
		body, err = input(s.cmd, from)
	}
	if err != nil {
		return err
	}
	raw, err := s.call(s.cmd.Context(), http.MethodPost, "/components/import", query, "application/octet-stream", body)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(raw)
	}
	var made console.Imported
	if err := decode(raw, &made); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s (%s) %s: %d actions, credentials of type %s\n", made.Connector, made.Title, made.Result, made.Operations, orDash(join(made.Credentials)))
	if made.BaseURL != "" {
		fmt.Fprintf(s.out, "base URL %s\n", made.BaseURL)
	}
	for _, w := range made.Warnings {
		fmt.Fprintf(s.out, "note: %s\n", w)
	}
	for _, l := range made.LeftOut {
		fmt.Fprintf(s.out, "left out: %s: %s\n", l.Operation, l.Reason)
	}
	if len(made.Components) > 0 {
		fmt.Fprintf(s.out, "a step uses it as, for example, %s\n", made.Components[0])
	}
	return nil
}

// imported makes the server's imported connectors known to a set, by their names: what their inputs must be is checked by
// the server.
func (s *session) imported(set *connectors.Set) error {
	var list struct{ Items []console.Connector }
	if _, err := s.get(s.cmd.Context(), "/components", nil, &list); err != nil {
		return err
	}
	var known []connectors.Connector
	for _, c := range list.Items {
		if !c.Imported {
			continue
		}
		made := connectors.Connector{Name: c.Name, Title: c.Title}
		for _, t := range c.Credentials {
			made.Credentials = append(made.Credentials, connectors.CredentialType{Name: t.Name, Title: t.Title, Schema: t.Schema})
		}
		for _, m := range c.Components {
			made.Components = append(made.Components, connectors.Component{
				Name: m.Name, Title: m.Title, Effect: connectors.Effect(m.Effect), NeedsCredential: m.NeedsCredential,
				Input: json.RawMessage("{}"), Output: json.RawMessage("{}"),
				Do: func(context.Context, connectors.Env, connectors.Call) (connectors.Result, error) {
					return connectors.Result{}, connectors.BadInput("imported connectors run on the server")
				},
			})
		}
		known = append(known, made)
	}
	return set.Extend(known...)
}
