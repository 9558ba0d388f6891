package console

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
)

// hookRow is a hook in the run log's table, at an offset of partition 2.
func (h *history) hookRow(id schemas.ExecutionID, flow string, offset int) {
	h.insert("runlog_hooks", "id, flow, received_at, method, path, query, headers, content_type, body, topic, source_partition, source_offset",
		[]any{id.String(), flow, id.Time(), "POST", "/hook/" + flow, "", map[string]string{}, "", "", "hooks", int32(2), uint64(offset)})
}

func (h *history) executionRow(id schemas.ExecutionID, flow, status string, offset int) {
	h.insert("runlog_executions", "id, flow, version, status, started_at, topic, partition, offset, source_offset",
		[]any{id.String(), flow, uint32(1), status, id.Time(), "hooks", int32(2), int64(offset), uint64(offset)})
}

func (h *history) into(v any, status int, method, path, body string) {
	h.t.Helper()
	if err := json.Unmarshal(h.must(status, method, path, body).body, v); err != nil {
		h.t.Fatal(err)
	}
}

func TestTheAccountAddsUp(t *testing.T) {
	h := newHistory(t)
	before := h.at.Add(-10 * time.Minute)
	for i, status := range []string{"succeeded", "succeeded", "failed", "duplicate", "filtered", "cancelled", "waiting", "running"} {
		id := schemas.NewExecutionID(before.Add(time.Duration(i)*time.Second), 2)
		h.hookRow(id, "pets", i)
		h.executionRow(id, "pets", status, i)
	}
	var a Accounting
	h.into(&a, 200, "GET", "/api/v1/accounting?flow=pets", "")
	want := Account{Flow: "pets", Accepted: 8, Succeeded: 2, Failed: 1, Duplicate: 1, Filtered: 1, Cancelled: 1, Open: 2}
	if !a.OK || len(a.Flows) != 1 || a.Flows[0] != want || len(a.Minutes) == 0 {
		t.Errorf("the account is %+v, want ok and %+v", a, want)
	}
	h.must(400, "GET", "/api/v1/accounting?since=yesterday", "")
}

func TestWhatDoesNotAddUpIsNamed(t *testing.T) {
	h := newHistory(t)
	before := h.at.Add(-10 * time.Minute)
	at := func(i int) schemas.ExecutionID {
		return schemas.NewExecutionID(before.Add(time.Duration(i)*time.Second), 2)
	}
	// Kafka has five hooks and a command among them.
	producer := h.client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	var ids []schemas.ExecutionID
	for i := range 6 {
		id := at(i)
		ids = append(ids, id)
		hook := schemas.Hook{ID: id, Kind: schemas.KindHook, Flow: "pets", Time: id.Time(), Method: "POST"}
		if i == 3 {
			hook.Kind = schemas.KindCancel
		}
		r, err := hook.Record()
		if err != nil {
			t.Fatal(err)
		}
		r.Topic = schemas.DefaultTopics.Hooks()
		if err := producer.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for _, i := range []int{0, 1, 4, 5} { // 2 is a hole, 3 a command
		h.hookRow(ids[i], "pets", i)
	}
	for _, i := range []int{0, 4, 5} { // the runner says nothing of 1
		h.executionRow(ids[i], "pets", "succeeded", i)
	}
	stranger := at(7) // nobody sent it
	h.executionRow(stranger, "pets", "succeeded", 4)
	for topic, next := range map[string]int64{"hooks": 6, "executions": 6} {
		h.insert("runlog_progress", "topic, partition, next_offset, topic_id", []any{schemas.DefaultTopics.Prefix + topic, int32(2), next, "x"})
	}
	client := h.client()
	passed := kadm.Offsets{}
	passed.AddOffset(schemas.DefaultTopics.Hooks(), 2, 6, -1)
	if err := kadm.NewClient(client).CommitAllOffsets(t.Context(), schemas.DefaultTopics.Prefix+"run", passed); err != nil {
		t.Fatal(err)
	}

	var a Accounting
	h.into(&a, 200, "GET", "/api/v1/accounting", "")
	named := map[string]string{}
	for _, p := range a.Problems {
		named[p.Kind] = strings.Join(p.IDs, ",")
	}
	want := map[string]string{"no-execution": ids[1].String(), "no-hook": stranger.String(), "hole": ids[2].String()}
	if a.OK || len(named) != len(want) {
		t.Fatalf("ok is %v, the problems are %v; want %v", a.OK, named, want)
	}
	for kind, id := range want {
		if named[kind] != id {
			t.Errorf("%s names %q, want %q", kind, named[kind], id)
		}
	}
	var d Diagnosis
	h.into(&d, 200, "GET", "/api/v1/doctor", "")
	found := false
	for _, check := range d.Checks {
		if check.Name == "accounting" {
			found = !check.OK && strings.Contains(check.Error, ids[1].String()) && strings.Contains(check.Error, ids[2].String())
		}
	}
	if !found || d.OK {
		t.Errorf("the doctor says %+v", d)
	}
}
