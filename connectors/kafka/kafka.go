// Package kafka is the connector for Kafka: kafka/consume starts a flow for each record of a topic, kafka/produce writes one.
package kafka

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"sluice/connectors"
	"sluice/connectors/outgoing"
)

// Connector returns the kafka connector.
func Connector() connectors.Connector {
	return connectors.Connector{
		Name:    "kafka",
		Title:   "Kafka",
		Summary: "Reads and writes topics of a Kafka cluster.",
		Credentials: []connectors.CredentialType{{
			Name: "cluster", Title: "Cluster", Schema: json.RawMessage(clusterSchema), Verify: verify,
		}},
		Components: []connectors.Component{
			{
				Name: "kafka/consume", Title: "Records of a topic", Trigger: true, Effect: connectors.Pure, NeedsCredential: true,
				Summary: "Starts the flow for each record. A crash may bring a record again, under the same key for dedupe: headers.\"kafka-position\".",
				Input:   json.RawMessage(consumeSchema), Output: json.RawMessage(recordSchema),
			},
			{
				Name: "kafka/produce", Title: "Write a record", Effect: connectors.Neither, NeedsCredential: true,
				Summary: "Writes one record and waits until all in-sync replicas have it.",
				Input:   json.RawMessage(produceSchema), Output: json.RawMessage(producedSchema), Do: produce,
			},
		},
	}
}

const (
	clusterSchema = `{
  "type": "object", "required": ["brokers"], "additionalProperties": false,
  "properties": {
    "brokers": {"type": "string", "title": "Brokers", "description": "host:port, several separated by commas", "pattern": "^[^\\s,]+:[0-9]+(,[^\\s,]+:[0-9]+)*$", "examples": ["kafka-1:9092,kafka-2:9092"]},
    "tls": {"type": "string", "title": "TLS", "enum": ["on", "off"], "default": "off"},
    "mechanism": {"type": "string", "title": "SASL mechanism", "enum": ["none", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], "default": "none"},
    "username": {"type": "string", "title": "User name"},
    "password": {"type": "string", "title": "Password", "format": "password", "writeOnly": true}
  }
}`
	consumeSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "required": ["topic"], "additionalProperties": false,
  "properties": {
    "topic": {"type": "string", "title": "Topic", "pattern": "^[A-Za-z0-9._-]{1,249}$", "description": "the name of a topic"},
    "group": {"type": "string", "title": "Consumer group", "minLength": 1, "maxLength": 200, "description": "Made from the flow's ID when empty"},
    "from": {"type": "string", "title": "From", "enum": ["latest", "earliest"], "default": "latest", "description": "Where a group without a position begins"}
  }
}`
	recordSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "required": ["body", "headers"],
  "properties": {
    "body": {"title": "Body", "description": "The record's value: JSON as a value, other text as text, bytes in base64"},
    "headers": {"type": "object", "title": "Headers", "description": "kafka-topic, kafka-partition, kafka-offset, kafka-position, kafka-key, and the record's own", "additionalProperties": {"type": "string"}}
  }
}`
	produceSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "required": ["topic"], "additionalProperties": false,
  "properties": {
    "topic": {"type": "string", "title": "Topic", "pattern": "^[A-Za-z0-9._-]{1,249}$", "description": "the name of a topic"},
    "key": {"type": ["string", "number", "integer", "null"], "title": "Key", "description": "Records of one key keep their order"},
    "value": {"title": "Value", "description": "A text as it is, anything else as JSON; null is a tombstone"},
    "headers": {"type": "object", "title": "Headers", "additionalProperties": {"type": ["string", "number", "boolean"]}},
    "partition": {"type": "integer", "title": "Partition", "minimum": 0, "maximum": 2147483647, "description": "By the key when empty"}
  }
}`
	producedSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "required": ["topic", "partition", "offset"],
  "properties": {
    "topic": {"type": "string", "title": "Topic", "examples": ["orders"]},
    "partition": {"type": "integer", "title": "Partition", "examples": [0]},
    "offset": {"type": "integer", "title": "Offset", "examples": [4711]}
  }
}`
)

// Client options for a credential's cluster: its brokers are dialled through the guard.
func Client(env connectors.Env, c *connectors.Credential) ([]kgo.Opt, error) {
	brokers := strings.Split(c.Value("brokers"), ",")
	if c.Value("brokers") == "" {
		return nil, connectors.BadCredential("the credential has no brokers: enter them")
	}
	dial := env.Dialer()
	secure := c.Value("tls") == "on"
	opts := []kgo.Opt{
		kgo.SeedBrokers(brokers...), kgo.ClientID("sluice"),
		kgo.Dialer(func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil || !secure {
				return conn, err
			}
			host, _, _ := net.SplitHostPort(address)
			client := tls.Client(conn, &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12})
			if err := client.HandshakeContext(ctx); err != nil {
				conn.Close()
				return nil, err
			}
			return client, nil
		}),
	}
	user, password := c.Value("username"), c.Value("password")
	switch c.Value("mechanism") {
	case "", "none":
	case "PLAIN":
		opts = append(opts, kgo.SASL(plain.Auth{User: user, Pass: password}.AsMechanism()))
	case "SCRAM-SHA-256":
		opts = append(opts, kgo.SASL(scram.Auth{User: user, Pass: password}.AsSha256Mechanism()))
	case "SCRAM-SHA-512":
		opts = append(opts, kgo.SASL(scram.Auth{User: user, Pass: password}.AsSha512Mechanism()))
	default:
		return nil, connectors.BadCredential("mechanism: choose none, PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
	}
	return opts, nil
}

func verify(ctx context.Context, env connectors.Env, values map[string]string) error {
	const doing = "asking the Kafka cluster for its brokers"
	c := &connectors.Credential{Type: "cluster", Values: values}
	client, failing, err := connect(env, c)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	failing.watch(stop)
	if _, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, client); err != nil {
		return failing.error(ctx, doing, err, c)
	}
	return nil
}

func produce(ctx context.Context, env connectors.Env, call connectors.Call) (connectors.Result, error) {
	var in struct {
		Topic     string
		Key       json.RawMessage
		Value     json.RawMessage
		Headers   map[string]any
		Partition *int32
	}
	d := json.NewDecoder(bytes.NewReader(call.Input))
	d.UseNumber()
	if err := d.Decode(&in); err != nil || in.Topic == "" {
		return connectors.Result{}, connectors.BadInput("writing to Kafka: the input needs a topic")
	}
	doing := "writing to the topic " + in.Topic
	r := &kgo.Record{Topic: in.Topic, Key: plainBytes(in.Key), Value: plainBytes(in.Value)}
	for name, value := range in.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: name, Value: []byte(fmt.Sprint(value))})
	}
	slices.SortFunc(r.Headers, func(a, b kgo.RecordHeader) int { return strings.Compare(a.Key, b.Key) })
	if call.IdempotencyKey != "" {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: "idempotency-key", Value: []byte(call.IdempotencyKey)})
	}
	opts := []kgo.Opt{kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0), kgo.RecordRetries(0), kgo.UnknownTopicRetries(0), kgo.ProducerBatchMaxBytes(16 << 20)}
	if in.Partition != nil {
		r.Partition = *in.Partition
		opts = append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	}
	client, failing, err := connect(env, call.Credential, opts...)
	if err != nil {
		return connectors.Result{}, err
	}
	defer client.Close()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	failing.watch(stop)
	if err := client.ProduceSync(ctx, r).FirstErr(); err != nil {
		return connectors.Result{}, failing.error(ctx, doing, err, call.Credential)
	}
	output, err := json.Marshal(map[string]any{"topic": r.Topic, "partition": r.Partition, "offset": r.Offset})
	return connectors.Result{Output: output}, err
}

// plainBytes is a text as it is, and any other value as JSON; nothing for null.
func plainBytes(raw json.RawMessage) []byte {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []byte(text)
	}
	return raw
}

// dialling remembers why no connection came about: the client tries for ever, and a step must not.
type dialling struct {
	failed chan error
	any    chan struct{} // closed at the first connection
}

func (d *dialling) watch(stop context.CancelCauseFunc) {
	go func() {
		select {
		case err := <-d.failed:
			stop(err)
		case <-d.any:
		}
	}()
}

func connect(env connectors.Env, c *connectors.Credential, more ...kgo.Opt) (*kgo.Client, *dialling, error) {
	d := &dialling{failed: make(chan error, 1), any: make(chan struct{})}
	attempts := make(chan int, 1)
	attempts <- 0
	dial := env.Dialer()
	watched := env
	watched.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		n := <-attempts
		defer func() { attempts <- n }()
		switch {
		case n < 0:
		case err == nil:
			n = -1
			close(d.any)
		default:
			e, _ := errors.AsType[*connectors.Error](err)
			if n++; n >= 3 || e != nil && e.Kind == connectors.KindBlocked {
				select {
				case d.failed <- err:
				default:
				}
			}
		}
		return conn, err
	}
	opts, err := Client(watched, c)
	if err != nil {
		return nil, nil, err
	}
	client, err := kgo.NewClient(append(opts, append(more, kgo.RetryTimeout(10*time.Second))...)...)
	if err != nil {
		return nil, nil, connectors.BadCredential("the cluster's settings cannot be used: %v", err)
	}
	return client, d, nil
}

// error says what became of a request, and whether it may have been carried out.
func (d *dialling) error(ctx context.Context, doing string, err error, c *connectors.Credential) error {
	e := &connectors.Error{Kind: connectors.KindNetwork, Sent: true, Cause: err}
	cause := context.Cause(ctx)
	select {
	case <-d.any:
	default:
		e.Sent = false
	}
	var text string
	switch broker, ok := errors.AsType[*kerr.Error](err); {
	case errors.Is(cause, context.Canceled) && errors.Is(ctx.Err(), context.Canceled):
		e.Kind, text, e.Cause = connectors.KindCancelled, "cancelled", context.Canceled
	case errors.Is(cause, context.DeadlineExceeded):
		e.Kind, text, e.Cause = connectors.KindTimeout, "no answer in time", context.DeadlineExceeded
	case cause != nil:
		known := outgoing.ErrorOf(cause)
		e.Kind, e.Retry, text, e.Cause = known.Kind, known.Retry, known.Message, known
	case ok:
		e.Kind, text = connectors.KindHTTP, broker.Message+" ("+broker.Description+")"
		switch broker {
		case kerr.SaslAuthenticationFailed, kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.UnsupportedSaslMechanism:
			e.Kind, e.Retry = connectors.KindCredential, connectors.RetryNever
		case kerr.MessageTooLarge, kerr.InvalidTopicException, kerr.UnknownTopicOrPartition, kerr.InvalidRecord:
			e.Kind, e.Retry, e.Sent = connectors.KindInput, connectors.RetryNever, false
		default:
			e.Kind = connectors.KindNetwork // of the broker: another try may do
		}
	default:
		known := outgoing.ErrorOf(err)
		e.Kind, e.Retry, text = known.Kind, known.Retry, known.Message
	}
	e.Message = outgoing.Blank(doing+": "+text, []string{c.Value("password")})
	return e
}

// Body is a record's value as a hook's body, and its content type.
func Body(value []byte) ([]byte, string) {
	if json.Valid(value) {
		return value, "application/json"
	}
	return value, "text/plain"
}

// Headers are a record's headers and place, as a hook has them.
func Headers(r *kgo.Record) map[string]string {
	h := map[string]string{}
	for _, header := range r.Headers {
		h[strings.ToLower(header.Key)] = strings.ToValidUTF8(string(header.Value), "\uFFFD")
	}
	h["kafka-topic"] = r.Topic
	h["kafka-partition"] = fmt.Sprint(r.Partition)
	h["kafka-offset"] = fmt.Sprint(r.Offset)
	h["kafka-position"] = fmt.Sprintf("%s/%d/%d", r.Topic, r.Partition, r.Offset)
	h["kafka-timestamp"] = r.Timestamp.UTC().Format(time.RFC3339Nano)
	if r.Key != nil {
		h["kafka-key"] = string(r.Key)
		if !json.Valid([]byte(`"` + string(r.Key) + `"`)) {
			h["kafka-key"] = base64.StdEncoding.EncodeToString(r.Key)
		}
	}
	return h
}
