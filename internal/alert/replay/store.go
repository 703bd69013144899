package replay

import (
	"errors"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

const columns = `id, kind, notice, revision, sender, organisation, name, language, title, asked_at, acknowledged_at, missed_at`

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func scan(row interface{ Scan(...any) error }) (r Receipt, err error) {
	var asked, acknowledged, missed int64
	var lang string
	err = row.Scan(&r.ID, &r.Kind, &r.Notice, &r.Revision, &r.Sender, &r.Organisation, &r.Name, &lang, &r.Title, &asked, &acknowledged, &missed)
	r.Lang, r.AskedAt, r.AcknowledgedAt, r.MissedAt = i18n.Lang(lang), moment(asked), moment(acknowledged), moment(missed)
	return r, err
}

func (r *Receipt) insert(tx *store.Tx) error {
	_, err := tx.Exec(`INSERT INTO replay_receipt (`+columns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0)`,
		r.ID, string(r.Kind), r.Notice, r.Revision, r.Sender, r.Organisation, r.Name, string(r.Lang), r.Title, r.AskedAt.UnixMilli())
	return err
}

// receipt finds one; false: there is none.
func receipt(tx *store.Tx, id string) (r Receipt, found bool, err error) {
	r, err = scan(tx.Row(`SELECT `+columns+` FROM replay_receipt WHERE id = $1`, id))
	if errors.Is(err, store.ErrNoRows) {
		return r, false, nil
	}
	return r, err == nil, err
}

func receipts(tx *store.Tx) (all []Receipt, err error) {
	rows, err := tx.Query(`SELECT ` + columns + ` FROM replay_receipt ORDER BY asked_at, name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// settle notes an acknowledgement or its absence, once.
func settle(tx *store.Tx, id, column string, at time.Time) (bool, error) {
	n, err := tx.Exec(`UPDATE replay_receipt SET `+column+` = $2 WHERE id = $1 AND `+column+` = 0`, id, at.UnixMilli())
	return n == 1, err
}
