package ingest

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts what the edge does. The label sets are closed.
type metrics struct {
	requests *prometheus.CounterVec
	accepted prometheus.Counter // of requests: accepted, 2xx
	seconds  prometheus.Observer
	refused  prometheus.Observer
	bytes    prometheus.Counter
	producer atomic.Pointer[producer]
}

func newMetrics(registerer prometheus.Registerer, e *Edge) *metrics {
	m := &metrics{}
	m.requests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sluice_ingest_requests_total", Help: "Requests on the public listener, by how they ended.",
	}, []string{"outcome", "status"})
	m.accepted = m.requests.WithLabelValues(string(ReasonAccepted), "2xx")
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "sluice_ingest_request_seconds", Help: "Time from a request's headers to its answer.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
	}, []string{"outcome"})
	m.seconds, m.refused = seconds.WithLabelValues("accepted"), seconds.WithLabelValues("refused")
	m.bytes = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sluice_ingest_body_bytes_total", Help: "Bytes of the bodies of accepted hooks.",
	})
	gauge := func(name, help string, value func(*producer) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			if p := m.producer.Load(); p != nil {
				return value(p)
			}
			return 0
		})
	}
	if registerer == nil {
		return m
	}
	registerer.MustRegister(m.requests, seconds, m.bytes,
		gauge("sluice_ingest_buffered_records", "Hooks that wait for Kafka.",
			func(p *producer) float64 { return float64(p.client.BufferedProduceRecords()) }),
		gauge("sluice_ingest_buffered_bytes", "Bytes of hooks that wait for Kafka, and of bodies being read.",
			func(p *producer) float64 {
				return float64(p.client.BufferedProduceBytes() + e.bodies.used.Load())
			}),
		gauge("sluice_ingest_connections", "Connections that senders have open.",
			func(*producer) float64 { return float64(e.open()) }),
		gauge("sluice_ingest_refusing_partitions", "Partitions that Kafka takes no hooks for at present.",
			func(p *producer) float64 { return float64(p.refusing()) }),
	)
	return m
}

// statusClasses: a flow may answer with a status up to 999, which counts as 5xx.
var statusClasses = [...]string{1: "1xx", 2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"}

func (m *metrics) watch(p *producer) { m.producer.Store(p) }

func (m *metrics) finished(reason Reason, status int, took time.Duration, bytes int) {
	if reason == ReasonAccepted && status/100 == 2 {
		m.accepted.Inc()
	} else {
		m.requests.WithLabelValues(string(reason), statusClasses[min(max(status/100, 1), 5)]).Inc()
	}
	if reason == ReasonAccepted {
		m.seconds.Observe(took.Seconds())
		m.bytes.Add(float64(bytes))
		return
	}
	m.refused.Observe(took.Seconds())
}
