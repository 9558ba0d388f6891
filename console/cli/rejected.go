package cli

import (
	"fmt"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"sluice/console"
)

func rejectedCommand() *cobra.Command {
	return connected(&cobra.Command{Use: "rejected FLOW", Short: "List the last requests that a flow rejected, and why", Args: cobra.ExactArgs(1)}, func(s *session, args []string) error {
		f, err := s.flow(s.cmd.Context(), args[0])
		if err != nil {
			return err
		}
		var list struct{ Items []console.Rejected }
		raw, err := s.get(s.cmd.Context(), "/flows/"+url.PathEscape(f.ID)+"/rejected", nil, &list)
		if err != nil {
			return err
		}
		if s.json {
			return s.printJSON(raw)
		}
		if len(list.Items) == 0 {
			fmt.Fprintf(s.out, "Flow %s has rejected nothing within the day.\n", f.ID)
			return nil
		}
		t := newTable(s.out, "REQUEST", "TIME", "METHOD", "STATUS", "BYTES", "CAUSE", "ACCEPTED AS")
		for _, r := range list.Items {
			t.row(r.ID, localTime(r.Time), r.Method, strconv.Itoa(r.Status), strconv.FormatInt(r.Bytes, 10), r.Cause, orDash(r.Execution))
		}
		return t.flush()
	})
}

func acceptCommand() *cobra.Command {
	return connected(&cobra.Command{
		Use: "accept FLOW REQUEST", Short: "Make a hook of a rejected request, once the cause is mended", Args: cobra.ExactArgs(2),
		Long: "Makes a hook of a request that a flow has rejected (`sluice rejected FLOW` lists them). It has to pass\n" +
			"all that it had to pass when it came, by the flow and the credential as they are now.",
	}, func(s *session, args []string) error {
		f, err := s.flow(s.cmd.Context(), args[0])
		if err != nil {
			return err
		}
		var accepted console.Accepted
		raw, err := s.post(s.cmd.Context(), "/flows/"+url.PathEscape(f.ID)+"/rejected/"+url.PathEscape(args[1])+"/accept", nil, &accepted)
		if err != nil {
			return err
		}
		if s.json {
			return s.printJSON(raw)
		}
		fmt.Fprintf(s.out, "accepted: execution %s\n", accepted.ID)
		return nil
	})
}
