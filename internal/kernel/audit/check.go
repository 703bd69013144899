package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"trojmezi/internal/kernel/store"
)

const (
	// tellEvery is how often a verification says how far it is.
	tellEvery = time.Second
	// deadAfter is how long one that says nothing counts as running: longer than a
	// busy disk takes to store what it says.
	deadAfter = 2 * time.Minute
	// keptFaults are as many as a person reads; the command line shows all.
	keptFaults = 20
)

// Verification is the newest one: one that waits or runs, and what the last one found.
type Verification struct {
	By          string    // the person who asked for it; "": the node, each night
	Started     time.Time // when it was asked for
	Running     bool
	Interrupted bool // it began and nobody goes on with it
	Done, Total int64
	// Report is of the last one that came to its end, at Reported; nil: none did.
	Report   *Report
	Reported time.Time
	Faults   int // how many the report had; it keeps the first ones
}

// kept is the report as it is stored.
type kept struct {
	Report
	Count int `json:"count"`
}

// Begin writes down in the caller's transaction that a verification was asked for.
// It returns false while one runs.
func (l *Log) Begin(tx *store.Tx, person string) (bool, error) {
	now := l.clock.Now()
	n, err := tx.Exec(`INSERT INTO audit_verification (id, asked_by, started_at, seen_at, ended_at, done, total, report, reported)
		VALUES (1, $1, $2, $2, 0, 0, 0, '', 0)
		ON CONFLICT (id) DO UPDATE SET asked_by = excluded.asked_by, started_at = excluded.started_at, seen_at = excluded.seen_at, ended_at = 0, done = 0, total = 0
		WHERE audit_verification.ended_at <> 0 OR audit_verification.seen_at < $3 OR audit_verification.seen_at > $4`,
		person, now.UnixMilli(), now.Add(-deadAfter).UnixMilli(), now.Add(deadAfter).UnixMilli())
	if err != nil {
		return false, fmt.Errorf("audit: begin verification: %w", err)
	}
	return n == 1, nil
}

// Check runs Verify on the whole log, says on the way how far it is, and keeps the
// result for LastVerification.
func (l *Log) Check(ctx context.Context) (Report, error) {
	var total int64
	if err := l.db.Read(ctx, func(tx *store.Tx) (err error) { total, err = Leaves(tx); return err }); err != nil {
		return Report{}, fmt.Errorf("audit: check: %w", err)
	}
	var told time.Time
	r, err := verify(ctx, l.db, l.key, func(done int64) {
		now := l.clock.Now()
		if done > 0 && now.Sub(told) < tellEvery {
			return
		}
		told = now
		l.db.WriteLater(func(tx *store.Tx) error {
			_, err := tx.Exec(`UPDATE audit_verification SET seen_at = $1, done = $2, total = $3 WHERE id = 1 AND ended_at = 0`, now.UnixMilli(), done, total)
			return err
		}, nil)
	})
	if err != nil {
		return r, err
	}
	k := kept{r, len(r.Faults)}
	k.Faults = k.Faults[:min(keptFaults, len(k.Faults))]
	text, err := json.Marshal(k)
	if err != nil {
		return r, err
	}
	err = l.db.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE audit_verification SET ended_at = $1, done = $2, total = $2, report = $3, reported = $1 WHERE id = 1`,
			l.clock.Now().UnixMilli(), r.Leaves, string(text))
		return err
	})
	return r, err
}

// LastVerification returns the newest verification; the zero value before the first.
func (l *Log) LastVerification(tx *store.Tx) (v Verification, err error) {
	var started, seen, ended, reported int64
	var report string
	err = tx.Row(`SELECT asked_by, started_at, seen_at, ended_at, done, total, report, reported FROM audit_verification WHERE id = 1`).
		Scan(&v.By, &started, &seen, &ended, &v.Done, &v.Total, &report, &reported)
	if errors.Is(err, store.ErrNoRows) {
		return Verification{}, nil
	}
	if err != nil {
		return Verification{}, fmt.Errorf("audit: last verification: %w", err)
	}
	v.Started = time.UnixMilli(started).UTC()
	// A sign from the future is of a clock that was set back since.
	v.Interrupted = ended == 0 && l.clock.Now().Sub(time.UnixMilli(seen)).Abs() > deadAfter
	v.Running = ended == 0 && !v.Interrupted
	if report == "" {
		return v, nil
	}
	var k kept
	if err := json.Unmarshal([]byte(report), &k); err != nil {
		return Verification{}, fmt.Errorf("audit: last verification: %w", err)
	}
	v.Report, v.Faults, v.Reported = &k.Report, k.Count, time.UnixMilli(reported).UTC()
	return v, nil
}
