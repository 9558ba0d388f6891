package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// server is the engine and its HTTP endpoint.
//
// Every request gets a connection of its own, made in about 60 µs, so that no
// setting, database or temporary table of one can reach another. A statement
// carries a mark (log_comment) by which the keeper ends it when its client goes
// away: the C API cannot interrupt a statement before its first row.
type server struct {
	engine  *engine
	args    []string
	version string
	log     *slog.Logger
	// denied are the functions a fenced statement may not name, in lower case.
	denied map[string]bool

	// keeper keeps the engine open between requests.
	keeperMu sync.Mutex
	keeper   *conn

	slots chan struct{}
	marks atomic.Uint64

	addr  string
	lock  *os.File
	close func() error
}

func (s *server) open(library string, opts ClickHouseOptions) (err error) {
	data, err := filepath.Abs(filepath.Join(opts.DataDir, "store"))
	if err != nil {
		return fmt.Errorf("opening the data folder of the local ClickHouse: %w", err)
	}
	if s.engine, err = openEngine(library); err != nil {
		return err
	}
	s.args = serverArgs(data, opts.MemoryLimit)
	if s.keeper, err = s.engine.dial(s.args); err != nil {
		return fmt.Errorf("opening the local ClickHouse in %s: %w", opts.DataDir, err)
	}
	defer func() {
		if err != nil {
			s.keeper.close()
		}
	}()
	if s.version, err = s.keeper.text("SELECT version()"); err != nil {
		return fmt.Errorf("asking the local ClickHouse for its version: %w", err)
	}
	if s.denied, err = deniedFunctions(s.keeper); err != nil {
		return err
	}
	addr := opts.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listening for the local ClickHouse (choose another address, or port 0 for any): %w", err)
	}
	s.addr = listener.Addr().String()
	s.serve(listener)
	return nil
}

func (s *server) serve(listener net.Listener) {
	base, cancel := context.WithCancel(context.Background())
	web := &http.Server{
		Handler:           s,
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("local clickhouse stopped listening", "error", err)
		}
	}()
	s.close = sync.OnceValue(func() error {
		// Statements get a moment to end by themselves, then they are ended: the
		// engine aborts the process when a connection closes under one.
		grace, stop := context.WithTimeout(context.Background(), 2*time.Second)
		defer stop()
		_ = web.Shutdown(grace)
		cancel()
		_ = web.Close()
		<-served
		for range cap(s.slots) {
			s.slots <- struct{}{}
		}
		s.keeperMu.Lock()
		defer s.keeperMu.Unlock()
		s.keeper.close()
		if err := s.lock.Close(); err != nil {
			return fmt.Errorf("closing the data folder of the local ClickHouse: %w", err)
		}
		return nil
	})
}

// control runs a statement of the endpoint's own.
func (s *server) control(sql string) error {
	s.keeperMu.Lock()
	defer s.keeperMu.Unlock()
	return s.keeper.exec(sql)
}

// session is the connection of one request.
type session struct {
	*conn
	server *server
	stop   func()
}

// session waits for a slot and opens a connection; close gives both back.
func (s *server) session(ctx context.Context, r request) (_ *session, err error) {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() {
		if err != nil {
			<-s.slots
		}
	}()
	c, err := s.engine.dial(s.args)
	if err != nil {
		return nil, err
	}
	mark := "sluice-" + strconv.FormatUint(s.marks.Add(1), 10)
	if err := c.prepare(r, mark); err != nil {
		c.close()
		return nil, err
	}
	return &session{c, s, s.endWith(ctx, mark)}, nil
}

func (s *session) close() {
	s.stop()
	s.conn.close()
	<-s.server.slots
}

// prepare says the settings, those that clickhouse-local has and a server lacks
// first, then closes the fence.
func (c *conn) prepare(r request, mark string) error {
	set := []string{"implicit_select=0", "allow_introspection_functions=0"}
	for _, p := range r.settings {
		set = append(set, p.name+"="+quoteText(p.value))
	}
	set = append(set, "log_comment="+quoteText(mark))
	if err := c.exec("SET " + strings.Join(set, ", ")); err != nil {
		return err
	}
	if r.database != "" && r.database != "default" {
		if err := c.exec("USE " + quoteName(r.database)); err != nil {
			return err
		}
	}
	if r.fenced {
		return c.exec("SET readonly=1")
	}
	return nil
}

// endWith ends the marked statement when ctx ends. The kill is repeated because
// the first one may come before the statement began. stop returns once no kill
// is under way.
func (s *server) endWith(ctx context.Context, mark string) (stop func()) {
	over, idle := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(idle)
		select {
		case <-over:
			return
		case <-ctx.Done():
		}
		again := time.NewTicker(50 * time.Millisecond)
		defer again.Stop()
		for {
			if err := s.control("KILL QUERY WHERE Settings['log_comment'] = " + quoteText(mark) + " ASYNC"); err != nil {
				s.log.Warn("ending a statement of the local clickhouse", "error", err)
			}
			select {
			case <-over:
				return
			case <-again.C:
			}
		}
	}()
	return func() {
		close(over)
		<-idle
	}
}

// fence refuses a statement that does more than read the database. The setting
// readonly is not enough in a library: it lets INTO OUTFILE write files, the
// function file() read them, DESCRIBE url() reach the network, EXISTS probe for
// files, and a subquery have settings of its own. The text is judged as the
// engine's own parser prints it, free of comments and tricks.
func (s *server) fence(c *conn, sql string) error {
	readonly := func(format string, args ...any) error {
		return refusal(164, "READONLY", "default: "+format+" in readonly mode", args...)
	}
	what := c.class(sql)
	if what.kind != readOnly && what.kind != unparsed {
		return readonly("Cannot execute query")
	}
	printed, err := c.text("SELECT formatQuery({statement:String})", param{"statement", escapeParam(sql)})
	if err != nil {
		return err
	}
	st := parseStatement(printed)
	switch {
	case what.kind != readOnly, st.verb == "EXISTS", st.verb == "CHECK":
		return readonly("Cannot execute query")
	case st.files:
		return readonly("Cannot write or read files")
	case st.settings:
		return readonly("Cannot modify settings")
	}
	for _, name := range st.names {
		if s.denied[name] {
			return readonly("Cannot use %s, which reaches outside the database,", name)
		}
	}
	return nil
}

// quoteText writes a string literal of ClickHouse's SQL.
func quoteText(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// quoteName writes an identifier of ClickHouse's SQL.
func quoteName(s string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(s) + "`"
}

// escapeParam writes a parameter's value as a TSV field, which the engine reads.
func escapeParam(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`, "\x00", `\0`).Replace(s)
}
