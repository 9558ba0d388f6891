package console

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"sluice/schemas"
	"sluice/schemas/records"
)

// tail joins; the events come one by one after ready.
func (s *server) tail(query string) <-chan TailEvent {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	s.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/api/v1/tail"+query, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = resp.Body.Close() })
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() || lines.Text() != "event: ready" {
		s.t.Fatalf("the first line is %q", lines.Text())
	}
	events := make(chan TailEvent, 64)
	go func() {
		defer close(events)
		event := ""
		for lines.Scan() {
			name, text, _ := strings.Cut(lines.Text(), ": ")
			if name == "event" {
				event = text
			}
			if name != "data" || event != "events" {
				continue
			}
			var list []TailEvent
			if err := json.Unmarshal([]byte(text), &list); err != nil {
				s.t.Error(err)
			}
			for _, e := range list {
				events <- e
			}
		}
	}()
	return events
}

func TestATailTellsHooksStepsAndExecutionsAsTheyHappen(t *testing.T) {
	s := newServer(t, nil)
	all, failed := s.tail(""), s.tail("?status=failed&kind=step")
	at := time.Now().UTC()
	id := schemas.NewExecutionID(at, 1)
	hook, err := (&schemas.Hook{ID: id, Kind: schemas.KindHook, Flow: "pets", Time: at, Method: "POST", Path: "/hook/pets", ContentType: "application/json", Body: []byte("{\"name\":\n \"<b>\"}")}).Record()
	if err != nil {
		t.Fatal(err)
	}
	hook.Topic = schemas.DefaultTopics.Hooks()
	value, err := proto.Marshal(&records.ExecutionRecord{
		ExecutionId: id[:], FlowId: "pets", Status: records.ExecutionStatus_EXECUTION_STATUS_FAILED, StartedAt: at.UnixNano(),
		Events: []*records.Event{
			{At: at.UnixNano(), Fact: &records.Event_Attempt{Attempt: &records.Attempt{Step: "tell", Number: 2, Status: records.StepStatus_STEP_STATUS_FAILED, HttpStatus: 503,
				Duration: int64(5 * time.Millisecond), Failure: &records.Failure{Message: "no"}}}},
			{At: at.Add(7 * time.Millisecond).UnixNano(), Fact: &records.Event_Ended{Ended: &records.Ended{Status: records.ExecutionStatus_EXECUTION_STATUS_FAILED, Failure: &records.Failure{Message: "no", Step: "tell"}}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	execution := record(t, id, "pets", records.ExecutionStatus_EXECUTION_STATUS_FAILED)
	execution.Value = value
	if err := s.client(kgo.RecordPartitioner(kgo.ManualPartitioner())).ProduceSync(t.Context(), hook, execution).FirstErr(); err != nil {
		t.Fatal(err)
	}
	have := map[string]TailEvent{}
	for range 3 {
		e := <-all
		have[e.Kind] = e
	}
	equal(t, "the hook", have["hook"].Method+" "+have["hook"].Path+" "+have["hook"].Preview, `POST /hook/pets {"name": "<b>"}`)
	equal(t, "the step", []any{have["step"].Step, have["step"].Attempt, have["step"].HTTPStatus, have["step"].DurationMs, have["step"].Error}, []any{"tell", 2, 503, 5, "no"})
	equal(t, "the execution", []any{have["execution"].Status, have["execution"].DurationMs, have["execution"].Execution}, []any{"failed", 7, id.String()})
	e := <-failed
	equal(t, "of the failed steps", e.Kind+" "+e.Step, "step tell")
}

func TestATailCountsWhatItHoldsBack(t *testing.T) {
	in := tailInput{Q: "GROMIT"}
	who := &tailer{wants: in.wants, held: map[string]int{}}
	for range tailAtOnce + 3 {
		who.tell(TailEvent{Kind: "hook", Preview: "gromit"})
		who.tell(TailEvent{Kind: "hook", Preview: "wallace"})
	}
	events, held := who.take()
	equal(t, "what is told", len(events), tailAtOnce)
	equal(t, "what is held back", held, map[string]int{"hook": 3})
	if events, held = who.take(); len(events) != 0 || len(held) != 0 {
		t.Errorf("it is told again: %d %v", len(events), held)
	}
}

func TestAPreviewIsTextOnOneLine(t *testing.T) {
	equal(t, "text", preview([]byte("a\n  b\tc")), "a b c")
	equal(t, "no text", preview([]byte(strings.Repeat("\xff\xfe", 50))), "")
	equal(t, "much text", preview([]byte(strings.Repeat("ü", 400))), strings.Repeat("ü", 82)+"…")
}

// Whoever changes a filter leaves and comes back; Kafka is read on meanwhile.
func TestAReadingGoesOnForAWhileAndEnds(t *testing.T) {
	ended := make(chan struct{})
	r := newReading(nil, nil, nil)
	r.lingers = time.Minute
	run := &readingRun{stop: func() { close(ended) }, ready: make(chan struct{})}
	close(run.ready)
	r.run = run
	leave, err := r.join(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	leave()
	r.lingers = time.Millisecond
	back, err := r.join(t.Context())
	if err != nil || r.run != run {
		t.Fatalf("whoever comes back has another reading (%v)", err)
	}
	select {
	case <-ended:
		t.Error("it ended while somebody was there")
	default:
	}
	back()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("it goes on although nobody is there")
	}
}
