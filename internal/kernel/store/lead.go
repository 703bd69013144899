package store

import (
	"context"
	"database/sql"
	"hash/fnv"
	"time"
)

// leadPoll is how often an instance that does not lead tries to, and how often
// the leader checks that it still holds the lock.
const leadPoll = time.Second

// Lead runs f while this instance leads name, and returns when ctx ends. At most
// one instance leads a name at a time. The context of f ends when leadership is
// lost; f is started again when it is won again, or one poll after it returned.
func (d *DB) Lead(ctx context.Context, name string, f func(context.Context) error) error {
	for {
		if err := d.leadOnce(ctx, name, f); err != nil && ctx.Err() == nil {
			d.log.Warn("store: leader ended", "name", name, "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(leadPoll):
		}
	}
}

func (d *DB) leadOnce(ctx context.Context, name string, f func(context.Context) error) error {
	if d.engine == SQLite {
		// One process at a time serves an SQLite folder (app locks it).
		return f(ctx)
	}
	h := fnv.New32a()
	h.Write([]byte(name))
	key := int32(h.Sum32()>>1) | 0x10 // above lockWrite and lockMigrate
	conn, err := d.read.Conn(ctx)
	if err != nil {
		return err
	}
	// The lock belongs to the session: the connection must not go back to the
	// pool while it may still hold it.
	defer func() {
		conn.Raw(func(any) error { return errBadConn })
		conn.Close()
	}()
	for {
		var got bool
		if err := conn.QueryRowContext(ctx, `SELECT pg_try_advisory_lock($1, $2)`, lockClass, key).Scan(&got); err != nil {
			return err
		}
		if got {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(leadPoll):
		}
	}
	lead, cancel := context.WithCancel(ctx)
	defer cancel()
	go watchConn(lead, conn, cancel)
	return f(lead)
}

// watchConn ends leadership when the session that holds the lock is gone.
func watchConn(ctx context.Context, conn *sql.Conn, lost context.CancelFunc) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(leadPoll):
		}
		if err := conn.PingContext(ctx); err != nil {
			lost()
			return
		}
	}
}
