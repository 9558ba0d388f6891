package sql

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"sluice/connectors"
)

// encryption is how a credential wants TLS; nil: not at all.
func encryption(c *connectors.Credential) *tls.Config {
	switch c.Value("tls") {
	case "off":
		return nil
	case "require":
		return &tls.Config{ServerName: c.Value("host"), MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}
	}
	return &tls.Config{ServerName: c.Value("host"), MinVersion: tls.VersionTLS12}
}

func postgres(ctx context.Context, env connectors.Env, c *connectors.Credential, s statement, r *result) error {
	if s.named != nil {
		return connectors.BadInput("parameters: Postgres takes a list, for $1, $2 and so on")
	}
	config, err := pgx.ParseConfig("")
	if err != nil {
		return connectors.BadCredential("the connection cannot be configured")
	}
	port, err := strconv.ParseUint(or(c.Value("port"), "5432"), 10, 16)
	if err != nil || c.Value("host") == "" {
		return connectors.BadCredential("the credential has no host, or a port that is none")
	}
	// Nothing comes from the environment of this process: what is not said here is not used.
	config.Host, config.Port, config.Database = c.Value("host"), uint16(port), c.Value("database")
	config.User, config.Password = c.Value("username"), c.Value("password")
	config.TLSConfig, config.Fallbacks = encryption(c), nil
	config.RuntimeParams = map[string]string{"application_name": "sluice"}
	config.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil } // the dialler resolves it, and judges the address
	dial := env.Dialer()
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		return dial(ctx, network, address)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing)
	}()
	mode := pgx.TxOptions{}
	if s.readOnly {
		mode.AccessMode = pgx.ReadOnly
	}
	tx, err := conn.BeginTx(ctx, mode)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	arguments := []any{pgx.QueryResultFormats{pgx.TextFormatCode}}
	for _, p := range s.listed {
		if p == nil {
			arguments = append(arguments, nil)
		} else {
			arguments = append(arguments, *p)
		}
	}
	rows, err := tx.Query(ctx, s.text, arguments...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var names []string
	for _, f := range rows.FieldDescriptions() {
		names = append(names, f.Name)
	}
	for rows.Next() {
		values := make([]json.RawMessage, len(names))
		for i, raw := range rows.RawValues() {
			values[i] = fromPostgres(rows.FieldDescriptions()[i].DataTypeOID, raw)
		}
		if err := r.add(names, values); err != nil {
			return err
		}
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return err
	}
	affected := rows.CommandTag().RowsAffected()
	r.affected = &affected
	return tx.Commit(ctx)
}

// fromPostgres makes JSON of a value in Postgres' text format.
func fromPostgres(kind uint32, raw []byte) json.RawMessage {
	if raw == nil {
		return json.RawMessage("null")
	}
	s := string(raw)
	switch kind {
	case pgtype.BoolOID:
		return json.RawMessage(strconv.FormatBool(s == "t"))
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.Float4OID, pgtype.Float8OID, pgtype.NumericOID, pgtype.OIDOID:
		if json.Valid(raw) { // NaN and infinity are texts
			return json.RawMessage(s)
		}
	case pgtype.JSONOID, pgtype.JSONBOID:
		if json.Valid(raw) {
			return json.RawMessage(s)
		}
	case pgtype.ByteaOID:
		if bytes, err := hex.DecodeString(strings.TrimPrefix(s, `\x`)); err == nil {
			return text(base64.StdEncoding.EncodeToString(bytes))
		}
	}
	return text(s)
}

func or(value, otherwise string) string {
	if value != "" {
		return value
	}
	return otherwise
}

// asRefusal finds in an error what a database said.
func asRefusal(err error) (*refusal, bool) {
	if said, ok := errors.AsType[*refusal](err); ok {
		return said, true
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		class := e.Code[:min(2, len(e.Code))]
		return &refusal{
			message: e.Message + " (" + e.Code + ")", credential: class == "28",
			// 40: serialization and deadlock; 53: resources; 55: in use; 57: shut down, cancelled; 08: connection.
			again: class == "40" || class == "53" || class == "55" || class == "57" || class == "08", nothing: true,
		}, true
	}
	return nil, false
}
