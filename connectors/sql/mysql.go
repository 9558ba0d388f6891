package sql

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"strings"

	driver "github.com/go-sql-driver/mysql"

	"sluice/connectors"
)

func mysql(ctx context.Context, env connectors.Env, c *connectors.Credential, s statement, r *result) error {
	if s.named != nil {
		return connectors.BadInput("parameters: MySQL takes a list, one for each ?")
	}
	if c.Value("host") == "" {
		return connectors.BadCredential("the credential has no host: enter it")
	}
	config := driver.NewConfig()
	config.Net, config.Addr = "tcp", net.JoinHostPort(c.Value("host"), or(c.Value("port"), "3306"))
	config.User, config.Passwd, config.DBName = c.Value("username"), c.Value("password"), c.Value("database")
	config.TLS = encryption(c)
	config.Logger = quiet{env.Logger()}
	dial := env.Dialer()
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		return dial(ctx, network, address)
	}
	connector, err := driver.NewConnector(config)
	if err != nil {
		return connectors.BadCredential("the connection cannot be configured: check the credential")
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	db.SetMaxOpenConns(1)
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: s.readOnly})
	if err != nil {
		return refusedByMySQL(err)
	}
	defer func() { _ = tx.Rollback() }()
	var arguments []any
	for _, p := range s.listed {
		if p == nil {
			arguments = append(arguments, nil)
		} else {
			arguments = append(arguments, *p)
		}
	}
	// Prepared by the server: the parameters travel beside the statement, also where there are none.
	prepared, err := tx.PrepareContext(ctx, s.text)
	if err != nil {
		return refusedByMySQL(err)
	}
	defer prepared.Close()
	if !s.readOnly && !returnsRows(s.text) {
		done, err := prepared.ExecContext(ctx, arguments...)
		if err != nil {
			return refusedByMySQL(err)
		}
		if affected, err := done.RowsAffected(); err == nil {
			r.affected = &affected
		}
		return refusedByMySQL(tx.Commit())
	}
	rows, err := prepared.QueryContext(ctx, arguments...)
	if err != nil {
		return refusedByMySQL(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	types, err := rows.ColumnTypes()
	if err != nil {
		return err
	}
	fields := make([]sql.RawBytes, len(names))
	places := make([]any, len(names))
	for i := range fields {
		places[i] = &fields[i]
	}
	for rows.Next() {
		if err := rows.Scan(places...); err != nil {
			return err
		}
		values := make([]json.RawMessage, len(names))
		for i, raw := range fields {
			values[i] = fromMySQL(types[i].DatabaseTypeName(), raw)
		}
		if err := r.add(names, values); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return refusedByMySQL(err)
	}
	return refusedByMySQL(tx.Commit())
}

// returnsRows says whether a statement gives rows although it may change something.
func returnsRows(statement string) bool {
	word, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(statement)), " ")
	return word == "SELECT" || word == "SHOW" || word == "WITH" || word == "CALL" || word == "EXPLAIN" || strings.Contains(strings.ToUpper(statement), " RETURNING ")
}

func fromMySQL(kind string, raw []byte) json.RawMessage {
	if raw == nil {
		return json.RawMessage("null")
	}
	switch {
	case strings.HasSuffix(kind, "INT"), strings.HasPrefix(kind, "UNSIGNED"), kind == "DECIMAL", kind == "FLOAT", kind == "DOUBLE", kind == "YEAR", kind == "JSON":
		if json.Valid(raw) {
			return append(json.RawMessage{}, raw...)
		}
	case strings.HasSuffix(kind, "BLOB"), strings.HasSuffix(kind, "BINARY"), kind == "BIT", kind == "GEOMETRY":
		return text(base64.StdEncoding.EncodeToString(raw))
	}
	return text(string(raw))
}

func refusedByMySQL(err error) error {
	e, ok := errors.AsType[*driver.MySQLError](err)
	if !ok {
		return err
	}
	said := &refusal{message: e.Message, nothing: true}
	switch e.Number {
	case 1044, 1045, 1698, 1130, 1227:
		said.credential = true
	case 1040, 1205, 1213, 1053, 1290, 1836, 3024:
		said.again = true
	}
	return said
}

// quiet takes what the driver would write to standard error.
type quiet struct{ log *slog.Logger }

func (q quiet) Print(v ...any) { q.log.Debug("mysql", "said", len(v)) }
