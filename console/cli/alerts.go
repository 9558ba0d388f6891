package cli

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sluice/console"
	"sluice/schemas"
)

var whenForm = regexp.MustCompile(`^\s*(>=|<=|!=|>|<|=)\s*(-?[0-9.eE+]+)\s*$`)

func alertsCommand() *cobra.Command {
	c := connected(&cobra.Command{Use: "alerts", Short: "List, save, acknowledge, resolve and delete alerts", Args: cobra.NoArgs,
		Example: "  sluice alerts save many-failures --query failures --when '> 10' --webhook https://example.com/told --every 1m\n" +
			"  sluice alerts save many-failures --query failures --when '> 10' --email gromit@example.com --credential mail\n  sluice alerts acknowledge many-failures",
	}, func(s *session, _ []string) error {
		var list struct {
			Items []console.AlertView `json:"items"`
		}
		raw, err := s.get(s.cmd.Context(), "/alerts", nil, &list)
		if err != nil || s.json {
			return s.orJSON(raw, err)
		}
		t := newTable(s.out, "ID", "STATE", "SINCE", "RULE", "TOLD")
		for _, a := range list.Items {
			told := "-"
			if a.NotifiedAt != nil {
				told = localTime(*a.NotifiedAt)
			}
			t.row(a.ID, string(a.State), localTime(a.StateAt), fmt.Sprintf("%s %s %v", a.Query, a.When, a.Threshold), told)
		}
		return t.flush()
	})
	save := &cobra.Command{Use: "save ID", Short: "Save an alert under an ID", Args: cobra.ExactArgs(1)}
	var in console.AlertRequest
	f := save.Flags()
	f.StringVar(&in.Query, "query", "", "the saved query of this `ID`")
	when := f.String("when", "", "its threshold, as `'> 10'`: one of >, >=, <, <=, =, != and a number")
	f.StringVar(&in.Every, "every", "", "evaluate it so often, as `1m`")
	webhook := f.String("webhook", "", "tell this `URL`")
	slack := f.String("slack", "", "tell Slack's incoming webhook at this `URL`")
	f.StringSliceVar(&in.Destination.To, "email", nil, "tell this `ADDRESS`")
	f.StringVar(&in.Destination.From, "from", "", "an e-mail is from this `ADDRESS` (default: the mail server's user)")
	f.StringVar(&in.Destination.Credential, "credential", "", "with the credential of this `ID`")
	f.StringVar(&in.Name, "name", "", "its `NAME`")
	f.StringVar(&in.Note, "note", "", "a `TEXT` for whoever is told")
	f.BoolVar(&in.Disabled, "disabled", false, "do not evaluate it")
	c.AddCommand(connected(save, func(s *session, args []string) error {
		m := whenForm.FindStringSubmatch(*when)
		if m == nil {
			return UsageError(fmt.Errorf("--when %q: write a comparison and a number, such as '> 10'", *when))
		}
		var err error
		if in.Threshold, err = strconv.ParseFloat(m[2], 64); err != nil {
			return UsageError(fmt.Errorf("--when %q: %q is no number", *when, m[2]))
		}
		in.When = m[1]
		switch {
		case *webhook != "":
			in.Destination.Type, in.Destination.URL = "webhook", *webhook
		case len(in.Destination.To) > 0:
			in.Destination.Type = "email"
		case *slack != "" || in.Destination.Credential != "":
			in.Destination.Type, in.Destination.URL = "slack", *slack
		default:
			return UsageError(errors.New("say who is told: --webhook URL, --slack URL or --email ADDRESS"))
		}
		return s.putItem("/alerts/", args[0], &in)
	}))
	for _, move := range []struct{ use, path, short string }{
		{"acknowledge", "acknowledge", "Say that somebody takes care of an open alert"}, {"resolve", "resolve", "Close an alert"},
	} {
		c.AddCommand(connected(&cobra.Command{Use: move.use + " ID", Short: move.short, Args: cobra.ExactArgs(1)}, func(s *session, args []string) error {
			raw, err := s.call(s.cmd.Context(), http.MethodPost, "/alerts/"+url.PathEscape(args[0])+"/"+move.path, nil, "", nil)
			if err != nil || s.json {
				return s.orJSON(raw, err)
			}
			return s.printAlert(raw)
		}))
	}
	c.AddCommand(connected(&cobra.Command{Use: "show ID", Short: "Show an alert", Args: cobra.ExactArgs(1)}, func(s *session, args []string) error {
		raw, err := s.get(s.cmd.Context(), "/alerts/"+url.PathEscape(args[0]), nil, nil)
		if err != nil || s.json {
			return s.orJSON(raw, err)
		}
		return s.printAlert(raw)
	}))
	c.AddCommand(deleteItem("an alert", "/alerts/"))
	return c
}

func (s *session) printAlert(raw []byte) error {
	var a console.AlertView
	if err := decode(raw, &a); err != nil {
		return err
	}
	t := newTable(s.out)
	t.row("Alert", a.ID)
	t.row("State", string(a.State))
	t.row("Rule", fmt.Sprintf("%s %s %v, every %s", a.Query, a.When, a.Threshold, a.Every))
	t.row("Tells", a.Destination.Type+" "+clean(cmp.Or(a.Destination.URL, strings.Join(a.Destination.To, ", "))))
	if a.State != schemas.AlertIsOK && a.Value != nil {
		t.row("Value", fmt.Sprint(*a.Value))
	}
	if a.Failure != "" {
		t.row("Not told", a.Failure)
	}
	return t.flush()
}
