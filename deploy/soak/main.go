// Command soak runs an installation on real engines under all that senders
// send, right and wrong, for as long as it is told, and says whether its memory,
// open files and goroutines stay where they are.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"sluice/deploy/local"
)

const token = "soak-token"

func main() {
	duration := flag.Duration("duration", 10*time.Minute, "how long to send")
	rate := flag.Int("rate", 300, "requests a second")
	binary := flag.String("binary", "bin/sluice", "the `FILE` that make build leaves")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	flat, err := soak(ctx, *binary, *duration, *rate)
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(2)
	}
	if !flat {
		os.Exit(1)
	}
}

// installation is one process of all roles, with its engines outside.
type installation struct {
	dir, edge, console string
	brokers            *local.Brokers
	history            *local.ClickHouse
	process            *exec.Cmd
	ended              chan struct{}
}

func soak(ctx context.Context, binary string, duration time.Duration, rate int) (flat bool, err error) {
	in, err := start(ctx, binary)
	defer in.close()
	if err != nil {
		return false, err
	}
	fmt.Printf("sending %d requests a second for %v to %s\n", rate, duration, in.edge)
	t := newTraffic(in.edge)
	sending, stop := context.WithTimeout(ctx, duration)
	defer stop()
	done := make(chan struct{})
	go func() { defer close(done); t.run(sending, rate) }()

	every := max(time.Second, duration/240)
	tick := time.NewTicker(every)
	defer tick.Stop()
	var seen []reading
	began := time.Now()
	for ended := false; !ended; {
		select {
		case <-done:
			ended = true
		case <-in.ended:
			return false, errors.New("the process has ended: " + in.tail())
		case <-tick.C:
			r, err := in.read(ctx)
			if err != nil {
				return false, err
			}
			r.at = time.Since(began)
			seen = append(seen, r)
			if len(seen)%20 == 0 {
				fmt.Printf("%8s  %5d MiB  %4d files  %5d goroutines  %s\n", r.at.Round(time.Second), r.memory>>20, r.files, r.goroutines, t)
			}
		}
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	v, err := judge(seen)
	if err != nil {
		return false, err
	}
	fmt.Printf("\n%s\n%s\n", t, v)
	if wrong := t.wrong(); wrong != "" {
		fmt.Println("unexpected answers:", wrong)
		return false, nil
	}
	return v.flat(), nil
}

func start(ctx context.Context, binary string) (in *installation, err error) {
	in = &installation{ended: make(chan struct{})}
	if binary, err = filepath.Abs(binary); err != nil {
		return in, err
	}
	if _, err := os.Stat(binary); err != nil {
		return in, fmt.Errorf("%w: run `make build` first", err)
	}
	if in.dir, err = os.MkdirTemp("", "soak"); err != nil {
		return in, err
	}
	if in.brokers, err = local.StartBrokers(local.BrokerOptions{Dir: filepath.Join(in.dir, "kafka"), N: 3}); err != nil {
		return in, err
	}
	if in.history, err = local.StartClickHouse(local.ClickHouseOptions{DataDir: filepath.Join(in.dir, "clickhouse"), Addr: "127.0.0.1:0"}); err != nil {
		return in, err
	}
	addrs, err := local.FreeAddrs(2)
	if err != nil {
		return in, err
	}
	in.edge, in.console = addrs[0], addrs[1]
	log, err := os.Create(filepath.Join(in.dir, "log"))
	if err != nil {
		return in, err
	}
	defer log.Close()
	in.process = exec.Command(binary, "serve")
	in.process.Stdout, in.process.Stderr, in.process.SysProcAttr = log, log, childAttributes()
	in.process.Env = []string{
		"SLUICE_KAFKA_BROKERS=" + strings.Join(in.brokers.Addrs(), ","), "SLUICE_CLICKHOUSE_URL=" + in.history.URL(), "SLUICE_API_TOKEN=" + token,
		"SLUICE_INGEST_ADDR=" + in.edge, "SLUICE_CONSOLE_ADDR=" + in.console, "SLUICE_DATA_DIR=" + filepath.Join(in.dir, "data"),
		"SLUICE_SECRET_KEY=a passphrase of the soak", "SLUICE_LOG_LEVEL=warn", "HOME=" + in.dir, "PATH=" + os.Getenv("PATH"),
	}
	if err := in.process.Start(); err != nil {
		close(in.ended)
		return in, err
	}
	go func() { _ = in.process.Wait(); close(in.ended) }()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		select {
		case <-in.ended:
			return in, errors.New("the process has ended: " + in.tail())
		default:
		}
		if err = in.apply(ctx); err == nil {
			return in, nil
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return in, fmt.Errorf("starting the flows: %w", err)
		}
	}
}

func (in *installation) apply(ctx context.Context) error {
	body, err := in.call(ctx, http.MethodPost, "/api/v1/apply?publish=true&start=true", []byte(documents))
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s", err, body)
}

func (in *installation) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+in.console+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/yaml")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = errors.New(resp.Status)
	}
	return text, err
}

// read looks at the process: what the kernel says of it, and its own metrics.
func (in *installation) read(ctx context.Context) (r reading, err error) {
	pid := strconv.Itoa(in.process.Process.Pid)
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return r, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return r, fmt.Errorf("reading VmRSS: %w", err)
			}
			r.memory = kib << 10
		}
	}
	files, err := os.ReadDir("/proc/" + pid + "/fd")
	if err != nil {
		return r, err
	}
	r.files = int64(len(files))
	metrics, err := in.call(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return r, fmt.Errorf("reading the metrics: %w", err)
	}
	for line := range strings.Lines(string(metrics)) {
		if rest, ok := strings.CutPrefix(line, "go_goroutines "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				return r, fmt.Errorf("reading go_goroutines: %w", err)
			}
			r.goroutines = int64(n)
		}
	}
	return r, nil
}

// tail is the end of the process's log.
func (in *installation) tail() string {
	text, _ := os.ReadFile(filepath.Join(in.dir, "log"))
	return string(text[max(0, len(text)-2000):])
}

func (in *installation) close() {
	if in.process != nil && in.process.Process != nil {
		_ = in.process.Process.Signal(syscall.SIGTERM)
		select {
		case <-in.ended:
		case <-time.After(30 * time.Second):
			_ = in.process.Process.Kill()
			<-in.ended
		}
	}
	if in.brokers != nil {
		_ = in.brokers.Close()
	}
	if in.history != nil {
		_ = in.history.Close()
	}
	_ = os.RemoveAll(in.dir)
}
