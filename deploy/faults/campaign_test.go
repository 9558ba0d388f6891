package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestAShortRoundBreaksNoPromise plays scenarios that between them kill and
// stop runners (one for longer than its session), edges, the run log and
// brokers, with poison, a busy destination and ClickHouse away. None takes the
// right to mount or another clock. `make faults` plays many.
func TestAShortRoundBreaksNoPromise(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "sluice")
	build := exec.Command("go", "build", "-o", binary, "sluice")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const first, n = 29, 5
	for seed := range uint64(n) {
		t.Logf("seed %d: %s", first+seed, newScenario(first+seed, 100, short))
	}
	found, err := campaign(t.Context(), options{seed: first, n: n, binary: binary, scale: 100, length: short, keep: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if found > 0 {
		t.Errorf("%d scenarios found something; `go run ./deploy/faults -seed N -n 1 -keep DIR` plays one again", found)
	}
}

// TestAScenarioDependsOnItsSeedAlone says that what was found can be found again.
func TestAScenarioDependsOnItsSeedAlone(t *testing.T) {
	for seed := range uint64(200) {
		if a, b := newScenario(seed, 1, short).String(), newScenario(seed, 1, short).String(); a != b {
			t.Errorf("seed %d: %s, and then %s", seed, a, b)
		}
	}
}

// TestEveryFaultIsPlayed says that 200 scenarios have all that there is.
func TestEveryFaultIsPlayed(t *testing.T) {
	var all strings.Builder
	for seed := range uint64(200) {
		all.WriteString(newScenario(seed, 1, short).String() + "\n")
	}
	for _, want := range []string{
		"kill -9 run0", "kill -9 edge1", "kill -9 log", "kill -9 both runners", "kill -9 broker 2", "SIGSTOP run1", "SIGSTOP edge0", "SIGSTOP log",
		"SIGSTOP broker 0", "SIGSTOP all brokers", "ClickHouse away", "slow destination", "hanging destination", "flapping destination", "busy destination",
		"third runner", "rolling restart", "poison", "disk of broker", "disk of data", "clock of run0 jumps by -", "clock of edge1 jumps", "hangs, and the others are timed",
	} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("no scenario has %q", want)
		}
	}
}
