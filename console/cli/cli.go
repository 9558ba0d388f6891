// Package cli has the commands that talk to the API: flows and credentials as
// code, sending hooks, the run log, SQL, and checks.
//
// Every command takes --output table|json and --api URL. json is what the API
// answered; table is for people, with local times.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"sluice/connectors"
	"sluice/connectors/mapping"
)

// Exit statuses.
const (
	ExitFailed = 1
	ExitUsage  = 2
)

// Options says what the commands work with besides the API.
type Options struct {
	// Components is asked when documents are checked here, so that their faults
	// are told with the places in the user's own files.
	Components func() (*connectors.Set, error)
	// Mapping evaluates expressions here.
	Mapping func() *mapping.Engine
}

// Commands makes the commands, to be added to the root command. Run runs it.
func Commands(o Options) []*cobra.Command {
	commands := []*cobra.Command{
		applyCommand(o), flowsCommand(), deleteCommand(), sendCommand(),
		executionsCommand(), executionCommand(), retryCommand(), resolveCommand(), blockedCommand(), cancelCommand(),
		replayCommand(), replaysCommand(), eraseCommand(), erasuresCommand(),
		queryCommand(), queriesCommand(), alertsCommand(), doctorCommand(), evalCommand(o), credentialsCommand(), rejectedCommand(), acceptCommand(), importCommand(),
	}
	commands = append(commands, moveCommands()...)
	for _, c := range commands {
		prepare(c)
	}
	return commands
}

func prepare(c *cobra.Command) {
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return UsageError(err) })
	c.SilenceUsage, c.SilenceErrors = true, true
	if args := c.Args; args != nil {
		c.Args = func(c *cobra.Command, given []string) error { return UsageError(args(c, given)) }
	}
	for _, sub := range c.Commands() {
		prepare(sub)
	}
}

// usageError is a mistake in how a command was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// UsageError marks an error as one of how a command was called, whose exit
// status is 2. Nil stays nil.
func UsageError(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

// silent is an error that has been told already.
type silent struct{ error }

// Run executes the root command, tells an error on its standard error, and
// returns the exit status: 0, 1 failed, 2 wrongly called.
func Run(ctx context.Context, root *cobra.Command) int {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return UsageError(err) })
	c, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	usage := isUsage(err)
	if _, told := errors.AsType[silent](err); !told {
		fmt.Fprintln(root.ErrOrStderr(), root.Name()+": "+err.Error())
	}
	if usage {
		fmt.Fprintf(root.ErrOrStderr(), "see `%s --help`\n", c.CommandPath())
		return ExitUsage
	}
	return ExitFailed
}

func isUsage(err error) bool {
	if _, ok := errors.AsType[usageError](err); ok {
		return true
	}
	// cobra's own have no type.
	for _, begin := range []string{"unknown command ", "required flag(s) ", "unknown flag: ", "unknown shorthand flag: "} {
		if strings.HasPrefix(err.Error(), begin) {
			return true
		}
	}
	return false
}

// session is one run of a command.
type session struct {
	*client
	cmd  *cobra.Command
	json bool
	out  io.Writer
}

// connected adds the flags that every command takes, and runs it with them.
func connected(c *cobra.Command, run func(*session, []string) error) *cobra.Command {
	api := c.Flags().String("api", "", "the API's `URL` (SLUICE_API; default "+defaultAPI+")")
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		asJSON, err := parseOutput(*output)
		if err != nil {
			return err
		}
		client, err := newClient(*api)
		if err != nil {
			return UsageError(err)
		}
		return run(&session{client: client, cmd: c, json: asJSON, out: c.OutOrStdout()}, args)
	}
	return c
}

func outputFlag(c *cobra.Command) *string {
	return c.Flags().StringP("output", "o", "table", "`table` or json")
}

func parseOutput(s string) (asJSON bool, err error) {
	switch s {
	case "table":
		return false, nil
	case "json":
		return true, nil
	}
	return false, UsageError(fmt.Errorf("--output %q: want table or json", s))
}

// input reads a file, or standard input for "-".
func input(c *cobra.Command, name string) ([]byte, error) {
	if name == "-" {
		b, err := io.ReadAll(c.InOrStdin())
		if err != nil {
			return nil, fmt.Errorf("reading standard input: %w", err)
		}
		return b, nil
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading the file: %w", err)
	}
	return b, nil
}
