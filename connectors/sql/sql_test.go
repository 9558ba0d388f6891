package sql

import (
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"

	"sluice/connectors"
	"sluice/connectors/outgoing"
	"sluice/deploy/local/localtest"
)

func loopback() connectors.Env {
	return connectors.Env{
		HTTP: outgoing.New(outgoing.Options{AllowLoopback: true}), Dial: outgoing.NewDial(outgoing.Options{AllowLoopback: true}),
	}
}

func ask(t *testing.T, env connectors.Env, c *connectors.Credential, readOnly bool, input string) (string, *connectors.Error) {
	t.Helper()
	set, err := connectors.New(Connector())
	if err != nil {
		t.Fatal(err)
	}
	m, _ := set.Component("sql/query")
	if err := m.CheckInput(json.RawMessage(input)); err != nil {
		t.Fatal(err)
	}
	r, err := do(readOnly)(t.Context(), env, connectors.Call{Input: json.RawMessage(input), Credential: c, Attempt: 1})
	return string(r.Output), connectors.AsError(err)
}

// TestClickHouse asks the real engine.
func TestClickHouse(t *testing.T) {
	engine := localtest.ClickHouse(t)
	address, database := engine.URL()[:strings.LastIndexByte(engine.URL(), '/')], engine.URL()[strings.LastIndexByte(engine.URL(), '/')+1:]
	c := &connectors.Credential{Type: "clickhouse", Values: map[string]string{"url": address, "database": database, "username": "default"}}
	if err := verify("clickhouse")(t.Context(), loopback(), c.Values); err != nil {
		t.Errorf("verifying: %v", err)
	}
	for _, step := range []struct {
		readOnly    bool
		input, want string
	}{
		{false, `{"statement":"CREATE TABLE things (id UInt64, price Decimal(9,2), name String, note Nullable(String)) ENGINE=MergeTree ORDER BY id"}`, `{"rows":[],"affected":null}`},
		{false, `{"statement":"INSERT INTO things SELECT {id:UInt64}, {price:Decimal(9,2)}, {name:String}, {note:Nullable(String)}","parameters":{"id":18446744073709551615,"price":12.5,"name":"a'; DROP TABLE things; --\n\\","note":null}}`, `{"rows":[],"affected":null}`},
		{true, `{"statement":"SELECT * FROM things WHERE id = {id:UInt64}","parameters":{"id":"18446744073709551615"}}`,
			`{"rows":[{"id":18446744073709551615,"price":12.5,"name":"a'; DROP TABLE things; --\n\\","note":null}],"affected":null}`},
	} {
		if got, err := ask(t, loopback(), c, step.readOnly, step.input); err != nil || got != step.want {
			t.Errorf("%s: %s, %v; want %s", step.input, got, err, step.want)
		}
	}
	for input, want := range map[string]string{
		`{"statement":"SELECT nothing"}`:                                              "nothing",
		`{"statement":"SELECT number FROM numbers(100000)","limit":5}`:                "more than 5 rows",
		`{"statement":"SELECT 1","parameters":[1]}`:                                   "takes an object",
		`{"statement":"INSERT INTO things VALUES (1, 1, 'a', 'b')"}`:                  "",
		`{"statement":"SELECT {a:UInt8}","parameters":{"a":"1) UNION ALL SELECT 2"}}`: "",
	} {
		if got, err := ask(t, loopback(), c, true, input); err == nil || err.Retry != connectors.RetryNever || !strings.Contains(err.Message, want) {
			t.Errorf("%s: %s, %v", input, got, err)
		}
	}
}

// answer is what the stand-in for Postgres says to one statement.
type answer struct {
	fields []pgproto3.FieldDescription
	rows   [][][]byte
	failed *pgproto3.ErrorResponse
}

// postgresServer speaks the server's side of Postgres' protocol 3.0, as far as a prepared statement needs. It sends what it
// was given as parameters.
func postgresServer(t *testing.T, answers map[string]answer) (*connectors.Credential, chan []string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	given := make(chan []string, 10)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go servePostgres(conn, answers, given)
		}
	}()
	host, port, _ := net.SplitHostPort(listener.Addr().String())
	return &connectors.Credential{Type: "postgres", Values: map[string]string{
		"host": host, "port": port, "database": "shop", "username": "ann", "password": "s3cret-word", "tls": "off",
	}}, given
}

func servePostgres(conn net.Conn, answers map[string]answer, given chan []string) {
	defer conn.Close()
	b := pgproto3.NewBackend(conn, conn)
	if _, err := b.ReceiveStartupMessage(); err != nil {
		return
	}
	b.Send(&pgproto3.AuthenticationCleartextPassword{})
	if b.Flush() != nil || b.SetAuthType(pgproto3.AuthTypeCleartextPassword) != nil {
		return
	}
	if m, err := b.Receive(); err != nil || m.(*pgproto3.PasswordMessage).Password != "s3cret-word" {
		b.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "28P01", Message: "password authentication failed"})
		_ = b.Flush()
		return
	}
	b.Send(&pgproto3.AuthenticationOk{})
	b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	statement, status := "", byte('I')
	for b.Flush() == nil {
		m, err := b.Receive()
		if err != nil {
			return
		}
		said := answers[statement]
		switch m := m.(type) {
		case *pgproto3.Query:
			given <- []string{m.String}
			status = 'T'
			b.Send(&pgproto3.CommandComplete{CommandTag: []byte(strings.ToUpper(m.String))})
			b.Send(&pgproto3.ReadyForQuery{TxStatus: status})
		case *pgproto3.Parse:
			statement = m.Query
			if said = answers[statement]; said.failed != nil {
				b.Send(said.failed)
				continue
			}
			b.Send(&pgproto3.ParseComplete{})
		case *pgproto3.Describe:
			if said.failed == nil {
				b.Send(&pgproto3.ParameterDescription{ParameterOIDs: []uint32{pgtype.Int8OID, pgtype.TextOID, pgtype.TextOID}[:strings.Count(statement, "$")]})
				b.Send(&pgproto3.RowDescription{Fields: said.fields})
			}
		case *pgproto3.Bind:
			parameters := []string{statement}
			for _, p := range m.Parameters {
				parameters = append(parameters, string(p))
			}
			given <- parameters
			b.Send(&pgproto3.BindComplete{})
		case *pgproto3.Execute:
			for _, row := range said.rows {
				b.Send(&pgproto3.DataRow{Values: row})
			}
			b.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
		case *pgproto3.Sync:
			b.Send(&pgproto3.ReadyForQuery{TxStatus: status})
		case *pgproto3.Terminate:
			return
		}
	}
}

func TestPostgres(t *testing.T) {
	const statement = "SELECT * FROM t WHERE id = $1 AND a = $2 AND b = $3"
	column := func(name string, kind uint32) pgproto3.FieldDescription {
		return pgproto3.FieldDescription{Name: []byte(name), DataTypeOID: kind}
	}
	c, given := postgresServer(t, map[string]answer{statement: {
		fields: []pgproto3.FieldDescription{column("id", pgtype.Int8OID), column("n", pgtype.NumericOID), column("j", pgtype.JSONBOID), column("b", pgtype.ByteaOID), column("ok", pgtype.BoolOID), column("x", pgtype.TextOID), column("inf", pgtype.Float8OID)},
		rows:   [][][]byte{{[]byte("9007199254740993"), []byte("12.50"), []byte(`{"x": 1}`), []byte(`\x0001`), []byte("t"), nil, []byte("Infinity")}},
	}})
	got, err := ask(t, loopback(), c, true, `{"statement":"`+statement+`","parameters":[9007199254740993,"a'; DROP TABLE t; --",null]}`)
	if want := `{"rows":[{"id":9007199254740993,"n":12.50,"j":{"x": 1},"b":"AAE=","ok":true,"x":null,"inf":"Infinity"}],"affected":1}`; err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
	if begin := <-given; begin[0] != "begin read only" {
		t.Errorf("it begins with %q", begin)
	}
	if sent := <-given; sent[0] != statement || sent[2] != "a'; DROP TABLE t; --" || sent[3] != "" {
		t.Errorf("the parameters were sent as %q", sent)
	}
}

func TestWhatFailsSaysWhyAndNoSecret(t *testing.T) {
	answers := map[string]answer{
		"SELECT wrong": {failed: &pgproto3.ErrorResponse{Severity: "ERROR", Code: "42703", Message: "column wrong does not exist, s3cret-word"}},
		"SELECT dead":  {failed: &pgproto3.ErrorResponse{Severity: "ERROR", Code: "40P01", Message: "deadlock detected"}},
	}
	good, _ := postgresServer(t, answers)
	bad, _ := postgresServer(t, answers)
	bad.Values["password"] = "another-s3cret"
	closed := *good
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	closed.Values = map[string]string{"host": "127.0.0.1", "port": port, "database": "a", "username": "b", "tls": "off"}
	mysql := &connectors.Credential{Type: "mysql", Values: closed.Values}
	guarded := connectors.Env{HTTP: outgoing.New(outgoing.Options{}), Dial: outgoing.NewDial(outgoing.Options{})}
	clickhouse := &connectors.Credential{Type: "clickhouse", Values: map[string]string{"url": "http://127.0.0.1:" + port}}
	for name, c := range map[string]struct {
		env   connectors.Env
		with  *connectors.Credential
		input string
		kind  connectors.Kind
		retry connectors.Retry
	}{
		"wrong statement":    {loopback(), good, `{"statement":"SELECT wrong"}`, connectors.KindInput, connectors.RetryNever},
		"deadlock":           {loopback(), good, `{"statement":"SELECT dead"}`, connectors.KindNetwork, connectors.RetryByPolicy},
		"wrong password":     {loopback(), bad, `{"statement":"SELECT 1"}`, connectors.KindCredential, connectors.RetryNever},
		"names for Postgres": {loopback(), good, `{"statement":"SELECT 1","parameters":{"a":1}}`, connectors.KindInput, connectors.RetryNever},
		"nobody listens":     {loopback(), &closed, `{"statement":"SELECT 1"}`, connectors.KindNetwork, connectors.RetryByPolicy},
		"MySQL away":         {loopback(), mysql, `{"statement":"SELECT 1"}`, connectors.KindNetwork, connectors.RetryByPolicy},
		"blocked":            {guarded, good, `{"statement":"SELECT 1"}`, connectors.KindBlocked, connectors.RetryNever},
		"MySQL blocked":      {guarded, mysql, `{"statement":"SELECT 1"}`, connectors.KindBlocked, connectors.RetryNever},
		"ClickHouse blocked": {guarded, clickhouse, `{"statement":"SELECT 1"}`, connectors.KindBlocked, connectors.RetryNever},
		"without credential": {loopback(), nil, `{"statement":"SELECT 1"}`, connectors.KindCredential, connectors.RetryNever},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ask(t, c.env, c.with, true, c.input)
			if err == nil || err.Kind != c.kind || err.Retry != c.retry || strings.Contains(err.Message, "s3cret") {
				t.Errorf("%v, %+v", err, errors.Unwrap(err))
			}
		})
	}
}
