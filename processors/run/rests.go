package run

import (
	"encoding/binary"
	"time"

	"sluice/schemas"
)

// rests are a partition's executions at rest in their compact form: what its
// owner must know to wake one up. All else is its snapshot in the topic state.
// An entry takes some 70 bytes with its places in index and heap, and nothing in
// it points anywhere, so that a million of them cost the garbage collector
// nothing.
type rests struct {
	chunks [][]rest
	used   uint32   // slots handed out so far, those in free included
	free   []uint32 // slots to be used again
	// index finds a slot by its ID: open addressing, slot+1, 0 where nothing is.
	index []uint32
	// heap has the slots that wake up by themselves, the earliest first.
	heap []uint32
}

// rest is an execution at rest.
type rest struct {
	id    schemas.ExecutionID
	at    int64  // offset of its last snapshot in the topic state
	wake  int64  // when it goes on by itself, Unix nanoseconds; 0: it does not
	flow  uint32 // in session.names
	place uint32 // in the heap, from 1; 0: none
	flags restFlags
}

type restFlags uint8

const (
	restQueued  restFlags = 1 << iota // it stands in its flow's queue
	restBegun                         // it has begun before
	restLoading                       // it is being read back
)

const restChunk = 1024

func (t *rests) slot(i uint32) *rest { return &t.chunks[i/restChunk][i%restChunk] }

// len is how many there are.
func (t *rests) len() int { return int(t.used) - len(t.free) }

// hash: an ID's bytes from 6 to 14 are random, or a hash.
func (t *rests) hash(id schemas.ExecutionID) uint32 {
	return uint32((binary.LittleEndian.Uint64(id[6:])*0x9e3779b97f4a7c15)>>32) & uint32(len(t.index)-1)
}

// find returns the entry of an ID, or nil. The pointer is good until it is removed.
func (t *rests) find(id schemas.ExecutionID) *rest {
	if i, ok := t.lookup(id); ok {
		return t.slot(i)
	}
	return nil
}

func (t *rests) lookup(id schemas.ExecutionID) (uint32, bool) {
	if len(t.index) == 0 {
		return 0, false
	}
	for h := t.hash(id); t.index[h] != 0; h = (h + 1) & uint32(len(t.index)-1) {
		if i := t.index[h] - 1; t.slot(i).id == id {
			return i, true
		}
	}
	return 0, false
}

// put returns the entry of an ID, new or not.
func (t *rests) put(id schemas.ExecutionID) *rest {
	if r := t.find(id); r != nil {
		return r
	}
	if (t.len()+1)*3 > len(t.index)*2 {
		t.grow()
	}
	var i uint32
	if n := len(t.free); n > 0 {
		i, t.free = t.free[n-1], t.free[:n-1]
	} else {
		if i = t.used; i%restChunk == 0 {
			t.chunks = append(t.chunks, make([]rest, restChunk))
		}
		t.used++
	}
	r := t.slot(i)
	*r = rest{id: id}
	t.enter(i)
	return r
}

func (t *rests) enter(i uint32) {
	h := t.hash(t.slot(i).id)
	for t.index[h] != 0 {
		h = (h + 1) & uint32(len(t.index)-1)
	}
	t.index[h] = i + 1
}

func (t *rests) grow() {
	old := t.index
	t.index = make([]uint32, max(64, 2*len(old)))
	for _, i := range old {
		if i != 0 {
			t.enter(i - 1)
		}
	}
}

// remove forgets an ID.
func (t *rests) remove(id schemas.ExecutionID) {
	if len(t.index) == 0 {
		return
	}
	mask := uint32(len(t.index) - 1)
	h := t.hash(id)
	for t.index[h] != 0 && t.slot(t.index[h]-1).id != id {
		h = (h + 1) & mask
	}
	if t.index[h] == 0 {
		return
	}
	i := t.index[h] - 1
	t.unwake(t.slot(i))
	if t.len() == 1 {
		*t = rests{}
		return
	}
	t.slot(i).id = schemas.ExecutionID{}
	t.free = append(t.free, i)
	// What stands behind it, and would be nearer to its own place here, moves up.
	for next := (h + 1) & mask; t.index[next] != 0; next = (next + 1) & mask {
		if home := t.hash(t.slot(t.index[next] - 1).id); (next-home)&mask >= (next-h)&mask {
			t.index[h], h = t.index[next], next
		}
	}
	t.index[h] = 0
}

// wakeAt sets when an entry goes on by itself; 0: it does not.
func (t *rests) wakeAt(r *rest, at int64) {
	t.unwake(r)
	if r.wake = at; at == 0 {
		return
	}
	i, _ := t.lookup(r.id)
	t.heap = append(t.heap, i)
	r.place = uint32(len(t.heap))
	t.up(len(t.heap) - 1)
}

// unwake takes an entry out of the heap.
func (t *rests) unwake(r *rest) {
	if r.place == 0 {
		return
	}
	at, last := int(r.place-1), len(t.heap)-1
	r.place = 0
	moved := t.heap[last]
	t.heap = t.heap[:last]
	if at == last {
		return
	}
	t.set(at, moved)
	t.down(at)
	t.up(int(t.slot(moved).place - 1))
}

// next is when the first entry goes on by itself.
func (t *rests) next() (time.Time, bool) {
	if len(t.heap) == 0 {
		return time.Time{}, false
	}
	return time.Unix(0, t.slot(t.heap[0]).wake), true
}

// due takes the first entry whose time has come out of the heap; nil: there is none.
func (t *rests) due(now time.Time) *rest {
	if len(t.heap) == 0 {
		return nil
	}
	r := t.slot(t.heap[0])
	if r.wake > now.UnixNano() {
		return nil
	}
	t.unwake(r)
	return r
}

func (t *rests) set(at int, slot uint32) {
	t.heap[at] = slot
	t.slot(slot).place = uint32(at + 1)
}

func (t *rests) up(at int) {
	i := t.heap[at]
	for at > 0 {
		above := (at - 1) / 2
		if t.slot(t.heap[above]).wake <= t.slot(i).wake {
			break
		}
		t.set(at, t.heap[above])
		at = above
	}
	t.set(at, i)
}

func (t *rests) down(at int) {
	i := t.heap[at]
	for {
		below := 2*at + 1
		if below >= len(t.heap) {
			break
		}
		if below+1 < len(t.heap) && t.slot(t.heap[below+1]).wake < t.slot(t.heap[below]).wake {
			below++
		}
		if t.slot(i).wake <= t.slot(t.heap[below]).wake {
			break
		}
		t.set(at, t.heap[below])
		at = below
	}
	t.set(at, i)
}

// heapify makes the heap of all entries that have a time.
func (t *rests) heapify() {
	t.heap = t.heap[:0]
	for i := range t.used {
		if r := t.slot(i); r.wake > 0 && r.id != (schemas.ExecutionID{}) {
			t.heap = append(t.heap, i)
			r.place = uint32(len(t.heap))
		}
	}
	for at := len(t.heap)/2 - 1; at >= 0; at-- {
		t.down(at)
	}
}
