package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"sluice/console"
)

// errSearchFollow: what is committed says nothing of the body.
var errSearchFollow = errors.New("--follow cannot be used with --search, --field, --until or --cursor")

// follow prints the list, oldest first, and then what happens. The live stream
// is joined before the list is asked for, so that nothing falls between them.
func (s *session) follow(query url.Values, status []string) error {
	if query.Has("q") || query.Has("field") || query.Has("until") || query.Has("cursor") {
		return UsageError(errSearchFollow)
	}
	p := &follower{session: s, status: status, seen: map[string]string{}}
	p.colour = coloured(s.out)
	if !s.json {
		if err := p.line("ID", "FLOW", "VERSION", "STATUS", "STARTED", "DURATION", "ERROR"); err != nil {
			return err
		}
	}
	for attempt := 0; ; attempt++ {
		err := p.once(query)
		if s.cmd.Context().Err() != nil {
			return nil // ended by the user
		}
		// An API that never answered is told; one that went away is waited for.
		if attempt == 0 && !p.joined || err != nil && !errors.Is(err, errUnreachable) && !errors.Is(err, errStreamEnded) {
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-s.cmd.Context().Done():
			return nil
		}
	}
}

// follower prints each state of each execution once.
type follower struct {
	*session
	status []string
	colour bool
	seen   map[string]string
	joined bool
}

var errStreamEnded = errors.New("the live stream ended")

func (p *follower) once(query url.Values) error {
	ctx := p.cmd.Context()
	live := url.Values{}
	if query.Has("flow") {
		live.Set("flow", query.Get("flow"))
	}
	resp, err := p.open(ctx, http.MethodGet, "/live", live, "", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	p.joined = true
	return events(resp.Body, func(event string, data []byte) error {
		switch event {
		case "ready":
			var list executionItems
			if _, err := p.get(ctx, "/executions", query, &list); err != nil {
				return err
			}
			slices.Reverse(list.Items)
			for i := range list.Items {
				if err := p.print(&list.Items[i]); err != nil {
					return err
				}
			}
		case "execution":
			var x console.Execution
			if err := decode(data, &x); err != nil {
				return err
			}
			if len(p.status) == 0 || slices.Contains(p.status, x.Status) {
				return p.print(&x)
			}
		}
		return nil
	})
}

func (p *follower) print(x *console.Execution) error {
	if p.seen[x.ID] == x.Status || p.seen[x.ID] != "" && (x.Status == "waiting" || x.Status == "running" && p.seen[x.ID] != "waiting") {
		return nil // told already, or older than what was told
	}
	if len(p.seen) > 100_000 {
		clear(p.seen)
	}
	p.seen[x.ID] = x.Status
	if p.json {
		raw, err := json.Marshal(x)
		if err != nil {
			return fmt.Errorf("encoding an execution: %w", err)
		}
		_, err = fmt.Fprintf(p.out, "%s\n", raw)
		return err
	}
	return p.line(executionRow(x)...)
}

// line has fixed widths, because what comes later is not known.
func (p *follower) line(cells ...string) error {
	var b strings.Builder
	for i, width := range []int{36, 20, 7, 9, 23, 9, 0} {
		text := clean(cells[i])
		padding := strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
		if i == 6 {
			b.WriteString(text + "\n")
			break
		}
		if code := statusColour(text); p.colour && code != "39" {
			text = "\x1b[" + code + "m" + text + "\x1b[0m"
		}
		b.WriteString(text + padding + "  ")
	}
	_, err := io.WriteString(p.out, b.String())
	return err
}

// events reads server-sent events (WHATWG HTML, section 9.2) until the stream
// ends, which is errStreamEnded, or told returns an error.
func events(r io.Reader, told func(event string, data []byte) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), 4<<20)
	event, data := "message", []byte(nil)
	for lines.Scan() {
		line := lines.Text()
		field, text, _ := strings.Cut(line, ":")
		text = strings.TrimPrefix(text, " ")
		switch {
		case line == "":
			if data != nil {
				if err := told(event, data); err != nil {
					return err
				}
			}
			event, data = "message", nil
		case field == "event":
			event = text
		case field == "data":
			if data != nil {
				data = append(data, '\n')
			}
			data = append(append([]byte{}, data...), text...)
		}
	}
	return errStreamEnded
}
