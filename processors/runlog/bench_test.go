package runlog

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
)

// BenchmarkCatchUp is how fast a writer takes in what Kafka holds: per
// execution a hook of 1 KB, two records, three steps.
func BenchmarkCatchUp(b *testing.B) {
	const executions = 40_000
	k := newKafka(b)
	body := fmt.Sprintf(`{"petname":"%01000d"}`, 7)
	var batch []*kgo.Record
	for _, id := range ids(executions) {
		batch = append(batch, hookRecord(b, id, body), recordOf(b, first(id)), recordOf(b, second(id)))
		if len(batch) >= 10_000 {
			k.produce(batch...)
			batch = batch[:0]
		}
	}
	k.produce(batch...)
	for b.Loop() {
		b.StopTimer()
		conn := openEngine(b, newDatabase(b, engines["embedded"]))
		b.StartTimer()
		o := k.options(conn)
		o.Group = fmt.Sprint("bench", b.N, time.Now().UnixNano())
		stop := start(b, o)
		eventually(b, func() string {
			if progressOf(b, conn) < 3*executions {
				return "not there"
			}
			return ""
		})
		b.StopTimer()
		stop()
		if n := count(b, conn, "SELECT count() FROM executions WHERE status = 'succeeded'"); n != executions {
			b.Fatalf("%d executions", n)
		}
		b.StartTimer()
	}
	seconds := b.Elapsed().Seconds() / float64(b.N)
	b.ReportMetric(executions/seconds, "executions/s")
	b.ReportMetric(5*executions/seconds, "rows/s")
}

// BenchmarkVisible is the time from Kafka's acknowledgement until a query of the
// view shows the execution, one every half second, as on a quiet system.
func BenchmarkVisible(b *testing.B) {
	k := newKafka(b)
	conn := openEngine(b, newDatabase(b, engines["embedded"]))
	o := k.options(conn)
	o.Interval = 0
	stop := start(b, o)
	defer stop()
	k.story(1)
	until(b, conn, 1, "SELECT count() FROM executions WHERE status = 'succeeded'")
	var took []time.Duration
	pace := time.NewTicker(500 * time.Millisecond)
	defer pace.Stop()
	for b.Loop() {
		<-pace.C
		id := schemas.NewExecutionID(time.Now(), 0)
		k.produce(hookRecord(b, id, "{}"), recordOf(b, second(id)))
		began := time.Now()
		until(b, conn, 1, "SELECT count() FROM executions WHERE id = '"+id.String()+"'")
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-median")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
}
