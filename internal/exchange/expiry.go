package exchange

import (
	"context"
	"sync"
	"time"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/store"
)

const (
	// expiryPage bounds one transaction of the sweeper: a day's backlog that
	// expires at once must not hold up the senders.
	expiryPage = 500
	// expiryPoll is the longest the sweeper sleeps: on several instances another
	// one may have accepted the message that expires next. The specification's
	// shortest timeout is 10 s, its receipt is due within 3 s.
	expiryPoll = time.Second
)

// expiries wakes the sweeper when the next message is due.
type expiries struct {
	mu   sync.Mutex
	next time.Time
	wake chan struct{}
}

// schedule notes a deadline once tx is committed.
func (x *expiries) schedule(tx *store.Tx, at time.Time) {
	x.mu.Lock()
	sooner := x.next.IsZero() || at.Before(x.next)
	if sooner {
		x.next = at // even if tx fails: an early look costs nothing
	}
	x.mu.Unlock()
	if sooner {
		tx.OnCommit(func() {
			select {
			case x.wake <- struct{}{}:
			default:
			}
		})
	}
}

// sweep ends what nobody took in time and writes the 504 receipts that this
// node, as the sender's, owes. spec: UCRI 2 transport 2.0.0, envelope timeout.
func (n *Node) sweep(ctx context.Context) error {
	for {
		more := true
		for more {
			var err error
			if more, err = n.expire(ctx); err != nil {
				n.log.Error("exchange: expiry", "error", err)
				break
			}
		}
		wait := expiryPoll
		var next *int64
		if err := n.db.Read(ctx, func(tx *store.Tx) error {
			return tx.Row(`SELECT MIN(expires_at) FROM exchange_message WHERE ended_at IS NULL`).Scan(&next)
		}); err == nil && next != nil {
			n.expiry.mu.Lock()
			n.expiry.next = time.UnixMilli(*next) // sooner ones wake us
			n.expiry.mu.Unlock()
			wait = min(wait, max(time.UnixMilli(*next).Sub(n.clock.Now()), 0)+time.Millisecond)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-n.expiry.wake:
		case <-time.After(wait):
		}
	}
}

// expire ends one page of overdue messages and reports whether there may be more.
func (n *Node) expire(ctx context.Context) (more bool, err error) {
	now := n.clock.Now()
	var due int
	err = n.db.Read(ctx, func(tx *store.Tx) error {
		return tx.Row(`SELECT COUNT(*) FROM (SELECT id FROM exchange_message WHERE ended_at IS NULL AND expires_at <= $1 LIMIT 1) x`, millis(now)).Scan(&due)
	})
	if err != nil || due == 0 {
		return false, err
	}
	err = n.db.Write(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(`UPDATE exchange_message SET state = 'expired', ended_at = $1,
			status = CASE WHEN origin = 'client' AND ack <> 'NONE' THEN 504 ELSE status END
			WHERE id IN (SELECT id FROM exchange_message WHERE ended_at IS NULL AND expires_at <= $1 ORDER BY expires_at LIMIT $2)
			RETURNING `+endedColumns, millis(now), expiryPage)
		if err != nil {
			return err
		}
		done, err := n.scanEnded(rows)
		if err != nil {
			return err
		}
		more = len(done) == expiryPage
		for _, e := range done {
			n.wakeDesk(tx, TopicReceipt, e.source)
			if e.origin != fromClient || e.ack == ucri.AckNone {
				continue
			}
			s := ucri.DeliveryStatus{StatusCode: ucri.TimedOut, StatusMessage: n.text("exchange.status.timeout", nil)}
			if err := n.putStatus(tx, e, s, now); err != nil {
				return err
			}
		}
		return nil
	})
	return more, err
}
