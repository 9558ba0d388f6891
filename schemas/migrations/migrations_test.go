package migrations

import (
	"strings"
	"sync"
	"testing"

	"sluice/deploy/local/localtest"
	"sluice/schemas/clickhouse"
)

func tables(t *testing.T, url string) string {
	t.Helper()
	conn, err := clickhouse.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var names string
	if err := conn.QueryRow(t.Context(), "SELECT arrayStringConcat(arraySort(groupArray(name)), ' ') FROM system.tables WHERE database = currentDatabase()").Scan(&names); err != nil {
		t.Fatal(err)
	}
	return names
}

const all = "differences execution_minutes executions flow_minutes hooks minutes runlog_all_executions runlog_differences runlog_erased runlog_executions runlog_fresh runlog_hooks runlog_marks runlog_migrations runlog_minutes " +
	"runlog_progress runlog_rebuilds runlog_roll_executions runlog_roll_steps runlog_rolled runlog_selections runlog_stale runlog_steps step_minutes steps"

func TestUpMakesAMissingDatabaseAndIsDoneOnce(t *testing.T) {
	url, err := clickhouse.InDatabase(localtest.ClickHouse(t).URL(), "made-here`\\")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := Up(t.Context(), url); err != nil {
			t.Fatal(err)
		}
	}
	if got := tables(t, url); got != all {
		t.Errorf("tables %s, want %s", got, all)
	}
	conn, err := clickhouse.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var versions uint64
	if err := conn.QueryRow(t.Context(), "SELECT count() FROM runlog_migrations WHERE version_id > 0").Scan(&versions); err != nil {
		t.Fatal(err)
	}
	files, err := files.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	if int(versions) != len(files) {
		t.Errorf("%d migrations were noted, want %d", versions, len(files))
	}
}

func TestSeveralProcessesMigrateAtOnce(t *testing.T) {
	url := localtest.ClickHouse(t).URL()
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			if err := Up(t.Context(), url); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got := tables(t, url); got != all {
		t.Errorf("tables %s, want %s", got, all)
	}
}

func TestUpSaysThatClickHouseIsAway(t *testing.T) {
	err := Up(t.Context(), "http://jane:hunter2@127.0.0.1:1/logs")
	if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "jane") {
		t.Errorf("got %v", err)
	}
}
