package control

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
)

type cluster struct{ opts Options }

func newCluster(t *testing.T) *cluster {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	kafka := []kgo.Opt{kgo.SeedBrokers(fake.ListenAddrs()...), kgo.MetadataMinAge(20 * time.Millisecond)}
	client, err := kgo.NewClient(kafka...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := schemas.EnsureTopics(t.Context(), client, schemas.DefaultTopics, 3, schemas.Replication{Factor: 1, MinInSync: 1}); err != nil {
		t.Fatal(err)
	}
	cipher, err := NewCipher(NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return &cluster{Options{Topics: schemas.DefaultTopics, Kafka: kafka, Cipher: cipher, Logger: slog.New(slog.DiscardHandler)}}
}

func (c *cluster) log(t *testing.T) *Log {
	t.Helper()
	l := New(c.opts)
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

var document = json.RawMessage(`{"kind":"Flow","id":"pets","trigger":{"uses":"webhook/receive"},"steps":[]}`)

func TestEveryProcessReadsTheSameCatalog(t *testing.T) {
	c := newCluster(t)
	first, second := c.log(t), c.log(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()

	revision, err := first.Append(ctx, schemas.Change{Type: schemas.FlowPublished, Flow: "pets", Document: document})
	if err != nil {
		t.Fatal(err)
	}
	if revision, err = first.Append(ctx, schemas.Change{Type: schemas.FlowStarted, Flow: "pets", Expect: revision}); err != nil {
		t.Fatal(err)
	}
	if err := second.WaitFor(ctx, first.Offset()); err != nil {
		t.Fatal(err)
	}
	late := c.log(t) // reads all of it at its start
	for _, l := range []*Log{first, second, late} {
		if f := l.Flow("pets"); f == nil || f.State != schemas.Running || f.Published().Number != 1 || f.Revision != revision {
			t.Errorf("flow = %+v, want running on version 1 at revision %d", f, revision)
		}
	}
}

func TestOneOfTwoChangesOnTheSameRevisionWins(t *testing.T) {
	c := newCluster(t)
	a, b := c.log(t), c.log(t)
	change := schemas.Change{Type: schemas.FlowDrafted, Flow: "pets", Document: document}
	errs := make(chan error, 2)
	for _, l := range []*Log{a, b} {
		go func() {
			_, err := l.Append(t.Context(), change)
			errs <- err
		}()
	}
	conflicts := 0
	for range 2 {
		if err := <-errs; errors.Is(err, ErrConflict) {
			conflicts++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if conflicts != 1 {
		t.Errorf("%d changes were refused, want 1", conflicts)
	}
}

func TestSecretsAreSealedAndDeleted(t *testing.T) {
	c := newCluster(t)
	l := c.log(t)
	want := map[string]string{"username": "ann", "password": "s3cr3t"}
	if err := l.SaveSecret(t.Context(), "basic-1", want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, l.Secret("basic-1")); diff != "" {
		t.Error(diff)
	}
	sealed, err := c.opts.Cipher.seal("basic-1", want)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.opts.Cipher.open("basic-2", sealed); err == nil {
		t.Error("one credential's values were opened as another's")
	}
	if err := l.DeleteSecret(t.Context(), "basic-1"); err != nil {
		t.Fatal(err)
	}
	if got := l.Secret("basic-1"); got != nil {
		t.Errorf("after the delete there is still a secret with %d values", len(got))
	}
	if late := c.log(t); late.Secret("basic-1") != nil {
		t.Error("a process that starts later still sees the deleted secret")
	}
}

func TestKeysAreReadInEveryForm(t *testing.T) {
	raw := "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
	same := "3031323334353637383930313233343536373839303132333435363738393031"
	a, err := NewCipher(raw + "\n")
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewCipher(same)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := a.seal("id", map[string]string{"k": "v"})
	if err != nil {
		t.Fatal(err)
	}
	if values, err := b.open("id", sealed); err != nil || values["k"] != "v" {
		t.Errorf("one key in base64 and in hex: %v, %v", values, err)
	}
	phrase, err := NewCipher("correct horse battery staple")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := phrase.open("id", sealed); err == nil {
		t.Error("a passphrase opened what it did not seal")
	}
	for _, bad := range []string{"", "short", "MDEy"} {
		if _, err := NewCipher(bad); err == nil {
			t.Errorf("%q was taken for a key", bad)
		}
	}
}

func TestAnotherKeyOpensNothing(t *testing.T) {
	c := newCluster(t)
	if err := c.log(t).SaveSecret(t.Context(), "k", map[string]string{"a": "b"}); err != nil {
		t.Fatal(err)
	}
	other, err := NewCipher(NewKey())
	if err != nil {
		t.Fatal(err)
	}
	c.opts.Cipher = other
	if got := c.log(t).Secret("k"); got != nil {
		t.Error("values were opened with another key")
	}
}
