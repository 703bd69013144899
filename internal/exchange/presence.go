package exchange

import (
	"context"
	"sync"
	"time"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/store"
)

const (
	// presenceTimeout without a poll makes a local participant offline.
	// spec: UCRI 2 transport 2.0.0, participant status.
	presenceTimeout = 60 * time.Second
	// presenceFlush is how often "still there" is written down, once for all.
	presenceFlush = 5 * time.Second
	// availabilityTimeout: an availability is out of date soon.
	availabilityTimeout = 60
)

// presence knows when each local participant polled last.
type presence struct {
	mu     sync.Mutex
	seen   map[string]time.Time // since the last flush
	online map[string]bool      // as last read or written
}

// touch notes a poll. A participant that was offline is online at once, and the
// neighbours are told.
func (n *Node) touch(ctx context.Context, oids []string) {
	var fresh []string
	now := n.clock.Now()
	n.presence.mu.Lock()
	for _, o := range oids {
		n.presence.seen[o] = now
		if !n.presence.online[o] {
			n.presence.online[o] = true
			fresh = append(fresh, o)
		}
	}
	n.presence.mu.Unlock()
	if len(fresh) == 0 {
		return
	}
	err := n.db.Write(ctx, func(tx *store.Tx) error {
		for _, o := range fresh {
			if err := n.setPresence(tx, o, true, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		n.log.Warn("exchange: presence", "error", err)
		n.presence.mu.Lock()
		for _, o := range fresh {
			delete(n.presence.online, o) // try again with the next poll
		}
		n.presence.mu.Unlock()
	}
}

// setPresence writes a change and tells every peer.
func (n *Node) setPresence(tx *store.Tx, oid string, online bool, now time.Time) error {
	var was int64
	err := tx.Row(`SELECT COALESCE(MAX(online), 0) FROM exchange_presence WHERE oid = $1`, oid).Scan(&was)
	if err != nil {
		return err
	}
	is, status := int64(0), ucri.StatusOffline
	if online {
		is, status = 1, ucri.StatusOnline
		if _, err := tx.Exec(`INSERT INTO exchange_presence (oid, seen_at, online) VALUES ($1, $2, 1)
			ON CONFLICT (oid) DO UPDATE SET seen_at = excluded.seen_at, online = 1`, oid, millis(now)); err != nil {
			return err
		}
	} else if _, err := tx.Exec(`UPDATE exchange_presence SET online = 0 WHERE oid = $1`, oid); err != nil {
		return err
	}
	if was == is {
		return nil
	}
	update := ucri.AvailabilityUpdate{ID: oid, Status: status}.Payload()
	for _, p := range n.peers().list {
		if p.state == LinkLeaving {
			continue // it was told that nobody can be reached
		}
		if err := n.putOwn(tx, p.OID, update, nil, availabilityTimeout, now); err != nil {
			return err
		}
	}
	return nil
}

// flushPresence writes the polls of this instance down and reads what the other
// instances wrote.
func (n *Node) flushPresence(ctx context.Context) error {
	for {
		n.presence.mu.Lock()
		seen := n.presence.seen
		n.presence.seen = map[string]time.Time{}
		n.presence.mu.Unlock()
		if len(seen) > 0 {
			if err := n.db.Write(ctx, func(tx *store.Tx) error {
				for oid, at := range seen {
					if _, err := tx.Exec(`UPDATE exchange_presence SET seen_at = $2 WHERE oid = $1 AND seen_at < $2`, oid, millis(at)); err != nil {
						return err
					}
				}
				return nil
			}); err != nil && ctx.Err() == nil {
				n.log.Warn("exchange: presence", "error", err)
			}
		}
		n.readPresence(ctx)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(presenceFlush):
		}
	}
}

func (n *Node) readPresence(ctx context.Context) {
	online := map[string]bool{}
	err := n.db.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(`SELECT oid FROM exchange_presence WHERE online = 1`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var oid string
			if err := rows.Scan(&oid); err != nil {
				return err
			}
			online[oid] = true
		}
		return rows.Err()
	})
	if err != nil {
		return
	}
	n.presence.mu.Lock()
	n.presence.online = online
	n.presence.mu.Unlock()
}

// statusOf is the availability of a local participant for the register.
func (n *Node) statusOf(oid string) string {
	n.presence.mu.Lock()
	defer n.presence.mu.Unlock()
	if n.presence.online[oid] {
		return ucri.StatusOnline
	}
	return ucri.StatusOffline
}

// sweepPresence makes participants offline that stopped polling; one instance
// does it for all.
func (n *Node) sweepPresence(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
		now := n.clock.Now()
		var gone []string
		err := n.db.Read(ctx, func(tx *store.Tx) error {
			rows, err := tx.Query(`SELECT oid FROM exchange_presence WHERE online = 1 AND seen_at < $1`, millis(now.Add(-presenceTimeout)))
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var oid string
				if err := rows.Scan(&oid); err != nil {
					return err
				}
				gone = append(gone, oid)
			}
			return rows.Err()
		})
		if err != nil || len(gone) == 0 {
			continue
		}
		// A poll since the last flush is in memory only.
		n.presence.mu.Lock()
		still := gone[:0]
		for _, oid := range gone {
			if at, ok := n.presence.seen[oid]; !ok || now.Sub(at) > presenceTimeout {
				still = append(still, oid)
			}
		}
		n.presence.mu.Unlock()
		if len(still) == 0 {
			continue
		}
		err = n.db.Write(ctx, func(tx *store.Tx) error {
			for _, oid := range still {
				if err := n.setPresence(tx, oid, false, now); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			n.log.Warn("exchange: presence", "error", err)
			continue
		}
		n.presence.mu.Lock()
		for _, oid := range still {
			delete(n.presence.online, oid)
		}
		n.presence.mu.Unlock()
	}
}
