package store

import (
	"context"
	"database/sql"
	"fmt"
)

// Rows is the result of a query; the caller must Close it.
type Rows = sql.Rows

// Row is the result of a query for one row; Scan returns ErrNoRows if there is none.
type Row struct {
	row *sql.Row
	err error
}

// Scan copies the columns into dest.
func (r Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	return r.row.Scan(dest...)
}

// Tx is what a function given to Write or Read works with. It ends with the
// function; keeping it is an error.
type Tx struct {
	ctx      context.Context
	prepare  func(ctx context.Context, query string) (*sql.Stmt, error)
	readOnly bool
	topics   map[string]struct{}
	commits  []func()
}

// Context returns the context of the transaction.
func (tx *Tx) Context() context.Context { return tx.ctx }

// Exec runs a statement and returns the number of rows it changed.
func (tx *Tx) Exec(query string, args ...any) (int64, error) {
	if tx.readOnly {
		return 0, fmt.Errorf("store: write in a read-only transaction")
	}
	s, err := tx.prepare(tx.ctx, query)
	if err != nil {
		return 0, err
	}
	res, err := s.ExecContext(tx.ctx, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Query runs a query. A statement with RETURNING must be read to its end.
func (tx *Tx) Query(query string, args ...any) (*Rows, error) {
	s, err := tx.prepare(tx.ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(tx.ctx, args...)
}

// Row runs a query for one row.
func (tx *Tx) Row(query string, args ...any) Row {
	s, err := tx.prepare(tx.ctx, query)
	if err != nil {
		return Row{err: err}
	}
	return Row{row: s.QueryRowContext(tx.ctx, args...)}
}

// Notify wakes everybody who watches topic, on every instance, once the
// transaction is committed. It is a hint without data and may be lost.
func (tx *Tx) Notify(topic string) {
	if tx.topics == nil {
		tx.topics = map[string]struct{}{}
	}
	tx.topics[topic] = struct{}{}
}

// OnCommit runs f after the transaction is committed, in order, on the writer's
// goroutine: f must be quick. It is not run when the transaction fails.
func (tx *Tx) OnCommit(f func()) { tx.commits = append(tx.commits, f) }

// Read runs f on a consistent snapshot. f may not write.
func (d *DB) Read(ctx context.Context, f func(*Tx) error) error {
	opts := &sql.TxOptions{ReadOnly: true}
	if d.engine == Postgres {
		opts.Isolation = sql.LevelRepeatableRead
	}
	if d.engine == SQLite {
		if err := ctx.Err(); err != nil {
			return err
		}
		// A context that can end costs a goroutine for every statement, and
		// reads here are short.
		ctx = context.WithoutCancel(ctx)
	}
	t, err := d.read.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("store: begin read: %w", err)
	}
	var fresh []string
	defer func() {
		t.Rollback() // a read has nothing to commit
		for _, query := range fresh {
			d.stmts.add(ctx, query)
		}
	}()
	return f(&Tx{
		ctx:      ctx,
		readOnly: true,
		prepare: func(ctx context.Context, query string) (*sql.Stmt, error) {
			if s := d.stmts.get(query); s != nil {
				return t.StmtContext(ctx, s), nil
			}
			fresh = append(fresh, query)
			return t.PrepareContext(ctx, query) // ends with t
		},
	})
}
