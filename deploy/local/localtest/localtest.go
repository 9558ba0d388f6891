// Package localtest gives tests of other packages an engine each: started on
// the first use, ended with the test. What is missing fails the test and says
// how to get it; nothing is ever skipped.
package localtest

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"sluice/deploy/local"
)

// Kafka starts an embedded Kafka with a folder of its own.
func Kafka(t testing.TB) *local.Kafka {
	t.Helper()
	k, err := local.StartKafka(local.KafkaOptions{DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

// Brokers starts n (1 or 3) real Kafka brokers with a folder of their own. It
// takes several seconds: share them among the subtests of a test.
func Brokers(t testing.TB, n int) *local.Brokers {
	t.Helper()
	b, err := local.StartBrokers(local.BrokerOptions{Dir: t.TempDir(), N: n})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// ClickHouse returns an embedded ClickHouse whose URL names a new, empty
// database, dropped with the test. The engine holds one folder per process, so
// tests that run at the same time share it, and the last of them closes it: do
// not call Close. Names without a database land in the test's own only through
// its URL.
func ClickHouse(t testing.TB) *local.ClickHouse {
	t.Helper()
	c, name, err := shared.take()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := shared.give(c, name); err != nil {
			t.Error(err)
		}
	})
	return c
}

// shared is the one engine of the process.
var shared engine

type engine struct {
	mu    sync.Mutex
	users int
	made  int
	dir   string
	root  *local.ClickHouse
}

func (e *engine) take() (_ *local.ClickHouse, name string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.users == 0 {
		if e.dir, err = os.MkdirTemp("", "sluice-clickhouse-"); err != nil {
			return nil, "", err
		}
		if e.root, err = local.StartClickHouse(local.ClickHouseOptions{DataDir: e.dir}); err != nil {
			_ = os.RemoveAll(e.dir)
			return nil, "", err
		}
	}
	e.users++
	e.made++
	name = fmt.Sprintf("test_%d", e.made)
	c, err := e.root.Database(name)
	if err != nil {
		e.users--
		return nil, "", err
	}
	return c, name, nil
}

// give drops the database, and closes the engine after its last user.
func (e *engine) give(c *local.ClickHouse, name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.users--
	if e.users > 0 {
		return drop(c, name)
	}
	if err := e.root.Close(); err != nil {
		return err
	}
	return os.RemoveAll(e.dir)
}

func drop(c *local.ClickHouse, name string) error {
	res, err := http.Post("http://"+c.Addr()+"/?"+url.Values{"query": {"DROP DATABASE IF EXISTS " + name + " SYNC"}}.Encode(), "", strings.NewReader(""))
	if err != nil {
		return fmt.Errorf("dropping a test's database: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("dropping a test's database: %s", res.Status)
	}
	return nil
}
