package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-isatty"
)

// printJSON prints what the API answered, indented, digits kept.
func (s *session) printJSON(raw []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(raw), "", "  "); err != nil {
		return fmt.Errorf("reading the API's answer: %w", err)
	}
	b.WriteByte('\n')
	_, err := b.WriteTo(s.out)
	return err
}

// table lines up cells. Colours go through it unharmed as long as every cell of
// a column has one: their codes are equally long.
type table struct {
	w      *tabwriter.Writer
	colour bool
}

func newTable(out io.Writer, headers ...string) *table {
	t := &table{tabwriter.NewWriter(out, 0, 4, 2, ' ', 0), coloured(out)}
	if len(headers) > 0 {
		for i, h := range headers {
			headers[i] = t.paint("01", h)
		}
		t.line(headers)
	}
	return t
}

// row writes cells of text that may come from anywhere.
func (t *table) row(cells ...string) {
	for i, c := range cells {
		cells[i] = t.paint(statusColour(c), clean(c))
	}
	t.line(cells)
}

func (t *table) line(cells []string) { fmt.Fprintln(t.w, strings.Join(cells, "\t")) }

func (t *table) flush() error { return t.w.Flush() }

func (t *table) paint(code, s string) string {
	if !t.colour {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func statusColour(s string) string {
	switch s {
	case "succeeded", "running", "ok", "created":
		return "32"
	case "failed":
		return "31"
	case "waiting", "retrying", "paused", "updated":
		return "33"
	case "cancelled", "duplicate", "filtered", "skipped", "stopped", "unchanged":
		return "90"
	}
	return "39"
}

// coloured: only for a person, and not against their will (no-color.org).
func coloured(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isatty.IsTerminal(f.Fd())
}

// clean keeps what others sent from moving the cursor or breaking a line.
func clean(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }) {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, s)
}

// cleanLines is clean that keeps lines.
func cleanLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = clean(strings.TrimSuffix(lines[i], "\r"))
	}
	return strings.Join(lines, "\n")
}

func short(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

func localTime(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05.000") }

func duration(ms *float64) string {
	if ms == nil {
		return "-"
	}
	d := time.Duration(*ms * float64(time.Millisecond))
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// value is JSON as a person reads it: compact when it is short.
func value(raw json.RawMessage, indent string) string {
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return cleanLines(string(raw))
	}
	if b.Len() > 100 {
		b.Reset()
		if err := json.Indent(&b, raw, indent, "  "); err != nil {
			return cleanLines(string(raw))
		}
	}
	return cleanLines(b.String())
}
