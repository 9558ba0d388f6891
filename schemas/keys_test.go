package schemas

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"sluice/schemas/records"
)

// topicOfKeys is the topic keys for a test, in memory.
type topicOfKeys map[string][]byte

func testKeys(t testing.TB, topic topicOfKeys) *Keys {
	t.Helper()
	k, err := NewKeys("a passphrase of some length")
	if err != nil {
		t.Fatal(err)
	}
	k.Attach(func(_ context.Context, tree string, sealed []byte) error {
		topic[tree] = sealed
		return nil
	})
	for tree, sealed := range topic {
		if err := k.Apply(tree, sealed); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

func TestDeletingKeysLeavesAllOthersAndNoneOfThem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := newKeyTree()
		deleted := rapid.SliceOfN(rapid.IntRange(0, keyLeaves-1), 0, 40).Draw(t, "deleted")
		deleted = append(deleted, rapid.SampledFrom([]int{0, 1, keyLeaves / 2, keyLeaves - 1}).Draw(t, "edge"))
		at := rapid.IntRange(0, len(deleted)).Draw(t, "at once")
		tree, n := whole.without(deleted[:at])
		tree, more := tree.without(deleted[at:])
		if distinct := slices.Compact(slices.Sorted(slices.Values(deleted))); n+more != len(distinct) {
			t.Fatalf("%d keys were deleted, want %d", n+more, len(distinct))
		}
		tree, err := readKeyTree(tree.bytes())
		if err != nil {
			t.Fatal(err)
		}
		for _, leaf := range append(rapid.SliceOfN(rapid.IntRange(0, keyLeaves-1), 30, 30).Draw(t, "asked"), deleted...) {
			want, _ := whole.leaf(leaf)
			have, ok := tree.leaf(leaf)
			if gone := slices.Contains(deleted, leaf); gone && ok || !gone && (!ok || have != want) {
				t.Fatalf("key %d, deleted: %v; have it: %v", leaf, gone, ok)
			}
		}
		for _, node := range tree { // nothing is kept that a deleted key could be made of
			for _, leaf := range deleted {
				if leaf>>(keyBits-node.depth) == int(node.path) {
					t.Fatalf("node %d/%d is above the deleted key %d", node.depth, node.path, leaf)
				}
			}
		}
		if again, n := tree.without(deleted); n > 0 || len(again) != len(tree) {
			t.Fatal("a key is deleted twice")
		}
	})
}

func TestATreeOfWhichAllIsDeletedIsEmpty(t *testing.T) {
	all := make([]int, keyLeaves)
	for i := range all {
		all[i] = i
	}
	tree, _ := newKeyTree().without(all[:keyLeaves/3])
	tree, _ = tree.without(all[keyLeaves/3:])
	if tree == nil || len(tree) != 0 {
		t.Errorf("%d nodes are left, nil: %v", len(tree), tree == nil)
	}
	if _, ok := tree.leaf(5); ok {
		t.Error("a key is left")
	}
}

func TestATreeAtItsLargestFitsIntoARecord(t *testing.T) {
	var second []int // that is with every second leaf deleted
	for leaf := 0; leaf < keyLeaves; leaf += 2 {
		second = append(second, leaf)
	}
	tree, _ := newKeyTree().without(second)
	if size := len(tree.bytes()); size > MaxRecordBytes/4 {
		t.Errorf("a tree takes %d bytes, too much for a record", size)
	}
}

func TestAHookIsSealedAndOpenedAndErased(t *testing.T) {
	topic := topicOfKeys{}
	k := testKeys(t, topic)
	name, err := k.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h := &Hook{
		ID: NewExecutionID(time.Now(), 3), Kind: KindHook, Flow: "orders", Time: time.Now().UTC().Truncate(time.Millisecond), Method: "POST",
		Path: "/hook/orders/ann", Query: "who=ann", Headers: map[string]string{"x-who": "ann"}, ContentType: "application/json",
		Body: []byte(`{"email":"ann@example.com"}`), Files: []File{{Name: "ann.pdf", ContentType: "application/pdf"}}, Given: []byte(`[{"step":"ann"}]`), Key: name,
	}
	sealed, err := k.SealHook(h)
	if err != nil {
		t.Fatal(err)
	}
	r, err := sealed.Record()
	if err != nil {
		t.Fatal(err)
	}
	text := string(r.Value)
	for _, header := range r.Headers {
		text += header.Key + string(header.Value)
	}
	if strings.Contains(text, "ann") {
		t.Errorf("the record can be read: %q", text)
	}
	parse := func() *Hook {
		h, err := ParseHook(r)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	opened := parse()
	if err := testKeys(t, topic).OpenHook(t.Context(), opened); err != nil {
		t.Fatal(err)
	}
	opened.Partition = h.Partition
	if diff := cmp.Diff(h, opened); diff != "" {
		t.Error(diff)
	}

	tree, leaf, err := KeyLeaf(name)
	if err != nil {
		t.Fatal(err)
	}
	without, deleted, err := k.Without(tree, topic[tree], []int{leaf, leaf})
	if err != nil || deleted != 1 {
		t.Fatalf("deleted %d, %v", deleted, err)
	}
	if err := k.Apply(tree, without); err != nil {
		t.Fatal(err)
	}
	if err := k.OpenHook(t.Context(), parse()); !errors.Is(err, ErrErased) {
		t.Errorf("after its key was deleted: %v", err)
	}
	other, err := k.New(t.Context()) // the tree goes on
	if err != nil || !strings.HasPrefix(other, tree) {
		t.Fatal(other, err)
	}
	h.Key = other
	if sealed, err = k.SealHook(h); err != nil {
		t.Fatal(err)
	}
	if err := k.OpenHook(t.Context(), sealed); err != nil {
		t.Errorf("another key of the tree: %v", err)
	}
}

func TestWhatAnExecutionWritesIsSealed(t *testing.T) {
	k := testKeys(t, topicOfKeys{})
	name, err := k.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id := NewExecutionID(time.Now(), 1)
	failure := &records.Failure{Message: "ann is wrong"}
	events := &records.ExecutionRecord{
		ExecutionId: id[:], FlowId: "orders", Version: 2, Failure: failure, StartedAt: 5, Key: name,
		Events: []*records.Event{{Fact: &records.Event_Attempt{Attempt: &records.Attempt{Step: "tell", Input: []byte(`"ann"`)}}}},
	}
	value, err := k.SealEvents(nil, events)
	if err != nil {
		t.Fatal(err)
	}
	read := &records.ExecutionRecord{}
	if err := errors.Join(proto.Unmarshal(value, read), k.OpenEvents(t.Context(), read)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(events, read, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	x := &records.Execution{
		Id: id[:], FlowId: "orders", Steps: map[string]*records.StepState{"tell": {Output: []byte(`"ann"`)}}, OrderName: "ann", Key: name,
		StoredHook: &records.StoredHook{Value: []byte("ann")}, Callbacks: map[string][]byte{"a": []byte("ann")},
	}
	snapshot, err := k.SealState(x)
	if err != nil {
		t.Fatal(err)
	}
	back, err := k.OpenState(t.Context(), snapshot)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(x, back, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	reply := &Reply{ID: id, Status: 200, ContentType: "text/ann", Headers: map[string]string{"x": "ann"}, Body: []byte("ann"), Key: name}
	if err := k.SealReply(reply); err != nil {
		t.Fatal(err)
	}
	record := reply.Record("replies", ReplyTo{})
	text := string(value) + string(snapshot) + string(record.Value)
	for _, h := range record.Headers {
		text += string(h.Value)
	}
	if strings.Contains(text, "ann") {
		t.Error("it can be read")
	}
	parsed, err := ParseReply(record)
	if err == nil {
		err = k.OpenReply(t.Context(), parsed)
	}
	if err != nil || string(parsed.Body) != "ann" || parsed.Headers["x"] != "ann" || parsed.ContentType != "text/ann" {
		t.Errorf("the reply: %+v, %v", parsed, err)
	}
}

func TestWhatHasNoKeyStaysAsItIs(t *testing.T) {
	var k *Keys
	h := &Hook{Body: []byte("x")}
	if sealed, err := k.SealHook(h); err != nil || sealed != h || k.OpenHook(t.Context(), h) != nil {
		t.Errorf("%v", err)
	}
	value, err := k.SealState(&records.Execution{FlowId: "f"})
	if x, err2 := k.OpenState(t.Context(), value); errors.Join(err, err2) != nil || x.FlowId != "f" {
		t.Errorf("%v, %v", err, err2)
	}
}
