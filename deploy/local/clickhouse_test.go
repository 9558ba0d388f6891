package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// startClickHouse opens a folder (a new one when dir is empty).
func startClickHouse(t testing.TB, opts ClickHouseOptions) *ClickHouse {
	t.Helper()
	if opts.DataDir == "" {
		opts.DataDir = t.TempDir()
	}
	opts.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	c, err := StartClickHouse(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func connect(t testing.TB, c *ClickHouse, change ...func(*clickhouse.Options)) driver.Conn {
	t.Helper()
	opts, err := clickhouse.ParseDSN(c.URL())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(opts)
	}
	conn, err := clickhouse.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func code(err error) int32 {
	var e *clickhouse.Exception
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

func TestTypesSurviveTheRoundTripInEveryCompression(t *testing.T) {
	c := startClickHouse(t, ClickHouseOptions{})
	type row struct {
		ID      uuid.UUID         `ch:"id"`
		At      time.Time         `ch:"at"`
		Second  time.Time         `ch:"second"`
		Flow    string            `ch:"flow"`
		Status  string            `ch:"status"`
		Tags    []string          `ch:"tags"`
		Labels  map[string]string `ch:"labels"`
		Error   *string           `ch:"error"`
		Price   decimal.Decimal   `ch:"price"`
		Body    string            `ch:"body"`
		Big     uint64            `ch:"big"`
		Small   int8              `ch:"small"`
		Ratio   float64           `ch:"ratio"`
		OK      bool              `ch:"ok"`
		Nested  [][]int64         `ch:"nested"`
		From    netip.Addr        `ch:"from"`
		Missing *int64            `ch:"missing"`
	}
	const table = `CREATE TABLE %s (
		id UUID, at DateTime64(6, 'UTC'), second DateTime, flow LowCardinality(String),
		status Enum8('running'=1,'done'=2), tags Array(LowCardinality(String)), labels Map(LowCardinality(String), String),
		error Nullable(String), price Decimal(18, 4), body String, big UInt64, small Int8, ratio Float64, ok Bool,
		nested Array(Array(Int64)), from IPv6, missing Nullable(Int64)
	) ENGINE = MergeTree ORDER BY at`
	base := time.Date(2026, 11, 22, 13, 14, 15, 123456000, time.UTC)
	refused := "remote said \x00 no: 'é' \\ \n"
	var want []row
	for i := range 1000 {
		r := row{
			ID: uuid.New(), At: base.Add(time.Duration(i) * time.Millisecond), Second: base.Truncate(time.Second),
			Flow: fmt.Sprint("flow-", i%3), Status: "done", Tags: []string{}, Labels: map[string]string{"k": fmt.Sprint(i)},
			Price: decimal.New(int64(i)*10001, -4), Body: `{"n":` + fmt.Sprint(i) + `}`, Big: math.MaxUint64 - uint64(i), Small: int8(-i % 100),
			Ratio: float64(i) / 3, OK: i%2 == 0, Nested: [][]int64{{1, int64(i)}, {}}, From: netip.MustParseAddr("2001:db8::1"),
		}
		if i%2 == 1 {
			r.Error, r.Tags = &refused, []string{"a", "b"}
			n := int64(-i)
			r.Missing = &n
		}
		want = append(want, r)
	}
	for name, compression := range map[string]*clickhouse.Compression{
		"none": nil, "lz4": {Method: clickhouse.CompressionLZ4}, "zstd": {Method: clickhouse.CompressionZSTD},
		"gzip": {Method: clickhouse.CompressionGZIP, Level: 1}, "deflate": {Method: clickhouse.CompressionDeflate, Level: 1}, "br": {Method: clickhouse.CompressionBrotli, Level: 1},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			db := connect(t, c, func(o *clickhouse.Options) {
				o.Compression = compression
				o.Settings = clickhouse.Settings{"enable_http_compression": 1}
			})
			must(t, db.Exec(ctx, fmt.Sprintf(table, "types_"+name)))
			batch, err := db.PrepareBatch(ctx, "INSERT INTO types_"+name)
			must(t, err)
			for i := range want {
				must(t, batch.AppendStruct(&want[i]))
			}
			must(t, batch.Send())
			var got []row
			must(t, db.Select(ctx, &got, "SELECT * FROM types_"+name+" ORDER BY at"))
			if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b decimal.Decimal) bool { return a.Equal(b) }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestJSONColumnsReadBackAsText(t *testing.T) {
	c := startClickHouse(t, ClickHouseOptions{})
	ctx := t.Context()
	db := connect(t, c)
	must(t, db.Exec(ctx, "CREATE TABLE j (id UInt32, doc JSON) ENGINE = MergeTree ORDER BY id"))
	batch, err := db.PrepareBatch(ctx, "INSERT INTO j")
	must(t, err)
	must(t, batch.Append(uint32(1), `{"a":{"b":1},"c":"x"}`))
	must(t, batch.Append(uint32(2), `{"d":[1,2]}`))
	must(t, batch.Send())
	var text string
	must(t, db.QueryRow(ctx, "SELECT toString(doc) FROM j WHERE id = 1").Scan(&text))
	if text != `{"a":{"b":1},"c":"x"}` {
		t.Errorf("toString(doc) = %s", text)
	}
	var whole string
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"output_format_native_write_json_as_string": 1}))
	must(t, db.QueryRow(ctx, "SELECT doc FROM j WHERE doc.c = 'x'").Scan(&whole))
	if whole != `{"a":{"b":1},"c":"x"}` {
		t.Errorf("doc = %s", whole)
	}
}

func TestErrorsReachTheClientWithTheirCode(t *testing.T) {
	c := startClickHouse(t, ClickHouseOptions{})
	db := connect(t, c)
	ctx := t.Context()
	must(t, db.Exec(ctx, "CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a"))
	for sql, want := range map[string]int32{
		"SELECT * FROM nosuch":                                   60,
		"SELEC 1":                                                62,
		"SELECT nosuch FROM t":                                   47,
		"SELECT 1; SELECT 2":                                     62,
		"INSERT INTO t SELECT throwIf(1)":                        395,
		"INSERT INTO t VALUES ('x')":                             6,
		"SELECT 1 SETTINGS nosuch_setting = 1":                   115,
		"SELECT 1 INTO OUTFILE '/tmp/never'":                     390,
		"WITH 1 AS x INSERT INTO nosuch SELECT x":                60,
		"CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a": 57,
	} {
		err := db.Exec(ctx, sql)
		if got := code(err); got != want {
			t.Errorf("%s: code %d (%v), want %d", sql, got, err, want)
		}
		if err != nil && strings.Count(err.Error(), "DB::Exception") > 1 {
			t.Errorf("%s: the message repeats itself: %v", sql, err)
		}
	}
	_, err := db.Query(clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"nosuch_setting": 1})), "SELECT 1")
	if code(err) != 115 {
		t.Errorf("an unknown setting: %v", err)
	}
}

func TestErrorAfterTheFirstRowsReachesTheClient(t *testing.T) {
	c := startClickHouse(t, ClickHouseOptions{})
	for name, method := range map[string]clickhouse.CompressionMethod{"none": clickhouse.CompressionNone, "lz4": clickhouse.CompressionLZ4} {
		t.Run(name, func(t *testing.T) {
			db := connect(t, c, func(o *clickhouse.Options) { o.Compression = &clickhouse.Compression{Method: method} })
			rows, err := db.Query(t.Context(), "SELECT throwIf(number = 1500000, 'too far') FROM numbers(3000000) SETTINGS max_threads = 1")
			must(t, err)
			n := 0
			for rows.Next() {
				n++
			}
			if n == 0 || code(rows.Err()) != 395 || !strings.Contains(rows.Err().Error(), "too far") {
				t.Errorf("%d rows, then %v; want some, then code 395", n, rows.Err())
			}
		})
	}
}

func TestEightClientsAtOnceLoseNothing(t *testing.T) {
	c := startClickHouse(t, ClickHouseOptions{Connections: 4})
	ctx := t.Context()
	db := connect(t, c, func(o *clickhouse.Options) { o.MaxOpenConns = 8 })
	must(t, db.Exec(ctx, "CREATE TABLE t (client UInt8, n UInt32) ENGINE = MergeTree ORDER BY (client, n)"))
	const rounds, rows = 10, 500
	var wg sync.WaitGroup
	for client := range 8 {
		wg.Go(func() {
			for round := range rounds {
				batch, err := db.PrepareBatch(ctx, "INSERT INTO t")
				if err != nil {
					t.Error(err)
					return
				}
				for i := range rows {
					if err := batch.Append(uint8(client), uint32(round*rows+i)); err != nil {
						t.Error(err)
						return
					}
				}
				if err := batch.Send(); err != nil {
					t.Error(err)
					return
				}
				var n uint64
				if err := db.QueryRow(ctx, "SELECT count() FROM t WHERE client = $1", client).Scan(&n); err != nil {
					t.Error(err)
					return
				}
				if want := uint64((round + 1) * rows); n != want {
					t.Errorf("client %d sees %d rows after writing %d", client, n, want)
				}
			}
		})
	}
	wg.Wait()
}

func TestCancelledQueryFreesItsConnection(t *testing.T) {
	c := startClickHouse(t, ClickHouseOptions{Connections: 1})
	db := connect(t, c)
	for _, sql := range []string{
		"SELECT max(sipHash64(number)) FROM numbers(1000000000000)", // no row before the end
		"SELECT number FROM numbers(1000000000000)",                 // rows without end
		"CREATE TABLE big ENGINE = MergeTree ORDER BY tuple() AS SELECT sipHash64(number) FROM numbers(1000000000000)",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		start := time.Now()
		rows, err := db.Query(ctx, sql)
		if err == nil {
			for rows.Next() {
			}
			err = rows.Err()
		}
		cancel()
		if err == nil {
			t.Errorf("%s ended without an error", sql)
		}
		// The only connection must be free again.
		var one uint8
		must(t, db.QueryRow(t.Context(), "SELECT 1").Scan(&one))
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: the connection was free after %v", sql, took)
		}
	}
}

func TestSettingsOfOneRequestDoNotReachTheNext(t *testing.T) {
	c := startClickHouse(t, ClickHouseOptions{Connections: 1})
	db := connect(t, c)
	ctx := t.Context()
	before := setting(t, db, ctx, "max_threads")
	with := clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_threads": 7, "max_result_rows": 5}))
	if got := setting(t, db, with, "max_threads"); got != "7" {
		t.Errorf("max_threads = %s with the setting 7", got)
	}
	must(t, db.Exec(ctx, "SET max_threads = 9"))
	must(t, db.Exec(ctx, "USE system"))
	must(t, db.Exec(ctx, "CREATE TEMPORARY TABLE gone (a UInt8)"))
	if got := setting(t, db, ctx, "max_threads"); got != before {
		t.Errorf("max_threads = %s afterwards, want %s", got, before)
	}
	if got := setting(t, db, ctx, "max_result_rows"); got != "0" {
		t.Errorf("max_result_rows = %s afterwards, want 0", got)
	}
	var database string
	must(t, db.QueryRow(ctx, "SELECT currentDatabase()").Scan(&database))
	if database != "default" {
		t.Errorf("the database is %s after USE in another request", database)
	}
	if err := db.Exec(ctx, "SELECT * FROM gone"); code(err) != 60 {
		t.Errorf("a temporary table outlived its request: %v", err)
	}
}

func setting(t *testing.T, db driver.Conn, ctx context.Context, name string) string {
	t.Helper()
	var value string
	must(t, db.QueryRow(ctx, "SELECT toString(value) FROM system.settings WHERE name = $1", name).Scan(&value))
	return value
}

func TestInsertTokenMakesARepeatHarmless(t *testing.T) {
	c := startClickHouse(t, ClickHouseOptions{})
	db := connect(t, c)
	ctx := t.Context()
	must(t, db.Exec(ctx, "CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100"))
	for _, token := range []string{"one", "one", "two"} {
		batch, err := db.PrepareBatch(clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"insert_deduplication_token": token})), "INSERT INTO t")
		must(t, err)
		for i := range 10 {
			must(t, batch.Append(uint32(i)))
		}
		must(t, batch.Send())
	}
	var n uint64
	must(t, db.QueryRow(ctx, "SELECT count() FROM t").Scan(&n))
	if n != 20 {
		t.Errorf("%d rows after three inserts of 10 with two tokens, want 20", n)
	}
}

func TestTablesOutliveARestartAndAnotherFolderCanBeOpened(t *testing.T) {
	dir := t.TempDir()
	first := startClickHouse(t, ClickHouseOptions{DataDir: dir})
	db := connect(t, first)
	must(t, db.Exec(t.Context(), "CREATE TABLE kept (a UInt32) ENGINE = MergeTree ORDER BY a"))
	must(t, db.Exec(t.Context(), "INSERT INTO kept SELECT number FROM numbers(1000)"))
	must(t, first.Close())

	other := startClickHouse(t, ClickHouseOptions{})
	if err := connect(t, other).Exec(t.Context(), "SELECT * FROM kept"); code(err) != 60 {
		t.Errorf("another folder holds the table: %v", err)
	}
	if _, err := StartClickHouse(ClickHouseOptions{DataDir: dir}); err == nil || !strings.Contains(err.Error(), "this process has another one open") {
		t.Errorf("a second folder in one process: %v", err)
	}
	must(t, other.Close())

	again := startClickHouse(t, ClickHouseOptions{DataDir: dir})
	var n uint64
	must(t, connect(t, again).QueryRow(t.Context(), "SELECT count() FROM kept").Scan(&n))
	if n != 1000 {
		t.Errorf("%d rows after the restart, want 1000", n)
	}
}

func TestFolderInUseIsRefusedWithAReason(t *testing.T) {
	dir := t.TempDir()
	startClickHouse(t, ClickHouseOptions{DataDir: dir})
	_, err := StartClickHouse(ClickHouseOptions{DataDir: dir})
	if err == nil || !strings.Contains(err.Error(), "another process uses it") || !strings.Contains(err.Error(), dir) {
		t.Errorf("opening a folder in use: %v", err)
	}
}

func TestMissingLibrarySaysWhatToDo(t *testing.T) {
	t.Setenv(LibraryEnv, "")
	t.Chdir(t.TempDir())
	_, err := StartClickHouse(ClickHouseOptions{DataDir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("without a library: %v", err)
	}
	t.Setenv(LibraryEnv, "/nowhere/libchdb.so")
	if _, err := StartClickHouse(ClickHouseOptions{DataDir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), LibraryEnv) {
		t.Errorf("with a wrong %s: %v", LibraryEnv, err)
	}
}

// The library resets the handler of SIGSEGV; without Go's own a nil dereference
// ends the process.
func TestNilDereferenceStillPanics(t *testing.T) {
	c := startClickHouse(t, ClickHouseOptions{})
	must(t, connect(t, c).Ping(t.Context()))
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	var nowhere *ClickHouseOptions
	_ = nowhere.DataDir
}

func TestTablesOutliveKill(t *testing.T) {
	dir := t.TempDir()
	child := startChild(t, "clickhouse", dir)
	url := child.line(t)
	opts, err := clickhouse.ParseDSN(url)
	must(t, err)
	db, err := clickhouse.Open(opts)
	must(t, err)
	defer func() { _ = db.Close() }()
	must(t, db.Exec(t.Context(), "CREATE TABLE kept (a UInt64) ENGINE = MergeTree ORDER BY a"))
	for i := range 5 {
		must(t, db.Exec(t.Context(), fmt.Sprintf("INSERT INTO kept SELECT number + %d FROM numbers(1000)", i*1000)))
	}
	child.kill(t)

	c := startClickHouse(t, ClickHouseOptions{DataDir: dir})
	var n uint64
	must(t, connect(t, c).QueryRow(t.Context(), "SELECT uniqExact(a) FROM kept").Scan(&n))
	if n != 5000 {
		t.Errorf("%d rows after kill -9, want 5000", n)
	}
}

func TestTimesAreUTCWhereverItRuns(t *testing.T) {
	t.Setenv("TZ", "America/New_York")
	opts, err := clickhouse.ParseDSN(startChild(t, "clickhouse", t.TempDir()).line(t))
	must(t, err)
	db, err := clickhouse.Open(opts)
	must(t, err)
	defer func() { _ = db.Close() }()
	var zone string
	var second uint32
	must(t, db.QueryRow(t.Context(), "SELECT timezone(), toUnixTimestamp(toDateTime('1970-01-02 00:00:00'))").Scan(&zone, &second))
	if zone != "UTC" || second != 86400 {
		t.Errorf("timezone() is %s, the second day begins at %d", zone, second)
	}
}

func TestIdleMemoryIsSmall(t *testing.T) {
	child := startChild(t, "clickhouse", t.TempDir())
	child.line(t)
	status, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(child.cmd.Process.Pid), "status"))
	if errors.Is(err, os.ErrNotExist) {
		return // no such file on this system
	}
	must(t, err)
	var kib int
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			_, err := fmt.Sscan(rest, &kib)
			must(t, err)
		}
	}
	t.Logf("resident: %d MiB", kib>>10)
	if limit := 300; kib>>10 > limit && !raceEnabled {
		t.Errorf("%d MiB resident when idle, want at most %d", kib>>10, limit)
	}
}
