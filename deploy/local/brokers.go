package local

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// BrokerOptions are the settings of a cluster of real Kafka brokers.
type BrokerOptions struct {
	// Dir keeps the brokers' data, settings and logs. Required; an empty one is
	// formatted, a used one is opened again with the same ports.
	Dir string
	// N is the number of brokers: 1 or 3. 0 means 1.
	N int
	// Jars is the folder of Apache Kafka's jars. Empty looks in SLUICE_KAFKA_JARS
	// and then in deploy/local/.kafka of this module.
	Jars string
	// Config overrides settings of server.properties.
	Config map[string]string
	// HeapMiB of every broker. 0 means 384.
	HeapMiB int
	// Detach lets the brokers outlive this process. Without it they end with it,
	// on Linux even when it is killed.
	Detach bool
	// Timeout of the start and of every Restart. 0 means 90 seconds.
	Timeout time.Duration
}

// Brokers is a cluster of Apache Kafka's own brokers (KRaft, each also a
// controller) on loopback ports. Brokers are counted from 0, in the order of
// Addrs; broker i has the node ID i+1. Its methods are safe for concurrent use.
//
// With three brokers topics have replication 3 and min.insync.replicas 2 by
// default, so that one may be lost. Topics are never made by asking for them.
type Brokers struct {
	opts    BrokerOptions
	java    string
	addrs   []string
	starter *starter

	mu    sync.Mutex
	procs []*process
}

// StartBrokers formats the folder if need be, starts the brokers and waits until
// each of them answers and transactions can begin.
func StartBrokers(opts BrokerOptions) (_ *Brokers, err error) {
	switch opts.N {
	case 0:
		opts.N = 1
	case 1, 3:
	default:
		return nil, fmt.Errorf("starting Kafka: %d brokers asked for; choose 1 or 3", opts.N)
	}
	if opts.HeapMiB == 0 {
		opts.HeapMiB = 384
	}
	if opts.Timeout == 0 {
		opts.Timeout = 90 * time.Second
	}
	if opts.Dir, err = filepath.Abs(opts.Dir); err != nil {
		return nil, fmt.Errorf("starting Kafka: %w", err)
	}
	if opts.Jars, err = findJars(opts.Jars); err != nil {
		return nil, err
	}
	b := &Brokers{opts: opts, procs: make([]*process, opts.N)}
	if b.java, err = findJava(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), opts.Timeout)
	defer cancel()
	if err := b.lay(ctx); err != nil {
		return nil, err
	}
	b.starter = newStarter()
	defer func() {
		if err != nil {
			_ = b.Close()
		}
	}()
	for i := range b.procs {
		if err := b.start(i); err != nil {
			return nil, err
		}
	}
	if err := b.waitReady(ctx); err != nil {
		return nil, err
	}
	return b, nil
}

// findJava returns the program java of JAVA_HOME or PATH.
func findJava() (string, error) {
	if home := os.Getenv("JAVA_HOME"); home != "" {
		path := filepath.Join(home, "bin", "java")
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath("java")
	if err != nil {
		return "", errors.New("starting Kafka: there is no java in JAVA_HOME or PATH; install a JRE, version 17 or later")
	}
	return path, nil
}

func findJars(dir string) (string, error) {
	if dir == "" {
		dir = os.Getenv("SLUICE_KAFKA_JARS")
	}
	if dir == "" {
		root, err := moduleRoot()
		if err != nil {
			return "", fmt.Errorf("looking for Kafka's jars (name their folder in SLUICE_KAFKA_JARS): %w", err)
		}
		dir = filepath.Join(root, "deploy", "local", ".kafka")
	}
	if jars, _ := filepath.Glob(filepath.Join(dir, "kafka_2.13-*.jar")); len(jars) == 0 {
		return "", fmt.Errorf("looking for Kafka's jars: none in %s; run `make engines-fetch`", dir)
	}
	return filepath.Abs(dir)
}

// Addrs returns every broker's host:port, whether it runs or not.
func (b *Brokers) Addrs() []string { return append([]string(nil), b.addrs...) }

// PIDs returns every broker's process ID, 0 for one that does not run.
func (b *Brokers) PIDs() []int {
	b.mu.Lock()
	defer b.mu.Unlock()
	pids := make([]int, len(b.procs))
	for i, p := range b.procs {
		if p != nil && !p.ended() {
			pids[i] = p.pid()
		}
	}
	return pids
}

// Kill ends broker i at once (SIGKILL) and returns when it is gone. A broker
// that does not run is left alone.
func (b *Brokers) Kill(i int) error { return b.end(i, syscall.SIGKILL) }

// Stop freezes broker i (SIGSTOP): its connections stay open and nothing
// answers, as on a machine that hangs. Continue thaws it.
func (b *Brokers) Stop(i int) error { return b.signal(i, syscall.SIGSTOP) }

// Pause is Stop.
func (b *Brokers) Pause(i int) error { return b.Stop(i) }

// Continue thaws broker i after Stop (SIGCONT).
func (b *Brokers) Continue(i int) error { return b.signal(i, syscall.SIGCONT) }

// Restart starts broker i again on its port and data, after Kill or in place of
// a running one, and returns when it answers and the cluster counts it in.
func (b *Brokers) Restart(i int) error {
	if err := b.end(i, syscall.SIGTERM); err != nil {
		return err
	}
	if err := b.start(i); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), b.opts.Timeout)
	defer cancel()
	return b.waitBroker(ctx, i)
}

// Close ends all brokers, without waiting for an orderly shutdown, and returns
// when they are gone. The folder stays. A second call does nothing.
func (b *Brokers) Close() error {
	var errs []error
	// No more starts; on Linux this ends the children already, with the thread
	// that started them.
	b.starter.close()
	for i := range b.procs {
		errs = append(errs, b.Kill(i))
	}
	return errors.Join(errs...)
}

func (b *Brokers) proc(i int) (*process, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i < 0 || i >= len(b.procs) {
		return nil, fmt.Errorf("there is no broker %d: they are 0 to %d", i, len(b.procs)-1)
	}
	return b.procs[i], nil
}

func (b *Brokers) signal(i int, sig syscall.Signal) error {
	p, err := b.proc(i)
	if err != nil {
		return err
	}
	if p == nil || p.ended() {
		return fmt.Errorf("sending %v to Kafka broker %d: it does not run", sig, i)
	}
	return p.signal(sig)
}

func (b *Brokers) end(i int, sig syscall.Signal) error {
	p, err := b.proc(i)
	if err != nil || p == nil || p.ended() {
		return err
	}
	if err := p.signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("ending Kafka broker %d: %w", i, err)
	}
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		_ = p.signal(syscall.SIGKILL)
		<-p.done
	}
	return nil
}

func (b *Brokers) start(i int) error {
	args := append(b.jvm(), fmt.Sprintf("-Xmx%dm", b.opts.HeapMiB), "-Xms64m",
		"-Dsluice.broker="+fmt.Sprint(i+1), "kafka.Kafka", b.propertiesPath(i))
	log, err := os.OpenFile(b.logPath(i), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("opening the log of Kafka broker %d: %w", i, err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(b.java, args...)
	cmd.Dir = b.brokerDir(i)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = childAttr(b.opts.Detach)
	p, err := b.starter.start(cmd)
	if err != nil {
		return fmt.Errorf("starting Kafka broker %d: %w", i, err)
	}
	b.mu.Lock()
	b.procs[i] = p
	b.mu.Unlock()
	return nil
}

// jvm are the arguments of every Java process: tuned for a short life on a
// machine with few cores rather than for throughput.
func (b *Brokers) jvm() []string {
	return []string{
		"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-XX:-UsePerfData",
		"-Djava.awt.headless=true", "-Dlog4j2.configurationFile=" + filepath.Join(b.opts.Dir, "log4j2.properties"),
		"-cp", filepath.Join(b.opts.Jars, "*"),
	}
}

func (b *Brokers) brokerDir(i int) string {
	return filepath.Join(b.opts.Dir, fmt.Sprintf("broker-%d", i+1))
}
func (b *Brokers) logPath(i int) string        { return b.brokerDir(i) + ".log" }
func (b *Brokers) propertiesPath(i int) string { return b.brokerDir(i) + ".properties" }

// logTail is the end of broker i's log, for an error.
func (b *Brokers) logTail(i int) string {
	data, err := os.ReadFile(b.logPath(i))
	if err != nil {
		return err.Error()
	}
	if bytes.Contains(data, []byte("UnsupportedClassVersionError")) {
		return "this java is too old; install a JRE, version 17 or later"
	}
	return tail(data)
}

// tail is the end of a Java program's output without its stack traces.
func tail(output []byte) string {
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSpace(string(output)), "\n") {
		if !strings.HasPrefix(line, "\tat ") && !strings.HasPrefix(line, "\t... ") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-25):], "\n")
}

// clusterID is 16 random bytes as Kafka writes them, but for a leading dash: on
// a command line that is an option.
func clusterID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	id[0] &= 0x7f           // the first character is then one of the letters and digits
	return base64.RawURLEncoding.EncodeToString(id[:])
}
