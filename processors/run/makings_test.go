package run

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestTextsOfATransactionStayAsTheyWereKept(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var m makings
	var kept, want [][]byte
	for i := range 2000 {
		size := random.IntN(1 << random.IntN(18))
		text := bytes.Repeat([]byte{byte(i)}, size)
		room := m.room(random.IntN(2*size + 1)) // asked for too little, as often as not
		if random.IntN(10) == 0 {
			continue // and not used
		}
		kept, want = append(kept, m.keep(append(room, text...))), append(want, text)
	}
	for i := range kept {
		if !bytes.Equal(kept[i], want[i]) {
			t.Fatalf("text %d of %d bytes was written over", i, len(want[i]))
		}
		if len(kept[i]) != cap(kept[i]) {
			t.Fatalf("what is appended to text %d would be the next one's", i)
		}
	}
}

func TestRecordsOfATransactionAreTheirOwn(t *testing.T) {
	var m makings
	for i := range 3 * pieceRecords {
		r := m.record()
		if r.Partition != 0 || r.Value != nil {
			t.Fatalf("record %d was given out before", i)
		}
		r.Partition, r.Value = int32(i+1), []byte{1}
	}
}
