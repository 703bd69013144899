package exchange

import (
	"strconv"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/store"
)

// Gateways names the addresses that stand for systems which do not speak UCRI 2, on
// every instance. As for desks, TopicFeed and TopicReceipt are notified for them and
// they may post.
func (n *Node) Gateways(oids []string) {
	m := make(map[string]bool, len(oids))
	for _, o := range oids {
		m[o] = true
	}
	n.gateways.Store(&m)
}

// KindOf is the kind of what an address of this node sends and gets.
func (n *Node) KindOf(own string) store.Kind { return kindOf(own, n.cfg.OID) }

// Conclude ends one queued message of an address of this node, with the receipt that
// is owed: read for a nil cause, else refused with it. One that has ended, or has
// expired by now, stays as it is.
func (n *Node) Conclude(tx *store.Tx, id int64, cause *ucri.ErrorBody) error {
	now := n.clock.Now()
	st, code, action := stateCommitted, "", "exchange.commit"
	if cause != nil {
		st, code, action = stateRefused, strconv.Itoa(int(cause.Code)), "exchange.refused"
	}
	rows, err := tx.Query(`UPDATE exchange_message SET state = $3, ended_at = $2, cause = $4,
		status = CASE WHEN $3 = 'refused' AND ack <> 'NONE' THEN 502 WHEN $3 = 'committed' AND ack = 'ALL' THEN 200 ELSE status END
		WHERE id = $1 AND state = 'queued' AND expires_at > $2 RETURNING `+endedColumns, id, millis(now), string(st), code)
	if err != nil {
		return err
	}
	done, err := n.scanEnded(rows)
	if err != nil || len(done) == 0 {
		return err
	}
	e := done[0]
	n.wakeDesk(tx, TopicReceipt, e.source)
	if err := n.audit.Append(tx, audit.Event{Action: action, Actor: short(e.destination), Object: e.messageID}); err != nil || e.origin == fromNode {
		return err
	}
	switch {
	case cause != nil && e.ack != ucri.AckNone:
		return n.putStatus(tx, e, ucri.DeliveryStatus{StatusCode: ucri.Refused, Cause: cause, StatusMessage: n.text("exchange.status.refused", nil)}, now)
	case cause == nil && e.ack == ucri.AckAll:
		return n.putStatus(tx, e, ucri.DeliveryStatus{StatusCode: ucri.Delivered}, now)
	}
	return nil
}
