package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"sluice/console"
)

// files are the outputs of a query that are not for the eye.
var files = []string{"csv", "ndjson", "parquet", "arrow"}

func queryCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "query [SQL]", Short: "Ask the run log by SQL: the views executions, steps and hooks", Args: cobra.MaximumNArgs(1),
		Example: `  sluice query "SELECT status, count() FROM executions GROUP BY status"` + "\n" +
			`  sluice query "SELECT * FROM steps WHERE status = 'failed'" --output parquet > failed.parquet` + "\n" +
			`  sluice query --saved slow-steps`,
	}
	saved := c.Flags().String("saved", "", "run the saved query of this `ID`")
	format := c.Flags().String("format", "", "the same as --output")
	api := c.Flags().String("api", "", "the API's `URL` (SLUICE_API; default "+defaultAPI+")")
	output := c.Flags().StringP("output", "o", "table", "`table`, json, csv, ndjson, parquet or arrow")
	c.RunE = func(c *cobra.Command, args []string) error {
		chosen := *output
		if *format != "" {
			chosen = *format
		}
		file := slices.Contains(files, chosen)
		if !file && chosen != "table" && chosen != "json" {
			return UsageError(fmt.Errorf("--output %q: want table, json, csv, ndjson, parquet or arrow", chosen))
		}
		if (len(args) == 1) == (*saved != "") {
			return UsageError(errors.New("say what to ask: sluice query SQL, or sluice query --saved ID"))
		}
		client, err := newClient(*api)
		if err != nil {
			return UsageError(err)
		}
		s := &session{client: client, cmd: c, json: chosen == "json", out: c.OutOrStdout()}
		sql := ""
		if len(args) == 1 {
			sql = args[0]
		} else {
			var q console.SavedQuery
			if _, err := s.get(c.Context(), "/queries/"+url.PathEscape(*saved), nil, &q); err != nil {
				return err
			}
			sql = q.SQL
		}
		if file {
			return s.queryTo(chosen, sql)
		}
		return s.query(sql)
	}
	return c
}

// queryTo copies the answer as it is.
func (s *session) queryTo(format, sql string) error {
	if f, ok := s.out.(*os.File); ok && (format == "parquet" || format == "arrow") && isatty.IsTerminal(f.Fd()) {
		return UsageError(fmt.Errorf("%s is not for a terminal: write it to a file, as in `sluice query … --output %s > result.%s`", format, format, format))
	}
	body, err := json.Marshal(map[string]string{"sql": sql})
	if err != nil {
		return fmt.Errorf("encoding the request: %w", err)
	}
	resp, err := s.open(s.cmd.Context(), http.MethodPost, "/query", url.Values{"format": {format}}, "application/json", body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(s.out, resp.Body); err != nil {
		return fmt.Errorf("reading the result: %w", err)
	}
	return nil
}

func (s *session) query(sql string) error {
	var result console.QueryResult
	raw, err := s.post(s.cmd.Context(), "/query", map[string]string{"sql": sql}, &result)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(raw)
	}
	headers := make([]string, len(result.Columns))
	for i, c := range result.Columns {
		headers[i] = clean(c.Name)
	}
	t := newTable(s.out, headers...)
	for _, row := range result.Rows {
		cells := make([]string, len(row))
		for i, v := range row {
			cells[i] = cell(v)
		}
		t.row(cells...)
	}
	if err := t.flush(); err != nil {
		return err
	}
	if result.Truncated {
		fmt.Fprintf(s.cmd.ErrOrStderr(), "only the first %d rows are shown\n", len(result.Rows))
	}
	return nil
}

// cell is a value without the quotes of a JSON string.
func cell(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil && strings.HasPrefix(string(raw), `"`) {
		return text
	}
	return string(raw)
}

func doctorCommand() *cobra.Command {
	return connected(&cobra.Command{Use: "doctor", Short: "Check everything that Sluice depends on, and say what to do", Args: cobra.NoArgs}, func(s *session, _ []string) error {
		var d console.Diagnosis
		raw, err := s.get(s.cmd.Context(), "/doctor", nil, &d)
		if err != nil {
			return err
		}
		bad := silent{errors.New("not everything is well")}
		if s.json {
			if err := s.printJSON(raw); err != nil || d.OK {
				return err
			}
			return bad
		}
		t := newTable(s.out, "CHECK", "STATUS", "TIME", "WHAT TO DO")
		t.row("api", "ok", "-", "-")
		for _, c := range d.Checks {
			status, what := "ok", "-"
			if !c.OK {
				status, what = "failed", strings.TrimSuffix(c.Error+"; "+c.Remedy, "; ")
			}
			t.row(c.Name, status, duration(&c.DurationMs), what)
		}
		if err := t.flush(); err != nil || d.OK {
			return err
		}
		return bad
	})
}

func evalCommand(o Options) *cobra.Command {
	c := &cobra.Command{
		Use: "eval EXPR", Short: "Evaluate a JSONata expression, here and without the API", Args: cobra.ExactArgs(1),
		Example: `  sluice eval '$sum(items.price)' --data order.json`,
	}
	data := c.Flags().String("data", "", "a JSON `FILE` to evaluate it on, - for standard input")
	output := outputFlag(c)
	c.Flags().String("api", "", "not used: the expression is evaluated here")
	c.RunE = func(c *cobra.Command, args []string) error {
		asJSON, err := parseOutput(*output)
		if err != nil {
			return err
		}
		var raw []byte
		if *data != "" {
			if raw, err = input(c, *data); err != nil {
				return err
			}
		}
		ctx := c.Context()
		if ctx == nil {
			ctx = context.Background()
		}
		result, err := console.Evaluate(ctx, o.Mapping(), args[0], raw, nil)
		if err != nil {
			return err
		}
		s := &session{cmd: c, json: asJSON, out: c.OutOrStdout()}
		return s.printEvaluation(result)
	}
	return c
}

func (s *session) printEvaluation(e *console.Evaluation) error {
	if s.json {
		raw, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("encoding the result: %w", err)
		}
		if err := s.printJSON(raw); err != nil {
			return err
		}
		if e.Error != nil {
			return silent{errors.New(e.Error.Message)}
		}
		return nil
	}
	switch {
	case e.Error != nil && e.Error.Position > 0:
		return fmt.Errorf("%s at %d: %s", e.Error.Code, e.Error.Position, clean(e.Error.Message))
	case e.Error != nil:
		return fmt.Errorf("%s: %s", e.Error.Code, clean(e.Error.Message))
	case e.Undefined:
		fmt.Fprintln(s.out, "undefined")
		return nil
	}
	return s.printJSON(e.Result)
}
