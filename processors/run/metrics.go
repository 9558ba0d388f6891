package run

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/schemas"
	"sluice/schemas/records"
)

type metrics struct {
	executions   *prometheus.CounterVec
	duration     prometheus.Histogram
	attempts     *prometheus.CounterVec
	transactions prometheus.Histogram
	written      prometheus.Counter
	aborts       prometheus.Counter
	restarts     prometheus.Counter
	deadletters  prometheus.Counter
	open         prometheus.Gauge
	active       prometheus.Gauge
	inFlight     prometheus.Gauge
	postponed    prometheus.Counter
	breakers     prometheus.Gauge

	// By status, those of executions and attempts that were looked up before.
	byStatus, byStepStatus map[int32]prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		byStatus: map[int32]prometheus.Counter{}, byStepStatus: map[int32]prometheus.Counter{},
		executions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_run_executions_total", Help: "Executions that ended, by how."}, []string{"status"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sluice_run_execution_seconds", Help: "From the hook's acceptance to the execution's end.",
			Buckets: prometheus.ExponentialBuckets(0.002, 2.5, 14)}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_run_attempts_total", Help: "Attempts at steps, by outcome."}, []string{"status"}),
		transactions: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sluice_run_transaction_seconds", Help: "Time of a committed transaction.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14)}),
		written: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sluice_run_records_total", Help: "Records written in committed transactions."}),
		aborts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sluice_run_aborts_total", Help: "Transactions that were aborted and written again."}),
		restarts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sluice_run_session_restarts_total", Help: "Sessions that had to start again."}),
		deadletters: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sluice_run_deadletters_total", Help: "Records that could not be decoded or run."}),
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sluice_run_open_executions", Help: "Executions in the topic state that this process owns."}),
		active: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sluice_run_active_executions", Help: "Executions that take up a place of their flow's concurrency."}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sluice_run_steps_in_flight", Help: "Steps being done."}),
		breakers: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sluice_run_breakers_open", Help: "Destinations that are let alone because their calls fail."}),
		postponed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sluice_run_postponed_total", Help: "Attempts put off because their destination's breaker is open."}),
	}
	r.MustRegister(m.executions, m.duration, m.attempts, m.transactions, m.written, m.aborts, m.restarts,
		m.deadletters, m.open, m.active, m.inFlight, m.postponed, m.breakers)
	return m
}

func (m *metrics) committed(n int, took time.Duration) {
	m.written.Add(float64(n))
	m.transactions.Observe(took.Seconds())
}

func (m *metrics) ended(x *records.Execution) {
	counter := m.byStatus[int32(x.Status)]
	if counter == nil {
		counter = m.executions.WithLabelValues(schemas.StatusName(x.Status))
		m.byStatus[int32(x.Status)] = counter
	}
	counter.Inc()
	m.duration.Observe(time.Duration(x.EndedAt - x.StartedAt).Seconds())
}

func (m *metrics) attempt(a *records.Attempt) {
	counter := m.byStepStatus[int32(a.Status)]
	if counter == nil {
		counter = m.attempts.WithLabelValues(schemas.StepStatusName(a.Status))
		m.byStepStatus[int32(a.Status)] = counter
	}
	counter.Inc()
}
