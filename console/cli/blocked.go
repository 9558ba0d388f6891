package cli

import (
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"sluice/console"
)

func blockedCommand() *cobra.Command {
	return connected(&cobra.Command{
		Use: "blocked FLOW", Short: "List the ordering keys of a flow whose first execution holds others up", Args: cobra.ExactArgs(1),
		Long: "Lists the ordering keys of a flow whose first execution holds others up. `sluice cancel ID` skips that execution,\n" +
			"`sluice resolve ID STEP --as retry` has it tried now.",
	}, func(s *session, args []string) error {
		var list struct{ Items []console.BlockedKey }
		raw, err := s.get(s.cmd.Context(), "/flows/"+url.PathEscape(args[0])+"/blocked", nil, &list)
		if err != nil {
			return err
		}
		if s.json {
			return s.printJSON(raw)
		}
		t := newTable(s.out, "KEY", "EXECUTION", "STEP", "STATUS", "SINCE", "WAITING", "ERROR")
		for _, b := range list.Items {
			t.row(orDash(b.Key), b.Execution, orDash(b.Step), orDash(b.StepState), localTime(b.Since), strconv.Itoa(b.Waiting), orDash(b.Error))
		}
		return t.flush()
	})
}
