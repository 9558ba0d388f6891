package control

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
)

// Lead runs work in one of the processes that call it with the same group: the
// one that the group gives the control log's partition to. work's context ends
// when another takes over, and no other process begins before work has
// returned or this one is taken for dead (10 s). It returns when ctx ends.
func Lead(ctx context.Context, kafka []kgo.Opt, topics schemas.Topics, group, instance string, work func(context.Context)) error {
	leading := make(chan bool, 16)
	tell := func(lead bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			if len(partitions[topics.Control()]) > 0 {
				select {
				case leading <- lead:
				case <-ctx.Done():
				}
			}
		}
	}
	client, err := kgo.NewClient(append(kafka[:len(kafka):len(kafka)],
		kgo.ConsumerGroup(topics.Prefix+group),
		kgo.InstanceID(instance),
		kgo.ConsumeTopics(topics.Control()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()),
		kgo.SessionTimeout(10*time.Second),
		kgo.HeartbeatInterval(2*time.Second),
		kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(tell(true)),
		kgo.OnPartitionsRevoked(tell(false)),
		kgo.OnPartitionsLost(tell(false)),
	)...)
	if err != nil {
		return fmt.Errorf("configuring the client of the group %s: %w", group, err)
	}
	defer client.Close()
	// The group says who leads; the records themselves are not needed.
	client.PauseFetchTopics(topics.Control())
	var polling sync.WaitGroup
	polling.Go(func() {
		for ctx.Err() == nil {
			client.PollFetches(ctx)
		}
	})
	defer polling.Wait()

	stop := func() {}
	defer func() { stop() }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case lead := <-leading:
			stop()
			stop = func() {}
			if lead {
				working, cancel := context.WithCancel(ctx)
				var done sync.WaitGroup
				done.Go(func() { work(working) })
				stop = func() { cancel(); done.Wait() }
			}
		}
	}
}
