package runlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
)

// mortal is a connection of a process that dies at an insert: before ClickHouse
// has it or after, and then nothing more comes from it.
type mortal struct {
	Conn
	table string
	after bool
	skip  int // inserts into table that it survives

	mu   sync.Mutex
	dead chan struct{}
}

var errDead = errors.New("the process is dead")

func (m *mortal) gone() bool {
	select {
	case <-m.dead:
		return true
	default:
		return false
	}
}

func (m *mortal) PrepareBatch(ctx context.Context, query string, opts ...driver.PrepareBatchOption) (driver.Batch, error) {
	if m.gone() {
		return nil, errDead
	}
	b, err := m.Conn.PrepareBatch(ctx, query, opts...)
	if err == nil && strings.HasPrefix(query, "INSERT INTO "+m.table+" ") {
		b = mortalBatch{b, m}
	}
	return b, err
}

type mortalBatch struct {
	driver.Batch
	m *mortal
}

func (b mortalBatch) Send() error {
	b.m.mu.Lock()
	defer b.m.mu.Unlock()
	if b.m.gone() {
		return errDead
	}
	if b.m.skip > 0 {
		b.m.skip--
		return b.Batch.Send()
	}
	if b.m.after {
		if err := b.Batch.Send(); err != nil {
			return err
		}
	}
	close(b.m.dead)
	return errDead
}

func TestEveryRowOnceWhereverTheWriterDies(t *testing.T) {
	onEngines(t, func(t *testing.T, url string) {
		k := newKafka(t)
		k.story(20)
		whole := openEngine(t, newDatabase(t, engineOf(t, url)))
		stop := start(t, k.options(whole))
		until(t, whole, 20, "SELECT count() FROM executions WHERE status = 'succeeded'")
		until(t, whole, 20, "SELECT count() FROM hooks")
		stop()
		want := dump(t, whole)

		for _, table := range []string{stepsTable.name, hooksTable.name, executionsTable.name, marksTable.name, progressTable.name} {
			for _, after := range []bool{false, true} {
				name := "before " + table
				if after {
					name = "after " + table
				}
				t.Run(name, func(t *testing.T) {
					conn := openEngine(t, newDatabase(t, engineOf(t, url)))
					for skip := range 2 { // twice: at its first insert, and at the second of the one that comes after it
						doomed := &mortal{Conn: conn, table: table, after: after, skip: skip, dead: make(chan struct{})}
						o := k.options(doomed)
						o.MaxRows = 10 // many flushes
						stop := start(t, o)
						<-doomed.dead
						stop()
					}
					start(t, k.options(conn))
					// Rows are there before their minutes' marks, and progress after those.
					eventually(t, func() string {
						if got := progressOf(t, conn); got != 60 {
							return fmt.Sprintf("progress is %d records, want 60", got)
						}
						return ""
					})
					if diff := cmp.Diff(want, dump(t, conn)); diff != "" {
						t.Error(diff)
					}
					counted(t, conn)
					rollAll(t, conn)
					counted(t, conn)
					if n, unique := count(t, conn, "SELECT count() FROM executions"), count(t, conn, "SELECT uniqExact(id) FROM executions"); n != 20 || unique != 20 {
						t.Errorf("count() = %d, uniqExact(id) = %d, want 20 of both", n, unique)
					}
				})
			}
		}
	})
}

// TestARestartResumes says that progress is read, not only written: what was
// read once is not read again.
func TestARestartResumes(t *testing.T) {
	onEngines(t, func(t *testing.T, url string) {
		k, conn := newKafka(t), openEngine(t, url)
		k.story(10)
		stop := start(t, k.options(conn))
		eventually(t, func() string {
			if got := progressOf(t, conn); got != 30 {
				return "progress is short of 30 records"
			}
			return ""
		})
		stop()
		if err := conn.Exec(t.Context(), "TRUNCATE TABLE runlog_executions"); err != nil {
			t.Fatal(err)
		}
		id := k.story(1)[0]
		start(t, k.options(conn))
		until(t, conn, 1, "SELECT count() FROM executions WHERE status = 'succeeded' AND id = '"+id.String()+"'")
		if n := count(t, conn, "SELECT count() FROM executions"); n != 1 {
			t.Errorf("%d executions, want only the new one", n)
		}
	})
}

// gate is a way to ClickHouse that can be shut.
type gate struct {
	net.Listener
	to string

	mu    sync.Mutex
	open  bool
	conns map[net.Conn]bool
}

func newGate(t *testing.T, to string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{Listener: l, to: to, open: true, conns: map[net.Conn]bool{}}
	t.Cleanup(func() { l.Close(); g.shut() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go g.pass(c)
		}
	}()
	return g
}

func (g *gate) pass(c net.Conn) {
	defer c.Close()
	far, err := net.Dial("tcp", g.to)
	if err != nil {
		return
	}
	defer far.Close()
	g.mu.Lock()
	if !g.open {
		g.mu.Unlock()
		return
	}
	g.conns[c], g.conns[far] = true, true
	g.mu.Unlock()
	go func() { io.Copy(far, c); far.Close() }()
	io.Copy(c, far)
	g.mu.Lock()
	delete(g.conns, c)
	delete(g.conns, far)
	g.mu.Unlock()
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = false
	for c := range g.conns {
		c.Close()
	}
}

func (g *gate) unlock() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = true
}

func TestCatchesUpAfterClickHouseWasAway(t *testing.T) {
	onEngines(t, func(t *testing.T, url string) {
		k, conn := newKafka(t), openEngine(t, url)
		addr := addrOf(t, url)
		g := newGate(t, addr)
		through := openEngine(t, strings.Replace(url, addr, g.Addr().String(), 1))

		g.shut() // away when the writer starts
		k.story(5)
		var said logs
		o := k.options(through)
		o.Logger = said.logger()
		o.MaxRows = 10
		start(t, o)
		eventually(t, func() string {
			if len(said.lines("waiting for ClickHouse")) == 0 {
				return "nothing said"
			}
			return ""
		})
		g.unlock()
		until(t, conn, 5, "SELECT count() FROM executions WHERE status = 'succeeded'")

		g.shut() // away while it runs
		k.story(50)
		eventually(t, func() string {
			if len(said.lines("waiting for ClickHouse")) < 2 {
				return "nothing said the second time"
			}
			return ""
		})
		if n := count(t, conn, "SELECT uniqExact(id) FROM executions"); n != 5 {
			t.Errorf("%d executions while ClickHouse is away, want 5", n)
		}
		g.unlock()
		until(t, conn, 55, "SELECT count() FROM executions WHERE status = 'succeeded'")
		until(t, conn, 55, "SELECT count() FROM hooks")
		if n := len(said.lines("waiting for ClickHouse")); n != 2 {
			t.Errorf("said it %d times for two outages", n)
		}
	})
}
