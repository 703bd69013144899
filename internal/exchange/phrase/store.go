package phrase

import (
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// state tells whether a book read before is still the newest: the last row and check,
// with their times, since a number that was rolled back is given again.
type state struct{ rows, rowAt, checks, checkAt int64 }

func stateOf(tx *store.Tx) (s state, err error) {
	err = tx.Row(`SELECT COALESCE((SELECT MAX(seq) FROM phrase_row), 0), COALESCE((SELECT at FROM phrase_row ORDER BY seq DESC LIMIT 1), 0),
		COALESCE((SELECT MAX(seq) FROM phrase_check), 0), COALESCE((SELECT at FROM phrase_check ORDER BY seq DESC LIMIT 1), 0)`).
		Scan(&s.rows, &s.rowAt, &s.checks, &s.checkAt)
	return s, err
}

func millis(t time.Time) int64 { return t.UnixMilli() }

// written are the rows of the product, oldest first.
func written(tx *store.Tx) (all []*Phrase, err error) {
	rows, err := tx.Query(`SELECT id, version, grp, slots, cs, de, pl, en, retired, valid_from, person FROM phrase_row ORDER BY seq`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		p := &Phrase{Texts: map[i18n.Lang]Text{}}
		var slots string
		texts := make([]string, len(i18n.Langs))
		var retired, from int64
		if err := rows.Scan(&p.ID, &p.Version, &p.Group, &slots, &texts[0], &texts[1], &texts[2], &texts[3], &retired, &from, &p.By); err != nil {
			return nil, err
		}
		p.Slots, p.Retired, p.From = parseSlots(slots), retired == 1, time.UnixMilli(from).UTC()
		for i, l := range i18n.Langs { // cs, de, pl, en as in the query
			p.Texts[l] = ParseText(texts[i])
		}
		all = append(all, p)
	}
	return all, rows.Err()
}

func (p *Phrase) insert(tx *store.Tx, at time.Time) error {
	_, err := tx.Exec(`INSERT INTO phrase_row (seq, id, version, grp, slots, cs, de, pl, en, retired, valid_from, at, person)
		VALUES ((SELECT COALESCE(MAX(seq), 0) + 1 FROM phrase_row), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		p.ID, p.Version, p.Group, slotList(p.Slots), p.Texts[i18n.Cs].String(), p.Texts[i18n.De].String(), p.Texts[i18n.Pl].String(), p.Texts[i18n.En].String(),
		flag(p.Retired), millis(p.From), millis(at), p.By)
	return err
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// mark is one line of phrase_check.
type mark struct {
	id, version string
	lang        i18n.Lang
	checked     bool
	Check
}

// marks are the checks and what took them back, oldest first.
func marks(tx *store.Tx) (all []mark, err error) {
	rows, err := tx.Query(`SELECT id, version, lang, checked, at, person FROM phrase_check ORDER BY seq`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var m mark
		var checked, at int64
		if err := rows.Scan(&m.id, &m.version, &m.lang, &checked, &at, &m.By); err != nil {
			return nil, err
		}
		m.checked, m.At = checked == 1, time.UnixMilli(at).UTC()
		all = append(all, m)
	}
	return all, rows.Err()
}

func (m mark) insert(tx *store.Tx) error {
	_, err := tx.Exec(`INSERT INTO phrase_check (seq, id, version, lang, checked, at, person)
		VALUES ((SELECT COALESCE(MAX(seq), 0) + 1 FROM phrase_check), $1, $2, $3, $4, $5, $6)`,
		m.id, m.version, string(m.lang), flag(m.checked), millis(m.At), m.By)
	return err
}
