package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/connectors/petstore/demo"
	"sluice/deploy/local"
	"sluice/deploy/local/localtest"
	"sluice/schemas/clickhouse"
)

// binary is the program as it is shipped, built once, when the first test
// needs it, into a folder that goes with the tests.
var (
	binary      string
	buildBinary = sync.OnceValue(func() error {
		if os.Getenv(binaryVariable) != "" {
			return nil // a test of this one's has built it
		}
		build := exec.Command("go", "build", "-o", binary, ".")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("building sluice: %w\n%s", err, out)
		}
		return nil
	})
)

// binaryVariable names the binary for a test that runs in a process of its own.
const binaryVariable = "SLUICE_TEST_BINARY"

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sluice-journey-")
	if err != nil {
		panic(err)
	}
	binary = cmp.Or(os.Getenv(binaryVariable), filepath.Join(dir, "sluice"))
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// installation is where processes of the binary run, and how they are reached.
type installation struct {
	t                     *testing.T
	ingest, api, petstore string
	env                   []string
	token                 string
	hookClient, apiClient *http.Client
}

func newInstallation(t *testing.T, env ...string) *installation {
	t.Helper()
	if err := buildBinary(); err != nil {
		t.Fatal(err)
	}
	addrs, err := local.FreeAddrs(3)
	if err != nil {
		t.Fatal(err)
	}
	in := &installation{t: t, ingest: addrs[0], api: addrs[1], petstore: addrs[2],
		hookClient: &http.Client{Timeout: 10 * time.Second}, apiClient: &http.Client{Timeout: 30 * time.Second}}
	in.env = append(os.Environ(), "SLUICE_DATA_DIR="+t.TempDir(), "SLUICE_INGEST_ADDR="+in.ingest, "SLUICE_CONSOLE_ADDR="+in.api,
		"SLUICE_PETSTORE_ADDR="+in.petstore, "SLUICE_API=http://"+in.api)
	in.env = append(in.env, env...)
	return in
}

// clustered is an installation on three real brokers and the real ClickHouse.
func clustered(t *testing.T) (*installation, cluster) {
	t.Helper()
	c := cluster{localtest.Brokers(t, 3), localtest.ClickHouse(t)}
	in := newInstallation(t, "SLUICE_KAFKA_BROKERS="+strings.Join(c.brokers.Addrs(), ","), "SLUICE_CLICKHOUSE_URL="+c.history.URL(),
		"SLUICE_API_TOKEN=journey-token", "SLUICE_SECRET_KEY=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
		"SLUICE_ALLOW_ADDRESSES=127.0.0.0/8")
	in.token = "journey-token"
	return in, c
}

// running is the binary at work.
type running struct {
	*exec.Cmd
	in   *installation
	out  *output
	done chan struct{}
}

type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func (in *installation) start(env []string, args ...string) *running {
	in.t.Helper()
	p := &running{Cmd: exec.Command(binary, args...), in: in, out: &output{}, done: make(chan struct{})}
	p.Stdout, p.Stderr = p.out, p.out
	p.Env = append(in.env, env...)
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.Start(); err != nil {
		in.t.Fatal(err)
	}
	go func() {
		p.Wait()
		close(p.done)
	}()
	in.t.Cleanup(func() {
		p.Process.Kill()
		<-p.done
		if in.t.Failed() {
			in.t.Logf("%v printed:\n%s", args, tail(p.out.String()))
		}
	})
	return p
}

func tail(s string) string {
	const most = 6000
	if len(s) > most {
		return "…" + s[len(s)-most:]
	}
	return s
}

// ready waits until all that it depends on is well.
func (p *running) ready() { p.in.t.Helper(); p.answers("/readyz") }

// answers waits until a path of the private listener is answered 200.
func (p *running) answers(path string) {
	p.in.t.Helper()
	p.in.until(60*time.Second, "it is ready", func() bool {
		select {
		case <-p.done:
			p.in.t.Fatalf("it ended:\n%s", tail(p.out.String()))
		default:
		}
		resp, err := p.in.apiClient.Get("http://" + p.in.api + path)
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// stop ends it as Ctrl-C does.
func (p *running) stop() {
	p.in.t.Helper()
	p.Process.Signal(os.Interrupt)
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		p.in.t.Fatal("it did not end within 30 s of the interrupt")
	}
	if code := p.ProcessState.ExitCode(); code != 0 {
		p.in.t.Errorf("exit status %d after an interrupt, want 0", code)
	}
}

func (p *running) kill() {
	p.Process.Kill()
	<-p.done
}

// until polls a condition of another process.
func (in *installation) until(limit time.Duration, what string, cond func() bool) {
	in.t.Helper()
	for deadline := time.Now().Add(limit); !cond(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			in.t.Fatalf("waited %v in vain until %s", limit, what)
		}
	}
}

// sluice runs a command of the binary.
func (in *installation) sluice(args ...string) (stdout string, code int) {
	in.t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env = in.env
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		in.t.Fatal(err)
	}
	if code = cmd.ProcessState.ExitCode(); code != 0 {
		return out.String() + errOut.String(), code
	}
	return out.String(), 0
}

func (in *installation) must(args ...string) string {
	in.t.Helper()
	out, code := in.sluice(args...)
	if code != 0 {
		in.t.Fatalf("sluice %s: exit status %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// send posts a hook; the ID is empty unless it was accepted.
func (in *installation) send(flow, body string) (id string, status int, header http.Header) {
	resp, err := in.hookClient.Post("http://"+in.ingest+"/hook/"+flow, "application/json", strings.NewReader(body))
	if err != nil {
		return "", 0, nil
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(resp.Body)
	var answer struct {
		RequestID string `json:"requestId"`
		Message   string `json:"message"`
	}
	if resp.StatusCode == http.StatusOK && json.Unmarshal(raw, &answer) == nil && answer.Message == "thank you" {
		id = answer.RequestID
	}
	return id, resp.StatusCode, resp.Header
}

// query runs SQL over the run log and returns its first row as numbers.
func (in *installation) query(sql string) []int {
	out, code := in.sluice("query", "--output", "json", sql)
	if code != 0 {
		return nil
	}
	var answer struct{ Rows [][]json.Number }
	if err := json.Unmarshal([]byte(out), &answer); err != nil || len(answer.Rows) == 0 {
		return nil
	}
	row := make([]int, len(answer.Rows[0]))
	for i, n := range answer.Rows[0] {
		v, _ := n.Int64()
		row[i] = int(v)
	}
	return row
}

type shown struct {
	ID, Flow, Status string
	ReplayOf         string
	Replays          []string
	Steps            []struct {
		ID, Uses, Status string
		Attempt          int
		Input, Output    json.RawMessage
	}
}

func (in *installation) execution(id string) shown {
	in.t.Helper()
	var x shown
	if err := json.Unmarshal([]byte(in.must("execution", id, "--output", "json")), &x); err != nil {
		in.t.Fatal(err)
	}
	return x
}

func (in *installation) list(flow string) []shown {
	in.t.Helper()
	var page struct{ Items []shown }
	if err := json.Unmarshal([]byte(in.must("executions", "--flow", flow, "--output", "json", "--limit", "100")), &page); err != nil {
		in.t.Fatal(err)
	}
	return page.Items
}

const gromit = `{"petname": "Gromit", "petstatus": "Sold"}`

// tutorial sends the demo hook three times and looks at what came of it.
func (in *installation) tutorial() {
	in.t.Helper()
	for range 3 {
		if id, status, _ := in.send("pets", gromit); id == "" {
			in.t.Fatalf("the hook was answered %d", status)
		}
	}
	in.until(time.Second+500*time.Millisecond, "three executions are in the run log within about 1 s", func() bool {
		done := 0
		for _, x := range in.list("pets") {
			if x.Status == "succeeded" {
				done++
			}
		}
		return done == 3
	})
	for _, listed := range in.list("pets") {
		x := in.execution(listed.ID)
		if len(x.Steps) != 2 {
			in.t.Fatalf("%d steps, want both", len(x.Steps))
		}
		for _, s := range x.Steps {
			if s.Status != "succeeded" || len(s.Input) < 3 || len(s.Output) < 3 {
				in.t.Errorf("step %s: %s, input %s, output %s; want it succeeded with both", s.ID, s.Status, s.Input, s.Output)
			}
		}
	}
}

func (in *installation) wantPets(data *demo.Server, n int) {
	in.t.Helper()
	pets := data.Pets()
	if len(pets) != n {
		in.t.Errorf("the Petstore has %d pets, want %d", len(pets), n)
	}
	for _, p := range pets {
		if p.Name != "Gromit" || p.Status != "sold" {
			in.t.Errorf("a pet is %s/%s, want Gromit/sold", p.Name, p.Status)
		}
	}
}

// petstoreFor is a Petstore of the test's own, so that it can count.
func (in *installation) petstoreFor() *demo.Server {
	in.t.Helper()
	data, err := demo.Open(in.t.TempDir(), demo.DefaultAPIKey)
	if err != nil {
		in.t.Fatal(err)
	}
	server := httptest.NewServer(data)
	in.t.Cleanup(func() { server.Close(); data.Close() })
	in.env = append(in.env, "PETSTORE_URL="+server.URL+"/v2", "PETSTORE_API_KEY="+demo.DefaultAPIKey)
	return data
}

func TestTheTutorialOnThreeRealBrokers(t *testing.T) {
	in, c := clustered(t)
	pets := in.petstoreFor()
	in.must("topics")
	p := in.start(nil, "serve")
	p.ready()
	in.must("apply", "-f", "deploy/demo/pets.yaml", "--publish", "--start")
	in.tutorial()
	in.wantPets(pets, 3)
	if got := in.query("SELECT count(), uniqExact(id) FROM executions WHERE status = 'succeeded'"); len(got) != 2 || got[0] != 3 || got[1] != 3 {
		t.Errorf("count and uniqExact = %v, want 3 and 3", got)
	}
	out := in.must("query", "SELECT status, count() FROM executions GROUP BY status")
	if !strings.Contains(out, "succeeded") {
		t.Errorf("the query printed %q", out)
	}
	in.must("doctor")

	// The history is lost, and made again from Kafka by one command.
	conn, err := clickhouse.Open(c.history.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, table := range []string{"runlog_executions", "runlog_steps", "runlog_hooks"} {
		if err := conn.Exec(t.Context(), "TRUNCATE TABLE "+table); err != nil {
			t.Fatal(err)
		}
	}
	if items := in.list("pets"); len(items) != 0 {
		t.Fatalf("%d executions are left of the lost history", len(items))
	}
	in.must("runlog", "rebuild")
	for _, listed := range in.list("pets") {
		if x := in.execution(listed.ID); x.Status != "succeeded" || len(x.Steps) != 2 {
			t.Errorf("after the rebuild execution %s is %s with %d steps", x.ID, x.Status, len(x.Steps))
		}
	}
	if got := in.query("SELECT count(), (SELECT count() FROM steps), (SELECT count() FROM hooks) FROM executions"); len(got) != 3 || got[0] != 3 || got[1] != 6 || got[2] != 3 {
		t.Errorf("executions, steps and hooks after the rebuild: %v, want 3, 6 and 3", got)
	}
	p.stop()
}

func TestDevKeepsEverythingOverARestartAndRunsNothingTwice(t *testing.T) {
	in := newInstallation(t)
	began := time.Now()
	p := in.start(nil, "dev", "--demo")
	p.ready()
	in.until(10*time.Second, "it says how to try it", func() bool { return strings.Contains(p.out.String(), "curl -X POST") })
	t.Logf("ready after %v", time.Since(began))
	in.tutorial()
	if rss := residentMB(t, p.Process.Pid); rss > 400 {
		t.Errorf("%d MB resident, want under 400", rss)
	}
	p.stop()

	for i, end := range []func(*running){(*running).kill, (*running).stop} {
		p = in.start(nil, "dev", "--demo")
		p.ready()
		in.until(10*time.Second, "the flow runs", func() bool { return strings.Contains(p.out.String(), "curl -X POST") })
		if items := in.list("pets"); len(items) != 3+i {
			t.Errorf("restart %d: %d executions, want %d", i, len(items), 3+i)
		}
		if id, status, _ := in.send("pets", gromit); id == "" {
			t.Errorf("restart %d: the hook was answered %d", i, status)
		}
		in.until(5*time.Second, "the hook is in the run log", func() bool { return len(in.list("pets")) == 4+i })
		end(p)
	}
	data, err := demo.Open(filepath.Join(in.dataDir(), "petstore"), demo.DefaultAPIKey)
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	in.wantPets(data, 5)
}

func (in *installation) dataDir() string {
	for _, e := range in.env {
		if v, ok := strings.CutPrefix(e, "SLUICE_DATA_DIR="); ok {
			return v
		}
	}
	return ""
}

func residentMB(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	var kb int
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmRSS:") {
			fmt.Sscanf(line, "VmRSS: %d kB", &kb)
		}
	}
	return kb / 1024
}

func TestAWrongDocumentChangesNothing(t *testing.T) {
	in := newInstallation(t)
	p := in.start(nil, "dev")
	p.ready()
	wrong := filepath.Join(t.TempDir(), "wrong.yaml")
	doc := "kind: Flow\nid: wrong\ntrigger: {uses: webhook/receive}\nsteps:\n  - id: one\n    uses: petstore/create-dog\n    input: {name: =body.petname}\n"
	if err := os.WriteFile(wrong, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	out, code := in.sluice("apply", "-f", wrong, "--publish", "--start")
	if code != 1 {
		t.Errorf("exit status %d, want 1", code)
	}
	for _, part := range []string{wrong + ":6:11:", "petstore/create-dog", "petstore/create-pet"} {
		if !strings.Contains(out, part) {
			t.Errorf("it printed %q; want the place, what is wrong and what would be right (%s)", out, part)
		}
	}
	if flows := in.must("flows", "--output", "json"); strings.Contains(flows, `"wrong"`) {
		t.Error("the flow was made")
	}
	if _, code := in.sluice("apply"); code != 2 {
		t.Errorf("exit status %d for a command wrongly called, want 2", code)
	}
	p.stop()
}

func (in *installation) apiReq(ctx context.Context, method, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+in.api+path, nil)
	if err != nil {
		return nil, err
	}
	if in.token != "" {
		req.Header.Set("Authorization", "Bearer "+in.token)
	}
	return in.apiClient.Do(req)
}
