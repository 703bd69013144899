package exchange

import (
	"context"
	"embed"
	"io/fs"
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

// Erase destroys the keys of subjects whose last message ended longer ago than
// the retention; the rows stay as a record without content. It is the deletion
// date of every personal field in a message.
func (n *Node) Erase(ctx context.Context, _ job.Job) error {
	before := millis(n.clock.Now().Add(-n.cfg.Retention))
	for {
		var ids []int64
		err := n.db.Write(ctx, func(tx *store.Tx) error {
			// One pass over the messages once a day is cheaper than an index
			// that every message would have to pay for.
			rows, err := tx.Query(`SELECT m.key_id FROM exchange_message m JOIN seal_key k ON k.id = m.key_id
				WHERE k.wrapped IS NOT NULL AND k.created_at < $1
				GROUP BY m.key_id
				HAVING SUM(CASE WHEN m.ended_at IS NULL OR m.ended_at >= $1 THEN 1 ELSE 0 END) = 0
				ORDER BY m.key_id LIMIT $2`, before, erasePage)
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
