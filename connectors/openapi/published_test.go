package openapi

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"sluice/connectors"
)

// published are documents as their services publish them. They are large, and no part of this repository: `make
// openapi-fetch` takes them out of npm packages.
var published = []string{"github", "stripe", "slack", "petstore"}

// TestPublishedDocumentsImportWithEveryOperation: nothing is left out, in seconds and little memory, and nearly every
// action's input can be filled in from its schema alone.
func TestPublishedDocumentsImportWithEveryOperation(t *testing.T) {
	for _, name := range published {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(".published", name+".json"))
			if err != nil {
				t.Fatalf("%v: run make openapi-fetch", err)
			}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			began := time.Now()
			d, err := Read(data, Options{Name: name})
			if err != nil {
				t.Fatal(err)
			}
			took := time.Since(began)
			for _, l := range d.LeftOut {
				t.Errorf("left out: %s: %s", l.Operation, l.Reason)
			}
			if want := operationsIn(t, data); len(d.Operations) != want {
				t.Errorf("%d operations of %d became actions", len(d.Operations), want)
			}
			packed, err := d.Pack()
			if err != nil {
				t.Fatal(err)
			}
			if d, err = Unpack(packed); err != nil {
				t.Fatal(err)
			}
			c := d.Connector()
			size := len(data)
			data = nil
			runtime.GC()
			runtime.ReadMemStats(&after)
			grown := max(0, int64(after.HeapAlloc)-int64(before.HeapAlloc)) >> 20
			t.Logf("%d KB: %d actions, read in %v, kept as %d KB, %d MB in memory, credentials %d, base %s",
				size>>10, len(d.Operations), took, len(packed)>>10, grown, len(c.Credentials), d.BaseURL)
			if took > 20*time.Second || grown > 100 || len(packed) > 2<<20 {
				t.Error("that is too much")
			}
			set, err := connectors.New()
			if err != nil {
				t.Fatal(err)
			}
			if err := set.Extend(c); err != nil {
				t.Fatal(err)
			}
			odd := 0
			for i := range c.Components {
				m, _ := set.Component(c.Components[i].Name)
				if err := m.CheckInput(m.SampleInput()); err != nil {
					odd++ // a pattern, most of all: a sample cannot guess it
				}
				if !json.Valid(m.Output) || !json.Valid(m.SampleOutput()) {
					t.Errorf("%s: the output's schema or sample is not JSON", m.Name)
				}
			}
			if odd*50 > len(c.Components) {
				t.Errorf("of %d actions %d have a sample that does not fit", len(c.Components), odd)
			}
		})
	}
}

// operationsIn counts by another way than Read.
func operationsIn(t *testing.T, data []byte) int {
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(&document); err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, item := range document.Paths {
		for _, method := range []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"} {
			if item[method] != nil {
				count++
			}
		}
	}
	return count
}
