package run

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
	"sluice/schemas/records"
)

const once = `"dedupe":{"key":"=body.event","window":"1h"},"steps":[{"id":"one","uses":"test/effect","input":{"n":"=body.n"}}]`

const duplicate = records.ExecutionStatus_EXECUTION_STATUS_DUPLICATE

func (h history) count(status records.ExecutionStatus) int {
	n := 0
	for _, s := range h {
		if s.last.Status == status {
			n++
		}
	}
	return n
}

func TestOfManyDeliveriesAtOnceOneRuns(t *testing.T) {
	r := newRig(t)
	r.publish("pets", once)
	r.start("a")
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for i := range 5 {
				r.send("pets", fmt.Sprintf(`{"event":"e%d","n":1}`, i))
			}
		})
	}
	wg.Wait()
	h := r.ended(50)
	if s, d := h.count(succeeded), h.count(duplicate); s != 5 || d != 45 {
		t.Errorf("%d succeeded and %d are duplicates, want 5 and 45", s, d)
	}
	if n := len(r.made()); n != 5 {
		t.Errorf("%d effects, want 5", n)
	}
	for _, s := range h {
		if s.last.Status != duplicate {
			continue
		}
		_, first, ok := strings.Cut(s.last.Failure.GetMessage(), "execution ")
		id, err := schemas.ParseExecutionID(first)
		if !ok || err != nil || h[id] == nil || h[id].last.Status != succeeded {
			t.Errorf("a duplicate says %q, which names no execution that ran", s.last.Failure.GetMessage())
		}
	}
}

func TestADeliveryIsRememberedOverKills(t *testing.T) {
	r := newRig(t)
	r.publish("pets", once)
	for i := range 4 {
		kill := r.startToKill("a")
		for n := range 20 {
			r.send("pets", fmt.Sprintf(`{"event":"e%d"}`, n))
		}
		r.ended(10 + 20*i)
		kill()
	}
	r.start("a")
	h := r.ended(80)
	if s, d := h.count(succeeded), h.count(duplicate); s != 20 || d != 60 {
		t.Errorf("%d succeeded and %d are duplicates, want 20 and 60", s, d)
	}
}

func TestWhatHasNoKeyAlwaysRuns(t *testing.T) {
	r := newRig(t)
	r.publish("pets", once)
	r.start("a")
	for _, body := range []string{`{}`, `{}`, `{"event":null}`, `{"event":null}`, `{"event":""}`, `[1]`, `{"event":1}`, `{"event":"1"}`} {
		r.send("pets", body)
	}
	h := r.ended(8)
	if s := h.count(succeeded); s != 8 {
		t.Errorf("%d of 8 ran", s)
	}
}

func TestAWindowThatHasPassedIsForgotten(t *testing.T) {
	r := newRig(t)
	r.publish("pets", strings.Replace(once, `"1h"`, `"50ms"`, 1))
	r.start("a")
	first := r.send("pets", `{"event":"e"}`)
	at := first.Time()
	r.ended(1)
	for time.Since(at) < 60*time.Millisecond {
		r.history() // the window is short
	}
	second := r.send("pets", `{"event":"e"}`)
	want(t, r.ended(2)[second], succeeded)
}

func TestARetryIsNoDuplicate(t *testing.T) {
	r := newRig(t)
	r.publish("pets", once)
	r.start("a")
	first := r.send("pets", `{"event":"e"}`)
	r.ended(1)
	now := time.Now()
	again := schemas.Hook{ID: schemas.NewExecutionID(now, first.Partition()), Kind: schemas.KindHook, Flow: "pets", Time: now,
		Method: "POST", Path: "/hook/pets", ContentType: "application/json", Body: []byte(`{"event":"e"}`), ReplayOf: first}
	r.append(&again)
	want(t, r.ended(2)[again.ID], succeeded)
}

func TestDeliveriesAreForgottenWhateverTheirWindows(t *testing.T) {
	d := newDeliveries()
	now := time.Unix(1_800_000_000, 0)
	d.remember(delivery{100}, seen{until: now.Add(7 * 24 * time.Hour).UnixNano()}) // holds up nothing
	for i := range 10 {
		d.remember(delivery{byte(i)}, seen{until: now.Add(time.Duration(i-5) * time.Minute).UnixNano()})
	}
	again := seen{until: now.Add(time.Hour).UnixNano()}
	d.remember(delivery{0}, again) // its window had passed: it was seen anew
	d.forget(now.Add(59 * time.Second))
	kept := 0
	for _, keys := range d.expiring {
		kept += len(keys)
	}
	// What ends in this very minute is left for the next sweep.
	if len(d.seen) != 7 || kept != 7 || d.seen[delivery{0}] != again {
		t.Errorf("%d keys and %d places are kept, want 7", len(d.seen), kept)
	}
}

// A million keys on one partition: what they take, and how long it is until the
// next owner has them.
func TestAMillionKeysTakeLittleMemoryAndAreReadSoon(t *testing.T) {
	const n, most = 1_000_000, 160 // bytes each
	before := inUse()
	d := newDeliveries()
	now := time.Now()
	for i := range n {
		var key delivery
		binary.BigEndian.PutUint64(key[:], uint64(i)*0x9e3779b97f4a7c15)
		d.remember(key, seen{until: now.Add(time.Duration(i) * time.Millisecond * 86).UnixNano()})
	}
	each := (inUse() - before) / n
	if t.Logf("%d bytes for a key", each); each > most {
		t.Errorf("a key takes %d bytes, want %d at most", each, most)
	}
	if len(d.seen) != n {
		t.Fatal(len(d.seen))
	}

	r := newRig(t)
	const stored = 100_000
	s := session{opts: r.options("a")}
	s.topics.dedupe = s.opts.Topics.Dedupe()
	batch := make([]*kgo.Record, 0, stored)
	for key, entry := range d.seen {
		entry.until = now.Add(time.Hour).UnixNano()
		if batch = append(batch, s.mark(&partition{}, "pets", key, entry)); len(batch) == stored {
			break
		}
	}
	if err := r.client.ProduceSync(t.Context(), batch...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	s.reader = r.client
	began := time.Now()
	read, err := s.readDeliveries(t.Context(), 0)
	took := time.Since(began)
	if err != nil || len(read.seen) != stored {
		t.Fatalf("%v, %d keys", err, len(read.seen))
	}
	t.Logf("%d keys read in %v", stored, took.Round(time.Millisecond))
	if limit := 60 * time.Second * stored / n; took > limit {
		t.Errorf("reading %d keys took %v, want %v at most", stored, took, limit)
	}
}
