package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	notifyChannel = "trojmezi"
	// lockClass keeps our advisory locks apart from another application's on
	// the same database ("troj" in ASCII).
	lockClass = 0x74726f6a
	// lockWrite is the lock every write batch takes; leaders use the hashes of
	// their names, which start above it.
	lockWrite   = 0
	lockMigrate = 1
	// pgReaders bounds the pool of one instance; a default server allows 100
	// connections for all instances together.
	pgReaders = 16
	// pgIdle ends a transaction whose instance hangs (SIGSTOP, a lost network)
	// while holding the write lock.
	pgIdle = "10s"
	// listenRetry is the pause before a lost LISTEN connection is opened again.
	listenRetry = time.Second
)

func (d *DB) openPostgres(ctx context.Context, cfg Config) error {
	d.engine, d.url = Postgres, cfg.URL
	pc, err := pgx.ParseConfig(cfg.URL)
	if err != nil {
		// pgx's text repeats the address with the password blanked out.
		return fmt.Errorf("store: database address: %w", err)
	}
	if pc.RuntimeParams["application_name"] == "" {
		pc.RuntimeParams["application_name"] = "trojmezi"
	}
	pc.RuntimeParams["idle_in_transaction_session_timeout"] = pgIdle
	pc.RuntimeParams["timezone"] = "UTC"
	d.write = stdlib.OpenDB(*pc)
	d.read = d.write
	d.read.SetMaxOpenConns(pgReaders)
	d.read.SetMaxIdleConns(pgReaders)
	if err := d.read.PingContext(ctx); err != nil {
		d.read.Close()
		return fmt.Errorf("store: connect to PostgreSQL: %w", err)
	}
	if cfg.ReadOnly {
		return nil
	}
	d.listen = &listener{db: d, config: pc.Copy(), done: make(chan struct{})}
	if err := d.listen.start(ctx); err != nil {
		d.read.Close()
		return err
	}
	return nil
}

// listener holds the dedicated LISTEN connection of an instance.
type listener struct {
	db     *DB
	config *pgx.ConnConfig
	cancel context.CancelFunc
	done   chan struct{}
	once   sync.Once
}

// start proves, by a notification to itself, that notifications arrive: a
// transaction-pooling proxy in front of PostgreSQL breaks LISTEN silently.
func (l *listener) start(ctx context.Context) error {
	conn, err := l.connect(ctx)
	if err != nil {
		return err
	}
	probe, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, err := l.db.read.ExecContext(probe, `SELECT pg_notify($1, $2)`, notifyChannel, "probe"); err != nil {
		conn.Close(ctx)
		return fmt.Errorf("store: notify: %w", err)
	}
	if _, err := conn.WaitForNotification(probe); err != nil {
		conn.Close(ctx)
		return fmt.Errorf("store: PostgreSQL notifications do not arrive (a transaction-pooling proxy in between? connect to the server itself): %w", err)
	}
	run, stop := context.WithCancel(context.Background())
	l.cancel = stop
	go l.run(run, conn)
	return nil
}

func (l *listener) connect(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, l.config)
	if err != nil {
		return nil, fmt.Errorf("store: listen: %w", err)
	}
	if _, err := conn.Exec(ctx, "LISTEN "+notifyChannel); err != nil {
		conn.Close(ctx)
		return nil, fmt.Errorf("store: listen: %w", err)
	}
	return conn, nil
}

func (l *listener) run(ctx context.Context, conn *pgx.Conn) {
	defer close(l.done)
	for {
		n, err := conn.WaitForNotification(ctx)
		if err == nil {
			l.db.hub.wake(n.Payload)
			continue
		}
		conn.Close(context.Background())
		for {
			if ctx.Err() != nil {
				return
			}
			l.db.log.Warn("store: LISTEN connection lost, reconnecting", "error", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(listenRetry):
			}
			if conn, err = l.connect(ctx); err == nil {
				break
			}
		}
		// Whatever was notified in between is lost: everybody looks.
		l.db.hub.wakeAll()
	}
}

func (l *listener) close() {
	l.once.Do(func() {
		if l.cancel != nil {
			l.cancel()
			<-l.done
		}
	})
}

func isFullPostgres(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "53100" // disk_full
}

func isDownPostgres(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch e.Code[:2] {
		case "08", "53", "57": // connection, resources, operator intervention
			return true
		}
		return false
	}
	if errors.Is(err, sql.ErrConnDone) || errors.Is(err, errBadConn) {
		return true
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	_, ok := errors.AsType[*net.OpError](err)
	return ok
}
