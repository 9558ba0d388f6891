package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// layout is what a folder remembers, so that it can be opened again.
type layout struct {
	Cluster string `json:"cluster"`
	// Ports and Controllers of the brokers, by index.
	Ports       []int `json:"ports"`
	Controllers []int `json:"controllers"`
}

// lay writes everything the brokers need into the folder, or takes what an
// earlier start left there.
func (b *Brokers) lay(ctx context.Context) error {
	if err := os.MkdirAll(b.opts.Dir, 0o750); err != nil {
		return fmt.Errorf("making the folder of the Kafka brokers: %w", err)
	}
	path := filepath.Join(b.opts.Dir, "cluster.json")
	var l layout
	saved, err := os.ReadFile(path)
	switch {
	case err == nil:
		if err := json.Unmarshal(saved, &l); err != nil || len(l.Ports) != b.opts.N || len(l.Controllers) != b.opts.N {
			return fmt.Errorf("opening the Kafka brokers in %s: the folder holds something else than %d brokers; choose another", b.opts.Dir, b.opts.N)
		}
	case errors.Is(err, os.ErrNotExist):
		ports, err := freePorts(2 * b.opts.N)
		if err != nil {
			return err
		}
		l = layout{Cluster: clusterID(), Ports: ports[:b.opts.N], Controllers: ports[b.opts.N:]}
	default:
		return fmt.Errorf("opening the Kafka brokers: %w", err)
	}
	for _, port := range l.Ports {
		b.addrs = append(b.addrs, "127.0.0.1:"+strconv.Itoa(port))
	}
	if err := b.writeSettings(l); err != nil {
		return fmt.Errorf("writing the settings of the Kafka brokers: %w", err)
	}
	if saved != nil {
		return nil
	}
	if err := b.format(ctx, l); err != nil {
		return err
	}
	saved, err = json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, saved, 0o600)
}

func (b *Brokers) writeSettings(l layout) error {
	const logging = `status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.net.name = org.apache.kafka.clients.NetworkClient
logger.net.level = error
`
	if err := os.WriteFile(filepath.Join(b.opts.Dir, "log4j2.properties"), []byte(logging), 0o600); err != nil {
		return err
	}
	for i := range b.procs {
		if err := os.MkdirAll(b.brokerDir(i), 0o750); err != nil {
			return err
		}
		var out bytes.Buffer
		settings := b.settings(l, i)
		for _, key := range slices.Sorted(maps.Keys(settings)) {
			fmt.Fprintf(&out, "%s=%s\n", key, strings.ReplaceAll(settings[key], `\`, `\\`))
		}
		if err := os.WriteFile(b.propertiesPath(i), out.Bytes(), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// settings of server.properties for broker i.
func (b *Brokers) settings(l layout, i int) map[string]string {
	replicas, inSync := "1", "1"
	if b.opts.N == 3 {
		replicas, inSync = "3", "2"
	}
	var voters []string
	for node, port := range l.Controllers {
		voters = append(voters, fmt.Sprintf("%d@127.0.0.1:%d", node+1, port))
	}
	settings := map[string]string{
		"process.roles":                  "broker,controller",
		"node.id":                        strconv.Itoa(i + 1),
		"controller.quorum.voters":       strings.Join(voters, ","),
		"controller.listener.names":      "CONTROLLER",
		"inter.broker.listener.name":     "PLAINTEXT",
		"listeners":                      fmt.Sprintf("PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", l.Ports[i], l.Controllers[i]),
		"advertised.listeners":           fmt.Sprintf("PLAINTEXT://127.0.0.1:%d", l.Ports[i]),
		"listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"log.dirs":                       filepath.Join(b.brokerDir(i), "data"),

		"default.replication.factor":                       replicas,
		"min.insync.replicas":                              inSync,
		"offsets.topic.replication.factor":                 replicas,
		"transaction.state.log.replication.factor":         replicas,
		"transaction.state.log.min.isr":                    inSync,
		"share.coordinator.state.topic.replication.factor": replicas,
		"share.coordinator.state.topic.min.isr":            inSync,

		"auto.create.topics.enable":        "false",
		"group.initial.rebalance.delay.ms": "0",
		// A test may want a short session; a cluster's floor is 6 s.
		"group.min.session.timeout.ms": "1000",

		// Few partitions and threads, small buffers: three brokers share a machine.
		"offsets.topic.num.partitions":                 "3",
		"transaction.state.log.num.partitions":         "3",
		"share.coordinator.state.topic.num.partitions": "1",
		"num.network.threads":                          "2",
		"num.io.threads":                               "3",
		"num.replica.fetchers":                         "1",
		"num.recovery.threads.per.data.dir":            "1",
		"background.threads":                           "2",
		"log.cleaner.dedupe.buffer.size":               "8388608",
		"log.cleaner.io.buffer.size":                   "131072",
		// A killed broker is noticed in 4 s rather than 9.
		"broker.heartbeat.interval.ms": "500",
		"broker.session.timeout.ms":    "4000",
	}
	maps.Copy(settings, b.opts.Config)
	return settings
}

// format prepares the data folders. Kafka's tool runs once, for the first
// broker; what it writes is the same for the others but for two lines.
func (b *Brokers) format(ctx context.Context, l layout) error {
	args := append(b.jvm(), "-Xmx128m", "kafka.tools.StorageTool", "format",
		"--cluster-id", l.Cluster, "--config", b.propertiesPath(0), "--feature", "transaction.version=2")
	if out, err := exec.CommandContext(ctx, b.java, args...).CombinedOutput(); err != nil {
		if bytes.Contains(out, []byte("UnsupportedClassVersionError")) {
			return errors.New("formatting the Kafka brokers: this java is too old; install a JRE, version 17 or later")
		}
		return fmt.Errorf("formatting the Kafka brokers: %w\n%s", err, tail(out))
	}
	first := filepath.Join(b.brokerDir(0), "data")
	for i := 1; i < b.opts.N; i++ {
		data := filepath.Join(b.brokerDir(i), "data")
		if err := os.CopyFS(data, os.DirFS(first)); err != nil {
			return fmt.Errorf("formatting Kafka broker %d: %w", i, err)
		}
		path := filepath.Join(data, "meta.properties")
		meta, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("formatting Kafka broker %d: %w", i, err)
		}
		lines := strings.Split(string(meta), "\n")
		for n, line := range lines {
			switch key, _, _ := strings.Cut(line, "="); key {
			case "node.id":
				lines[n] = "node.id=" + strconv.Itoa(i+1)
			case "directory.id":
				lines[n] = "directory.id=" + clusterID()
			}
		}
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			return fmt.Errorf("formatting Kafka broker %d: %w", i, err)
		}
	}
	return nil
}
