package run

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/tools/txtar"

	"sluice/connectors"
	"sluice/connectors/outgoing"
	"sluice/schemas"
	"sluice/schemas/records"
)

var updateStories = flag.Bool("update-stories", false, "write what happened as what is expected")

// TestStories runs every file of testdata/*.txtar: flows, what happens to them,
// how remote systems answer, and the events that are expected on record.
//
// A file named flow is a flow document (YAML). story is a script, a line each:
//
//	send FLOW BODY      a hook; the lines after it are about its execution
//	ask FLOW BODY       a hook whose sender waits for the answer
//	of N                the lines after it are about the Nth that was sent
//	until TEXT          wait until a line of its record contains TEXT
//	callback STEP BODY  its callback URL for the step is called
//	cancel              it is cancelled
//	resolve STEP AS [OUTPUT]
//	retry STEP BODY     a retry of it from a step, which takes over all steps before
//	kill                the runner dies where it stands, and starts again
//	handover            another runner takes over
//	pause|resume|stop FLOW
//	out N               wait until N inputs have gone out, to whomever
//	made N              wait until N attempts have gone out
//	ended N             wait until N executions have ended
//	open N              wait until N executions are open, and that is durable
//	before A B          in the end: what has A in it went out before all that has B
//	together N          in the end: several effects were under way together, N at most
//
// answers says what test/effect gets: TEXT => ANSWER, where the first line whose
// TEXT is in the input counts. An answer is a JSON output, a status (with
// retry-after=2s or retry-after-date=2s behind it, which no further attempt may
// come before), slow (it takes a moment), network, held (its breaker is open), or hang, until the runner dies; after several,
// separated by ;, the last repeats. Without a line, the input is the output.
//
// expect is what is on record, by execution in the order of their beginning,
// and how often each input went out. Where the comment says "sorted", the order
// of an execution's lines is left open.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("want stories in testdata", err)
	}
	tell := func(name, file string, asleep bool) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := &storyTeller{rig: newRig(t), sorted: strings.Contains(string(archive.Comment), "sorted")}
			s.asleep = asleep
			have := s.tell(archive)
			for i := range archive.Files {
				if f := &archive.Files[i]; f.Name == "expect" {
					if *updateStories {
						f.Data = []byte(have)
						if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
							t.Fatal(err)
						}
						return
					}
					if diff := cmp.Diff(strings.TrimSpace(string(f.Data)), strings.TrimSpace(have)); diff != "" {
						t.Errorf("what is expected (-), and what is on record (+):\n%s", diff)
					}
				}
			}
		})
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		tell(name, file, false)
		if !*updateStories {
			tell(name+", asleep", file, true) // the same, where what rests is read back each time
		}
	}
}

type storyTeller struct {
	*rig
	sorted  bool
	answers []answerLine
	mu      sync.Mutex
	sent    map[string]int // inputs of effects
	order   []string
	keys    map[string]string
	ids     []schemas.ExecutionID
	current schemas.ExecutionID
	flow    string
	flows   map[schemas.ExecutionID]string
	asked   map[schemas.ExecutionID]bool // whose senders wait for an answer

	notBefore      map[string]time.Time // by key: what its destination asked for
	underWay, most int                  // effects at once
}

type answerLine struct {
	match   string
	answers []string
	used    *int
}

func (s *storyTeller) tell(archive *txtar.Archive) string {
	t := s.t
	s.sent, s.keys = map[string]int{}, map[string]string{}
	s.asked = map[schemas.ExecutionID]bool{}
	s.flows, s.notBefore = map[schemas.ExecutionID]string{}, map[string]time.Time{}
	var script string
	for _, f := range archive.Files {
		switch f.Name {
		case "flow":
			documents, err := schemas.ReadDocuments("flow.yaml", f.Data, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range documents {
				s.catalog.change(schemas.Change{Type: schemas.FlowPublished, Flow: d.Flow.ID, Document: d.JSON})
				s.catalog.change(schemas.Change{Type: schemas.FlowStarted, Flow: d.Flow.ID})
			}
		case "story":
			script = string(f.Data)
		case "answers":
			for line := range strings.Lines(string(f.Data)) {
				match, answers, ok := strings.Cut(strings.TrimSpace(line), " => ")
				if ok {
					s.answers = append(s.answers, answerLine{match, strings.Split(answers, "; "), new(int)})
				}
			}
		}
	}
	s.do = s.answer
	kill := s.startToKill("a")
	defer func() { kill() }()
	var finally []string
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		verb, rest, _ := strings.Cut(line, " ")
		first, second, _ := strings.Cut(rest, " ")
		switch verb {
		case "", "#":
		case "send":
			s.sends(first, second, "")
		case "ask":
			s.sends(first, second, schemas.ReplyTo{Instance: "edge"}.String())
		case "of":
			n, _ := strconv.Atoi(first)
			s.current = s.ids[n-1]
			s.flow = s.flows[s.current]
		case "until":
			s.until("the record says "+rest, func(h history) bool {
				return h[s.current] != nil && strings.Contains(strings.Join(s.lines(h[s.current]), "\n"), rest)
			})
		case "callback":
			s.append(&schemas.Hook{ID: s.current, Kind: schemas.KindCallback, Flow: s.flow, Time: time.Now(), Step: first, Method: "POST",
				ContentType: "application/json", Body: []byte(second)})
		case "cancel":
			s.append(&schemas.Hook{ID: s.current, Kind: schemas.KindCancel, Flow: s.flow, Time: time.Now()})
		case "resolve":
			as, output, _ := strings.Cut(second, " ")
			step, iteration := splitStep(first)
			body, _ := json.Marshal(schemas.Resolution{As: as, Output: json.RawMessage(output)})
			s.append(&schemas.Hook{ID: s.current, Kind: schemas.KindResolve, Flow: s.flow, Time: time.Now(), Step: step, Iteration: iteration, Body: body})
		case "retry":
			s.retry(first, second)
		case "kill":
			kill()
			kill = s.startToKill("a")
		case "handover":
			stop := s.start("b")
			kill()
			kill = stop
		case "out":
			n, _ := strconv.Atoi(first)
			s.until(first+" inputs have gone out", func(history) bool { return len(s.made()) >= n && s.open() == 0 })
		case "ended":
			n, _ := strconv.Atoi(first)
			s.ended(n)
		case "made":
			n, _ := strconv.Atoi(first)
			s.until(first+" attempts have gone out", func(history) bool { return len(s.made()) >= n })
		case "open":
			n, _ := strconv.Atoi(first)
			s.until(first+" executions are open", func(history) bool { return s.open() == n })
		case "before", "together":
			finally = append(finally, line)
		case "pause":
			s.catalog.change(schemas.Change{Type: schemas.FlowPaused, Flow: first})
		case "stop":
			s.catalog.change(schemas.Change{Type: schemas.FlowStopped, Flow: first})
		case "resume":
			s.catalog.change(schemas.Change{Type: schemas.FlowResumed, Flow: first})
		default:
			t.Fatalf("story: what is %q?", line)
		}
	}
	h := s.until("all have ended", func(h history) bool {
		for _, id := range s.ids {
			if h[id] == nil || h[id].ended == 0 {
				return false
			}
		}
		return true
	})
	for _, line := range finally {
		s.check(line)
	}
	return s.record(h)
}

// sends appends a hook; replyTo is where its sender waits, or empty.
func (s *storyTeller) sends(flow, body, replyTo string) {
	now := time.Now()
	h := &schemas.Hook{
		ID: schemas.NewExecutionID(now, schemas.PartitionOf(flow, rigPartitions)), Kind: schemas.KindHook, Flow: flow,
		Time: now, Method: "POST", Path: "/hook/" + flow, ContentType: "application/json", Body: []byte(body),
		Control: s.catalog.Offset(), ReplyTo: replyTo,
	}
	s.append(h)
	s.flow, s.current = flow, h.ID
	s.ids, s.flows[h.ID] = append(s.ids, h.ID), flow
	s.asked[h.ID] = replyTo != ""
}

// replyTo is what the sender of a hook was answered; nil: nothing yet.
func (s *storyTeller) replyTo(id schemas.ExecutionID) (found *schemas.Reply) {
	s.read(schemas.DefaultTopics.Replies(), func(record *kgo.Record) {
		reply, err := schemas.ParseReply(record)
		if err != nil {
			s.t.Error(err)
		} else if reply.ID == id && found == nil {
			found = reply
		} else if reply.ID == id {
			s.t.Errorf("the sender of %s is answered twice", id)
		}
	})
	return found
}

// check is a line of the story about all that went out.
func (s *storyTeller) check(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	words := strings.Fields(line)
	if words[0] == "together" {
		if n, _ := strconv.Atoi(words[1]); s.most > n || n > 1 && s.most < 2 {
			s.t.Errorf("%d effects were under way together, want %s at most, and more than one", s.most, words[1])
		}
		return
	}
	last, first := -1, -1
	for i, c := range s.rig.calls {
		if strings.Contains(string(c.Input), words[1]) {
			last = i
		}
		if first < 0 && strings.Contains(string(c.Input), words[2]) {
			first = i
		}
	}
	if last < 0 || first < last {
		s.t.Errorf("%s went out last as number %d, %s first as number %d", words[1], last, words[2], first)
	}
}

// record is what is on record of every execution, and what went out.
func (s *storyTeller) record(h history) string {
	ids := make([]schemas.ExecutionID, 0, len(h))
	for id := range h {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b schemas.ExecutionID) int {
		// Those that were sent come first, in their order.
		x, y := slices.Index(s.ids, a), slices.Index(s.ids, b)
		if x < 0 {
			x = len(s.ids)
		}
		if y < 0 {
			y = len(s.ids)
		}
		if x != y {
			return x - y
		}
		if s.sorted { // nor is the order in which flows were called at once
			p, q := s.lines(h[a]), s.lines(h[b])
			slices.Sort(p)
			slices.Sort(q)
			return strings.Compare(strings.Join(p, "\n"), strings.Join(q, "\n"))
		}
		return strings.Compare(h[a].last.FlowId+fmt.Sprint(h[a].last.StartedAt), h[b].last.FlowId+fmt.Sprint(h[b].last.StartedAt))
	})
	var b strings.Builder
	for _, id := range ids {
		fmt.Fprintf(&b, "%s:\n", h[id].last.FlowId)
		lines := s.lines(h[id])
		if s.sorted {
			slices.Sort(lines)
		}
		for _, line := range lines {
			b.WriteString("  " + line + "\n")
		}
		if h[id].ended > 1 {
			fmt.Fprintf(&b, "  ENDED %d TIMES\n", h[id].ended)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.order) > 0 {
		b.WriteString("out:\n")
	}
	if s.sorted {
		slices.Sort(s.order)
	}
	for _, input := range s.order {
		fmt.Fprintf(&b, "  %d× %s\n", s.sent[input], input)
	}
	for i, id := range s.ids {
		if !s.asked[id] {
			continue
		}
		reply := &schemas.Reply{}
		s.until("each that asked is answered", func(history) bool { reply = s.replyTo(id); return reply != nil })
		fmt.Fprintf(&b, "answered hook %d: %d %s\n", i+1, reply.Status, reply.Body)
	}
	return varying.ReplaceAllString(b.String(), "$1…")
}

// varying are the parts of a record that differ each time.
var varying = regexp.MustCompile(`("until":"|"requestId":"|callback/|execution"?:?"? ?)[0-9A-Za-z:_.-]{12,}`)

func (s *storyTeller) lines(story *story) []string {
	var lines []string
	for _, e := range story.events {
		switch fact := e.Fact.(type) {
		case *records.Event_Started:
			lines = append(lines, fmt.Sprintf("started v%d", fact.Started.Version))
		case *records.Event_Expanded:
			lines = append(lines, fmt.Sprintf("%s for %d elements", fact.Expanded.Step, fact.Expanded.Count))
		case *records.Event_Callback:
			lines = append(lines, fmt.Sprintf("%s called", fact.Callback.Step))
		case *records.Event_Given:
			lines = append(lines, fmt.Sprintf("%s given %s %s", fact.Given.Step, schemas.StepStatusName(fact.Given.Status), fact.Given.Output))
		case *records.Event_Skipped:
			lines = append(lines, fact.Skipped.Step+" skipped")
		case *records.Event_Ended:
			line := "ended " + schemas.StatusName(fact.Ended.Status)
			if f := fact.Ended.Failure; f != nil {
				line += fmt.Sprintf(" (%s at %q: %s)", f.Kind, f.Step, f.Message)
			}
			lines = append(lines, line)
		case *records.Event_Attempt:
			a := fact.Attempt
			name := a.Step
			if len(s.eachSteps(story, a.Step)) > 0 {
				name += fmt.Sprintf("[%d]", a.Iteration)
			}
			line := fmt.Sprintf("%s #%d %s", name, a.Number, schemas.StepStatusName(a.Status))
			if a.Postponed {
				line += " postponed"
			}
			if a.Failure != nil {
				line += fmt.Sprintf(" (%s: %s)", a.Failure.Kind, a.Failure.Message)
			} else if len(a.Output) > 0 {
				line += " " + string(a.Output)
			}
			lines = append(lines, line)
		}
	}
	return lines
}

func (s *storyTeller) eachSteps(story *story, step string) []string {
	for _, e := range story.events {
		if x := e.GetExpanded(); x != nil && x.Step == step {
			return []string{step}
		}
	}
	return nil
}

func (s *storyTeller) answer(ctx context.Context, call connectors.Call) (connectors.Result, error) {
	input := string(call.Input)
	s.mu.Lock()
	if s.sent[input]++; s.sent[input] == 1 {
		s.order = append(s.order, input)
	}
	if other, ok := s.keys[call.IdempotencyKey]; ok && other != input {
		s.t.Errorf("the key of %s went out with %s too", other, input)
	}
	s.keys[call.IdempotencyKey] = input
	if early := time.Until(s.notBefore[call.IdempotencyKey]); early > 0 {
		s.t.Errorf("%s went out %v before the time its destination asked for", input, early)
	}
	s.underWay++
	s.most = max(s.most, s.underWay)
	defer func() {
		s.mu.Lock()
		s.underWay--
		s.mu.Unlock()
	}()
	answer := ""
	for _, line := range s.answers {
		if strings.Contains(input, line.match) {
			answer = line.answers[min(*line.used, len(line.answers)-1)]
			*line.used++
			break
		}
	}
	status, after, _ := strings.Cut(answer, " ")
	wait := s.asks(call.IdempotencyKey, after)
	s.mu.Unlock()
	switch {
	case answer == "":
		return connectors.Result{Output: call.Input, HTTPStatus: 200}, nil
	case answer == "slow":
		time.Sleep(20 * time.Millisecond)
		return connectors.Result{Output: call.Input, HTTPStatus: 200}, nil
	case answer == "hang":
		<-ctx.Done()
		return connectors.Result{}, connectors.AsError(ctx.Err())
	case answer == "network":
		return connectors.Result{}, &connectors.Error{Kind: connectors.KindNetwork, Message: "connection refused"}
	case answer == "held":
		return connectors.Result{}, &connectors.Error{Kind: connectors.KindNetwork, Held: true, RetryAfter: 20 * time.Millisecond, Message: "its breaker is open"}
	case len(status) == 3 && status[0] >= '3':
		code, err := strconv.Atoi(status)
		if err == nil {
			return connectors.Result{HTTPStatus: code}, &connectors.Error{Kind: connectors.KindHTTP, HTTPStatus: code, Message: "answered " + status, RetryAfter: wait, Sent: true}
		}
	}
	return connectors.Result{Output: json.RawMessage(answer), HTTPStatus: 200}, nil
}

// asks is the wait that a destination asks for, read as it is out of a response.
func (s *storyTeller) asks(key, header string) time.Duration {
	name, value, _ := strings.Cut(header, "=")
	after, err := time.ParseDuration(value)
	if err != nil {
		return 0
	}
	now := time.Now()
	until := now.Add(after)
	if name == "retry-after-date" {
		until = until.Truncate(time.Second)
		after = outgoing.RetryAfter(until.UTC().Format(http.TimeFormat), now)
	}
	s.notBefore[key] = now.Add(min(until.Sub(now), maxRetryAfter))
	return after
}

func splitStep(name string) (string, int) {
	step, rest, ok := strings.Cut(name, "[")
	if !ok {
		return name, 0
	}
	n, _ := strconv.Atoi(strings.TrimSuffix(rest, "]"))
	return step, n
}

// retry sends the current execution's hook again, from a step on.
func (s *storyTeller) retry(from, body string) {
	var given []schemas.Given
	story := s.history()[s.current]
	x := &records.Execution{Status: records.ExecutionStatus_EXECUTION_STATUS_WAITING}
	for _, e := range story.events {
		schemas.Fold(x, e)
	}
	for _, step := range s.catalog.Flow(s.flow).Latest().Flow.Steps {
		if step.ID == from {
			break
		}
		given = append(given, schemas.Given{Step: step.ID, Status: schemas.StepStatusName(x.Steps[step.ID].GetStatus()), Output: x.Steps[step.ID].GetOutput()})
	}
	now := time.Now()
	raw, _ := json.Marshal(given)
	h := &schemas.Hook{
		ID: schemas.NewExecutionID(now, schemas.PartitionOf(s.flow, rigPartitions)), Kind: schemas.KindHook, Flow: s.flow,
		Time: now, Method: "POST", ContentType: "application/json", Body: []byte(body), Control: s.catalog.Offset(),
		ReplayOf: s.current, Given: raw,
	}
	s.append(h)
	s.current = h.ID
	s.ids = append(s.ids, h.ID)
}
