package runlog

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
	"sluice/schemas/records"
)

// TestABlobIsReferencedWhereverItsHookIs: by a row, by a record that the run
// log has not read, by a hook that was sent again, and by an open execution
// whose snapshot carries its hook when all else is gone.
func TestABlobIsReferencedWhereverItsHookIs(t *testing.T) {
	onEngines(t, func(t *testing.T, url string) {
		conn := openEngine(t, url)
		k := newKafka(t)
		if _, err := kadm.NewClient(k.producer).CreateTopics(t.Context(), partitions, 1, nil, topics.State()); err != nil {
			t.Fatal(err)
		}
		record := func(id schemas.ExecutionID, topic, blob string) *kgo.Record {
			h := schemas.Hook{
				ID: id, Kind: schemas.KindHook, Flow: "pets", Time: id.Time(), ContentType: "image/png",
				BodyRef: &schemas.BodyRef{Blob: blob, Size: 5 << 20, SHA256: "00ff"},
				Files:   []schemas.File{{Name: "a.png", ContentType: "image/png", Size: 5 << 20, SHA256: "00ff"}},
			}
			r, err := h.Record()
			if err != nil {
				t.Fatal(err)
			}
			r.Topic = topic
			return r
		}
		all := ids(6)
		k.produce(record(all[0], topics.Hooks(), "d/read"), record(all[1], topics.Replays(), "d/sent-again"), hookRecord(t, all[2], "{}"))
		stop := start(t, k.options(conn))
		until(t, conn, 3, "SELECT count() FROM hooks")
		stop()
		if n := count(t, conn, "SELECT count() FROM hooks WHERE blob = 'd/read' AND body = '' AND body_size = 5242880 AND body_sha256 = '00ff' AND JSONExtractString(files, 1, 'name') = 'a.png'"); n != 1 {
			t.Errorf("%d rows have the reference", n)
		}
		if n := count(t, conn, "SELECT count() FROM hooks WHERE blob = '' AND body_size = 2 AND files = ''"); n != 1 {
			t.Errorf("%d rows are of the small body", n)
		}
		k.produce(record(all[3], topics.Hooks(), "d/not-read"), record(all[4], topics.Replays(), "d/not-read-either"))
		carried := record(all[5], topics.Hooks(), "d/waits")
		var header []byte
		for _, h := range carried.Headers {
			if h.Key == "ce_bodyref" {
				header = h.Value
			}
		}
		k.produce(&kgo.Record{Topic: topics.State(), Partition: 1, Key: all[5][:], Value: slices.Concat([]byte("\x0a\x10snapshot\x12"), header, []byte("\x1a\x00"))})

		o := k.options(conn).withDefaults()
		named, err := references(t.Context(), &o)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"d/not-read", "d/not-read-either", "d/read", "d/sent-again", "d/waits"}
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(named))); diff != "" {
			t.Error(diff)
		}
	})
}

// What a sealed snapshot names is found with the keys, and without them nothing
// may be taken for unnamed.
func TestABlobOfASealedSnapshotIsReferenced(t *testing.T) {
	onEngines(t, func(t *testing.T, url string) {
		conn := openEngine(t, url)
		k := newKafka(t)
		if _, err := kadm.NewClient(k.producer).CreateTopics(t.Context(), partitions, 1, nil, topics.State()); err != nil {
			t.Fatal(err)
		}
		keys, err := schemas.NewKeys("a secret key of the tests")
		if err != nil {
			t.Fatal(err)
		}
		keys.Attach(func(context.Context, string, []byte) error { return nil })
		name, err := keys.New(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		id := ids(1)[0]
		value, err := keys.SealState(&records.Execution{Id: id[:], FlowId: "pets", Key: name, StoredHook: &records.StoredHook{
			Headers: []*records.StoredHook_Header{{Key: "ce_bodyref", Value: []byte(`{"blob":"d/sealed","size":5}`)}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		k.produce(&kgo.Record{Topic: topics.State(), Partition: 1, Key: id[:], Value: value})
		o := k.options(conn).withDefaults()
		if _, err := references(t.Context(), &o); err == nil {
			t.Error("without the keys it is said what is named")
		}
		o.Keys = keys
		if named, err := references(t.Context(), &o); err != nil || !named["d/sealed"] {
			t.Errorf("named %v, %v", named, err)
		}
	})
}
