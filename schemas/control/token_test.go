package control

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestOneProcessOfManyMayRenewAToken(t *testing.T) {
	w := newCluster(t)
	logs := []*Log{w.log(t), w.log(t), w.log(t)}
	if err := logs[0].SaveToken(t.Context(), "c", map[string]string{"accessToken": "a1"}); err != nil {
		t.Fatal(err)
	}
	for round := range 5 {
		var won atomic.Int32
		var wg sync.WaitGroup
		_, revision := logs[0].Token("c")
		for _, l := range logs {
			if err := l.wait(t.Context(), func(v *view) bool { return v.tokens["c"].revision == revision }); err != nil {
				t.Fatal(err)
			}
		}
		for _, l := range logs {
			wg.Go(func() {
				ok, err := l.LeaseToken(t.Context(), "c", revision, time.Minute)
				if err != nil {
					t.Error(err)
				}
				if ok {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("round %d: %d processes hold the lease", round, won.Load())
		}
		if err := logs[round%3].SaveToken(t.Context(), "c", map[string]string{"accessToken": "a2"}); err != nil {
			t.Fatal(err)
		}
		if _, now := logs[round%3].Token("c"); now == revision {
			t.Fatal("the revision did not change")
		}
		for _, l := range logs { // each round begins with the view that all have
			if err := l.wait(t.Context(), func(v *view) bool { return v.tokens["c"].revision > revision }); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestALeaseEndsAndATokenGoesWithItsCredential(t *testing.T) {
	w := newCluster(t)
	a, b := w.log(t), w.log(t)
	if ok, err := a.LeaseToken(t.Context(), "c", 0, time.Millisecond); !ok || err != nil {
		t.Fatal(ok, err)
	}
	deadline := time.Now().Add(5 * time.Second)
	for {
		ok, err := b.LeaseToken(t.Context(), "c", 0, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the lease does not end")
		}
	}
	if err := a.SaveSecret(t.Context(), "c", map[string]string{"clientId": "i"}); err != nil {
		t.Fatal(err)
	}
	if err := a.SaveToken(t.Context(), "c", map[string]string{"accessToken": "a1"}); err != nil {
		t.Fatal(err)
	}
	if got := a.Secret("c"); got["accessToken"] != "" || got["clientId"] != "i" {
		t.Errorf("the values are %v", got)
	}
	if err := a.DeleteSecret(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	if got, revision := a.Token("c"); got != nil || revision != 0 {
		t.Errorf("the token of a deleted credential: %v, %d", got, revision)
	}
	after := w.log(t)
	if got, _ := after.Token("c"); got != nil {
		t.Errorf("after a restart the token is back: %v", got)
	}
}

func TestWhatIsSealedForOnePurposeOpensForNoOther(t *testing.T) {
	w := newCluster(t)
	l := w.log(t)
	text, err := l.Seal("state", map[string]string{"a": "b"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := l.Unseal("state", text); err != nil || got["a"] != "b" {
		t.Errorf("%v, %v", got, err)
	}
	for _, wrong := range []string{text[1:], "", "***", text + "A"} {
		if _, err := l.Unseal("state", wrong); err == nil {
			t.Errorf("%q opens", wrong)
		}
	}
	if _, err := l.Unseal("another", text); err == nil {
		t.Error("it opens for another purpose")
	}
}
