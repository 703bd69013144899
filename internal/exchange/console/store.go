package console

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/seal"
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

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func topic(org string) string { return "console." + org }

// handover is a row of console_handover; times are unix milliseconds.
type handover struct {
	org, incident                                string
	entry                                        int64
	kind                                         store.Kind
	app, own, other                              string
	incoming, danger, late, differs              bool
	state                                        State
	stateAt, storedAt, expiresAt, sentAt         int64
	openedAt, decidedAt                          int64
	openedBy, decidedBy                          string
	answer, confirmation, ending                 int64
	phoneDue, nobodyAt, ringDue, closedAt, keyID int64
}

const handoverColumns = `org, entry, incident, kind, app, incoming, own, other, state, state_at, stored_at, expires_at, sent_at,
	danger, late, differs, opened_at, opened_by, decided_at, decided_by, answer, confirmation, ending,
	phone_due, nobody_at, ring_due, closed_at, key_id`

func scanHandovers(tx *store.Tx, where string, args ...any) ([]*handover, error) {
	rows, err := tx.Query(`SELECT `+handoverColumns+` FROM console_handover WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []*handover
	for rows.Next() {
		h, err := scanHandover(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, rows.Err()
}

// scanHandover reads handoverColumns.
func scanHandover(rows *store.Rows) (*handover, error) {
	var h handover
	var incoming, danger, late, differs int64
	err := rows.Scan(&h.org, &h.entry, &h.incident, &h.kind, &h.app, &incoming, &h.own, &h.other, &h.state, &h.stateAt,
		&h.storedAt, &h.expiresAt, &h.sentAt, &danger, &late, &differs, &h.openedAt, &h.openedBy, &h.decidedAt, &h.decidedBy,
		&h.answer, &h.confirmation, &h.ending, &h.phoneDue, &h.nobodyAt, &h.ringDue, &h.closedAt, &h.keyID)
	h.incoming, h.danger, h.late, h.differs = incoming == 1, danger == 1, late == 1, differs == 1
	return &h, err
}

// save writes what may change of a hand-over.
func (h *handover) save(tx *store.Tx) error {
	_, err := tx.Exec(`UPDATE console_handover SET state = $3, state_at = $4, differs = $5, opened_at = $6, opened_by = $7,
		decided_at = $8, decided_by = $9, answer = $10, confirmation = $11, ending = $12, phone_due = $13, nobody_at = $14,
		ring_due = $15, closed_at = $16 WHERE org = $1 AND entry = $2`,
		h.org, h.entry, string(h.state), h.stateAt, bit(h.differs), h.openedAt, h.openedBy, h.decidedAt, h.decidedBy,
		h.answer, h.confirmation, h.ending, h.phoneDue, h.nobodyAt, h.ringDue, h.closedAt)
	return err
}

func (h *handover) to(s State, at int64) { h.state, h.stateAt = s, at }

// closed reports whether nobody has to do anything about it any more.
func (h *handover) closed() bool {
	if h.closedAt != 0 {
		return true
	}
	switch h.state {
	case Completed, Aborted, Elsewhere, Withdrawn, Telephoned:
		return true
	case Rejected:
		return h.incoming // ours to hand elsewhere when they rejected it
	}
	return false
}

func (h *handover) class() Class {
	if h.danger {
		return ClassA
	}
	return ClassB
}

// oneHandover finds a hand-over of the organisation; problem NotFound.
func oneHandover(tx *store.Tx, op, org string, entry int64) (*handover, error) {
	hs, err := scanHandovers(tx, `org = $1 AND entry = $2`, org, entry)
	if err != nil {
		return nil, problem.Wrap(op, err)
	}
	if len(hs) == 0 {
		return nil, problem.New(op, problem.NotFound, "console.d.refuse.not_found", nil)
	}
	return hs[0], nil
}

// incidentRow is a row of console_incident.
type incidentRow struct {
	org, id                string
	kind                   store.Kind
	sharedID, app, message string
	own, other             string
	incoming, danger, late bool
	firstAt, changedAt     int64
	typ, city, number      string
	lat, lon               int64 // see grid
	state                  State
	stateAt                int64
	closed                 bool
	summary, tokens        []byte
	keyID                  int64
	wrapped                []byte // of the key; empty when destroyed
	destroyedAt            int64
}

const incidentColumns = `i.org, i.id, i.kind, i.shared_id, i.app, i.message, i.incoming, i.own, i.other, i.first_at, i.changed_at,
	i.type, i.city, i.danger, i.late, i.state, i.state_at, i.closed, i.summary, i.tokens, i.lat, i.lon, i.number, i.key_id, k.wrapped, COALESCE(k.destroyed_at, 0)`

func scanIncidents(tx *store.Tx, where string, args ...any) ([]*incidentRow, error) {
	return queryIncidents(tx, `console_incident i`, where, args...)
}

// queryIncidents reads incidents i out of a join.
func queryIncidents(tx *store.Tx, from, where string, args ...any) ([]*incidentRow, error) {
	rows, err := tx.Query(`SELECT `+incidentColumns+` FROM `+from+` LEFT JOIN seal_key k ON k.id = i.key_id WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []*incidentRow
	for rows.Next() {
		var r incidentRow
		var incoming, danger, late, closed int64
		if err := rows.Scan(&r.org, &r.id, &r.kind, &r.sharedID, &r.app, &r.message, &incoming, &r.own, &r.other, &r.firstAt, &r.changedAt,
			&r.typ, &r.city, &danger, &late, &r.state, &r.stateAt, &closed, &r.summary, &r.tokens, &r.lat, &r.lon, &r.number, &r.keyID, &r.wrapped, &r.destroyedAt); err != nil {
			return nil, err
		}
		r.incoming, r.danger, r.late, r.closed = incoming == 1, danger == 1, late == 1, closed == 1
		out = append(out, &r)
	}
	return out, rows.Err()
}

func oneIncident(tx *store.Tx, op, org, id string) (*incidentRow, error) {
	rows, err := scanIncidents(tx, `i.org = $1 AND i.id = $2`, org, id)
	if err != nil {
		return nil, problem.Wrap(op, err)
	}
	if len(rows) == 0 {
		return nil, problem.New(op, problem.NotFound, "console.d.refuse.not_found", nil)
	}
	return rows[0], nil
}

// action is a row of console_action.
type action struct {
	seq, after, at int64
	person, what   string
	incident       string
	handover       int64
	entry          int64
	detail         string
	note           []byte
	keyID          int64
	disclosed      Disclosed // not kept: what the receiver is told
}

// What persons did, and what fell due.
const (
	didOpen      = "open"
	didAccept    = "accept"
	didReject    = "reject"
	didBegin     = "begin"
	didComplete  = "complete"
	didAbort     = "abort"
	didHandOver  = "hand_over"
	didText      = "text"
	didConfirm   = "confirm"
	didAnswer    = "answer"
	didWithdraw  = "withdraw"
	didTooLate   = "withdraw_too_late"
	didTelephone = "telephoned"
	didNoAnswer  = "no_answer"
	didClose     = "close"
	didSee       = "see"
	didHush      = "hush"
	didShelve    = "shelve"
	didUnshelve  = "unshelve"
	didMerge     = "merge"
	didSeparate  = "separate"
	didApart     = "apart"
	didUpdate    = "update"
	didPassOn    = "pass_on"
	didFlowOn    = "flow_on"
	didFlowOff   = "flow_off"
	dueTelephone = "telephone_due"
	dueRing      = "ring_again"
)

// record writes an action down. Words go sealed with the key of the incident.
func (s *Service) record(tx *store.Tx, org string, a action, note string) error {
	a.note, a.keyID = []byte{}, 0
	if note != "" {
		key, err := s.incidentKey(tx, org, a.incident)
		if err != nil {
			return err
		}
		if err := tx.Row(`SELECT COALESCE(MAX(seq), 0) + 1 FROM console_action`).Scan(&a.seq); err != nil {
			return err
		}
		a.note, a.keyID = key.Seal([]byte(note), actionPlace(org)), key.ID()
	}
	_, err := tx.Exec(`INSERT INTO console_action (seq, org, after_entry, at, person, what, incident, handover, entry, detail, note, key_id)
		VALUES ((SELECT COALESCE(MAX(seq), 0) + 1 FROM console_action), $1,
			(SELECT COALESCE(MAX(entry), 0) FROM console_message WHERE org = $1), $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		org, a.at, a.person, a.what, a.incident, a.handover, a.entry, a.detail, a.note, a.keyID)
	return err
}

func actionPlace(org string) []byte { return []byte("console_action:" + org) }

// scanActions reads at most so many actions, the oldest first.
func scanActions(tx *store.Tx, where string, most int, args ...any) ([]action, error) {
	rows, err := tx.Query(`SELECT seq, after_entry, at, person, what, incident, handover, entry, detail, note, key_id
		FROM console_action WHERE `+where+` ORDER BY seq LIMIT `+strconv.Itoa(most), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []action
	for rows.Next() {
		var a action
		if err := rows.Scan(&a.seq, &a.after, &a.at, &a.person, &a.what, &a.incident, &a.handover, &a.entry, &a.detail, &a.note, &a.keyID); err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, rows.Err()
}

// unseal reads sealed words; "" when they are deleted or there are none.
func (s *Service) unseal(tx *store.Tx, keyID int64, sealed, place []byte) string {
	if keyID == 0 || len(sealed) == 0 {
		return ""
	}
	key, err := s.Ring.Lookup(tx, keyID)
	if err != nil {
		return ""
	}
	plain, err := key.Open(sealed, place)
	if err != nil {
		return ""
	}
	return string(plain)
}

// incidentKey is the key that what belongs to an incident is sealed with; that of
// the organisation's month for what belongs to none.
func (s *Service) incidentKey(tx *store.Tx, org, incident string) (*seal.Key, error) {
	var id int64
	err := tx.Row(`SELECT key_id FROM console_incident WHERE org = $1 AND id = $2`, org, incident).Scan(&id)
	if err == nil {
		key, err := s.Ring.Lookup(tx, id)
		if err == nil || !errors.Is(err, seal.ErrDestroyed) {
			return key, err
		}
	} else if !errors.Is(err, store.ErrNoRows) {
		return nil, err
	}
	return s.monthKey(tx, org, s.Clock.Now())
}

// once runs f unless the key of the form was used before, and returns the first
// result then. A form without a key runs each time.
func (s *Service) once(ctx context.Context, op, org, key string, f func(tx *store.Tx) (string, error)) (string, error) {
	var result string
	err := s.DB.Write(ctx, func(tx *store.Tx) error {
		result = ""
		if key != "" {
			rows, err := tx.Exec(`INSERT INTO console_once (org, id, at, result) VALUES ($1, $2, $3, '') ON CONFLICT DO NOTHING`,
				org, key, millis(s.Clock.Now()))
			if err != nil {
				return problem.Wrap(op, err)
			}
			if rows == 0 {
				return tx.Row(`SELECT result FROM console_once WHERE org = $1 AND id = $2`, org, key).Scan(&result)
			}
		}
		var err error
		if result, err = f(tx); err != nil {
			return err
		}
		if key != "" && result != "" {
			_, err = tx.Exec(`UPDATE console_once SET result = $3 WHERE org = $1 AND id = $2`, org, key, result)
		}
		tx.Notify(topic(org))
		return err
	})
	return result, err
}

// onceLife is how long a form's key is remembered: longer than a page stays open
// over a shift.
const onceLife = 48 * time.Hour

// joinIDs and splitIDs keep a list of ids in one column.
func joinIDs(ids []string) string { return strings.Join(ids, " ") }

func splitIDs(s string) []string { return strings.Fields(s) }
