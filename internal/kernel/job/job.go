package job

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations returns the tables of this package, for store.DB.Migrate.
func Migrations() fs.FS { return migrations }

const (
	// DefaultAttempts is used for a job that names no number: with the pauses
	// below the last one comes after some three hours, longer than most
	// restarts and outages and soon enough for a person to see it the same day.
	DefaultAttempts = 12
	// lease is how long a worker has a job without renewing it; a dead worker's
	// job runs again after it. It also covers the difference between the clocks
	// of two instances.
	lease = 30 * time.Second
	// renewEvery leaves two more tries before the lease ends.
	renewEvery = lease / 3
	// firstPause and longestPause bound the exponential pause between attempts.
	firstPause   = 5 * time.Second
	longestPause = time.Hour
	// poll is how often a worker looks without being woken.
	poll = 5 * time.Second
	// stopGrace is how long a running job may go on when the node stops.
	stopGrace = 5 * time.Second
	// maxError bounds the kept error in bytes.
	maxError = 500
)

// ErrLost is returned by Job.Finish when the lease ended and the job belongs to
// another worker, or is done: the transaction must not be committed.
var ErrLost = errors.New("job: the job belongs to another worker by now")

// ErrInvalid is returned for a job or schedule that can't be stored.
var ErrInvalid = errors.New("job: invalid")

// Job is one piece of work.
type Job struct {
	ID      int64 // set by Enqueue; may be given again once the job is done
	Queue   string
	Kind    store.Kind
	Payload []byte
	// RunAt is the earliest time; zero: at once.
	RunAt time.Time
	// MaxAttempts is after how many failures the job is dead; 0: DefaultAttempts.
	MaxAttempts int
	// UniqueKey, if not empty, allows one unfinished job of the same queue and
	// kind with this key.
	UniqueKey string
	// Attempt counts from 1; set for the worker.
	Attempt int
	// Error is of the last failed attempt; set by Dead.
	Error string

	holder string
}

// Func does the work of one queue and kind. Its context ends when the lease is
// lost and some seconds after the node began to stop. It may be run again after
// a crash, whatever it returned.
type Func func(ctx context.Context, j Job) error

// Queue holds the jobs of a node and runs workers for them.
type Queue struct {
	db      *store.DB
	clock   *clock.Clock
	log     *slog.Logger
	zone    *time.Location
	workers []*worker
}

// New returns the queue on db.
func New(db *store.DB, clk *clock.Clock, log *slog.Logger) *Queue {
	return &Queue{db: db, clock: clk, log: log, zone: time.Local}
}

func topic(queue string, kind store.Kind) string { return "job:" + queue + ":" + string(kind) }

// Enqueue stores j in the caller's transaction and returns its id, or 0 when an
// unfinished job with the same unique key is there already.
func (q *Queue) Enqueue(tx *store.Tx, j Job) (int64, error) {
	if j.Queue == "" || !j.Kind.Valid() || j.MaxAttempts < 0 {
		return 0, fmt.Errorf("%w: queue %q, kind %q", ErrInvalid, j.Queue, j.Kind)
	}
	now := q.clock.Now()
	if j.RunAt.IsZero() {
		j.RunAt = now
	}
	if j.MaxAttempts == 0 {
		j.MaxAttempts = DefaultAttempts
	}
	if j.Payload == nil {
		j.Payload = []byte{}
	}
	var id int64
	err := tx.Row(`INSERT INTO job_task (id, queue, kind, payload, unique_key, state, due, attempt, max_attempts, holder, error, created_at)
		VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM job_task), $1, $2, $3, $4, 'waiting', $5, 0, $6, '', '', $7)
		ON CONFLICT (queue, kind, unique_key) WHERE unique_key <> '' AND state <> 'dead' DO NOTHING RETURNING id`,
		j.Queue, j.Kind, j.Payload, j.UniqueKey, j.RunAt.UnixMilli(), j.MaxAttempts, now.UnixMilli()).Scan(&id)
	if errors.Is(err, store.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("job: enqueue: %w", err)
	}
	tx.Notify(topic(j.Queue, j.Kind))
	return id, nil
}

// Finish ends the job in the transaction of its effect, so that the effect is
// made exactly once. With ErrLost another worker has it: return the error.
func (j Job) Finish(tx *store.Tx) error {
	n, err := tx.Exec(`DELETE FROM job_task WHERE id = $1 AND kind = $2 AND holder = $3 AND state = 'running'`, j.ID, j.Kind, j.holder)
	if err == nil && n == 0 {
		return ErrLost
	}
	return err
}

// Dead lists the jobs that failed for good, the latest first, at most limit.
func (q *Queue) Dead(tx *store.Tx, limit int) ([]Job, error) {
	rows, err := tx.Query(`SELECT id, queue, kind, payload, unique_key, due, attempt, max_attempts, error FROM job_task
		WHERE state = 'dead' ORDER BY due DESC, id DESC LIMIT $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("job: dead: %w", err)
	}
	defer rows.Close()
	var out []Job
	for rows.Next() {
		var j Job
		var due int64
		if err := rows.Scan(&j.ID, &j.Queue, &j.Kind, &j.Payload, &j.UniqueKey, &due, &j.Attempt, &j.MaxAttempts, &j.Error); err != nil {
			return nil, fmt.Errorf("job: dead: %w", err)
		}
		j.RunAt = time.UnixMilli(due).UTC() // of the failure
		out = append(out, j)
	}
	return out, rows.Err()
}

// Retry lets a dead job run again from its first attempt. It returns false when
// there is no such dead job or an unfinished one has its unique key.
func (q *Queue) Retry(tx *store.Tx, id int64) (bool, error) {
	var queue string
	var kind store.Kind
	err := tx.Row(`UPDATE job_task SET state = 'waiting', due = $2, created_at = $2, attempt = 0, error = ''
		WHERE id = $1 AND state = 'dead' AND NOT EXISTS (SELECT 1 FROM job_task o WHERE o.unique_key <> '' AND o.state <> 'dead'
			AND o.queue = job_task.queue AND o.kind = job_task.kind AND o.unique_key = job_task.unique_key)
		RETURNING queue, kind`, id, q.clock.Now().UnixMilli()).Scan(&queue, &kind)
	if errors.Is(err, store.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("job: retry: %w", err)
	}
	tx.Notify(topic(queue, kind))
	return true, nil
}

// Drop removes a dead job for good. It returns false when there is no such one.
func (q *Queue) Drop(tx *store.Tx, id int64) (bool, error) {
	n, err := tx.Exec(`DELETE FROM job_task WHERE id = $1 AND state = 'dead'`, id)
	if err != nil {
		return false, fmt.Errorf("job: drop: %w", err)
	}
	return n == 1, nil
}

// worker serves one queue and kind.
type worker struct {
	q     *Queue
	queue string
	kind  store.Kind
	f     Func
	next  func(after time.Time) time.Time // of the schedule, nil without one
}

// Handle sets f to work on the jobs of a queue and kind, one at a time on each
// instance. It must be called before Run and once for each pair.
func (q *Queue) Handle(queue string, kind store.Kind, f Func) error {
	return q.add(&worker{q: q, queue: queue, kind: kind, f: f})
}

func (q *Queue) add(w *worker) error {
	if w.queue == "" || !w.kind.Valid() {
		return fmt.Errorf("%w: queue %q, kind %q", ErrInvalid, w.queue, w.kind)
	}
	for _, o := range q.workers {
		if o.queue == w.queue && o.kind == w.kind {
			return fmt.Errorf("%w: queue %q, kind %q is served already", ErrInvalid, w.queue, w.kind)
		}
	}
	q.workers = append(q.workers, w)
	return nil
}

// Queues lists the queues that are worked on.
func (q *Queue) Queues() (names []string) {
	for _, w := range q.workers {
		if !slices.Contains(names, w.queue) {
			names = append(names, w.queue)
		}
	}
	return names
}

// Run serves all queues until ctx ends and the running jobs came to their end.
func (q *Queue) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, w := range q.workers {
		wg.Go(func() { w.run(ctx) })
	}
	wg.Wait()
	<-ctx.Done() // also without workers
	return ctx.Err()
}

// Turn works on everything that is due now, also on what that brings about, and returns
// how long nothing more is. It is for who moves the clock himself; a node that serves runs
// Run.
func (q *Queue) Turn(ctx context.Context) (wait time.Duration, err error) {
	for worked := true; worked; {
		wait, worked = longestWait, false
		for _, w := range q.workers {
			for {
				next, err := w.step(ctx)
				if err != nil {
					return 0, err
				}
				if next > 0 {
					wait = min(wait, next)
					break
				}
				worked = true
			}
		}
	}
	return wait, ctx.Err()
}

func (w *worker) run(ctx context.Context) {
	watch := w.q.db.Watch(topic(w.queue, w.kind))
	defer watch.Close()
	for ctx.Err() == nil {
		wait, err := w.step(ctx)
		if err != nil {
			if ctx.Err() == nil {
				w.q.log.Error("job: queue", "queue", w.queue, "kind", w.kind, "error", err)
			}
			wait = poll
		}
		timer := time.NewTimer(min(wait, poll))
		select {
		case <-ctx.Done():
		case <-watch.C():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// step starts what the schedule says and runs one due job. It returns how long
// nothing more is due, 0 after it ran a job.
func (w *worker) step(ctx context.Context) (time.Duration, error) {
	if err := w.fire(ctx); err != nil {
		return 0, err
	}
	// Looking costs no commit; claiming does.
	var due, created, tried int64
	err := w.q.db.Read(ctx, func(tx *store.Tx) error {
		return tx.Row(`SELECT due, created_at, CASE WHEN `+wasTried+` THEN 1 ELSE 0 END FROM job_task
			WHERE queue = $1 AND kind = $2 AND state <> 'dead' ORDER BY due, id LIMIT 1`, w.queue, w.kind).Scan(&due, &created, &tried)
	})
	if errors.Is(err, store.ErrNoRows) {
		return longestWait, nil
	}
	if err != nil {
		return 0, err
	}
	now := w.q.clock.Now()
	wait := time.UnixMilli(due).Sub(now)
	if tried == 1 && wait > longestWait || time.UnixMilli(created).Sub(now) > lease {
		return 0, w.bringBack(ctx, now)
	}
	if wait > 0 {
		return wait, nil
	}
	j, ok, err := w.claim(ctx)
	if err != nil || !ok {
		return 0, err
	}
	return 0, w.work(ctx, j)
}

const (
	// wasTried holds of a job whose next time the queue chose, not who enqueued it.
	wasTried = `(state = 'running' OR attempt > 0 OR error <> '')`
	// longestWait is the furthest such a time can be.
	longestWait = longestPause + lease
)

// bringBack moves jobs whose times were written while the clock was ahead: they
// would wait for that date. What a person or a module asked for later stays, as
// far from its enqueuing as it was.
func (w *worker) bringBack(ctx context.Context, now time.Time) error {
	return w.q.db.Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(`UPDATE job_task SET
			due = CASE WHEN `+wasTried+` THEN CAST($3 AS BIGINT) ELSE due - created_at + $4 END,
			created_at = CASE WHEN created_at > $4 THEN CAST($4 AS BIGINT) ELSE created_at END
			WHERE queue = $1 AND kind = $2 AND state <> 'dead' AND (created_at > $3 OR due > $5 AND `+wasTried+`)`,
			w.queue, w.kind, now.Add(lease).UnixMilli(), now.UnixMilli(), now.Add(longestWait).UnixMilli())
		if err == nil && n > 0 {
			tx.OnCommit(func() {
				w.q.log.Warn("job: jobs were of a clock that was ahead; brought back", "queue", w.queue, "kind", w.kind, "jobs", n)
			})
		}
		return err
	})
}

// claim takes the job that is due longest. A job whose workers died as often as
// it may fail is dead instead, so that one that kills its process ends.
func (w *worker) claim(ctx context.Context) (j Job, ok bool, err error) {
	holder := w.q.clock.NewID()
	err = w.q.db.Write(ctx, func(tx *store.Tx) error {
		j, ok = Job{Queue: w.queue, Kind: w.kind, holder: holder}, false
		now := w.q.clock.Now()
		err := tx.Row(`UPDATE job_task SET state = 'running', holder = $3, holder_kind = $2, due = $4, attempt = attempt + 1
			WHERE id = (SELECT id FROM job_task WHERE queue = $1 AND kind = $2 AND state <> 'dead' AND due <= $5 ORDER BY due, id LIMIT 1)
			RETURNING id, payload, unique_key, attempt, max_attempts`,
			w.queue, w.kind, holder, now.Add(lease).UnixMilli(), now.UnixMilli()).
			Scan(&j.ID, &j.Payload, &j.UniqueKey, &j.Attempt, &j.MaxAttempts)
		if errors.Is(err, store.ErrNoRows) {
			return nil // another instance was faster
		}
		if err != nil {
			return err
		}
		if j.Attempt > j.MaxAttempts {
			_, err := tx.Exec(`UPDATE job_task SET state = 'dead', holder = '', holder_kind = NULL, due = $2, attempt = max_attempts,
				error = 'the worker ended without a result' WHERE id = $1`, j.ID, now.UnixMilli())
			return err
		}
		ok = true
		return nil
	})
	return j, ok && err == nil, err
}

// work runs a claimed job and stores the result.
func (w *worker) work(ctx context.Context, j Job) error {
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	ended := make(chan struct{})
	var renewing sync.WaitGroup
	renewing.Go(func() { w.hold(ctx, j, cancel, ended) })
	failure := call(run, w.f, j)
	close(ended)
	renewing.Wait()
	stopping := ctx.Err() != nil
	// The result is stored even while the node stops.
	return w.q.db.Write(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		if failure == nil {
			if err := j.Finish(tx); err != nil && !errors.Is(err, ErrLost) { // lost, or finished by f itself
				return err
			}
			if j.UniqueKey != scheduled {
				return nil
			}
			// This run did what those before it could not.
			_, err := tx.Exec(`DELETE FROM job_task WHERE queue = $1 AND kind = $2 AND unique_key = $3 AND state = 'dead'`, j.Queue, j.Kind, scheduled)
			return err
		}
		now := w.q.clock.Now()
		state, due, attempt := "waiting", now.Add(pause(j.Attempt)), j.Attempt
		switch {
		case stopping && errors.Is(failure, context.Canceled):
			due, attempt = now, j.Attempt-1 // interrupted, not failed
		case j.Attempt >= j.MaxAttempts:
			state, due = "dead", now
		}
		n, err := tx.Exec(`UPDATE job_task SET state = $4, due = $5, attempt = $6, error = $7, holder = '', holder_kind = NULL
			WHERE id = $1 AND kind = $2 AND holder = $3 AND state = 'running'`,
			j.ID, j.Kind, j.holder, state, due.UnixMilli(), attempt, errorText(failure))
		if err == nil && n == 1 {
			tx.Notify(topic(j.Queue, j.Kind))
			tx.OnCommit(func() {
				w.q.log.Warn("job: failed", "queue", j.Queue, "kind", j.Kind, "job", j.ID, "attempt", j.Attempt, "state", state, "error", failure)
			})
		}
		return err
	})
}

// hold renews the lease until the job ended, and cancels the job when the lease
// is lost or the grace after ctx is over.
func (w *worker) hold(ctx context.Context, j Job, cancel context.CancelFunc, ended <-chan struct{}) {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	stop := ctx.Done()
	var grace <-chan time.Time
	for {
		select {
		case <-ended:
			return
		case <-stop:
			stop = nil
			grace = time.After(stopGrace)
		case <-grace:
			grace = nil
			cancel()
		case <-tick.C:
			// An error leaves the lease as it is; the next tick tries again.
			if held, err := w.renew(context.WithoutCancel(ctx), j); err == nil && !held {
				cancel()
			}
		}
	}
}

// renew reports whether the worker still has the job.
func (w *worker) renew(ctx context.Context, j Job) (held bool, err error) {
	err = w.q.db.Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(`UPDATE job_task SET due = $4 WHERE id = $1 AND kind = $2 AND holder = $3 AND state = 'running'`,
			j.ID, j.Kind, j.holder, w.q.clock.Now().Add(lease).UnixMilli())
		held = n == 1
		return err
	})
	return held, err
}

// call turns a panic into a failure: a module's mistake ends its job only.
func call(ctx context.Context, f Func, j Job) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("job: panic: %v", p)
		}
	}()
	return f(ctx, j)
}

// pause is the time until the next attempt: doubled each time, up to
// longestPause, and shortened by chance by up to a half, so that what failed
// together does not come back together.
func pause(attempt int) time.Duration {
	d := longestPause
	if shift := attempt - 1; shift < 16 {
		d = min(firstPause<<shift, longestPause)
	}
	return d/2 + rand.N(d/2+1)
}

func errorText(err error) string {
	s := strings.ReplaceAll(strings.ToValidUTF8(err.Error(), "�"), "\x00", "�")
	if len(s) > maxError {
		s = strings.ToValidUTF8(s[:maxError], "")
	}
	return s
}
