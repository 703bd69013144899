package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

const (
	// maxBatch bounds how many callers share one commit, and with it how long a
	// caller who came just too late has to wait.
	maxBatch = 256
	// queueLength is how many callers may wait without blocking in the channel;
	// beyond it they block in Write, which is the back-pressure.
	queueLength = 4 * maxBatch
	// commitTimeout bounds one batch on PostgreSQL, where a lost network would
	// otherwise hold the advisory lock's place in line for ever.
	commitTimeout = 30 * time.Second
	// gatherMax bounds the wait for callers who shared the last commit and are
	// about to come again.
	gatherMax = time.Millisecond
	// gatherFrom is how many callers make it worth while: a few come at their
	// own pace, and each would pay for the others' wait.
	gatherFrom = 4
)

// op is one caller's write waiting for its batch.
type op struct {
	ctx  context.Context
	f    func(*Tx) error
	done chan error
}

// Write runs f in a transaction and returns nil only when it is on disk. Calls
// that wait at the same time share one commit; an error of f undoes f's own
// changes alone. f may be run more than once, so it must have no effect outside
// tx but variables it sets anew on each run. Once started a write is not
// cancelled by ctx: its caller learns the true result.
func (d *DB) Write(ctx context.Context, f func(*Tx) error) error {
	o := &op{ctx: ctx, f: f, done: make(chan error, 1)}
	select {
	case d.queue <- o:
	case <-d.closing:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-o.done:
		return err
	case <-d.stopped:
		// The writer may have taken o with its last batch.
		select {
		case err := <-o.done:
			return err
		default:
			return ErrClosed
		}
	}
}

// WriteLater queues f without waiting for its commit, only for room in the queue;
// done, if not nil, is called with the result and must be quick. It is for
// bookkeeping whose loss a later run repairs.
func (d *DB) WriteLater(f func(*Tx) error, done func(error)) {
	o := &op{ctx: context.Background(), f: f, done: make(chan error, 1)}
	select {
	case d.queue <- o:
	case <-d.closing:
		if done != nil {
			done(ErrClosed)
		}
		return
	}
	if done != nil {
		go func() {
			select {
			case err := <-o.done:
				done(err)
			case <-d.stopped:
				select {
				case err := <-o.done:
					done(err)
				default:
					done(ErrClosed)
				}
			}
		}()
	}
}

// TryWriteLater queues f like WriteLater, but never waits: it reports false when
// so much waits already that f is left out, as on a disk that hangs. It is for
// notes without which a page must still open.
func (d *DB) TryWriteLater(f func(*Tx) error) bool {
	select {
	case <-d.closing:
		return false
	default:
	}
	select {
	case d.queue <- &op{ctx: context.Background(), f: f, done: make(chan error, 1)}:
		return true
	default:
		return false
	}
}

// writeLoop is the one writer of this instance.
func (d *DB) writeLoop() {
	defer close(d.stopped)
	w := &writer{db: d}
	defer w.close()
	batch := make([]*op, 0, maxBatch)
	for {
		batch = batch[:0]
		select {
		case o := <-d.queue:
			batch = append(batch, o)
		case <-d.closing:
			// Take what was queued before Close, then end.
			select {
			case o := <-d.queue:
				batch = append(batch, o)
			default:
				return
			}
		}
	gather:
		for len(batch) < maxBatch {
			select {
			case o := <-d.queue:
				batch = append(batch, o)
			default:
				break gather
			}
		}
		batch = d.await(batch, w)
		start := time.Now()
		w.run(batch)
		w.took, w.size = time.Since(start), len(batch)
	}
}

// await waits a fraction of the last commit's time for as many callers as shared
// it. Without this, callers that work in lockstep split into groups that wait
// for each other's fsync; a lone caller never waits.
func (d *DB) await(batch []*op, w *writer) []*op {
	if w.size < gatherFrom || len(batch) >= w.size {
		return batch
	}
	t := time.NewTimer(min(w.took/4, gatherMax))
	defer t.Stop()
	for len(batch) < w.size {
		select {
		case o := <-d.queue:
			batch = append(batch, o)
		case <-t.C:
			return batch
		}
	}
	return batch
}

// writer owns the writing connection.
type writer struct {
	db    *DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	took  time.Duration // of the last batch
	size  int           // callers in the last batch
}

// run commits the batch together; if any of it fails, each is tried alone, so
// that one caller's error is nobody else's.
func (w *writer) run(batch []*op) {
	live := batch[:0]
	for _, o := range batch {
		if err := o.ctx.Err(); err != nil {
			o.done <- err
			continue
		}
		live = append(live, o)
	}
	if len(live) == 0 {
		return
	}
	failed, err := w.commit(live)
	if err == nil {
		for _, o := range live {
			o.done <- nil
		}
		return
	}
	if len(live) == 1 {
		live[0].done <- err
		return
	}
	w.db.log.Debug("store: batch failed, trying each alone", "size", len(live), "at", failed, "error", err)
	for _, o := range live {
		_, err := w.commit([]*op{o})
		o.done <- err
	}
}

// commit runs ops in one transaction and reports the index of the one that failed.
func (w *writer) commit(ops []*op) (failed int, err error) {
	ctx := context.Background()
	if w.db.engine == Postgres {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, commitTimeout)
		defer cancel()
	} // on SQLite a context that can end costs a goroutine for every statement
	if err := w.connect(ctx); err != nil {
		return 0, err
	}
	if err := w.begin(ctx); err != nil {
		w.drop()
		return 0, fmt.Errorf("store: begin: %w", err)
	}
	tx := &Tx{ctx: ctx, prepare: w.prepare}
	for i, o := range ops {
		if err := call(o.f, tx); err != nil {
			w.rollback()
			return i, err
		}
	}
	if w.db.engine == Postgres {
		for topic := range tx.topics {
			if _, err := tx.Exec(`SELECT pg_notify($1, $2)`, notifyChannel, topic); err != nil {
				w.rollback()
				return 0, fmt.Errorf("store: notify: %w", err)
			}
		}
	}
	if _, err := w.conn.ExecContext(ctx, "COMMIT"); err != nil {
		w.rollback()
		return 0, fmt.Errorf("store: commit: %w", err)
	}
	for _, f := range tx.commits {
		f()
	}
	if w.db.engine == SQLite {
		for topic := range tx.topics {
			w.db.hub.wake(topic)
		}
	}
	return 0, nil
}

// call turns a panic of f into an error: a module's mistake must not end the writer.
func call(f func(*Tx) error, tx *Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("store: panic in write: %v", p)
		}
	}()
	return f(tx)
}

func (w *writer) connect(ctx context.Context) error {
	if w.conn != nil {
		return nil
	}
	c, err := w.db.write.Conn(ctx)
	if err != nil {
		return fmt.Errorf("store: connect: %w", err)
	}
	w.conn, w.stmts = c, map[string]*sql.Stmt{}
	return nil
}

func (w *writer) begin(ctx context.Context) error {
	if w.db.engine == SQLite {
		// IMMEDIATE: taking the write lock later could fail half-way.
		return w.exec(ctx, "BEGIN IMMEDIATE")
	}
	if err := w.exec(ctx, "BEGIN"); err != nil {
		return err
	}
	return w.exec(ctx, "SELECT pg_advisory_xact_lock($1, $2)", lockClass, lockWrite)
}

// exec runs a prepared statement: BEGIN and COMMIT are in every batch.
func (w *writer) exec(ctx context.Context, query string, args ...any) error {
	s, err := w.prepare(ctx, query)
	if err != nil {
		return err
	}
	_, err = s.ExecContext(ctx, args...)
	return err
}

func (w *writer) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if s := w.stmts[query]; s != nil {
		return s, nil
	}
	s, err := w.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	w.stmts[query] = s
	return s, nil
}

// rollback undoes the transaction. If even that fails the connection is given
// up; the engine then rolls back by itself.
func (w *writer) rollback() {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	if w.conn == nil {
		return
	}
	if _, err := w.conn.ExecContext(ctx, "ROLLBACK"); err != nil {
		// SQLite rolls back by itself on some errors (full disk) and then
		// says that no transaction is active: the connection is as good as new,
		// but telling the two apart is not worth a second code path.
		w.drop()
	}
}

// drop closes the connection for good, so that the pool doesn't reuse it.
func (w *writer) drop() {
	if w.conn == nil {
		return
	}
	for _, s := range w.stmts {
		s.Close()
	}
	w.conn.Raw(func(any) error { return errBadConn })
	w.conn.Close()
	w.conn, w.stmts = nil, nil
}

func (w *writer) close() {
	if w.conn == nil {
		return
	}
	for _, s := range w.stmts {
		s.Close()
	}
	w.conn.Close()
}

// IsFull reports whether err says that the disk is full.
func IsFull(err error) bool {
	return isFullSQLite(err) || isFullPostgres(err)
}

// IsUnavailable reports whether err says that the database can't be reached or
// can't take writes now, so that the same call may succeed later.
func IsUnavailable(err error) bool {
	return IsFull(err) || errors.Is(err, ErrClosed) || isDownPostgres(err)
}
