package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestAShortRoundBreaksNoPromise plays two scenarios that between them kill
// and stop runners, edges, the run log and brokers. `make faults` plays many.
func TestAShortRoundBreaksNoPromise(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "sluice")
	build := exec.Command("go", "build", "-o", binary, "sluice")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, seed := range []uint64{2, 205} {
		t.Logf("seed %d: %s", seed, newScenario(seed, 1))
		found, err := campaign(t.Context(), binary, seed, 1, 200, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if found > 0 {
			t.Errorf("seed %d found something; `go run ./deploy/faults -seed %d -n 1 -keep DIR` plays it again", seed, seed)
		}
	}
}

// TestAScenarioDependsOnItsSeedAlone says that what was found can be found again.
func TestAScenarioDependsOnItsSeedAlone(t *testing.T) {
	for seed := range uint64(200) {
		if a, b := newScenario(seed, 1).String(), newScenario(seed, 1).String(); a != b {
			t.Errorf("seed %d: %s, and then %s", seed, a, b)
		}
	}
}
