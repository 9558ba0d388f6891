package console

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"sluice/schemas"
	"sluice/schemas/records"
)

// listen joins the live stream; the events come after ready.
func (s *server) listen(query string) <-chan Execution {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	s.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/api/v1/live"+query, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = resp.Body.Close() })
	equal(s.t, "Content-Type", resp.Header.Get("Content-Type"), "text/event-stream")
	lines := bufio.NewReader(resp.Body)
	next := func() (event, data string) {
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				if err != io.EOF && ctx.Err() == nil {
					s.t.Error(err)
				}
				return "", ""
			}
			name, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			switch {
			case name == "event":
				event = text
			case name == "data":
				data = text
			case line == "\n" && event != "":
				return event, data
			}
		}
	}
	if event, _ := next(); event != "ready" {
		s.t.Fatalf("the first event is %q, want ready", event)
	}
	events := make(chan Execution, 16)
	go func() {
		defer close(events)
		for {
			event, data := next()
			if event == "" {
				return
			}
			var x Execution
			if err := json.Unmarshal([]byte(data), &x); err != nil {
				s.t.Error(err)
			}
			events <- x
		}
	}()
	return events
}

func record(t *testing.T, id schemas.ExecutionID, flow string, status records.ExecutionStatus) *kgo.Record {
	t.Helper()
	value, err := proto.Marshal(&records.ExecutionRecord{
		ExecutionId: id[:], FlowId: flow, Version: 3, Status: status, StartedAt: 1_700_000_000_000_001_000, EndedAt: 1_700_000_000_002_501_000,
		Failure: &records.Failure{Kind: "http", Message: "no", Step: "create"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &kgo.Record{Topic: schemas.DefaultTopics.Executions(), Partition: id.Partition(), Value: value}
}

func TestLiveTellsOfCommittedExecutions(t *testing.T) {
	s := newServer(t, nil)
	producer := s.client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID("test"))
	commit := func(end kgo.TransactionEndTry, rs ...*kgo.Record) {
		t.Helper()
		if err := producer.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := producer.ProduceSync(t.Context(), rs...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := producer.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
	failed, succeeded := records.ExecutionStatus_EXECUTION_STATUS_FAILED, records.ExecutionStatus_EXECUTION_STATUS_SUCCEEDED
	before := schemas.NewExecutionID(time.Now(), 0)
	commit(kgo.TryCommit, record(t, before, "pets", succeeded)) // nobody listens yet

	all, cats := s.listen(""), s.listen("?flow=cats")
	aborted, pet, cat := schemas.NewExecutionID(time.Now(), 0), schemas.NewExecutionID(time.Now(), 0), schemas.NewExecutionID(time.Now(), 0)
	commit(kgo.TryAbort, record(t, aborted, "cats", succeeded))
	commit(kgo.TryCommit, record(t, pet, "pets", failed), record(t, cat, "cats", succeeded))

	first, second := <-all, <-all
	equal(t, "the first one told", first.ID, pet)
	equal(t, "the second one told", second.ID, cat)
	equal(t, "the one flow's", (<-cats).ID, cat)
	if first.Status != "failed" || first.Version != 3 || *first.DurationMs != 2.5 || *first.Error != "no" || first.ErrorKind != "http" || first.ErrorStep != "create" {
		t.Errorf("the execution told is %+v", first)
	}
	equal(t, "its start", first.StartedAt.Format(time.RFC3339Nano), "2023-11-14T22:13:20.000001Z")
}

func TestALiveClientThatComesBackIsToldWhatItMissed(t *testing.T) {
	s := newServer(t, nil)
	producer := s.client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	say := func(flow string, status records.ExecutionStatus) schemas.ExecutionID {
		t.Helper()
		id := schemas.NewExecutionID(time.Now(), 1)
		if err := producer.ProduceSync(t.Context(), record(t, id, flow, status)).FirstErr(); err != nil {
			t.Fatal(err)
		}
		return id
	}
	succeeded, failed := records.ExecutionStatus_EXECUTION_STATUS_SUCCEEDED, records.ExecutionStatus_EXECUTION_STATUS_FAILED
	seen := told{Execution{ID: say("pets", succeeded).String()}, time.Now()}
	missed, others := say("pets", failed), say("cats", failed)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/api/v1/live?flow=pets&status=failed", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Last-Event-ID", eventID(seen))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	var text strings.Builder
	for lines.Scan() && lines.Text() != "event: ready" {
		text.WriteString(lines.Text() + "\n")
	}
	if !strings.Contains(text.String(), missed.String()) {
		t.Errorf("the client is not told of what it missed: %s", text.String())
	}
	if strings.Contains(text.String(), others.String()) || strings.Contains(text.String(), seen.ID) {
		t.Errorf("the client is told of what it does not listen for: %s", text.String())
	}
	for _, unknown := range []string{"x", "1-" + missed.String()} {
		missed, err := newLive(s.kafka, schemas.DefaultTopics, nil).since(t.Context(), unknown, func(*Execution) bool { return true })
		if err == nil {
			t.Errorf("after %q nothing is said to be lost, and %d are told", unknown, len(missed))
		}
	}
}

func TestALiveListenerThatSleepsIsLetGo(t *testing.T) {
	l := newLive(nil, schemas.DefaultTopics, nil)
	l.reading.lingers = time.Millisecond
	stopped := make(chan struct{})
	l.reading.run = &readingRun{stop: func() { close(stopped) }, ready: make(chan struct{})}
	close(l.reading.run.ready)
	sleeper, leave, err := l.join(t.Context(), func(*Execution) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	for range listenerQueue + 1 {
		l.tell(told{Execution: Execution{Flow: "pets"}}) // never waits
	}
	select {
	case <-sleeper.lost:
	default:
		t.Error("the listener's queue is full and it was not let go")
	}
	leave() // harmless
	select {
	case <-stopped:
	case <-time.After(10 * time.Second):
		t.Error("Kafka is still read although nobody listens")
	}
}

func TestLiveAnswers503WithoutKafka(t *testing.T) {
	nowhere := []kgo.Opt{kgo.SeedBrokers("127.0.0.1:1"), kgo.DialTimeout(time.Second), kgo.RetryTimeout(time.Second), kgo.RequestRetries(0)}
	s := newServer(t, func(o *Options) { o.Kafka = nowhere })
	s.must(503, "GET", "/api/v1/live", "")
}
