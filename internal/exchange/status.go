package exchange

import (
	"errors"
	"strconv"
	"time"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// statusTimeout is how long a receipt may be on its way. It is the longest the
// specification allows: a receipt that is lost makes people telephone.
const statusTimeout = ucri.MaxTimeout

// putStatus writes a delivery status for e to its sender: the one terminal
// receipt of a message, made in the transaction that ended it.
// spec: UCRI 2 transport 2.0.0, app transport_layer_messages 1.0.
func (n *Node) putStatus(tx *store.Tx, e ended, s ucri.DeliveryStatus, now time.Time) error {
	s.RefMessageID, s.Destination = e.messageID, e.destination
	return n.putOwn(tx, e.source, s.Payload(), e.key, statusTimeout, now)
}

// putOwn stores a message of the node itself, sealed with key, or with a key of
// its own for nil. If the destination is not in the
// register any more there is nobody to tell, and the message is dropped.
func (n *Node) putOwn(tx *store.Tx, destination string, p ucri.Payload, key *seal.Key, timeout int, now time.Time) error {
	target := n.registry.Load().lookup(destination)
	if target == nil {
		n.log.Warn("exchange: nobody to tell", "destination", destination, "message", p.SchemaID)
		return nil
	}
	env := &ucri.Envelope{
		MessageID: n.clock.NewID(), SentDate: ucri.FormatTime(now), Timeout: timeout, Ack: ucri.AckNone,
		Source: n.cfg.OID, Destinations: []string{destination}, Payload: p,
	}
	_, err := n.insert(tx, &message{env: env, body: env.AppendJSON(nil), origin: fromNode, kind: target.kind, key: key},
		now, now.Add(time.Duration(timeout)*time.Second))
	return err
}

// settle takes the delivery status of the peer via for a message one of our
// clients sent. It reports whether the status is to be passed on: the first one
// ends the message, later ones are dropped, so that the sender gets exactly one,
// and so are those of a peer that was not given the message. A status for a
// message this node doesn't know is passed on as it came. key is that of the
// message, nil when it isn't known.
func (n *Node) settle(tx *store.Tx, via *peer, source string, s ucri.DeliveryStatus, now time.Time) (pass bool, key *seal.Key, err error) {
	st := stateForwarded
	switch s.StatusCode {
	case ucri.Refused:
		st = stateRefused
	case ucri.TimedOut:
		st = stateExpired
	}
	var keyID int64
	var wrapped []byte
	cause := ""
	if s.Cause != nil {
		cause = strconv.Itoa(int(s.Cause.Code))
	}
	err = tx.Row(`UPDATE exchange_message SET state = $4, status = $5, ended_at = $6, taken_at = COALESCE(taken_at, $6), cause = $8
		WHERE message_id = $1 AND source = $2 AND destination = $3 AND (ended_at IS NULL OR cause = 'withdrawn' AND status IS NULL) AND peer = $7 RETURNING `+keyColumns,
		s.RefMessageID, source, s.Destination, string(st), s.StatusCode, millis(now), via.ID, cause).Scan(&keyID, &wrapped)
	if !errors.Is(err, store.ErrNoRows) {
		if err != nil {
			return false, nil, err
		}
		n.wakeDesk(tx, TopicReceipt, source)
		key, err = n.unwrap(keyID, wrapped)
		return err == nil, key, err
	}
	var known int
	err = tx.Row(`SELECT COUNT(*) FROM exchange_message WHERE message_id = $1 AND source = $2 AND destination = $3`,
		s.RefMessageID, source, s.Destination).Scan(&known)
	return known == 0, nil, err
}
