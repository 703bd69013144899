package job

import (
	"context"
	"errors"
	"fmt"
	"time"

	"trojmezi/internal/kernel/store"
)

// scheduled is the unique key of scheduled jobs: a run that takes longer than
// the interval, or waits for its next attempt, is not joined by another.
const scheduled = "schedule"

// Every runs f every interval, at its multiples since 1970, so that all
// instances mean the same moments. A run the node missed is made up once.
func (q *Queue) Every(ctx context.Context, queue string, interval time.Duration, kind store.Kind, f Func) error {
	if interval < time.Second {
		return fmt.Errorf("%w: interval %v", ErrInvalid, interval)
	}
	return q.schedule(ctx, "every "+interval.String(), &worker{q: q, queue: queue, kind: kind, f: f,
		next: func(after time.Time) time.Time {
			n := interval.Milliseconds()
			return time.UnixMilli((after.UnixMilli()/n + 1) * n)
		}})
}

// Daily runs f once a day at the local time at ("15:04"), on the days when the
// clocks change as well. A run the node missed is made up once.
func (q *Queue) Daily(ctx context.Context, queue, at string, kind store.Kind, f Func) error {
	t, err := time.Parse("15:04", at)
	if err != nil {
		return fmt.Errorf("%w: time of day %q", ErrInvalid, at)
	}
	return q.schedule(ctx, "daily "+at, &worker{q: q, queue: queue, kind: kind, f: f,
		next: func(after time.Time) time.Time { return nextDaily(after.In(q.zone), t.Hour(), t.Minute()) }})
}

// nextDaily is the first h:m after a moment, in its location. A time that the
// change to summer time leaves out is moved by that hour; of one that comes
// twice time.Date always names the same.
func nextDaily(after time.Time, h, m int) time.Time {
	y, mon, d := after.Date()
	for ; ; d++ {
		if t := time.Date(y, mon, d, h, m, 0, 0, after.Location()); t.After(after) {
			return t
		}
	}
}

// schedule stores the schedule, or leaves the stored one as it is if it is the
// same: a restart neither skips nor repeats a run.
func (q *Queue) schedule(ctx context.Context, spec string, w *worker) error {
	if err := q.add(w); err != nil {
		return err
	}
	return q.db.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO job_schedule (queue, kind, spec, next) VALUES ($1, $2, $3, $4)
			ON CONFLICT (queue, kind) DO UPDATE SET spec = excluded.spec, next = excluded.next WHERE job_schedule.spec <> excluded.spec`,
			w.queue, w.kind, spec, w.next(q.clock.Now()).UnixMilli())
		return err
	})
}

// fire enqueues the scheduled job when its time has come. The time moves on in
// the same transaction, so that of several instances one does it. A time later
// than the schedule can name was stored while the clock was ahead: it is set
// anew, or nothing would run until that date.
func (w *worker) fire(ctx context.Context) error {
	if w.next == nil {
		return nil
	}
	now := w.q.clock.Now()
	// Another instance's clock may be that much ahead of ours.
	latest := w.next(now.Add(lease)).UnixMilli()
	look := func(tx *store.Tx) (due, wrong bool, err error) {
		var next int64
		err = tx.Row(`SELECT next FROM job_schedule WHERE queue = $1 AND kind = $2`, w.queue, w.kind).Scan(&next)
		if errors.Is(err, store.ErrNoRows) {
			return false, false, nil
		}
		return next <= now.UnixMilli(), next > latest, err
	}
	var due, wrong bool
	err := w.q.db.Read(ctx, func(tx *store.Tx) (err error) { due, wrong, err = look(tx); return err })
	if err != nil || !due && !wrong {
		return err
	}
	return w.q.db.Write(ctx, func(tx *store.Tx) error {
		due, wrong, err := look(tx)
		if err != nil || !due && !wrong {
			return err
		}
		if due {
			if _, err := w.q.Enqueue(tx, Job{Queue: w.queue, Kind: w.kind, UniqueKey: scheduled}); err != nil {
				return err
			}
		} else {
			tx.OnCommit(func() {
				w.q.log.Warn("job: the next run was of a clock that was ahead; set anew", "queue", w.queue, "kind", w.kind, "next", w.next(now))
			})
		}
		_, err = tx.Exec(`UPDATE job_schedule SET next = $3 WHERE queue = $1 AND kind = $2`, w.queue, w.kind, w.next(now).UnixMilli())
		return err
	})
}

// agreeAfter is how far apart two runs must be that agree on a date: they are of
// different nights, and a person had time to see that the clock is wrong.
const agreeAfter = 12 * time.Hour

// Agreed is for scheduled work that destroys what is older than a date. It notes
// the run and returns the time up to which two runs agree that it has passed: that
// of the run before, zero when there is none. So nothing is destroyed because of a
// clock that jumped ahead and was set back; with a clock that went back it begins
// anew. Further runs of the same night get the same answer.
func Agreed(tx *store.Tx, queue string, now time.Time) (time.Time, error) {
	setting := "job.agreed." + queue
	v, err := tx.Setting(setting)
	if err != nil {
		return time.Time{}, err
	}
	var before, last int64 // unix milliseconds, 0: none
	if v != "" {
		if _, err := fmt.Sscan(v, &before, &last); err != nil {
			return time.Time{}, fmt.Errorf("job: setting %s: %w", setting, err)
		}
	}
	switch past := now.Sub(time.UnixMilli(last)); {
	case past < -lease:
		before, last = 0, now.UnixMilli()
	case past < agreeAfter:
	default:
		before, last = last, now.UnixMilli()
	}
	if err := tx.SetSetting(setting, fmt.Sprint(before, " ", last)); err != nil || before == 0 {
		return time.Time{}, err
	}
	return time.UnixMilli(before).UTC(), nil
}
