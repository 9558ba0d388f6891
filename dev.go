package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"sluice/connectors/petstore/demo"
	"sluice/deploy/local"
	"sluice/schemas"
)

// demoFlow is the flow of the tutorial: a webhook whose pets go to the Petstore.
//
//go:embed deploy/demo/pets.yaml
var demoFlow []byte

func devCommand() *cobra.Command {
	var withDemo bool
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run everything in one process, engines included",
		Long: "Runs every role in one process, with Kafka and ClickHouse embedded and their data kept in the\n" +
			"data folder. For a laptop: an acknowledged hook survives kill -9, and not the loss of the disk.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := readConfig(cmd.Flags())
			if err != nil {
				return err
			}
			return dev(cmd.Context(), c, withDemo)
		},
	}
	cmd.Flags().BoolVar(&withDemo, "demo", false, "also start a local Petstore and the demo flow, and print a curl line to try")
	addSettings(cmd.Flags())
	return cmd
}

func dev(ctx context.Context, c *config, withDemo bool) error {
	if err := loopbackOnly(c.ConsoleAddr); err != nil && c.APIToken == "" {
		return err
	}
	log, err := newLogger(c.LogLevel)
	if err != nil {
		return err
	}
	folder, err := c.folder("kafka")
	if err != nil {
		return err
	}
	kafka, err := local.StartKafka(local.KafkaOptions{DataDir: folder, Logger: log})
	if err != nil {
		return err
	}
	defer kafka.Close()
	c.KafkaBrokers, c.KafkaTLS, c.KafkaSASL = kafka.Addrs(), "false", saslConfig{}

	if folder, err = c.folder("clickhouse"); err != nil {
		return err
	}
	history, err := local.StartClickHouse(local.ClickHouseOptions{DataDir: folder, Logger: log})
	if err != nil {
		return err
	}
	defer history.Close()
	c.ClickHouseURL = history.URL()

	as := served{roles: []string{"ingest", "run", "replay", "runlog", "console"}, replication: development, dev: true, backgroundURL: history.BackgroundURL()}
	as.ready = func(ctx context.Context, p *process) error {
		fmt.Printf("\nSluice is ready.\n  hooks       %s/hook/FLOW_ID\n  API         http://%s\n  Kafka       %s\n  ClickHouse  %s\n",
			p.publicURL(), c.ConsoleAddr, strings.Join(c.KafkaBrokers, ","), c.ClickHouseURL)
		return nil
	}
	if withDemo {
		store, err := startPetstore(c)
		if err != nil {
			return err
		}
		defer store.close()
		plain := as.ready
		as.ready = func(ctx context.Context, p *process) error {
			if err := plain(ctx, p); err != nil {
				return err
			}
			return startDemo(ctx, p, store)
		}
	}
	return serve(ctx, c, as)
}

// loopbackOnly: without a token the API is for this machine alone.
func loopbackOnly(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("console-addr: %w", err)
	}
	if ip := net.ParseIP(host); host == "localhost" || (ip != nil && ip.IsLoopback()) {
		return nil
	}
	return fmt.Errorf("console-addr is %s, which others can reach: set SLUICE_API_TOKEN, or listen on 127.0.0.1", addr)
}

type petstore struct {
	url    string
	server *http.Server
	data   *demo.Server
}

func (p *petstore) close() {
	p.server.Close()
	p.data.Close()
}

func startPetstore(c *config) (*petstore, error) {
	folder, err := c.folder("petstore")
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", c.PetstoreAddr)
	if errors.Is(err, syscall.EADDRINUSE) {
		host, _, _ := net.SplitHostPort(c.PetstoreAddr)
		l, err = net.Listen("tcp", net.JoinHostPort(host, "0"))
	}
	if err != nil {
		return nil, fmt.Errorf("starting the demo Petstore: %w", err)
	}
	data, err := demo.Open(folder, demo.DefaultAPIKey)
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("starting the demo Petstore: %w", err)
	}
	p := &petstore{url: "http://" + l.Addr().String() + "/v2", data: data, server: &http.Server{Handler: data, ReadHeaderTimeout: 5 * time.Second}}
	go p.server.Serve(l)
	return p, nil
}

// startDemo applies the demo flow as a user would, through the API.
func startDemo(ctx context.Context, p *process, store *petstore) error {
	env := func(name string) (string, bool) {
		switch name {
		case "PETSTORE_URL":
			return store.url, true
		case "PETSTORE_API_KEY":
			return demo.DefaultAPIKey, true
		}
		return "", false
	}
	documents, err := schemas.ReadDocuments("deploy/demo/pets.yaml", demoFlow, env)
	if err != nil {
		return fmt.Errorf("reading the demo flow: %w", err)
	}
	if err := p.apply(ctx, documents); err != nil {
		return fmt.Errorf("applying the demo flow: %w", err)
	}
	fmt.Printf(`  Petstore    %s   (api-key: %s)

Try it:
  curl -X POST %s/hook/pets -H 'Content-Type: application/json' -d '{"petname": "Gromit", "petstatus": "Sold"}'
  bin/sluice executions --flow pets
  curl -H 'api-key: %s' '%s/pet/findByStatus?status=sold'

`, store.url, demo.DefaultAPIKey, p.publicURL(), demo.DefaultAPIKey, store.url)
	return nil
}

// apply puts documents through this process's own API.
func (p *process) apply(ctx context.Context, documents []*schemas.Document) error {
	var body bytes.Buffer
	for _, d := range documents {
		body.WriteString("---\n")
		body.Write(d.JSON)
		body.WriteByte('\n')
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.config.ConsoleAddr+"/api/v1/apply?publish=true&start=true", &body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/yaml")
	if p.config.APIToken != "" {
		req.Header.Set("Authorization", "Bearer "+p.config.APIToken)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		return fmt.Errorf("the API answered %s: %s", resp.Status, why)
	}
	return nil
}
