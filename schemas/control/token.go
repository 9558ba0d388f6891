package control

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Beside a credential's values the topic secrets holds, by keys of their own, the token that its authorization gave, and
// the lease of the process that renews it.
const (
	tokenKey = "#token"
	leaseKey = "#lease"
)

type token struct {
	values   map[string]string
	revision int64
}

// lease is the right to renew a token, for a while.
type lease struct {
	offset int64 // of its record
	over   int64 // the revision of the token that is renewed
	until  time.Time
}

// leaseRecord is what is written, in the clear: it holds no secret.
type leaseRecord struct {
	Holder string `json:"holder"`
	Over   int64  `json:"over"`
	After  int64  `json:"after"` // the record of the lease that the writer saw last
	For    int64  `json:"ms"`
}

// Token is what a credential's authorization gave, and its revision; nil and 0 when there is nothing. The map is not to be
// changed.
func (l *Log) Token(credentialID string) (values map[string]string, revision int64) {
	t := l.current.Load().tokens[credentialID]
	return t.values, t.revision
}

// SaveToken encrypts and stores what a credential's authorization gave. It returns when this process's own view has it.
func (l *Log) SaveToken(ctx context.Context, credentialID string, values map[string]string) error {
	sealed, err := l.opts.Cipher.seal(credentialID+tokenKey, values)
	if err != nil {
		return err
	}
	return l.putSecret(ctx, credentialID+tokenKey, sealed)
}

// LeaseToken asks for the right to renew a token of a revision. One process of all that ask gets it; another may get it
// when the time has passed and the token is still of that revision.
//
// All processes read the requests in the same order and judge them alike: the first that knew of the lease before it wins.
// Compaction may leave only a request that lost; it then stands for a lease after a restart, until its time has passed.
func (l *Log) LeaseToken(ctx context.Context, credentialID string, revision int64, lasts time.Duration) (won bool, err error) {
	l.mu.Lock()
	held := l.leases[credentialID]
	l.mu.Unlock()
	if held.over == revision && held.offset > 0 && time.Now().Before(held.until) {
		return false, nil
	}
	value, err := json.Marshal(leaseRecord{Holder: uuid.NewString(), Over: revision, After: held.offset, For: lasts.Milliseconds()})
	if err != nil {
		return false, err
	}
	record := &kgo.Record{Topic: l.opts.Topics.Secrets(), Key: []byte(credentialID + leaseKey), Value: value}
	if err := l.client.ProduceSync(ctx, record).FirstErr(); err != nil {
		return false, fmt.Errorf("asking to renew the token of credential %s: %w", credentialID, err)
	}
	if err := l.wait(ctx, func(v *view) bool { return v.secretsAt > record.Offset }); err != nil {
		return false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.leases[credentialID].offset == record.Offset+1, nil
}

// applyToken folds a record of a token or a lease. Offsets are kept plus one, so that none is 0.
func (l *Log) applyToken(id, kind string, r *kgo.Record) {
	switch "#" + kind {
	case tokenKey:
		if r.Value == nil {
			delete(l.tokens, id)
			return
		}
		values, err := l.opts.Cipher.open(id+tokenKey, r.Value)
		if err != nil {
			l.opts.Logger.Error("the token of a credential cannot be decrypted; was SLUICE_SECRET_KEY changed? authorize the credential again",
				"credential", id, "error", err)
			delete(l.tokens, id)
			return
		}
		l.tokens[id] = token{values: values, revision: r.Offset + 1}
	case leaseKey:
		var asked leaseRecord
		if json.Unmarshal(r.Value, &asked) != nil || asked.Over != l.tokens[id].revision {
			return
		}
		held := l.leases[id]
		known := asked.After == held.offset || held.offset == 0 // the one before may have been compacted away
		if !known || held.over == asked.Over && held.offset > 0 && r.Timestamp.Before(held.until) {
			return
		}
		l.leases[id] = lease{offset: r.Offset + 1, over: asked.Over, until: r.Timestamp.Add(time.Duration(asked.For) * time.Millisecond)}
	}
}

// Seal encrypts a small thing that leaves Sluice and comes back, such as the state of an authorization. The purpose is
// authenticated with it.
func (l *Log) Seal(purpose string, values map[string]string) (string, error) {
	sealed, err := l.opts.Cipher.seal("#"+purpose, values)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// Unseal opens what Seal of any process with the same key made for the purpose.
func (l *Log) Unseal(purpose, text string) (map[string]string, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("it is not of this installation")
	}
	return l.opts.Cipher.open("#"+purpose, sealed)
}
