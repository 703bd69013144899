package gateway

import (
	"errors"
	"time"

	"trojmezi/internal/kernel/store"
)

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// line is a row of gateway_line.
type line struct {
	position           int64
	cursor             string
	contactAt, downAt  int64
	failure            string
	waiting, tray, old int64 // counted: what waits to go out, for a person, and since when the oldest
}

// readLine reads a gateway's row; a gateway that never ran has the zero one.
func readLine(tx *store.Tx, gateway string) (line, error) {
	var l line
	err := tx.Row(`SELECT position, cursor, contact_at, down_since, failure FROM gateway_line WHERE gateway = $1`, gateway).
		Scan(&l.position, &l.cursor, &l.contactAt, &l.downAt, &l.failure)
	if errors.Is(err, store.ErrNoRows) {
		err = nil
	}
	return l, err
}

// count adds to l what waits.
func (l *line) count(tx *store.Tx, gateway string) error {
	if err := tx.Row(`SELECT COUNT(*), COALESCE(MIN(created_at), 0) FROM gateway_out WHERE gateway = $1 AND state IN ('waiting', 'sent')`, gateway).
		Scan(&l.waiting, &l.old); err != nil {
		return err
	}
	return tx.Row(`SELECT COUNT(*) FROM gateway_in WHERE gateway = $1 AND state = 'tray'`, gateway).Scan(&l.tray)
}

func ensureLine(tx *store.Tx, gateway string) error {
	_, err := tx.Exec(`INSERT INTO gateway_line (gateway, position, cursor, contact_at, down_since, failure) VALUES ($1, 0, '', 0, 0, '')
		ON CONFLICT (gateway) DO NOTHING`, gateway)
	return err
}

// move goes on in the log; false when another instance did meanwhile.
func move(tx *store.Tx, gateway string, from, to int64) (bool, error) {
	rows, err := tx.Exec(`UPDATE gateway_line SET position = $3 WHERE gateway = $1 AND position = $2`, gateway, from, to)
	return rows == 1, err
}

// heard notes that the other side answers.
func heard(tx *store.Tx, gateway string, at int64) error {
	_, err := tx.Exec(`UPDATE gateway_line SET contact_at = $2, down_since = 0, failure = '' WHERE gateway = $1`, gateway, at)
	return err
}

// broken notes that it does not, and since when.
func broken(tx *store.Tx, gateway, failure string, at int64) error {
	_, err := tx.Exec(`UPDATE gateway_line SET failure = $2,
		down_since = CASE WHEN down_since = 0 THEN CAST($3 AS BIGINT) ELSE down_since END WHERE gateway = $1`, gateway, failure, at)
	return err
}

// full is b for a column that is never null: an empty one is read as nil.
func full(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// outState is where a row of gateway_out stands; the last three are ends.
type outState string

const (
	outWaiting outState = "waiting" // to be sent
	outSent    outState = "sent"    // the transport has it; the system's receipt is waited for
	outDone    outState = "done"
	outRefused outState = "refused"
	outExpired outState = "expired"
)

// out is a row of gateway_out.
type out struct {
	id                         int64
	gateway                    string
	kind                       store.Kind
	entry, answers             int64
	source, messageID, foreign string
	state                      outState
	reason                     string
	createdAt, expiresAt       int64
	nextAt, tries              int64
	sentAt, endedAt            int64
	keyID                      int64
	body, loss, answer         []byte
}

const outColumns = `id, gateway, kind, entry, answers, source, message_id, foreign_id, state, reason, created_at, expires_at,
	next_at, tries, sent_at, ended_at, key_id, body, loss, answer`

func scanOut(tx *store.Tx, where string, args ...any) ([]*out, error) {
	rows, err := tx.Query(`SELECT `+outColumns+` FROM gateway_out WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []*out
	for rows.Next() {
		var o out
		if err := rows.Scan(&o.id, &o.gateway, &o.kind, &o.entry, &o.answers, &o.source, &o.messageID, &o.foreign, &o.state, &o.reason,
			&o.createdAt, &o.expiresAt, &o.nextAt, &o.tries, &o.sentAt, &o.endedAt, &o.keyID, &o.body, &o.loss, &o.answer); err != nil {
			return nil, err
		}
		all = append(all, &o)
	}
	return all, rows.Err()
}

// one is the first of a list, nil of an empty one.
func one[T any](list []*T, err error) (*T, error) {
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0], nil
}

// due lists what is to be sent now: the oldest that waits and is written, then what no receipt came
// for. wake is when the next is due, zero when nothing is open.
func due(tx *store.Tx, gateway string, now int64) (list []*out, wake int64, err error) {
	head, err := one(scanOut(tx, `gateway = $1 AND state = 'waiting' AND reason = '' ORDER BY id LIMIT 1`, gateway))
	if err != nil {
		return nil, 0, err
	}
	if head != nil && head.nextAt <= now {
		list = append(list, head)
	} else if head != nil {
		wake = head.nextAt
	}
	again, err := scanOut(tx, `gateway = $1 AND state = 'sent' AND next_at <= $2 ORDER BY id LIMIT 64`, gateway, now)
	if err != nil {
		return nil, 0, err
	}
	return append(list, again...), wake, nil
}

func (o *out) insert(tx *store.Tx) error {
	return tx.Row(`INSERT INTO gateway_out (`+outColumns+`) VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM gateway_out),
		$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) RETURNING id`,
		o.gateway, string(o.kind), o.entry, o.answers, o.source, o.messageID, o.foreign, string(o.state), o.reason, o.createdAt, o.expiresAt,
		o.nextAt, o.tries, o.sentAt, o.endedAt, o.keyID, full(o.body), full(o.loss), full(o.answer)).Scan(&o.id)
}

// keep inserts the row, or writes into it what there is to send when it was put off.
func (o *out) keep(tx *store.Tx) error {
	if o.id == 0 {
		return o.insert(tx)
	}
	if _, err := tx.Exec(`UPDATE gateway_out SET foreign_id = $2, expires_at = $3, body = $4, loss = $5 WHERE id = $1 AND state = 'waiting'`,
		o.id, o.foreign, o.expiresAt, full(o.body), full(o.loss)); err != nil {
		return err
	}
	_, err := o.save(tx)
	return err
}

// save writes what may change; false when the row has ended meanwhile.
func (o *out) save(tx *store.Tx) (bool, error) {
	rows, err := tx.Exec(`UPDATE gateway_out SET state = $2, reason = $3, next_at = $4, tries = $5, sent_at = $6, ended_at = $7, answer = $8
		WHERE id = $1 AND state IN ('waiting', 'sent')`, o.id, string(o.state), o.reason, o.nextAt, o.tries, o.sentAt, o.endedAt, full(o.answer))
	return rows == 1, err
}

// lateRefusal marks what was taken for handed over.
func (o *out) lateRefusal(tx *store.Tx) error {
	_, err := tx.Exec(`UPDATE gateway_out SET state = 'refused', reason = $2, answer = $3 WHERE id = $1 AND state = 'done'`, o.id, o.reason, full(o.answer))
	return err
}

// answerAgain sends the receipt for a repeated message once more.
func answerAgain(tx *store.Tx, in int64, expires int64) (bool, error) {
	rows, err := tx.Exec(`UPDATE gateway_out SET state = 'waiting', next_at = 0, tries = 0, ended_at = 0, expires_at = $2
		WHERE answers = $1 AND state IN ('done', 'expired') AND LENGTH(body) > 0`, in, expires)
	return rows > 0, err
}

// inState is where a row of gateway_in stands.
type inState string

const (
	inNew       inState = "new"       // stored, to be read
	inPosted    inState = "posted"    // a message of the log
	inReceipt   inState = "receipt"   // of the system's machine
	inRepeated  inState = "repeated"  // known already
	inTray      inState = "tray"      // a person is needed
	inCorrected inState = "corrected" // its corrected copy is another row
	inDismissed inState = "dismissed" // a person wrote down why not
	inLapsed    inState = "lapsed"    // its content was deleted before a person came
)

// in is a row of gateway_in.
type in struct {
	id                                int64
	gateway                           string
	kind                              store.Kind
	deliveryID                        string
	digest                            []byte
	mediaType                         string
	volatile                          bool
	receivedAt                        int64
	state                             inState
	sender, receiver, foreign, number string
	entry                             int64
	postedID                          string
	parent                            int64
	reason                            string
	endedAt                           int64
	endedBy                           string
	keyID                             int64
	body, loss, diagnosis, note       []byte
}

const inColumns = `id, gateway, kind, delivery_id, digest, media_type, volatile, received_at, state, sender, receiver, foreign_id, number,
	entry, posted_id, parent, reason, ended_at, ended_by, key_id, body, loss, diagnosis, note`

func scanIn(tx *store.Tx, where string, args ...any) ([]*in, error) {
	rows, err := tx.Query(`SELECT `+inColumns+` FROM gateway_in WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []*in
	for rows.Next() {
		var i in
		var volatile int64
		if err := rows.Scan(&i.id, &i.gateway, &i.kind, &i.deliveryID, &i.digest, &i.mediaType, &volatile, &i.receivedAt, &i.state,
			&i.sender, &i.receiver, &i.foreign, &i.number, &i.entry, &i.postedID, &i.parent, &i.reason, &i.endedAt, &i.endedBy, &i.keyID,
			&i.body, &i.loss, &i.diagnosis, &i.note); err != nil {
			return nil, err
		}
		i.volatile = volatile == 1
		all = append(all, &i)
	}
	return all, rows.Err()
}

func (i *in) insert(tx *store.Tx) error {
	volatile := 0
	if i.volatile {
		volatile = 1
	}
	return tx.Row(`INSERT INTO gateway_in (`+inColumns+`) VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM gateway_in),
		$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23) RETURNING id`,
		i.gateway, string(i.kind), i.deliveryID, i.digest, i.mediaType, volatile, i.receivedAt, string(i.state), i.sender, i.receiver, i.foreign, i.number,
		i.entry, i.postedID, i.parent, i.reason, i.endedAt, i.endedBy, i.keyID, full(i.body), full(i.loss), full(i.diagnosis), full(i.note)).Scan(&i.id)
}

// save writes what may change of a row that was in state was; false when it is not any more.
func (i *in) save(tx *store.Tx, was inState) (bool, error) {
	rows, err := tx.Exec(`UPDATE gateway_in SET state = $3, kind = $4, sender = $5, receiver = $6, foreign_id = $7, number = $8, entry = $9, posted_id = $10,
		reason = $11, ended_at = $12, ended_by = $13, key_id = $14, body = $15, loss = $16, diagnosis = $17, note = $18
		WHERE id = $1 AND state = $2`, i.id, string(was), string(i.state), string(i.kind), i.sender, i.receiver, i.foreign, i.number, i.entry, i.postedID,
		i.reason, i.endedAt, i.endedBy, i.keyID, full(i.body), full(i.loss), full(i.diagnosis), full(i.note))
	return rows == 1, err
}

// sameBytes is the row of the same bytes that came before, whatever became of it.
func sameBytes(tx *store.Tx, i *in) (*in, error) {
	return one(scanIn(tx, `gateway = $1 AND digest = $2 AND id <> $3 AND id <> $4 AND state IN ('posted', 'receipt', 'tray', 'corrected', 'dismissed') ORDER BY id LIMIT 1`,
		i.gateway, i.digest, i.id, i.parent))
}

// sameID is the message that was accepted under the same sender and id.
func sameID(tx *store.Tx, i *in) (*in, error) {
	return one(scanIn(tx, `gateway = $1 AND sender = $2 AND foreign_id = $3 AND state = 'posted' AND id <> $4 ORDER BY id LIMIT 1`,
		i.gateway, i.sender, i.foreign, i.id))
}

// incident is a row of gateway_incident.
type incident struct {
	number, shared, lastID string
	lastIn, told           int64
}

func incidentBy(tx *store.Tx, gateway, column, value string) (incident, bool, error) {
	var c incident
	err := tx.Row(`SELECT number, shared, last_in, last_id, told FROM gateway_incident WHERE gateway = $1 AND `+column+` = $2 ORDER BY number LIMIT 1`, gateway, value).
		Scan(&c.number, &c.shared, &c.lastIn, &c.lastID, &c.told)
	if errors.Is(err, store.ErrNoRows) {
		return c, false, nil
	}
	return c, err == nil, err
}

// put writes it down; what is empty or zero leaves what is there.
func (c incident) put(tx *store.Tx, gateway string) error {
	_, err := tx.Exec(`INSERT INTO gateway_incident (gateway, number, shared, last_in, last_id, told) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (gateway, number) DO UPDATE SET
		last_in = CASE WHEN excluded.last_in > 0 THEN excluded.last_in ELSE gateway_incident.last_in END,
		last_id = CASE WHEN excluded.last_id <> '' THEN excluded.last_id ELSE gateway_incident.last_id END,
		told = CASE WHEN excluded.told > 0 THEN excluded.told ELSE gateway_incident.told END`,
		gateway, c.number, c.shared, c.lastIn, c.lastID, c.told)
	return err
}

// trayCount is how many wait for a person, and since when the oldest.
func trayCount(tx *store.Tx) (n, oldest int64, err error) {
	err = tx.Row(`SELECT COUNT(*), COALESCE(MIN(received_at), 0) FROM gateway_in WHERE state = 'tray'`).Scan(&n, &oldest)
	return n, oldest, err
}

// eraseSpent empties what is sealed with keys that the node has destroyed.
func eraseSpent(tx *store.Tx) error {
	for _, q := range []string{
		`UPDATE gateway_out SET body = $1, loss = $1, answer = $1 WHERE (LENGTH(body) > 0 OR LENGTH(answer) > 0)
			AND NOT EXISTS (SELECT 1 FROM seal_key k WHERE k.id = gateway_out.key_id AND k.wrapped IS NOT NULL)`,
		`UPDATE gateway_in SET body = $1, loss = $1, diagnosis = $1, note = $1 WHERE LENGTH(body) > 0
			AND NOT EXISTS (SELECT 1 FROM seal_key k WHERE k.id = gateway_in.key_id AND k.wrapped IS NOT NULL)`,
	} {
		if _, err := tx.Exec(q, []byte{}); err != nil {
			return err
		}
	}
	return nil
}

// spent reports whether bytes were taken before the time, each time that they came, and
// wait for nobody. Bytes that never came are not.
func spent(tx *store.Tx, gateway string, digest []byte, before int64) (bool, error) {
	var came, needed int64
	err := tx.Row(`SELECT COUNT(*), COALESCE(SUM(CASE WHEN state IN ('new', 'tray') OR received_at >= $3 THEN 1 ELSE 0 END), 0)
		FROM gateway_in WHERE gateway = $1 AND digest = $2`, gateway, digest, before).Scan(&came, &needed)
	return came > 0 && needed == 0, err
}

// erasable lists rows whose bytes have a key of their own and were received before the
// time; those of incidents go with the incident.
func erasable(tx *store.Tx, kind store.Kind, before int64, most int) ([]*in, error) {
	return scanIn(tx, `kind = $1 AND received_at < $2 AND state NOT IN ('new', 'posted') AND LENGTH(body) > 0 ORDER BY id LIMIT $3`, string(kind), before, most)
}
