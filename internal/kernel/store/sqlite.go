package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// errBadConn makes database/sql throw a connection away.
var errBadConn = driver.ErrBadConn

const (
	// sqliteReaders bounds the reading connections: enough that a long read
	// does not hold up the short ones, few enough that the page caches of all
	// stay well below the memory target with a million queued messages.
	sqliteReaders = 6
	// sqliteBusy is how long a writer waits for another process's write (a
	// command line working on the running node's database), in milliseconds.
	sqliteBusy = 10_000
	// sqliteCacheKiB is the page cache of one connection.
	sqliteCacheKiB = 8_192
	// sqliteCheckpoint is the WAL length, in pages of 4 KiB, at which it is
	// copied back into the database: the default of 1,000 checkpoints several
	// times a second under load.
	sqliteCheckpoint = 4_000
)

func (d *DB) openSQLite(ctx context.Context, cfg Config) error {
	d.engine = SQLite
	if !cfg.ReadOnly {
		if err := os.MkdirAll(cfg.Dir, 0o750); err != nil {
			return fmt.Errorf("store: %w", err)
		}
	}
	d.path = filepath.Join(cfg.Dir, FileName)
	dsn := func(extra ...string) string {
		q := url.Values{}
		q.Set("_txlock", "deferred")
		for _, p := range append([]string{
			fmt.Sprintf("busy_timeout(%d)", sqliteBusy),
			"journal_mode(WAL)",
			// FULL: a commit is on disk when it returns; NORMAL would lose the
			// last commits with the power.
			"synchronous(FULL)",
			"foreign_keys(1)",
			fmt.Sprintf("cache_size(-%d)", sqliteCacheKiB),
			fmt.Sprintf("wal_autocheckpoint(%d)", sqliteCheckpoint),
			"temp_store(MEMORY)",
		}, extra...) {
			q.Add("_pragma", p)
		}
		return "file:" + (&url.URL{Path: d.path}).EscapedPath() + "?" + q.Encode()
	}
	var err error
	if !cfg.ReadOnly {
		if d.write, err = sql.Open("sqlite", dsn()); err != nil {
			return fmt.Errorf("store: %w", err)
		}
		d.write.SetMaxOpenConns(1)
		if err := d.write.PingContext(ctx); err != nil {
			d.write.Close()
			return fmt.Errorf("store: open %s: %w", d.path, err)
		}
	}
	if d.read, err = sql.Open("sqlite", dsn("query_only(1)")); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	d.read.SetMaxOpenConns(sqliteReaders)
	d.read.SetMaxIdleConns(sqliteReaders)
	if err := d.read.PingContext(ctx); err != nil {
		d.closeHandles()
		return fmt.Errorf("store: open %s: %w", d.path, err)
	}
	return nil
}

func isFullSQLite(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return false
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR:
		return true
	}
	return false
}
