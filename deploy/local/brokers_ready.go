package local

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// waitReady returns when every broker answers, the cluster counts them all in,
// groups and transactions have their coordinators, and transactions are of the
// second version (KIP-890), which Sluice relies on.
func (b *Brokers) waitReady(ctx context.Context) error {
	for i := range b.procs {
		if err := b.waitBroker(ctx, i); err != nil {
			return err
		}
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.addrs...), kgo.RetryTimeout(5*time.Second))
	if err != nil {
		return err
	}
	defer cl.Close()
	return b.retry(ctx, 0, "waiting for Kafka's coordinators", func(ctx context.Context) error {
		group := kmsg.NewPtrListGroupsRequest()
		if _, err := group.RequestWith(ctx, cl); err != nil {
			return err
		}
		offsets := kmsg.NewPtrOffsetFetchRequest()
		offsets.Group = "sluice-ready"
		offsets.Groups = []kmsg.OffsetFetchRequestGroup{{Group: "sluice-ready", MemberEpoch: -1}}
		found, err := offsets.RequestWith(ctx, cl)
		if err != nil {
			return err
		}
		for _, g := range found.Groups {
			if g.ErrorCode != 0 {
				return fmt.Errorf("the group coordinator answered with error %d", g.ErrorCode)
			}
		}
		init := kmsg.NewPtrInitProducerIDRequest()
		id := "sluice-ready"
		init.TransactionalID = &id
		init.TransactionTimeoutMillis = 10_000
		answer, err := init.RequestWith(ctx, cl)
		if err != nil {
			return err
		}
		if answer.ErrorCode != 0 {
			return fmt.Errorf("the transaction coordinator answered with error %d", answer.ErrorCode)
		}
		versions := kmsg.NewPtrApiVersionsRequest()
		versions.ClientSoftwareName, versions.ClientSoftwareVersion = "sluice", "1"
		features, err := versions.RequestWith(ctx, cl)
		if err != nil {
			return err
		}
		for _, f := range features.FinalizedFeatures {
			if f.Name == "transaction.version" && f.MaxVersionLevel >= 2 {
				return nil
			}
		}
		return errors.New("transaction.version 2 is not on")
	})
}

// waitBroker returns when broker i answers and the cluster lists it.
func (b *Brokers) waitBroker(ctx context.Context, i int) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.addrs[i]), kgo.RetryTimeout(time.Second), kgo.DialTimeout(time.Second))
	if err != nil {
		return err
	}
	defer cl.Close()
	return b.retry(ctx, i, fmt.Sprintf("waiting for Kafka broker %d", i), func(ctx context.Context) error {
		ask := kmsg.NewPtrMetadataRequest()
		ask.Topics = []kmsg.MetadataRequestTopic{}
		answer, err := cl.SeedBrokers()[0].Request(ctx, ask)
		if err != nil {
			return err
		}
		for _, broker := range answer.(*kmsg.MetadataResponse).Brokers {
			if int(broker.NodeID) == i+1 {
				return nil
			}
		}
		return errors.New("the cluster does not list it yet")
	})
}

// retry asks until it is answered, the broker ends, or ctx does.
func (b *Brokers) retry(ctx context.Context, i int, what string, ask func(context.Context) error) error {
	p, err := b.proc(i)
	if err != nil {
		return err
	}
	for {
		one, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := ask(one)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s: it ended by itself; the end of its log (%s):\n%s", what, b.logPath(i), b.logTail(i))
		case <-ctx.Done():
			return fmt.Errorf("%s: %w; the end of its log (%s):\n%s", what, err, b.logPath(i), b.logTail(i))
		case <-time.After(50 * time.Millisecond):
		}
	}
}
