package local

import (
	"fmt"
	"testing"
	"time"
)

func BenchmarkInsert(b *testing.B) {
	c := startClickHouse(b, ClickHouseOptions{})
	db := connect(b, c)
	for _, block := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(block), func(b *testing.B) {
			ctx := b.Context()
			table := fmt.Sprint("bench_", block)
			must(b, db.Exec(ctx, "CREATE OR REPLACE TABLE "+table+" (id UInt64, flow LowCardinality(String), body String, at DateTime64(3)) ENGINE = MergeTree ORDER BY id"))
			now := time.Now()
			rows := 0
			for b.Loop() {
				batch, err := db.PrepareBatch(ctx, "INSERT INTO "+table)
				must(b, err)
				for i := range block {
					must(b, batch.Append(uint64(rows+i), "flow", "a body of some length, as events have", now))
				}
				must(b, batch.Send())
				rows += block
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func BenchmarkSelect(b *testing.B) {
	c := startClickHouse(b, ClickHouseOptions{})
	db := connect(b, c)
	must(b, db.Exec(b.Context(), "CREATE TABLE t ENGINE = MergeTree ORDER BY id AS SELECT number AS id, toString(number) AS body, now64(3) AS at FROM numbers(1000000)"))
	total := 0
	for b.Loop() {
		rows, err := db.Query(b.Context(), "SELECT id, body, at FROM t")
		must(b, err)
		for rows.Next() {
			total++
		}
		must(b, rows.Err())
	}
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkSelectOne(b *testing.B) {
	c := startClickHouse(b, ClickHouseOptions{})
	db := connect(b, c)
	for b.Loop() {
		var one uint8
		must(b, db.QueryRow(b.Context(), "SELECT 1").Scan(&one))
	}
}
