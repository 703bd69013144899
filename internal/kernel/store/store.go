package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"trojmezi/internal/kernel/clock"
)

// Kind tells real work from practice. Every row that leaves the node or triggers
// something carries one, inherited from the event that caused the row, never
// from who is signed in. A worker serves one kind only.
type Kind string

// The three kinds.
const (
	Live     Kind = "live"
	Exercise Kind = "exercise"
	Test     Kind = "test"
)

// Kinds lists every kind, in the order workers are started.
var Kinds = []Kind{Live, Exercise, Test}

// Valid reports whether k is one of the three kinds.
func (k Kind) Valid() bool { return k == Live || k == Exercise || k == Test }

// Engine is the database engine behind a DB.
type Engine string

// The two engines.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
)

// FileName is the SQLite database's name inside the node's folder.
const FileName = "node.db"

// ErrNoRows is returned by Row.Scan when the query found nothing.
var ErrNoRows = sql.ErrNoRows

// ErrClosed is returned by writes after Close.
var ErrClosed = errors.New("store: closed")

//go:embed migrations/*.sql
var migrations embed.FS

// Config says which database to open. With an empty URL it is the SQLite file
// FileName in Dir; URL is a postgres:// address.
type Config struct {
	Dir   string
	URL   string
	Log   *slog.Logger
	Clock *clock.Clock
	// ReadOnly opens SQLite without taking part in writing; Write fails.
	ReadOnly bool
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	engine Engine
	path   string // SQLite file, for messages
	url    string
	log    *slog.Logger
	clock  *clock.Clock

	read  *sql.DB
	write *sql.DB
	stmts stmtCache // prepared reads

	queue   chan *op
	closing chan struct{}
	stopped chan struct{}
	once    sync.Once

	hub    hub
	listen *listener // PostgreSQL only
}

// Open opens the database and migrates the store's own tables.
// The caller must Close it.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System()
	}
	d := &DB{
		log:     cfg.Log,
		clock:   cfg.Clock,
		queue:   make(chan *op, queueLength),
		closing: make(chan struct{}),
		stopped: make(chan struct{}),
	}
	d.hub.watches = map[string]map[*Watch]struct{}{}
	var err error
	switch {
	case cfg.URL == "":
		err = d.openSQLite(ctx, cfg)
	case strings.HasPrefix(cfg.URL, "postgres://"), strings.HasPrefix(cfg.URL, "postgresql://"):
		err = d.openPostgres(ctx, cfg)
	default:
		err = fmt.Errorf("store: database address must start with postgres:// or be empty")
	}
	if err != nil {
		return nil, err
	}
	d.stmts.db = d.read
	d.stmts.stmts = map[string]*sql.Stmt{}
	if cfg.ReadOnly {
		close(d.stopped)
		return d, nil
	}
	if err := d.Migrate(ctx, "store", migrations); err != nil {
		d.closeHandles()
		return nil, err
	}
	go d.writeLoop()
	return d, nil
}

// Engine returns the engine behind d.
func (d *DB) Engine() Engine { return d.engine }

// Close ends the writer after what it already took, and closes the database.
func (d *DB) Close() error {
	d.once.Do(func() { close(d.closing) })
	<-d.stopped
	if d.listen != nil {
		d.listen.close()
	}
	return d.closeHandles()
}

func (d *DB) closeHandles() error {
	var errs []error
	d.stmts.close()
	if d.read != nil {
		errs = append(errs, d.read.Close())
	}
	if d.write != nil && d.write != d.read {
		errs = append(errs, d.write.Close())
	}
	return errors.Join(errs...)
}

// Setting returns a value kept with the database itself (for example the
// fingerprint of the node key it belongs to), "" if it was never set.
func (tx *Tx) Setting(name string) (string, error) {
	var v string
	err := tx.Row(`SELECT value FROM store_setting WHERE name = $1`, name).Scan(&v)
	if errors.Is(err, ErrNoRows) {
		return "", nil
	}
	return v, err
}

// SetSetting stores a value under name; an empty one takes the setting away.
func (tx *Tx) SetSetting(name, value string) error {
	if value == "" {
		_, err := tx.Exec(`DELETE FROM store_setting WHERE name = $1`, name)
		return err
	}
	_, err := tx.Exec(`INSERT INTO store_setting (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	return err
}

// Ping checks that the database answers. spec: readiness of the node.
func (d *DB) Ping(ctx context.Context) error {
	return d.read.PingContext(ctx)
}

// stmtCache keeps one prepared statement per query text; modules use a fixed
// set of texts, so it does not grow without limit. Nobody who holds a connection
// waits in it: preparing needs one, and readers may hold them all.
type stmtCache struct {
	db    *sql.DB
	mu    sync.RWMutex
	stmts map[string]*sql.Stmt // nil after close
}

func (c *stmtCache) get(query string) *sql.Stmt {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.stmts[query]
}

// add prepares query for later readers; a failure only costs them the time.
func (c *stmtCache) add(ctx context.Context, query string) {
	if c.get(query) != nil {
		return
	}
	s, err := c.db.PrepareContext(ctx, query)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stmts == nil || c.stmts[query] != nil {
		s.Close()
		return
	}
	c.stmts[query] = s
}

func (c *stmtCache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.stmts {
		s.Close()
	}
	c.stmts = nil
}

// Exists reports whether the SQLite database file is in dir already.
func Exists(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, FileName))
	return !errors.Is(err, fs.ErrNotExist)
}
