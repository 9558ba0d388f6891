package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	planted  = 137 // of the tried hooks the draft alters
	liveRate = 200 // hooks a second beside the replay
)

// replays measures a dry run of recorded hooks on a draft, which must find
// exactly what was planted and call nobody, and what a replay of all of them
// does to the live hooks beside it.
func replays(ctx context.Context, s settings) ([]line, error) {
	tried, replayed, turns, turn := 10_000, 100_000, 12, 12*time.Second
	if s.rounds < 5 {
		tried, replayed, turns, turn = 2_000, 10_000, 3, 4*time.Second
	}
	dir, err := os.MkdirTemp("", "sluice-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	d, err := newDestination()
	if err != nil {
		return nil, err
	}
	defer d.stop()
	p, err := startBinary(ctx, s.binary, dir)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	if err := p.post(ctx, "/apply?publish=true&start=true", kinds("past", d.url, 0)+"---\n"+kinds("live", d.url, 0), nil); err != nil {
		return nil, err
	}

	// The past: every hook has a number of its own.
	if err := p.load("past", tried); err != nil {
		return nil, err
	}
	if err := p.ended(ctx, "past", tried); err != nil {
		return nil, err
	}
	// The draft thinks otherwise of those below its threshold.
	if err := p.post(ctx, "/apply", kinds("past", d.url, planted), nil); err != nil {
		return nil, err
	}
	calls, tryingBegan := d.calls.Load(), time.Now()
	dry, err := p.replay(ctx, `{"flow":"past","version":"draft","dryRun":true}`)
	if err != nil {
		return nil, err
	}
	whatIf := time.Since(tryingBegan)
	if dry.Report.Compared != tried || dry.Report.Changed != planted || d.calls.Load() != calls {
		return nil, fmt.Errorf("the dry run compared %d, found %d and made %d calls; want %d, %d and none", dry.Report.Compared, dry.Report.Changed, d.calls.Load()-calls, tried, planted)
	}
	if r, err := p.replay(ctx, fmt.Sprintf(`{"changedIn":%q,"version":"draft"}`, dry.ID)); err != nil || r.Total != planted {
		return nil, fmt.Errorf("the replay of what changed had %d hooks, want %d: %v", r.Total, planted, err)
	}

	if err := p.load("past", replayed-tried); err != nil {
		return nil, err
	}
	if err := p.ended(ctx, "past", replayed); err != nil {
		return nil, err
	}
	time.Sleep(10 * time.Second) // the engine merges what came
	lines, err := p.replayBeside(ctx, replayed, turns, turn)
	if err != nil {
		return nil, err
	}
	return append([]line{
		{Name: fmt.Sprintf("what-if of %d hooks, %d of them altered", tried, planted), Value: whatIf.Seconds(), Unit: "s"},
	}, lines...), nil
}

// replayBeside replays the flow past beside live hooks, which come all the
// time, and lets the rest run alone. The ratio is the median of the turns': what
// disturbs the machine meanwhile disturbs one turn or another, and one bad second
// would be all of a p99 over everything. What a ratio is worth is to be seen in
// the line of turns without a replay.
func (p *binary) replayBeside(ctx context.Context, hooks, turns int, turn time.Duration) ([]line, error) {
	stop := p.sendLive("live")
	defer stop()
	time.Sleep(turn) // warm
	t, err := p.turnsOfReplay(ctx, turns, turn)
	if err != nil {
		return nil, err
	}
	sent, err := stop()
	if err != nil {
		return nil, err
	}
	if err := p.ended(ctx, "live", sent); err != nil {
		return nil, err
	}
	busy, err := p.startDelays(ctx, t.with)
	if err != nil {
		return nil, err
	}
	quiet, err := p.startDelays(ctx, t.without)
	if err != nil {
		return nil, err
	}
	alone, err := p.restOfReplay(ctx, t.replay, hooks)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("start delay of live hooks, %d a second, p99", liveRate)
	return []line{
		{Name: fmt.Sprintf("replay of %d hooks: beside the live ones", hooks), Value: t.rate, Unit: "hooks/s"},
		{Name: "the rest of it, alone", Value: alone, Unit: "hooks/s"},
		pair(name+", beside that replay", "ms", busy, "without a replay", quiet),
		pair(name+", alone", "ms", quiet[1:], "alone, in the turn before", quiet[:len(quiet)-1]),
	}, nil
}

// switched is what turns with and without a replay came to.
type switched struct {
	replay        string
	with, without []span
	rate          float64 // hooks a second that were replayed in its turns
}

// turnsOfReplay makes a replay of the flow past, after a turn without it, and
// pauses it again and again to see how others fare then.
func (p *binary) turnsOfReplay(ctx context.Context, turns int, turn time.Duration) (t switched, err error) {
	done := 0
	for range turns {
		quiet, err := settled(ctx, turn)
		if err != nil {
			return t, err
		}
		if t.replay == "" {
			var made bytes.Buffer
			err = p.post(ctx, "/replays", `{"flow":"past"}`, &made)
			t.replay = idOf(made.Bytes())
		} else {
			err = p.post(ctx, "/replays/"+t.replay+"/resume", "", nil)
		}
		if err != nil {
			return t, err
		}
		before, err := p.stateOf(ctx, t.replay)
		if err != nil {
			return t, err
		}
		busy, err := settled(ctx, turn)
		if err != nil {
			return t, err
		}
		if err := p.post(ctx, "/replays/"+t.replay+"/pause", "", nil); err != nil {
			return t, err
		}
		after, err := p.stateOf(ctx, t.replay)
		if err != nil {
			return t, err
		}
		done += after.Progress.Done - before.Progress.Done
		t.with, t.without = append(t.with, busy), append(t.without, quiet)
	}
	t.rate = float64(done) / (time.Duration(turns) * (settling + turn)).Seconds()
	return t, nil
}

// restOfReplay resumes a paused replay of so many hooks, and says how many a
// second it replays from then to its end.
func (p *binary) restOfReplay(ctx context.Context, id string, hooks int) (rate float64, err error) {
	if err := p.post(ctx, "/replays/"+id+"/resume", "", nil); err != nil {
		return 0, err
	}
	half, err := p.stateOf(ctx, id)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	whole, err := p.finished(ctx, id)
	if err != nil {
		return 0, err
	}
	if whole.Progress.Done != hooks {
		return 0, fmt.Errorf("the replay finished with %d of %d hooks", whole.Progress.Done, hooks)
	}
	return float64(hooks-half.Progress.Done) / whole.ChangedAt.Sub(began).Seconds(), nil
}

// settling is how long a replay takes to be as fast as it may be, or to be gone.
const settling = 2 * time.Second

// span is the time of one measurement.
type span struct{ from, to time.Time }

// settled waits until what was switched is so, and for the turn that is measured.
func settled(ctx context.Context, turn time.Duration) (s span, err error) {
	time.Sleep(settling)
	s.from = time.Now()
	time.Sleep(turn)
	s.to = time.Now()
	return s, ctx.Err()
}

func p99(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)*99/100]
}

func kinds(flow, target string, threshold int) string {
	return fmt.Sprintf("kind: Flow\nid: %s\ntrigger: {uses: webhook/receive}\nsteps:\n"+
		"  - {id: shape, uses: mapper/map, input: {kind: '=body.n < %d ? \"low\" : \"high\"', n: =body.n}}\n"+
		"  - {id: call, uses: webhook/send, retry: {attempts: 1}, input: {url: %q, body: =steps.shape}}\n", flow, threshold, target+"/")
}

// load sends n hooks that are numbered from 0.
func (p *binary) load(flow string, n int) error {
	numbers := make(chan int)
	errs := make(chan error, 16)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for i := range numbers {
				if err := p.hook(client, flow, i); err != nil {
					select {
					case errs <- err:
					default:
					}
				}
			}
		})
	}
	for i := range n {
		numbers <- i
	}
	close(numbers)
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

func (p *binary) hook(client *http.Client, flow string, n int) error {
	resp, err := client.Post(p.hooks+"/hook/"+flow, "application/json", strings.NewReader(fmt.Sprintf(`{"n":%d}`, n)))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("a hook was answered %s", resp.Status)
	}
	return nil
}

// sendLive sends hooks at liveRate until stop, which says how many there were.
func (p *binary) sendLive(flow string) (stop func() (sent int, err error)) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	over, errs := make(chan struct{}), make(chan error, 1)
	var all sync.WaitGroup
	sent := 0
	all.Go(func() {
		for due := time.Now(); ; due = due.Add(time.Second / liveRate) {
			select {
			case <-over:
				return
			case <-time.After(time.Until(due)):
			}
			n := sent
			sent++
			all.Go(func() {
				if err := p.hook(client, flow, 1_000_000+n); err != nil {
					select {
					case errs <- err:
					default:
					}
				}
			})
		}
	})
	return sync.OnceValues(func() (int, error) {
		close(over)
		all.Wait()
		select {
		case err := <-errs:
			return sent, err
		default:
			return sent, nil
		}
	})
}

// startDelays says how long after their acceptance the first step of the live
// hooks of each span began: its p99, in ms.
func (p *binary) startDelays(ctx context.Context, spans []span) ([]float64, error) {
	var all []float64
	for _, s := range spans {
		rows, err := p.query(ctx, fmt.Sprintf(`SELECT dateDiff('microsecond', e.started_at, s.started_at) / 1000 FROM executions AS e
			INNER JOIN steps AS s ON s.execution_id = e.id WHERE e.flow = 'live' AND s.flow = 'live' AND s.step = 'shape'
			AND e.started_at >= fromUnixTimestamp64Micro(%d, 'UTC') AND e.started_at < fromUnixTimestamp64Micro(%d, 'UTC')`, s.from.UnixMicro(), s.to.UnixMicro()))
		if err != nil {
			return nil, err
		}
		if least := s.to.Sub(s.from).Seconds() * liveRate * 0.9; float64(len(rows)) < least {
			return nil, fmt.Errorf("%d live hooks are in the run log, want %.0f at least", len(rows), least)
		}
		delays := make([]float64, len(rows))
		for i := range rows {
			delays[i] = rows[i][0]
		}
		all = append(all, p99(delays))
	}
	return all, nil
}

// query returns the rows of a statement that gives numbers.
func (p *binary) query(ctx context.Context, sql string) ([][]float64, error) {
	var answer bytes.Buffer
	body, _ := json.Marshal(map[string]string{"sql": sql}) // a map of strings: no error
	if err := p.post(ctx, "/query", string(body), &answer); err != nil {
		return nil, err
	}
	var result struct{ Rows [][]float64 }
	if err := json.Unmarshal(answer.Bytes(), &result); err != nil {
		return nil, fmt.Errorf("reading %s: %w", answer.String(), err)
	}
	return result.Rows, nil
}

// ended waits until the run log has n ended executions of a flow's live hooks.
func (p *binary) ended(ctx context.Context, flow string, n int) error {
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		rows, err := p.query(ctx, "SELECT count() FROM executions WHERE status = 'succeeded' AND replay = '' AND flow = '"+flow+"'")
		if err != nil {
			return err
		}
		if len(rows) == 1 && int(rows[0][0]) >= n {
			return nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("%v of %d executions of %s are in the run log", rows, n, flow)
		}
	}
}

// post sends a request to the API; a YAML document or JSON, by its beginning.
func (p *binary) post(ctx context.Context, path, body string, answer *bytes.Buffer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.api+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if strings.HasPrefix(body, "kind:") {
		req.Header.Set("Content-Type", "application/yaml")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		return fmt.Errorf("POST %s: %s: %v: %s", path, resp.Status, err, raw)
	}
	if answer != nil {
		answer.Write(raw)
	}
	return nil
}

// replay is one as the API shows it.
type replay struct {
	ID, State, Reason string
	Total             int
	ChangedAt         time.Time
	Progress          struct{ Done int }
	Report            struct{ Compared, Changed int }
}

func idOf(raw []byte) string {
	var r replay
	_ = json.Unmarshal(raw, &r)
	return r.ID
}

func (p *binary) stateOf(ctx context.Context, id string) (r replay, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.api+"/api/v1/replays/"+id, nil)
	if err != nil {
		return r, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	return r, json.NewDecoder(resp.Body).Decode(&r)
}

// replay makes a replay, and waits until it has ended.
func (p *binary) replay(ctx context.Context, request string) (replay, error) {
	var made bytes.Buffer
	if err := p.post(ctx, "/replays", request, &made); err != nil {
		return replay{}, err
	}
	return p.finished(ctx, idOf(made.Bytes()))
}

// finished waits for a replay's end.
func (p *binary) finished(ctx context.Context, id string) (replay, error) {
	for deadline := time.Now().Add(10 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		r, err := p.stateOf(ctx, id)
		if err != nil {
			return r, err
		}
		switch {
		case r.State == "finished":
			return r, nil
		case !slices.Contains([]string{"selecting", "running"}, r.State), time.Now().After(deadline), ctx.Err() != nil:
			return r, fmt.Errorf("replay %s is %s: %s", r.ID, r.State, r.Reason)
		}
	}
}
