package run

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
)

// What was polled and not taken is the next owner's: its offset is behind the
// position that was committed.
func TestAPartitionThatIsGivenAwayLeavesNothingToBeTaken(t *testing.T) {
	s := &session{metrics: newMetrics(prometheus.NewRegistry()), partitions: map[int32]*partition{}, flows: map[string]*flowQueue{}}
	for n := range int32(3) {
		s.partitions[n] = &partition{number: n, executions: map[schemas.ExecutionID]*execution{}, deliveries: newDeliveries()}
	}
	for i := range 9 {
		s.fetched = append(s.fetched, &kgo.Record{Partition: int32(i % 3), Offset: int64(i)})
	}
	s.drop([]int32{1})
	for i, want := range []int64{0, 2, 3, 5, 6, 8} {
		if len(s.fetched) != 6 || s.fetched[i].Offset != want {
			t.Fatalf("%d records are left, number %d is at offset %d, want %d", len(s.fetched), i, s.fetched[i].Offset, want)
		}
	}
}
