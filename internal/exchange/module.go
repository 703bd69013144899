package exchange

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"time"

	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed locales/*.json
var locales embed.FS

//go:embed policy.cedar
var policy []byte

// Migrations returns the module's tables.
func Migrations() fs.FS { return migrations }

// Locales returns the module's texts.
func Locales() fs.FS { return locales }

// Policy returns the module's access rules.
func Policy() []byte { return policy }

const (
	// QueueErase is the job queue of the daily deletion.
	QueueErase = "exchange.erase"
	erasePage  = 500
)

// MinRetention is the shortest time envelopes can be kept: less would take them
// from a shift that still works with them.
const MinRetention = 24 * time.Hour

func settingRetention(k store.Kind) string { return "exchange.retention." + string(k) }

// Retention is how long envelopes of a kind stay readable after their end: what
// was set, else the configuration's.
func (n *Node) Retention(tx *store.Tx, k store.Kind) (time.Duration, error) {
	v, err := tx.Setting(settingRetention(k))
	if err != nil || v == "" {
		return n.cfg.Retention, err
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		return 0, fmt.Errorf("exchange: retention: %w", err)
	}
	return max(d, MinRetention), nil
}

// SetRetention changes it for the whole node; 0 is back to the configuration's.
func (n *Node) SetRetention(tx *store.Tx, k store.Kind, d time.Duration) error {
	if !k.Valid() || d != 0 && d < MinRetention {
		return fmt.Errorf("exchange: retention of %q: %v", k, d)
	}
	if d == 0 {
		return tx.SetSetting(settingRetention(k), "")
	}
	return tx.SetSetting(settingRetention(k), d.String())
}

// DeleteAt tells from when on nothing keeps the content of messages, by their ids:
// the second daily job after the latest of them deletes what they share a key
// with, unless more has come by then. For a message that has not ended its expiry counts.
func (n *Node) DeleteAt(tx *store.Tx, ids []int64) (map[int64]time.Time, error) {
	out := make(map[int64]time.Time, len(ids))
	keep := map[store.Kind]time.Duration{}
	for _, k := range store.Kinds {
		d, err := n.Retention(tx, k)
		if err != nil {
			return nil, err
		}
		keep[k] = d
	}
	return out, byID(tx, `SELECT id, kind, COALESCE(ended_at, expires_at) FROM exchange_message WHERE id IN %s`, ids, func(rows *store.Rows) error {
		var id, at int64
		var k store.Kind
		err := rows.Scan(&id, &k, &at)
		out[id] = moment(at).Add(keep[k])
		return err
	})
}

var errClockWrong = errors.New("exchange: the node's clock is wrong: nothing is deleted until it is right")

// Erase destroys the keys of subjects whose last message had ended longer ago than
// the retention of its kind already in the night before; the rows stay as a record
// without content. It is the deletion date of every personal field in a message.
//
// A key that is gone does not come back, so a wrong date must not take one: two
// nights have to agree (job.Agreed), and with a clock that is known to be wrong
// the run fails, is tried again, and is a finding if that does not help.
func (n *Node) Erase(ctx context.Context, _ job.Job) error {
	if n.clockWrong != nil {
		if wrong, err := n.clockWrong(ctx); err != nil {
			return err
		} else if wrong {
			return errClockWrong
		}
	}
	before := map[store.Kind]int64{}
	latest := int64(math.MinInt64)
	var due time.Time
	err := n.db.Write(ctx, func(tx *store.Tx) (err error) {
		if due, err = job.Agreed(tx, QueueErase, n.clock.Now()); err != nil {
			return err
		}
		for _, k := range store.Kinds {
			d, err := n.Retention(tx, k)
			if err != nil {
				return err
			}
			before[k] = millis(due.Add(-d))
			latest = max(latest, before[k])
		}
		return nil
	})
	if err != nil {
		return err
	}
	if due.IsZero() {
		n.log.Info("exchange: nothing is deleted: the next night has to agree, it is the first or the clock was set back")
		return nil
	}
	for {
		var ids []int64
		err := n.db.Write(ctx, func(tx *store.Tx) error {
			// One pass over the messages once a day is cheaper than an index
			// that every message would have to pay for.
			rows, err := tx.Query(`SELECT m.key_id FROM exchange_message m JOIN seal_key k ON k.id = m.key_id
				WHERE k.wrapped IS NOT NULL AND k.created_at < $1
				GROUP BY m.key_id
				HAVING SUM(CASE WHEN m.ended_at IS NULL OR m.ended_at >= CASE m.kind WHEN 'live' THEN CAST($3 AS BIGINT)
					WHEN 'exercise' THEN CAST($4 AS BIGINT) ELSE CAST($5 AS BIGINT) END THEN 1 ELSE 0 END) = 0
				ORDER BY m.key_id LIMIT $2`, latest, erasePage, before[store.Live], before[store.Exercise], before[store.Test])
			if err != nil {
				return err
			}
			ids = ids[:0]
			defer rows.Close()
			for rows.Next() {
				var id int64
				if err := rows.Scan(&id); err != nil {
					return err
				}
				ids = append(ids, id)
			}
			if err := rows.Err(); err != nil {
				return err
			}
			for _, id := range ids {
				if err := n.ring.Destroy(tx, id); err != nil {
					return err
				}
				// Nobody can read the bytes any more; they only take room.
				if _, err := tx.Exec(`UPDATE exchange_message SET envelope = $2 WHERE key_id = $1`, id, []byte{}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(ids) < erasePage {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond): // let the senders through
		}
	}
}
