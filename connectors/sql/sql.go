// Package sql is the connector for SQL databases: sql/query and sql/execute on Postgres, MySQL and ClickHouse.
//
// A statement is a constant text with places for its parameters, which travel beside it and never become part of it. Where
// they stand is the database's own way: $1 (Postgres), ? (MySQL), {name:Type} (ClickHouse).
package sql

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"sluice/connectors"
	"sluice/connectors/outgoing"
)

// Connector returns the sql connector.
func Connector() connectors.Connector {
	return connectors.Connector{
		Name: "sql", Title: "SQL database", Summary: "Asks and changes Postgres, MySQL and ClickHouse.",
		Credentials: []connectors.CredentialType{
			{Name: "postgres", Title: "Postgres", Schema: server("5432", `"verify", "require", "off"`, "verify"), Verify: verify("postgres")},
			{Name: "mysql", Title: "MySQL or MariaDB", Schema: server("3306", `"verify", "require", "off"`, "verify"), Verify: verify("mysql")},
			{Name: "clickhouse", Title: "ClickHouse", Schema: json.RawMessage(clickhouseSchema), Verify: verify("clickhouse")},
		},
		Components: []connectors.Component{
			{
				Name: "sql/query", Title: "Query", Summary: "Gives the rows of a statement that only reads: it runs in a read-only transaction.",
				Effect: connectors.Idempotent, NeedsCredential: true, Input: json.RawMessage(inputSchema), Output: json.RawMessage(rowsSchema), Do: do(true),
			},
			{
				Name: "sql/execute", Title: "Execute", Summary: "Runs one statement that changes something, and gives the rows it returns.",
				Effect: connectors.Neither, NeedsCredential: true, Input: json.RawMessage(inputSchema), Output: json.RawMessage(rowsSchema), Do: do(false),
			},
		},
	}
}

func server(port, modes, mode string) json.RawMessage {
	return fmt.Appendf(nil, `{
  "type": "object", "required": ["host", "database", "username"], "additionalProperties": false,
  "properties": {
    "host": {"type": "string", "title": "Host", "minLength": 1, "pattern": "^[^\\s/]+$", "description": "a name or address", "examples": ["db.example.com"]},
    "port": {"type": "string", "title": "Port", "pattern": "^[0-9]{1,5}$", "default": %q},
    "database": {"type": "string", "title": "Database", "minLength": 1},
    "username": {"type": "string", "title": "User name", "minLength": 1},
    "password": {"type": "string", "title": "Password", "format": "password", "writeOnly": true},
    "tls": {"type": "string", "title": "TLS", "enum": [%s], "default": %q, "description": "require trusts any certificate"}
  }
}`, port, modes, mode)
}

const (
	clickhouseSchema = `{
  "type": "object", "required": ["url"], "additionalProperties": false,
  "properties": {
    "url": {"type": "string", "title": "URL", "description": "an address that starts with http:// or https://", "pattern": "^https?://", "examples": ["https://clickhouse.example.com:8443"]},
    "database": {"type": "string", "title": "Database", "default": "default"},
    "username": {"type": "string", "title": "User name", "default": "default"},
    "password": {"type": "string", "title": "Password", "format": "password", "writeOnly": true}
  }
}`
	inputSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "required": ["statement"], "additionalProperties": false,
  "properties": {
    "statement": {"type": "string", "title": "Statement", "format": "sql", "minLength": 1, "maxLength": 100000, "description": "one statement, with places for parameters: $1 (Postgres), ? (MySQL), {name:Type} (ClickHouse)", "examples": ["SELECT id, total FROM orders WHERE customer = $1"]},
    "parameters": {"title": "Parameters", "description": "a list in the order of the places, or an object of names for ClickHouse", "type": ["array", "object"]},
    "limit": {"type": "integer", "title": "Most rows", "minimum": 1, "maximum": 10000, "default": 1000, "description": "More rows are an error"}
  }
}`
	rowsSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "required": ["rows", "affected"],
  "properties": {
    "rows": {"type": "array", "title": "Rows", "items": {"type": "object"}, "examples": [[{"id": 4711, "total": 12.50}]]},
    "affected": {"type": ["integer", "null"], "title": "Rows affected", "description": "null where the database does not say", "examples": [1]}
  }
}`
)

type input struct {
	Statement  string          `json:"statement"`
	Parameters json.RawMessage `json:"parameters"`
	Limit      int             `json:"limit"`
}

// statement is what a database is given.
type statement struct {
	text     string
	listed   []*string          // parameters in order; nil is NULL
	named    map[string]*string // for ClickHouse
	limit    int
	readOnly bool
}

const maxBytes = 4 << 20 // of the rows: a step's output travels in every snapshot

// result collects rows as JSON, digits kept.
type result struct {
	limit    int
	rows     bytes.Buffer
	count    int
	affected *int64
}

// add takes one row; values are JSON.
func (r *result) add(names []string, values []json.RawMessage) error {
	if r.count++; r.count > r.limit {
		return connectors.BadInput("there are more than %d rows: ask for fewer, or raise limit", r.limit)
	}
	if r.count > 1 {
		r.rows.WriteByte(',')
	}
	r.rows.WriteByte('{')
	for i, name := range names {
		if i > 0 {
			r.rows.WriteByte(',')
		}
		r.rows.Write(text(name))
		r.rows.WriteByte(':')
		r.rows.Write(values[i])
	}
	r.rows.WriteByte('}')
	if r.rows.Len() > maxBytes {
		return connectors.BadInput("the rows have more than %d bytes: ask for less", maxBytes)
	}
	return nil
}

func (r *result) output() json.RawMessage {
	affected := json.RawMessage("null")
	if r.affected != nil {
		affected = fmt.Append(nil, *r.affected)
	}
	return fmt.Appendf(nil, `{"rows":[%s],"affected":%s}`, r.rows.Bytes(), affected)
}

// text writes a text as JSON.
func text(s string) json.RawMessage {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s)
	return bytes.TrimSpace(b.Bytes())
}

func do(readOnly bool) func(context.Context, connectors.Env, connectors.Call) (connectors.Result, error) {
	return func(ctx context.Context, env connectors.Env, call connectors.Call) (connectors.Result, error) {
		doing := "executing the statement"
		if readOnly {
			doing = "asking the database"
		}
		var in input
		if err := json.Unmarshal(call.Input, &in); err != nil || strings.TrimSpace(in.Statement) == "" {
			return connectors.Result{}, connectors.BadInput("%s: the input needs a statement, as text", doing)
		}
		if in.Limit == 0 {
			in.Limit = 1000
		}
		s := statement{text: in.Statement, limit: in.Limit, readOnly: readOnly}
		if err := s.parameters(in.Parameters); err != nil {
			return connectors.Result{}, connectors.BadInput("%s: %v", doing, err)
		}
		r := &result{limit: s.limit}
		if err := run(ctx, env, call.Credential, s, r); err != nil {
			return connectors.Result{}, failure(ctx, doing, err, call.Credential)
		}
		return connectors.Result{Output: r.output()}, nil
	}
}

func verify(kind string) func(context.Context, connectors.Env, map[string]string) error {
	return func(ctx context.Context, env connectors.Env, values map[string]string) error {
		c := &connectors.Credential{Type: kind, Values: values}
		if err := run(ctx, env, c, statement{text: "SELECT 1", limit: 1, readOnly: true}, &result{limit: 1}); err != nil {
			return failure(ctx, "asking the database", err, c)
		}
		return nil
	}
}

func run(ctx context.Context, env connectors.Env, c *connectors.Credential, s statement, r *result) error {
	switch {
	case c.Is("postgres"):
		return postgres(ctx, env, c, s, r)
	case c.Is("mysql"):
		return mysql(ctx, env, c, s, r)
	case c.Is("clickhouse"):
		return clickhouse(ctx, env, c, s, r)
	}
	return connectors.BadCredential("the step needs a credential of type postgres, mysql or clickhouse")
}

// parameters reads values: texts, numbers with their digits, true and false, null; lists and objects as JSON.
func (s *statement) parameters(raw json.RawMessage) error {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil {
		for _, v := range list {
			s.listed = append(s.listed, parameter(v))
		}
		return nil
	}
	var named map[string]json.RawMessage
	if json.Unmarshal(raw, &named) != nil {
		return fmt.Errorf("parameters: must be a list, or an object of names and values")
	}
	s.named = map[string]*string{}
	for name, v := range named {
		s.named[name] = parameter(v)
	}
	return nil
}

func parameter(raw json.RawMessage) *string {
	raw = bytes.TrimSpace(raw)
	if string(raw) == "null" {
		return nil
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		s = string(raw)
	}
	return &s
}

// refusal is what a database says of a statement.
type refusal struct {
	message    string
	credential bool // who asks is refused
	again      bool // the same statement may succeed later
	nothing    bool // nothing was done
}

func (e *refusal) Error() string { return e.message }

func failure(ctx context.Context, doing string, err error, c *connectors.Credential) error {
	e := *outgoing.ErrorOf(err)
	if said, ok := asRefusal(err); ok {
		e = connectors.Error{Kind: connectors.KindInput, Retry: connectors.RetryNever, Sent: !said.nothing, Message: "the database says: " + said.message}
		switch {
		case said.credential:
			e.Kind = connectors.KindCredential
		case said.again:
			e.Kind, e.Retry = connectors.KindNetwork, connectors.RetryByPolicy
		}
	}
	if ended := ctx.Err(); ended != nil {
		e = *connectors.AsError(ended)
	}
	e.Message = outgoing.Blank(doing+": "+strings.TrimPrefix(e.Message, doing+": "), []string{c.Value("password")})
	return &e
}
