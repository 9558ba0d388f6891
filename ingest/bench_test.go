package ingest

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/valyala/fasthttp"

	"sluice/schemas"
)

// BenchmarkEdge measures the edge against its references in one run: a Fiber
// handler that does nothing, and one that produces the body and no more. The
// variants take turns in short rounds, so that a machine that slows down slows
// all of them; the figures are the medians of the rounds.
func BenchmarkEdge(b *testing.B) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DataDir(b.TempDir()), kfake.SeedTopics(testPartitions, "sluice.hooks", "bare"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(cluster.Close)
	w := startOn(b, cluster, nil)
	w.credential(b, "hmac", "hmac", map[string]string{"secret": "sesame", "prefix": "sha256=", "header": "x-hub-signature-256"})
	const flows = 8
	for i := range flows {
		w.run(b, fmt.Sprint("open", i), schemas.Trigger{})
		w.run(b, fmt.Sprint("signed", i), schemas.Trigger{Credential: "hmac"})
	}
	body := `{"petname":"Gromit","petstatus":"Sold","more":"` + strings.Repeat("x", 975) + `"}`
	signature := "sha256=" + hex.EncodeToString(sum256("sesame", body))

	nothing := serveBare(b, func(c *fiber.Ctx) error { return c.SendString(`{"message":"thank you"}`) })
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(client.Close)
	bare := serveBare(b, func(c *fiber.Ctx) error {
		id := strings.TrimPrefix(c.Path(), "/hook/")
		record := &kgo.Record{Topic: "bare", Partition: schemas.PartitionOf(id, testPartitions), Key: []byte(id), Value: slices.Clone(c.BodyRaw())}
		done := make(chan error, 1)
		client.Produce(context.Background(), record, func(_ *kgo.Record, err error) { done <- err })
		if err := <-done; err != nil {
			return err
		}
		return c.SendString(`{"message":"thank you"}`)
	})

	variants := []struct{ name, url, path string }{
		{"nothing", nothing, "/hook/open"}, {"bare", bare, "/hook/open"}, {"edge", w.url, "/hook/open"}, {"hmac", w.url, "/hook/signed"},
	}
	rates := make([][]float64, len(variants))
	for b.Loop() {
		for i, v := range variants {
			rates[i] = append(rates[i], load(b, v.url+v.path, flows, body, signature))
		}
	}
	median := func(i int) float64 {
		slices.Sort(rates[i])
		return rates[i][len(rates[i])/2]
	}
	for i, v := range variants {
		b.ReportMetric(median(i), v.name+"/s")
	}
	b.ReportMetric(median(2)/median(1), "edge:bare")
	b.ReportMetric(median(3)/median(1), "hmac:bare")
	b.ReportMetric(0, "ns/op")
}

func serveBare(b *testing.B, handler fiber.Handler) string {
	b.Helper()
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Post("/hook/*", handler)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go app.Listener(listener)
	b.Cleanup(func() { _ = app.Shutdown() })
	return "http://" + listener.Addr().String()
}

// load sends hooks over 64 connections for a while, and returns how many were
// answered with 200 in a second.
func load(b *testing.B, url string, flows int, body, signature string) float64 {
	const senders, each = 64, 150
	client := &fasthttp.Client{MaxConnsPerHost: senders}
	defer client.CloseIdleConnections()
	var all sync.WaitGroup
	began := time.Now()
	for i := range senders {
		all.Go(func() {
			request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
			request.SetRequestURI(fmt.Sprint(url, i%flows))
			request.Header.SetMethod("POST")
			request.Header.SetContentType("application/json")
			request.Header.Set("X-Hub-Signature-256", signature)
			request.Header.Set("X-Github-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
			request.Header.Set("X-Github-Event", "push")
			request.Header.Set("Accept", "*/*")
			request.SetBodyString(body)
			for range each {
				if err := client.Do(request, response); err != nil || response.StatusCode() != 200 {
					b.Errorf("%s: %v %d %s", url, err, response.StatusCode(), response.Body())
					return
				}
			}
		})
	}
	all.Wait()
	return senders * each / time.Since(began).Seconds()
}
