// Bench prints the performance table: every line beside its reference,
// measured in one run and in turns, because what travels from one machine to
// another is the ratio.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// line is a row of the table.
type line struct {
	Name      string  `json:"name"`
	Value     float64 `json:"value"`
	Unit      string  `json:"unit"`
	Reference string  `json:"reference,omitempty"`
	Against   float64 `json:"against,omitempty"`
	// Ratio is the median of the rounds' ratios, Value to Against; Low and High
	// are the smallest and the largest.
	Ratio float64 `json:"ratio,omitempty"`
	Low   float64 `json:"low,omitempty"`
	High  float64 `json:"high,omitempty"`
}

// settings are how long everything takes.
type settings struct {
	rounds int
	slice  time.Duration // of one measurement
	hooks  int           // of one pipeline measurement
	waits  int           // executions that wait
	binary string
}

func main() {
	short := flag.Bool("short", false, "a quick look: fewer and shorter rounds")
	file := flag.String("json", "", "also write the lines to this `FILE`")
	only := flag.String("only", "", "just the parts whose name has this `WORD`: edge, pipeline, record, writer, binary, replay, history, mapping, waits, hanging")
	binary := flag.String("binary", "bin/sluice", "the `FILE` that make build leaves")
	profile := flag.String("cpuprofile", "", "write a CPU profile of what runs in this process to this `FILE`")
	folder := flag.String("fill", "", "measure nothing: fill this data `FOLDER` with a history, for a browser test to look at")
	executions := flag.Int("executions", 1_000_000, "how many executions -fill makes")
	runner := flag.String("runner", "", "be the runner that the part waits measures, with these `BROKERS`")
	flag.Parse()
	if *folder != "" {
		if _, err := fill(context.Background(), *folder, *executions); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		defer f.Close()
		pprof.StartCPUProfile(f)
		defer pprof.StopCPUProfile()
	}
	s := settings{rounds: 5, slice: 2 * time.Second, hooks: 20_000, waits: 1_000_000, binary: *binary}
	if *short {
		s = settings{rounds: 2, slice: time.Second, hooks: 4_000, waits: 100_000, binary: *binary}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *runner != "" {
		if err := runAlone(ctx, *runner, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench: the runner:", err)
			os.Exit(1)
		}
		return
	}
	if err := bench(ctx, s, *only, *file); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		pprof.StopCPUProfile()
		os.Exit(1)
	}
}

func bench(ctx context.Context, s settings, only, file string) error {
	parts := []struct {
		name    string
		measure func(context.Context, settings) ([]line, error)
	}{
		{"mapping", mappings}, {"edge", edges}, {"pipeline", pipelines}, {"record", recordPaths}, {"writer", writers}, {"binary", binaries}, {"replay", replays}, {"history", histories}, {"waits", waits}, {"hanging", hangings},
	}
	var lines []line
	for _, p := range parts {
		if !strings.Contains(p.name, only) {
			continue
		}
		fmt.Fprintln(os.Stderr, "measuring:", p.name)
		measured, err := p.measure(ctx, s)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		lines = append(lines, measured...)
	}
	fmt.Printf("%s, %d cores, %s/%s; each line and its reference in turns, medians\n\n", runtime.Version(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "WHAT\tVALUE\tUNIT\tREFERENCE\tVALUE\tRATIO\t(LOW–HIGH)")
	for _, l := range lines {
		fmt.Fprintf(w, "%s\t%s\t%s", l.Name, number(l.Value), l.Unit)
		if l.Reference != "" {
			fmt.Fprintf(w, "\t%s\t%s\t%.2f\t(%.2f–%.2f)", l.Reference, number(l.Against), l.Ratio, l.Low, l.High)
		} else {
			fmt.Fprint(w, "\t\t\t\t")
		}
		fmt.Fprintln(w)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if file == "" {
		return nil
	}
	b, err := json.MarshalIndent(lines, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

// pair makes a line of the rounds' values and those of its reference.
func pair(name, unit string, values []float64, reference string, against []float64) line {
	ratios := make([]float64, len(values))
	for i := range values {
		ratios[i] = values[i] / against[i]
	}
	slices.Sort(ratios)
	return line{Name: name, Value: median(values), Unit: unit, Reference: reference, Against: median(against),
		Ratio: median(ratios), Low: ratios[0], High: ratios[len(ratios)-1]}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[n/2]
}

func number(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
