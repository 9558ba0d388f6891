package console

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"sluice/connectors/mapping"
	"sluice/schemas"
)

// erasing is what a selection has found so far.
type erasing struct {
	ids         map[schemas.ExecutionID]bool
	selected    int64 // by the selection itself
	notSearched int64
	mentions    []string
}

func (e *erasing) add(id uuid.UUID) {
	if e.ids == nil {
		e.ids = map[schemas.ExecutionID]bool{}
	}
	e.ids[schemas.ExecutionID(id)] = true
}

func (e *erasing) each() iter.Seq[schemas.ExecutionID] { return maps.Keys(e.ids) }

func (e *erasing) tooMany() bool { return len(e.ids) > schemas.MaxErased }

// eraseBySQL asks somebody's statement, page by page: what it runs on gives no
// more than a page at once.
func (c *Console) eraseBySQL(ctx context.Context, r *ErasureRequest, found *erasing) error {
	if word := firstWord(r.SQL); word != "SELECT" && word != "WITH" {
		return problem(http.StatusUnprocessableEntity, "", "the selection's SQL must begin with SELECT or WITH")
	}
	where, err := c.selected(ctx, &schemas.Replay{Selection: schemas.Selection{SQL: r.SQL, Flow: r.Flow, Replays: true}})
	if err != nil {
		return err
	}
	const page = 5000
	for last := uuid.Nil; !found.tooMany(); {
		rows, err := c.opts.SQL.Query(ctx, fmt.Sprintf("SELECT id FROM hooks WHERE (%s) AND toUInt128(id) > toUInt128(toUUID('%s')) ORDER BY toUInt128(id) LIMIT %d", where.text, last, page), where.args...)
		if err != nil {
			return c.queryError(err)
		}
		n := 0
		for ; rows.Next(); n++ {
			if err := rows.Scan(&last); err != nil {
				rows.Close()
				return c.queryError(err)
			}
			found.add(last)
		}
		rows.Close()
		if err := rows.Err(); err != nil {
			return c.queryError(err)
		}
		if n < page {
			break
		}
	}
	found.selected = int64(len(found.ids))
	return nil
}

// splitSubject finds the expression and the value of EXPR=VALUE: the expression
// ends at the first equals sign before which there is one.
func splitSubject(engine *mapping.Engine, subject string) (*mapping.Expression, string, string, error) {
	var wrong error
	for at := 0; ; {
		n := strings.IndexByte(subject[at:], '=')
		if n < 0 {
			break
		}
		at += n
		text := strings.TrimSpace(subject[:at])
		at++
		if text == "" {
			continue
		}
		compiled, err := engine.Compile(text)
		if err == nil {
			return compiled, text, strings.TrimSpace(subject[at:]), nil
		}
		if wrong == nil {
			wrong = err
		}
	}
	if wrong != nil {
		return nil, "", "", fmt.Errorf("the expression cannot be read: %w", wrong)
	}
	return nil, "", "", fmt.Errorf("there is no equals sign after an expression")
}

// maxSearchedBody is the largest body that an expression is asked about.
const maxSearchedBody = 32 << 20

// eraseBySubject asks an expression about every hook of the history.
func (c *Console) eraseBySubject(ctx context.Context, r *ErasureRequest, found *erasing) error {
	expression, text, value, err := splitSubject(c.opts.Mapping, r.Subject)
	if err != nil {
		return problem(http.StatusUnprocessableEntity, "write it like body.customer.email=ann@example.com", "subject: %v", err)
	}
	if value == "" {
		return problem(http.StatusUnprocessableEntity, "write it like body.customer.email=ann@example.com", "subject: there is no value after the equals sign")
	}
	if c.opts.Envelope == nil {
		return problem(http.StatusServiceUnavailable, "", "this process cannot evaluate expressions over hooks")
	}
	found.mentions = c.mentions(value)
	var w conditions
	w.add("NOT erased")
	if r.Flow != "" {
		w.add("flow = ?", r.Flow)
	}
	if plainPath(text) && strings.HasPrefix(text, "body.") {
		// A JSON body that has the value has it as it stands, or has an escape.
		w.add("(content_type NOT IN ('application/json', 'application/json; charset=utf-8') OR blob != '' OR position(body, '\\\\') > 0 OR position(body, ?) > 0)", value)
	}
	const page = 200
	for last := uuid.Nil; !found.tooMany(); {
		more := conditions{parts: append([]string{}, w.parts...), args: append([]any{}, w.args...)}
		more.add("toUInt128(id) > toUInt128(toUUID(?))", last.String())
		hooks, next, err := c.searched(ctx, &more, page)
		if err != nil {
			return err
		}
		for _, h := range hooks {
			matches, ok := c.isAbout(ctx, h, expression, value)
			if !ok {
				found.notSearched++
			}
			if matches {
				found.add(uuid.UUID(h.ID))
			}
		}
		if len(hooks) < page {
			break
		}
		last = next
	}
	found.selected = int64(len(found.ids))
	return nil
}

// plainPath reports whether an expression is names and dots.
func plainPath(text string) bool {
	return strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.") == ""
}

func (c *Console) searched(ctx context.Context, w *conditions, page int) ([]*schemas.Hook, uuid.UUID, error) {
	rows, err := c.opts.ClickHouse.Query(ctx, `SELECT id, flow, received_at, method, path, query, headers, content_type, body, body_size, blob, files
		FROM runlog_hooks FINAL`+w.String()+fmt.Sprintf(" ORDER BY toUInt128(id) LIMIT %d", page), w.args...)
	if err != nil {
		return nil, uuid.Nil, c.storeError(err)
	}
	defer rows.Close()
	var hooks []*schemas.Hook
	var id uuid.UUID
	for rows.Next() {
		h := &schemas.Hook{Kind: schemas.KindHook}
		var body, blob, files string
		var size uint64
		var at time.Time
		if err := rows.Scan(&id, &h.Flow, &at, &h.Method, &h.Path, &h.Query, &h.Headers, &h.ContentType, &body, &size, &blob, &files); err != nil {
			return nil, uuid.Nil, c.storeError(err)
		}
		h.ID, h.Time, h.Body = schemas.ExecutionID(id), at, []byte(body)
		if blob != "" {
			h.BodyRef = &schemas.BodyRef{Blob: blob, Size: int64(size)}
		}
		if files != "" {
			_ = json.Unmarshal([]byte(files), &h.Files) // without them there is the body
		}
		hooks = append(hooks, h)
	}
	if err := rows.Err(); err != nil {
		return nil, uuid.Nil, c.storeError(err)
	}
	return hooks, id, nil
}

// isAbout reports whether a hook has the value; ok is false when its body cannot
// be had. An expression that fails on a hook does not mean it.
func (c *Console) isAbout(ctx context.Context, h *schemas.Hook, expression *mapping.Expression, value string) (matches, ok bool) {
	ok = true
	if h.BodyRef != nil && (len(h.Files) != 1 || h.Files[0].Size != h.BodyRef.Size) { // of a file that is the body there is no view
		body, err := c.wholeBody(ctx, h.BodyRef)
		if err != nil {
			ok = false // what is beside the body is asked all the same
		}
		h.Body = body
	}
	v, defined, err := expression.Evaluate(ctx, c.opts.Envelope(h), mapping.Eval{Now: h.Time})
	if err != nil || !defined {
		return false, ok
	}
	return hasValue(v, value), ok
}

func (c *Console) wholeBody(ctx context.Context, ref *schemas.BodyRef) ([]byte, error) {
	if c.opts.Blobs == nil || ref.Size > maxSearchedBody {
		return nil, fmt.Errorf("the body has %d bytes", ref.Size)
	}
	r, err := c.opts.Blobs.Open(ctx, ref.Blob, 0, -1)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, maxSearchedBody))
}

// hasValue reports whether a value is a text, or a list with it. Numbers and
// the like are compared as they are written in JSON.
func hasValue(v mapping.Value, text string) bool {
	if s, isText := v.(string); isText {
		return s == text
	}
	encoded, err := mapping.Encode(v)
	if err != nil {
		return false
	}
	if string(encoded) == text {
		return true
	}
	var list []json.RawMessage
	if json.Unmarshal(encoded, &list) != nil {
		return false
	}
	for _, item := range list {
		var s string
		if json.Unmarshal(item, &s) == nil && s == text || string(item) == text {
			return true
		}
	}
	return false
}

// relations are queries for executions that have the same data as those in IN
// (?): what they repeat and what repeats them, duplicates of them, and flows
// that call each other.
var relations = []string{
	"SELECT id FROM runlog_executions FINAL WHERE replay_of IN ?",
	"SELECT assumeNotNull(replay_of) FROM runlog_executions FINAL WHERE isNotNull(replay_of) AND id IN ?",
	"SELECT id FROM runlog_executions FINAL WHERE status = 'duplicate' AND toUUIDOrZero(extract(error, '[0-9a-f-]{36}$')) IN ?",
	"SELECT toUUIDOrZero(extract(error, '[0-9a-f-]{36}$')) FROM runlog_executions FINAL WHERE status = 'duplicate' AND id IN ?",
	"SELECT toUUIDOrZero(JSONExtractString(output, 'execution')) FROM runlog_steps FINAL WHERE uses = 'flow/call' AND execution_id IN ?",
	"SELECT execution_id FROM runlog_steps FINAL WHERE uses = 'flow/call' AND toUUIDOrZero(JSONExtractString(output, 'execution')) IN ?",
}

// eraseRelated adds the executions that have the same data.
func (c *Console) eraseRelated(ctx context.Context, found *erasing) error {
	fresh := maps.Clone(found.ids)
	for len(fresh) > 0 && !found.tooMany() {
		asked := make([]uuid.UUID, 0, len(fresh))
		for id := range fresh {
			asked = append(asked, uuid.UUID(id))
		}
		clear(fresh)
		for piece := range slices.Chunk(asked, schemas.ErasedPiece) {
			for _, relation := range relations {
				if err := c.related(ctx, relation, piece, found, fresh); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// related adds what one relation gives; what was not found before is fresh.
func (c *Console) related(ctx context.Context, relation string, asked []uuid.UUID, found *erasing, fresh map[schemas.ExecutionID]bool) error {
	rows, err := c.opts.ClickHouse.Query(ctx, relation, asked)
	if err != nil {
		return c.storeError(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id uuid.UUID
		if err := rows.Scan(&id); err != nil {
			return c.storeError(err)
		}
		if x := schemas.ExecutionID(id); id != uuid.Nil && !found.ids[x] {
			found.add(id)
			fresh[x] = true
		}
	}
	if err := rows.Err(); err != nil {
		return c.storeError(err)
	}
	return nil
}

// countErased counts what there is of executions.
func (c *Console) countErased(ctx context.Context, list []schemas.ExecutionID) (schemas.ErasedCount, error) {
	var n schemas.ErasedCount
	// By their hashes: a replay has the blob of its original, which may be in another piece.
	blobs, keys := map[uint64]bool{}, map[uint64]bool{}
	for piece := range slices.Chunk(list, schemas.ErasedPiece) {
		ids := make([]uuid.UUID, len(piece))
		for i, id := range piece {
			ids[i] = uuid.UUID(id)
		}
		var more schemas.ErasedCount
		var ofBlobs, ofKeys []uint64
		for _, q := range []struct {
			sql  string
			into []any
		}{
			{"SELECT toInt64(count()), toInt64(countIf(status IN ('waiting', 'running'))) FROM runlog_executions FINAL WHERE id IN ?", []any{&more.Executions, &more.Open}},
			{"SELECT toInt64(count()), groupUniqArrayIf(sipHash64(blob), blob != ''), groupUniqArrayIf(sipHash64(sealed_key), sealed_key != ''), toInt64(countIf(sealed_key = '')) FROM runlog_hooks FINAL WHERE id IN ?",
				[]any{&more.Hooks, &ofBlobs, &ofKeys, &more.Unsealed}},
			{"SELECT toInt64(count()) FROM runlog_steps FINAL WHERE execution_id IN ?", []any{&more.Steps}},
			{"SELECT toInt64(count()) FROM runlog_differences FINAL WHERE execution_id IN ?", []any{&more.Differences}},
		} {
			if err := c.opts.ClickHouse.QueryRow(ctx, q.sql, ids).Scan(q.into...); err != nil {
				return n, c.storeError(err)
			}
		}
		n.Executions += more.Executions
		n.Open += more.Open
		n.Hooks += more.Hooks
		n.Unsealed += more.Unsealed
		n.Steps += more.Steps
		n.Differences += more.Differences
		for _, hash := range ofBlobs {
			blobs[hash] = true
		}
		for _, hash := range ofKeys {
			keys[hash] = true
		}
	}
	n.Blobs, n.Keys = int64(len(blobs)), int64(len(keys))
	return n, nil
}

// mentions names what people wrote that has a value in it.
func (c *Console) mentions(value string) []string {
	var all []string
	quoted, _ := json.Marshal(value) // text: cannot fail
	inner := string(quoted[1 : len(quoted)-1])
	has := func(texts ...string) bool {
		for _, text := range texts {
			if strings.Contains(text, value) || strings.Contains(text, inner) {
				return true
			}
		}
		return false
	}
	for _, f := range c.opts.Control.Flows() {
		documents := []string{string(f.Draft)}
		for _, v := range f.Versions {
			documents = append(documents, string(v.Document))
		}
		if has(documents...) {
			all = append(all, "flow "+f.ID)
		}
	}
	for _, q := range c.opts.Control.SavedQueries() {
		if has(q.SQL, q.Name) {
			all = append(all, "saved query "+q.ID)
		}
	}
	for _, a := range c.opts.Control.Alerts() {
		if has(a.Note, a.Name) {
			all = append(all, "alert "+a.ID)
		}
	}
	for _, r := range c.opts.Control.Replays() {
		if has(r.Selection.Text, r.Selection.SQL, r.Note) {
			all = append(all, "replay "+r.ID)
		}
	}
	return all
}
