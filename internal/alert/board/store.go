package board

import (
	"encoding/json"
	"time"

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
	for _, table := range []string{`DELETE FROM board_ack WHERE ref IN (SELECT ref FROM board_item WHERE at < $1)`, `DELETE FROM board_told WHERE ref IN (SELECT ref FROM board_item WHERE at < $1)`} {
		if _, err := tx.Exec(table, millis(before)); err != nil {
			return 0, err
		}
	}
	return tx.Exec(`DELETE FROM board_item WHERE at < $1`, millis(before))
}
