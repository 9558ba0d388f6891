package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/console"
	"sluice/schemas"
)

func eraseCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "erase",
		Short: "Erase a person's data, and get a certificate of it",
		Long: "Erases what hooks brought and steps did with it: from ClickHouse, the blob store, what is open, and, where the\n" +
			"flow is erasable, from Kafka by deleting keys. Executions that have the same data (replays, retries, duplicates,\n" +
			"callers and called) are erased with those that were selected; open ones are cancelled first. The certificate\n" +
			"says what was erased, and what could not be and until when it is there. It cannot be undone: try --dry-run first.",
		Args: cobra.NoArgs,
		Example: "  sluice erase --subject 'body.customer.email=ann@example.com' --dry-run\n" +
			"  sluice erase --subject 'body.customer.email=ann@example.com' --certificate ann.json\n" +
			"  sluice erase --sql \"SELECT id FROM hooks WHERE body LIKE '%ann@example.com%'\" --flow orders --yes",
	}
	var in console.ErasureRequest
	f := c.Flags()
	f.StringVar(&in.SQL, "sql", "", "the executions that `QUERY` gives: a column execution_id or id, or columns partition and offset")
	f.StringVar(&in.Subject, "subject", "", "the hooks for which an expression gives a value, as `EXPR=VALUE`")
	flow := f.String("flow", "", "only of this `FLOW`, by ID or name")
	f.StringVar(&in.Note, "note", "", "a `TEXT` for the certificate, such as a case number")
	f.StringVar(&in.RequestedBy, "by", "", "`WHO` asks, for the certificate (default: the user of this computer)")
	f.BoolVar(&in.DryRun, "dry-run", false, "only say what would be erased")
	yes := f.Bool("yes", false, "do not ask")
	detach := f.Bool("detach", false, "do not wait for the end")
	certificate := f.String("certificate", "", "write the certificate to `FILE`")
	return connected(c, func(s *session, _ []string) error {
		ctx := s.cmd.Context()
		if (in.SQL == "") == (in.Subject == "") {
			return UsageError(errors.New("say whose data: --subject EXPR=VALUE or --sql QUERY"))
		}
		if *flow != "" {
			found, err := s.flow(ctx, *flow)
			if err != nil {
				return err
			}
			in.Flow = found.ID
		}
		if in.RequestedBy == "" {
			if u, err := user.Current(); err == nil {
				in.RequestedBy = u.Username
			}
		}
		only := in.DryRun
		if only || !*yes {
			in.DryRun = true
			var v console.ErasureView
			raw, err := s.slow(ctx, "/erasures", &in, &v)
			switch {
			case err != nil:
				return err
			case only && s.json:
				return s.printJSON(raw)
			case only:
				return s.printErasable(s.out, &v)
			}
			if err := s.printErasable(s.cmd.ErrOrStderr(), &v); err != nil || v.Total == 0 {
				return err
			}
			if err := s.confirm(fmt.Sprintf("Erase the data of %d executions? It cannot be undone", v.Total)); err != nil {
				return err
			}
			in.DryRun = false
		}
		var v console.ErasureView
		raw, err := s.slow(ctx, "/erasures", &in, &v)
		if err != nil {
			return err
		}
		if *detach {
			if s.json {
				return s.printJSON(raw)
			}
			fmt.Fprintf(s.out, "%s; `sluice erasures %s` says how it goes\n", v.ID, v.ID)
			return nil
		}
		return s.watchErasure(ctx, v.ID, *certificate)
	})
}

// slow posts what may take longer than other requests.
func (s *session) slow(ctx context.Context, path string, body, into any) ([]byte, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encoding the request: %w", err)
	}
	resp, err := s.open(ctx, http.MethodPost, path, nil, "application/json", encoded)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, s.unreachable(err)
	}
	return raw, decode(raw, into)
}

// confirm asks for a yes on the standard input.
func (s *session) confirm(question string) error {
	fmt.Fprintf(s.cmd.ErrOrStderr(), "%s [y/N] ", question)
	line, err := bufio.NewReader(s.cmd.InOrStdin()).ReadString('\n')
	if answer := strings.ToLower(strings.TrimSpace(line)); answer == "y" || answer == "yes" {
		return nil
	}
	if err != nil && strings.TrimSpace(line) == "" {
		return UsageError(errors.New("nobody answered: give --yes"))
	}
	return errors.New("nothing was erased")
}

func (s *session) printErasable(out io.Writer, v *console.ErasureView) error {
	fmt.Fprintf(out, "%d executions", v.Total)
	if v.Related > 0 {
		fmt.Fprintf(out, ", %d of them because they have the same data", v.Related)
	}
	fmt.Fprintln(out)
	if err := printErased(out, &v.Found); err != nil {
		return err
	}
	if v.Found.Unsealed > 0 {
		fmt.Fprintf(out, "%d hooks came while their flow was not erasable: they stay in Kafka until its retention ends\n", v.Found.Unsealed)
	}
	if v.NotSearched > 0 {
		fmt.Fprintf(out, "%d hooks were not searched: their body is over 32 MiB, or is gone\n", v.NotSearched)
	}
	if len(v.Mentions) > 0 {
		fmt.Fprintf(out, "the value also stands in what people wrote, and stays there: %s\n", clean(strings.Join(v.Mentions, ", ")))
	}
	for i, id := range v.Executions {
		if i == 10 {
			fmt.Fprintf(out, "  and %d more; --output json lists 1,000\n", v.Total-10)
			break
		}
		fmt.Fprintln(out, " ", id)
	}
	return nil
}

func printErased(out io.Writer, n *schemas.ErasedCount) error {
	t := newTable(out)
	for _, row := range []struct {
		name string
		n    int64
	}{
		{"hooks", n.Hooks}, {"executions", n.Executions}, {"attempts", n.Steps}, {"dry runs' reports", n.Differences}, {"blobs", n.Blobs}, {"keys", n.Keys}, {"open, cancelled", n.Open},
	} {
		t.row("  "+row.name, strconv.FormatInt(row.n, 10))
	}
	return t.flush()
}

// watchErasure waits for an erasure's end.
func (s *session) watchErasure(ctx context.Context, id, file string) error {
	last := ""
	for {
		var v console.ErasureView
		raw, err := s.get(ctx, "/erasures/"+url.PathEscape(id), nil, &v)
		if err != nil {
			return err
		}
		if v.Certificate != nil {
			return s.printErasure(raw, &v, file)
		}
		if v.WaitingFor != last && v.WaitingFor != "" && !s.json {
			fmt.Fprintln(s.cmd.ErrOrStderr(), "waiting for", v.WaitingFor)
		}
		last = v.WaitingFor
		select {
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (s *session) printErasure(raw []byte, v *console.ErasureView, file string) error {
	if file != "" && v.Certificate != nil {
		text, err := json.MarshalIndent(v.Certificate, "", "  ")
		if err == nil {
			err = os.WriteFile(file, append(text, '\n'), 0o600)
		}
		if err != nil {
			return fmt.Errorf("writing the certificate: %w", err)
		}
	}
	if s.json {
		return s.printJSON(raw)
	}
	t := newTable(s.out)
	t.row("Erasure", v.ID)
	t.row("State", v.State)
	t.row("Executions", strconv.FormatInt(v.Total, 10))
	if v.WaitingFor != "" {
		t.row("Waits for", v.WaitingFor)
	}
	c := v.Certificate
	if c != nil {
		t.row("Finished", localTime(c.FinishedAt))
		t.row("SHA-256", c.SHA256)
	}
	if err := t.flush(); err != nil {
		return err
	}
	if c == nil {
		return printErased(s.out, &v.Found)
	}
	fmt.Fprintln(s.out, "\nErased")
	if err := printErased(s.out, &c.Erased); err != nil {
		return err
	}
	fmt.Fprintln(s.out, "\nWhat remains")
	remains := newTable(s.out, "UNTIL", "WHERE", "WHAT")
	for _, r := range c.Remains {
		until := "-"
		if r.Until != nil {
			until = localTime(*r.Until)
		}
		remains.row(until, clean(r.Where), clean(r.What))
	}
	if err := remains.flush(); err != nil {
		return err
	}
	if file == "" {
		fmt.Fprintf(s.out, "\nThe certificate: sluice erasures %s --certificate FILE\n", v.ID)
	}
	return nil
}

func erasuresCommand() *cobra.Command {
	c := &cobra.Command{Use: "erasures [ID]", Short: "List erasures, or show one with its certificate", Args: cobra.MaximumNArgs(1)}
	follow := c.Flags().Bool("follow", false, "wait for its end")
	certificate := c.Flags().String("certificate", "", "write the certificate to `FILE`")
	return connected(c, func(s *session, args []string) error {
		ctx := s.cmd.Context()
		if len(args) == 0 {
			var list struct {
				Items []console.ErasureView `json:"items"`
			}
			raw, err := s.get(ctx, "/erasures", nil, &list)
			if err != nil || s.json {
				return s.orJSON(raw, err)
			}
			t := newTable(s.out, "ID", "STATE", "EXECUTIONS", "REQUESTED BY", "REQUESTED")
			for _, v := range list.Items {
				t.row(v.ID, v.State, strconv.FormatInt(v.Total, 10), orDash(clean(v.RequestedBy)), localTime(*v.CreatedAt))
			}
			return t.flush()
		}
		if *follow {
			return s.watchErasure(ctx, args[0], *certificate)
		}
		var v console.ErasureView
		raw, err := s.get(ctx, "/erasures/"+url.PathEscape(args[0]), nil, &v)
		if err != nil {
			return err
		}
		if *certificate != "" && v.Certificate == nil {
			return fmt.Errorf("erasure %s is not finished, and has no certificate yet", v.ID)
		}
		return s.printErasure(raw, &v, *certificate)
	})
}
