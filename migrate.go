package main

import (
	"cmp"
	"context"
	endian "encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/console/cli"
	"sluice/schemas"
)

// A flow lives on the partition that its key hashes to among their number, and
// an execution on the one that its ID carries, in all the flows' topics. So the
// number may grow while nothing is open and nobody works, and only then: else
// hooks of one order would be on two partitions with two owners.
//
// The topics grow in place; nothing is deleted or moved:
//   - What has ended stays where it is. Its ID still names its partition, so
//     the history, retries, replays and the run log's progress stay right; the
//     run log need not even have caught up.
//   - A new partition has no committed offset: a runner begins at its start.
//   - What is remembered beyond an execution's end is the delivery keys. They
//     are copied to their flows' new partitions. The old copies are never asked,
//     and go with the topic's retention.
//
// hooks grows last, and that is the commit: until then the topics differ, which
// every process refuses to start with, and the command, run again, goes on.

// forgetting is how long Kafka may take a member that was killed, or one whose
// membership is static, for alive.
const forgetting = 20 * time.Second

// migration is one run of `sluice topics migrate`.
type migration struct {
	client     *kgo.Client
	admin      *kadm.Client
	topics     schemas.Topics
	partitions int32
	dryRun     bool
	out        io.Writer
}

func migrateCommand() *cobra.Command {
	var partitions int32
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "migrate --partitions N",
		Short: "Give the flows' topics more partitions, while nothing is open",
		Long: "Grows the flows' topics to N partitions. Stop every Sluice process first, once the flows' work is done;\n" +
			"the command refuses while a process works, a hook waits or an\n" +
			"execution is open, and says which. A run that was killed goes on where it was when it is called again.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if partitions < 1 || partitions > 65536 {
				return cli.UsageError(fmt.Errorf("--partitions: want a number from 1 to 65536, have %d", partitions))
			}
			c, err := readConfig(cmd.Flags())
			if err != nil {
				return err
			}
			kafka, err := c.kafka()
			if err != nil {
				return err
			}
			client, err := kgo.NewClient(append(kafka, kgo.RecordPartitioner(kgo.ManualPartitioner()),
				kgo.MetadataMinAge(100*time.Millisecond), kgo.ProducerBatchMaxBytes(schemas.MaxRecordBytes))...)
			if err != nil {
				return fmt.Errorf("configuring Kafka: %w", err)
			}
			defer client.Close()
			if err := reachable(cmd.Context(), client, c, safe); err != nil {
				return err
			}
			m := &migration{client, kadm.NewClient(client), c.topics(), partitions, dryRun, cmd.OutOrStdout()}
			return m.run(cmd.Context())
		},
	}
	cmd.Flags().Int32Var(&partitions, "partitions", 0, "how many partitions the flows' topics are to have")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "change nothing; say what would be done")
	addSettings(cmd.Flags())
	return cmd
}

// growth is a topic with fewer partitions than it is to have.
type growth struct {
	topic string
	from  int32
}

func (m *migration) run(ctx context.Context) error {
	growing, err := m.growing(ctx)
	if err != nil {
		return err
	}
	if len(growing) == 0 {
		fmt.Fprintf(m.out, "nothing to do: the topics have %d partitions\n", m.partitions)
		return nil
	}
	if err := m.drained(ctx); err != nil {
		return fmt.Errorf("the number of partitions stays as it is: %w", err)
	}
	hooks := growing[len(growing)-1]
	for _, g := range growing[:len(growing)-1] {
		if err := m.grow(ctx, g); err != nil {
			return err
		}
	}
	if err := m.carry(ctx); err != nil {
		return err
	}
	// A process that was started, or overlooked, meanwhile.
	if err := m.drained(ctx); err != nil {
		return fmt.Errorf("not done yet, call it again: %w", err)
	}
	if err := m.grow(ctx, hooks); err != nil {
		return err
	}
	if m.dryRun {
		fmt.Fprintln(m.out, "nothing was changed: leave --dry-run out to do it")
		return nil
	}
	fmt.Fprintf(m.out, "done: the topics have %d partitions; start the processes again\n", m.partitions)
	return nil
}

// growing lists the topics that are to grow, hooks last. Topics that a run that
// was killed has grown already are left out.
func (m *migration) growing(ctx context.Context) ([]growth, error) {
	have, err := m.admin.ListTopics(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing topics: %w", err)
	}
	var list []growth
	for _, spec := range m.topics.Specs(2) {
		if spec.Partitions == 1 {
			continue
		}
		d, ok := have[spec.Name]
		if !ok || d.Err != nil {
			return nil, fmt.Errorf("the topic %s cannot be read: create what is missing with `sluice topics`", spec.Name)
		}
		n := int32(len(d.Partitions))
		if n > m.partitions {
			return nil, fmt.Errorf("%s has %d partitions: their number can only grow, and executions carry it in their IDs", spec.Name, n)
		}
		if n < m.partitions {
			list = append(list, growth{spec.Name, n})
		}
	}
	slices.SortStableFunc(list, func(a, b growth) int { return rank(a.topic == m.topics.Hooks()) - rank(b.topic == m.topics.Hooks()) })
	if len(list) > 0 && list[len(list)-1].topic != m.topics.Hooks() {
		return nil, fmt.Errorf("%s has %d partitions and %s has %d: that is no migration under way; recreate the topic while it is empty",
			m.topics.Hooks(), m.partitions, list[0].topic, list[0].from)
	}
	return list, nil
}

func rank(last bool) int {
	if last {
		return 1
	}
	return 0
}

// drained makes sure that nobody works and nothing is open.
func (m *migration) drained(ctx context.Context) error {
	if err := m.idle(ctx); err != nil {
		return err
	}
	for lane, group := range map[string]string{m.topics.Hooks(): "run", m.topics.Replays(): "replay"} {
		if err := m.consumed(ctx, lane, m.topics.Prefix+group); err != nil {
			return err
		}
	}
	open, some, err := m.open(ctx)
	if err != nil {
		return err
	}
	if open > 0 {
		return fmt.Errorf("%d executions are open, such as %s: start the processes, resume paused flows, let the executions end or cancel them, and stop the processes again", open, some)
	}
	return nil
}

// idle waits until no consumer group of Sluice has a member.
func (m *migration) idle(ctx context.Context) error {
	var names []string
	for _, role := range []string{"run", "replay", "replay-driver", "runlog", "schedule-leader", "alerts"} {
		names = append(names, m.topics.Prefix+role)
	}
	for until := time.Now().Add(forgetting); ; {
		groups, err := m.admin.DescribeGroups(ctx, names...)
		if err != nil {
			return fmt.Errorf("looking at the consumer groups: %w", err)
		}
		var busy []string
		for name, g := range groups {
			if g.Err != nil && !errors.Is(g.Err, kerr.GroupIDNotFound) {
				return fmt.Errorf("looking at the consumer group %s: %w", name, g.Err)
			}
			if len(g.Members) > 0 {
				busy = append(busy, name)
			}
		}
		if len(busy) == 0 {
			return nil
		}
		slices.Sort(busy)
		if time.Now().After(until) {
			return fmt.Errorf("processes work as %s: stop every Sluice process, edges as well", strings.Join(busy, ", "))
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// consumed makes sure that no record of a lane waits for the runners. Ends are
// no measure of that: behind the last record there may be transactions' markers.
func (m *migration) consumed(ctx context.Context, topic, group string) error {
	committed, err := m.admin.FetchOffsetsForTopics(ctx, group, topic)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // nobody ever was in the group
		return fmt.Errorf("reading the offsets of the group %s: %w", group, err)
	}
	ends, err := m.ends(ctx, topic)
	if err != nil {
		return err
	}
	for p, end := range ends {
		from := int64(0)
		if o, ok := committed.Lookup(topic, p); ok {
			from = max(from, o.At)
		}
		waiting := 0
		if err := schemas.ReadPartition(ctx, m.client, topic, p, from, end, func(*kgo.Record) bool { waiting++; return true }); err != nil {
			return err
		}
		if waiting > 0 {
			return fmt.Errorf("%d records of partition %d of %s were not taken by a runner yet: start the processes, let them catch up, and stop them again, edges first", waiting, p, topic)
		}
	}
	return nil
}

// open counts the executions that have not ended, and names one.
func (m *migration) open(ctx context.Context) (n int, some schemas.ExecutionID, err error) {
	ends, err := m.ends(ctx, m.topics.State())
	if err != nil {
		return 0, some, err
	}
	for p, end := range ends {
		live := map[schemas.ExecutionID]bool{}
		err := schemas.ReadPartition(ctx, m.client, m.topics.State(), p, 0, end, func(r *kgo.Record) bool {
			if id := schemas.ExecutionIDFromBytes(r.Key); r.Value == nil {
				delete(live, id)
			} else {
				live[id] = true
			}
			return true
		})
		if err != nil {
			return 0, some, err
		}
		for id := range live {
			n, some = n+1, id
		}
	}
	return n, some, nil
}

func (m *migration) ends(ctx context.Context, topic string) (map[int32]int64, error) {
	ends, err := m.admin.ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("finding the end of %s: %w", topic, err)
	}
	out := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) { out[o.Partition] = o.Offset })
	return out, nil
}

func (m *migration) grow(ctx context.Context, g growth) error {
	if m.dryRun {
		fmt.Fprintf(m.out, "%s would grow from %d to %d partitions\n", g.topic, g.from, m.partitions)
		return nil
	}
	resp, err := m.admin.UpdatePartitions(ctx, int(m.partitions), g.topic)
	if err == nil {
		err = resp.Error()
	}
	if err != nil {
		return fmt.Errorf("growing %s to %d partitions: %w", g.topic, m.partitions, err)
	}
	// Every broker must know it before anything is written there.
	for {
		have, err := m.admin.ListTopics(ctx, g.topic)
		if d := have[g.topic]; err == nil && len(d.Partitions) == int(m.partitions) &&
			!slices.ContainsFunc(d.Partitions.Sorted(), func(p kadm.PartitionDetail) bool { return p.Err != nil || p.Leader < 0 }) {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the new partitions of %s: %w", g.topic, errors.Join(context.Cause(ctx), err))
		case <-time.After(100 * time.Millisecond):
		}
	}
	fmt.Fprintf(m.out, "%s: from %d to %d partitions\n", g.topic, g.from, m.partitions)
	return nil
}

// remembered is a delivery key: where it is, and until when.
type remembered struct {
	record *kgo.Record
	until  string // the window's end, as its bytes sort
}

// carry copies the delivery keys to where their flows will be. A key may be on
// several partitions after several migrations: the one that lasts longest holds.
// To copy one again changes nothing.
func (m *migration) carry(ctx context.Context) error {
	topic := m.topics.Dedupe()
	ends, err := m.ends(ctx, topic)
	if err != nil {
		return err
	}
	best, there := map[string]remembered{}, map[string]string{}
	for p, end := range ends {
		err := schemas.ReadPartition(ctx, m.client, topic, p, 0, end, func(r *kgo.Record) bool {
			flow, _, ok := strings.Cut(string(r.Key), "\x00")
			if !ok || len(r.Value) != 24 {
				return true
			}
			key, until := string(r.Key), string(r.Value[16:])
			if until > best[key].until {
				best[key] = remembered{r, until}
			}
			if p == schemas.PartitionOf(flow, m.partitions) {
				there[key] = until // the last one is what a runner reads
			}
			return true
		})
		if err != nil {
			return err
		}
	}
	now := endian.BigEndian.AppendUint64(nil, uint64(time.Now().UnixNano()))
	var list []remembered
	for key, b := range best {
		if there[key] != b.until && b.until > string(now) {
			list = append(list, b)
		}
	}
	if m.dryRun {
		fmt.Fprintf(m.out, "%d delivery keys would be copied to their flows' new partitions\n", len(list))
		return nil
	}
	// A runner forgets in the order of the topic.
	slices.SortFunc(list, func(a, b remembered) int { return cmp.Compare(a.until, b.until) })
	for chunk := range slices.Chunk(list, 10_000) {
		var records []*kgo.Record
		for _, b := range chunk {
			flow, _, _ := strings.Cut(string(b.record.Key), "\x00")
			records = append(records, &kgo.Record{Topic: topic, Partition: schemas.PartitionOf(flow, m.partitions), Key: b.record.Key, Value: b.record.Value})
		}
		if err := m.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
			return fmt.Errorf("copying delivery keys: %w", err)
		}
	}
	fmt.Fprintf(m.out, "copied %d delivery keys to their flows' new partitions\n", len(list))
	return nil
}

// follow ends a process whose partitions have become more: it would go on
// sending flows' hooks where their owners were.
func (p *process) follow(ctx context.Context) error {
	client, err := kgo.NewClient(append(p.kafka[:len(p.kafka):len(p.kafka)], kgo.MetadataMinAge(100*time.Millisecond))...)
	if err != nil {
		return fmt.Errorf("configuring Kafka: %w", err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		n, err := schemas.PartitionsOf(ctx, admin, p.config.topics())
		if err == nil && n > p.partitions {
			return fmt.Errorf("%s has %d partitions now, and had %d: start the process again", p.config.topics().Hooks(), n, p.partitions)
		}
	}
}
