package schemas

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TopicProblem is something about a topic that is not as it must be.
type TopicProblem struct {
	Topic   string `json:"topic"`
	Problem string `json:"problem"`
	Remedy  string `json:"remedy"`
	// Unsafe: hooks that were accepted could be lost.
	Unsafe bool `json:"unsafe"`
}

func (p TopicProblem) String() string { return p.Topic + ": " + p.Problem + "; " + p.Remedy }

// Replication is how many copies of a record there must be. One copy is
// allowed in development alone.
type Replication struct {
	Factor    int16 // replicas of a partition
	MinInSync int   // replicas that have a record before it is acknowledged
}

// EnsureTopics creates the topics that are missing, and waits until every
// broker that answers knows who leads them: whoever asks next is told the same.
// The others stay as they are: CheckTopics says what is wrong with them. How
// soon client sees a new topic depends on its kgo.MetadataMinAge.
func EnsureTopics(ctx context.Context, client *kgo.Client, topics Topics, partitions int32, r Replication) error {
	admin, specs := kadm.NewClient(client), topics.Specs(partitions)
	have, err := admin.ListTopics(ctx, topicNames(specs)...)
	if err != nil {
		return fmt.Errorf("listing topics: %w", err)
	}
	for _, spec := range specs {
		if have.Has(spec.Name) {
			continue
		}
		configs := map[string]*string{"min.insync.replicas": kadm.StringPtr(strconv.Itoa(r.MinInSync))}
		for k, v := range spec.Configs {
			configs[k] = kadm.StringPtr(v)
		}
		_, err := admin.CreateTopic(ctx, spec.Partitions, r.Factor, configs, spec.Name)
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("creating topic %s: %w", spec.Name, err)
		}
	}
	for {
		// The client remembers what it was told, for as long as its MetadataMinAge.
		have, err := admin.ListTopics(ctx, topicNames(specs)...)
		if err == nil && have.Error() == nil && known(ctx, client, specs) {
			return nil
		}
		if !Pause(ctx, 50*time.Millisecond) {
			return fmt.Errorf("waiting for the new topics: %w", errors.Join(context.Cause(ctx), err))
		}
	}
}

// known reports whether all brokers know the leader of each partition. One that
// is away learns of the topics before it answers anybody.
func known(ctx context.Context, client *kgo.Client, specs []TopicSpec) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	answers := 0
	for _, broker := range client.DiscoveredBrokers() {
		req := kmsg.NewPtrMetadataRequest()
		req.AllowAutoTopicCreation = false
		for _, spec := range specs {
			topic := kmsg.NewMetadataRequestTopic()
			topic.Topic = kmsg.StringPtr(spec.Name)
			req.Topics = append(req.Topics, topic)
		}
		resp, err := broker.Request(ctx, req)
		if err != nil {
			continue
		}
		answers++
		if !led(resp.(*kmsg.MetadataResponse)) {
			return false
		}
	}
	return answers > 0
}

// led reports whether every topic has a leader for each of its partitions.
func led(have *kmsg.MetadataResponse) bool {
	for _, t := range have.Topics {
		if t.ErrorCode != 0 || len(t.Partitions) == 0 {
			return false
		}
		for _, p := range t.Partitions {
			if p.ErrorCode != 0 || p.Leader < 0 {
				return false
			}
		}
	}
	return true
}

// PartitionsOf is how many partitions the flows' topics have, 0 when they do
// not exist. It is the brokers' word: a process never assumes it.
func PartitionsOf(ctx context.Context, admin *kadm.Client, topics Topics) (int32, error) {
	have, err := admin.ListTopics(ctx, topics.Hooks())
	if err != nil {
		return 0, fmt.Errorf("listing topics: %w", err)
	}
	d := have[topics.Hooks()]
	if errors.Is(d.Err, kerr.UnknownTopicOrPartition) {
		return 0, nil
	}
	if d.Err != nil {
		return 0, fmt.Errorf("reading topic %s: %w", topics.Hooks(), d.Err)
	}
	return int32(len(d.Partitions)), nil
}

// CheckTopics compares the topics with what they must be. Fewer copies than
// r are Unsafe, and so is a retention under the promised one.
func CheckTopics(ctx context.Context, admin *kadm.Client, topics Topics, r Replication) ([]TopicProblem, error) {
	partitions, err := PartitionsOf(ctx, admin, topics)
	if err != nil {
		return nil, err
	}
	specs := topics.Specs(max(partitions, 1))
	names := topicNames(specs)
	have, err := admin.ListTopics(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("listing topics: %w", err)
	}
	var problems []TopicProblem
	present := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !have.Has(n) })
	configs := map[string]map[string]string{}
	if len(present) > 0 {
		described, err := admin.DescribeTopicConfigs(ctx, present...)
		if err != nil {
			return nil, fmt.Errorf("reading topics' settings: %w", err)
		}
		for _, d := range described {
			configs[d.Name] = map[string]string{}
			for _, c := range d.Configs {
				configs[d.Name][c.Key] = c.MaybeValue()
			}
		}
	}
	for _, spec := range specs {
		problems = append(problems, checkTopic(spec, have, configs[spec.Name], r)...)
	}
	return problems, nil
}

func checkTopic(spec TopicSpec, have kadm.TopicDetails, configs map[string]string, r Replication) []TopicProblem {
	var problems []TopicProblem
	add := func(unsafe bool, problem, remedy string) {
		problems = append(problems, TopicProblem{Topic: spec.Name, Problem: problem, Remedy: remedy, Unsafe: unsafe})
	}
	if !have.Has(spec.Name) {
		add(true, "it does not exist", "create it with `sluice topics`")
		return problems
	}
	d := have[spec.Name]
	if n := int32(len(d.Partitions)); n != spec.Partitions {
		add(true, fmt.Sprintf("it has %d partitions, want %d", n, spec.Partitions),
			"an execution lives on one partition number in all of them: let `sluice topics migrate` grow them together, or recreate the topic while it is empty")
	}
	for _, p := range d.Partitions.Sorted() {
		if len(p.Replicas) < int(r.Factor) {
			add(true, fmt.Sprintf("partition %d has %d replicas, want %d", p.Partition, len(p.Replicas), r.Factor),
				"reassign it with Kafka's kafka-reassign-partitions")
			break
		}
	}
	if v, ok := configs["min.insync.replicas"]; ok {
		if n, _ := strconv.Atoi(v); n < r.MinInSync {
			add(true, fmt.Sprintf("min.insync.replicas is %s, want %d", v, r.MinInSync), setting(spec.Name, "min.insync.replicas", strconv.Itoa(r.MinInSync)))
		}
	}
	for _, key := range []string{"cleanup.policy", "retention.ms", "max.message.bytes"} {
		want, ok := spec.Configs[key]
		v, known := configs[key]
		if !ok || !known || v == want {
			continue
		}
		switch key {
		case "cleanup.policy":
			// Their order carries no meaning.
			a, b := strings.Split(v, ","), strings.Split(want, ",")
			slices.Sort(a)
			slices.Sort(b)
			if !slices.Equal(a, b) {
				add(true, fmt.Sprintf("cleanup.policy is %s, want %s", v, want), setting(spec.Name, key, want))
			}
		default:
			n, _ := strconv.ParseInt(v, 10, 64)
			w, _ := strconv.ParseInt(want, 10, 64)
			if n >= 0 && (n < w || w < 0) {
				add(key == "retention.ms", fmt.Sprintf("%s is %s, want at least %s", key, v, want), setting(spec.Name, key, want))
			}
		}
	}
	return problems
}

func setting(topic, key, value string) string {
	return fmt.Sprintf("set it: kafka-configs --alter --topic %s --add-config %s=%s", topic, key, value)
}

func topicNames(specs []TopicSpec) []string {
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = s.Name
	}
	return names
}
