package board

import (
	"encoding/json"
	"errors"
	"time"

	"trojmezi/internal/alert/notice"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web/sign"
)

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// insert enters an item; false when it was there.
func (x *Item) insert(tx *store.Tx) (bool, error) {
	titles, err := json.Marshal(x.Titles)
	if err != nil {
		return false, err
	}
	n, err := tx.Exec(`INSERT INTO board_item (ref, kind, owner, level, titles, link, at, until, gone) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0) ON CONFLICT (ref) DO NOTHING`,
		x.Ref, string(x.Kind), x.Owner, string(x.Level), string(titles), x.Link, millis(x.At), millis(x.Until))
	return n == 1, err
}

// closeItem takes an item out: it holds no more.
func closeItem(tx *store.Tx, ref string, at time.Time) (int64, error) {
	return tx.Exec(`UPDATE board_item SET gone = $2 WHERE ref = $1 AND gone = 0`, ref, millis(at))
}

func items(tx *store.Tx, where string, args ...any) (all []*Item, err error) {
	rows, err := tx.Query(`SELECT ref, kind, owner, level, titles, link, at, until, gone FROM board_item `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		x := &Item{}
		var kind, level, titles string
		var at, until, gone int64
		if err := rows.Scan(&x.Ref, &kind, &x.Owner, &level, &titles, &x.Link, &at, &until, &gone); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(titles), &x.Titles); err != nil {
			return nil, err
		}
		x.Kind, x.Level, x.At, x.Until, x.Gone = store.Kind(kind), sign.Level(level), moment(at), moment(until), moment(gone)
		all = append(all, x)
	}
	return all, rows.Err()
}

// acks are those of items since a time, by item and organisation.
func acks(tx *store.Tx, since time.Time) (map[string]map[string]Ack, error) {
	rows, err := tx.Query(`SELECT a.ref, a.organisation, a.person, a.lang, a.at FROM board_ack a JOIN board_item i ON i.ref = a.ref WHERE i.at >= $1`, millis(since))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[string]map[string]Ack{}
	for rows.Next() {
		var ref, organisation string
		var a Ack
		var at int64
		if err := rows.Scan(&ref, &organisation, &a.Person, &a.Lang, &at); err != nil {
			return nil, err
		}
		a.At = moment(at)
		if all[ref] == nil {
			all[ref] = map[string]Ack{}
		}
		all[ref][organisation] = a
	}
	return all, rows.Err()
}

// insert notes it; 0 when somebody of the organisation was faster.
func (a *Ack) insert(tx *store.Tx, x *Item, organisation string) (int64, error) {
	return tx.Exec(`INSERT INTO board_ack (ref, organisation, kind, person, lang, at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (ref, organisation) DO NOTHING`,
		x.Ref, organisation, string(x.Kind), a.Person, string(a.Lang), millis(a.At))
}

// tell notes that a step was told; 0 when it was already.
func tell(tx *store.Tx, x *Item, organisation string, step int, at time.Time) (int64, error) {
	return tx.Exec(`INSERT INTO board_told (ref, organisation, step, kind, at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (ref, organisation, step) DO NOTHING`,
		x.Ref, organisation, int64(step), string(x.Kind), millis(at))
}

func erase(tx *store.Tx, before time.Time) (int64, error) {
	for _, table := range []string{"board_ack", "board_told", "board_text", "board_asked", "board_from", "board_far_ack"} {
		if _, err := tx.Exec(`DELETE FROM `+table+` WHERE ref IN (SELECT ref FROM board_item WHERE at < $1)`, millis(before)); err != nil {
			return 0, err
		}
	}
	return tx.Exec(`DELETE FROM board_item WHERE at < $1`, millis(before))
}

// Owners of items that another node has told; no organisation is called so.
const (
	farOwner    = "far"
	farOfficial = "far.official"
)

// text is what an item says and by which marks it is known.
type text struct {
	Texts map[i18n.Lang]string
	Marks []string
}

func (x *Item) putText(tx *store.Tx) error {
	texts, err := json.Marshal(x.Texts)
	if err != nil {
		return err
	}
	marks, err := json.Marshal(x.Marks)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO board_text (ref, texts, marks) VALUES ($1, $2, $3) ON CONFLICT (ref) DO NOTHING`, x.Ref, string(texts), string(marks))
	return err
}

func textOf(tx *store.Tx, ref string) (t text, err error) {
	var texts, marks string
	err = tx.Row(`SELECT texts, marks FROM board_text WHERE ref = $1`, ref).Scan(&texts, &marks)
	if errors.Is(err, store.ErrNoRows) {
		return t, nil // entered by a release that kept none
	}
	if err != nil {
		return t, err
	}
	return t, errors.Join(json.Unmarshal([]byte(texts), &t.Texts), json.Unmarshal([]byte(marks), &t.Marks))
}

func partners(tx *store.Tx, organisation string) (map[string]time.Time, error) {
	rows, err := tx.Query(`SELECT other, at FROM board_partner WHERE organisation = $1`, organisation)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[string]time.Time{}
	for rows.Next() {
		var other string
		var at int64
		if err := rows.Scan(&other, &at); err != nil {
			return nil, err
		}
		all[other] = moment(at)
	}
	return all, rows.Err()
}

// share is that an organisation shares its board with a desk.
type share struct {
	organisation, other string
	test                bool
}

// partnersOf are those of an organisation, of everybody for "".
func partnersOf(tx *store.Tx, organisation string) (all []share, err error) {
	rows, err := tx.Query(`SELECT organisation, other, kind FROM board_partner WHERE $1 = '' OR organisation = $1 ORDER BY other, at, organisation`, organisation)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var p share
		var kind string
		if err := rows.Scan(&p.organisation, &p.other, &kind); err != nil {
			return nil, err
		}
		p.test = store.Kind(kind) != store.Live
		all = append(all, p)
	}
	return all, rows.Err()
}

func putPartner(tx *store.Tx, organisation, other string, kind store.Kind, person string, at time.Time) error {
	_, err := tx.Exec(`INSERT INTO board_partner (organisation, other, kind, person, at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (organisation, other) DO NOTHING`,
		organisation, other, string(kind), person, millis(at))
	return err
}

func dropPartner(tx *store.Tx, organisation, other string) (int64, error) {
	return tx.Exec(`DELETE FROM board_partner WHERE organisation = $1 AND other = $2`, organisation, other)
}

func sharesWith(tx *store.Tx, organisation, other string) (bool, error) {
	var n int64
	err := tx.Row(`SELECT COUNT(*) FROM board_partner WHERE organisation = $1 AND other = $2`, organisation, other).Scan(&n)
	return n > 0, err
}

// question is that a desk at another node was asked about an item.
type question struct {
	ref, other, organisation string
	kind                     store.Kind
	at                       time.Time
	letter                   int64
	failed                   string // key of why it could not be sent
}

func putAsked(tx *store.Tx, x *Item, other, organisation string) (bool, error) {
	n, err := tx.Exec(`INSERT INTO board_asked (ref, other, organisation, kind, at, letter, failed) VALUES ($1, $2, $3, $4, $5, 0, '') ON CONFLICT (ref, other) DO NOTHING`,
		x.Ref, other, organisation, string(x.Kind), millis(x.At))
	return n == 1, err
}

func sentAsked(tx *store.Tx, ref, other string, letter int64, failed string) error {
	_, err := tx.Exec(`UPDATE board_asked SET letter = $3, failed = $4 WHERE ref = $1 AND other = $2`, ref, other, letter, failed)
	return err
}

func asked(tx *store.Tx, where string, args ...any) (all []question, err error) {
	rows, err := tx.Query(`SELECT ref, other, organisation, kind, at, letter, failed FROM board_asked `+where+` ORDER BY ref, other`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var q question
		var kind string
		var at int64
		if err := rows.Scan(&q.ref, &q.other, &q.organisation, &kind, &at, &q.letter, &q.failed); err != nil {
			return nil, err
		}
		q.kind, q.at = store.Kind(kind), moment(at)
		all = append(all, q)
	}
	return all, rows.Err()
}

// from is that a desk at another node asked an organisation here about an item.
type from struct {
	other, theirs, organisation, ref, owner string
	kind                                    store.Kind
	at                                      time.Time
}

func putFrom(tx *store.Tx, f from) (bool, error) {
	n, err := tx.Exec(`INSERT INTO board_from (other, theirs, organisation, ref, kind, owner, at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (other, theirs, organisation) DO NOTHING`,
		f.other, f.theirs, f.organisation, f.ref, string(f.kind), f.owner, millis(f.at))
	return n == 1, err
}

func froms(tx *store.Tx, where string, args ...any) (all []from, err error) {
	rows, err := tx.Query(`SELECT other, theirs, organisation, ref, kind, owner, at FROM board_from `+where+` ORDER BY other, theirs, organisation`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var f from
		var kind string
		var at int64
		if err := rows.Scan(&f.other, &f.theirs, &f.organisation, &f.ref, &kind, &f.owner, &at); err != nil {
			return nil, err
		}
		f.kind, f.at = store.Kind(kind), moment(at)
		all = append(all, f)
	}
	return all, rows.Err()
}

// farAck is an acknowledgement made at another node.
type farAck struct {
	ref, other string
	Line
}

func putFarAck(tx *store.Tx, ref string, c notice.Came, b block, at time.Time) (bool, error) {
	n, err := tx.Exec(`INSERT INTO board_far_ack (ref, other, office, kind, name, country, person, lang, at, came) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (ref, other, office) DO NOTHING`,
		ref, c.Other, b.Ack.Office, string(b.Kind), b.Ack.Name, b.Ack.Country, b.Ack.Person, string(b.Ack.Lang), millis(at), millis(c.At))
	return n == 1, err
}

func farAcks(tx *store.Tx, where string, args ...any) (all []farAck, err error) {
	rows, err := tx.Query(`SELECT ref, other, office, name, country, person, lang, at FROM board_far_ack `+where+` ORDER BY ref, at, office`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var a farAck
		var at int64
		if err := rows.Scan(&a.ref, &a.other, &a.ID, &a.Name, &a.Country, &a.Person, &a.Lang, &at); err != nil {
			return nil, err
		}
		a.At = moment(at)
		all = append(all, a)
	}
	return all, rows.Err()
}

// rename makes an item of a neighbour one with an item of this node: who asked for it, and
// who acknowledged it at other nodes, hangs on that one from now on. Whoever acknowledged it
// here has read what the neighbour wrote, not this: he is asked again.
func rename(tx *store.Tx, old, ref string) error {
	for _, query := range []string{
		`UPDATE board_from SET ref = $2 WHERE ref = $1`,
		`INSERT INTO board_far_ack (ref, other, office, kind, name, country, person, lang, at, came)
			SELECT $2, other, office, kind, name, country, person, lang, at, came FROM board_far_ack WHERE ref = $1 ON CONFLICT (ref, other, office) DO NOTHING`,
	} {
		if _, err := tx.Exec(query, old, ref); err != nil {
			return err
		}
	}
	for _, table := range []string{"board_far_ack", "board_ack", "board_told", "board_text", "board_item"} {
		if _, err := tx.Exec(`DELETE FROM `+table+` WHERE ref = $1`, old); err != nil {
			return err
		}
	}
	return nil
}

// openFrom counts what a neighbour asks an organisation to acknowledge now.
func openFrom(tx *store.Tx, other, organisation string, now time.Time) (n int, err error) {
	err = tx.Row(`SELECT COUNT(*) FROM board_from f JOIN board_item i ON i.ref = f.ref WHERE f.other = $1 AND f.organisation = $2 AND i.gone = 0 AND (i.until = 0 OR i.until > $3)`,
		other, organisation, millis(now)).Scan(&n)
	return n, err
}

// officesOf counts who of a neighbour has acknowledged an item.
func officesOf(tx *store.Tx, ref, other string) (n int, err error) {
	err = tx.Row(`SELECT COUNT(*) FROM board_far_ack WHERE ref = $1 AND other = $2`, ref, other).Scan(&n)
	return n, err
}
