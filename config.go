package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"sluice/connectors/outgoing"
	"sluice/schemas"
	"sluice/schemas/blobs"
)

// config is what a process is told. A flag overrides the environment, the
// environment overrides the file sluice.yaml, that overrides the default.
type config struct {
	KafkaBrokers     []string
	KafkaTLS         string
	KafkaSASL        saslConfig
	TopicPrefix      string
	Partitions       int32
	ClickHouseURL    string
	ClickHouseReader string // the URL of a user who can only read; empty: ClickHouseURL
	DataDir          string
	BlobURL          string
	SecretKey        string
	IngestAddr       string
	ConsoleAddr      string
	PublicURL        string
	TrustedProxies   []netip.Prefix
	APIToken         string
	Instance         string
	AllowedAddresses []outgoing.Allowed
	PetstoreAddr     string
	LogLevel         string
	ReplyTimeout     time.Duration
}

type saslConfig struct{ Mechanism, Username, Password string }

// setting is one row of the configuration. Its environment variable is SLUICE_
// and the name in capitals; its key in sluice.yaml is the name.
type setting struct {
	name, fallback, help string
	secret               bool // may be given as NAME_FILE too; has no flag, because flags show in `ps`
}

var settings = []setting{
	{name: "kafka-brokers", help: "Kafka's bootstrap addresses, host:port, comma separated"},
	{name: "kafka-tls", fallback: "false", help: "true, or the path of a CA certificate in PEM"},
	{name: "kafka-sasl-mechanism", help: "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"},
	{name: "kafka-sasl-username", help: "the SASL user"},
	{name: "kafka-sasl-password", secret: true, help: "the SASL password"},
	{name: "kafka-topic-prefix", fallback: schemas.DefaultTopics.Prefix, help: "what every topic's name begins with"},
	{name: "kafka-partitions", fallback: "12", help: "partitions of the flows' topics, when they are created"},
	{name: "clickhouse-url", help: "http://host:8123/database, https://… or clickhouse://host:9000/database"},
	{name: "clickhouse-reader-url", secret: true, help: "the same database as a user who may only SELECT from it: what people's SQL runs as (default: clickhouse-url, made read-only per statement)"},
	{name: "data-dir", fallback: "./data", help: "where this process keeps files"},
	{name: "blob-url", help: "where bodies over 256 KiB and files are kept: a folder, or s3://[KEY:SECRET@]BUCKET[/PREFIX][?endpoint=URL&region=R]; default: blobs in the data folder"},
	{name: "secret-key", secret: true, help: "32 bytes in base64 or hex that encrypt the credentials' values, the same in every process"},
	{name: "ingest-addr", fallback: ":8080", help: "the public listener: hooks alone"},
	{name: "console-addr", fallback: "127.0.0.1:8090", help: "the private listener: API, metrics, health"},
	{name: "public-url", help: "how senders reach the public listener, such as https://hooks.example.com"},
	{name: "trusted-proxies", help: "the proxies before the public listener whose X-Forwarded-Proto, X-Forwarded-Host and Forwarded are believed, such as 10.0.0.0/8, comma separated"},
	{name: "api-token", secret: true, help: "what the private listener's API demands as a bearer token"},
	{name: "instance", help: "a name for this process among the others, the same after a restart; made and kept in the data folder when absent"},
	{name: "allow-addresses", help: "private networks that flows may call, such as 10.1.0.0/16 or 10.2.3.4:8443, comma separated"},
	{name: "petstore-addr", fallback: "127.0.0.1:8091", help: "where `sluice dev --demo` runs its Petstore; another port when that one is taken"},
	{name: "reply-timeout", fallback: "25s", help: "how long a sender waits for a flow's own answer before it gets 202"},
	{name: "log-level", fallback: "info", help: "debug, info, warn or error"},
}

func (s setting) env() string {
	return "SLUICE_" + strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
}

func addSettings(flags *pflag.FlagSet) {
	flags.String("config", "sluice.yaml", "the configuration file; it may be absent")
	for _, s := range settings {
		if !s.secret {
			flags.String(s.name, s.fallback, s.help+" ("+s.env()+")")
		}
	}
}

// readConfig collects the settings. The error names every one that is wrong,
// where it came from, and what would be right.
func readConfig(flags *pflag.FlagSet) (*config, error) {
	k := koanf.New(".")
	path, _ := flags.GetString("config")
	if err := k.Load(file.Provider(path), yaml.Parser()); err != nil && (flags.Changed("config") || !errors.Is(err, os.ErrNotExist)) {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	known := map[string]bool{}
	var problems []error
	value := map[string]string{}
	for _, s := range settings {
		known[s.name] = true
		v, err := lookup(s, flags, k)
		if err != nil {
			problems = append(problems, err)
		}
		value[s.name] = v
	}
	for _, key := range k.Keys() {
		if !known[key] {
			problems = append(problems, fmt.Errorf("%s: there is no setting %q", path, key))
		}
	}

	c := &config{
		KafkaTLS: value["kafka-tls"], TopicPrefix: value["kafka-topic-prefix"], ClickHouseURL: value["clickhouse-url"],
		ClickHouseReader: value["clickhouse-reader-url"],
		KafkaSASL:        saslConfig{value["kafka-sasl-mechanism"], value["kafka-sasl-username"], value["kafka-sasl-password"]},
		DataDir:          value["data-dir"], BlobURL: value["blob-url"], SecretKey: value["secret-key"],
		IngestAddr: value["ingest-addr"], ConsoleAddr: value["console-addr"], PublicURL: strings.TrimRight(value["public-url"], "/"),
		APIToken: value["api-token"], Instance: value["instance"], PetstoreAddr: value["petstore-addr"], LogLevel: value["log-level"],
	}
	c.KafkaBrokers = list(value["kafka-brokers"])
	n, err := strconv.ParseInt(value["kafka-partitions"], 10, 32)
	if err != nil || n < 1 || n > 1<<16 {
		problems = append(problems, fmt.Errorf("kafka-partitions: want a number from 1 to 65536, have %q", value["kafka-partitions"]))
	}
	c.Partitions = int32(n)
	if c.ReplyTimeout, err = time.ParseDuration(value["reply-timeout"]); err != nil || c.ReplyTimeout <= 0 {
		problems = append(problems, fmt.Errorf("reply-timeout: want a duration such as 25s, have %q", value["reply-timeout"]))
	}
	for _, text := range list(value["trusted-proxies"]) {
		prefix, err := netip.ParsePrefix(text)
		if address, single := netip.ParseAddr(text); single == nil {
			prefix, err = address.Prefix(address.BitLen())
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("trusted-proxies: want networks such as 10.0.0.0/8, have %q", text))
		}
		c.TrustedProxies = append(c.TrustedProxies, prefix.Masked())
	}
	for _, text := range list(value["allow-addresses"]) {
		allowed, err := outgoing.ParseAllowed(text)
		if err != nil {
			problems = append(problems, fmt.Errorf("allow-addresses: %w", err))
		}
		c.AllowedAddresses = append(c.AllowedAddresses, allowed)
	}
	return c, errors.Join(problems...)
}

func lookup(s setting, flags *pflag.FlagSet, k *koanf.Koanf) (string, error) {
	if f := flags.Lookup(s.name); f != nil && f.Changed {
		return f.Value.String(), nil
	}
	if v, ok := os.LookupEnv(s.env()); ok && v != "" {
		return v, nil
	}
	if s.secret {
		if path := os.Getenv(s.env() + "_FILE"); path != "" {
			b, err := os.ReadFile(path)
			if err != nil {
				return "", fmt.Errorf("%s_FILE: %w", s.env(), err)
			}
			return strings.TrimSpace(string(b)), nil
		}
	}
	if k.Exists(s.name) {
		return k.String(s.name), nil
	}
	return s.fallback, nil
}

func list(text string) []string {
	var items []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

func (c *config) topics() schemas.Topics { return schemas.Topics{Prefix: c.TopicPrefix} }

// kafka is how every client reaches the brokers.
func (c *config) kafka() ([]kgo.Opt, error) {
	if len(c.KafkaBrokers) == 0 {
		return nil, errors.New("SLUICE_KAFKA_BROKERS is not set: give Kafka's bootstrap addresses, or use `sluice dev`, which brings its own")
	}
	opts := []kgo.Opt{kgo.SeedBrokers(c.KafkaBrokers...), kgo.ClientID("sluice"),
		// A moved leader, or a topic just made, is found soon.
		kgo.MetadataMinAge(200 * time.Millisecond)}
	if c.KafkaTLS != "" && c.KafkaTLS != "false" {
		conf := &tls.Config{MinVersion: tls.VersionTLS12}
		if c.KafkaTLS != "true" {
			pem, err := os.ReadFile(c.KafkaTLS)
			if err != nil {
				return nil, fmt.Errorf("kafka-tls: reading the CA certificate: %w", err)
			}
			conf.RootCAs = x509.NewCertPool()
			if !conf.RootCAs.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("kafka-tls: %s holds no certificate in PEM", c.KafkaTLS)
			}
		}
		opts = append(opts, kgo.DialTLSConfig(conf))
	}
	var mechanism sasl.Mechanism
	user, password := c.KafkaSASL.Username, c.KafkaSASL.Password
	switch strings.ToUpper(c.KafkaSASL.Mechanism) {
	case "":
		return opts, nil
	case "PLAIN":
		mechanism = plain.Auth{User: user, Pass: password}.AsMechanism()
	case "SCRAM-SHA-256":
		mechanism = scram.Auth{User: user, Pass: password}.AsSha256Mechanism()
	case "SCRAM-SHA-512":
		mechanism = scram.Auth{User: user, Pass: password}.AsSha512Mechanism()
	default:
		return nil, fmt.Errorf("kafka-sasl-mechanism: want PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, have %q", c.KafkaSASL.Mechanism)
	}
	return append(opts, kgo.SASL(mechanism)), nil
}

// folder is a folder below the data folder, made when it is missing.
func (c *config) folder(name string) (string, error) {
	path := filepath.Join(c.DataDir, name)
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", fmt.Errorf("making a folder for data: %w; choose another with SLUICE_DATA_DIR", err)
	}
	return path, nil
}

// blobs opens the store of large bodies. Without a URL it is a folder of this
// process's own, which others read only where they share it.
func (c *config) blobs() (blobs.Store, error) {
	if c.BlobURL != "" {
		return blobs.Open(c.BlobURL)
	}
	folder, err := c.folder("blobs")
	if err != nil {
		return nil, err
	}
	return blobs.OpenLocal(folder)
}
