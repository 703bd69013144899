package unit

import (
	"encoding/json"
	"errors"
	"math"
	"time"

	"trojmezi/internal/kernel/geo"
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

// micro is a coordinate as it stands in the tables.
func micro(v float64) int64 { return int64(math.Round(v * 1e6)) }

const unitColumns = `id, org, kind, call_sign, type, station, home_lat, home_lon, lat, lon, position_at, source,
	status, status_at, status_by, ready, crew, skills, version`

func scanUnit(row interface{ Scan(...any) error }) (*Unit, error) {
	u := &Unit{}
	var homeLat, homeLon, lat, lon *int64
	var positionAt, statusAt, ready, crew int64
	var source string
	if err := row.Scan(&u.ID, &u.Org, &u.Kind, &u.CallSign, &u.Type, &u.Station, &homeLat, &homeLon, &lat, &lon, &positionAt, &source,
		&u.Status, &statusAt, &u.StatusBy, &ready, &crew, &u.Skills, &u.Version); err != nil {
		return nil, err
	}
	u.StatusAt, u.Ready, u.Crew = moment(statusAt), int(ready), int(crew)
	if homeLat != nil && homeLon != nil {
		u.Home = &geo.Point{Lat: float64(*homeLat) / 1e6, Lon: float64(*homeLon) / 1e6}
	}
	if lat != nil && lon != nil {
		u.Reported = &Position{Point: geo.Point{Lat: float64(*lat) / 1e6, Lon: float64(*lon) / 1e6}, At: moment(positionAt), Source: source}
	}
	return u, nil
}

func (u *Unit) values() []any {
	var homeLat, homeLon, lat, lon *int64
	point := func(p geo.Point) (a, b *int64) {
		la, lo := micro(p.Lat), micro(p.Lon)
		return &la, &lo
	}
	if u.Home != nil {
		homeLat, homeLon = point(*u.Home)
	}
	var positionAt int64
	source := ""
	if u.Reported != nil {
		lat, lon = point(u.Reported.Point)
		positionAt, source = millis(u.Reported.At), u.Reported.Source
	}
	return []any{u.ID, u.Org, string(u.Kind), u.CallSign, u.Type, u.Station, homeLat, homeLon, lat, lon, positionAt, source,
		string(u.Status), millis(u.StatusAt), u.StatusBy, u.Ready, u.Crew, u.Skills, u.Version}
}

// put writes all of a unit.
func put(tx *store.Tx, u *Unit) error {
	_, err := tx.Exec(`INSERT INTO unit_own (`+unitColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
		ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, call_sign = excluded.call_sign, type = excluded.type, station = excluded.station,
			home_lat = excluded.home_lat, home_lon = excluded.home_lon, lat = excluded.lat, lon = excluded.lon, position_at = excluded.position_at,
			source = excluded.source, status = excluded.status, status_at = excluded.status_at, status_by = excluded.status_by,
			ready = excluded.ready, crew = excluded.crew, skills = excluded.skills, version = excluded.version`, u.values()...)
	return err
}

func unitsOf(tx *store.Tx, org string) ([]*Unit, error) {
	rows, err := tx.Query(`SELECT `+unitColumns+` FROM unit_own WHERE org = $1 ORDER BY call_sign`, org)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []*Unit
	for rows.Next() {
		u, err := scanUnit(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, u)
	}
	return all, rows.Err()
}

func unitByID(tx *store.Tx, org, id string) (*Unit, error) {
	return scanUnit(tx.Row(`SELECT `+unitColumns+` FROM unit_own WHERE org = $1 AND id = $2`, org, id))
}

func unitByCallSign(tx *store.Tx, org, sign string) (*Unit, error) {
	return scanUnit(tx.Row(`SELECT `+unitColumns+` FROM unit_own WHERE org = $1 AND call_sign = $2`, org, sign))
}

func ownerOf(tx *store.Tx, id string) (org string, err error) {
	err = tx.Row(`SELECT org FROM unit_own WHERE id = $1`, id).Scan(&org)
	return org, err
}

func drop(tx *store.Tx, id string) error {
	_, err := tx.Exec(`DELETE FROM unit_own WHERE id = $1`, id)
	return err
}

// Change is a line of a unit's history.
type Change struct {
	At          time.Time
	Person      string // name; "": a system
	What        string // create, edit, status or remove
	Was, Became Status
}

func addChange(tx *store.Tx, u *Unit, at time.Time, person, what string, was, became Status) error {
	_, err := tx.Exec(`INSERT INTO unit_change (unit, seq, org, at, person, what, was, became)
		VALUES ($1, (SELECT COALESCE(MAX(seq), 0) + 1 FROM unit_change WHERE unit = $1), $2, $3, $4, $5, $6, $7)`,
		u.ID, u.Org, millis(at), person, what, string(was), string(became))
	return err
}

// historyMost bounds what a page shows; the audit log has all of it.
const historyMost = 100

func changesOf(tx *store.Tx, unit string) ([]Change, error) {
	rows, err := tx.Query(`SELECT at, person, what, was, became FROM unit_change WHERE unit = $1 ORDER BY seq DESC LIMIT $2`, unit, historyMost)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Change
	for rows.Next() {
		var c Change
		var at int64
		if err := rows.Scan(&at, &c.Person, &c.What, &c.Was, &c.Became); err != nil {
			return nil, err
		}
		c.At = moment(at)
		all = append(all, c)
	}
	return all, rows.Err()
}

// counts are a row of unit_count.
type counts struct{ changes, positions, seen int64 }

func countsOf(tx *store.Tx, org string) (c counts, err error) {
	err = tx.Row(`SELECT changes, positions, seen FROM unit_count WHERE org = $1`, org).Scan(&c.changes, &c.positions, &c.seen)
	if errors.Is(err, store.ErrNoRows) {
		err = nil
	}
	return c, err
}

func count(tx *store.Tx, org string, c counts) error {
	tx.Notify(topic)
	_, err := tx.Exec(`INSERT INTO unit_count (org, changes, positions, seen) VALUES ($1, $2, $3, $4)
		ON CONFLICT (org) DO UPDATE SET changes = unit_count.changes + excluded.changes, positions = unit_count.positions + excluded.positions,
			seen = unit_count.seen + excluded.seen`, org, c.changes, c.positions, c.seen)
	return err
}

// Visibility is what a neighbour may see and who said so.
type Visibility struct {
	Rules   Rules
	Version int64 // 0: nobody said anything, nothing is shown
	At      time.Time
	Person  string
}

func visibilityOf(tx *store.Tx, org, other string) (v Visibility, err error) {
	var rules string
	var at int64
	err = tx.Row(`SELECT rules, version, changed_at, person FROM unit_visibility WHERE org = $1 AND other = $2`, org, other).Scan(&rules, &v.Version, &at, &v.Person)
	if errors.Is(err, store.ErrNoRows) {
		return v, nil
	}
	if err != nil {
		return v, err
	}
	v.At = moment(at)
	return v, json.Unmarshal([]byte(rules), &v.Rules)
}

func putVisibility(tx *store.Tx, org, other string, v Visibility) error {
	b, err := json.Marshal(v.Rules)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO unit_visibility (org, other, rules, version, changed_at, person) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (org, other) DO UPDATE SET rules = excluded.rules, version = excluded.version, changed_at = excluded.changed_at, person = excluded.person`,
		org, other, string(b), v.Version, millis(v.At), v.Person)
	return err
}

// question is a request for the catalogue.
type question struct{ own, other, request string }

func addQuestion(tx *store.Tx, org string, q question, until time.Time) error {
	tx.Notify(topic)
	_, err := tx.Exec(`INSERT INTO unit_question (org, other, request, own, until, answered) VALUES ($1, $2, $3, $4, $5, 0) ON CONFLICT DO NOTHING`,
		org, q.other, q.request, q.own, millis(until))
	return err
}

func questionsOf(tx *store.Tx, org string, now time.Time) ([]question, error) {
	rows, err := tx.Query(`SELECT own, other, request FROM unit_question WHERE org = $1 AND answered = 0 AND until > $2 ORDER BY until, request`, org, millis(now))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []question
	for rows.Next() {
		var q question
		if err := rows.Scan(&q.own, &q.other, &q.request); err != nil {
			return nil, err
		}
		all = append(all, q)
	}
	return all, rows.Err()
}

// answered notes that a question was answered; old ones go.
func answered(tx *store.Tx, org string, q question, now time.Time) error {
	if _, err := tx.Exec(`DELETE FROM unit_question WHERE until < $1`, millis(now.Add(-24*time.Hour))); err != nil {
		return err
	}
	_, err := tx.Exec(`UPDATE unit_question SET answered = 1 WHERE org = $1 AND other = $2 AND request = $3`, org, q.other, q.request)
	return err
}

// subscriber is a neighbour who is told.
type subscriber struct {
	other, own, sub         string
	until                   time.Time
	whole                   bool
	seq, changes, positions int64
	movedAt, sentAt         time.Time
}

func subscribersOf(tx *store.Tx, org string) ([]subscriber, error) {
	rows, err := tx.Query(`SELECT other, own, sub, until, whole, seq, changes, positions, moved_at, sent_at FROM unit_subscriber WHERE org = $1 ORDER BY other`, org)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []subscriber
	for rows.Next() {
		var s subscriber
		var until, whole, moved, sent int64
		if err := rows.Scan(&s.other, &s.own, &s.sub, &until, &whole, &s.seq, &s.changes, &s.positions, &moved, &sent); err != nil {
			return nil, err
		}
		s.until, s.whole, s.movedAt, s.sentAt = moment(until), whole == 1, moment(moved), moment(sent)
		all = append(all, s)
	}
	return all, rows.Err()
}

func putSubscriber(tx *store.Tx, org string, s subscriber) error {
	_, err := tx.Exec(`INSERT INTO unit_subscriber (org, other, own, sub, until, whole, seq, changes, positions, moved_at, sent_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (org, other) DO UPDATE SET own = excluded.own, sub = excluded.sub, until = excluded.until, whole = excluded.whole, seq = excluded.seq,
			changes = excluded.changes, positions = excluded.positions, moved_at = excluded.moved_at, sent_at = excluded.sent_at`,
		org, s.other, s.own, s.sub, millis(s.until), bit(s.whole), s.seq, s.changes, s.positions, millis(s.movedAt), millis(s.sentAt))
	return err
}

func dropSubscriber(tx *store.Tx, org, other string) error {
	if _, err := tx.Exec(`DELETE FROM unit_sent WHERE org = $1 AND other = $2`, org, other); err != nil {
		return err
	}
	_, err := tx.Exec(`DELETE FROM unit_subscriber WHERE org = $1 AND other = $2`, org, other)
	return err
}

// sentTo is what a neighbour has of our units, by id.
func sentTo(tx *store.Tx, org, other string) (map[string]Published, error) {
	return bodies(tx, `SELECT unit, body FROM unit_sent WHERE org = $1 AND other = $2`, org, other)
}

func bodies(tx *store.Tx, query string, args ...any) (map[string]Published, error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[string]Published{}
	for rows.Next() {
		var id, body string
		if err := rows.Scan(&id, &body); err != nil {
			return nil, err
		}
		var p Published
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			return nil, err
		}
		all[id] = p
	}
	return all, rows.Err()
}

func putSent(tx *store.Tx, org, other string, p Published) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO unit_sent (org, other, unit, body) VALUES ($1, $2, $3, $4)
		ON CONFLICT (org, other, unit) DO UPDATE SET body = excluded.body`, org, other, p.ID, string(b))
	return err
}

func dropSent(tx *store.Tx, org, other, id string) error {
	_, err := tx.Exec(`DELETE FROM unit_sent WHERE org = $1 AND other = $2 AND unit = $3`, org, other, id)
	return err
}

func forgetSent(tx *store.Tx, org, other string) error {
	_, err := tx.Exec(`DELETE FROM unit_sent WHERE org = $1 AND other = $2`, org, other)
	return err
}

// follow is a neighbour whose units people here want to see.
type follow struct {
	other, own, person, request string
	askedAt, answerAt           time.Time
	tells                       bool
	sub                         string
	beganAt, renewedAt          time.Time
	seq                         int64
	gap                         bool
	heardAt                     time.Time
}

const followColumns = `other, own, person, request, asked_at, answer_at, tells, sub, began_at, renewed_at, seq, gap, heard_at`

func scanFollow(row interface{ Scan(...any) error }) (f follow, err error) {
	var asked, answer, tells, began, renewed, gap, heard int64
	err = row.Scan(&f.other, &f.own, &f.person, &f.request, &asked, &answer, &tells, &f.sub, &began, &renewed, &f.seq, &gap, &heard)
	f.askedAt, f.answerAt, f.tells, f.beganAt, f.renewedAt = moment(asked), moment(answer), tells == 1, moment(began), moment(renewed)
	f.gap, f.heardAt = gap == 1, moment(heard)
	return f, err
}

func followsOf(tx *store.Tx, org string) ([]follow, error) {
	rows, err := tx.Query(`SELECT `+followColumns+` FROM unit_follow WHERE org = $1 ORDER BY other`, org)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []follow
	for rows.Next() {
		f, err := scanFollow(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, rows.Err()
}

func followOf(tx *store.Tx, org, other string) (follow, error) {
	return scanFollow(tx.Row(`SELECT `+followColumns+` FROM unit_follow WHERE org = $1 AND other = $2`, org, other))
}

func putFollow(tx *store.Tx, org string, f follow) error {
	_, err := tx.Exec(`INSERT INTO unit_follow (org, `+followColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		ON CONFLICT (org, other) DO UPDATE SET own = excluded.own, person = excluded.person, request = excluded.request, asked_at = excluded.asked_at,
			answer_at = excluded.answer_at, tells = excluded.tells, sub = excluded.sub, began_at = excluded.began_at, renewed_at = excluded.renewed_at,
			seq = excluded.seq, gap = excluded.gap, heard_at = excluded.heard_at`,
		org, f.other, f.own, f.person, f.request, millis(f.askedAt), millis(f.answerAt), bit(f.tells), f.sub, millis(f.beganAt), millis(f.renewedAt),
		f.seq, bit(f.gap), millis(f.heardAt))
	return err
}

func dropFollow(tx *store.Tx, org, other string) error {
	for _, q := range []string{
		`DELETE FROM unit_seen WHERE org = $1 AND other = $2`,
		`DELETE FROM unit_label WHERE org = $1 AND other = $2`,
		`DELETE FROM unit_follow WHERE org = $1 AND other = $2`,
	} {
		if _, err := tx.Exec(q, org, other); err != nil {
			return err
		}
	}
	return nil
}

func forgetSeen(tx *store.Tx, org, other string) error {
	_, err := tx.Exec(`DELETE FROM unit_seen WHERE org = $1 AND other = $2`, org, other)
	return err
}

func putSeen(tx *store.Tx, org, other string, p Published, heard time.Time) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO unit_seen (org, other, unit, body, heard_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (org, other, unit) DO UPDATE SET body = excluded.body, heard_at = excluded.heard_at`, org, other, p.ID, string(b), millis(heard))
	return err
}

func dropSeen(tx *store.Tx, org, other, id string) error {
	_, err := tx.Exec(`DELETE FROM unit_seen WHERE org = $1 AND other = $2 AND unit = $3`, org, other, id)
	return err
}

// seenOf is how many units a neighbour shows to an organisation.
func seenOf(tx *store.Tx, org, other string) (n int64, err error) {
	err = tx.Row(`SELECT COUNT(*) FROM unit_seen WHERE org = $1 AND other = $2`, org, other).Scan(&n)
	return n, err
}

// seenBy are all units neighbours show to an organisation; what held at a later
// moment for the whole list holds for each.
func seenBy(tx *store.Tx, org string) ([]*Seen, error) {
	rows, err := tx.Query(`SELECT s.other, s.body, s.heard_at, f.heard_at FROM unit_seen s JOIN unit_follow f ON f.org = s.org AND f.other = s.other
		WHERE s.org = $1 ORDER BY s.other, s.unit`, org)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []*Seen
	for rows.Next() {
		s := &Seen{}
		var body string
		var heard, whole int64
		if err := rows.Scan(&s.Other, &body, &heard, &whole); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(body), &s.Published); err != nil {
			return nil, err
		}
		s.Heard = moment(max(heard, whole))
		all = append(all, s)
	}
	return all, rows.Err()
}

func putLabel(tx *store.Tx, org, other, code, label string) error {
	_, err := tx.Exec(`INSERT INTO unit_label (org, other, code, label) VALUES ($1, $2, $3, $4)
		ON CONFLICT (org, other, code) DO UPDATE SET label = excluded.label`, org, other, code, label)
	return err
}

func labelsOf(tx *store.Tx, org string) (map[[2]string]string, error) {
	rows, err := tx.Query(`SELECT other, code, label FROM unit_label WHERE org = $1`, org)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[[2]string]string{}
	for rows.Next() {
		var k [2]string
		var label string
		if err := rows.Scan(&k[0], &k[1], &label); err != nil {
			return nil, err
		}
		all[k] = label
	}
	return all, rows.Err()
}
