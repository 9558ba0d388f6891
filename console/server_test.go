package console

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/connectors"
	"sluice/connectors/all"
	"sluice/connectors/mapping"
	"sluice/connectors/openapi"
	"sluice/connectors/outgoing"
	"sluice/schemas"
	"sluice/schemas/control"
)

const partitions = 3

// server is a console over a Kafka of its own, reached by HTTP.
type server struct {
	t     *testing.T
	url   string
	kafka []kgo.Opt
	log   *control.Log
	token string
	logs  logBuffer
}

// logBuffer keeps what was logged.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func newServer(t *testing.T, change func(*Options)) *server {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	s := &server{t: t, kafka: []kgo.Opt{kgo.SeedBrokers(fake.ListenAddrs()...)}}
	client := s.client(kgo.MetadataMinAge(10 * time.Millisecond))
	if err := schemas.EnsureTopics(t.Context(), client, schemas.DefaultTopics, partitions, schemas.Replication{Factor: 1, MinInSync: 1}); err != nil {
		t.Fatal(err)
	}
	cipher, err := control.NewCipher(control.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	set, err := all.New()
	if err != nil {
		t.Fatal(err)
	}
	s.log = control.New(control.Options{Topics: schemas.DefaultTopics, Kafka: s.kafka, Cipher: cipher, Logger: slog.New(slog.DiscardHandler), Connectors: extends(set)})
	if err := s.log.Start(ctx); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url = "http://" + listener.Addr().String()
	o := Options{
		Listener: listener, Control: s.log, Components: set, Mapping: mapping.New(mapping.Limits{}),
		Env:   connectors.Env{HTTP: outgoing.New(outgoing.Options{AllowLoopback: true})},
		Kafka: s.kafka, Topics: schemas.DefaultTopics, PublicURL: "https://hooks.example.com/",
		Logger: slog.New(slog.NewJSONHandler(&s.logs, nil)),
	}
	if change != nil {
		change(&o)
	}
	s.token = o.Token
	done := make(chan error, 1)
	go func() { done <- New(o).Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil after its context ended", err)
		}
	})
	return s
}

// extends makes imported connectors known, as the program does.
func extends(set *connectors.Set) func([]*schemas.ConnectorEntry) {
	return func(imported []*schemas.ConnectorEntry) {
		var list []connectors.Connector
		for _, e := range imported {
			if d, err := openapi.Unpack(e.Data); err == nil {
				list = append(list, d.Connector())
			}
		}
		_ = set.Extend(list...)
	}
}

func (s *server) client(opts ...kgo.Opt) *kgo.Client {
	s.t.Helper()
	client, err := kgo.NewClient(append(append([]kgo.Opt{}, s.kafka...), opts...)...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(client.Close)
	return client
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

// json reads a member of the answer by its names, as encoding/json has it, with
// numbers as written.
func (a answer) json(t *testing.T, names ...any) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(a.body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("the answer is no JSON: %s", a.body)
	}
	for _, name := range names {
		switch n := name.(type) {
		case string:
			object, _ := v.(map[string]any)
			v = object[n]
		case int:
			list, _ := v.([]any)
			if n >= len(list) {
				return nil
			}
			v = list[n]
		}
	}
	return v
}

func (s *server) do(method, path, body string, headers ...string) answer {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, raw}
}

// must is do with the status it has to have.
func (s *server) must(status int, method, path, body string, headers ...string) answer {
	s.t.Helper()
	a := s.do(method, path, body, headers...)
	if a.status != status {
		s.t.Fatalf("%s %s = %d %s, want %d", method, path, a.status, a.body, status)
	}
	if status >= 400 && a.header.Get("Content-Type") != "application/problem+json" {
		s.t.Errorf("%s %s answered an error as %s", method, path, a.header.Get("Content-Type"))
	}
	return a
}

func equal(t *testing.T, what string, have, want any) {
	t.Helper()
	if fmt.Sprint(have) != fmt.Sprint(want) {
		t.Errorf("%s = %v, want %v", what, have, want)
	}
}

// away is a ClickHouse that nobody is at.
func away(t *testing.T) driver.Conn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return openHistory(t, "http://"+addr+"/default")
}
