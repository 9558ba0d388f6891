package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/schemas"
)

const (
	// accountingGrace is how long a hook may be without an execution, and an
	// offset without a row, before that is a problem: what is under way.
	accountingGrace = 2 * time.Minute
	accountingEvery = time.Minute
	maxAccountedIDs = 100
	// maxGapRecords bounds what is read from Kafka to explain gaps.
	maxGapRecords = 20_000
	// markerSlack is how many offsets at the end of a partition of executions
	// may be transactions' markers, which no reader sees.
	markerSlack = 16
)

// Accounting sets what the edge accepted beside what the runner did with it.
// The two are counted apart: accepted from the hooks as the edge wrote them,
// the rest from the events that the runner wrote.
type Accounting struct {
	OK   bool      `json:"ok" doc:"There is no problem"`
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Flows has each flow's sums, Minutes a row per flow and minute of acceptance.
	Flows    []Account           `json:"flows" nullable:"false"`
	Minutes  []Account           `json:"minutes" nullable:"false"`
	Problems []AccountingProblem `json:"problems" nullable:"false"`
}

// Account is: accepted = succeeded + failed + duplicate + filtered + cancelled + open.
type Account struct {
	Flow      string     `json:"flow"`
	Minute    *time.Time `json:"minute,omitempty"`
	Accepted  uint64     `json:"accepted" doc:"As the edge, or a replay, wrote it"`
	Succeeded uint64     `json:"succeeded"`
	Failed    uint64     `json:"failed"`
	Duplicate uint64     `json:"duplicate"`
	Filtered  uint64     `json:"filtered"`
	Cancelled uint64     `json:"cancelled"`
	Open      uint64     `json:"open" doc:"Begun or waiting, by the runner's events"`
	// Difference is accepted less all the others: what the runner has not
	// reported yet when it is positive and recent.
	Difference int64 `json:"difference"`
}

func (a *Account) add(status string, n uint64) {
	switch status {
	case "succeeded":
		a.Succeeded += n
	case "failed":
		a.Failed += n
	case "duplicate":
		a.Duplicate += n
	case "filtered":
		a.Filtered += n
	case "cancelled":
		a.Cancelled += n
	default:
		a.Open += n
	}
}

func (a *Account) balance() {
	a.Difference = int64(a.Accepted) - int64(a.Succeeded+a.Failed+a.Duplicate+a.Filtered+a.Cancelled+a.Open)
}

// AccountingProblem is something that does not add up.
type AccountingProblem struct {
	Kind   string   `json:"kind" enum:"no-execution,no-hook,hole" doc:"no-execution: a hook that the runner has passed and not reported. no-hook: an execution without a hook. hole: a hook in Kafka that the run log does not have"`
	Detail string   `json:"detail"`
	Flow   string   `json:"flow,omitempty"`
	Count  uint64   `json:"count"`
	IDs    []string `json:"ids" nullable:"false" doc:"Executions, at most 100"`
}

type accountingInput struct {
	Flow  string `query:"flow" doc:"Of this flow alone"`
	Since string `query:"since" default:"1h" doc:"A time (RFC 3339), or how long ago, such as 1h"`
	Until string `query:"until" doc:"A time (RFC 3339), or how long ago"`
}

type accountingOutput struct{ Body Accounting }

func (c *Console) registerAccounting(api huma.API) {
	huma.Register(api, op("accounting", http.MethodGet, "/accounting", "Set what was accepted beside what became of it", "operation", 400, 503), c.accounting)
}

func (c *Console) accounting(ctx context.Context, in *accountingInput) (*accountingOutput, error) {
	if c.opts.ClickHouse == nil {
		return nil, problem(http.StatusServiceUnavailable, historyRemedy, "there is no ClickHouse to ask")
	}
	now := time.Now()
	from, ok := moment(in.Since, now)
	to := now
	if ok && in.Until != "" {
		to, ok = moment(in.Until, now)
	}
	if !ok {
		return nil, problem(http.StatusBadRequest, "give a time such as 2026-01-02T15:04:05Z, or a duration such as 1h", "since or until is neither a time nor a duration")
	}
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	out, err := c.account(ctx, from, to, in.Flow)
	if err != nil {
		return nil, c.storeError(err)
	}
	return &accountingOutput{*out}, nil
}

// account counts the hooks that were accepted between two times, and looks for
// what does not add up.
func (c *Console) account(ctx context.Context, from, to time.Time, flow string) (*Accounting, error) {
	out := &Accounting{From: from.UTC(), To: to.UTC(), Flows: []Account{}, Minutes: []Account{}, Problems: []AccountingProblem{}}
	if err := c.countAccounts(ctx, out, flow); err != nil {
		return nil, err
	}
	settled := to
	if grace := time.Now().Add(-accountingGrace); grace.Before(settled) {
		settled = grace
	}
	if settled.After(from) {
		for _, look := range []func(context.Context, *Accounting, time.Time, string) error{c.missingExecutions, c.missingHooks, c.holes} {
			if err := look(ctx, out, settled, flow); err != nil {
				return nil, err
			}
		}
	}
	out.OK = len(out.Problems) == 0
	return out, nil
}

// idsFrom bounds a query by the tables' key, which is the ID's time.
const (
	idsFrom = "toUInt128(id) >= toUInt128(toUUID(?)) AND toUInt128(id) <= toUInt128(toUUID(?))"
	oneFlow = "(? = '' OR flow = ?)"
)

func idBounds(from, to time.Time) (string, string) {
	first, _ := schemas.IDsAt(from)
	_, last := schemas.IDsAt(to)
	return first.String(), last.String()
}

func (c *Console) countAccounts(ctx context.Context, out *Accounting, flow string) error {
	first, last := idBounds(out.From, out.To)
	rows, err := c.opts.ClickHouse.Query(ctx, `
		SELECT flow, toStartOfMinute(UUIDv7ToDateTime(id, 'UTC')) AS minute, '' AS status, count() FROM hooks WHERE `+idsFrom+` AND `+oneFlow+` GROUP BY flow, minute
		UNION ALL
		SELECT flow, toStartOfMinute(UUIDv7ToDateTime(id, 'UTC')) AS minute, status, count() FROM executions WHERE `+idsFrom+` AND `+oneFlow+` GROUP BY flow, minute, status`,
		first, last, flow, flow, first, last, flow, flow)
	if err != nil {
		return err
	}
	defer rows.Close()
	type key struct {
		flow   string
		minute time.Time
	}
	minutes, flows := map[key]*Account{}, map[string]*Account{}
	for rows.Next() {
		var id, status string
		var minute time.Time
		var n uint64
		if err := rows.Scan(&id, &minute, &status, &n); err != nil {
			return err
		}
		minute = minute.UTC()
		k := key{id, minute}
		if minutes[k] == nil {
			minutes[k] = &Account{Flow: id, Minute: &minute}
		}
		if flows[id] == nil {
			flows[id] = &Account{Flow: id}
		}
		for _, a := range []*Account{minutes[k], flows[id]} {
			if status == "" {
				a.Accepted += n
			} else {
				a.add(status, n)
			}
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, a := range minutes {
		a.balance()
		out.Minutes = append(out.Minutes, *a)
	}
	for _, a := range flows {
		a.balance()
		out.Flows = append(out.Flows, *a)
	}
	slices.SortFunc(out.Flows, func(a, b Account) int { return strings.Compare(a.Flow, b.Flow) })
	slices.SortFunc(out.Minutes, func(a, b Account) int {
		if d := a.Minute.Compare(*b.Minute); d != 0 {
			return d
		}
		return strings.Compare(a.Flow, b.Flow)
	})
	return nil
}

// missingExecutions finds hooks that the runner has read, and said nothing of.
func (c *Console) missingExecutions(ctx context.Context, out *Accounting, to time.Time, flow string) error {
	passed, err := c.passed(ctx)
	if err != nil || len(passed) == 0 {
		return err
	}
	first, last := idBounds(out.From, to)
	rows, err := c.opts.ClickHouse.Query(ctx, `SELECT flow, topic, partition, offset, toString(id) FROM hooks
		WHERE `+idsFrom+` AND `+oneFlow+` AND id NOT IN (SELECT id FROM executions WHERE `+idsFrom+`) ORDER BY flow LIMIT 10000`,
		first, last, flow, flow, first, last)
	if err != nil {
		return err
	}
	defer rows.Close()
	found := map[string]*AccountingProblem{}
	for rows.Next() {
		var flow, topic, id string
		var partition int32
		var offset int64
		if err := rows.Scan(&flow, &topic, &partition, &offset, &id); err != nil {
			return err
		}
		if offset >= passed[place{topic, partition}] {
			continue // it waits for the runner, or the run log for its events
		}
		p := found[flow]
		if p == nil {
			p = &AccountingProblem{Kind: "no-execution", Flow: flow, Detail: "accepted, read by the runner, and without an execution"}
			found[flow] = p
		}
		p.note(id)
	}
	for _, p := range found {
		out.Problems = append(out.Problems, *p)
	}
	return rows.Err()
}

func (p AccountingProblem) String() string {
	text := fmt.Sprintf("%d %s: %s", p.Count, p.Detail, strings.Join(p.IDs, ", "))
	if p.Flow != "" {
		text = "flow " + p.Flow + ": " + text
	}
	return text
}

func (p *AccountingProblem) note(id string) {
	p.Count++
	if len(p.IDs) < maxAccountedIDs {
		p.IDs = append(p.IDs, id)
	}
}

type place struct {
	topic     string // without the prefix
	partition int32
}

// passed is up to where the runner has read each partition of hooks and
// replays, as far as the run log has caught up with what it wrote there.
func (c *Console) passed(ctx context.Context) (map[place]int64, error) {
	written, err := c.written(ctx)
	if err != nil {
		return nil, err
	}
	admin := kadm.NewClient(c.producer)
	// The positions first: what the runner wrote of them is below the ends.
	out := map[place]int64{}
	for lane, group := range map[string]string{"hooks": "run", "replays": "replay"} {
		offsets, err := admin.FetchOffsets(ctx, c.opts.Topics.Prefix+group)
		if errors.Is(err, kerr.GroupIDNotFound) {
			continue // it has never run
		}
		if err != nil {
			return nil, fmt.Errorf("reading how far the runner is: %w", err)
		}
		offsets.Each(func(o kadm.OffsetResponse) {
			if o.Err == nil && o.Topic == c.opts.Topics.Prefix+lane {
				out[place{lane, o.Partition}] = o.At
			}
		})
	}
	ends, err := admin.ListCommittedOffsets(ctx, c.opts.Topics.Executions())
	if err != nil {
		return nil, fmt.Errorf("reading how far executions goes: %w", err)
	}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Err != nil || written[place{"executions", o.Partition}] < o.Offset-markerSlack {
			delete(out, place{"hooks", o.Partition})
			delete(out, place{"replays", o.Partition})
		}
	})
	return out, nil
}

// written is how far each partition is in the run log.
func (c *Console) written(ctx context.Context) (map[place]int64, error) {
	rows, err := c.opts.ClickHouse.Query(ctx, "SELECT topic, partition, next_offset FROM runlog_progress FINAL")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[place]int64{}
	for rows.Next() {
		var topic string
		var partition int32
		var next int64
		if err := rows.Scan(&topic, &partition, &next); err != nil {
			return nil, err
		}
		out[place{strings.TrimPrefix(topic, c.opts.Topics.Prefix), partition}] = next
	}
	return out, rows.Err()
}

// missingHooks finds executions that no hook explains.
func (c *Console) missingHooks(ctx context.Context, out *Accounting, to time.Time, flow string) error {
	first, last := idBounds(out.From, to)
	rows, err := c.opts.ClickHouse.Query(ctx, `SELECT x.flow, x.topic, x.partition, x.offset, toString(x.id) FROM executions AS x
		WHERE topic IN ('hooks', 'replays') AND `+idsFrom+` AND `+oneFlow+` AND id NOT IN (SELECT id FROM hooks WHERE `+idsFrom+`) ORDER BY flow LIMIT 10000`,
		first, last, flow, flow, first, last)
	if err != nil {
		return err
	}
	defer rows.Close()
	written, err := c.written(ctx)
	if err != nil {
		return err
	}
	found := map[string]*AccountingProblem{}
	for rows.Next() {
		var flow, topic, id string
		var partition int32
		var offset int64
		if err := rows.Scan(&flow, &topic, &partition, &offset, &id); err != nil {
			return err
		}
		if offset >= written[place{topic, partition}] {
			continue // the run log is behind with this partition's hooks
		}
		if found[flow] == nil {
			found[flow] = &AccountingProblem{Kind: "no-hook", Flow: flow, Detail: "run, and without a hook in the run log"}
		}
		found[flow].note(id)
	}
	for _, p := range found {
		out.Problems = append(out.Problems, *p)
	}
	return rows.Err()
}

// holes looks for offsets of the topic hooks that the run log has no row of,
// and asks Kafka what is there: a command and what could not be read have none;
// a hook must.
func (c *Console) holes(ctx context.Context, out *Accounting, to time.Time, flow string) error {
	first, last := idBounds(out.From, to)
	rows, err := c.opts.ClickHouse.Query(ctx, `SELECT partition, before + 1, offset FROM
		(SELECT partition, offset, lagInFrame(offset, 1, offset - 1) OVER (PARTITION BY partition ORDER BY offset ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS before
		FROM hooks WHERE topic = 'hooks' AND `+idsFrom+`) WHERE offset - before > 1 ORDER BY partition, offset LIMIT 10000`, first, last)
	if err != nil {
		return err
	}
	defer rows.Close()
	type gap struct {
		partition int32
		from, to  int64
	}
	var gaps []gap
	for rows.Next() {
		var g gap
		if err := rows.Scan(&g.partition, &g.from, &g.to); err != nil {
			return err
		}
		gaps = append(gaps, g)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	p := AccountingProblem{Kind: "hole", IDs: []string{}}
	read := int64(0)
	for _, g := range gaps {
		if read += g.to - g.from; read > maxGapRecords {
			p.Count += uint64(g.to - g.from)
			p.Detail = fmt.Sprintf("gaps too wide to look into; the first left out begins at offset %d of partition %d. ", g.from, g.partition)
			break
		}
		err := schemas.ReadPartition(ctx, c.producer, c.opts.Topics.Hooks(), g.partition, g.from, g.to, func(r *kgo.Record) bool {
			h, err := schemas.ParseHook(r)
			if err == nil && h.Kind == schemas.KindHook && (flow == "" || h.Flow == flow) && h.ID.Time().After(out.From) {
				p.note(h.ID.String())
			}
			return true
		})
		if err != nil {
			return err
		}
	}
	if p.Count > 0 {
		p.Detail += "hooks that are in Kafka and not in the run log; `sluice runlog rebuild` writes them again"
		out.Problems = append(out.Problems, p)
	}
	return nil
}

// accountant keeps an account of the last hour, for the doctor and the metrics.
type accountant struct {
	problems   *prometheus.GaugeVec
	difference prometheus.Gauge
	checked    prometheus.Gauge
}

func newAccountant(r prometheus.Registerer) *accountant {
	a := &accountant{
		problems: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "sluice_accounting_problems",
			Help: "Hooks and executions of the last hour that do not add up, by what is wrong."}, []string{"kind"}),
		difference: prometheus.NewGauge(prometheus.GaugeOpts{Name: "sluice_accounting_difference",
			Help: "Hooks accepted in the last hour less executions that the runner reported."}),
		checked: prometheus.NewGauge(prometheus.GaugeOpts{Name: "sluice_accounting_checked_timestamp_seconds",
			Help: "When the account was last made."}),
	}
	for _, kind := range []string{"no-execution", "no-hook", "hole"} {
		a.problems.WithLabelValues(kind)
	}
	if r != nil {
		r.MustRegister(a.problems, a.difference, a.checked)
	}
	return a
}

// keepAccounts makes the account of the last hour again and again, and raises
// the alarm: in the log with the IDs, and in the metrics.
func (c *Console) keepAccounts(ctx context.Context) {
	every := time.NewTicker(accountingEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		bounded, cancel := context.WithTimeout(ctx, accountingEvery/2)
		now := time.Now()
		a, err := c.account(bounded, now.Add(-time.Hour), now, "")
		cancel()
		if err != nil {
			c.log.Debug("making the account of the last hour", "error", err)
			continue
		}
		c.accountant.report(a)
		for _, p := range a.Problems {
			c.log.Error("the account does not add up", "kind", p.Kind, "flow", p.Flow, "count", p.Count, "executions", p.IDs, "detail", p.Detail)
		}
	}
}

func (a *accountant) report(of *Accounting) {
	sums := map[string]uint64{"no-execution": 0, "no-hook": 0, "hole": 0}
	for _, p := range of.Problems {
		sums[p.Kind] += p.Count
	}
	for kind, n := range sums {
		a.problems.WithLabelValues(kind).Set(float64(n))
	}
	difference := int64(0)
	for _, f := range of.Flows {
		difference += f.Difference
	}
	a.difference.Set(float64(difference))
	a.checked.SetToCurrentTime()
}

// checkAccounts is the doctor's look at the account of the last hour.
func (c *Console) checkAccounts(ctx context.Context) error {
	now := time.Now()
	a, err := c.account(ctx, now.Add(-time.Hour), now, "")
	if err != nil {
		return err
	}
	c.accountant.report(a)
	var all []error
	for _, p := range a.Problems {
		all = append(all, errors.New(p.String()))
	}
	return errors.Join(all...)
}
