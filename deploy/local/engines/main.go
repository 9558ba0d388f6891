// Command engines starts and ends the real engines for work on one machine:
// three Kafka brokers and ClickHouse, on free loopback ports, detached from the
// terminal.
//
//	engines up          starts them, writes .engines.env
//	engines down        ends exactly those and removes their data
//	engines clickhouse  is ClickHouse itself, started by up
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"sluice/deploy/local"
)

const usage = "usage: engines up [-data DIR] | engines down | engines clickhouse -dir DIR [-addr HOST:PORT]"

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "engines:", err)
		if errors.Is(err, errUsage) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

var errUsage = errors.New(usage)

func run(args []string, out io.Writer) error {
	if len(args) == 0 {
		return errUsage
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	data := flags.String("data", ".engines", "folder of the data, removed by down")
	dir := flags.String("dir", "", "data folder of ClickHouse")
	addr := flags.String("addr", "127.0.0.1:0", "address of ClickHouse")
	if err := flags.Parse(args[1:]); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	switch args[0] {
	case "up":
		return up(out, *data)
	case "down":
		return down(out)
	case "clickhouse":
		return clickhouse(out, *dir, *addr)
	default:
		return errUsage
	}
}

// up starts everything, or leaves it alone when it already runs.
func up(out io.Writer, data string) (err error) {
	env, err := readEnv(envFile)
	if err == nil {
		gone := env.gone()
		if len(gone) == 0 {
			_, err := fmt.Fprintf(out, "already up: source %s\n", envFile)
			return err
		}
		return fmt.Errorf("%s names engines that no longer run (%s): run `engines down` first", envFile, strings.Join(gone, ", "))
	}
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if data, err = filepath.Abs(data); err != nil {
		return err
	}
	if entries, err := os.ReadDir(data); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty: remove it, or choose another folder with -data", data)
	}
	env = environment{data: data}
	defer func() {
		if err != nil {
			env.end()
			_ = os.RemoveAll(data)
		}
	}()
	house, err := startClickHouse(data)
	if err != nil {
		return err
	}
	env.clickhouse = house.url
	env.processes = []engine{{"clickhouse", house.pid}}

	brokers, err := local.StartBrokers(local.BrokerOptions{Dir: filepath.Join(data, "kafka"), N: 3, Detach: true})
	if err != nil {
		return err
	}
	for i, pid := range brokers.PIDs() {
		env.processes = slices.Insert(env.processes, i, engine{fmt.Sprintf("kafka-%d", i+1), pid})
	}
	env.brokers = brokers.Addrs()
	if err := env.write(envFile); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "up: Kafka %s, ClickHouse %s; source %s\n", strings.Join(env.brokers, ","), env.clickhouse, envFile)
	return err
}

// down ends what the file names, and nothing else.
func down(out io.Writer) error {
	env, err := readEnv(envFile)
	if errors.Is(err, os.ErrNotExist) {
		_, err := fmt.Fprintln(out, "not up")
		return err
	}
	if err != nil {
		return err
	}
	env.end()
	if still := env.running(); len(still) > 0 {
		return fmt.Errorf("ending the engines: still running: %s", strings.Join(still, ", "))
	}
	if err := os.RemoveAll(env.data); err != nil {
		return fmt.Errorf("removing the engines' data: %w", err)
	}
	if err := os.Remove(envFile); err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, "down")
	return err
}

type clickhouseProcess struct {
	pid int
	url string
}

// startClickHouse starts this program again as ClickHouse and waits for the
// line with its URL.
func startClickHouse(data string) (_ clickhouseProcess, err error) {
	self, err := os.Executable()
	if err != nil {
		return clickhouseProcess{}, err
	}
	if err := os.MkdirAll(data, 0o750); err != nil {
		return clickhouseProcess{}, fmt.Errorf("making the engines' data folder: %w", err)
	}
	logPath := filepath.Join(data, "clickhouse.log")
	log, err := os.Create(logPath)
	if err != nil {
		return clickhouseProcess{}, err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(self, "clickhouse", "-dir", filepath.Join(data, "clickhouse"))
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return clickhouseProcess{}, err
	}
	if err := cmd.Start(); err != nil {
		return clickhouseProcess{}, fmt.Errorf("starting ClickHouse: %w", err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		tail, _ := os.ReadFile(logPath)
		return clickhouseProcess{}, fmt.Errorf("starting ClickHouse: %s", strings.TrimSpace(string(tail)))
	}
	return clickhouseProcess{cmd.Process.Pid, strings.TrimSpace(line)}, nil
}

// clickhouse serves until it is told to end.
func clickhouse(out io.Writer, dir, addr string) error {
	if dir == "" {
		return fmt.Errorf("%w: -dir is missing", errUsage)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	c, err := local.StartClickHouse(local.ClickHouseOptions{DataDir: dir, Addr: addr, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, c.URL()); err != nil {
		return errors.Join(err, c.Close())
	}
	<-ctx.Done()
	stop()
	return c.Close()
}

// patience is how long an engine may take to end before it is killed. It is
// short because the data goes too.
const patience = 3 * time.Second
