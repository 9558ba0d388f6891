// Package erase erases what is kept of executions: a person's data. An erasure
// is a few changes in the control log (schemas.Erasure), so that any process
// goes on with it after a restart; of all processes one works.
//
// What an erasure does can be done twice, and is, from its beginning, when a
// process is killed in it: what is open is cancelled, the keys that Kafka's
// records are sealed with are deleted, then the blobs, then what the run log
// says beyond how the executions stand. From its first change on no process
// writes anything of these executions any more, whatever it reads in Kafka.
package erase

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
	"sluice/schemas/blobs"
	"sluice/schemas/control"
)

// Control is the control log. It is safe for concurrent use.
type Control interface {
	Erasures() []*schemas.ErasureEntry
	Erasure(id string) *schemas.ErasureEntry
	Changed() <-chan struct{}
	Offset() int64
	Append(ctx context.Context, ch schemas.Change) (int64, error)
}

// Options says what an Eraser works with. All but Logger is needed.
type Options struct {
	Kafka    []kgo.Opt
	Topics   schemas.Topics
	Instance string // unique among erasers, the same after a restart
	Control  Control
	Keys     *schemas.Keys
	// ClickHouse has the run log.
	ClickHouse driver.Conn
	Blobs      blobs.Store
	Logger     *slog.Logger
}

// Eraser works on erasures.
type Eraser struct {
	opts Options
	log  *slog.Logger
}

// New makes an Eraser; it does no I/O.
func New(opts Options) *Eraser {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Eraser{opts: opts, log: opts.Logger.With("role", "erase")}
}

const (
	look  = 250 * time.Millisecond
	again = 2 * time.Second
	// cancelAgain is after how long what is still open is cancelled once more.
	cancelAgain = 30 * time.Second
	// said is how long is waited before the erasure says what for.
	said = 3 * time.Second
)

// Run works on erasures whenever this process is the one to do so, until ctx ends.
func (e *Eraser) Run(ctx context.Context) error {
	return control.Lead(ctx, e.opts.Kafka, e.opts.Topics, "eraser", e.opts.Instance, e.lead)
}

func (e *Eraser) lead(ctx context.Context) {
	for ctx.Err() == nil {
		changed := e.opts.Control.Changed()
		open := false
		all := e.opts.Control.Erasures()
		for i := len(all) - 1; i >= 0 && ctx.Err() == nil; i-- { // the oldest first
			if all[i].Certificate != nil {
				continue
			}
			if err := e.erase(ctx, all[i]); err != nil && ctx.Err() == nil {
				open = true
				e.log.Warn("an erasure waits and is tried again", "erasure", all[i].ID, "error", err)
			}
		}
		if open {
			schemas.Pause(ctx, again)
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// erase brings an erasure to its end. The order is the guarantee: what the rows
// say of keys and blobs is needed until those are gone.
func (e *Eraser) erase(ctx context.Context, entry *schemas.ErasureEntry) error {
	client, err := kgo.NewClient(append(e.opts.Kafka[:len(e.opts.Kafka):len(e.opts.Kafka)], kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		return fmt.Errorf("configuring a Kafka client: %w", err)
	}
	defer client.Close()
	w := &work{Eraser: e, entry: entry, client: client}
	do := map[string]func(context.Context) error{
		"list": w.list, "read": w.caughtUp, "cancel": w.cancel, "keys": w.deleteKeys, "write": w.settled,
		"blobs": w.removeBlobs, "rows": w.clearRows, "verify": w.verify, "files": w.dropFiles, "certificate": w.finish,
	}
	for _, stage := range schemas.ErasureStages {
		e.log.Debug("erasing", "erasure", entry.ID, "stage", stage)
		err := w.tell(ctx, stage, "")
		if err == nil {
			err = do[stage](ctx)
		}
		if err != nil {
			return fmt.Errorf("erasing, stage %s: %w", stage, err)
		}
	}
	e.log.Info("erased", "erasure", entry.ID, "executions", entry.Count())
	return nil
}

// work is one attempt at an erasure.
type work struct {
	*Eraser
	entry  *schemas.ErasureEntry
	client *kgo.Client
	files  int64 // of ClickHouse, replaced and still there in the end
}

// ours are the erasure's executions, for a query about it.
const ours = "(SELECT id FROM runlog_erased WHERE erasure = ?)"

// list writes down which executions are meant, where the mutations ask.
func (w *work) list(ctx context.Context) error {
	batch, err := w.opts.ClickHouse.PrepareBatch(ctx, "INSERT INTO runlog_erased (erasure, id)")
	if err != nil {
		return err
	}
	for _, id := range w.entry.IDs() {
		if err := batch.Append(w.entry.ID, uuid.UUID(id)); err != nil {
			batch.Close()
			return err
		}
	}
	return batch.Send()
}

// caughtUp waits until the run log has all that Kafka holds now. A row that a
// writer made before it knew of the erasure is there then, and not later.
func (w *work) caughtUp(ctx context.Context) error {
	topics := []string{w.opts.Topics.Executions(), w.opts.Topics.Hooks(), w.opts.Topics.Replays()}
	ends, err := kadm.NewClient(w.client).ListCommittedOffsets(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("finding the ends of the topics: %w", err)
	}
	return w.until(ctx, "the run log to have read what Kafka holds", func() (bool, error) {
		rows, err := w.opts.ClickHouse.Query(ctx, "SELECT topic, partition, next_offset FROM runlog_progress FINAL")
		if err != nil {
			return false, err
		}
		defer rows.Close()
		done := map[string]map[int32]int64{}
		for rows.Next() {
			var topic string
			var partition int32
			var next int64
			if err := rows.Scan(&topic, &partition, &next); err != nil {
				return false, err
			}
			if done[topic] == nil {
				done[topic] = map[int32]int64{}
			}
			done[topic][partition] = next
		}
		behind := false
		ends.Each(func(end kadm.ListedOffset) {
			behind = behind || end.Offset > done[end.Topic][end.Partition]
		})
		return !behind, rows.Err()
	})
}

// settled is caughtUp after every process has heard of the erasure: a change is
// read everywhere within some 250 ms.
func (w *work) settled(ctx context.Context) error {
	if !schemas.Pause(ctx, time.Until(w.entry.CreatedAt.Add(2*time.Second))) {
		return ctx.Err()
	}
	return w.caughtUp(ctx)
}

// until asks again and again; what is waited for long is told by the erasure.
func (w *work) until(ctx context.Context, what string, done func() (bool, error)) error {
	began := time.Now()
	for {
		ok, err := done()
		switch {
		case err != nil:
			return err
		case ok:
			return w.tell(ctx, "", "")
		case time.Since(began) > said:
			if err := w.tell(ctx, "", what); err != nil {
				return err
			}
		}
		if !schemas.Pause(ctx, look) {
			return ctx.Err()
		}
	}
}

// tell writes down the stage, unless it is empty, and what is waited for.
func (w *work) tell(ctx context.Context, stage, what string) error {
	latest := w.opts.Control.Erasure(w.entry.ID)
	if latest == nil || latest.Waiting == what && (stage == "" || latest.Stage == stage) {
		return nil
	}
	_, err := w.opts.Control.Append(ctx, schemas.Change{Type: schemas.ErasureWaiting, ErasureID: w.entry.ID, Expect: latest.Revision, Stage: stage, Reason: what})
	return err
}

// cancel ends what is still open. A hook that no runner has taken yet is not
// waited for: whoever takes it knows that it is erased, and ends it.
func (w *work) cancel(ctx context.Context) error {
	var asked time.Time
	return w.until(ctx, "the runner to end what is open", func() (bool, error) {
		rows, err := w.opts.ClickHouse.Query(ctx, "SELECT id, flow, replay FROM runlog_executions FINAL WHERE status IN ('waiting', 'running') AND id IN "+ours, w.entry.ID)
		if err != nil {
			return false, err
		}
		defer rows.Close()
		var open []*kgo.Record
		for rows.Next() {
			var id uuid.UUID
			var flow, replay string
			if err := rows.Scan(&id, &flow, &replay); err != nil {
				return false, err
			}
			h := schemas.Hook{ID: schemas.ExecutionID(id), Kind: schemas.KindCancel, Flow: flow, Time: time.Now(), Control: w.opts.Control.Offset()}
			record, err := h.Record()
			if err != nil {
				return false, err
			}
			if record.Topic = w.opts.Topics.Hooks(); replay != "" {
				record.Topic = w.opts.Topics.Replays() // the runner of that lane owns it
			}
			open = append(open, record)
		}
		if err := rows.Err(); err != nil || len(open) == 0 {
			return err == nil, err
		}
		if time.Since(asked) < cancelAgain {
			return false, nil
		}
		asked = time.Now()
		return false, w.client.ProduceSync(ctx, open...).FirstErr()
	})
}

// removeBlobs removes bodies and files that no other hook has.
func (w *work) removeBlobs(ctx context.Context) error {
	rows, err := w.opts.ClickHouse.Query(ctx, "SELECT DISTINCT blob FROM runlog_hooks FINAL WHERE blob != '' AND id IN "+ours+
		" AND blob NOT IN (SELECT blob FROM runlog_hooks FINAL WHERE blob != '' AND id NOT IN "+ours+")", w.entry.ID, w.entry.ID)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		if w.opts.Blobs == nil {
			return errors.New("this process has no blob store to remove bodies from")
		}
		if err := w.opts.Blobs.Remove(ctx, name); err != nil && !errors.Is(err, blobs.ErrNotFound) {
			return err
		}
	}
	return rows.Err()
}

// clearRows takes from the run log what the hooks brought and the steps did
// with it. What is left says that the executions were, and how they stand: the
// rollups, which hold no more than that, stay right.
func (w *work) clearRows(ctx context.Context) error {
	for _, statement := range []string{
		`ALTER TABLE runlog_differences DELETE WHERE execution_id IN ` + ours,
		`ALTER TABLE runlog_steps UPDATE input = '', output = '', error = '' WHERE execution_id IN ` + ours,
		`ALTER TABLE runlog_executions UPDATE error = '', erased = true WHERE id IN ` + ours,
		`ALTER TABLE runlog_hooks UPDATE path = '', query = '', headers = CAST(map(), 'Map(String, String)'), body = '', body_size = 0, body_sha256 = '', blob = '', files = '', erased = true WHERE id IN ` + ours,
	} {
		if err := w.opts.ClickHouse.Exec(ctx, statement+" SETTINGS mutations_sync = 2", w.entry.ID); err != nil {
			return err
		}
	}
	return nil
}

// verify looks for what is left. Rows that somebody wrote while they were being
// cleared are found here, and the erasure begins again.
func (w *work) verify(ctx context.Context) error {
	var left uint64
	err := w.opts.ClickHouse.QueryRow(ctx, `SELECT
		(SELECT count() FROM runlog_hooks WHERE (NOT erased OR notEmpty(body) OR notEmpty(headers) OR blob != '') AND id IN `+ours+`) +
		(SELECT count() FROM runlog_executions WHERE (NOT erased OR error != '') AND id IN `+ours+`) +
		(SELECT count() FROM runlog_steps WHERE (input != '' OR output != '' OR error != '') AND execution_id IN `+ours+`) +
		(SELECT count() FROM runlog_differences WHERE execution_id IN `+ours+`)`, w.entry.ID, w.entry.ID, w.entry.ID, w.entry.ID).Scan(&left)
	if err == nil && left > 0 {
		err = fmt.Errorf("%d rows were written meanwhile", left)
	}
	return err
}

// cleared are the tables that clearRows rewrites.
var cleared = []string{"runlog_hooks", "runlog_steps", "runlog_executions", "runlog_differences"}

const (
	// filesPatience is how long ClickHouse may take to drop the files that the
	// mutations replaced, when it is told to; filesLater, by itself.
	filesPatience = 45 * time.Second
	filesLater    = 10 * time.Minute
)

// dropFiles waits until the files are gone that the mutations replaced: by
// itself ClickHouse keeps them for minutes. What is not gone in time is named in
// the certificate.
func (w *work) dropFiles(ctx context.Context) error {
	set := func(change string) error {
		for _, table := range cleared {
			if err := w.opts.ClickHouse.Exec(ctx, "ALTER TABLE "+table+" "+change); err != nil {
				return err
			}
		}
		return nil
	}
	if err := set("MODIFY SETTING old_parts_lifetime = 1"); err != nil {
		return err
	}
	for began := time.Now(); ; {
		var left uint64
		if err := w.opts.ClickHouse.QueryRow(ctx, "SELECT count() FROM system.parts WHERE database = currentDatabase() AND NOT active AND table IN ? AND remove_time <= toDateTime(?)",
			cleared, began.Unix()).Scan(&left); err != nil {
			return err
		}
		if w.files = int64(left); left == 0 || time.Since(began) > filesPatience {
			break
		}
		if !schemas.Pause(ctx, 2*look) {
			return ctx.Err()
		}
		for _, table := range cleared {
			// There is no such partition: what it does is to drop such files at once, which
			// the table does twice a minute by itself. Without the right to it, it waits.
			_ = w.opts.ClickHouse.Exec(ctx, "ALTER TABLE "+table+" DROP PARTITION ID '00000000'")
		}
	}
	return set("RESET SETTING old_parts_lifetime")
}
