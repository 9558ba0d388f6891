package schemas

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var changeTypes = []string{
	FlowDrafted, FlowDrafted, FlowPublished, FlowPublished, FlowStarted, FlowPaused, FlowResumed, FlowStopped, FlowDeleted,
	CredentialSaved, CredentialDeleted, "flow.renamed", "",
}

// drawChange draws a change that is often one that applies.
func drawChange(t *rapid.T, c *Catalog) *Change {
	id := rapid.SampledFrom([]string{"a", "b", ""}).Draw(t, "id")
	ch := &Change{
		ID: rapid.StringN(1, 8, -1).Draw(t, "change"), Type: rapid.SampledFrom(changeTypes).Draw(t, "type"), At: drawTime(t, "at"),
		Document: rapid.SampledFrom([]json.RawMessage{nil, json.RawMessage(`{"kind":"Flow","steps":[]}`), json.RawMessage(`{"kind":"Flow","name":"x"}`), json.RawMessage(`{"steps":5}`)}).Draw(t, "document"),
	}
	switch ch.Type {
	case CredentialSaved, CredentialDeleted:
		if rapid.IntRange(0, 9).Draw(t, "none") > 0 {
			ch.Credential = &Credential{ID: id, Uses: "petstore", Type: rapid.SampledFrom([]string{"basic", "apiKey"}).Draw(t, "kind")}
		}
		if e := c.Credential(id); e != nil {
			ch.Expect = e.Revision
		}
	default:
		ch.Flow = id
		if f := c.Flow(id); f != nil && !f.Deleted {
			ch.Expect = f.Revision
		}
	}
	if rapid.IntRange(0, 4).Draw(t, "lost") == 0 {
		ch.Expect = rapid.Int64Range(0, 40).Draw(t, "expect")
	}
	return ch
}

// seen is all that a catalog says.
func seen(c *Catalog) string {
	type flow struct {
		Entry    FlowEntry
		Versions []FlowVersion
	}
	var all struct {
		Flows       []flow
		Credentials []CredentialEntry
		Listed      []string
	}
	for _, id := range []string{"a", "b", ""} {
		if f := c.Flow(id); f != nil {
			x := flow{Entry: *f}
			for _, v := range f.Versions {
				x.Versions = append(x.Versions, *v)
			}
			all.Flows = append(all.Flows, x)
		}
	}
	for _, e := range c.Credentials() {
		all.Credentials = append(all.Credentials, *e)
	}
	for _, f := range c.Flows() {
		all.Listed = append(all.Listed, f.ID)
	}
	b, err := json.Marshal(all)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func TestTheSameLogIsTheSameCatalog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var first, second Catalog
		for offset := range int64(rapid.IntRange(0, 40).Draw(t, "changes")) {
			ch := drawChange(t, &first)
			record, err := json.Marshal(ch)
			if err != nil {
				t.Fatal(err)
			}
			again := new(Change)
			if err := json.Unmarshal(record, again); err != nil {
				t.Fatal(err)
			}
			if a, b := first.Apply(offset, ch), second.Apply(offset, again); a != b {
				t.Fatalf("one fold applies %s, the other does not", record)
			}
		}
		if diff := cmp.Diff(seen(&first), seen(&second)); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestAChangeThatIsNotAppliedChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c Catalog
		for offset := range int64(40) {
			ch := drawChange(t, &c)
			before := seen(&c)
			if applied := c.Apply(offset, ch); !applied && seen(&c) != before {
				t.Fatalf("%+v was not applied and changed\n%s\n%s", ch, before, seen(&c))
			} else if applied && seen(&c) == before {
				t.Fatalf("%+v was applied and changed nothing", ch)
			}
		}
	})
}

func TestOfTwoChangesThatExpectTheSameOneIsApplied(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c Catalog
		for offset := int64(0); offset < 60; offset += 2 {
			ch := drawChange(t, &c)
			if !c.Apply(offset, ch) {
				continue
			}
			// The other writer saw the same revision. Only what a delete leaves
			// may be created anew by one that expects nothing.
			other := drawChange(t, &c)
			other.Flow, other.Expect = ch.Flow, ch.Expect
			other.Credential = ch.Credential
			_, credential := map[string]bool{CredentialSaved: true, CredentialDeleted: true}[ch.Type]
			if _, same := map[string]bool{CredentialSaved: true, CredentialDeleted: true}[other.Type]; same != credential {
				continue
			}
			if c.Apply(offset+1, other) {
				t.Fatalf("both were applied: %+v and %+v", ch, other)
			}
		}
	})
}

func TestEntriesAreImmutable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c Catalog
		type kept struct {
			entry *FlowEntry
			said  string
		}
		var all []kept
		say := func(f *FlowEntry) string { b, _ := json.Marshal(f); return string(b) }
		for offset := range int64(40) {
			c.Apply(offset, drawChange(t, &c))
			for _, f := range c.Flows() {
				all = append(all, kept{f, say(f)})
			}
		}
		for _, k := range all {
			if diff := cmp.Diff(k.said, say(k.entry)); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

// apply folds changes that must all apply.
func apply(t *testing.T, c *Catalog, offset int64, changes ...Change) int64 {
	t.Helper()
	for _, ch := range changes {
		if f := c.Flow(ch.Flow); f != nil && !f.Deleted {
			ch.Expect = f.Revision
		}
		ch.At = time.Unix(offset, 0)
		if !c.Apply(offset, &ch) {
			t.Fatalf("change %d, %s, was not applied", offset, ch.Type)
		}
		offset++
	}
	return offset
}

func document(n int) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"kind":"Flow","id":"pets","name":"%d","steps":[]}`, n))
}

func TestADeletedFlowsVersionsStay(t *testing.T) {
	var c Catalog
	offset := apply(t, &c, 0,
		Change{Type: FlowPublished, Flow: "pets", Document: document(1)},
		Change{Type: FlowStarted, Flow: "pets"},
		Change{Type: FlowPublished, Flow: "pets", Document: document(2)},
		Change{Type: FlowDeleted, Flow: "pets"})
	f := c.Flow("pets")
	if !f.Deleted || f.State != Stopped || len(c.Flows()) != 0 {
		t.Errorf("the flow is not deleted: %+v", f)
	}
	for n := range int32(2) {
		if v := f.Version(n + 1); v == nil || v.Flow.Name != fmt.Sprint(n+1) {
			t.Errorf("version %d is %+v", n+1, v)
		}
	}
	apply(t, &c, offset, Change{Type: FlowPublished, Flow: "pets", Document: document(3)})
	if f := c.Flow("pets"); f.Deleted || f.Published().Number != 3 || f.Version(1).Flow.Name != "1" {
		t.Errorf("a flow that was created anew begins its versions again: %+v", f)
	}
}

func TestAFlowThatWasNotPublishedCannotStart(t *testing.T) {
	var c Catalog
	offset := apply(t, &c, 0, Change{Type: FlowDrafted, Flow: "pets", Document: document(1)})
	start := func() bool {
		return c.Apply(offset, &Change{Type: FlowStarted, Flow: "pets", Expect: c.Flow("pets").Revision})
	}
	if start() {
		t.Error("a draft was started")
	}
	offset = apply(t, &c, offset, Change{Type: FlowPublished, Flow: "pets", Document: document(1)}, Change{Type: FlowDeleted, Flow: "pets"},
		Change{Type: FlowDrafted, Flow: "pets", Document: document(2)})
	if start() {
		t.Error("a draft was started, on the version of the flow of that ID that was deleted")
	}
}

func TestPublishingTakesTheDraftAndKeepsTheState(t *testing.T) {
	var c Catalog
	apply(t, &c, 0,
		Change{Type: FlowDrafted, Flow: "pets", Document: document(1)},
		Change{Type: FlowPublished, Flow: "pets", Document: document(1)},
		Change{Type: FlowStarted, Flow: "pets"},
		Change{Type: FlowDrafted, Flow: "pets", Document: document(2)},
		Change{Type: FlowPublished, Flow: "pets", Document: document(2)})
	if f := c.Flow("pets"); f.Draft != nil || f.State != Running || f.Published().Number != 2 || f.Published().Flow.Name != "2" {
		t.Errorf("have %+v", f)
	}
}

func TestStatesFollowOneAnother(t *testing.T) {
	possible := map[FlowState]map[string]FlowState{
		Stopped: {FlowStarted: Running},
		Running: {FlowPaused: Paused, FlowStopped: Stopped},
		Paused:  {FlowResumed: Running, FlowStopped: Stopped, FlowStarted: Running},
	}
	for _, reach := range [][]string{{}, {FlowStarted}, {FlowStarted, FlowPaused}} {
		for _, next := range []string{FlowStarted, FlowPaused, FlowResumed, FlowStopped} {
			var c Catalog
			offset := apply(t, &c, 0, Change{Type: FlowPublished, Flow: "pets", Document: document(1)})
			for _, typ := range reach {
				offset = apply(t, &c, offset, Change{Type: typ, Flow: "pets"})
			}
			from := c.Flow("pets")
			want, ok := possible[from.State][next]
			if applied := c.Apply(offset, &Change{Type: next, Flow: "pets", Expect: from.Revision}); applied != ok {
				t.Errorf("%s of a %s flow: want applied %v", next, from.State, ok)
			}
			if !ok {
				want = from.State
			}
			if have := c.Flow("pets").State; have != want {
				t.Errorf("%s of a %s flow: want %s, have %s", next, from.State, want, have)
			}
		}
	}
}
