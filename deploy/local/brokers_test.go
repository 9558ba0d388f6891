package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func startBrokers(t *testing.T, opts BrokerOptions) *Brokers {
	t.Helper()
	start := time.Now()
	b, err := StartBrokers(opts)
	must(t, err)
	t.Logf("%d brokers up in %v", len(b.Addrs()), time.Since(start).Round(10*time.Millisecond))
	t.Cleanup(func() {
		for i, pid := range b.PIDs() {
			if t.Failed() && pid == 0 {
				t.Logf("broker %d does not run; its log:\n%s", i, b.logTail(i))
			}
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func TestThreeBrokersOutliveTheLossOfOne(t *testing.T) {
	b := startBrokers(t, BrokerOptions{Dir: t.TempDir(), N: 3})
	fill(t, b.Addrs(), -1)
	check(t, b.Addrs())

	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cl := client(t, b.Addrs(), kgo.DefaultProduceTopic("events"))
	topics, err := kadm.NewClient(cl).ListTopics(ctx, "events")
	must(t, err)
	partition := topics["events"].Partitions[0]
	if len(partition.Replicas) != 3 {
		t.Fatalf("replicas %v, want 3 by default", partition.Replicas)
	}
	leader := int(partition.Leader) - 1
	pid := b.PIDs()[leader]
	must(t, b.Kill(leader))
	if b.PIDs()[leader] != 0 {
		t.Errorf("the killed broker still has a process: %v", b.PIDs())
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); !errors.Is(err, os.ErrNotExist) && exists("/proc/self") {
		t.Errorf("process %d is still there: %v", pid, err)
	}
	start := time.Now()
	must(t, cl.ProduceSync(ctx, kgo.StringRecord("after the loss")).FirstErr())
	t.Logf("written again %v after the leader's death", time.Since(start).Round(10*time.Millisecond))

	// Transactions go on as well.
	tx := client(t, b.Addrs(), kgo.DefaultProduceTopic("events"), kgo.TransactionalID("second"), kgo.TransactionTimeout(10*time.Second))
	must(t, tx.BeginTransaction())
	must(t, tx.ProduceSync(ctx, kgo.StringRecord("in a transaction")).FirstErr())
	must(t, tx.EndTransaction(ctx, kgo.TryCommit))

	start = time.Now()
	must(t, b.Restart(leader))
	t.Logf("restarted in %v", time.Since(start).Round(10*time.Millisecond))
	if b.PIDs()[leader] == 0 {
		t.Error("the restarted broker has no process")
	}

	// A stopped broker answers nothing until it goes on.
	must(t, b.Stop(leader))
	must(t, cl.ProduceSync(ctx, kgo.StringRecord("while one hangs")).FirstErr())
	must(t, b.Continue(leader))
	must(t, b.waitBroker(ctx, leader))
	for i, pid := range b.PIDs() {
		if pid == 0 {
			t.Errorf("broker %d ended by itself", i)
		}
	}
}

func TestClusterIDNeverLooksLikeAnOption(t *testing.T) {
	for range 1000 {
		if id := clusterID(); len(id) != 22 || id[0] == '-' {
			t.Fatalf("cluster ID %q", id)
		}
	}
}

func TestOneBrokerKeepsItsDataAndPort(t *testing.T) {
	dir := t.TempDir()
	b := startBrokers(t, BrokerOptions{Dir: dir})
	fill(t, b.Addrs(), 1)
	must(t, b.Kill(0))
	must(t, b.Restart(0))
	check(t, b.Addrs())
	addr := b.Addrs()[0]
	must(t, b.Close())

	again := startBrokers(t, BrokerOptions{Dir: dir})
	if again.Addrs()[0] != addr {
		t.Errorf("listens on %s, want %s as before", again.Addrs()[0], addr)
	}
	check(t, again.Addrs())
	if err := b.Restart(0); err == nil {
		t.Error("a closed cluster was started again")
	}
	if err := b.Kill(7); err == nil {
		t.Error("there is no broker 7")
	}
}

func TestBrokerErrorsSayWhatToDo(t *testing.T) {
	for name, test := range map[string]struct {
		opts BrokerOptions
		env  map[string]string
		want string
	}{
		"jars":  {BrokerOptions{Dir: t.TempDir(), Jars: t.TempDir()}, nil, "make engines-fetch"},
		"java":  {BrokerOptions{Dir: t.TempDir()}, map[string]string{"PATH": "", "JAVA_HOME": ""}, "install a JRE, version 17 or later"},
		"count": {BrokerOptions{Dir: t.TempDir(), N: 2}, nil, "choose 1 or 3"},
		// What Kafka says about it must be in the error.
		"settings": {BrokerOptions{Dir: t.TempDir(), Config: map[string]string{"num.io.threads": "none"}}, nil, "num.io.threads"},
	} {
		t.Run(name, func(t *testing.T) {
			for k, v := range test.env {
				t.Setenv(k, v)
			}
			b, err := StartBrokers(test.opts)
			if err == nil {
				_ = b.Close()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v\nwant %q in it", err, test.want)
			}
		})
	}
}

func TestBrokerThatEndsAtOnceSaysWhy(t *testing.T) {
	dir := t.TempDir()
	b := startBrokers(t, BrokerOptions{Dir: dir})
	must(t, b.Close())
	l, err := net.Listen("tcp", b.Addrs()[0])
	must(t, err)
	defer func() { _ = l.Close() }()
	_, err = StartBrokers(BrokerOptions{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "ended by itself") || !strings.Contains(err.Error(), "Address already in use") {
		t.Errorf("with its port taken: %v", err)
	}
}

func TestFolderOfAnotherClusterIsRefused(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "cluster.json"), []byte(`{"ports":[1,2,3]}`), 0o600))
	if _, err := StartBrokers(BrokerOptions{Dir: dir}); err == nil || !strings.Contains(err.Error(), "choose another") {
		t.Errorf("%v", err)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
