package local

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// statementFunc runs, streams or begins to insert: a statement, the format of
// its data, and named parameters.
type statementFunc func(conn, sql unsafe.Pointer, sqlLen uintptr, format unsafe.Pointer, formatLen uintptr,
	names, nameLens, values, valueLens unsafe.Pointer, params uintptr) unsafe.Pointer

// engine is libchdb's C API (chdb.h), bound by name. Handles are C pointers:
// they mean nothing to Go's garbage collector and must be given back with the
// matching destroy call.
type engine struct {
	setSignals  func(int32)
	connect     func(int32, unsafe.Pointer) unsafe.Pointer
	closeConn   func(unsafe.Pointer)
	query       statementFunc
	streamQuery statementFunc
	fetch       func(conn, stream unsafe.Pointer) unsafe.Pointer
	cancelQuery func(conn, stream unsafe.Pointer)
	destroy     func(result unsafe.Pointer)

	insert        statementFunc
	appendData    func(stream, data unsafe.Pointer, n uintptr) int32
	insertDone    func(stream unsafe.Pointer) unsafe.Pointer
	insertCancel  func(stream unsafe.Pointer)
	insertError   func(stream unsafe.Pointer) string
	destroyInsert func(stream unsafe.Pointer)

	buffer       func(result unsafe.Pointer) unsafe.Pointer
	length       func(result unsafe.Pointer) uintptr
	resultError  func(result unsafe.Pointer) string
	elapsed      func(result unsafe.Pointer) float64
	rowsRead     func(result unsafe.Pointer) uint64
	bytesRead    func(result unsafe.Pointer) uint64
	storageRows  func(result unsafe.Pointer) uint64
	storageBytes func(result unsafe.Pointer) uint64
	rowsWritten  func(result unsafe.Pointer) uint64
	bytesWritten func(result unsafe.Pointer) uint64

	classify func(conn, sql unsafe.Pointer, n uintptr, db unsafe.Pointer, dbLen uintptr, out unsafe.Pointer) int32
	version  func() string
}

// openEngine loads the library at path into this process, where it stays.
func openEngine(path string) (e *engine, err error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("loading the ClickHouse library: %w", err)
	}
	defer func() {
		// purego panics on a symbol that is not there.
		if r := recover(); r != nil {
			e, err = nil, fmt.Errorf("loading the ClickHouse library %s: it lacks a function (another version?): %v", path, r)
		}
	}()
	e = &engine{}
	for name, fn := range map[string]any{
		"chdb_set_signal_handlers_enabled": &e.setSignals,
		"chdb_connect":                     &e.connect,
		"chdb_close_conn":                  &e.closeConn,
		"chdb_query_with_params_n":         &e.query,
		"chdb_stream_query_with_params_n":  &e.streamQuery,
		"chdb_stream_fetch_result":         &e.fetch,
		"chdb_stream_cancel_query":         &e.cancelQuery,
		"chdb_destroy_query_result":        &e.destroy,
		"chdb_stream_insert_with_params_n": &e.insert,
		"chdb_stream_append":               &e.appendData,
		"chdb_stream_done":                 &e.insertDone,
		"chdb_stream_cancel_insert":        &e.insertCancel,
		"chdb_stream_insert_error":         &e.insertError,
		"chdb_destroy_insert_stream":       &e.destroyInsert,
		"chdb_result_buffer":               &e.buffer,
		"chdb_result_length":               &e.length,
		"chdb_result_error":                &e.resultError,
		"chdb_result_elapsed":              &e.elapsed,
		"chdb_result_rows_read":            &e.rowsRead,
		"chdb_result_bytes_read":           &e.bytesRead,
		"chdb_result_storage_rows_read":    &e.storageRows,
		"chdb_result_storage_bytes_read":   &e.storageBytes,
		"chdb_result_rows_written":         &e.rowsWritten,
		"chdb_result_bytes_written":        &e.bytesWritten,
		"chdb_classify_query_n":            &e.classify,
		"chdb_version":                     &e.version,
	} {
		purego.RegisterLibFunc(fn, handle, name)
	}
	// The engine takes its time zone from the C environment, which Go's does not
	// reach, once. A server runs in UTC, and so must tables that move to one.
	var setenv func(name, value string, overwrite int32) int32
	purego.RegisterLibFunc(&setenv, handle, "setenv")
	setenv("TZ", "UTC", 1)
	// Without this the engine installs handlers of its own over Go's. The call
	// itself puts Go's back to the default, hence the guard (also in dial).
	guarded(func() { e.setSignals(0) })
	return e, nil
}

// signals keeps two engines from saving and restoring the process's handlers
// at the same time: one would save what the other has just reset.
var signals sync.Mutex

// guarded runs fn, which resets the handlers of deadly signals to the default,
// and puts Go's back: a nil dereference would otherwise end the process instead
// of panicking. The few microseconds in between cannot be closed from outside
// the library.
func guarded(fn func()) {
	signals.Lock()
	defer signals.Unlock()
	saved := saveSignals()
	fn()
	saved.restore()
}

// dial opens a connection with the arguments (as clickhouse-local takes them).
// Those about the server count only for the first one of the process. A process
// has one data folder at a time: another one needs every connection closed.
func (e *engine) dial(args []string) (*conn, error) {
	argv := make([]*byte, len(args))
	for i, a := range args {
		argv[i] = &append([]byte(a), 0)[0]
	}
	var handle unsafe.Pointer
	guarded(func() {
		yielding(func() { handle = e.connect(int32(len(args)), unsafe.Pointer(&argv[0])) })
	})
	runtime.KeepAlive(argv)
	if handle == nil {
		return nil, errors.New("the engine refused the data folder (this process has another one open, or it is unreadable, written by a newer version, or out of space)")
	}
	return &conn{engine: e, handle: handle}, nil
}

// conn is one connection: a session that takes one statement at a time. It is
// not safe for concurrent use.
type conn struct {
	engine *engine
	handle unsafe.Pointer
}

func (c *conn) close() { c.engine.closeConn(c.handle) }

// ptr is the chdb_connection that statements take; chdb_connect returns its address.
func (c *conn) ptr() unsafe.Pointer { return *(*unsafe.Pointer)(c.handle) }

// param is a value for a {name:Type} placeholder, escaped as a TSV field.
type param struct{ name, value string }

// call is a statement laid out for the C API. It must stay reachable for as long
// as the library reads from it.
type call struct {
	sql, format                        []byte
	names, values                      []*byte
	nameLens, valueLens                []uintptr
	pNames, pNameLens, pVals, pValLens unsafe.Pointer
}

func newCall(sql, format string, params []param) *call {
	c := &call{sql: append([]byte(sql), 0), format: append([]byte(format), 0)}
	for _, p := range params {
		c.names = append(c.names, &append([]byte(p.name), 0)[0])
		c.nameLens = append(c.nameLens, uintptr(len(p.name)))
		c.values = append(c.values, &append([]byte(p.value), 0)[0])
		c.valueLens = append(c.valueLens, uintptr(len(p.value)))
	}
	if len(params) > 0 {
		c.pNames, c.pNameLens = unsafe.Pointer(&c.names[0]), unsafe.Pointer(&c.nameLens[0])
		c.pVals, c.pValLens = unsafe.Pointer(&c.values[0]), unsafe.Pointer(&c.valueLens[0])
	}
	return c
}

func (c *call) run(fn statementFunc, on *conn) (out unsafe.Pointer) {
	yielding(func() {
		out = fn(on.ptr(), unsafe.Pointer(&c.sql[0]), uintptr(len(c.sql)-1), unsafe.Pointer(&c.format[0]), uintptr(len(c.format)-1),
			c.pNames, c.pNameLens, c.pVals, c.pValLens, uintptr(len(c.names)))
	})
	runtime.KeepAlive(c)
	return out
}

// result is what a statement gave back. close it, and do not touch data after.
type result struct {
	engine *engine
	handle unsafe.Pointer
}

func (r result) close() { r.engine.destroy(r.handle) }

func (r result) err() error {
	if r.handle == nil {
		return refusal(1001, "STD_EXCEPTION", "The engine gave no result.")
	}
	if msg := r.engine.resultError(r.handle); msg != "" {
		return newException(msg)
	}
	return nil
}

// data is the library's memory: valid until close.
func (r result) data() []byte {
	n := r.engine.length(r.handle)
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(r.engine.buffer(r.handle)), n)
}

// run executes one statement and returns all of its result.
func (c *conn) run(sql, format string, params []param) (result, error) {
	r := result{c.engine, newCall(sql, format, params).run(c.engine.query, c)}
	if err := r.err(); err != nil {
		r.close()
		return result{}, err
	}
	return r, nil
}

// exec is run without a result.
func (c *conn) exec(sql string) error {
	r, err := c.run(sql, "TabSeparated", nil)
	if err != nil {
		return err
	}
	r.close()
	return nil
}

// text is run with a result of one plain value.
func (c *conn) text(sql string, params ...param) (string, error) {
	r, err := c.run(sql, "TSVRaw", params)
	if err != nil {
		return "", err
	}
	defer r.close()
	return strings.TrimSuffix(string(r.data()), "\n"), nil
}

// rows is a SELECT that gives its result in parts.
type rows struct {
	conn   *conn
	handle unsafe.Pointer
}

// stream begins a SELECT. Each part is a whole document of the format, so only
// formats whose documents can be joined make sense.
func (c *conn) stream(sql, format string, params []param) (rows, error) {
	r := result{c.engine, newCall(sql, format, params).run(c.engine.streamQuery, c)}
	if err := r.err(); err != nil {
		r.close()
		return rows{}, err
	}
	return rows{c, r.handle}, nil
}

// next returns a part, or one without data at the end.
func (r rows) next() (result, error) {
	part := result{engine: r.conn.engine}
	yielding(func() { part.handle = part.engine.fetch(r.conn.ptr(), r.handle) })
	if err := part.err(); err != nil {
		part.close()
		return result{}, err
	}
	return part, nil
}

// close ends the statement if it has not ended, and frees it.
func (r rows) close(finished bool) {
	if !finished {
		r.conn.engine.cancelQuery(r.conn.ptr(), r.handle)
	}
	r.conn.engine.destroy(r.handle)
}

// insert feeds data to an INSERT without its FORMAT clause, and commits it when
// the reader ends. Data read before an error of the reader may be kept, as on a
// server: blocks that are full are written at once.
func (c *conn) insert(sql, format string, params []param, data io.Reader) (written, error) {
	e := c.engine
	stream := newCall(sql, format, params).run(e.insert, c)
	defer e.destroyInsert(stream)
	if msg := e.insertError(stream); msg != "" {
		return written{}, newException(msg)
	}
	buf := make([]byte, 1<<20)
	for {
		n, err := io.ReadFull(data, buf)
		refused := int32(0)
		if n > 0 {
			yielding(func() { refused = e.appendData(stream, unsafe.Pointer(&buf[0]), uintptr(n)) })
		}
		if refused != 0 {
			break
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			e.insertCancel(stream)
			return written{}, fmt.Errorf("reading the data of an insert: %w", err)
		}
	}
	if msg := e.insertError(stream); msg != "" {
		return written{}, newException(msg)
	}
	r := result{engine: e}
	yielding(func() { r.handle = e.insertDone(stream) })
	defer r.close()
	if err := r.err(); err != nil {
		return written{}, err
	}
	return written{e.rowsWritten(r.handle), e.bytesWritten(r.handle)}, nil
}

// written counts what an insert wrote, materialized views included.
type written struct{ rows, bytes uint64 }

// class says what a statement would do, by the engine's own parser.
type class struct {
	statements uint32
	kind       uint32
}

const (
	readOnly = 0 // chdb.h: CHDB_QUERY_READ_ONLY
	unparsed = 4 // chdb.h: CHDB_QUERY_UNKNOWN
)

func (c *conn) class(sql string) class {
	text := append([]byte(sql), 0)
	// chdb_query_analysis_v1: its own size, statements, flags, class.
	report := &[4]uint32{16}
	c.engine.classify(c.ptr(), unsafe.Pointer(&text[0]), uintptr(len(text)-1), nil, 0, unsafe.Pointer(report))
	return class{statements: report[1], kind: report[3]}
}
