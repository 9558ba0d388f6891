package cli

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/connectors/all"
	"sluice/connectors/mapping"
	"sluice/console"
	"sluice/schemas"
	"sluice/schemas/control"
)

func TestMain(m *testing.M) {
	time.Local = time.UTC // tables show local times
	os.Exit(m.Run())
}

// result is what a command printed, and its exit status.
type result struct {
	status   int
	out, err string
}

func run(t *testing.T, api string, args ...string) result {
	t.Helper()
	t.Setenv("SLUICE_API", api)
	return runWith(t.Context(), strings.NewReader(""), args...)
}

func runWith(ctx context.Context, in io.Reader, args ...string) result {
	var out, errs bytes.Buffer
	status := runTo(ctx, in, &out, &errs, args...)
	return result{status, out.String(), errs.String()}
}

func runTo(ctx context.Context, in io.Reader, out, errs io.Writer, args ...string) int {
	root := &cobra.Command{Use: "sluice"}
	root.AddCommand(Commands(Options{
		Components: all.New, Mapping: func() *mapping.Engine { return mapping.New(mapping.Limits{}) },
	})...)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	return Run(ctx, root)
}

// server starts a console over a Kafka of its own.
func server(t *testing.T, publicURL, token string) (url string, log *control.Log) {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	kafka := []kgo.Opt{kgo.SeedBrokers(fake.ListenAddrs()...)}
	client, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := schemas.EnsureTopics(t.Context(), client, schemas.DefaultTopics, 1, schemas.Replication{Factor: 1, MinInSync: 1}); err != nil {
		t.Fatal(err)
	}
	cipher, err := control.NewCipher(control.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	silence := slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(context.Background())
	log = control.New(control.Options{Topics: schemas.DefaultTopics, Kafka: kafka, Cipher: cipher, Logger: silence})
	if err := log.Start(ctx); err != nil {
		t.Fatal(err)
	}
	set, err := all.New()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := console.New(console.Options{
		Listener: listener, Control: log, Components: set, Mapping: mapping.New(mapping.Limits{}), Kafka: kafka,
		Topics: schemas.DefaultTopics, PublicURL: publicURL, Token: token, Logger: silence,
	})
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + listener.Addr().String(), log
}

// canned is an API with fixed answers by method and path.
func canned(t *testing.T, answers map[string]string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := answers[r.Method+" "+r.URL.RequestURI()]
		if !ok {
			t.Errorf("the API was asked for %s %s", r.Method, r.URL.RequestURI())
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func same(t *testing.T, have, want string) {
	t.Helper()
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("(-want +have)\n%s", diff)
	}
}

const pets = `kind: Flow
id: pets
name: Pets
trigger: {uses: webhook/receive, credential: door, sample: {n: 12345678901234567890}}
steps:
  - id: shape
    uses: mapper/map
    input: {name: =body.petname}
---
kind: Credential
id: door
uses: webhook
type: basic
values: {username: ann, password: "${DOOR_PASSWORD}"}
`

func TestApplyPublishesAndStarts(t *testing.T) {
	t.Setenv("DOOR_PASSWORD", `p"ss: ${NOT} 'word' — ✓`)
	api, log := server(t, "https://hooks.example.com", "")
	r := run(t, api, "apply", "-f", file(t, "pets.yaml", pets), "--publish", "--start")
	if r.status != 0 {
		t.Fatalf("exit status %d: %s", r.status, r.err)
	}
	same(t, r.out, `KIND        ID    RESULT   VERSION  STATE    HOOK URL
Flow        pets  created  1        running  https://hooks.example.com/hook/pets
Credential  door  created  -        -        -
`)
	same(t, log.Secret("door")["password"], `p"ss: ${NOT} 'word' — ✓`)

	again := run(t, api, "apply", "-f", file(t, "pets.yaml", pets), "--publish", "--start", "--output", "json")
	if !strings.Contains(again.out, `"result": "unchanged"`) || strings.Contains(again.out, "created") {
		t.Errorf("the second apply says %s", again.out)
	}
	list := run(t, api, "flows")
	same(t, list.out, `ID    NAME  STATE    VERSION  DRAFT  HOOK URL
pets  Pets  running  1        -      https://hooks.example.com/hook/pets
`)
	for _, c := range []struct{ command, state string }{{"pause", "paused"}, {"resume", "running"}, {"stop", "stopped"}, {"start", "running"}, {"publish", "running"}} {
		r := run(t, api, c.command, "Pets", "--output", "json")
		if r.status != 0 || !strings.Contains(r.out, `"state": "`+c.state+`"`) {
			t.Errorf("%s: exit status %d, %s%s", c.command, r.status, r.out, r.err)
		}
	}
	same(t, run(t, api, "credentials").out, `ID    NAME  CONNECTOR  TYPE   VERIFIED  USED BY
door  -     webhook    basic  -         pets
`)
	refused := run(t, api, "delete", "credential", "door")
	if refused.status != 1 || !strings.Contains(refused.err, "used by running flows: pets") {
		t.Errorf("deleting a used credential: exit status %d, %s", refused.status, refused.err)
	}
	refused = run(t, api, "delete", "flow", "pets")
	if refused.status != 1 || !strings.Contains(refused.err, "stop it first") {
		t.Errorf("deleting a running flow: exit status %d, %s", refused.status, refused.err)
	}
	run(t, api, "stop", "pets")
	same(t, run(t, api, "delete", "flow", "pets").out, "flow pets deleted\n")
	same(t, run(t, api, "delete", "credential", "door").out, "credential door deleted\n")
	same(t, run(t, api, "flows").out, "There are no flows yet. Apply one: sluice apply -f flow.yaml --publish --start\n")
}

func TestAWrongDocumentIsToldWithItsPlaceAndChangesNothing(t *testing.T) {
	api, log := server(t, "", "")
	path := file(t, "pets.yaml", `kind: Flow
id: pets
trigger:
  uses: webhook/receive
steps:
  - id: shape
    uses: petstore/create-cat
  - id: more
    uses: mapper/map
    credential: door
    input: {name: "=body.("}
`)
	good := file(t, "good.yaml", strings.Replace(pets, "${DOOR_PASSWORD}", "x", 1))
	r := run(t, api, "apply", "-f", good, "-f", path, "--publish", "--start")
	if r.status != 1 || r.out != "" {
		t.Errorf("exit status %d with %q, want 1 with nothing", r.status, r.out)
	}
	lines := strings.Split(strings.TrimSpace(r.err), "\n")
	for i, want := range []string{":7:11: ", ":10:17: ", ":11:"} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], path+want) {
			t.Errorf("line %d of the errors does not begin with FILE%s:\n%s", i+1, want, r.err)
		}
	}
	if !strings.Contains(lines[0], `"petstore/create-cat"; `) || !strings.Contains(lines[0], "petstore/create-pet") {
		t.Errorf("the first error says neither what is wrong nor what would be right: %s", lines[0])
	}
	if log.Offset() != 0 || len(log.Flows()) != 0 {
		t.Error("something was changed")
	}
	unset := run(t, api, "apply", "-f", file(t, "door.yaml", pets))
	if unset.status != 1 || !strings.Contains(unset.err, "DOOR_PASSWORD") {
		t.Errorf("an unset variable: exit status %d, %s", unset.status, unset.err)
	}
	syntax := run(t, api, "apply", "-f", file(t, "bad.json", "{\n  \"kind\": \"Flow\",\n}"))
	if syntax.status != 1 || !strings.Contains(syntax.err, "bad.json:3:1: ") {
		t.Errorf("wrong JSON: exit status %d, %s", syntax.status, syntax.err)
	}
	if log.Offset() != 0 {
		t.Error("something was changed")
	}
}

func TestAWrongDocumentIsToldWithoutTheAPI(t *testing.T) {
	path := file(t, "pets.yaml", "kind: Flow\ntrigger: {uses: webhook/recieve}\nsteps: []\n")
	r := run(t, "http://127.0.0.1:1", "apply", "-f", path)
	if r.status != 1 || !strings.HasPrefix(r.err, path+":2:17: ") {
		t.Errorf("exit status %d, %s", r.status, r.err)
	}
	right := file(t, "right.yaml", "kind: Flow\ntrigger: {uses: webhook/receive, credential: door}\nsteps: [{id: a, uses: petstore/get-pet, credential: store, input: {id: 1}}]\n")
	if r := run(t, "http://127.0.0.1:1", "apply", "-f", right); r.status != 1 || !strings.HasPrefix(r.err, "sluice: the API at http://127.0.0.1:1 does not answer") {
		t.Errorf("with nothing wrong but the API: exit status %d, %s", r.status, r.err)
	}
}

func TestAnAPIThatIsAwayIsToldWithTheRemedy(t *testing.T) {
	for _, args := range [][]string{{"flows"}, {"executions"}, {"executions", "--follow"}, {"execution", "x"}, {"doctor"}, {"query", "SELECT 1"}, {"send", "pets"}, {"stop", "pets"}} {
		r := run(t, "http://127.0.0.1:1", args...)
		if r.status != 1 || !strings.Contains(r.err, "http://127.0.0.1:1 does not answer") || !strings.Contains(r.err, "`make run` or `sluice dev`") {
			t.Errorf("%v: exit status %d, %s", args, r.status, r.err)
		}
	}
}

func TestTheTokenIsSent(t *testing.T) {
	api, _ := server(t, "", "t0ken")
	r := run(t, api, "flows")
	if r.status != 1 || !strings.Contains(r.err, "SLUICE_API_TOKEN") {
		t.Errorf("without the token: exit status %d, %s", r.status, r.err)
	}
	t.Setenv("SLUICE_API_TOKEN", "t0ken")
	if r := run(t, api, "flows"); r.status != 0 {
		t.Errorf("with the token: exit status %d, %s", r.status, r.err)
	}
}

func TestWrongUseHasStatus2(t *testing.T) {
	api := canned(t, nil)
	for _, args := range [][]string{
		{"nothing"}, {"flows", "x"}, {"flows", "--nothing"}, {"flows", "--output", "xml"}, {"flows", "--api", "nowhere"},
		{"start"}, {"delete"}, {"delete", "flow"}, {"apply"}, {"execution"}, {"eval"}, {"eval", "1", "--output", "x"}, {"query"},
		{"executions", "--limit", "many"}, {"executions", "--follow", "--search", "x"}, {"send"},
	} {
		r := run(t, api, args...)
		if r.status != 2 || !strings.Contains(r.err, "--help`") || r.out != "" {
			t.Errorf("%v: exit status %d, %q, %s; want 2 and a word on --help", args, r.status, r.out, r.err)
		}
	}
}

func TestTheAddressComesFromFlagThenEnvironment(t *testing.T) {
	t.Setenv("SLUICE_API", "")
	t.Setenv("SLUICE_CONSOLE_ADDR", "")
	check := func(flag, want string) {
		t.Helper()
		c, err := newClient(flag)
		if err != nil {
			t.Fatal(err)
		}
		same(t, c.base, want)
	}
	check("", "http://127.0.0.1:8090")
	t.Setenv("SLUICE_CONSOLE_ADDR", ":9000")
	check("", "http://127.0.0.1:9000")
	t.Setenv("SLUICE_API", "https://sluice.example.com/")
	check("", "https://sluice.example.com")
	check("http://localhost:1", "http://localhost:1")
}

func TestEvalNeedsNoServer(t *testing.T) {
	data := file(t, "order.json", `{"id": 12345678901234567890, "items": [{"n": 1}, {"n": 2}]}`)
	for _, c := range []struct {
		args   []string
		status int
		out    string
	}{
		{[]string{"$sum(items.n)", "--data", data}, 0, "3\n"},
		{[]string{"=id", "--data", data}, 0, "12345678901234567890\n"},
		{[]string{"nothing", "--data", data}, 0, "undefined\n"},
		{[]string{"nothing", "--data", data, "-o", "json"}, 0, "{\n  \"undefined\": true\n}\n"},
		{[]string{"id", "--data", data, "-o", "json"}, 0, "{\n  \"result\": 12345678901234567890,\n  \"engine\": \"compiled\"\n}\n"},
		{[]string{"1 +"}, 1, ""},
		{[]string{"1", "--data", data + "x"}, 1, ""},
	} {
		r := run(t, "http://127.0.0.1:1", append([]string{"eval"}, c.args...)...)
		if r.status != c.status {
			t.Errorf("eval %v: exit status %d, %s", c.args, r.status, r.err)
		}
		same(t, r.out, c.out)
	}
	if r := run(t, "", "eval", "1 +"); !strings.Contains(r.err, "S0207") {
		t.Errorf("the error says %s", r.err)
	}
	if r := runWith(t.Context(), strings.NewReader(`{"a": 1}`), "eval", "a", "--data", "-"); r.out != "1\n" {
		t.Errorf("from standard input: %q %s", r.out, r.err)
	}
}

func TestSendShowsTheAnswer(t *testing.T) {
	type sent struct{ method, path, contentType, custom, body string }
	hooks := make(chan sent, 1)
	edge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		hooks <- sent{r.Method, r.URL.Path, r.Header.Get("Content-Type"), r.Header.Get("X-Custom"), string(body)}
		w.Header().Set("X-Request-Id", "0192")
		if r.Method == http.MethodPut {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, `{"message":"thank you"}`)
	}))
	defer edge.Close()
	t.Setenv("DOOR_PASSWORD", "x")
	api, _ := server(t, edge.URL, "")
	if r := run(t, api, "apply", "-f", file(t, "pets.yaml", pets)); r.status != 0 {
		t.Fatal(r.err)
	}
	r := run(t, api, "send", "pets", file(t, "x.json", `{"a": 1}`), "-H", "X-Custom: yes")
	same(t, r.out, "200 OK\nX-Request-Id: 0192\n{\"message\":\"thank you\"}\n")
	if have, want := <-hooks, (sent{"POST", "/hook/pets", "application/json", "yes", `{"a": 1}`}); have != want {
		t.Errorf("sent %+v, want %+v", have, want)
	}
	run(t, api, "send", "Pets") // the sample
	if have := <-hooks; have.body != `{"n":12345678901234567890}` {
		t.Errorf("without a file %q was sent", have.body)
	}
	r = run(t, api, "send", "pets", file(t, "x.txt", "hello"), "--method", "put", "--content-type", "text/csv", "--output", "json")
	if have, want := <-hooks, (sent{"PUT", "/hook/pets", "text/csv", "", "hello"}); have != want {
		t.Errorf("sent %+v, want %+v", have, want)
	}
	if r.status != 1 {
		t.Errorf("exit status %d after a 404, want 1", r.status)
	}
	same(t, r.out, `{
  "status": 404,
  "requestId": "0192",
  "contentType": "text/plain; charset=utf-8",
  "body": {
    "message": "thank you"
  }
}
`)
	if r := run(t, api, "send", "nothing"); r.status != 1 || !strings.Contains(r.err, "sluice flows") {
		t.Errorf("an unknown flow: exit status %d, %s", r.status, r.err)
	}
}
