package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"sluice/console"
	"sluice/schemas"
)

func applyCommand(o Options) *cobra.Command {
	var files []string
	var publish, start bool
	c := &cobra.Command{
		Use:   "apply -f FILE…",
		Short: "Create or change flows and credentials as files say",
		Long: "Create or change flows and credentials as files say. Everything is checked first: when anything is wrong, nothing changes.\n" +
			"In a credential's values ${NAME} is taken from the environment.",
		Args: cobra.ArbitraryArgs,
	}
	c.Flags().StringArrayVarP(&files, "file", "f", nil, "a YAML or JSON `FILE`, - for standard input; may be given more than once")
	c.Flags().BoolVar(&publish, "publish", false, "publish every flow that differs from its published version")
	c.Flags().BoolVar(&start, "start", false, "start every flow")
	return connected(c, func(s *session, args []string) error {
		names := append(files, args...)
		if len(names) == 0 {
			return UsageError(errors.New("say which file: -f FILE"))
		}
		return s.apply(o, names, publish, start)
	})
}

func (s *session) apply(o Options, files []string, publish, start bool) error {
	var documents []*schemas.Document
	var problems schemas.Problems
	for _, file := range files {
		data, err := input(s.cmd, file)
		if err != nil {
			return err
		}
		shown := file
		if file == "-" {
			shown = "stdin"
		}
		read, err := schemas.ReadDocuments(shown, data, os.LookupEnv)
		if wrong, ok := errors.AsType[schemas.Problems](err); ok {
			problems = append(problems, wrong...)
			continue
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", file, err)
		}
		documents = append(documents, read...)
	}
	known, away := s.credentials(s.cmd.Context())
	if away != nil && !errors.Is(away, errUnreachable) {
		return away
	}
	set, err := o.Components()
	if err != nil {
		return fmt.Errorf("loading the connectors: %w", err)
	}
	if away == nil {
		if err := s.imported(set); err != nil {
			return err
		}
	}
	for _, p := range console.CheckDocuments(documents, console.Checks{Components: set, Mapping: o.Mapping(), Credentials: known}) {
		if away != nil && (p.Path == "credential" || strings.HasSuffix(p.Path, "/credential")) {
			continue // whether the server has it cannot be known
		}
		problems = append(problems, p)
	}
	if len(problems) > 0 {
		for _, p := range problems {
			fmt.Fprintln(s.cmd.ErrOrStderr(), p.String())
		}
		return silent{errors.New("nothing was changed")}
	}
	if away != nil {
		return away
	}

	query := url.Values{}
	if publish {
		query.Set("publish", "true")
	}
	if start {
		query.Set("start", "true")
	}
	// JSON documents are YAML documents: one stream of them all.
	var body bytes.Buffer
	for _, d := range documents {
		body.WriteString("---\n")
		body.Write(d.JSON)
		body.WriteByte('\n')
	}
	raw, err := s.call(s.cmd.Context(), http.MethodPost, "/apply", query, "application/yaml", body.Bytes())
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(raw)
	}
	var applied struct{ Items []console.Applied }
	if err := decode(raw, &applied); err != nil {
		return err
	}
	t := newTable(s.out, "KIND", "ID", "RESULT", "VERSION", "STATE", "HOOK URL")
	for _, a := range applied.Items {
		t.row(a.Kind, a.ID, a.Result, version(a.Version), orDash(string(a.State)), orDash(a.HookURL))
	}
	return t.flush()
}

// credentials says which credentials the server has.
func (s *session) credentials(ctx context.Context) (func(string) (string, bool), error) {
	var list struct{ Items []console.Credential }
	_, err := s.get(ctx, "/credentials", nil, &list)
	if err != nil {
		return func(string) (string, bool) { return "", false }, err
	}
	return func(id string) (string, bool) {
		for _, c := range list.Items {
			if c.ID == id {
				return c.Uses, true
			}
		}
		return "", false
	}, nil
}

func join(list []string) string { return strings.Join(list, ", ") }
