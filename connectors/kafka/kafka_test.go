package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/connectors"
	"sluice/connectors/outgoing"
)

func loopback() connectors.Env {
	return connectors.Env{Dial: outgoing.NewDial(outgoing.Options{AllowLoopback: true})}
}

func cluster(t *testing.T, opts ...kfake.Opt) *connectors.Credential {
	t.Helper()
	fake, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(3, "orders")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	return &connectors.Credential{Type: "cluster", Values: map[string]string{"brokers": strings.Join(fake.ListenAddrs(), ",")}}
}

func TestTheConnectorIsWhole(t *testing.T) {
	if _, err := connectors.New(Connector()); err != nil {
		t.Fatal(err)
	}
}

func TestARecordIsWrittenAsItIs(t *testing.T) {
	c := cluster(t)
	if err := verify(t.Context(), loopback(), c.Values); err != nil {
		t.Errorf("verifying: %v", err)
	}
	result, err := produce(t.Context(), loopback(), connectors.Call{
		Input:      json.RawMessage(`{"topic":"orders","key":"k","value":{"id":12345678901234567890},"headers":{"b":1,"a":"x"},"partition":2}`),
		Credential: c, IdempotencyKey: "the-key", Attempt: 1,
	})
	if err != nil || string(result.Output) != `{"offset":0,"partition":2,"topic":"orders"}` {
		t.Fatalf("%s, %v", result.Output, err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(c.Value("brokers"), ",")...), kgo.ConsumeTopics("orders"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r := client.PollFetches(ctx).Records()[0]
	headers := ""
	for _, h := range r.Headers {
		headers += h.Key + "=" + string(h.Value) + " "
	}
	if string(r.Key) != "k" || string(r.Value) != `{"id":12345678901234567890}` || headers != "a=x b=1 idempotency-key=the-key " {
		t.Errorf("%s %s %s", r.Key, r.Value, headers)
	}
}

func TestWhatFailsSaysWhyAndNoSecret(t *testing.T) {
	good := cluster(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for name, c := range map[string]struct {
		env        connectors.Env
		credential *connectors.Credential
		input      string
		kind       connectors.Kind
		retry      connectors.Retry
		sent       bool
	}{
		"no such topic":  {loopback(), good, `{"topic":"nothing","value":1}`, connectors.KindInput, connectors.RetryNever, false},
		"nobody listens": {loopback(), &connectors.Credential{Values: map[string]string{"brokers": closed.Addr().String()}}, `{"topic":"orders"}`, connectors.KindNetwork, connectors.RetryByPolicy, false},
		"blocked":        {connectors.Env{Dial: outgoing.NewDial(outgoing.Options{})}, good, `{"topic":"orders"}`, connectors.KindBlocked, connectors.RetryNever, false},
		"no brokers":     {loopback(), &connectors.Credential{}, `{"topic":"orders"}`, connectors.KindCredential, connectors.RetryNever, false},
		"no topic":       {loopback(), good, `{}`, connectors.KindInput, connectors.RetryNever, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := produce(t.Context(), c.env, connectors.Call{Input: json.RawMessage(c.input), Credential: c.credential, Attempt: 1})
			e, ok := errors.AsType[*connectors.Error](err)
			if !ok || e.Kind != c.kind || e.Retry != c.retry || e.Sent != c.sent {
				t.Errorf("%v (%+v)", err, e)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := produce(ctx, loopback(), connectors.Call{Input: json.RawMessage(`{"topic":"orders","value":1}`), Credential: good, Attempt: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
