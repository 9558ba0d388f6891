// Package migrations holds the run log's tables and views in ClickHouse, and
// brings a database up to them.
//
// The views executions, steps and hooks are a contract: people and the console
// query them. The tables behind them are the run log's own.
package migrations

import (
	"context"
	"embed"
	"fmt"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"sluice/schemas/clickhouse"
)

//go:embed *.sql
var files embed.FS

// versionTable is where goose keeps which migrations were applied.
const versionTable = "runlog_migrations"

// Up brings the database that the URL names (schemas/clickhouse.Open says in
// which forms) to the newest version. It makes the database when it is missing,
// does nothing when there is nothing to do, and may run in several processes at
// once. It fails at once when ClickHouse is away.
func Up(ctx context.Context, rawURL string) error {
	if err := createDatabase(ctx, rawURL); err != nil {
		return err
	}
	db, err := clickhouse.OpenDB(rawURL)
	if err != nil {
		return err
	}
	defer db.Close()
	store, err := database.NewStore(goose.DialectClickHouse, versionTable)
	if err != nil {
		return fmt.Errorf("preparing the migrations: %w", err)
	}
	provider, err := goose.NewProvider("", db, files, goose.WithStore(store), goose.WithAllowOutofOrder(true))
	if err != nil {
		return fmt.Errorf("preparing the migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrating ClickHouse: %w", clickhouse.Redact(err))
	}
	return nil
}

func createDatabase(ctx context.Context, rawURL string) error {
	name, err := clickhouse.Database(rawURL)
	if err != nil || name == "default" {
		return err
	}
	// A connection to a database that is not there cannot create it.
	elsewhere, err := clickhouse.InDatabase(rawURL, "default")
	if err != nil {
		return err
	}
	conn, err := clickhouse.Open(elsewhere)
	if err != nil {
		return err
	}
	defer conn.Close()
	var there uint64
	if err := conn.QueryRow(ctx, "SELECT count() FROM system.databases WHERE name = ?", name).Scan(&there); err != nil {
		return fmt.Errorf("looking for the ClickHouse database %q: %w", name, err)
	}
	if there > 0 {
		return nil
	}
	quoted := "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(name) + "`"
	if err := conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+quoted); err != nil {
		return fmt.Errorf("creating the ClickHouse database %q: %w", name, err)
	}
	return nil
}
