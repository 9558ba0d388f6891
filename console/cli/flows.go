package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"sluice/console"
)

func flowsCommand() *cobra.Command {
	return connected(&cobra.Command{Use: "flows", Short: "List flows", Args: cobra.NoArgs}, func(s *session, _ []string) error {
		var list flowItems
		raw, err := s.get(s.cmd.Context(), "/flows", nil, &list)
		if err != nil {
			return err
		}
		if s.json {
			return s.printJSON(raw)
		}
		if len(list.Items) == 0 {
			fmt.Fprintln(s.out, "There are no flows yet. Apply one: sluice apply -f flow.yaml --publish --start")
			return nil
		}
		return s.printFlows(list.Items)
	})
}

func (s *session) printFlows(flows []console.Flow) error {
	t := newTable(s.out, "ID", "NAME", "STATE", "VERSION", "DRAFT", "HOOK URL")
	for _, f := range flows {
		draft := "-"
		if f.HasDraft {
			draft = "yes"
		}
		t.row(f.ID, orDash(f.Name), string(f.State), version(f.Version), draft, f.HookURL)
	}
	return t.flush()
}

func version(n int32) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(int(n))
}

func moveCommands() []*cobra.Command {
	var all []*cobra.Command
	for _, m := range []struct{ name, short string }{
		{"publish", "Check a flow's draft and make it the version that new hooks run on"},
		{"start", "Take hooks for a flow"},
		{"pause", "Take a flow's hooks and hold them"},
		{"resume", "Run what a pause held"},
		{"stop", "Take no more hooks for a flow; what was accepted is still finished"},
	} {
		all = append(all, connected(&cobra.Command{Use: m.name + " FLOW", Short: m.short, Args: cobra.ExactArgs(1)}, func(s *session, args []string) error {
			f, err := s.flow(s.cmd.Context(), args[0])
			if err != nil {
				return err
			}
			raw, err := s.post(s.cmd.Context(), "/flows/"+url.PathEscape(f.ID)+"/"+m.name, nil, f)
			if err != nil {
				return err
			}
			if s.json {
				return s.printJSON(raw)
			}
			return s.printFlows([]console.Flow{*f})
		}))
	}
	return all
}

func deleteCommand() *cobra.Command {
	c := &cobra.Command{Use: "delete", Short: "Delete a flow, a credential or an imported connector"}
	c.RunE = func(*cobra.Command, []string) error {
		return UsageError(fmt.Errorf("say what to delete: flow, credential or connector, and its ID"))
	}
	for _, kind := range []string{"flow", "credential", "connector"} {
		c.AddCommand(connected(&cobra.Command{Use: kind + " ID", Short: "Delete a " + kind, Args: cobra.ExactArgs(1)}, func(s *session, args []string) error {
			id := args[0]
			if kind == "flow" {
				f, err := s.flow(s.cmd.Context(), id)
				if err != nil {
					return err
				}
				id = f.ID
			}
			path := "/" + kind + "s/"
			if kind == "connector" {
				path = "/components/import/"
			}
			if _, err := s.call(s.cmd.Context(), http.MethodDelete, path+url.PathEscape(id), nil, "", nil); err != nil {
				return err
			}
			if s.json {
				return s.printJSON([]byte(`{"deleted":` + strconv.Quote(id) + `}`))
			}
			fmt.Fprintf(s.out, "%s %s deleted\n", kind, id)
			return nil
		}))
	}
	return c
}

func credentialsCommand() *cobra.Command {
	return connected(&cobra.Command{Use: "credentials", Short: "List credentials, without their values", Args: cobra.NoArgs}, func(s *session, _ []string) error {
		var list struct{ Items []console.Credential }
		raw, err := s.get(s.cmd.Context(), "/credentials", nil, &list)
		if err != nil {
			return err
		}
		if s.json {
			return s.printJSON(raw)
		}
		t := newTable(s.out, "ID", "NAME", "CONNECTOR", "TYPE", "VERIFIED", "USED BY")
		for _, c := range list.Items {
			verified := "-"
			if c.Verified != nil {
				verified = localTime(*c.Verified)
			}
			t.row(c.ID, orDash(c.Name), c.Uses, c.Type, verified, orDash(join(c.UsedBy)))
		}
		return t.flush()
	})
}
