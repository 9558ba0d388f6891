package local

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kfake"
)

// KafkaOptions are the settings of an embedded Kafka.
type KafkaOptions struct {
	// DataDir keeps topics, records, committed offsets and transactions over
	// restarts and kills. Required.
	DataDir string
	// Port to listen on, on 127.0.0.1. 0 takes any free one; the data does not
	// depend on it.
	Port int
	// Sync makes every batch durable (fsync) before it is acknowledged. Without
	// it an acknowledged batch survives the end of the process, kill -9
	// included, but not a power cut: the same as a Kafka broker's default.
	// It costs about ten times in throughput.
	Sync bool
	// Logger receives the broker's errors and warnings. Nil discards them.
	Logger *slog.Logger
}

// compactBytes is at what size the broker rewrites the log of its groups'
// offsets, while everybody waits. Its own default of 10 MiB takes 150 ms, every
// 20 s under load; so it is done often, a millisecond each time.
const compactBytes = "131072"

// Kafka is one broker inside this process. Its methods are safe for concurrent
// use.
type Kafka struct {
	cluster *kfake.Cluster
	addrs   []string
	lock    *os.File
	close   func() error
}

// StartKafka opens the data folder, alone, and listens. Topics are never made
// by asking for them, as on a well-kept cluster.
func StartKafka(opts KafkaOptions) (*Kafka, error) {
	lock, err := lockDir(opts.DataDir, "Kafka")
	if err != nil {
		return nil, err
	}
	options := []kfake.Opt{
		kfake.Ports(opts.Port),
		kfake.ClusterID("sluice-local"),
		kfake.DataDir(opts.DataDir),
		kfake.WithLogger(kafkaLog{opts.Logger}),
		kfake.BrokerConfigs(map[string]string{"state.log.compact.bytes": compactBytes}),
	}
	if opts.Sync {
		options = append(options, kfake.SyncWrites())
	}
	cluster, err := kfake.NewCluster(options...)
	if err != nil {
		_ = lock.Close()
		if opts.Port != 0 && strings.Contains(err.Error(), "address already in use") {
			return nil, fmt.Errorf("starting the local Kafka: port %d is taken; choose another, or 0 for any: %w", opts.Port, err)
		}
		return nil, fmt.Errorf("starting the local Kafka on %s: %w", opts.DataDir, err)
	}
	k := &Kafka{cluster: cluster, addrs: cluster.ListenAddrs(), lock: lock}
	k.close = sync.OnceValue(func() error {
		k.cluster.Close()
		if err := k.lock.Close(); err != nil {
			return fmt.Errorf("closing the data folder of the local Kafka: %w", err)
		}
		return nil
	})
	return k, nil
}

// Addrs returns the bootstrap addresses, host:port.
func (k *Kafka) Addrs() []string { return append([]string(nil), k.addrs...) }

// Port returns the port it listens on.
func (k *Kafka) Port() int {
	_, port, _ := net.SplitHostPort(k.addrs[0])
	n, _ := strconv.Atoi(port)
	return n
}

// Cluster gives access to the broker itself, so that tests can inject faults
// per request type (kfake's ControlKey).
func (k *Kafka) Cluster() *kfake.Cluster { return k.cluster }

// Close ends the broker, writes what is in memory and frees the folder. A
// second call returns what the first one did.
func (k *Kafka) Close() error { return k.close() }

// kafkaLog hands the broker's own log to slog, errors and warnings only.
type kafkaLog struct{ to *slog.Logger }

func (l kafkaLog) Logf(level kfake.LogLevel, msg string, args ...any) {
	if l.to == nil || level == kfake.LogLevelNone || level > kfake.LogLevelWarn {
		return
	}
	text := fmt.Sprintf(msg, args...)
	if level == kfake.LogLevelError {
		l.to.Error("local kafka", "message", text)
		return
	}
	l.to.Warn("local kafka", "message", text)
}
