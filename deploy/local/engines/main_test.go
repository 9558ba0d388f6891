package main

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sluice/deploy/local"
)

// TestMain is the program itself when up starts it again as ClickHouse.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "clickhouse" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestUpThenDownLeavesNothing(t *testing.T) {
	// The engines are looked for from the module's folder.
	jars, err := filepath.Abs("../.kafka")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SLUICE_KAFKA_JARS", jars)
	if os.Getenv(local.LibraryEnv) == "" {
		libraries, _ := filepath.Glob("../node_modules/@chdb/*/libchdb.so")
		if len(libraries) == 0 {
			t.Fatal("there is no libchdb; run `make build`")
		}
		library, err := filepath.Abs(libraries[0])
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv(local.LibraryEnv, library)
	}
	dir := filepath.Join(t.TempDir(), "a folder's name")
	if err := os.Mkdir(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)

	var out bytes.Buffer
	if err := run([]string{"up"}, &out); err != nil {
		t.Fatal(err)
	}
	env, err := readEnv(envFile)
	if err != nil {
		t.Fatal(err)
	}
	defer env.end()
	var names []string
	for _, p := range env.processes {
		names = append(names, p.name)
	}
	if diff := cmp.Diff([]string{"kafka-1", "kafka-2", "kafka-3", "clickhouse"}, names); diff != "" {
		t.Errorf("ENGINE_PIDS (-want +got)\n%s", diff)
	}
	if gone := env.gone(); len(gone) > 0 || len(env.brokers) != 3 {
		t.Errorf("not running: %v; brokers %v", gone, env.brokers)
	}
	res, err := http.Post(env.clickhouse, "", strings.NewReader("SELECT 1"))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("ClickHouse: %s", res.Status)
	}
	shell, err := exec.Command("sh", "-c", `. ./.engines.env && env | grep -c -E '^(SLUICE_KAFKA_BROKERS|SLUICE_CLICKHOUSE_URL|ENGINE_PIDS|ENGINE_DATA)=' && test -d "$ENGINE_DATA"`).Output()
	if err != nil || strings.TrimSpace(string(shell)) != "4" {
		t.Errorf("sourcing the file: %q, %v", shell, err)
	}
	out.Reset()
	if err := run([]string{"up"}, &out); err != nil || !strings.Contains(out.String(), "already up") {
		t.Errorf("up again: %q, %v", &out, err)
	}
	if err := run([]string{"down"}, &out); err != nil {
		t.Fatal(err)
	}
	if left := env.running(); len(left) > 0 {
		t.Errorf("still running: %v", left)
	}
	if files, err := os.ReadDir("."); err != nil || len(files) > 0 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

func TestDownLeavesARecycledProcessAlone(t *testing.T) {
	stranger := exec.Command("sleep", "60")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = stranger.Wait()
		close(ended)
	}()
	defer func() {
		_ = stranger.Process.Kill()
		<-ended
	}()
	t.Chdir(t.TempDir())
	env := environment{data: filepath.Join(t.TempDir(), "data"), processes: []engine{{"kafka-1", stranger.Process.Pid}}}
	if err := env.write(envFile); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run([]string{"up"}, &out); err == nil || !strings.Contains(err.Error(), "kafka-1") {
		t.Errorf("up with an engine gone: %v", err)
	}
	if err := run([]string{"down"}, &out); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
		t.Error("a process that is no engine was ended")
	default:
	}
}

func TestEnvironmentFileReadsBack(t *testing.T) {
	t.Chdir(t.TempDir())
	want := environment{brokers: []string{"127.0.0.1:1", "127.0.0.1:2"}, clickhouse: "http://127.0.0.1:3/default", processes: []engine{{"a", 12}, {"b", 13}}, data: "/tmp/it's here"}
	if err := want.write(envFile); err != nil {
		t.Fatal(err)
	}
	got, err := readEnv(envFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(environment{}, engine{})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, broken := range []string{"ENGINE_PIDS=a=x\nENGINE_DATA=/tmp/x", "ENGINE_PIDS=a=1\nENGINE_DATA=/tmp/x", "ENGINE_PIDS=a=12\nENGINE_DATA=/", "ENGINE_PIDS=a=12\nENGINE_DATA="} {
		if err := os.WriteFile(envFile, []byte(broken), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readEnv(envFile); err == nil {
			t.Errorf("%q was taken", broken)
		}
	}
}
