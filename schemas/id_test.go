package schemas

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func drawTime(t *rapid.T, name string) time.Time {
	return time.Unix(0, rapid.Int64Range(0, 1<<62).Draw(t, name)).UTC()
}

func TestExecutionIDsSortByTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		early := drawTime(t, "early")
		late := early.Add(time.Millisecond + time.Duration(rapid.Int64Range(0, 1<<50).Draw(t, "later")))
		a := NewExecutionID(early, rapid.Int32Range(0, 65535).Draw(t, "a"))
		b := NewExecutionID(late, rapid.Int32Range(0, 65535).Draw(t, "b"))
		if a.String() >= b.String() {
			t.Fatalf("%s of %v does not sort before %s of %v", a, early, b, late)
		}
	})
}

func TestAnExecutionIDCarriesItsPartitionAndTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at, partition := drawTime(t, "at"), rapid.Int32Range(0, 65535).Draw(t, "partition")
		id := NewExecutionID(at, partition)
		if id.Partition() != partition {
			t.Fatalf("want partition %d, have %d", partition, id.Partition())
		}
		if !id.Time().Equal(at.Truncate(time.Millisecond)) {
			t.Fatalf("want %v, have %v", at.Truncate(time.Millisecond), id.Time())
		}
	})
}

func TestAnExecutionIDIsAUUIDOfVersion7(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := NewExecutionID(drawTime(t, "at"), rapid.Int32Range(0, 65535).Draw(t, "partition")).String()
		if s[14] != '7' || !strings.ContainsRune("89ab", rune(s[19])) {
			t.Fatalf("version or variant is wrong: %s", s)
		}
	})
}

func TestExecutionIDsOfOneInstantDiffer(t *testing.T) {
	at, seen := time.Now(), map[ExecutionID]bool{}
	for range 10_000 {
		seen[NewExecutionID(at, 1)] = true
	}
	if len(seen) != 10_000 {
		t.Errorf("want 10000 IDs, have %d", len(seen))
	}
}

func TestAnExecutionIDIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := ExecutionID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		back, err := ParseExecutionID(id.String())
		if err != nil || back != id {
			t.Fatalf("want %s, have %s and %v", id, back, err)
		}
		if ExecutionIDFromBytes(id[:]) != id {
			t.Fatalf("the bytes of %s are read as another ID", id)
		}
	})
}

func TestWhatIsNoExecutionIDIsRefused(t *testing.T) {
	for _, s := range []string{
		"", "x", "0192f5d27c3a7b1e9f005a2b3c4d0007", "0192f5d2-7c3a-7b1e-9f00-5a2b3c4d000", "0192f5d2-7c3a-7b1e-9f00-5a2b3c4d00077",
		"0192f5d2_7c3a-7b1e-9f00-5a2b3c4d0007", "0192f5dg-7c3a-7b1e-9f00-5a2b3c4d0007", "0192f5d2-7c3a-7b1e-9f00-5a2b3c4d-007",
		"0192f5d2-7c3a-7b1e-9f00-5a2b3c4d--07", "--92f5d2-7c3a-7b1e-9f00-5a2b3c4d0007", "{192f5d2-7c3a-7b1e-9f00-5a2b3c4d0007",
	} {
		if id, err := ParseExecutionID(s); err == nil || !id.IsZero() {
			t.Errorf("%q is read as %s", s, id)
		}
	}
	for _, b := range [][]byte{nil, {1}, make([]byte, 17)} {
		if !ExecutionIDFromBytes(b).IsZero() {
			t.Errorf("%v is read as an ID", b)
		}
	}
}

// FuzzParseExecutionID: two texts that differ in more than case are two IDs.
func FuzzParseExecutionID(f *testing.F) {
	f.Add("0192f5d2-7c3a-7b1e-9f00-5a2b3c4d0007")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := ParseExecutionID(s); err == nil && id.String() != strings.ToLower(s) {
			t.Errorf("%q is read as %s", s, id)
		}
	})
}

func TestFlowIDsAreUnguessable(t *testing.T) {
	seen := map[string]bool{}
	counts := map[rune]int{}
	for range 10_000 {
		id := NewFlowID()
		seen[id] = true
		for _, r := range id {
			counts[r]++
		}
		if len(id) != 20 {
			t.Fatalf("want 20 characters, have %q", id)
		}
	}
	if len(seen) != 10_000 || len(counts) != 32 {
		t.Fatalf("want 10000 IDs of 32 letters, have %d of %d", len(seen), len(counts))
	}
	for r, n := range counts { // 6250 each; 10 standard deviations are 778
		if n < 5400 || n > 7100 {
			t.Errorf("%c appears %d times among 200000", r, n)
		}
	}
}
