package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/schemas"
)

// Outside dev a record is on three brokers, and acknowledged when two have it:
// one may die without a loss, and without a pause.
var (
	safe        = schemas.Replication{Factor: 3, MinInSync: 2}
	development = schemas.Replication{Factor: 1, MinInSync: 1}
)

// prepareTopics creates what is missing, and refuses what could lose hooks. It
// returns the number of partitions of the flows' topics.
func prepareTopics(ctx context.Context, kafka []kgo.Opt, c *config, r schemas.Replication) (int32, error) {
	client, err := kgo.NewClient(kafka...)
	if err != nil {
		return 0, fmt.Errorf("configuring Kafka: %w", err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, errors.New("no answer from Kafka within 30 s"))
	defer cancel()
	admin := kadm.NewClient(client)
	if err := reachable(ctx, client, c, r); err != nil {
		return 0, err
	}
	if err := schemas.EnsureTopics(ctx, client, c.topics(), c.Partitions, r); err != nil {
		return 0, err
	}
	problems, err := schemas.CheckTopics(ctx, admin, c.topics(), r)
	if err != nil {
		return 0, err
	}
	var unsafe []error
	for _, p := range problems {
		if p.Unsafe {
			unsafe = append(unsafe, errors.New(p.String()))
		}
	}
	if len(unsafe) > 0 {
		return 0, fmt.Errorf("the topics could lose hooks:\n%w", errors.Join(unsafe...))
	}
	return schemas.PartitionsOf(ctx, admin, c.topics())
}

func reachable(ctx context.Context, client *kgo.Client, c *config, r schemas.Replication) error {
	brokers, err := kadm.NewClient(client).ListBrokers(ctx)
	if err != nil {
		return fmt.Errorf("the Kafka brokers %v are not reachable: %w; check SLUICE_KAFKA_BROKERS, and that the brokers run", c.KafkaBrokers, err)
	}
	if len(brokers) < int(r.Factor) {
		return fmt.Errorf("the cluster has %d of the %d Kafka brokers that it takes for one to die without losing a hook; `sluice dev` needs none", len(brokers), r.Factor)
	}
	if r == development {
		return nil
	}
	return fencing(ctx, client)
}

// fencing refuses brokers whose transactions have the holes that KIP-890
// closed: there, a record of a zombie can end up in its successor's transaction.
func fencing(ctx context.Context, client *kgo.Client) error {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "sluice", "1"
	resp, err := req.RequestWith(ctx, client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil {
		return fmt.Errorf("asking Kafka for its features: %w", err)
	}
	for _, f := range resp.FinalizedFeatures {
		if f.Name == "transaction.version" && f.MaxVersionLevel >= 2 {
			return nil
		}
	}
	return errors.New("the Kafka brokers have no transaction.version 2: use Kafka 4.0 or later, and `kafka-features.sh upgrade --feature transaction.version=2`")
}

func topicsCommand() *cobra.Command {
	var checkOnly bool
	cmd := &cobra.Command{
		Use:   "topics",
		Short: "Create the topics that are missing, and check the others",
		Long: "Creates the topics that are missing and checks the others: partitions, replication,\n" +
			"min.insync.replicas, cleanup and retention. It changes no topic that exists. Exit status 1\n" +
			"when something is not as it must be.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := readConfig(cmd.Flags())
			if err != nil {
				return err
			}
			kafka, err := c.kafka()
			if err != nil {
				return err
			}
			client, err := kgo.NewClient(kafka...)
			if err != nil {
				return fmt.Errorf("configuring Kafka: %w", err)
			}
			defer client.Close()
			ctx, cancel := context.WithTimeout(cmd.Context(), time.Minute)
			defer cancel()
			admin := kadm.NewClient(client)
			if err := reachable(ctx, client, c, safe); err != nil {
				return err
			}
			if !checkOnly {
				if err := schemas.EnsureTopics(ctx, client, c.topics(), c.Partitions, safe); err != nil {
					return err
				}
			}
			problems, err := schemas.CheckTopics(ctx, admin, c.topics(), safe)
			if err != nil {
				return err
			}
			have, err := admin.ListTopics(ctx)
			if err != nil {
				return fmt.Errorf("listing topics: %w", err)
			}
			if hooks := c.topics().Hooks(); have.Has(hooks) && (cmd.Flags().Changed("kafka-partitions") || os.Getenv("SLUICE_KAFKA_PARTITIONS") != "") {
				if n := len(have[hooks].Partitions); n != int(c.Partitions) {
					problems = append(problems, schemas.TopicProblem{Topic: hooks,
						Problem: fmt.Sprintf("it has %d partitions, and %d are configured: flows and executions live on a partition of their number, so it cannot change while anything is open", n, c.Partitions),
						Remedy:  "configure what it has, or grow it with `sluice topics migrate`, which makes sure that nothing is open"})
				}
			}
			output, _ := cmd.Flags().GetString("output")
			if err := printTopics(c, have, problems, output); err != nil {
				return err
			}
			if len(problems) > 0 {
				return fmt.Errorf("%d problems", len(problems))
			}
			return nil
		},
	}
	cmd.AddCommand(migrateCommand())
	cmd.Flags().String("output", "table", "table or json")
	cmd.Flags().BoolVar(&checkOnly, "check", false, "create nothing")
	addSettings(cmd.Flags())
	return cmd
}

func printTopics(c *config, have kadm.TopicDetails, problems []schemas.TopicProblem, output string) error {
	type row struct {
		Topic      string                 `json:"topic"`
		Partitions int                    `json:"partitions"`
		Replicas   int                    `json:"replicas"`
		Problems   []schemas.TopicProblem `json:"problems,omitempty"`
	}
	var rows []row
	for _, spec := range c.topics().Specs(1) {
		d := have[spec.Name]
		r := row{Topic: spec.Name, Partitions: len(d.Partitions), Replicas: d.Partitions.NumReplicas()}
		for _, p := range problems {
			if p.Topic == spec.Name {
				r.Problems = append(r.Problems, p)
			}
		}
		rows = append(rows, r)
	}
	if output == "json" {
		return json.NewEncoder(os.Stdout).Encode(map[string]any{"items": rows})
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "TOPIC\tPARTITIONS\tREPLICAS\tSTATE")
	for _, r := range rows {
		state := "ok"
		if len(r.Problems) > 0 {
			state = "wrong"
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\n", r.Topic, r.Partitions, r.Replicas, state)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, p := range problems {
		fmt.Fprintln(os.Stderr, p)
	}
	return nil
}
