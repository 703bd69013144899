package exchange

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// Topics that consoles watch. Both are hints: something was stored from or for an
// address with a console; the state of such a message, of a participant or of a
// line to a peer changed.
const (
	TopicFeed    = "exchange.feed"
	TopicReceipt = "exchange.receipt"
)

// feedSpan bounds how many rows of the log one page looks through, so that a
// console that was away for a million foreign messages holds no snapshot for long.
const feedSpan = 5_000

// Entry is a message from or to one of a control room's own addresses.
type Entry struct {
	ID           int64 // in commit order
	Kind         store.Kind
	Incoming     bool // a message between two own addresses counts as incoming
	Own, Other   string
	MessageID    string
	App, Message string         // UCRI 2 appId and schemaId
	Envelope     *ucri.Envelope // nil: the content was deleted
	AcceptedAt   time.Time
	ExpiresAt    time.Time
	Seq          int64     // of an incoming one, for Take
	Key          *seal.Key // of its incident; nil: destroyed
	KeyID        int64
	Peer         string // where it came from or goes to; "" is this node
}

const feedColumns = storedColumns + `, m.app, m.message, m.accepted_at` + storedFrom

// Feed returns up to most messages from or to the addresses own that were stored
// after the message with the id after, in the order they were stored, and the
// place to go on from. There is more as long as next rises.
func (n *Node) Feed(tx *store.Tx, own []string, after int64, most int) (page []Entry, next int64, err error) {
	var last int64
	if err := tx.Row(`SELECT COALESCE(MAX(id), 0) FROM exchange_message`).Scan(&last); err != nil {
		return nil, after, err
	}
	if last <= after {
		return nil, after, nil
	}
	until := min(last, after+feedSpan)
	if len(own) == 0 {
		return nil, until, nil
	}
	// One page is a range of the primary key: an index by address would make
	// every message dearer to store.
	args := []any{after, until, most}
	places := make([]string, len(own))
	mine := make(map[string]bool, len(own))
	for i, o := range own {
		args = append(args, o)
		places[i] = "$" + strconv.Itoa(len(args))
		mine[o] = true
	}
	list := strings.Join(places, ", ")
	rows, err := tx.Query(`SELECT `+feedColumns+`WHERE m.id > $1 AND m.id <= $2
		AND (m.destination IN (`+list+`) OR m.source IN (`+list+`)) ORDER BY m.id LIMIT $3`, args...)
	if err != nil {
		return nil, after, err
	}
	defer rows.Close()
	size := 0
	for rows.Next() {
		e, s, err := n.scanEntry(rows)
		if err != nil {
			return nil, after, err
		}
		if mine[s.destination] {
			e.Incoming, e.Own, e.Other = true, s.destination, s.source
		} else {
			e.Own, e.Other = s.source, s.destination
		}
		page, size = append(page, e), size+len(s.sealed)
		if len(page) == most || size > maxReplyBytes {
			return page, e.ID, nil
		}
	}
	return page, until, rows.Err()
}

func (n *Node) scanEntry(row interface{ Scan(...any) error }) (Entry, *stored, error) {
	var app, message string
	var accepted int64
	s, err := n.scan(row, &app, &message, &accepted)
	if err != nil {
		return Entry{}, nil, err
	}
	e := Entry{
		ID: s.id, Kind: s.kind, Own: s.source, Other: s.destination, MessageID: s.messageID, App: app, Message: message,
		AcceptedAt: time.UnixMilli(accepted).UTC(), ExpiresAt: time.UnixMilli(s.expiresAt).UTC(),
		Seq: s.seq, Key: s.key, KeyID: s.keyID, Peer: s.via,
	}
	if s.key == nil || len(s.sealed) == 0 {
		return e, s, nil
	}
	e.Envelope, err = s.envelope()
	return e, s, err
}

func (n *Node) storedByID(tx *store.Tx, id int64) (*stored, error) {
	return n.scan(tx.Row(`SELECT `+storedColumns+storedFrom+`WHERE m.id = $1`, id))
}

// Entry returns one message. It is incoming when it is for an address of this
// node; store.ErrNoRows when there is none.
func (n *Node) Entry(tx *store.Tx, id int64) (Entry, error) {
	e, s, err := n.scanEntry(tx.Row(`SELECT `+feedColumns+`WHERE m.id = $1`, id))
	if err != nil {
		return e, err
	}
	if s.seq != 0 {
		e.Incoming, e.Own, e.Other = true, s.destination, s.source
	}
	return e, nil
}

// Envelopes returns the content of messages by their ids, nil for what was deleted:
// a few queries for all, and each key is unwrapped once. store.ErrNoRows when one
// of them is not there.
func (n *Node) Envelopes(tx *store.Tx, ids []int64) (map[int64]*ucri.Envelope, error) {
	out := make(map[int64]*ucri.Envelope, len(ids))
	keys := map[int64]*seal.Key{} // nil: destroyed
	err := byID(tx, `SELECT m.id, m.source, m.message_id, m.destination, m.ack, m.sent_date, m.timeout, m.envelope, m.key_id, k.wrapped`+
		storedFrom+`WHERE m.id IN %s`, ids, func(rows *store.Rows) error {
		var s stored
		var wrapped []byte
		err := rows.Scan(&s.id, &s.source, &s.messageID, &s.destination, &s.ack, &s.sent, &s.timeout, &s.sealed, &s.keyID, &wrapped)
		if err != nil {
			return err
		}
		key, known := keys[s.keyID]
		if !known {
			if key, err = n.unwrap(s.keyID, wrapped); err != nil {
				return err
			}
			keys[s.keyID] = key
		}
		out[s.id] = nil
		if s.key = key; key != nil && len(s.sealed) > 0 {
			out[s.id], err = s.envelope()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if _, ok := out[id]; !ok {
			return nil, store.ErrNoRows
		}
	}
	return out, nil
}

// Original returns the bytes of a message as they came, or what of them its
// destination is told: seal.ErrDestroyed after deletion.
func (n *Node) Original(tx *store.Tx, id int64) ([]byte, error) {
	s, err := n.storedByID(tx, id)
	if err != nil {
		return nil, err
	}
	return s.original()
}

// Receipt is how far a message came; zero times are not yet. What a person did is
// no matter of the transport and stands in other messages.
type Receipt struct {
	Stored    time.Time
	Delivered time.Time // the destination's node has it
	Read      time.Time // the destination's system has committed it
	Failed    time.Time // refused, or expired when Expired is set
	Withdrawn time.Time // taken back before the destination's node had it
	Expired   bool
	Code      ucri.Code // of the refusal
	NextTry   time.Time // while a peer does not answer, as far as this instance knows
}

// Ended reports whether nothing more will happen.
func (r Receipt) Ended() bool {
	return !r.Read.IsZero() || !r.Failed.IsZero() || !r.Withdrawn.IsZero()
}

// Receipt returns how far a message came; store.ErrNoRows when there is none.
func (n *Node) Receipt(tx *store.Tx, id int64) (Receipt, error) {
	var st state
	var peer, cause string
	var seq, accepted, taken, ended, status int64
	err := tx.Row(`SELECT state, peer, COALESCE(seq, 0), accepted_at, COALESCE(taken_at, 0), COALESCE(ended_at, 0),
		COALESCE(status, 0), COALESCE(cause, '') FROM exchange_message WHERE id = $1`, id).
		Scan(&st, &peer, &seq, &accepted, &taken, &ended, &status, &cause)
	if err != nil {
		return Receipt{}, err
	}
	r := Receipt{Stored: moment(accepted), Delivered: moment(taken)}
	switch {
	case seq != 0: // here
		r.Delivered = r.Stored
	case r.Delivered.IsZero() && (st == stateAwaiting || st == stateForwarded):
		r.Delivered = moment(ended) // stored by a release that did not note it
	}
	switch {
	case cause == causeWithdrawn:
		r.Withdrawn = moment(ended)
	case st == stateCommitted, st == stateForwarded && status == ucri.Delivered:
		r.Read = moment(ended)
	case st == stateExpired:
		r.Failed, r.Expired = moment(ended), true
	case st == stateRefused:
		r.Failed = moment(ended)
		code, _ := strconv.Atoi(cause)
		r.Code = ucri.Code(code)
	case st == stateOutgoing:
		if p := n.peers().byID[peer]; p != nil {
			p.mu.Lock()
			r.NextTry = p.nextTry
			p.mu.Unlock()
		}
	}
	return r, nil
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// Take ends the queued messages of an own address up to a sequence number as read
// by the console, with the receipts that are owed, as a dispatch system's commit
// does. Where a dispatch system's account serves the address it does nothing: what
// that system has not read, a screen beside it must not take from it.
func (n *Node) Take(tx *store.Tx, own string, seq int64) error {
	if seq == 0 || n.Served(own) || n.registry.Load().lookup(own) == nil {
		return nil
	}
	return n.commitIn(tx, own, seq)
}

// Served reports whether a configured account receives for the address.
func (n *Node) Served(oid string) bool {
	for _, a := range n.accounts {
		if a.Type != accountClient {
			continue
		}
		for _, o := range a.OIDs {
			if o == oid {
				return true
			}
		}
	}
	return false
}

// Polled reports whether a dispatch system serves the address and receives for it now.
func (n *Node) Polled(oid string) bool {
	return n.Served(oid) && n.statusOf(oid) == ucri.StatusOnline
}

// causeWithdrawn marks a message a person took back.
const causeWithdrawn = "withdrawn"

// Withdraw takes back a message its peer has not got, and reports whether that
// was possible: not when the peer has it, when it has ended, or while an attempt
// to send it is under way, whose outcome nobody knows yet. A dispatch system that
// sent it gets the receipt it is owed.
func (n *Node) Withdraw(tx *store.Tx, id int64) (bool, error) {
	now := n.clock.Now()
	if !n.withdrawals.ask(id, millis(now)) {
		return false, nil
	}
	rows, err := tx.Query(`UPDATE exchange_message SET state = 'refused', ended_at = $2, cause = '`+causeWithdrawn+`'
		WHERE id = $1 AND state = 'outgoing' AND origin = 'client' RETURNING `+endedColumns, id, millis(now))
	if err != nil {
		return false, err
	}
	done, err := n.scanEnded(rows)
	if err != nil || len(done) == 0 {
		return false, err
	}
	e := done[0]
	n.wakeDesk(tx, TopicReceipt, e.source)
	if e.ack == ucri.AckNone || !n.Served(e.source) {
		return true, nil
	}
	// Its status marks that the sender was told: nothing may tell him otherwise.
	if _, err := tx.Exec(`UPDATE exchange_message SET status = $2 WHERE id = $1`, id, ucri.Refused); err != nil {
		return false, err
	}
	return true, n.putStatus(tx, e, ucri.DeliveryStatus{StatusCode: ucri.Refused, StatusMessage: n.text("exchange.status.withdrawn", nil)}, now)
}

// withdrawals keeps a sender of this instance and a person from getting hold of
// the same message at once. A sender of another instance looks into the database
// between attempts, and what its peer took after all is marked so.
type withdrawals struct {
	mu      sync.Mutex
	sending map[int64]bool  // an attempt runs, or the peer took it and the row does not say so yet
	asked   map[int64]int64 // a person asked then (unix milliseconds); a sender that meets it must look
}

// askedLife is longer than a sender keeps a page it has read.
const askedLife = time.Hour

func (w *withdrawals) ask(id, now int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sending[id] {
		return false
	}
	for other, at := range w.asked {
		if now-at > askedLife.Milliseconds() {
			delete(w.asked, other)
		}
	}
	w.asked[id] = now
	return true
}

// start reports whether the message may be sent without looking.
func (w *withdrawals) start(id int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, asked := w.asked[id]; asked {
		return false
	}
	w.sending[id] = true
	return true
}

func (w *withdrawals) finish(id int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.sending, id)
}

func (w *withdrawals) forget(id int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.asked, id)
}

func isWithdrawn(tx *store.Tx, id int64) (bool, error) {
	var count int
	err := tx.Row(`SELECT COUNT(*) FROM exchange_message WHERE id = $1 AND cause = '`+causeWithdrawn+`'`, id).Scan(&count)
	return count > 0, err
}
