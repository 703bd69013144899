package disclosure

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"time"

	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// Version is the table as it was from a time on.
type Version struct {
	Number int64 // 0: the rules the program comes with
	At     time.Time
	Person string // id
	Name   string
	Note   string
	Rules  []Rule
}

// newest is the number of the version that holds, 0 for none, and when it was written.
func newest(tx *store.Tx) (n, at int64, err error) {
	err = tx.Row(`SELECT version, at FROM disclosure_version ORDER BY version DESC LIMIT 1`).Scan(&n, &at)
	if errors.Is(err, store.ErrNoRows) {
		err = nil
	}
	return n, at, err
}

func version(tx *store.Tx, n int64) (Version, error) {
	if n == 0 {
		return Version{Rules: Default()}, nil
	}
	v := Version{Number: n}
	var at int64
	var rules string
	if err := tx.Row(`SELECT at, person, note, rules FROM disclosure_version WHERE version = $1`, n).Scan(&at, &v.Person, &v.Note, &rules); err != nil {
		return v, err
	}
	v.At = time.UnixMilli(at).UTC()
	var err error
	v.Rules, err = ReadCSV(strings.NewReader(rules))
	return v, err
}

// versions lists them without their rules, the newest first.
func versions(tx *store.Tx) (out []Version, err error) {
	rows, err := tx.Query(`SELECT version, at, person, note FROM disclosure_version ORDER BY version DESC`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var v Version
		var at int64
		if err := rows.Scan(&v.Number, &at, &v.Person, &v.Note); err != nil {
			return nil, err
		}
		v.At = time.UnixMilli(at).UTC()
		out = append(out, v)
	}
	return out, rows.Err()
}

func putVersion(tx *store.Tx, v Version) error {
	var rules bytes.Buffer
	if err := WriteCSV(&rules, v.Rules); err != nil {
		return err
	}
	_, err := tx.Exec(`INSERT INTO disclosure_version (version, at, person, note, rules) VALUES ($1, $2, $3, $4, $5)`,
		v.Number, v.At.UnixMilli(), v.Person, v.Note, rules.String())
	return err
}

// Logged is a decision as it was written down.
type Logged struct {
	At                time.Time
	Message, Incident string
	Peer, App, Class  string
	Version           int64
	Path, Rule        string
	Action            Action
	Held              bool
}

func putDecision(tx *store.Tx, id string, l Logged) error {
	held := int64(0)
	if l.Held {
		held = 1
	}
	_, err := tx.Exec(`INSERT INTO disclosure_decision (id, at, message, incident, peer, app, class, version, path, action, rule, held)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		id, l.At.UnixMilli(), l.Message, l.Incident, l.Peer, l.App, l.Class, l.Version, l.Path, string(l.Action), l.Rule, held)
	return err
}

const selectDecisions = `SELECT at, message, incident, peer, app, class, version, path, action, rule, held FROM disclosure_decision WHERE `

// The newest decisions, of one message or of all: ids rise with time. Each has its
// index; in one query for both the database would read the whole log.
const (
	ofMessage = `message = $1 ORDER BY id DESC LIMIT $2`
	ofAll     = `id > '' ORDER BY id DESC LIMIT $1`
	toPeer    = `message = $1 AND peer = $2 ORDER BY id DESC LIMIT 1`
)

// decisions lists the newest, of one message or of all for "".
func decisions(tx *store.Tx, message string, most int) (out []Logged, err error) {
	if message == "" {
		return scanDecisions(tx, ofAll, most)
	}
	return scanDecisions(tx, ofMessage, message, most)
}

func scanDecisions(tx *store.Tx, where string, args ...any) (out []Logged, err error) {
	rows, err := tx.Query(selectDecisions+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var l Logged
		var at, held int64
		var action string
		if err := rows.Scan(&at, &l.Message, &l.Incident, &l.Peer, &l.App, &l.Class, &l.Version, &l.Path, &action, &l.Rule, &held); err != nil {
			return nil, err
		}
		l.At, l.Action, l.Held = time.UnixMilli(at).UTC(), Action(action), held == 1
		out = append(out, l)
	}
	return out, rows.Err()
}

func heldPlace(organisation, incident, peer string, g Group) []byte {
	return []byte("disclosure_held:" + organisation + "/" + incident + "/" + peer + "/" + string(g))
}

func putHeld(tx *store.Tx, key sealing, organisation, incident, peer string, g Group, at time.Time, text string) error {
	_, err := tx.Exec(`INSERT INTO disclosure_held (organisation, incident, peer, part, at, body, key_id, own) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (organisation, incident, peer, part) DO UPDATE SET at = excluded.at, body = excluded.body, key_id = excluded.key_id, own = excluded.own`,
		organisation, incident, peer, string(g), at.UnixMilli(), key.Seal([]byte(text), heldPlace(organisation, incident, peer, g)), key.ID(), key.own)
	return err
}

// sealing is the key of an incident, or with own 1 that of one message alone.
type sealing struct {
	*seal.Key
	own int64
}

// eraseOwn destroys the keys of what belongs to no incident of the node and is older
// than a time; what is sealed with an incident's key goes with that.
func eraseOwn(tx *store.Tx, ring *seal.Ring, before time.Time) error {
	rows, err := tx.Query(`SELECT key_id FROM disclosure_held WHERE own = 1 AND at < $1 UNION SELECT key_id FROM disclosure_emergency WHERE own = 1 AND at < $1`, before.UnixMilli())
	if err != nil {
		return err
	}
	defer rows.Close()
	var keys []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		keys = append(keys, id)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, id := range keys {
		if err := ring.Destroy(tx, id); err != nil {
			return err
		}
	}
	for _, q := range []string{
		`UPDATE disclosure_held SET body = $2, own = 0 WHERE own = 1 AND at < $1`,
		`UPDATE disclosure_emergency SET reason = $2, own = 0 WHERE own = 1 AND at < $1`,
	} {
		if _, err := tx.Exec(q, before.UnixMilli(), []byte{}); err != nil {
			return err
		}
	}
	return nil
}

// held reads what an organisation withheld of a group; "" when there is nothing or it is
// deleted. Two of one node may work on the same incident.
func held(tx *store.Tx, ring *seal.Ring, organisation, incident, peer string, g Group) (string, error) {
	var body []byte
	var keyID int64
	err := tx.Row(`SELECT body, key_id FROM disclosure_held WHERE organisation = $1 AND incident = $2 AND peer = $3 AND part = $4`, organisation, incident, peer, string(g)).Scan(&body, &keyID)
	if errors.Is(err, store.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	text, err := unseal(tx, ring, keyID, body, heldPlace(organisation, incident, peer, g))
	return text, err
}

// heldRow is something withheld, sealed.
type heldRow struct {
	incident, peer string
	group          Group
	at             time.Time
	body           []byte
	keyID          int64
}

// heldBy lists what an organisation withheld at a time or later, and before another,
// each zero for no bound; what is deleted is not there.
func heldBy(tx *store.Tx, organisation string, from, to time.Time) (out []heldRow, err error) {
	first, end := int64(0), int64(math.MaxInt64)
	if !from.IsZero() {
		first = from.UnixMilli()
	}
	if !to.IsZero() {
		end = to.UnixMilli()
	}
	rows, err := tx.Query(`SELECT incident, peer, part, at, body, key_id FROM disclosure_held
		WHERE organisation = $1 AND at >= $2 AND at < $3 AND LENGTH(body) > 0 ORDER BY at, incident, peer, part`, organisation, first, end)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var h heldRow
		var at int64
		if err := rows.Scan(&h.incident, &h.peer, &h.group, &at, &h.body, &h.keyID); err != nil {
			return nil, err
		}
		h.at = time.UnixMilli(at).UTC()
		out = append(out, h)
	}
	return out, rows.Err()
}

// heldDecisions are the decisions that were written with what was withheld, at the same
// moment.
func heldDecisions(tx *store.Tx, incident, peer string, at time.Time) ([]Logged, error) {
	return scanDecisions(tx, `incident = $1 AND peer = $2 AND at = $3 AND held = 1 ORDER BY id`, incident, peer, at.UnixMilli())
}

func unseal(tx *store.Tx, ring *seal.Ring, keyID int64, body, place []byte) (string, error) {
	if len(body) == 0 {
		return "", nil
	}
	key, err := ring.Lookup(tx, keyID)
	if errors.Is(err, seal.ErrDestroyed) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	plain, err := key.Open(body, place)
	return string(plain), err
}

// Emergency is one incident of which one neighbour was told everything.
type Emergency struct {
	ID, Organisation string
	Incident, Peer   string
	At               time.Time
	Person, Name     string
	Reason           string // "" when deleted
	Reviewed         time.Time
	Reviewer, By     string // id and name
	Verdict, Note    string

	sealed []byte
	keyID  int64
}

func emergencyPlace(id string) []byte { return []byte("disclosure_emergency:" + id) }

func putEmergency(tx *store.Tx, key sealing, e Emergency) error {
	_, err := tx.Exec(`INSERT INTO disclosure_emergency (id, organisation, incident, peer, at, person, reason, key_id, own, reviewed_at, reviewed_by, verdict, note)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, '', '', '')`,
		e.ID, e.Organisation, e.Incident, e.Peer, e.At.UnixMilli(), e.Person, key.Seal([]byte(e.Reason), emergencyPlace(e.ID)), key.ID(), key.own)
	return err
}

// emergencies lists those of an organisation, of all for "": the open ones first, then
// the newest.
func emergencies(tx *store.Tx, organisation, id string, most int) (out []Emergency, err error) {
	rows, err := tx.Query(`SELECT id, organisation, incident, peer, at, person, reason, key_id, reviewed_at, reviewed_by, verdict, note
		FROM disclosure_emergency WHERE ($1 = '' OR organisation = $1) AND ($2 = '' OR id = $2)
		ORDER BY CASE WHEN reviewed_at = 0 THEN 0 ELSE 1 END, at DESC LIMIT $3`, organisation, id, most)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var e Emergency
		var at, reviewed int64
		if err := rows.Scan(&e.ID, &e.Organisation, &e.Incident, &e.Peer, &at, &e.Person, &e.sealed, &e.keyID, &reviewed, &e.Reviewer, &e.Verdict, &e.Note); err != nil {
			return nil, err
		}
		e.At = time.UnixMilli(at).UTC()
		if reviewed != 0 {
			e.Reviewed = time.UnixMilli(reviewed).UTC()
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

// overridden reports whether an emergency of the organisation opened an incident to a
// neighbour since.
func overridden(tx *store.Tx, organisation, incident, peer string, since time.Time) (bool, error) {
	var n int64
	err := tx.Row(`SELECT COUNT(*) FROM disclosure_emergency WHERE organisation = $1 AND incident = $2 AND peer = $3 AND at >= $4`, organisation, incident, peer, since.UnixMilli()).Scan(&n)
	return n > 0, err
}

func closeEmergency(tx *store.Tx, id, person, verdict, note string, at time.Time) (int64, error) {
	return tx.Exec(`UPDATE disclosure_emergency SET reviewed_at = $2, reviewed_by = $3, verdict = $4, note = $5 WHERE id = $1 AND reviewed_at = 0`,
		id, at.UnixMilli(), person, verdict, note)
}

// openReviews counts those nobody has looked at yet, and tells when the oldest was.
func openReviews(tx *store.Tx) (n int64, oldest time.Time, err error) {
	var at int64
	err = tx.Row(`SELECT COUNT(*), COALESCE(MIN(at), 0) FROM disclosure_emergency WHERE reviewed_at = 0`).Scan(&n, &at)
	return n, time.UnixMilli(at).UTC(), err
}

// processed counts the personal values by field, neighbour and action since a time,
// for the register of processing.
type processed struct {
	Path, Peer string
	Held       bool
	N          int64
}

func counts(tx *store.Tx, since time.Time) (out []processed, err error) {
	rows, err := tx.Query(`SELECT path, peer, held, COUNT(*) FROM disclosure_decision WHERE at >= $1 GROUP BY path, peer, held ORDER BY path, peer, held`, since.UnixMilli())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var p processed
		var held int64
		if err := rows.Scan(&p.Path, &p.Peer, &held, &p.N); err != nil {
			return nil, err
		}
		p.Held = held == 1
		out = append(out, p)
	}
	return out, rows.Err()
}
