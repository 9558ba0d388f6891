package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/console"
)

func sendCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "send FLOW [FILE]",
		Short: "Post a hook to a flow and show the answer",
		Long:  "Post a hook to a flow's public URL and show the answer. Without a FILE the flow's sample is sent; - is standard input.",
		Args:  cobra.RangeArgs(1, 2),
	}
	headers := c.Flags().StringArrayP("header", "H", nil, "a header, as `'Name: value'`; may be given more than once")
	method := c.Flags().StringP("method", "X", http.MethodPost, "the HTTP `METHOD`")
	contentType := c.Flags().String("content-type", "", "the body's media `TYPE` (default: by the file's name, else application/json)")
	return connected(c, func(s *session, args []string) error {
		f, err := s.flow(s.cmd.Context(), args[0])
		if err != nil {
			return err
		}
		var body []byte
		kind := "application/json"
		if len(args) == 2 {
			if body, err = input(s.cmd, args[1]); err != nil {
				return err
			}
			kind = mediaType(args[1], body)
		} else if body, err = s.sample(f.ID); err != nil {
			return err
		}
		if *contentType != "" {
			kind = *contentType
		}
		req, err := http.NewRequestWithContext(s.cmd.Context(), strings.ToUpper(*method), f.HookURL, bytes.NewReader(body))
		if err != nil {
			return UsageError(fmt.Errorf("making the request: %w", err))
		}
		if len(body) > 0 {
			req.Header.Set("Content-Type", kind)
		}
		for _, h := range *headers {
			name, value, ok := strings.Cut(h, ":")
			if !ok {
				return UsageError(errors.New("--header: want 'Name: value'"))
			}
			req.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
		}
		return s.send(req)
	})
}

// sample is the flow's sample, or nothing.
func (s *session) sample(flow string) ([]byte, error) {
	var list struct{ Items []console.Sample }
	if _, err := s.get(s.cmd.Context(), "/flows/"+url.PathEscape(flow)+"/samples", nil, &list); err != nil {
		return nil, err
	}
	if len(list.Items) == 0 {
		return nil, nil
	}
	return list.Items[0].Data, nil
}

func mediaType(name string, body []byte) string {
	if t := mime.TypeByExtension(filepath.Ext(name)); t != "" {
		return t
	}
	if json.Valid(body) {
		return "application/json"
	}
	return "text/plain; charset=utf-8"
}

// sent is what --output json prints.
type sent struct {
	Status      int             `json:"status"`
	RequestID   string          `json:"requestId,omitempty"`
	ContentType string          `json:"contentType,omitempty"`
	Body        json.RawMessage `json:"body"`
}

func (s *session) send(req *http.Request) error {
	// An answer may take as long as the flow's reply.
	away := &http.Client{Timeout: 2 * time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := away.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return fmt.Errorf("sending to %s: %w; is the edge running, and SLUICE_PUBLIC_URL its address?", req.URL.Host, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 32<<20))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if s.json {
		out := sent{Status: resp.StatusCode, RequestID: resp.Header.Get("X-Request-Id"), ContentType: resp.Header.Get("Content-Type"), Body: json.RawMessage("null")}
		if json.Valid(body) {
			out.Body = body
		} else if len(body) > 0 {
			out.Body, _ = json.Marshal(string(body)) // a string: no error
		}
		raw, err := json.Marshal(out)
		if err != nil {
			return fmt.Errorf("encoding the answer: %w", err)
		}
		if err := s.printJSON(raw); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(s.out, clean(resp.Status))
		if id := resp.Header.Get("X-Request-Id"); id != "" {
			fmt.Fprintln(s.out, "X-Request-Id: "+clean(id))
		}
		if len(body) > 0 {
			fmt.Fprintln(s.out, cleanLines(strings.TrimRight(string(body), "\n")))
		}
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the hook was answered %s", clean(resp.Status))
	}
	return nil
}
