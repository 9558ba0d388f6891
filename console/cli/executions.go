package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sluice/console"
)

func executionsCommand() *cobra.Command {
	c := &cobra.Command{Use: "executions", Short: "List executions, newest first", Args: cobra.NoArgs}
	flow := c.Flags().String("flow", "", "only of this `FLOW`, by ID or name")
	status := c.Flags().StringSlice("status", nil, "only with this `STATUS`: waiting, running, succeeded, failed, duplicate, filtered, cancelled")
	since := c.Flags().String("since", "", "only from this `TIME` on (RFC 3339), or since so long ago, such as 1h")
	until := c.Flags().String("until", "", "only before this `TIME`, or so long ago")
	search := c.Flags().String("search", "", "only with this `TEXT` in the body or the error")
	fields := c.Flags().StringArray("field", nil, "only where the hook's body says so, such as `body.customer.id=42` or body.items[].sku=A1; may be repeated")
	limit := c.Flags().Int("limit", 50, "at most `N`, up to 1000")
	cursor := c.Flags().String("cursor", "", "go on after a list's `NEXT`")
	follow := c.Flags().Bool("follow", false, "go on with what happens, oldest first; with json one item per line")
	return connected(c, func(s *session, _ []string) error {
		query := url.Values{"limit": {strconv.Itoa(*limit)}}
		for name, v := range map[string]string{"since": *since, "until": *until, "q": *search, "cursor": *cursor} {
			if v != "" {
				query.Set(name, v)
			}
		}
		if len(*fields) > 0 {
			query["field"] = *fields
		}
		if len(*status) > 0 {
			query.Set("status", strings.Join(*status, ","))
		}
		if *flow != "" {
			id := *flow
			f, err := s.flow(s.cmd.Context(), id)
			switch {
			case err == nil:
				id = f.ID
			case !errors.Is(err, errNoFlow): // a deleted flow's executions are still there
				return err
			}
			query.Set("flow", id)
		}
		if *follow {
			return s.follow(query, *status)
		}
		var list executionItems
		raw, err := s.get(s.cmd.Context(), "/executions", query, &list)
		if err != nil {
			return err
		}
		if s.json {
			return s.printJSON(raw)
		}
		if len(list.Items) == 0 {
			fmt.Fprintln(s.out, "There are none.")
			return nil
		}
		t := executionTable(s.out)
		for i := range list.Items {
			t.row(executionRow(&list.Items[i])...)
		}
		if err := t.flush(); err != nil {
			return err
		}
		if list.Next != "" {
			fmt.Fprintf(s.out, "There are more: --cursor %s, or a larger --limit\n", list.Next)
		}
		return nil
	})
}

type executionItems struct {
	Items []console.Execution `json:"items"`
	Next  string              `json:"next"`
}

func executionTable(out io.Writer) *table {
	return newTable(out, "ID", "FLOW", "VERSION", "STATUS", "STARTED", "DURATION", "ERROR")
}

func executionRow(x *console.Execution) []string {
	message := "-"
	if x.Error != nil {
		message = short(clean(*x.Error), 80)
	}
	return []string{x.ID, x.Flow, version(int32(x.Version)), x.Status, localTime(x.StartedAt), duration(x.DurationMs), message}
}

func executionCommand() *cobra.Command {
	return connected(&cobra.Command{Use: "execution ID", Short: "Show an execution with its request and every step's input and output", Args: cobra.ExactArgs(1)},
		func(s *session, args []string) error {
			var x console.ExecutionDetail
			raw, err := s.get(s.cmd.Context(), "/executions/"+url.PathEscape(args[0]), nil, &x)
			if err != nil {
				return err
			}
			if s.json {
				return s.printJSON(raw)
			}
			return s.printExecution(&x)
		})
}

func (s *session) printExecution(x *console.ExecutionDetail) error {
	t := newTable(s.out)
	t.row("Execution", x.ID)
	t.row("Flow", fmt.Sprintf("%s, version %d", x.Flow, x.Version))
	t.row("Status", x.Status)
	t.row("Started", localTime(x.StartedAt))
	if x.EndedAt != nil {
		t.row("Ended", localTime(*x.EndedAt))
	}
	t.row("Duration", duration(x.DurationMs))
	if x.Error != nil {
		where := ""
		if x.ErrorStep != "" {
			where = x.ErrorStep + ": "
		}
		t.row("Error", where+*x.Error)
	}
	if x.ReplayOf != nil {
		label := "Retry of"
		if x.Replay != "" {
			label = "Replay of"
		}
		t.row(label, *x.ReplayOf)
	}
	if x.Replay != "" {
		t.row("Replay", x.Replay)
	}
	if len(x.Replays) > 0 {
		t.row("Repeated as", strings.Join(x.Replays, ", "))
	}
	if x.TraceID != "" {
		t.row("Trace", x.TraceID)
	}
	if err := t.flush(); err != nil {
		return err
	}
	if h := x.Hook; h != nil {
		target := h.Path
		if h.Query != "" {
			target += "?" + h.Query
		}
		fmt.Fprintf(s.out, "\nHook  %s %s  (%s, partition %d, offset %d)\n", clean(h.Method), clean(target), clean(h.Topic), h.Partition, h.Offset)
		for _, name := range slices.Sorted(maps.Keys(h.Headers)) {
			fmt.Fprintf(s.out, "  %s: %s\n", clean(name), clean(h.Headers[name]))
		}
		if h.BodySHA256 != "" {
			fmt.Fprintf(s.out, "  body   %d bytes, SHA-256 %s: GET %s\n", h.BodySize, clean(h.BodySHA256), clean(h.BodyURL))
		} else {
			fmt.Fprintf(s.out, "  body   %s\n", value(h.Body, "         "))
		}
		for _, f := range h.Files {
			fmt.Fprintf(s.out, "  file   %s (%s, %d bytes): GET %s\n", clean(f.Name), clean(f.ContentType), f.Size, clean(f.URL))
		}
	}
	fmt.Fprintln(s.out, "\nSteps")
	steps := newTable(s.out, "ID", "NAME", "USES", "STATUS", "ATTEMPTS", "DURATION", "HTTP")
	for i := range x.Steps {
		st := &x.Steps[i]
		http, took := "-", "-"
		if st.HTTPStatus != 0 {
			http = strconv.Itoa(int(st.HTTPStatus))
		}
		if st.Attempt > 0 {
			took = duration(&st.DurationMs)
		}
		steps.row(stepName(st), orDash(st.Name), st.Uses, st.Status, strconv.Itoa(len(st.Attempts)), took, http)
	}
	if err := steps.flush(); err != nil {
		return err
	}
	for i := range x.Steps {
		if st := &x.Steps[i]; st.Status != "skipped" {
			s.printStep(st)
		}
	}
	return nil
}

func stepName(st *console.ExecutionStep) string {
	if st.Iteration == 0 {
		return st.ID
	}
	return fmt.Sprintf("%s[%d]", st.ID, st.Iteration)
}

func (s *session) printStep(st *console.ExecutionStep) {
	fmt.Fprintf(s.out, "\n%s\n", clean(stepName(st)))
	fmt.Fprintf(s.out, "  input   %s\n", value(st.Input, "          "))
	fmt.Fprintf(s.out, "  output  %s\n", value(st.Output, "          "))
	if st.Error != nil {
		fmt.Fprintf(s.out, "  error   %s\n", clean(*st.Error))
	}
	if len(st.Attempts) < 2 && st.RetryAt == nil {
		return
	}
	for _, a := range st.Attempts {
		line := fmt.Sprintf("  attempt %d  %s  %s  %s", a.Attempt, localTime(a.StartedAt), a.Status, duration(&a.DurationMs))
		if a.Error != nil {
			line += "  " + clean(*a.Error)
		}
		if a.RetryAt != nil {
			line += "  (again at " + localTime(*a.RetryAt) + ")"
		}
		fmt.Fprintln(s.out, line)
	}
}

func retryCommand() *cobra.Command {
	var from, input string
	cmd := connected(&cobra.Command{
		Use: "retry ID", Short: "Send an execution's hook in again, as a new execution", Args: cobra.ExactArgs(1),
		Long: "Sends an execution's hook in again, as a new execution of the published version. With --from, what came before\n" +
			"that step is taken over as it was; with --input, the hook has another body.",
	}, func(s *session, args []string) error {
		body := map[string]any{}
		if from != "" {
			body["from"] = from
		}
		if input != "" {
			raw, err := readInput(s.cmd, input)
			if err != nil {
				return err
			}
			body["body"] = json.RawMessage(raw)
			if !json.Valid(raw) {
				body["body"] = string(raw)
			}
		}
		return s.order("retry", args[0], body, func(a *console.Accepted) string { return fmt.Sprintf("%s retries %s", a.ID, a.ReplayOf) })
	})
	cmd.Flags().StringVar(&from, "from", "", "the step to begin with")
	cmd.Flags().StringVar(&input, "input", "", "a file with another body for the hook, - for standard input")
	return cmd
}

func resolveCommand() *cobra.Command {
	var as, output, reason string
	var iteration int
	cmd := connected(&cobra.Command{
		Use: "resolve ID STEP --as retry|succeeded|failed", Short: "Decide about a step that is held, waits, or waits for its next attempt", Args: cobra.ExactArgs(2),
	}, func(s *session, args []string) error {
		if as != "retry" && as != "succeeded" && as != "failed" {
			return UsageError(fmt.Errorf("--as is %q: say retry, succeeded or failed", as))
		}
		body := map[string]any{"step": args[1], "as": as}
		if iteration > 0 {
			body["iteration"] = iteration
		}
		if reason != "" {
			body["reason"] = reason
		}
		if output != "" {
			if !json.Valid([]byte(output)) {
				return UsageError(errors.New("--with is no JSON"))
			}
			body["output"] = json.RawMessage(output)
		}
		return s.order("resolve", args[0], body, func(a *console.Accepted) string { return args[1] + " of " + a.ID + " is resolved: " + as })
	})
	cmd.Flags().StringVar(&as, "as", "", "retry, succeeded or failed")
	cmd.Flags().StringVar(&output, "with", "", "the step's output as JSON, with succeeded")
	cmd.Flags().StringVar(&reason, "reason", "", "why, with failed")
	cmd.Flags().IntVar(&iteration, "iteration", 0, "the element, of a step that runs once per element")
	return cmd
}

// order sends a command with a body to an execution.
func (s *session) order(name, id string, body map[string]any, say func(*console.Accepted) string) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	raw, err := s.call(s.cmd.Context(), http.MethodPost, "/executions/"+url.PathEscape(id)+"/"+name, nil, "application/json", text)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(raw)
	}
	var accepted console.Accepted
	if err := decode(raw, &accepted); err != nil {
		return err
	}
	fmt.Fprintln(s.out, say(&accepted))
	return nil
}

// readInput reads a file, or standard input for -.
func readInput(cmd *cobra.Command, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(cmd.InOrStdin())
	}
	return os.ReadFile(name)
}

func cancelCommand() *cobra.Command {
	return commandOn("cancel ID", "End an execution that is still open", func(a *console.Accepted) string {
		return a.ID + " is being cancelled"
	})
}

func commandOn(use, description string, say func(*console.Accepted) string) *cobra.Command {
	name, _, _ := strings.Cut(use, " ")
	return connected(&cobra.Command{Use: use, Short: description, Args: cobra.ExactArgs(1)}, func(s *session, args []string) error {
		var accepted console.Accepted
		raw, err := s.call(s.cmd.Context(), http.MethodPost, "/executions/"+url.PathEscape(args[0])+"/"+name, nil, "", nil)
		if err != nil {
			return err
		}
		if s.json {
			return s.printJSON(raw)
		}
		if err := decode(raw, &accepted); err != nil {
			return err
		}
		fmt.Fprintln(s.out, say(&accepted))
		return nil
	})
}
