package main

import (
	"strings"
	"testing"
	"time"
)

func TestWhatGrowsIsFound(t *testing.T) {
	run := func(memory, files, goroutines func(i int) int64) verdict {
		t.Helper()
		var seen []reading
		for i := range 240 {
			seen = append(seen, reading{time.Duration(i) * 2500 * time.Millisecond, memory(i) << 20, files(i), goroutines(i)})
		}
		v, err := judge(seen)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	still := func(n int64) func(int) int64 { return func(i int) int64 { return n + int64(i*7%11) } }
	warm := func(i int) int64 { return 200 - max(0, int64(60-i)) } // rises for a quarter, and stays
	if v := run(warm, still(100), still(300)); !v.flat() || !strings.Contains(v.String(), "PASSED") {
		t.Errorf("a run that is flat: %s", v)
	}
	leak := func(n int64, each float64) func(int) int64 {
		return func(i int) int64 { return n + int64(each*float64(i)) }
	}
	for name, v := range map[string]verdict{
		"memory":     run(leak(200, 0.5), still(100), still(300)),
		"files":      run(still(200), leak(100, 0.5), still(300)),
		"goroutines": run(still(200), still(100), leak(300, 1)),
	} {
		if v.flat() || strings.Count(v.String(), "GROWS") != 1 || !strings.Contains(v.String(), "FAILED") {
			t.Errorf("%s that leak: %s", name, v)
		}
	}
	if _, err := judge(make([]reading, 3)); err == nil {
		t.Error("three readings are enough for a verdict")
	}
}
