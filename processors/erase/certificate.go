package erase

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"sluice/schemas"
)

const kept = "IDs, flow and version, times, status, steps' IDs and attempts without what went in and came out, and rollups, which count and measure"

// finish makes the certificate and writes it down, which ends the erasure.
func (w *work) finish(ctx context.Context) error {
	now := time.Now().UTC().Truncate(time.Second)
	c := &schemas.Certificate{
		Erasure: w.entry.ID, Note: w.entry.Note, RequestedBy: w.entry.RequestedBy, RequestedAt: w.entry.CreatedAt, FinishedAt: now,
		SelectedBy: w.entry.SelectedBy, SelectionSHA256: w.entry.SelectionSHA256, Flow: w.entry.Flow,
		Executions: []string{}, Erased: w.entry.Found, Kept: kept,
	}
	for _, id := range w.entry.IDs() {
		c.Executions = append(c.Executions, id.String())
	}
	var err error
	if c.Remains, err = w.remains(ctx, now); err != nil {
		return err
	}
	if err := c.Sign(); err != nil {
		return err
	}
	if len(c.Executions) > schemas.ErasedPiece {
		c.Executions = nil // the record would be too large, and the erasure has them
	}
	latest := w.opts.Control.Erasure(w.entry.ID)
	_, err = w.opts.Control.Append(ctx, schemas.Change{Type: schemas.ErasureFinished, ErasureID: w.entry.ID, Expect: latest.Revision, Certificate: c})
	return err
}

// remains is what the erasure does not reach, and until when it is there.
func (w *work) remains(ctx context.Context, now time.Time) ([]schemas.Remains, error) {
	in := func(d time.Duration) *time.Time {
		t := now.Add(d)
		return &t
	}
	var all []schemas.Remains
	if n := w.entry.Found.Unsealed; n > 0 {
		topics := w.opts.Topics
		retention, err := w.retention(ctx, topics.Hooks(), topics.Replays(), topics.Executions(), topics.Deadletters())
		if err != nil {
			return nil, err
		}
		for _, t := range []struct{ topic, what string }{
			{topics.Hooks(), "hooks in the clear"}, {topics.Replays(), "hooks in the clear that a replay sent again"},
			{topics.Executions(), "what steps did with them, in the clear"}, {topics.Deadletters(), "hooks that could not be decoded, in the clear"},
		} {
			r := schemas.Remains{Where: "Kafka's topic " + t.topic, Count: n,
				What: t.what + ": their flow was not erasable when they came. Kafka deletes whole segments, so it may be a little later; none of it is read into the history again"}
			if keep, bounded := retention[t.topic]; bounded {
				r.Until = in(keep)
			}
			all = append(all, r)
		}
		all = append(all, schemas.Remains{Where: "Kafka's topic " + topics.State(), Count: n, What: "snapshots that were taken while those executions were open, until Kafka has compacted the topic", Until: in(24 * time.Hour)},
			schemas.Remains{Where: "Kafka's topic " + topics.Replies(), Count: n, What: "answers to senders that waited", Until: in(time.Hour)})
	}
	all = append(all,
		schemas.Remains{Where: "Kafka's topic " + w.opts.Topics.Captures(), What: "requests that were rejected or were samples, sealed with the installation's key; they are not searched", Until: in(24 * time.Hour)},
		schemas.Remains{Where: "Kafka's topic " + w.opts.Topics.Dedupe(), What: "hashes of delivery keys, which tell that one came again", Until: in(8 * 24 * time.Hour)},
	)
	if w.files > 0 {
		all = append(all, schemas.Remains{Where: "ClickHouse's disk", Count: w.files, What: "folders of files that were replaced, which no query reads", Until: in(filesLater)})
	}
	if len(w.entry.Mentions) > 0 {
		all = append(all, schemas.Remains{Where: "Kafka's topic " + w.opts.Topics.Control(), Count: int64(len(w.entry.Mentions)),
			What: "the subject's value stands in what people wrote, which is kept as the audit trail: " + strings.Join(w.entry.Mentions, ", ")})
	}
	return append(all,
		schemas.Remains{Where: "backups and replicas", What: "copies of Kafka, ClickHouse and the blob store that others made, and versions that a bucket keeps of removed objects"},
		schemas.Remains{Where: "other systems", What: "what the executions' steps sent there"},
	), nil
}

// retention is for how long topics keep their records; one that keeps them for
// ever is not in it.
func (w *work) retention(ctx context.Context, topics ...string) (map[string]time.Duration, error) {
	described, err := kadm.NewClient(w.client).DescribeTopicConfigs(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("reading topics' retention: %w", err)
	}
	out := map[string]time.Duration{}
	for _, d := range described {
		if d.Err != nil {
			return nil, fmt.Errorf("reading the retention of %s: %w", d.Name, d.Err)
		}
		for _, c := range d.Configs {
			if ms, err := strconv.ParseInt(c.MaybeValue(), 10, 64); c.Key == "retention.ms" && err == nil && ms >= 0 {
				out[d.Name] = time.Duration(ms) * time.Millisecond
			}
		}
	}
	return out, nil
}
