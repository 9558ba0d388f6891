package main

import (
	"github.com/spf13/cobra"

	"sluice/connectors/all"
	"sluice/connectors/mapping"
	"sluice/console"
)

func openapiCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "openapi",
		Short: "Print the API's description (OpenAPI 3.1)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			components, err := all.New()
			if err != nil {
				return err
			}
			description, err := console.New(console.Options{Components: components, Mapping: mapping.New(mapping.Limits{})}).OpenAPI()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(append(description, '\n'))
			return err
		},
	}
}
