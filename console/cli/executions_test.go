package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sluice/console"
)

const flowsJSON = `{"items":[{"id":"pets","name":"Pets"}]}`

const executionsJSON = `{"items":[` +
	`{"id":"0192f5d2-7c3a-7b1e-9f00-5a2b3c4d0002","flow":"pets","version":1,"status":"failed","startedAt":"2026-01-02T03:04:05.678901Z","endedAt":"2026-01-02T03:04:06.678901Z","durationMs":1000,"error":"no\u001b[2J\nreally","replayOf":null},` +
	`{"id":"0192f5d2-7c3a-7b1e-9f00-5a2b3c4d0001","flow":"pets","version":1,"status":"running","startedAt":"2026-01-02T03:04:05Z","endedAt":null,"durationMs":null,"error":null,"replayOf":null}],"next":""}`

func TestExecutionsAreListed(t *testing.T) {
	api := canned(t, map[string]string{
		"GET /api/v1/flows": flowsJSON,
		"GET /api/v1/executions?flow=pets&limit=50&since=1h&status=failed%2Crunning": executionsJSON,
		"GET /api/v1/executions?flow=deleted&limit=2":                                `{"items":[],"next":""}`,
	})
	r := run(t, api, "executions", "--flow", "Pets", "--status", "failed,running", "--since", "1h")
	same(t, r.out, `ID                                    FLOW  VERSION  STATUS   STARTED                  DURATION  ERROR
0192f5d2-7c3a-7b1e-9f00-5a2b3c4d0002  pets  1        failed   2026-01-02 03:04:05.678  1s        no[2J really
0192f5d2-7c3a-7b1e-9f00-5a2b3c4d0001  pets  1        running  2026-01-02 03:04:05.000  -         -
`)
	asJSON := run(t, api, "executions", "--flow", "pets", "--status", "failed", "--status", "running", "--since", "1h", "--output", "json")
	if compact := strings.NewReplacer("\n", "", "  ", "", `": `, `":`).Replace(asJSON.out); compact != executionsJSON {
		t.Errorf("--output json prints %s, want what the API answered", compact)
	}
	same(t, run(t, api, "executions", "--flow", "deleted", "--limit", "2").out, "There are none.\n")
}

func TestAnExecutionShowsEveryStepsInputAndOutput(t *testing.T) {
	api := canned(t, map[string]string{"GET /api/v1/executions/0192": `{
	"id":"0192","flow":"pets","version":1,"status":"succeeded","startedAt":"2026-01-02T03:04:05Z","endedAt":"2026-01-02T03:04:06Z","durationMs":1000,"error":null,"replayOf":"0191",
	"hook":{"method":"POST","path":"/hook/pets","query":"a=1","headers":{"x-b":"2","x-a":"1"},"contentType":"application/json","body":{"petname":"Gromit","n":12345678901234567890},"receivedAt":"2026-01-02T03:04:05Z","topic":"hooks","partition":3,"offset":7},
	"steps":[
	 {"id":"create","name":"Create the pet","uses":"petstore/create-pet","iteration":0,"status":"succeeded","attempt":2,"input":{"name":"Gromit"},"output":{"id":12345678901234567890},"error":null,"startedAt":"2026-01-02T03:04:05.5Z","durationMs":12.5,"httpStatus":200,"idempotencyKey":"k",
	  "attempts":[{"attempt":1,"status":"retrying","error":"busy","httpStatus":503,"startedAt":"2026-01-02T03:04:05Z","durationMs":3,"retryAt":"2026-01-02T03:04:05.5Z"},{"attempt":2,"status":"succeeded","error":null,"httpStatus":200,"startedAt":"2026-01-02T03:04:05.5Z","durationMs":12.5}]},
	 {"id":"tell","name":"","uses":"webhook/send","iteration":0,"status":"skipped","attempt":0,"input":null,"output":null,"error":null,"startedAt":"2026-01-02T03:04:05Z","durationMs":0,"httpStatus":0,"idempotencyKey":"","attempts":[]}]}`})
	same(t, run(t, api, "execution", "0192").out, `Execution  0192
Flow       pets, version 1
Status     succeeded
Started    2026-01-02 03:04:05.000
Ended      2026-01-02 03:04:06.000
Duration   1s
Retry of   0191

Hook  POST /hook/pets?a=1  (hooks, partition 3, offset 7)
  x-a: 1
  x-b: 2
  body   {"petname":"Gromit","n":12345678901234567890}

Steps
ID      NAME            USES                 STATUS     ATTEMPTS  DURATION  HTTP
create  Create the pet  petstore/create-pet  succeeded  2         12.5ms    200
tell    -               webhook/send         skipped    0         -         -

create
  input   {"name":"Gromit"}
  output  {"id":12345678901234567890}
  attempt 1  2026-01-02 03:04:05.000  retrying  3ms  busy  (again at 2026-01-02 03:04:05.500)
  attempt 2  2026-01-02 03:04:05.500  succeeded  12.5ms
`)
}

func TestCommandsOnExecutions(t *testing.T) {
	api := canned(t, map[string]string{
		"POST /api/v1/executions/0192/retry":  `{"id":"0193","replayOf":"0192"}`,
		"POST /api/v1/executions/0192/cancel": `{"id":"0192"}`,
	})
	same(t, run(t, api, "retry", "0192").out, "0193 retries 0192\n")
	same(t, run(t, api, "cancel", "0192").out, "0192 is being cancelled\n")
	same(t, run(t, api, "retry", "0192", "-o", "json").out, "{\n  \"id\": \"0193\",\n  \"replayOf\": \"0192\"\n}\n")
}

func TestQueryPrintsATable(t *testing.T) {
	api := canned(t, map[string]string{
		"POST /api/v1/query": `{"columns":[{"name":"status","type":"String"},{"name":"n","type":"UInt64"}],"rows":[["succeeded",18446744073709551615],["failed",null]],"truncated":true}`,
	})
	r := run(t, api, "query", "SELECT status, count() AS n FROM executions GROUP BY status")
	same(t, r.out, `status     n
succeeded  18446744073709551615
failed     null
`)
	same(t, r.err, "only the first 2 rows are shown\n")
}

func TestDoctorFailsWhenAnythingIsWrong(t *testing.T) {
	sick := canned(t, map[string]string{
		"GET /api/v1/doctor": `{"ok":false,"checks":[{"name":"kafka","ok":true,"durationMs":2},{"name":"clickhouse","ok":false,"error":"refused","remedy":"start it","durationMs":1}]}`,
	})
	r := run(t, sick, "doctor")
	same(t, r.out, `CHECK       STATUS  TIME  WHAT TO DO
api         ok      -     -
kafka       ok      2ms   -
clickhouse  failed  1ms   refused; start it
`)
	if r.status != 1 {
		t.Errorf("exit status %d, want 1", r.status)
	}
	if r := run(t, sick, "doctor", "-o", "json"); r.status != 1 || !strings.Contains(r.out, `"ok": false`) {
		t.Errorf("json: exit status %d, %s", r.status, r.out)
	}
	well := canned(t, map[string]string{"GET /api/v1/doctor": `{"ok":true,"checks":[]}`})
	if r := run(t, well, "doctor"); r.status != 0 {
		t.Errorf("exit status %d, want 0", r.status)
	}
}

func TestFollowMissesAndRepeatsNothing(t *testing.T) {
	item := func(n int, status string) string {
		return fmt.Sprintf(`{"id":"%d","flow":"pets","version":1,"status":"%s","startedAt":"2026-01-02T03:04:0%dZ","endedAt":null,"durationMs":null,"error":null,"replayOf":null}`, n, status, n)
	}
	joined := make(chan bool, 2)
	streams := []string{
		// 2 was committed after the stream was joined and is in the list as well.
		"event: execution\ndata: " + item(2, "running") + "\n\n: still here\n\nevent: execution\ndata: " + item(2, "succeeded") + "\n\nevent: execution\ndata: " + item(3, "failed") + "\n\nevent: lost\ndata: {}\n\n",
		"event: execution\ndata: " + item(3, "failed") + "\n\nevent: execution\ndata: " + item(4, "succeeded") + "\n\n",
	}
	next := 0
	release := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/live", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "event: ready\ndata: {}\n\n")
		_ = http.NewResponseController(w).Flush()
		joined <- true
		stream := streams[min(next, len(streams)-1)]
		next++
		_, _ = io.WriteString(w, stream)
		if next == len(streams) {
			_ = http.NewResponseController(w).Flush()
			<-release
		}
	})
	mux.HandleFunc("GET /api/v1/executions", func(w http.ResponseWriter, _ *http.Request) {
		<-joined // the list is asked for after the stream was joined, or this waits for ever
		_, _ = io.WriteString(w, `{"items":[`+item(2, "running")+`,`+item(1, "succeeded")+`],"next":""}`)
	})
	api := httptest.NewServer(mux)
	defer api.Close()
	defer close(release)

	t.Setenv("SLUICE_API", api.URL)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, in := io.Pipe()
	status := make(chan int, 1)
	go func() {
		status <- runTo(ctx, strings.NewReader(""), in, io.Discard, "executions", "--follow", "--output", "json")
		_ = in.Close()
	}()
	lines := bufio.NewScanner(out)
	for _, want := range []string{item(1, "succeeded"), item(2, "running"), item(2, "succeeded"), item(3, "failed"), item(4, "succeeded")} {
		if !lines.Scan() {
			t.Fatalf("the output ended before %s", want)
		}
		same(t, lines.Text(), want)
	}
	cancel()
	if s := <-status; s != 0 {
		t.Errorf("exit status %d after the user ended it, want 0", s)
	}
}

func FuzzEvents(f *testing.F) {
	f.Add("event: execution\ndata: {}\n\n")
	f.Add("data\ndata: a\ndata: b\n\n:\n\nevent\n\n")
	f.Fuzz(func(t *testing.T, stream string) {
		_ = events(strings.NewReader(stream), func(event string, data []byte) error {
			if strings.ContainsAny(event, "\n") {
				t.Errorf("an event's name has several lines: %q", event)
			}
			return nil
		})
	})
}

func FuzzClean(f *testing.F) {
	f.Add("a\x1b[2Jb\nc\x9b")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range clean(s) {
			if r < ' ' || r >= 0x7f && r < 0xa0 {
				t.Errorf("clean(%q) lets %q through", s, r)
			}
		}
	})
}

func TestFollowLinesUp(t *testing.T) {
	var out strings.Builder
	p := &follower{session: &session{out: &out}, seen: map[string]string{}}
	if err := p.line("ID", "FLOW", "VERSION", "STATUS", "STARTED", "DURATION", "ERROR"); err != nil {
		t.Fatal(err)
	}
	x := console.Execution{ID: "0192f5d2-7c3a-7b1e-9f00-5a2b3c4d0002", Flow: "pets", Version: 1, Status: "succeeded", StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	if err := p.print(&x); err != nil {
		t.Fatal(err)
	}
	same(t, out.String(), `ID                                    FLOW                  VERSION  STATUS     STARTED                  DURATION   ERROR
0192f5d2-7c3a-7b1e-9f00-5a2b3c4d0002  pets                  1        succeeded  2026-01-02 03:04:05.000  -          -
`)
}
