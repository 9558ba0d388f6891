package main

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/deploy/local/localtest"
	"sluice/schemas"
)

func TestUnsafeTopicsAreRefused(t *testing.T) {
	in, c := clustered(t)
	if out, code := in.sluice("topics", "--check"); code != 1 || !strings.Contains(out, "it does not exist") {
		t.Errorf("before there are topics: exit status %d, %q", code, out)
	}
	out := in.must("topics")
	for _, spec := range schemas.DefaultTopics.Specs(12) {
		if !strings.Contains(out, spec.Name) {
			t.Errorf("%s is not in the list:\n%s", spec.Name, out)
		}
	}
	in.must("topics", "--check")

	client, err := kgo.NewClient(kgo.SeedBrokers(c.brokers.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	hooks := schemas.DefaultTopics.Hooks()
	alter := func(key, value string) {
		t.Helper()
		resp, err := admin.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: key, Value: &value}}, hooks)
		if err == nil {
			_, err = resp.On(hooks, func(r *kadm.AlterConfigsResponse) error { return r.Err })
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for key, value := range map[string]string{"min.insync.replicas": "1", "retention.ms": "3600000", "cleanup.policy": "compact"} {
		was := map[string]string{"min.insync.replicas": "2", "retention.ms": "604800000", "cleanup.policy": "delete"}[key]
		alter(key, value)
		in.until(10*time.Second, key+" is refused", func() bool { // settings travel between the brokers
			out, code := in.sluice("topics")
			return code == 1 && strings.Contains(out, hooks) && strings.Contains(out, key) && strings.Contains(out, was)
		})
		p := in.start(nil, "serve")
		select {
		case <-p.done:
		case <-time.After(30 * time.Second):
			t.Fatalf("serve runs with %s=%s", key, value)
		}
		if code := p.ProcessState.ExitCode(); code != 1 || !strings.Contains(p.out.String(), key) {
			t.Errorf("serve with %s=%s: exit status %d\n%s", key, value, code, p.out)
		}
		alter(key, was)
		in.until(10*time.Second, key+" is well again", func() bool { _, code := in.sluice("topics", "--check"); return code == 0 })
	}
}

func TestOneBrokerIsNotEnoughOutsideDev(t *testing.T) {
	b := localtest.Brokers(t, 1)
	in := newInstallation(t, "SLUICE_KAFKA_BROKERS="+b.Addrs()[0], "SLUICE_CLICKHOUSE_URL=http://127.0.0.1:1", "SLUICE_API_TOKEN=t")
	for _, command := range []string{"serve", "topics"} {
		if out, code := in.sluice(command); code != 1 || !strings.Contains(out, "1 of the 3 Kafka brokers") {
			t.Errorf("%s: exit status %d, %q; want 1 and why", command, code, out)
		}
	}
}

func TestOutsideDevTheAPIDemandsAToken(t *testing.T) {
	in := newInstallation(t, "SLUICE_KAFKA_BROKERS=127.0.0.1:1", "SLUICE_CLICKHOUSE_URL=http://127.0.0.1:1")
	if out, code := in.sluice("serve"); code != 1 || !strings.Contains(out, "SLUICE_API_TOKEN") {
		t.Errorf("exit status %d, %q", code, out)
	}
	if out, code := in.sluice("serve", "--roles", "cook"); code != 2 || !strings.Contains(out, "cook") {
		t.Errorf("an unknown role: exit status %d, %q", code, out)
	}
	if out, code := in.sluice("dev", "--console-addr", "0.0.0.0:0"); code != 1 || !strings.Contains(out, "SLUICE_API_TOKEN") {
		t.Errorf("dev for others to reach: exit status %d, %q", code, out)
	}
}
