package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// counting is a destination that knows what it was sent.
type counting struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	keys   map[string]int
	fails  bool
}

func newCounting(t *testing.T) *counting {
	c := &counting{keys: map[string]int{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c.mu.Lock()
		c.bodies = append(c.bodies, string(body))
		c.keys[r.Header.Get("Idempotency-Key")]++
		fails := c.fails
		c.mu.Unlock()
		if fails {
			w.WriteHeader(http.StatusBadRequest)
		}
		fmt.Fprint(w, `{"ok":true}`)
	}))
	t.Cleanup(c.Close)
	return c
}

// take returns the bodies that came since the last call.
func (c *counting) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.bodies
	c.bodies = nil
	return b
}

func (in *installation) getAPI(path string, into any) {
	in.t.Helper()
	resp, err := in.apiReq(in.t.Context(), http.MethodGet, "/api/v1"+path)
	if err != nil {
		in.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil || resp.StatusCode != 200 {
		in.t.Fatalf("GET %s: %d: %v: %s", path, resp.StatusCode, err, raw)
	}
}

func (in *installation) replayed(args ...string) (r struct {
	ID       string
	State    string
	Total    int
	Sources  map[string]int
	Progress struct {
		Done   int
		Status map[string]int
	}
	Report struct {
		Compared, Changed, Unchanged int
		Groups                       []struct {
			Group   string
			Count   int
			Example string
		}
	}
}, code int) {
	in.t.Helper()
	out, code := in.sluice(append(append([]string{"replay"}, args...), "--output", "json")...)
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&r); err != nil {
		in.t.Fatalf("sluice replay %v: %q is no JSON: %v", args, out, err)
	}
	return r, code
}

// kinds is a flow that sends on what kind a hook is; the draft's threshold is
// where it thinks otherwise.
func (in *installation) kinds(target string, threshold int, publish bool) {
	in.t.Helper()
	doc := fmt.Sprintf(`kind: Flow
id: kinds
trigger: {uses: webhook/receive}
steps:
  - {id: shape, uses: mapper/map, input: {kind: '=body.n < %d ? "low" : "high"', n: =body.n}}
  - {id: call, uses: webhook/send, retry: {attempts: 1}, input: {url: %q, body: =steps.shape}}
`, threshold, target)
	path := filepath.Join(in.t.TempDir(), "kinds.yaml")
	if err := os.WriteFile(path, []byte(doc), 0o600); err != nil {
		in.t.Fatal(err)
	}
	args := []string{"apply", "-f", path}
	if publish {
		args = append(args, "--publish", "--start")
	}
	in.must(args...)
}

func TestWhatIfFindsWhatADraftWouldChangeAndOnlyThatIsReplayed(t *testing.T) {
	const hooks, changed = 10_000, 137
	target := newCounting(t)
	in := newInstallation(t)
	p := in.start(nil, "dev")
	p.ready()
	in.kinds(target.URL, 0, true)
	in.account("kinds", in.load("kinds", hooks, nil))
	if n := len(target.take()); n != hooks {
		t.Fatalf("%d calls, want %d", n, hooks)
	}
	in.kinds(target.URL, changed, false) // a draft

	began := time.Now()
	dry, code := in.replayed("--flow", "kinds", "--version", "draft", "--dry-run")
	if code != 0 || dry.State != "finished" || dry.Report.Compared != hooks || dry.Report.Changed != changed {
		t.Fatalf("the dry run: exit %d, %+v; want %d compared and %d changed", code, dry, hooks, changed)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("the dry run of %d hooks took %s", hooks, took)
	}
	if n := len(target.take()); n != 0 {
		t.Errorf("the dry run made %d calls", n)
	}
	groups := map[string]int{}
	for _, g := range dry.Report.Groups {
		groups[g.Group] = g.Count
	}
	if groups["effectAltered call"] != changed || groups["output shape"] != changed || len(groups) != 2 {
		t.Errorf("groups = %v", groups)
	}
	var side struct {
		Was, Now string
		Detail   struct {
			Steps []struct {
				Step     string
				Was, Now struct {
					Input, Output json.RawMessage
					Answered      string
				}
			}
		}
	}
	in.getAPI("/replays/"+dry.ID+"/differences/"+dry.Report.Groups[0].Example, &side)
	if len(side.Detail.Steps) != 2 || !strings.Contains(string(side.Detail.Steps[1].Was.Input), `"high"`) ||
		!strings.Contains(string(side.Detail.Steps[1].Now.Input), `"low"`) || side.Detail.Steps[1].Now.Answered != "would call, recorded" {
		t.Errorf("side by side: %+v", side)
	}

	real, code := in.replayed("--changed-in", dry.ID, "--version", "draft")
	if code != 0 || real.Total != changed || real.Progress.Status["succeeded"] != changed {
		t.Fatalf("the replay: exit %d, %+v", code, real)
	}
	calls := target.take()
	if len(calls) != changed {
		t.Errorf("%d calls, want %d", len(calls), changed)
	}
	for _, body := range calls {
		if !strings.Contains(body, `"low"`) {
			t.Errorf("a call did not come from the draft: %s", body)
		}
	}
	if got := in.query("SELECT count(), uniqExact(replay_of), countIf(topic = 'replays') FROM executions WHERE replay = '" + real.ID + "'"); got[0] != changed || got[1] != changed || got[2] != changed {
		t.Errorf("count, originals, and those of the topic replays = %v", got)
	}
	// Both ways.
	var original shown
	in.getAPI("/executions/"+dry.Report.Groups[0].Example, &original)
	if len(original.Replays) != 1 || in.execution(original.Replays[0]).ReplayOf != original.ID {
		t.Errorf("the original is not linked with its replay: %v", original.Replays)
	}
}

// Whatever a flow does, the version that ran would do the same again.
func TestADryRunOfTheVersionThatRanFindsNothing(t *testing.T) {
	target := newCounting(t)
	in := newInstallation(t)
	p := in.start(nil, "dev")
	p.ready()
	in.apply(fmt.Sprintf(`kind: Flow
id: every
trigger: {uses: webhook/receive}
steps:
  - {id: shape, uses: mapper/map, input: {n: =body.n, at: =$now(), r: =$random(), id: =execution.id}}
  - {id: log, uses: flow/log, input: {message: '="n " & body.n'}}
  - {id: delay, uses: flow/delay, input: {for: 50ms}}
  - {id: even, uses: webhook/send, after: [delay], when: =body.n %% 2 = 0, input: {url: %[1]q, body: =steps.shape}}
  - {id: odd, uses: webhook/send, after: [delay], otherwise: true, input: {url: %[1]q, body: {of: =steps.delay}}}
  - {id: list, uses: webhook/send, after: [even, odd], each: =body.items, input: {url: %[1]q, body: {item: =item, of: =steps.delay}}}
  - {id: script, uses: code/javascript, input: {script: "if (input.n == 7) throw new Error('seven'); return input.n + 1", input: {n: =body.n}}}
  - {id: filter, uses: flow/filter, input: {pass: =body.n != 4}}
`, target.URL))
	const hooks = 8
	for n := range hooks {
		in.send("every", fmt.Sprintf(`{"n":%d,"items":[1,2]}`, n))
	}
	in.until(30*time.Second, "all have ended, as they should", func() bool {
		got := in.query("SELECT countIf(status = 'succeeded'), countIf(status = 'filtered'), countIf(status = 'failed') FROM executions WHERE flow = 'every'")
		return slices.Equal(got, []int{hooks - 2, 1, 1})
	})
	target.take()
	dry, code := in.replayed("--flow", "every", "--dry-run")
	if code != 0 || dry.Report.Compared != hooks || dry.Report.Changed != 0 {
		t.Errorf("exit %d, %+v; want %d compared and none changed", code, dry, hooks)
	}
	if n := len(target.take()); n != 0 {
		t.Errorf("the dry run made %d calls", n)
	}
}

func TestAReplayThatIsKilledSendsEachHookOnce(t *testing.T) {
	const hooks = 600
	target := newCounting(t)
	in := newInstallation(t)
	p := in.start(nil, "dev")
	p.ready()
	in.kinds(target.URL, 0, true)
	in.account("kinds", in.load("kinds", hooks, nil))
	target.take()
	id := strings.Fields(in.must("replay", "--flow", "kinds", "--rate", "150/s", "--detach"))[0]
	id = strings.TrimSuffix(id, ";")
	replayed := "SELECT count(), uniqExact(replay_of), countIf(status = 'succeeded') FROM executions WHERE replay = '" + id + "'"
	for _, at := range []int{100, 300} {
		in.until(60*time.Second, fmt.Sprintf("%d hooks are replayed", at), func() bool {
			got := in.query(replayed)
			return len(got) == 3 && got[0] >= at
		})
		p.kill()
		p = in.start(nil, "dev")
		p.ready()
	}
	out, code := in.sluice("replays", id, "--follow")
	if got := in.query(replayed); code != 0 || got[0] != hooks || got[1] != hooks || got[2] != hooks {
		t.Errorf("exit %d, count, originals and succeeded = %v, want %d each\n%s", code, got, hooks, out)
	}
	target.mu.Lock()
	defer target.mu.Unlock()
	repeated := 0
	for _, n := range target.keys {
		repeated += n - 1
	}
	if len(target.keys) != 2*hooks || repeated > 2*100 {
		t.Errorf("%d keys and %d repeated calls, want %d keys and few repeats", len(target.keys), repeated, 2*hooks)
	}
}

func TestAReplayIsSelectedPausedCancelledAndAborted(t *testing.T) {
	const hooks = 300
	target := newCounting(t)
	in := newInstallation(t)
	p := in.start(nil, "dev")
	p.ready()
	in.kinds(target.URL, 0, true)
	in.account("kinds", in.load("kinds", hooks, nil))
	target.take()

	// By offsets, from Kafka; by SQL; by executions.
	var places []struct{ p, first, last int }
	at := in.query("SELECT partition, min(offset), max(offset) FROM hooks WHERE flow = 'kinds' GROUP BY partition")
	places = append(places, struct{ p, first, last int }{at[0], at[1], at[2]})
	some, code := in.replayed("--flow", "kinds", "--offsets", fmt.Sprintf("%d:%d-%d", places[0].p, places[0].first, places[0].first+9))
	if code != 0 || some.Total != 10 || some.Progress.Status["succeeded"] != 10 || some.Sources["hooks"] != 10 {
		t.Errorf("by offsets: %+v", some)
	}
	some, code = in.replayed("--offsets", fmt.Sprintf("%d:%d-%d", places[0].p, places[0].last, places[0].last+100))
	if code != 0 || some.Total != 1 {
		t.Errorf("by offsets alone, beyond the end: %+v", some)
	}
	some, code = in.replayed("--sql", fmt.Sprintf("SELECT partition, offset FROM hooks WHERE topic = 'hooks' AND partition = %d AND offset < %d", places[0].p, places[0].first+3))
	if code != 0 || some.Total != 3 || some.Sources["runlog"] != 3 {
		t.Errorf("by places that SQL gives: %+v", some)
	}
	some, code = in.replayed("--sql", "SELECT execution_id FROM steps WHERE step = 'shape' AND JSONExtractInt(output, 'n') IN (3, 5) AND execution_id IN (SELECT id FROM executions WHERE replay = '')")
	if code != 0 || some.Total != 2 {
		t.Errorf("by SQL: %+v", some)
	}
	some, code = in.replayed("--flow", "kinds", "--field", "body.n=7")
	if code != 0 || some.Total != 1 || some.Progress.Status["succeeded"] != 1 {
		t.Errorf("by a field of the body: %+v", some)
	}
	one := in.list("kinds")[0].ID
	some, code = in.replayed("--execution", one, "--same-keys")
	if code != 0 || some.Total != 1 {
		t.Errorf("by execution: %+v", some)
	}
	target.mu.Lock()
	twice := 0
	for _, n := range target.keys {
		if n == 2 {
			twice++
		}
	}
	target.mu.Unlock()
	if twice != 1 {
		t.Errorf("%d keys went out twice, want that of --same-keys alone", twice)
	}
	if _, stderr := in.sluice("replay", "--sql", "SELECT 1 AS x"); stderr == 0 {
		t.Error("a statement without an execution's ID was taken")
	}

	id := strings.TrimSuffix(strings.Fields(in.must("replay", "--flow", "kinds", "--rate", "20/s", "--detach"))[0], ";")
	in.must("replays", id, "--pause")
	target.take()
	time.Sleep(500 * time.Millisecond)
	before := len(target.take())
	time.Sleep(500 * time.Millisecond)
	if n := len(target.take()); n > 0 {
		t.Errorf("a paused replay made %d calls (and %d on the way)", n, before)
	}
	p.kill()
	p = in.start(nil, "dev")
	p.ready()
	var paused struct{ State string }
	in.getAPI("/replays/"+id, &paused)
	time.Sleep(time.Second)
	if n := len(target.take()); n > 0 || paused.State != "paused" {
		t.Errorf("after a restart the replay is %s and made %d calls, want paused and none", paused.State, n)
	}
	in.must("replays", id, "--resume")
	in.until(30*time.Second, "it goes on", func() bool { return len(target.take()) > 0 })
	in.must("replays", id, "--cancel")
	if got := in.query("SELECT count() FROM executions WHERE replay = '" + id + "'"); len(got) > 0 && got[0] >= hooks {
		t.Errorf("%d executions of a cancelled replay", got[0])
	}

	target.mu.Lock()
	target.fails = true
	target.mu.Unlock()
	aborted, code := in.replayed("--flow", "kinds", "--rate", "100/s", "--max-failures", "20")
	if code != 1 || aborted.State != "aborted" {
		t.Errorf("exit %d, %+v; want 1, aborted", code, aborted)
	}
	if n := aborted.Progress.Status["failed"]; n <= 20 || n >= hooks {
		t.Errorf("%d had failed when it was aborted", n)
	}
}
