package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// outside is set in the process that has a network of its own.
const outside = "SLUICE_TEST_NO_NETWORK"

// A dry run over a draft with a step of each kind opens no connection. It runs
// in a network namespace that has a loopback and no way out of it: the kernel
// counts whatever has nowhere to go. A replay of the same hooks on the same
// draft then counts up, or the test would see nothing.
func TestADryRunOpensNoConnection(t *testing.T) {
	if os.Getenv(outside) != "" {
		inSilence(t)
		return
	}
	if err := buildBinary(); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1", "-test.v")
	child.Env = append(os.Environ(), outside+"=1", binaryVariable+"="+binary)
	child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 { // in a namespace of users one may make a network
		child.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		child.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		child.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	out, err := child.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Fatalf("in a network of its own: %v\n%s", err, out)
	}
}

// effects are steps that reach out, by every way that there is: the guarded HTTP
// client, the client of a REST API, and what dials for a protocol of its own.
// The addresses are for documentation (RFC 5737) and nobody's.
const effects = `
  - {id: http, uses: http/request, after: [shape], retry: {attempts: 1}, timeout: 5s, input: {method: GET, url: 'http://192.0.2.1/'}}
  - {id: webhook, uses: webhook/send, after: [shape], retry: {attempts: 1}, timeout: 5s, input: {url: 'http://192.0.2.2/', body: =steps.shape}}
  - {id: named, uses: webhook/send, after: [shape], retry: {attempts: 1}, timeout: 5s, input: {url: 'http://hooks.example.com/', body: =steps.shape}}
  - {id: postgres, uses: sql/query, credential: postgres, after: [shape], retry: {attempts: 1}, timeout: 5s, input: {statement: SELECT 1}}
  - {id: mysql, uses: sql/query, credential: mysql, after: [shape], retry: {attempts: 1}, timeout: 5s, input: {statement: SELECT 1}}
  - {id: clickhouse, uses: sql/query, credential: clickhouse, after: [shape], retry: {attempts: 1}, timeout: 5s, input: {statement: SELECT 1}}
  - {id: s3, uses: s3/put, credential: s3, after: [shape], retry: {attempts: 1}, timeout: 5s, input: {bucket: invoices, key: a, body: =steps.shape}}
  - {id: mail, uses: email/send, credential: mail, after: [shape], retry: {attempts: 1}, timeout: 5s, input: {from: a@example.com, to: b@example.com, subject: c, text: d}}
  - {id: kafka, uses: kafka/produce, credential: kafka, after: [shape], retry: {attempts: 1}, timeout: 5s, input: {topic: orders, value: =steps.shape}}
  - {id: slack, uses: slack/notify, credential: slack, after: [shape], retry: {attempts: 1}, timeout: 5s, input: {text: a}}
  - {id: github, uses: github/get-issue, credential: github, after: [shape], retry: {attempts: 1}, timeout: 5s, input: {owner: a, repo: b, number: 1}}
---
{kind: Credential, id: postgres, uses: sql, type: postgres, values: {host: 192.0.2.3, database: a, username: a, password: a}}
---
{kind: Credential, id: mysql, uses: sql, type: mysql, values: {host: 192.0.2.4, database: a, username: a, password: a}}
---
{kind: Credential, id: clickhouse, uses: sql, type: clickhouse, values: {url: 'http://192.0.2.5:8123'}}
---
{kind: Credential, id: s3, uses: s3, type: keys, values: {accessKeyId: a, secretAccessKey: a, endpoint: 'http://192.0.2.6'}}
---
{kind: Credential, id: mail, uses: email, type: smtp, values: {host: 192.0.2.7}}
---
{kind: Credential, id: kafka, uses: kafka, type: cluster, values: {brokers: '192.0.2.8:9092'}}
---
{kind: Credential, id: slack, uses: slack, type: webhook, values: {url: 'http://192.0.2.9/services/a'}}
---
{kind: Credential, id: github, uses: github, type: token, values: {token: a, baseUrl: 'http://192.0.2.10'}}
`

func inSilence(t *testing.T) {
	if err := loopbackUp(); err != nil {
		t.Fatal(err)
	}
	in := newInstallation(t, "SLUICE_ALLOW_ADDRESSES=192.0.2.0/24")
	p := in.start(nil, "dev")
	p.ready()
	const head = "kind: Flow\nid: silent\ntrigger: {uses: webhook/receive}\nsteps:\n  - {id: shape, uses: mapper/map, input: {n: =body.n}}\n"
	in.publish("silent", head)
	in.load("silent", 20, nil)
	in.until(20*time.Second, "20 executions have ended", func() bool {
		n := in.query("SELECT count() FROM executions WHERE status = 'succeeded'")
		return len(n) == 1 && n[0] == 20
	})
	draft := filepath.Join(t.TempDir(), "silent.yaml")
	if err := os.WriteFile(draft, []byte(strings.TrimRight(head, "\n")+effects), 0o600); err != nil {
		t.Fatal(err)
	}
	in.must("apply", "-f", draft)
	kinds := strings.Count(effects, "uses: ") - strings.Count(effects, "kind: Credential")

	before := unroutable(t)
	dry, code := in.replayed("--flow", "silent", "--version", "draft", "--dry-run")
	if code != 0 || dry.Report.Compared != 20 || dry.Report.Changed != 20 {
		t.Fatalf("the dry run: exit %d, %+v", code, dry)
	}
	added := map[string]bool{}
	for _, g := range dry.Report.Groups {
		added[g.Group] = true
	}
	for line := range strings.Lines(effects) {
		if id, _, ok := strings.Cut(strings.TrimPrefix(line, "  - {id: "), ","); ok && strings.HasPrefix(line, "  - ") && !added["effectAdded "+id] {
			t.Errorf("the report does not have the step %s among %v", id, dry.Report.Groups)
		}
	}
	if n := unroutable(t) - before; n != 0 {
		t.Errorf("a dry run tried to get out %d times", n)
	}

	real, _ := in.replayed("--changed-in", dry.ID, "--version", "draft")
	if real.Total != 20 || real.Progress.Status["failed"] != 20 {
		t.Fatalf("the replay: %+v", real)
	}
	if n := unroutable(t) - before; n < kinds {
		t.Errorf("a replay with steps of %d kinds tried to get out %d times: the test sees nothing", kinds, n)
	}
	var first shown
	in.getAPI("/executions/"+in.list("silent")[0].ID, &first)
	for _, s := range first.Steps {
		if s.ID != "shape" && s.Status != "failed" {
			t.Errorf("step %s of the replay is %s: it was to try, in vain", s.ID, s.Status)
		}
	}
}

// loopbackUp turns the loopback of a new namespace on.
func loopbackUp() error {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return fmt.Errorf("opening a socket: %w", err)
	}
	defer syscall.Close(socket)
	request := struct {
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{flags: syscall.IFF_UP | syscall.IFF_RUNNING}
	copy(request.name[:], "lo")
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(socket), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return fmt.Errorf("turning the loopback on: %w", errno)
	}
	return nil
}

// unroutable is how often something of this namespace was to go where no route
// leads, by the kernel's count: a connection, or a question for a name.
func unroutable(t *testing.T) (n int) {
	t.Helper()
	raw, err := os.ReadFile("/proc/self/net/snmp")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(raw)) {
		fields := strings.Fields(line)
		if fields[0] != "Ip:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		v, err := strconv.Atoi(fields[slices.Index(names, "OutNoRoutes")])
		if err != nil {
			t.Fatal(err)
		}
		n += v
	}
	raw, err = os.ReadFile("/proc/self/net/snmp6")
	if err != nil {
		return n // no IPv6 here
	}
	for line := range strings.Lines(string(raw)) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == "Ip6OutNoRoutes" {
			v, _ := strconv.Atoi(fields[1])
			n += v
		}
	}
	return n
}
