package exchange

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// Topics of the notifier.
const (
	topicRegistry = "exchange.registry"
	topicPeers    = "exchange.peers"
)

func topicIn(oid string) string { return "exchange.in." + oid }

// topicOut is for a destination that was idle until now, topicOutTo for more
// messages to one that is being served.
func topicOut(k store.Kind) string { return "exchange.out." + string(k) }
func topicOutTo(oid string) string { return "exchange.out.to." + oid }

// errOtherContent is the answer to a known (source, messageId, destination) with
// another payload.
var errOtherContent = errors.New("exchange: the message id was used for another message")

// accept stores m for its destination and returns only when it is on disk. If
// the same message was accepted before, first is the envelope of that time; if
// something of it is withheld from its destination, first is what goes on.
func (n *Node) accept(ctx context.Context, m *message) (first *ucri.Envelope, err error) {
	now := n.clock.Now()
	expires := expiry(m, now)
	var sealedBefore *stored
	err = n.db.Write(ctx, func(tx *store.Tx) error {
		sealedBefore, m.left = nil, nil
		inserted, err := n.insert(tx, m, now, expires)
		if err != nil || inserted {
			return err
		}
		s, err := n.find(tx, m.env.Source, m.env.MessageID, m.destination())
		sealedBefore = s
		return err
	})
	if err != nil || sealedBefore == nil {
		return m.left, err
	}
	s := sealedBefore
	if s.key == nil {
		// Deleted since: it can't be compared any more, but it was accepted.
		return m.env, nil
	}
	if !bytes.Equal(s.mac, s.key.MAC(m.content()...)) {
		n.auditAlone(ctx, audit.Event{Action: "exchange.refuse.other_content", Object: m.env.MessageID, Actor: short(m.env.Source)})
		return nil, errOtherContent
	}
	return s.envelope()
}

// expiry tells when a message ends. For our own client the time runs from
// acceptance: a workstation's wrong clock must not make an incident dead on
// arrival. From a peer it runs from its sent date, so that two nodes agree, but
// never later than if it had been sent now.
func expiry(m *message, now time.Time) time.Time {
	timeout := time.Duration(m.env.Timeout) * time.Second
	if m.origin == fromPeer {
		if sent, ok := ucri.ParseTime(m.env.SentDate); ok && sent.Before(now) {
			return sent.Add(timeout)
		}
	}
	return now.Add(timeout)
}

// insert adds the row, unless its identity exists.
func (n *Node) insert(tx *store.Tx, m *message, now, expires time.Time) (bool, error) {
	dest := m.destination()
	key, err := n.keyFor(tx, m)
	if err != nil {
		return false, err
	}
	target := n.registry.Load().lookup(dest)
	if target == nil {
		return false, fmt.Errorf("exchange: destination %s left the register", dest)
	}
	st, peer, seq := stateQueued, m.via, `(SELECT COALESCE(MAX(last_seq), 0) + 1 FROM exchange_queue WHERE destination = $5)`
	if target.peer != "" {
		st, peer, seq = stateOutgoing, target.peer, `NULL`
	}
	e := m.env
	rows, err := tx.Exec(`INSERT INTO exchange_message
		(id, kind, source, message_id, destination, app, message, ack, sent_date, timeout, accepted_at, expires_at,
		 origin, peer, seq, state, key_id, mac, envelope)
		VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM exchange_message), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
		 $13, $14, `+seq+`, $15, $16, $17, $1)
		ON CONFLICT (message_id, source, destination) DO NOTHING`,
		key.Seal(m.body, place(e.Source, e.MessageID, dest)), string(m.kind), e.Source, e.MessageID, dest,
		e.Payload.AppID, e.Payload.SchemaID, string(e.Ack), e.SentDate, e.Timeout, millis(now), millis(expires),
		string(m.origin), peer, string(st), key.ID(), key.MAC(m.content()...))
	if err != nil || rows == 0 {
		return false, err
	}
	if st == stateQueued {
		_, err = tx.Exec(`INSERT INTO exchange_queue (destination, last_seq) VALUES ($1, 1)
			ON CONFLICT (destination) DO UPDATE SET last_seq = exchange_queue.last_seq + 1`, dest)
		tx.Notify(topicIn(dest))
	} else {
		var woken int64
		woken, err = tx.Exec(`INSERT INTO exchange_outbox (destination, kind, peer, active, holder, lease_until) VALUES ($1, $2, $3, 1, '', 0)
			ON CONFLICT (destination, kind) DO UPDATE SET active = 1, peer = excluded.peer
			WHERE exchange_outbox.active = 0 OR exchange_outbox.peer <> excluded.peer`, dest, string(m.kind), peer)
		if woken > 0 {
			tx.Notify(topicOut(m.kind))
		}
		tx.Notify(topicOutTo(dest))
	}
	if err == nil && st == stateOutgoing {
		err = n.withhold(tx, m, key)
	}
	if err != nil {
		return false, err
	}
	n.expiry.schedule(tx, expires)
	n.wakeDesk(tx, TopicFeed, e.Source, dest)
	if m.origin == fromNode {
		// A receipt or an availability follows from an event that has a leaf.
		return true, nil
	}
	return true, n.audit.Append(tx, audit.Event{Action: "exchange.accept", Actor: short(e.Source), Object: e.MessageID, Detail: m.body, Key: key})
}

// keyFor finds the key to seal m with: a receipt's is that of the message it is
// about, unless that has been deleted.
func (n *Node) keyFor(tx *store.Tx, m *message) (*seal.Key, error) {
	if m.key != nil {
		return m.key, nil
	}
	return n.ring.Key(tx, m.subject())
}

// stored is a message row as read back.
type stored struct {
	id                                             int64
	kind                                           store.Kind
	source, messageID, destination, ack, sent, via string
	timeout                                        int
	seq, expiresAt, keyID                          int64
	origin                                         origin
	state                                          state
	mac                                            []byte
	sealed                                         []byte
	key                                            *seal.Key // nil: destroyed
}

const storedColumns = `m.id, m.kind, m.source, m.message_id, m.destination, m.ack, m.sent_date, m.timeout,
	m.peer, COALESCE(m.seq, 0), m.expires_at, m.origin, m.state, m.mac, m.envelope, m.key_id, k.wrapped`

const storedFrom = ` FROM exchange_message m JOIN seal_key k ON k.id = m.key_id `

// scan reads storedColumns and whatever columns follow them.
func (n *Node) scan(row interface{ Scan(...any) error }, more ...any) (*stored, error) {
	var s stored
	var wrapped []byte
	err := row.Scan(append([]any{&s.id, &s.kind, &s.source, &s.messageID, &s.destination, &s.ack, &s.sent, &s.timeout,
		&s.via, &s.seq, &s.expiresAt, &s.origin, &s.state, &s.mac, &s.sealed, &s.keyID, &wrapped}, more...)...)
	if err != nil {
		return nil, err
	}
	s.key, err = n.unwrap(s.keyID, wrapped)
	return &s, err
}

// idsPage is how many messages byID looks up at once: queries are prepared once for
// each text, so there is one length of them.
const idsPage = 64

// byID runs a query for messages by their ids, %s in it, and scan for each row.
func byID(tx *store.Tx, query string, ids []int64, scan func(*store.Rows) error) error {
	places, args := make([]string, idsPage), make([]any, idsPage)
	for i := range places {
		places[i] = "$" + strconv.Itoa(i+1)
	}
	query = strings.Replace(query, "%s", "("+strings.Join(places, ", ")+")", 1)
	one := func() error {
		rows, err := tx.Query(query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := scan(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	}
	for page := range slices.Chunk(ids, idsPage) {
		for i := range args {
			args[i] = page[min(i, len(page)-1)]
		}
		if err := one(); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) find(tx *store.Tx, source, messageID, destination string) (*stored, error) {
	return n.scan(tx.Row(`SELECT `+storedColumns+storedFrom+`WHERE m.message_id = $1 AND m.source = $2 AND m.destination = $3`,
		messageID, source, destination))
}

// original returns the bytes as they came, or what of them its destination is told.
func (s *stored) original() ([]byte, error) {
	if s.key == nil {
		return nil, seal.ErrDestroyed
	}
	return s.key.Open(s.sealed, place(s.source, s.messageID, s.destination))
}

// envelope returns the message with everything the node filled in.
func (s *stored) envelope() (*ucri.Envelope, error) {
	body, err := s.original()
	if err != nil {
		return nil, err
	}
	e, err := ucri.ParseEnvelope(body)
	if err != nil {
		return nil, fmt.Errorf("exchange: stored message %d: %w", s.id, err)
	}
	e.MessageID, e.SentDate, e.Timeout, e.Ack = s.messageID, s.sent, s.timeout, ucri.Ack(s.ack)
	e.Destinations = []string{s.destination}
	return e, nil
}

// queued returns up to max of the oldest uncommitted messages of one local
// destination that have not expired at now.
func (n *Node) queued(tx *store.Tx, destination string, max int, now time.Time) ([]*stored, error) {
	rows, err := tx.Query(`SELECT `+storedColumns+storedFrom+`
		WHERE m.destination = $1 AND m.state = 'queued' AND m.expires_at > $2 ORDER BY m.seq LIMIT $3`,
		destination, millis(now), max)
	if err != nil {
		return nil, err
	}
	return n.collect(rows, maxReplyBytes)
}

// outgoing returns the oldest messages for one remote destination after id, one
// page of them.
func (n *Node) outgoing(tx *store.Tx, destination string, kind store.Kind, after int64, now time.Time) ([]*stored, error) {
	rows, err := tx.Query(`SELECT `+storedColumns+storedFrom+`
		WHERE m.destination = $1 AND m.kind = $2 AND m.state = 'outgoing' AND m.id > $3 AND m.expires_at > $4
		ORDER BY m.id LIMIT $5`, destination, string(kind), after, millis(now), outboxPage)
	if err != nil {
		return nil, err
	}
	return n.collect(rows, maxReplyBytes)
}

// collect reads rows until their envelopes have more than most bytes together,
// so that a page of the largest messages does not fill the memory.
func (n *Node) collect(rows *store.Rows, most int) ([]*stored, error) {
	defer rows.Close()
	var out []*stored
	for size := 0; size <= most && rows.Next(); {
		s, err := n.scan(rows)
		if err != nil {
			return nil, err
		}
		out, size = append(out, s), size+len(s.sealed)
	}
	return out, rows.Err()
}

// ended is a row that just reached its end.
type ended struct {
	id                             int64
	kind                           store.Kind
	source, messageID, destination string
	ack                            ucri.Ack
	app                            string
	origin                         origin
	key                            *seal.Key // nil: destroyed
}

const endedColumns = `id, kind, source, message_id, destination, ack, app, origin, ` + keyColumns

// keyColumns bring a row's key along with it, for unwrap; a query of its own for
// each would cost more.
const keyColumns = `key_id, (SELECT k.wrapped FROM seal_key k WHERE k.id = key_id)`

// unwrap returns nil for a key that was destroyed.
func (n *Node) unwrap(id int64, wrapped []byte) (*seal.Key, error) {
	key, err := n.ring.Unwrap(id, wrapped)
	if errors.Is(err, seal.ErrDestroyed) {
		return nil, nil
	}
	return key, err
}

func (n *Node) scanEnded(rows *store.Rows) ([]ended, error) {
	defer rows.Close()
	var out []ended
	for rows.Next() {
		var e ended
		var keyID int64
		var wrapped []byte
		if err := rows.Scan(&e.id, &e.kind, &e.source, &e.messageID, &e.destination, &e.ack, &e.app, &e.origin, &keyID, &wrapped); err != nil {
			return nil, err
		}
		var err error
		if e.key, err = n.unwrap(keyID, wrapped); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

// commit ends every queued message of destination up to seq and writes the
// receipts that are owed, in one transaction. What has expired by now is left to
// the sweeper: the receiver may never have seen it, and to call it delivered
// would be the worse mistake.
func (n *Node) commit(ctx context.Context, destination string, seq int64) error {
	return n.db.Write(ctx, func(tx *store.Tx) error { return n.commitIn(tx, destination, seq) })
}

func (n *Node) commitIn(tx *store.Tx, destination string, seq int64) error {
	now := n.clock.Now()
	rows, err := tx.Query(`UPDATE exchange_message SET state = 'committed', ended_at = $3,
		status = CASE WHEN ack = 'ALL' THEN 200 ELSE status END
		WHERE destination = $1 AND seq <= $2 AND state = 'queued' AND expires_at > $3 RETURNING `+endedColumns,
		destination, seq, millis(now))
	if err != nil {
		return err
	}
	done, err := n.scanEnded(rows)
	if err != nil {
		return err
	}
	for _, e := range done {
		n.wakeDesk(tx, TopicReceipt, e.source)
		if e.ack != ucri.AckAll || e.origin == fromNode {
			continue
		}
		if err := n.putStatus(tx, e, ucri.DeliveryStatus{StatusCode: ucri.Delivered}, now); err != nil {
			return err
		}
	}
	if len(done) == 0 {
		return nil
	}
	return n.audit.Append(tx, audit.Event{Action: "exchange.commit", Actor: short(destination), Object: strconv.FormatInt(seq, 10)})
}

// auditAlone records something that has no other row.
func (n *Node) auditAlone(ctx context.Context, e audit.Event) {
	if err := n.db.Write(ctx, func(tx *store.Tx) error { return n.audit.Append(tx, e) }); err != nil {
		n.log.Error("exchange: audit", "action", e.Action, "error", err)
	}
}
