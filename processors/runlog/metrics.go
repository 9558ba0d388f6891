package runlog

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/schemas"
)

type metrics struct {
	rows     *prometheus.CounterVec
	flushes  prometheus.Counter
	failures prometheus.Counter
	seconds  prometheus.Histogram
	visible  prometheus.Histogram
	poison   *prometheus.CounterVec
	holes    prometheus.Counter
	oldest   atomic.Int64 // Unix nanoseconds of the oldest record not yet written, 0 for none
}

func newMetrics(reg prometheus.Registerer) *metrics {
	opts := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Name: "sluice_runlog_" + name, Help: help}
	}
	m := &metrics{
		rows:     prometheus.NewCounterVec(opts("rows_total", "Rows written, repeated ones included, by table."), []string{"table"}),
		flushes:  prometheus.NewCounter(opts("flushes_total", "Flushes that were written.")),
		failures: prometheus.NewCounter(opts("insert_failures_total", "Inserts that ClickHouse did not take and that were repeated.")),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sluice_runlog_flush_seconds", Help: "How long a flush took, waits included.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}}),
		visible: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sluice_runlog_visible_seconds", Help: "Age of a flush's oldest record when it became visible.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60, 600}}),
		poison: prometheus.NewCounterVec(opts("poison_total", "Records that could not be read and were passed by."), []string{"topic"}),
		holes:  prometheus.NewCounter(opts("holes_total", "Times that Kafka's retention removed records before they were read.")),
	}
	for _, t := range []string{executionsTable.name, stepsTable.name, hooksTable.name, progressTable.name} {
		m.rows.WithLabelValues(t)
	}
	for _, t := range []string{"executions", "hooks", "replays"} {
		m.poison.WithLabelValues(t)
	}
	if reg != nil {
		reg.MustRegister(m.rows, m.flushes, m.failures, m.seconds, m.visible, m.poison, m.holes,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "sluice_runlog_lag_seconds", Help: "Age of the oldest record that was read and is not yet visible.",
			}, m.lag))
	}
	return m
}

func (m *metrics) lag() float64 {
	if oldest := m.oldest.Load(); oldest != 0 {
		return max(time.Since(time.Unix(0, oldest)).Seconds(), 0)
	}
	return 0
}

// pending says the time of the oldest record that is held; zero for none.
func (m *metrics) pending(oldest time.Time) {
	if oldest.IsZero() {
		m.oldest.Store(0)
		return
	}
	m.oldest.Store(oldest.UnixNano())
}

func (m *metrics) written(table string, rows int) { m.rows.WithLabelValues(table).Add(float64(rows)) }

func (m *metrics) flushed(b *batch, began time.Time) {
	m.flushes.Inc()
	m.seconds.Observe(time.Since(began).Seconds())
	if !b.oldest.IsZero() {
		m.visible.Observe(max(time.Since(b.oldest).Seconds(), 0))
	}
}

func (m *metrics) poisoned(topics schemas.Topics, topic string) {
	label := "executions"
	switch topic {
	case topics.Hooks():
		label = "hooks"
	case topics.Replays():
		label = "replays"
	}
	m.poison.WithLabelValues(label).Inc()
}
