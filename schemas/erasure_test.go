package schemas

import (
	"slices"
	"testing"
	"time"
)

func TestAnErasureIsMadeWaitsAndIsFinishedOnce(t *testing.T) {
	var c Catalog
	at := time.Now().UTC()
	id := NewExecutionID(at, 2)
	made := &Change{Type: ErasureCreated, At: at, ErasureID: "e", Erasure: &Erasure{SelectedBy: "sql", Executions: id[:]}}
	if !c.Apply(0, made) || c.Apply(1, made) {
		t.Fatal("made not at all, or twice")
	}
	if !c.Apply(2, &Change{Type: ErasureWaiting, At: at, ErasureID: "e", Expect: 1, Reason: "for the runner"}) {
		t.Fatal("it cannot wait")
	}
	e := c.Erasures()[0]
	if e.State() != "running" || e.Waiting != "for the runner" || len(e.IDs()) != 1 || e.IDs()[0] != id {
		t.Errorf("while it waits: %+v", e)
	}
	finished := &Change{Type: ErasureFinished, At: at, ErasureID: "e", Expect: 3, Certificate: &Certificate{Erasure: "e"}}
	if !c.Apply(3, finished) {
		t.Fatal("it cannot be finished")
	}
	finished.Expect = 4
	if c.Apply(4, finished) {
		t.Error("it is finished twice")
	}
	if e := c.Erasures()[0]; e.State() != "finished" || e.Waiting != "" {
		t.Errorf("in the end: %+v", e)
	}
}

func TestACertificatesHashIsThatOfItsSortedFields(t *testing.T) {
	c := Certificate{Erasure: "e", Note: "a < b", Executions: []string{"x"}, Remains: []Remains{}, RequestedAt: time.Unix(0, 0).UTC(), FinishedAt: time.Unix(1, 0).UTC()}
	if err := c.Sign(); err != nil {
		t.Fatal(err)
	}
	first := c.SHA256
	// jq -cjS 'del(.sha256)' of it, and sha256sum.
	if want := "6639ebd033e828fe6517cd955c24c645935d5970f11601b5b0b3dab2f1d4aa8d"; first != want {
		t.Errorf("want %s, have %s", want, first)
	}
	c.Note = "a > b"
	if err := c.Sign(); err != nil || c.SHA256 == first {
		t.Error("another note, the same hash")
	}
}

// What is more than a record holds is named before: in pieces, and nobody sees
// an erasure of some of it.
func TestAnErasureIsMadeWhenAllItsExecutionsAreNamed(t *testing.T) {
	var c Catalog
	at := time.Now().UTC()
	ids := []ExecutionID{NewExecutionID(at, 0), NewExecutionID(at, 1), NewExecutionID(at, 2)}
	named := func(n int) *Erasure { return &Erasure{Executions: ids[n][:]} }
	if !c.Apply(0, &Change{Type: ErasureNamed, At: at, ErasureID: "e", Erasure: named(0)}) ||
		!c.Apply(1, &Change{Type: ErasureNamed, At: at, ErasureID: "e", Expect: 1, Erasure: named(1)}) {
		t.Fatal("its executions cannot be named")
	}
	if len(c.Erasures()) != 0 || c.Apply(2, &Change{Type: ErasureWaiting, At: at, ErasureID: "e", Expect: 2}) {
		t.Error("it is there before it is made")
	}
	if !c.Apply(3, &Change{Type: ErasureCreated, At: at, ErasureID: "e", Expect: 2, Erasure: named(2)}) {
		t.Fatal("it cannot be made")
	}
	if c.Apply(4, &Change{Type: ErasureNamed, At: at, ErasureID: "e", Expect: 4, Erasure: named(0)}) {
		t.Error("more is named after it was made")
	}
	e := c.Erasures()[0]
	if e.Count() != 3 || !slices.Equal(e.IDs(), ids) || !slices.Equal(e.First(2), ids[:2]) {
		t.Errorf("its executions: %v, want %v", e.IDs(), ids)
	}
	if !c.Apply(5, &Change{Type: ErasureFinished, At: at, ErasureID: "e", Expect: 4, Certificate: &Certificate{Erasure: "e"}}) {
		t.Fatal("it cannot be finished")
	}
	if got := c.Erasures()[0].Certified().Executions; len(got) != 3 || got[2] != ids[2].String() {
		t.Errorf("the certificate has %v", got)
	}
}
