package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// envFile is written into the current directory.
const envFile = ".engines.env"

// environment is what .engines.env says.
type environment struct {
	brokers    []string
	clickhouse string
	processes  []engine
	data       string
}

// engine is one running program.
type engine struct {
	name string
	pid  int
}

func (e environment) write(path string) error {
	var pids []string
	for _, p := range e.processes {
		pids = append(pids, p.name+"="+strconv.Itoa(p.pid))
	}
	var (
		out   bytes.Buffer
		names []string
	)
	for _, v := range [][2]string{
		{"SLUICE_KAFKA_BROKERS", strings.Join(e.brokers, ",")},
		{"SLUICE_CLICKHOUSE_URL", e.clickhouse},
		{"ENGINE_PIDS", strings.Join(pids, ",")},
		{"ENGINE_DATA", e.data},
	} {
		fmt.Fprintf(&out, "%s=%s\n", v[0], quote(v[1]))
		names = append(names, v[0])
	}
	fmt.Fprintf(&out, "export %s\n", strings.Join(names, " "))
	// Whole or not at all: a reader never sees half of it.
	if err := os.WriteFile(path+".new", out.Bytes(), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// quote writes a value for a shell; one that needs no quotes has none.
func quote(v string) string {
	for _, c := range v {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:,=-@%+", c) {
			return "'" + strings.ReplaceAll(v, "'", `'\''`) + "'"
		}
	}
	return v
}

func unquote(v string) string {
	if len(v) >= 2 && v[0] == '\'' && v[len(v)-1] == '\'' {
		return strings.ReplaceAll(v[1:len(v)-1], `'\''`, "'")
	}
	return v
}

func readEnv(path string) (environment, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return environment{}, err
	}
	values := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok {
			values[name] = unquote(value)
		}
	}
	env := environment{
		brokers:    strings.Split(values["SLUICE_KAFKA_BROKERS"], ","),
		clickhouse: values["SLUICE_CLICKHOUSE_URL"],
		data:       values["ENGINE_DATA"],
	}
	for entry := range strings.SplitSeq(values["ENGINE_PIDS"], ",") {
		name, number, _ := strings.Cut(entry, "=")
		pid, err := strconv.Atoi(number)
		if err != nil || pid <= 1 {
			return environment{}, fmt.Errorf("reading %s: ENGINE_PIDS has %q where name=pid should be; remove the file and end the engines by hand", path, entry)
		}
		env.processes = append(env.processes, engine{name, pid})
	}
	if !filepath.IsAbs(env.data) || filepath.Dir(env.data) == env.data {
		return environment{}, fmt.Errorf("reading %s: ENGINE_DATA %q is no folder of engines; remove the file and end the engines by hand", path, env.data)
	}
	return env, nil
}

// alive is true while the process is still the program that up started: every
// one of them names the data folder on its command line. A process ID that the
// system gave to another program is not alive.
func (e environment) alive(p engine) bool {
	line, err := commandLine(p.pid)
	return err == nil && strings.Contains(line, e.data+string(filepath.Separator))
}

func commandLine(pid int) (string, error) {
	if runtime.GOOS == "linux" {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		return strings.ReplaceAll(string(line), "\x00", " "), err
	}
	line, err := exec.Command("ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	return string(line), err
}

func (e environment) running() (names []string) {
	for _, p := range e.processes {
		if e.alive(p) {
			names = append(names, p.name)
		}
	}
	return names
}

func (e environment) gone() (names []string) {
	for _, p := range e.processes {
		if !e.alive(p) {
			names = append(names, p.name)
		}
	}
	return names
}

// end asks every engine to end and, after a wait, kills those that did not.
func (e environment) end() {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		for _, p := range e.processes {
			if !e.alive(p) {
				continue
			}
			if err := syscall.Kill(p.pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
				fmt.Fprintf(os.Stderr, "engines: ending %s (pid %d): %v\n", p.name, p.pid, err)
			}
			if sig == syscall.SIGTERM {
				// A stopped process would not see it.
				_ = syscall.Kill(p.pid, syscall.SIGCONT)
			}
		}
		for until := time.Now().Add(patience); time.Now().Before(until) && len(e.running()) > 0; {
			time.Sleep(50 * time.Millisecond)
		}
	}
}
