package classification

import (
	"encoding/json"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// body is what of a row stands in its column.
type body struct {
	Until string
	Label map[i18n.Lang]Text
	Code  map[System][]Code
	Note  string
}

func putRow(tx *store.Tx, r Row) error {
	b, err := json.Marshal(body{r.Until, r.Label, r.Code, r.Note})
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO classification_row (key, since, version, at, person, action, body) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		r.Key, r.Since, r.Version, r.At.UnixMilli(), r.By, r.Action, string(b))
	return err
}

func queryRows(tx *store.Tx, rest string, args ...any) ([]Row, error) {
	rows, err := tx.Query(`SELECT key, since, version, at, person, action, body FROM classification_row r `+rest, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Row
	for rows.Next() {
		var r Row
		var at int64
		var text string
		if err := rows.Scan(&r.Key, &r.Since, &r.Version, &at, &r.By, &r.Action, &text); err != nil {
			return nil, err
		}
		var b body
		if err := json.Unmarshal([]byte(text), &b); err != nil {
			return nil, err
		}
		r.At, r.Until, r.Label, r.Code, r.Note = time.UnixMilli(at).UTC(), b.Until, b.Label, b.Code, b.Note
		out = append(out, r)
	}
	return out, rows.Err()
}

// current are the rows that were ever changed, as they stand.
func current(tx *store.Tx) ([]Row, error) {
	return queryRows(tx, `WHERE version = (SELECT MAX(version) FROM classification_row n WHERE n.key = r.key AND n.since = r.since)`)
}

// versions are the changes of one row, the newest first.
func versions(tx *store.Tx, key, since string) ([]Row, error) {
	return queryRows(tx, `WHERE key = $1 AND since = $2 ORDER BY version DESC`, key, since)
}

// catalogues are the neighbours' newest, by address.
func catalogues(tx *store.Tx) (map[string]*Catalogue, error) {
	rows, err := tx.Query(`SELECT oid, version, at, body FROM classification_catalogue c WHERE entry = (SELECT MAX(entry) FROM classification_catalogue WHERE oid = c.oid)`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]*Catalogue{}
	for rows.Next() {
		var oid, text string
		var at int64
		c := &Catalogue{}
		if err := rows.Scan(&oid, &c.Version, &at, &text); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(text), &c.Keywords); err != nil {
			return nil, err
		}
		c.At = time.UnixMilli(at).UTC()
		c.index()
		out[oid] = c
	}
	return out, rows.Err()
}

// mostVersions bounds the versions kept of one neighbour: he may answer a question as
// often as he likes.
const mostVersions = 5

func putCatalogue(tx *store.Tx, oid string, entry int64, c Catalogue) error {
	b, err := json.Marshal(c.Keywords)
	if err != nil {
		return err
	}
	if _, err = tx.Exec(`INSERT INTO classification_catalogue (oid, version, at, entry, body) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (oid, version) DO UPDATE SET at = excluded.at, entry = excluded.entry, body = excluded.body`, oid, c.Version, c.At.UnixMilli(), entry, string(b)); err != nil {
		return err
	}
	_, err = tx.Exec(`DELETE FROM classification_catalogue WHERE oid = $1 AND entry NOT IN
		(SELECT entry FROM classification_catalogue WHERE oid = $1 ORDER BY entry DESC LIMIT $2)`, oid, mostVersions)
	return err
}

// answerOnce notes that a request is answered and reports whether it was not before.
func answerOnce(tx *store.Tx, entry int64, at time.Time) (bool, error) {
	rows, err := tx.Exec(`INSERT INTO classification_answer (entry, at, reply, refusal) VALUES ($1, $2, 0, '') ON CONFLICT (entry) DO NOTHING`, entry, at.UnixMilli())
	return rows > 0, err
}

func putAnswer(tx *store.Tx, entry, reply int64, refusal string) error {
	_, err := tx.Exec(`UPDATE classification_answer SET reply = $2, refusal = $3 WHERE entry = $1`, entry, reply, refusal)
	return err
}

// isOurs reports whether an answer in the log is one that the node gave.
func isOurs(tx *store.Tx, reply int64) (bool, error) {
	var n int64
	err := tx.Row(`SELECT COUNT(*) FROM classification_answer WHERE reply = $1`, reply).Scan(&n)
	return n > 0, err
}

// question is a request of ours for a neighbour's catalogue.
type question struct {
	ID, Own, OID, Person string
	At, AnsweredAt       time.Time
}

func putQuestion(tx *store.Tx, q question) error {
	_, err := tx.Exec(`INSERT INTO classification_question (id, own, oid, at, person, answered_at) VALUES ($1, $2, $3, $4, $5, 0)`,
		q.ID, q.Own, q.OID, q.At.UnixMilli(), q.Person)
	return err
}

// answered notes the answer to a question of ours and reports whether there was one.
func answered(tx *store.Tx, id, own, oid string, at time.Time) (bool, error) {
	rows, err := tx.Exec(`UPDATE classification_question SET answered_at = $4 WHERE id = $1 AND own = $2 AND oid = $3`, id, own, oid, at.UnixMilli())
	return rows > 0, err
}

// questions are the newest to each neighbour from the addresses own.
func questions(tx *store.Tx) (map[[2]string]question, error) {
	rows, err := tx.Query(`SELECT id, own, oid, at, person, answered_at FROM classification_question ORDER BY at`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[[2]string]question{}
	for rows.Next() {
		var q question
		var at, done int64
		if err := rows.Scan(&q.ID, &q.Own, &q.OID, &at, &q.Person, &done); err != nil {
			return nil, err
		}
		q.At = time.UnixMilli(at).UTC()
		if done != 0 {
			q.AnsweredAt = time.UnixMilli(done).UTC()
		}
		out[[2]string{q.Own, q.OID}] = q
	}
	return out, rows.Err()
}
