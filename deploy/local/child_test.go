package local

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// childEnv makes the test binary run one engine and print its address, so that
// a test can kill it.
const childEnv = "SLUICE_TEST_CHILD"

func TestMain(m *testing.M) {
	engine, dir, ok := strings.Cut(os.Getenv(childEnv), ":")
	if !ok {
		os.Exit(m.Run())
	}
	var (
		addr string
		err  error
	)
	switch engine {
	case "clickhouse":
		var c *ClickHouse
		if c, err = StartClickHouse(ClickHouseOptions{DataDir: dir}); err == nil {
			addr = c.URL()
		}
	case "kafka":
		var k *Kafka
		if k, err = StartKafka(KafkaOptions{DataDir: dir}); err == nil {
			addr = k.Addrs()[0]
		}
	}
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println(addr)
	select {}
}

type child struct {
	cmd *exec.Cmd
	out *bufio.Reader
}

func startChild(t *testing.T, engine, dir string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+engine+":"+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return &child{cmd, bufio.NewReader(out)}
}

// line returns the address that the child prints once it is up.
func (c *child) line(t *testing.T) string {
	t.Helper()
	line, err := c.out.ReadString('\n')
	if err != nil {
		t.Fatalf("the child did not come up: %v", err)
	}
	return strings.TrimSpace(line)
}

func (c *child) kill(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = c.cmd.Wait()
}
