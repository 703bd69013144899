package health

import (
	"context"
	"fmt"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/store"
)

const (
	checkStorage = "storage" // findings about the database
	checkItself  = "checks"  // findings about the checks
	// settingProbe is what the probe writes.
	settingProbe = "health.probe"
	// slowWrite is how long a small write may take. Dispatch systems give up on a
	// message after some seconds; at this rate people see the console stall.
	slowWrite = 2 * time.Second
)

// outage is what this instance knows of its store. It lives in memory: it is
// about the time when nothing can be written down.
type outage struct {
	busy   bool // the last probe has not come back
	since  time.Time
	until  time.Time // over, not yet written down
	reason string
	told   bool
	took   time.Duration // of the last write
}

// Probe writes something small and, while that fails, tells people without the
// database. Run does it every 30 s on every instance; several may tell the same.
func (r *Registry) Probe(ctx context.Context) {
	r.mu.Lock()
	busy := r.outage.busy
	r.outage.busy = true
	r.mu.Unlock()
	err := errHangs
	if !busy {
		err = r.tryWrite(ctx)
	}
	if ctx.Err() != nil {
		return
	}
	now := r.Clock.Now()
	r.mu.Lock()
	o := &r.outage
	switch {
	case err != nil:
		if o.since.IsZero() {
			o.since = now
			r.Log.Error("health: nothing can be stored", "error", err)
		}
		o.until, o.reason = time.Time{}, err.Error()
	case !o.since.IsZero() && o.until.IsZero():
		o.until = now
	case !o.since.IsZero() && older(now, o.until, settle):
		// The leading instance wrote its own outage down long ago; this one does not
		// lead, and must tell the next.
		*o = outage{busy: o.busy, took: o.took}
	}
	tell := err != nil && !o.told && (now.Sub(o.since) >= outageAfter || o.since.After(now))
	f := r.outageFinding()
	r.mu.Unlock()
	r.forget()
	if !tell {
		return
	}
	n, err := r.Notify.Direct(ctx, newsOf(f, f.Since))
	if err != nil {
		r.Log.Error("health: the outage could not be told by every channel", "error", err)
	}
	if n > 0 { // else the next round tries again
		r.mu.Lock()
		r.outage.told = true
		r.mu.Unlock()
	}
}

// tryWrite waits for the probe, but not for ever: a write on a dead disk hangs.
func (r *Registry) tryWrite(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, r.limit)
	began := time.Now()
	done := make(chan error, 1)
	go func() {
		defer cancel()
		err := r.write(limited)
		r.mu.Lock()
		r.outage.busy, r.outage.took = false, time.Since(began)
		r.mu.Unlock()
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-limited.Done():
		select { // the write may just be ending with its context
		case err := <-done:
			return err
		case <-time.After(time.Second):
			return errHangs
		}
	}
}

// outageFinding needs r.mu.
func (r *Registry) outageFinding() Finding {
	return Finding{
		Text: notify.Text{Key: "health.storage.down", Args: i18n.Args{"reason": r.outage.reason}},
		Todo: "health.storage.down.do", Level: L3, Object: "write", Since: r.outage.since,
	}
}

// slow is the check of the store while it works.
func (r *Registry) slow(ctx context.Context) ([]Finding, error) {
	if err := r.DB.Ping(ctx); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.outage.took < slowWrite {
		return nil, nil
	}
	return []Finding{{
		Text: notify.Text{Key: "health.storage.slow", Args: i18n.Args{"d": r.outage.took.Truncate(time.Second)}},
		Todo: "health.storage.slow.do", Level: L2, Object: "speed",
	}}, nil
}

// record writes an outage that is over down, as something nobody has seen.
func (r *Registry) record(tx *store.Tx) error {
	r.mu.Lock()
	o, f := r.outage, r.outageFinding()
	r.mu.Unlock()
	if o.since.IsZero() || o.until.IsZero() {
		return nil
	}
	row := row{check: checkStorage, area: "health.area.storage", f: f, since: o.since, until: o.until, settled: true, times: 1, told: f.Level}
	if err := insert(tx, row); err != nil {
		return err
	}
	tx.OnCommit(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.outage.since.Equal(o.since) && r.outage.until.Equal(o.until) {
			r.outage = outage{busy: r.outage.busy, took: r.outage.took}
		}
	})
	if o.until.Sub(o.since) < outageAfter {
		return nil // nobody was told that it began
	}
	return r.Notify.Send(tx, newsOver(f.Level, f, o.since, o.until))
}
