package local

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
)

// ClickHouseOptions are the settings of an embedded ClickHouse.
type ClickHouseOptions struct {
	// DataDir keeps the tables over restarts and kills. Required. A process can
	// have one ClickHouse open at a time.
	DataDir string
	// Addr to listen on, host:port. Empty means 127.0.0.1 and any free port.
	Addr string
	// Library is the path of libchdb. Empty looks for it: SLUICE_CHDB_LIB,
	// beside the program, lib/ beside it, deploy/local/node_modules.
	Library string
	// Connections is how many statements may run at once; more wait. 0 means 8.
	Connections int
	// MemoryLimit in bytes holds for all statements together and counts the
	// whole process. 0 leaves the engine's own: nine tenths of the machine.
	MemoryLimit int64
	// Logger receives what goes wrong outside a request. Nil discards it.
	Logger *slog.Logger
}

// ClickHouse is the real engine inside this process, behind its HTTP protocol
// on a loopback port: clickhouse-go (Protocol: clickhouse.HTTP), curl and any
// other HTTP client work as with a server. There are no users; whoever reaches
// the port may do everything, except in a request with the setting readonly=1 or
// readonly=2 or by GET, which is fenced: its statement can only read, not change
// its limits, and reach neither files nor the network.
//
// Not there: sessions (session_id), external tables, query_log, and the data of
// an INSERT ... SELECT FROM input().
//
// Its methods are safe for concurrent use.
type ClickHouse struct {
	server   *server
	database string
}

// StartClickHouse loads the library, opens the data folder, alone, and listens.
func StartClickHouse(opts ClickHouseOptions) (*ClickHouse, error) {
	path, err := findLibrary(opts.Library)
	if err != nil {
		return nil, err
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Connections <= 0 {
		opts.Connections = 8
	}
	lock, err := lockDir(opts.DataDir, "ClickHouse")
	if err != nil {
		return nil, err
	}
	s := &server{log: opts.Logger, lock: lock, slots: make(chan struct{}, opts.Connections)}
	if err := s.open(path, opts); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return &ClickHouse{server: s, database: "default"}, nil
}

// URL returns an address that clickhouse.ParseDSN accepts, with a database.
func (c *ClickHouse) URL() string { return "http://" + c.server.addr + "/" + c.database }

// BackgroundURL is URL for statements that may be late: they take one thread
// each, and that only when nothing else in the process wants the processor. To
// be nicer for a while a thread needs the capability CAP_SYS_NICE; without it
// they are as any other.
func (c *ClickHouse) BackgroundURL() string {
	return c.URL() + "?os_threads_nice_value_query=10&max_threads=1"
}

// Addr returns host:port.
func (c *ClickHouse) Addr() string { return c.server.addr }

// Version returns the engine's version, such as 26.7.2.1.
func (c *ClickHouse) Version() string { return c.server.version }

// Database makes a database, unless there is one of that name, and returns the
// same engine with a URL that names it.
func (c *ClickHouse) Database(name string) (*ClickHouse, error) {
	if err := c.server.control("CREATE DATABASE IF NOT EXISTS " + quoteName(name)); err != nil {
		return nil, fmt.Errorf("making the database %s: %w", name, err)
	}
	return &ClickHouse{server: c.server, database: name}, nil
}

// Close ends running statements, closes the data folder and frees it, for this
// process too: another folder can be opened then. It ends the engine for every
// value that Database returned. A second call returns what the first one did.
func (c *ClickHouse) Close() error { return c.server.close() }

// serverArgs are the engine's start arguments: caches and pools for one machine
// that does other things too. The engine's own defaults are sized for a server.
func serverArgs(data string, memory int64) []string {
	const mib = 1 << 20
	args := []string{"clickhouse", "--path=" + data}
	for _, s := range []struct {
		name  string
		value int64
	}{
		{"mark_cache_size", 64 * mib},
		{"primary_index_cache_size", 64 * mib},
		{"index_mark_cache_size", 16 * mib},
		{"text_index_tokens_cache_size", 16 * mib},
		{"text_index_header_cache_size", 16 * mib},
		{"text_index_postings_cache_size", 32 * mib},
		{"vector_similarity_index_cache_size", 1 * mib},
		{"parquet_metadata_cache_size", 1 * mib},
		{"iceberg_metadata_files_cache_size", 1 * mib},
		{"query_condition_cache_size", 8 * mib},
		{"compiled_expression_cache_size", 16 * mib},
		{"max_thread_pool_size", 200},
		{"background_pool_size", 2},
		{"background_schedule_pool_size", 2},
		// Hundreds of small parts go at once, every half a minute: by one thread, not
		// by as many as there are parts.
		{"max_parts_cleaning_thread_pool_size", 1},
		// Merges may be late; what this process does for its users may not.
		{"os_threads_nice_value_merge_mutate", 10},
	} {
		args = append(args, "--"+s.name+"="+strconv.FormatInt(s.value, 10))
	}
	if memory > 0 {
		args = append(args, "--max_server_memory_usage="+strconv.FormatInt(memory, 10))
	}
	return args
}

// deniedFunctions lists what a fenced statement may not call: the table
// functions that reach outside the engine, and the scalar functions that do so
// and that the setting readonly does not know of (file() reads any file here).
func deniedFunctions(c *conn) (map[string]bool, error) {
	names, err := c.text("SELECT lower(name) FROM system.table_functions WHERE NOT allow_readonly " +
		"UNION DISTINCT SELECT lower(name) FROM system.functions WHERE lower(name) IN ('file', 'catboostevaluate', 'modelevaluate') OR name LIKE 'ai%' AND lower(name) IN " +
		"('aigenerate', 'aiclassify', 'aiextract', 'aitranslate', 'aiembed')")
	if err != nil {
		return nil, fmt.Errorf("asking the local ClickHouse for its functions: %w", err)
	}
	denied := map[string]bool{}
	for name := range strings.SplitSeq(names, "\n") {
		denied[name] = true
	}
	return denied, nil
}
