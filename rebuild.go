package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"sluice/processors/runlog"
	"sluice/schemas"
	"sluice/schemas/clickhouse"
	"sluice/schemas/control"
)

func runlogCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "runlog",
		Short: "Look after the history in ClickHouse",
		Args:  cobra.NoArgs,
	}
	rebuild := &cobra.Command{
		Use:   "rebuild",
		Short: "Make the history again from all that Kafka holds",
		Long: "Reads the topics from their start and makes the run log's rows again: after a table was lost or\n" +
			"damaged. The history stays visible meanwhile, writers may go on, and what is older than Kafka's\n" +
			"retention is kept.",
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
			if c.ClickHouseURL == "" {
				return errors.New("SLUICE_CLICKHOUSE_URL is not set: give the ClickHouse that has the history; `sluice dev` prints the address of its own")
			}
			log, err := newLogger(c.LogLevel)
			if err != nil {
				return err
			}
			if err := runlog.Migrate(cmd.Context(), c.ClickHouseURL); err != nil {
				return err
			}
			conn, err := clickhouse.Open(c.ClickHouseURL)
			if err != nil {
				return err
			}
			defer conn.Close()
			p := &process{config: c, log: log, kafka: kafka}
			if err := p.followErasures(cmd.Context()); err != nil {
				return err
			}
			done, err := runlog.Rebuild(cmd.Context(), runlog.Options{
				Kafka: kafka, Topics: c.topics(), ClickHouse: conn, Logger: log, Keys: p.keys, Erased: p.control.Erased,
			})
			if err != nil {
				return err
			}
			fmt.Printf("read %d records, wrote %d rows, removed %d, passed by %d that cannot be read\n", done.Records, done.Rows, done.Removed, done.Poison)
			return nil
		},
	}
	addSettings(rebuild.Flags())
	cmd.AddCommand(rebuild)
	return cmd
}

// followErasures reads the keys of erasable flows, and what was erased.
func (p *process) followErasures(ctx context.Context) error {
	if err := p.findKey(); err != nil {
		return err
	}
	cipher, err := control.NewCipher(p.config.SecretKey)
	if err != nil {
		return err
	}
	if p.keys, err = schemas.NewKeys(p.config.SecretKey); err != nil {
		return err
	}
	p.control = control.New(control.Options{Topics: p.config.topics(), Kafka: p.kafka, Cipher: cipher, Keys: p.keys, Logger: p.log})
	return p.control.Start(ctx)
}
