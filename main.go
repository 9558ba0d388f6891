// Sluice takes in webhooks at high volume, runs integration flows over them,
// and keeps a complete, queryable history.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"sluice/connectors/all"
	"sluice/connectors/mapping"
	"sluice/console/cli"
)

// version is set by the build.
var version = "dev"

func main() { os.Exit(execute(os.Args[1:])) }

// execute runs the command line. It returns 0, 1 when the command failed, and
// 2 when it was not understood.
func execute(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The second signal ends the process at once.
	context.AfterFunc(ctx, stop)

	root := &cobra.Command{
		Use:     "sluice",
		Short:   "Webhooks in, flows over them, and a complete history",
		Version: version,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetArgs(args)
	root.AddCommand(devCommand(), serveCommand(), topicsCommand(), runlogCommand(), verifyCommand(), openapiCommand())
	root.AddCommand(cli.Commands(cli.Options{
		Components: all.New,
		Mapping:    func() *mapping.Engine { return mapping.New(mapping.Limits{}) },
	})...)
	return cli.Run(ctx, root)
}
