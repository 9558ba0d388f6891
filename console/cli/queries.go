package cli

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"sluice/console"
)

func queriesCommand() *cobra.Command {
	c := connected(&cobra.Command{Use: "queries", Short: "List, save, run and delete saved queries", Args: cobra.NoArgs,
		Example: "  sluice queries save slow --sql \"SELECT flow, quantile(0.99)(duration_ms) FROM executions GROUP BY flow\"\n  sluice queries run slow",
	}, func(s *session, _ []string) error {
		var list struct {
			Items []console.SavedQuery `json:"items"`
		}
		raw, err := s.get(s.cmd.Context(), "/queries", nil, &list)
		if err != nil || s.json {
			return s.orJSON(raw, err)
		}
		t := newTable(s.out, "ID", "NAME", "SQL")
		for _, q := range list.Items {
			t.row(q.ID, q.Name, short(clean(q.SQL), 80))
		}
		return t.flush()
	})
	save := &cobra.Command{Use: "save ID", Short: "Save a query under an ID", Args: cobra.ExactArgs(1)}
	var in console.SavedQueryRequest
	save.Flags().StringVar(&in.SQL, "sql", "", "the `STATEMENT`")
	save.Flags().StringVar(&in.Name, "name", "", "its `NAME`")
	save.Flags().StringVar(&in.Note, "note", "", "a `TEXT` to remember it by")
	c.AddCommand(connected(save, func(s *session, args []string) error {
		if in.SQL == "" {
			return UsageError(errors.New("--sql is missing: say what the query asks"))
		}
		return s.putItem("/queries/", args[0], &in)
	}))
	c.AddCommand(connected(&cobra.Command{Use: "show ID", Short: "Show a saved query", Args: cobra.ExactArgs(1)}, func(s *session, args []string) error {
		var q console.SavedQuery
		raw, err := s.get(s.cmd.Context(), "/queries/"+url.PathEscape(args[0]), nil, &q)
		if err != nil || s.json {
			return s.orJSON(raw, err)
		}
		t := newTable(s.out)
		t.row("Query", q.ID)
		t.row("Name", q.Name)
		t.row("Note", orDash(q.Note))
		t.row("SQL", q.SQL)
		return t.flush()
	}))
	c.AddCommand(connected(&cobra.Command{Use: "run ID", Short: "Run a saved query", Args: cobra.ExactArgs(1)}, func(s *session, args []string) error {
		var q console.SavedQuery
		if _, err := s.get(s.cmd.Context(), "/queries/"+url.PathEscape(args[0]), nil, &q); err != nil {
			return err
		}
		return s.query(q.SQL)
	}))
	c.AddCommand(deleteItem("a saved query", "/queries/"))
	return c
}

// putItem saves what has an ID of its own, and prints the answer.
func (s *session) putItem(path, id string, in any) error {
	raw, err := s.write(s.cmd.Context(), http.MethodPut, path+url.PathEscape(id), in)
	if err != nil || s.json {
		return s.orJSON(raw, err)
	}
	t := newTable(s.out, "ID", "RESULT")
	t.row(id, "saved")
	return t.flush()
}

func deleteItem(what, path string) *cobra.Command {
	return connected(&cobra.Command{Use: "delete ID", Short: "Delete " + what, Args: cobra.ExactArgs(1)}, func(s *session, args []string) error {
		_, err := s.call(s.cmd.Context(), http.MethodDelete, path+url.PathEscape(args[0]), nil, "", nil)
		if err != nil {
			return err
		}
		if s.json {
			return s.printJSON([]byte(`{"deleted":true}`))
		}
		t := newTable(s.out, "ID", "RESULT")
		t.row(args[0], "deleted")
		return t.flush()
	})
}

func (s *session) orJSON(raw []byte, err error) error {
	if err != nil {
		return err
	}
	return s.printJSON(raw)
}
