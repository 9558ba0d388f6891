package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/console"
	"sluice/schemas"
)

func replayCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "replay",
		Short: "Send recorded hooks again, or say what would happen (--dry-run)",
		Long: "Selects hooks of the past and runs them again, as new executions that are linked to the old ones, in a lane\n" +
			"of its own beside the live hooks. With --dry-run nothing goes out: effects are answered from the record, and\n" +
			"the report says what would be otherwise. Waits for the end; Ctrl-C leaves the replay running.",
		Args: cobra.NoArgs,
		Example: "  sluice replay --flow pets --from 24h --version draft --dry-run\n" +
			"  sluice replay --changed-in DRY_RUN --version draft\n" +
			"  sluice replay --flow pets --status failed --from 2h --rate 50/s --max-failures 10\n" +
			"  sluice replay --flow pets --offsets 3:1200-1500",
	}
	var in console.ReplayRequest
	f := c.Flags()
	flow := f.String("flow", "", "hooks of this `FLOW`, by ID or name")
	f.StringVar(&in.From, "from", "", "accepted from this `TIME` on (RFC 3339), or since so long ago, such as 1h")
	f.StringVar(&in.To, "to", "", "accepted before this `TIME`, or so long ago (default now)")
	f.StringSliceVar(&in.Offsets, "offsets", nil, "offsets A to B of partition P of the topic hooks, as `P:A-B`")
	f.StringSliceVar(&in.Status, "status", nil, "whose executions have this `STATUS`")
	f.StringVar(&in.Text, "search", "", "with this `TEXT` in the body or the error")
	f.StringArrayVar(&in.Field, "field", nil, "whose body says so, such as `body.customer.id=42` or body.items[].sku=A1; may be given again")
	f.StringSliceVar(&in.Executions, "execution", nil, "of this execution's `ID`; may be given again")
	f.StringVar(&in.SQL, "sql", "", "of the executions that `QUERY` gives: a column execution_id or id, or columns partition and offset")
	f.StringVar(&in.ChangedIn, "changed-in", "", "that would be otherwise by the dry run `REPLAY`")
	f.StringVar(&in.Group, "group", "", "with --changed-in: only of this `GROUP` of differences")
	f.BoolVar(&in.Replays, "replays", false, "executions of replays and retries too")
	f.StringVar(&in.Version, "version", "live", "run on `VERSION`: live, draft, or a number")
	f.BoolVar(&in.DryRun, "dry-run", false, "say what would be otherwise; nothing goes out")
	rate := f.String("rate", "", "at most so many hooks a second, as `N/s` (default 100/s beside live hooks, and no limit while none come; fewer while those would be held up)")
	f.Int64Var(&in.MaxFailures, "max-failures", 0, "give up when more than `N` executions failed")
	f.BoolVar(&in.SameKeys, "same-keys", false, "send the original executions' idempotency keys")
	f.StringVar(&in.Answers, "answers", "", "how a dry run goes on behind a call that is not on record: `recorded` (default) or sample")
	f.StringVar(&in.Note, "note", "", "a `TEXT` to remember it by")
	estimate := f.Bool("estimate", false, "only count what would be sent")
	detach := f.Bool("detach", false, "do not wait for the end")
	return connected(c, func(s *session, _ []string) error {
		ctx := s.cmd.Context()
		var err error
		if in.Rate, err = parseRate(*rate); err != nil {
			return UsageError(err)
		}
		if *flow == "" && in.SQL == "" && in.ChangedIn == "" && len(in.Executions) == 0 && len(in.Offsets) == 0 && len(in.Field) == 0 {
			return UsageError(errors.New("say which hooks: --flow, --execution, --offsets, --field, --sql or --changed-in"))
		}
		if *flow != "" {
			found, err := s.flow(ctx, *flow)
			if err != nil {
				return err
			}
			in.Flow = found.ID
		}
		if *estimate {
			return s.estimate(ctx, &in)
		}
		if !s.json {
			// What it is going to do is said before it is done.
			var e console.ReplayEstimate
			if _, err := s.post(ctx, "/replays/estimate", &in, &e); err != nil {
				return err
			}
			tellEstimate(s.cmd.ErrOrStderr(), &e)
		}
		var r console.ReplayView
		raw, err := s.post(ctx, "/replays", &in, &r)
		if err != nil {
			return err
		}
		if *detach {
			if s.json {
				return s.printJSON(raw)
			}
			fmt.Fprintf(s.out, "%s; `sluice replays %s` says how it goes\n", r.ID, r.ID)
			return nil
		}
		return s.watchReplay(ctx, r.ID)
	})
}

// parseRate reads 50/s, or 50.
func parseRate(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseFloat(strings.TrimSuffix(text, "/s"), 64)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("--rate %q: want hooks a second, such as 50/s", text)
	}
	return n, nil
}

func (s *session) estimate(ctx context.Context, in *console.ReplayRequest) error {
	var e console.ReplayEstimate
	raw, err := s.post(ctx, "/replays/estimate", in, &e)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(raw)
	}
	tellEstimate(s.out, &e)
	return nil
}

func tellEstimate(out io.Writer, e *console.ReplayEstimate) {
	from := "the run log"
	if e.Source == "hooks" {
		from = "Kafka"
	}
	fmt.Fprintf(out, "%d hooks from %s, about %s\n", e.Hooks, from, time.Duration(math.Ceil(e.Seconds))*time.Second)
	for _, x := range e.Effects {
		fmt.Fprintf(out, "  %s was called %d times\n", x.Uses, x.Calls)
	}
}

// watchReplay shows how a replay goes until it ends.
func (s *session) watchReplay(ctx context.Context, id string) error {
	last := ""
	for {
		var r console.ReplayView
		raw, err := s.get(ctx, "/replays/"+url.PathEscape(id), nil, &r)
		if err != nil {
			return err
		}
		if line := progressLine(&r); !s.json && line != last {
			fmt.Fprintln(s.cmd.ErrOrStderr(), line)
			last = line
		}
		if r.State.Open() {
			select {
			case <-time.After(500 * time.Millisecond):
				continue
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if s.json {
			err = s.printJSON(raw)
		} else {
			err = s.printReplay(&r)
		}
		if err == nil && r.State != schemas.ReplayIsFinished {
			err = fmt.Errorf("replay %s was %s%s", r.ID, r.State, because(r.Reason))
			if r.State == schemas.ReplayHasFailed {
				err = fmt.Errorf("replay %s has failed%s", r.ID, because(r.Reason))
			}
		}
		return err
	}
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

func progressLine(r *console.ReplayView) string {
	if r.Total == nil || r.Progress == nil {
		return string(r.State)
	}
	line := fmt.Sprintf("%s  %d of %d", r.State, r.Progress.Done, *r.Total)
	for _, status := range schemas.Statuses {
		if n := r.Progress.Status[status]; n > 0 {
			line += fmt.Sprintf("  %s %d", status, n)
		}
	}
	return line
}

func (s *session) printReplay(r *console.ReplayView) error {
	t := newTable(s.out)
	t.row("Replay", r.ID)
	t.row("State", string(r.State)+because(r.Reason))
	t.row("Version", r.Version)
	if r.Total != nil {
		t.row("Hooks", strconv.FormatInt(*r.Total, 10))
		if n := r.Sources["runlog"]; n > 0 {
			t.row("  from the run log", strconv.FormatInt(n, 10))
		}
		if n := r.Sources["hooks"]; n > 0 {
			t.row("  from Kafka", strconv.FormatInt(n, 10))
		}
	}
	if r.Note != "" {
		t.row("Note", clean(r.Note))
	}
	if p := r.Progress; p != nil && !r.DryRun {
		for _, status := range schemas.Statuses {
			if n := p.Status[status]; n > 0 {
				t.row("  "+status, strconv.FormatInt(n, 10))
			}
		}
	}
	if err := t.flush(); err != nil {
		return err
	}
	if r.Report == nil {
		return nil
	}
	w := r.Report
	fmt.Fprintf(s.out, "\n%d of %d would be otherwise\n", w.Changed, w.Compared)
	if w.Left > 0 {
		fmt.Fprintf(s.out, "%d were not compared: they are still open, or their hook is gone\n", w.Left)
	}
	if w.Changed == 0 {
		return nil
	}
	groups := newTable(s.out, "COUNT", "DIFFERENCE", "EXAMPLE")
	for _, g := range w.Groups {
		groups.row(strconv.FormatInt(g.Count, 10), clean(g.Group), g.Example)
	}
	if err := groups.flush(); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "\nReplay them: sluice replay --changed-in %s --version %s\n", r.ID, r.Version)
	return nil
}

func replaysCommand() *cobra.Command {
	c := &cobra.Command{Use: "replays [ID]", Short: "List replays, or show, pause, resume or cancel one", Args: cobra.MaximumNArgs(1)}
	moves := map[string]*bool{
		"pause":  c.Flags().Bool("pause", false, "send no more for now"),
		"resume": c.Flags().Bool("resume", false, "go on"),
		"cancel": c.Flags().Bool("cancel", false, "send no more; what has begun is finished"),
	}
	follow := c.Flags().Bool("follow", false, "wait for its end")
	return connected(c, func(s *session, args []string) error {
		ctx := s.cmd.Context()
		var chosen []string
		for name, on := range moves {
			if *on {
				chosen = append(chosen, name)
			}
		}
		switch {
		case len(chosen) > 1:
			return UsageError(errors.New("choose one of --pause, --resume and --cancel"))
		case len(args) == 0 && (len(chosen) > 0 || *follow):
			return UsageError(errors.New("say which replay: sluice replays ID"))
		case len(args) == 0:
			return s.listReplays(ctx)
		case *follow && len(chosen) == 0:
			return s.watchReplay(ctx, args[0])
		}
		method, path := http.MethodGet, "/replays/"+url.PathEscape(args[0])
		if len(chosen) == 1 {
			method, path = http.MethodPost, path+"/"+chosen[0]
		}
		raw, err := s.call(ctx, method, path, nil, "", nil)
		if err != nil {
			return err
		}
		if s.json {
			return s.printJSON(raw)
		}
		var r console.ReplayView
		if err := decode(raw, &r); err != nil {
			return err
		}
		return s.printReplay(&r)
	})
}

func (s *session) listReplays(ctx context.Context) error {
	var list struct {
		Items []console.ReplayView `json:"items"`
	}
	raw, err := s.get(ctx, "/replays", nil, &list)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(raw)
	}
	if len(list.Items) == 0 {
		fmt.Fprintln(s.out, "There are none. Try one: sluice replay --flow FLOW --from 1h --dry-run")
		return nil
	}
	t := newTable(s.out, "ID", "STATE", "KIND", "FLOW", "VERSION", "HOOKS", "CREATED")
	for _, r := range list.Items {
		kind, hooks := "replay", "-"
		if r.DryRun {
			kind = "dry run"
		}
		if r.Total != nil {
			hooks = strconv.FormatInt(*r.Total, 10)
		}
		t.row(r.ID, string(r.State), kind, orDash(r.Selection.Flow), r.Version, hooks, localTime(r.CreatedAt))
	}
	return t.flush()
}
