package run

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/schemas"
)

// The compact table against a map, whatever is done to it.
func TestRestsFindWhatIsThereAndWakeInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var table rests
		model := map[schemas.ExecutionID]int64{}
		id := func() schemas.ExecutionID {
			var id schemas.ExecutionID
			// Few, so that they meet; many with equal hashes.
			id[6], id[13] = byte(rapid.IntRange(0, 60).Draw(t, "low")), byte(rapid.IntRange(0, 3).Draw(t, "high"))
			return id
		}
		for range rapid.IntRange(0, 400).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "do") {
			case 0, 1:
				at, wake := id(), int64(rapid.IntRange(0, 50).Draw(t, "wake"))
				table.wakeAt(table.put(at), wake)
				model[at] = wake
			case 2:
				at := id()
				table.remove(at)
				delete(model, at)
			case 3:
				now := int64(rapid.IntRange(0, 50).Draw(t, "now"))
				earliest := int64(0)
				for _, wake := range model {
					if wake != 0 && wake <= now && (earliest == 0 || wake < earliest) {
						earliest = wake
					}
				}
				r := table.due(time.Unix(0, now))
				if (r == nil) != (earliest == 0) {
					t.Fatalf("due at %d: %v, the earliest is %d", now, r, earliest)
				}
				if r != nil {
					if model[r.id] != earliest {
						t.Fatalf("%v is due before %d", r, earliest)
					}
					model[r.id] = 0 // taken out of the heap
				}
			}
			if table.len() != len(model) {
				t.Fatalf("len = %d, want %d", table.len(), len(model))
			}
			for at := range model {
				if r := table.find(at); r == nil || r.id != at {
					t.Fatalf("%v is not found", at)
				}
			}
			if table.find(schemas.ExecutionID{1}) != nil {
				t.Fatal("found what was never put")
			}
		}
	})
}
